"""What is said about a function stands beside its rule: every sentence is needed, and is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from specs import CALLS, Call, Draw

from tinygrad_bp import Tensor, trace_nans
from tinygrad_bp import rules as own
from tinygrad_bp.errors import NonFiniteError, RuleError
from tinygrad_bp.registry import kink, registered, remedy, rules, why
from tinygrad_bp.rules.special import special

Function = Callable[..., Any]

DIFFERENTIABLE = [
    rule
    for rule in rules.values()
    if rule.differentiable and rule.function in {call.function for call in CALLS}
]


def by_name(wanted: Callable[[Any], Any]) -> Any:
    """The rules that something is said about, each under its function's name."""
    found = [rule for rule in DIFFERENTIABLE if wanted(rule)]
    return pytest.mark.parametrize("rule", found, ids=lambda rule: rule.name)


# --- why ------------------------------------------------------------------------------------


@by_name(lambda rule: True)
def test_every_differentiable_function_has_its_sentence(rule: Any) -> None:
    assert re.fullmatch(r"[A-Z1|\w].*[^.]\.", rule.why), rule.why


def _module(rule: Any) -> str:
    return getattr(rule.function, "__module__", None) or ""  # some ufuncs have none


def test_every_rule_is_in_the_table_of_specs() -> None:
    """So that nothing is left out of the tests here; tests may register functions of their own."""
    # Hooks of modules pass everything on, by a rule of their own.
    ours = {rule for rule in rules.values() if _module(rule).startswith("tinygrad_bp.rules")}
    numpys = {rule for rule in rules.values() if _module(rule).startswith("numpy")}
    assert {rule for rule in ours | numpys if rule.differentiable} <= set(DIFFERENTIABLE)


def test_nothing_is_said_about_functions_that_no_graph_has() -> None:
    """What is rewritten, flat or refused is never recorded: a sentence about it would be dead."""
    dead = [rule.name for rule in rules.values()
            if not rule.differentiable and (rule.why or rule.kink or rule.remedy)]  # fmt: skip
    assert dead == []


@pytest.mark.parametrize(
    "say",
    [lambda: why("Another one.", np.exp), lambda: remedy("wait", np.exp),
     lambda: kink("nowhere", np.isnan, np.sqrt)],
)  # fmt: skip
def test_a_second_sentence_is_refused(say: Function) -> None:
    with pytest.raises(RuleError, match="already"):
        say()


# --- kinks ----------------------------------------------------------------------------------

# A call of each function that has kinks, and where they are.
TIES = (np.array([1.0, 2.0, 2.0]), np.array([1.0, 3.0, 1.0]))
AT_ZERO = (np.array([0.0, 1.0, -1.0]),)
KINKS: dict[Function, tuple[tuple[Any, ...], Any]] = {
    np.absolute: (AT_ZERO, [True, False, False]),
    np.fabs: (AT_ZERO, [True, False, False]),
    own.relu: (AT_ZERO, [True, False, False]),
    np.sqrt: ((np.array([0.0, 1.0]),), [True, False]),
    np.cbrt: (AT_ZERO, [True, False, False]),
    np.maximum: (TIES, [True, False, False]),
    np.minimum: (TIES, [True, False, False]),
    own.clamp_min: (TIES, [True, False, False]),
    own.clamp_max: (TIES, [True, False, False]),
    np.fmax: (TIES, [True, False, False]),
    np.fmin: (TIES, [True, False, False]),
    np.copysign: ((*AT_ZERO, 1.0), [True, False, False]),
    own.direction: (AT_ZERO, [True, False, False]),
    np.hypot: ((np.array([0.0, 0.0]), np.array([0.0, 1.0])), [True, False]),
    np.arctan2: ((np.array([0.0, 0.0]), np.array([0.0, 1.0])), [True, False]),
    np.heaviside: ((*AT_ZERO, 0.5), [True, False, False]),
    np.remainder: ((np.array([-4.0, 0.0, 1.0, 6.0]), 2.0), [True, True, False, True]),
    np.divmod: ((np.array([-4.0, 0.0, 1.0, 6.0]), 2.0), [True, True, False, True]),
    np.fmod: ((np.array([-4.0, 0.0, 1.0, 6.0]), 2.0), [True, False, False, True]),
    np.modf: ((np.array([-2.0, 0.0, 0.5, 1.0]),), [True, False, False, True]),
    np.frexp: ((np.array([-4.0, 0.0, 1.0, 3.0]),), [True, True, True, False]),
    np.max: ((np.array([[2.0, 1.0], [1.0, 2.0]]),), True),
    np.min: ((np.array([[2.0, 1.0], [1.0, 2.0]]),), True),
    np.sort: ((np.array([2.0, 1.0, 2.0]),), [False, True]),
    np.partition: ((np.array([2.0, 1.0, 2.0]), 1), [False, True]),
    own.max_of_windows: (
        (np.array([[[2.0, 2.0, 5.0, 4.0]]]), (2,), (2,), ((0, 0),), (1,)),
        [[[True, False]]],
    ),
    np.linalg.norm: ((np.zeros(2),), True),
    np.linalg.vector_norm: ((np.zeros(2),), True),
}


if special is not None:
    KINKS |= {
        special.i0e: (AT_ZERO, [True, False, False]),
        special.ive: ((np.array([0, 0, 1]), np.array([0.0, 1.0, 0.0])), [True, False, False]),
        special.cbrt: (AT_ZERO, [True, False, False]),
    }


