"""The lesson as one HTML file: what one picture wants of 13,002 weights and biases."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.example import OneExample
from tinygrad_bp.lesson.network import network_of
from tinygrad_bp.lesson.stage import story
from tinygrad_bp.pages import as_json, document

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["stage_page"]


def stage_page(data: dict[str, Any]) -> str:
    """Return an HTML document that tells the lesson on one stage, scene by scene.

    `data` is what `stage_data` returns. The document is complete: it loads nothing, works from a
    file, and computes what it shows from the digits and the network in it; without JavaScript it
    shows the first moment as tables. The same data give the same document, byte for byte.

    >>> from tinygrad_bp.lesson.stage import stage_data
    >>> text = stage_page(stage_data())
    >>> text.startswith("<!DOCTYPE html>"), len(text) < 1_000_000
    (True, True)
    """
    number = data["shown"]["indices"][0]
    pixels = unblob(data["shown"]["images"])[: data["sizes"][0]] / 255
    net = network_of(unblob(data["net"]), data["sizes"])
    example = OneExample(net, pixels, data["digits"]["labels"][number])
    title = story()["title"]
    plain = (
        f"<h1>{html.escape(title)}</h1>\n"
        "<p>This page is drawn by a script, which this browser does not run. Its first moment "
        f"in numbers follows; it is made of {html.escape(data['source']['text'])}</p>\n"
        f"{_tables(example, number, 'untrained')}"
    )
    return document("stage", title=title, data=as_json(data), plain=plain)


def _tables(example: OneExample, number: int, network: str) -> str:
    outputs = zip(example.output, example.target, example.wishes, strict=True)
    *hidden, _ = example.activations[1:]
    return "\n".join(
        (
            f"<p>Example {number} is a {example.label}; the network: "
            f"{html.escape(network)}. Its cost is {example.cost:.5f}, the sum of the "
            "squared gaps. A wish is minus the slope of the cost.</p>",
            _table(
                "The ten outputs",
                ("digit", "activation", "wanted", "squared gap", "wish"),
                (
                    (str(j), f"{a:.4f}", f"{y:.0f}", f"{(a - y) ** 2:.4f}", f"{wish:+.4f}")
                    for j, (a, y, wish) in enumerate(outputs)
                ),
            ),
            _table(
                "Activations of the hidden layers",
                ("neuron", *(f"layer {l}" for l in range(1, len(hidden) + 1))),
                (
                    (str(k), *(f"{a:.4f}" for a in row))
                    for k, row in enumerate(zip(*hidden, strict=True))
                ),
            ),
        )
    )


def _table(caption: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{text}</td>" for text in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<table class="numbers"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
