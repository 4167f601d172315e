"""A module of ours and the one of PyTorch that it is to equal: values, gradients, buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, gradients, nn

__all__ = ["assert_equal", "assert_twins", "load_from"]

TOLERANCE = 1e-10


def load_from(theirs: Any, ours: nn.Module) -> None:
    """Copy PyTorch's values into ours; the names must be the same, in the same order."""
    state = {name: values.numpy() for name, values in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    ours.train(theirs.training)


def assert_twins(ours: nn.Module, theirs: Any, *inputs: Any, moving: int | None = None) -> None:
    """Compare outputs, the gradients of floating inputs and of parameters, and buffers after.

    Of `inputs`, arrays, the first `moving` ones get gradients: all floats, by default.
    """
    torch = pytest.importorskip("torch")
    theirs = theirs.double()
    load_from(theirs, ours)
    moves = [
        isinstance(x, np.ndarray) and x.dtype.kind == "f" and (moving is None or i < moving)
        for i, x in enumerate(inputs)
    ]
    mine = [Tensor(x, requires_grad=True) if m else x for x, m in zip(inputs, moves, strict=True)]
    its = [
        torch.tensor(x, requires_grad=m) if isinstance(x, np.ndarray) else x
        for x, m in zip(inputs, moves, strict=True)
    ]
    y, wanted = ours(*mine), theirs(*its)
    assert_equal(y, wanted)
    ours_by = [*(x for x, m in zip(mine, moves, strict=True) if m), *ours.parameters()]
    theirs_by = [*(x for x, m in zip(its, moves, strict=True) if m), *theirs.parameters()]
    assert len(ours_by) == len(theirs_by)
    if wanted.requires_grad:
        seed = np.random.default_rng(1).uniform(-1, 1, y.shape)
        expected = torch.autograd.grad(wanted, theirs_by, torch.tensor(seed), allow_unused=True)
        for g, h in zip(gradients(y, ours_by, seed), expected, strict=True):
            assert (g is None) == (h is None)
            if g is not None:
                assert_equal(g, h)
    for name, values in ours.state_dict().items():
        assert_equal(Tensor(values), theirs.state_dict()[name])


def assert_equal(mine: Tensor, its: Any) -> None:
    """Compare shapes, dtypes and values."""
    its = its.detach().numpy()
    assert mine.shape == its.shape
    assert mine.dtype == its.dtype
    scale = np.max(np.abs(its), initial=1.0)
    np.testing.assert_allclose(mine.data, its, rtol=0, atol=TOLERANCE * scale)
