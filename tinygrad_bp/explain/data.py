"""A recorded pass as plain lists, numbers and text, ready for JSON: what views are made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from tinygrad_bp.engine import cell_of
from tinygrad_bp.explain.arrays import Views, finite
from tinygrad_bp.explain.checks import confirm_leaves
from tinygrad_bp.explain.formatting import brief
from tinygrad_bp.explain.formulas import Formula, Formulas
from tinygrad_bp.explain.graph import Node
from tinygrad_bp.explain.layout import place
from tinygrad_bp.explain.record import Check, Record, RecordedStep
from tinygrad_bp.explain.sentences import Notes, sentence, unbroadcast_text
from tinygrad_bp.explain.source import lines_of
from tinygrad_bp.explain.terms import Terms

if TYPE_CHECKING:
    from tinygrad_bp.tensor import Tensor

__all__ = ["Data", "data_of", "exported"]

Data: TypeAlias = Mapping[str, Any]
"""What `exported` gives, and `Trace.to_dict()`."""

VERSION = 1
CONTEXT = 400  # lines of a longer file that are kept, around the ones that matter


def data_of(loss: Tensor | Record | Data) -> Data:
    """Return the data of a backward pass: of a loss, of its trace, or the data themselves."""
    if isinstance(loss, Mapping):
        return loss
    return exported(loss if isinstance(loss, Record) else Record.of(loss))


def exported(recorded: Record) -> dict[str, Any]:
    """Return a recorded pass as the dictionary that every view is made from."""
    arrays = Views()
    sources = _Sources(recorded)
    edges = [
        {
            "id": edge.id,
            "child": edge.child.id,
            "parent": edge.parent.id,
            "slot": edge.slot,
            "step": edge.step,
        }
        for edge in recorded.edges
    ]
    nodes = _nodes(recorded, arrays, sources)
    place(nodes, edges)
    terms = Terms(recorded)
    return {
        "version": VERSION,
        "title": f"{recorded.loss.name} = {brief(recorded.loss.value)}",
        "loss": recorded.loss.id,
        "nodes": nodes,
        "edges": edges,
        "steps": [_step(step, arrays, terms) for step in recorded.steps],
        "arrays": arrays.found,
        "checks": {"done": _is_checked(recorded), "text": recorded.checked},
        "sources": sources.kept,
    }


def _is_checked(recorded: Record) -> bool:
    return any(step.check is not None for step in recorded.steps)


def _nodes(recorded: Record, arrays: Views, sources: _Sources) -> list[dict[str, Any]]:
    notes = Notes(recorded)
    checks = confirm_leaves(recorded) if _is_checked(recorded) else {}
    return [
        {
            "id": node.id,
            "name": node.name,
            "kind": node.kind,
            "op": node.op and node.op.rule.name,
            "outputs": _outputs(recorded, node),
            "shape": list(node.value.shape),
            "dtype": node.value.dtype.name,
            "value": arrays.add(node.value),
            "grad": arrays.add(node.grad),
            "held": arrays.add(node.held),
            "requires_grad": node.requires_grad,
            "forward": _forward(recorded, node),
            "why": (node.op and node.op.rule.why) or None,
            "source": sources.of(node),
            "consumers": node.consumers,
            "notes": notes.on(node),
            "checks": [_check(check) for check in checks.get(node.id, [])],
        }
        for node in recorded.nodes
    ]


def _outputs(recorded: Record, node: Node) -> list[int]:
    """All outputs of the op that made a node, if there are several."""
    if node.op is None or node.output is None:
        return []
    return [output.id for output in recorded.outputs[node.op]]


def _forward(recorded: Record, node: Node) -> dict[str, Any] | None:
    if node.op is None:
        return None
    formulas = Formulas(node.op, recorded.outputs[node.op], recorded.arguments[node.op])
    return _formula(formulas.forward(node.output))


def _formula(formula: Formula) -> dict[str, Any]:
    return {"text": formula.text, "numbers": formula.numbers, "shapes": formula.shapes}


def _check(check: Check) -> dict[str, Any]:
    return {
        "index": list(check.index),
        "analytic": finite(check.analytic),
        "difference": finite(check.difference),
        "relative": finite(check.relative),
    }


def _step(step: RecordedStep, arrays: Views, terms: Terms) -> dict[str, Any]:
    return {
        "edge": step.edge.id,
        "reported": step.reported,
        "of": step.parent.consumers,
        "arriving": arrays.add(step.arriving),
        "arrivals": [
            {"symbol": symbol, "node": node.id, "array": arrays.add(gradient)}
            for symbol, node, gradient in step.arrivals
        ],
        "formula": _formula(step.formula),
        "local": _local(step, arrays),
        "contribution": arrays.add(step.contribution),
        "before": arrays.add(step.before),
        "after": arrays.add(step.after),
        "unbroadcast": unbroadcast_text(step.formula.value.shape, step.contribution.shape),
        "elements": _elements(step, terms),
        "check": step.check and _check(step.check),
        "sentence": sentence(step),
    }


def _local(step: RecordedStep, arrays: Views) -> dict[str, Any] | None:
    local = step.local
    return (
        None
        if local is None
        else {
            "symbol": local.symbol,
            "text": local.text,
            "numbers": local.numbers,
            "value": arrays.add(local.value),
        }
    )


def _elements(step: RecordedStep, terms: Terms) -> list[dict[str, Any]]:
    return [
        {
            "index": list(element.index),
            "terms": [[at, finite(g), finite(slope)] for at, g, slope in element.terms],
            "more": element.more,
            "rest": finite(element.rest),
        }
        for element in terms.of(step)
    ]


class _Sources:
    """The files that the graph was written in, or what is around the lines that matter."""

    def __init__(self, recorded: Record) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        mentioned: dict[str, list[int]] = {}
        for node in recorded.nodes:
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
    """What files are called in a page that may travel: without the folders of its author."""
    shown: dict[str, str] = {}
    for path in paths:
        name = cell_of(path) or os.path.basename(path)
        folders = path.split(os.sep)[:-1]
        while name in shown.values():  # two files of one name: as many folders as it takes
            name = f"{folders.pop()}/{name}"
        shown[path] = name
    return shown
