"""The backward pass as one HTML file, to step through in a browser.

The files in `page_parts` are written to be read: plain HTML, CSS and ES modules.
`tinygrad_bp.explain.document` makes one document of them.
"""

from __future__ import annotations

import html
from typing import Any

from tinygrad_bp.explain.document import as_json, document

__all__ = ["page"]

PARTS = "explain/page_parts"
STYLES = ("base.css", "layout.css", "graph.css", "tables.css", "card.css")


def page(data: dict[str, Any]) -> str:
    """Return an HTML document that steps through a recorded backward pass.

    `data` is what `Trace.to_dict()` returns. The document is complete: it loads nothing, works from
    a file, and shows names and source lines as text, whatever they contain. The same data give the
    same document, byte for byte. Raises `ValueError` if the data hold a nan that is not a string.

    >>> node = {"id": 0, "name": "x", "kind": "leaf", "op": None, "shape": [], "dtype": "float64"}
    >>> node |= {"value": 0, "grad": 1, "held": None, "requires_grad": True, "forward": None}
    >>> node |= {"why": None, "source": None, "consumers": 0, "notes": []}
    >>> node |= {"layer": 0, "x": 0.0, "y": 0.0}
    >>> data = {"version": 1, "title": "x = 2", "loss": 0, "arrays": [2.0, 1.0], "nodes": [node]}
    >>> data |= {"edges": [], "steps": [], "sources": {}, "checks": {"done": True, "text": ""}}
    >>> document = page(data)
    >>> document.startswith("<!DOCTYPE html>"), "https:" in document
    (True, False)
    """
    return document(
        f"{PARTS}/page.html",
        styles=[f"{PARTS}/{name}" for name in STYLES],
        script=f"{PARTS}/main.js",
        texts={"title": html.escape(data["title"]), "data": as_json(data)},
    )
