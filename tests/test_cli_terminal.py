"""What a terminal is sent: nothing that somebody else wrote is obeyed or read as markup."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import nn
from tinygrad_bp.cli import main
from tinygrad_bp.cli.screen import Reading, Screen, one_line
from tinygrad_bp.data.sets import drawn
from tinygrad_bp.train import Recipe, Trainer, Training

# A title, a colour by a one-byte sequence, text that runs backwards, a new line, markup, an emoji.
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eleft\r\n\t[red]:cat:\x7f"
ESCAPED = r"\x1b]0;owned\x07\x9b31m\u202eleft\r\n\t[red]:cat:\x7f"
RICH = re.compile(r"\x1b\[(\?25[hl]|[\d;]*[mK]|\dA)|\r")  # colours, and the bar being redrawn
Run = Any

pytestmark = pytest.mark.usefixtures("plain_terminal")


def obeyed(text: str) -> list[str]:
    """Characters that a terminal would obey rather than show."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one, with few digits to train on when drawn ones are wanted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "tinygrad_bp.cli.sources.drawn", lambda seed: drawn(seed, train=60, test=20)
    )
    return tmp_path


@pytest.fixture
def model(here: Path) -> str:
    """The hostile name of a model, which also says it of its run."""
    name = f"{HOSTILE}.npz"
    digits = drawn(0, train=60, test=20)
    about = {"name": HOSTILE, "drawn": True}
    training = Training(Recipe(hidden=(2,), epochs=1), digits, about=about)
    training.run_epoch()
    training.save(name)
    return name


@pytest.fixture
def run(cli: Any) -> Run:
    """Run a command; give its exit code and all that it wrote, of which nothing is obeyed."""

    def run(*arguments: str) -> tuple[int, str]:
        code, out, err = cli(*arguments)
        written = RICH.sub("", out) + err if "FORCE_COLOR" in os.environ else out + err
        assert obeyed(written) == []
        return code, written

    return run


