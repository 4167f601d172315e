"""What becomes of every public function of NumPy and SciPy when it is called on tensors that track.

    python -m tinygrad_bp.survey        the tables, in Markdown

A function is differentiable, constant, or refused. Most are asked about by NumPy's protocols, and
the rules say which; the others are listed here, since NumPy does not ask an array about them. Where
SciPy is installed, the ufuncs of scipy.special are surveyed, too.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.registry import Each, Rule, implementation_of, rule_of, rules
from tinygrad_bp.rules import cast, unvarying
from tinygrad_bp.rules import special as tables_of_scipy

__all__ = ["CONVERTING", "FOLLOWING", "WITHOUT_TENSORS", "Fate", "markdown", "modes", "survey"]

_CONVERTING = """
    arange array as_strided asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray
    asmatrix bmat bool bool_ broadcast byte cdouble clongdouble complex128 complex256 complex64
    csingle double float128 float16 float32 float64 flatiter frombuffer fromiter full half int16
    int32 int64 int8 int_ intc intp long longdouble longlong matrix ndenumerate nditer nested_iters
    require short single ubyte uint uint16 uint32 uint64 uint8 uintc uintp ulong ulonglong
    ushort vectorize
"""
CONVERTING = frozenset(_CONVERTING.split())
"""What makes a plain array or number of its argument: a tensor that tracks raises there."""

_WITHOUT_TENSORS = """
    bartlett base_repr binary_repr blackman broadcast_shapes busdaycalendar bytes_ character
    complexfloating datetime64 datetime_data diag_indices dtype empty errstate eye finfo
    flexible floating format_float_positional format_float_scientific from_dlpack fromfile
    fromfunction frompyfunc fromregex fromstring generic genfromtxt get_include get_printoptions
    getbufsize geterr geterrcall hamming hanning identity iinfo indices inexact info integer
    isdtype isfortran isscalar issubdtype iterable kaiser load loadtxt mask_indices memmap
    mintypecode ndarray ndindex number object_ ones printoptions promote_types recarray record
    set_printoptions setbufsize seterr seterrcall show_config show_runtime signedinteger str_
    test timedelta64 tri tril_indices triu_indices typename ufunc unsignedinteger void zeros
    fftfreq rfftfreq LinAlgError
