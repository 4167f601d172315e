"""A case for every row of "Coming from PyTorch"."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from strict import Strict
from translations import Cases, same

import tinygrad_bp as bp
from tinygrad_bp import Tensor, cluster, data, errors, interop, nn, optim, train
from tinygrad_bp import functional as F

__all__ = ["PYTORCH"]

PYTORCH = Cases()
row = PYTORCH


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def matrix() -> Tensor:
    return Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)


def regression() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """A model, and a batch for it."""
    x = rng().normal(size=(8, 3)).astype(np.float32)
    return nn.Linear(3, 1, rng=rng()), x, x.sum(axis=1, keepdims=True)


def learns(model: nn.Module, optimizer: optim.Optimizer, x: Any, y: Any) -> bool:
    first = F.mse_loss(model(x), y).item()
    optimizer.zero_grad()
    F.mse_loss(model(x), y).backward()
    optimizer.step()
    return F.mse_loss(model(x), y).item() < first


# --- tensors ----------------------------------------------------------------------------------


@row("`torch.tensor(data)`")
def _(torch: Any) -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    same(np.tanh(t), np.tanh([1.0, 2.0]))
    if torch:
        same(torch.tanh(torch.tensor([1.0, 2.0])), np.tanh(t))


@row("`torch.from_numpy(a)`")
def _(torch: Any) -> None:
    a = np.ones(2)
    assert np.shares_memory(Tensor(a).data, a)
    assert not np.shares_memory(Tensor(a, requires_grad=True).data, a)
    assert isinstance(nn.Linear(2, 1)(a), Tensor)
    if torch:
        torch.from_numpy(a)[0] = 5.0
        assert a[0] == 5.0


@row("`torch.zeros(2, 3)`, `torch.arange(5)`")
def _(torch: Any) -> None:
    with pytest.raises(AttributeError, match=r"Write np\.zeros"):
        bp.zeros  # noqa: B018
    if torch:
        same(torch.zeros(2, 3), np.zeros((2, 3)))
        same(torch.arange(5), np.arange(5))


@row("`torch.cat`, `torch.stack`, `torch.where`")
def _(torch: Any) -> None:
    t = matrix()
    assert np.concatenate([t, t]).requires_grad
    assert np.stack([t, t]).shape == (2, 2, 3)
    assert np.where(t > 1, t, 0.0).requires_grad
    if torch:
        u = torch.tensor(t.data)
        same(torch.cat([u, u]), np.concatenate([t, t]))
        same(torch.where(u > 1, u, 0.0), np.where(t > 1, t, 0.0))


@row("float32 by default")
def _(torch: Any) -> None:
    assert Tensor([1.0]).dtype == np.float64
    layer = nn.Linear(1, 1)
    assert layer.weight.dtype == np.float32
    assert layer(np.ones(1, np.float32)).dtype == np.float32
    assert layer(np.ones(1)).dtype == np.float64
    if torch:
        assert torch.tensor([1.0]).dtype == torch.nn.Linear(1, 1).weight.dtype == torch.float32


@row("`t.float()`, `t.double()`, `t.to(torch.float32)`")
def _(torch: Any) -> None:
    t = matrix()
    assert t.float().dtype == t.to(np.float32).dtype == np.float32
    assert t.float().double().dtype == np.float64
    assert t.float().requires_grad


@row("`t.long()`, `t.int()`")
def _(torch: Any) -> None:
    assert matrix().data.astype(int).dtype.kind == "i"
    for name in ("long", "int"):
        with pytest.raises(AttributeError, match=r"t\.data\.astype\(int\)"):
            getattr(matrix(), name)


@row("`t.size(0)`, `t.size()`")
def _(torch: Any) -> None:
    t = matrix()
    assert (t.shape[0], t.shape, t.size) == (2, (2, 3), 6)
    if torch:
        u = torch.zeros(2, 3)
        assert (u.size(0), tuple(u.size())) == (2, (2, 3))


@row("`t.dim()`, `t.numel()`")
def _(torch: Any) -> None:
    t = matrix()
    assert (t.dim(), t.numel()) == (t.ndim, t.size) == (2, 6)


@row("`t.view`, `t.unsqueeze`, `t.permute`, `t.flatten`, `t.expand`")
def _(torch: Any) -> None:
    def shapes(t: Any) -> list[tuple[int, ...]]:
        made = (t.view(3, 2), t.unsqueeze(0), t.permute(1, 0), t.flatten(), t.expand(4, 2, 3))
        return [tuple(u.shape) for u in made]

    assert shapes(matrix()) == [(3, 2), (1, 2, 3), (3, 2), (6,), (4, 2, 3)]
    if torch:
        assert shapes(matrix()) == shapes(torch.zeros(2, 3))


@row("`t.transpose(0, 1)`")
def _(torch: Any) -> None:
    t = matrix()
    assert np.swapaxes(t, 0, 1).shape == (3, 2)
    assert t.transpose(0, 1).shape == (2, 3)
    if torch:
        assert torch.zeros(2, 3).transpose(0, 1).shape == (3, 2)


@row("`t.repeat(2)`")
def _(torch: Any) -> None:
    t = Tensor([1.0, 2.0])
    assert np.tile(t, 2).tolist() == [1.0, 2.0, 1.0, 2.0]
    assert t.repeat(2).tolist() == [1.0, 1.0, 2.0, 2.0]
    if torch:
        same(torch.tensor(t.data).repeat(2), np.tile(t, 2))


@row("`values, indices = t.max(1)`")
def _(torch: Any) -> None:
    t = matrix()
    assert (t.max(1).tolist(), t.argmax(1).tolist()) == ([2.0, 5.0], [2, 2])
    if torch:
        values, indices = torch.tensor(t.data).max(1)
        same(values, t.max(1))
        same(indices, t.argmax(1))


@row("`values, indices = t.sort(1)`")
def _(torch: Any) -> None:
    t = -matrix()
    assert np.sort(t, 1).tolist() == [[-2.0, -1.0, 0.0], [-5.0, -4.0, -3.0]]
    with pytest.raises(TypeError, match=r"argsort\(axis=1\) the positions"):
        t.sort(dim=1)
    if torch:
        values, indices = torch.tensor(t.data).sort(1)
        same(values, np.sort(t, 1))
        same(indices, np.argsort(t, 1))


@row("`t.topk(2)`, `t.cummax(0)`")
def _(torch: Any) -> None:
    t = matrix()
    assert t.topk(2).values.tolist() == [[2.0, 1.0], [5.0, 4.0]]
    if torch:
        u = torch.tensor(t.data)
        for ours, theirs in zip(
            (*t.topk(2), *t.cummax(0)), (*u.topk(2), *u.cummax(0)), strict=True
        ):
            same(ours, theirs)


@row("`t.std(0)`, `t.var(0)`")
def _(torch: Any) -> None:
    t = matrix()
    same(t.std(0), np.std(t.data, 0))
    same(t.std(dim=0), np.std(t.data, 0, ddof=1))
    same(t.var(0, unbiased=True), np.var(t.data, 0, ddof=1))
    if torch:
        same(torch.tensor(t.data).std(0), t.std(dim=0))


@row("`t.median()` of an even number")
def _(torch: Any) -> None:
    assert matrix().median().item() == 2.5
    if torch:
        assert torch.tensor(matrix().data).median().item() == 2.0


@row("`t.max()` at a tie")
def _(torch: Any) -> None:
    t = Tensor([1.0, 1.0, 0.0], requires_grad=True)
    t.max().backward()
    assert t.grad.tolist() == [0.5, 0.5, 0.0]
    if torch:
        u = torch.tensor([1.0, 1.0, 0.0], requires_grad=True)
        u.max().backward()
        same(u.grad, t.grad)


@row("`t.sum(dim=0, keepdim=True)`")
def _(torch: Any) -> None:
    t = matrix()
    assert t.sum(dim=0, keepdim=True).shape == t.sum(axis=0, keepdims=True).shape == (1, 3)


@row("`t.item()`, `t.tolist()`, `t.detach()`")
def _(torch: Any) -> None:
    t = matrix()
    assert t.sum().item() == 15.0
    assert t.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert not t.detach().requires_grad


@row("`t.numpy()`, `t.detach().numpy()`")
def _(torch: Any) -> None:
    t = matrix()
    assert type(t.data) is type(t.detach().numpy()) is np.ndarray
    with pytest.raises(errors.ConversionError):
        t.numpy()
    if torch:
        with pytest.raises(RuntimeError):
            torch.ones(1, requires_grad=True).numpy()


@row("`float(t)`, `math.exp(t)`")
def _(torch: Any) -> None:
    t = Tensor(1.0, requires_grad=True)
    same(np.exp(t), math.exp(t.item()))
    for convert in (float, math.exp):
        with pytest.raises(errors.ConversionError):
            convert(t)


@row("`t == u`, `t > 0`")
def _(torch: Any) -> None:
    t, u = matrix(), matrix()
    assert (t == u).dtype == (t > 0).dtype == bool
    assert isinstance(t == u, np.ndarray)


@row("`t[0] = 1.0`, `t.copy_(u)`, `t.add_(u)`")
def _(torch: Any) -> None:
    t = matrix()
    for write in (lambda: t.__setitem__(0, 1.0), lambda: t.__iadd__(1.0)):
        with pytest.raises(errors.InPlaceError):
            write()
    for name in ("copy_", "add_"):
        with pytest.raises(AttributeError, match="t = t.add|t.data = new_values"):
            getattr(t, name)
    assert t.masked_fill(t > 3, 0.0).sum().item() == 6.0
    assert t.index_put((np.array([0]),), Tensor([1.0, 1.0, 1.0])).requires_grad
    assert t.scatter(1, np.array([[0], [0]]), 9.0).tolist()[0] == [9.0, 1.0, 2.0]


@row("`w.data.uniform_(-1, 1)`, `w.zero_()`")
def _(torch: Any) -> None:
    w = matrix()
    nn.init.uniform_(w, -1, 1, rng=rng())
    assert -1 <= w.data.min() < w.data.max() <= 1
    nn.init.zeros_(w)
    assert w.sum().item() == 0
    w.data = np.ones((2, 3))
    assert w.is_leaf
    assert w.sum().item() == 6


@row("`torch.manual_seed(0)`")
def _(torch: Any) -> None:
    same(nn.Linear(2, 2, rng=rng()).weight, nn.Linear(2, 2, rng=rng()).weight)
    with pytest.raises(AttributeError, match="default_rng"):
        bp.manual_seed  # noqa: B018


@row('`t.device`, `t.to("cuda")`, `t.cuda()`')
def _(torch: Any) -> None:
    t = Tensor(Strict([1.0, 2.0]), requires_grad=True)
    (t * t).sum().backward()
    assert isinstance(t.grad.data, Strict)
    for use in (lambda: t.device, lambda: t.cuda):
        with pytest.raises(AttributeError):
            use()
    with pytest.raises(TypeError, match=r"cupy\.asarray"):
        t.to("cuda")


@row('`model.to("cuda")`, `model.cpu()`')
def _(torch: Any) -> None:
    model = nn.Linear(2, 1, rng=rng())
    before = model.weight.data
    model.to(Strict)
    assert isinstance(model.weight.data, Strict)
    assert isinstance(model(Strict(np.ones(2, np.float32))).data, Strict)
    model.to(lambda array: array.held)
    same(model.weight, before)
    with pytest.raises(errors.ModuleError, match=r"cupy\.asarray"):
        model.to("cuda")


@row("`copy.deepcopy(t)`, `pickle`")
def _(torch: Any) -> None:
    result = matrix() * 2
    for copied in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert copied.is_leaf
        assert copied.requires_grad
        same(copied, result)
    if torch:
        with pytest.raises(RuntimeError):
            copy.deepcopy(torch.ones(1, requires_grad=True) * 2)


# --- gradients --------------------------------------------------------------------------------


@row("`loss.backward(retain_graph=True, create_graph=True)`")
def _(torch: Any) -> None:
    t = Tensor(2.0, requires_grad=True)
    y = t**3
    y.backward(retain_graph=True, create_graph=True)
    assert t.grad.requires_grad
    y.backward()
    assert t.grad.item() == 24.0
    with pytest.raises(errors.FreedGraphError, match="retain_graph=True"):
        y.backward()
    if torch:
        u = torch.tensor(2.0, requires_grad=True)
        y = u**3
        y.backward()
        with pytest.raises(RuntimeError):
            y.backward()


@row("`y.backward()` of an array")
def _(torch: Any) -> None:
    t = matrix()
    with pytest.raises(errors.GradientError):
        (2 * t).backward()
    (2 * t).backward(np.ones((2, 3)))
    assert t.grad.sum().item() == 12.0


@row("`t.grad`, `t.requires_grad_()`, `t.is_leaf`, `t.retain_grad()`")
def _(torch: Any) -> None:
    t = Tensor([1.0]).requires_grad_()
    y = t * 2
    y.retain_grad()
    y.sum().backward()
    assert (t.is_leaf, y.is_leaf, t.grad.item(), y.grad.item()) == (True, False, 2.0, 1.0)


@row("`t.grad_fn`")
def _(torch: Any) -> None:
    y = matrix() * 2
    assert y.op.rule.name == "multiply"
    assert "translations_of_pytorch.py" in str(y.op.site)


@row("`t.register_hook(f)`")
def _(torch: Any) -> None:
    t = Tensor(3.0, requires_grad=True)
    handle = t.register_hook(lambda g: 10 * g)
    (t * t).backward()
    assert t.grad.item() == 60.0
    handle.remove()
    if torch:
        u = torch.tensor(3.0, requires_grad=True)
        u.register_hook(lambda g: 10 * g)
        (u * u).backward()
        same(u.grad, t.grad)


@row("`with torch.no_grad():`, `@torch.no_grad()`, `torch.inference_mode()`")
def _(torch: Any) -> None:
    t = matrix()
    with bp.no_grad():
        assert not (t * 2).requires_grad
        with bp.enable_grad():
            assert (t * 2).requires_grad
    assert not bp.no_grad()(lambda: t * 2)().requires_grad


@row("`torch.set_grad_enabled(flag)`")
def _(torch: Any) -> None:
    for flag in (True, False):
        with bp.enable_grad() if flag else bp.no_grad():
            assert (matrix() * 2).requires_grad == flag


@row("`torch.autograd.grad(y, x)`")
def _(torch: Any) -> None:
    x, other = Tensor(3.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    found = bp.gradients(x * x, [x, other])
    assert (found[0].item(), found[1]) == (6.0, None)
    assert x.grad is None
    assert bp.grad(lambda x: x * x)(3.0) == 6.0
    if torch:
        u, other = (torch.tensor(v, requires_grad=True) for v in (3.0, 1.0))
        with pytest.raises(RuntimeError, match="allow_unused"):
            torch.autograd.grad(u * u, [u, other])


@row("`torch.autograd.Function`")
def _(torch: Any) -> None:
    @bp.custom_rule(lambda g, y, x: g * 3 * x**2)
    def cube(x: Any) -> Any:
        return x**3

    assert bp.grad(cube)(2.0) == 12.0


@row("`torch.autograd.gradcheck(f, x)`")
def _(torch: Any) -> None:
    bp.gradcheck.check(lambda x: np.sum(np.tanh(x)), np.array([0.5, -1.0])).assert_ok()


@row("`torch.autograd.set_detect_anomaly(True)`")
def _(torch: Any) -> None:
    x = np.array([1.0, 2.0])
    w = Tensor([3.0, 4.0], requires_grad=True)
    with (
        np.errstate(all="ignore"),
        bp.trace_nans(),
        pytest.raises(errors.NonFiniteError, match="'log' gave nan"),
    ):
        np.log(-w)
    with bp.debug():
        y = (w * x).sum()
        x[0] = 100.0
        with pytest.raises(errors.StaleGraphError):
            y.backward()


@row("`torch.autograd.functional.jacobian(f, x)`, `hessian(f, x)`")
def _(torch: Any) -> None:
    x = np.array([1.0, 2.0])
    ours = bp.jacobian(lambda x: x * x[0])(x), bp.hessian(lambda x: np.sum(x**3))(x)
    assert ours[1].tolist() == [[6.0, 0.0], [0.0, 12.0]]
    if torch:
        functional, u = torch.autograd.functional, torch.tensor(x)
        same(functional.jacobian(lambda x: x * x[0], u), ours[0])
        same(functional.hessian(lambda x: (x**3).sum(), u), ours[1])


@row("`torch.func.grad`, `vjp`, `jvp`, `linearize`")
def _(torch: Any) -> None:
    x, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])

    def f(x: Any) -> Any:
        return x * x

    assert bp.jvp(f, (x,), (t,))[1].tolist() == [1.0, -4.0]
    assert bp.linearize(f, x)[1](t).tolist() == [1.0, -4.0]
    assert bp.vjp(f, x)[1](t)[0].tolist() == [1.0, -4.0]
    if torch:
        u, v = torch.tensor(x), torch.tensor(t)
        same(torch.func.grad(lambda x: f(x).sum())(u), bp.grad(lambda x: f(x).sum())(x))
        same(torch.func.jvp(f, (u,), (v,))[1], bp.jvp(f, (x,), (t,))[1])
        same(torch.func.vjp(f, u)[1](v)[0], bp.vjp(f, x)[1](t)[0])


@row("`torch.func.jacrev`, `jacfwd`")
def _(torch: Any) -> None:
    x = np.array([1.0, 2.0])
    for mode in ("reverse", "forward", "auto"):
        same(bp.jacobian(np.cumsum, mode=mode)(x), [[1.0, 0.0], [1.0, 1.0]])


@row("`torch.func.vmap`")
def _(torch: Any) -> None:
    def loss(w: Any, x: Any) -> Any:
        return (w * x).sum() ** 2

    w, x = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = bp.per_example_grads(loss)(w, x)
    assert found.tolist() == [[2.0, 0.0], [0.0, 4.0], [6.0, 6.0]]
    with pytest.raises(AttributeError, match="per_example_grads"):
        bp.vmap  # noqa: B018
    if torch:
        mapped = torch.func.vmap(torch.func.grad(loss), (None, 0))
        same(mapped(torch.tensor(w), torch.tensor(x)), found)


@row("`torch.func.functional_call(model, parameters, (x,))`")
def _(torch: Any) -> None:
    model, x, _ = regression()
    values = {"weight": np.zeros((1, 3), np.float32), "bias": np.ones(1, np.float32)}
    assert nn.functional_call(model, values, (x,)).tolist() == [[1.0]] * 8


@row("`torch.utils.checkpoint.checkpoint(f, x)`")
def _(torch: Any) -> None:
    model, x, y = regression()
    whole = bp.gradients(F.mse_loss(model(x), y, reduction="sum"), model.weight)[0]
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    for part in (slice(0, 4), slice(4, 8)):
        F.mse_loss(model(x[part]), y[part], reduction="sum").backward()
    same(model.weight.grad, whole)
    optimizer.step(accumulated=True)


@row("gradient of a real loss by a complex tensor")
def _(torch: Any) -> None:
    z = Tensor([3.0 + 4.0j], requires_grad=True)
    np.sum(np.abs(z)).backward()
    same(z.grad, [0.6 + 0.8j])
    if torch:
        u = torch.tensor([3.0 + 4.0j], requires_grad=True)
        u.abs().sum().backward()
        same(u.grad, z.grad)


@row("a write to an array between forward and backward")
def _(torch: Any) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    w.data = np.zeros(2)
    with pytest.raises(errors.StaleGraphError):
        y.backward()
    if torch:
        u = torch.ones(2, requires_grad=True)
        y = (u * u).sum()
        with torch.no_grad():
            u.zero_()
        with pytest.raises(RuntimeError):
            y.backward()


# --- models -----------------------------------------------------------------------------------


@row("`nn.Linear(3, 2)`, `nn.Conv2d`, `nn.LSTM`, `nn.TransformerEncoder`")
def _(torch: Any) -> None:
    assert nn.Linear(3, 2).weight.shape == (2, 3)
    assert all(hasattr(nn, name) for name in ("Conv2d", "LSTM", "TransformerEncoder"))
    if torch:
        theirs = torch.nn.Linear(3, 2)
        ours = nn.Linear(3, 2)
        interop.load_torch(ours, theirs)
        x = rng().normal(size=(4, 3)).astype(np.float32)
        same(ours(x), theirs(torch.tensor(x)))


@row("`nn.Parameter`, `register_buffer`, `named_parameters`, `apply`, `train`, `eval`")
def _(torch: Any) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(np.zeros(2))
            self.b = Tensor(1.0, requires_grad=True)
            self.layers = [nn.Linear(2, 2)]
            self.register_buffer("mean", np.zeros(2))

    model = Model()
    assert [*dict(model.named_parameters())][:2] == ["a", "b"]
    assert len(list(model.parameters())) == 4
    assert [name for name, _ in model.named_buffers()] == ["mean"]
    assert not model.eval().training
    assert model.train().layers[0].training


@row("`nn.Dropout(0.1)`")
def _(torch: Any) -> None:
    x = np.ones(100)
    same(nn.Dropout(0.1, rng=rng())(x), nn.Dropout(0.1, rng=rng())(x))
    same(nn.Dropout(0.1, rng=rng()).eval()(x), x)


@row("`register_forward_hook`, `register_full_backward_hook`")
def _(torch: Any) -> None:
    model, x, _ = regression()
    seen: list[str] = []
    model.register_forward_hook(lambda *_: seen.append("forward"))
    model.register_full_backward_hook(lambda *_: seen.append("backward"))
    model(Tensor(x, requires_grad=True)).sum().backward()
    assert seen == ["forward", "backward"]


@row("`for p in model.parameters(): p.requires_grad_(False)`")
def _(torch: Any) -> None:
    for freeze in (
        lambda m: [p.requires_grad_(False) for p in m.parameters()],
        lambda m: m.requires_grad_(False),
    ):
        model = nn.Linear(2, 2)
        freeze(model)
        assert not any(p.requires_grad for p in model.parameters())
        assert len(list(model.parameters())) == 2


@row("`torchinfo.summary(model, input_data=x)`")
def _(torch: Any) -> None:
    model, x, _ = regression()
    assert "parameters: 4" in str(model.summary(x))


@row("`nn.init.kaiming_uniform_(w)`")
def _(torch: Any) -> None:
    w = nn.init.kaiming_uniform_(matrix(), rng=rng())
    same(w, nn.init.kaiming_uniform_(matrix(), rng=rng()))


@row("`F.mse_loss` of shapes `(N, 1)` and `(N,)`")
def _(torch: Any) -> None:
    with pytest.raises(errors.ShapeError, match="compare every output with every target"):
        F.mse_loss(Tensor(np.ones((3, 1))), np.ones(3))
    if torch:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3))


@row("`F.cross_entropy(logits, labels)`")
def _(torch: Any) -> None:
    logits = rng().normal(size=(3, 2))
    found = F.cross_entropy(Tensor(logits), np.array([0, 1, 1]))
    with pytest.raises(errors.LabelError):
        F.cross_entropy(Tensor(logits), np.array([0, 1, 2]))
    with pytest.raises(errors.ShapeError):
        F.cross_entropy(Tensor(logits[:0]), np.array([], int))
    if torch:
        theirs = torch.nn.functional.cross_entropy
        same(theirs(torch.tensor(logits), torch.tensor([0, 1, 1])), found)


@row("`F.gelu(x)`, `nn.ReLU(inplace=True)`")
def _(torch: Any) -> None:
    x = np.array([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x).tolist() == [0.0, 2.0]
    assert x[0] == -1.0
    if torch:
        same(torch.nn.functional.gelu(torch.tensor(x)), F.gelu(x))


@row("`model.double()`, `model.half()`")
def _(torch: Any) -> None:
    assert nn.Linear(2, 2).double().weight.dtype == np.float64
    assert nn.Linear(2, 2).to(np.float16).weight.dtype == np.float16


# --- optimisers and schedules -----------------------------------------------------------------


@row("`optim.SGD(model.parameters(), lr=0.1)`")
def _(torch: Any) -> None:
    model, x, y = regression()
    assert learns(model, optim.SGD(model.parameters(), lr=0.1), x, y)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    optimizer.zero_grad()
    with pytest.raises(errors.OptimizerError, match="'weight' has no gradient"):
        optimizer.step()


@row('`optimizer.param_groups[0]["lr"] = 0.01`')
def _(torch: Any) -> None:
    optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.01
    assert optimizer.lr == 0.01
    optimizer.lr = 0.02
    assert optimizer.param_groups[0]["lr"] == 0.02


@row("two `backward()` before a step")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        F.mse_loss(model(x), y).backward()
    with pytest.raises(errors.OptimizerError, match=r"step\(accumulated=True\)"):
        optimizer.step()
    optimizer.step(accumulated=True)


@row("a parameter without a gradient")
def _(torch: Any) -> None:
    model, x, y = regression()
    unused = Tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([*model.parameters(), unused], lr=0.1)
    F.mse_loss(model(x), y).backward()
    with pytest.raises(errors.OptimizerError, match=r"step\(missing_ok=True\)"):
        optimizer.step()
    optimizer.step(missing_ok=True)
    assert unused.item() == 1.0


@row("a gradient that is nan or inf")
def _(torch: Any) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    w.grad = Tensor([1.0, np.nan])
    with pytest.raises(errors.OptimizerError, match="no weight was changed"):
        optim.SGD([w], lr=0.1).step()
    assert w.tolist() == [1.0, 2.0]
    if torch:
        u = torch.ones(2, requires_grad=True)
        u.grad = torch.tensor([1.0, math.nan])
        torch.optim.SGD([u], lr=0.1).step()
        assert u.isnan().any()


@row("`zero_grad(set_to_none=False)`")
def _(torch: Any) -> None:
    w = Tensor([1.0], requires_grad=True)
    with pytest.raises(errors.OptimizerError):
        optim.SGD([w], lr=0.1).zero_grad(set_to_none=False)
    with pytest.raises(errors.ModuleError):
        nn.Linear(1, 1).zero_grad(set_to_none=False)


@row("`nn.utils.clip_grad_norm_`, `clip_grad_value_`")
def _(torch: Any) -> None:
    w = Tensor([1.0, 1.0], requires_grad=True)
    (10 * w).sum().backward()
    optim.clip_grad_norm_([w], 1.0)
    same(np.linalg.norm(w.grad.data), 1.0)
    optim.clip_grad_value_([w], 0.5)
    assert w.grad.tolist() == [0.5, 0.5]
    with pytest.raises(AttributeError, match="optim.clip_grad_norm_"):
        nn.utils  # noqa: B018


@row("`lr_scheduler.StepLR(optimizer, 10)`, `scheduler.step()`, `get_last_lr()`")
def _(torch: Any) -> None:
    def of(library: Any, w: Any) -> list[float]:
        optimizer, found = library.SGD([w], lr=1.0), []
        schedule = library.lr_scheduler.StepLR(optimizer, 2)
        for _ in range(5):
            found += schedule.get_last_lr()
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
            schedule.step()
        return found

    ours = of(optim, Tensor([1.0], requires_grad=True))
    same(ours, [1.0, 1.0, 0.1, 0.1, 0.01])
    if torch:
        same(of(torch.optim, torch.ones(1, requires_grad=True)), ours)


@row("`ReduceLROnPlateau`, `OneCycleLR`, `SequentialLR`")
def _(torch: Any) -> None:
    optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    for _ in range(2):
        schedule.step(1.0)
    same(optimizer.lr, 0.1)
    assert hasattr(optim.lr_scheduler, "OneCycleLR")
    assert hasattr(optim.lr_scheduler, "SequentialLR")


@row("`optim.LBFGS(...).step(closure)`")
def _(torch: Any) -> None:
    w = Tensor([3.0], requires_grad=True)
    optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    same(w, [1.0])


@row("`optimizer.state_dict()`, `load_state_dict`")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.Adam(model.parameters())
    assert learns(model, optimizer, x, y)
    again = optim.Adam(model.parameters(), lr=0.5)
    again.load_state_dict(optimizer.state_dict())
    assert again.lr == optimizer.lr


@row("`optim.swa_utils.AveragedModel`")
def _(torch: Any) -> None:
    model, x, y = regression()
    before = model.state_dict()
    learns(model, optim.SGD(model.parameters(), lr=0.1), x, y)
    mean = {name: 0.5 * (value + before[name]) for name, value in model.state_dict().items()}
    model.load_state_dict(mean)
    same(model.weight, mean["weight"])


# --- data and training loops ------------------------------------------------------------------


@row("`DataLoader(TensorDataset(x, y), 32, shuffle=True)`")
def _(torch: Any) -> None:
    x, y = np.arange(100.0), np.arange(100)
    batches = list(data.minibatches(x, y, 32, rng()))
    assert [len(a) for a, _ in batches] == [32, 32, 32, 4]
    assert all((a == b).all() for a, b in batches)
    assert (np.concatenate([a for a, _ in batches]) != x).any()


@row("`DataLoader(TensorDataset(x, y), 32)`")
def _(torch: Any) -> None:
    x, y = np.arange(100.0), np.arange(100)
    parts = [a for a, _ in data.minibatches(x, y, batch_size=32)]
    same(np.concatenate(parts), x)


@row("`DataLoader(..., drop_last=True)`, `num_workers`")
def _(torch: Any) -> None:
    assert len(data.minibatches(np.arange(100.0), batch_size=32, drop_last=True)) == 3


@row("`random_split(dataset, [0.8, 0.2])`")
def _(torch: Any) -> None:
    model, x, y = regression()
    trainer = train.Trainer(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1))
    history = trainer.fit((x, y), epochs=1, batch_size=4, rng=rng(), validation=0.25)
    assert "val_loss" in history[0]


@row("`transforms.RandomAffine`")
def _(torch: Any) -> None:
    images = rng().random((4, 784), np.float32)
    bend = data.Affine(shape=(28, 28))
    ((bent,),) = data.minibatches(images, batch_size=4, rng=rng(), transform=bend)
    assert bent.shape == images.shape
    assert (bent != images).any()


@row("`torchvision.datasets.MNIST(root, download=True)`")
def _(torch: Any) -> None:
    with TemporaryDirectory() as folder, pytest.raises(errors.DataError):
        data.mnist(folder)  # no files there, and nothing is fetched unless one asks


@row("a training loop")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01


@row("Lightning's `Trainer`, `EarlyStopping`, `ModelCheckpoint`")
def _(torch: Any) -> None:
    model, x, y = regression()
    with TemporaryDirectory() as folder:
        saving = train.Checkpoint(Path(folder) / "run.npz")
        trainer = train.Trainer(
            model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1),
            callbacks=[train.EarlyStopping(patience=2), saving],
        )  # fmt: skip
        trainer.fit((x, y), epochs=2, batch_size=4, rng=rng(), validation=0.25)
        assert (Path(folder) / "run.npz").exists()


# --- files ------------------------------------------------------------------------------------


@row("`torch.save(model.state_dict(), path)`")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.Adam(model.parameters())
    learns(model, optimizer, x, y)
    schedule = optim.lr_scheduler.StepLR(optimizer, 10)
    with TemporaryDirectory() as folder:
        nn.save(Path(folder) / "m.npz", model, optimizer=optimizer, schedule=schedule)
    with pytest.raises(AttributeError, match="nn.save"):
        bp.save  # noqa: B018


@row("`model.load_state_dict(torch.load(path))`")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.Adam(model.parameters())
    learns(model, optimizer, x, y)
    with TemporaryDirectory() as folder:
        nn.save(Path(folder) / "m.npz", model, optimizer=optimizer)
        other = nn.Linear(3, 1)
        nn.load(Path(folder) / "m.npz", into=other, optimizer=optim.Adam(other.parameters()))
    same(other.weight, model.weight)


@row("in-place changes of a `state_dict`")
def _(torch: Any) -> None:
    model = nn.Linear(1, 1)
    state = model.state_dict()
    with pytest.raises(ValueError, match="read-only"):
        state["weight"][0] = 1.0
    model.load_state_dict({**state, "weight": np.ones((1, 1), np.float32)})
    assert model.weight.item() == 1.0


@row("a PyTorch model's weights")
def _(torch: Any) -> None:
    if torch is None:
        with pytest.raises(ImportError, match="torch"):
            interop.to_torch(nn.Linear(3, 1))
        return
    ours, theirs = nn.Linear(3, 1), torch.nn.Linear(3, 1)
    interop.load_torch(ours, theirs)
    same(theirs.weight, ours.weight)
    theirs.load_state_dict(interop.to_torch(nn.Linear(3, 1)))


@row("`safetensors.torch.save_file`")
def _(torch: Any) -> None:
    pytest.importorskip("safetensors")
    model = nn.Linear(3, 1)
    with TemporaryDirectory() as folder:
        interop.save_safetensors(Path(folder) / "m.safetensors", model)
        found = interop.load_safetensors(Path(folder) / "m.safetensors")
    assert found.keys() == model.state_dict().keys()


@row("`torch.onnx.export(model, (x,), path)`")
def _(torch: Any) -> None:
    pytest.importorskip("onnx")
    model, x, _ = regression()
    with TemporaryDirectory() as folder:
        interop.onnx.export(model, Path(folder) / "m.onnx", x)
        assert (Path(folder) / "m.onnx").stat().st_size > 0


# --- speed, machines, tools -------------------------------------------------------------------


@row("`torch.compile(model)`")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @bp.compile
    def step(x: Any, y: Any) -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert "def step" in step.source


@row("`torch.jit.trace`, `torch.jit.script`")
def _(torch: Any) -> None:
    f = bp.compile(lambda x: np.sum(np.tanh(x)))
    x = np.ones(3)
    same([f(x).item() for _ in range(3)], [3 * np.tanh(1.0)] * 3)
    with pytest.raises(AttributeError, match="compile"):
        bp.jit  # noqa: B018


@row("`torch.amp.autocast`, `GradScaler`")
def _(torch: Any) -> None:
    model, x, y = regression()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    assert loss.dtype == model.weight.grad.dtype == np.float32


@row("`nn.parallel.DistributedDataParallel`")
def _(torch: Any) -> None:
    model, x, y = regression()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = cluster.ParallelStep(None, model, F.mse_loss, optimizer, shards=2)
    first = float(step(x, y))
    assert float(step(x, y)) < first


@row("`torch.profiler.profile()`")
def _(torch: Any) -> None:
    import cProfile
    import pstats

    with cProfile.Profile() as profile:
        np.sum(np.tanh(matrix())).backward()
    called = {name for _, _, name in pstats.Stats(profile).stats}
    assert any("tanh" in name or "record" in name for name in called)


@row("`torch.set_num_threads(1)`")
def _(torch: Any) -> None:
    code = "import os, numpy; print(os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "1\n"


@row("`torchviz.make_dot(loss)`")
def _(torch: Any) -> None:
    loss = np.sum(matrix() ** 2)
    assert str(bp.to_svg(loss)).startswith("<svg")
    assert "digraph" in bp.to_dot(loss)
    bp.explain(loss)  # prints
