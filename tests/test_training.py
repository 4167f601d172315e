"""Training runs: what they learn, that they can be repeated bit by bit, and resumed."""

from __future__ import annotations

import dataclasses
import itertools
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick import some_quick

from tinygrad_bp import nn
from tinygrad_bp.cli.outcome import confusion
from tinygrad_bp.data import mnist
from tinygrad_bp.data.sets import drawn, hold_out
from tinygrad_bp.errors import (
    CheckpointError,
    DataError,
    LabelError,
    OptimizerError,
    ShapeError,
)
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    Callback,
    Recipe,
    Training,
    evaluation,
    outputs,
    saved_run,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def digits():
    return drawn(0, train=300, test=100)


def trained(recipe, data):
    run = Training(recipe, data)
    return run, list(run.epochs())


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_learn(name):
    _, records = trained(
        dataclasses.replace(RECIPES[name], epochs=10, batch_size=20), drawn(0, train=2000, test=300)
    )
    assert [record.number for record in records] == list(range(1, 11))
    assert records[-1].cost < records[0].cost / 2
    assert records[-1].test_accuracy > 0.85
    assert all(0 <= r.train_accuracy <= 1 for r in records)


@pytest.mark.parametrize(
    "choice", some_quick(itertools.product(ACTIVATIONS, COSTS, INITIALIZERS), 5), ids=" ".join
)
def test_every_choice_can_be_trained(digits, choice):
    activation, cost, initializer = choice
    recipe = Recipe(activation=activation, cost=cost, initializer=initializer, lr=0.1, epochs=1)
    run, [record] = trained(recipe, digits)
    assert np.isfinite(record.cost)
    assert ("output_activation" in dict(run.model.named_children())) == (cost != "cross_entropy")
    assert outputs(run.model, digits.test_images).shape == (100, 10)


def test_the_lessons_own_initialiser_draws_biases_too(digits):
    biased = Training(Recipe(initializer="normal"), digits).model.state_dict()["hidden1.bias"]
    plain = Training(Recipe(initializer="scaled"), digits).model.state_dict()["hidden1.bias"]
    assert biased.all()
    assert not plain.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 7, 6)])
def test_layers_and_dtype(digits, hidden, dtype):
    run, _ = trained(Recipe(hidden=hidden, dtype=dtype, epochs=1), digits)
    assert run.model.sizes == (784, *hidden, 10)
    assert {p.dtype for p in run.model.parameters()} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1]),
        ("step", [1, 0.1, 0.01]),
        ("cosine", [1, 0.75, 0.25]),
    ],
)
def test_schedules(digits, schedule, rates):
    _, records = trained(Recipe(schedule=schedule, lr=1.0, epochs=3), digits)
    np.testing.assert_allclose([record.lr for record in records], rates, rtol=1e-12)


@pytest.mark.parametrize("transform", ["affine", "elastic"])
def test_distorted_digits_are_learned_from_and_not_tested_on(digits, transform):
    plain, (record,) = trained(Recipe(epochs=1), digits)
    distorted, (other,) = trained(Recipe(epochs=1, transform=transform), digits)
    assert record != other
    assert plain.trainer.record()["data"] == distorted.trainer.record()["data"]
    with pytest.raises(ShapeError, match="distorts square images, and the inputs have 3 features"):
        Training(Recipe(transform=transform), points())


def test_callbacks_are_told_of_every_batch(digits):
    class Told(Callback):
        def on_batch(self, trainer):
            told.append((trainer.batch, trainer.batches))

    told = []
    Training(Recipe(batch_size=99), digits, callbacks=[Told()]).run_epoch()
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_diverging_run_stops(digits):
    run = Training(Recipe(activation="relu", cost="cross_entropy", lr=1e30), digits)
    with pytest.raises(OptimizerError, match=r"in epoch 1, batch \d: .*learning rate"):
        list(run.epochs())
    assert run.history == []


