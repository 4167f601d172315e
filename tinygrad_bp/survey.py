"""What becomes of every public function of NumPy when it is called on tensors that track.

    python -m tinygrad_bp.survey        the table, in Markdown

A function is differentiable, constant, or refused. Most are asked about by NumPy's protocols, and
the rules say which; the others are listed here, since NumPy does not ask an array about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import tinygrad_bp.rules  # noqa: F401  (registers them)
from tinygrad_bp.registry import rules

__all__ = ["CONVERTING", "FOLLOWING", "WITHOUT_TENSORS", "Fate", "markdown", "survey"]

_CONVERTING = """
    arange array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix
    bmat bool bool_ broadcast byte cdouble clongdouble complex128 complex256 complex64 csingle
    double float128 float16 float32 float64 flatiter frombuffer fromiter full half int16 int32
    int64 int8 int_ intc intp long longdouble longlong matrix ndenumerate nditer nested_iters
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

FOLLOWING = frozenset({"poly1d", "row_stack", "trapz"})
"""What does all of its work by functions that have rules."""

_CONVERTED = "It makes a plain array or number: t.detach() or t.item() if that is meant."


class Fate(NamedTuple):
    """What becomes of one function."""

    name: str
    kind: str
    """"differentiable", "constant" or "refused"; "" if nobody has decided."""
    remark: str


def survey() -> list[Fate]:
    """Return the fate of every public callable of numpy, numpy.linalg and numpy.fft, by name.

    >>> [fate for fate in survey() if fate.name in ("np.exp", "np.argmax")]
    [Fate(name='np.argmax', kind='constant', remark=''), Fate(name='np.exp', \
kind='differentiable', remark='elementwise')]
    """
    found = {name: _fate(name, value) for name, value in _public_callables()}
    return [found[name] for name in sorted(found)]


def _public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module, prefix in ((np, "np"), (np.linalg, "np.linalg"), (np.fft, "np.fft")):
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_") and not isinstance(value, ModuleType):
                yield f"{prefix}.{name}", value


def _fate(name: str, function: Callable[..., Any]) -> Fate:
    rule = rules.get(function)
    last = name.rpartition(".")[2]
    if rule is not None and rule.kind == "refused":
        return Fate(name, "refused", rule.hint)
    if rule is not None and rule.kind == "constant":
        return Fate(name, "constant", "")
    if rule is not None:
        return Fate(name, "differentiable", "rewritten" if rule.rewritten else rule.kind)
    if last in FOLLOWING:
        return Fate(name, "differentiable", "rewritten")
    if last in CONVERTING:
        return Fate(name, "refused", _CONVERTED)
    return Fate(name, "constant" if last in WITHOUT_TENSORS else "", "takes no tensors")


def markdown() -> str:
    """Return the survey as a table, which the reference holds for the newest NumPy."""
    fates = survey()
    counts = {kind: sum(fate.kind == kind for fate in fates) for kind in (
        "differentiable", "constant", "refused")}  # fmt: skip
    lines = [
        "Made by `python -m tinygrad_bp.survey > examples/reference/functions.md`, with the newest "
        + "NumPy.",
        "",
        "# NumPy's functions on tensors that track",
        "",
        "`numpy`, `numpy.linalg` and `numpy.fft` have "
        + ", ".join(f"{n} {kind}" for kind, n in counts.items())
        + " functions and types. Through a constant one passes no gradient: plain arrays come "
        + "back. A refused one raises, and says what to do.",
        "",
        "| function | | |",
        "| --- | --- | --- |",
        *(f"| `{fate.name}` | {fate.kind} | {fate.remark} |" for fate in fates),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
