"""Optimisers take the trajectories of PyTorch's, schedules its rates, clipping its numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_bp import Tensor, optim

torch = pytest.importorskip("torch")

Options = dict[str, Any]
SHAPES = [(3, 2), (4,), ()]
STEPS = 50


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """PyTorch keeps counts and products of betas in its default dtype; in single they round."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


class Both:
    """The same parameters in a group each, here and in PyTorch, with gradients of all sizes."""

    def __init__(self, name: str, options: Options, groups: list[Options] | None = None) -> None:
        rng = np.random.default_rng(7)
        start = [rng.normal(size=shape) for shape in SHAPES]
        self.rng = rng
        self.ours = [Tensor(value, requires_grad=True) for value in start]
        self.theirs = [torch.tensor(value, requires_grad=True) for value in start]
        self.optimizers = [
            getattr(module.optim if module is torch else module, name)(
                [{"params": [p], **more} for p, more in zip(params, groups, strict=True)]
                if groups
                else params,
                **options,
            )
            for module, params in ((optim, self.ours), (torch, self.theirs))
        ]

    def give_gradients(self) -> None:
        for p, q in zip(self.ours, self.theirs, strict=True):
            g = self.rng.normal(size=p.shape) * 10.0 ** self.rng.integers(-4, 3)
            p.grad, q.grad = g, torch.tensor(g)

    def step(self) -> None:
        with np.errstate(under="ignore"):  # of options that are hardly above 0
            for optimizer in self.optimizers:
                optimizer.step()

    def assert_equal(self, note: str = "") -> None:
        for p, q in zip(self.ours, self.theirs, strict=True):
            its = q.detach().numpy()
            scale = max(1.0, float(np.max(np.abs(its))))
            np.testing.assert_allclose(p.data, its, rtol=0, atol=1e-10 * scale, err_msg=note)

    def walk(self, steps: int = STEPS) -> None:
        before = [p.data.copy() for p in self.ours]
        for step in range(steps):
            self.give_gradients()
            self.step()
            self.assert_equal(f"step {step}")
        assert all(np.any(p.data != b) for p, b in zip(self.ours, before, strict=True))


# --- optimisers -------------------------------------------------------------------------------

DECAY: dict[str, list[Any]] = {"weight_decay": [0.0, 0.1], "maximize": [False, True]}
BETAS = [(0.9, 0.999), (0.0, 0.5), (0.8, 0.9)]
TABLE: dict[str, dict[str, list[Any]]] = {
    "Adam": {**DECAY, "amsgrad": [False, True], "decoupled_weight_decay": [False, True],
             "betas": BETAS},
    "AdamW": {**DECAY, "amsgrad": [False, True], "eps": [1e-8, 1e-2]},
    "Adamax": {**DECAY, "betas": BETAS, "eps": [1e-8, 1e-2]},
    "NAdam": {**DECAY, "betas": BETAS, "momentum_decay": [0.0, 4e-3, 0.5],
              "decoupled_weight_decay": [False, True]},
    "RAdam": {**DECAY, "betas": [*BETAS, (0.9, 0.99)], "decoupled_weight_decay": [False, True]},
    "RMSprop": {**DECAY, "alpha": [0.99, 0.5], "momentum": [0.0, 0.9], "centered": [False, True]},
    "Adagrad": {**DECAY, "lr_decay": [0.0, 0.1], "initial_accumulator_value": [0.0, 0.5]},
    "Adadelta": {**DECAY, "rho": [0.9, 0.0, 1.0], "lr": [1.0, 0.3]},
    "Rprop": {"maximize": [False, True], "etas": [(0.5, 1.2), (0.1, 3.0)],
              "step_sizes": [(1e-6, 50), (0.01, 0.1)]},
    "SGD": {**DECAY, "momentum": [0.0, 0.9], "dampening": [0.0, 0.3]},
}  # fmt: skip


def rows() -> Iterator[Any]:
    for name, choices in TABLE.items():
        for values in itertools.product(*choices.values()):
            options = dict(zip(choices, values, strict=True))
            changed = [key for key, (first, *_) in choices.items() if options[key] != first]
            marks = [pytest.mark.slow] if len(changed) > 1 else []
            yield pytest.param(name, options, id=f"{name}-{options}", marks=marks)
    for decay in (0.0, 0.1):
        yield "SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": decay}


@pytest.mark.parametrize(("name", "options"), list(rows()))
def test_trajectories(name: str, options: Options) -> None:
    Both(name, options).walk()


