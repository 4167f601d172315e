"""The trainer: what it measures, that it is any loop one would write, and that it goes on."""

from __future__ import annotations

import csv
import math
import os
import signal
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_bp import Tensor, data, nn, no_grad, optim
from tinygrad_bp import functional as F
from tinygrad_bp.errors import (
    CheckpointError,
    DataError,
    OptimizerError,
    ShapeError,
)
from tinygrad_bp.optim import lr_scheduler
from tinygrad_bp.train import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    Progress,
    Trainer,
    accuracy,
    plot_history,
)
from tinygrad_bp.train.interrupt import uninterrupted

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "lbfgs": lambda p: optim.LBFGS(p, max_iter=3, line_search_fn="strong_wolfe"),
}
SCHEDULES = {
    "none": (None, "epoch"),
    "step": (lambda o: lr_scheduler.StepLR(o, 2), "epoch"),
    "cosine": (lambda o: lr_scheduler.CosineAnnealingLR(o, 30), "batch"),
    "plateau": (lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0), "epoch"),
}


def examples(n=60, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(int)


class Net(nn.Module):
    """A model with all that has to be kept: a stream, and running means."""

    def __init__(self, rng):
        self.layers = nn.Sequential(
            nn.Linear(3, 5, rng=rng), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.3, rng=rng),
            nn.Linear(5, 2, rng=rng),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


def built(*, seed=0, optimizer="adam", schedule="none", metrics=True, **options):
    rng = np.random.default_rng(seed)
    model = Net(rng)
    made = OPTIMIZERS[optimizer](model.named_parameters())
    schedule, every = SCHEDULES[schedule]
    trainer = Trainer(
        model, nn.CrossEntropyLoss(), made, scheduler=schedule and schedule(made),
        scheduler_every=every, metrics={"accuracy": accuracy} if metrics else None, **options,
    )  # fmt: skip
    return trainer, rng


def fitted(trainer, rng, *, epochs=3, **options):
    options = {"batch_size": 16, "validation": 0.25, **options}
    return trainer.fit(examples(), epochs=epochs, rng=rng, **options)


def bits(trainer):
    """All that a run comes to."""
    return (
        {name: a.tobytes() for name, a in trainer.model.state_dict().items()},
        trainer.history,
        trainer.losses.tobytes(),
        repr(trainer.optimizer.state_dict()),
        None if trainer.scheduler is None else trainer.scheduler.state_dict(),
    )


class Stop(Callback):
    """The process is killed after so many batches in all: here, by an exception."""

    def __init__(self, after):
        self.after = after

    def on_batch(self, trainer):
        if len(trainer.losses) == self.after:
            raise Killed


class Killed(Exception):  # noqa: N818
    pass


# --- the loop -------------------------------------------------------------------------------------


def test_it_is_the_loop_that_one_would_write():
    x, y = examples()
    ours, rng = built(optimizer="sgd", metrics=False)
    ours.fit((x, y), epochs=2, batch_size=16, rng=rng)
    by_hand, rng = built(optimizer="sgd", metrics=False)
    model, optimizer, loss = by_hand.model, by_hand.optimizer, nn.CrossEntropyLoss()
    for _ in range(2):
        total = 0.0
        for inputs, targets in data.minibatches(x, y, 16, rng):
            optimizer.zero_grad()
            cost = loss(model(inputs), targets)
            cost.backward()
            optimizer.step()
            total += cost.item() * len(targets)
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(ours.model.state_dict()[name], values)
    assert ours.history[-1] == {"epoch": 2, "loss": total / 60, "lr": 0.1}
    assert len(ours.losses) == 8


def test_validation_is_measured_in_evaluation_mode():
    x, y = examples()
    trainer, rng = built(callbacks=[Modes()])
    record = fitted(trainer, rng, validation=(x, y), epochs=1)[-1]
    assert trainer.callbacks[0].modes == {True}
    trainer.model.eval()
    with no_grad():
        out = trainer.model(x)
        expected = nn.CrossEntropyLoss()(out, y).item()
    assert record["val_loss"] == pytest.approx(expected, rel=1e-12)
    assert record["val_accuracy"] == np.mean(out.data.argmax(axis=1) == y)


class Modes(Callback):
    def __init__(self):
        self.modes = set()

    def on_batch(self, trainer):
        self.modes |= {m.training for m in trainer.model.modules()}

    on_epoch = on_batch


def test_a_layer_that_is_frozen_in_evaluation_mode_stays_so():
    trainer, rng = built()
    norm = trainer.model.layers[1].eval()
    before = norm.running_mean.data.copy()
    fitted(trainer, rng, epochs=1)
    assert (norm.training, trainer.model.layers[3].training) == (False, True)
    np.testing.assert_array_equal(norm.running_mean.data, before)


def test_a_model_in_evaluation_mode_is_put_into_training_mode():
    trainer, rng = built()
    trainer.model.eval()
    fitted(trainer, rng, epochs=1)
    assert all(m.training for m in trainer.model.modules())


def test_a_share_is_drawn_by_chance_and_never_learned_from():
    seen = []

    class Seen(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.zeros(1))

        def forward(self, x):
            seen.append((self.training, set(x[:, 0].tolist())))
            return x * self.w

    model = Seen()
    x = np.arange(20.0).reshape(20, 1)
    trainer = Trainer(model, F.sum_squares, optim.SGD(model.named_parameters(), lr=1e-3))
    trainer.fit((x, x), epochs=3, batch_size=4, rng=np.random.default_rng(0), validation=0.3)
    learned = set.union(*(rows for training, rows in seen if training))
    measured = set.union(*(rows for training, rows in seen if not training))
    assert (len(learned), len(measured)) == (14, 6)
    assert learned.isdisjoint(measured)
    assert measured != set(range(14, 20))


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_an_empty_share_is_refused(share):
    trainer, rng = built()
    with pytest.raises(DataError, match="leaves at least one example on either side"):
        fitted(trainer, rng, validation=share)


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, True])
def test_a_share_is_a_share(share):
    trainer, rng = built()
    with pytest.raises(ValueError, match="above 0 and below 1"):
        fitted(trainer, rng, validation=share)
    with pytest.raises(ValueError, match="that are arrays"):
        trainer.fit([examples()], epochs=1, validation=0.5)


