"""`tinygrad-bp study` and `tinygrad-bp mutants`: figures, tables, pictures and exit codes."""

from __future__ import annotations

import json
import re
import shlex

import numpy as np
import pytest

from tinygrad_bp.gradcheck.mutants import plant

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")

pytestmark = pytest.mark.usefixtures("plain_terminal")

SOURCE = """
import numpy as np
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck.mutants import Probe
from tinygrad_bp.registry import elementwise, primitive


def f(x):
    return np.sum(np.exp(np.sin(2 * x)))


def loss(x):
    return F.cross_entropy(x, np.array([0, 1]))


def vector(x):
    return np.sin(x)


def flat(x):
    return np.sum(x * 0)


@primitive
def double(x):
    return 2 * np.asarray(x)


elementwise(double, lambda g, y, x: 2 * g)


def doubled(x):
    return np.sum(double(x) ** 2)


calls = [
    Probe(double, (np.array([[0.5, -1.0, 2.0], [1.0, 3.0, -0.5]]),)),
    Probe(np.var, (np.array([0.5, 2.0]),)),  # which has no rule of its own
]
tame = [Probe(np.where, (np.array([True, False]), np.ones(2), np.zeros(2)))]
"""


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "functions_to_study.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def run(cli, module):
    """Run a command line; give its exit code, its text on stdout, and its text on stderr."""
    return lambda line: cli(*shlex.split(line.format(m=module)))


# --- step sizes -----------------------------------------------------------------------------------


def test_the_famous_function_without_arguments(run):
    code, out, err = run("study step-size")
    assert (code, err) == (0, "")
    assert re.search(r"^float64   five-point .* \+4\.00 \(\+4\)", out, re.M)
    assert re.search(r"^ 1e-16 \|iiii", out, re.M)
    assert not CONTROL.search(out)


def test_a_function_at_numbers(run):
    code, out, _ = run("study step-size {m}:f --at 0.5 -1.0 --dtype float64 --json")
    curves = json.loads(out)["curves"]
    assert (code, [curve["dtype"] for curve in curves]) == (0, ["float64"] * 4)
    assert curves[3]["best"]["error"] < 1e-15


def test_methods_are_chosen(run):
    command = "study step-size {m}:f --input scalar --json --method central complex-step"
    names = {curve["method"] for curve in json.loads(run(command)[1])["curves"]}
    assert names == {"central", "complex step"}


def test_losses_of_the_library(run):
    code, out, _ = run("study step-size {m}:loss --input 2x3 --dtype float64 --json")
    found = {curve["method"]: curve["best"]["error"] for curve in json.loads(out)["curves"]}
    assert code == 0
    assert found["central"] < 1e-9


def test_the_complex_step_is_left_out_where_it_cannot_go(run):
    _, out, _ = run("study step-size {m}:doubled --at 1 --json")
    assert {c["method"] for c in json.loads(out)["curves"]} >= {"forward", "central", "five-point"}
    _, out, _ = run("study step-size numpy:linalg.cond --at 1 --json")
    assert out == ""


# --- Taylor remainders ----------------------------------------------------------------------------


def test_a_right_gradient(run):
    code, out, _ = run("study taylor {m}:f --input 3x4")
    assert code == 0
    assert re.search(r"slope +1\.0\d+ +(2\.0|1\.9)\d+ +the gradient is right", out)


def test_a_wrong_gradient(run):
    with plant(np.exp, "factor 1.001"):
        code, out, _ = run("study taylor {m}:f --at 0.5 1.0")
    assert code == 1
    assert "the gradient is WRONG along v" in out


def test_a_function_that_does_not_move_proves_nothing(run):
    code, out, _ = run("study taylor {m}:flat --at 0.5 1.0")
    assert code == 1
    assert "UNKNOWN: nothing moves along v" in out
    report = json.loads(run("study taylor {m}:flat --at 0.5 --json")[1])
    assert (report["ok"], report["vacuous"]) == (False, True)


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", ["step-size", "taylor"])
def test_pictures(run, tmp_path, study):
    pytest.importorskip("matplotlib")
    with np.errstate(all="ignore"):  # matplotlib's own arithmetic
        code, _, _ = run(f"study {study} --plot {tmp_path / 'curves.png'}")
    assert code == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("study", ["step-size", "taylor"])
def test_a_terminal_gets_colours(run, monkeypatch, study):
    plain = run(f"study {study}")[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    colored = run(f"study {study}")[1]
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


BAD = {
    "study": (2, "the following arguments are required"),
    "study step-size {m}:f": (2, "give the point with --at or --input"),
    "study step-size {m}:f --at x": (2, "argument --at"),
    "study step-size {m}:f --at 1 --input 3": (2, "not allowed with"),
    "study step-size --method backward": (2, "argument --method: there is no 'backward'"),
    "study step-size --plot curves.txt": (2, "argument --plot"),
    "study taylor {m}:missing --at 1": (2, "has no 'missing'"),
    "study step-size {m}:vector --input 2x3": (1, "of shape (2, 3); a study needs a scalar"),
    "study taylor {m}:vector --input 2x3": (1, "of shape (2, 3); a study needs a scalar"),
    "study taylor {m}:loss --input 2x3x4": (1, "labels of shape"),
    "mutants --rule no_such_rule": (2, "argument --rule: there is no rule for no_such_rule"),
    "mutants --rule arctan2": (2, "arctan2 is not among the calls"),
    "mutants --calls {m}:f": (2, "argument --calls"),
    "mutants --sample 0": (2, "argument --sample"),
    "mutants --sample 1 --markdown nowhere/table.md": (1, "nowhere/table.md could not be written"),
}


@pytest.mark.parametrize("command", BAD)
def test_what_is_told_in_one_line(run, command):
    code, out, err = run(command)
    expected, message = BAD[command]
    assert (code, out, err.count("\n")) == (expected, "", 1)
    assert message in err


# --- mutants --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sample_of_mutants(run):
    code, out, err = run("mutants --sample 2 --seed 1")
    assert (code, err) == (0, "")
    assert " 0 survived" in out
    assert "\n2 of " in out
    assert not CONTROL.search(out)


@pytest.mark.slow
def test_mutants_of_named_rules_as_json(run):
    code, out, _ = run("mutants --rule exp matmul --rule exp --json")
    found = json.loads(out)
    assert (code, found["ok"]) == (0, True)
    assert {mutant["function"] for mutant in found["mutants"]} == {"exp", "matmul"}


def test_mutants_of_somebodys_own_rule(run, tmp_path):
    command = f"mutants --calls {{m}}:calls --markdown {tmp_path / 'table.md'}"
    code, out, _ = run(command)
    assert code == 0
    assert re.search(r"^double +x ", out, re.M)
    assert re.search(r"^1 of \d+ derivative rules were broken\.$", out, re.M)
    first, *rest = (tmp_path / "table.md").read_text().splitlines()
    assert re.fullmatch(r"Made by `tinygrad-bp mutants --calls .*table\.md`\.", first)
    assert any(line.startswith("| double ") for line in rest)


def test_calls_that_are_too_tame_are_no_success(run):
    code, out, _ = run("mutants --calls {m}:tame")
    assert code == 1
    assert "change nothing, nobody knows why" in out


def test_mutants_move_a_bar_in_a_terminal(run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "━" in "".join(run("mutants --rule exp")[1:])
