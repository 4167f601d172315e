"""Schedules set the rates of their formulas, go on from a saved state, or refuse it as a whole."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim import lr_scheduler as lrs


def leaf() -> Tensor:
    return Tensor([0.0], requires_grad=True)


def optimizer(*rates: float, kind: Any = optim.SGD) -> Any:
    options = {"momentum": 0.9} if kind is optim.SGD else {}
    return kind([{"params": [leaf()], "lr": lr} for lr in rates or (1.0,)], **options)


class Warmup(lrs.FormulaLR):
    """A user's own, with options that are not numbers."""

    def __init__(self, optimizer: Any, milestones: list[int], name: str = "warm") -> None:
        self.milestones = milestones
        self.name = name
        super().__init__(optimizer)

    def multiplier(self, step: int) -> float:
        return 1 / (1 + sum(step >= at for at in self.milestones))


class Decay:
    """A function with a state."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, step: int) -> float:
        return self.base**step


KINDS: dict[str, Any] = {
    "step": lambda o: lrs.StepLR(o, step_size=2, gamma=0.3),
    "milestones": lambda o: lrs.MultiStepLR(o, [1, 4, 4]),
    "constant": lambda o: lrs.ConstantLR(o, total_iters=3),
    "linear": lambda o: lrs.LinearLR(o, total_iters=6),
    "exponential": lambda o: lrs.ExponentialLR(o, 0.9),
    "polynomial": lambda o: lrs.PolynomialLR(o, total_iters=4, power=2.0),
    "cosine": lambda o: lrs.CosineAnnealingLR(o, T_max=9, eta_min=0.01),
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2),
    "one cycle": lambda o: lrs.OneCycleLR(o, max_lr=2.0, total_steps=20),
    "cyclic": lambda o: lrs.CyclicLR(o, 0.1, 1.0, step_size_up=3, mode="triangular2"),
    "lambda": lambda o: lrs.LambdaLR(o, Decay(0.9)),
    "multiplicative": lambda o: lrs.MultiplicativeLR(o, lambda step: 0.9),
    "own": lambda o: Warmup(o, [1, 3, 6]),
    "sequence": lambda o: lrs.SequentialLR(
        o, [lrs.LinearLR(o), lrs.OneCycleLR(o, max_lr=2.0, total_steps=20)], milestones=[4]
    ),
    "chain": lambda o: lrs.ChainedScheduler([lrs.LinearLR(o), lrs.ExponentialLR(o, 0.9)]),
    "nested": lambda o: lrs.SequentialLR(
        o,
        [
            lrs.ChainedScheduler([lrs.ConstantLR(o), lrs.ExponentialLR(o, 0.9)]),
            lrs.SequentialLR(o, [lrs.LinearLR(o), lrs.StepLR(o, 2)], milestones=[3]),
        ],
        milestones=[3],
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def in_force(o: Any) -> list[Any]:
    return [(group["lr"], group["momentum"]) for group in o.param_groups]


def rates(schedule: Any, n: int) -> list[Any]:
    found = []
    for _ in range(n):
        schedule.step()
        found.append(in_force(schedule.optimizer))
    return found


# --- rates ------------------------------------------------------------------------------------


@every_kind
def test_alone_a_schedule_sets_the_rates_of_its_formula(kind: str) -> None:
    o = optimizer(1.0, 0.3)
    schedule = KINDS[kind](o)
    for step in range(12):
        assert schedule.last_epoch == step
        assert schedule.get_last_lr() == [group["lr"] for group in o.param_groups]
        if hasattr(schedule, "rate") and kind != "multiplicative":
            assert schedule.get_last_lr() == [schedule.rate(step, group) for group in (0, 1)]
        elif hasattr(schedule, "rate"):
            np.testing.assert_allclose(schedule.get_last_lr(), [0.9**step, 0.3 * 0.9**step])
        schedule.step()


def test_rates_by_hand() -> None:
    o = optimizer(2.0)
    schedule = lrs.CosineAnnealingLR(o, T_max=4, eta_min=1.0)
    found = [rate for ((rate, _),) in rates(schedule, 4)]
    np.testing.assert_allclose(found, 1.5 + 0.5 * np.cos(np.pi * np.arange(1, 5) / 4))


def test_a_rate_set_by_hand_is_gone_on_from() -> None:
    o = optimizer(1.0)
    schedule = lrs.ExponentialLR(o, 0.5)
    schedule.step()
    o.lr = 0.3
    schedule.step()
    assert o.lr == 0.15
    assert schedule.rate(2) == 0.25


def test_a_rate_of_zero_is_left_again() -> None:
    """A chain multiplies; from 0 there is no factor that leads on."""
    o = optimizer(1.0)
    schedule = lrs.ChainedScheduler([lrs.ConstantLR(o, 0.0, total_iters=2), Warmup(o, [])])
    assert o.lr == 0.0
    assert [lr for ((lr, _),) in rates(schedule, 3)] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.RMSprop])
def test_momentum_goes_against_the_rate(kind: Any) -> None:
    o = optimizer(1.0, kind=kind)
    schedule = lrs.OneCycleLR(o, max_lr=1.0, total_steps=10, pct_start=0.5)
    found = []
    for _ in range(10):
        group = o.param_groups[0]
        found.append(group["betas"][0] if "betas" in group else group["momentum"])
        schedule.step()
    assert found[0] == 0.95
    assert min(found) == found[4] == pytest.approx(0.85)
    with pytest.raises(OptimizerError, match="no rate after 11 steps: there are 10 steps in all"):
        schedule.step()
    assert schedule.last_epoch == 10


def test_a_cycle_of_one_step_on_the_way_up_begins_at_its_peak() -> None:
    schedule = lrs.OneCycleLR(optimizer(1.0), max_lr=3.0, total_steps=10, pct_start=0.1)
    assert schedule.rate(0) == 3.0


@pytest.mark.parametrize("length", [2, 3, 5, 7, 10])
def test_restarts_are_at_the_step(length: int) -> None:
    schedule = lrs.CosineAnnealingWarmRestarts(optimizer(1.0), T_0=length, T_mult=3)
    starts = [length * (3**n - 1) // 2 for n in range(6)]
    assert [schedule.rate(step) for step in starts] == [1.0] * 6
    assert all(schedule.rate(step - 1) <= 0.5 for step in starts[1:])


def test_a_run_goes_on_after_an_epoch() -> None:
    """`last_epoch` with the optimiser's own state: what was loaded is in force."""
    first = optimizer(1.0)
    schedule = lrs.ExponentialLR(first, 0.5)
    rates(schedule, 3)
    second = optimizer(7.0)
    second.load_state_dict(first.state_dict())
    again = lrs.ExponentialLR(second, 0.5, last_epoch=2)
    assert (again.last_epoch, again.base_lrs, second.lr) == (3, [1.0], 0.125)
    assert rates(again, 4) == rates(schedule, 4)
    with pytest.raises(OptimizerError, match="groups have an initial_lr"):
        lrs.ExponentialLR(optimizer(1.0), 0.5, last_epoch=2)