"""
WITHOUT_TENSORS = frozenset(_WITHOUT_TENSORS.split())
"""What is for shapes, dtypes, files and settings."""

FOLLOWING = {
    "poly1d": "Polynomials, signals and interpolation",
    "row_stack": "Joining, splitting and repeating",
    "trapz": "Running sums, differences and integrals",
}
"""What does all of its work by functions that have rules, and its family."""

_CONVERTED = "It makes a plain array or number: t.detach() or t.item() if that is meant."
_PLAIN = "Plain arrays, numbers or texts come back."
_SMOOTH = "Plain arrays come back; an argument on which they depend smoothly must not track."
_NO_TENSORS = "It takes no tensors."
_FOLLOWED = "All of its work is done by functions that have rules."
_NOT_YET = "No rule yet: give it one with bp.custom_rule, or detach() the tensors."

_FAMILIES = {
    "Element by element": "elementwise integrals",
    "Sums, products, extremes and statistics": "reductions products nans statistics quantiles",
    "Running sums, differences and integrals": "running differences",
    "Shapes and axes": "shaping",
    "Joining, splitting and repeating": "joining",
    "Indexing, choosing and sorting": "indexing choosing sorting",
    "Making, padding and windows": "creating padding windows matrices",
    "Products of vectors and matrices": "linalg vectors",
    "Linear algebra": "solving decompositions eigen least_squares norms",
    "Fourier transforms": "fourier",
    "Polynomials, signals and interpolation": "polynomials signals",
    "Functions of functions": "applying",
    "scipy.special": "special",
}
_FAMILY = {file: family for family, files in _FAMILIES.items() for file in files.split()}
"""The family of the functions that a file of `tinygrad_bp/rules` has rules for."""


class Fate(NamedTuple):
    """What becomes of one function."""

    names: tuple[str, ...]
    """All its names, its own first."""
    kind: str
    """"differentiable", "constant" or "refused"; "" if nobody has decided."""
    verb: str = ""
    """How its rule is registered, "rewritten" if it is made of other functions."""
    modes: str = ""
    """Of R, F and 2, which hold: reverse mode, forward mode, derivatives of derivatives."""
    notes: str = ""
    family: str = ""


def survey() -> list[Fate]:
    """Return the fate of every public callable of NumPy and scipy.special, by name.

    >>> [fate for fate in survey() if "np.negative" in fate.names]
    [Fate(names=('np.negative',), kind='differentiable', verb='elementwise', modes='R F 2', \
notes='Changing the sign changes the sign of the gradient.', family='Element by element')]
    """
    names: dict[Callable[..., Any], list[str]] = {}
    for name, function in _public_callables():
        names.setdefault(function, []).append(name)
    found = [_fate(_own_first(function, given), function) for function, given in names.items()]
    return sorted(found, key=lambda fate: fate.names[0].lower())


def _public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    modules = {
        "np": np,
        "np.linalg": np.linalg,
        "np.fft": np.fft,
        "np.emath": np.emath,
        "np.lib.stride_tricks": np.lib.stride_tricks,
    }
    for prefix, module in modules.items():
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_") and not isinstance(value, ModuleType):
                yield f"{prefix}.{name}", value
    for name in {*getattr(tables_of_scipy.special, "__all__", ())}:
        if (ufunc := tables_of_scipy.named(name)) is not None:
            yield f"special.{name}", ufunc


def _own_first(function: Callable[..., Any], names: Sequence[str]) -> tuple[str, ...]:
    own = getattr(function, "__name__", "")
    return tuple(sorted(names, key=lambda name: (name.rpartition(".")[2] != own, name)))


def _fate(names: tuple[str, ...], function: Callable[..., Any]) -> Fate:
    rule = rule_of(function)
    if rule is None:
        return _listed(names)
    if rule.kind == "refused":
        return Fate(names, "refused", notes=rule.hint)
    if rule.kind == "constant":
        return Fate(names, "constant", notes=_SMOOTH if rule.smooth else _PLAIN)
    verb = "rewritten" if rule.rewritten else rule.kind
    return Fate(names, "differentiable", verb, modes(rule), _notes(rule), _family(rule))


def _listed(names: tuple[str, ...]) -> Fate:
    """The fate of a function that asks no array."""
    module, _, last = names[0].rpartition(".")
    if module == "special":
        return Fate(names, "refused", notes=_NOT_YET)
    if last in FOLLOWING:
        return Fate(names, "differentiable", "rewritten", "R F 2", _FOLLOWED, FOLLOWING[last])
    if last in CONVERTING:
        return Fate(names, "refused", notes=_CONVERTED)
    return Fate(names, "constant" if last in WITHOUT_TENSORS else "", notes=_NO_TENSORS)


# --- what a rule says of its function ---------------------------------------------------------


def modes(rule: Rule) -> str:
    """Return which modes a rule serves: R reverse, F forward, 2 for derivatives of derivatives.

    The second order needs that whatever the formulas call has a derivative itself.

    >>> modes(rules[np.tanh])
    'R F 2'
    """
    reverse, forward = _formulas(rule), _formulas(rule, forward=True)
    again = reverse and all(map(_differentiates, _called(reverse, set())))
    return " ".join("RF2"[i] for i, holds in enumerate((reverse, forward, again)) if holds)


def _formulas(rule: Rule, *, forward: bool = False) -> list[Callable[..., Any]]:
    """The functions that state a rule in one direction; a rewriting serves both."""
    if rule.rewritten is not None:
        return [rule.rewritten]
    stated = rule.pushes if forward else rule.partials
    return [stated.function] if isinstance(stated, Each) else [*filter(callable, stated)]


def _called(formulas: Iterable[Any], seen: set[Any]) -> Iterator[Callable[..., Any]]:
    """What formulas call that has rules or should have some, through helpers of ours."""
    for formula in formulas:
        if formula in seen:
            continue
        seen.add(formula)
        for value in _named_in(formula):
            if isinstance(value, np.ufunc) or value in rules:
                yield value
            elif (value.__module__ or "").partition(".")[0] not in ("numpy", "scipy"):
                yield from _called([value], seen)


def _named_in(formula: Any) -> Iterator[Callable[..., Any]]:
    """The functions that a function names, also as attributes of modules."""
    if not inspect.isfunction(formula := _unwrapped(formula)):
        return
    names = {**formula.__globals__, **inspect.getclosurevars(formula).nonlocals}
    for code in _codes_in(formula.__code__):
        value: Any = None
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
                value = vars(value).get(step.argval)
            else:
                loads = step.opname in ("LOAD_GLOBAL", "LOAD_DEREF")
                value = names.get(step.argval) if loads else None
            if isinstance(value, np.ufunc) or inspect.isroutine(value):
                yield value


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of the functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _unwrapped(formula: Any) -> Any:
    while isinstance(formula, partial):
        formula = formula.func
    return formula


def _differentiates(function: Callable[..., Any]) -> bool:
    rule = rule_of(function)
    return rule is not None and rule.kind != "refused"


def _notes(rule: Rule) -> str:
    """What there is to say of a function that has a rule, in short sentences."""
    parts = _parts(rule)
    ours = [rule, *(part for part in parts if implementation_of(part.function))]
    notes = {
        "Calls {}.": [f"`{part.name}`" for part in parts if part not in ours],
        "{}": [" ".join(dict.fromkeys(part.why for part in ours if part.why))],
        "*Kink*: {}.": dict.fromkeys(part.kink.text for part in ours if part.kink),
        "No gradient by {}, which must not track.": _arrays(rule, rule.closed),
        "Flat in {}.": _arrays(rule, rule.flat_in),
        "Output {} is flat.": map(str, sorted(rule.flat)),
        "*At nan or inf*: {}.": [rule.remedy],
    }
    said = {text: ", ".join(filter(None, what)) for text, what in notes.items()}
    return " ".join(text.format(what) for text, what in said.items() if what)


def _parts(rule: Rule) -> list[Rule]:
    """The rules of what a rewritten function calls itself, operators apart, by name."""
    called = set() if rule.rewritten is None else {*_named_in(rule.rewritten)} & {*rules}
    called -= {rule.function, cast, unvarying} if len(called) > 1 else {rule.function}
    parts = (rules[function] for function in called)
    return sorted((part for part in parts if part.kind != "constant"), key=lambda r: r.name)


def _arrays(rule: Rule, slots: Iterable[int]) -> list[str]:
    """The names of some arrays of a function: NumPy's, and for SciPy's ufuncs those in the rule."""
    stated = next(filter(callable, rule.partials), None)
    names = list(rule.form.arrays)
    if rule.name.startswith("special.") and stated is not None:
        names = list(inspect.signature(stated).parameters)[2:]
    return [f"`{names[slot]}`" for slot in sorted(slots)]


def _family(rule: Rule) -> str:
    """The family of the file that states a rule."""
    stated = _unwrapped(_formulas(rule)[0])
    return _FAMILY[stated.__module__.rpartition(".")[2]]


# --- the page ---------------------------------------------------------------------------------

_INTRODUCTION = """\
% Made by `python -m tinygrad_bp.survey > examples/reference/functions.md`, with the newest NumPy
% and SciPy.

