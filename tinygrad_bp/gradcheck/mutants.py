"""Planted faults: the derivative rules are broken on purpose, to see whether the check notices.

A mutant is one rule with one fault in what one argument receives. While it is planted, calls of
the function are checked; the mutant is

    killed       something raised the alarm: a value, an identity, an error, a dtype
    survived     it changed a gradient and nobody noticed: a hole in the checker
    equivalent   it changed no bit of any gradient on the calls it was given, such as a swap of
                 the partials of `add`: there is nothing to notice, and `EXCUSES` say why

Values and identities are `check`'s. A float64 leak changes no value, because the engine casts it
back; what gives it away is the dtype of the rule's own result in single precision.

Source: DeMillo, Lipton, Sayward, Hints on Test Data Selection (1978), for mutants of programs.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_bp import primitives
from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.report import Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject, of_function
from tinygrad_bp.registry import Array, Each, Rule, name_of, rules

__all__ = [
    "CALLS",
    "EXCUSES",
    "FAULTS",
    "FaultyCall",
    "Mutant",
    "MutationReport",
    "Probe",
    "mutants",
    "plant",
]

Function = Callable[..., Any]
Progress = Callable[[int, int], None]
Vector = np.ndarray[Any, Any]


# --- the faults -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FaultyCall:
    """One use of a partial, as a fault sees it: what was passed, and the right answer on request.

    `g` is what arrives (a gradient, or in forward mode a tangent), `y` the output, `args` the
    function's arguments, `slot` the one that the result is for.
    """

    partials: Sequence[Any]
    slot: int
    g: Array
    y: Array
    args: tuple[Any, ...]
    options: Mapping[str, Any]

    def right(self, **instead: Any) -> Array:
        """Return what the sound rule gives, with some of `slot`, `g`, `y`, `args` replaced."""
        slot, g = instead.get("slot", self.slot), instead.get("g", self.g)
        y, args = instead.get("y", self.y), instead.get("args", self.args)
        return self.partials[slot](g, y, *args, **self.options)

    @property
    def x(self) -> Array:
        """The argument that the result is for."""
        return self.args[self.slot]

    @property
    def other(self) -> int:
        """The next argument that takes a gradient; the same one if there is no other."""
        slots = _slots(self.partials, len(self.args))
        return slots[(slots.index(self.slot) + 1) % len(slots)]


def _slots(partials: Sequence[Any], arguments: int) -> list[int]:
    """The arguments that take a gradient."""
    if isinstance(partials, Each):
        return list(range(partials.start, arguments))
    return [i for i, partial in enumerate(partials) if partial is not None]


def _transposed(call: FaultyCall) -> Array:
    right = call.right()
    return np.reshape(np.transpose(right), right.shape)


def _first_of_broadcast(call: FaultyCall) -> Array:
    """Of the copies that broadcasting made of an entry, only the first sends its gradient back."""
    right, wanted = call.right(), np.shape(call.x)
    extra = len(right.shape) - len(wanted)
    if extra < 0 or right.size == 0:
        return right
    first = right[(0,) * extra]
    return first[tuple(slice(0, n) for n in wanted)]


def _one_entry_zero(call: FaultyCall) -> Array:
    right = call.right()
    places = np.arange(right.size).reshape(right.shape)
    return np.where(places == right.size // 2, 0, right)


def _moved(value: Any, factor: float = 1.001) -> Any:
    """A thousandth off, if it is an array of numbers that can be."""
    dtype = getattr(value, "dtype", None)
    return value * factor if isinstance(dtype, np.dtype) and dtype.kind == "f" else value


@dataclass(frozen=True, slots=True)
class _Fault:
    """A standard mistake: what a partial with it gives, and how to call it in tables."""

    short: str
    give: Callable[[FaultyCall], Array]
    forward: bool = True  # whether it makes sense of tangents, too
    arguments: int = 1  # how many must take a gradient


FAULTS: Mapping[str, _Fault] = {
    "factor 1.001": _Fault("1.001", lambda call: call.right() * 1.001),
    "wrong sign": _Fault("sign", lambda call: -call.right()),
    "missing transpose": _Fault("T", _transposed),
    "missing sum over a broadcast axis": _Fault("sum", _first_of_broadcast, forward=False),
    "arriving gradient ignored": _Fault("g", lambda call: call.right(g=np.ones_like(call.g))),
    "one entry zero": _Fault("zero", _one_entry_zero),
    "missing 1/N": _Fault("1/N", lambda call: call.right() * np.size(call.x)),
    "stale inputs": _Fault("old x", lambda call: call.right(args=tuple(map(_moved, call.args)))),
    "stale output": _Fault("old y", lambda call: call.right(y=_moved(call.y))),
    "float64 leak": _Fault("f64", lambda call: call.right().astype(np.float64)),
    "arguments swapped": _Fault("swap", lambda call: call.right(slot=call.other), arguments=2),
}
"""The standard faults by name; what is stale differs by a thousandth from what it should be."""


@contextmanager
def plant(function: Function, fault: str, slot: int | None = None) -> Iterator[None]:
    """Break a function's rule inside the block: what one argument receives, or each of them.

    `fault` is a name from `FAULTS`. Where forward mode uses the same partials, it is broken
    alike. On leaving, the rule is what it was, also after an error. Rules belong to the whole
    process: plant nothing while another thread differentiates. Raises `ValueError` if the
    function has no rule of its own, or no such argument.

    >>> from tinygrad_bp import grad
    >>> with plant(np.exp, "wrong sign"):
    ...     grad(np.exp)(0.0)
    array(-1.)
    >>> grad(np.exp)(0.0)
    array(1.)
    """
    rule, planted = _rule_of(function), FAULTS[fault]
    partials, pushes = rule.partials, rule.pushes
    broken = _broken(partials, planted, slot)
    try:
        rule.partials = broken
        if pushes is partials and planted.forward:
            rule.pushes = broken
        yield
    finally:
        rule.partials, rule.pushes = partials, pushes


def _rule_of(function: Function) -> Rule:
    if function not in rules:
        raise ValueError(f"{name_of(function)} has no derivative rule of its own to break")
    return rules[function]


def _broken(partials: Sequence[Any], fault: _Fault, slot: int | None) -> Sequence[Any]:
    def give(i: int, g: Array, y: Array, *args: Any, **options: Any) -> Array:
        return fault.give(FaultyCall(partials, i, g, y, args, options))

    if isinstance(partials, Each):
        if slot is not None:
            raise ValueError("a variadic rule has one partial for all arguments: leave slot out")
        return Each(give, start=partials.start)
    slots = _slots(partials, len(partials))
    if slot is not None and slot not in slots:
        raise ValueError(f"no gradient passes through argument {slot}, only through {slots}")
    chosen = slots if slot is None else [slot]
    return [
        functools.partial(give, i) if i in chosen else partial for i, partial in enumerate(partials)
    ]


# --- what the mutants are probed with -------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """One call of a function: floating-point arguments are differentiated, others are constants.

    >>> Probe(np.sum, (np.ones((2, 3)),), {"axis": 0})(np.ones((2, 3)))
    array([2., 2., 2.])
    """

    function: Function
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *args: Any) -> Any:
        """Call the function with other values, and the same options."""
        return self.function(*args, **self.options)


def _core_calls() -> Iterator[Probe]:
    """A few calls of the functions that networks are made of, without ties and poles."""
    rng = np.random.default_rng(0)

    def x(*shape: int) -> Vector:
        """Numbers from ±1/2 to ±2, no two of them alike."""
        size = int(np.prod(shape))
        values = np.linspace(0.5, 2.0, size) * rng.choice([-1.0, 1.0], size)
        return rng.permutation(values).reshape(shape)

    for binary in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum):
        for a, b in (
            (x(2, 3), x(3) * 1.1),
            (x(2, 1), x(1, 3) * 1.1),
            (x(3, 3), x(3, 3) * 1.1),
        ):
            yield Probe(binary, (a, b))
            yield Probe(binary, (b, a))  # in every place each of them wins once
    yield Probe(np.power, (np.abs(x(2, 3)), x(3)))
    yield Probe(np.power, (x(2, 3), 3))
    for unary in (
        np.negative, np.absolute, np.square, np.exp, np.sin, np.cos, np.tanh,
        primitives.sigmoid, primitives.relu, primitives.softmax, primitives.log_softmax,
        primitives.logsumexp, np.transpose, np.ravel, np.cumsum,
    ):  # fmt: skip
        yield Probe(unary, (x(2, 3),))
        yield Probe(unary, (x(3, 3),))
    for of_positive in (np.sqrt, np.log):
        yield Probe(of_positive, (np.abs(x(2, 3)),))
    for reduction in (np.sum, np.mean, np.max, np.min, np.prod):
        yield Probe(reduction, (x(2, 3),))
        yield Probe(reduction, (x(2, 3),), {"axis": 0})
        yield Probe(reduction, (x(2, 3),), {"axis": 1, "keepdims": True})
    for left, right in (((2, 3), (3, 2)), ((3, 3), (3, 3)), ((2, 2, 3), (3, 2)), ((2, 3), (3,))):
        yield Probe(np.matmul, (x(*left), x(*right)))
    yield Probe(np.einsum, ("ij,jk->ik", x(2, 3), x(3, 2)))
    yield Probe(np.where, (np.eye(2, 3) > 0, x(2, 3), x(3)))
    yield Probe(np.where, (np.eye(2, 3) == 0, x(2, 3), x(3)))
    yield Probe(np.reshape, (x(2, 3), (3, 2)))
    yield Probe(primitives.getitem, (x(2, 3), ([0, 1, 1],)))
    yield Probe(primitives.concat, (x(2, 3), x(2, 2)), {"axis": 1})
    yield Probe(primitives.affine, (x(4, 3), x(2, 3), x(2)))
    yield Probe(primitives.sum_squares, (x(2, 3), x(2, 3) * 1.1))
    yield Probe(primitives.softmax_cross_entropy, (x(2, 3), np.array([2, 0])))


CALLS: tuple[Probe, ...] = tuple(_core_calls())
"""Calls of the functions that networks are made of: what is probed if nothing else is given."""


# --- one mutant -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault and what became of it."""

    function: str
    slot: int | None  # None for all arguments of a variadic function
    fault: str
    outcome: str  # "killed", "survived" or "equivalent"
    by: str = ""  # what killed it
    call: str = ""  # the call that did, or that changed and was let pass
    excuse: str = ""  # why it changes nothing: a key of `EXCUSES`

    def __str__(self) -> str:
        place = "" if self.slot is None else f", argument {self.slot}"
        end = f" by {self.by}" if self.by else ""
        where = f", in {self.call}" if self.call else ""
        why = f": {EXCUSES[self.excuse]}" if self.excuse else ""
        return f"{self.function}{place}: {self.fault}, {self.outcome}{end}{where}{why}"