def test_a_cost_that_is_not_finite_stops_the_run(digits):
    run = Training(Recipe(epochs=1), digits)
    run.trainer.loss = lambda raw, targets: (
        run.model(digits.test_images[:1]).sum() * (1.0 if len(raw) < 300 else np.nan)
    )
    with pytest.raises(OptimizerError, match=r"in epoch 1: its loss is nan. Lower the learning"):
        run.run_epoch()


# --- the same bits --------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(tmp_path, digits):
    for name in "ab":
        run, _ = trained(Recipe(epochs=2), digits)
        run.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_seed_gives_other_weights(digits):
    one, two = (Training(Recipe(seed=seed), digits).model.state_dict() for seed in (0, 1))
    assert (one["hidden1.weight"] != two["hidden1.weight"]).all()


CHANGES: list[dict[str, Any]] = [
    {"schedule": "step", "momentum": 0.5, "weight_decay": 1e-3},
    {},
    {"momentum": 0.9, "lr": 0.1},
    {"transform": "affine"},
    {"schedule": "cosine"},
    {"dtype": "float64", "momentum": 0.9, "lr": 0.1, "schedule": "cosine"},
]


@pytest.mark.parametrize("changes", some_quick(CHANGES, 3), ids=str)
@pytest.mark.parametrize("stop", some_quick((1, 0, 3, 4), 4))
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, digits, changes, stop):
    recipe = Recipe(epochs=4, batch_size=70, **changes)
    whole = Training(recipe, digits, about={"k": 1})
    list(whole.epochs())
    whole.save(tmp_path / "whole")
    stopped = Training(recipe, digits, about={"k": 1})
    for _ in range(stop):
        stopped.run_epoch()
    stopped.save(tmp_path / "part")
    stopped.run_epoch()  # work that is lost when it is killed
    resumed = Training.resume(tmp_path / "part", digits)
    assert len(list(resumed.epochs())) == 4 - stop
    resumed.save(tmp_path / "resumed")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_run_can_be_made_longer(tmp_path, digits):
    trained(Recipe(epochs=2), digits)[0].save(tmp_path / "m")
    longer = Training.resume(tmp_path / "m", digits, epochs=3)
    whole, _ = trained(Recipe(epochs=3), digits)
    assert [record.number for record in longer.epochs()] == [3]
    assert longer.history == whole.history
    for name, values in whole.model.state_dict().items():
        np.testing.assert_array_equal(longer.model.state_dict()[name], values)


def test_a_saved_run_says_what_it_is(tmp_path, digits):
    Training(Recipe(epochs=7), digits, about={"name": "x"}).save(tmp_path / "m")
    assert saved_run(tmp_path / "m") == (Recipe(epochs=7), {"name": "x"})


def test_a_saved_run_is_a_model(tmp_path, digits):
    run, _ = trained(Recipe(epochs=1), digits)
    run.save(tmp_path / "m")
    model = nn.load(tmp_path / "m")
    np.testing.assert_array_equal(
        outputs(model, digits.test_images), outputs(run.model, digits.test_images)
    )


def test_other_data_are_refused(tmp_path, digits):
    Training(Recipe(), digits).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="learned from other data"):
        Training.resume(tmp_path / "m", hold_out(digits, 10))
    with pytest.raises(CheckpointError, match="/m: the run learned from other data"):
        Training.resume(tmp_path / "m", drawn(1, train=300, test=100))
    with pytest.raises(CheckpointError, match="/m: the run was validated on other data"):
        Training.resume(tmp_path / "m", (*digits[:2], *drawn(1, train=9, test=100)[2:]))


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": {"activation": "evil"}},
        {"recipe": {"unheard_of": 1}},
        {"recipe": {"lr": "fast"}},
        {"recipe": None},
        {"recipe": {"hidden": [10**9]}},
        {"recipe": {"lr": 10**400}},
        {"recipe": {"epochs": 10**400, "schedule": "step"}},
        {"recipe": {"batch_size": 1.5}},
    ],
    ids=str,
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path, digits, change):
    run = Training(Recipe(schedule="cosine"), digits)
    state = run.trainer.extra["training"]
    run.trainer.extra["training"] = state | {"recipe": state["recipe"] | (change["recipe"] or {})}
    if change["recipe"] is None:
        run.trainer.extra = {}
    run.save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="no sound state of a training run"):
        Training.resume(tmp_path / "m", digits)


