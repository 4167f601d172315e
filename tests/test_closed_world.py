"""Nothing is forgotten: NumPy's callables have a fate, rules a spec, public names a docstring."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from specs import SPECS

import tinygrad_bp
from tinygrad_bp import Tensor
from tinygrad_bp import rules as own
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.registry import Each, Rule, name_of, registered
from tinygrad_bp.rules.special import named, special
from tinygrad_bp.survey import CONVERTING, FOLLOWING, WITHOUT_TENSORS, survey
from tinygrad_bp.survey.page import markdown
from tinygrad_bp.survey.reading import modes

Function = Callable[..., Any]

DIFFERENTIABLE = {"elementwise", "linear", "bilinear", "rule", "composite"}


def numpys_overridable_functions() -> dict[Function, str]:
    """Every function of NumPy that asks its arguments what to do, by either protocol."""
    found = {}
    modules = {
        "np": np,
        "np.linalg": np.linalg,
        "np.fft": np.fft,
        "np.lib.stride_tricks": np.lib.stride_tricks,
    }
    for prefix, module in modules.items():
        for name, value in vars(module).items():
            overridable = isinstance(value, np.ufunc) or hasattr(value, "_implementation")
            if overridable and not name.startswith("_"):
                found.setdefault(value, f"{prefix}.{name}")
    return found


NUMPY = numpys_overridable_functions()
SCIPY = {f for name in dir(special) if isinstance(f := getattr(special, name), np.ufunc)}
OWN = {f: name for name, f in vars(own).items() if name in own.__all__}


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(f, id=name) for f, name in NUMPY.items() if registered(f) in kinds]


# --- the world is closed --------------------------------------------------------------------


def test_the_survey_finds_numpys_functions() -> None:
    assert len(NUMPY) > 300
    assert {np.exp, np.sum, np.linalg.norm, np.fft.fft, np.where, np.matmul} <= NUMPY.keys()


def test_every_function_of_numpy_has_exactly_one_fate() -> None:
    """`registry` refuses a second registration, so there is at most one; here, at least one."""
    unknown = [name for f, name in NUMPY.items() if registered(f) is None]
    assert not unknown, "register each in tinygrad_bp/rules, if only as refused"
    kinds = {registered(f) for f in NUMPY}
    assert kinds == DIFFERENTIABLE | {"constant", "refused"}


def test_every_public_callable_of_numpy_is_in_exactly_one_class() -> None:
    fates = survey()
    names = [name for fate in fates for name in fate.names]
    assert len(names) == len(set(names)) > 500
    assert {fate.kind for fate in fates} == {"differentiable", "constant", "refused"}
    listed = [CONVERTING, FOLLOWING, WITHOUT_TENSORS]
    assert sum(map(len, listed)) == len(frozenset().union(*listed))
    asked = {name.rpartition(".")[2] for name in NUMPY.values()}
    assert asked.isdisjoint(frozenset().union(*listed)), "the rules say what becomes of these"


def fates_in(page: str) -> dict[str, str]:
    """What the tables of a page say of each name."""
    found = {}
    for line in page.splitlines():
        if line.startswith("| `"):
            names, said = line.removeprefix("| ").split(" | ", 1)
            found |= dict.fromkeys(names.split(", "), said)
    return found


def test_the_committed_tables_are_the_survey_of_the_newest_numpy_and_scipy() -> None:
    page = Path(__file__).parents[1] / "examples" / "reference" / "functions.md"
    committed = page.read_text(encoding="utf-8")
    assert "`python -m tinygrad_bp.survey > examples/reference/functions.md`" in committed
    here = fates_in(markdown())
    assert "`np.tanh`" in here
    if SIGNED:  # others have other functions
        there = fates_in(committed)
        platforms = {name for name in here if "np.float1" in name or "np.complex2" in name}
        assert {n: here[n] for n in here.keys() - platforms - there.keys()} == {}
        assert {n: here[n] for n in there.keys() & here.keys() if here[n] != there[n]} == {}


@pytest.mark.skipif(special is None, reason="needs SciPy")
def test_the_survey_covers_scipys_ufuncs() -> None:
    fates = {name: fate for fate in survey() for name in fate.names}
    surveyed = {name for name in fates if name.startswith("special.")}
    ufuncs = {f"special.{n}" for n in dir(special) if isinstance(getattr(special, n), np.ufunc)}
    assert surveyed == ufuncs | {"special.zeta", "special.lambertw"}  # in Python around a ufunc
    assert fates["special.jv"].notes.endswith("No gradient by `v`, which must not track.")
    assert fates["special.agm"].kind == "refused"
    assert fates["special.round"].kind == "constant"


def test_without_scipy_the_survey_is_of_numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_bp.rules.special.special", None)
    assert {fate.names[0].partition(".")[0] for fate in survey()} == {"np"}


def test_a_mode_that_a_rule_does_not_serve_is_not_claimed() -> None:
    with_rule = [fate for fate in survey() if fate.kind == "differentiable"]
    assert {fate.modes for fate in with_rule} == {"R F 2"}, "the specs are compared in all three"

    def formula(*_: Any) -> Any:
        return np.unique([1.0])  # which is refused

    def rule_with(partials: Any, pushes: Any) -> Rule:
        return Rule(formula, "rule", partials, pushes)

    assert modes(rule_with([np.exp], [])) == "R 2"
    assert modes(rule_with([None], [np.exp])) == "F"
    assert modes(rule_with([formula], [formula])) == "R F"
    assert modes(rule_with([lambda g, y, x: formula(g)], [])) == "R"  # through a helper
    assert modes(rule_with(Each(lambda i, g, y, *xs: np.exp(g)), [])) == "R 2"


CONVERSIONS: dict[str, Function] = {
    "as_strided": np.lib.stride_tricks.as_strided,
    "full": lambda t: np.full(2, t),
    "bmat": lambda t: np.bmat([[t]]),
    "nested_iters": lambda t: np.nested_iters([t, t], [[0], [0]]),
    "vectorize": np.vectorize(lambda x: 2 * x),
    "fromiter": lambda t: np.fromiter(t, float),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", sorted(CONVERTING))
@pytest.mark.parametrize("values", [[1.0, 2.0], 1.5], ids=["array", "number"])
def test_what_asks_nobody_raises_on_a_tensor_that_tracks(name: str, values: Any) -> None:
    function = CONVERSIONS.get(name, getattr(np, name, None))
    if function is None:
        pytest.skip("not in this NumPy")
    t = Tensor(values, requires_grad=True)
    with pytest.raises((TypeError, ValueError)):
        function(t)


def test_what_works_by_other_functions_is_followed() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    np.poly1d(t)(3.0).backward()
    assert t.grad.tolist() == [3.0, 1.0]


def test_every_differentiable_function_has_exactly_one_spec() -> None:
    with_rule = {f for f in (*NUMPY, *OWN, *SCIPY) if registered(f) in DIFFERENTIABLE}
    with_rule |= {f for f in map(named, ("zeta", "lambertw")) if f}  # in Python around a ufunc
    with_spec = [spec.function for spec in SPECS]
    assert sorted(map(name_of, with_rule.symmetric_difference(with_spec))) == []
    assert len(with_spec) == len(set(with_spec))


def test_every_primitive_is_registered() -> None:
    assert [name for f, name in OWN.items() if registered(f) is None] == []


# --- refused functions refuse, constant functions are constant ------------------------------


# How many arguments a call needs, where NumPy before 2.4 has no signature that says so.
UNSIGNED: dict[Function, int] = {
    np.bincount: 1,
    np.busday_count: 2,
    np.busday_offset: 2,
    np.can_cast: 2,
    np.concatenate: 1,
    np.copyto: 2,
    np.datetime_as_string: 1,
    np.dot: 2,
    np.empty_like: 1,
    np.inner: 2,
    np.is_busday: 1,
    np.lexsort: 1,
    np.may_share_memory: 2,
    np.min_scalar_type: 1,
    np.packbits: 1,
    np.putmask: 3,
    np.ravel_multi_index: 2,
    np.result_type: 1,
    np.shares_memory: 2,
    np.unpackbits: 1,
    np.unravel_index: 2,
    np.vdot: 2,
    np.where: 1,
}
UNSIGNED_WITH_OUT = {np.busday_count, np.busday_offset, np.is_busday, np.concatenate, np.dot}
SIGNED = np.lib.NumpyVersion(np.__version__) >= "2.4.0"


def required_arguments(function: Function) -> int:
    """How many arguments a call needs; each will be the same tensor."""
    if isinstance(function, np.ufunc):
        return function.nin
    if not SIGNED and function in UNSIGNED:
        return UNSIGNED[function]
    parameters = inspect.signature(function).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return len(needed)


# What one tensor repeated cannot stand for.
REFUSED_CALLS: dict[str, Function] = {
    "linalg.multi_dot": lambda t: np.linalg.multi_dot([t, t]),
    "save": lambda t: np.save("nowhere", t),
    "savetxt": lambda t: np.savetxt("nowhere", t),
    "savez": lambda t: np.savez("nowhere", t),
    "savez_compressed": lambda t: np.savez_compressed("nowhere", t),
    "unravel_index": lambda t: np.unravel_index(t, (2,)),
}


@pytest.mark.parametrize("function", of_kind("refused"))
def test_refused_function_raises_and_says_what_to_do(function: Function) -> None:
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    name = name_of(function)
    call = REFUSED_CALLS.get(name, lambda t: function(*[t] * required_arguments(function)))
    with pytest.raises(NotDifferentiableError, match=rf"^{name} has no derivative") as raised:
        call(t)
    assert "detach" in str(raised.value) or "np." in str(raised.value)


CONSTANT_CALLS: dict[str, Function] = {
    "can_cast": lambda t: np.can_cast(t.dtype, t.dtype),
    "digitize": lambda t: np.digitize(t, np.array([1.5, 2.5])),
    "einsum_path": lambda t: np.einsum_path("ij,jk", t, t),
    "argpartition": lambda t: np.argpartition(t, 1),
    "full_like": lambda t: np.full_like(t, 2.0),
    # Edges that are not given move with the data, and are refused.
    "histogram": lambda t: np.histogram(t, bins=2, range=(0, 5)),
    "histogram2d": lambda t: np.histogram2d(t[0], t[1], range=((0, 3), (0, 5))),
    "histogramdd": lambda t: np.histogramdd(t, range=((0, 4), (0, 5))),
    "histogram_bin_edges": lambda t: np.histogram_bin_edges(t, bins=2, range=(0, 5)),
    "searchsorted": lambda t: np.searchsorted(t[0], t),
}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")  # by NumPy 2.5; it is still there
@pytest.mark.parametrize("function", of_kind("constant"))
def test_constant_function_gives_plain_values(function: Function) -> None:
    """The same as on the array, and nothing that tracks."""
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    name = name_of(function)
    call = CONSTANT_CALLS.get(name, lambda t: function(*[t] * required_arguments(function)))
    actual, expected = call(t), call(t.data)
    assert type(actual) is type(expected)
    parts = actual if isinstance(actual, tuple | list) else (actual,)
    assert not any(isinstance(part, Tensor) for part in parts)
    if name != "empty_like":
        assert repr(actual) == repr(expected)


def takes_out(function: Function) -> bool:
    if not SIGNED and function in UNSIGNED:
        return function in UNSIGNED_WITH_OUT
    return isinstance(function, np.ufunc) or "out" in inspect.signature(function).parameters


@pytest.mark.skipif(not SIGNED, reason="NumPy has these signatures since 2.4")
@pytest.mark.parametrize("function", UNSIGNED, ids=name_of)
def test_what_old_versions_do_not_say_agrees_with_what_new_ones_do(function: Function) -> None:
    assert required_arguments(function) == UNSIGNED[function]
    assert takes_out(function) == (function in UNSIGNED_WITH_OUT)


@pytest.mark.parametrize(
    "function", [p for p in of_kind(*DIFFERENTIABLE, "constant") if takes_out(*p.values)]
)
def test_no_function_writes_to_a_given_array(function: Function) -> None:
    t = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    outputs = tuple(np.empty((2, 2)) for _ in range(getattr(function, "nout", 1)))
    with pytest.raises(NotDifferentiableError, match="out="):
        function(*[t] * required_arguments(function), out=outputs if outputs[1:] else outputs[0])


# --- public names ---------------------------------------------------------------------------


MODULES = [
    "tinygrad_bp",
    *(
        info.name
        for info in pkgutil.walk_packages(tinygrad_bp.__path__, "tinygrad_bp.", onerror=print)
        if not any(part.startswith("_") for part in info.name.split("."))
    ),
]
every_module = pytest.mark.parametrize("module", MODULES)


def defined_in(module: ModuleType) -> dict[str, Any]:
    """The functions and classes that a module makes itself, without a leading underscore."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }


@every_module
def test_module_says_what_it_is_for(module: str) -> None:
    assert importlib.import_module(module).__doc__


@every_module
def test_public_names_exist_and_are_documented(module: str) -> None:
    imported = importlib.import_module(module)
    names = getattr(imported, "__all__", [])
    assert len(names) == len(set(names))
    for name in names:
        value = getattr(imported, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__doc__, f"{name} needs a docstring"


@every_module
def test_every_definition_is_public_or_private(module: str) -> None:
    """Public by `__all__`, private by its underscore, nothing in between."""
    imported = importlib.import_module(module)
    assert sorted(defined_in(imported).keys() - set(getattr(imported, "__all__", []))) == []
