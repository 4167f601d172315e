"""The lesson's page, read as text: it loads nothing, lets nothing in, and stays small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.explain.document import document as assemble
from tinygrad_bp.lesson import OneExample, explorer_data, network_of
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.page import page

Data = dict[str, Any]

FOLDER = files("tinygrad_bp").joinpath("lesson", "page_parts")
SVG = "http://www.w3.org/2000/svg"
HOSTILE = "</script><script>window.__hacked = 1</script><img src=x onerror=alert(1)>&\u2028\u2029"
NAMED_BY = {"button", "a", "option"}  # elements whose text is their name


def parts(folder: Any = FOLDER) -> Iterator[Any]:
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        if part.is_dir():
            yield from parts(part)
        else:
            yield part


PARTS = list(parts())


@pytest.fixture(scope="module")
def document(data: Data) -> str:
    return page(data)


@pytest.fixture(scope="module")
def program(document: str) -> str:
    """The document without the data."""
    return re.sub(r'(?<=id="data">).*?(?=</script>)', "", document, flags=re.DOTALL)


class Elements(HTMLParser):
    """The elements of a document, each with its attributes and the text inside."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in ("meta", "input"):
            self._open.append(len(self.found) - 1)

    def handle_data(self, data: str) -> None:
        for index in self._open:
            self.texts[index] += data

    def handle_endtag(self, tag: str) -> None:
        while self.found[self._open.pop()][0] != tag:
            pass

    def text_of(self, tag: str) -> list[str]:
        return [text for (t, _), text in zip(self.found, self.texts, strict=True) if t == tag]


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
        r"^export\b",
        r"\bfetch\s*\(",
        r"XMLHttpRequest|WebSocket|EventSource|sendBeacon|serviceWorker",
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
    (style,), (_, script) = elements.text_of("style"), elements.text_of("script")

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


def test_the_data_come_back_as_they_were(data: Data, document: str) -> None:
    embedded, _ = Elements(document).text_of("script")
    assert json.loads(embedded) == json.loads(json.dumps(data))


def test_hostile_texts_end_nothing(data: Data, document: str) -> None:
    hostile = data | {
        "source": {"kind": "mnist", "text": HOSTILE},
        "networks": [network | {"name": HOSTILE, "text": HOSTILE} for network in data["networks"]],
        "texts": {"cosine": HOSTILE},
    }
    expected, found = Elements(document), Elements(page(hostile))
    assert [tag for tag, _ in found.found] == [tag for tag, _ in expected.found]
    embedded, _ = found.text_of("script")
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded)["networks"][0]["name"] == HOSTILE
    assert HOSTILE in found.text_of("noscript")[0]


def test_a_nan_has_no_place_in_the_data(data: Data) -> None:
    with pytest.raises(ValueError, match="JSON"):
        page(data | {"amount": [float("nan")]})


def test_the_same_data_give_the_same_bytes(data: Data, document: str) -> None:
    assert page(explorer_data()) == document


def test_the_page_is_small(data: Data, document: str, program: str) -> None:
    assert len(document.encode()) < 1_000_000
    assert len(program.encode()) < 350_000


def test_without_javascript_the_first_moment_is_told(data: Data, document: str) -> None:
    images = unblob(data["digits"]["images"]).reshape(-1, 784)
    net = network_of(unblob(data["networks"][0]["parameters"]))
    two = OneExample(net, images[5] / 255, data["digits"]["labels"][5])
    (told,) = Elements(document).text_of("noscript")
    for j, (a, wish) in enumerate(zip(two.output, two.wishes, strict=True)):
        assert f"{j}{a:.4f}" in told
        assert f"{wish:+.4f}" in told
    assert f"{two.cost:.5f}" in told
    assert all(f"{a:.4f}" in told for a in np.concatenate(two.activations[1:3]))


# --- the elements ---------------------------------------------------------------------------