def test_several_sets_have_names_of_their_own():
    trainer, rng = built()
    record = fitted(trainer, rng, validation={"a": examples(8), "b": [examples(4), examples(5)]})[0]
    parts = ("loss", "accuracy", "a_loss", "a_accuracy", "b_loss", "b_accuracy")
    assert [*record] == ["epoch", *parts, "lr"]


@pytest.mark.parametrize("kind", ["minibatches", "list", "object"])
def test_any_batches(kind):
    class Own:
        def __iter__(self):
            return iter([(x[:40], y[:40]), (x[40:], y[40:])])

    x, y = examples()
    trainer, rng = built()
    made = {"minibatches": data.minibatches(x, y, 30, rng), "list": list(Own()), "object": Own()}
    assert trainer.fit(made[kind], epochs=2)[-1]["epoch"] == 2
    assert len(trainer.losses) == 4


def test_a_model_of_two_inputs():
    class Two(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.ones(1))

        def forward(self, a, b):
            return self.w * a + b

    model, a = Two(), np.arange(6.0).reshape(6, 1)
    trainer = Trainer(model, F.sum_squares, optim.SGD(model.named_parameters(), lr=0.01))
    trainer.fit((a, a, 3 * a), epochs=20, batch_size=3, validation=(a, a, 3 * a))
    assert trainer.history[-1]["val_loss"] < 1e-2


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimiser_with_every_schedule_learns(optimizer, schedule):
    trainer, rng = built(optimizer=optimizer, schedule=schedule)
    history = fitted(trainer, rng, epochs=5)
    assert min(r["loss"] for r in history[1:]) < history[0]["loss"]
    rates = [r["lr"] for r in history]
    assert rates == sorted(rates, reverse=True)
    assert (rates[-1] < rates[0]) == (schedule in ("step", "cosine")) or schedule == "plateau"


def test_schedules_step_as_often_as_was_said():
    for every, expected in (("epoch", 2), ("batch", 6)):
        trainer, rng = built(optimizer="sgd")
        trainer.scheduler = lr_scheduler.ExponentialLR(trainer.optimizer, 0.5)
        trainer.scheduler_every = every
        fitted(trainer, rng, epochs=2)
        assert trainer.scheduler.last_epoch == expected


def test_a_plateau_watches_the_validation_loss_or_another_name():
    told = []

    class Watching(lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics):
            told.append(metrics)
            super().step(metrics)

    for monitor, name in ((None, "val_loss"), ("accuracy", "accuracy")):
        trainer, rng = built(monitor=monitor)
        trainer.scheduler = Watching(trainer.optimizer)
        assert [r[name] for r in fitted(trainer, rng)] == told
        told.clear()


@pytest.mark.parametrize("option", ["clip_norm", "clip_value"])
def test_gradients_are_clipped(option):
    class Largest(Callback):
        def on_batch(self, trainer):
            gradients = [p.grad.data for p in trainer.model.parameters()]
            order = 2 if option == "clip_norm" else math.inf
            sizes.append(optim.get_total_norm(gradients, order))

    sizes = []
    fitted(*built(callbacks=[Largest()], **{option: 1e-3}))
    assert max(sizes) < 1e-3 + 1e-9


def test_a_loss_that_is_not_finite_names_epoch_and_batch():
    trainer, rng = built()
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        return outputs.sum() * (np.nan if len(calls) == 6 else 1.0)

    trainer.loss = loss
    with pytest.raises(OptimizerError, match="stopped in epoch 2, batch 2: its loss is nan"):
        fitted(trainer, rng, validation=None, batch_size=15)
    assert (trainer.epoch, trainer.batch, len(trainer.losses)) == (1, 1, 5)


def test_a_validation_loss_that_is_not_finite_stops_the_run():
    trainer, rng = built()
    trainer.loss = lambda o, y: F.cross_entropy(o, y) + (np.inf if len(y) == 15 else 0.0)
    with pytest.raises(OptimizerError, match="stopped in epoch 1: its loss is inf"):
        fitted(trainer, rng)


