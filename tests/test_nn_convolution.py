"""Convolutions, their transposes, windows as columns, and padding, as layers.

A row is a layer as PyTorch's users write it, and shapes to call it with.
"""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from quick import some_quick

from tinygrad_bp import Tensor, gradients, nn, optim
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.gradcheck import check
from tinygrad_bp.rules import windows

Array = Any

LAYERS = {
    "Conv1d(4, 6, 3)": (2, 4, 8),
    "Conv1d(4, 6, 3, 2, 1)": (4, 9),
    "Conv1d(4, 6, 4, padding='same', dilation=2, groups=2, bias=False)": (3, 4, 9),
    "Conv1d(2, 2, 3, padding=2, padding_mode='circular')": (2, 2, 5),
    "Conv1d(2, 2, 4, padding='same', padding_mode='reflect')": (2, 2, 6),
    "Conv1d(2, 2, 4, padding='valid', padding_mode='reflect')": (2, 2, 6),
    "Conv2d(1, 6, 5, padding=2)": (2, 1, 7, 6),
    "Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))": (2, 3, 6, 7),
    "Conv2d(4, 4, 3, groups=4)": (2, 4, 5, 5),
    "Conv2d(4, 8, 1, groups=2, stride=3)": (2, 4, 5, 5),
    "Conv2d(2, 3, 3, padding=(2, 1), padding_mode='reflect')": (2, 2, 5, 6),
    "Conv2d(2, 3, 3, padding=(2, 1), padding_mode='replicate', stride=2)": (2, 5, 6),
    "Conv2d(2, 3, (2, 3), padding='same', padding_mode='circular')": (2, 2, 5, 6),
    "Conv2d(2, 3, 3, padding='valid')": (0, 2, 4, 4),
    "Conv3d(2, 4, (1, 3, 2), stride=(1, 2, 1), padding=(0, 1, 1))": (2, 2, 2, 4, 3),
    "Conv3d(2, 2, 2, groups=2, padding_mode='replicate', padding=1)": (2, 2, 3, 2),
    "ConvTranspose1d(4, 6, 3)": (2, 4, 5),
    "ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, False, 2)": (4, 5),
    "ConvTranspose2d(3, 6, 4, 2, 1)": (2, 3, 4, 3),
    "ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), groups=2)": (2, 4, 3, 2),
    "ConvTranspose2d(2, 2, 3, dilation=3, output_padding=2)": (2, 3, 2),
    "ConvTranspose3d(2, 4, (1, 2, 3), stride=2, groups=2)": (1, 2, 2, 2, 3),
    "Unfold(2)": (2, 3, 4, 5),
    "Unfold((2, 3), dilation=(2, 1), padding=1, stride=2)": (3, 5, 5),
    "Fold((4, 5), 2)": (2, 12, 12),
    "Fold((5, 5), (2, 3), dilation=(2, 1), padding=1, stride=2)": (18, 9),
    "ZeroPad1d((1, -1))": (2, 3, 4),
    "ZeroPad2d(2)": (3, 4, 5),
    "ZeroPad3d((1, 0, 2, 1, 0, 1))": (2, 3, 2, 2),
    "ConstantPad1d(2, 3.5)": (2, 3, 4),
    "ConstantPad2d((1, 2, 0, -1), -1.0)": (2, 3, 4, 4),
    "ConstantPad3d(1, 0.5)": (2, 2, 2, 2),
    "ReflectionPad1d(2)": (2, 3, 4),
    "ReflectionPad2d((1, 2, 0, 3))": (2, 4, 5),
    "ReflectionPad3d(1)": (1, 2, 3, 2, 2),
    "ReplicationPad1d((3, 1))": (3, 2),
    "ReplicationPad2d(2)": (1, 2, 3, 2),
    "ReplicationPad3d((1, 2, 0, 3, 1, 1))": (2, 2, 2, 2),
    "CircularPad1d((1, 2))": (2, 3, 4),
    "CircularPad2d((2, 1, 0, 3))": (2, 4, 3),
    "CircularPad3d(1)": (2, 2, 2, 2, 2),
}


