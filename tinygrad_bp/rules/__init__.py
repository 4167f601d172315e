"""The derivative of every NumPy function, one table a family; importing it registers them."""

from tinygrad_bp.rules import (
    constants,
    elementwise,
    indexing,
    linalg,
    reductions,
    refused,
    shaping,
    spellings,
)

__all__ = [
    "constants",
    "elementwise",
    "indexing",
    "linalg",
    "reductions",
    "refused",
    "shaping",
    "spellings",
]