@pytest.mark.parametrize("make", [nn.CrossEntropyLoss, nn.MSELoss])
def test_a_loss_that_is_a_sum_has_its_mean_in_the_history(make):
    x, labels = examples()
    y = labels if make is nn.CrossEntropyLoss else np.eye(2, dtype=np.float32)[labels]
    histories = []
    for reduction in ("sum", "mean"):
        model = nn.Linear(3, 2, rng=np.random.default_rng(0), dtype=np.float64)
        trainer = Trainer(
            model, make(reduction=reduction), optim.SGD(model.parameters(), lr=1e-300)
        )
        histories.append(trainer.fit((x, y), epochs=1, batch_size=50, validation=(x, y))[0])
        weights = model.state_dict()["weight"], model.state_dict()["bias"]
    outputs = 1 if make is nn.CrossEntropyLoss else 2  # MSELoss's mean is over these as well
    expected = make()(x @ weights[0].T + weights[1], y).item()
    for name in ("loss", "val_loss"):
        assert histories[1][name] == pytest.approx(expected, rel=1e-12)
        assert histories[0][name] == pytest.approx(expected * outputs, rel=1e-12)


def test_an_array_of_one_number_is_a_metric():
    trainer, rng = built()
    trainer.metrics = {"one": lambda o, y: np.array([0.5]), "loss of it": nn.CrossEntropyLoss()}
    record = fitted(trainer, rng, epochs=1)[0]
    assert (record["one"], record["val_one"]) == (0.5, 0.5)
    assert record["val_loss of it"] == pytest.approx(record["val_loss"], rel=1e-6)


# --- what is refused ------------------------------------------------------------------------------


