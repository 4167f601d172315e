"""`tinygrad-bp explain`: somebody's script, as text, as a page, as JSON."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import sys
import numpy as np
from tinygrad_bp import Tensor, no_grad

w = Tensor(0.5, requires_grad=True)
print("not part of the explanation", sys.argv)

def cost():
    return np.tanh(w * 2.0) ** 2

loss = cost()
loss.backward()
answer = 42
if __name__ == "__main__":
    raise SystemExit("not to be run")
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Any) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chain.py").write_text(SCRIPT)
    (tmp_path / "broken.py").write_text("x = 1 / 0\n")
    return functools.partial(cli, "explain")


@pytest.mark.parametrize("target", ["chain.py:loss", "chain.py:cost", "chain.py:cost() * 1.0"])
def test_a_script_is_explained(run: Any, target: str) -> None:
    code, out, err = run(target)
    assert code == 0
    assert out.startswith("Backward pass from ")
    assert "w" in out.partition("Gradients of the leaves")[2]
    assert "source: chain.py:10, in cost: return np.tanh(w * 2.0) ** 2" in out
    assert "not part of the explanation" not in out
    assert "not part of the explanation ['chain.py']" in err or target != "chain.py:loss"


@pytest.mark.parametrize("target", ["chain.py:loss", "chain.py:loss * 1.0", "chain.py:w"])
def test_what_backward_left_is_forgotten(run: Any, target: str) -> None:
    """The numbers are those of this one pass, whatever the script's own passes added up."""
    _, out, _ = run(target, "--json")
    data = json.loads(out)
    assert [node["held"] for node in data["nodes"]] == [None] * len(data["nodes"])
    assert [step["before"] for step in data["steps"] if step["reported"] == 1] == [None] * len(
        {data["edges"][step["edge"]]["parent"] for step in data["steps"]}
    )
    assert not any(note["kind"] == "held" for node in data["nodes"] for note in node["notes"])


def test_in_a_script_of_its_own_an_earlier_pass_is_shown(run: Any, tmp_path: Path) -> None:
    """Only the command forgets: `explain` called after a `backward()` tells what it found."""
    script = f"{SCRIPT}\nimport tinygrad_bp as bp\nbp.explain(cost())\n"
    (tmp_path / "own.py").write_text(script)
    _, _, err = run("own.py:loss")
    assert "already held" in err
    assert ".grad held" in err


def test_a_page(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("chain.py:loss", "-o", "loss.html")
    assert code == 0
    assert out.startswith("loss.html written, ")
    assert "loss = " in (tmp_path / "loss.html").read_text("utf-8")


def test_json(run: Any) -> None:
    code, out, _ = run("chain.py:loss", "--json", "--no-checks")
    data = json.loads(out)
    assert (code, data["title"][:4], data["checks"]["done"]) == (0, "loss", False)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["chain.py"], 2, "form SCRIPT.py:EXPRESSION"),
        (["missing.py:loss"], 2, "missing.py does not exist"),
        (["chain.py:loss +"], 2, "is not an expression"),
        (["chain.py:answer"], 2, "answer is of type int, not a Tensor"),
        (["chain.py:nothing"], 1, "NameError"),
        (["broken.py:x"], 2, "ZeroDivisionError"),
        (["chain.py:loss", "--open"], 2, "name the page with --out"),
        (["chain.py:loss", "--json", "-o", "x.html"], 2, "cannot be combined with --out"),
        (["chain.py:w.detach()"], 1, "nowhere to go"),
    ],
)
def test_mistakes_are_said_in_a_line(
    run: Any, arguments: list[str], code: int, message: str
) -> None:
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert err.strip().splitlines()[-1].startswith("tinygrad-bp: ")