@pytest.mark.parametrize("name", TABLE)
def test_defaults(name: str) -> None:
    both = Both(name, {})
    both.walk()
    ours, theirs = (optimizer.defaults for optimizer in both.optimizers)
    assert ours == {key: theirs[key] for key in ours}
    assert set(theirs) - set(ours) <= {"foreach", "fused", "capturable", "differentiable",
                                       "decoupled_weight_decay"}  # fmt: skip


rates = st.floats(1e-4, 0.3)
betas = st.tuples(st.floats(0, 0.99), st.floats(0.1, 0.9999))
ANY: dict[str, dict[str, Any]] = {
    "Adam": {"betas": betas, "eps": st.floats(1e-10, 1.0), "amsgrad": st.booleans(),
             "weight_decay": rates, "decoupled_weight_decay": st.booleans()},
    "Adamax": {"betas": betas, "eps": st.floats(1e-10, 1.0), "weight_decay": rates},
    "NAdam": {"betas": betas, "momentum_decay": st.floats(1e-3, 1), "weight_decay": rates},
    "RAdam": {"betas": betas, "weight_decay": rates},
    "RMSprop": {"alpha": st.floats(0, 0.999), "momentum": st.floats(0, 0.99)},
    "Adagrad": {"lr_decay": rates, "initial_accumulator_value": rates},
    "Adadelta": {"rho": st.floats(0, 1), "eps": st.floats(1e-8, 1.0)},
    "Rprop": {"etas": st.tuples(st.floats(0.01, 0.99), st.floats(1.01, 3.0))},
    "SGD": {"momentum": st.floats(0, 0.99), "dampening": st.floats(0, 1), "weight_decay": rates},
}  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_trajectories_of_any_options(data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(ANY)))
    options = data.draw(st.fixed_dictionaries({"lr": rates, **ANY[name]}))
    Both(name, options).walk(20)


@pytest.mark.parametrize("name", TABLE)
def test_groups_and_options_that_change(name: str) -> None:
    both = Both(name, {}, [{}, {"lr": 0.03}, {"lr": 0.2}])
    for step in range(30):
        both.give_gradients()
        both.step()
        both.assert_equal(f"step {step}")
        for optimizer in both.optimizers:
            for i, group in enumerate(optimizer.param_groups):
                group["lr"] *= 0.9 + 0.05 * i
                if "weight_decay" in group:
                    group["weight_decay"] += 0.01 * i


@pytest.mark.parametrize("name", sorted(TABLE.keys() - {"SGD"}))
def test_a_state_of_pytorchs_is_gone_on_from(name: str) -> None:
    """Its moments have the same names; what they lack here has no bearing on numbers."""
    both = Both(name, {})
    both.walk(5)
    ours, theirs = both.optimizers
    state, kept = ours.state_dict(), theirs.state_dict()["state"]
    state["state"] = {
        i: {key: value.numpy() for key, value in kept[i].items() if key in ours.moments}
        for i in kept
    }
    ours.load_state_dict(state)
    both.walk(20)


def test_parameters_that_are_not_reached() -> None:
    both = Both("Adam", {})
    for step in range(20):
        both.give_gradients()
        for params in (both.ours, both.theirs):
            params[step % 3].grad = None
        both.optimizers[0].step(missing_ok=True)
        both.optimizers[1].step()
        both.assert_equal()


def test_complex_parameters() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=3) + 1j * rng.normal(size=3)
    for name in sorted(TABLE):
        p, q = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
        ours, theirs = getattr(optim, name)([p]), getattr(torch.optim, name)([q])
        for _ in range(10):
            g = rng.normal(size=3) + 1j * rng.normal(size=3)
            p.grad, q.grad = g, torch.tensor(g)
            ours.step()
            theirs.step()
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, err_msg=name)


# --- LBFGS ------------------------------------------------------------------------------------


def rosenbrock(w: Any) -> Any:
    return (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


def bumpy(w: Any) -> Any:
    module = torch if isinstance(w, torch.Tensor) else np
    return (module.sin(3 * w) + 0.1 * w**4).sum() + (w[0] * w[1]) ** 2


def steep(w: Any) -> Any:
    return (w**4).sum() + 0.01 * (w**2).sum()


def quadratic(w: Any) -> Any:
    return sum((10.0**i) * (w[i] - i) ** 2 for i in range(4))


LBFGS_OPTIONS: list[Options] = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 5},
    {"line_search_fn": "strong_wolfe", "max_eval": 7, "lr": 0.3},
    {"line_search_fn": "strong_wolfe", "lr": 30.0, "tolerance_change": 0.0},
    {"lr": 1e-3},
    {"lr": 0.01, "max_iter": 4, "history_size": 3},
    {"lr": 1e-3, "max_eval": 3, "tolerance_grad": 0.5},
]


