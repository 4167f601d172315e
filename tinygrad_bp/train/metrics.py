"""What is measured of a model's outputs, beside the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError

__all__ = ["accuracy"]


def accuracy(outputs: Any, targets: Any) -> float:
    """Return the share of examples whose largest output (n, classes) is the target's.

    Targets are classes (n,) or a row for each example (n, classes), the largest at its class.
    Raises `ShapeError` for other shapes.

    >>> outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    >>> accuracy(outputs, [1, 0, 0]), accuracy(outputs[:2], np.eye(2))
    (1.0, 0.0)
    """
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.ndim != 2 or targets.shape not in (outputs.shape, outputs.shape[:1]):
        raise ShapeError(
            "accuracy takes outputs (n, classes) and targets (n,) or (n, classes), got "
            f"{outputs.shape} and {targets.shape}"
        )
    if outputs.shape[1] == 1:
        raise ShapeError(
            "accuracy: of one output for each example, the first is always the largest. Measure "
            "yes or no by lambda z, t: np.mean((z > 0) == t), for logits"
        )
    wanted = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return float(np.mean(outputs.argmax(axis=1) == wanted))
