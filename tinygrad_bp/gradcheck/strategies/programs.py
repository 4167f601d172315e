"""Random programs, as text that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np

from tinygrad_bp.gradcheck.strategies.arrays import Floats, arrays, broadcastable_shapes
from tinygrad_bp.gradcheck.strategies.expressions import NAMES, fitting, names_in

__all__ = ["Program", "programs"]


@dataclass(frozen=True, repr=False)
class Program:
    """A straight-line program over NumPy's functions, from some leaves to a scalar `cost`.

    Calling it with arrays computes the cost, with tensors a tensor to go backward from. Its text,
    `str(program)`, is what runs, with the imports and the backward pass around it.

    >>> program = Program({"a": np.array(3.0)}, ("v0 = np.square(a)", "cost = v0 * a"))
    >>> program(2.0)
    np.float64(8.0)
    >>> from tinygrad_bp import grad
    >>> grad(program)(2.0)
    array(12.)
    """

    leaves: Mapping[str, Floats]
    """The inputs by name, with the values that were drawn for them."""
    lines: tuple[str, ...]
    """Assignments, of which the last is to `cost`."""

    def __call__(self, *leaves: Any) -> Any:
        """Return the cost at the given leaves, one for each of `self.leaves`, in their order."""
        names = dict(NAMES)
        names.update(zip(self.leaves, leaves, strict=True))
        code = compile("\n".join(self.lines), "<program>", "exec")
        exec(code, names)  # noqa: S102  (the strategy wrote the lines)
        return names["cost"]

    def __repr__(self) -> str:
        leaves = ", ".join(f"{name!r}: {_array_text(v)}" for name, v in self.leaves.items())
        return f"Program({{{leaves}}}, {self.lines!r})"

    def __str__(self) -> str:
        made = [
            f"{name} = Tensor({_array_text(value)}, requires_grad=True)"
            for name, value in self.leaves.items()
        ]
        shown = [f'print("{name}:", {name}.grad)' for name in self.leaves]
        return "\n".join([_PREAMBLE, *made, *self.lines, "cost.backward()", *shown])


_PREAMBLE = """import numpy as np

import tinygrad_bp as bp
from tinygrad_bp import Tensor, rules
"""


def _array_text(array: Floats) -> str:
    dtype = "" if array.dtype == np.float64 else f", np.{array.dtype.name}"
    if array.size == 0:
        return f"np.zeros({array.shape}{dtype})"
    return f"np.array({array.tolist()}{dtype})"


@st.composite
def programs(
    draw: st.DrawFn, *, max_leaves: int = 3, max_lines: int = 8, dtype: Any = np.float64
) -> Program:
    """Random programs with fan-out and shared leaves, smooth around the values of their leaves.

    Each line is chosen among the functions that are smooth at the values it will meet, at a
    distance of 1/4, and whose result is neither huge nor of many elements. Everything computed and
    not used by a later line goes into the cost.

    >>> from hypothesis import HealthCheck, given, settings
    >>> from tinygrad_bp import grad, jvp
    >>> few = settings(max_examples=5, derandomize=True, deadline=None,
    ...                suppress_health_check=[HealthCheck.too_slow])
    >>> @few
    ... @given(programs(max_leaves=1, max_lines=3))
    ... def forward_and_reverse_mode_agree(program):
    ...     (x,) = program.leaves.values()
    ...     by_reverse = np.sum(grad(program)(x))
    ...     _, by_forward = jvp(program, (x,), (np.ones_like(x),))
    ...     assert np.allclose(by_reverse, by_forward)
    >>> forward_and_reverse_mode_agree()
    """
    count = draw(st.integers(1, max_leaves))
    shapes = draw(broadcastable_shapes(count))
    leaves = {
        name: draw(arrays(shape, dtype=dtype))
        for name, shape in zip("abcdefgh", shapes, strict=False)
    }
    values: dict[str, Any] = dict(leaves)
    lines: list[str] = []
    unused = dict.fromkeys(leaves)
    for i in range(draw(st.integers(1, max_lines))):
        v, w = draw(st.sampled_from(list(values))), draw(st.sampled_from(list(values)))
        choice = fitting(values, v, w)
        expression = draw(st.sampled_from(list(choice)))
        name = f"v{i}"
        lines.append(f"{name} = {expression}")
        values[name] = choice[expression]
        for used in {v, w} & set(names_in(expression)):
            unused.pop(used, None)
        unused[name] = None
    terms = " + ".join(f"np.sum(np.sin({name}))" for name in unused)
    return Program(leaves, (*lines, f"cost = {terms}"))
