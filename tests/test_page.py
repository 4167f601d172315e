"""The page of a backward pass, read as text."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from documents import HOSTILE, Elements

import tinygrad_bp as bp
from tinygrad_bp import Tensor
from tinygrad_bp.explain.page import frame, page
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.stage import stage_data


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


# --- what goes in stays what it is ----------------------------------------------------------


def test_the_data_come_back_as_they_were(data: dict[str, Any], document: str) -> None:
    embedded, _ = Elements(document).text_of("script")
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
    embedded = found.text_of("script")[0]
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded)["title"] == HOSTILE


def test_braces_of_the_user_are_not_placeholders() -> None:
    data = example() | {"title": "{{script}}"}
    assert "<h1>{{script}}</h1>" in page(data)


def test_a_nan_must_be_a_word() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page(example() | {"arrays": [float("nan")]})


def test_without_scripts_the_title_and_what_to_do_are_there(document: str, data: Any) -> None:
    elements = Elements(document)
    assert elements.text_of("h1") == [data["title"]]
    assert "bp.explain(loss)" in elements.text_of("noscript")[1]


# --- in a notebook --------------------------------------------------------------------------


def inside(shown: str) -> tuple[dict[str, str | None], str]:
    """The attributes of the frame, and the document in it."""
    ((tag, attributes),) = Elements(shown).found
    assert tag == "iframe"
    return attributes, attributes["srcdoc"] or ""


def test_a_notebook_shows_the_page_in_a_frame(
    data: dict[str, Any], document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="w")
    loss = (w * np.array([2.0, 0.25])).sum() ** 2
    explained = bp.explain(loss)
    assert "Backward pass from" in capsys.readouterr().out  # no notebook here
    attributes, held = inside(explained._repr_html_())
    assert held == page(explained.to_dict())
    assert attributes["sandbox"] == "allow-scripts"  # and nothing of the notebook's
    assert attributes["title"] == f"{data['title']}: the backward pass"
    assert inside(frame(data))[1] == document


def test_what_hostile_names_say_stays_inside_the_frame(data: dict[str, Any]) -> None:
    hostile = {**data, "title": f'{HOSTILE}" onload="alert(1)'}
    attributes, held = inside(frame(hostile))
    assert "onload" not in attributes
    assert held == page(hostile)


def test_a_kernel_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    w = Tensor(2.0, requires_grad=True)
    bp.explain(w * w)
    assert capsys.readouterr().out == ""
    del shell.kernel  # IPython in a terminal
    bp.explain(w * w)
    assert "Backward pass from" in capsys.readouterr().out


class Frames(HTMLParser):
    """What the frames of a document hold."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.held: list[str | None] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "iframe":
            self.held.append(dict(attrs)["srcdoc"])


def test_nbconvert_keeps_the_page(data: dict[str, Any], document: str) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    nbconvert = pytest.importorskip("nbconvert", reason="needs nbconvert")
    output = nbformat.v4.new_output("display_data", {"text/html": frame(data)})
    cell = nbformat.v4.new_code_cell("bp.explain(loss)", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    written, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    assert Frames(written).held == [document]


@pytest.mark.slow
def test_a_kernel_shows_the_pages_and_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    nbconvert = pytest.importorskip("nbconvert", reason="needs nbconvert")
    processors = pytest.importorskip("nbconvert.preprocessors", reason="needs nbconvert")
    monkeypatch.setenv("PYTHONPATH", str(Path(bp.__file__).parents[1]))
    sources = [
        "import tinygrad_bp as bp\nw = bp.Tensor(2.0, requires_grad=True)\nbp.explain(w * w)",
        "bp.lesson.stage()",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    processors.ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(notebook, {})
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert [output.output_type for output in outputs] == ["execute_result"] * 2
    held, staged = (Frames(output.data["text/html"]).held[0] for output in outputs)
    assert held is not None
    assert staged == stage_page(stage_data())
    written, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    assert Frames(written).held == [held, staged]
    embedded, _ = Elements(held).text_of("script")
    data = json.loads(embedded)
    assert len(data["steps"]) == 2
    assert [file["path"] for file in data["sources"].values()] == ["In[1]"]
