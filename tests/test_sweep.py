"""Sweeps: what runs there are, what comes out whoever computes it, and what is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tinygrad_bp.cluster import connect
from tinygrad_bp.cluster.sweep import (
    Digits,
    Kept,
    Outcome,
    Plan,
    Table,
    carrying,
    draw_table,
    outcomes,
    read_plan,
    write_runs,
    write_table,
)
from tinygrad_bp.cluster.sweep.digits import Ready
from tinygrad_bp.data import drawn_digits, write_idx
from tinygrad_bp.data.sets import CLASSES, drawn
from tinygrad_bp.errors import ClusterError, DataError
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import Epoch, Recipe, Training
from tinygrad_bp.train.record import digest_of_weights

pytest.importorskip("distributed", reason="needs Dask")

EXAMPLE = Path(__file__).parent.parent / "examples" / "sweep.toml"
FEW = Digits(train=200, test=50)
PLAN = Plan(Recipe(epochs=2), {"lr": [0.5, 1.5], "hidden": [[16], [8, 8]]}, range(2), FEW)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connect(workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def found(client: Any) -> dict[Any, Outcome]:
    return dict(outcomes(PLAN, client))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set in MNIST's format, in a folder with a blank in its name."""
    folder = tmp_path / "my digits"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 20)):
        images, labels = drawn_digits(n, rng)
        pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


# --- what runs there are --------------------------------------------------------------------------


