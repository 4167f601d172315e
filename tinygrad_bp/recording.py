"""Recording a call: run it, remember it, and say where in the user's code it was.

Everything a tensor can do goes through `record`: run the function on the arrays, and if any input
tracks gradients, remember the call as an `Op`, if the mode says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Never

import numpy as np

import tinygrad_bp.rules  # noqa: F401  (registers them)
from tinygrad_bp.calls import name_of
from tinygrad_bp.duck import NO_OPTIONS, DuckArray, normal_form
from tinygrad_bp.engine import Op
from tinygrad_bp.errors import GradientError, InPlaceError, NotDifferentiableError
from tinygrad_bp.modes import Mode, mode
from tinygrad_bp.operands import ORDINARY, admit, check_together
from tinygrad_bp.registry import Array, Rule, rule_of, rules
from tinygrad_bp.state import clock, note_write, tracer, tracers
from tinygrad_bp.tensor import Tensor, strip, tracks, wrap

__all__ = ["record", "record_as_written"]

_new = object.__new__
_getframe = sys._getframe  # documented for CPython; inspect is 100 times slower
_PACKAGE = os.path.dirname(__file__) + os.sep
_ours: set[str] = set()  # files of this package that were met on the way to a user's frame
_theirs: set[str] = set()  # and the files that were met at its end


def record(  # noqa: C901  (every operation comes through here, and calls take time)
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any] = NO_OPTIONS
) -> Any:
    """Call a function in normal form, and remember the call if any of its arrays tracks.

    Results are read-only. This is the path of every operation. Raises `NotDifferentiableError`
    where no gradient can be followed.
    """
    if tracers and (run := tracer()):
        run.meet(function, args)
    rule = rules.get(function)
    if rule is None or not rule.differentiable:
        return _call_without_rule(function, rule, args, options)
    arrays = []
    tracked = []
    slot = 0
    for a in args:
        if isinstance(a, Tensor):
            arrays.append(a._value)
            if a._requires_grad:
                tracked.append(slot)
        elif type(a) in ORDINARY:
            arrays.append(a)
        elif isinstance(a, DuckArray) and a.rank > Tensor.rank:  # it is handed the call as a whole
            return a._call(function, args, options)
        elif getattr(type(a), "__array_ufunc__", True) is None:
            return NotImplemented  # its own operators decide
        else:
            arrays.append(admit(a))
        slot += 1  # noqa: SIM113  (every operation comes through here, and enumerate is slower)
    # A body asks no array what to do; a run that is written down must be asked.
    forward = rule.form.written if tracers else rule.forward
    try:
        y = forward(*arrays, **options) if options else forward(*arrays)
    except TypeError as error:
        check_together(rule.name, arrays, error)
        raise
    if tracked and (now := mode.get()).recording:
        return _remember(rule, args, arrays, options, tracked, y, now)
    return wrap(y) if not isinstance(y, tuple) else _named_as(y, [wrap(part) for part in y])


def _remember(  # noqa: PLR0917  (called for every op: names would cost)
    rule: Rule,
    args: Sequence[Any],
    arrays: Sequence[Any],
    options: Mapping[str, Any],
    tracked: Sequence[int],
    y: Any,
    now: Mode,
) -> Any:
    """Make an op of a call, and a tensor of its output."""
    if rule.flat_in and not (tracked := [slot for slot in tracked if slot not in rule.flat_in]):
        return wrap(y)
    if rule.closed and not rule.closed.isdisjoint(tracked):
        _refuse_argument(rule, tracked)
    op: Op = _new(Op)  # calling the class would cost as much again
    op.rule = rule
    op.inputs = args
    op.arrays = arrays
    op.options = options
    op.tracked = tracked
    op.age = next(clock)
    op.hooks = op.kept = op.digests = None
    # The innermost frame outside this package, not kept itself: it holds its variables.
    frame: FrameType | None = _getframe(2)
    while frame is not None and (name := frame.f_code.co_filename) in _ours:
        frame = frame.f_back
    if frame is not None and name not in _theirs:
        frame = _leave_package(frame)
    op._frame = None if frame is None else (frame.f_code, frame.f_lasti)
    result: Any
    if isinstance(y, tuple):
        named = y
        op.y = y = tuple([_finished(part, arrays) for part in y])
        result = _named_as(named, [_output(op, i, part) for i, part in enumerate(y)])
    else:
        y = _finished(y, arrays)
        if y.dtype.kind not in "fc":
            _refuse_numbers(rule, y)
        op.y = y
        result = _new(Tensor)
        result._value = y
        result.op = op
        result.output = None
        result._requires_grad = True
    for observer in now.observers:
        observer.recorded(op, arrays, y)
    return result


def _finished(y: Array, arrays: Sequence[Any]) -> Array:
    """A result as an array that nobody can write to; NumPy gives scalars where there are no axes.

    A function that gives back the very array it was given must not make that read-only. A foreign
    array stays what it is.
    """
    if not hasattr(type(y), "__array_function__"):
        y = np.asarray(y)
    if type(y) is np.ndarray:
        for a in arrays:
            if y is a:
                y = y.view()
        y.setflags(write=False)
    return y


def _named_as(given: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """The parts as a tuple of the type that NumPy gave, such as linalg.qr's (Q, R)."""
    return tuple(parts) if type(given) is tuple else type(given)(*parts)


