"""Means, maxima and roots of windows as layers: PyTorch's numbers, sums by hand, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from quick import some_quick

from tinygrad_bp import Tensor, gradients, nn
from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.gradcheck import check

Array = Any

LAYERS = {
    "MaxPool1d(2)": (2, 3, 7),
    "MaxPool1d(3, 2, 1, 2, ceil_mode=True)": (3, 8),
    "MaxPool2d(2)": (2, 3, 6, 5),
    "MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0))": (2, 3, 6, 5),
    "MaxPool2d(2, 1, dilation=(1, 3))": (3, 5, 6),
    "MaxPool2d(3, 2, 1, ceil_mode=True)": (1, 2, 6, 6),
    "MaxPool3d((1, 2, 2), 2)": (2, 2, 3, 4, 4),
    "MaxPool3d(3, 1, 1)": (1, 2, 3, 3),
    "AvgPool1d(3)": (2, 3, 8),
    "AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False)": (3, 8),
    "AvgPool2d(2)": (2, 3, 6, 5),
    "AvgPool2d((3, 2), (1, 2), (1, 0), count_include_pad=False)": (2, 3, 5, 5),
    "AvgPool2d(2, divisor_override=3)": (3, 4, 4),
    "AvgPool2d(3, 2, 1, ceil_mode=True)": (2, 2, 6, 6),
    "AvgPool3d(2, 1)": (1, 2, 3, 3, 3),
    "AvgPool3d((1, 2, 2), 2, (0, 1, 1), divisor_override=-2)": (2, 2, 4, 3),
    "LPPool1d(2, 3)": (2, 3, 7),
    "LPPool1d(3.5, 2, 1, ceil_mode=True)": (3, 5),
    "LPPool2d(1.5, (2, 3), stride=1)": (2, 2, 4, 4),
    "LPPool2d(2, 2, ceil_mode=True)": (2, 2, 5, 5),
    "LPPool3d(3, 2)": (1, 2, 2, 4, 3),
    "AdaptiveAvgPool1d(3)": (2, 3, 8),
    "AdaptiveAvgPool2d((2, None))": (2, 3, 5, 4),
    "AdaptiveAvgPool2d(7)": (3, 5, 4),
    "AdaptiveAvgPool3d((1, 2, 3))": (1, 2, 3, 4, 4),
    "AdaptiveMaxPool1d(3)": (3, 8),
    "AdaptiveMaxPool2d((3, 2))": (2, 3, 5, 5),
    "AdaptiveMaxPool3d(2)": (2, 3, 4, 3),
}

WITH_PLACES = {
    "MaxPool1d(3, 2, 1, return_indices=True)": (2, 3, 8),
    "MaxPool2d((2, 3), 2, (1, 0), return_indices=True)": (2, 3, 6, 6),
    "MaxPool2d(3, 1, 1, 2, True, True)": (2, 6, 6),
    "MaxPool3d(2, 1, return_indices=True)": (2, 2, 3, 3, 3),
    "AdaptiveMaxPool1d(3, True)": (2, 3, 8),
    "AdaptiveMaxPool2d((3, 2), return_indices=True)": (2, 3, 5, 5),
    "AdaptiveMaxPool3d(2, return_indices=True)": (2, 3, 4, 3),
}

UNPOOLED = {
    ("MaxPool1d(2, return_indices=True)", "MaxUnpool1d(2)"): (2, 3, 8),
    ("MaxPool1d(2, 3, 1, return_indices=True)", "MaxUnpool1d(2, 3, 1)"): (2, 3, 7),
    ("MaxPool2d((2, 3), return_indices=True)", "MaxUnpool2d((2, 3))"): (2, 2, 4, 6),
    ("MaxPool2d(2, 3, return_indices=True)", "MaxUnpool2d(2, 3)"): (2, 5, 6),
    ("MaxPool3d(2, return_indices=True)", "MaxUnpool3d(2)"): (1, 2, 2, 4, 4),
}


def made(text: str) -> Any:
    return eval(text, vars(nn))  # noqa: S307


def peer_of(text: str) -> Any:
    torch = pytest.importorskip("torch")
    return eval(text, vars(torch.nn))  # noqa: S307


def values(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Positive, all different, and different enough for differences; roots need that."""
    size = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(size).reshape(shape) + 1) / 7