@pytest.mark.parametrize(
    "options",
    [*LBFGS_OPTIONS[:2], *(pytest.param(o, marks=pytest.mark.slow) for o in LBFGS_OPTIONS[2:])],
    ids=str,
)
@pytest.mark.parametrize("cost", [rosenbrock, bumpy, steep, quadratic])
@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3))])
def test_trajectories_of_lbfgs(cost: Any, options: Options, seed: int) -> None:
    """Losses, evaluations and weights of each step, for as long as rounding does not decide.

    It does where PyTorch's own path from a start that is one rounding away has left the other.
    """
    start = np.random.default_rng(seed).normal(size=5)
    beside = np.nextafter(start, np.inf)
    ours, theirs, others = Tensor(start, requires_grad=True), *map(torch.tensor, (start, beside))
    optimizers = [
        module.LBFGS([w.requires_grad_()], **options)
        for module, w in ((optim, ours), (torch.optim, theirs), (torch.optim, others))
    ]

    def stepped(optimizer: Any, w: Any) -> Any:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = cost(w)
            loss.backward()
            return loss

        return optimizer.step(closure).item(), w.detach().numpy()

    for step in range(10):
        pairs = zip(optimizers, (ours, theirs, others), strict=True)
        (loss, values), (its_loss, its), (_, apart) = (stepped(o, w) for o, w in pairs)
        if np.max(np.abs(its - apart)) > 1e-12:
            break
        np.testing.assert_allclose(values, its, rtol=0, atol=1e-10, err_msg=f"step {step}")
        np.testing.assert_allclose(loss, its_loss, rtol=1e-10, atol=1e-12)
        state, kept = (o.state_dict()["state"][0] for o in optimizers[:2])
        assert (state["func_evals"], state["n_iter"]) == (kept["func_evals"], kept["n_iter"])
        if theirs.grad.abs().max() < 1e-6:
            break


# --- schedules --------------------------------------------------------------------------------

SCHEDULES: dict[str, list[Options]] = {
    "StepLR": [{"step_size": 7}, {"step_size": 1, "gamma": 0.9}, {"step_size": 3, "gamma": 1.1}],
    "MultiStepLR": [{"milestones": [3, 10, 10, 40]}, {"milestones": [0, 5], "gamma": 0.5}],
    "ConstantLR": [{}, {"factor": 0.1, "total_iters": 20}, {"factor": 1.0, "total_iters": 1}],
    "LinearLR": [{}, {"start_factor": 0.01, "end_factor": 0.5, "total_iters": 33},
                 {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 13}],
    "ExponentialLR": [{"gamma": 0.9}, {"gamma": 1.05}, {"gamma": 1.0}],
    "PolynomialLR": [{}, {"total_iters": 30, "power": 2.5}, {"total_iters": 60, "power": 0.5}],
    "CosineAnnealingLR": [{"T_max": 50}, {"T_max": 7, "eta_min": 0.003}, {"T_max": 1}],
    "CosineAnnealingWarmRestarts": [{"T_0": 7}, {"T_0": 3, "T_mult": 2, "eta_min": 0.001},
                                    {"T_0": 1, "T_mult": 3}],
    "CyclicLR": [
        {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 5},
        {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 3, "step_size_down": 8,
         "mode": "triangular2", "base_momentum": 0.5, "max_momentum": 0.99},
        {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 4, "mode": "exp_range", "gamma": 0.95},
        {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 4, "cycle_momentum": False,
         "scale_fn": lambda x: 0.9**x, "scale_mode": "iterations"},
        {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 4, "scale_fn": lambda x: 1 / x},
    ],
    "OneCycleLR": [
        {"max_lr": 0.1, "total_steps": 51},
        {"max_lr": 0.1, "total_steps": 50},
        {"max_lr": 0.3, "epochs": 6, "steps_per_epoch": 10, "anneal_strategy": "linear"},
        {"max_lr": 0.1, "total_steps": 60, "three_phase": True, "pct_start": 0.4,
         "div_factor": 7.0, "final_div_factor": 100.0, "base_momentum": 0.3, "max_momentum": 0.9},
        {"max_lr": 0.1, "total_steps": 60, "pct_start": 0.0, "cycle_momentum": False},
    ],
    "LambdaLR": [{"lr_lambda": lambda step: 0.95**step}, {"lr_lambda": lambda step: step % 4 / 3}],
    "MultiplicativeLR": [{"lr_lambda": lambda step: 0.9 + 0.01 * (step % 5)}],
}  # fmt: skip
ROWS = [(name, options) for name, rows in SCHEDULES.items() for options in rows]
# Functions print their address, which differs between the processes that share the tests.
by_row = pytest.mark.parametrize(
    ("name", "options"), ROWS, ids=lambda row: re.sub(" at 0x[0-9a-f]+", "", str(row))[:60]
)
EACH: dict[str, Options] = {  # values for each of two groups
    "CyclicLR": {"base_lr": [0.001, 0.01], "max_lr": [0.1, 0.2], "step_size_up": 5,
                 "base_momentum": [0.1, 0.2], "max_momentum": [0.5, 0.7]},
    "OneCycleLR": {"max_lr": [0.1, 0.5], "total_steps": 60, "base_momentum": [0.1, 0.2],
                   "max_momentum": [0.5, 0.7]},
    "LambdaLR": {"lr_lambda": [lambda step: 0.9**step, lambda step: 1 / (1 + step)]},
    "MultiplicativeLR": {"lr_lambda": [lambda step: 0.9, lambda step: 0.8]},
}  # fmt: skip


