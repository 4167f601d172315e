"""A saved run is run again: equal bits are confirmed, and the first difference is found."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import nn
from tinygrad_bp.data.sets import drawn
from tinygrad_bp.errors import CheckpointError, DataError
from tinygrad_bp.train import Callback, Checkpoint, Recipe, Training, verify
from tinygrad_bp.train.surroundings import differences, surroundings

RECORD = importlib.import_module("tinygrad_bp.train.trainer")
DIGITS = drawn(0, train=120, test=30)
RECIPE = Recipe(
    hidden=(5,), activation="relu", cost="cross_entropy", lr=0.1, momentum=0.5, schedule="cosine",
    batch_size=20, epochs=4,
)  # fmt: skip


def saved(path: Path, *, epochs: int = 4, **changes: Any) -> Path:
    run = Training(dataclasses.replace(RECIPE, **changes), DIGITS)
    for _ in range(epochs):
        run.run_epoch()
    run.save(path)
    return path


def changed(path: Path, **changes: Any) -> None:
    """Save a file anew, as somebody would who knows the format, with other values."""
    checkpoint = nn.read_checkpoint(path)
    model = changes.pop("model", None) or nn.load(path)
    position = changes.pop("position", {})

    class Position:
        def state_dict(self) -> Any:
            return checkpoint.position | position

        def load_state_dict(self, state: Any) -> None: ...

    class Optimizer(Position):
        def state_dict(self) -> Any:
            return checkpoint.optimizer

    extra = checkpoint.extra | changes
    nn.save(path, model, optimizer=Optimizer(), position=Position(), extra=extra)


@pytest.mark.parametrize("epochs", [0, 1, 4])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_what_was_saved_comes_out_again(tmp_path: Path, epochs: int, schedule: str) -> None:
    verdict = verify(saved(tmp_path / "run", epochs=epochs, schedule=schedule), DIGITS)
    assert verdict == (epochs, 6 * epochs, None, [])
    assert verdict.is_equal


class Stop(Callback):
    runs_last = True

    def on_batch(self, trainer: Any) -> None:
        if len(trainer.losses) == 9:
            raise KeyboardInterrupt


def test_a_run_that_stands_within_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run = Training(RECIPE, DIGITS, callbacks=[Checkpoint(path, every_batches=9), Stop()])
    with pytest.raises(KeyboardInterrupt):
        list(run.epochs())
    assert verify(path, DIGITS) == (1, 9, None, [])


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_a_run_that_was_made_longer_twice(tmp_path: Path, schedule: str) -> None:
    path = saved(tmp_path / "run", epochs=2, schedule=schedule)
    for epochs in (5, 6):
        run = Training.resume(path, DIGITS, epochs=epochs)
        run.run_epoch()
        run.save(path)
    assert verify(path, DIGITS) == (4, 24, None, [])


def test_the_first_loss_that_differs_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    losses = nn.read_checkpoint(path).position["losses"].copy()
    losses[8] = np.nextafter(losses[8], 9)
    run = Training.resume(path, DIGITS)
    run.trainer.position.losses[8] = losses[8]
    run.save(path)  # with a record of its own
    verdict = verify(path, DIGITS)
    expected = f"epoch 2, batch 3: the loss was {losses[8].item()!r} and is "
    assert verdict.difference is not None
    assert verdict.difference.startswith(expected)


def test_an_accuracy_that_was_made_up_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    run = Training.resume(path, DIGITS)
    run.trainer.history[2]["test_accuracy"] = 1.0
    run.save(path)
    difference = verify(path, DIGITS).difference
    assert difference is not None
    assert difference.startswith("epoch 3: test_accuracy was 1.0 and is 0.")


def test_weights_that_were_changed_with_their_record_are_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    run = Training.resume(path, DIGITS)
    last = list(run.model.parameters())[-1]
    last.data = last.data + np.float32(1e-6)
    run.save(path)
    difference = verify(path, DIGITS).difference
    assert difference is not None
    assert difference.startswith("the weights, though no loss")


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    training = nn.read_checkpoint(path).extra["training"]
    recipe = training["recipe"] | {"seed": 1}
    changed(path, training=training | {"recipe": recipe})
    difference = verify(path, DIGITS).difference
    assert difference is not None
    assert difference.startswith("epoch 1, batch 1: the loss was ")


def test_the_blas_is_numpys_own_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [
        {"user_api": "openmp", "filepath": "/env/torch/lib/libgomp.so", "num_threads": 8},
        {"user_api": "blas", "filepath": "/env/torch/lib/libmkl.so", "num_threads": 8,
         "internal_api": "mkl", "version": "2024"},
        {"user_api": "blas", "filepath": "/env/numpy.libs/libopenblas.so", "num_threads": 2,
         "internal_api": "openblas", "version": "0.3", "architecture": "Zen"},
    ]  # fmt: skip
    module: Any = types.ModuleType("threadpoolctl")
    module.__spec__ = importlib.machinery.ModuleSpec("threadpoolctl", None)
    module.threadpool_info = lambda: pools
    monkeypatch.setitem(sys.modules, "threadpoolctl", module)
    found = surroundings.__wrapped__()
    assert (found["blas"], found["threads"]) == ("openblas 0.3 Zen", 2)
    del pools[2]
    assert surroundings.__wrapped__()["blas"] == "mkl 2024"


def test_surroundings_that_differ_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        elsewhere = surroundings() | {"numpy": "1.0", "blas": "abacus"}
        patched.setattr(RECORD, "surroundings", lambda: elsewhere)
        path = saved(tmp_path / "run")
    blas = surroundings()["blas"]
    assert verify(path, DIGITS).surroundings == [
        f"numpy was 1.0 and is {np.__version__}",
        f"blas was abacus and is {blas}",
    ]
    run = Training.resume(path, DIGITS)
    assert len(run.trainer.record()["surroundings"]) == 2
    assert differences(surroundings(), surroundings()) == []


def test_a_record_that_was_altered_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    content = bytearray(path.read_bytes())
    at = content.index(b'"numpy": "') + 10
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        verify(path, DIGITS)


ALTERED = {
    "weights": lambda extra, position: ({"record": extra["record"] | {"weights": "0" * 64}}, {}),
    "losses": lambda extra, position: ({"record": extra["record"] | {"losses": "0" * 64}}, {}),
    "epoch": lambda extra, position: ({}, {"epoch": 3}),
    "fewer losses": lambda extra, position: ({}, {"losses": position["losses"][:-1]}),
    "plans": lambda extra, position: ({"training": extra["training"] | {"plans": [[3, 4]]}}, {}),
    "no plans": lambda extra, position: ({"training": extra["training"] | {"plans": []}}, {}),
    "no record": lambda extra, position: ({"record": None}, {}),
    "feed": lambda extra, position: ({}, {"feed": None}),
    "no batches": lambda extra, position: ({}, {"feed": {"batches": 0}}),
    "recipe": lambda extra, position: (
        {"training": extra["training"] | {"recipe": extra["training"]["recipe"] | {"hidden": [9]}}},
        {},
    ),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_record_that_is_not_that_of_its_file_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "run")
    checkpoint = nn.read_checkpoint(path)
    extra, position = ALTERED[name](checkpoint.extra, checkpoint.position)
    changed(path, position=position, **extra)
    with pytest.raises(
        CheckpointError, match=r"/run: (its record is not|the numbers of)|/run cannot be"
    ):
        verify(path, DIGITS)


def test_other_data_and_other_files_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    with pytest.raises(CheckpointError, match="learned from other data"):
        verify(path, drawn(1, train=120, test=30))
    nn.save(path, nn.MLP(784, 10))
    with pytest.raises(CheckpointError, match="no sound state of a training run"):
        verify(path, DIGITS)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tinygrad_bp.cli.sources.drawn", lambda seed: DIGITS)
    monkeypatch.chdir(tmp_path)


def test_the_command_confirms_a_run(cli: Any, few: None) -> None:
    trained = ("train", "--drawn", "--epochs", "2", "--layers", "4", "--hold-out", "10")
    assert cli(*trained, "--out", "m.npz")[0] == 0
    code, out, err = cli("verify", "m.npz")
    assert (code, err) == (0, "")
    again = "train --recipe lesson --layers 4 --epochs 2 --hold-out 10 --drawn"
    assert f"Running again: tinygrad-bp {again}\n" in out
    assert out.endswith("Equal: m.npz came out again, bit by bit, in 2 epochs and 4 batches.\n")
    assert cli("train", "--resume", "m.npz", "--epochs", "3")[0] == 0
    code, out, err = cli("verify", "m.npz")
    assert code == 0
    assert f"{again}, then --epochs 3\n" in out


def test_the_record_is_written_as_json(cli: Any, few: None) -> None:
    assert cli("train", "--drawn", "--seed", "5", "--epochs", "1", "--out", "m.npz")[0] == 0
    code, out, err = cli("verify", "m.npz", "--record")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["training"]["recipe"]["seed"] == 5
    assert told["training"]["about"]["command"].endswith("--epochs 1 --seed 5 --drawn")
    assert told["record"]["data"] == Training(Recipe(), DIGITS).trainer.record()["data"]
    assert told["record"]["surroundings"] == [surroundings()]


def test_the_command_says_what_differs(cli: Any, few: None, monkeypatch: Any) -> None:
    assert cli("train", "--drawn", "--epochs", "2", "--out", "m.npz")[0] == 0
    run = Training.resume("m.npz", DIGITS)
    run.trainer.position.losses[2] *= 2
    run.save("m.npz")
    code, out, err = cli("verify", "m.npz")
    assert (code, err) == (1, "")
    assert "Different from epoch 2, batch 1: the loss was " in out
    assert "Versions, BLAS and threads are those of the record" in out
    elsewhere = surroundings() | {"numpy": "9.9"}
    monkeypatch.setattr("tinygrad_bp.train.verification.surroundings", lambda: elsewhere)
    assert f"Since then: numpy was {np.__version__} and is 9.9." in cli("verify", "m.npz")[1]


def test_no_other_digits_take_the_place_of_those_that_are_missing(
    cli: Any, few: None, monkeypatch: Any
) -> None:
    assert cli("train", "--drawn", "--epochs", "1", "--out", "m.npz")[0] == 0
    run = Training.resume("m.npz", DIGITS)
    run.about["drawn"] = False  # it is said to be of MNIST
    run.save("m.npz")

    def offline(**options: Any) -> None:
        raise DataError("train.gz could not be downloaded")

    monkeypatch.setattr("tinygrad_bp.cli.sources.mnist", offline)
    for command in (("verify", "m.npz"), ("train", "--resume", "m.npz", "--epochs", "2")):
        code, out, err = cli(*command)
        assert (code, out, err) == (1, "", "tinygrad-bp: train.gz could not be downloaded\n")


def test_the_command_refuses_what_is_no_run(cli: Any, few: None) -> None:
    nn.save("m.npz", nn.MLP(784, 10))
    code, out, err = cli("verify", "m.npz")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no sound state of a training run" in err
