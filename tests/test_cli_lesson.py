"""`tinygrad-bp lesson` and `tinygrad-bp explore`, as users run them."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from quick import some_quick

from tinygrad_bp.cli import main
from tinygrad_bp.cli.lesson import PROMPT
from tinygrad_bp.data import write_idx
from tinygrad_bp.lesson import labelled
from tinygrad_bp.lesson.coverage import COVERAGE
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.stage import stage_data, story

Capture = pytest.CaptureFixture[str]
TITLES = [scene["title"].format(label=2) for scene in story()["scenes"]]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


# --- lesson ---------------------------------------------------------------------------------------


def test_lesson_tells_all_scenes(capsys: Capture) -> None:
    assert main(["lesson"]) == 0
    out = capsys.readouterr().out
    for number, title in enumerate(TITLES, start=1):
        assert f"\n{number}. {title}\n" in out
    assert "searched for" in out
    assert "\x1b" not in out


@pytest.mark.slow
def test_lesson_shows_one_scene_on_another_example(capsys: Capture) -> None:
    assert main(["lesson", "--scene", "4", "--example", "7"]) == 0
    out = capsys.readouterr().out
    assert f"4. What does this {stage_data(example=7)['digits']['labels'][7]} want?" in out
    assert "1. Feed forward" not in out
    assert out.count("●") == 10


def test_lesson_draws_the_digit(capsys: Capture) -> None:
    assert main(["lesson", "--scene", "1"]) == 0
    assert "█" in capsys.readouterr().out


def test_lesson_lists_its_coverage(capsys: Capture) -> None:
    assert main(["lesson", "--coverage"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [covered.id for covered in COVERAGE]
    assert "Ten voters, one sum" in next(line for line in lines if line.startswith("S28 "))


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--scene", "16"], 2, "has 15 scenes"),
        (["--scene", "0"], 2, "1 or more"),
        (["--example", "1000"], 1, "no example 1000"),
        (["--data", "nowhere"], 1, "does not exist"),
    ],
)
def test_lesson_refuses(arguments: list[str], code: int, complaint: str, capsys: Capture) -> None:
    assert main(["lesson", *arguments]) == code
    assert complaint in capsys.readouterr().err


class Terminal(io.StringIO):
    def __init__(self, text: str = "", encoding: str = "utf-8") -> None:
        super().__init__(text)
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def in_terminal(monkeypatch: pytest.MonkeyPatch, answers: str, encoding: str = "utf-8") -> str:
    out = Terminal(encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["lesson"]) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


KEYS = {
    "back": ("b\n\nb\nq\n", [1, 1, 2, 1]),
    "enter": ("\n\nq\n", [1, 2, 3]),
    "number": ("15\n\n", [1, 15]),
    "no such number": ("99\nq\n", [1, 2]),
    "end of input": ("", [1]),
}


@pytest.mark.parametrize("name", some_quick(KEYS, 5))
def test_lesson_waits_for_keys_in_a_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answers, numbers = KEYS[name]
    out = in_terminal(monkeypatch, answers)
    titles = "|".join(re.escape(title) for title in TITLES)
    assert [int(n) for n in re.findall(rf"(\d+)\. (?:{titles})", out)] == numbers
    assert PROMPT in out


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_every_scene_fits_a_small_terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = in_terminal(monkeypatch, "\n" * 15, encoding)
    first, *screens = re.split(r"(?:\x1b\[2J|\x1b\[H)+", out)
    assert first == ""
    assert len(screens) == 15
    for screen in screens:
        lines = screen.split("\n")
        assert len(lines) <= 24, screen
        assert max(len(line) for line in lines) <= 80, screen
        assert "{" not in screen
        if encoding == "ascii":
            assert screen.isascii(), screen


# --- explore --------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of 200 digits, a plan that is quickly measured, a cache of its own."""
    digits = drawn_data(train=200, test=20)
    for name, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("t10k", digits.test_images, digits.test_labels),
    ):
        pixels = np.rint(255 * images).astype(np.uint8).reshape(-1, 28, 28)
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", pixels)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    monkeypatch.setattr("tinygrad_bp.lesson.labelled.FULL", labelled.Plan(steps=3))
    monkeypatch.setattr("tinygrad_bp.lesson.cached.cache_folder", lambda: tmp_path / "cache")
    return tmp_path


def test_explore_writes_one_page(tmp_path: Path, capsys: Capture) -> None:
    paths = tmp_path / "a.html", tmp_path / "b.html"
    for path in paths:
        assert main(["explore", "-o", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"{paths[0]}: 1,000 digits to learn from and 500 others, which the library drew" in out
    assert "#present" not in out
    assert f"{paths[0].stat().st_size / 1e6:.2f} MB" in out
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_explore_without_compression_is_larger(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed.html", tmp_path / "plain.html"
    assert main(["explore", "-o", str(packed)]) == 0
    assert main(["explore", "-o", str(plain), "--no-compress"]) == 0
    assert plain.stat().st_size > 1.3 * packed.stat().st_size
    assert '"deflate"' in packed.read_text(encoding="utf-8")
    assert '"deflate"' not in plain.read_text(encoding="utf-8")


def test_explore_opens_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["explore", "-o", str(tmp_path / "a.html"), "--open"]) == 0
    assert opened == [(tmp_path / "a.html").as_uri()]


def test_explore_opens_the_page_for_a_classroom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["explore", "-o", str(tmp_path / "a.html"), "--open", "--present"]) == 0
    assert opened == [(tmp_path / "a.html").as_uri() + "#present"]
    assert opened[0] in capsys.readouterr().out


@pytest.mark.slow
def test_explore_measures_digits_of_your_own_once(small: Path, capsys: Capture) -> None:
    command = ["explore", "--data", str(small), "--example", "9", "-o", str(small / "a.html")]
    assert main(command) == 0
    assert "a minute, once" in capsys.readouterr().out
    first = (small / "a.html").read_bytes()
    assert main(command) == 0
    assert "a minute, once" not in capsys.readouterr().out
    assert (small / "a.html").read_bytes() == first


@pytest.mark.slow
def test_lesson_is_told_with_digits_of_your_own(small: Path, capsys: Capture) -> None:
    assert main(["lesson", "--data", str(small), "--example", "9"]) == 0
    out = capsys.readouterr().out
    assert "200 training digits of the folder" in out
    assert all(f"\n{number}. " in out for number in range(1, 16))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["-o", "no/such/folder/a.html"], 2, "does not exist"),
        (["-o", "."], 2, "is a folder"),
        (["--example", "1000", "-o", "never.html"], 1, "no example 1000"),
        (["--data", "nowhere", "-o", "never.html"], 1, "does not exist"),
    ],
)
def test_explore_refuses(
    arguments: list[str], code: int, complaint: str, empty: Path, capsys: Capture
) -> None:
    assert main(["explore", *arguments]) == code
    assert complaint in capsys.readouterr().err
    assert not list(empty.iterdir())