def made(module: Any, kind: str = "SGD", rates: tuple[float, ...] = (0.05, 0.8)) -> Any:
    """An optimiser with groups of these rates."""
    options = {"momentum": 0.9} if kind == "SGD" else {}
    groups = [{"params": [leaf(module)], "lr": lr} for lr in rates]
    return getattr(module.optim if module is torch else module, kind)(groups, **options)


def leaf(module: Any) -> Any:
    return (
        torch.zeros(1, requires_grad=True) if module is torch else Tensor([0.0], requires_grad=True)
    )


def schedule_of(module: Any, optimizer: Any, name: str, options: Options) -> Any:
    found = torch.optim.lr_scheduler if module is torch else optim.lr_scheduler
    return getattr(found, name)(optimizer, **options)


def in_force(optimizer: Any) -> list[float]:
    found = []
    for group in optimizer.param_groups:
        found += [group["lr"], *group.get("betas", ()), group.get("momentum", 0.0)]
    return found


def same_rates(
    make: Any, kind: str = "SGD", steps: int = STEPS, arguments: Any = (), first: int = 0
) -> None:
    """The schedules that `make` returns for an optimiser of ours and theirs set the same rates."""
    ours, theirs = made(optim, kind), made(torch, kind)
    mine, its = make(optim, ours), make(torch, theirs)
    theirs.step()  # or PyTorch warns
    for step in range(steps):
        if step >= first:
            note, rates = f"step {step}", (mine.get_last_lr(), its.get_last_lr())
            for found, expected in (rates, (in_force(ours), in_force(theirs))):
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=note)
        given = [arguments[step]] if arguments else []
        mine.step(*given)
        its.step(*given)


@by_row
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_rates(name: str, options: Options, kind: str) -> None:
    same_rates(lambda module, o: schedule_of(module, o, name, options), kind)


@pytest.mark.parametrize("name", EACH)
def test_rates_of_each_group(name: str) -> None:
    same_rates(lambda module, o: schedule_of(module, o, name, EACH[name]))


@settings(max_examples=40)
@given(st.data())
def test_rates_of_any_options(data: Any) -> None:
    factor = st.floats(0.01, 1.0)
    steps = st.integers(1, 60)
    choices = {
        "StepLR": {"step_size": steps, "gamma": factor},
        "MultiStepLR": {"milestones": st.lists(st.integers(0, 60)), "gamma": factor},
        "ConstantLR": {"factor": factor, "total_iters": steps},
        "LinearLR": {"start_factor": factor, "end_factor": factor, "total_iters": steps},
        "PolynomialLR": {"total_iters": steps, "power": st.floats(0.1, 4)},
        "CosineAnnealingLR": {"T_max": steps, "eta_min": st.floats(0, 0.04)},
        "CosineAnnealingWarmRestarts": {"T_0": steps, "T_mult": st.integers(1, 4)},
        "OneCycleLR": {"max_lr": factor, "total_steps": st.integers(51, 99),
                       "pct_start": st.floats(0.1, 0.45), "three_phase": st.booleans()},
        "CyclicLR": {"base_lr": st.just(0.001), "max_lr": factor, "step_size_up": steps,
                     "step_size_down": steps, "mode": st.sampled_from(["triangular",
                                                                       "triangular2"])},
    }  # fmt: skip
    name = data.draw(st.sampled_from(sorted(choices)))
    options = data.draw(st.fixed_dictionaries(choices[name]))
    same_rates(lambda module, o: schedule_of(module, o, name, options))


