"""The recorded graph, and the two sweeps over it.

An `Op` is one recorded call: the rule, what it was called with, and what came out. Its inputs are
tensors, which know the ops that made them; nothing points the other way, so a graph has no cycles
and is freed by reference count.

    sweep   reverse mode: the gradient of one output with respect to everything
    push    forward mode: how everything moves when some inputs move

What is on its way is kept in a dict by what it belongs to: a leaf, an op, or (op, i) for one of an
op's several outputs. Both sweeps take `read`, which says what a rule is fed: `read_arrays` for
numbers, tensors for a graph of the pass itself (gradients of gradients). The one place where shapes
and dtypes are restored is `conform`; no rule does it.

Of complex numbers a sweep carries the plain transpose: when a value moves by t, the loss moves by
the real part of Σ g t, so that g f'(z) is the rule of every holomorphic function. The gradient that
a user sees is the conjugate of that, the direction of steepest ascent (`backward.seen`).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple, Never, TypeAlias

import numpy as np

from tinygrad_bp.errors import FreedGraphError, RuleError, StaleGraphError
from tinygrad_bp.registry import Array, Rule
from tinygrad_bp.state import memory, written_at

__all__ = [
    "Hook",
    "Key",
    "Op",
    "RawStep",
    "Read",
    "Site",
    "cell_of",
    "conform",
    "free",
    "key_of",
    "path_between",
    "push",
    "read_arrays",
    "sweep",
    "topological_order",
    "unbroadcast",
]

Key: TypeAlias = Any
"""What a gradient belongs to: a leaf, an op, or (op, i) for one of several outputs."""

Hook: TypeAlias = Callable[[Array, Array], Array]
"""Called with a value and its finished gradient; what it returns takes the gradient's place."""

Read: TypeAlias = "Callable[[Op], tuple[Any, Sequence[Any]]]"
"""What a rule is fed: an op's output, or a tuple of them, and its arrays."""


