"""What the commands that run a user's code share: names, inputs, errors, progress."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.errors import ConversionError, GradcheckError, TinygradError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tinygrad_bp.cli.screen import Screen

__all__ = ["array_for", "counting", "guarded", "module_named", "named"]

SHAPE = re.compile(r"\d+(x\d+)*")


def named(text: str) -> Any:
    """Return what MODULE:NAME stands for; MODULE is a dotted name or the path of a file."""
    module_name, colon, name = text.rpartition(":")
    if not (module_name and colon and name):
        raise UsageError(f"{text!r} does not have the form MODULE:NAME")
    found: Any = module_named(module_name)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module_name} has no {name!r}")
        found = getattr(found, part)
    return found


def module_named(name: str) -> Any:
    """Return the module with this dotted name, or in this file; it is loaded once."""
    path = Path(name)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise UsageError(f"{name} does not exist")
    # Where `python name.py` and `python -m name` would look for what it imports.
    folder = str(path.resolve().parent if is_file else Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _module_at(path) if is_file else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{name} cannot be imported: {_told(error)}") from error


def _module_at(path: Path) -> Any:
    if path.stem in sys.modules:
        known = getattr(sys.modules[path.stem], "__file__", None)
        if known is not None and Path(known).resolve() == path.resolve():
            return sys.modules[path.stem]  # functions and strategies of one file, loaded once
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def array_for(text: str, rng: np.random.Generator) -> NDArray[Any]:
    """Return an array for a shape, such as 3x4 or `scalar`, or from a .npy file."""
    if text == "scalar":
        return np.array(rng.standard_normal())
    if SHAPE.fullmatch(text):
        try:
            return rng.standard_normal(tuple(map(int, text.split("x"))))
        except (ValueError, MemoryError) as error:
            raise UsageError(f"argument --input: {text} is too large: {error}") from error
    if not text.endswith(".npy"):
        raise UsageError(
            f"argument --input: {text!r} is neither a shape, such as 3x4 or scalar, nor a .npy file"
        )
    try:
        array = np.load(text, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"argument --input: {text} cannot be read: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise UsageError(f"argument --input: {text} does not hold an array of numbers")
    return array


@contextlib.contextmanager
def guarded(target: str, wanted: str = "checked") -> Iterator[None]:
    """Say in one line what the user's code raised; whatever it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except ConversionError as error:
        raise GradcheckError(f"the graph is cut in {target}: {_told(error)}") from error
    except (TinygradError, UsageError):
        raise
    except (Exception, SystemExit) as error:
        raise GradcheckError(f"{target} cannot be {wanted}: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """Return an exception in words, with the innermost line of code that is not the library's."""
    package = str(Path(__file__).parent.parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((package, "<frozen", importlib.__file__))
    ]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def counting(screen: Screen, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give what moves a progress bar, called as (done, total), or None if none is shown."""
    if quiet:
        yield None
        return
    with screen.progress(1000) as show:
        if show is None:
            yield None
        else:
            yield lambda done, total: show(1000 * done // total, f"{done:,} of {total:,}")
