"""Ctrl-C at every bytecode of a step: either nothing has happened, or all of it.

A tracer raises `KeyboardInterrupt` before the n-th bytecode of a call, for every n until the call
ends undisturbed. Where arrays are large, some bytecodes are left out, and none of the last ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from quick import some_quick

from tinygrad_bp import Tensor, errors, nn, optim

Values = dict[str, np.ndarray[Any, Any]]


def bytecodes(call: Callable[[], Any], stop_at: int = sys.maxsize) -> int:
    """Run a call, and count its bytecodes; raise KeyboardInterrupt before that of a number."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        if event == "opcode":
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


def interruptions(call: Callable[[], Any], most: int = sys.maxsize) -> list[int]:
    """The bytecodes to interrupt a call at: all, or every so many and the last ones."""
    length = bytecodes(call)
    return [at for at in range(1, length + 1) if at % (1 + length // most) == 0 or at > length - 50]


def assert_interrupted(call: Callable[[], Any], at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        bytecodes(call, stop_at=at)


def assert_equal_bits(found: Values, expected: Values) -> None:
    assert list(found) == list(expected)
    assert all(found[name].dtype == value.dtype for name, value in expected.items())
    assert same_bits(found, expected), "the next step is not that of an undisturbed run"


def same_bits(found: Values, expected: Values) -> bool:
    return all(found[name].tobytes() == value.tobytes() for name, value in expected.items())


def all_or_nothing(found: Values, before: Values, after: Values) -> bool:
    """Whether all of it has happened; fails where only some of it has."""
    moved = {n: found[n].tobytes() != before[n].tobytes() for n in before}
    still = {n: found[n].tobytes() != after[n].tobytes() for n in after}
    assert all(moved.values()) or not any(moved.values()), f"moved: {moved}"
    assert any(moved.values()) or all(still.values())
    assert not any(moved.values()) or not any(still.values()), f"not there yet: {still}"
    return any(moved.values())


# --- an optimiser's step ----------------------------------------------------------------------


class Training:
    """Parameters of several dtypes and shapes, and an optimiser that has taken a step."""

    def __init__(self, sizes: dict[str, tuple[tuple[int, ...], type]], **options: Any) -> None:
        kind = options.pop("kind", optim.SGD)
        rng = np.random.default_rng(0)
        self.parameters = {
            name: Tensor(drawn(rng, shape, dtype), requires_grad=True)
            for name, (shape, dtype) in sizes.items()
        }
        self.optimizer = kind(self.parameters.items(), **options)
        self.give_gradients(1)
        self.optimizer.step()

    def give_gradients(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.optimizer.zero_grad()
        for p in self.parameters.values():
            p.grad = drawn(rng, p.shape, p.dtype)

    def values(self) -> Values:
        return {name: p.data.copy() for name, p in self.parameters.items()}

    def graphs(self) -> list[Tensor]:
        """A graph of each parameter, which a step makes stale."""
        return [(p.reshape(-1)[:2] * 3.0).sum() for p in self.parameters.values()]


def drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Random rows, all the same: drawing is what takes longest."""
    return np.broadcast_to(rng.normal(size=shape[-1:]), shape).astype(dtype)


SMALL = {"half": ((3,), np.float16), "single": ((2, 2), np.float32), "double": ((4,), np.float64)}
LARGE = {**SMALL, "large": ((401, 503), np.float32), "empty": ((0, 2), np.float64)}


STEPS = {
    "plain": (SMALL, {"lr": 0.1}),
    "momentum": (SMALL, {"lr": 0.1, "momentum": 0.9}),
    "everything": (SMALL, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.5}),
    "large": (LARGE, {"lr": 0.1}),
    "large, momentum": (LARGE, {"lr": 0.1, "momentum": 0.9}),
    "NAdam": (SMALL, {"kind": optim.NAdam, "lr": 0.1, "eps": 0.1, "betas": (0.5, 0.5)}),
    "large, Adam": (
        LARGE, {"kind": optim.Adam, "lr": 0.1, "amsgrad": True, "eps": 0.1, "betas": (0.5, 0.5)}),
}  # fmt: skip


@pytest.mark.parametrize("case", some_quick(STEPS, 3))
def test_a_step_is_all_or_nothing(case: str) -> None:
    sizes, options = STEPS[case]
    undisturbed = Training(sizes, **options)
    undisturbed.give_gradients(2)
    before = undisturbed.values()
    points = interruptions(undisturbed.optimizer.step, most=sys.maxsize if sizes is SMALL else 60)
    after = undisturbed.values()
    undisturbed.give_gradients(3)
    undisturbed.optimizer.step()
    assert points
    for at in points:
        training = Training(sizes, **options)
        training.give_gradients(2)
        graphs = training.graphs()
        assert_interrupted(training.optimizer.step, at)
        check_what_is_left(training, without_empty(before), without_empty(after), graphs)
        training.give_gradients(3)
        training.optimizer.step()
        assert_equal_bits(training.values(), undisturbed.values())


def without_empty(values: Values) -> Values:
    """An array without elements has moved and has not."""
    return {name: value for name, value in values.items() if value.size}


def check_what_is_left(
    training: Training, before: Values, after: Values, graphs: list[Tensor]
) -> None:
    """After an interruption: what has happened is known, and the step can be taken once."""
    if all_or_nothing(training.values(), before, after):
        with pytest.raises(errors.OptimizerError, match="no backward"):
            training.optimizer.step()  # the gradients are used up
        for graph, p in zip(graphs, training.parameters.values(), strict=True):
            if p.size:
                with pytest.raises(errors.StaleGraphError):
                    graph.backward()
    else:
        training.optimizer.step()
    assert same_bits(training.values(), after)


@pytest.mark.slow
def test_a_step_of_lbfgs_is_all_or_nothing() -> None:
    """The closure and the line search in between: weights, gradient and memory go back together."""

    def made() -> tuple[Any, Tensor, Callable[[], Any]]:
        w = Tensor([-1.0, 1.5, 0.5], requires_grad=True)
        optimizer = optim.LBFGS([w], max_iter=3, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = np.sum(w**4 - w)
            loss.backward()
            return loss

        optimizer.step(closure)
        return optimizer, w, closure

    def bits(optimizer: Any, w: Tensor) -> Any:
        memory = optimizer.state_dict()["state"][0]
        return w.data.tobytes(), memory["n_iter"], memory["func_evals"], memory["d"].tobytes()

    optimizer, w, closure = made()
    before = bits(optimizer, w)
    points = interruptions(lambda: optimizer.step(closure), most=150)
    after = bits(optimizer, w)
    optimizer.step(closure)
    last = bits(optimizer, w)
    for at in points:
        optimizer, w, closure = made()
        assert_interrupted(lambda o=optimizer, c=closure: o.step(c), at)
        found = bits(optimizer, w)
        assert found in (before, after)
        for _ in range(1 + (found == before)):
            optimizer.step(closure)
        assert bits(optimizer, w) == last


# --- loading ----------------------------------------------------------------------------------


def model(seed: int, *, large: bool) -> nn.Module:
    net = nn.MLP(3, 4, 2, rng=np.random.default_rng(seed))
    if large:
        net.large = Tensor(np.full((401, 503), float(seed)), requires_grad=True)  # type: ignore[assignment]
    return net


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_loading_a_model_is_all_or_nothing(large: bool) -> None:
    before = model(0, large=large).state_dict()
    given = {name: value + 0.25 for name, value in model(1, large=large).state_dict().items()}
    undisturbed = model(0, large=large)
    most = 60 if large else sys.maxsize
    for at in interruptions(lambda: undisturbed.load_state_dict(given), most):
        net = model(0, large=large)
        graph = sum((p.reshape(-1)[:2] * 3.0).sum() for p in net.parameters())
        assert_interrupted(lambda net=net: net.load_state_dict(given), at)
        if all_or_nothing(net.state_dict(), before, given):
            with pytest.raises(errors.StaleGraphError):
                graph.backward()
        net.load_state_dict(given)
        assert_equal_bits(net.state_dict(), given)


@pytest.mark.slow
def test_loading_an_optimiser_is_all_or_nothing() -> None:
    def begun() -> Training:
        return Training(SMALL, lr=0.1, momentum=0.9)

    def goes_on(training: Training) -> Values:
        training.give_gradients(2)
        training.optimizer.step()
        return training.values()

    other = Training(SMALL, lr=0.5, momentum=0.8)
    other.give_gradients(5)
    other.optimizer.step()
    state = other.optimizer.state_dict()
    loaded = begun()
    points = interruptions(lambda: loaded.optimizer.load_state_dict(state))
    with_old, with_new = goes_on(begun()), goes_on(loaded)
    for at in points:
        training = begun()
        assert_interrupted(lambda t=training: t.optimizer.load_state_dict(state), at)
        all_or_nothing(goes_on(training), with_old, with_new)
