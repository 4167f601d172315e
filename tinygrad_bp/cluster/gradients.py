"""Gradients of data that do not fit in memory: one lazy graph, computed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cluster.fusion import fused
from tinygrad_bp.errors import ClusterError, GradientError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor, array_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["compute_gradients"]


def compute_gradients(loss: Tensor, parameters: Iterable[Tensor]) -> float:
    """Compute a loss of Dask arrays with all gradients that its `backward()` has left, in one go.

    Until then they are one lazy graph. Computed together, each chunk of the data is read once, and
    forgotten as soon as its share of every gradient is known. Afterwards each `grad` is an ordinary
    array, ready for an optimiser's step, and of as many backward passes as before; the loss is
    returned. What raises an error leaves all gradients as they are, to be computed again.

    It is computed by the workers of `connect`, and without it by threads of this process. Raises
    `GradientError` if no parameter has a gradient, or one tracks; `ClusterError` if workers die,
    one after the other, of the same task.

    >>> import dask.array as da  # doctest: +SKIP
    >>> w = Tensor(2.0, requires_grad=True)
    >>> x = da.arange(1.0, 1001.0, chunks=100)  # doctest: +SKIP
    >>> loss = (w * x).mean()  # doctest: +SKIP
    >>> loss.backward()  # doctest: +SKIP
    >>> w.grad  # doctest: +SKIP
    Tensor(dask.array<...>)
    >>> compute_gradients(loss, [w]), w.grad  # doctest: +SKIP
    (1001.0, Tensor(500.5))
    """
    given = [(p, p.grad) for p in parameters]
    lazy = [(p, gradient) for p, gradient in given if gradient is not None]
    if not lazy:
        raise GradientError("no parameter has a gradient: call loss.backward() first")
    if any(gradient.requires_grad for _, gradient in lazy):
        raise GradientError(
            "a gradient of backward(create_graph=True) tracks, and numbers alone would lose that. "
            "Call backward() without create_graph."
        )
    value, *found = _computed(array_of(loss), *(array_of(gradient) for _, gradient in lazy))
    _keep([p for p, _ in lazy], found)
    return float(value)


def _keep(parameters: list[Tensor], gradients: Sequence[Any]) -> None:
    """Let arrays take the places of gradients, which stay those of as many backward passes."""
    places = ["_grad"] * len(parameters)
    replace_all([], [], (parameters, places, [np.array(g) for g in gradients]))


def _computed(*arrays: Any) -> tuple[Any, ...]:
    """Compute what is lazy, all of it at once."""
    dask, killed = extra("dask"), extra("distributed").KilledWorker
    lazy = iter(fused([a for a in arrays if dask.is_dask_collection(a)]))
    given = [next(lazy) if dask.is_dask_collection(a) else a for a in arrays]
    try:
        found: tuple[Any, ...] = dask.compute(*given, traverse=False, optimize_graph=False)
    except killed as error:
        raise ClusterError(
            f"workers have died of the same task, {error.task}. If memory was short, write the "
            "data in smaller chunks, or give each worker more."
        ) from error
    return found