def test_there_is_one_heading_above_all_and_every_landmark(document: str) -> None:
    tags = [tag for tag, _ in Elements(document).found]
    assert tags.count("h1") == 1
    assert {"header", "main", "nav", "footer"} <= set(tags)


def test_every_control_has_a_name(document: str) -> None:
    elements = Elements(document)
    # Filled when the page has read its data; `test_explorer_browser.py` looks at all of them.
    filled = {"contents-open", "example"}
    for (tag, attributes), text in zip(elements.found, elements.texts, strict=True):
        if tag in NAMED_BY and attributes.get("id") not in filled:
            assert text.strip() or attributes.get("aria-label"), attributes
        if tag in ("section", "dialog"):
            assert attributes.get("aria-labelledby") or attributes.get("aria-label"), attributes
        if tag == "input":
            assert attributes["id"] == "letters"  # inside its label


def test_references_inside_the_page_lead_somewhere(document: str) -> None:
    found = Elements(document).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found:
        for name in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
        if (attributes.get("href") or "#")[1:]:
            assert (attributes["href"] or "")[1:] in ids


def test_each_key_of_the_help_is_one_that_is_listened_to(document: str) -> None:
    (keys_js,) = [part for part in PARTS if part.name == "keys.js"]
    (main_js,) = [part for part in PARTS if part.name == "main.js"]
    source = keys_js.read_text(encoding="utf-8") + main_js.read_text(encoding="utf-8")
    terms = re.findall(r"<dt>.*?</dt>", document, flags=re.DOTALL)
    keys = {key for term in terms for key in re.findall(r"<kbd>(.*?)</kbd>", term)}
    listened = set(re.findall(r'[\s{]"?([\w?]+)"?: ', source))
    # Digits are added in a loop, and the space bar is for steps that have something to play.
    assert keys - {"Shift", "Space", "0", "9"} <= listened


def test_nothing_moves_by_itself(program: str) -> None:
    (style,) = Elements(program).text_of("style")
    assert re.findall(r"\b(?:animation|transition)\b", style) == []


# --- the lesson -----------------------------------------------------------------------------


def numbers_and_titles() -> list[tuple[int, str]]:
    steps = [part for part in PARTS if re.fullmatch(r"step\d+\.js", part.name)]
    found = []
    for part in steps:
        text = part.read_text(encoding="utf-8")
        number, title = re.search(r"\n  number: (\d+)", text), re.search(r'\n  title: "(.*)"', text)
        assert number is not None, part.name
        assert title is not None, part.name
        found.append((int(number[1]), title[1]))
        assert part.name == f"step{number[1]}.js"
    return sorted(found)


def test_there_are_17_steps_each_with_its_own_title() -> None:
    found = numbers_and_titles()
    assert [number for number, _ in found] == list(range(1, 18))
    assert len({title for _, title in found}) == 17


# --- the files ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_file_is_short_and_used(part: Any, document: str) -> None:
    lines = part.read_text(encoding="utf-8").splitlines()
    assert len(lines) < (600 if part.name.endswith(".css") else 500)
    assert [line for line in lines if len(line) > 100] == []
    if part.name != "page.html":
        assert lines[0] in document


# --- putting a document together ------------------------------------------------------------


def test_modules_stand_after_what_they_import(document: str) -> None:
    _, script = Elements(document).text_of("script")
    made: set[str] = set()
    for line in script.splitlines():
        if opened := re.match(r'modules\["(.*)"\] = \(\(\) => \{', line):
            made.add(opened[1])
        else:
            assert set(re.findall(r'modules\["(.*?)"\]', line)) <= made
    assert {"explain/page_parts/dom.js", "lesson/page_parts/main.js"} <= made


def test_a_name_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(KeyError, match="title"):
        assemble(
            "explain/page_parts/page.html",
            styles=[],
            script="explain/page_parts/dom.js",
            texts={"data": "{}"},
        )
