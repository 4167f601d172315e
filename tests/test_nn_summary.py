"""The table of a model: what it counts, how it looks, and that it changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, nn


class Scale(nn.Module):
    """A layer of somebody's own, with a parameter."""

    def __init__(self) -> None:
        self.factor = nn.Parameter(np.ones(()))

    def forward(self, x: Any) -> Any:
        return x * self.factor


class Twice(nn.Module):
    """One layer under two names, which is called twice, and one that is not."""

    def __init__(self) -> None:
        self.blocks = [nn.Linear(4, 4)]
        self.again = self.blocks[0]
        self.spare = nn.Linear(4, 2)

    def forward(self, x: Any) -> tuple[Any, dict[str, Any]]:
        y = self.again(self.blocks[0](x))
        return y, {"first": y[0]}


def rows_of(summary: Any) -> dict[str, tuple[int, int | None]]:
    return {row.name: (row.parameters, row.multiplications) for row in summary.rows}


def test_the_lessons_network() -> None:
    net = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid())
    summary = net.summary(np.zeros((5, 784), np.float32))
    assert summary.parameters == summary.trained == 13_002
    assert summary.parameter_bytes == 4 * 13_002
    assert summary.multiplications == 5 * (784 * 16 + 16 * 16 + 16 * 10)
    assert summary.unknown == []
    assert (
        str(summary)
        == """\
module                         output   parameters  multiplications
MLP                            (5, 10)
  hidden1: Linear              (5, 16)      12,560           62,720
  hidden1_activation: Sigmoid  (5, 16)
  hidden2: Linear              (5, 16)         272            1,280
  hidden2_activation: Sigmoid  (5, 16)
  output: Linear               (5, 10)         170              800
  output_activation: Sigmoid   (5, 10)

parameters: 13,002, in 50.8 KiB
multiplications by weights: 64,800"""
    )
    assert repr(summary) == str(summary)


@pytest.mark.parametrize(
    ("layer", "inputs", "wanted"),
    [
        (nn.Linear(3, 4, bias=False), [np.zeros((2, 5, 3))], 2 * 5 * 3 * 4),
        (nn.Linear(3, 4), [[1.0, 2.0, 3.0]], 3 * 4),
        (nn.Bilinear(2, 3, 4), [np.zeros((5, 2)), np.zeros((5, 3))], 5 * 4 * 2 * 3),
        (nn.Embedding(9, 3), [np.zeros((2, 4), int)], 0),
        (nn.EmbeddingBag(9, 3), [np.zeros((2, 4), int)], 0),
        (nn.LayerNorm(6), [np.zeros((2, 3, 6))], 36),
        (nn.BatchNorm1d(6), [np.zeros((2, 6, 3))], 36),
        (nn.BatchNorm1d(6, affine=False), [np.zeros((2, 6, 3))], 0),
        (nn.GroupNorm(2, 6), [np.zeros((2, 6))], 12),
        (nn.PReLU(), [np.zeros((2, 6))], 12),
        (nn.GELU(), [np.zeros((2, 6))], 0),
        (nn.Sequential(), [np.zeros((2, 6))], 0),
    ],
)
def test_multiplications_of_a_layer(layer: nn.Module, inputs: Any, wanted: int) -> None:
    summary = layer.summary(*inputs)
    assert summary.multiplications == wanted
    assert summary.unknown == []


def test_multiplications_of_convolutions() -> None:
    x = np.zeros((2, 4, 9, 9))
    conv = nn.Conv2d(4, 6, 3, stride=2, groups=2)
    assert conv.summary(x).multiplications == 2 * 6 * 4 * 4 * (2 * 3 * 3)
    back = nn.ConvTranspose2d(4, 6, 3, stride=2)
    assert back.summary(x).multiplications == 2 * 4 * 9 * 9 * (6 * 3 * 3)


def test_multiplications_of_recurrent_layers() -> None:
    lstm = nn.LSTM(3, 5, num_layers=2, bidirectional=True)
    per_step = 2 * (20 * 3 + 20 * 5) + 2 * (20 * 10 + 20 * 5)
    summary = lstm.summary(np.zeros((7, 2, 3), np.float32))
    assert summary.multiplications == 7 * 2 * per_step
    assert summary.rows[0].outputs == [(7, 2, 10), (4, 2, 5), (4, 2, 5)]
    assert nn.GRUCell(3, 5).summary(np.zeros((2, 3), np.float32)).multiplications == 2 * 15 * 8


def test_multiplications_of_attention() -> None:
    q, k = np.zeros((5, 2, 8), np.float32), np.zeros((3, 2, 8), np.float32)
    found = nn.MultiheadAttention(8, 2).summary(q, k, k)
    assert found.multiplications == 64 * 2 * (5 + 3 + 3 + 5)