def test_warm_restarts_between_epochs() -> None:
    options = {"T_0": 4, "T_mult": 2, "eta_min": 0.001}

    def make(module: Any, optimizer: Any) -> Any:
        return schedule_of(module, optimizer, "CosineAnnealingWarmRestarts", options)

    same_rates(make, steps=48, arguments=[i / 3 for i in range(48)])
    same_rates(make, steps=20, arguments=[2.5, *[None] * 19])


PLATEAU: list[Options] = [
    {},
    {"patience": 2, "factor": 0.5, "min_lr": [0.01, 0.1]},
    {"patience": 0, "cooldown": 3, "threshold": 0.2, "threshold_mode": "abs", "min_lr": 1e-3},
    {"mode": "max", "patience": 1, "threshold": 0.1},
    {"mode": "max", "patience": 1, "threshold": 0.1, "threshold_mode": "abs", "eps": 0.1},
]


@pytest.mark.parametrize("options", PLATEAU, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_rates_on_plateaus(options: Options, seed: int) -> None:
    rng = np.random.default_rng(seed)
    metrics = list(rng.normal(size=STEPS) - rng.integers(3) * 0.1 * np.arange(STEPS))
    metrics[7] = np.inf
    same_rates(
        lambda module, o: schedule_of(module, o, "ReduceLROnPlateau", options), arguments=metrics
    )


WARMUPS = ["ConstantLR", "LinearLR", "OneCycleLR", "LambdaLR", "CyclicLR", "StepLR",
           "CosineAnnealingWarmRestarts", "MultiplicativeLR", "CosineAnnealingLR"]  # fmt: skip


by_first = pytest.mark.parametrize(
    "first",
    ["LinearLR", "OneCycleLR", *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in WARMUPS
        if name not in ("LinearLR", "OneCycleLR")
    )],
)  # fmt: skip


def parts_of(module: Any, optimizer: Any, first: str, name: str, options: Options) -> list[Any]:
    """Two schedules, and a third."""
    return [
        schedule_of(module, optimizer, first, SCHEDULES[first][-1]),
        schedule_of(module, optimizer, name, options),
        schedule_of(module, optimizer, "ExponentialLR", {"gamma": 0.9}),
    ]


@by_row
@by_first
def test_rates_of_sequences(first: str, name: str, options: Options) -> None:
    if first == name == "OneCycleLR":
        pytest.skip("in PyTorch the second's bounds are those of the first, too")

    def make(module: Any, optimizer: Any) -> Any:
        parts = parts_of(module, optimizer, first, name, options)
        made_of = {"schedulers": parts, "milestones": [6, 37]}
        return schedule_of(module, optimizer, "SequentialLR", made_of)

    same_rates(make)


@by_row
@by_first
def test_rates_of_chains(first: str, name: str, options: Options) -> None:
    options = {k: v for k, v in options.items() if k != "eta_min"}  # or rates fall below 0

    def make(module: Any, optimizer: Any) -> Any:
        parts = parts_of(module, optimizer, first, name, options)
        found = torch.optim.lr_scheduler if module is torch else optim.lr_scheduler
        return found.ChainedScheduler(parts)

    # PyTorch's CyclicLR begins with another rate than its base_lr where there was one before.
    same_rates(make, first=name == "CyclicLR")


def test_a_rate_set_by_hand_is_gone_on_from() -> None:
    def make(module: Any, optimizer: Any) -> Any:
        schedule = schedule_of(module, optimizer, "CosineAnnealingLR", {"T_max": 60})
        for group in optimizer.param_groups:
            group["lr"] *= 0.3
        return schedule

    ours, theirs = made(optim), made(torch)
    mine, its = make(optim, ours), make(torch, theirs)
    theirs.step()
    for step in range(STEPS):
        mine.step()
        its.step()
        np.testing.assert_allclose(in_force(ours), in_force(theirs), rtol=1e-12)
        if step == 20:
            ours.param_groups[1]["lr"] = theirs.param_groups[1]["lr"] = 0.123


def test_training_with_a_schedule() -> None:
    both = Both("Adam", {"lr": 0.05})
    options = {"max_lr": 0.1, "total_steps": 60}
    schedules = [
        schedule_of(module, optimizer, "OneCycleLR", options)
        for module, optimizer in zip((optim, torch), both.optimizers, strict=True)
    ]
    for _ in range(STEPS):
        both.give_gradients()
        both.step()
        both.assert_equal()
        for schedule in schedules:
            schedule.step()
