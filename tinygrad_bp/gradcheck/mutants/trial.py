"""Faults planted one at a time, and what notices them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.contribution import slots
from tinygrad_bp.gradcheck.mutants.excuses import excuse
from tinygrad_bp.gradcheck.mutants.faults import (
    FAULTS,
    FaultyCall,
    breakable,
    is_variadic,
    plant,
    rule_of,
)
from tinygrad_bp.gradcheck.mutants.probes import CALLS, Probe
from tinygrad_bp.gradcheck.mutants.report import Mutant, MutationReport
from tinygrad_bp.gradcheck.report import Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.subjects import of_function
from tinygrad_bp.operands import admit
from tinygrad_bp.registry import Rule, rules

__all__ = ["mutants"]

Function = Callable[..., Any]
Progress = Callable[[int, int], None]
Vector = np.ndarray[Any, Any]


class _Trial:
    """All probes of one function, and the gradients of its sound rule on them."""

    def __init__(self, function: Function, probes: Sequence[Probe], seed: int) -> None:
        self.function = function
        self.seed = seed
        # An alarm at a sound rule kills nothing, so its probe is set aside.
        alarms = [_alarm(probe, seed) for probe in probes]
        self.probes = [p for p, alarm in zip(probes, alarms, strict=True) if not alarm]
        self.false_alarms = [
            f"{probe}: {alarm}" for probe, alarm in zip(probes, alarms, strict=True) if alarm
        ]
        self.subjects = [of_function(probe, probe.args) for probe in self.probes]
        self.weights = [self._weights(subject) for subject in self.subjects]
        self.sound = [self._gradient(i) for i in range(len(self.probes))]
        self.dtypes = [_raw_dtypes(probe) for probe in self.probes]

    def _weights(self, subject: Subject) -> list[Vector]:
        """Two signed combinations of the outputs: a fault must not hide behind a zero weight."""
        rng = np.random.default_rng(self.seed)
        size = np.size(subject.value(subject.x))
        signs = rng.choice([-1.0, 1.0], (2, size))
        return list(signs * rng.uniform(0.5, 1.5, (2, size)))

    def _gradient(self, i: int) -> bytes:
        """The bits of the gradient on one probe; none where the rule breaks down."""
        try:
            gradient = self.subjects[i].pull(self.weights[i])
        except _BREAKDOWNS:
            return b"broken"
        return (gradient + 0.0).tobytes()  # the sign of a zero is not a change

    def run(self, fault: str, slot: int | None) -> Mutant:
        """Plant one fault and see who notices."""
        mutant = functools.partial(Mutant, name_of(self.function), slot, fault)
        survived = ""
        with plant(self.function, fault, slot):
            for i, probe in enumerate(self.probes):
                if self._gradient(i) != self.sound[i]:
                    if by := _alarm(probe, self.seed):
                        return mutant("killed", by, str(probe))
                    survived = survived or str(probe)
                elif _raw_dtypes(probe) != self.dtypes[i]:
                    return mutant("killed", "dtype", str(probe))
        if survived:
            return mutant("survived", call=survived)
        single = fault == "float64 leak"  # that is where it can be seen
        uses = [use for probe in self.probes for use in _uses(probe, slot, single=single)]
        return mutant("equivalent", excuse=excuse(self.function, fault, uses))


# What a broken rule may end in; anything else is a fault of this module.
_BREAKDOWNS = (TinygradError, ValueError, TypeError, IndexError, AttributeError)


def _alarm(probe: Probe, seed: int) -> str:
    """What the check objects to in the gradient of one call; "" if nothing."""
    try:
        report = check(probe, *probe.args, at="here", seed=seed)
    except _BREAKDOWNS as error:
        return f"error: {type(error).__name__}"
    return _complaint(report)


def _complaint(report: Report) -> str:
    if not (report.wrong or report.counts[Verdict.INCONCLUSIVE]):
        return ""
    if report.counts[Verdict.FAIL]:
        return "values"
    broken = [name for name, problem in report.identities.items() if problem]
    return f"identity: {broken[0]}" if broken else "undecided"


def _raw_dtypes(probe: Probe) -> list[str]:
    """The dtypes that a rule itself gives in single precision, before the engine restores them."""
    try:
        return [str(use.right().dtype) for use in _uses(probe, single=True)]
    except _BREAKDOWNS:
        return []


def _uses(probe: Probe, slot: int | None = None, *, single: bool = False) -> Iterator[FaultyCall]:
    """Each partial in question, as a call of the function uses it: on plain arrays."""
    rule = rules[probe.function]
    args = list(probe.args)
    if single:
        args = fill(args, map(_single, leaves(args)))
    given, options = rule.form.bind(probe.filled(*args), probe.options)
    arrays = tuple(map(admit, given))
    y = rule.forward(*arrays, **options)
    y = tuple(map(np.asarray, y)) if isinstance(y, tuple) else np.asarray(y)
    g = tuple(map(_ramp, y)) if isinstance(y, tuple) else _ramp(y)
    for i in slots(rule, len(arrays)):
        if slot in (None, i):
            yield FaultyCall(rule, i, g, y, arrays, options)


def _ramp(y: Vector) -> Vector:
    """What arrives at an output: no two entries alike, and none of them 0."""
    turned = 1 + 0.5j if y.dtype.kind == "c" else 1
    return (turned * np.linspace(0.5, 1.5, y.size)).astype(y.dtype).reshape(y.shape)


def _single(leaf: Any) -> Any:
    numbers = isinstance(leaf, float | complex | np.ndarray)
    single = {"f": np.float32, "c": np.complex64}.get(np.asarray(leaf).dtype.kind)
    return np.asarray(leaf, single) if numbers and single else leaf


# --- all of them ----------------------------------------------------------------------------


def mutants(
    functions: Iterable[Function] | None = None,
    *,
    calls: Iterable[Probe] = CALLS,
    faults: Iterable[str] = tuple(FAULTS),
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> MutationReport:
    """Plant every fault in every rule that is called, one at a time, and report who noticed.

    `functions` restricts the rules, `sample` draws as many of them at random, `calls` says how
    each is called; without, a few calls of the functions that networks are made of. Good calls
    cover broadcasting, several axes and square matrices, and keep away from kinks: at a tie every
    value in between is right. Calls of functions without a rule of their own (composites) are
    left out. Each call is checked with the sound rule first: a false alarm is reported, and its
    call kills nothing. `progress(done, total)` is called with each planted fault.

    A mutant that changes a gradient should be killed; one that does not should have an excuse.

    Raises `ValueError` if one of the functions has no rule or no call.

    >>> report = mutants([np.multiply], faults=["wrong sign", "arguments swapped"])
    >>> len(report.killed), len(report.survived), len(report.equivalent)
    (4, 0, 0)
    """
    probes: dict[Function, list[Probe]] = {}
    own = set(breakable())
    for probe in calls:
        if probe.function in own:
            probes.setdefault(probe.function, []).append(probe)
    chosen = _sampled(list(probes if functions is None else functions), sample, seed)
    plans = {
        function: list(_plan(rule_of(function), list(faults), probes.get(function, [])))
        for function in chosen
    }
    total = sum(map(len, plans.values()))
    report = MutationReport([], [], seed)
    # A broken rule may divide by zero or overflow: that is looked for in its values.
    with np.errstate(all="ignore"):
        for function, plan in plans.items():
            if function not in probes:
                raise ValueError(f"no call of {name_of(function)} is given to probe its rule with")
            trial = _Trial(function, probes[function], seed)
            report.false_alarms.extend(trial.false_alarms)
            for fault, slot in plan:
                report.mutants.append(trial.run(fault, slot))
                if progress is not None:
                    progress(len(report.mutants), total)
    return report


def _sampled(functions: list[Function], sample: int | None, seed: int) -> list[Function]:
    """As many as asked for, drawn at random, in their order."""
    if sample is None or sample >= len(functions):
        return functions
    chosen = np.random.default_rng(seed).choice(len(functions), sample, replace=False)
    return [functions[i] for i in sorted(chosen.tolist())]


def _plan(
    rule: Rule, faults: list[str], probes: Iterable[Probe]
) -> Iterator[tuple[str, int | None]]:
    """The mutants of one rule: every fault in every partial where it makes sense."""
    if not any(probe.is_complex for probe in probes):
        faults = [fault for fault in faults if not FAULTS[fault].of_complex]
    if is_variadic(rule):
        yield from ((fault, None) for fault in faults)
        return
    found = slots(rule, len(rule.partials))
    for fault in faults:
        if len(found) >= FAULTS[fault].arguments:
            yield from ((fault, slot) for slot in found)
