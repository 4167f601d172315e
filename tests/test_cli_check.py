"""`tinygrad-bp check`: what it checks, what it prints, and its exit codes."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_bp import nn
from tinygrad_bp.data import drawn_digits, write_idx
from tinygrad_bp.data.sets import drawn
from tinygrad_bp.train import Recipe, Training

ROOT = Path(__file__).parent.parent
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")

pytestmark = pytest.mark.usefixtures("plain_terminal")

SOURCE = """
import numpy as np
from tinygrad_bp.gradcheck.strategies import arrays
from tinygrad_bp.registry import elementwise, primitive


def right(x, y):
    print("a line that must not get into the JSON")
    return np.sin(x) @ y


@primitive
def wrong(x):
    return np.where(x > 0.5, 2 * x, x)


elementwise(wrong, lambda g, y, x: g)


def square(x):
    return x * x


def noisy(x):
    return x + np.random.default_rng().random()


def failing(x):
    return x / np.zeros(3).reshape(2)


def inputs(rng):
    return rng.random((2, 3)), rng.random(3)


class Group:
    right = staticmethod(square)


drawn = arrays((2,))
number = 3
"""


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "functions_to_check.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def run(cli):
    """Run the command; give its exit code, its text on stdout, and its text on stderr."""
    return functools.partial(cli, "check")


# --- functions ------------------------------------------------------------------------------------


def test_a_right_gradient(run, module):
    code, out, _ = run(f"{module}:right", "--input", "2x3", "3")
    assert code == 0
    assert out.startswith("gradcheck ok: ")
    assert not CONTROL.search(out)


def test_a_wrong_gradient(run, module, tmp_path):
    np.save(tmp_path / "x.npy", np.array([0.25, 1.0]))
    code, out, err = run(f"{module}:wrong", "--input", tmp_path / "x.npy")
    assert (code, err) == (1, "")
    assert re.search(r"FAIL +input 0\[1\] of output 1 +1 +2 ", out)
    assert "the rule of 'wrong' for argument 0 is wrong" in out


def test_json_is_the_report_and_nothing_else(run, module):
    code, out, err = run(f"{module}:right", "--input", "2x3", "3", "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["method"]) == (0, True, "complex step")
    assert "a line that must not get into the JSON" in err
    _, out, _ = run(f"{module}:square", "--input", "0x2", "--method", "differences", "--json")
    assert json.loads(out)["method"] == "differences"


def test_the_seed_decides_the_inputs(run, module):
    first, again, other = (
        run(f"{module}:square", "--input", "scalar", "--seed", seed)[1] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_dotted_module_in_the_current_folder(run, module, monkeypatch):
    monkeypatch.chdir(module.parent)
    assert run("functions_to_check:Group.right", "--input", "3")[0] == 0
    assert run("numpy:sin", "--input", "3", "--input", "2")[0] == 1  # out= is refused
    assert run("numpy:linalg.norm", "--input", "3x3")[0] == 0


def test_inputs_from_a_function_of_a_generator(run, module):
    code, out, _ = run(f"{module}:right", "--strategy", f"{module}:inputs", "--examples", 3)
    assert code == 0
    assert "PASS" in out


@pytest.mark.slow
def test_inputs_from_a_strategy_are_shrunk(run, module):
    assert run(f"{module}:square", "--strategy", f"{module}:drawn")[0] == 0
    code, out, err = run(f"{module}:wrong", "--strategy", f"{module}:drawn", "--json")
    report = json.loads(out)
    assert (code, err, report["ok"]) == (1, "", False)
    assert report["counts"]["FAIL"] >= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noisy", "two different results"),
        ("failing", r"failing cannot be checked: ValueError: .* \(.*functions_to_check.py:29\)"),
    ],
)
def test_what_cannot_be_checked_is_told_in_one_line(run, module, name, message):
    code, out, err = run(f"{module}:{name}", "--input", "3")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert re.search(message, err)


BAD = {
    "": "give either MODULE:FUNCTION or --model",
    "{m}:square --model m.npz": "give either MODULE:FUNCTION or --model",
    "{m}:square": "give the function's inputs",
    "{m}:square --input 3 --strategy {m}:drawn": "give the function's inputs",
    "{m}:square --input 3 --examples 3": "argument --examples",
    "{m}:square --input 3 --data .": "argument --data",
    "--model m.npz --input 3": "; --data is for a model",
    "{m}:square --input 3x": "neither a shape",
    "{m}:square --input 99999999x99999999x9": "99999999x99999999x9 is too large",
    "{m}:square --input nowhere.npy": "nowhere.npy cannot be read",
    "{m}:square --input {m}.npy": "cannot be read",
    "{m}:missing --input 3": "has no 'missing'",
    "{m} --input 3": "does not have the form MODULE:NAME",
    "nowhere.py:f --input 3": "nowhere.py does not exist",
    "no_such_module:f --input 3": "no_such_module cannot be imported: ModuleNotFoundError",
    "{m}:square --strategy {m}:number": "neither a strategy nor a function of a",
    "{m}:square --input 3 --method guess": "argument --method",
    "{m}:square --input 3 --seed -1": "argument --seed",
}


@pytest.mark.parametrize("arguments", BAD)
def test_wrong_arguments(run, module, arguments):
    code, out, err = run(*arguments.format(m=module).split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert BAD[arguments] in err


def test_a_module_that_raises(run, tmp_path):
    (tmp_path / "raises.py").write_text("x = 1\nx.missing\n")
    code, _, err = run(f"{tmp_path / 'raises.py'}:x", "--input", "3")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be imported: AttributeError" in err
    assert "raises.py:2)" in err


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.npz"
    run = Training(
        Recipe(hidden=(4,), epochs=1, cost="cross_entropy"), drawn(0, train=200, test=50)
    )
    run.run_epoch()
    run.save(path)
    return path


@pytest.mark.slow
def test_a_model_on_drawn_digits(run, model):
    code, out, _ = run("--model", model)
    assert code == 0
    assert "No --data: using digits drawn with seed 0." in out
    assert "3,190 parameters, cross entropy of 1 example\n" in out
    assert "0.weight" in out or "weight" in out


@pytest.mark.slow
def test_a_model_on_data(run, model, tmp_path):
    images, labels = drawn_digits(20, np.random.default_rng(3))
    pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", pixels)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    code, out, err = run("--model", model, "--data", tmp_path, "--examples", 3, "--json")
    report = json.loads(out)
    assert (code, err, report["ok"]) == (0, "", True)
    assert sum(report["counts"].values()) == 3190


def test_a_model_without_its_run(run, tmp_path):
    path = tmp_path / "plain.npz"
    rng = np.random.default_rng(0)
    nn.save(path, nn.MLP(784, 2, 10, output_activation=nn.Sigmoid(), rng=rng))
    code, out, err = run("--model", path, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert err == "No --data: using digits drawn with seed 0.\n"


def test_a_model_of_something_else_than_digits(run, tmp_path):
    path = tmp_path / "small.npz"
    nn.save(path, nn.MLP(5, 2, rng=np.random.default_rng(0)))
    code, _, err = run("--model", path)
    assert (code, err.count("\n")) == (1, 1)
    assert "reads 5 pixels and tells 2 classes" in err


def test_a_missing_model(run):
    code, _, err = run("--model", "nowhere.npz")
    assert (code, err.count("\n")) == (1, 1)
    assert "nowhere.npz" in err


# --- the terminal ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_terminal_gets_a_bar_and_colours(run, model, module, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, _ = run("--model", model)
    assert "━" in out
    _, out, _ = run(f"{module}:wrong", "--strategy", f"{module}:drawn")
    assert "\x1b[31m" in out


def test_as_a_command(module):
    result = subprocess.run(
        [sys.executable, "-m", "tinygrad_bp", "check", f"{module}:wrong", "--input", "9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("gradcheck FAILED")
