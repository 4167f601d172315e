"""Gradient checks in one line of a test, for pytest; loaded with the package, changes no test.

    def test_my_loss(gradcheck):
        gradcheck(my_loss, x, y)  # raises with the table if the gradient is wrong

    @given(program=programs())
    def test_my_rules(program, gradcheck):
        gradcheck(program, *program.leaves.values())  # a failure is shrunk and shown as code

    @gradchecked(x=arrays(kinks=[0]), y=arrays())
    def test_my_function(x, y):
        return np.abs(x) @ y  # checked at inputs that Hypothesis draws

Where the package is on the path but not installed: `-p tinygrad_bp.gradcheck.pytest_plugin`.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from tinygrad_bp.gradcheck.report import Report

__all__ = ["Gradcheck", "gradcheck", "gradchecked"]


class Gradcheck(Protocol):
    """What the fixture `gradcheck` is: `check`, that raises unless the gradient is right."""

    def __call__(self, function: Callable[..., Any], *inputs: Any, **options: Any) -> Report:
        """Check, and return the report; arguments and errors as for `tinygrad_bp.gradcheck.check`.

        Raises `GradcheckError` with the table if the gradient is wrong.
        """


@pytest.fixture(scope="session")
def gradcheck() -> Gradcheck:
    """Check a gradient, `gradcheck(f, *inputs)`, and fail with a table of its worst entries."""
    return _check


def _check(function: Callable[..., Any], *inputs: Any, **options: Any) -> Report:
    __tracebackhide__ = True
    from tinygrad_bp.errors import GradcheckError
    from tinygrad_bp.gradcheck import check

    report = check(function, *inputs, **options)
    try:
        report.assert_ok()
    except GradcheckError as error:
        if _is_program(function):
            error.add_note(f"This is the program:\n\n{function}")
        raise
    return report


def _is_program(function: Callable[..., Any]) -> bool:
    """Whether it was drawn by `strategies.programs()`, without importing Hypothesis."""
    strategies = sys.modules.get("tinygrad_bp.gradcheck.strategies")
    return strategies is not None and isinstance(function, strategies.Program)


def gradchecked(
    *, method: str = "auto", **strategies: SearchStrategy[Any]
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Make a test of a function: its gradient is checked at inputs that Hypothesis draws.

    A strategy for each argument to differentiate; others are fixtures, or keep their defaults.
    The inputs of a failure are shrunk, and shown as code that reproduces it. The function as it
    was stays at hand as `.unchecked`; Hypothesis's decorators (settings, example) go on top.

    Raises `GradcheckError` when the test runs and a gradient is wrong. Needs Hypothesis.

    >>> from tinygrad_bp.gradcheck.strategies import arrays
    >>> import numpy as np
    >>> @gradchecked(x=arrays((3,)))
    ... def test_square(x):
    ...     return x * x
    >>> test_square()
    >>> test_square.unchecked(np.array([3.0]))
    array([9.])
    """
    from hypothesis import given, settings

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(function)
        def test(**arguments: Any) -> None:
            __tracebackhide__ = True
            inputs = {name: arguments.pop(name) for name in strategies}

            def checked(*values: Any) -> Any:
                given_values = dict(zip(inputs, values, strict=True))
                return function(**given_values, **arguments)

            checked.__name__ = function.__name__
            try:
                _check(checked, *inputs.values(), method=method)
            except Exception as error:
                arguments.pop("self", None)  # a new one will do
                error.add_note(_reproduction(function, inputs, arguments, method))
                raise

        drawn: Any = given(**strategies)(test)
        # A check takes its time. Settings that a user puts on top replace these.
        drawn._hypothesis_internal_use_settings = settings(deadline=None)  # noqa: SLF001
        drawn.unchecked = function
        return drawn  # type: ignore[no-any-return]

    return decorate


# --- code that reproduces a failure ---------------------------------------------------------


def _reproduction(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    others: Mapping[str, Any],
    method: str,
) -> str:
    """Return a program that checks the decorated function at these inputs, written out exactly.

    A value that cannot be written, such as a fixture's, is left open, with a comment.
    """
    found = _definition(function)
    values = [f"{name} = {_written(value)}" for name, value in {**inputs, **others}.items()]
    text = "\n".join([found, *values])
    special = [word for word in ("inf", "nan") if re.search(rf"\b{word}\b", "\n".join(values))]
    imports = {
        "import runpy": "runpy." in found,
        "import numpy as np": "np." in text,
        f"from numpy import {', '.join(special)}": special,
        "from tinygrad_bp import Tensor": "Tensor(" in text,
        "from tinygrad_bp.gradcheck import check": True,
    }
    names = ", ".join(inputs)
    arguments = ", ".join(f"{name}={name}" for name in (*inputs, *others))
    option = "" if method == "auto" else f", method={method!r}"
    call = f"check(lambda {names}: {function.__name__}({arguments}), {names}{option}).assert_ok()"
    heading = "This reproduces it:\n"
    return "\n".join(
        [heading, *(line for line, needed in imports.items() if needed), "", text, call]
    )


def _definition(function: Callable[..., Any]) -> str:
    """Return lines after which the undecorated function goes by its name."""
    outer, _, name = function.__qualname__.rpartition(".")
    module = sys.modules.get(function.__module__)
    path = getattr(module, "__file__", None)
    if path is None or "<locals>" in outer:  # nothing to import: paste it, less the decorators
        source = textwrap.dedent(inspect.getsource(function)).rstrip()
        return re.sub(r"\A.*?^(?=def )", "", source, flags=re.DOTALL | re.MULTILINE)
    top = function.__qualname__.partition(".")[0]
    lines = [f"{top} = runpy.run_path({path!r})[{top!r}]"]
    if module is not None and module.__package__:  # its relative imports work only so
        lines = [f"from {module.__name__} import {top}"]
    instance = f".__get__({outer}())" if outer else ""
    return "\n".join([*lines, f"{name} = {function.__qualname__}.unchecked{instance}"])


def _written(value: Any) -> str:
    """Return an expression for a value; floats in as many digits as they need."""
    from tinygrad_bp.tensor import Tensor

    if isinstance(value, Tensor):
        return f"Tensor({_written(value.data)}, requires_grad={value.requires_grad})"
    if isinstance(value, np.ndarray | np.generic):
        return _written_array(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_written(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = "".join(_written(v) + ", " for v in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"...  # put the {type(value).__name__} here"


def _written_array(array: Any) -> str:
    if array.size == 0:
        return f"np.zeros({array.shape}, np.{array.dtype.name})"
    dtype = "" if array.dtype in (np.float64, np.int64, bool) else f", np.{array.dtype.name}"
    return f"np.array({array.tolist()}{dtype})"
