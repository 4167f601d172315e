"""Findings about what the model gives and the loss takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.doctor.losses import Kind, at_the_labels, for_classes
from tinygrad_bp.doctor.measurements import Measurements, spread
from tinygrad_bp.doctor.report import Finding, Severity
from tinygrad_bp.nn import normalization

__all__ = ["bottomless_loss", "constant_output", "loss_not_finite", "loss_not_scalar",
           "mixed_examples", "no_graph", "not_log_probabilities", "probabilities_for_logits",
           "softmax_over_batch", "starting_loss", "summed_loss", "unreachable_targets"]  # fmt: skip


# --- the loss itself --------------------------------------------------------------------------


def loss_not_scalar(m: Measurements) -> Finding | None:
    """A loss that is not one number."""
    cost = m.forward.cost
    if cost is not None and np.size(cost) == 1:
        return None
    return Finding(
        "loss-not-scalar", Severity.WRONG, "the loss is not one number",
        "It is None." if cost is None else f"It has shape {np.shape(cost)}.",
        "Steepest descent is that of one number.",
        "loss(model(x), y).mean()  # or reduction='mean' in the loss",
    )  # fmt: skip


def loss_not_finite(m: Measurements) -> Finding | None:
    """A loss that is nan or infinite at the start."""
    if math.isfinite(m.start):
        return None
    where, function = m.forward.watch.first_not_finite or ("", "the loss")
    return Finding(
        "loss-not-finite", Severity.WRONG, "the loss is not finite",
        f"It is {m.start}; {function} is the first to give nan or infinity.",
        "No gradient can be taken of it.",
        "with bp.trace_nans(): loss(model(x), y).backward()  # says where, and why",
        (where,) if where else (),
    )  # fmt: skip


def no_graph(m: Measurements) -> Finding | None:
    """A loss that depends on nothing that can be trained."""
    if getattr(m.forward.cost, "requires_grad", False):
        return None
    frozen = not any(p.requires_grad for p in m.parameters.values())
    return Finding(
        "no-graph", Severity.WRONG, "no gradient can come back from the loss",
        "Every parameter is frozen." if frozen
        else "The loss does not depend on any parameter that tracks gradients.",
        "Then backward() raises, and nothing is trained.",
        "model.requires_grad_(True)" if frozen
        else "loss(model(x), y)  # with no argmax(), no_grad(), .data, .item() or detach() before",
    )  # fmt: skip


def summed_loss(m: Measurements) -> Finding | None:
    """A loss that grows with the batch, and its gradient with it; some rates are right for it."""
    if m.kind is Kind.OTHER or not m.is_summed:
        return None
    return Finding(
        "summed-loss", Severity.NOTE,
        "the loss is a sum over the batch",
        f"It is {m.start:.4g} for {m.subject.size} examples, {m.start / m.subject.size:.4g} for "
        "each.",
        "Gradients grow with the batch, so the learning rate holds for one batch size alone.",
        "loss = nn.CrossEntropyLoss()  # reduction='mean'" if m.kind is Kind.LOGITS
        else "loss(model(x), y) / len(x)  # or reduction='mean'",
    )  # fmt: skip


def bottomless_loss(m: Measurements) -> Finding | None:
    """A loss that falls without end, though targets are classes, or yes and no.

    A sign is wrong, or targets are -1 and 1 where 0 and 1 are wanted.
    """
    z, y = m.output, m.target
    if z is None or y is None or not y.size:
        return None
    straight = m.kind is Kind.LOG_PROBABILITIES
    sides = y.shape == z.shape and bool(np.isin(y, (-1, 0, 1)).all())
    lowest = _lowest_of_a_line(m) if straight else _lowest(m, sides=sides)
    return None if not lowest else Finding(
        "bottomless-loss", Severity.WRONG, "the loss falls without end",
        f"At outputs of about 1,000 it gets to {lowest:.3g}.",
        "It is least where the model is wrong, or sure beyond measure: a sign is wrong, or the "
        "targets are not those that the loss wants.",
        "loss = nn.NLLLoss()  # the minus is in it" if straight
        else "y = (y + 1) / 2  # the loss wants 0 and 1" if sides and y.min() < 0
        else "loss(model(x), y)  # without the minus",
    )  # fmt: skip


def _lowest_of_a_line(m: Measurements) -> float:
    """What log-probabilities of -1,000 for the right classes give, if that is the best there is."""
    return 0.0 if _punishes(m) else m.loss_of(-1e3 * at_the_labels(m.output, m.target))


def _lowest(m: Measurements, *, sides: bool) -> float:
    """The lowest loss at large outputs, 0 where it does not go on falling."""
    z, y = m.output, m.target
    if m.kind is not Kind.OTHER or z.min() >= 0:
        return 0.0  # (a loss of distances need not be defined below 0)
    if not (sides or y.dtype.kind in "iu") or (not sides and _punishes(m)):
        return 0.0
    draw = np.random.default_rng(0).normal(size=z.shape)
    ways = [draw, -draw, *([s * np.where(y > 0, 1.0, -1.0) for s in (1, -1)] if sides else [])]
    return min((m.loss_of(1e3 * way) for way in ways if _falls_for_ever(m, way)), default=0.0)


ASKED = 10  # examples


def _punishes(m: Measurements) -> bool:
    """Whether the loss grows where one of some examples is surely wrong, and it alone.

    A policy's loss falls for actions that were bad, and grows for good ones.
    """
    z, y = m.output, m.target
    if not for_classes(z, y):
        return False
    wrong, at_zero = -1e3 * at_the_labels(z, y), m.loss_of(0 * z)
    for i in np.linspace(0, len(z) - 1, ASKED).astype(int):
        one = np.zeros(z.shape)
        one[i] = wrong[i]
        if m.loss_of(one) > at_zero:
            return True
    return False


def _falls_for_ever(m: Measurements, way: Any) -> bool:
    """Whether the loss goes down a straight line in the end, and not from the start.

    A loss that is a straight line everywhere, such as a critic's, is meant to be.
    """
    near = [m.loss_of(t * way) for t in (0, 1, 2)]
    far = [m.loss_of(t * way) for t in (50, 100, 200)]
    bends = abs(near[2] - 2 * near[1] + near[0]) > 1e-3 * abs(near[2] - near[0])
    falls = far[2] < far[1] < far[0] < min(0, near[0])
    return bends and falls and abs(2 * (far[1] - far[0]) / (far[2] - far[1]) - 1) < 0.05


# --- what it takes for outputs ----------------------------------------------------------------


def _class_axis(z: Any) -> int:
    return 1 if z.ndim > 2 else -1


def _are_probabilities(z: Any) -> bool:
    """Whether numbers along the axis of classes are a distribution."""
    total = z.sum(axis=_class_axis(z), dtype=float)
    return bool(z.min() >= 0 and np.allclose(total, 1, atol=1e-4))


def _are_log_probabilities(z: Any) -> bool:
    return bool(z.max() <= 0 and _are_probabilities(np.exp(z.astype(float))))


def _made_by(m: Measurements) -> tuple[tuple[str, ...], str]:
    """The module that gave the output last, and its class."""
    found = [c for c in m.forward.watch.calls if c.name and np.array_equal(c.output, m.output)]
    return ((found[0].name,), type(found[0].module).__name__) if found else ((), "")


def probabilities_for_logits(m: Measurements) -> Finding | None:
    """Softmax or sigmoid before a loss that applies it itself; relu, which cuts half off."""
    if m.kind not in {Kind.LOGITS, Kind.YES_OR_NO_LOGITS} or not m.output.size:
        return None
    classes = m.kind is Kind.LOGITS and m.output.shape[_class_axis(m.output)] > 1
    if classes and _are_probabilities(m.output):
        return _twice(m, "softmax")
    if classes and _are_log_probabilities(m.output):
        return _logarithms(m)
    activation = m.output_activation
    if activation is None:
        return None
    if activation.kind == "sigmoid" or (activation.kind == "tanh" and classes):
        return _twice(m, activation.kind)
    return _cut_off(m) if activation.kind == "relu" else None


def _twice(m: Measurements, function: str) -> Finding:
    where, kind = _made_by(m)
    if m.kind is Kind.YES_OR_NO_LOGITS:
        least, loss = math.log1p(math.exp(-1)), "binary_cross_entropy_with_logits"
    else:
        others = m.output.shape[_class_axis(m.output)] - 1
        span = 2 if function == "tanh" else 1  # from -1 to 1
        least, loss = math.log1p(others * math.exp(-span)), "cross_entropy"
    return Finding(
        "probabilities-for-logits", Severity.WRONG,
        f"{function} before a loss that wants logits",
        f"The outputs go from {m.output.min():.3g} to {m.output.max():.3g}"
        + (", and add up to 1 for each example." if function == "softmax" else "."),
        f"{loss} squashes them itself: of these, it cannot fall below {least:.3g}, and learns "
        "slowly.",
        f"F.{function}(model(x){', axis=-1' if function == 'softmax' else ''})  # where you want "
        f"probabilities, and leave {f'nn.{kind}()' if kind and where else function} out of the "
        "model",
        where,
    )  # fmt: skip


def _logarithms(m: Measurements) -> Finding:
    return Finding(
        "probabilities-for-logits", Severity.NOTE, "log_softmax before cross_entropy",
        "The outputs are logarithms of probabilities already.",
        "cross_entropy takes log_softmax itself. Twice is the same as once, and costs time.",
        "loss = nn.NLLLoss()  # or leave log_softmax out", _made_by(m)[0],
    )  # fmt: skip


def _cut_off(m: Measurements) -> Finding:
    return Finding(
        "probabilities-for-logits", Severity.WRONG, "relu before a loss that wants logits",
        f"{np.mean(m.output == 0):.0%} of the outputs are 0, and none is below.",
        "Logits below 0 are how a model says no, and an output that is 0 gets no gradient.",
        "nn.Linear(...)  # comes last; leave the ReLU after it out", _made_by(m)[0],
    )  # fmt: skip


def not_log_probabilities(m: Measurements) -> Finding | None:
    """Logits, or probabilities, given to nll_loss."""
    if m.kind is not Kind.LOG_PROBABILITIES or _are_log_probabilities(m.output):
        return None
    if m.output.shape[_class_axis(m.output)] < 2:
        return None
    are = "probabilities" if _are_probabilities(m.output) else "logits"
    total = np.exp(m.output.astype(float)).sum(axis=_class_axis(m.output)).mean()
    return Finding(
        "not-log-probabilities", Severity.WRONG, f"{are} are given to nll_loss",
        f"exp(output) adds up to {total:.3g} for an example, and should add up to 1.",
        "It wants logarithms of probabilities; of anything else, the loss falls without end.",
        "loss = nn.CrossEntropyLoss()" if are == "logits"
        else "F.log_softmax(z, axis=-1)  # in the place of softmax",
    )  # fmt: skip


def softmax_over_batch(m: Measurements) -> Finding | None:
    """A softmax whose outputs add up to 1 over the examples, and not over the classes."""
    z = m.output
    if z is None or z.ndim < 2 or not z.size or m.subject.axis_of(z) != 0 or _pairs(z, m):
        return None
    shares = z if z.min() >= 0 else np.exp(np.minimum(z, 1).astype(float))
    if min(m.subject.size, z.shape[_class_axis(z)]) < 2 or _are_probabilities(shares):
        return None
    if not np.allclose(shares.sum(axis=0, dtype=float), 1, atol=1e-4):
        return None
    where, kind = _made_by(m)
    return Finding(
        "softmax-over-batch", Severity.WRONG, "softmax is taken over the batch",
        f"The shares of a class add up to 1 over the {m.subject.size} examples, and those of an "
        "example do not.",
        "Examples then compete with one another, where classes should.",
        f"nn.{kind}(dim={_class_axis(z)})" if where and "Softmax" in kind
        else f"F.{'log_' if shares is not z else ''}softmax(z, axis={_class_axis(z)})", where,
    )  # fmt: skip


def unreachable_targets(m: Measurements) -> Finding | None:
    """Targets beyond what the last activation can give."""
    activation, y = m.output_activation, m.target
    if m.kind is not Kind.DISTANCE or activation is None or not y.size:
        return None
    low = {"relu": 0.0, "sigmoid": 0.0, "tanh": -1.0}[activation.kind]
    high = {"relu": math.inf, "sigmoid": 1.0, "tanh": 1.0}[activation.kind]
    room = 1e-3  # rounding, and numbers that were squashed before
    beyond = float(np.mean((y < low - room) | (y > high + room)))
    if not beyond:
        return None
    return Finding(
        "unreachable-targets", Severity.WRONG,
        f"there are targets that {activation.kind} cannot reach",
        f"{beyond:.0%} of the targets, from {y.min():.3g} to {y.max():.3g}, are not between "
        f"{low:g} and {high:g}.",
        "The outputs end up at the edge, where there is no slope.",
        f"nn.Linear(...)  # comes last; leave {activation.kind} out, or scale the targets",
        _made_by(m)[0],
    )  # fmt: skip


# Karpathy, A recipe for training neural networks (2019): "verify loss @ init". A loss one above
# that of a guess gives the right class e times less than a guess does. PyTorch's initialisers
# begin within 0.2 of it, and nets whose last layer reads large numbers at 1 to 1.5 above.
ABOVE, FAR_ABOVE = 1.0, 2.0


def starting_loss(m: Measurements) -> Finding | None:
    """A loss above that of whoever guesses."""
    if m.kind not in {Kind.LOGITS, Kind.YES_OR_NO_LOGITS} or m.baseline is None:
        return None
    share = m.subject.size if m.is_summed else 1
    start, guess = m.start / share, m.baseline / share
    if start < guess + ABOVE:
        return None
    classes = m.output.shape[_class_axis(m.output)]
    said = f"ln {classes} = " if math.isclose(guess, math.log(classes), rel_tol=1e-3) else ""
    return Finding(
        "starting-loss", Severity.DOUBTFUL if start > guess + FAR_ABOVE else Severity.NOTE,
        "the loss begins above that of a guess",
        f"It is {start:.3g}, and equal logits give {said}{guess:.3g}. The outputs have spread "
        f"{spread(m.output):.3g}.",
        "The model is sure of wrong answers, and unlearns them first; or the labels are wrong.",
        f"with no_grad(): last_layer.weight.data *= {0.5 / spread(m.output):.1g}  # and check that "
        "x and y belong together",
    )  # fmt: skip


# --- the output as a function of the input ----------------------------------------------------


def constant_output(m: Measurements) -> Finding | None:
    """The same output for every example."""
    if m.subject.size < 2 or not (
        _is_constant(m, m.evaluation) and _is_constant(m, m.without_zeros)
    ):
        return None
    rows = np.moveaxis(m.evaluation, m.subject.axis_of(m.evaluation) or 0, 0)
    return Finding(
        "constant-output", Severity.WRONG, "the output does not depend on the input",
        f"All {m.subject.size} examples give {np.array2string(rows[0].ravel()[:3], precision=3)}.",
        "It can learn how frequent the targets are, and nothing else.",
        "print(model(x).data.std(axis=0))  # 0 everywhere; look at each layer in the same way",
    )  # fmt: skip


def _is_constant(m: Measurements, z: Any) -> bool:
    """Whether an output is the same for all examples, but for rounding."""
    axis = None if z is None else m.subject.axis_of(z)
    if axis is None or not z.size:
        return False
    rows = np.moveaxis(z, axis, 0)
    return bool(np.abs(rows - rows[:1]).max() <= 1e-6 * np.abs(rows).max())


MIXED = 1e-3  # of the outputs' spread: sums in another order differ by a millionth


def mixed_examples(m: Measurements) -> Finding | None:
    """An example's output that changes with the other examples of the batch, in evaluation mode."""
    if m.subject.size < 4 or any(_uses_batch(module) for module in m.modules.values()):
        return None
    z = m.evaluation
    axis = None if z is None else m.subject.axis_of(z)
    if axis is None or any(_pairs(a, m) for a in (z, *(a for _, a in m.subject.arrays()))):
        return None
    moved = max(
        float(np.abs(np.take(z, kept, axis) - np.take(other, kept, axis)).max())
        for kept, other in m.with_other_halves
    )
    if not moved > MIXED * max(spread(z), 1e-12):
        return None
    where, write = _who_mixes(m)
    return Finding(
        "mixed-examples", Severity.WRONG, "examples of the batch get into one another",
        f"With other examples in one half of the batch, outputs of the other half change by up to "
        f"{moved:.2g}.",
        "Each prediction then depends on what else is in the batch.",
        write, where,
    )  # fmt: skip


