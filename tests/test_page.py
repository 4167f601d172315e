"""The page of a backward pass, read as text: it loads nothing and lets nothing in."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor
from tinygrad_bp.explain.page import page
from tinygrad_bp.explain.trace import trace

PARTS = sorted(
    (part for part in files("tinygrad_bp.explain").joinpath("page_parts").iterdir()),
    key=lambda part: part.name,
)
SVG = "http://www.w3.org/2000/svg"
HOSTILE = "</script><script>window.__hacked = 1</script><img src=x onerror=alert(1)>&\u2028\u2029"


def example() -> dict[str, Any]:
    w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="w")
    loss = (w * np.array([2.0, 0.25])).sum() ** 2
    return trace(loss).to_dict()


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return example()


@pytest.fixture(scope="module")
def document(data: dict[str, Any]) -> str:
    return page(data)


@pytest.fixture(scope="module")
def program(document: str) -> str:
    """The document without the data, which quote whatever the user's source says."""
    return re.sub(r'(?<=id="data">).*?(?=</script>)', "", document, flags=re.DOTALL)


class Elements(HTMLParser):
    """The elements of a document with their attributes, and the text of scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside][-1] += data

    def handle_endtag(self, _: str) -> None:
        self._inside = ""


# --- nothing comes in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        r"\bsrc\s*=",
        r"\bhref\s*=\s*[\"'](?!#)",
        r"url\(",
        r"@import",
        r"\bimport\b\s*\(",
        r"^import\b",
        r"\bfetch\s*\(",
        r"XMLHttpRequest|WebSocket|EventSource|sendBeacon|Worker|serviceWorker",
    ],
)
def test_nothing_is_loaded(program: str, reference: str) -> None:
    assert re.findall(reference, program, flags=re.MULTILINE) == []


def test_the_only_address_is_the_name_of_svg(program: str) -> None:
    assert set(re.findall(r"\w+://[^\"'\s]*", program)) == {SVG}


def test_the_policy_admits_what_stands_inside_and_nothing_else(document: str) -> None:
    elements = Elements(document)
    (policy,) = [
        attributes["content"]
        for tag, attributes in elements.found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = elements.texts["style"]
    _, script = elements.texts["script"]

    def hashed(text: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy is not None
    assert dict(rule.strip().split(" ", 1) for rule in policy.split(";")) == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "style-src": f"'{hashed(style)}'",
        "script-src": f"'{hashed(script)}'",
    }


def test_no_element_carries_a_style_or_a_handler_of_its_own(document: str) -> None:
    names = {name for _, attributes in Elements(document).found for name in attributes}
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
    ],
)
def test_the_modules_parse_no_text_as_code(forbidden: str) -> None:
    found = [part.name for part in PARTS if forbidden in part.read_text(encoding="utf-8")]
    assert found == []


# --- what goes in stays what it is ----------------------------------------------------------


def test_the_data_come_back_as_they_were(data: dict[str, Any], document: str) -> None:
    embedded, _ = Elements(document).texts["script"]
    assert json.loads(embedded) == json.loads(json.dumps(data))


def test_hostile_names_and_sources_end_nothing() -> None:
    data = example()
    data["title"] = HOSTILE
    for node in data["nodes"]:
        node["name"] = f"{HOSTILE}{node['id']}"
        if node["source"] is not None:
            node["source"] |= {"code": HOSTILE, "segment": HOSTILE}
    for file in data["sources"].values():
        file["lines"] = [HOSTILE for _ in file["lines"]]
    document = page(data)
    expected, found = Elements(page(example())), Elements(document)
    assert [tag for tag, _ in found.found] == [tag for tag, _ in expected.found]
    embedded = found.texts["script"][0]
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded)["title"] == HOSTILE


def test_braces_of_the_user_are_not_placeholders() -> None:
    data = example() | {"title": "{{script}}"}
    assert "<h1>{{script}}</h1>" in page(data)


def test_a_nan_must_be_a_word() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page(example() | {"arrays": [float("nan")]})


def test_the_same_data_give_the_same_bytes() -> None:
    assert page(example()) == page(example())


# --- the files ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_file_is_short_and_used(part: Any, document: str) -> None:
    lines = part.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 300
    assert [line for line in lines if len(line) > 100] == []
    if part.name != "page.html":
        assert lines[0] in document


def test_each_key_of_the_help_is_one_that_is_listened_to(document: str) -> None:
    helped = set(re.findall(r"<dt>.*?</dt>", document, flags=re.DOTALL))
    keys = {key for item in helped for key in re.findall(r"<kbd>(.*?)</kbd>", item)}
    assert keys == {"→", "←", "Shift", "Home", "End", *"lg/std?"}