def test_a_bare_model_cannot_be_resumed(tmp_path, digits):
    nn.save(tmp_path / "m", nn.MLP(784, 10))
    for resume in (saved_run, lambda path: Training.resume(path, digits)):
        with pytest.raises(CheckpointError, match="it holds a model, but no sound state"):
            resume(tmp_path / "m")
    with pytest.raises(CheckpointError, match="does not exist"):
        saved_run(tmp_path / "n")


# --- examples of any kind -------------------------------------------------------------------------


def points(n=60, features=3, classes=4):
    """Training and test examples of something that is no picture."""
    rng = np.random.default_rng(3)
    halves = [(rng.normal(size=(n, features)), np.arange(n) % classes) for _ in range(2)]
    return [part for half in halves for part in half]


@pytest.mark.parametrize("cost", COSTS)
def test_any_number_of_features_and_classes(tmp_path, cost):
    recipe = Recipe(cost=cost, hidden=(5,), lr=0.1, epochs=2)
    run = Training(recipe, points())
    run.run_epoch()
    assert run.model.sizes == (3, 5, 4)
    assert outputs(run.model, run.data.test_inputs).shape == (60, 4)
    run.save(tmp_path / "m")
    assert [record.number for record in Training.resume(tmp_path / "m", points()).epochs()] == [2]


def test_classes_that_no_label_names_are_asked_for_and_kept(tmp_path):
    run = Training(Recipe(hidden=()), points(), classes=7)
    run.save(tmp_path / "m")
    assert Training.resume(tmp_path / "m", points()).model.sizes == (3, 7)
    with pytest.raises(LabelError, match="label 3 is not one of the 3 classes 0 to 2"):
        Training(Recipe(), points(), classes=3)


def test_no_inputs_have_no_outputs():
    assert outputs(nn.MLP(3, 2), np.zeros((0, 3), np.float32)).shape == (0, 2)


BAD_EXAMPLES = {
    "pictures": (0, np.zeros((60, 2, 2)), ShapeError, r"training inputs must be \(n, features\)"),
    "too few labels": (3, np.zeros(59, int), ShapeError, r"test labels \(n,\), got .*\(59,\)"),
    "other features": (2, np.zeros((60, 2)), ShapeError, "have 3 features and test inputs 2"),
    "floats": (1, np.zeros(60), LabelError, "training labels must be whole numbers"),
    "negative": (1, np.full(60, -1), LabelError, "from -1 to -1"),
    "one-hot": (1, np.eye(60, 4), ShapeError, r"training labels \(n,\)"),
}


@pytest.mark.parametrize(
    ("at", "array", "error", "message"), BAD_EXAMPLES.values(), ids=BAD_EXAMPLES
)
def test_examples_that_do_not_fit_are_refused(at, array, error, message):
    data = points()
    data[at] = array
    with pytest.raises(error, match=message):
        Training(Recipe(), data)


def test_there_must_be_something_to_learn_from_and_to_test_on():
    with pytest.raises(DataError, match="there are no test examples"):
        Training(Recipe(), [*points()[:2], np.zeros((0, 3)), np.zeros(0, int)])


# --- data and evaluation --------------------------------------------------------------------------


def test_drawn_digits_depend_on_the_seed_alone():
    one, same, other = (
        drawn(0, train=5, test=3),
        drawn(0, train=5, test=3),
        drawn(1, train=5, test=3),
    )
    for left, right in zip(one, same, strict=True):
        np.testing.assert_array_equal(left, right)
    assert (one.train_images != other.train_images).any()


def test_held_out_examples_are_the_last_of_the_training_set(digits):
    held = hold_out(digits, 40)
    np.testing.assert_array_equal(held.train_images, digits.train_images[:260])
    np.testing.assert_array_equal(held.test_images, digits.train_images[260:])
    np.testing.assert_array_equal(held.test_labels, digits.train_labels[260:])


