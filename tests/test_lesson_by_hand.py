"""The network written by hand, in the examples, against the engine."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import functional as F
from tinygrad_bp import optim
from tinygrad_bp.lesson import flatten, lesson_network, story
from tinygrad_bp.lesson.drawn import drawn_data

EXAMPLE = Path(__file__).parent.parent / "examples" / "backprop_by_hand.py"


@pytest.fixture
def by_hand() -> Any:
    network = runpy.run_path(str(EXAMPLE))["Network"]([784, 16, 16, 10], np.random.default_rng(0))
    parameters = [p.data for p in lesson_network().parameters()]
    network.weights = [p.copy() for p in parameters[::2]]
    network.biases = [p.copy() for p in parameters[1::2]]
    return network


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    data = drawn_data(train=300, test=1)
    return data.train_images.astype(float), np.eye(10)[data.train_labels]


def joined(weights: list[Any], biases: list[Any]) -> Any:
    pairs = zip(weights, biases, strict=True)
    return np.concatenate([p.ravel() for pair in pairs for p in pair])


def test_gradients_agree_with_the_engine(by_hand: Any, digits: tuple[Any, Any]) -> None:
    net = lesson_network()
    F.sum_squares(net(digits[0]), digits[1]).backward()
    found = np.concatenate([p.grad.data.ravel() for p in net.parameters() if p.grad is not None])
    np.testing.assert_allclose(joined(*by_hand.backward(*digits)), found, atol=1e-12)


def test_three_steps_of_training_agree(by_hand: Any, digits: tuple[Any, Any]) -> None:
    net = lesson_network()
    optimizer = optim.SGD(net.parameters(), lr=1.5)
    for rows in (slice(0, 100), slice(100, 200), slice(200, 300)):
        x, y = digits[0][rows], digits[1][rows]
        optimizer.zero_grad()
        F.sum_squares(net(x), y).backward()
        optimizer.step()
        by_hand.step(x, y, 1.5)
    np.testing.assert_allclose(joined(by_hand.weights, by_hand.biases), flatten(net), atol=1e-12)


def test_it_learns(by_hand: Any, digits: tuple[Any, Any], capsys: pytest.CaptureFixture) -> None:
    by_hand.train(*digits, np.random.default_rng(0), epochs=2, batch_size=50)
    costs = [float(cost) for cost in re.findall(r"cost (\S+)", capsys.readouterr().out)]
    assert len(costs) == 2
    assert costs[1] < costs[0]


def test_it_is_short_and_every_part_has_its_scene() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "tinygrad_bp" not in text.replace("tinygrad-bp", "")
    named = re.findall(r"[Ss]cenes? (\d+)(?: (?:to|and) (\d+))?", text)
    scenes = {int(number) for pair in named for number in pair if number}
    assert max(scenes) <= len(story()["scenes"])
    assert scenes >= {1, 2, *range(4, 14)}
