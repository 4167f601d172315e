"""What a network makes of many inputs, without a graph and without a peak in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import functional
from tinygrad_bp.modes import no_grad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_bp import nn

__all__ = ["outputs", "raw_outputs"]

CHUNK = 5_000  # inputs evaluated at once, so that memory does not grow with their number


def outputs(model: nn.MLP, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the network's outputs for inputs (n, features): (n, classes), from 0 to 1.

    They are the activations of its last layer, or the softmax of its logits if that has none.

    >>> from tinygrad_bp import nn
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


def raw_outputs(model: nn.MLP, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return what the network's last layer gives for inputs (n, features): (n, classes).

    >>> from tinygrad_bp import nn
    >>> raw_outputs(nn.MLP(4, 3), np.ones((2, 4), np.float32)).shape
    (2, 3)
    """
    starts = range(0, len(inputs) or 1, CHUNK)  # no inputs are one empty chunk
    with no_grad():
        return np.concatenate([model(inputs[start : start + CHUNK]).data for start in starts])