class _Trial:
    """All probes of one function, and the gradients of its sound rule on them."""

    def __init__(self, function: Function, probes: Sequence[Probe], seed: int) -> None:
        self.function = function
        self.seed = seed
        # An alarm at a sound rule kills nothing, so its probe is set aside.
        alarms = [_alarm(probe, seed) for probe in probes]
        self.probes = [p for p, alarm in zip(probes, alarms, strict=True) if not alarm]
        self.false_alarms = [
            f"{_text(probe)}: {alarm}" for probe, alarm in zip(probes, alarms, strict=True) if alarm
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
                        return mutant("killed", by, _text(probe))
                    survived = survived or _text(probe)
                elif _raw_dtypes(probe) != self.dtypes[i]:
                    return mutant("killed", "dtype", _text(probe))
        if survived:
            return mutant("survived", call=survived)
        single = fault == "float64 leak"  # that is where it can be seen
        uses = [use for probe in self.probes for use in _uses(probe, slot, single=single)]
        return mutant("equivalent", excuse=_excuse(self.function, fault, uses))


# What a broken rule may end in; anything else is a fault of this module.
_BREAKDOWNS = (TinygradError, ValueError, TypeError, IndexError, AttributeError)


def _alarm(probe: Probe, seed: int) -> str:
    """What the check has to say against the gradient of one call; nothing if it is content."""
    try:
        report = check(probe, *probe.args, seed=seed)
    except _BREAKDOWNS as error:
        return f"error: {type(error).__name__}"
    return _complaint(report)


def _complaint(report: Report) -> str:
    if report.ok:
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


def _text(probe: Probe) -> str:
    """A call as a reader would write it, arrays by their shapes."""
    shown = [f"array{a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in probe.args]
    shown += [f"{key}={value!r}" for key, value in probe.options.items()]
    return f"{name_of(probe.function)}({', '.join(shown)})"


# --- why some mutants change nothing --------------------------------------------------------

EXCUSES: Mapping[str, str] = {
    "zero": "the argument receives zeros, whatever arrives",
    "unread": "the rule does not read it: with NaN in its place it gives the same bits",
    "shape": "nothing to sum: what the rule gives has the argument's shape already",
    "same": "the partials are one and the same",
    "float64": "the function itself gives float64 for float32",
    "decides": "the rule only asks which is larger, or for a sign: both stay as they are",
    "quotient": "the rule reads the whole part of a quotient: both its parts are stale alike",
}
"""Why a fault may change no bit of a gradient; most are found out by calling the rule itself."""

# Reading a value without passing it on cannot be told from outside: these two are argued by name.
_DECIDE = {np.maximum, np.minimum, np.absolute, np.fabs, primitives.relu}
_QUOTIENT = {np.remainder, np.fmod}


def _excuse(function: Function, fault: str, uses: Sequence[FaultyCall]) -> str:
    """Return why a fault changes nothing in the given uses; "" if no reason is known."""
    found = (name for name, holds in _reasons(function, fault) if all(map(holds, uses)))
    return next(found, "") if uses else ""


def _reasons(function: Function, fault: str) -> Iterator[tuple[str, Callable[[FaultyCall], bool]]]:
    """The excuses that a fault may have, each with what has to hold of every use."""
    yield "zero", lambda use: not np.any(use.right())
    if fault == "stale inputs":
        yield "unread", lambda use: _same(use, args=tuple(map(_poisoned, use.args)))
        yield "decides", lambda _: function in _DECIDE
        yield "quotient", lambda _: function in _QUOTIENT
    elif fault == "stale output":
        yield "unread", lambda use: _same(use, y=_poisoned(use.y))
    elif fault == "missing sum over a broadcast axis":
        yield "shape", lambda use: np.shape(use.right()) == np.shape(use.x)
    elif fault == "arguments swapped":
        yield "same", lambda use: _same(use, slot=use.other)
    elif fault == "float64 leak":
        yield "float64", lambda use: use.y.dtype == np.float64


def _uses(probe: Probe, slot: int | None = None, *, single: bool = False) -> Iterator[FaultyCall]:
    """Each partial in question, as a call of the function uses it: on plain arrays."""
    partials = rules[probe.function].partials
    args = tuple(probe.args)
    if single:
        args = tuple(fill(list(args), map(_single, leaves(list(args)))))
    y = np.asarray(probe(*args))
    g = np.linspace(0.5, 1.5, y.size, dtype=y.dtype).reshape(y.shape)
    for i in _slots(partials, len(args)):
        if i < len(args) and slot in (None, i):
            yield FaultyCall(partials, i, g, y, args, probe.options)


def _same(use: FaultyCall, **instead: Any) -> bool:
    """Whether the sound rule gives the same bits with something else in its place."""
    right, other = (np.asarray(found) + 0.0 for found in (use.right(), use.right(**instead)))
    return right.shape == other.shape and right.tobytes() == other.tobytes()


def _poisoned(value: Any) -> Any:
    return _moved(value, np.nan)


def _single(leaf: Any) -> Any:
    floating = isinstance(leaf, float | np.ndarray) and np.asarray(leaf).dtype.kind == "f"
    return np.asarray(leaf, np.float32) if floating else leaf


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
    for probe in calls:
        if probe.function in rules:
            probes.setdefault(probe.function, []).append(probe)
    chosen = _sampled(list(probes if functions is None else functions), sample, seed)
    plans = {function: list(_plan(_rule_of(function), list(faults))) for function in chosen}
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


def _plan(rule: Rule, faults: Iterable[str]) -> Iterator[tuple[str, int | None]]:
    """The mutants of one rule: every fault in every partial where it makes sense."""
    if isinstance(rule.partials, Each):
        yield from ((fault, None) for fault in faults)
        return
    slots = _slots(rule.partials, len(rule.partials))
    for fault in faults:
        if len(slots) >= FAULTS[fault].arguments:
            yield from ((fault, slot) for slot in slots)


@dataclass(frozen=True)
class MutationReport:
    """What became of all planted faults; `str()` is a table of rules and faults.

    >>> print(mutants([np.exp, np.add], faults=["wrong sign", "stale output"]))
    4 killed, 0 survived, 2 equivalent (of 6 planted faults; seed 0)
    <BLANKLINE>
         sign  old y
    exp  x     x
    add  xx    ==
    <BLANKLINE>
    One character for each argument: x killed, = changes nothing, S SURVIVED
      sign   wrong sign    3 killed
      old y  stale output  1 killed, 2 equivalent
    """

    mutants: list[Mutant]
    false_alarms: list[str]  # calls at which the check complained of the sound rule
    seed: int

    @property
    def killed(self) -> list[Mutant]:
        """Those that were noticed."""
        return self._of("killed")

    @property
    def survived(self) -> list[Mutant]:
        """Those that changed a gradient and were not noticed."""
        return self._of("survived")

    @property
    def equivalent(self) -> list[Mutant]:
        """Those that changed nothing."""
        return self._of("equivalent")

    @property
    def unexcused(self) -> list[Mutant]:
        """Those that changed nothing, and nobody knows why: the calls may be too tame."""
        return [mutant for mutant in self.equivalent if not mutant.excuse]

    @property
    def ok(self) -> bool:
        """Whether all that can be noticed was, and nothing else was."""
        return not (self.survived or self.unexcused or self.false_alarms)

    def _of(self, outcome: str) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.outcome == outcome]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "killed": len(self.killed),
            "survived": len(self.survived),
            "equivalent": len(self.equivalent),
            "false_alarms": self.false_alarms,
            "seed": self.seed,
            "mutants": [
                {name: getattr(mutant, name) for name in Mutant.__slots__}
                for mutant in self.mutants
            ],
        }

    def __str__(self) -> str:
        head = (
            f"{len(self.killed)} killed, {len(self.survived)} survived, {len(self.equivalent)} "
            f"equivalent (of {len(self.mutants)} planted faults; seed {self.seed})"
        )
        key = "One character for each argument: x killed, = changes nothing, S SURVIVED"
        parts = [head, "", *self._table(), "", key, *self._totals()]
        for title, lines in (
            ("survivors", self.survived),
            ("change nothing, nobody knows why", self.unexcused),
            ("false alarms", self.false_alarms),
        ):
            if lines:
                parts += ["", f"{title}:", *(f"  {line}" for line in lines)]
        return "\n".join(parts)

    def to_markdown(self) -> str:
        """Return the whole table, and why each equivalent mutant is one."""
        argued = [m for m in self.equivalent if m.excuse in _ARGUED]
        noticed = Counter(mutant.by.partition(":")[0] for mutant in self.killed)
        return "\n".join(
            [
                f"{len(self.killed):,} of {len(self.mutants):,} planted faults are killed, "
                f"{len(self.survived):,} survive, {len(self.equivalent):,} change no gradient "
                f"({len(self.unexcused):,} of them for no known reason); "
                f"{len(self.false_alarms):,} false alarms; seed {self.seed}.",
                "",
                "One character for each argument: x killed, S survived, ? changes nothing for no "
                "known reason; the other letters say below why there is nothing to notice.",
                "",
                *_markdown([["rule", *self._shorts()], *self._cells(_letter)]),
                "",
                *_markdown([["", "fault", *_MARKS], *self._counts()]),
                "",
                f"What noticed them: {', '.join(f'{n:,} by {by}' for by, n in noticed.items())}.",
                "",
                *_markdown([["", "why it changes no gradient", "mutants"], *self._excused()]),
                "",
                "All but the last two reasons are found by calling the rule. Those two are argued, "
                "one by one:",
                "",
                *(
                    f"- {m.function}, argument {m.slot}, {m.fault}: {EXCUSES[m.excuse]}"
                    for m in argued
                ),
                "",
            ]
        )

    def _excused(self) -> list[list[str]]:
        counts = Counter(mutant.excuse for mutant in self.equivalent)
        return [[_LETTERS[name], why, str(counts[name])] for name, why in EXCUSES.items()]

    def _faults(self) -> list[str]:
        return list(dict.fromkeys(mutant.fault for mutant in self.mutants))

    def _shorts(self) -> list[str]:
        return [FAULTS[fault].short for fault in self._faults()]

    def _cells(self, mark: Callable[[Mutant], str]) -> list[list[str]]:
        """A row for each rule, with its name and a cell for each fault."""
        cells: dict[str, dict[str, str]] = {}
        for mutant in self.mutants:
            row = cells.setdefault(mutant.function, dict.fromkeys(self._faults(), ""))
            row[mutant.fault] += mark(mutant)
        return [[function, *row.values()] for function, row in cells.items()]

    def _counts(self) -> list[list[str]]:
        """A row for each fault, with its names and how many had which outcome."""
        counts = Counter((mutant.fault, mutant.outcome) for mutant in self.mutants)
        return [
            [FAULTS[fault].short, fault, *(str(counts[fault, outcome]) for outcome in _MARKS)]
            for fault in self._faults()
        ]

    def _table(self) -> list[str]:
        marked = self._cells(lambda mutant: _MARKS[mutant.outcome])
        return _aligned([["", *self._shorts()], *marked])

    def _totals(self) -> list[str]:
        rows = []
        for short, fault, *counts in self._counts():
            said = [f"{n} {outcome}" for n, outcome in zip(counts, _MARKS, strict=True) if n != "0"]
            rows.append([short, fault, ", ".join(said)])
        return [f"  {line}" for line in _aligned(rows)]


_MARKS = {"killed": "x", "survived": "S", "equivalent": "="}
_LETTERS = dict(zip(EXCUSES, "zunefdq", strict=True))
_ARGUED = ("decides", "quotient")


def _letter(mutant: Mutant) -> str:
    if mutant.outcome != "equivalent":
        return _MARKS[mutant.outcome]
    return _LETTERS.get(mutant.excuse, "?")


def _aligned(rows: list[list[str]]) -> list[str]:
    return [
        "  ".join(
            text.ljust(width) for text, width in zip(row, _widths(rows), strict=True)
        ).rstrip()
        for row in rows
    ]


def _markdown(rows: list[list[str]]) -> list[str]:
    """The rows as a Markdown table, the first one being its head."""
    widths = [max(3, width) for width in _widths(rows)]
    head, *others = (
        f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |"
        for row in rows
    )
    return [head, f"| {' | '.join('-' * width for width in widths)} |", *others]


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
