"""What bad input gets, and what never happens silently: one test a promise."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, nn, optim
from tinygrad_bp import functional as F


def leaf(*values: float, dtype: type = float) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# --- what can be tracked ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
def test_only_floats_track(dtype: type) -> None:
    with pytest.raises(errors.GradientError, match=r"not .*astype\(float\)"):
        Tensor(np.ones(3, dtype), requires_grad=True)
    with pytest.raises(errors.GradientError, match=r"astype\(float\)"):
        Tensor(np.ones(3, dtype)).requires_grad = True


def test_no_object_arrays() -> None:
    with pytest.raises(errors.NotDifferentiableError, match="dict"):
        Tensor({"a": 1})


# --- writes between forward and backward -------------------------------------------------------


def test_results_are_read_only() -> None:
    y = leaf(1.0) * 2
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5.0
    with pytest.raises(errors.InPlaceError, match="result of 'multiply'"):
        y.data = np.array([5.0])


@pytest.mark.parametrize("how", ["assign", "augmented"])
def test_changed_leaf_makes_the_graph_stale(how: str) -> None:
    w = leaf(2.0)
    y = w * w
    if how == "assign":
        w.data = np.array([10.0])
    else:
        w.data -= 1.0
    with pytest.raises(errors.StaleGraphError, match=r"'multiply'.*test_behaviour\.py:\d+"):
        y.backward()
    assert w.grad is None


def test_changed_constant_makes_the_graph_stale() -> None:
    w, x = leaf(2.0), Tensor([3.0])
    y = w * x
    x.data = np.array([30.0])
    with pytest.raises(errors.StaleGraphError):
        y.backward()


def test_a_view_of_a_changed_leaf_is_stale_too() -> None:
    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (w.reshape(2, 1) * x).sum()
    w.data -= 1.0
    with pytest.raises(errors.StaleGraphError):
        y.backward()
    assert x.grad is None


def test_a_detached_copy_of_a_changed_leaf_is_stale_too() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = (x.detach().detach() * w).sum()
    x.data = np.array([20.0])
    with pytest.raises(errors.StaleGraphError, match="multiply"):
        y.backward()
    assert w.grad is None


def test_a_leaf_owns_its_data() -> None:
    given = np.array([2.0])
    w = Tensor(given, requires_grad=True)
    y = w * w
    given[0] = 100.0
    y.backward()
    assert w.grad is not None
    assert w.grad.data[0] == 4.0


def test_debug_catches_writes_behind_the_tensors_back() -> None:
    w, x = leaf(2.0), np.array([3.0])
    with bp.debug():
        y = w * x
        x[0] = 30.0
        with pytest.raises(errors.StaleGraphError, match="argument 1 was written to in place"):
            y.backward()
        z = w * w
        w.data[0] = 7.0
        with pytest.raises(errors.StaleGraphError, match="argument 0"):
            z.backward()
        u = np.exp(w)
        u.data.setflags(write=True)
        u.data[0] = 1.0
        with pytest.raises(errors.StaleGraphError, match="its result"):
            u.backward()
    assert w.grad is None


def test_debug_lets_honest_graphs_pass() -> None:
    w = leaf(2.0)
    with bp.debug():
        (w * w * np.array([3.0])).backward()
    assert w.grad is not None
    assert w.grad.data[0] == 12.0


# --- backward ----------------------------------------------------------------------------------


def test_second_backward_needs_retain_graph() -> None:
    x = leaf(3.0)
    y = (x**3).sum()
    y.backward()
    with pytest.raises(errors.FreedGraphError, match=r"retain_graph=True.*"):
        y.backward()
    assert x.grad is not None
    assert x.grad.data[0] == 27.0


def test_retained_graph_accumulates_exactly() -> None:
    x = leaf(3.0)
    y = (x**3).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad is not None
    assert x.grad.data[0] == 54.0


def test_backward_needs_a_scalar_or_a_seed() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(errors.GradientError, match=r"shape \(2,\).*ones_like"):
        (x * x).backward()
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(errors.ShapeError, match=r"\(3,\).*\(2,\)"):
        (x * x).backward(np.ones(3))


def test_backward_of_what_does_not_track() -> None:
    with pytest.raises(errors.GradientError, match="does not depend on any tensor"):
        Tensor(3.0).backward()
    with pytest.raises(errors.GradientError, match="does not depend"):
        (leaf(1.0).detach() * 2).sum().backward()


def test_failed_backward_leaves_every_grad_alone() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = np.exp(w) * x
    w.data -= 1.0
    with pytest.raises(errors.StaleGraphError):
        y.backward()
    assert x.grad is None
    assert w.grad is None


# --- big graphs and memory ---------------------------------------------------------------------


def chain(length: int) -> tuple[Tensor, Tensor]:
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = y + 1.0
    return x, y


@pytest.mark.parametrize(
    "length", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)], ids=["20k", "1m"]
)
def test_long_chains_work(length: int) -> None:
    x, y = chain(length)
    assert "op=add" in repr(y)
    y.backward(retain_graph=True)
    assert x.grad is not None
    assert x.grad.data[0] == 1.0
    del y  # freeing must not recurse either


def test_diamonds_cost_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2 ** 60 paths
        y = 0.5 * y + 0.5 * y
    y.backward()
    assert x.grad is not None
    assert x.grad.data[0] == 1.0


def test_nothing_is_left_for_the_cycle_collector(
    rng: np.random.Generator, no_garbage: Callable[[], Any]
) -> None:
    model = nn.MLP(4, 5, 3, output_activation=nn.Sigmoid(), rng=rng)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.sum_squares(model(np.ones((2, 4), np.float32)), np.zeros((2, 3))).backward()
        optimizer.step()

    step()
    with no_garbage():
        for _ in range(20):
            step()


# --- nan and inf -------------------------------------------------------------------------------


def test_first_nan_forward() -> None:
    x = leaf(1.0, -1.0)
    with bp.trace_nans(), np.errstate(invalid="ignore"):
        inner = x * 2.0
        with pytest.raises(errors.NonFiniteError) as caught:
            np.log(inner).sum()
    message = str(caught.value)
    for part in ("forward, 'log'", "nan at (1,)", "argument 0 there is -2.0", "Remedy", ".py:"):
        assert part in message


def test_first_nan_backward() -> None:
    x = leaf(4.0, 0.0)
    with bp.trace_nans(), np.errstate(divide="ignore"):
        y = np.sqrt(x).sum()
        with pytest.raises(errors.NonFiniteError) as caught:
            y.backward()
    message = str(caught.value)
    for part in ("backward", "'sqrt'", "inf at (1,)", "argument 0 there is 0.0"):
        assert part in message
    assert x.grad is None


def test_nan_that_came_in_with_the_data() -> None:
    w = leaf(1.0, 2.0)
    with bp.trace_nans(), pytest.raises(errors.NonFiniteError, match="argument 1 .* came in with"):
        w * np.array([1.0, np.nan])


def test_zero_gradient_at_an_infinite_slope_is_zero() -> None:
    x = leaf(4.0, 0.0, -1.0)
    with np.errstate(invalid="ignore"):
        y = np.where(x > 0, np.sqrt(x), x)
    y.backward(np.ones(3))
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 1.0, 1.0]


def test_sqrt_and_norm_at_zero() -> None:
    x = leaf(0.0)
    y = np.sqrt(x)
    with np.errstate(divide="warn"), pytest.warns(RuntimeWarning, match="divide by zero"):
        y.backward()
    assert x.grad is not None
    assert np.isposinf(x.grad.data[0])
    z = leaf(0.0, 0.0)
    np.linalg.norm(z).backward()
    assert z.grad is not None
    assert z.grad.tolist() == [0.0, 0.0]


# --- NumPy's side ------------------------------------------------------------------------------


def test_arrays_and_numpy_scalars_on_the_left() -> None:
    t = leaf(3.0, 4.0)
    for made in (
        np.array([2.0, 2.0]) * t,
        np.float64(2.0) * t,
        np.multiply(2.0, t),
        np.exp(t),
        np.ones((1, 2)) @ t,
    ):
        assert isinstance(made, Tensor)
        assert made.requires_grad
    (np.float64(2) * t).sum().backward()
    assert t.grad is not None
    assert t.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        lambda t: np.array([t, t]),
        lambda t: np.ones(2).dot(t),
        lambda t: t.numpy(),
        lambda t: np.sum([t, t]),
    ],
    ids=["asarray", "array of tensors", "ndarray.dot", "numpy()", "sum of a list"],
)
def test_no_silent_conversion(convert: object) -> None:
    with pytest.raises(errors.ConversionError, match=r"t\.detach\(\).*np\.stack"):
        convert(leaf(1.0, 2.0))  # type: ignore[operator]


def test_untracked_tensors_convert() -> None:
    assert np.asarray(Tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_refusals_name_what_to_do() -> None:
    t = leaf(1.0, 2.0)
    out = np.empty(2)
    with pytest.raises(errors.InPlaceError, match="out="):
        np.exp(t, out=out)
    with pytest.raises(errors.NotDifferentiableError, match=r"np\.sum"):
        np.add.reduce(t)
    with pytest.raises(errors.NotDifferentiableError, match=r"use t\.cummax\(0\)\[0\]"):
        np.maximum.accumulate(t)
    with pytest.raises(errors.NotDifferentiableError, match=r"functional\.logsumexp"):
        np.logaddexp.reduce(t)
    with pytest.raises(errors.NotDifferentiableError, match=r"goes over to complex numbers"):
        np.emath.sqrt(t)
    with pytest.raises(errors.NotDifferentiableError, match="keyword"):
        np.exp(t, where=np.array([True, False]))
    with pytest.raises(errors.NotDifferentiableError, match="no derivative rule"):
        np.unique(t)
    with pytest.raises(errors.NotDifferentiableError, match="argument 0 of where"):
        np.where(t, 1.0, 2.0)
    with pytest.raises(errors.InPlaceError, match=r"np\.where"):
        t[0] = 5.0
    with pytest.raises(errors.InPlaceError, match=r"w\.data -= step"):
        t -= 1.0


def test_functions_without_a_rule_work_where_nothing_tracks() -> None:
    values = np.linalg.svd(Tensor(np.eye(2)), compute_uv=False)
    assert np.asarray(values).tolist() == [1.0, 1.0]


def test_float32_stays_float32() -> None:
    w, x = leaf(1.0, 2.0, dtype=np.float32), np.ones(2, np.float32)
    y = np.mean(np.exp(w) * x / 3 + 2.0 * np.sqrt(w) - w**3)
    assert y.dtype == np.float32
    y.backward()
    assert w.grad is not None
    assert w.grad.dtype == np.float32


def test_gradients_keep_their_inputs_dtype() -> None:
    w = leaf(1.0, 2.0, dtype=np.float32)
    (w * np.array([1.0, 2.0])).sum().backward()  # NumPy promotes the product to float64
    assert w.grad is not None
    assert w.grad.dtype == np.float32


def test_repeated_indices_add_up() -> None:
    x = leaf(1.0, 2.0, 3.0)
    x[[0, 0, 2]].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


def test_an_index_is_what_it_was_when_it_was_used() -> None:
    x, index = leaf(1.0, 2.0, 3.0), np.array([0, 2])
    outputs = [x[index], np.take(x, index), np.take_along_axis(x, index, 0), x[index, None][:, 0]]
    index[:] = 1
    for y in outputs:
        x.grad = None
        y.sum().backward()
        assert x.grad.tolist() == [1.0, 0.0, 1.0]


# --- losses and layers -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [F.sum_squares, F.half_sum_squares, F.mse_loss])
def test_losses_want_equal_shapes(loss: object) -> None:
    with pytest.raises(errors.ShapeError, match=r"\(3, 1\).*\(3,\)"):
        loss(Tensor(np.ones((3, 1)), requires_grad=True), np.ones(3))  # type: ignore[operator]
    with pytest.raises(errors.ShapeError, match="empty batch"):
        loss(Tensor(np.ones((0, 2)), requires_grad=True), np.ones((0, 2)))  # type: ignore[operator]


def test_cross_entropy_checks_its_labels() -> None:
    logits = Tensor(np.zeros((3, 4)), requires_grad=True)
    for labels, message in (
        ([0, 4, 1], r"label 4 at position 1 .* 4 classes"),
        ([0, 1, -1], r"label -1 at position 2"),
        ([0.0, 1.0, 2.0], r"whole numbers.*float64"),
    ):
        with pytest.raises(errors.LabelError, match=message):
            F.cross_entropy(logits, np.array(labels))
    with pytest.raises(errors.ShapeError, match=r"\(3, 4\).*\(3,\).*\(3, 1\)"):
        F.cross_entropy(logits, np.zeros((3, 1), int))
    with pytest.raises(errors.ShapeError, match="empty batch"):
        F.cross_entropy(logits[:0], np.zeros(0, int))


def test_empty_arrays_are_fine_elsewhere() -> None:
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    np.sum(np.exp(x) * 2).backward()
    assert x.grad is not None
    assert x.grad.shape == (0, 3)


def test_layers_name_themselves() -> None:
    model = nn.MLP(784, 16, 10)
    with pytest.raises(
        errors.ShapeError,
        match=r"^hidden1 = Linear\(784, 16\): expects \(\.\.\., 784\), got \(5, 785\)$",
    ):
        model(np.ones((5, 785), np.float32))
    nested = nn.Sequential(nn.Identity(), nn.ModuleDict({"a": model})["a"])
    with pytest.raises(errors.ShapeError, match=r"^1\.hidden1 = Linear\(784, 16\): expects"):
        nested(np.ones((5, 785), np.float32))


# --- modes -------------------------------------------------------------------------------------


def test_no_grad_stays_in_its_thread() -> None:
    x = leaf(1.0)
    seen: list[bool] = []
    with bp.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [True]


def test_no_grad_stays_in_its_task() -> None:
    x = leaf(1.0)

    async def inside(entered: asyncio.Event, leave: asyncio.Event) -> None:
        with bp.no_grad():
            entered.set()
            await leave.wait()

    async def both() -> bool:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(inside(entered, leave))
        await entered.wait()
        tracked = (x * 2).requires_grad
        leave.set()
        await task
        return tracked

    assert asyncio.run(both())


def test_no_grad_does_not_leak_through_a_paused_generator() -> None:
    x = leaf(1.0)

    @bp.no_grad()
    def values() -> Iterator[bool]:
        for _ in range(2):
            yield (x * 2).requires_grad

    for tracked in values():
        assert not tracked
        assert (x * 2).requires_grad


def test_no_grad_is_left_after_an_error() -> None:
    x = leaf(1.0)
    with contextlib.suppress(KeyError), bp.no_grad():
        raise KeyError
    assert (x * 2).requires_grad


# --- optimisers --------------------------------------------------------------------------------


def test_optimiser_arguments() -> None:
    w = leaf(1.0)
    for make, message in (
        (lambda: optim.SGD([], lr=0.1), "no parameters"),
        (lambda: optim.SGD([("a", w), ("b", w)], lr=0.1), "'b' is given twice"),
        (lambda: optim.SGD([w], lr=0.0), "lr must be"),
        (lambda: optim.SGD([w], lr=-1.0), "lr must be"),
        (lambda: optim.SGD([w], lr=float("nan")), "lr must be"),
        (lambda: optim.SGD([w], lr=0.1, momentum=-1), "momentum"),
        (lambda: optim.SGD([w], lr=0.1, nesterov=True), "nesterov"),
        (lambda: optim.SGD([Tensor([1.0])], lr=0.1), "not a leaf"),
        (lambda: optim.SGD([np.ones(1)], lr=0.1), "ndarray, not a Tensor"),
    ):
        with pytest.raises(errors.OptimizerError, match=message):
            make()


def test_step_refuses_missing_and_non_finite_gradients() -> None:
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.1)
    (a * 2.0).backward()
    with pytest.raises(errors.OptimizerError, match="'b' has no gradient"):
        optimizer.step()
    b.grad = np.array([np.nan])
    with pytest.raises(errors.OptimizerError, match=r"'b' is nan at \(0,\)"):
        optimizer.step()
    assert a.data[0] == b.data[0] == 1.0


def test_step_takes_large_finite_gradients() -> None:
    w = leaf(0.0, dtype=np.float32)
    optimizer = optim.SGD([w], lr=1e-30)
    w.grad = np.array([1e30], np.float32)  # its square overflows float32
    with np.errstate(over="ignore"):
        optimizer.step()
    assert w.data[0] == -1.0


def test_step_needs_a_new_backward() -> None:
    w = leaf(1.0)
    optimizer = optim.SGD([("w", w)], lr=0.1)
    (w * w).backward()
    optimizer.step()
    before = w.data.copy()
    with pytest.raises(errors.OptimizerError, match="no backward.. since the last step.*'w'"):
        optimizer.step()
    assert w.data == before


@pytest.mark.parametrize("stepped", [False, True], ids=["before the step", "after a step"])
def test_forgotten_zero_grad(stepped: bool) -> None:
    w = leaf(1.0)
    optimizer = optim.SGD([("w", w)], lr=0.1)
    (w * w).backward()
    if stepped:
        optimizer.step()
    (w * w).backward()
    before = w.data.copy()
    with pytest.raises(errors.OptimizerError, match="'w' is the sum of 2 backward passes"):
        optimizer.step()
    assert w.data == before
    optimizer.step(accumulated=True)
    assert w.data != before


# --- custom rules, copies ----------------------------------------------------------------------


def test_a_rule_of_the_wrong_shape_is_named() -> None:
    from tinygrad_bp import registry

    @registry.primitive
    def total(x: np.ndarray) -> np.ndarray:
        return np.sum(x)

    registry.linear(total, lambda g, y, x: g)
    w = leaf(1.0, 2.0)
    with pytest.raises(errors.RuleError, match=r"'total' gave .* shape \(\) .* shape \(2,\)"):
        total(w).backward()
    with pytest.raises(errors.RuleError, match="registered already"):
        registry.linear(total, lambda g, y, x: g)
    del registry.rules[total]  # the closed world is tested elsewhere


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_copies_keep_value_and_requires_grad(duplicate: object) -> None:
    x = leaf(1.0, 2.0)
    for t in (x, x * 2):
        other = duplicate(t)  # type: ignore[operator]
        assert other.tolist() == t.tolist()
        assert other.requires_grad
        assert other.is_leaf
        other.data -= 1.0
        assert t.tolist() != other.tolist()


def test_arguments_a_rewriting_leaves_out_are_refused() -> None:
    t = leaf(1.0, 2.0)
    with pytest.raises(errors.NotDifferentiableError, match="nan_to_num .* 'copy'"):
        np.nan_to_num(t, copy=False)
    with pytest.raises(errors.NotDifferentiableError, match="median .* 'overwrite_input'"):
        np.median(t, overwrite_input=True)
