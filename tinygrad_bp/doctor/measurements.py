"""What is measured of a subject, each thing once, whoever asks for it first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.doctor.fitting import Fitting
from tinygrad_bp.doctor.keeping import Kept
from tinygrad_bp.doctor.losses import Kind, baseline_of, kind_of, least_of
from tinygrad_bp.doctor.subject import Subject
from tinygrad_bp.doctor.watching import Activation, Watch
from tinygrad_bp.engine import topological_order
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.modes import no_grad
from tinygrad_bp.nn import Embedding, EmbeddingBag, Module
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["Measurements", "Pass", "Step", "rms", "spread"]


def rms(array: Any) -> float:
    """Return the root mean square of an array, 0 for an empty one."""
    values = np.abs(array).astype(np.float64)
    return math.sqrt(float(np.mean(values * values))) if values.size else 0.0


def spread(array: Any) -> float:
    """Return the standard deviation of an array, 0 for an empty one."""
    wide = np.asarray(array) * np.float64(1)
    return rms(wide - wide.mean()) if wide.size else 0.0


@dataclass
class Pass:
    """A forward pass: its output and loss, or what was raised on the way to either."""

    watch: Watch
    output: Any = None
    cost: Any = None
    of_model: Exception | None = None
    of_loss: Exception | None = None


@dataclass
class Step:
    """A backward pass and one step of the optimiser, by names of parameters."""

    gradients: dict[str, Any] = field(default_factory=dict)
    """The gradient of each parameter that tracks; None where none arrived."""
    outside: list[Tensor] = field(default_factory=list)
    """Leaves that track and are not the model's."""
    ratios: dict[str, float] = field(default_factory=dict)
    """The size of the first update over that of the parameter."""
    error: Exception | None = None


def _number(cost: Any) -> float:
    """A loss as a number; nan if it is not one."""
    if cost is None or np.size(cost) != 1:
        return math.nan
    return float(cost.item() if isinstance(cost, Tensor) else cost)


def _is_within(name: str, holder: str) -> bool:
    """Whether one full name is that of a part of another."""
    return name != holder and (not holder or name.startswith(f"{holder}."))


