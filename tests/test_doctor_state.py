"""An examination leaves everything as it was, to the bit, however it ends."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import doctor_cases as cases
import numpy as np
import pytest

from tinygrad_bp import Tensor, nn, no_grad, optim, state
from tinygrad_bp import functional as F
from tinygrad_bp.doctor import examine
from tinygrad_bp.modes import mode

LEAF = ("_value", "_grad", "_passes", "_used", "_hooks", "_requires_grad", "_trainable", "_name")


def contents(value: Any) -> Any:
    """The bits of arrays; whatever is not one stands for itself."""
    if isinstance(value, Tensor):
        return contents(value.data)
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return [contents(part) for part in value]
    if isinstance(value, dict):
        return {key: contents(part) for key, part in value.items()}
    return id(value) if hasattr(value, "__dict__") else value


def everything(model: Any, optimizer: Any) -> Any:
    """All that could be moved, with the identity of what holds it."""
    tensors = [t for _, t in model.named_tensors()]
    leaves = [t for t in tensors if t.is_leaf]
    slots = [slot for group in optimizer.param_groups for slot in group.slots]
    return [
        [(id(getattr(t, name)), contents(getattr(t, name))) for t in leaves for name in LEAF],
        [
            (id(vars(m)), list(map(id, vars(m).values())), contents(vars(m)))
            for m in model.modules()
        ],
        (id(vars(optimizer)), list(map(id, vars(optimizer).values()))),
        [(id(s), contents(s.moments), contents(s.room), id(s.moments)) for s in slots],
        [(id(group.options), group.options.values) for group in optimizer.param_groups],
        [stream.bit_generator.state for _, stream in model.named_streams()],
        contents(list(np.random.get_state())),  # noqa: NPY002
        random.getstate(),
        {key: time for key, time in state.memory.times.items() if key in map(id, _values(tensors))},
        mode.get(),
        np.geterr(),
    ]


def _values(tensors: list[Tensor]) -> list[Any]:
    return [t.data for t in tensors]


class Wandering(nn.Module):
    """A model that moves all it can: buffers, streams, attributes, global generators."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1)
        self.first = nn.Linear(6, 16, rng=draw)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.2, rng=np.random.default_rng(2))
        self.last = nn.Linear(16, 3, rng=draw)
        self.register_buffer("calls", np.zeros(1))
        self.seen: list[Any] = []
        self.table = {"n": 0}
        self.noise = np.random.default_rng(3)

    def forward(self, x: Any) -> Any:
        self.calls.data += 1
        self.calls.data[0] += 1
        self.table["n"] += 1
        h = F.relu(self.norm(self.first(x)))
        self.seen.append(h)
        self.latest = h
        jitter = self.noise.normal() + np.random.rand() + random.random()  # noqa: NPY002, S311
        return self.last(self.drop(h)) + np.float32(1e-3 * jitter)


def subject(kind: Callable[..., Any] = optim.Adam, **options: Any) -> tuple[Any, ...]:
    """A model in the middle of its training, with a gradient that has not been used."""
    model = Wandering()
    optimizer = kind(model.parameters(), **{"lr": 1e-2, **options})
    x = np.random.default_rng(4).normal(size=(32, 6)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    return model, nn.CrossEntropyLoss(), optimizer, x, y


@pytest.mark.parametrize(
    ("kind", "options"),
    [(optim.Adam, {}), (optim.SGD, {"momentum": 0.9}), (optim.Rprop, {})],
)
def test_nothing_is_moved(kind: Any, options: Any) -> None:
    model, loss, optimizer, x, y = subject(kind, **options)
    before, data = everything(model, optimizer), (x.tobytes(), y.tobytes())
    report = examine(model, loss, optimizer, x, y)
    assert [finding.name for finding in report.findings] == ["left-over-gradients"]
    assert everything(model, optimizer) == before
    assert (x.tobytes(), y.tobytes()) == data


def test_the_next_step_is_that_of_an_undisturbed_run() -> None:
    values = []
    for disturbed in (False, True):
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        model, loss, optimizer, x, y = subject()
        if disturbed:
            examine(model, loss, optimizer, x, y)
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        values.append([p.data.tobytes() for p in model.parameters()])
    assert values[0] == values[1]


def test_a_graph_from_before_is_still_good() -> None:
    model, loss, optimizer, x, y = subject()
    optimizer.zero_grad()
    cost = loss(model(x), y)
    examine(model, loss, optimizer, x, y)
    cost.backward()
    assert model.first.weight.grad is not None


def test_a_large_parameter_whose_moments_take_turns_with_room() -> None:
    draw = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 100, rng=draw), nn.ReLU(), nn.Linear(100, 10, rng=draw))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    x, y = cases.digits()
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    before = everything(model, optimizer)
    assert examine(model, nn.CrossEntropyLoss(), optimizer, x, y).ok
    assert everything(model, optimizer) == before


