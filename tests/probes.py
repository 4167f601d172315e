"""The calls of the table of specs, of functions with a rule of their own, to plant faults in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from specs import CALLS, Call
from specs.special import SPECIAL

from tinygrad_bp import rules as own
from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.gradcheck.mutants import Probe
from tinygrad_bp.registry import rules

MATRICES = {own.general_eigensystem, own.general_eigenvectors}

# Not for complex numbers: a cast drops a part of them, some vectors have arbitrary phases, and
# sum_squares is of real numbers, which the losses that are made of it make sure of.
REAL = {own.cast, own.sum_squares, own.eigenvectors, own.singular_vectors}
REAL |= {own.rnn, own.lstm, own.gru}  # layers of real numbers


def arrays_for_lists(argument: Any) -> Any:
    """A list of numbers is one array, so that it is differentiated whole."""
    if not isinstance(argument, list):
        return argument
    numbers = argument and all(isinstance(part, float) for part in argument)
    return np.array(argument) if numbers else list(map(arrays_for_lists, argument))


def fixed_numbers(probe: Probe) -> list[int]:
    """Where a number with a fraction stands and no gradient is taken: the check would ask."""
    rule = rules[probe.function]
    arrays, _ = rule.form.bind(probe.filled(*probe.args), probe.options)
    return [i for i in rule.closed if isinstance(arrays[i], float)]


def is_about_to_turn_complex(probe: Probe) -> bool:
    """Whether eigenvalues are real, and no longer so under the checker's steps."""
    return probe.function in MATRICES and np.isrealobj(np.linalg.eigvals(probe.args[0]))


def probes_of(calls: Iterable[Call]) -> Iterator[Probe]:
    for call in calls:
        if not call.has_rule:
            continue
        given = replace(call, completed=None).filled(call.views(call.bases()))
        args = tuple(map(arrays_for_lists, given))
        probe = Probe(call.function, args, call.options, call.completed)
        fixed = fixed_numbers(probe)
        if fixed == [len(args) - 1]:  # it can be left to complete the call
            yield replace(probe, args=args[:-1], completed=lambda *_, last=args[-1:], **__: last)
        elif not fixed and not is_about_to_turn_complex(probe):
            yield probe


def turned(leaf: Any) -> Any:
    """Complex numbers of the same sizes, in directions near enough not to cross a branch cut."""
    if not isinstance(leaf, float | np.ndarray) or np.asarray(leaf).dtype.kind != "f":
        return leaf
    return leaf * np.exp(1j * np.linspace(0.3, 0.7, np.size(leaf)).reshape(np.shape(leaf)))


def complex_probes(probes: Iterable[Probe]) -> Iterator[Probe]:
    """A complex call of every function that takes complex numbers, and has no such call yet."""
    ready = REAL | {probe.function for probe in probes if probe.is_complex}
    for probe in probes:
        size = sum(leaf.size for leaf in leaves(probe.args) if isinstance(leaf, np.ndarray))
        if probe.function in ready or not 4 <= size <= 12:
            continue
        new = replace(probe, args=fill(probe.args, map(turned, leaves(probe.args))))
        try:
            new(*new.args)
        except TypeError:  # a function of real numbers alone
            continue
        ready.add(probe.function)
        yield new


OF_SCIPY = {spec.function for spec in SPECIAL if spec.calls}
PROBES = list(probes_of(call for call in CALLS if call.function not in OF_SCIPY))
PROBES += complex_probes(PROBES)
PROBES_OF_SCIPY = list(probes_of(call for call in CALLS if call.function in OF_SCIPY))
