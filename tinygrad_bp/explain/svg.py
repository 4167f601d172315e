"""A drawing of a graph as SVG, which needs no other program.

It shows each value with its name, the function that made it, its number or shape, and the gradient
that arrives there, with the loss at the right.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tinygrad_bp.explain.data import Data
from tinygrad_bp.explain.formatting import columns, plain
from tinygrad_bp.explain.labels import LIMIT, drawable, labels_of
from tinygrad_bp.explain.layout import place

if TYPE_CHECKING:
    from tinygrad_bp.explain.record import Record
    from tinygrad_bp.tensor import Tensor

__all__ = ["CHARACTER", "to_svg"]

LABEL = 22  # characters of one line in a box

# In CSS pixels.
CHARACTER, LINE = 7.3, 16.0  # of the monospaced letters
PADDING = 11.0  # between a box and its text
BETWEEN, BELOW = 58.0, 22.0  # from one box to the next
MARGIN, HEADING = 20.0, 44.0
HEAD = 8.0  # length of an arrowhead
SHRINK = 0.7  # how small the picture may become in a narrow place

CAPTION = "Values flow along the arrows, gradients the other way; dashed arrows carry none."

STYLE = """
.backward-graph {
  --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #6e7781;
  --result: #f6f8fa; --leaf: #ddf4ff; --loss: #fff1cf; --grad: #a8430a;
  font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  .backward-graph {
    --ground: #0d1117; --ink: #e6edf3; --soft: #9aa4af; --line: #8b949e;
    --result: #161b22; --leaf: #0c2d4a; --loss: #3b2e0a; --grad: #ffa657;
  }
}
.backward-graph .ground { fill: var(--ground); }
.backward-graph text { fill: var(--ink); white-space: pre; }
.backward-graph .heading { font-size: 15px; font-weight: bold; }
.backward-graph .caption, .backward-graph .op { fill: var(--soft); }
.backward-graph .caption { font-size: 11px; }
.backward-graph .name { font-weight: bold; }
.backward-graph .grad { fill: var(--grad); }
.backward-graph .node rect { fill: var(--result); stroke: var(--line); }
.backward-graph .leaf rect { fill: var(--leaf); }
.backward-graph .constant rect { fill: none; stroke-dasharray: 4 3; }
.backward-graph .constant .grad { fill: var(--soft); }
.backward-graph .loss rect { fill: var(--loss); stroke-width: 2; }
.backward-graph .line { fill: none; stroke: var(--line); stroke-width: 1.4; }
.backward-graph .head { fill: var(--line); }
.backward-graph .still .line { stroke-dasharray: 4 3; }
"""


def to_svg(loss: Tensor | Record | Data, *, limit: int = LIMIT) -> str:
    """Return the graph of a loss as an SVG picture, complete in itself.

    Save it as a `.svg` file or put it into a page. Values flow along the arrows, gradients the
    other way; dashed arrows carry no gradient. Pointing at a box or an arrow tells more. The
    colours follow the reader's light or dark setting.

    Takes a tensor, its trace, or the trace's data. Raises `TinygradError` for more than `limit`
    nodes, and what `trace` raises.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> picture = to_svg(w * w)
    >>> picture.startswith("<svg"), picture.count('class="node')
    (True, 2)
    """
    return _Picture(drawable(loss, limit)).text()


class _Picture:
    """A graph with a place for everything."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.labels = labels_of(data)
        self.nodes = copy.deepcopy(data["nodes"])  # the page has a layout of its own
        self.edges = copy.deepcopy(data["edges"])
        cut = [[_cut(line) for line in label.lines()] for label in self.labels]
        longest = max(columns(line) for lines in cut for line in lines)
        self.wide = longest * CHARACTER + 2 * PADDING
        self.high = 4 * LINE + 2 * PADDING - 4
        self.lines = cut
        place(self.nodes, self.edges, column=self.wide + BETWEEN, row=self.high + BELOW)

    def text(self) -> str:
        """The whole document."""
        heading, left = plain(self.data["title"]), _px(MARGIN)
        passed = [y for edge in self.edges for _, y in edge["bends"]]
        wide = max(n["x"] for n in self.nodes) + (self.wide - BETWEEN) / 2
        high = max(*(n["y"] for n in self.nodes), *passed, 0) + (self.high + BELOW) / 2
        wide = max(wide, columns(CAPTION) * CHARACTER * 0.93, columns(heading) * CHARACTER * 1.2)
        box = f"0 0 {_px(wide + 2 * MARGIN)} {_px(high + HEADING + 2 * MARGIN)}"
        size = f'width="{_px(wide + 2 * MARGIN)}" height="{_px(high + HEADING + 2 * MARGIN)}"'
        least = SHRINK * (wide + 2 * MARGIN)  # where there is less room, the frame scrolls
        style = f"max-width: 100%; min-width: {_px(least)}px; height: auto"
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" class="backward-graph" {size} '
            f'viewBox="{box}" style="{style}" role="img">',
            f"<title>{_xml(f'The graph of {heading}')}</title>",
            f"<desc>{_xml(self._description())}</desc>",
            f"<style>{STYLE}</style>",
            '<rect class="ground" width="100%" height="100%"/>',
            f'<text class="heading" x="{left}" y="{_px(MARGIN + 14)}">{_xml(heading)}</text>',
            f'<text class="caption" x="{left}" y="{_px(MARGIN + 34)}">{CAPTION}</text>',
            f'<g transform="translate({_px(MARGIN - BETWEEN / 2)} {_px(MARGIN + HEADING)})">',
            *self._arrows(),
            *map(self._box, self.nodes),
            "</g>",
            "</svg>",
            "",
        ])  # fmt: skip

    def _description(self) -> str:
        kinds = [node["kind"] for node in self.nodes]
        return (
            f"{len(kinds)} values: {kinds.count('leaf')} leaves, {kinds.count('constant')} "
            f"constants, {kinds.count('result')} results. {CAPTION} "
            + ". ".join(", ".join(label.lines()) for label in self.labels)
            + "."
        )

    def _box(self, node: Mapping[str, Any]) -> str:
        i = node["id"]
        left, top = node["x"] - self.wide / 2, node["y"] - self.high / 2
        kind = "loss" if i == self.data["loss"] else node["kind"]
        corner = 14 if node["kind"] == "leaf" else 3
        spans = [
            f'<tspan class="{part}" x="{_px(left + PADDING)}" '
            f'y="{_px(top + PADDING + LINE * (n + 0.7))}">{_xml(line)}</tspan>'
            for n, (part, line) in enumerate(
                zip(("name", "op", "value", "grad"), self.lines[i], strict=True)
            )
        ]
        return (
            f'<g class="node {kind}"><title>{_xml(self._about(node))}</title>'
            f'<rect x="{_px(left)}" y="{_px(top)}" width="{_px(self.wide)}" '
            f'height="{_px(self.high)}" rx="{corner}"/><text>{"".join(spans)}</text></g>'
        )

    def _about(self, node: Mapping[str, Any]) -> str:
        """What there is to read when pointing at a box."""
        formula = node["forward"]
        made = [f"{node['name']} = {formula['text']}"] if formula else []
        where = []
        if (source := node["source"]) is not None:
            where = [f"{PurePath(source['file']).name}:{source['line']}: {source['code']}"]
        return plain(" | ".join([*self.labels[node["id"]].lines(), *made, *where]))

    # arrows

    def _arrows(self) -> Iterator[str]:
        arriving: dict[int, list[dict[str, Any]]] = {}
        for edge in self.edges:
            arriving.setdefault(edge["child"], []).append(edge)
        for child, edges in arriving.items():
            edges.sort(key=lambda edge: (self._last_point(edge)[1], edge["slot"]))
            apart = min(14.0, 0.7 * self.high / len(edges))
            for n, edge in enumerate(edges):
                yield self._arrow(edge, self.nodes[child], (n - (len(edges) - 1) / 2) * apart)

    def _last_point(self, edge: Mapping[str, Any]) -> Sequence[float]:
        parent = self.nodes[edge["parent"]]
        last: Sequence[float] = [[parent["x"], parent["y"]], *edge["bends"]][-1]
        return last

    def _arrow(self, edge: Mapping[str, Any], child: Mapping[str, Any], port: float) -> str:
        """A curve in every gap between columns, straight past the boxes, and an arrowhead."""
        half = self.wide / 2
        parent = self.nodes[edge["parent"]]
        tip_x, tip_y = child["x"] - half, child["y"] + port
        stops = [(parent["x"] + half, parent["y"])]
        for x, y in edge["bends"]:
            stops += [(x - half, y), (x + half, y)]
        stops.append((tip_x - HEAD, tip_y))
        path = f"M{_px(stops[0][0])} {_px(stops[0][1])}"
        for n, (start, end) in enumerate(pairwise(stops)):
            path += _curve(start, end) if n % 2 == 0 else f"H{_px(end[0])}"
        head = f"M{_px(tip_x)} {_px(tip_y)}l{_px(-HEAD)} -4v8z"
        kind = "still" if edge["step"] is None else "flow"
        return (
            f'<g class="edge {kind}"><title>{_xml(self._carried(edge))}</title>'
            f'<path class="line" d="{path}"/><path class="head" d="{head}"/></g>'
        )

    def _carried(self, edge: Mapping[str, Any]) -> str:
        if edge["step"] is None:
            names = (self.nodes[edge[end]]["name"] for end in ("parent", "child"))
            return plain("{} goes into {}; no gradient comes back".format(*names))
        return plain(self.data["steps"][edge["step"]]["sentence"])


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From one point to another, leaving and arriving level."""
    (x, y), (to_x, to_y) = start, end
    if abs(y - to_y) < 0.05:
        return f"H{_px(to_x)}"
    middle = (x + to_x) / 2
    return f"C{_px(middle)} {_px(y)} {_px(middle)} {_px(to_y)} {_px(to_x)} {_px(to_y)}"


def _cut(line: str) -> str:
    return line if len(line) <= LABEL else line[: LABEL - 1] + "…"


def _px(length: float) -> str:
    return f"{length:.1f}".removesuffix(".0")


def _xml(text: str) -> str:
    return escape(plain(text))