def test_parameters_that_share_memory_share_it_in_the_examination() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(np.random.default_rng(0).normal(size=(4, 4)))
            self.view = self.weight.detach()

        def forward(self, x: Any) -> Any:
            same = np.shares_memory(self.view.data, self.weight.data)
            assert same
            assert np.array_equal(self.view.data, self.weight.data)
            return x @ self.weight

    model = Tied()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    x = np.random.default_rng(1).normal(size=(16, 4))
    before = everything(model, optimizer)
    examine(model, nn.MSELoss(), optimizer, x, x[:, ::-1].copy())
    assert everything(model, optimizer) == before


def test_under_no_grad_and_in_evaluation_mode() -> None:
    model, loss, optimizer, x, y = subject()
    model.eval()
    before = everything(model, optimizer)
    with no_grad():
        report = examine(model, loss, optimizer, x, y)
    assert "evaluation-mode" in [finding.name for finding in report.findings]
    assert everything(model, optimizer) == before


def test_a_loss_that_refers_to_the_model_and_a_step_that_moves_it() -> None:
    model, loss, optimizer, x, y = subject()

    def penalised(z: Any, y: Any) -> Any:
        return loss(z, y) + 1e-4 * sum((p * p).sum() for p in model.parameters())

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        penalised(model(x), y).backward()
        optimizer.step()

    before = everything(model, optimizer)
    report = examine(model, penalised, optimizer, x, y, step=step)
    assert [finding.name for finding in report.findings] == ["left-over-gradients"]
    assert everything(model, optimizer) == before


@pytest.mark.parametrize("at", [1, 2, 5, 30])
def test_whatever_the_model_raises(at: int) -> None:
    model, loss, optimizer, x, y = subject()
    calls = 0

    def failing(z: Any, y: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return loss(z, y)

    before = everything(model, optimizer)
    with pytest.raises(KeyboardInterrupt):
        examine(model, failing, optimizer, x, y)
    assert everything(model, optimizer) == before


# --- Ctrl-C at any bytecode -------------------------------------------------------------------


FREEING = {"_forget", "<lambda>"}  # called where memory is freed: Python passes no exception on


def bytecodes(call: Callable[[], Any], stop_at: int = sys.maxsize) -> int:
    """Run a call, and count its bytecodes; raise KeyboardInterrupt before that of a number.

    They are those of the files that keep things and put them back; of others, lines are counted.
    """
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if "tinygrad_bp" not in frame.f_code.co_filename or frame.f_code.co_name in FREEING:
            return None
        keeping = frame.f_code.co_filename.endswith(("doctor/keeping.py", "state.py", "moving.py"))
        frame.f_trace_opcodes = keeping
        if event == ("opcode" if keeping else "line"):
            count += 1
            if count == stop_at:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.slow
def test_ctrl_c_at_many_places_and_at_each_of_the_last_ones() -> None:
    model, loss, optimizer, x, y = subject()
    before = everything(model, optimizer)

    def call() -> None:
        examine(model, loss, optimizer, x, y, fit=False)

    length = bytecodes(call)
    places = [*range(1, length, 1 + length // 200), *range(length - 600, length + 1)]
    for at in places:
        with pytest.raises(KeyboardInterrupt):
            bytecodes(call, stop_at=at)
        assert everything(model, optimizer) == before, at
