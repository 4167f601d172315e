"""Gradients computed by several workers: the same bits for any number of them, and whoever dies."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, cluster, data, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.cluster import workers as working
from tinygrad_bp.cluster.shards import bounds, total, within
from tinygrad_bp.cluster.workers import Here
from tinygrad_bp.errors import (
    ClusterError,
    DataError,
    OptimizerError,
    ShapeError,
)

STEPS = 3


def network(*, dropout: float = 0.0, dtype: Any = np.float32) -> nn.Module:
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(6, 16, dtype=dtype, rng=rng),
        nn.Tanh(),
        nn.Dropout(dropout, rng=rng),
        nn.Linear(16, 3, dtype=dtype, rng=rng),
    )


def examples(dtype: Any = np.float32) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(200, 6)).astype(dtype), rng.integers(0, 3, 200)


def stepping(client: Any, *, sent: bool = True, shards: int = 8, **options: Any) -> Any:
    model = network(**options)
    optimizer = optim.Adam(model.named_parameters(), lr=0.01)
    given = examples() if sent else None
    return cluster.ParallelStep(
        client, model, nn.CrossEntropyLoss(), optimizer, given, shards=shards
    )


def bits(step: Any) -> bytes:
    return b"".join(values.tobytes() for values in step.model.state_dict().values())


def trained(step: Any, *, sent: bool = True) -> bytes:
    """The bits of the losses and of the weights after some steps of 101 examples."""
    x, y = examples()
    losses = []
    for (rows,) in data.minibatches(np.arange(200), 101, np.random.default_rng(2), drop_last=True):
        losses += [step(rows) if sent else step(x[rows], y[rows]) for _ in range(STEPS)]
    return np.array(losses).tobytes() + bits(step)


# --- the order of additions -----------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 8, 12])
def test_the_order_of_additions_is_that_of_the_shards(shards: int) -> None:
    def add(left: str, right: str) -> str:
        return f"({left} + {right})"

    def leaf(node: Any) -> str | None:
        return str(node[0]) if node[1] - node[0] == 1 else None

    def by_workers(workers: int) -> str:
        edges = bounds(shards, min(workers, shards))
        nodes = [node for block in itertools.pairwise(edges)
                 for node in within((0, shards), block)]  # fmt: skip
        found = {node: total(node, leaf, add) for node in nodes}
        return total((0, shards), found.get, add)

    alone = total((0, shards), leaf, add)
    assert [by_workers(n) for n in range(1, 14)] == [alone] * 13


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 100])
def test_pieces_of_work_do_not_change_a_bit(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = trained(stepping(None, dropout=0.3))
    monkeypatch.setattr(Here, "count", count)
    assert trained(stepping(None, dropout=0.3)) == alone


# --- the gradient ---------------------------------------------------------------------------


def halved(outputs: Any, targets: Any) -> Any:
    """A loss that is an ordinary function."""
    return F.cross_entropy(outputs, targets) / 2


@pytest.mark.parametrize("shards", [1, 3, 8])
@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="sum"), halved]
)
def test_it_is_that_of_the_whole_batch(loss: Any, shards: int) -> None:
    (x, y), model = examples(np.float64), network(dtype=np.float64)
    cost = loss(model(x[:37]), y[:37])
    cost.backward()
    plain = [p.grad.data for p in model.parameters()]  # type: ignore[union-attr]
    model.zero_grad()
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    step = cluster.ParallelStep(None, model, loss, optimizer, shards=shards)
    assert step.backward(x[:37], y[:37]) == pytest.approx(cost.item(), rel=1e-13)
    for p, slope in zip(model.parameters(), plain, strict=True):
        assert p.grad is not None
        assert np.abs(p.grad.data - slope).max() <= 1e-12 * np.abs(slope).max()


class Tied(nn.Module):
    """A weight used twice, one that is frozen, one that the loss does not depend on, two dtypes."""

    def __init__(self) -> None:
        self.twice = nn.Parameter(np.full((6, 6), 0.1))
        self.again = self.twice
        self.frozen = nn.Parameter(np.ones(6, np.float32))
        self.frozen.requires_grad = False
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.alone = nn.Parameter(np.ones(2))

    def forward(self, x: Any) -> Any:
        return (x @ self.twice @ self.again * self.frozen)[:, :3] * self.scale


def test_tied_frozen_and_unreached_parameters() -> None:
    (x, y), model = examples(), Tied()
    F.cross_entropy(model(x), y).backward()
    plain = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    used = [("twice", model.twice), ("scale", model.scale)]
    step = cluster.ParallelStep(None, model, nn.CrossEntropyLoss(), optim.SGD(used, lr=0.1))
    step.backward(x, y)
    for name, p in model.named_parameters():
        assert (p.grad is None) == (plain[name] is None) == (name in ("frozen", "alone"))
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.data, plain[name].data, rtol=1e-5)  # type: ignore[union-attr]
    step(x, y)  # and a step moves what the optimiser has


def test_gradients_can_be_clipped_before_the_step() -> None:
    step, rows = stepping(None), np.arange(100)
    step.backward(rows)
    optim.clip_grad_norm_(list(step.model.parameters()), 1e-3)
    step.optimizer.step()


def test_an_optimiser_that_evaluates_several_times() -> None:
    (x, y), model = examples(), network()
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    step = cluster.ParallelStep(None, model, nn.CrossEntropyLoss(), optimizer)
    first = step(x, y)
    assert step(x, y) < first


def test_a_frozen_part_and_another_mode_reach_the_workers() -> None:
    step, rows = stepping(None, dropout=0.5), np.arange(100)
    step(rows)
    step.model.eval()
    assert step.backward(rows) == step.backward(rows)
    step.model.train()
    assert step.backward(rows) != step.backward(rows)
    step.model.get_submodule("0").requires_grad_(False)
    before = step.model.state_dict()
    step(rows)
    after = step.model.state_dict()
    assert [np.array_equal(before[name], after[name]) for name in before] == [True] * 2 + [
        False
    ] * 2


def test_another_loss_reaches_the_workers() -> None:
    step, rows = stepping(None), np.arange(100)
    whole = step.backward(rows)
    step.loss = halved
    assert step.backward(rows) == pytest.approx(whole / 2, rel=1e-6)


def test_random_layers_draw_anew_for_each_shard_and_go_on_from_a_saved_model(
    tmp_path: Path,
) -> None:
    step, rows = stepping(None, dropout=0.3), np.zeros(16, int)  # one example, sixteen times
    step(rows)
    nn.save(tmp_path / "model.npz", step.model, optimizer=step.optimizer)
    one, other = step(rows), step(rows)
    assert one != other

    again = stepping(None, dropout=0.3)
    nn.load(tmp_path / "model.npz", into=again.model, optimizer=again.optimizer)
    assert (again(rows), again(rows), bits(again)) == (one, other, bits(step))


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((np.arange(7),), "7 cannot be cut into 8"),
        ((np.arange(8) + 193,), "positions from 193 to 200, and there are 200"),
        ((np.arange(8) - 1,), "positions from -1"),
        ((np.ones(8),), "whole numbers, got float64"),
        (examples(), "whole numbers, got float32"),
        ((np.ones(200, bool),), "got bool"),
    ],
)
def test_batches_that_are_no_positions(batch: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        stepping(None)(*batch)


@pytest.mark.parametrize("batch", [(), (3.0, 4), (np.ones((9, 6)), np.ones(8, int))])
def test_batches_that_have_no_rows(batch: tuple[Any, ...]) -> None:
    with pytest.raises(DataError, match="an example in each row"):
        stepping(None, sent=False)(*batch)


@pytest.mark.parametrize("shards", [0, 2.0, True])
def test_shards_are_a_number(shards: Any) -> None:
    with pytest.raises(ValueError, match="shards must be"):
        stepping(None, shards=shards)


def contrastive(outputs: Any, targets: Any) -> Any:
    return ((outputs - outputs.mean(axis=0)) ** 2).mean()


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=[1.0, 2.0, 30.0]),
        nn.CrossEntropyLoss(ignore_index=0),
        contrastive,
    ],
)
def test_a_loss_that_is_no_mean_over_its_examples(loss: Any) -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = cluster.ParallelStep(None, model, loss, optimizer)
    with pytest.raises(ClusterError, match="would not add up to the batch"):
        step(*examples())


def test_a_loss_that_is_no_number() -> None:
    step = stepping(None)
    step.loss = nn.CrossEntropyLoss(reduction="none")
    with pytest.raises(ShapeError, match="to be one number"):
        step(np.arange(100))


def test_a_model_that_looks_at_a_whole_batch() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ClusterError, match="'1' is a BatchNorm1d"):
        cluster.ParallelStep(None, model, nn.CrossEntropyLoss(), optimizer)
    step = cluster.ParallelStep(None, model.eval(), nn.CrossEntropyLoss(), optimizer)
    step(*examples())
    model.train()
    with pytest.raises(ClusterError, match="'1' is a BatchNorm1d"):
        step(*examples())


def test_a_model_that_keeps_running_numbers() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Unflatten(1, (3, 2)),
                          nn.InstanceNorm1d(3, track_running_stats=True), nn.Flatten())  # fmt: skip
    step = cluster.ParallelStep(
        None, model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1)
    )
    with pytest.raises(ClusterError, match=r"model\.2\.running_mean moves"):
        step(*examples())


def test_a_step_that_would_not_be_finite_leaves_the_weights_alone() -> None:
    step, (x, y) = stepping(None, sent=False), examples()
    x[150] = np.inf
    before = bits(step)
    with pytest.raises(OptimizerError, match="0.weight"):
        step(x, y)
    assert bits(step) == before


# --- on a cluster ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    pytest.importorskip("distributed")
    with cluster.connect(workers=4) as found:
        yield found


def test_what_a_model_raises_comes_back(client: Any) -> None:
    step = stepping(client, sent=False)
    step(*examples())
    with pytest.raises(ShapeError, match="Linear"):
        step(np.ones((100, 5), np.float32), np.ones(100, int))


@pytest.mark.parametrize("sent", [True, False])
def test_one_to_four_workers_give_the_same_bits(
    client: Any, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = trained(stepping(None, dropout=0.3), sent=True)
    addresses = sorted(client.nthreads())
    assert len(addresses) == 4
    for count in (4, 3, 2, 1):
        monkeypatch.setattr(working.Workers, "_addresses", lambda self, n=count: addresses[:n])
        assert trained(stepping(client, sent=sent, dropout=0.3), sent=sent) == alone


def test_a_model_that_cannot_be_sent(client: Any) -> None:
    step = stepping(client)
    step.model.lock = threading.Lock()
    with pytest.raises(ClusterError, match=r"cannot be sent.*lock"):
        step(np.arange(100))


def dying(parent: int, path: Path, *, always: bool = False) -> Callable[[Any, Any], Any]:
    """A loss whose worker dies in the middle of a step, the first time or always."""

    def loss(outputs: Any, targets: Any) -> Any:
        if os.getpid() != parent and (always or not path.exists()):
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return F.cross_entropy(outputs, targets)

    return loss


def test_workers_that_die_change_no_bit(client: Any, tmp_path: Path) -> None:
    step = stepping(client)
    step.loss = dying(os.getpid(), tmp_path / "died")
    found = trained(step)
    assert (tmp_path / "died").exists()
    assert found == trained(stepping(None))


def test_what_all_workers_have_lost_is_sent_again(client: Any) -> None:
    alone, step = stepping(None), stepping(client)
    rows = np.arange(100)
    assert step(rows) == alone(rows)
    client.cancel(list(step._workers._kept.values()), force=True)
    assert step(rows) == alone(rows)
    assert bits(step) == bits(alone)


@pytest.mark.slow
def test_a_step_goes_on_where_the_only_worker_is_new() -> None:
    pytest.importorskip("distributed")
    alone, rows = stepping(None), np.arange(100)
    with cluster.connect(workers=1) as client:
        step = stepping(client)
        assert step(rows) == alone(rows)
        client.run(os.kill, client.run(os.getpid).popitem()[1], signal.SIGKILL, on_error="ignore")
        assert step(rows) == alone(rows)
    assert bits(step) == bits(alone)


def test_a_worker_that_always_dies_is_an_error(client: Any, tmp_path: Path) -> None:
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    step = stepping(client)
    step.loss = dying(os.getpid(), tmp_path / "died", always=True)
    before = bits(step)
    with pytest.raises(ClusterError, match="worker died"):
        step(np.arange(100))
    assert bits(step) == before


def test_a_cluster_without_workers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(working, "PATIENCE", 0.01)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty,
        distributed.Client(empty) as client,
        pytest.raises(ClusterError, match="no worker"),
    ):
        stepping(client)(np.arange(100))


def test_a_closed_client_is_an_error() -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "processes": False, "dashboard_address": "127.0.0.1:0"}
    alone, rows = stepping(None), np.arange(100)
    with distributed.LocalCluster(**options) as threads, distributed.Client(threads) as client:
        step = stepping(client)
        assert step(rows) == alone(rows)  # though workers hold the very same model
        assert bits(step) == bits(alone)
    with pytest.raises(ClusterError, match="client is closed"):
        step(rows)


def test_tensors_and_lists_are_batches_too() -> None:
    (x, y), rows = examples(), np.arange(100)
    step, other = stepping(None, sent=False), stepping(None)
    assert step(Tensor(x[rows]), y[rows].tolist()) == other(rows.tolist())
