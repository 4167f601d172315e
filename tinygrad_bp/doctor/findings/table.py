"""The table of findings: in order, causes first, and what each of them hides.

A finding is looked for unless one that would explain it was found. After a final one nothing more
is: without a loss there is nothing to measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinygrad_bp.doctor.findings import (
    activations,
    data,
    gradients,
    labels,
    learning,
    outputs,
    parameters,
)
from tinygrad_bp.doctor.measurements import Measurements
from tinygrad_bp.doctor.report import Finding

__all__ = ["CHECKS", "GIVEN", "Check"]


@dataclass(frozen=True)
class Check:
    """A finding to look for."""

    find: Callable[[Measurements], Finding | None]
    hidden_by: frozenset[str] = frozenset()
    """Names of findings that explain it."""
    final: bool = False
    """Whether nothing else can be measured once it is found."""
    fits: bool = False
    """Whether it tries to fit examples, which takes the most time."""


def _check(
    find: Callable[[Measurements], Finding | None],
    hidden_by: str = "",
    *,
    final: bool = False,
    fits: bool = False,
) -> Check:
    return Check(find, frozenset(hidden_by.split()), final, fits)


# What makes a model unable to learn, or its activations and gradients odd.
_DATA = "input-scale input-offset same-inputs target-scale"
_LOSS = (
    "probabilities-for-logits not-log-probabilities one-output labels-unused broadcast-targets "
    "labels-not-shares bottomless-loss missing-class softmax-over-batch "
)
_GRAPH = "no-gradient unregistered-parameters other-optimizer not-in-optimizer zero-rate "
_UNITS = "dead-relu saturated alike-units constant-output "
_FLOW = "vanishing-gradients exploding-gradients gradient-not-finite "
_REST = "mixed-examples unreachable-targets starting-loss weight-decay batch-norm-of-one dtype"

GIVEN = (
    _check(data.input_not_finite, final=True),
    _check(parameters.batch_norm_of_one, final=True),
    _check(labels.refused_by_the_loss, final=True),
)  # fmt: skip
"""What may be the reason why the model or the loss raises."""

CHECKS = (
    _check(outputs.loss_not_scalar, final=True),
    _check(data.same_inputs),
    _check(data.input_scale),
    _check(data.input_offset, "input-scale same-inputs"),
    _check(data.constant_features, "same-inputs input-scale input-offset"),
    _check(data.dtype),
    # whether there is anything to train
    _check(outputs.loss_not_finite, final=True),
    _check(outputs.no_graph, final=True),
    _check(gradients.gradient_not_finite, final=True),
    _check(labels.one_output, final=True),
    # who trains what
    _check(parameters.other_optimizer),
    _check(parameters.not_in_optimizer, "other-optimizer"),
    _check(parameters.strangers_in_optimizer, "other-optimizer not-in-optimizer"),
    _check(parameters.unregistered_parameters),
    _check(parameters.frozen_in_optimizer),
    _check(parameters.zero_rate),
    _check(parameters.no_gradient),
    _check(parameters.left_over_gradients),
    _check(parameters.evaluation_mode),
    _check(parameters.too_much_dropout),
    # what the loss is given
    _check(labels.broadcast_targets),
    _check(labels.labels_unused, "broadcast-targets same-inputs"),
    _check(labels.not_shares),
    _check(outputs.bottomless_loss, "labels-unused broadcast-targets"),
    _check(outputs.probabilities_for_logits),
    _check(outputs.softmax_over_batch),
    _check(outputs.not_log_probabilities, "softmax-over-batch bottomless-loss"),
    _check(outputs.unreachable_targets),
    _check(labels.target_scale, "unreachable-targets broadcast-targets"),
    _check(labels.missing_classes),
    _check(outputs.summed_loss),
    # what happens on the way
    _check(activations.alike_units, "no-gradient"),
    _check(activations.nothing_between),
    _check(activations.dead_relu, "input-scale input-offset same-inputs alike-units"),
    _check(activations.saturated, "input-scale input-offset same-inputs"),
    _check(gradients.vanishing, _UNITS + _DATA),
    _check(gradients.exploding, _UNITS + _DATA),
    _check(outputs.constant_output, "same-inputs " + _UNITS + _FLOW),
    _check(outputs.mixed_examples, "softmax-over-batch"),
    _check(outputs.starting_loss, _DATA + " saturated " + _FLOW + _LOSS),
    _check(parameters.weight_decay, _UNITS + _FLOW + _GRAPH + _LOSS),
    # whether it learns
    _check(learning.faulty_step, "other-optimizer"),
    _check(gradients.vanishing_and_stuck, " ".join([_DATA, _LOSS, _UNITS, _FLOW, _GRAPH]),
           fits=True),
    _check(learning.learning_rate, " ".join([_DATA, _LOSS, _GRAPH, _UNITS, _FLOW, _REST]),
           fits=True),
    _check(learning.cannot_overfit, " ".join([_DATA, _LOSS, _UNITS, _FLOW, _REST, _GRAPH]) +
           " learning-rate", fits=True),
)  # fmt: skip
