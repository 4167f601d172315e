"""More than 150 settings of layers, with the shape of what each is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import nn

__all__ = ["IMAGE", "LAYERS", "ROWS", "SERIES", "VOLUME", "made", "shaken"]

IMAGE, SERIES, VOLUME = (4, 4, 8, 7), (4, 4, 9), (4, 2, 5, 6, 4)
ROWS = (4, 6)


def convolutions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mode in ("zeros", "reflect", "replicate", "circular"):
        found[f"Conv1d {mode}"] = nn.Conv1d, (4, 6, 3), {"padding": 2, "padding_mode": mode}, SERIES
        found[f"Conv2d {mode}"] = (
            nn.Conv2d, (4, 6, (3, 2)), {"padding": (2, 1), "padding_mode": mode}, IMAGE,
        )  # fmt: skip
        found[f"Conv2d same {mode}"] = (
            nn.Conv2d, (4, 6, 4), {"padding": "same", "padding_mode": mode}, IMAGE)  # fmt: skip
    for stride in (1, 2, 3):
        for dilation in (1, 2):
            for groups in (1, 2, 4):
                how = {"stride": stride, "dilation": dilation, "groups": groups}
                name = f"{stride} {dilation} {groups}"
                found[f"Conv1d {name}"] = nn.Conv1d, (4, 8, 3), how, SERIES
                found[f"Conv2d {name}"] = nn.Conv2d, (4, 8, (3, 2)), how, IMAGE
                found[f"ConvTranspose1d {name}"] = nn.ConvTranspose1d, (4, 8, 3), how, SERIES
                found[f"ConvTranspose2d {name}"] = (
                    nn.ConvTranspose2d, (4, 8, (3, 2)), {**how, "padding": 1}, (4, 4, 3, 4),
                )  # fmt: skip
    found |= {
        "Conv1d valid": (nn.Conv1d, (4, 2, 3), {"padding": "valid", "bias": False}, SERIES),
        "Conv2d no bias": (nn.Conv2d, (4, 2, 3), {"bias": False}, IMAGE),
        "Conv3d": (nn.Conv3d, (2, 4, 2), {}, VOLUME),
        "Conv3d stride": (
            nn.Conv3d, (2, 4, (2, 3, 1)), {"stride": (1, 2, 1), "padding": 1}, VOLUME),
        "Conv3d same": (nn.Conv3d, (2, 4, 3), {"padding": "same", "groups": 2}, VOLUME),
        "ConvTranspose1d longer": (
            nn.ConvTranspose1d, (4, 2, 3), {"stride": 3, "output_padding": 2}, SERIES),
        "ConvTranspose2d longer": (
            nn.ConvTranspose2d, (4, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1},
            (4, 4, 5, 6)),
        "ConvTranspose2d dilated": (
            nn.ConvTranspose2d, (4, 2, 3), {"dilation": 2, "output_padding": 1}, (4, 4, 5, 6)),
        "ConvTranspose3d": (nn.ConvTranspose3d, (2, 4, 2), {"stride": 2}, (4, 2, 2, 3, 2)),
    }  # fmt: skip
    return found


def poolings() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ceil in (False, True):
        for padding in (0, 1):
            how = {"stride": 2, "padding": padding, "ceil_mode": ceil}
            for kind in ("Max", "Avg"):
                name = f"{kind} {padding} {ceil}"
                found[f"1d {name}"] = getattr(nn, f"{kind}Pool1d"), (3,), how, SERIES
                found[f"2d {name}"] = getattr(nn, f"{kind}Pool2d"), ((3, 2),), how, IMAGE
                found[f"3d {name}"] = getattr(nn, f"{kind}Pool3d"), (2,), how, VOLUME
            some = {**how, "count_include_pad": False}
            found[f"2d Avg without padding {padding} {ceil}"] = nn.AvgPool2d, (3,), some, IMAGE
    for size in (1, 2, 3):
        for kind in ("AdaptiveAvg", "AdaptiveMax"):
            found[f"1d {kind} {size}"] = getattr(nn, f"{kind}Pool1d"), (size,), {}, SERIES
            found[f"2d {kind} {size}"] = getattr(nn, f"{kind}Pool2d"), ((size, 4),), {}, IMAGE
    found |= {
        "MaxPool2d dilated": (nn.MaxPool2d, (2, 1), {"dilation": 2}, IMAGE),
        "AvgPool2d divisor": (nn.AvgPool2d, (2,), {"divisor_override": 3}, IMAGE),
        "AdaptiveAvgPool2d None": (nn.AdaptiveAvgPool2d, ((None, 3),), {}, IMAGE),
        "AdaptiveAvgPool3d": (nn.AdaptiveAvgPool3d, (2,), {}, VOLUME),
        "AdaptiveMaxPool3d": (nn.AdaptiveMaxPool3d, ((1, 2, 3),), {}, VOLUME),
        "LPPool2d": (nn.LPPool2d, (2, 2), {}, IMAGE),
    }
    return found


OTHERS: dict[str, Any] = {
    "Linear": (nn.Linear, (6, 3), {}, ROWS),
    "Linear no bias": (nn.Linear, (6, 3), {"bias": False}, ROWS),
    "Linear more axes": (nn.Linear, (7, 3), {}, IMAGE),
    "Linear more axes no bias": (nn.Linear, (7, 3), {"bias": False}, IMAGE),
    "BatchNorm1d": (nn.BatchNorm1d, (6,), {}, ROWS),
    "BatchNorm1d series": (nn.BatchNorm1d, (4,), {"eps": 1e-3}, SERIES),
    "BatchNorm1d plain": (nn.BatchNorm1d, (4,), {"affine": False}, SERIES),
    "BatchNorm2d": (nn.BatchNorm2d, (4,), {}, IMAGE),
    "BatchNorm2d plain": (nn.BatchNorm2d, (4,), {"affine": False}, IMAGE),
    "BatchNorm3d": (nn.BatchNorm3d, (2,), {}, VOLUME),
    "LayerNorm": (nn.LayerNorm, (6,), {}, ROWS),
    "LayerNorm two axes": (nn.LayerNorm, ((8, 7),), {"eps": 1e-3}, IMAGE),
    "LayerNorm no bias": (nn.LayerNorm, (7,), {"bias": False}, IMAGE),
    "LayerNorm plain": (nn.LayerNorm, (7,), {"elementwise_affine": False}, IMAGE),
    "GroupNorm": (nn.GroupNorm, (2, 4), {}, IMAGE),
    "GroupNorm rows": (nn.GroupNorm, (3, 6), {}, ROWS),
    "GroupNorm plain": (nn.GroupNorm, (4, 4), {"affine": False}, SERIES),
    "InstanceNorm1d": (nn.InstanceNorm1d, (4,), {}, SERIES),
    "InstanceNorm2d": (nn.InstanceNorm2d, (4,), {"affine": True}, IMAGE),
    "InstanceNorm2d running": (nn.InstanceNorm2d, (4,), {"track_running_stats": True}, IMAGE),
    "RMSNorm": (nn.RMSNorm, (7,), {}, IMAGE),
    "RMSNorm two axes": (nn.RMSNorm, ((8, 7),), {"eps": 1e-3}, IMAGE),
    "LocalResponseNorm": (nn.LocalResponseNorm, (3,), {}, IMAGE),
    "Dropout": (nn.Dropout, (0.5,), {}, ROWS),
    "Dropout2d": (nn.Dropout2d, (0.5,), {}, IMAGE),
    "AlphaDropout": (nn.AlphaDropout, (0.5,), {}, ROWS),
    "Flatten": (nn.Flatten, (), {}, IMAGE),
    "Flatten later": (nn.Flatten, (2,), {}, IMAGE),
    "Flatten between": (nn.Flatten, (1, 2), {}, IMAGE),
    "Unflatten": (nn.Unflatten, (1, (2, 3)), {}, ROWS),
    "Unflatten rest": (nn.Unflatten, (1, (2, -1)), {}, ROWS),
    "Identity": (nn.Identity, (), {}, ROWS),
    "Upsample nearest": (nn.Upsample, (), {"scale_factor": 2}, IMAGE),
    "Upsample nearest series": (nn.Upsample, (), {"size": 5}, SERIES),
    "Upsample exact": (nn.Upsample, (), {"size": (11, 5), "mode": "nearest-exact"}, IMAGE),
    "Upsample linear": (nn.Upsample, (), {"scale_factor": 1.5, "mode": "linear"}, SERIES),
    "Upsample bilinear": (nn.Upsample, (), {"scale_factor": 2, "mode": "bilinear"}, IMAGE),
    "Upsample corners": (
        nn.Upsample, (), {"size": (5, 11), "mode": "bilinear", "align_corners": True}, IMAGE),
    "Upsample bicubic": (nn.Upsample, (), {"size": (5, 11), "mode": "bicubic"}, IMAGE),
    "Upsample trilinear": (nn.Upsample, (), {"scale_factor": 2, "mode": "trilinear"}, VOLUME),
    "PixelShuffle": (nn.PixelShuffle, (2,), {}, IMAGE),
    "PixelUnshuffle": (nn.PixelUnshuffle, (2,), {}, (4, 2, 4, 6)),
    "ChannelShuffle": (nn.ChannelShuffle, (2,), {}, IMAGE),
    "ZeroPad2d": (nn.ZeroPad2d, (1,), {}, IMAGE),
    "ReflectionPad2d": (nn.ReflectionPad2d, ((1, 2, 0, 3),), {}, IMAGE),
    "ReplicationPad1d": (nn.ReplicationPad1d, (2,), {}, SERIES),
    "ConstantPad1d": (nn.ConstantPad1d, ((1, -2), 3.5), {}, SERIES),
    "Unfold": (nn.Unfold, ((2, 3),), {"padding": 1, "stride": 2}, IMAGE),
}  # fmt: skip

ACTIVATIONS: dict[str, Any] = {
    name: (getattr(nn, name), (), {}, IMAGE)
    for name in (
        "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
        "LeakyReLU", "LogSigmoid", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU",
        "Sigmoid", "Softmax2d", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    )
} | {
    "CELU alpha": (nn.CELU, (0.7,), {}, ROWS),
    "ELU alpha": (nn.ELU, (0.7,), {}, ROWS),
    "GELU tanh": (nn.GELU, ("tanh",), {}, ROWS),
    "GLU axis": (nn.GLU, (1,), {}, IMAGE),
    "Hardtanh limits": (nn.Hardtanh, (-0.3, 0.4), {}, ROWS),
    "PReLU channels": (nn.PReLU, (4,), {}, IMAGE),
    "Softmax": (nn.Softmax, (1,), {}, IMAGE),
    "Softmin": (nn.Softmin, (-1,), {}, IMAGE),
    "LogSoftmax": (nn.LogSoftmax, (2,), {}, IMAGE),
    "Softplus beta": (nn.Softplus, (2.0, 1.0), {}, ROWS),
    "Threshold": (nn.Threshold, (0.1, -3.0), {}, ROWS),
}  # fmt: skip


def recurrent() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        for layers in (1, 2):
            for both in (False, True):
                how = {"num_layers": layers, "bidirectional": both, "batch_first": True}
                found[f"{kind.__name__} {layers} {both}"] = kind, (9, 3), how, SERIES
        found[f"{kind.__name__} no bias"] = (
            kind,
            (9, 3),
            {"bias": False, "batch_first": True},
            SERIES,
        )
        found[f"{kind.__name__}Cell"] = getattr(nn, f"{kind.__name__}Cell"), (6, 3), {}, ROWS
        found[f"{kind.__name__}Cell no bias"] = (
            getattr(nn, f"{kind.__name__}Cell"), (6, 3), {"bias": False}, ROWS)  # fmt: skip
    relu = {"nonlinearity": "relu", "batch_first": True}
    projected = {"proj_size": 2, "batch_first": True}
    return found | {
        "RNN relu": (nn.RNN, (9, 3), relu, SERIES),
        "RNNCell relu": (nn.RNNCell, (6, 3), {"nonlinearity": "relu"}, ROWS),
        "LSTM projected": (nn.LSTM, (9, 3), projected, SERIES),
        "LSTM projected both": (
            nn.LSTM, (9, 3), {**projected, "bidirectional": True, "num_layers": 2}, SERIES),
    }  # fmt: skip


TRANSFORMERS: dict[str, Any] = {
    f"TransformerEncoderLayer {first} {activation}": (
        nn.TransformerEncoderLayer, (8, 2, 12),
        {"norm_first": first, "activation": activation, "batch_first": True}, (4, 5, 8))
    for first in (False, True) for activation in ("relu", "gelu")
}  # fmt: skip

LAYERS = {**convolutions(), **poolings(), **OTHERS, **ACTIVATIONS, **recurrent(), **TRANSFORMERS}
WITHOUT_DTYPE = {"PReLU", "PReLU channels"}


def made(name: str, dtype: Any) -> tuple[Any, tuple[int, ...]]:
    """Return a layer that is `shaken`, and the shape of what it takes."""
    kind, args, options, shape = LAYERS[name]
    try:
        model = kind(*args, **options, dtype=dtype, rng=np.random.default_rng(2))
    except TypeError:
        try:
            model = kind(*args, **options, dtype=dtype)
        except TypeError:
            model = kind(*args, **options)
    return shaken(model), shape


def shaken(model: Any, seed: int = 1) -> Any:
    """A model in evaluation mode whose tensors are none of them at their start."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = (p.data + 0.1 * rng.standard_normal(p.shape)).astype(p.dtype)
    for b in model.buffers():
        if b.dtype.kind == "f":
            b.data = np.abs(b.data + 0.3 * rng.standard_normal(b.shape)).astype(b.dtype)
    return model.eval()
