"""`bp.explain` as users meet it: printed, written as a page, in a notebook, asked why."""

from __future__ import annotations

import re
import sys
import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from quick import some_quick

import tinygrad_bp as bp
from tinygrad_bp import Tensor
from tinygrad_bp.errors import DataError, FreedGraphError, TinygradError
from tinygrad_bp.explain.graph import MAX_OPS
from tinygrad_bp.explain.trace import Trace


def chain() -> tuple[Tensor, Tensor, Tensor]:
    w, b = Tensor(0.5, requires_grad=True), Tensor(-1.0, requires_grad=True)
    z = w * 3.0 + b
    return w, b, np.tanh(z) ** 2


def test_the_package_can_be_called(capsys: pytest.CaptureFixture[str]) -> None:
    w, _, cost = chain()
    traced = bp.explain(cost)
    out = capsys.readouterr().out
    assert isinstance(traced, Trace)
    assert out.startswith("Backward pass from cost = 0.2136")
    assert "source: test_explain.py" in out
    assert "\x1b" not in out
    assert w.grad is None
    assert bp.explain.Symbol is not None


def test_a_long_pass_is_cut_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    x = y = Tensor(0.5, requires_grad=True)
    for _ in range(30):
        y = np.sin(y)
    bp.explain(y, limit=4)
    short = capsys.readouterr().out
    bp.explain(y, limit=None)
    full = capsys.readouterr().out
    assert "26 " in short
    assert full.count("step ") > 26 > short.count("step ")
    assert x.grad is None


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    _, _, cost = chain()
    page = tmp_path / "cost.html"
    assert repr(bp.explain(cost, page)) == "<Explanation of cost: 6 nodes, 5 steps>"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["cost.html"]
    with pytest.raises(DataError, match="could not be written"):
        bp.explain(cost, tmp_path / "missing" / "cost.html")


def test_a_used_graph_says_what_to_do() -> None:
    _, _, cost = chain()
    cost.backward()
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        bp.explain(cost)


def test_notebooks_show_tensors_and_graphs() -> None:
    w, _, cost = chain()
    shown = bp.trace(cost)._repr_html_()
    frame = xml.dom.minidom.parseString(shown).documentElement  # noqa: S318  (our own)
    assert "overflow-x: auto" in frame.getAttribute("style")
    assert frame.firstChild.tagName == "svg"
    assert "max-width: 100%" in frame.firstChild.getAttribute("style")
    assert "made by" in cost._repr_html_()
    assert "gradient" not in w._repr_html_()
    cost.backward()
    assert "gradient" in w._repr_html_()
    y = w
    for _ in range(200):
        y = np.sin(y)
    assert bp.trace(y)._repr_html_().startswith("<pre>Backward pass")


def test_a_line_of_a_notebook_is_named_by_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {__file__: ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=cells.get))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    site = (Tensor(1.0, requires_grad=True) * 2).op.site
    assert re.fullmatch(r"In\[3\]:\d+, `site = .*`", str(site))


def test_a_notebook_runs_nothing_that_a_tensor_says() -> None:
    assert "<Zeros>" not in Tensor(np.array("2020-01-01", "datetime64[D]"))._repr_html_()


# --- graphs that are too large ----------------------------------------------------------------


def long(count: int) -> tuple[Tensor, Tensor]:
    x = y = Tensor(0.5, requires_grad=True)
    for _ in range(count):
        y = y * 1.0
    return x, y


EXPLAINERS: dict[str, Callable[..., Any]] = {
    "explain": lambda x, y: bp.explain(y),
    "trace": lambda x, y: bp.trace(y),
    "paths": lambda x, y: bp.paths(y, x),
    "paths by name": lambda x, y: bp.paths(y, "x"),
    "grade": lambda x, y: bp.explain.grade({x: 1.0}, y),
    "wengert": lambda x, y: bp.explain.wengert(y),
    "to_svg": lambda x, y: bp.to_svg(y),
    "to_dot": lambda x, y: bp.to_dot(y),
    "to_mermaid": lambda x, y: bp.to_mermaid(y),
}


@pytest.mark.parametrize("name", some_quick(EXPLAINERS, 3))
def test_a_large_graph_is_refused_before_anything_is_done(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one formula is written, not one step taken."""

    def too_late(*_: Any, **__: Any) -> Any:
        raise AssertionError("the work has begun")

    for work in ("explain.graph.graph_of", "explain.record.graph_of", "engine.sweep"):
        monkeypatch.setattr(f"tinygrad_bp.{work}", too_late)
    x, y = long(MAX_OPS + 1)
    with pytest.raises(TinygradError, match=r"20,001 operations") as raised:
        EXPLAINERS[name](x, y)
    said = "limit=500" if name.startswith("to_") else "max_ops=20,000"
    assert said in str(raised.value)


def test_more_can_be_allowed(tmp_path: Path) -> None:
    x, y = long(30)
    for explain in (bp.explain, bp.trace):
        with pytest.raises(TinygradError, match=r"30 operations.*max_ops=29.*bp\.trace\(loss, max"):
            explain(y, max_ops=29)
    with pytest.raises(TinygradError, match="30 operations"):
        bp.paths(y, x, max_ops=29)
    assert len(bp.paths(y, x, max_ops=30)) == 1
    assert len(bp.trace(y, max_ops=30).steps) == 30
    bp.explain(y, tmp_path / "page.html", max_ops=30)


# --- why is there no gradient? ----------------------------------------------------------------


def case(name: str) -> tuple[Any, Tensor]:
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    product = x * w
    loss = product.sum()
    with bp.no_grad():
        silent = x * w
    return {
        "constant": (np.ones(2), loss),
        "integer": (Tensor([1, 2]), loss),
        "untracked": (Tensor([1.0]), loss),
        "detached result": (product.detach(), loss),
        "detached leaf": (w, (x * w.detach()).sum()),
        "data": (w, (x * w.data).sum()),
        "another": (Tensor(1.0, requires_grad=True), loss),
        "loss does not track": (w, silent.sum()),
        "read": (w, loss),
        "result": (product, loss),
        "loss": (loss, loss),
    }[name]


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "constant": "ndarray is a constant",
        "integer": "int64 values make no small changes",
        "untracked": "it does not track",
        "detached result": "detached from the graph",
        "detached leaf": r"detached copy of this tensor \(multiply, recorded at .*test_explain.py",
        "data": "detached copy of this tensor",
        "another": "there is no path",
        "loss does not track": "the loss does not track",
        "read": r"comes? .*from multiply, recorded at .*backward\(\) has not run|gets its gradient",
        "result": "does not keep it",
        "loss": "its gradient is 1",
    }.items(),
)
def test_why(name: str, reason: str) -> None:
    value, loss = case(name)
    assert re.search(reason, bp.explain.why(value, loss))


def test_why_after_backward() -> None:
    x = Tensor(2.0, requires_grad=True)
    unused = Tensor(1.0, requires_grad=True)
    y = x * x
    loss = y * 3.0
    loss.backward(retain_graph=True)
    assert "it holds 12" in bp.explain.why(x, loss)
    loss.backward()
    assert "24, from 2 backward passes" in bp.explain.why(x, loss)
    assert "did not reach it" in bp.explain.why(unused, loss)
    assert "retain_grad()" in bp.explain.why(y, loss)
