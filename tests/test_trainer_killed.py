"""A process that trains is killed at any moment and started again: it ends with the same bits."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import nn
from tinygrad_bp.data import drawn_digits, write_idx

ROOT = Path(__file__).parent.parent

SCRIPT = """
import sys
import numpy as np
from tinygrad_bp import data, nn, optim, train

folder, batches = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 6)).astype("f4")
y = (x.sum(axis=1) > 0).astype(int)
model = nn.Sequential(
    nn.Linear(6, 20, rng=rng), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.2, rng=rng),
    nn.Linear(20, 2, rng=rng),
)
optimizer = optim.Adam(model.named_parameters(), lr=0.01)
trainer = train.Trainer(
    model, nn.CrossEntropyLoss(), optimizer, metrics={"accuracy": train.accuracy},
    scheduler=optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2),
    callbacks=[
        train.Checkpoint(f"{folder}/run.npz", every_batches=1, best=f"{folder}/best.npz"),
        train.CSVLog(f"{folder}/log.csv"),
        train.EarlyStopping(patience=10**6),
    ],
)
print("begins", flush=True)
trainer.fit(
    (x, y), epochs=-(-batches // 8), batch_size=20, rng=rng, validation=0.2,
    resume=f"{folder}/run.npz",
)
"""


def started(*command: Any) -> subprocess.Popen[str]:
    """Start Python, and wait until it says that its work begins."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline(), process.communicate()[1]
    return process


def is_killed(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a process after some time; False if it was done before."""
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), err
    return process.returncode != 0


def finished(*command: Any) -> None:
    process = started(*command)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize(("kills", "batches"), [(1, 60), (50, 2000)])
def test_a_run_that_is_killed_ends_with_the_same_bits(
    tmp_path: Path, kills: int, batches: int
) -> None:
    script, whole, part = tmp_path / "script.py", tmp_path / "whole", tmp_path / "part"
    script.write_text(SCRIPT)
    whole.mkdir()
    part.mkdir()
    with pytest.MonkeyPatch.context() as patched:  # in this process, which costs less
        patched.setattr(sys, "argv", [str(script), str(whole), str(batches)])
        runpy.run_path(str(script))
    moments = np.random.default_rng(kills).uniform(0, min(0.4, batches / 1000), size=kills)
    killed = sum(is_killed(started(script, part, batches), seconds) for seconds in moments)
    assert killed == kills, "the run is too short to be killed so often"
    finished(script, part, batches)
    assert files(part) == files(whole)  # and nothing is left behind
    lines = (part / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", *map(str, range(1, len(lines)))]


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    for part, n in (("train", 2000), ("t10k", 100)):
        images, labels = drawn_digits(n, np.random.default_rng(0))
        pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_the_command_that_is_killed_ends_with_the_same_bits(tmp_path: Path, digits: Path) -> None:
    whole, part = tmp_path / "whole.npz", tmp_path / "part.npz"
    train = ("-m", "tinygrad_bp", "train", "--data", digits)
    begin = ("--recipe", "modern", "--momentum", "0.5", "--epochs", "60")
    finished(*train, *begin, "--out", whole)
    moments = np.random.default_rng(0).uniform(0, 0.6, size=10)
    for seconds in moments:
        command = ("--resume", part) if part.exists() else (*begin, "--out", part)
        is_killed(started(*train, *command), seconds)
    finished(*train, "--resume", part)
    assert part.read_bytes() == whole.read_bytes()
    assert len(nn.read_checkpoint(part).position["history"]) == 60
