"""`examine`: look at a model, a loss, an optimiser and a batch, and say what to change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_bp.doctor.findings.activations import idle_share
from tinygrad_bp.doctor.findings.table import CHECKS, GIVEN, Check
from tinygrad_bp.doctor.fitting import Fitting
from tinygrad_bp.doctor.keeping import Kept, left_as_it_was
from tinygrad_bp.doctor.losses import Kind
from tinygrad_bp.doctor.measurements import Measurements, rms, spread
from tinygrad_bp.doctor.report import Layer, Report, Severity
from tinygrad_bp.doctor.subject import Subject, subject_of
from tinygrad_bp.nn import Module

__all__ = ["examine"]


def examine(
    model: Module,
    loss: Callable[..., Any],
    optimizer: Any,
    x: Any,
    y: Any = None,
    *,
    step: Callable[..., Any] | None = None,
    batch_axis: int | None = None,
    fit: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Examine a model on a batch, and return a report of what is wrong with it and what to write.

    The loss is called as `loss(model(x), y)`, or `loss(model(x))` without targets; inputs that are
    a tuple or a dict are the model's arguments. The optimiser may be None. `step(x, y)` is a
    training step of your own, to be looked at as well. The examples lie along `batch_axis`, 0
    unless layers want time first. The batch should be one of training, of 32 examples or more; of
    more than 1,000, so many are examined.

    The model is in the state and mode in which it is trained, and is left exactly as it was, with
    the optimiser, gradients and random streams, whatever happens. With `fit`, up to 20 examples
    are learnt by heart, which takes a second or two. `progress` is called as (done, total).

    Raises `ModuleError` and `OptimizerError` for arguments that are none, `ShapeError` for an empty
    batch, and what the model and the loss raise, unless that is a finding itself.

    >>> import numpy as np
    >>> from tinygrad_bp import nn, optim
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1))
    >>> x, y = np.random.default_rng(0).normal(size=(32, 2)), np.arange(32) % 3
    >>> report = examine(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), x, y)
    >>> report.ok, report.findings[0].name, report.findings[0].where
    (False, 'probabilities-for-logits', ('1',))
    """
    subject = subject_of(model, loss, optimizer, x, y, step=step, batch_axis=batch_axis)
    roots = [model, *([loss] if isinstance(loss, Module) else [])]
    kept = Kept(roots, optimizer, [loss, step])
    return left_as_it_was(kept, lambda: _examined(subject, kept, fit=fit, progress=progress))


def _examined(
    subject: Subject, kept: Kept, *, fit: bool, progress: Callable[[int, int], None] | None
) -> Report:
    m = Measurements(subject, kept, Fitting(subject, kept, progress))
    report = Report(_in_words(subject))
    if _looked_for(GIVEN, m, report, fit=fit):
        return report
    for error in (m.forward.of_model, m.forward.of_loss):
        if error is not None:
            raise error
    m.fitting.prepare(m.baseline, m.least, summed=m.is_summed)
    final = _looked_for(CHECKS, m, report, fit=fit)
    report.findings.sort(key=lambda finding: list(Severity).index(finding.severity))
    if not final:
        report.facts, report.layers = _facts(m, report, fit=fit), _layers(m)
    return report


def _looked_for(checks: Iterable[Check], m: Measurements, report: Report, *, fit: bool) -> bool:
    """Look for findings, and return whether a final one is among them."""
    for check in checks:
        hidden = any(found.name in check.hidden_by for found in report.findings if found.matters)
        found = None if hidden or (check.fits and not fit) else check.find(m)
        if found is None:
            continue
        report.findings.append(found)
        if check.final and found.matters:
            report.stopped = "The rest was not examined: change this first."
            return True
    return False


# --- what was measured ------------------------------------------------------------------------


def _in_words(subject: Subject) -> str:
    parameters = subject.named_parameters().values()
    optimizer = subject.optimizer
    parts = [
        f"{type(subject.model).__name__} of {sum(p.size for p in parameters):,} parameters",
        f"a batch of {subject.size:,}"
        + (f" of the {subject.given:,} examples" if subject.given > subject.size else ""),
    ]
    if optimizer is not None:
        rates = dict.fromkeys(f"{group['lr']:g}" for group in optimizer.param_groups)
        parts.append(f"{type(optimizer).__name__}(lr={' and '.join(rates)})")
    return ", ".join(parts)


def _facts(m: Measurements, report: Report, *, fit: bool) -> list[str]:
    start = f"The loss begins at {m.start:.4g}"
    if m.baseline is not None:
        start += f"; {_GUESSES.get(m.kind, 'a guess')} gives {m.baseline:.4g}"
    facts = [f"{start}."]
    if fit and report.ok and not vars(m.fitting).keys().isdisjoint(("own", "by_adam")):
        best = m.fitting.best
        facts.append(
            f"On {m.fitting.subject.size} examples it goes from {best.start:.4g} to {best.end:.4g} "
            f"in {len(best.losses) - 1} steps of {best.by}."
        )
    return facts


_GUESSES = {
    Kind.LOGITS: "a guess among all classes alike",
    Kind.YES_OR_NO: "a probability of one half",
    Kind.YES_OR_NO_LOGITS: "a probability of one half",
    Kind.DISTANCE: "always saying the mean",
}


def _layers(m: Measurements) -> list[Layer]:
    """A row for each layer with a weight that gets a gradient."""
    outputs = {call.name: call.output for call in reversed(m.forward.watch.calls)}
    rows = []
    for name, module, weight in m.weights:
        parameter = m.name_of(weight)
        gradient = m.step.gradients.get(parameter)
        activation = m.activation_after(name)
        rows.append(
            Layer(
                name,
                type(module).__name__,
                output=spread(outputs[name]),
                idle=None if activation is None else idle_share(activation),
                gradient=0.0 if gradient is None else rms(gradient),
                ratio=_finite(m.step.ratios.get(parameter)),
            )
        )
    return rows


def _finite(ratio: float | None) -> float | None:
    """A weight that is 0 has no ratio."""
    return None if ratio is None or not math.isfinite(ratio) else ratio
