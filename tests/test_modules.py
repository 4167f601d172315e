"""What a module is made of, what is done to all of it, and the hooks around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F


class Block(nn.Module):
    """A layer, a buffer that is saved, one that is not, and what stands for none."""

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 2, dtype=float)
        self.register_buffer("mean", np.array([0.5, -0.5]))
        self.register_buffer("cache", np.zeros(3), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("scale", nn.Parameter([2.0, 3.0]))

    def forward(self, x: Any) -> Tensor:
        return self.layer(x - self.mean) * self.scale


def test_zero_grad_takes_what_the_optimiser_takes() -> None:
    layer = nn.Linear(2, 1)
    layer(np.ones((1, 2))).sum().backward()
    with pytest.raises(errors.ModuleError, match="leave set_to_none out"):
        layer.zero_grad(set_to_none=False)
    assert layer.weight.grad is not None
    layer.zero_grad(set_to_none=True)
    assert layer.weight.grad is None


# --- members --------------------------------------------------------------------------------


def test_parameters_and_buffers_by_name() -> None:
    block = Block()
    assert [n for n, _ in block.named_parameters()] == ["scale", "layer.weight", "layer.bias"]
    assert [n for n, _ in block.named_buffers()] == ["mean", "cache"]
    assert list(block.state_dict()) == ["mean", "scale", "layer.weight", "layer.bias"]
    assert block.get_parameter("layer.weight") is block.layer.weight
    assert block.get_buffer("mean") is block.mean
    assert block.get_submodule("layer") is block.layer
    assert block.get_submodule("") is block
    with pytest.raises(errors.ModuleError, match=r"no parameter 'mean'; there is scale, layer\.w"):
        block.get_parameter("mean")
    with pytest.raises(errors.ModuleError, match="no buffer 'x'"):
        block.get_buffer("x")
    with pytest.raises(errors.ModuleError, match="no module 'scale'"):
        block.get_submodule("scale")


def test_what_is_registered_is_of_its_kind() -> None:
    block = Block()
    with pytest.raises(errors.ModuleError, match="'x' is to be a module"):
        block.add_module("x", np.zeros(2))
    with pytest.raises(errors.ModuleError, match=r"'x' is to be a parameter: give nn\.Parameter"):
        block.register_parameter("x", Tensor([1.0]))
    block.add_module("last", nn.Linear(2, 1, dtype=float))
    assert [n for n, _ in block.named_children()] == ["layer", "last"]


def test_modules_are_named_once_and_children_are_one_level_down() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    model = nn.Sequential(inner, inner[0], nn.Identity())
    assert [n for n, _ in model.named_modules()] == ["", "0", "0.0", "0.1", "2"]
    assert list(model.children()) == [inner, inner[0], model[2]]


def test_apply_starts_at_the_bottom() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
    seen: list[str] = []
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "Tanh", "Sequential", "Sequential"]


def test_to_another_dtype_keeps_the_tensors_and_their_gradients() -> None:
    block = Block()
    block.register_buffer("count", np.array(3))
    block(np.ones((1, 2))).sum().backward()
    before = dict(block.named_tensors())
    gradient = block.scale.grad.data
    assert block.float() is block
    assert dict(block.named_tensors()) == before
    assert {t.dtype for t in block.parameters()} == {np.dtype("f4")}
    assert block.count.dtype == np.dtype("i8")
    assert block.scale.grad.dtype == np.dtype("f4")
    np.testing.assert_array_equal(block.scale.grad.data, gradient.astype("f4"))
    assert block(np.ones((1, 2), "f4")).dtype == np.dtype("f4")
    assert block.double()(np.ones((1, 2))).dtype == np.dtype("f8")
    with pytest.raises(errors.ModuleError, match="cannot go to int64"):
        block.to(int)


def test_all_parameters_are_frozen_and_thawed() -> None:
    block = Block().requires_grad_(False)
    assert not any(p.requires_grad for p in block.parameters())
    assert len(list(block.parameters())) == 3
    assert all(p.requires_grad for p in block.requires_grad_().parameters())
    assert not block.mean.requires_grad


def test_loading_what_is_there_alone() -> None:
    block = Block()
    state = {"scale": np.array([7.0, 8.0]), "unknown": np.zeros(1)}
    before = block.state_dict()
    with pytest.raises(errors.CheckpointError, match="missing: mean"):
        block.load_state_dict(state)
    block.load_state_dict(state, strict=False)
    assert block.scale.tolist() == [7.0, 8.0]
    np.testing.assert_array_equal(block.layer.weight.data, before["layer.weight"])
    with pytest.raises(errors.CheckpointError, match="scale has shape"):
        block.load_state_dict({"scale": np.zeros(3)}, strict=False)


def test_streams_are_found_by_name_and_once() -> None:
    class Noisy(nn.Module):
        def __init__(self, rng: np.random.Generator) -> None:
            self.rng = rng

    shared = np.random.default_rng(0)
    model = nn.Sequential(Noisy(shared), Noisy(np.random.default_rng(1)), Noisy(shared))
    assert [n for n, _ in model.named_streams()] == ["0.rng", "1.rng"]


class Noisy(nn.Module):
    """Draws from a stream, like dropout."""

    def __init__(self, seed: int, kind: Any = np.random.PCG64) -> None:
        self.layer = nn.Linear(2, 2)
        self.rng = np.random.Generator(kind(seed))

    def forward(self, x: Any) -> Any:
        return self.layer(x) * self.rng.random(2, "f4")


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.SFC64])
def test_a_saved_model_draws_on_from_where_it_was(tmp_path: Path, kind: Any) -> None:
    model = nn.Sequential(Noisy(1, kind), Noisy(2, kind))
    x = np.ones((3, 2), "f4")
    model(x)
    nn.save(tmp_path / "m.npz", model)
    again = nn.load(tmp_path / "m.npz", into=nn.Sequential(Noisy(3, kind), Noisy(4, kind)))
    for _ in range(3):
        np.testing.assert_array_equal(again(x).data, model(x).data)


def test_streams_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    nn.save(tmp_path / "m.npz", nn.Sequential(Noisy(1), Noisy(2)))
    shared = Noisy(5)
    other = nn.Sequential(shared, Noisy(6, np.random.SFC64))
    lonely = nn.Sequential(shared, Noisy(6))
    del lonely[1].rng
    for model, message in ((other, "the stream 1.rng cannot go on"), (lonely, "has the streams")):
        before = shared.rng.bit_generator.state, model.state_dict()
        with pytest.raises(errors.CheckpointError, match=message):
            nn.load(tmp_path / "m.npz", into=model)
        assert shared.rng.bit_generator.state == before[0]
        for name, values in model.state_dict().items():
            np.testing.assert_array_equal(values, before[1][name])


# --- containers -----------------------------------------------------------------------------


def test_a_sequential_by_names_and_by_slices() -> None:
    model = nn.Sequential({"one": nn.Linear(2, 3), "two": nn.Tanh()})
    assert [n for n, _ in model.named_parameters()] == ["one.weight", "one.bias"]
    chain = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    assert [type(m) for m in chain[:2]] == [nn.Linear, nn.Tanh]
    assert type(chain[1:]) is nn.Sequential
    assert chain[-1] is chain[2]
    chain.append(nn.Sigmoid()).insert(0, nn.Identity())
    assert [type(m).__name__ for m in chain] == ["Identity", "Linear", "Tanh", "Linear", "Sigmoid"]
    del chain[0]
    chain[1] = nn.ReLU()
    assert [n for n, _ in chain.named_parameters()][:2] == ["0.weight", "0.bias"]
    assert chain(np.ones((4, 2), "f4")).shape == (4, 1)


@pytest.mark.parametrize(
    ("holder", "member", "wrong"),
    [
        (nn.ModuleList, nn.Tanh(), np.zeros(1)),
        (nn.ModuleDict, nn.Tanh(), np.zeros(1)),
    ],
)
def test_holders_hold_one_kind(holder: Any, member: Any, wrong: Any) -> None:
    named = holder is nn.ModuleDict
    held = holder({"a": member} if named else [member])
    assert len(held) == 1
    with pytest.raises(errors.ModuleError, match="is made of modules, not of"):
        held.update({"b": wrong}) if named else held.append(wrong)
    assert len(held) == 1


def test_dicts_of_modules_and_parameters() -> None:
    heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Linear(2, 2)})
    assert list(heads.keys()) == list(heads) == ["a", "b"]
    assert "a" in heads
    assert "c" not in heads
    assert heads.pop("a") is not None
    heads["c"] = nn.Tanh()
    assert [n for n, _ in heads.named_children()] == ["b", "c"]
    heads.clear()
    assert not list(heads.parameters())
    scales = nn.ParameterDict({"x": [1.0], "y": Tensor([2.0], requires_grad=True)})
    assert [n for n, _ in scales.named_parameters()] == ["x", "y"]
    listed = nn.ParameterList([[1.0], [2.0]])
    listed.append([3.0])
    assert [n for n, _ in listed.named_parameters()] == ["0", "1", "2"]


def test_the_tree_in_words() -> None:
    assert repr(nn.Sequential(nn.Linear(2, 3, bias=False), nn.ModuleList([nn.Tanh()]))) == (
        "Sequential(\n  (0): Linear(2, 3, bias=False)\n  (1): ModuleList(\n    (0): Tanh()\n  )\n)"
    )


# --- errors say where -----------------------------------------------------------------------


def test_a_shape_error_names_the_layer_and_the_way_to_it() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.encoder = nn.ModuleList([nn.Linear(2, 3), nn.Linear(4, 4)])

        def forward(self, x: Any) -> Any:
            for layer in self.encoder:
                x = layer(x)
            return x

    with pytest.raises(errors.ShapeError) as caught:
        Model()(np.ones((5, 2), "f4"))
    assert str(caught.value) == "encoder.1 = Linear(4, 4): expects (..., 4), got (5, 3)"


# --- hooks ----------------------------------------------------------------------------------


def test_forward_hooks_see_and_change_what_goes_through() -> None:
    layer = nn.Linear(2, 2, dtype=float)
    x = np.array([[1.0, 2.0]])
    plain = layer(x).data
    seen: list[Any] = []
    with (
        layer.register_forward_pre_hook(lambda m, inputs: (inputs[0] * 2,)),
        layer.register_forward_hook(lambda m, inputs, y: seen.append((inputs[0].tolist(), m))),
    ):
        np.testing.assert_allclose(layer(x).data, 2 * plain - layer.bias.data)
    assert seen == [([[2.0, 4.0]], layer)]
    np.testing.assert_array_equal(layer(x).data, plain)


def test_hooks_with_options() -> None:
    class Power(nn.Module):
        def forward(self, x: Any, *, exponent: int = 1) -> Any:
            return x**exponent

    module = Power()
    module.register_forward_pre_hook(
        lambda m, inputs, options: (inputs, {"exponent": options["exponent"] + 1}),
        with_kwargs=True,
    )
    module.register_forward_hook(
        lambda m, inputs, options, y: y + options["exponent"], with_kwargs=True
    )
    assert module(3.0, exponent=1) == 11.0


def test_backward_hooks_get_all_gradients_and_may_replace_them() -> None:
    module = nn.Bilinear(2, 3, 4, dtype=float)
    a, b = (Tensor(np.ones((5, n)), requires_grad=True) for n in (2, 3))
    module(a, b).sum().backward()
    plain = [a.grad.data, b.grad.data]
    told: list[Any] = []

    def tell(m: nn.Module, gone: Any, arrived: Any) -> Any:
        told.append((m, [g.shape for g in gone], [g.shape for g in arrived]))
        return tuple(10 * g for g in gone)

    with module.register_full_backward_hook(tell):
        a.zero_grad()
        b.zero_grad()
        module(a, b).sum().backward()
    assert told == [(module, [(5, 2), (5, 3)], [(5, 4)])]
    for t, g in zip((a, b), plain, strict=True):
        np.testing.assert_allclose(t.grad.data, 10 * g)
    with module.register_full_backward_pre_hook(lambda m, arrived: (3 * arrived[0],)):
        a.zero_grad()
        module(a, b).sum().backward()
    np.testing.assert_allclose(a.grad.data, 3 * plain[0])


def test_a_backward_hook_where_the_input_needs_no_gradient() -> None:
    layer, told = nn.Linear(2, 1, dtype=float), []
    layer.register_full_backward_hook(lambda m, gone, arrived: told.append((gone, arrived)))
    layer(np.ones((3, 2))).sum().backward()
    [(gone, arrived)] = told
    assert gone == (None,)
    assert arrived[0].tolist() == [[1.0]] * 3
    assert layer.weight.grad is not None


def test_a_backward_hook_is_not_called_where_nothing_arrives_at_the_output() -> None:
    layer, told, kept = nn.Linear(2, 2, dtype=float), [], []
    layer.register_forward_hook(lambda m, inputs, y: kept.append(y))
    layer.register_full_backward_hook(lambda m, gone, arrived: told.append(arrived[0].tolist()))
    x = Tensor(np.ones((1, 2)), requires_grad=True)
    layer(x)
    kept[0].sum().backward()  # from inside, past the output
    assert told == []
    np.testing.assert_allclose(x.grad.data, layer.weight.data.sum(0, keepdims=True))
    layer(x).sum().backward()
    assert told == [[[1.0, 1.0]]]


def test_what_a_call_computed_and_kept_is_no_part_of_the_model() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            self.lin = nn.Linear(2, 2)
            self.features: dict[str, Tensor] = {}

        def forward(self, x: Any) -> Tensor:
            self.weights = self.features["lin"] = F.softmax(self.lin(x), dim=-1)
            return self.weights

    model = Attention()
    before = model.state_dict()
    model(np.ones((3, 2), np.float32))
    assert list(model.state_dict()) == list(before) == ["lin.weight", "lin.bias"]
    assert list(model.named_buffers()) == []
    model.load_state_dict(before)
    Attention().load_state_dict(model.state_dict())


def test_hooks_work_on_gradients_of_gradients() -> None:
    layer = nn.Linear(1, 1, bias=False, dtype=float)
    layer.register_full_backward_hook(lambda m, gone, arrived: (2 * gone[0],))
    x = Tensor([[3.0]], requires_grad=True)
    loss = (layer(x) ** 2).sum()
    loss.backward(create_graph=True)
    w = layer.weight.item()
    np.testing.assert_allclose(x.grad.data, [[2 * 2 * w * w * 3.0]])
    x.grad.sum().backward()
    assert np.isfinite(layer.weight.grad.data).all()


def test_a_model_with_hooks_is_saved_like_any_other() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    model[0].register_forward_hook(lambda m, inputs, y: None)
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    y = nn.functional_call(model, {"0.bias": np.zeros(2, "f4")}, np.ones((1, 2), "f4"))
    expected = F.tanh(np.ones((1, 2), "f4") @ model[0].weight.data.T)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-6)


# --- as PyTorch's users write it ------------------------------------------------------------------


def test_every_tensor_that_is_trained_is_a_parameter() -> None:
    layer = nn.Linear(2, 3)
    assert isinstance(layer.weight, nn.Parameter)
    assert type(nn.Parameter([1.0])) is Tensor
    assert isinstance(nn.Parameter([1.0], requires_grad=False), nn.Parameter)
    for other in (Tensor([1.0]), layer.weight * 2, np.ones(2), layer):
        assert not isinstance(other, nn.Parameter)


def test_parameters_of_the_module_itself_and_names_with_a_prefix() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model.scale = nn.Parameter([1.0])
    assert [*model.named_parameters(recurse=False)] == [("scale", model.scale)]
    assert [*model.parameters(recurse=False)] == [model.scale]
    assert [name for name, _ in model[1].named_buffers("norm")][:1] == ["norm.running_mean"]
    assert [*model.buffers(recurse=False)] == []
    assert "body.0.weight" in dict(model.named_parameters("body"))


def test_a_state_cannot_be_written_to() -> None:
    model = nn.Linear(2, 2)
    state = model.state_dict()
    with pytest.raises(ValueError, match="read-only"):
        state["weight"] *= 0.99
    model.load_state_dict({name: value * 0.5 for name, value in state.items()})
    assert np.array_equal(model.weight.data, state["weight"] * 0.5)


def test_a_load_that_is_not_strict_says_what_it_left_out() -> None:
    model = nn.Linear(2, 2)
    missing, unexpected = model.load_state_dict(
        {"weight": np.eye(2, dtype="f"), "w": 1}, strict=False
    )
    assert (missing, unexpected) == (["bias"], ["w"])
    assert model.load_state_dict(model.state_dict()) == ([], [])


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cpu", "mps"])
def test_there_are_no_devices(device: str) -> None:
    with pytest.raises(errors.ModuleError, match="devices have no names here"):
        nn.Linear(2, 2).to(device)


@pytest.mark.parametrize(
    ("where", "name", "instead"),
    [
        (bp, "cat", "Write np.concatenate."),
        (bp, "zeros", "Write np.zeros."),
        (bp, "manual_seed", "Write rng=np.random.default_rng(seed)"),
        (bp, "set_grad_enabled", "no_grad()"),
        (nn, "utils", "optim.clip_grad_norm_"),
        (Tensor([1.0]), "zero_", "optimizer.zero_grad()"),
        (Tensor([1.0]), "new_zeros", "np.zeros(shape, t.dtype)"),
        (Tensor([1.0]), "copy_", "t.data = new_values"),
    ],
)
def test_names_of_pytorchs_are_told_what_they_are_called_here(
    where: Any, name: str, instead: str
) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'") as caught:
        getattr(where, name)
    assert instead in str(caught.value)
    assert not hasattr(where, "nothing_like_it")