def _who_mixes(m: Measurements) -> tuple[tuple[str, ...], str]:
    """The layers that go over axis 0, if that is it, and what to write."""
    for call in m.forward.watch.calls:
        if hasattr(call.module, "batch_first") and call.inputs and call.inputs[0].ndim == 2:
            one, many = ("None", ":, None") if call.module.batch_first else (":, None", "None")
            return (call.name,), f"x[{one}]  # two axes are one sequence; of several, x[{many}]"
    names = tuple(n for n, mod in m.modules.items() if _is_time_first(mod))
    if names:
        return names, f"{type(m.modules[names[0]]).__name__}(..., batch_first=True)"
    return (), "np.swapaxes(x, 1, 2)  # no reshape in the place of a transpose; axis 0 stays"


def _pairs(array: Any, m: Measurements) -> bool:
    """Whether an array has a number for each two examples: similarities, edges of a graph."""
    return bool(array.shape.count(m.subject.size) > 1)


def _is_time_first(module: Any) -> bool:
    return getattr(module, "batch_first", True) is False


def _uses_batch(module: Any) -> bool:
    """Whether a layer takes means over the batch even in evaluation mode."""
    batch_norm = isinstance(
        module, normalization.BatchNorm1d | normalization.BatchNorm2d | normalization.BatchNorm3d
    )
    return batch_norm and module.running_mean is None
