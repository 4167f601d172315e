"""Findings about gradients over the depth of a model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tinygrad_bp.doctor.fitting import ENOUGH
from tinygrad_bp.doctor.measurements import Measurements, rms, spread
from tinygrad_bp.doctor.report import Finding, Severity

__all__ = ["exploding", "gradient_not_finite", "vanishing", "vanishing_and_stuck"]

# Glorot and Bengio (2010), figures 7 and 9, and He and others, Delving deep into rectifiers (2015),
# section 2.2: a good initialiser keeps gradients of one size over the depth; a bad one multiplies
# them layer by layer. Usual nets of a few layers are within a hundred, so that ten thousand is
# the work of a wrong scale or of too many squashing layers.
# Measured on chains of 3 to 8 sigmoids, three seeds each: of 3 (3e-3) all learn; of 4 (3e-4), Adam
# learns in 100 steps, and SGD not in 400; of 5 and more (5e-5), SGD does not learn in 400, and Adam
# stays on a plateau for hundreds of steps but once.
VANISHING, VANISHING_AND_STUCK = 1e-4, 1e-3
EXPLODING = 1e4


def gradient_not_finite(m: Measurements) -> Finding | None:
    """Gradients that are nan or infinite, of a loss that is not."""
    bad = tuple(n for n, g in m.step.gradients.items() if g is not None and not _finite(g))
    if not bad:
        return None
    return Finding(
        "gradient-not-finite", Severity.WRONG, "gradients are not finite",
        f"Those of {len(bad)} parameters have nan or infinity, and the loss is {m.start:.4g}.",
        "step() refuses them.",
        "with bp.trace_nans(): loss(model(x), y).backward()  # says where, and why", bad,
    )  # fmt: skip


def _finite(array: object) -> bool:
    return bool(np.isfinite(array).all())  # type: ignore[call-overload]


class _Flow(NamedTuple):
    """Sizes at the first and at the last layer: of gradients backward, of outputs forward."""

    what: str
    layers: int
    first: tuple[str, float]
    last: tuple[str, float]

    @property
    def gain(self) -> float:
        """How many times as large it is where it arrives as where it comes from."""
        ratio = self.first[1] / self.last[1]
        return ratio if self.what == "gradient" else 1 / ratio

    def __str__(self) -> str:
        return (
            f"The {self.what} of the first of {self.layers} layers has size {self.first[1]:.1e}, "
            f"of the last {self.last[1]:.1e}."
        )


def _flows(m: Measurements) -> list[_Flow]:
    """Zeros are left out: they have causes of their own."""
    outputs = {call.name: call.output for call in m.forward.watch.calls}
    gradients, signals = [], []
    for name, _, weight in m.weights:
        gradient = m.step.gradients.get(m.name_of(weight))
        gradients.append((name, 0.0 if gradient is None else rms(gradient)))
        signals.append((name, spread(outputs[name])))
    found = []
    for what, sizes in (("gradient", gradients), ("output", signals)):
        moving = [(name, size) for name, size in sizes if size > 0 and math.isfinite(size)]
        if len(moving) > 2:
            found.append(_Flow(what, len(moving), moving[0], moving[-1]))
    return found


def vanishing(m: Measurements) -> Finding | None:
    """A first layer with a gradient far smaller than the last one's, or outputs that die out."""
    return _vanishing(m, VANISHING)


def vanishing_and_stuck(m: Measurements) -> Finding | None:
    """The same where it is less, but the user's optimiser does not get the loss down."""
    if m.subject.optimizer is None or m.fitting.own.fell_to(ENOUGH, m.fitting.reference):
        return None
    return _vanishing(m, VANISHING_AND_STUCK)


def _vanishing(m: Measurements, least: float) -> Finding | None:
    flow = next((flow for flow in _flows(m) if flow.gain < least), None)
    return flow and Finding(
        "vanishing-gradients", Severity.DOUBTFUL, f"{flow.what}s vanish from layer to layer",
        str(flow), "The first layers hardly move, and what they should find stays noise.",
        "nn.init.kaiming_normal_(layer.weight)  # with nn.ReLU(); or nn.LayerNorm, or x + block(x)",
        (flow.first[0], flow.last[0]),
    )  # fmt: skip


def exploding(m: Measurements) -> Finding | None:
    """A first layer with a gradient far larger than the last one's, or outputs that grow so."""
    flow = next((flow for flow in _flows(m) if flow.gain > EXPLODING), None)
    return flow and Finding(
        "exploding-gradients", Severity.DOUBTFUL, f"{flow.what}s explode from layer to layer",
        str(flow), "Any learning rate is too high for some layers, or too low for others.",
        "nn.init.kaiming_normal_(layer.weight)  # and optim.clip_grad_norm_(parameters, 1.0)",
        (flow.first[0], flow.last[0]),
    )  # fmt: skip