def made(text: str, **more: Any) -> Any:
    """A layer of ours, from a text that is valid for PyTorch's as well."""
    takes = inspect.signature(getattr(nn, text.partition("(")[0])).parameters
    more = {key: value for key, value in more.items() if key in takes}
    return eval(f"{text[:-1]}, **more)", {**vars(nn), "more": more})  # noqa: S307


def values(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


# --- the same as in PyTorch -------------------------------------------------------------------


@pytest.mark.parametrize(("text", "shape"), LAYERS.items(), ids=LAYERS)
def test_layers_are_pytorchs(text: str, shape: tuple[int, ...]) -> None:
    compare(text, values(shape))


def compare(text: str, x: Array, *more: Any) -> None:
    """Names, repr, output and all gradients."""
    torch = pytest.importorskip("torch")
    peer = eval(text, vars(torch.nn)).double()  # noqa: S307
    layer = made(text, dtype=float)
    assert repr(layer) == repr(peer)
    if peer.state_dict():
        layer.load_state_dict({name: p.numpy() for name, p in peer.state_dict().items()})
    given, wanted = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = layer(given, *more), peer(wanted, *more)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=0, atol=1e-10)
    g = values(y.shape, 1)
    y.backward(g)
    z.backward(torch.tensor(g))
    compare_gradients(given, wanted)
    for name, p in peer.named_parameters():
        compare_gradients(layer.get_parameter(name), p)


def compare_gradients(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=0, atol=1e-10)


@given(st.data())
def test_convolutions_of_any_setting_are_pytorchs(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 2), "axes")
    transposed = data.draw(st.booleans(), "transposed")

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    groups = data.draw(st.integers(1, 2), "groups")
    channels = [groups * data.draw(st.integers(1, 2)) for _ in range(2)]
    options = {
        "kernel_size": sizes(1, 4), "stride": sizes(1, 3), "padding": sizes(0, 2),
        "dilation": sizes(1, 3), "groups": groups, "bias": data.draw(st.booleans()),
    }  # fmt: skip
    lengths = sizes(1, 7)
    reach = [d * (k - 1) + 1 for d, k in zip(options["dilation"], options["kernel_size"],
                                             strict=True)]  # type: ignore[call-overload]  # fmt: skip
    pads: Any = options["padding"]
    if transposed:
        limits = map(max, options["stride"], options["dilation"])  # type: ignore[call-overload]
        options["output_padding"] = tuple(data.draw(st.integers(0, n - 1)) for n in limits)
        strides: Any = options["stride"]
        ends = zip(lengths, strides, pads, reach, options["output_padding"], strict=True)  # type: ignore[call-overload]
        assume(all((n - 1) * s - 2 * p + r + more > 0 for n, s, p, r, more in ends))
    else:
        assume(all(n + 2 * p >= r for n, p, r in zip(lengths, pads, reach, strict=True)))
    settings = ", ".join(f"{name}={value}" for name, value in options.items())
    name = f"Conv{'Transpose' if transposed else ''}{axes}d"
    batch = data.draw(st.sampled_from([(), (1,), (3,)]), "batch")
    compare(
        f"{name}({channels[0]}, {channels[1]}, {settings})", values((*batch, channels[0], *lengths))
    )


@pytest.mark.parametrize(
    ("text", "shape", "sizes"),
    [
        ("ConvTranspose1d(2, 3, 3, 3, 1)", (2, 2, 4), [(10,), (11,), (12,), (2, 3, 12)]),
        ("ConvTranspose2d(2, 2, 3, (2, 1))", (2, 3, 3), [(7, 5), (8, 5), (2, 8, 5)]),
        ("ConvTranspose3d(2, 2, 1, 2)", (1, 2, 2, 2, 2), [(3, 4, 3), (1, 2, 4, 4, 4)]),
    ],
)
def test_output_sizes_are_pytorchs(text: str, shape: Any, sizes: list[Any]) -> None:
    for size in sizes:
        compare(text, values(shape), size)
        assert (
            made(text)(np.zeros(shape, np.float32), size).shape[-len(shape) + 2 :]
            == (size[-len(shape) + 2 :])
        )