def test_every_kink_has_its_call() -> None:
    assert {rule.function for rule in DIFFERENTIABLE if rule.kink} == KINKS.keys()


def kinks(function: Function, args: Any, options: Any) -> Any:
    """Where a call has kinks, as whoever explains it asks."""
    rule = rules[function]
    arrays, bound = rule.form.bind(args, options)
    return rule.kink.at(*arrays, **bound)  # type: ignore[union-attr]


@by_name(lambda rule: rule.kink)
def test_kinks_are_found_where_they_are(rule: Any) -> None:
    args, expected = KINKS[rule.function]
    found = kinks(rule.function, args, {})
    assert np.asarray(found).dtype == bool
    assert np.asarray(found).tolist() == expected


def is_smooth(call: Call) -> bool:
    """Whether no kink is near: not for steps from 0 that the table has, nor for empty lengths."""
    if call.function is np.heaviside:
        return isinstance(call.args[0], Draw)
    return all(0 not in draw.shape for draw in call.draws)


@pytest.mark.parametrize(
    "call", [c for c in CALLS if c.has_rule and rules[c.function].kink], ids=str
)
def test_kinks_can_be_looked_for_in_every_call_and_are_not_found_away_from_them(call: Call) -> None:
    found = kinks(call.function, call.filled(call.views(call.bases())), call.options)
    assert not (is_smooth(call) and np.any(found))


@pytest.mark.parametrize("function", [np.max, np.min])
def test_ties_along_an_axis(function: Function) -> None:
    x = np.array([[1.0, 1.0], [1.0, 2.0]])
    tied = {np.max: [True, False], np.min: [True, False]}[function]
    assert kinks(function, (x,), {"axis": 1}).tolist() == tied
    assert kinks(function, (x,), {"axis": 1, "keepdims": True}).shape == (2, 1)


# --- remedies -------------------------------------------------------------------------------

# A call of each function that has a remedy, which gives nan or inf on the way there or back.
LARGE = np.full(2, 1e200)
NON_FINITE: dict[Function, tuple[Any, ...]] = {
    np.log: (0.0,),
    np.log2: (0.0,),
    np.log10: (-1.0,),
    np.log1p: (-1.0,),
    np.divide: (1.0, 0.0),
    np.reciprocal: (0.0,),
    np.remainder: (1.0, 0.0),
    np.fmod: (1.0, 0.0),
    np.divmod: (1.0, 0.0),
    own.quotient: (1.0, 0.0),
    np.exp: (1000.0,),
    np.exp2: (2000.0,),
    np.expm1: (1000.0,),
    np.sinh: (1000.0,),
    np.cosh: (1000.0,),
    np.sqrt: (0.0,),
    np.cbrt: (0.0,),
    np.power: (-1.0, 0.5),
    np.float_power: (0.0, -1.0),
    np.arcsin: (2.0,),
    np.arccos: (1.0,),
    np.arctanh: (1.0,),
    np.arccosh: (1.0,),
    np.square: (LARGE,),
    np.multiply: (LARGE, LARGE),
    np.add: (np.float64(1.5e308), np.float64(1.5e308)),
    np.subtract: (np.float64(1.5e308), np.float64(-1.5e308)),
    own.product: (LARGE, LARGE),
    np.matmul: (LARGE, LARGE),
    own.affine: (LARGE, LARGE[None], np.zeros(1)),
    np.einsum: ("i,i->", LARGE, LARGE),
    own.sum_squares: (LARGE, np.zeros(2)),
    np.sum: (np.full(2, 1.5e308),),
    np.mean: (np.full(2, 1.5e308),),
    np.prod: (LARGE,),
}


if special is not None:
    NON_FINITE |= {
        special.gamma: (1000.0,),
        special.logit: (0.0,),
        special.ndtri: (1.0,),
        special.erfinv: (1.0,),
        special.gammaln: (0.0,),
        special.entr: (0.0,),
        special.xlogy: (1.0, 0.0),
        special.k0: (0.0,),
        special.k1: (0.0,),
        special.y0: (0.0,),
        special.y1: (0.0,),
        special.expi: (0.0,),
    }


def test_every_remedy_has_its_call() -> None:
    assert {rule.function for rule in DIFFERENTIABLE if rule.remedy} == NON_FINITE.keys()


@by_name(lambda rule: rule.remedy)
def test_a_remedy_is_given_where_it_is_needed(rule: Any) -> None:
    """In place of the first array there is a tensor; nan or inf comes forward, or backward."""
    args = list(NON_FINITE[rule.function])
    place = next(i for i, a in enumerate(args) if not isinstance(a, str))
    args[place] = Tensor(args[place], requires_grad=True)

    def there_and_back() -> None:
        result = rule.function(*args)
        (result if isinstance(result, Tensor) else result[-1]).sum().backward()

    with np.errstate(all="ignore"), trace_nans(), pytest.raises(NonFiniteError) as raised:
        there_and_back()
    assert rule.name in str(raised.value)
    assert str(raised.value).endswith(f"Remedy: {rule.remedy}.")


def test_what_came_in_with_an_operand_is_looked_for_there() -> None:
    with trace_nans(), pytest.raises(NonFiniteError, match="look at the data or the parameter"):
        np.exp(Tensor([1.0, np.nan], requires_grad=True))


def test_composites_are_told_by_what_they_are_written_in() -> None:
    assert registered(np.dot) == "composite"
    x = Tensor(LARGE, requires_grad=True)
    with np.errstate(all="ignore"), trace_nans(), pytest.raises(NonFiniteError, match="'matmul'"):
        np.dot(x, LARGE)
