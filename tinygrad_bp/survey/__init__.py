"""What becomes of every public function of NumPy and SciPy when it is called on tensors that track.

    python -m tinygrad_bp.survey        the tables, in Markdown

A function is differentiable, constant, or refused. Most are asked about by NumPy's protocols, and
the rules say which; the others are listed here, since NumPy does not ask an array about them. Where
SciPy is installed, the ufuncs of scipy.special are surveyed, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.registry import rule_of
from tinygrad_bp.rules import special as tables_of_scipy
from tinygrad_bp.survey.reading import family, modes, notes

__all__ = ["CONVERTING", "FOLLOWING", "WITHOUT_TENSORS", "Fate", "survey"]

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
    return Fate(names, "differentiable", verb, modes(rule), notes(rule), family(rule))


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
