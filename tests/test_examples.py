"""The examples run, print what they promise, and write pages that hold what they computed."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def runner(name: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
        page = tmp_path / "page.html"
        monkeypatch.setattr("sys.argv", [name, str(page)])
        values = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        (data,) = re.findall(
            r'<script type="application/json"[^>]*>(.*?)</script>',
            page.read_text("utf-8"),
            re.DOTALL,
        )
        return values, capsys.readouterr().out, json.loads(data)

    return runner


def gradients_of(data: dict[str, Any]) -> dict[str, Any]:
    """The gradients on the page, by the names of the leaves."""
    found = {}
    for node in data["nodes"]:
        if node["kind"] == "leaf":
            view = data["arrays"][node["grad"]]
            found[node["name"]] = view if isinstance(view, float) else view["data"]
    return found


def test_the_chain_has_the_lessons_numbers(run: Any) -> None:
    values, out, data = run("01_chain_rule.py")
    pinned = {"w1": 0.00942011, "b1": 0.0188402, "w2": -0.0111146}
    pinned |= {"b2": -0.0349121, "w3": -0.0741341, "b3": -0.1530639}
    for name, expected in pinned.items():
        assert values[name].grad.item() == pytest.approx(expected, abs=1e-7)
        assert gradients_of(data)[name] == values[name].grad.item()
    assert "-0.6814 · 0.2246 · 0.4843 = -0.07413" in out
    assert data["title"] == "cost = 0.1161"


def test_the_small_network_is_what_it_is_by_hand(run: Any) -> None:
    values, out, data = run("02_explain_backprop.py")
    assert "4 of 4 answers are right" in out
    for name in ("W1", "b1", "W2", "b2"):
        expected = values["by_hand"][values[name]]
        np.testing.assert_allclose(gradients_of(data)[name], expected, rtol=1e-13)


def test_a_shared_weight_gets_three_contributions(run: Any) -> None:
    values, out, data = run("03_shared_weights.py")
    w = values["W"]
    values["loss"].backward()
    np.testing.assert_array_equal(gradients_of(data)["W"], w.grad.data)
    assert "W is used 3 times" in out


def test_the_broadcast_mistake_is_told(run: Any) -> None:
    values, out, _ = run("04_broadcast_mistake.py")
    assert "summed over axis 1: (5, 5) -> (5, 1)" in out.partition("right:")[0]
    assert "(5, 5)" not in out.partition("right:")[2].partition("The step")[0]
    assert values["wrong"].item() != pytest.approx(values["right"].item())