@pytest.mark.parametrize("text", [text for text in LAYERS if text.startswith("Conv")])
def test_weights_start_as_pytorchs_do(text: str) -> None:
    torch = pytest.importorskip("torch")
    many = text.replace("(1,", "(120,", 1).replace("(2,", "(120,", 1).replace("(4,", "(120,", 1)
    many = many.replace("(3,", "(120,", 1).replace("0, 6", "0, 60").replace("0, 4", "0, 60")
    layer, peer = made(many, rng=np.random.default_rng(0)), eval(many, vars(torch.nn))  # noqa: S307
    for name, p in peer.named_parameters():
        ours, theirs = layer.get_parameter(name).data, p.detach().numpy()
        bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        assert abs(ours).max() <= bound * (1 + 1e-6)
        assert abs(theirs).max() <= bound * (1 + 1e-6)
        if ours.size > 1000:
            assert abs(ours).max() > 0.99 * bound


@pytest.mark.parametrize("text", [text for text in LAYERS if text.startswith("Conv")][::2])
def test_gradients_of_gradients_are_pytorchs(text: str) -> None:
    torch = pytest.importorskip("torch")
    peer = eval(text, vars(torch.nn)).double()  # noqa: S307
    layer = made(text, dtype=float)
    layer.load_state_dict({name: p.numpy() for name, p in peer.state_dict().items()})
    x = values(LAYERS[text])
    given, wanted = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    [first] = gradients((layer(given) ** 3).sum(), [given], create_graph=True)
    (first**2).sum().backward()
    [first] = torch.autograd.grad((peer(wanted) ** 3).sum(), [wanted], create_graph=True)
    (first**2).sum().backward()
    for ours, theirs in [(given, wanted), (layer.weight, peer.weight)]:
        size = max(1.0, abs(theirs.grad).max().item()) if theirs.grad.numel() else 1.0
        np.testing.assert_allclose(ours.grad.data / size, theirs.grad.numpy() / size, atol=1e-10)


# --- without PyTorch ----------------------------------------------------------------------------


