"""The recorded graph, and the two sweeps over it.

A `Variable` is a value and the `Op` that made it; an op holds the variables it read. Nothing
points the other way, so a graph has no cycles and is freed by reference count.

    sweep   reverse mode: the gradient of one output with respect to everything
    push    forward mode: how everything moves when some inputs move

Both take `read`, which says what a rule is fed: `read_array` for numbers, `read_variable` for a
graph of the pass itself (`create_graph=True`, gradients of gradients). The one place where
shapes and dtypes are restored is `conform`; no rule does it.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from operator import attrgetter
from types import CodeType, FrameType
from typing import Any, NamedTuple, Never, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.errors import FreedGraphError, RuleError, StaleGraphError
from tinygrad_bp.kernels import sum_of_rows
from tinygrad_bp.registry import Array, Rule

__all__ = [
    "Hook",
    "Mode",
    "Observer",
    "Op",
    "Site",
    "Step",
    "Variable",
    "conform",
    "free",
    "make_op",
    "mode",
    "push",
    "read_array",
    "read_variable",
    "run",
    "sweep",
    "topological_order",
    "touch_all",
    "unbroadcast",
]

Read: TypeAlias = Callable[[Any], Array]
Hook: TypeAlias = "Callable[[Variable, Array], Array]"
"""Called with a variable and its finished gradient; what it returns takes the gradient's place."""

_clock = itertools.count()  # tells the ages of ops and writes
_hooked = False  # whether any variable has ever had a hook
_last_write = -1  # ops younger than this cannot be stale, and need no closer look
_getframe = sys._getframe  # documented for CPython; inspect is 100 times slower
_PACKAGE = os.path.dirname(__file__) + os.sep


