"""Modules, layers, losses, initialisers, optimisers and schedules as a user meets them."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.nn.formula import Formula


def test_the_lessons_network_has_13002_parameters(rng: np.random.Generator) -> None:
    net = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)
    shapes = {name: p.shape for name, p in net.named_parameters()}
    assert shapes == {
        "hidden1.weight": (16, 784),
        "hidden1.bias": (16,),
        "hidden2.weight": (16, 16),
        "hidden2.bias": (16,),
        "output.weight": (10, 16),
        "output.bias": (10,),
    }
    assert sum(p.size for p in net.parameters()) == 13_002
    assert net(rng.random((3, 784), np.float32)).shape == (3, 10)
    assert net(rng.random(784).astype(np.float32)).dtype == np.float32


def test_linear_is_the_lessons_sum(rng: np.random.Generator) -> None:
    layer = nn.Linear(3, 2, rng=rng, dtype=float)
    x = rng.random(3)
    w, b = layer.weight.data, layer.bias.data
    by_hand = [sum(w[j, k] * x[k] for k in range(3)) + b[j] for j in range(2)]
    np.testing.assert_allclose(layer(x).data, by_hand, rtol=1e-14)


def test_stacked_linear_layers_are_one_matrix(rng: np.random.Generator) -> None:
    one, two = (nn.Linear(4, 4, rng=rng, dtype=float) for _ in range(2))
    x = rng.normal(size=(5, 4))
    product = two.weight.data @ one.weight.data
    bias = one.bias.data @ two.weight.data.T + two.bias.data
    np.testing.assert_allclose(nn.Sequential(one, two)(x).data, x @ product.T + bias, atol=1e-12)


def test_the_same_generator_gives_the_same_bits() -> None:
    first, second = (nn.MLP(5, 4, 3, rng=np.random.default_rng(7)) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert a.data.tobytes() == b.data.tobytes()


def test_half_the_cost_at_twice_the_rate_is_the_same_training(rng: np.random.Generator) -> None:
    x, y = rng.random((20, 4)), rng.random((20, 2))
    weights = []
    for loss, rate in ((F.sum_squares, 0.75), (F.half_sum_squares, 1.5)):
        net = nn.MLP(4, 3, 2, output_activation=nn.Sigmoid(), dtype=float,
                     rng=np.random.default_rng(1))  # fmt: skip
        optimizer = optim.SGD(net.parameters(), lr=rate)
        for _ in range(10):
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
        weights.append(net.state_dict())
    for name, values in weights[0].items():
        assert values.tobytes() == weights[1][name].tobytes()


def test_factor_two() -> None:
    a, y = Tensor([[0.25, 0.75]], requires_grad=True), np.array([[1.0, 0.0]])
    F.sum_squares(a, y).backward()
    assert a.grad is not None
    assert a.grad.tolist() == (2 * (a.data - y)).tolist()
    a.zero_grad()
    F.half_sum_squares(a, y).backward()
    assert a.grad.tolist() == (a.data - y).tolist()


def test_cross_entropy_of_sigmoid_free_logits(rng: np.random.Generator) -> None:
    z = Tensor(rng.normal(size=(6, 4)), requires_grad=True)
    labels = rng.integers(0, 4, 6)
    loss = F.cross_entropy(z, labels)
    p = np.exp(z.data) / np.exp(z.data).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loss.data, -np.log(p[np.arange(6), labels]).mean(), rtol=1e-13)
    loss.backward()
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.data, (p - np.eye(4)[labels]) / 6, atol=1e-15)


def test_losses_as_modules_are_the_functions(rng: np.random.Generator) -> None:
    a, y, labels = rng.random((4, 3)), rng.random((4, 3)), rng.integers(0, 3, 4)
    for module, function, target in (
        (nn.SumSquares(), F.sum_squares, y),
        (nn.HalfSumSquares(), F.half_sum_squares, y),
        (nn.MSELoss(), F.mse_loss, y),
        (nn.CrossEntropyLoss(), F.cross_entropy, labels),
    ):
        assert module(a, target).item() == function(a, target).item()


class Shared(nn.Module):
    """A module with a list, a dict, a buffer, and one layer under two names."""

    def __init__(self) -> None:
        self.blocks = [nn.Linear(2, 2), nn.Linear(2, 2)]
        self.heads = {"left": nn.Linear(2, 1)}
        self.again = self.blocks[0]
        self.mean = Tensor([1.0, 2.0])

    def forward(self, x: np.ndarray) -> Tensor:
        return self.again(self.blocks[0](x - self.mean))


def test_modules_find_everything_once() -> None:
    model = Shared()
    names = [name for name, _ in model.named_tensors()]
    assert names == [
        "mean",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.weight",
        "blocks.1.bias",
        "heads.left.weight",
        "heads.left.bias",
    ]
    assert [name for name, _ in model.named_parameters()] == names[1:]
    assert len(list(model.modules())) == 4
    model.eval()
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())


def test_state_dict_round_trip_and_reports() -> None:
    one, two = Shared(), Shared()
    two.load_state_dict(one.state_dict())
    for (_, a), (_, b) in zip(one.named_tensors(), two.named_tensors(), strict=True):
        assert a.tolist() == b.tolist()
    state = one.state_dict()
    state["extra"] = state.pop("mean")
    state["blocks.0.bias"] = np.zeros(3)
    before = two.state_dict()
    with pytest.raises(errors.CheckpointError) as caught:
        two.load_state_dict(state)
    for part in ("missing: mean", "unexpected: extra", "blocks.0.bias has shape (3,)"):
        assert part in str(caught.value)
    assert all((before[k] == v).all() for k, v in two.state_dict().items())


@pytest.mark.parametrize(
    ("make", "deviation"),
    [(nn.init.normal, 1.0), (nn.init.scaled, 0.05), (nn.init.he, 0.05 * 2**0.5),
     (nn.init.glorot, (2 / 600) ** 0.5)],
)  # fmt: skip
def test_initialisers_have_their_deviation(
    make: nn.init.Initializer, deviation: float, rng: np.random.Generator
) -> None:
    weights = make((200, 400), rng)
    assert weights.shape == (200, 400)
    assert abs(weights.std() / deviation - 1) < 0.01
    assert abs(weights.mean()) < 4 * deviation / np.sqrt(weights.size)


# --- optimisers --------------------------------------------------------------------------------


def test_parameters_may_be_assigned_moved_and_shared() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    first, second = optim.SGD([w], lr=0.5), optim.SGD([w], lr=0.25)
    for optimizer in (first, second, first):
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()
    assert w.tolist() == [-0.25, 0.75]
    w.data = [10.0, 20.0]
    first.zero_grad()
    w.sum().backward()
    first.step()
    assert w.tolist() == [9.5, 19.5]


def test_long_and_short_parameters_of_both_dtypes_step_alike(rng: np.random.Generator) -> None:
    """Short ones are joined, here to more than is moved at a time; long ones are cut up."""
    shapes = [(3,), (500, 400), (2, 2), (5,), (140_000,), *[(120, 100)] * 12]
    kinds = [np.float64, np.float64, *[np.float32] * 15]
    params = [
        Tensor(rng.normal(size=s).astype(k), requires_grad=True)
        for s, k in zip(shapes, kinds, strict=True)
    ]
    optimizer = optim.SGD(params, lr=0.25, momentum=0.5, nesterov=True)
    expected = [p.data.copy() for p in params]
    velocities = [0 * e for e in expected]
    for _ in range(2):
        optimizer.zero_grad()
        for p in params:
            (p * p).sum().backward()
        gradients = [p.grad.data.copy() for p in params if p.grad is not None]
        optimizer.step()
        for p, e, v, g in zip(params, expected, velocities, gradients, strict=True):
            v[...] = v * np.asarray(0.5, g.dtype) + g
            e[...] -= np.asarray(0.25, g.dtype) * (g + np.asarray(0.5, g.dtype) * v)
            np.testing.assert_array_equal(p.data, e)
            assert p.grad is not None
            np.testing.assert_array_equal(p.grad.data, g)  # the step leaves gradients as they are


@pytest.mark.parametrize("size", [2, 70_000])
def test_a_gradient_changed_after_its_step_changes_no_later_step(size: int) -> None:
    def run(factor: float) -> Tensor:
        w = Tensor(np.linspace(1.0, 2.0, size), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
            assert w.grad is not None
            w.grad.data[...] *= factor
        return w

    np.testing.assert_array_equal(run(100.0).data, run(1.0).data)


def test_optimiser_state_round_trip() -> None:
    def run(steps: int, optimizer: optim.SGD, w: Tensor) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()

    w = Tensor([1.0, -2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    run(3, optimizer, w)
    resumed = Tensor(w.data, requires_grad=True)
    again = optim.SGD([resumed], lr=0.7, momentum=0.9)
    again.load_state_dict(optimizer.state_dict())
    run(3, optimizer, w)
    run(3, again, resumed)
    assert w.tolist() == resumed.tolist()


def test_tiny_gradients_are_no_error_where_underflow_is() -> None:
    w = Tensor(np.ones(3, np.float32), requires_grad=True)
    (w * np.float32(1e-30)).sum().backward()
    with np.errstate(all="raise"):
        optim.SGD([w], lr=1.0).step()
    assert w.tolist() == [1.0, 1.0, 1.0]


# --- what a module is made of -----------------------------------------------------------------


class Gathered(nn.Module):
    """Parameters and modules wherever Python lets one put them."""

    def __init__(self) -> None:
        self.scales = [Tensor([2.0], requires_grad=True), Tensor([3.0], requires_grad=True)]
        self.by_name = {"shift": Tensor([1.0], requires_grad=True), "layers": (nn.Linear(1, 1),)}
        self.mean = Tensor([0.5])

    def forward(self, x: Tensor) -> Tensor:
        (layer,) = self.by_name["layers"]
        return layer(x * self.scales[0] * self.scales[1] + self.by_name["shift"] - self.mean)


def test_tensors_in_lists_and_dicts_are_parameters() -> None:
    model = Gathered()
    names = [name for name, _ in model.named_parameters()]
    assert names == [
        "scales.0", "scales.1", "by_name.shift", "by_name.layers.0.weight", "by_name.layers.0.bias",
    ]  # fmt: skip
    assert [n for n, t in model.named_tensors() if n not in names] == ["mean"]
    model(np.ones((2, 1), np.float32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    again = Gathered()
    again.load_state_dict(model.state_dict())
    assert again(np.ones((2, 1))).tolist() == model(np.ones((2, 1))).tolist()


def test_a_frozen_parameter_stays_a_parameter(rng: np.random.Generator) -> None:
    model = nn.MLP(2, 3, 1, rng=rng)
    frozen = dict(model.named_parameters())["hidden1.weight"].requires_grad_(False)
    assert len(list(model.parameters())) == 4
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    before = model.state_dict()
    model(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    after = model.state_dict()
    assert frozen.grad is None
    moved = [name for name in before if not np.array_equal(before[name], after[name])]
    assert moved == ["hidden1.bias", "output.weight", "output.bias"]


def test_functional_call_puts_other_tensors_in_place_and_leaves_the_model(
    rng: np.random.Generator,
) -> None:
    model = Gathered()
    x = np.ones((2, 1), np.float32)
    before, own = model(x).tolist(), dict(model.named_tensors())
    other = Tensor([5.0], requires_grad=True)
    y = nn.functional_call(model, {"scales.1": other, "by_name.layers.0.bias": np.zeros(1)}, x)
    y.sum().backward()
    assert other.grad is not None
    assert own["scales.1"].grad is None
    assert dict(model.named_tensors()) == own
    assert model(x).tolist() == before
    with pytest.raises(errors.ModuleError, match=r"no tensor 'scales\.7'; it has scales\.0"):
        nn.functional_call(model, {"scales.7": other}, x)
    with pytest.raises(ZeroDivisionError):
        nn.functional_call(model, {"mean": other}, Unlucky())
    assert dict(model.named_tensors()) == own


def test_functional_call_takes_its_arguments_as_pytorch_does() -> None:
    layer, x1, x2 = nn.Bilinear(2, 3, 1), np.ones((4, 2)), np.ones((4, 3))
    weight, bias = {"weight": np.ones((1, 2, 3))}, {"bias": np.array([5.0])}
    for tensors in ((weight, bias), weight | bias):
        assert nn.functional_call(layer, tensors, (x1, x2)).tolist() == [[11.0]] * 4
    assert nn.functional_call(layer, bias | weight, (x1,), {"input2": x2}).tolist() == [[11.0]] * 4
    assert nn.functional_call(nn.Linear(2, 3), {}, (x1,)).shape == (4, 3)


class Unlucky:
    """Something that fails in the middle of a model."""

    def __mul__(self, _: object) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU(), "relu", "ReLU"])
def test_an_activation_by_module_class_or_name(activation: Any) -> None:
    model = nn.MLP(2, 3, 1, activation=activation, output_activation=activation)
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU]


@pytest.mark.parametrize("activation", ["rulu", np.tanh, 3, int])
def test_what_is_no_activation_is_refused_when_the_model_is_made(activation: Any) -> None:
    with pytest.raises(errors.ModuleError, match="no activation"):
        nn.MLP(2, 3, 1, activation=activation)
    with pytest.raises(errors.ModuleError, match="made of modules"):
        nn.Sequential(nn.Linear(2, 3), activation)


class Stacked(nn.Sequential):
    """A chain whose links are assigned, as in a class of PyTorch's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.act = nn.ReLU()
        self.add_module("last", nn.Linear(3, 1))