def both(x: Array) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)


# --- the same as in PyTorch -------------------------------------------------------------------


@pytest.mark.parametrize(("text", "shape"), LAYERS.items(), ids=LAYERS)
def test_layers_are_pytorchs(text: str, shape: tuple[int, ...]) -> None:
    compare(text, values(shape))


def compare(text: str, x: Array) -> None:
    torch = pytest.importorskip("torch")
    given, wanted = both(x)
    y, z = made(text)(given), peer_of(text)(wanted)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=0, atol=1e-10)
    g = values(y.shape, 1)
    y.backward(g)
    z.backward(torch.tensor(g))
    np.testing.assert_allclose(given.grad.data, wanted.grad.numpy(), rtol=0, atol=1e-10)


@given(st.data())
def test_pools_of_any_setting_are_pytorchs(data: st.DataObject) -> None:
    pytest.importorskip("torch")
    axes = data.draw(st.integers(1, 2), "axes")

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, lengths = sizes(1, 4), sizes(1, 4), sizes(1, 8)
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    kind = data.draw(st.sampled_from(["Max", "Avg", "LP"]))
    options = f"ceil_mode={data.draw(st.booleans())}"
    dilation = (1,) * axes
    if kind == "Max":
        dilation = sizes(1, 3)
        options += f", padding={padding}, dilation={dilation}"
    elif kind == "Avg":
        options += f", padding={padding}, count_include_pad={data.draw(st.booleans())}"
    else:
        padding = (0,) * axes
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(n + 2 * p >= r for n, p, r in zip(lengths, padding, reach, strict=True)))
    norm = "3.0, " if kind == "LP" else ""
    if axes == 1:  # a tuple is an error in PyTorch's one-dimensional norm
        (kernel,), (stride,) = kernel, stride  # type: ignore[assignment]
    batch = data.draw(st.sampled_from([(1,), (3,)]), "batch")
    text = f"{kind}Pool{axes}d({norm}{kernel}, {stride}, {options})"
    compare(text, values((*batch, 2, *lengths)))


@pytest.mark.parametrize(("text", "shape"), WITH_PLACES.items(), ids=WITH_PLACES)
def test_places_of_the_largest_are_pytorchs(text: str, shape: tuple[int, ...]) -> None:
    given, wanted = both(values(shape))
    (y, places), (z, theirs) = made(text)(given), peer_of(text)(wanted)
    np.testing.assert_array_equal(np.asarray(places), theirs.numpy())
    np.testing.assert_array_equal(y.data, z.detach().numpy())
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_array_equal(given.grad.data, wanted.grad.numpy())


