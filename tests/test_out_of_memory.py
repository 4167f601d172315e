"""Data that do not fit in memory: chunks on the disk, one lazy graph, workers that may die."""

from __future__ import annotations

import os
import pickle
import runpy
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed", reason="needs distributed")

import cloudpickle
import dask
import dask.array as da
from dask.callbacks import Callback

from tinygrad_bp import Tensor, cluster, functional, nn, optim
from tinygrad_bp.cluster.fusion import fused
from tinygrad_bp.errors import ClusterError, DataError, GradientError
from tinygrad_bp.tensor import array_of

# What older versions of Dask say of `scheduler="synchronous"` while there is a client.
pytestmark = pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler")

LENGTHS = (40, 40, 40, 40, 15)
EXAMPLE = Path(__file__).parent.parent / "examples" / "full_batch.py"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster.connect(workers=2) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images and targets of 175 examples, in five chunks."""
    rng = np.random.default_rng(0)
    cluster.write_chunks(tmp_path / "images", (rng.random((n, 784)) for n in LENGTHS))
    cluster.write_chunks(
        tmp_path / "targets", (np.eye(10)[rng.integers(0, 10, n)] for n in LENGTHS)
    )
    return tmp_path


def xy(folder: Path) -> tuple[Any, Any]:
    return cluster.chunks(folder / "images"), cluster.chunks(folder / "targets")


def network() -> nn.MLP:
    rng = np.random.default_rng(1)
    return nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), dtype=np.float64, rng=rng)


def squares(model: Any, x: Any, y: Any) -> Tensor:
    return functional.sum_squares(model(x), y)


def weighted(model: Any, x: Any, y: Any) -> Tensor:
    """In NumPy's own functions, with a mean over all there is."""
    return np.mean(np.sum(np.exp(model(x) - y) * np.arange(10.0), axis=1))


def centred(model: Any, x: Any, y: Any) -> Tensor:
    """Every example meets all others on the way."""
    return squares(model, x - np.mean(x, axis=0), y)


LOSSES = [squares, weighted, centred]


def in_memory(loss: Any, folder: Path) -> tuple[float, list[Any]]:
    """The same with everything in memory, by NumPy."""
    x, y = (
        np.concatenate([np.load(folder / part / f"{i}.npy") for i in range(len(LENGTHS))])
        for part in ("images", "targets")
    )
    model = network()
    cost = loss(model, x, y)
    cost.backward()
    return cost.item(), [p.grad.data for p in model.parameters()]


def check_alike(model: Any, cost: float, expected: tuple[float, list[Any]]) -> None:
    assert cost == pytest.approx(expected[0], rel=1e-12)
    for p, gradient in zip(model.parameters(), expected[1], strict=True):
        assert type(p.grad.data) is np.ndarray
        assert np.abs(p.grad.data - gradient).max() <= 1e-12 * np.abs(gradient).max()


