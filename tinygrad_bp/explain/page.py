"""The backward pass as one HTML file, to step through in a browser.

The page is written in `tinygrad_bp/pages/explain` and built to one script and one style sheet;
`tinygrad_bp.pages` makes one document of these and the data.
"""

from __future__ import annotations

import html
from typing import Any

from tinygrad_bp.pages import as_json, document

__all__ = ["frame", "page"]

WITHOUT_SCRIPTS = (
    "<p>Stepping needs JavaScript, which is switched off here. Nothing is sent or loaded "
    "when it is on. The same steps as text: <code>bp.explain(loss)</code> in Python.</p>"
)


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
    >>> page(data).startswith("<!DOCTYPE html>")
    True
    """
    return document(
        "explain",
        title=f"{data['title']}: the backward pass",
        data=as_json(data),
        plain=f"<h1>{html.escape(data['title'])}</h1>\n{WITHOUT_SCRIPTS}",
    )


def frame(data: dict[str, Any], *, height: int = 680) -> str:
    """Return a frame that holds the page, for a notebook: nothing in it can reach the notebook.

    >>> frame({"title": "x = 2"}).startswith('<iframe sandbox="allow-scripts"')
    True
    """
    return (
        f'<iframe sandbox="allow-scripts" title="{html.escape(data["title"])}: the backward pass" '
        f'width="100%" height="{height}" style="border: 0" srcdoc="{html.escape(page(data))}">'
        "</iframe>"
    )
