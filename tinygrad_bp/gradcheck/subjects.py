"""What can be checked: functions, models, and the gradients of either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.backward import gradients
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.foreign import Foreign
from tinygrad_bp.gradcheck.holders import fill, leaves, named_leaves, unseen
from tinygrad_bp.gradcheck.sources import sources_of
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.modes import enable_grad
from tinygrad_bp.nn import Module
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor, array_of, wrap

__all__ = ["complex_of", "joined", "kind_of", "of_function", "of_gradient", "of_model", "pairs_of"]

Vector = np.ndarray[Any, Any]


def of_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Subject:
    """Make a subject of a function of arrays, tensors, and whatever holds them.

    Floating-point leaves are differentiated; integers, booleans and other objects are constants.
    Complex numbers, in and out, are pairs of real ones, along a last axis of their own. Raises
    `GradcheckError` if there is nothing to differentiate.
    """
    named = [pair for i, tree in enumerate(inputs) for pair in named_leaves(tree, f"input {i}")]
    kinds = [kind_of(leaf) for _, leaf in named]
    lent: list[tuple[Vector, Vector]] = []
    if not {"f", "c"} & set(kinds):
        raise GradcheckError(
            "there is no floating-point input, so there is no gradient to check; write 2.0 for 2"
        )

    def constant(leaf: Any) -> Any:
        if type(leaf) is not np.ndarray:
            return leaf
        lent.append((copy := leaf.copy(), leaf))
        return copy

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: FBT001
        tensors = [_holding(a, track=track) for a in arrays]
        fresh = iter(tensors)
        contents = iter([
            complex_of(next(fresh)) if kind == "c" else next(fresh) if kind == "f"
            else constant(leaf)
            for (_, leaf), kind in zip(named, kinds, strict=True)
        ])  # fmt: skip
        output = function(*[fill(tree, contents) for tree in inputs])
        return joined(output), tensors

    moving = [(name, leaf) for (name, leaf), kind in zip(named, kinds, strict=True) if kind in "fc"]
    return Subject(
        [name for name, _ in moving],
        [pairs_of(array_of(leaf)) for _, leaf in moving],
        evaluate,
        sources=sources_of(function, *inputs),
        left_out=[
            line
            for (name, leaf), kind in zip(named, kinds, strict=True)
            if kind not in "fc" and (line := _why_constant(name, leaf))
        ],
        lent=lent,
        foreign=function if isinstance(function, Foreign) else None,
    )


def _holding(array: Any, *, track: bool) -> Tensor:
    """Return a tensor on this very array, wherever in memory its elements are."""
    tensor = wrap(array)
    tensor._requires_grad = tensor._trainable = track  # noqa: SLF001
    return tensor


def kind_of(leaf: Any) -> str:
    """Return the letter that NumPy has for the kind of number; "O" for anything else."""
    numbers = isinstance(leaf, float | complex | Tensor | np.ndarray | np.generic)
    return str(array_of(leaf).dtype.kind) if numbers else "O"


def _why_constant(name: str, leaf: Any) -> str:
    if isinstance(leaf, np.ndarray | Tensor):
        return f"'{name}' is constant: it holds {array_of(leaf).dtype}"
    if unseen(leaf):
        return f"'{name}' is constant: arrays in a {type(leaf).__name__} are not looked for"
    return ""


def complex_of(pairs: Any) -> Any:
    """Complex numbers from their real and imaginary parts, which are the last axis."""
    return pairs[..., 0] + 1j * pairs[..., 1]


def pairs_of(numbers: Any) -> Any:
    """Real numbers as they are, complex ones as their two parts, along a last axis of their own."""
    if numbers.dtype.kind != "c":
        return numbers
    return np.stack([np.real(numbers), np.imag(numbers)], axis=-1)


def of_model(model: Module, loss: Callable[..., Any], batch: tuple[Any, Any]) -> Subject:
    """Make a subject of a model's parameters: the loss of its outputs on a batch (x, y).

    Tensors that are not trained are constants.
    """
    x, y = batch
    named = [(name, t) for name, t in model.named_tensors() if t.requires_grad]
    before = [p.data for _, p in named]

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: ARG001, FBT001
        hold(arrays)  # other values of another dtype, for a while
        return joined(loss(model(x), y)), [p for _, p in named]

    def hold(arrays: list[Any]) -> None:
        parameters = [p for _, p in named]
        replace_all([], [], (parameters, ["_value"] * len(parameters), arrays))

    def leave() -> None:
        hold(before)

    return Subject(
        [name for name, _ in named],
        [p.data for _, p in named],
        evaluate,
        leave=leave,
        sources=sources_of(model, loss),
        left_out=[
            f"'{name}' is not trained, so it was not checked"
            for name, t in model.named_tensors()
            if not t.requires_grad
        ],
    )


def of_gradient(subject: Subject, weights: Vector, direction: Vector) -> Subject:
    """Make a subject of a subject's gradient: its product with a fixed direction, a scalar."""
    parts = subject.split(direction)

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: FBT001
        with enable_grad():
            output, inputs = subject.evaluate(arrays, True)  # noqa: FBT003
            found = gradients(output, inputs, weights.reshape(output.shape), create_graph=track)
            products = [np.sum(g * v) for g, v in zip(found, parts, strict=True) if g is not None]
            return joined(sum(products, start=Tensor(0.0))), inputs

    return Subject(
        subject.names, subject.values, evaluate, leave=subject.leave, sources=subject.sources
    )


def joined(output: Any) -> Tensor:
    """Return one real tensor with all numbers that a function gave: several outputs end to end."""
    parts = [output] if isinstance(output, Tensor) else leaves(output)
    results = [_numbers(part) for part in parts]
    if not results:
        raise GradcheckError("the function gave nothing, so there is nothing to check")
    if len(results) == 1:
        return results[0]
    together: Any = np.concatenate([np.ravel(result) for result in results])
    return together  # type: ignore[no-any-return]


def _numbers(part: Any) -> Tensor:
    result = part if isinstance(part, Tensor) else Tensor(part)
    if result.dtype.kind not in "fciub":
        raise GradcheckError(f"the function gave {result.dtype}: there are no numbers to check")
    pairs: Tensor = pairs_of(result)
    return pairs