# --- options ----------------------------------------------------------------------------------

O = optimizer
BAD: list[tuple[Any, str]] = [
    (lambda: lrs.StepLR(O(), 0), "step_size must be a whole number, 1 or more, got 0"),
    (lambda: lrs.StepLR(O(), 2.5), "step_size must be a whole number"),
    (lambda: lrs.StepLR(O(), 2, gamma=math.nan), "gamma must be a finite number"),
    (lambda: lrs.StepLR(O(), 2, gamma=-1), "gamma must be 0 or more"),
    (lambda: lrs.StepLR(O(), 2, last_epoch=-2), "last_epoch must be a whole number, -1 or more"),
    (lambda: lrs.StepLR([leaf()], 2), "a schedule is of an optimiser"),
    (lambda: lrs.CyclicLR([leaf()], 0.1, 1.0), "a schedule is of an optimiser"),
    (lambda: lrs.MultiStepLR(O(), 3), "milestones must be whole numbers"),
    (lambda: lrs.MultiStepLR(O(), [1.5]), "milestones must be a whole number"),
    (lambda: lrs.ConstantLR(O(), 2.0), "factor must be from 0 to 1"),
    (lambda: lrs.LinearLR(O(), 0.0), "start_factor must be a positive number"),
    (lambda: lrs.LinearLR(O(), 0.5, 1.5), "end_factor must be from 0 to 1"),
    (lambda: lrs.LinearLR(O(), total_iters=0), "total_iters must be a whole number, 1 or more"),
    (lambda: lrs.PolynomialLR(O(), power=-1), "power must be 0 or more"),
    (lambda: lrs.CosineAnnealingLR(O(), 0), "T_max must be a whole number, 1 or more"),
    (lambda: lrs.CosineAnnealingLR(O(), 3, eta_min=-1), "eta_min must be 0 or more"),
    (lambda: lrs.CosineAnnealingWarmRestarts(O(), 3, 0), "T_mult must be a whole number"),
    (lambda: lrs.LambdaLR(O(), 3), "lr_lambda must be a function of the step"),
    (lambda: lrs.LambdaLR(O(), [abs, abs]), "lr_lambda must be a function.*list of 1"),
    (lambda: lrs.LambdaLR(O(), lambda step: -1.0), "lr must be 0 or more, got -1.0"),
    (lambda: lrs.LambdaLR(O(), lambda step: math.nan), "no rate after 0 steps.*finite"),
    (lambda: lrs.OneCycleLR(O(), 1.0), "needs total_steps, or epochs and steps_per_epoch"),
    (lambda: lrs.OneCycleLR(O(), 1.0, epochs=0, steps_per_epoch=3), "epochs must be a whole"),
    (lambda: lrs.OneCycleLR(O(), 1.0, 9, anneal_strategy="sin"), "must be 'cos' or 'linear'"),
    (lambda: lrs.OneCycleLR(O(), 1.0, 9, pct_start=1.5), "pct_start must be from 0 to 1"),
    (lambda: lrs.OneCycleLR(O(), [1.0, 2.0], 9), "max_lr has 2 values, for 1 groups"),
    (lambda: lrs.OneCycleLR(O(kind=optim.Adagrad), 1.0, 9), "Adagrad has no momentum and no betas"),
    (lambda: lrs.OneCycleLR(O(), 1.0, 9, div_factor=0.0), "div_factor must be a positive number"),
    (lambda: lrs.CyclicLR(O(), 0.1, 1.0, mode="square"), "mode must be 'triangular' or"),
    (lambda: lrs.CyclicLR(O(), 0.1, 1.0, step_size_up=0), "step_size_up must be a positive number"),
    (lambda: lrs.CyclicLR(O(), 0.1, 1.0, scale_fn=3), "scale_fn must be a function"),
    (lambda: lrs.CyclicLR(O(), 0.1, 1.0, max_momentum=math.inf), "max_momentum must be a finite"),
    (lambda: lrs.ReduceLROnPlateau(O(), factor=1.0), "factor must be 0 or more and below 1"),
    (lambda: lrs.ReduceLROnPlateau(O(), mode="least"), "mode must be 'min' or 'max'"),
    (lambda: lrs.ReduceLROnPlateau(O(), min_lr=[0.1, 0.2]), "min_lr has 2 values, for 1 groups"),
    (lambda: lrs.ReduceLROnPlateau(O()).step(math.nan), "metrics must be a number, got nan"),
    (lambda: lrs.ReduceLROnPlateau(O()).step("low"), "metrics must be a number, got 'low'"),
    (lambda: lrs.ChainedScheduler([]), "needs one schedule at least"),
    (lambda: lrs.ChainedScheduler([lrs.ReduceLROnPlateau(O())]), "number 0 is a ReduceLROnPlateau"),
    (lambda: lrs.ChainedScheduler([lrs.StepLR(O(), 1), lrs.StepLR(O(), 1)]), "schedule 1 of .*oth"),
    (lambda: lrs.SequentialLR(o := O(), [lrs.StepLR(o, 1)], [3]), "has 1 milestones, for 1"),
    (
        lambda: lrs.SequentialLR(o := O(), [lrs.StepLR(o, 1) for _ in range(3)], [3, 2]),
        r"milestones must go up, got \[3, 2\]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "match"), BAD)
def test_options_out_of_range(make: Any, match: str) -> None:
    with pytest.raises(OptimizerError, match=match):
        make()


def test_a_schedule_that_is_refused_leaves_the_optimiser_as_it_was() -> None:
    o = optimizer(0.5)
    before = dict(o.param_groups[0])
    with pytest.raises(OptimizerError):
        lrs.OneCycleLR(o, 1.0, 9, max_momentum=-0.5)
    with pytest.raises(OptimizerError):
        lrs.LambdaLR(o, lambda step: -1.0)
    assert dict(o.param_groups[0]) == before


def test_a_step_that_one_group_does_not_take_is_taken_by_none() -> None:
    o = optimizer(1.0, 0.5)
    factors: list[Any] = [lambda step: 0.5, lambda step: 1 - step]
    schedule = lrs.LambdaLR(o, factors)
    schedule.step()
    before = in_force(o)
    with pytest.raises(OptimizerError, match="lr must be 0 or more"):
        schedule.step()
    assert in_force(o) == before
    assert schedule.last_epoch == 1


def test_a_group_that_came_later_is_named() -> None:
    o = optimizer(1.0)
    schedule = lrs.StepLR(o, 1)
    o.add_param_group({"params": [leaf()]})
    with pytest.raises(OptimizerError, match="has 2 groups of parameters, and had 1 when its Step"):
        schedule.step()


def test_plateaus_take_tensors() -> None:
    o = optimizer(1.0)
    schedule = lrs.ReduceLROnPlateau(o, patience=0, factor=0.5)
    w = Tensor([2.0], requires_grad=True)
    for _ in range(2):
        schedule.step((w * w).sum())
    assert o.lr == 0.5
    assert schedule.best == 4.0


# --- states -----------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_schedule_goes_on_where_it_was(kind: str, taken: int) -> None:
    first, second = KINDS[kind](optimizer(0.7, 0.2)), KINDS[kind](optimizer(1.0, 1.0))
    rates(first, taken)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert in_force(second.optimizer) == in_force(first.optimizer)
    assert second.state_dict() == first.state_dict()
    assert second.get_last_lr() == first.get_last_lr()
    assert rates(second, 8) == rates(first, 8)


@every_kind
def test_a_state_goes_into_a_file_and_comes_back(kind: str, tmp_path: Any) -> None:
    model = nn.MLP(2, 3, 1)
    first, second = KINDS[kind](optimizer(0.7)), KINDS[kind](optimizer(0.3))
    rates(first, 5)
    nn.save(tmp_path / "m.npz", model, optimizer=first.optimizer, schedule=first)
    nn.load(tmp_path / "m.npz", into=model, optimizer=second.optimizer, schedule=second)
    assert rates(second, 8) == rates(first, 8)


def test_a_plateau_goes_on_where_it_was() -> None:
    losses = [3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 2.1, 2.0, 2.0, 1.9]
    first, second = (
        lrs.ReduceLROnPlateau(optimizer(lr), patience=1, cooldown=1, factor=0.5) for lr in (0.7, 1)
    )
    for loss in losses[:4]:
        first.step(loss)
    second.load_state_dict(first.state_dict())
    for loss in losses[4:]:
        first.step(loss)
        second.step(loss)
        assert second.state_dict() == first.state_dict()


def test_a_function_with_a_state_gets_it_back() -> None:
    first, second = (lrs.LambdaLR(optimizer(), Decay(base)) for base in (0.5, 0.9))
    second.load_state_dict(first.state_dict())
    assert rates(second, 3) == rates(first, 3)


def test_options_come_from_the_state() -> None:
    first, second = (lrs.StepLR(optimizer(), step_size=n) for n in (2, 5))
    second.load_state_dict(first.state_dict())
    assert second.step_size == 2


def test_a_rate_that_was_set_by_hand_comes_back() -> None:
    first, second = KINDS["step"](optimizer(1.0)), KINDS["step"](optimizer(1.0))
    first.optimizer.lr = 0.123
    second.load_state_dict(first.state_dict())
    assert second.optimizer.lr == 0.123


@pytest.mark.parametrize(
    ("kind", "change", "match"),
    [
        ("step", {"last_epoch": -2}, "last_epoch must be a whole number"),
        ("step", {"last_epoch": 1.5}, "last_epoch must be a whole number"),
        ("step", {"last_epoch": True}, "last_epoch must be a whole number"),
        ("step", {"last_epoch": None}, "last_epoch must be a whole number"),
        ("step", {"step_size": 0}, "step_size must be a whole number, 1 or more"),
        ("step", {"gamma": math.nan}, "gamma must be a finite number"),
        ("step", {"gamma": "0.1"}, "gamma must be a finite number"),
        ("step", {"gamma": 1e300, "last_epoch": 10}, "no rate after 10 steps"),
        ("step", {"base_lrs": [math.inf]}, r"base_lrs\[0\] must be a finite number"),
        ("step", {"base_lrs": 1.0}, "base_lrs must be a list of numbers"),
        ("step", {"base_lrs": [1.0, 1.0]}, "base_lrs has 2 values, for 1 groups"),
        ("step", {"in_force": None}, "in_force must be a list of 1 dicts"),
        ("step", {"in_force": [3]}, "in_force must be a list of dicts with lr"),
        ("step", {"in_force": [{"lr": math.nan}]}, "lr must be a finite number"),
        ("step", {"in_force": [{"lr": -1.0}]}, "lr must be 0 or more"),
        ("step", {"in_force": [{"lr": 1.0, "params": []}]}, "'params' of a group cannot be set"),
        ("step", {"T_max": 3}, "has step_size, gamma, last_epoch.*, not .*T_max"),
        ("step", {"gamma": ...}, "Give it to a schedule of the kind it was taken from"),
        ("cosine", {"T_max": 0}, "T_max must be a whole number"),
        ("restarts", {"position": -1.0}, "position must be 0 or more"),
        ("one cycle", {"max_lrs": [1.0, 2.0]}, "max_lrs has 2 values, for 1 groups"),
        ("one cycle", {"total_steps": 2}, "there are 2 steps in all"),
        ("cyclic", {"mode": "square"}, "mode must be"),
        ("lambda", {"lr_lambdas": 3}, "lr_lambdas must be the states of 1"),
        ("lambda", {"lr_lambdas": [3]}, "the state of a function is a dict"),
        ("sequence", {"milestones": [1, 2]}, "has 2 milestones, for 2 schedules"),
        ("sequence", {"milestones": 3}, "milestones must be a list"),
        ("sequence", {"schedulers": []}, "schedulers must be the states of 2"),
        ("sequence", {"schedulers": [{}, {}]}, "this is no state of a LinearLR"),
        ("own", {"name": ...}, "the state of a Warmup has milestones, name"),
    ],
)
def test_a_bad_state_is_refused_and_nothing_changed(kind: str, change: Any, match: str) -> None:
    schedule = KINDS[kind](optimizer(0.5))
    rates(schedule, 3)
    before, rate = copy.deepcopy(schedule.state_dict()), in_force(schedule.optimizer)
    state = {name: value for name, value in (before | change).items() if value is not ...}
    with pytest.raises(OptimizerError, match=match):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before
    assert in_force(schedule.optimizer) == rate


@pytest.mark.parametrize("state", [None, [], 5, "steps", {}])
@pytest.mark.parametrize("kind", ["cosine", "chain"])
def test_what_is_no_state(kind: str, state: Any) -> None:
    with pytest.raises(OptimizerError, match="Give it to a schedule of the kind"):
        KINDS[kind](optimizer(0.5)).load_state_dict(state)