def plan_of(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "a sweep.toml"
    path.write_text(text)
    return read_plan(path, RECIPES)


def test_a_file_says_what_is_run(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        [data]
        folder = "digits"
        hold_out = 5_000
        [recipe]
        base = "modern"
        epochs = 3
        [sweep]
        lr = [1, 0.25]
        hidden = [[16, 16], []]
        seeds = [3, 5]
        """,
    )
    assert plan.digits == Digits(str(tmp_path / "digits"), hold_out=5_000)
    assert plan.settings == [(1.0, (16, 16)), (1.0, ()), (0.25, (16, 16)), (0.25, ())]
    modern = dataclasses.replace(RECIPES["modern"], epochs=3, lr=0.25, hidden=(), seed=5)
    assert plan.runs[-1].recipe == modern
    assert plan.runs[-1].name == "lr 0.25, hidden none, seed 5"
    assert len({run.recipe for run in plan.runs}) == len(plan.runs) == 8


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[recipe]\nseed = 4")
    assert [run.recipe for run in plan.runs] == [Recipe(seed=4)]
    assert plan.digits == Digits()
    assert [run.recipe.seed for run in plan_of(tmp_path, "[sweep]\nseeds = 3").runs] == [0, 1, 2]


WRONG = {
    "lr = [1": "is not TOML",
    "lr = [1]": "'lr' stands alone",
    "[sweeps]": "'sweeps' stands alone",
    "[sweep]\nrate = [1]": "[sweep]: there is no setting 'rate'; there are hidden, activation",
    "[recipe]\nrate = 1": "[recipe]: there is no setting 'rate'",
    "[recipe]\nbase = 'old'": "[recipe]: there is no base 'old'; there is lesson, modern",
    "[recipe]\nlr = '1'": "[recipe]: lr takes numbers, got '1'",
    "[recipe]\nlr = true": "[recipe]: lr takes numbers, got True",
    "[recipe]\nlr = nan": "[recipe]: lr must be positive",
    "[recipe]\nepochs = 1.5": "[recipe]: epochs takes whole numbers, got 1.5",
    "[recipe]\nhidden = 16": "[recipe]: hidden is a list of sizes such as [16, 16], got 16",
    "[recipe]\ncost = 1": "[recipe]: cost is a name, got 1",
    "[sweep]\nlr = []": "[sweep]: lr has an empty list",
    "[sweep]\nlr = 1": "[sweep]: lr takes a list of values to try, got 1",
    "[sweep]\nlr = [1, 1.0]": "[sweep]: lr has 1 twice",
    "[sweep]\nlr = [1, -1]": "[sweep]: with lr -1, seed 0: lr must be positive",
    "[sweep]\ncost = ['mse']": "[sweep]: with cost mse, seed 0: cost must be one of",
    "[sweep]\nhidden = [16, 16]": "[sweep]: hidden is a list of sizes such as [16, 16], got 16",
    "[sweep]\nseed = [1, 2]": "[sweep]: seeds are not a setting",
    "[sweep]\nseeds = 0": "[sweep]: seeds must be 1 or more",
    "[sweep]\nseeds = []": "[sweep]: seeds has an empty list",
    "[sweep]\nseeds = [1, 1]": "[sweep]: seeds has 1 twice",
    "[sweep]\nseeds = [-1]": "[sweep]: with seed -1: ",
    "[sweep]\nseeds = 'all'": "[sweep]: seeds takes whole numbers, got 'all'",
    "[sweep]\nseeds = 1000000": "[sweep]: seeds has 1,000,000 values; a sweep has up to 100,000",
    "[sweep]\nseeds = 60000\nlr = [1, 2]": "[sweep]: that would be 120,000 runs",
    "[recipe]\nseed = 1\n[sweep]\nseeds = 2": "[sweep]: [recipe] has a seed",
    "[data]\nfolder = 1": "[data]: folder is the name of a folder, got 1",
    "[data]\nfolder = 'a'\ntrain = 10": "[data]: there is no 'train' of a folder",
    "[data]\nholdout = 10": "[data]: there is no 'holdout' of drawn digits",
    "[data]\nhold_out = 0": "[data]: hold_out must be 1 or more",
    "[data]\ntrain = '10'": "[data]: train takes whole numbers",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_told_with_its_name_and_table(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=re.escape(WRONG[text])) as raised:
        plan_of(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "a sweep.toml"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is not TOML"):
        read_plan(tmp_path / "bytes.toml")


# --- what comes out -------------------------------------------------------------------------------


def test_a_run_is_a_training_and_all_are_done(client: Any, found: dict[Any, Outcome]) -> None:
    """Of a worker, whose BLAS has one thread: with two, the last bits of the weights differ."""

    def trained(recipe: Recipe) -> tuple[tuple[Epoch, ...], str]:
        training = Training(recipe, drawn(0, train=200, test=50), classes=CLASSES)
        return tuple(training.epochs()), digest_of_weights(training.model)

    assert found.keys() == set(PLAN.runs)
    run = PLAN.runs[-1]
    expected = client.submit(trained, run.recipe).result()
    assert (found[run].history, found[run].weights) == expected
    assert len({outcome.weights for outcome in found.values()}) == len(found)


def test_the_number_of_workers_does_not_change_a_bit(found: dict[Any, Outcome]) -> None:
    with connect(workers=1) as client:
        assert dict(outcomes(PLAN, client)) == found


def test_a_run_whose_worker_is_killed_is_done_again(client: Any, found: Any) -> None:
    """The worker kills itself in its first run: one moment that is surely in the middle."""

    def arm() -> int:
        import os
        import signal

        from tinygrad_bp.cluster.sweep import outcome

        def epochs(_: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        class Deadly(outcome.Training):  # type: ignore[name-defined,misc]
            pass

        Deadly.epochs = epochs
        outcome.Training = Deadly  # type: ignore[attr-defined]
        return os.getpid()

    worker, *_ = client.nthreads()
    (killed,) = client.run(arm, workers=[worker]).values()
    assert dict(outcomes(PLAN, client)) == found
    client.wait_for_workers(2)
    assert killed not in client.run(os.getpid).values()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="as on Windows")
def test_ctrl_c_is_for_us_and_not_for_the_workers(client: Any) -> None:
    """One of them was started in the place of one that was killed."""

    def blocked() -> bool:
        import signal

        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    assert set(client.run(blocked).values()) == {True}
    assert not blocked()


def test_a_run_that_diverges_is_an_outcome(client: Any, tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, activation="relu", cost="cross_entropy", initializer="he")
    plan = Plan(recipe, {"lr": [0.1, 1e30]}, range(2), FEW)
    kept = Kept(tmp_path)
    found = dict(outcomes(plan, client, kept))
    good, bad = Table(plan, found).rows
    assert (len(good.accuracies), good.diverged) == (2, ())
    assert (bad.accuracies, bad.diverged) == ((), (1, 1))
    assert np.isnan(bad.mean)
    assert "Lower the learning rate" in str(found[plan.runs[-1]].diverged)
    assert dict(outcomes(plan, client, kept)) == found


def test_the_example_in_small(client: Any, tmp_path: Path) -> None:
    plan = read_plan(EXAMPLE, RECIPES)
    small = Digits(train=300, test=20, hold_out=50)
    recipe = dataclasses.replace(plan.recipe, epochs=1)
    plan = dataclasses.replace(plan, digits=small, recipe=recipe)
    found = dict(outcomes(plan, client))
    table = Table(plan, found)
    write_table(table, tmp_path / "table.csv")
    write_runs(plan, found, tmp_path / "runs.csv")
    heading, *lines = (tmp_path / "table.csv").read_text().splitlines()
    assert heading == "lr,hidden,runs,mean,deviation,lowest,highest,diverged"
    assert lines[0].split(",")[:3] == ["0.1", "16-16", "3"]
    assert float(lines[0].split(",")[3]) == table.rows[0].mean
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 1 + len(plan.runs) == 19


# --- digits ---------------------------------------------------------------------------------------


def test_a_folder_is_read_by_the_workers(client: Any, folder: Path) -> None:
    plan = Plan(Recipe(epochs=1), digits=Digits(str(folder), hold_out=10))
    (outcome,) = dict(outcomes(plan, client)).values()
    (again,) = dict(outcomes(plan, client)).values()
    assert outcome == again
    for path in folder.glob("train-labels*"):
        write_idx(path, np.zeros(60, np.uint8))
    (changed,) = dict(outcomes(plan, client)).values()
    assert changed.data != outcome.data  # nothing is remembered from the sweep before


def test_a_worker_loads_the_digits_once(client: Any) -> None:
    def loaded() -> int:
        from tinygrad_bp.cluster.sweep.digits import _loaded

        return _loaded.cache_info().misses

    before = client.run(loaded)
    dict(outcomes(dataclasses.replace(PLAN, seeds=range(4)), client))
    assert client.run(loaded) == {worker: n + 1 for worker, n in before.items()}


def test_a_folder_that_is_not_there_is_named_with_the_worker(client: Any, tmp_path: Path) -> None:
    plan = Plan(digits=Digits(str(tmp_path / "none")))
    where = re.escape(str(tmp_path / "none"))
    with pytest.raises(
        ClusterError, match=f"the worker at tcp://.* cannot load the digits in {where}: "
    ):
        next(outcomes(plan, client))


def test_workers_must_have_the_same_digits_and_one_thread() -> None:
    one = {"threads": 1}
    with pytest.raises(ClusterError, match="the workers at A and B have different digits"):
        carrying._data({"A": Ready("1", one), "B": Ready("2", one)}, Digits("mnist"))
    for threads in (1, "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"):
        carrying._check_threads("the worker at A", threads)
    for threads in (2, "OMP_NUM_THREADS=2", "as many as 1 processors", "OMP_NUM_THREADS=1 X=4"):
        with pytest.raises(ClusterError, match="more than one thread in the worker at A"):
            carrying._check_threads("the worker at A", threads)
    late = dataclasses.replace(outcome_of(0.9), surroundings={"threads": 2})
    with pytest.raises(ClusterError, match="came later has other digits"):
        carrying._check(late, "of the others", FEW)
    with pytest.raises(ClusterError, match=r"one thread in a worker that came later \(2\)"):
        carrying._check(late, late.data, FEW)


def test_a_worker_that_came_later_and_has_no_digits_is_named(client: Any) -> None:
    late = client.submit(carrying.carry_out, Recipe(), Digits("/no/such"), "a sweep")
    with pytest.raises(ClusterError, match="the worker at tcp://.* the digits in /no/such: "):
        late.result()


def test_workers_that_have_gone_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        workers: ClassVar = {"A": 1}

        def nthreads(self) -> dict[str, int]:
            return self.workers

    class Future:
        def add_done_callback(self, _: Any) -> None:
            pass

        def result(self, **_: Any) -> None:
            Client.workers = {}
            raise TimeoutError

    monkeypatch.setattr(carrying, "LOOK", 0)
    monkeypatch.setattr(carrying, "GONE", 0)
    watch = carrying._Watch(Client())
    watch.look()
    with pytest.raises(ClusterError, match="there has been no worker for 0 s"):
        carrying._found(Future(), PLAN.runs[0], watch)
    with pytest.raises(ClusterError, match="there has been no worker for 0 s"):
        next(carrying._as_they_end([Future()], watch))


def test_a_run_that_fails_is_named_when_the_others_are_done(client: Any) -> None:
    plan = Plan(Recipe(epochs=1), {"hidden": [[10**12], [], [10**13]]}, range(2), FEW)
    found = {}
    failed = r"the run with hidden 10*, seed \d failed: .*Memory.* So did 3 others\."
    with pytest.raises(ClusterError, match=failed):
        found.update(outcomes(plan, client))
    assert found.keys() == set(plan.runs[2:4])


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "my runs")


def test_what_is_kept_is_not_computed_again(
    client: Any, kept: Kept, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dict(outcomes(PLAN, client, kept)) == found
    files = sorted(kept.folder.iterdir())
    assert len(files) == len(PLAN.runs)
    for path in files[:2]:
        path.unlink()
    submitted: list[Any] = []
    submit = carrying._submit
    monkeypatch.setattr(carrying, "_submit", lambda *a: [submitted.append(a), submit(*a)][1])
    assert dict(outcomes(PLAN, client, Kept(kept.folder))) == found
    assert len(submitted) == 2
    assert sorted(kept.folder.iterdir()) == files
    more = dataclasses.replace(PLAN, seeds=range(3))
    assert len(dict(outcomes(more, client, kept))) == 12
    assert len(submitted) == 2 + 4


def test_other_digits_are_other_runs(client: Any, kept: Kept) -> None:
    plan = Plan(Recipe(epochs=1), digits=FEW)
    other = dataclasses.replace(plan, digits=dataclasses.replace(FEW, seed=1))
    (one,), (two,) = (dict(outcomes(p, client, kept)).values() for p in (plan, other))
    assert one.history != two.history
    assert len(list(kept.folder.iterdir())) == 2


def altered(content: dict[str, Any]) -> bytes:
    content["history"][-1]["test_accuracy"] = 1.0
    return json.dumps(content).encode()


def of_other_versions(content: dict[str, Any]) -> bytes:
    from tinygrad_bp.cluster.sweep.kept import _digest

    del content["digest"]
    content["surroundings"]["numpy"] = "1.0"
    return json.dumps(content | {"digest": _digest(content)}).encode()


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], bytes], str]] = {
    "cut off": (lambda content: json.dumps(content).encode()[:-9], "only a part"),
    "empty": (lambda content: b"", "only a part"),
    "deep": (lambda content: b"[" * 100_000, "does not hold a run"),
    "a list": (lambda content: b"[1, 2]", "does not hold a run"),
    "bytes": (lambda content: b"\xff\x00", "does not hold a run"),
    "something else": (lambda content: b"{}", "not what was written"),
    "altered": (altered, "not what was written"),
    "other versions": (of_other_versions, "numpy was 1.0 and is"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_and_not_trusted(kept: Kept, damage: str, found: Any) -> None:
    run = PLAN.runs[0]
    outcome = found[run]
    kept.keep(run.recipe, outcome)
    assert kept.outcome(run.recipe, outcome.data) == outcome
    (path,) = kept.folder.iterdir()
    make, message = DAMAGES[damage]
    path.write_bytes(make(json.loads(path.read_text())))
    told: list[str] = []
    again = Kept(kept.folder, told.append)
    assert again.outcome(run.recipe, outcome.data) is None
    assert message in told[0]
    assert told[0].startswith(f"{path}: ")
    with pytest.warns(UserWarning, match="done again"):
        assert kept.outcome(run.recipe, outcome.data) is None
    again.keep(run.recipe, outcome)
    assert again.outcome(run.recipe, outcome.data) == outcome


def test_a_file_under_the_name_of_another_run(kept: Kept, found: Any) -> None:
    one, two = PLAN.runs[:2]
    told: list[str] = []
    kept = Kept(kept.folder, told.append)
    kept.keep(one.recipe, found[one])
    (path,) = kept.folder.iterdir()
    kept.keep(two.recipe, found[two])
    (other,) = set(kept.folder.iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    assert kept.outcome(two.recipe, found[two].data) is None
    assert "it holds another run" in told[0]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "no/such", "file/in", "null\0"):
        with pytest.raises(DataError, match="is no folder, and cannot be made one"):
            Kept(tmp_path / name)


# --- the table and the picture --------------------------------------------------------------------


def outcome_of(accuracy: float, *, diverged: bool = False) -> Outcome:
    return Outcome((Epoch(1, 0.5, accuracy, accuracy, 1.0),), "x" if diverged else None, "", "", {})


def test_mean_and_spread_are_those_of_the_seeds() -> None:
    plan = Plan(Recipe(epochs=1), {"lr": [1.0, 2.0, 3.0]}, range(3))
    accuracies = [0.5, 0.7, 0.9, 0.8, 0.8, 0.9, 0.9, 0.9, 0.9]
    found = {
        run: outcome_of(accuracy, diverged=i == 6)
        for i, (run, accuracy) in enumerate(zip(plan.runs, accuracies, strict=True))
    }
    table = Table(plan, found)
    first, second, third = table.rows
    assert (first.mean, first.lowest, first.highest) == (pytest.approx(0.7), 0.5, 0.9)
    assert first.deviation == pytest.approx(0.2)
    assert (third.accuracies, third.diverged) == ((0.9, 0.9), (2,))
    assert table.best == second  # the third did not do it with every seed
    assert table.overlapping(second) == [first, third]
    assert Table(plan, {}).best is None


@pytest.mark.parametrize("swept", range(4))
def test_a_picture_of_up_to_three_settings(tmp_path: Path, swept: int) -> None:
    pytest.importorskip("matplotlib")
    settings = {"lr": [0.5, 1.0], "hidden": [[16], []], "activation": ["relu", "tanh", "sigmoid"]}
    plan = Plan(swept=dict(list(settings.items())[:swept]), seeds=range(2))
    found = {run: outcome_of(0.9, diverged=run.recipe.lr == 0.5) for run in plan.runs}
    draw_table(plan, Table(plan, found), tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert text.count('id="axes_') == (1 if swept < 3 else 2)


def test_a_picture_that_cannot_be(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    four = Plan(swept={"lr": [1], "hidden": [[]], "momentum": [0], "epochs": [1]})
    with pytest.raises(DataError, match="up to 3 settings, and these are 4"):
        draw_table(four, Table(four, {}), tmp_path / "plot.svg")
    plan = Plan()
    with pytest.raises(DataError, match="could not be written"):
        draw_table(plan, Table(plan, {}), tmp_path / "no" / "plot.svg")
