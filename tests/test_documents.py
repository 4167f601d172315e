"""What holds for every page of the library: it loads nothing, and lets nothing in."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

import numpy as np
import pytest
from documents import Elements, sources_of, without_data

from tinygrad_bp import Tensor
from tinygrad_bp.explain import page as explain_page
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.stage import stage_data

NAMES = ("http://www.w3.org/", "https://svelte.dev/e/")
"""Namespaces, and what the errors of Svelte are called: names, which nothing is loaded from."""
INSIDE = {"font-src": "data:", "img-src": "data: blob:"}
"""What a built page may read besides: what stands in it."""


class Page(NamedTuple):
    """A document, and the package that made it."""

    package: str
    document: str


def of_a_graph() -> str:
    w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="w")
    loss = (w * np.array([2.0, 0.25])).sum() ** 2
    return explain_page.page(trace(loss).to_dict())


def of_the_lesson() -> str:
    return stage_page(stage_data())


MAKERS = {"explain": of_a_graph, "stage": of_the_lesson}
WRITTEN = {"explain": sources_of("explain"), "stage": sources_of("stage")}


@pytest.fixture(scope="module", params=MAKERS)
def made(request: pytest.FixtureRequest) -> Page:
    return Page(request.param, MAKERS[request.param]())


@pytest.mark.parametrize(
    "reference",
    [
        r"\bsrc\s*=",
        r"\bhref\s*=\s*[\"'](?!#)",
        r"url\((?!data:)",
        r"@import",
        r"\bimport\b\s*\(",
        r"^import\b",
        r"^export\b",
        r"\bfetch\s*\(",
        r"XMLHttpRequest|WebSocket|EventSource|sendBeacon|Worker|serviceWorker",
    ],
)
def test_nothing_is_loaded(made: Page, reference: str) -> None:
    assert re.findall(reference, without_data(made.document), flags=re.MULTILINE) == []


def test_addresses_are_names_alone(made: Page) -> None:
    found = re.findall(r"\w+://[^\"'`\s]*", without_data(made.document))
    assert found
    assert [address for address in found if not address.startswith(NAMES)] == []


def test_the_policy_admits_what_stands_inside_and_nothing_else(made: Page) -> None:
    elements = Elements(made.document)
    (policy,) = [
        attributes["content"]
        for tag, attributes in elements.found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    styles, (_, script) = elements.text_of("style"), elements.text_of("script")

    def hashed(text: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy is not None
    assert dict(rule.strip().split(" ", 1) for rule in policy.split(";")) == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "style-src": " ".join(f"'{hashed(style)}'" for style in styles),
        "script-src": f"'{hashed(script)}'",
        **INSIDE,
    }


def test_no_element_carries_a_style_or_a_handler_of_its_own(made: Page) -> None:
    names = {name for _, attributes in Elements(made.document).found for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


@pytest.mark.parametrize(
    "forbidden",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "eval(",
        "new Function",
        'setAttribute("style"',
        "localStorage",
        "{@html",
    ],
)
@pytest.mark.parametrize("package", MAKERS)
def test_the_modules_parse_no_text_as_code(package: str, forbidden: str) -> None:
    parts = WRITTEN[package]
    assert len(parts) > 5
    assert [part.name for part in parts if forbidden in part.read_text(encoding="utf-8")] == []


def test_the_same_data_give_the_same_bytes(made: Page) -> None:
    assert MAKERS[made.package]() == made.document