@pytest.fixture(params=["plain", "terminal"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once as into a file, once as in a terminal, wide enough for a line."""
    if request.param == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "400")
    return str(request.param)


# --- names of files -------------------------------------------------------------------------------


def test_train(run: Run, here: Path, either: str) -> None:
    code, written = run("train", "--drawn", "--epochs", "1", "--out", f"{HOSTILE}.npz")
    assert code == 0
    assert f"The model is in {ESCAPED}.npz." in written
    assert (here / f"{HOSTILE}.npz").exists()


def test_a_run_that_was_saved_under_a_hostile_name(run: Run, model: str, either: str) -> None:
    code, written = run("train", "--resume", model, "--epochs", "2")
    assert code == 0
    assert f"{ESCAPED}: 784-2-10" in written


def test_an_interrupted_run(run: Run, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_learn", interrupt)
    code, written = run("train", "--resume", model, "--epochs", "2")
    assert code == 130
    # An error is one line: blanks of any kind are one space.
    assert r"to go on: tinygrad-bp train --resume '\x1b]0;owned\x07\x9b31m\u202eleft [" in written


@pytest.mark.parametrize("images", [1, 9], ids=["drawn", "table"])
def test_predict(run: Run, model: str, images: int, either: str) -> None:
    name = f"{HOSTILE[-12:]}.npy"
    np.save(name, np.zeros((images, 784)))
    code, written = run("predict", model, name)
    assert code == 0
    assert r":cat:\x7f.npy" in written


def test_check(run: Run, model: str, either: str) -> None:
    code, written = run("check", "--model", model)
    assert code == 0
    assert f"{ESCAPED}.npz: 1,600 parameters" in written


def test_explore(run: Run, here: Path, either: str) -> None:
    code, written = run("explore", "-o", f"{HOSTILE}.html")
    assert code == 0
    assert f"{ESCAPED}.html: 1,000 digits" in written


@pytest.mark.parametrize("page", [False, True], ids=["text", "page"])
def test_explain(run: Run, here: Path, page: bool) -> None:
    script = f"{HOSTILE}.py"
    Path(script).write_text(
        "from tinygrad_bp import Tensor\n"
        f"w = Tensor(0.5, requires_grad=True, name={HOSTILE!r})\n"
        f"loss = w * w  # {HOSTILE.splitlines()[0]}\n"
    )
    code, written = run("explain", f"{script}:loss", *(["-o", f"{HOSTILE}.html"] if page else []))
    assert code == 0
    assert "owned" in written
    assert (f"{ESCAPED}.html written" in written) == page


def test_a_name_that_is_no_text(run: Run, here: Path, either: str) -> None:
    name = os.fsdecode(b"\xff[b].npz")
    try:
        Path(name).touch()
    except OSError:
        pytest.skip("this file system takes names of text only")
    code, written = run("train", "--drawn", "--epochs", "1", "--out", name)
    assert code == 0
    assert r"The model is in \udcff[b].npz." in written


@pytest.mark.slow
def test_a_table_says_by_what_command_it_was_made(run: Run, here: Path) -> None:
    name = f"{HOSTILE}{os.fsdecode(bytes([255]))}.md"
    try:
        Path(name).touch()
    except OSError:
        pytest.skip("this file system takes names of text only")
    code, _ = run("mutants", "--rule", "exp", "--markdown", name)
    first, *_ = Path(name).read_text("utf-8").splitlines()
    assert code == 0
    assert rf"{ESCAPED}\udcff.md" in first


@pytest.mark.parametrize("markup", ["[bold]m[/bold]", "[/]", ":cat:", "[link=x]m[/link]", "[0m"])
def test_markup_is_not_read(run: Run, here: Path, either: str, markup: str) -> None:
    name = f"{markup.replace('/', chr(0x2215))}.npz"
    _, written = run("train", "--drawn", "--epochs", "1", "--out", name)
    assert f"The model is in {name}." in written


# --- messages -------------------------------------------------------------------------------------

WRONG = [
    ["train", HOSTILE],
    [HOSTILE],
    ["train", "--recipe", HOSTILE],
    ["train", "--epochs", HOSTILE],
    ["train", "--resume", HOSTILE],
    ["train", "--data", HOSTILE],
    ["train", "--out", f"{HOSTILE}/x"],
    ["train", "--plot", HOSTILE],
    ["sweep", HOSTILE],
    ["predict", HOSTILE, HOSTILE],
    ["check", HOSTILE, "--input", "3"],
    ["check", f"{HOSTILE}:f", "--input", "3"],
    ["check", f"{HOSTILE}.py:f", "--input", "3"],
    ["check", "numpy:sin", "--input", HOSTILE],
    ["check", "numpy:sin", "--strategy", HOSTILE],
    ["check", f"numpy:{HOSTILE}", "--input", "3"],
    ["check", "--model", HOSTILE],
    ["study", "step-size", "--method", HOSTILE],
    ["study", "step-size", "--plot", HOSTILE],
    ["mutants", "--rule", HOSTILE],
    ["mutants", "--calls", HOSTILE],
    ["explain", HOSTILE],
    ["explain", f"{HOSTILE}.py:x"],
    ["explain", f"math:{HOSTILE}"],
    ["explore", "-o", f"{HOSTILE}/x"],
    ["explore", "--data", HOSTILE],
    ["lesson", "--data", HOSTILE],
]


@pytest.mark.parametrize("command", WRONG)
def test_wrong_arguments(run: Run, here: Path, command: list[str]) -> None:
    code, written = run(*command)
    assert code in (1, 2)
    assert written.count("\n") == 1
    assert "owned" in written


def test_what_a_users_function_raises(run: Run, here: Path) -> None:
    Path("raises.py").write_text(f"def f(x):\n    raise ValueError({HOSTILE!r})\n")
    code, written = run("check", "raises.py:f", "--input", "3")
    assert code == 1
    assert r"ValueError: \x1b]0;owned\x07\x9b31m" in written


@pytest.mark.parametrize("command", ["predict", "check", "resume"])
def test_names_of_arrays_in_a_file(run: Run, here: Path, command: str) -> None:
    class Other(nn.MLP):
        def state_dict(self) -> dict[str, Any]:
            return {HOSTILE: np.zeros(3), **super().state_dict()}

    nn.save("m.npz", Other(784, 10))
    arguments = {
        "predict": ["predict", "m.npz", "x"],
        "check": ["check", "--model", "m.npz"],
        "resume": ["train", "--resume", "m.npz"],
    }[command]
    code, written = run(*arguments)
    assert (code, written.count("\n")) == (1, 1)


# --- the screen -----------------------------------------------------------------------------------


def test_the_screen_escapes_whatever_it_is_given(
    either: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.text import Text

    screen = Screen()
    screen.line(HOSTILE)
    screen.line(Text(HOSTILE, style="red"))
    screen.readings([Reading(np.zeros((2, 2)), [HOSTILE])])
    with screen.progress(2) as show:
        if show is not None:
            show(1, HOSTILE)
    out = RICH.sub("", capsys.readouterr().out)
    assert obeyed(out) == []
    # A Text has dropped a bell and a carriage return by itself.
    assert (out.count(ESCAPED), out.count(r"\x9b31m")) == ((2, 3), (3, 4))[either == "terminal"]


def test_what_can_be_shown_is_shown() -> None:
    text = "Σ (a - y)² · δ [b] \\x1b é 日本 ▀"
    assert one_line(text) == text


def test_a_colour_stays_where_nothing_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["study", "taylor"]) == 0
    assert "\x1b[1;32mright" in capsys.readouterr().out
