"""A target that cannot be written is known before the work begins, and not after it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tinygrad_bp.cli.train import Training
from tinygrad_bp.data.sets import drawn

LONG = "x" * 250  # a name that no file system takes with anything added to it
SCRIPT = (
    "import begun\nfrom tinygrad_bp import Tensor\nloss = Tensor(1.0, requires_grad=True) * 2\n"
)

COMMANDS = {
    "train --drawn --out {target}": "--out",
    "train --drawn --plot {target}.png": "--plot",
    "train --out {target} --data nowhere": "--out",
    "train --drawn --log {target}": "--log",
    "explain chain.py:loss -o {target}": "--out",
    "explore -o {target}": "--out",
    "study taylor begun:f --at 1 --plot {target}.png": "--plot",
    "study step-size begun:f --at 1 --plot {target}.png": "--plot",
    "mutants --calls begun:calls --markdown {target}": None,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every work that begins is a failure."""

    def begin(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("the work has begun")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinygrad_bp.cli.sources.drawn", begin)
    monkeypatch.setattr("tinygrad_bp.cli.explore.load", begin)
    Path("chain.py").write_text(SCRIPT)
    Path("begun.py").write_text("import pathlib; pathlib.Path('begun').touch()\n")
    return tmp_path


def refused(cli: Any, command: str, flag: str | None) -> None:
    if "--plot" in command:
        pytest.importorskip("matplotlib")
    before = sorted(Path.cwd().rglob("*"))
    code, out, err = cli(*shlex.split(command))
    assert (code, out, err.count("\n")) == (1 if flag is None else 2, "", 1)
    assert f"argument {flag}: " in err or flag is None
    assert sorted(Path.cwd().rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_too_long(cli: Any, command: str) -> None:
    refused(cli, command.format(target=LONG), COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_does_not_exist(cli: Any, command: str) -> None:
    refused(cli, command.format(target="no/such/target"), COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may write anywhere")
def test_a_folder_that_is_closed_to_us(cli: Any, command: str) -> None:
    Path("closed").mkdir(mode=0o500)
    refused(cli, command.format(target="closed/target"), COMMANDS[command])


def test_a_folder_where_a_file_should_be(cli: Any) -> None:
    Path("there").mkdir()
    for command in ("train --drawn --out", "explain chain.py:loss -o", "explore -o"):
        refused(cli, f"{command} there", "--out")


def test_a_file_where_a_folder_should_be(cli: Any) -> None:
    refused(cli, "train --drawn --out chain.py/model.npz", "--out")


def test_a_run_that_could_not_be_saved_where_it_is(
    cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = drawn(0, train=60, test=20)
    monkeypatch.setattr("tinygrad_bp.cli.sources.drawn", lambda seed: digits)
    name = LONG[:-5]
    assert cli("train", "--drawn", "--epochs", "1", "--out", "m.npz")[0] == 0
    shutil.copy("m.npz", name)
    monkeypatch.setattr(Training, "epochs", lambda *_: sys.exit("the work has begun"))
    code, out, err = cli("train", "--resume", name, "--epochs", "2")
    assert (code, out) == (2, "")
    assert "argument --resume: " in err


def test_a_target_that_is_there_is_left_alone_until_the_end(cli: Any) -> None:
    Path("page.html").write_text("previous")
    code, _, err = cli("explain", "chain.py:nothing", "-o", "page.html")
    assert code == 1
    assert "chain.py:nothing cannot be explained: NameError" in err
    assert Path("page.html").read_text() == "previous"