# --- one lazy graph -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_all_data_in_memory(client: Any, folder: Path, loss: Any) -> None:
    model = network()
    cost = loss(model, *xy(folder))
    cost.backward()
    found = cluster.compute_gradients(cost, model.parameters())
    check_alike(model, found, in_memory(loss, folder))


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_is_read_before_and_then_each_chunk_once(
    folder: Path, loss: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, computed = [], []
    original = cluster.chunks.__globals__["_read"]

    def counting(stack: Any, number: int) -> Any:
        read.append((stack.folder.name, number))
        return original(stack, number)

    monkeypatch.setitem(cluster.chunks.__globals__, "_read", counting)
    with Callback(start=computed.append), dask.config.set(scheduler="synchronous"):
        model = network()
        cost = loss(model, *xy(folder))
        cost.backward()
        assert (read, computed) == ([], [])
        cluster.compute_gradients(cost, model.parameters())
    assert len(computed) == 1
    parts = ("images", "targets")
    assert sorted(read) == [(part, i) for part in parts for i in range(len(LENGTHS))]


def test_a_chunk_is_one_task_without_the_weights(folder: Path) -> None:
    model = network()
    cost = squares(model, *xy(folder))
    cost.backward()
    arrays = [array_of(cost), *(array_of(p.grad) for p in model.parameters())]
    graph = fused(arrays)[0].__dask_graph__().to_dict()
    of_chunks = [task for key, task in graph.items() if str(key).startswith("chunk-")]
    assert len(of_chunks) == len(LENGTHS)
    assert len(graph) < 20 * len(LENGTHS)
    weights = sum(p.data.nbytes for p in model.parameters())
    assert all(len(cloudpickle.dumps(task)) < weights / 4 for task in of_chunks)


def test_chunks_of_which_something_else_is_wanted_are_other_tasks(folder: Path) -> None:
    x, _ = xy(folder)
    sums = x.sum(axis=1)
    twice = 2 * sums
    one, both = (
        {key for key in fused(arrays)[0].__dask_graph__() if str(key).startswith("chunk-")}
        for arrays in ([twice], [twice, sums])
    )
    assert len(one) == len(both) == len(LENGTHS)
    assert not one & both
    found = dask.compute(*fused([twice, sums]), scheduler="synchronous", optimize_graph=False)
    np.testing.assert_array_equal(found[0], 2 * found[1])


@pytest.mark.parametrize("chunks", [(175, 784), (40, 100), (40, 784), (7, 784)])
def test_arrays_of_other_kinds_and_in_other_chunks_give_the_same(
    folder: Path, chunks: tuple[int, int]
) -> None:
    model = network()
    x, y = xy(folder)
    x = x.compute(scheduler="synchronous")
    cost = squares(model, da.from_array(x, chunks=chunks), y)
    cost.backward()
    with dask.config.set(scheduler="synchronous"):
        found = cluster.compute_gradients(cost, model.parameters())
    check_alike(model, found, in_memory(squares, folder))


def test_steps_of_an_optimiser_follow(client: Any, folder: Path) -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    costs = []
    for _ in range(3):
        optimizer.zero_grad()
        cost = squares(model, *xy(folder))
        cost.backward()
        costs.append(cluster.compute_gradients(cost, model.parameters()))
        optimizer.step()
    assert costs[0] > costs[1] > costs[2]


def test_gradients_are_of_as_many_passes_as_before(folder: Path) -> None:
    model = network()
    for _ in range(2):
        cost = squares(model, *xy(folder))
        cost.backward()
    with dask.config.set(scheduler="synchronous"):
        cluster.compute_gradients(cost, model.parameters())
    assert {p.backward_passes for p in model.parameters()} == {2}
    assert not any(p.gradient_used for p in model.parameters())
    _, expected = in_memory(squares, folder)
    np.testing.assert_allclose(model[0].bias.grad.data, 2 * expected[1], rtol=1e-12)


def test_arrays_of_numpy_are_left_as_they_are() -> None:
    w, unused = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    cost = np.sum(w * w)
    cost.backward()
    assert cluster.compute_gradients(cost, [w, unused]) == 5.0
    assert w.grad.tolist() == [2.0, 4.0]
    assert unused.grad is None


def test_without_gradients_there_is_nothing_to_compute(folder: Path) -> None:
    model = network()
    cost = squares(model, *xy(folder))
    with pytest.raises(GradientError, match="call loss.backward"):
        cluster.compute_gradients(cost, model.parameters())
    cost.backward(create_graph=True)
    with pytest.raises(GradientError, match="create_graph"):
        cluster.compute_gradients(cost, model.parameters())


# --- workers that die -----------------------------------------------------------------------------


def deadly(marker: Path, *, always: bool = False) -> Callable[..., Any]:
    """What kills the worker that meets the third chunk, the first time or every time."""

    def block(x: Any, block_id: tuple[int, ...] = ()) -> Any:
        if block_id[0] == 2 and (always or not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    return block


def backward_through(client: Any, folder: Path, function: Any) -> tuple[Any, Any]:
    model = network()
    x, y = xy(folder)
    cost = squares(model, da.map_blocks(function, x, meta=x._meta), y)
    cost.backward()
    return model, cost


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_worker_that_is_killed_changes_nothing(client: Any, folder: Path) -> None:
    before = {*client.run(os.getpid).values()}
    model, cost = backward_through(client, folder, deadly(folder / "killed"))
    found = cluster.compute_gradients(cost, model.parameters())
    assert (folder / "killed").exists()
    check_alike(model, found, in_memory(squares, folder))
    client.wait_for_workers(2)
    assert len(before - {*client.run(os.getpid).values()}) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_chunk_that_kills_every_worker_is_told(client: Any, folder: Path) -> None:
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    model, cost = backward_through(client, folder, deadly(folder / "killed", always=True))
    with pytest.raises(ClusterError, match="write the data in smaller chunks"):
        cluster.compute_gradients(cost, model.parameters())
    client.wait_for_workers(2)


# --- chunks that are not what they should be ------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_dtype(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float32))


def of_another_shape(path: Path) -> None:
    np.save(path, np.load(path)[:, :-1])


def of_objects(path: Path) -> None:
    np.save(path, np.array([print], object), allow_pickle=True)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    Path.unlink: "does not exist",
    cut_short: "cut short: 250872 of 250880 bytes",
    emptied: "EOF",
    of_another_dtype: "it holds float32 of shape (40, 784); by info, it should be float64",
    of_another_shape: "it holds float64 of shape (40, 783)",
    of_objects: "it holds object",
    a_pipe: "not a regular file",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_a_damaged_chunk_is_named(folder: Path, damage: Any) -> None:
    damage(folder / "images" / "3.npy")
    with pytest.raises(DataError) as raised:
        cluster.chunks(folder / "images")
    text = str(raised.value)
    assert DAMAGE[damage] in text
    assert text.startswith(f"chunk 3 of 5 cannot be read on {socket.gethostname()}: ")
    assert text.count(str(folder / "images" / "3.npy")) == 1


@pytest.mark.parametrize("damage", [Path.unlink, cut_short], ids=lambda f: f.__name__)
def test_what_a_worker_cannot_read_is_named_and_nothing_is_lost(
    client: Any, folder: Path, damage: Any
) -> None:
    model = network()
    cost = squares(model, *xy(folder))
    cost.backward()
    whole = (folder / "images" / "3.npy").read_bytes()
    damage(folder / "images" / "3.npy")
    with pytest.raises(DataError, match="chunk 3 of 5 cannot be read on"):
        cluster.compute_gradients(cost, model.parameters())
    (folder / "images" / "3.npy").write_bytes(whole)
    found = cluster.compute_gradients(cost, model.parameters())
    check_alike(model, found, in_memory(squares, folder))


class Harmful:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harmed",)


def test_info_is_read_without_running_anything(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    for content in (b"", b"no pickle", pickle.dumps(Harmful()), pickle.dumps({"axis": 7})):
        (folder / "images" / "info").write_bytes(content)
        with pytest.raises(DataError, match="info is not what Dask writes"):
            cluster.chunks(folder / "images")
    assert not Path("harmed").exists()


# --- writing --------------------------------------------------------------------------------------


def test_a_folder_that_was_not_written_to_its_end_is_refused(tmp_path: Path) -> None:
    def arrays() -> Iterator[Any]:
        yield np.ones((2, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.write_chunks(tmp_path / "x", arrays())
    with pytest.raises(DataError, match="not all were written"):
        cluster.chunks(tmp_path / "x")
    with pytest.raises(DataError, match="is there already"):
        cluster.write_chunks(tmp_path / "x", [np.ones(2)])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "no arrays"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"chunk 1 is float64 of shape \(2, 4\), and chunk 0"),
        ([np.ones(2), np.ones(2, np.float32)], "chunk 1 is float32"),
        ([np.ones((0, 3))], "something in it"),
        ([np.array(["a"])], "no array of numbers"),
        ([np.float64(1.0)], "no array of numbers"),
    ],
)
def test_arrays_that_are_no_chunks_are_refused(tmp_path: Path, arrays: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cluster.write_chunks(tmp_path / "a folder" / "x", arrays)


def test_the_format_is_dasks_own(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((6, 4))
    cluster.write_chunks(tmp_path / "ours", [x[:5], x[5:]])
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(da.from_npy_stack(tmp_path / "ours").compute(), x)
        for axis in (0, 1):
            theirs = tmp_path / f"theirs{axis}"
            da.to_npy_stack(str(theirs), da.from_array(np.asfortranarray(x), chunks=3), axis=axis)
            np.testing.assert_array_equal(cluster.chunks(theirs).compute(), x)


# --- the example, and more than a little ----------------------------------------------------------


def test_the_example_descends(
    client: Any, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    address = client.scheduler.address
    monkeypatch.setattr("sys.argv", [str(EXAMPLE), str(tmp_path / "the digits"), address])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    costs = [float(line.split("cost ")[1].split(",")[0]) for line in lines]
    assert costs == sorted(costs, reverse=True)
    assert lines[0].endswith("over 4,000 digits")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_workers_hold_a_few_chunks_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    some = rng.random((4_000, 784))  # 25 MB
    cluster.write_chunks(tmp_path / "images", (some for _ in range(24)))  # 602 MB
    cluster.write_chunks(tmp_path / "targets", (np.eye(10)[:1].repeat(4_000, 0) for _ in range(24)))
    with cluster.connect(workers=2) as client:
        model = network()
        cost = squares(model, *xy(tmp_path))
        before = client.run(most_memory)
        cost.backward()
        cluster.compute_gradients(cost, model.parameters())
        after = client.run(most_memory)
    assert max(after[worker] - before[worker] for worker in after) < 200e6


def most_memory() -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])