def test_a_module_assigned_to_a_chain_is_a_link_of_it() -> None:
    model = Stacked()
    assert [name for name, _ in model.named_children()] == ["first", "act", "last"]
    assert model(np.ones((5, 2))).shape == (5, 1)
    assert model.first is model[0]
    odd = nn.Sequential({"1": nn.Tanh()}).extend([nn.ReLU(), nn.Tanh()])
    assert [name for name, _ in odd.named_children()] == ["1", "2", "3"]
    model.append(nn.Linear(1, 1))
    assert [name for name, _ in model.named_children()] == ["first", "act", "last", "3"]
    model = Stacked()
    model.last = nn.Linear(3, 4)
    assert len(model) == 3
    assert model(np.ones((5, 2))).shape == (5, 4)
    assert len(list(model.parameters())) == 4
    del model.last
    assert model(np.ones((5, 2))).shape == (5, 3)
    again = copy.deepcopy(model)
    assert again.first is again[0] is not model.first


def test_members_of_dicts_and_lists_are_attributes_too() -> None:
    layers = nn.ModuleDict({"wte": nn.Embedding(3, 2)})
    layers.add_module("head", nn.Linear(2, 3))
    assert layers.wte is layers["wte"]
    assert list(layers) == ["wte", "head"]
    layers.head.weight = Tensor(np.zeros((3, 2)), requires_grad=True)
    assert layers["head"].weight is layers.head.weight
    scales = nn.ParameterDict({"a": 1.0})
    scales.b = Tensor(2.0, requires_grad=True)
    assert [name for name, _ in scales.named_parameters()] == ["a", "b"]
    with pytest.raises(AttributeError, match="'ModuleDict' object has no attribute 'wpe'"):
        _ = layers.wpe
    chain = nn.Sequential(nn.Tanh())
    chain.note = "not a link"  # type: ignore[assignment]
    assert len(chain) == 1
    assert hasattr(chain, "0")
    chain += [nn.Linear(2, 2), nn.Tanh()]
    assert [name for name, _ in chain.named_parameters()] == ["1.weight", "1.bias"]


NAMES = [name for name in nn.__all__ if hasattr(getattr(nn, name), "forward")]
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}


@pytest.mark.parametrize("name", NAMES)
def test_calls_take_pytorchs_names(name):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name), getattr(torch.nn, name, None)
    if theirs is None or name in CONTAINERS:
        return
    taken = inspect.signature(ours.forward)
    if ours.forward is Formula.forward:
        taken = ours._inputs
    wanted = [*inspect.signature(theirs.forward).parameters][1:]
    assert [each for each in taken.parameters if each != "self"] == wanted


def test_inputs_may_be_named():
    x, y = np.array([-1.0, 2.0]), np.array([1.0, 1.0])
    assert nn.ReLU()(input=x).tolist() == [0, 2]
    assert nn.MSELoss()(target=y, input=x).item() == nn.MSELoss()(x, y).item()
    assert nn.CosineSimilarity(0)(x2=y, x1=x).item() == nn.CosineSimilarity(0)(x, y).item()
    assert nn.Linear(2, 3)(input=x).shape == (3,)
    with pytest.raises(TypeError, match="'target'"):
        nn.MSELoss()(input=x)
    with pytest.raises(TypeError, match="'input'"):
        nn.ReLU()(other=x)
