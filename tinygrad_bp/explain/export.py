"""A trace as plain lists, numbers and text: what the text form and the page are made from."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.explain import checks, layout
from tinygrad_bp.explain.formulas import forward_formula
from tinygrad_bp.explain.reasons import brief, notes_on, sentence, unbroadcast_text, why_op
from tinygrad_bp.explain.source import lines_of
from tinygrad_bp.explain.terms import Terms

if TYPE_CHECKING:
    from tinygrad_bp.explain.formulas import Formula
    from tinygrad_bp.explain.trace import Node, Trace, TracedStep

__all__ = ["exported"]

Array = np.ndarray[Any, Any]

VERSION = 1
IN_FULL = 256  # entries of an array that are written out
CORNER = 8  # rows and columns of a larger one
CONTEXT = 400  # lines of a longer file that are kept, around the ones that matter


def exported(traced: Trace) -> dict[str, Any]:
    """Return the trace as the dictionary that every view is made from."""
    arrays = _Arrays()
    sources = _Sources(traced)
    done = any(step.check is not None for step in traced.steps)
    leaves = checks.confirm_leaves(traced) if done else {}
    nodes = [_node(traced, node, arrays, sources) for node in traced.nodes]
    for node in nodes:
        node["checks"] = [_check(check) for check in leaves.get(node["id"], [])]
    edges = [
        {
            "id": edge.id,
            "child": edge.child.id,
            "parent": edge.parent.id,
            "slot": edge.slot,
            "step": None if edge.step is None else edge.step.index,
        }
        for edge in traced.edges
    ]
    layout.place(nodes, edges)
    terms = Terms(traced)
    steps = [_step(step, arrays, terms) for step in traced.steps]
    return {
        "version": VERSION,
        "title": _title(traced.loss),
        "loss": traced.loss.id,
        "arrays": arrays.views,
        "nodes": nodes,
        "edges": edges,
        "steps": steps,
        "checks": {
            "done": done,
            "text": traced.checked,
        },
        "sources": sources.kept,
    }


def _title(loss: Node) -> str:
    return f"{loss.name} = {brief(loss.value)}"


class _Arrays:
    """Views of arrays, each made once however often it is mentioned."""

    def __init__(self) -> None:
        self.views: list[Any] = []
        self._kept: dict[int, tuple[Array, int]] = {}  # the arrays too, so that ids stay theirs

    def add(self, array: Array | None) -> int | None:
        if array is None:
            return None
        if id(array) not in self._kept:
            self._kept[id(array)] = array, len(self.views)
            self.views.append(_view(array))
        return self._kept[id(array)][1]


def _view(array: Array) -> Any:
    if array.ndim == 0:
        return _plain(array.tolist())
    described = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.size <= IN_FULL:
        return {**described, "data": _plain(array.tolist())}
    corner = array[(0,) * (array.ndim - 2)][..., :CORNER]
    corner = corner[:CORNER]
    numbers = array.astype(np.float64)
    with np.errstate(all="ignore"):
        summary = {
            "min": numbers.min(),
            "max": numbers.max(),
            "mean": numbers.mean(),
            "norm": np.sqrt(np.sum(numbers * numbers)),
        }
    return {
        **described,
        **{key: _plain(float(value)) for key, value in summary.items()},
        "corner": _plain(corner.tolist()),
    }


def _plain(value: Any) -> Any:
    """JSON has no word for what is not finite."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def _node(traced: Trace, node: Node, arrays: _Arrays, sources: _Sources) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "kind": node.kind,
        "op": node.op and node.op.rule.name,
        "shape": list(node.value.shape),
        "dtype": node.value.dtype.name,
        "value": arrays.add(node.value),
        "grad": arrays.add(node.grad),
        "held": arrays.add(node.held),
        "requires_grad": node.requires_grad,
        "forward": node.op and _formula(forward_formula(node, traced.arguments(node))),
        "why": node.op and why_op(node.op),
        "source": sources.of(node),
        "consumers": node.consumers,
        "notes": notes_on(traced, node),
    }


def _formula(formula: Formula) -> dict[str, Any]:
    return {"text": formula.text, "numbers": formula.numbers, "shapes": formula.shapes}


def _check(check: checks.Check) -> dict[str, Any]:
    return {
        "index": list(check.index),
        "analytic": _plain(check.analytic),
        "difference": _plain(check.difference),
        "relative": _plain(check.relative),
    }


def _step(step: TracedStep, arrays: _Arrays, terms: Terms) -> dict[str, Any]:
    local = step.local
    return {
        "edge": step.edge.id,
        "reported": step.reported,
        "of": step.parent.consumers,
        "arriving": arrays.add(step.arriving),
        "formula": _formula(step.formula),
        "local": local
        and {
            "symbol": local.symbol,
            "text": local.text,
            "numbers": local.numbers,
            "value": arrays.add(local.value),
        },
        "contribution": arrays.add(step.contribution),
        "before": arrays.add(step.before),
        "after": arrays.add(step.after),
        "unbroadcast": unbroadcast_text(step.formula.value.shape, step.contribution.shape),
        "elements": [
            {
                "index": list(e.index),
                "terms": [[at, _plain(g), _plain(slope)] for at, g, slope in e.terms],
                "more": e.more,
                "rest": _plain(e.rest),
            }
            for e in terms.of(step)
        ],
        "check": step.check and _check(step.check),
        "sentence": sentence(step),
    }


class _Sources:
    """The files that the graph was written in, or what is around the lines that matter."""

    def __init__(self, traced: Trace) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        mentioned: dict[str, list[int]] = {}
        for node in traced.nodes:
            if node.source is not None:
                span = (node.source.line, node.source.end_line)
                mentioned.setdefault(node.source.path, []).extend(span)
        self._shown = _shown_paths(mentioned)
        for path, lines in mentioned.items():
            first = max(1, min(lines) - CONTEXT // 2)
            last = max(lines) + CONTEXT // 2
            self.kept[self._shown[path]] = {
                "path": self._shown[path],
                "first": first,
                "lines": lines_of(path)[first - 1 : last],
            }

    def of(self, node: Node) -> dict[str, Any] | None:
        source = node.source
        if source is None:
            return None
        return {
            "file": self._shown[source.path],
            "line": source.line,
            "end_line": source.end_line,
            "column": source.column,
            "end_column": source.end_column,
            "function": source.function,
            "code": source.code,
            "segment": source.segment,
        }


def _shown_paths(paths: Iterable[str]) -> dict[str, str]:
    """What files are called in a page that may travel: not by the folders of who made it."""
    shown: dict[str, str] = {}
    for path in paths:
        name = os.path.basename(path)
        folders = path.split(os.sep)[:-1]
        while name in shown.values():  # two files of one name: as many folders as it takes
            name = f"{folders.pop()}/{name}"
        shown[path] = name
    return shown
