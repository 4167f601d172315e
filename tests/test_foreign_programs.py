"""Compiled steps whose arrays are another library's: the same calls, without the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strict import Strict

import tinygrad_bp as bp
from tinygrad_bp import functional as F
from tinygrad_bp import nn, optim

BATCH = np.random.default_rng(1).standard_normal((4, 6))
LABELS = np.array([0, 2, 1, 1])


def models() -> dict[str, nn.Module]:
    rng = np.random.default_rng(0)
    kinds: dict[str, Callable[..., nn.Module]] = {
        "lesson": lambda: nn.MLP(6, 5, 3, rng=rng, dtype=np.float64),
        "dropout": lambda: nn.Sequential(nn.Linear(6, 3, rng=rng), nn.Dropout(0.5, rng=rng)),
        "batch norm": lambda: nn.Sequential(nn.Linear(6, 3, rng=rng), nn.BatchNorm1d(3)),
        "layer norm": lambda: nn.Sequential(nn.Linear(6, 3, rng=rng), nn.LayerNorm(3), nn.GELU()),
    }
    return {name: make() for name, make in kinds.items()}


def losses_of(model: nn.Module, put: Callable[[Any], Any], how: Any, **options: Any) -> Any:
    """The losses of some steps, and the step itself, compiled."""
    model.to(put)
    optimizer = how(model.parameters(), lr=0.1, **options)

    @bp.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    found = [step(put(BATCH * (i + 1)), put(LABELS)).data for i in range(5)]
    return [np.asarray(getattr(loss, "held", loss)) for loss in found], step


@pytest.mark.parametrize("name", models())
def test_programs_calculate_elsewhere_what_they_do_here(name: str) -> None:
    here, _ = losses_of(models()[name], np.asarray, optim.SGD, momentum=0.5)
    before = Strict.brought
    there, step = losses_of(models()[name], Strict, optim.SGD, momentum=0.5)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    assert step._running is step._programs[0]
    masks = 5 + 4 if name == "dropout" else 0  # one a run, and one when a call is traced
    assert Strict.brought - before <= masks


@pytest.mark.parametrize("how", [optim.Adam, optim.RMSprop, optim.RAdam, optim.Adagrad])
def test_optimisers_are_compiled(how: Any) -> None:
    here, _ = losses_of(models()["lesson"], np.asarray, how)
    there, step = losses_of(models()["lesson"], Strict, how)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    assert step._running is step._programs[0]


def test_a_program_is_for_arrays_of_one_library() -> None:
    double = bp.compile(lambda x: x * 2 + 1)
    for _ in range(3):
        assert double(np.ones(3)).tolist() == [3, 3, 3]
        assert double(Strict(np.ones(3))).held.tolist() == [3, 3, 3]
    assert len(double._programs) == 2


def test_a_branch_on_values_that_are_elsewhere_is_refused() -> None:
    @bp.compile
    def step(x: Any) -> Any:
        return x if np.sum(x) > 0 else -x

    with pytest.raises(bp.errors.ProgramError, match="a branch .* depends on values.*x if np.sum"):
        step(Strict(np.ones(3)))


def test_the_source_runs_where_its_arrays_are() -> None:
    _, step = losses_of(models()["lesson"], Strict, optim.SGD)
    names: dict[str, Any] = {}
    exec(step.source, names)  # noqa: S102
    run = names["prepare"](**step.given)
    values = [p.data for p in step.function.__closure__[0].cell_contents.parameters()]
    loss, *_ = run(Strict(BATCH), Strict(LABELS), *values, 0.1)
    assert isinstance(loss, Strict)


def test_a_step_on_dask_arrays_is_one_lazy_graph() -> None:
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    model = models()["lesson"]
    x, y = array.from_array(BATCH, chunks=(2, 6)), array.from_array(LABELS, chunks=2)

    def gradients(x: Any, y: Any) -> Any:
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        return [p.grad for p in model.parameters()]

    wanted = [np.copy(g.data) for g in gradients(BATCH, LABELS)]
    counted: list[int] = []
    with dask.config.set(
        scheduler=lambda *args, **how: counted.append(1) or dask.get(*args, **how)
    ):
        step = bp.compile(gradients)
        found = [step(x, y) for _ in range(3)][-1]
        assert not counted
        assert step._running is step._programs[0]
        numbers = dask.compute(*[g.data for g in found])
        assert len(counted) == 1
    for g, h in zip(wanted, numbers, strict=True):
        np.testing.assert_allclose(h, g, rtol=1e-9, atol=1e-12)
