"""What a model makes of many inputs, without a graph and without a peak in memory."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import functional, nn
from tinygrad_bp.errors import DataError, OptimizerError, ShapeError
from tinygrad_bp.modes import no_grad
from tinygrad_bp.nn.moving import left_alone
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.train.feed import Examples, as_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

__all__ = [
    "CHUNK",
    "check_single",
    "evaluated",
    "finite_loss",
    "gathered",
    "mean_loss",
    "measured",
    "outputs",
    "raw_outputs",
]

CHUNK = 5_000  # inputs of a small network evaluated at once


def outputs(model: nn.MLP, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the network's outputs for inputs (n, features): (n, classes), from 0 to 1.

    They are the activations of its last layer, or the softmax of its logits if that has none.

    >>> model = nn.MLP(4, 3, rng=np.random.default_rng(0))
    >>> outputs(model, np.ones((2, 4), np.float32)).sum(axis=1).round(4).tolist()
    [1.0, 1.0]
    """
    raw = raw_outputs(model, inputs)
    if "output_activation" in dict(model.named_children()):
        return raw
    with no_grad():
        shares: NDArray[Any] = functional.softmax(raw).data
    return shares


def raw_outputs(model: nn.Module, *inputs: Any, size: int | None = None) -> NDArray[Any]:
    """Return what a model gives for inputs with an example in each row, `size` at once.

    It is called in evaluation mode, and left as it was.

    >>> raw_outputs(nn.MLP(4, 3), np.ones((2, 4), np.float32)).shape
    (2, 3)
    """
    size = size or CHUNK
    starts = range(0, len(inputs[0]) or 1, size)  # no inputs are one empty chunk
    chunks = (tuple(a[start : start + size] for a in inputs) for start in starts)
    with _asked(model):
        return np.concatenate([_rows(model(*chunk), len(chunk[0])) for chunk in chunks])


def gathered(model: nn.Module, examples: Examples, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a model gives for all examples, and the targets.

    Raises `DataError` if there are none.
    """
    arrays = as_arrays(examples)
    if arrays is not None:
        *inputs, targets = arrays
        if not len(targets):
            raise DataError("there are no examples to measure; give at least one")
        return raw_outputs(model, *inputs, size=size), np.asarray(targets)
    return _of_batches(model, examples)


def _of_batches(model: nn.Module, batches: Iterable[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    given, wanted = [], []
    with _asked(model):
        for *inputs, targets in batches:
            wanted.append(_plain(targets))
            given.append(_rows(model(*inputs), len(wanted[-1])))
    if not given:
        raise DataError("there are no batches to measure; an iterator can be read only once")
    return np.concatenate(given), np.concatenate(wanted)


def evaluated(
    model: nn.Module,
    loss: Callable[[Any, Any], Any],
    metrics: Mapping[str, Callable[[Any, Any], Any]],
    examples: Examples,
    size: int,
) -> dict[str, float]:
    """Return the loss and the metrics of all examples together; raises as `gathered` does."""
    with np.errstate(all="ignore"):
        outputs, targets = gathered(model, examples, size)
        with no_grad():
            value = finite_loss(loss(Tensor(outputs), targets))
    found = measured(metrics, outputs, targets)
    return {"loss": mean_loss(loss, value, len(targets)), **found}


def finite_loss(loss: Any) -> float:
    """Return a loss as a number.

    Raises `OptimizerError` if it is not finite, and `ShapeError` if it is more than one number.
    """
    check_single(loss)
    number = float(loss.item() if isinstance(loss, Tensor) else loss)
    if not math.isfinite(number):
        raise OptimizerError(f"its loss is {number}. Lower the learning rate.")
    return number


def check_single(loss: Any) -> None:
    """Raise `ShapeError` if a loss is more than one number, or none."""
    if np.size(loss) != 1:
        raise ShapeError(
            f"the loss has shape {np.shape(loss)}, and is to be one number, such as a mean over "
            "the examples (reduction='mean')"
        )


def mean_loss(loss: Callable[[Any, Any], Any], value: float, examples: int) -> float:
    """Return the mean over the examples of a loss that is one, or says that it is a sum."""
    return value / examples if getattr(loss, "reduction", None) == "sum" else value


def measured(
    metrics: Mapping[str, Callable[[Any, Any], Any]], outputs: Any, targets: Any
) -> dict[str, float]:
    """Return what functions of outputs and targets give, as plain numbers by name.

    Raises `ShapeError` for one that gives more than a number.
    """
    if not metrics:
        return {}
    given, wanted = _plain(outputs), _plain(targets)
    return {name: _number(name, metric(given, wanted)) for name, metric in metrics.items()}


def _number(name: str, value: Any) -> float:
    if _plain(value).size != 1:
        raise ShapeError(
            f"the metric {name} gives {_plain(value).shape}; it must give one number for all "
            "examples. Take a mean, or make a metric of each"
        )
    return float(_plain(value).item())


@contextlib.contextmanager
def _asked(model: nn.Module) -> Iterator[None]:
    with left_alone(model), no_grad():
        yield


def _plain(values: Any) -> Any:
    return values.data if isinstance(values, Tensor) else np.asarray(values)


def _rows(given: Any, examples: int) -> Any:
    """Return a model's output as an array, which must have a row for each example."""
    if not isinstance(given, Tensor | np.ndarray):
        raise ShapeError(
            f"the model gives a {type(given).__name__}; to be measured, it must give one array "
            "with a row for each example. Measure it by a callback of your own"
        )
    array = _plain(given)
    if array.shape[:1] != (examples,):
        raise ShapeError(
            f"the model gives {array.shape} for {examples} examples; to be measured, it must give "
            "a row for each example"
        )
    return array