# NumPy's and SciPy's functions

What becomes of a function when it is called on a tensor that tracks. `numpy`, `numpy.linalg`,
`numpy.fft`, `numpy.emath` and `numpy.lib.stride_tricks`, with the ufuncs of `scipy.special`, have
{differentiable} names that are differentiable, {constant} that are constant and {refused} that are
refused.

## How to read the tables

```python
import numpy as np
from tinygrad_bp import Tensor

t = Tensor([0.5, -1.0], requires_grad=True)

print(np.tanh(t).requires_grad)  # True
print(np.argmax(t))              # 0
try:
    np.unique(t)
except TypeError as error:
    print(type(error).__name__)  # NotDifferentiableError
```

- A **differentiable** function (`np.tanh`) gives a tensor, and the gradient passes through it.
- A **constant** one (`np.argmax`) is flat almost everywhere or gives no real numbers: a plain array
  comes back, and no gradient passes.
- A **refused** one (`np.unique`) raises an error, and says what to write instead.

The *rule* is the verb that registered the function, one of [the registry](registry.md)'s:
`elementwise`, `linear` and `bilinear` state its structure, from which forward mode follows; `rule`
states both modes; `rewritten` means that the function is made of others, which have rules.

The *modes* are derived from the rule: R reverse mode, F forward mode, 2 derivatives of derivatives,
for which every function that the rule's formula calls must have a rule as well. Today all three
hold for every function that has a rule; tests compare each of them with finite differences. (For
complex numbers, `gamma` and its relatives lack the second: SciPy has no function for it.)

The *notes* say why the slope is what it is; where there is a *kink*, that is, no single slope, and
which one was chosen; which arguments take no gradient; and what to do if nan or inf comes out. A
function that is rewritten has the kinks of what it calls.

**If a function is missing**, and its error offers nothing else, give it a derivative of its own:
{{py:obj}}`custom_rule <tinygrad_bp.registry.custom_rule>` makes an op of any function, and the
verbs of [the registry](registry.md) register a rule for one that exists. [How to check a
gradient](../how_to/check_a_gradient.md) says whether it is right. What SciPy writes in Python
around its ufuncs mostly converts its arguments, and raises; for its softmax and logsumexp there are
{{py:obj}}`softmax <tinygrad_bp.functional.softmax>` and
{{py:obj}}`logsumexp <tinygrad_bp.functional.logsumexp>`.
"""


def markdown() -> str:
    """Return the survey as a page of tables, which the reference holds for the newest versions."""
    fates = survey()
    counts = {kind: sum(len(fate.names) for fate in fates if fate.kind == kind)
              for kind in ("differentiable", "constant", "refused")}  # fmt: skip
    parts = [_INTRODUCTION.format(**counts)]
    for family in _FAMILIES:
        parts += _table(family, [fate for fate in fates if fate.family == family])
    for kind in ("constant", "refused"):
        parts += _table(kind.capitalize(), _together(f for f in fates if f.kind == kind))
    return "\n".join(parts)


def _together(fates: Iterable[Fate]) -> list[Fate]:
    """Put functions of which the same is to be said into one row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fate in fates:
        rows.setdefault((fate.kind, fate.notes), []).extend(fate.names)
    return [Fate(tuple(names), kind, notes=notes) for (kind, notes), names in rows.items()]


def _table(heading: str, fates: Iterable[Fate]) -> list[str]:
    rows = [
        f"| {', '.join(f'`{name}`' for name in fate.names)} "
        f"| {', '.join(filter(None, (fate.kind, fate.verb)))} "
        f"| {fate.modes} | {fate.notes.replace('|', chr(92) + '|')} |"
        for fate in fates
    ]
    head = ["| function | class, rule | modes | notes |", "| --- | --- | --- | --- |"]
    return [f"## {heading}", "", *head, *rows, ""] if rows else []


if __name__ == "__main__":
    print(markdown(), end="")