class Site(NamedTuple):
    """The place in the user's code where an op was recorded."""

    code: CodeType
    instruction: int  # byte offset into the code, which knows the line and the columns

    @property
    def line(self) -> int:
        """Line number in the file, starting at 1."""
        positions = itertools.islice(self.code.co_positions(), self.instruction // 2, None)
        start, *_ = next(positions)
        return start or self.code.co_firstlineno

    @property
    def file(self) -> str:
        """The file's path, or what a notebook calls the cell, such as `In[3]`."""
        return cell_of(self.code.co_filename) or self.code.co_filename

    def __str__(self) -> str:
        import linecache

        where = f"{self.file}:{self.line}"
        text = linecache.getline(self.code.co_filename, self.line).strip()
        return f"{where}, `{text}`" if text else where


def cell_of(path: str) -> str | None:
    """Return what a notebook calls the cell that it has kept in a file, None for other files.

    >>> cell_of(__file__) is None
    True
    """
    ipython = sys.modules.get("IPython")
    compiler = getattr(ipython and ipython.get_ipython(), "compile", None)
    named = getattr(compiler, "format_code_name", None)  # IPython 8 has it
    found = named and named(path)
    return found[1] if found else None


class Op:
    """One recorded call.

    `inputs` are the arrays of the call in normal form as they were given, tensors among them, and
    `arrays` the same as the function saw them; `tracked` are the positions through which gradients
    pass. `y` is what came out: an array, or a tuple of them.
    """

    __slots__ = (
        "_frame", "age", "arrays", "digests", "hooks", "inputs", "kept", "options", "rule",
        "tracked", "y",
    )  # fmt: skip

    rule: Rule
    inputs: Sequence[Any] | None  # None once a backward pass has used the op up
    arrays: Sequence[Any]
    options: Mapping[str, Any]
    tracked: Sequence[int]
    y: Any
    age: int  # when it was recorded, on the clock that ops and writes share
    hooks: dict[int, dict[object, Hook]] | None  # of each output; None where there never was one
    kept: dict[int, Any] | None  # the gradients of outputs that keep theirs
    digests: Any  # of the arrays it read, under debug()
    _frame: tuple[CodeType, int] | None

    @property
    def site(self) -> Site | None:
        """The place in the user's code that recorded the op, if it was Python code."""
        return self._frame and Site(*self._frame)

    def __repr__(self) -> str:
        return f"<{self.rule.name} recorded at {self.site}>"

    def sources(self) -> list[Any]:
        """Return the tensors that gradients pass through, one for each tracked array."""
        inputs = self.inputs
        if inputs is None:
            self.raise_freed()
        return [inputs[i] for i in self.tracked]

    def check_fresh(self) -> None:
        """Refuse to go on if memory that was read has been written to since."""
        for a in self.arrays:
            if isinstance(a, np.ndarray) and written_at(a) > self.age:
                self.raise_stale("its memory was written to")

    def raise_freed(self) -> Never:
        """Raise the error for a graph that is gone."""
        raise FreedGraphError(
            f"the graph of '{self.rule.name}' was used up by an earlier backward(), which frees "
            f"it (recorded at {self.site}). Pass retain_graph=True to the earlier backward(), or "
            "run the forward pass again."
        )

    def raise_stale(self, how: str) -> Never:
        """Raise the error for an input that is not what it was in the forward pass."""
        raise StaleGraphError(
            f"an input of '{self.rule.name}' changed between forward and backward ({how}), so "
            f"its gradient would be wrong. Recorded at {self.site}. Call backward() before "
            "changing values, or run the forward pass again."
        )


def key_of(tensor: Any) -> Key:
    """Return what the gradient of a tensor is kept by, however many tensors show the value."""
    op = tensor.op
    if op is None:
        return tensor
    return op if tensor.output is None else (op, tensor.output)


def read_arrays(op: Op) -> tuple[Any, Sequence[Any]]:
    """Feed the rules with plain arrays."""
    return op.y, op.arrays


RawStep: TypeAlias = tuple[Op, int, Array, Array, Array]
"""One edge of a backward pass: the op, which of its inputs, what arrived at the op, what this edge
adds to the input's gradient, and that gradient so far."""


# --- the order ------------------------------------------------------------------------------


def topological_order(*roots: Any) -> list[Op]:
    """Return every op that the given tensors depend on, consumers before what they consume.

    An op can only read what exists, so it is younger than everything it reads: from youngest
    to oldest is a topological order. Read backwards it is the Wengert list.
    """
    found = {root.op.age: root.op for root in roots if root.op is not None}
    order = list(found.values())
    for op in order:  # grows as it is read
        inputs = op.inputs
        if inputs is None:
            op.raise_freed()
        for slot in op.tracked:
            made_by = inputs[slot].op
            if made_by is not None and made_by.age not in found:
                found[made_by.age] = made_by
                order.append(made_by)
    return [found[age] for age in sorted(found, reverse=True)]


def path_between(inputs: Iterable[Any], output: Any) -> list[Op]:
    """Return the ops on some path from the inputs to the output, consumers first."""
    wanted = set(map(key_of, inputs))
    reaching: set[Op] = set()
    order = topological_order(output)
    for op in reversed(order):
        for x in op.sources():
            if x.op in reaching or key_of(x) in wanted:
                reaching.add(op)
                break
    return [op for op in order if op in reaching]


def free(ops: Iterable[Op]) -> None:
    """Let go of what a backward pass needs: there can be no other after it."""
    for op in ops:
        op.inputs = op.y = None
        op.arrays = ()


# --- shapes and dtypes ----------------------------------------------------------------------


def unbroadcast(contribution: Array, shape: tuple[int, ...]) -> Array:
    """Sum a contribution over the axes along which its input was broadcast.

    >>> unbroadcast(np.ones((32, 16)), (16,)).shape
    (16,)
    """
    extra = contribution.ndim - len(shape)
    if extra > 0:
        contribution = np.sum(contribution, 0 if extra == 1 else tuple(range(extra)))
    if contribution.shape == shape or extra < 0:
        return contribution
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return np.sum(contribution, axis=stretched, keepdims=True)


def conform(contribution: Array, value: Array, op: Op) -> Array:
    """Give a contribution its input's shape and dtype: the one place where either is restored."""
    shape, given = value.shape, getattr(contribution, "shape", None)
    if given != shape:
        if op.rule.broadcasts and given is not None:
            contribution = unbroadcast(contribution, shape)
        if given is None or contribution.shape != shape:
            raise RuleError(
                f"the rule of '{op.rule.name}' gave a gradient of shape {given} for an input of "
                f"shape {shape}. Recorded at {op.site}."
            )
    if contribution.dtype.kind not in "fc":
        raise RuleError(
            f"the rule of '{op.rule.name}' gave a gradient of {contribution.dtype} for an input "
            f"of {value.dtype}. Recorded at {op.site}."
        )
    return _in_field_of(contribution, value.dtype)


def _in_field_of(moved: Array, dtype: np.dtype[Any]) -> Array:
    """In another floating dtype; what is real moves, and is moved, along the real axis alone."""
    if moved.dtype == dtype:
        return moved
    if moved.dtype.kind == "c" and dtype.kind != "c":
        moved = np.real(moved)
    return moved if moved.dtype == dtype else moved.astype(dtype)


# --- reverse mode ---------------------------------------------------------------------------


def sweep(order: Iterable[Op], pending: dict[Key, Array], read: Read) -> Iterator[RawStep]:
    """Run backward, one step at a time; `pending` starts with the seeds and ends with the leaves.

    Every reverse pass drains this, and everything that shows a pass watches it.
    """
    for op in order:
        simple = op.hooks is None and type(op.y) is not tuple
        arriving = pending.pop(op, None) if simple else _arriving(op, pending)
        if arriving is None:
            continue
        if op.age < memory.latest:
            op.check_fresh()
        y, arrays = read(op)
        rule, inputs, values, options = op.rule, op.inputs, op.arrays, op.options
        fed = (arriving, y, *arrays)
        together = rule.partials[0](*fed, **options) if rule.together else None
        for slot in op.tracked:
            if together is None:
                contribution = rule.partials[slot](*fed, **options)
            else:
                contribution = together[slot]
            value = values[slot]
            try:
                alike = contribution.shape == value.shape and contribution.dtype is value.dtype
            except AttributeError:  # a rule gave a list or a plain number
                alike = False
            if not alike:
                contribution = conform(contribution, value, op)
            x = inputs[slot]  # type: ignore[index]
            key = x.op
            if key is None:
                key = x
            elif x.output is not None:
                key = (key, x.output)
            before = pending.get(key)
            total = pending[key] = contribution if before is None else before + contribution
            yield op, slot, arriving, contribution, total
    _show_the_rest(pending)


def _show_the_rest(pending: dict[Key, Array]) -> None:
    """Show the hooks what a pass ends at: leaves, and results that it did not go through."""
    for key in pending:
        if hooks := _hooks_of(key):
            _show(hooks, key, pending)


def _hooks_of(key: Key) -> Mapping[object, Hook] | None:
    op, output = key if type(key) is tuple else (key, 0)
    if not isinstance(op, Op):
        leaf_hooks: Mapping[object, Hook] | None = op._hooks
        return leaf_hooks
    return None if op.hooks is None else op.hooks.get(output)


def _arriving(op: Op, pending: dict[Key, Array]) -> Any:
    """The finished gradient of an op's output; a tuple for several, None if none arrived."""
    if type(op.y) is tuple:
        return _arriving_at_several(op, pending)
    if op.hooks is not None and op in pending:
        _show(op.hooks.get(0, {}), op, pending)
    return pending.pop(op, None)


def _arriving_at_several(op: Op, pending: dict[Key, Array]) -> tuple[Array, ...] | None:
    keys = [(op, i) for i in range(len(op.y))]
    if pending.keys().isdisjoint(keys):
        return None
    for i, hooks in (op.hooks or {}).items():
        if keys[i] in pending:
            _show(hooks, keys[i], pending)
    return tuple(
        [
            np.zeros_like(y) if (g := pending.pop(key, None)) is None else g
            for key, y in zip(keys, op.y, strict=True)
        ]
    )


def _show(hooks: Mapping[object, Hook], key: Key, pending: dict[Key, Array]) -> None:
    """Show a finished gradient to the hooks of what it belongs to."""
    op, output = key if type(key) is tuple else (key, None)
    value = op.y if isinstance(op, Op) else op
    for hook in list(hooks.values()):
        pending[key] = hook(value if output is None else value[output], pending[key])


# --- forward mode ---------------------------------------------------------------------------


def push(order: Iterable[Op], tangents: dict[Key, Array], read: Read) -> None:
    """Run forward: from the tangents of some values to those of everything that uses them.

    The sweep is over the recorded graph, in the order it was recorded: no dual numbers, so
    nested derivatives cannot mistake one perturbation for another.
    """
    for op in order:
        arriving = [tangents.get(key_of(x)) for x in op.sources()]
        if op in tangents or all(t is None for t in arriving):
            continue
        if op.age < memory.latest:
            op.check_fresh()
        moved = _push(op, arriving, read)
        if type(op.y) is tuple:
            for i, y in enumerate(op.y):
                if i not in op.rule.flat:
                    tangents.setdefault((op, i), _conform_tangent(moved[i], y))
        else:
            tangents[op] = _conform_tangent(moved, op.y)


def _push(op: Op, arriving: Sequence[Any], read: Read) -> Any:
    """How the output of an op moves, or each of its outputs, as all of its inputs move."""
    y, arrays = read(op)
    rule, options = op.rule, op.options
    if rule.together:
        given = dict(zip(op.tracked, arriving, strict=True))
        still = [np.zeros_like(a) if given.get(i) is None else given[i]
                 for i, a in enumerate(op.arrays)]  # fmt: skip
        return rule.pushes[0](still, y, *arrays, **options)
    total: Any = None
    for slot, t in zip(op.tracked, arriving, strict=True):
        if t is not None:
            moved = rule.pushes[slot](t, y, *arrays, **options)
            total = moved if total is None else _add(total, moved)
    return total


def _add(a: Any, b: Any) -> Any:
    """Add what two inputs contribute; of several outputs, those that are flat have None."""
    if type(a) is tuple:
        return tuple([None if p is None else p + q for p, q in zip(a, b, strict=True)])
    return a + b


def _conform_tangent(tangent: Array, y: Array) -> Array:
    if tangent.shape != y.shape:  # one argument moved, another stretched the result
        tangent = np.broadcast_to(tangent, y.shape)
    return _in_field_of(tangent, y.dtype)