class Site(NamedTuple):
    """The place in the user's code where an op was recorded."""

    code: CodeType
    instruction: int  # byte offset into the code, which knows the line and the columns

    @property
    def line(self) -> int:
        """Line number in the file, starting at 1."""
        start, *_ = self._position()
        return start or self.code.co_firstlineno

    def _position(self) -> tuple[int | None, ...]:
        return next(itertools.islice(self.code.co_positions(), self.instruction // 2, None))

    def __str__(self) -> str:
        import linecache

        where = f"{self.code.co_filename}:{self.line}"
        text = linecache.getline(self.code.co_filename, self.line).strip()
        return f"{where}, `{text}`" if text else where


class Op:
    """One recorded call: the rule, what it was called with, and where.

    `args` are the arguments as given, variables among them, and `arrays` the same as the rule was
    fed them; `tracked` are the positions through which gradients pass.
    """

    __slots__ = ("_frame", "age", "args", "arrays", "digests", "options", "rule", "tracked")

    rule: Rule
    args: tuple[Any, ...] | None  # None once a backward pass has used the op up
    arrays: Sequence[Any]  # empty then
    options: Mapping[str, Any]
    tracked: Sequence[int]
    age: int  # when it was recorded, on the clock that ops and writes share
    digests: Any  # of the arrays it read, under debug()
    _frame: tuple[CodeType, int] | None

    @property
    def site(self) -> Site | None:
        """The place in the user's code that recorded the op, if it was Python code."""
        return self._frame and Site(*self._frame)

    def __repr__(self) -> str:
        return f"<{self.rule.name} recorded at {self.site}>"

    def inputs(self) -> list[Variable]:
        """Return the variables that gradients pass through, one for each tracked argument."""
        args = self.args
        if args is None:
            self.raise_freed()
        return [args[i] for i in self.tracked]

    def check_fresh(self) -> None:
        """Refuse to go on if an input was assigned to since the op was recorded."""
        for a in self.args or ():
            # A detached leaf shares the memory of the leaf, which alone knows of assignments.
            a = getattr(a, "_detached_from", a)  # noqa: PLW2901
            if isinstance(a, Variable) and a._written > self.age:
                self.raise_stale("its .data was assigned to")

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


_new = object.__new__


def make_op(
    rule: Rule,
    args: tuple[Any, ...],
    arrays: Sequence[Any],
    options: Mapping[str, Any],
    tracked: Sequence[int],
) -> Op:
    """Make an op of a call, and note where in the user's code it was made.

    That is in the innermost frame outside this package. To ask every frame on the way there for
    its file costs as much as the rest of an op, so the way that a rule was reached last time is
    compared: a model calls its layers by the same functions again and again.
    """
    op: Op = _new(Op)  # calling the class would cost as much again
    op.rule = rule
    op.args = args
    op.arrays = arrays
    op.options = options
    op.tracked = tracked
    op.age = next(_clock)
    op.digests = None
    try:
        frame = _getframe(3)  # what called the function of this package that called `record`
    except ValueError:  # nothing in Python: a thread may begin in this package
        op._frame = None
        return op
    for code in rule.called_through:
        if frame.f_code is not code:
            break
        frame = frame.f_back  # type: ignore[assignment]  # the user's is further down
    code = frame.f_code
    if code is rule.called_by:
        op._frame = (code, frame.f_lasti)  # not the frame, which holds its variables
    else:
        op._frame = _search_user_frame(rule)
    return op


def _search_user_frame(rule: Rule) -> tuple[CodeType, int] | None:
    """Look for the innermost frame outside this package, and remember the way there."""
    frame: FrameType | None = _getframe(4)
    way = []
    while frame is not None:
        way.append(frame.f_code)
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            *rule.called_through, rule.called_by = way
            return frame.f_code, frame.f_lasti
        frame = frame.f_back
    return None


class Variable:
    """What the engine knows of a tensor: a value, the op that made it, and when it changed."""

    __slots__ = ("_data", "_detached_from", "_hooks", "_requires_grad", "_written", "op")

    _data: Array
    _detached_from: Variable  # the leaf whose memory it shares; left unset otherwise
    _hooks: dict[object, Hook]  # left unset until there is one: most variables never have any
    _written: int  # when the value was last assigned to, on the clock of the ops; -1 for never
    op: Op | None
    _requires_grad: bool

    def add_hook(self, key: object, hook: Hook) -> None:
        """Have a function see the finished gradient of this variable, in every pass."""
        global _hooked  # noqa: PLW0603  (until then, no pass looks for hooks)
        _hooked = True
        if not hasattr(self, "_hooks"):
            self._hooks = {}
        self._hooks[key] = hook

    def remove_hook(self, key: object) -> None:
        """Undo `add_hook`; a key that is not there is no error."""
        getattr(self, "_hooks", {}).pop(key, None)

    # Variables are keys of dicts; `==` compares values, so identity must be said.
    __hash__ = object.__hash__

    def touch(self) -> None:
        """Note that the value was written to: ops that read it before are stale now."""
        touch_all([self])


def touch_all(variables: Iterable[Variable]) -> None:
    """Note that the values were written to: ops that read them before are stale now."""
    global _last_write  # noqa: PLW0603  (a time on the global clock)
    _last_write = now = next(_clock)
    for variable in variables:
        variable._written = now


read_array: Read = attrgetter("_data")


def read_variable(variable: Variable) -> Variable:
    """Feed the rules the variables themselves, so that the pass records a graph of its own."""
    return variable


class Step(NamedTuple):
    """One edge of the backward pass: what one input of one op receives."""

    output: Variable
    slot: int  # which argument of output.op
    arriving: Array  # the finished gradient of the output
    contribution: Array  # what this edge adds, in the input's shape and dtype
    total: Array  # the input's gradient so far, this contribution included

    @property
    def input(self) -> Variable:
        """The variable that receives the contribution."""
        op = self.output.op
        assert op is not None and op.args is not None  # noqa: S101, PT018  (true while sweeping)
        variable: Variable = op.args[self.slot]
        return variable


RawStep: TypeAlias = tuple[Variable, int, Array, Array, Array]


class Observer(Protocol):
    """Something that watches ops as they are recorded and steps as they are taken."""

    def recorded(self, op: Op, args: list[Any], result: Array) -> None:
        """See an op, the arrays it was fed and its result, just after the forward call."""

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Pass the steps of a backward pass on, having looked at each."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether ops are recorded, who watches, and whether graphs outlive their backward pass."""

    recording: bool = True
    observers: tuple[Observer, ...] = ()
    retaining: bool = False


mode: ContextVar[Mode] = ContextVar("tinygrad_bp mode", default=Mode())  # noqa: B039  (frozen)


def topological_order(*roots: Variable) -> list[Variable]:
    """Return every recorded variable the roots depend on, consumers before what they consume.

    An op can only read what exists, so it is younger than everything it reads: from youngest
    to oldest is a topological order. Read backwards it is the Wengert list.
    """
    found = {root.op.age: root for root in roots if root.op is not None}
    order = list(found.values())
    for variable in order:  # grows as it is read
        op: Op = variable.op  # type: ignore[assignment]
        args = op.args
        if args is None:
            op.raise_freed()
        for slot in op.tracked:
            x = args[slot]
            made_by = x.op
            if made_by is not None and made_by.age not in found:
                found[made_by.age] = x
                order.append(x)
    return [found[age] for age in sorted(found, reverse=True)]


def free(variables: Iterable[Variable]) -> None:
    """Let go of what a backward pass needs: there can be no other after it."""
    for variable in variables:
        op: Op = variable.op  # type: ignore[assignment]
        op.args = None
        op.arrays = ()


def unbroadcast(contribution: Array, shape: tuple[int, ...]) -> Array:
    """Sum a contribution over the axes along which its input was broadcast.

    >>> unbroadcast(np.ones((32, 16)), (16,)).shape
    (16,)
    """
    extra = contribution.ndim - len(shape)
    if extra > 0:
        contribution = contribution.sum(axis=tuple(range(extra)))
    if contribution.shape == shape or extra < 0:
        return contribution
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return contribution.sum(axis=stretched, keepdims=True)


def conform(contribution: Array, x: Variable, op: Op) -> Array:
    """Give a contribution its input's shape and dtype: the one place where either is restored."""
    value = x._data
    shape, given = value.shape, contribution.shape
    if given != shape:
        if len(shape) == 1 and given[1:] == shape and op.rule.broadcasts:
            contribution = sum_of_rows(contribution)  # as for a bias, in a third of the time
        elif op.rule.broadcasts:
            contribution = unbroadcast(contribution, shape)
        if contribution.shape != shape:
            raise RuleError(
                f"the rule of '{op.rule.name}' gave a gradient of shape {given} for an input of "
                f"shape {shape}. Recorded at {op.site}."
            )
    dtype = value.dtype
    return contribution if contribution.dtype == dtype else contribution.astype(dtype)


def sweep(
    order: Iterable[Variable], pending: dict[Variable, Array], read: Read
) -> Iterator[RawStep]:
    """Run backward, one step at a time; `pending` starts with the seeds and ends with the leaves.

    All reverse passes are made of the same steps, `run` and this: everything that shows a pass
    watches it. It yields the fields of a `Step` as a plain tuple; `Step(*fields)` names them.
    """
    if _hooked:
        order = _through_hooks(order, pending)
    steps = _sweep(order, pending, read)
    for observer in mode.get().observers:
        steps = observer.watch(steps)
    return steps


def _through_hooks(order: Iterable[Variable], pending: dict[Variable, Array]) -> Iterator[Variable]:
    """Show each finished gradient to its hooks: before it is passed on, or at the end."""
    for variable in order:
        _show(variable, pending)
        yield variable
    for leaf in pending:
        _show(leaf, pending)


def _show(variable: Variable, pending: dict[Variable, Array]) -> None:
    hooks = getattr(variable, "_hooks", None)
    if hooks and variable in pending:
        for hook in list(hooks.values()):
            pending[variable] = hook(variable, pending[variable])


def _sweep(
    order: Iterable[Variable], pending: dict[Variable, Array], read: Read
) -> Iterator[RawStep]:
    for output in order:
        taken: list[RawStep] = []
        _send_back((output,), pending, read, taken)
        yield from taken


def run(order: Iterable[Variable], pending: dict[Variable, Array], read: Read) -> None:
    """Take every step of `sweep`; nobody sees them, which saves a thirtieth of a small pass."""
    if _hooked or mode.get().observers:
        for _ in sweep(order, pending, read):
            pass
        return
    _send_back(order, pending, read, None)


def _send_back(
    outputs: Iterable[Variable],
    pending: dict[Variable, Array],
    read: Read,
    taken: list[RawStep] | None,
) -> None:
    """Send the finished gradient of each result to what it was made of: the heart of every pass."""
    for output in outputs:
        arriving = pending.pop(output, None)
        if arriving is None:
            continue
        op: Op = output.op  # type: ignore[assignment]
        if op.age < _last_write:
            op.check_fresh()
        sources: tuple[Any, ...] = op.args  # type: ignore[assignment]
        if read is read_array:
            fed = (arriving, output._data, *op.arrays)
        else:
            args = (read(a) if isinstance(a, Variable) else a for a in sources)
            fed = (arriving, read(output), *args)
        partials, options = op.rule.partials, op.options
        for slot in op.tracked:
            x: Variable = sources[slot]
            # To spread an empty dict takes as long as the rest of the call.
            pull = partials[slot]
            contribution = pull(*fed, **options) if options else pull(*fed)
            value = x._data
            if contribution.shape != value.shape or contribution.dtype is not value.dtype:
                contribution = conform(contribution, x, op)
            before = pending.get(x)
            total = pending[x] = contribution if before is None else before + contribution
            if taken is not None:
                taken.append((output, slot, arriving, contribution, total))


def push(order: Iterable[Variable], tangents: dict[Variable, Array], read: Read) -> None:
    """Run forward: from the tangents of some variables to those of everything that uses them.

    The sweep is over the recorded graph, in the order it was recorded: no dual numbers, so
    nested derivatives cannot mistake one perturbation for another.
    """
    for output in order:
        op: Op = output.op  # type: ignore[assignment]
        sources: tuple[Any, ...] = op.args  # type: ignore[assignment]
        moving = [slot for slot in op.tracked if sources[slot] in tangents]
        if not moving or output in tangents:
            continue
        op.check_fresh()
        args = [read(a) if isinstance(a, Variable) else a for a in sources]
        y, pushes, options = read(output), op.rule.pushes, op.options
        total = None
        for slot in moving:
            tangent = pushes[slot](tangents[sources[slot]], y, *args, **options)
            total = tangent if total is None else total + tangent
        tangents[output] = _conform_tangent(total, output)


def _conform_tangent(tangent: Array, output: Variable) -> Array:
    shape, dtype = output._data.shape, output._data.dtype
    if tangent.shape != shape:  # one argument moved, another stretched the result
        tangent = np.broadcast_to(tangent, shape)
    return tangent if tangent.dtype == dtype else tangent.astype(dtype)
