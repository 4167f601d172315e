"""Every exception and warning of the library, in one tree.

    TinygradError                  everything below; catch this to catch us
    ├── GradientError              a gradient was asked for where there is none
    │   ├── NonFiniteError         the first nan or inf, under `trace_nans()`
    │   ├── StaleGraphError        data changed between forward and backward
    │   └── FreedGraphError        backward through a graph that was already used up
    ├── NotDifferentiableError     a NumPy function, argument or idiom we refuse to guess about
    │   ├── InPlaceError           `out=`, `t[i] = v`, `w -= step` on a parameter
    │   └── ConversionError        `np.asarray(t)` and friends would drop the graph
    ├── GradcheckError             a gradient check failed, or could not be made
    ├── RuleError                  a derivative rule is missing a piece or gave a wrong shape
    ├── ModuleError                a model that is put together wrongly
    ├── ShapeError                 shapes that do not fit a layer or a loss
    ├── LabelError                 class labels that are not 0 .. classes-1
    ├── OptimizerError             a step that must not be taken
    ├── DataError                  a data file that is not what it should be
    ├── CheckpointError            a model file that cannot be read, or does not fit
    ├── ExportError                a model that has no form in another format
    ├── ProgramError               a step that cannot be compiled
    └── ClusterError               workers that cannot be reached, or cannot do what is asked

Each message says what happened, where it was recorded when that is known, and what to do.
Each class also derives from the builtin that NumPy or PyTorch would raise, so that
`except ValueError` keeps working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CheckpointError",
    "ClusterError",
    "ConversionError",
    "DataError",
    "ExportError",
    "FreedGraphError",
    "GradcheckError",
    "GradientError",
    "InPlaceError",
    "LabelError",
    "ModuleError",
    "NonFiniteError",
    "NotDifferentiableError",
    "OptimizerError",
    "ProgramError",
    "RuleError",
    "ShapeError",
    "StaleGraphError",
    "TinygradError",
    "no_such_name",
    "printable",
]


def printable(text: object) -> str:
    r"""Return the text with everything escaped that a terminal would obey rather than show.

    Escaped is what `repr` escapes, such as control characters and marks that reverse the direction
    of writing; newlines stay.

    >>> print(printable("weight\x1b[2J"))
    weight\x1b[2J
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def no_such_name(module: str, name: str, called_here: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that a module does not have, with what to write instead.

    >>> no_such_name("tinygrad_bp", "cat", {"cat": "np.concatenate"})
    AttributeError("module 'tinygrad_bp' has no attribute 'cat'. Write np.concatenate.")
    """
    import numpy as np

    instead = called_here.get(name) or (f"np.{name}" if callable(getattr(np, name, None)) else None)
    hint = f". Write {instead}." if instead else ""
    # With its name, or Python would add a guess of its own.
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}", name=name)


class TinygradError(Exception):
    """The root of the library's exceptions; its text is `printable`, whatever names are in it."""

    def __str__(self) -> str:
        return printable(super().__str__())


class GradientError(TinygradError, RuntimeError):
    """A gradient was asked for where there is none."""


class NonFiniteError(GradientError, FloatingPointError):
    """The first nan or inf of a computation, with its cause."""


class StaleGraphError(GradientError):
    """An array that the backward pass needs was changed after the forward pass."""


class FreedGraphError(GradientError):
    """The graph was used up by an earlier backward pass."""


class NotDifferentiableError(TinygradError, TypeError):
    """A function, argument or idiom through which no gradient can be followed."""


class InPlaceError(NotDifferentiableError):
    """An attempt to overwrite values that the graph may still need."""


class ConversionError(NotDifferentiableError):
    """A conversion to a plain array that would silently drop the graph."""


class GradcheckError(TinygradError, AssertionError):
    """A gradient check found a wrong gradient, or could not be made at all."""


class RuleError(TinygradError, ValueError):
    """A derivative rule is incomplete, registered twice, or returned a wrong shape."""


class ModuleError(TinygradError, TypeError):
    """A model is put together of something that is no module, or of names it does not have."""


class ShapeError(TinygradError, ValueError):
    """Array shapes that do not fit a layer, a loss or a seed gradient."""

    place: tuple[object, str] | None = None
    """The outermost module that it has passed, and the way from there to the layer."""


class LabelError(TinygradError, ValueError):
    """Class labels that are not whole numbers from 0 to the number of classes - 1."""


class OptimizerError(TinygradError, ValueError):
    """An optimiser was set up wrongly or asked to take a step that must not be taken."""


class DataError(TinygradError, ValueError):
    """A data file is missing, damaged or not what its name says."""


class CheckpointError(TinygradError, ValueError):
    """A saved model cannot be read or does not fit the model it is loaded into."""


class ExportError(TinygradError, TypeError):
    """A model does what the format that it is written in has no form for."""


class ProgramError(TinygradError, TypeError):
    """A step does what a program, which repeats the same calls in every run, cannot do."""


class ClusterError(TinygradError, RuntimeError):
    """Workers cannot be reached, lack what they need, or do not fit together."""
