"""`tinygrad-bp sweep`: what it shows, what it writes, and its exit codes."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tinygrad_bp.cluster import connect, sweep

pytest.importorskip("distributed", reason="needs Dask")

Cli = Callable[..., tuple[int, str, str]]

SMALL = """
[data]
train = 200
test = 50

[recipe]
base = "modern"
epochs = 2

[sweep]
lr = [0.1, 1e30]
hidden = [[16], []]
seeds = 2
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connect(workers=2) as client:
        yield client


@pytest.fixture
def here(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, and commands that take the workers that are there already."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "tinygrad_bp.cli.sweep.connect", lambda *_, **__: contextlib.nullcontext(client)
    )
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def test_a_table_with_mean_and_spread(cli: Cli, here: Path) -> None:
    code, out, err = cli("sweep", "small.toml", "--out", "my runs")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)
    assert lines[0] == "4 settings with 2 seeds each: 8 runs"
    heading = next(i for i, line in enumerate(lines) if "lowest to highest" in line)
    rows = [re.split(r"  +", line.strip()) for line in lines[heading + 1 : heading + 5]]
    assert [row[:2] for row in rows] == [["0.1", "16"], ["0.1", "none"], ["1e+30", "16"],
                                         ["1e+30", "none"]]  # fmt: skip
    assert rows[2][2:] == ["-", "-", "-", "2", "diverged at epoch 1"]
    lowest, highest = map(float, rows[0][4].split(" to "))
    assert lowest <= float(rows[0][2]) <= highest
    assert re.search(r"^Best: lr 0\.1, hidden (16|none), with a mean of \d\d\.\d\d %\.", out, re.M)
    assert max(map(len, lines[heading:])) <= 100
    written = {path.name for path in (here / "my runs").iterdir()}
    assert {"table.csv", "runs.csv"} <= written
    assert len(written) == 2 + 8


def test_again_nothing_is_computed_and_all_is_the_same(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cli("sweep", "small.toml", "--out", "runs")
    tables = [(here / "runs" / name).read_bytes() for name in ("table.csv", "runs.csv")]
    monkeypatch.setattr("tinygrad_bp.cluster.sweep.carrying._submit", None)
    assert cli("sweep", "small.toml", "--out", "runs") == first
    assert [(here / "runs" / n).read_bytes() for n in ("table.csv", "runs.csv")] == tables


def test_a_damaged_run_is_told_and_done_again(cli: Cli, here: Path) -> None:
    _, before, _ = cli("sweep", "small.toml", "--out", "runs")
    path = next((here / "runs").glob("*.json"))
    content = json.loads(path.read_text())
    path.write_text(path.read_text()[:100])
    code, out, _ = cli("sweep", "small.toml", "--out", "runs")
    told = [line for line in out.splitlines() if line.startswith("runs/")]
    assert code == 0
    assert told == [
        f"runs/{path.name}: it does not hold a run, or only a part of one: this run is done again"
    ]
    assert out.replace(f"{told[0]}\n", "") == before
    assert json.loads(path.read_text()) == content


def test_runs_of_another_machine_are_told(cli: Cli, here: Path) -> None:
    from tinygrad_bp.cluster.sweep.kept import _digest

    assert "computed alike" not in cli("sweep", "small.toml", "--out", "runs")[1]
    path = next((here / "runs").glob("*.json"))
    content = json.loads(path.read_text())
    del content["digest"]
    content["surroundings"]["blas"] = "abacus 1.0"
    path.write_text(json.dumps(content | {"digest": _digest(content)}))
    _, out, _ = cli("sweep", "small.toml", "--out", "runs")
    assert re.search(
        r"^Not all runs were computed alike, .* blas (was|.* is) abacus 1\.0", out, re.M
    )


def test_ctrl_c_keeps_what_is_finished(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = sweep.outcomes

    def interrupted(*arguments: Any) -> Iterator[Any]:
        for i, found in enumerate(outcomes(*arguments)):
            if i == 3:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(sweep, "outcomes", interrupted)
    code, _, err = cli("sweep", "small.toml", "--out", "runs")
    assert (code, err.count("\n")) == (130, 1)
    assert "3 of 8 runs are done and kept in runs; the same command does the rest." in err
    assert len(list((here / "runs").glob("*.json"))) >= 3
    _, _, err = cli("sweep", "small.toml")
    assert "nothing is kept (--out FOLDER keeps every finished run)" in err
    monkeypatch.undo()


def test_a_picture(cli: Cli, here: Path) -> None:
    pytest.importorskip("matplotlib")
    code, out, _ = cli("sweep", "small.toml", "--plot", "plot.png")
    assert (code, out.splitlines()[-1]) == (0, "The plot is in plot.png.")
    assert (here / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_terminal_has_a_bar(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = cli("sweep", "small.toml")
    assert re.search(r"8/8 runs, best \d\d\.\d\d % \(lr 0\.1, hidden ", out)


def test_one_setting_with_one_seed(cli: Cli, here: Path) -> None:
    (here / "one.toml").write_text("[data]\ntrain = 50\ntest = 20\n[recipe]\nepochs = 1")
    code, out, _ = cli("sweep", "one.toml")
    assert code == 0
    assert out.startswith("1 setting with 1 seed each: 1 run\n")


BAD = {
    "sweep": (2, "the following arguments are required: SWEEP.toml"),
    "sweep none.toml": (1, "none.toml does not exist"),
    "sweep small.toml --workers 0": (2, "argument --workers"),
    "sweep small.toml --workers 2 --scheduler tcp://a:1": (2, "not allowed with"),
    "sweep small.toml --out small.toml": (2, "argument --out: small.toml is no folder"),
    "sweep small.toml --out no/such": (2, "argument --out: no/such is no folder"),
    "sweep small.toml --plot plot.txt": (2, "argument --plot: plot.txt does not end in"),
    "sweep four.toml --plot plot.png": (2, "shows up to 3 settings, and four.toml has 4: lr,"),
    "sweep folder.toml": (1, "the digits in /no/such/folder: The folder /no/such/folder does not"),
}


@pytest.mark.parametrize("command", BAD)
def test_what_is_told_in_one_line(cli: Cli, here: Path, command: str) -> None:
    if "--plot" in command:
        pytest.importorskip("matplotlib")
    Path("four.toml").write_text("[sweep]\nlr=[1]\nmomentum=[0]\nepochs=[1]\nhidden=[[]]")
    Path("folder.toml").write_text("[data]\nfolder = '/no/such/folder'")
    code, _, err = cli(*command.split())
    expected, message = BAD[command]
    assert (code, err.count("\n")) == (expected, 1)
    assert message in err


def test_a_scheduler_that_does_not_answer(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    code, _, err = cli("sweep", tmp_path / "small.toml", "--scheduler", "tcp://127.0.0.1:9")
    assert (code, err.count("\n")) == (1, 1)
    assert "no scheduler answers at tcp://127.0.0.1:9" in err


def test_without_dask(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    (tmp_path / "small.toml").write_text(SMALL)
    code, _, err = cli("sweep", tmp_path / "small.toml")
    assert (code, err.count("\n")) == (1, 1)
    assert 'this needs the package distributed: pip install "tinygrad_bp[cluster]"' in err