def _output(op: Op, i: int, y: Array) -> Tensor:
    """One of an op's several outputs."""
    result = wrap(y)
    if i not in op.rule.flat:
        result.op, result.output, result._requires_grad = op, i, True
    return result


def _leave_package(frame: FrameType | None) -> FrameType | None:
    """Go on to the user's frame, and remember the files on the way."""
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        _ours.add(frame.f_code.co_filename)
        frame = frame.f_back
    if frame is not None:
        _theirs.add(frame.f_code.co_filename)
    return frame


def _refuse_numbers(rule: Rule, y: Array) -> Never:
    raise GradientError(
        f"'{rule.name}' of a tensor that tracks gradients gave {y.dtype}; gradients pass "
        "through floating-point numbers only. Use detach() if none is needed."
    )


def _refuse_argument(rule: Rule, tracked: Sequence[int]) -> Never:
    slot = next(i for i in tracked if i in rule.closed)
    raise NotDifferentiableError(
        f"argument {slot} of {rule.name} takes no gradient, but a tensor that tracks was passed "
        "there. Use detach() if it is meant as a constant."
    )


def record_as_written(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call a function on tensors as a user wrote it; where nothing tracks, as NumPy would."""
    if not _anything_tracks(args, kwargs):
        return _call_untracked(function, args, kwargs)
    return record(*normal_form(function, args, kwargs))


def _call_without_rule(
    function: Callable[..., Any],
    rule: Rule | None,
    args: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    """Call what is written in other functions, flat, or refused, or has no rule at all."""
    if rule is None and rule_of(function) is not None:  # its library's rules were not loaded yet
        return record(function, args, options)
    if any(getattr(type(a), "__array_ufunc__", True) is None for a in args):
        return NotImplemented
    if rule is not None and rule.rewritten is not None:
        return rule.rewritten(*[_operand(a) for a in args], **options)
    if rule is None or rule.kind == "refused":
        if _anything_tracks(args, options):
            _raise_without_rule(function, rule)
        return _call_untracked(function, args, options)
    if options.get("out") is not None:
        raise InPlaceError(
            f"{rule.name}(out=...) would overwrite values the graph may need; use the returned "
            "value."
        )
    rule.check_constant(args, options, tracks)
    return function(*strip(args), **strip(options))


def _operand(value: Any) -> Any:
    """An array as a rewritten function may meet it: lists of arrays keep their tensors."""
    if isinstance(value, Tensor) or type(value) in ORDINARY:
        return value
    if isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
        return value
    return admit(value)


def _raise_without_rule(function: Callable[..., Any], rule: Rule | None) -> Never:
    """Raise the error for a function through which no gradient can be followed."""
    hint = rule.hint if rule is not None else (
        "Give it one with tinygrad_bp.custom_rule or tinygrad_bp.registry, or detach() the "
        "tensors if no gradient is needed."
    )  # fmt: skip
    error = NotDifferentiableError if rule is None else rule.raises
    raise error(f"{name_of(function)} has no derivative rule. {hint}")


def _anything_tracks(args: Sequence[Any], options: Mapping[str, Any]) -> bool:
    """Whether a call is recorded: some tensor in it tracks, and recording is on."""
    return mode.get().recording and (tracks(args) or tracks(tuple(options.values())))


def _call_untracked(
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """Where nothing tracks, a function needs no rule: NumPy's answer, as tensors.

    It may write to arrays of the user's, as in `t.data -= lr * t.grad`, and that is noted.
    """
    result = function(*strip(args), **strip(options))
    if (out := options.get("out")) is not None:
        places = out if isinstance(out, tuple) else (out,)
        for place in places:
            note_write(strip(place))
        return places[0] if len(places) == 1 else places
    rule = rule_of(function)
    if rule is not None and rule.kind == "constant":
        return result
    if isinstance(result, list | tuple):
        parts = [wrap(r) if isinstance(_shown(r), np.ndarray) else r for r in result]
        return parts if isinstance(result, list) else _named_as(result, parts)
    return wrap(result) if isinstance(_shown(result), np.ndarray | np.generic) else result


def _shown(result: Any) -> Any:
    """A result, or the array that it stands for."""
    is_shown = isinstance(result, DuckArray) and result.is_plain
    return getattr(result, "value") if is_shown else result  # noqa: B009


# What a tensor does with a call.
Tensor._call = staticmethod(record)
Tensor._call_as_written = staticmethod(record_as_written)
