"""The page of the lesson, read as text: what it says without a script, what it is made of."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from documents import HOSTILE, Elements, parts_of, without_data

from tinygrad_bp.explain.document import document as assemble
from tinygrad_bp.lesson import OneExample, network_of
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.page import page

Data = dict[str, Any]

NAMED_BY = {"button", "a", "option"}  # elements whose text is their name


PARTS = parts_of("lesson")


@pytest.fixture(scope="module")
def document(data: Data) -> str:
    return page(data)


@pytest.fixture(scope="module")
def program(document: str) -> str:
    return without_data(document)


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


def test_the_page_is_small(document: str) -> None:
    assert len(document.encode()) < 1_000_000


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


# --- putting a document together ------------------------------------------------------------


def test_modules_stand_after_what_they_import(document: str) -> None:
    _, script = Elements(document).text_of("script")
    made: set[str] = set()
    for line in script.splitlines():
        if opened := re.match(r'modules\["(.*)"\] = \(\(\) => \{', line):
            made.add(opened[1])
        else:
            assert set(re.findall(r'modules\["(.*?)"\]', line)) <= made
    assert {"lesson/page_parts/elements.js", "lesson/page_parts/main.js"} <= made


def test_a_name_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(KeyError, match="tables"):
        assemble(
            "lesson/page_parts/page.html",
            styles=[],
            script="lesson/page_parts/elements.js",
            texts={"data": "{}"},
        )
