"""Schedules go on from a saved state, or refuse it as a whole."""

from __future__ import annotations

import math

import pytest

from tinygrad_bp import Tensor, optim
from tinygrad_bp.errors import OptimizerError


def optimizer(lr=1.0):
    return optim.SGD([Tensor([0.0], requires_grad=True)], lr=lr)


class Warmup(optim.Schedule):
    """A user's own, with options that are not numbers."""

    def __init__(self, optimizer, milestones, name="warm"):
        super().__init__(optimizer)
        self.milestones = milestones
        self.name = name

    def rate(self, step):
        return self.initial / (1 + sum(step >= at for at in self.milestones))


KINDS = {
    "step": lambda rate: optim.StepLR(optimizer(rate), step_size=2, gamma=0.3),
    "cosine": lambda rate: optim.CosineAnnealingLR(optimizer(rate), T_max=9, eta_min=0.01),
    "own": lambda rate: Warmup(optimizer(rate), [1, 3, 6]),
}


def rates(schedule, n):
    found = []
    for _ in range(n):
        schedule.step()
        found.append(schedule.optimizer.lr)
    return found


@pytest.mark.parametrize("taken", [0, 1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_goes_on_where_it_was(kind, taken):
    first, second = KINDS[kind](0.7), KINDS[kind](1)
    rates(first, taken)
    second.load_state_dict(first.state_dict())
    assert second.optimizer.lr == first.optimizer.lr
    assert second.state_dict() == first.state_dict()
    assert rates(second, 4) == rates(first, 4)


def test_options_come_from_the_state():
    first, second = (optim.StepLR(optimizer(), step_size=n) for n in (2, 5))
    second.load_state_dict(first.state_dict())
    assert second.step_size == 2


def test_a_rate_that_was_set_by_hand_comes_back():
    first, second = KINDS["step"](1.0), KINDS["step"](1.0)
    first.optimizer.lr = 0.123
    second.load_state_dict(first.state_dict())
    assert second.optimizer.lr == 0.123


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"steps": -1}, "cannot go on"),
        ({"steps": 1.5}, "cannot go on"),
        ({"steps": True}, "steps cannot be True"),
        ({"steps": None}, "steps cannot be None"),
        ({"step_size": 0}, "step_size must be 1 or more"),
        ({"gamma": math.nan}, "gamma cannot be nan"),
        ({"gamma": "0.1"}, "gamma cannot be '0.1'"),
        ({"gamma": 1e300, "steps": 10}, "cannot go on"),
        ({"initial": math.inf}, "initial cannot be inf"),
        ({"lr": math.nan}, "lr cannot be nan"),
        ({"lr": -1.0}, "cannot go on"),
        ({"T_max": 3}, "has initial, steps, step_size, gamma, lr, not .*T_max"),
        ({"gamma": ...}, "has initial, steps, step_size, gamma, lr, not initial, steps"),
    ],
)
def test_a_bad_state_is_refused_and_nothing_changed(change, match):
    schedule = KINDS["step"](0.5)
    rates(schedule, 3)
    before = schedule.state_dict()
    state = {name: value for name, value in (before | change).items() if value is not ...}
    with pytest.raises(OptimizerError, match=match):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


@pytest.mark.parametrize("state", [None, [], 5, "steps"])
def test_what_is_no_state(state):
    with pytest.raises(OptimizerError, match="Give it to a schedule of the kind"):
        KINDS["cosine"](0.5).load_state_dict(state)