def refusals():
    def model():
        return nn.Linear(3, 2)

    def trainer(**options):
        m = options.pop("model", None) or model()
        return Trainer(m, F.cross_entropy, optim.SGD(m.named_parameters(), lr=1.0), **options)

    def fit(given, **options):
        return trainer().fit(given, **{"epochs": 1, **options})

    other = optim.SGD(model().named_parameters(), lr=1.0)
    x, y = examples()
    return {
        "no parameters": (lambda: trainer(model=nn.ReLU()), OptimizerError, "no parameters"),
        "of another": (lambda: Trainer(model(), F.cross_entropy, other), OptimizerError, "none of"),
        "schedule": (lambda: trainer(scheduler=lr_scheduler.StepLR(other, 1)), OptimizerError,
                     "of another optimiser"),
        "every": (lambda: trainer(scheduler_every="step"), ValueError, "one of batch, epoch"),
        "many": (lambda: trainer(metrics={"e": lambda o, y: o[0]}).fit((x, y), epochs=1),
                 ShapeError, r"the metric e gives \(2,\)"),
        "no names": (lambda: trainer(metrics=[accuracy]), ValueError, "functions by name"),
        "no callback": (lambda: trainer(callbacks=[Progress]), ValueError, "made from train"),
        "no reduction": (lambda: Trainer(m := model(), nn.CrossEntropyLoss(reduction="none"),
                         optim.SGD(m.parameters(), lr=1.0)).fit((x, y), epochs=1), ShapeError,
                         r"loss has shape \(32,\), and is to be one number"),
        "an array": (lambda: fit(x), DataError, "inputs and targets"),
        "ragged": (lambda: fit(([x, y], y)), DataError, "Several inputs stand side by side"),
        "read once": (lambda: fit((x, y), validation=iter([(x, y)])), DataError,
                      "cannot be iterated anew"),
        "inputs to measure": (lambda: fit((x, y), validation=x), DataError, "inputs and targets"),
        "targets to measure": (lambda: fit((x, y), validation={"a": (x, y[1:])}), ShapeError,
                               "hold 60, 59"),
        "metric": (lambda: trainer(metrics={"loss": accuracy}), ValueError, "cannot be called"),
        "epochs": (lambda: fit((x, y), epochs=0), ValueError, "epochs must be"),
        "nothing": (lambda: list(trainer().run(epochs=1)), DataError, "there are no examples"),
        "an iterator": (lambda: fit(iter([(x, y)])), DataError, "cannot be iterated anew"),
        "no batches": (lambda: fit([]), DataError, "inputs and targets"),
        "no batches at all": (lambda: fit({}), DataError, "no batches in epoch 1"),
        "only inputs": (lambda: fit((x,)), DataError, "inputs and targets"),
        "a batch of inputs": (lambda: fit([[x]]), DataError, "a batch is a tuple"),
        "lengths": (lambda: fit((x, y[:-1])), ShapeError, "hold 60, 59 examples"),
        "batch size": (lambda: fit([(x, y)], batch_size=3), ValueError, "batches already"),
        "no validation": (lambda: fit((x, y), validation=(x[:0], y[:0])), ShapeError,
                          "hold no examples"),
        "monitor": (lambda: trainer(monitor="val_loss").fit((x, y), epochs=1), ValueError,
                    "the history has no val_loss; it has loss, lr"),
        "stopping": (lambda: trainer(callbacks=[EarlyStopping("val_f1", mode="max")])
                     .fit((x, y), epochs=1), ValueError, "no val_f1"),
        "patience": (lambda: EarlyStopping(patience=0), ValueError, "patience must be"),
        "mode": (lambda: EarlyStopping("accuracy"), ValueError, "lower or higher"),
        "delta": (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be"),
        "often": (lambda: Checkpoint("x", every_batches=0), ValueError, "every_batches must be"),
        "one file": (lambda: Checkpoint("a", best="./a"), ValueError, "give two files"),
        "a seed": (lambda: fit((x, y), rng=0), ValueError, "rng must be a generator"),
        "an old generator": (lambda: fit(data.minibatches(x, y, 9, np.random.RandomState(0))),
                             DataError, "rng is a RandomState, whose state is not kept"),
        "folder": (lambda: trainer(callbacks=[Checkpoint("no/such/file")]).fit((x, y), epochs=1),
                   CheckpointError, "No such file"),
        "log": (lambda: trainer(callbacks=[CSVLog("no/such/file")]).fit((x, y), epochs=1),
                DataError, "No such file"),
        "shapes": (lambda: accuracy(np.zeros(3), np.zeros(3)), ShapeError, "accuracy takes"),
        "one class": (lambda: accuracy(np.zeros((3, 1)), np.zeros(3)), ShapeError, "always the"),
    }  # fmt: skip


@pytest.mark.parametrize("name", refusals())
def test_what_makes_no_sense_is_refused(name):
    run, error, match = refusals()[name]
    with pytest.raises(error, match=match):
        run()


def test_outputs_that_cannot_be_measured_are_refused():
    class Odd(nn.Linear):
        def forward(self, x):
            out = super().forward(x)
            return (out, out) if self.training else self.given(out)

    x, y = examples()
    for make, match in ((lambda o: (o, o), "gives a tuple"), (lambda o: o.sum(), r"gives \(\)")):
        model = Odd(3, 2)
        model.given = make
        trainer = Trainer(
            model, lambda o, y: F.cross_entropy(o[0], y), optim.Adam(model.parameters())
        )
        trainer.fit((x, y), epochs=1)
        with pytest.raises(ShapeError, match=match):
            trainer.evaluate((x, y))


# --- callbacks ------------------------------------------------------------------------------------


class Scripted(Callback):
    """Make the validation loss what is wanted."""

    def __init__(self, values):
        self.values = values

    def on_epoch(self, trainer):
        trainer.history[-1]["val_loss"] = self.values[trainer.epoch - 1]


def test_early_stopping_goes_back_to_the_best_weights():
    values = [3.0, 2.0, 2.5, 1.995, 2.0, 9.0]
    kept = []

    class Keep(Callback):
        def on_epoch(self, trainer):
            kept.append(trainer.model.state_dict())

    stopping = EarlyStopping(patience=3, min_delta=0.01)
    trainer, rng = built(callbacks=[Scripted(values), Keep(), stopping])
    assert len(fitted(trainer, rng, epochs=6)) == 5
    assert (stopping.best_epoch, stopping.best.value) == (2, 2.0)
    assert trainer.stopped == "val_loss was best in epoch 2: 2"
    for name, values in trainer.model.state_dict().items():
        np.testing.assert_array_equal(values, kept[1][name])


def test_early_stopping_can_leave_the_last_weights():
    stopping = EarlyStopping(patience=1, restore_best=False)
    trainer, rng = built(callbacks=[Scripted([1.0, 2.0, 3.0]), stopping])
    other, rng_too = built(callbacks=[Scripted([1.0, 2.0])])
    fitted(trainer, rng)
    fitted(other, rng_too, epochs=2)
    assert bits(trainer)[0] == bits(other)[0]


def test_a_value_that_is_no_number_is_not_the_best():
    stopping = EarlyStopping(patience=2)
    trainer, rng = built(callbacks=[Scripted([math.nan, 1.0, math.nan, math.nan]), stopping])
    assert len(fitted(trainer, rng, epochs=9)) == 4
    assert stopping.best_epoch == 2


def test_a_callback_can_measure_what_others_look_at(tmp_path):
    class Sizes(Callback):
        names = ("size",)

        def on_epoch(self, trainer):
            size = sum(np.abs(p.data).sum(dtype=float) for p in trainer.model.parameters())
            trainer.history[-1]["size"] = size  # of NumPy's

    def made():
        stopping = EarlyStopping("size", mode="max", patience=1)
        log, checkpoint = CSVLog(tmp_path / "run.csv"), Checkpoint(tmp_path / "run")
        return built(callbacks=[Sizes(), stopping, log, checkpoint])

    history = fitted(*made(), epochs=3, resume=tmp_path / "run")
    assert (tmp_path / "run.csv").read_text().splitlines()[0].endswith(",lr,size")
    assert fitted(*made(), epochs=3, resume=tmp_path / "run") == history
    with pytest.raises(CheckpointError, match="the run measured .* size, and would now"):
        fitted(*built(callbacks=[EarlyStopping()]), epochs=3, resume=tmp_path / "run")


@pytest.mark.parametrize("value", [np.ones(2), [1.0], {"a": 1}, "text", None])
def test_what_is_no_number_in_the_history_is_not_saved(tmp_path, value):
    class Odd(Callback):
        names = ("odd",)

        def on_epoch(self, trainer):
            trainer.history[-1]["odd"] = value

    with pytest.raises(CheckpointError, match="odd in epoch 1 of the history is .* no number"):
        fitted(*built(callbacks=[Odd(), Checkpoint(tmp_path / "run")]))
    assert not (tmp_path / "run").exists()


def test_a_whole_number_of_a_callbacks_is_logged_the_same_after_a_resume(tmp_path):
    class Count(Callback):
        names = ("count",)

        def on_epoch(self, trainer):
            trainer.history[-1]["count"] = 7

    for epochs in (1, 2):
        callbacks = [Count(), CSVLog(tmp_path / "log"), Checkpoint(tmp_path / "run")]
        fitted(*built(callbacks=callbacks), epochs=epochs, resume=tmp_path / "run")
    lines = (tmp_path / "log").read_text().split()
    assert [line.split(",")[-1] for line in lines] == ["count", "7.0", "7.0"]


def test_a_csv_log_has_the_history_exactly(tmp_path):
    trainer, rng = built(callbacks=[CSVLog(tmp_path / "run.csv")])
    history = fitted(trainer, rng)
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == history
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]


