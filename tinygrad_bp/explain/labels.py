"""What every drawing of a graph shows: a label for each value, and none of a graph too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.arrays import norm_of
from tinygrad_bp.explain.data import Data, data_of
from tinygrad_bp.explain.formatting import counted, number, plain, shape_text
from tinygrad_bp.explain.graph import size_of
from tinygrad_bp.explain.record import Record

if TYPE_CHECKING:
    from tinygrad_bp.tensor import Tensor

__all__ = ["LIMIT", "Label", "drawable", "labels_of"]

LIMIT = 500  # nodes; a larger drawing is of no use to the eye


class Label(tuple[tuple[str, str], ...]):
    """What stands in a box: pairs of a label and what it says, the name first.

    >>> Label([("", "w"), ("grad", "6")]).lines()
    ['w', 'grad 6']
    """

    __slots__ = ()

    def lines(self) -> list[str]:
        """Return the text, line by line."""
        return [f"{label} {said}" if label else said for label, said in self]


def labels_of(data: Data) -> list[Label]:
    """Return the label of each node."""
    return [_label(data, node) for node in data["nodes"]]


def _label(data: Data, node: Data) -> Label:
    def view(index: int | None) -> Any:
        return None if index is None else data["arrays"][index]

    value, gradient = view(node["value"]), view(node["grad"])
    kind = node["op"] if node["kind"] == "result" else node["kind"]
    lines = [("", node["name"]), ("", kind)]
    if node["shape"]:
        lines.append(("shape", shape_text(node["shape"])))
        arrived = "none" if gradient is None else f"norm {number(norm_of(gradient))}"
    else:
        lines.append(("value", number(value)))
        arrived = "none" if gradient is None else number(gradient)
    lines.append(("grad", arrived))
    return Label((label, plain(said)) for label, said in lines)


def drawable(loss: Tensor | Record | Data, limit: int) -> Data:
    """Return the data of a pass that is to be drawn.

    Raises `TinygradError` for more than `limit` nodes, which are counted before anything else.
    """
    if isinstance(loss, Mapping):
        count, kind = len(loss["nodes"]), "node"
    elif isinstance(loss, Record):
        count, kind = len(loss.nodes), "node"
    else:
        count, kind = size_of(loss, limit)
    if count > limit:
        raise TinygradError(
            f"the graph has {counted(count, kind)}, too many for one drawing to be readable "
            f"(limit={limit:,}). Draw the graph of a smaller batch or of fewer time steps, or "
            "raise the limit."
        )
    return data_of(loss)
