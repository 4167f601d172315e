"""Findings about hidden units: dead, saturated, all alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.doctor.measurements import Measurements
from tinygrad_bp.doctor.report import Finding, Severity, counted
from tinygrad_bp.doctor.watching import Activation
from tinygrad_bp.nn import Linear

__all__ = ["alike_units", "dead_relu", "idle_share", "nothing_between", "saturated"]


# --- dead and saturated -----------------------------------------------------------------------

# In a deep net with PyTorch's initialisers biases outweigh what comes through, and half of the
# units are 0 on any batch; chance adds two standard deviations of a coin's. Three quarters are
# more than that.
DEAD = 0.75

# Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks
# (2010), figure 2: layers whose units sit at -1 and 1 stop learning. At tanh = 0.97 and at
# sigmoid = 0.985 the slope is 6 % of the largest. A trained layer may have half of its units there.
SATURATED = 0.75
EDGE = 0.97


def idle_share(activation: Activation) -> float:
    """Return the share of units that are dead (relu), or of outputs at the edge (others)."""
    if activation.kind == "relu":
        return _dead_share(activation.output)[0]
    y = np.asarray(activation.output, float)
    squashed = 2 * y - 1 if activation.kind == "sigmoid" else y
    return float(np.mean(np.abs(squashed) > EDGE)) if y.size else 0.0


def _dead_share(y: Any) -> tuple[float, int]:
    """The share of units that are 0 in all examples, and how many units there are.

    A unit is a channel of an image; of sequences it is a channel or a feature, whichever has
    fewer dead ones.
    """
    alive = np.asarray(y) != 0
    if alive.ndim < 2 or not alive.size:
        return 0.0, 1
    shares = []
    for unit in (1, 2) if alive.ndim == 3 else (1,):
        is_alive = np.moveaxis(alive, unit, -1).reshape(-1, alive.shape[unit]).any(axis=0)
        shares.append((1 - float(is_alive.mean()), is_alive.size))
    return min(shares)


def dead_relu(m: Measurements) -> Finding | None:
    """Units that are 0 on the whole batch: they get no gradient."""
    if m.subject.size < 4:
        return None
    found: dict[str, tuple[float, int]] = {}
    for activation in m.hidden_activations:
        if activation.kind == "relu":
            share, units = _dead_share(activation.output)
            if share >= max(DEAD, 0.5 + 2 / math.sqrt(units)) or share == 1:
                found[activation.where] = max(found.get(activation.where, (0, 0)), (share, units))
    if not found:
        return None
    worst, units = max(found.values())
    return Finding(
        "dead-relu", Severity.WRONG if worst == 1 else Severity.DOUBTFUL, "most ReLUs are dead",
        f"{worst:.0%} of {units} units are 0 in all {m.subject.size} examples.",
        "A unit that is always 0 has slope 0 and gets no gradient, so it stays like that.",
        "nn.init.zeros_(layer.bias)  # and a lower lr; or nn.LeakyReLU()",
        tuple(name for name in found if name),
    )  # fmt: skip


def saturated(m: Measurements) -> Finding | None:
    """Hidden sigmoids and tanhs at the edge of their range."""
    found: dict[str, tuple[float, str]] = {}
    for activation in m.hidden_activations:
        if activation.kind != "relu" and (share := idle_share(activation)) >= SATURATED:
            found[activation.where] = share, activation.kind
    if not found:
        return None
    worst, kind = max(found.values())
    return Finding(
        "saturated", Severity.DOUBTFUL, f"most outputs of {kind} are saturated",
        f"{worst:.0%} of them are where the slope is less than 6 % of the largest.",
        "Hardly any gradient passes, so the layers below learn slowly or not at all.",
        "nn.init.xavier_uniform_(layer.weight)  # smaller weights; or scale the inputs",
        tuple(name for name in found if name),
    )  # fmt: skip


def nothing_between(m: Measurements) -> Finding | None:
    """Two fully connected layers with nothing in between, that could be one.

    Where the numbers between them are fewer than before and after, it is a bottleneck, and meant.
    """
    calls = [call for call in m.forward.watch.calls if type(call.module) is Linear]
    for one in calls:
        readers = [two for two in calls if any(a is one.output for a in two.inputs)]
        if len(readers) != 1:
            continue
        width, ends = one.output.shape[-1], (one.inputs[0].shape[-1], readers[0].output.shape[-1])
        if width >= min(ends):
            return _one_layer(one.name, readers[0].name, (ends[0], width, ends[1]))
    return None


def _one_layer(first: str, second: str, sizes: tuple[int, int, int]) -> Finding:
    return Finding(
        "nothing-between", Severity.DOUBTFUL, "two linear layers with nothing in between",
        f"What '{first}' gives goes into '{second}' as it is: from {sizes[0]} to {sizes[1]} to "
        f"{sizes[2]} numbers.",
        "Together they are one linear layer, however many weights they have.",
        "nn.ReLU()  # between them", (first, second),
    )  # fmt: skip


# --- symmetry ---------------------------------------------------------------------------------


def alike_units(m: Measurements) -> Finding | None:
    """Units that begin alike, and have gradients alike: they stay alike for ever.

    Goodfellow, Bengio and Courville, Deep learning (2016), section 8.4: initial parameters need to
    break symmetry. A layer of zeros before the output does no harm: its gradients differ.
    """
    layers = {name for name, _, _ in m.weights}
    named = {n: p for n, p in m.parameters.items() if n.rpartition(".")[0] in layers and p.ndim > 1}
    sizes = [float(np.abs(g).max(initial=0)) for g in m.step.gradients.values() if g is not None]
    rounding = 1e-6 * max(sizes, default=0.0)
    alike = tuple(
        name
        for name, p in named.items()
        if p.shape[0] > 1
        and _rows_alike(p.data, 0, 0)
        and (g := m.step.gradients.get(name)) is not None
        and _rows_alike(g, 1e-5, rounding)
    )
    if not alike or not _is_a_cause(m, alike):
        return None
    zero = all(not m.parameters[name].data.any() for name in alike)
    return Finding(
        "alike-units", Severity.WRONG,
        f"all units of a layer are alike{': its weights are 0' if zero else ''}",
        f"{counted(len(alike), 'weight')} with equal rows, and gradients with equal rows.",
        "Units that begin alike and are moved alike stay one and the same unit.",
        "nn.init.kaiming_uniform_(layer.weight)  # never constants, but for biases", alike,
    )  # fmt: skip


def _rows_alike(array: Any, share: float, rounding: float) -> bool:
    rows = array.reshape(len(array), -1)
    return bool(np.abs(rows - rows[:1]).max() <= share * np.abs(rows).max() + rounding)


def _is_a_cause(m: Measurements, alike: tuple[str, ...]) -> bool:
    """Whether it is more than an output layer that begins at 0, on targets that are alike."""
    last = m.weights[-1][0] if m.weights else ""
    return any(name.rpartition(".")[0] != last for name in alike) or (
        len(m.weights) == 1 and any(m.step.gradients[name].any() for name in alike)
    )