def test_the_best_is_kept_beside_the_last(tmp_path):
    checkpoint = Checkpoint(tmp_path / "last", best=tmp_path / "best")
    trainer, rng = built(callbacks=[Scripted([2.0, 1.0, 3.0]), checkpoint])
    fitted(trainer, rng)
    assert nn.read_checkpoint(tmp_path / "best").position["epoch"] == 2
    assert nn.read_checkpoint(tmp_path / "last").position["epoch"] == 3


@pytest.mark.parametrize("metrics", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_learning_curves_are_drawn(tmp_path, metrics):
    pytest.importorskip("matplotlib")
    history = fitted(*built(metrics=metrics))
    with np.errstate(all="ignore"):
        plot_history(history, tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert drawn.count('<g id="axes_') == 1 + metrics
    with pytest.raises(DataError, match="could not be written to no/such"):
        plot_history(history, "no/such/curves.svg")
    with pytest.raises(DataError, match="could not be written to .*curves.what"):
        plot_history(history, tmp_path / "curves.what")


def test_progress_is_silent_without_a_terminal(capsys):
    fitted(*built(callbacks=[Progress()]))
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_line_for_each_epoch(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    stopping = EarlyStopping(patience=1)
    trainer, rng = built(callbacks=[Scripted([1.0, 2.0]), Progress(), stopping])
    fitted(trainer, rng, epochs=5)
    out = capsys.readouterr().out
    assert "epoch 1/5  loss 0." in out
    assert "val_loss 1.0000" in out
    assert "Stopped: val_loss was best in epoch 1: 1" in out


@pytest.mark.parametrize("event", ["on_begin", "on_batch", "on_epoch", "on_end"])
def test_a_callback_that_raises_ends_the_run_and_all_are_closed(event):
    class Raises(Callback):
        def __init__(self):
            self.closed = 0

        def close(self):
            self.closed += 1

    def fail(trainer):
        raise Killed

    first, raising = Raises(), Raises()
    setattr(raising, event, fail)
    trainer, rng = built(callbacks=[first, raising])
    with pytest.raises(Killed):
        fitted(trainer, rng)
    assert (first.closed, raising.closed) == (1, 1)


def test_two_trainers_can_share_one_optimiser():
    trainer, rng = built()
    other = Trainer(trainer.model, nn.CrossEntropyLoss(), trainer.optimizer)
    fitted(trainer, rng, epochs=1)
    fitted(other, rng, epochs=1)
    fitted(trainer, rng, epochs=2)
    assert (trainer.epoch, other.epoch) == (2, 1)
    steps = trainer.optimizer.state_dict()["state"][0]["step"]
    assert int(steps) == 9


# --- a run that goes on ---------------------------------------------------------------------------

CALLBACKS = {
    "path": lambda folder, after: Checkpoint(folder / "run", every_batches=2, best=folder / "best"),
    "log": lambda folder, after: CSVLog(folder / "log.csv"),
    "stopping": lambda folder, after: EarlyStopping(patience=2),
    "stop": lambda folder, after: Stop(after),
}


def run_in(folder, after, *, seed, epochs=4, source=None, **settings):
    """A run as a script would write it: the same each time it is started."""
    made = [make(folder, after) for make in CALLBACKS.values()]
    trainer, rng = built(seed=seed, callbacks=made, **settings)
    given = examples() if source is None else source(rng)
    options = {"validation": 0.25, "batch_size": 16} if source is None else {}
    trainer.fit(given, epochs=epochs, rng=rng, resume=folder / "run", **options)
    return trainer


class Shuffled:
    """Batches of somebody's own, which draws from its generator as it goes."""

    def __init__(self, _):
        self.rng = np.random.default_rng(4)

    def __iter__(self):
        x, y = examples()
        for _ in range(4):
            rows = self.rng.integers(60, size=15)
            yield x[rows], y[rows]


SOURCES = {
    "arrays": None,
    "transformed": lambda rng: data.minibatches(
        *examples(), 16, rng, transform=lambda rows, rng: rows + rng.normal(size=rows.shape) / 10
    ),
    "own": Shuffled,
}


@settings(max_examples=4)
@given(
    st.lists(st.integers(1, 15), max_size=3),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from(sorted(SCHEDULES)),
    st.sampled_from(sorted(SOURCES)),
)
def test_a_run_that_is_stopped_anywhere_ends_with_the_same_bits(
    tmp_path_factory, kills, optimizer, schedule, source
):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda descriptor: None)  # nobody pulls the plug
        stop_and_go_on(tmp_path_factory, kills, optimizer, schedule, source)


def stop_and_go_on(tmp_path_factory, kills, optimizer, schedule, source):
    made = {"optimizer": optimizer, "schedule": schedule, "source": SOURCES[source]}
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    whole = run_in(folders[0], 0, seed=1, **made)
    for after in sorted(kills):
        try:
            run_in(folders[1], after, seed=1, **made)
        except Killed:
            assert after <= len(whole.losses)
    again = run_in(folders[1], 0, seed=1, **made)
    assert bits(again) == bits(whole)
    for name in ("run", "best", "log.csv"):
        assert (folders[1] / name).read_bytes() == (folders[0] / name).read_bytes()


def test_a_fresh_seed_does_not_matter_to_a_run_that_goes_on(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = run_in(tmp_path / "a", 0, seed=1)
    with pytest.raises(Killed):
        run_in(tmp_path / "b", 5, seed=1)
    assert bits(run_in(tmp_path / "b", 0, seed=2)) == bits(whole)


def test_a_finished_run_stays_finished(tmp_path):
    first = run_in(tmp_path, 0, seed=1)
    before = (tmp_path / "run").read_bytes(), (tmp_path / "log.csv").read_bytes()
    again = run_in(tmp_path, 0, seed=1)
    assert bits(again) == bits(first)
    assert ((tmp_path / "run").read_bytes(), (tmp_path / "log.csv").read_bytes()) == before


def test_a_run_goes_on_in_the_same_process():
    whole, rng = built()
    fitted(whole, rng, epochs=3)
    parts, rng = built()
    given = {"validation": (examples(20)), "epochs": 1}
    whole, rng_too = built()
    fitted(whole, rng_too, **given | {"epochs": 3})
    for epochs in (1, 2, 3):
        fitted(parts, rng, **given | {"epochs": epochs})
    assert bits(parts) == bits(whole)


def test_a_run_that_was_stopped_within_an_epoch_goes_on_in_the_same_process():
    whole, rng = built()
    fitted(whole, rng)
    parts, rng = built(callbacks=[Stop(4)])
    with pytest.raises(Killed):
        fitted(parts, rng)
    with pytest.raises(CheckpointError, match="batch_size = 16, and now has 8"):
        fitted(parts, rng, batch_size=8)
    fitted(parts, rng)
    assert bits(parts) == bits(whole)


PLACES = {
    "before the step": lambda trainer: (trainer, "loss"),
    "in the step": lambda trainer: (trainer.optimizer, "step"),
    "after the step": lambda trainer: (trainer.position, "note"),
    "a batch's end": lambda trainer: (trainer.callbacks[0], "on_batch"),
    "evaluation": lambda trainer: (trainer, "evaluate"),
    "schedule": lambda trainer: (trainer.scheduler, "step"),
    "an epoch's end": lambda trainer: (trainer.callbacks[0], "on_epoch"),
}


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
@pytest.mark.parametrize("place", PLACES)
def test_a_run_goes_on_after_ctrl_c_anywhere(place):
    def made():
        return built(callbacks=[EarlyStopping(), Modes()], schedule="plateau")

    whole, rng = made()
    fitted(whole, rng)
    parts, rng = made()
    thing, name = PLACES[place](parts)
    own, method, calls = dict(vars(thing)), getattr(thing, name), []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        result = method(*args, **options)
        time.sleep(0)  # here at the latest, a signal would be noticed
        return result

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        setattr(thing, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted(parts, rng)
        delattr(thing, name)
        if name in own:
            setattr(thing, name, method)
        fitted(parts, rng)
    finally:
        signal.signal(signal.SIGINT, before)
    assert bits(parts) == bits(whole)
    assert parts.callbacks[0].state_dict()["waited"] == whole.callbacks[0].state_dict()["waited"]


def test_a_second_ctrl_c_does_not_wait():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []

    def pressed_twice():
        with uninterrupted():
            for press in (1, 2):
                signal.raise_signal(signal.SIGINT)
                done.append(press)

    try:
        with pytest.raises(KeyboardInterrupt):
            pressed_twice()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [1]


def test_a_handler_of_somebody_elses_is_left_alone():
    told = []
    before = signal.signal(signal.SIGINT, lambda *_: told.append(1))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            assert told == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_validation_batches_that_are_shuffled_go_on_too(tmp_path, monkeypatch):
    def run(folder, after):
        trainer, rng = built(callbacks=[Checkpoint(folder, every_batches=1), Stop(after)])
        shuffled = data.minibatches(*examples(), 7, np.random.default_rng(5))
        options = {"validation": shuffled, "epochs": 3, "resume": folder}
        fitted(trainer, rng, **options)
        return bits(trainer)

    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # nobody pulls the plug
    whole = run(tmp_path / "whole", 0)
    with pytest.raises(Killed):
        run(tmp_path / "part", 9)
    assert run(tmp_path / "part", 0) == whole


REFUSED = {
    "other data": ({"given": examples(seed=9)}, "learned from other data"),
    "fewer": ({"given": examples(40)}, "learned from other data"),
    "batch size": ({"batch_size": 15}, "batch_size = 16, and now has 15"),
    "validation": ({"validation": examples(9)}, "learned from other data"),
    "metrics": ({"metrics": False}, "the run measured epoch, loss, accuracy"),
    "optimiser": (
        {"optimizer": "sgd"},
        "had optimizer = Adam, and this trainer has opti",
    ),
    "schedule": ({"schedule": "step"}, "it holds no schedule"),
    "stopping": ({"callbacks": []}, "a callback that remembers something, EarlyStopping"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_run_is_not_gone_on_with(tmp_path, name):
    change, match = REFUSED[name]
    trainer, rng = built(callbacks=[EarlyStopping(), Checkpoint(tmp_path / "run")])
    fitted(trainer, rng, epochs=1)
    change = {"callbacks": [EarlyStopping()], **change}
    fit = {key: change.pop(key) for key in ("batch_size", "validation") if key in change}
    given = change.pop("given", examples())
    other, rng = built(**change)
    fit = {"batch_size": 16, "validation": 0.25, "epochs": 2, **fit}
    before = bits(other), repr(other.state_dict())
    with pytest.raises(CheckpointError, match=match):
        other.fit(given, rng=rng, resume=tmp_path / "run", **fit)
    assert (bits(other), repr(other.state_dict())) == before


def other_loss(outputs, targets):
    return F.cross_entropy(outputs, targets)


SETTINGS = {
    "loss": {"loss": other_loss},
    "smoothing": {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    "metric": {"metrics": {"accuracy": other_loss}},
    "clip_norm": {"clip_norm": 1.0},
    "clip_value": {"clip_value": 1.0},
    "monitor": {"monitor": "accuracy"},
    "scheduler_every": {"scheduler_every": "batch"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path, name):
    trainer, rng = built(callbacks=[Checkpoint(tmp_path / "run")])
    fitted(trainer, rng, epochs=1)
    other, rng = built(seed=1)
    for setting, value in SETTINGS[name].items():
        setattr(other, setting, value)
    before = bits(other), repr(other.state_dict())
    match = rf"the run had {next(iter(SETTINGS[name]))} = .*, and this trainer has"
    with pytest.raises(CheckpointError, match=match):
        fitted(other, rng, resume=tmp_path / "run")
    assert (bits(other), repr(other.state_dict())) == before


def test_another_distortion_is_not_gone_on_with(tmp_path):
    def fit(shear):
        images = np.random.default_rng(0).random((20, 3, 3), np.float32)
        model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, rng=np.random.default_rng(0)))
        optimizer = optim.Adam(model.named_parameters())
        trainer = Trainer(
            model, F.cross_entropy, optimizer, callbacks=[Checkpoint(tmp_path / "run")]
        )
        distorted = data.minibatches(
            images,
            np.arange(20) % 2,
            5,
            np.random.default_rng(0),
            transform=data.Affine(shear=shear),
        )
        trainer.fit(distorted, epochs=2, resume=tmp_path / "run")

    fit(0.1)
    fit(0.1)
    with pytest.raises(CheckpointError, match=r"transform = Affine\(.*shear=0.1.* now has Affine"):
        fit(0.2)


def test_another_model_is_not_gone_on_with(tmp_path):
    trainer, rng = built(callbacks=[Checkpoint(tmp_path / "run")])
    fitted(trainer, rng, epochs=1)
    model = nn.Linear(3, 2)
    before = model.state_dict()
    other = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.named_parameters()))
    with pytest.raises(CheckpointError, match="run: "):
        fitted(other, rng, resume=tmp_path / "run")
    for name, values in before.items():
        np.testing.assert_array_equal(model.state_dict()[name], values)
    assert (other.epoch, other.history) == (0, [])


def test_a_file_that_was_saved_before_any_step_keeps_its_share(tmp_path):
    built()[0].save(tmp_path / "run")
    trainer, rng = built()
    fitted(trainer, rng, epochs=1, resume=tmp_path / "run")
    trainer.save(tmp_path / "later")
    again, rng = built(seed=1)
    fitted(again, rng, epochs=2, resume=tmp_path / "later")
    fitted(trainer, rng, epochs=2)
    assert again.state_dict()["feed"]["examples"] == trainer.state_dict()["feed"]["examples"]


def test_batches_that_come_in_another_order_are_noticed(tmp_path):
    class Unsteady:
        def __iter__(self):
            x, y = examples()
            rows = np.random.default_rng().permutation(60)
            return iter([(x[rows[i : i + 20]], y[rows[i : i + 20]]) for i in (0, 20, 40)])

    callbacks = [Checkpoint(tmp_path / "run", every_batches=1), Stop(2)]
    trainer, _ = built(callbacks=callbacks)
    with pytest.raises(Killed):
        trainer.fit(Unsteady(), epochs=1)
    other, _ = built(callbacks=callbacks)
    # The last checkpoint is of the second batch: Stop comes before it, so it is the first.
    with pytest.raises(CheckpointError, match="batch 1 of the epoch is not the one"):
        other.fit(Unsteady(), epochs=1, resume=tmp_path / "run")


def test_a_state_that_makes_no_sense_is_refused(tmp_path):
    trainer, rng = built(callbacks=[EarlyStopping()])
    fitted(trainer, rng, epochs=2)
    state = trainer.state_dict()
    changes = [
        {"epoch": 3}, {"epoch": "x"}, {"batch": -1}, {"batch": 10**9}, {"history": None},
        {"history": [{"epoch": 1}, {}]}, {"losses": ["x"]}, {"losses": None}, {"sums": 3},
        {"callbacks": {"EarlyStopping": {}}}, {"callbacks": {"Evil": {}}}, {"settings": None},
        {"surroundings": 1}, {"lr": "fast"}, {"seen": None}, {"split_seed": "s"}, {"sets": 3},
        {"split_seed": -1}, {"settings": 3},
    ]  # fmt: skip
    other, rng = built(seed=5, callbacks=[EarlyStopping()])
    fitted(other, rng, epochs=1)
    before = bits(other), repr(other.state_dict())
    for change in changes:
        trainer.state_dict = lambda change=change: state | change
        trainer.save(tmp_path / "run")
        for go_on in (other.load, lambda path: fitted(other, rng, resume=path)):
            with pytest.raises(CheckpointError, match="run: "):
                go_on(tmp_path / "run")
            assert (bits(other), repr(other.state_dict())) == before


@pytest.mark.parametrize("feed", [{}, {"now": [{"bit_generator": "PCG64"}]}, {"start": 3},
                                  {"now": []}])  # fmt: skip
def test_a_state_of_the_batches_that_makes_no_sense_is_refused(tmp_path, feed):
    trainer, rng = built()
    fitted(trainer, rng, epochs=1)
    state = trainer.state_dict()
    trainer.state_dict = lambda: state | {"feed": (state["feed"] | feed) if feed else {}}
    trainer.save(tmp_path / "run")
    other, rng = built()
    with pytest.raises(CheckpointError, match="run: "):
        fitted(other, rng, resume=tmp_path / "run")


def test_a_disk_that_is_full_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    trainer, rng = built(callbacks=[Checkpoint(tmp_path / "run"), Stop(4)])
    with pytest.raises(Killed):
        fitted(trainer, rng)
    before = (tmp_path / "run").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tinygrad_bp.nn.checkpoint.write", full)
        again, rng = built(callbacks=[Checkpoint(tmp_path / "run")])
        with pytest.raises(CheckpointError, match="No space left on device"):
            fitted(again, rng, resume=tmp_path / "run")
    assert (tmp_path / "run").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_record_says_what_a_run_is(tmp_path):
    trainer, rng = built(callbacks=[Checkpoint(tmp_path / "run")])
    fitted(trainer, rng)
    record = nn.read_checkpoint(tmp_path / "run").extra["record"]
    assert record == trainer.record()
    assert all(len(record[name]) == 64 for name in ("data", "losses", "weights"))
    (seen,) = record["surroundings"]
    assert seen["numpy"] == np.__version__
    assert {"blas", "threads", "python", "platform", "tinygrad_bp"} <= seen.keys()


class Columns:
    """Something of another library, as pandas' are."""

    def __init__(self, array):
        self.shape, self.array = array.shape, array

    def to_numpy(self):
        return self.array


def test_columns_of_other_libraries_are_taken_by_position():
    x, y = examples()
    trainer, rng = built()
    fitted(trainer, rng, validation=(x, y))
    other, rng = built()
    given = tuple(map(Columns, (x, y)))
    other.fit(given, epochs=3, batch_size=16, rng=rng, validation=given)
    assert bits(other) == bits(trainer)


def test_batches_of_tensors_are_taken():
    x, y = examples()
    trainer, rng = built()
    batches = [(Tensor(x[:30]), Tensor(y[:30])), (Tensor(x[30:]), Tensor(y[30:]))]
    trainer.fit(batches, epochs=2, rng=rng, validation=batches)
    other, rng = built()
    plain = [(x[:30], y[:30]), (x[30:], y[30:])]
    other.fit(plain, epochs=2, rng=rng, validation=plain)
    assert bits(other) == bits(trainer)
    assert trainer.state_dict()["feed"]["last"] == other.state_dict()["feed"]["last"]


def test_tensors_and_plain_losses_are_taken():
    x, y = examples()
    model = nn.Linear(3, 2)
    trainer = Trainer(
        model, lambda o, t: (o - t[:, None]).square().mean(), optim.Adam(model.parameters())
    )
    trainer.fit((Tensor(x), y), epochs=1, validation=(Tensor(x), y))
    assert trainer.history[0]["val_loss"] > 0
