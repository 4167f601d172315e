"""Optimisers take the trajectories of PyTorch's, schedules its rates, clipping its numbers."""

from __future__ import annotations

import itertools
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
            yield pytest.param(name, options, id=f"{name}-{options}")
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
