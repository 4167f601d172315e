"""The pytest plugin, in a project of its own, as somebody else would use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # twenty seconds of shrinking

ROOT = Path(__file__).parent.parent
PLUGIN = "tinygrad_bp.gradcheck.pytest_plugin"

TESTS = """
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from tinygrad_bp.gradcheck.mutants import plant
from tinygrad_bp.gradcheck.pytest_plugin import gradchecked
from tinygrad_bp.gradcheck.strategies import arrays, programs
from tinygrad_bp.registry import elementwise, primitive


@primitive
def double(x):
    return 2 * np.asarray(x)


elementwise(double, lambda g, y, x: np.where(x > 0.5, 3 * g, 2 * g))  # wrong above 1/2
few = settings(
    max_examples=10, derandomize=True, database=None, deadline=None,
    phases=(Phase.generate, Phase.shrink),
)


@pytest.fixture
def factor():
    return 3.0


def test_right(gradcheck):
    report = gradcheck(lambda x: np.sin(x) * x, np.array([1.0, 2.0]))
    assert report.ok


def test_wrong(gradcheck):
    gradcheck(double, np.array([0.1, 2.0]))


@few
@gradchecked(x=arrays(kinks=[0]))
def test_right_drawn(x, factor):
    return factor * np.abs(x)


@few
@gradchecked(x=arrays((2,)), y=arrays((), dtype="float32"))
def test_wrong_drawn(x, y):
    return double(x) * y


class TestGroup:
    @few
    @gradchecked(x=arrays((2,)))
    def test_wrong_method(self, x, factor):
        return double(x) * factor


@few
@given(program=programs())
def test_wrong_program(program, gradcheck):
    with plant(np.tanh, "wrong sign"):
        gradcheck(program, *program.leaves.values())


@few
@gradchecked(x=arrays((2,)))
def test_raises(x):
    return [][1]
"""


def pytest_in(folder: Path, *arguments: str, path: str = "") -> str:
    """What pytest prints in a folder, in a process of its own, with no plugins but ours."""
    paths = os.pathsep.join(filter(None, [path, str(ROOT)]))
    environment = os.environ | {"PYTHONPATH": paths}
    if not path:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            "-rA",
            *arguments,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


def project(tmp_path: Path, source: str) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_it.py").write_text(source)
    return tmp_path


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pytest_in(project(tmp_path_factory.mktemp("project"), TESTS), "-p", PLUGIN)


def failure(outcome: str, name: str) -> str:
    """The part of pytest's output on one failing test."""
    found = re.search(rf"^_+ {re.escape(name)} _+$(.*?)^(__|==)", outcome, re.M | re.S)
    assert found, outcome
    return found[1]


def program(text: str) -> str:
    """The program that a failure prints."""
    lines = [line.removeprefix("E").strip() for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if "This reproduces it:" in line)
    end = next(i for i, line in enumerate(lines[start:], start) if ".assert_ok()" in line)
    return "\n".join(lines[start + 1 : end + 1])


def test_right_gradients_pass_and_wrong_ones_fail(outcome: str) -> None:
    passed = re.findall(r"^PASSED \S*::(\w+)", outcome, re.M)
    failed = re.findall(r"^FAILED \S*::(\w+)", outcome, re.M)
    assert sorted(passed) == ["test_right", "test_right_drawn"]
    assert sorted(failed) == [
        "test_raises",
        "test_wrong",
        "test_wrong_drawn",
        "test_wrong_method",
        "test_wrong_program",
    ]


def test_a_failure_shows_the_table_and_the_users_line(outcome: str) -> None:
    text = failure(outcome, "test_wrong")
    assert "gradcheck(double, np.array([0.1, 2.0]))" in text
    assert re.search(r"FAIL +input 0\[1\] of output 1 +3 +2 ", text)
    assert "the rule of 'double' for argument 0 is wrong" in text
    assert "pytest_plugin.py" not in text  # the plugin is not between them and their line


