"""What the stage's page carries, and the document that it is in."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp.data import Mnist
from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson import OneExample, labelled, lesson_network, network_of
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.cached import labelled_once, labelled_path
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.prepare import prepare
from tinygrad_bp.lesson.stage import LEARNED, SEEDS, UNSEEN, searched, stage_data, story

SCENES = [scene["id"] for scene in story()["scenes"]]
QUICK = labelled.Plan(amounts=(100, 150), steps=3, seeds=((0.0, (0, 1)), (0.3, (0,))))


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return stage_data()


@pytest.fixture(scope="module")
def page(data: dict[str, Any]) -> str:
    return stage_page(data)


@pytest.fixture(scope="module")
def digits() -> Mnist:
    return drawn_data(train=200, test=20)


# --- data -----------------------------------------------------------------------------------------


def test_the_2_gets_the_outputs_of_the_lesson(data: dict[str, Any]) -> None:
    pixels = unblob(data["shown"]["images"])[:784] / 255
    two = OneExample(network_of(unblob(data["net"])), pixels, 2)
    assert data["digits"]["labels"][5] == 2
    assert two.output[[0, 1, 2, 8]].round(1).tolist() == [0.5, 0.8, 0.2, 0.2]
    assert two.prediction != 2


def test_the_seed_gives_the_lesson_s_outputs() -> None:
    found, two = SEEDS["drawn"], drawn_data(train=6, test=1).train_images[5]
    assert searched(two, range(found - 300, found + 300)) == found
    with pytest.raises(ValueError, match="none of these seeds"):
        searched(two, range(found - 300, found))


@pytest.mark.slow
def test_two_earlier_seeds_do_too_and_no_others() -> None:
    two, start = drawn_data(train=6, test=1).train_images[5], 0
    found = []
    for _ in range(3):
        found.append(searched(two, count(start)))
        start = found[-1] + 1
    assert found == [106_097, 116_027, SEEDS["drawn"]]


def test_the_seed_is_said_to_be_searched_for(data: dict[str, Any], page: str) -> None:
    assert "searched for" in data["source"]["text"]
    assert html.escape(data["source"]["text"]) in page


def test_it_carries_digits_at_16_levels_and_shown_ones_as_bytes(data: dict[str, Any]) -> None:
    pairs = unblob(data["digits"]["images"])
    found = np.stack([pairs >> 4, pairs & 15], axis=1).reshape(LEARNED + UNSEEN, 784)
    drawn = drawn_data(train=LEARNED, test=UNSEEN)
    images = np.concatenate([drawn.train_images, drawn.test_images])
    assert (found == np.rint(15 * images)).all()
    exact = unblob(data["shown"]["images"]).reshape(-1, 784)
    assert (exact == np.rint(255 * images[data["shown"]["indices"]])).all()
    labels = np.array(data["digits"]["labels"])
    assert (labels == np.concatenate([drawn.train_labels, drawn.test_labels])).all()
    assert sorted(labels[data["shown"]["indices"]]) == [0, 1, 2, 3, 4, 5, 7, 8]
    assert (unblob(data["net"]) == _flat(lesson_network(SEEDS["drawn"]))).all()


def _flat(net: bp.nn.MLP) -> np.ndarray[Any, Any]:
    return np.concatenate([p.data.ravel() for p in net.parameters()]).astype(np.float32)


def test_another_example_comes_first(digits: Mnist) -> None:
    found = stage_data(digits, example=17, measured=labelled.shipped())
    assert found["shown"]["indices"][0] == 17
    assert len(set(found["shown"]["indices"])) == 8
    labels = np.array(found["digits"]["labels"])[found["shown"]["indices"]]
    assert len(set(labels)) == 8
    assert found["digits"]["count"] == 200
    assert found["digits"]["unseen"] == 20


@pytest.mark.parametrize("example", [-1, 1000])
def test_there_are_1000_examples(example: int) -> None:
    with pytest.raises(DataError, match=r"shows 0 to 999"):
        stage_data(example=example)


# --- what labelled digits buy ---------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 1], ids=["right", "guessed"])
def test_more_digits_buy_accuracy(share: int) -> None:
    found = labelled.shipped()
    assert (found["digits"][0], found["digits"][-1]) == (100, 60_000)
    assert all(fewer < more for fewer, more in pairwise(found["accuracy"][share]))


def test_guessed_labels_cost_accuracy_and_many_digits_forgive_them() -> None:
    right, guessed = np.array(labelled.shipped()["accuracy"])
    lost = right - guessed
    assert (lost > 0).all()
    assert lost[-1] < 0.01
    assert lost[:3].min() > 0.1


def test_the_shipped_figures_come_from_the_command(tmp_path: Path) -> None:
    """Of less data: all of it takes half a minute."""
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path in paths:
        prepare(path, QUICK, train=200, test=20)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert json.loads(paths[0].read_text()).keys() == labelled.shipped().keys()


@pytest.mark.slow
def test_the_shipped_figures_come_out_again() -> None:
    plan = labelled.Plan(amounts=(100, 1000))
    found = labelled.measure(drawn_data(train=1000, test=10_000), plan)
    shipped = np.array(labelled.shipped()["accuracy"])[:, [0, 2]]
    np.testing.assert_allclose(found["accuracy"], shipped, atol=0.005)


def test_guesses_do_not_depend_on_how_many_there_are() -> None:
    labels = np.arange(1000) % 10
    assert (labelled.guessed(labels, 0.3)[:100] == labelled.guessed(labels[:100], 0.3)).all()
    assert (labelled.guessed(labels, 0.0) == labels).all()
    assert np.mean(labelled.guessed(labels, 1.0) == labels) == pytest.approx(0.1, abs=0.03)


def test_too_few_digits_are_refused(digits: Mnist) -> None:
    few = Mnist(*(part[:99] for part in digits))
    with pytest.raises(DataError, match="99 training digits are too few"):
        labelled.measure(few, QUICK)


@pytest.mark.slow
def test_it_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Mnist
) -> None:
    monkeypatch.setattr("tinygrad_bp.lesson.cached.cache_folder", lambda: tmp_path)
    told: list[str] = []
    first = labelled_once(digits, QUICK, told.append)
    assert len(told) == QUICK.runs == 6
    assert labelled_once(digits, QUICK, told.append) == first
    assert len(told) == 6
    path = labelled_path(digits, QUICK)
    assert path != labelled_path(digits)
    assert path != labelled_path(digits._replace(train_labels=digits.train_labels[::-1]), QUICK)
    for damage in (b"damaged", b"[]", b'{"digits": []}', b"\xff"):
        path.write_bytes(damage)
        assert labelled_once(digits, QUICK) == first


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Mnist
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tinygrad_bp.lesson.cached.cache_folder", lambda: tmp_path / "file")
    with pytest.raises(DataError, match="cannot be made"):
        labelled_once(digits, QUICK)


# --- the story ------------------------------------------------------------------------------------


def test_a_story_is_fifteen_scenes_of_short_sentences() -> None:
    assert len(SCENES) == len(set(SCENES)) == 15
    for scene in story()["scenes"]:
        times = [at for at, _ in scene["clauses"]]
        assert times == sorted(times)
        assert len(" ".join(text for _, text in scene["clauses"]).split()) <= 40
    assert len(story()["lines"]) == 6
    assert {id_ for id_, _ in story()["lines"]} <= set(SCENES)


def test_the_recap_comes_first() -> None:
    assert SCENES[:3] == ["feed-forward", "how-wrong", "which-way-down"]


@pytest.mark.parametrize("scene", story()["scenes"], ids=lambda scene: scene["id"])
def test_a_scene_can_be_read_in_words_numbers_and_formulas(scene: dict[str, Any]) -> None:
    drawer = scene["drawer"]
    assert all(words.endswith(".") for words in drawer["words"])
    assert set(drawer["formula"]) == {"symbols", "numbers", "result"}
    assert (
        "{" in drawer["formula"]["numbers"] + drawer["formula"]["result"]
    )  # worked out, not typed


def test_one_example_is_not_said_to_be_faster() -> None:
    """It is looked at to understand; that mini-batches are quick comes later."""
    for scene in story()["scenes"][: SCENES.index("mini-batches")]:
        words = json.dumps([scene["clauses"], scene["drawer"]["words"]])
        assert not re.search(r"faster|quick|efficien|cheap", words)


# --- the document ---------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a page: names, attributes, and the text inside each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in self.inside:
            self.inside[self.found[-1][0]][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}))


def test_the_page_is_the_same_every_time(data: dict[str, Any], page: str) -> None:
    assert stage_page(stage_data()) == page
    assert len(page.encode()) < 1_000_000


def test_the_page_has_what_a_document_has(page: str) -> None:
    found = Elements(page).found
    assert page.startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "en"}) in found
    assert ("meta", {"charset": "utf-8"}) in found
    assert [attrs["content"] for _, attrs in found if attrs.get("name") == "viewport"]
    assert f"<title>{story()['title']}</title>" in page


def test_its_policy_admits_what_is_in_it_alone(page: str) -> None:
    elements = Elements(page)
    (policy,) = (a["content"] for _, a in elements.found if "http-equiv" in a)
    assert policy is not None
    admitted = dict(part.split(maxsplit=1) for part in policy.split("; "))
    assert admitted["default-src"] == "'none'"
    assert admitted["font-src"] == "data:"
    assert admitted["img-src"] == "data: blob:"
    _, script = elements.inside["script"]
    for name, texts in (("style-src", elements.inside["style"]), ("script-src", [script])):
        assert admitted[name].split() == [_hash(text) for text in texts]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_it_asks_for_nothing(page: str) -> None:
    elements = Elements(page)
    assert not [a for _, a in elements.found if a.keys() & {"src", "href", "srcset", "style"}]
    styles, (_, script) = "".join(elements.inside["style"]), elements.inside["script"]
    assert all(url.startswith("data:") for url in re.findall(r"url\(\"?([^)]+)", styles))
    assert "@import" not in styles
    for way in ("fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "import("):
        assert way not in script
    addresses = set(re.findall(r"https?://[\w./-]+", page))
    assert all(a.startswith(("http://www.w3.org/", "https://svelte.dev/e/")) for a in addresses)


def test_no_text_of_the_data_gets_out_of_it(data: dict[str, Any]) -> None:
    hostile = "</script><script>alert(1)</script><!-- & \"'\u2028é"
    page = stage_page({**data, "source": {"kind": "drawn", "text": hostile}})
    carried = Elements(page).inside["script"][0]
    assert json.loads(carried)["source"]["text"] == hostile
    assert page.count("<script") == 2
    assert "alert(1)</script>" not in page


def test_what_is_built_stays_inside_its_elements() -> None:
    built = files("tinygrad_bp.pages") / "built"
    script = (built / "stage.js").read_text(encoding="utf-8").lower()
    assert "</script" not in script
    assert "<script" not in script  # after a "<!--", it would take a second end
    assert "</style" not in (built / "stage.css").read_text(encoding="utf-8").lower()


def test_without_scripts_it_shows_the_first_moment(data: dict[str, Any], page: str) -> None:
    pixels = unblob(data["shown"]["images"])[:784] / 255
    two = OneExample(network_of(unblob(data["net"])), pixels, 2)
    plain = page.partition("<body>")[2].partition("<noscript>")[2].partition("</noscript>")[0]
    assert "Example 5 is a 2; the network: untrained" in plain
    for a, wish in zip(two.output, two.wishes, strict=True):
        assert f"<td>{a:.4f}</td>" in plain
        assert f"<td>{wish:+.4f}</td>" in plain


@pytest.mark.mnist
def test_with_mnist_it_is_the_lessons_own(mnist_folder: Path) -> None:
    given = bp.data.mnist(mnist_folder, verify=False)
    data = stage_data(given, measured=labelled.shipped())
    pixels = unblob(data["shown"]["images"])[:784] / 255
    two = OneExample(network_of(unblob(data["net"])), pixels, 2)
    assert two.cost == pytest.approx(4.10611, abs=5e-5)
    assert len(stage_page(data).encode()) < 1_000_000


# --- notebooks ------------------------------------------------------------------------------------


def test_a_notebook_shows_the_stage(page: str) -> None:
    shown = bp.lesson.stage()._repr_html_()
    ((tag, attrs), _) = Elements(shown).found
    assert tag == "iframe"
    assert attrs["srcdoc"] == page
    assert attrs["title"] == story()["title"]
    assert attrs["height"] == "640"


def test_a_notebook_shows_another_example() -> None:
    made = bp.lesson.stage(example=7, height=400)
    assert "Example 7 is" in made.html
    assert 'height="400"' in made._repr_html_()
    assert "MB" in repr(made)
