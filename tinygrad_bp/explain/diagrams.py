"""Drawings of a graph as text that other programs draw: Graphviz and Mermaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_bp.explain.data import Data
from tinygrad_bp.explain.labels import LIMIT, drawable, labels_of

if TYPE_CHECKING:
    from tinygrad_bp.explain.record import Record
    from tinygrad_bp.tensor import Tensor

__all__ = ["to_dot", "to_mermaid"]


def to_dot(loss: Tensor | Record | Data, *, limit: int = LIMIT) -> str:
    r"""Return the graph of a loss in the language of Graphviz.

    Takes a tensor, its trace, or the trace's data. Raises `TinygradError` for more than `limit`
    nodes, and what `trace` raises.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> print(to_dot(cost))
    digraph {
      rankdir=LR
      node [shape=box, fontname="monospace"]
      n0 [label="w\nleaf\nvalue 3\ngrad 6", style="rounded"]
      n1 [label="cost\nmultiply\nvalue 9\ngrad 1", style="solid"]
      n0 -> n1
      n0 -> n1
    }
    <BLANKLINE>
    """
    data = drawable(loss, limit)
    styles = {"leaf": "rounded", "constant": "dashed", "result": "solid"}
    lines = ["digraph {", "  rankdir=LR", '  node [shape=box, fontname="monospace"]']
    for node, label in zip(data["nodes"], labels_of(data), strict=True):
        text = "\\n".join(map(_in_dot, label.lines()))
        lines.append(f'  n{node["id"]} [label="{text}", style="{styles[node["kind"]]}"]')
    for edge in data["edges"]:
        style = " [style=dashed]" if edge["step"] is None else ""
        lines.append(f"  n{edge['parent']} -> n{edge['child']}{style}")
    return "\n".join([*lines, "}", ""])


def _in_dot(text: str) -> str:
    """The text inside a quoted string, in which Graphviz reads escapes and entities."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def to_mermaid(loss: Tensor | Record | Data, *, limit: int = LIMIT) -> str:
    """Return the graph of a loss as a Mermaid flowchart, which Markdown viewers draw.

    Takes and raises the same as `to_dot`.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> print(to_mermaid(cost))
    flowchart LR
      n0("w<br/>leaf<br/>value 3<br/>grad 6")
      n1["cost<br/>multiply<br/>value 9<br/>grad 1"]
      n0 --> n1
      n0 --> n1
    <BLANKLINE>
    """
    data = drawable(loss, limit)
    lines = ["flowchart LR"]
    for node, label in zip(data["nodes"], labels_of(data), strict=True):
        text = "<br/>".join(map(_in_mermaid, label.lines()))
        start, end = {"leaf": ("(", ")"), "constant": ("[/", "/]")}.get(node["kind"], ("[", "]"))
        lines.append(f'  n{node["id"]}{start}"{text}"{end}')
    for edge in data["edges"]:
        arrow = "-.->" if edge["step"] is None else "-->"
        lines.append(f"  n{edge['parent']} {arrow} n{edge['child']}")
    return "\n".join([*lines, ""])


def _in_mermaid(text: str) -> str:
    """The text inside a quoted label: whatever could mean something is written as its number."""
    return "".join(c if c.isalnum() or c in " _.,()+-" else f"#{ord(c)};" for c in text)