@pytest.mark.parametrize("name", ["test_wrong_drawn", "test_wrong_method"])
def test_a_drawn_failure_is_shrunk_and_printed_as_a_program(
    outcome: str, name: str, tmp_path: Path
) -> None:
    text = failure(outcome, {"test_wrong_method": "TestGroup.test_wrong_method"}.get(name, name))
    source = program(text)
    assert re.search(r"^x = np.array\(\[0.(0|5|53125), 0.(0|5|53125)\]\)$", source, re.M)
    if name == "test_wrong_drawn":
        assert re.search(r"^y = np.array\(-?[\d.]+, np.float32\)$", source, re.M)
    # The fixture stays what it was, a number, so the program is complete.
    path = tmp_path / "reproduce.py"
    path.write_text(source)
    result = subprocess.run(
        [sys.executable, path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "GradcheckError: the gradient is wrong" in result.stderr


def test_a_failing_program_is_shrunk_and_runs(outcome: str) -> None:
    lines = [
        line.removeprefix("E").strip()
        for line in failure(outcome, "test_wrong_program").splitlines()
    ]
    start = lines.index("This is the program:") + 1
    source = lines[start : next(i for i, line in enumerate(lines) if line.startswith("print("))]
    names: dict[str, object] = {}
    exec("\n".join(source), names)  # noqa: S102  (that is what it is printed for)
    assert [line for line in source if line.startswith("v")] == ["v0 = np.tanh(a)"]
    assert str(names["a"].grad) == "Tensor(1.)"  # type: ignore[attr-defined]


def test_an_error_of_the_function_itself_is_shown_with_a_program(outcome: str) -> None:
    text = failure(outcome, "test_raises")
    assert "IndexError" in text
    assert "x = np.array([0.0, 0.0])" in program(text)


def test_a_function_inside_another_is_pasted(tmp_path: Path) -> None:
    from tinygrad_bp.gradcheck.pytest_plugin import gradchecked
    from tinygrad_bp.gradcheck.strategies import arrays

    @gradchecked(x=arrays((2,), low=1, high=1))
    def checked(x):
        raise ZeroDivisionError(x)

    with pytest.raises(ZeroDivisionError) as raised:
        checked()
    (note, *_) = raised.value.__notes__
    assert "def checked(x):\n    raise ZeroDivisionError(x)\nx = np.array([1.0, 1.0])" in note


def test_what_cannot_be_written_is_left_open() -> None:
    from tinygrad_bp import Tensor
    from tinygrad_bp.gradcheck.pytest_plugin import _written

    values = {"a": [np.float32(0.1), np.zeros((0, 2))], "b": (Tensor([1.0]), "c", None, object())}
    assert _written(values) == (
        "{'a': [np.array(0.10000000149011612, np.float32), np.zeros((0, 2), np.float64), ], "
        "'b': (Tensor(np.array([1.0]), requires_grad=False), 'c', None, "
        "...  # put the object here, )}"
    )


UNTOUCHED = """
import sys

def test_others():
    assert "hypothesis" not in sys.modules
"""


def test_the_plugin_is_cheap_and_leaves_other_tests_alone(tmp_path: Path) -> None:
    project(tmp_path, UNTOUCHED)
    with_plugin = pytest_in(tmp_path, "-p", PLUGIN)
    assert "1 passed" in with_plugin
    assert "gradcheck" not in pytest_in(tmp_path, "--fixtures")
    assert re.search(r"^gradcheck .*pytest_plugin", pytest_in(tmp_path, "-p", PLUGIN, "--fixtures"),
                     re.M)  # fmt: skip


@pytest.mark.parametrize("named", [[], ["-p", PLUGIN]], ids=["installed", "installed and named"])
def test_an_installed_plugin_is_loaded_once(tmp_path: Path, named: list[str]) -> None:
    """The entry point has the module's name: pytest loads a plugin once under one name."""
    info = tmp_path / "site" / "tinygrad_bp-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tinygrad_bp\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    folder = tmp_path / "project"
    folder.mkdir()
    project(folder, "def test_it(gradcheck):\n    gradcheck(lambda x: x * x, 2.0)\n")
    assert "1 passed" in pytest_in(folder, *named, path=str(info.parent))


def test_the_entry_point_is_declared() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert declared["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