@pytest.mark.parametrize(("texts", "shape"), UNPOOLED.items(), ids=str)
def test_unpooling_is_pytorchs(texts: tuple[str, str], shape: tuple[int, ...]) -> None:
    given, wanted = both(values(shape))
    size = shape[-int(texts[0][7]) :]
    for layers, x in (([made(t) for t in texts], given), ([peer_of(t) for t in texts], wanted)):
        (layers[1](*layers[0](x), output_size=size) ** 2).sum().backward()
    np.testing.assert_allclose(given.grad.data, wanted.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("text", [*LAYERS, *WITH_PLACES, *(b for _, b in UNPOOLED)])
def test_reprs_are_pytorchs(text: str) -> None:
    assert repr(made(text)) == repr(peer_of(text))


@pytest.mark.parametrize("text", [text for text in LAYERS if text.startswith(("Max", "Avg"))][::2])
def test_gradients_of_gradients_are_pytorchs(text: str) -> None:
    torch = pytest.importorskip("torch")
    given, wanted = both(values(LAYERS[text]))
    [first] = gradients((made(text)(given) ** 3).sum(), [given], create_graph=True)
    (first**2).sum().backward()
    [first] = torch.autograd.grad((peer_of(text)(wanted) ** 3).sum(), [wanted], create_graph=True)
    (first**2).sum().backward()
    np.testing.assert_allclose(given.grad.data, wanted.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("first", [np.nan, -np.inf])
def test_nan_and_infinity_are_pooled_as_in_pytorch(axes: int, first: float) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([first, -np.inf, 1.0, -np.inf, -np.inf, -np.inf, np.inf, np.inf, 3.0, np.nan])
    x = x.reshape(1, 1, *(1,) * (axes - 1), 10)
    for kernel, padding in ((2, 0), (3, 1)):
        size, pads = (1,) * (axes - 1) + (kernel,), (0,) * (axes - 1) + (padding,)
        text = f"MaxPool{axes}d({size}, padding={pads}, return_indices=True)"
        given, wanted = both(x)
        (y, places), (z, theirs) = made(text)(given), peer_of(text)(wanted)
        np.testing.assert_array_equal(y.data, z.detach().numpy())
        g = np.arange(1.0, y.size + 1).reshape(y.shape)
        y.backward(g)
        z.backward(torch.tensor(g))
        np.testing.assert_array_equal(given.grad.data, wanted.grad.numpy())
        np.testing.assert_array_equal(places, theirs.numpy())


# --- without PyTorch ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", some_quick([*LAYERS][::2], 3), ids=str)
def test_gradients_are_those_of_differences(text: str) -> None:
    report = check(lambda x: (made(text)(x) ** 2).sum(), values(LAYERS[text]))
    assert report.ok, report


def test_pools_of_squares_are_means_and_maxima_of_blocks() -> None:
    x = values((2, 3, 4, 6))
    blocks = x.reshape(2, 3, 2, 2, 3, 2)
    np.testing.assert_allclose(nn.AvgPool2d(2)(x).data, blocks.mean((3, 5)), rtol=1e-14)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(x).data, blocks.max((3, 5)))
    roots = np.sqrt((blocks**2).sum((3, 5)))
    np.testing.assert_allclose(nn.LPPool2d(2, 2)(x).data, roots, rtol=1e-14)
    np.testing.assert_allclose(
        nn.AdaptiveAvgPool2d((2, 3))(x).data, nn.AvgPool2d(2)(x).data, rtol=1e-14
    )


def test_the_first_of_equal_elements_receives_the_gradient() -> None:
    x = Tensor(np.zeros((1, 1, 4, 4)), requires_grad=True)
    nn.MaxPool2d(2)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.data[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_of_overlapping_windows_an_element_receives_all_gradients() -> None:
    x = Tensor([[[0.0, 5.0, 1.0, 2.0]]], requires_grad=True)
    nn.MaxPool1d(2, 1)(x).backward(np.array([[[1.0, 10.0, 100.0]]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[[0.0, 11.0, 0.0, 100.0]]]


def test_nan_is_the_largest() -> None:
    x = np.array([[[np.nan, 1.0, 2.0, np.nan, 3.0, 4.0]]])
    y = nn.MaxPool1d(2)(x).data
    np.testing.assert_array_equal(y, [[[np.nan, np.nan, 4.0]]])


def test_windows_of_many_elements_have_their_places() -> None:
    x = Tensor(values((2, 1, 20, 30)), requires_grad=True)
    y, places = nn.MaxPool2d(20, 10, return_indices=True)(x)
    y.sum().backward()
    assert x.grad is not None
    for n, place in np.ndindex(2, 2):
        window = x.data[n, 0, :, 10 * place : 10 * place + 20]
        assert y.data[n, 0, 0, place] == window.max()
        assert x.data[n, 0].ravel()[places[n, 0, 0, place]] == window.max()
    assert x.grad.data.sum() == 4


def test_an_infinite_gradient_goes_to_one_element_alone() -> None:
    x = Tensor(values((1, 1, 4)), requires_grad=True)
    nn.MaxPool1d(2)(x).backward(np.array([[[np.inf, 1.0]]]))
    assert x.grad is not None
    assert sorted(x.grad.data[0, 0].tolist()) == [0.0, 0.0, 1.0, np.inf]


@pytest.mark.parametrize("text", ["MaxPool2d(2)", "AvgPool2d(2)", "LPPool2d(2, 2)",
                                  "AdaptiveAvgPool2d(2)", "AdaptiveMaxPool2d(2)"])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(text: str, dtype: Any) -> None:
    x = Tensor(values((2, 3, 4, 4)).astype(dtype), requires_grad=True)
    y = made(text)(x)
    y.sum().backward()
    assert x.grad is not None
    assert y.dtype == x.grad.dtype == dtype


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MaxPool2d(0)", "kernel_size must be a whole number, or 2 of at least 1, not 0"),
        ("MaxPool2d(2, 0)", "stride must be"),
        ("MaxPool2d(2, 2, 2)", "padding=2 is more than half of kernel_size=2"),
        ("MaxPool2d(2, dilation=0)", "dilation must be"),
        ("AvgPool1d((2, 3))", "kernel_size must be a whole number of at least 1, not (2, 3)"),
        ("AvgPool2d(2, padding=-1)", "padding must be"),
        ("AvgPool2d(2, divisor_override=0)", "divides by zero"),
        ("LPPool2d(0, 2)", "no root"),
        ("AdaptiveAvgPool2d((1, 2, 3))", "output_size must be one number or None, or 2 of them"),
        ("AdaptiveMaxPool1d(-1)", "output_size must be"),
        ("MaxUnpool3d('2')", "kernel_size must be"),
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
        ("MaxPool2d(2)", (4, 4), "expects (N, C, H, W) or (C, H, W), got (4, 4)"),
        ("AvgPool1d(2)", (1, 1, 4, 4), "expects (N, C, L) or (C, L), got (1, 1, 4, 4)"),
        ("AvgPool3d(2)", (4, 4), "expects (N, C, D, H, W) or (C, D, H, W), got (4, 4)"),
        ("LPPool1d(2, 2)", (4,), "expects (N, C, L) or (C, L), got (4,)"),
        ("AdaptiveAvgPool2d(2)", (4, 4), "expects (N, C, H, W) or (C, H, W), got (4, 4)"),
        ("MaxPool2d(5)", (1, 1, 4, 4), "do not fit"),
        ("AdaptiveMaxPool1d(2)", (1, 1, 0), "nothing to pool"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(text: str, shape: Any, said: str) -> None:
    layer = made(text)
    with pytest.raises(ShapeError) as caught:
        nn.Sequential(layer)(np.zeros(shape))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"0 = {layer!r}: ")


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf, -math.inf])
def test_the_slope_of_a_window_of_zeros_is_zero(p: float) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = both(np.array([[[0.0, 0.0, 1.0, 2.0, 0.0, 3.0]]]))
    torch.nn.LPPool1d(p, 2)(theirs).sum().backward()
    nn.LPPool1d(p, 2)(ours).sum().backward()
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8])
@pytest.mark.parametrize("ceil", [False, True])
def test_whole_numbers_are_pooled_with_padding(dtype: Any, ceil: bool) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 5, (2, 3, 6, 7)).astype(dtype)
    x[0] = np.iinfo(dtype).min
    how: Any = {"stride": 2, "padding": 1, "ceil_mode": ceil, "return_indices": True}
    wanted, at = torch.nn.functional.max_pool2d(torch.tensor(x), 3, **how)
    found, places = F.max_pool2d(x, 3, **how)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.data, wanted.numpy())
    np.testing.assert_array_equal(np.asarray(places), at.numpy())