class Measurements:
    """All that findings look at. Whatever calls the model begins from where it was."""

    def __init__(self, subject: Subject, kept: Kept, fitting: Fitting) -> None:
        self.subject = subject
        self.parameters = subject.named_parameters()
        self.optimized = {
            id(p): group
            for group in (subject.optimizer.param_groups if subject.optimizer else ())
            for p in group.parameters
        }
        self.left_over = [
            name for name, p in self.parameters.items()
            if p.backward_passes and not p.gradient_used
        ]  # fmt: skip
        self.modules = dict(subject.model.named_modules())
        self.modes = {name: module.training for name, module in self.modules.items()}
        self.fitting = fitting
        self._kept = kept

    # --- the forward pass -------------------------------------------------------------------

    @cached_property
    def forward(self) -> Pass:
        """The model and the loss as they are called in training."""
        self._kept.begin_again()
        found = Pass(Watch(self.subject.model))
        try:
            found.output = found.watch.call(self.subject.output)
        except Exception as error:
            found.of_model = error
            return found
        try:
            found.cost = found.watch.call(lambda: self.subject.cost(found.output))
        except Exception as error:
            found.of_loss = error
        return found

    @cached_property
    def output(self) -> Any:
        """The output as an array, or None if there are several."""
        found = leaves(self.forward.output)
        return array_of(found[0]) if len(found) == 1 and hasattr(found[0], "shape") else None

    @property
    def target(self) -> Any:
        """The targets as an array, or None if there are none or several."""
        return self.subject.target()

    @cached_property
    def start(self) -> float:
        """The loss of the first pass."""
        return _number(self.forward.cost)

    # --- the loss ---------------------------------------------------------------------------

    def loss_of(self, output: Any, subject: Subject | None = None) -> float:
        """The loss of a made-up output; nan where it is not defined."""
        dtype = self.output.dtype if self.output is not None else np.float64
        try:
            with no_grad():
                return _number((subject or self.subject).cost(Tensor(np.asarray(output, dtype))))
        except Exception:  # (a loss of the user's may raise anything where it is not defined)
            return math.nan

    @cached_property
    def kind(self) -> Kind:
        """What the loss takes for outputs."""
        if self.output is None or self.target is None or not math.isfinite(self.start):
            return Kind.OTHER
        return kind_of(self.loss_of, self.output.shape, self.target)

    @cached_property
    def baseline(self) -> float | None:
        """The loss of whoever knows nothing of the input."""
        if self.kind is Kind.OTHER:
            return None
        found = baseline_of(self.kind, self.loss_of, self.output.shape, self.target)
        return found if found is not None and math.isfinite(found) else None

    @cached_property
    def least(self) -> float:
        """About the lowest loss that there can be."""
        if self.kind is Kind.OTHER:
            return 0.0
        return least_of(self.kind, self.loss_of, self.output.shape, self.target)

    @cached_property
    def is_summed(self) -> bool:
        """Whether the loss adds up over the examples of the batch."""
        half = self.subject.size // 2
        if self.output is None or half < 2 or self.subject.axis_of(self.output) is None:
            return False
        outputs = self.subject.with_inputs(self.output)
        ratio = [
            self.loss_of(part.inputs, part)
            for part in (outputs.part(range(2 * half)), outputs.part(range(half)))
        ]
        other = outputs.part(range(half, 2 * half))
        total = ratio[1] + self.loss_of(other.inputs, other)
        return bool(abs(ratio[0] - total) < 1e-3 * abs(total))

    # --- the backward pass, and one step ----------------------------------------------------

    @cached_property
    def step(self) -> Step:
        """Gradients of the loss, and what the optimiser's first step does with them."""
        cost, found = self.forward.cost, Step()
        known = {id(p) for p in self.parameters.values()}
        order = topological_order(cost)
        leaf = {id(x): x for op in order for x in op.sources() if x.op is None}
        found.outside = [x for x in leaf.values() if id(x) not in known and x.requires_grad]
        self._kept.keep_tensors(found.outside)
        cost.backward()
        tracked = {name: p for name, p in self.parameters.items() if p.requires_grad}
        found.gradients = {
            name: None if p.grad is None else np.array(p.grad.data) for name, p in tracked.items()
        }
        self._take_step(found, tracked)
        self._kept.begin_again()
        return found

    def _take_step(self, found: Step, tracked: dict[str, Tensor]) -> None:
        if self.subject.optimizer is None:
            return
        moved = {n: p for n, p in tracked.items() if id(p) in self.optimized}
        before = {name: np.array(p.data) for name, p in moved.items()}
        try:
            self.fitting.move(self.subject)
        except (OptimizerError, ArithmeticError) as error:
            found.error = error
            return
        for name, p in moved.items():
            size = rms(before[name])
            found.ratios[name] = rms(p.data - before[name]) / size if size else math.nan

    @cached_property
    def weights(self) -> list[tuple[str, Module, Tensor]]:
        """Layers with a weight of two or more axes, in the order in which they are called.

        Not tables of embeddings: most of their rows are in no batch. Not what holds other layers:
        its own parameters, such as places that are added to words, are not for what it is given.
        """
        found: dict[str, tuple[str, Module, Tensor]] = {}
        for call in self.forward.watch.calls:
            own = [t for t in vars(call.module).values() if isinstance(t, Tensor)]
            own = [t for t in own if t.trainable and t.ndim > 1]
            if own:
                found.setdefault(call.name, (call.name, call.module, own[0]))
        holders = {name for name in found for other in found if _is_within(other, name)}
        return [
            (name, module, weight)
            for name, module, weight in found.values()
            if name not in holders and not isinstance(module, Embedding | EmbeddingBag)
        ]

    def activation_after(self, name: str) -> Activation | None:
        """Return the activation of what a layer with a weight gave first."""
        watch, names = self.forward.watch, {name for name, _, _ in self.weights}
        at = next(i for i, call in enumerate(watch.calls) if call.name == name)
        later = (i for i in range(at + 1, len(watch.calls)) if watch.calls[i].name in names)
        until = next(later, len(watch.calls))
        return next((a for a in watch.activations if at < a.after <= until), None)

    def name_of(self, tensor: Tensor) -> str:
        """Return what the model calls a parameter."""
        return next((name for name, p in self.parameters.items() if p is tensor), "")

    @cached_property
    def output_activation(self) -> Activation | None:
        """The activation that the output comes out of, if there is one."""
        last = self.forward.watch.activations[-1:]
        if self.output is None or not last or last[0].output.size != self.output.size:
            return None
        return last[0] if np.array_equal(last[0].output.ravel(), self.output.ravel()) else None

    @property
    def hidden_activations(self) -> list[Activation]:
        """Those that are not the output."""
        output = self.output_activation
        return [a for a in self.forward.watch.activations if a is not output]

    @cached_property
    def two_steps(self) -> tuple[bool, int, Exception | None]:
        """What the user's own step does, called twice.

        Whether parameters moved, how many backward passes their gradients are of, what it raised.
        """
        self._kept.begin_again()
        trained = [p for p in self.parameters.values() if p.requires_grad]
        before = [np.array(p.data) for p in trained]
        error: Exception | None = None
        try:
            for _ in range(2):
                self.subject.step(self.subject.inputs, self.subject.targets)  # type: ignore[misc]
        except OptimizerError as refused:
            error = refused
        moved = any((p.data != b).any() for p, b in zip(trained, before, strict=True))
        return moved, max((p.backward_passes for p in trained), default=0), error

    # --- other inputs -----------------------------------------------------------------------

    def evaluated(self, inputs: Any) -> Any:
        """The output in evaluation mode for other inputs of the same shape, or None."""
        self._kept.begin_again()
        return self._evaluated(self.subject.with_inputs(inputs))

    def _evaluated(self, subject: Subject) -> Any:
        subject.model.eval()
        with no_grad():
            found = leaves(subject.output())
        return array_of(found[0]) if len(found) == 1 and hasattr(found[0], "shape") else None

    @cached_property
    def without_zeros(self) -> Any:
        """The output in evaluation mode if weights that are 0 were small numbers.

        Layers of zeros before the output, or at the end of a block, are a good beginning.
        """
        self._kept.begin_again()
        draw = np.random.default_rng(0)
        for p in self.parameters.values():
            if p.ndim > 1 and not p.data.any():
                p.data = draw.normal(scale=0.1, size=p.shape).astype(p.dtype)
        return self._evaluated(self.subject)

    @cached_property
    def evaluation(self) -> Any:
        """The output in evaluation mode."""
        return self.evaluated(self.subject.inputs)

    @cached_property
    def with_other_halves(self) -> list[tuple[range, Any]]:
        """The outputs when one half of the batch is replaced by the other, and which half stays."""
        half, size = self.subject.size // 2, self.subject.size
        first, second, rest = range(half), range(half, 2 * half), range(2 * half, size)
        return [
            (kept, self.evaluated(self.subject.part([*kept, *kept, *rest]).inputs))
            for kept in (first, second)
        ]
