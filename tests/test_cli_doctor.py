"""`tinygrad-bp doctor`: what it examines, what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quick import some_quick

ROOT = Path(__file__).parent.parent

SOURCE = """
import numpy as np
from tinygrad_bp import nn, optim

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 4)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)


def net(*end):
    draw = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(4, 16, rng=draw), nn.ReLU(), nn.Linear(16, 2, rng=draw), *end)


def good():
    print("a line that must not get into the JSON")
    model = net()
    return model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=1e-2), x, y


def bad():
    model = net(nn.Softmax(dim=1))
    return model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=1e-2), x, y


def forgets():
    model, loss, optimizer, x, y = good()

    def step(x, y):
        loss(model(x), y).backward()
        optimizer.step()

    return {"model": model, "loss": loss, "optimizer": optimizer, "x": x, "y": y, "step": step}


def half():
    return net(), nn.CrossEntropyLoss()


def other():
    return {"model": net(), "data": x}


def less():
    return {"model": net()}


def wants(n):
    return n


def narrow():
    model = net()
    return model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=1e-2), x[:, :3], y


def fails():
    raise OSError("no such data")


number = 3
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("source") / "doctored.py"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


def test_nothing_to_change(cli: Any, source: str) -> None:
    code, out, _ = cli("doctor", f"{source}:good")
    assert code == 0
    assert out.startswith("doctor: nothing wrong\n  Sequential of 114 parameters, a batch of 40, ")
    assert "\x1b" not in out
    assert "On 20 examples it goes from 0." in out


def test_something_to_change(cli: Any, source: str) -> None:
    code, out, err = cli("doctor", f"{source}:bad", "--no-fit")
    assert code == 1
    assert "WRONG     softmax before a loss that wants logits\n  at      3\n" in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80


def test_a_step_is_looked_at(cli: Any, source: str) -> None:
    code, out, _ = cli("doctor", f"{source}:forgets")
    assert code == 1
    assert "optimizer.zero_grad()" in out


def test_json(cli: Any, source: str) -> None:
    code, out, err = cli("doctor", f"{source}:good", "--json")
    assert code == 0
    assert json.loads(out)["findings"] == []
    assert "a line that must not get into the JSON" in err


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        (
            "half",
            2,
            "must return a tuple of model, loss, optimizer, x, y, or a dict; it returned 2",
        ),
        ("other", 2, "has 'data'; it is of model, loss"),
        ("less", 2, "lacks 'loss'"),
        ("wants", 2, "must be a function that can be called without arguments"),
        ("number", 2, "is no function, but a int"),
        ("nothing", 2, "has no 'nothing'"),
        ("fails", 1, "cannot be examined: OSError: no such data"),
        ("narrow", 1, "0 = Linear(4, 16): expects (..., 4), got (40, 3)"),
    ],
)
def test_what_cannot_be_examined(cli: Any, source: str, target: str, code: int, said: str) -> None:
    found, out, err = cli("doctor", f"{source}:{target}")
    assert found == code
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("columns", some_quick([80, 100], 2))
def test_in_a_terminal(source: str, columns: int) -> None:
    pty = pytest.importorskip("pty")
    program = f"import os; os.environ['COLUMNS'] = '{columns}'\n" + (
        "from tinygrad_bp.cli import main; raise SystemExit(main())"
    )
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("no terminals can be opened here")
    command = [sys.executable, "-c", program, "doctor", f"{source}:bad", "--no-fit"]
    env = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT, env=env) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # it has ended
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 1
    text = written.decode()
    assert "\x1b[1;31mWRONG" in text
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)
    assert max(map(len, re.split(r"[\r\n]+", plain))) <= columns