@pytest.mark.parametrize("n", [0, -1, 300, 301])
def test_a_hold_out_leaves_something_on_both_sides(digits, n):
    with pytest.raises(DataError, match="give 1 to 299"):
        hold_out(digits, n)


def test_evaluation_in_chunks_gives_the_same(digits, monkeypatch):
    model = nn.MLP(784, 16, 10, rng=np.random.default_rng(0), dtype="f8")
    whole = outputs(model, digits.train_images)
    monkeypatch.setattr(evaluation, "CHUNK", 7)
    np.testing.assert_allclose(outputs(model, digits.train_images), whole, rtol=1e-12)


def test_outputs_are_activations_or_the_softmax_of_logits(digits):
    rng = np.random.default_rng(0)
    logits = nn.MLP(784, 10, rng=rng)
    squashed = nn.MLP(784, 10, rng=rng, output_activation=nn.Sigmoid())
    np.testing.assert_allclose(outputs(logits, digits.test_images).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        outputs(squashed, digits.test_images), squashed(digits.test_images).data
    )


def test_confusion_counts_pairs():
    table = confusion(np.array([0, 4, 4, 9]), np.array([0, 9, 9, 4]))
    assert table.shape == (10, 10)
    assert (table[0, 0], table[4, 9], table[9, 4], table.sum()) == (1, 2, 1, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"activation": "step"},
        {"cost": "mse"},
        {"initializer": "ones"},
        {"schedule": "linear"},
        {"transform": "mirror"},
        {"dtype": "float16"},
        {"lr": 0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"lr": float("inf")},
        {"weight_decay": float("inf")},
        {"hidden": (16, 0)},
        {"hidden": (1.5,)},
        {"batch_size": 1.5},
        {"batch_size": 0},
        {"epochs": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_a_recipe_checks_itself(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("hidden", "layers")):
        Recipe(**wrong)


# --- what it needs --------------------------------------------------------------------------------


def test_training_needs_neither_rich_nor_matplotlib():
    program = (
        "import sys, tinygrad_bp.train, tinygrad_bp.cli\n"
        "print(sorted({'rich', 'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    assert python("-c", program) == "[]\n"


@pytest.mark.slow
def test_the_example_learns(capsys):
    last = example("train_mnist.py", capsys).splitlines()[-1]
    assert last.startswith("epoch 10: ")
    assert float(last.split()[2].rstrip("%")) > 90


@pytest.mark.slow
def test_the_example_stops_early_and_stays_stopped(tmp_path, capsys):
    first, again = (example("early_stopping.py", capsys, tmp_path) for _ in range(2))
    assert first == again
    assert float(first.split(": ")[1].split(";")[0]) > 0.94
    assert {path.name for path in tmp_path.iterdir()} == {"history.csv", "run.npz"}


def example(name, capsys, *arguments):
    """Run an example and return what it prints."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", [name, *map(str, arguments)])
        patched.setattr("os.fsync", lambda descriptor: None)  # nobody pulls the plug
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    out, err = capsys.readouterr()
    assert err == ""
    return out


def python(*arguments):
    """Run Python in the project's folder and return what it prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.stderr == ""
    return run.stdout


# --- the real digits ------------------------------------------------------------------------------

EVERY, AVERAGE = 0, 1
PROMISED = {"lesson": (0.935, 0.935), "modern": (0.954, 0.958)}  # of every seed, and on average


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_accuracies(mnist_folder, name):
    data = mnist(mnist_folder)
    accuracies = []
    for seed in range(5):
        _, records = trained(dataclasses.replace(RECIPES[name], seed=seed), data)
        accuracies.append(records[-1].test_accuracy)
    print(name, accuracies)
    assert len(records) <= 20
    assert min(accuracies) >= PROMISED[name][EVERY]
    assert np.mean(accuracies) >= PROMISED[name][AVERAGE]