def test_shared_layers_and_several_calls() -> None:
    summary = Twice().summary(np.zeros((3, 4)))
    assert rows_of(summary) == {"": (0, 0), "blocks.0": (20, 2 * 48), "spare": (10, None)}
    assert summary.parameters == 30
    assert summary.rows[0].outputs == [(3, 4), (4,)]
    text = str(summary)
    assert "  blocks.0: Linear" in text
    assert "(3, 4) x2" in text
    assert "at least 96" in text
    assert "was not called" in text


def test_tied_weights_count_once() -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    summary = nn.Sequential(first, second).summary(np.zeros((1, 4)))
    assert rows_of(summary) == {"": (0, 0), "0": (16, 16), "1": (0, 16)}
    assert summary.parameters == 16


def test_what_is_not_known_is_said() -> None:
    summary = nn.Sequential(nn.Linear(2, 2), Scale()).summary(np.zeros((1, 2)))
    assert summary.unknown == ["1"]
    assert "at least 4" in str(summary)


def test_frozen_parameters_and_buffers_are_told_apart() -> None:
    net = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.BatchNorm1d(2))
    summary = net.summary(np.zeros((4, 2)))
    assert (summary.parameters, summary.trained) == (10, 4)
    assert summary.buffer_bytes == 2 * 4 + 2 * 4 + 8
    assert "of which 6 are frozen" in str(summary)


# --- it changes nothing -----------------------------------------------------------------------


def state_of(net: nn.Module) -> Any:
    streams = {name: s.bit_generator.state for name, s in net.named_streams()}
    tensors = {name: (t.data.tobytes(), t.grad) for name, t in net.named_tensors()}
    return streams, tensors, [(m.training, m._hooks) for m in net.modules()]


class Restless(nn.Module):
    """A layer that draws and counts in evaluation, too."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.register_buffer("count", np.zeros(()))

    def forward(self, x: Any, *, broken: bool = False) -> Any:
        self.rng.random()
        self.count.data += 1
        if broken:
            raise RuntimeError("broken")
        return x


def test_a_summary_changes_nothing() -> None:
    net = nn.Sequential(
        nn.Embedding(5, 3, max_norm=0.1), nn.Flatten(), nn.BatchNorm1d(6), nn.Dropout(), Restless()
    )
    net[3].eval()
    before = state_of(net)
    summary = net.summary(np.zeros((1, 2), int))  # in training, one example would not do
    assert summary.rows[0].outputs == [(1, 6)]
    assert state_of(net) == before


def test_a_call_that_fails_changes_nothing() -> None:
    layer = Restless()
    before = state_of(layer)
    with pytest.raises(RuntimeError, match="broken"):
        layer.summary(np.zeros(2), broken=True)
    assert state_of(layer) == before
    with pytest.raises(errors.ShapeError, match=r"expects \(..., 3\)"):
        nn.Sequential(nn.Linear(3, 2)).summary(np.zeros((1, 4)))


def test_nothing_is_recorded() -> None:
    seen = []
    net = nn.Linear(2, 2)
    with net.register_forward_hook(lambda module, inputs, output: seen.append(output)):
        net.summary(np.zeros((1, 2)))
    (output,) = seen
    assert isinstance(output, Tensor)
    assert output.is_leaf


# --- how it looks -----------------------------------------------------------------------------


class Wide(nn.Module):
    """What is deep, has long names and gives a lot."""

    def __init__(self, below: nn.Module | None) -> None:
        self.an_attribute_with_quite_a_long_name = below or nn.ModuleDict({"a\x1b[2Jb": Scale()})
        self.large = nn.Parameter(np.ones(()))

    def forward(self, x: Any) -> Any:
        return [np.broadcast_to(x, (128, 64, 112, 112))] * 9


def test_every_line_fits_80_columns() -> None:
    net = None
    for _ in range(40):
        net = Wide(net)
    summary = nn.Sequential(net).summary(np.zeros(1))
    for row in summary.rows:
        row.parameters = 10**15
        row.multiplications = 10**18
    lines = str(summary).splitlines()
    assert len(lines) > 40
    assert max(map(len, lines[:-3])) <= 80
    assert "\x1b" not in str(summary)
    assert nn.Linear(2, 2).summary(np.zeros(2)).rows[0].name == ""


def test_memory_is_in_readable_units() -> None:
    assert "in 24 bytes" in str(nn.Linear(2, 2).summary(np.zeros(2)))
    assert "in 4.0 MiB" in str(nn.Linear(1024, 1024, bias=False).summary(np.zeros(1024)))