def by_hand(x: Array, w: Array, b: Array, *, stride: Any, padding: Any, dilation: Any) -> Array:
    """A convolution of images as sums, one product after the other."""
    x = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    places = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    y = np.zeros((len(x), len(w), *places))
    for n, o, i, j in itertools.product(*map(range, y.shape)):
        y[n, o, i, j] = b[o] + sum(
            x[n, c, i * stride[0] + k * dilation[0], j * stride[1] + l * dilation[1]]
            * w[o, c, k, l]
            for c, k, l in itertools.product(*map(range, w.shape[1:]))
        )
    return y


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [((1, 1), (0, 0), (1, 1)), ((2, 3), (1, 2), (2, 1))]
)
def test_a_convolution_is_a_sum_of_products(stride: Any, padding: Any, dilation: Any) -> None:
    layer = nn.Conv2d(2, 3, (2, 3), stride, padding, dilation, dtype=float)
    x = values((2, 2, 5, 6))
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    wanted = by_hand(x, layer.weight.data, layer.bias.data, **options)
    np.testing.assert_allclose(layer(x).data, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", [text for text in LAYERS if text.startswith("Conv")])
@pytest.mark.parametrize("room", [1, 200, 1000])
def test_blocks_of_columns_change_nothing(
    text: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large for one block is worked out in several, the last of them a shorter one."""
    layer = made(text, dtype=float, rng=np.random.default_rng(0))
    found = []
    for size in (windows._BLOCK, room):
        monkeypatch.setattr(windows, "_BLOCK", size)
        x = Tensor(values(LAYERS[text]), requires_grad=True)
        layer.zero_grad()
        y = layer(x)
        y.backward(values(y.shape, 1))
        found.append([y.data, *(t.grad.data for t in (x, *layer.parameters()))])  # type: ignore[union-attr]
    for one, several in zip(*found, strict=True):
        np.testing.assert_allclose(several, one, rtol=0, atol=1e-12)


def test_any_order_in_memory_gives_the_same() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=1, stride=2, dtype=float, rng=np.random.default_rng(0))
    x = values((4, 2, 5, 6))
    channels_last = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    for other in (np.asarray(x, order="F"), x[::-1][::-1], channels_last):
        np.testing.assert_allclose(layer(other).data, layer(x).data, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 2, 4), (3, 0, 4)])
def test_of_nothing_come_sums_of_nothing(shape: tuple[int, ...]) -> None:
    x = Tensor(np.zeros(shape), requires_grad=True)
    for layer in (nn.Conv1d(shape[1], 5, 2), nn.ConvTranspose1d(shape[1], 5, 2), nn.AvgPool1d(2)):
        y = layer(x)
        y.sum().backward()
        assert y.shape[0] == shape[0]
        assert x.grad is not None
        assert x.grad.shape == shape


def test_whole_numbers_and_other_floats_are_promoted() -> None:
    layer = nn.Conv2d(1, 1, 2)
    pixels = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    assert layer(pixels).dtype == np.float32
    np.testing.assert_array_equal(layer(pixels).data, layer(pixels.astype(np.float32)).data)
    assert layer(pixels.astype(float)).dtype == np.float64


@pytest.mark.parametrize("text", some_quick([*LAYERS][::3], 3), ids=str)
def test_gradients_are_those_of_differences(text: str) -> None:
    layer = made(text, dtype=float, rng=np.random.default_rng(2))
    report = check(lambda layer, x: (layer(x) ** 2).sum(), layer, values(LAYERS[text]))
    assert report.ok, report


def test_a_transpose_has_the_inner_products_of_its_convolution() -> None:
    weight = values((4, 3, 3, 2))
    conv = nn.Conv2d(3, 4, (3, 2), 2, 1, bias=False, dtype=float)
    back = nn.ConvTranspose2d(4, 3, (3, 2), 2, 1, bias=False, dtype=float)
    for layer in (conv, back):
        layer.load_state_dict({"weight": weight})
    x, g = values((2, 3, 7, 6)), values((2, 4, 4, 4))
    left = np.vdot(conv(x).data, g)
    assert left == pytest.approx(np.vdot(x, back(g, output_size=(7, 6)).data), rel=1e-12)


def test_a_fold_of_an_unfold_counts_the_windows() -> None:
    x = np.ones((1, 1, 4, 4))
    counts = nn.Fold((4, 4), 3)(nn.Unfold(3)(x))
    assert counts.data[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]


def test_the_same_generator_gives_the_same_layers() -> None:
    rng = np.random.default_rng(5)
    first = [nn.Conv2d(1, 2, 3, rng=rng) for _ in range(2)]
    rng = np.random.default_rng(5)
    again = [nn.Conv2d(1, 2, 3, rng=rng) for _ in range(2)]
    for a, b in zip(first, again, strict=True):
        assert a.weight.data.tobytes() == b.weight.data.tobytes()
        assert a.bias is not None
        assert a.bias.data.tobytes() == b.bias.data.tobytes()
    assert first[0].weight.data.tobytes() != first[1].weight.data.tobytes()


def test_a_small_network_learns(rng: np.random.Generator) -> None:
    """Bars that stand or lie, somewhere in the image."""
    x = np.zeros((64, 1, 8, 8), np.float32)
    labels = np.arange(64) % 2
    for image, label, place in zip(x[:, 0], labels, rng.integers(0, 8, 64), strict=True):
        (image if label else image.T)[place] = 1
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.ReLU(), nn.AdaptiveMaxPool2d(1),
        nn.ZeroPad2d(0), _Flat(), nn.Linear(4, 2, rng=rng),
    )  # fmt: skip
    optimizer = optim.SGD(net.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


class _Flat(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.reshape(len(x), -1)


def test_signatures_are_pytorchs_and_help_shows_them() -> None:
    given = list(inspect.signature(nn.Conv2d).parameters)
    assert given == [
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
        "bias", "padding_mode", "rng", "dtype",
    ]  # fmt: skip
    assert str(inspect.signature(nn.ConvTranspose3d)).startswith(
        "(in_channels: 'int', out_channels: 'int', kernel_size: 'Sizes', stride: 'Sizes' = 1, "
        "padding: 'Sizes' = 0, output_padding: 'Sizes' = 0, groups: 'int' = 1"
    )


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Conv2d(3, 4, 3, groups=2)", "(3, 4) channels do not divide into 2 groups"),
        ("Conv2d(3, 4, 3, groups=0)", "do not divide into 0 groups"),
        ("Conv2d(4, 4, 0)", "kernel_size must be a whole number, or 2 of at least 1, not 0"),
        ("Conv2d(4, 4, 3, stride=0)", "stride must be"),
        ("Conv2d(4, 4, 3, stride=(1, 2, 3))", "Conv2d: stride must be a whole number, or 2 of"),
        ("Conv1d(4, 4, 2.5)", "Conv1d: kernel_size must be a whole number of at least 1, not 2.5"),
        ("Conv2d(4, 4, 3, padding=-1)", "padding must be"),
        ("Conv2d(4, 4, 3, padding='full')", "padding must be"),
        ("Conv2d(4, 4, 3, 2, padding='same')", "padding='same' needs stride 1, not (2, 2)"),
        ("Conv2d(4, 4, 3, padding_mode='mirror')", "padding_mode is one of ('zeros', 'reflect'"),
        ("ConvTranspose2d(4, 4, 3, padding_mode='reflect')", "padding_mode is one of ('zeros',)"),
        ("ConvTranspose2d(4, 4, 3, padding='same')", "padding must be"),
        ("ConvTranspose2d(4, 4, 3, output_padding=1)", "output_padding=(1, 1) must be smaller"),
        ("ZeroPad2d((1, 2))", "padding must be a whole number, or 4, not (1, 2)"),
        ("ReflectionPad1d(1.5)", "padding must be a whole number, or 2, not 1.5"),
    ],
)
def test_options_that_do_not_fit_are_refused(text: str, said: str) -> None:
    with pytest.raises(ModuleError) as caught:
        made(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(text.partition("(")[0])


@pytest.mark.parametrize(
    ("text", "shape", "said"),
    [
        ("Conv2d(3, 4, 3)", (5, 4, 9, 9), "expects (N, 3, H, W) or (3, H, W), got (5, 4, 9, 9)"),
        ("Conv2d(3, 4, 3)", (9, 9), "expects (N, 3, H, W) or (3, H, W), got (9, 9)"),
        ("Conv1d(3, 4, 3)", (5, 9, 3), "expects (N, 3, L) or (3, L), got (5, 9, 3)"),
        ("Conv3d(3, 4, 3)", (), "expects (N, 3, D, H, W) or (3, D, H, W), got ()"),
        ("Conv2d(3, 4, 3)", (5, 3, 2, 9), "windows of (3, 3) do not fit into (2, 9)"),
        ("Conv1d(2, 2, 3, padding=5, padding_mode='reflect')", (2, 3), "'reflect'"),
        ("ConvTranspose2d(3, 4, 3)", (5, 4, 9, 9), "expects (N, 3, H, W)"),
        ("ReflectionPad2d(1)", (5, 4), "expects (N, C, H, W) or (C, H, W), got (5, 4)"),
        ("ReflectionPad2d(4)", (1, 4, 4), "more than there is"),
        ("Fold((3, 3), 2)", (1, 4, 5), "are not windows"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(text: str, shape: Any, said: str) -> None:
    layer = made(text)
    with pytest.raises(ShapeError) as caught:
        nn.Sequential(layer)(np.zeros(shape, np.float32))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"0 = {layer!r}: ")


@pytest.mark.parametrize("size", [(6,), (13,), (2, 2, 12, 1), ()])
def test_output_sizes_that_cannot_be_are_refused(size: Any) -> None:
    layer = nn.ConvTranspose1d(2, 2, 3, 3, 1)
    with pytest.raises(ShapeError, match="expects an output_size"):
        layer(np.zeros((2, 4), np.float32), output_size=size)


def test_a_layer_leaves_its_input_alone() -> None:
    x = values((2, 3, 5, 5)).astype(np.float32)
    x.flags.writeable = False
    layer = nn.Conv2d(3, 2, 3, padding=1)
    before = x.tobytes()
    layer(x).sum().backward()
    assert x.tobytes() == before
