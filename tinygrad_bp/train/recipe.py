"""What decides how a network is trained, apart from the examples."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import data, functional, nn, optim
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.nn.mlp import ACTIVATIONS
from tinygrad_bp.optim import lr_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "COSTS", "INITIALIZERS", "SCHEDULES", "TRANSFORMS", "Recipe"]

COSTS: dict[str, Callable[..., Any]] = {
    "sum_squares": functional.sum_squares,
    "half_sum_squares": functional.half_sum_squares,
    "cross_entropy": functional.cross_entropy,
}
INITIALIZERS = {
    "scaled": nn.init.scaled,
    "he": nn.init.he,
    "glorot": nn.init.glorot,
    "normal": nn.init.normal,
}
SCHEDULES = ("constant", "step", "cosine")
TRANSFORMS: dict[str, Callable[..., data.Distortion] | None] = {
    "none": None,
    "affine": functools.partial(
        data.Affine, rotation=10.0, scaling=0.1, shear=0.1, translation=1.0
    ),
    "elastic": data.Elastic,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The choices that make a training run, each of them a number or a name.

    Raises `ValueError` for a name that is not in the tables above or a number out of range.

    >>> Recipe(epochs=3).lr
    1.5
    """

    hidden: tuple[int, ...] = (16, 16)
    """Sizes of the hidden layers."""
    activation: str = "sigmoid"
    """Of the hidden layers. With a cost of squares the outputs are sigmoids, otherwise logits."""
    cost: str = "sum_squares"
    """What is made small: "sum_squares", "half_sum_squares" or "cross_entropy"."""
    initializer: str = "scaled"
    """Of the weights. Biases start at zero, except with "normal": then they are N(0, 1), too."""
    lr: float = 1.5
    """The learning rate, above 0."""
    momentum: float = 0.0
    """How much of the step before goes into a step: from 0 to below 1."""
    weight_decay: float = 0.0
    """What part of each weight is added to its gradient, 0 or more."""
    schedule: str = "constant"
    """"step": a tenth of the rate after each third of the run; "cosine": down to zero along half
    a cosine wave, a little after every mini-batch."""
    transform: str = "none"
    """How the images of each batch are distorted, anew each epoch: `data.Affine` turns, scales and
    shifts them a little, `data.Elastic` bends them."""
    batch_size: int = 100
    """Examples in a mini-batch."""
    epochs: int = 10
    """How often every example is seen."""
    seed: int = 0
    """Of the first weights and of the order of the examples."""
    dtype: str = "float32"
    """Of the weights and of all that is computed with them: "float32" or "float64"."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))  # JSON gives a list
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        allowed: dict[str, Iterable[str]] = {
            "activation": ACTIVATIONS,
            "cost": COSTS,
            "initializer": INITIALIZERS,
            "schedule": SCHEDULES,
            "transform": TRANSFORMS,
            "dtype": ("float32", "float64"),
        }
        for name, names in allowed.items():
            if (value := getattr(self, name)) not in tuple(names):
                raise ValueError(f"{name} must be one of {', '.join(names)}, got {value!r}")

    def _check_numbers(self) -> None:
        rates = (self.lr, self.momentum, self.weight_decay)
        if not (
            0 < self.lr < math.inf and 0 <= self.momentum < 1 and 0 <= self.weight_decay < math.inf
        ):
            raise ValueError(
                "lr must be positive, momentum at least 0 and below 1, and weight_decay 0 or more, "
                "got {}, {} and {}".format(*rates)
            )
        *sizes, seed = map(_whole, (*self.hidden, self.batch_size, self.epochs, self.seed))
        if min(sizes) < 1 or seed < 0:
            raise ValueError(
                "layers, batch_size and epochs must be whole numbers from 1 up, and seed from 0 "
                f"up, got {self.hidden}, {self.batch_size}, {self.epochs} and {self.seed}"
            )

    # --- what it makes --------------------------------------------------------------------------

    def network(self, inputs: int, classes: int, rng: np.random.Generator) -> nn.MLP:
        """Return an untrained network that takes (n, inputs) to (n, classes)."""
        normal = self.initializer == "normal"
        return nn.MLP(
            inputs,
            *self.hidden,
            classes,
            activation=ACTIVATIONS[self.activation](),
            output_activation=None if self.cost == "cross_entropy" else nn.Sigmoid(),
            rng=rng,
            weight_init=INITIALIZERS[self.initializer],
            bias_init=nn.init.normal if normal else nn.init.zeros,
            dtype=self.dtype,
        )

    def optimizer(self, model: nn.Module) -> optim.SGD:
        """Return what updates the model's parameters."""
        return optim.SGD(
            model.named_parameters(),
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def rates(self, optimizer: optim.SGD, batches: int) -> lr_scheduler.FormulaLR | None:
        """Return what changes the learning rate after every mini-batch; None if it is constant.

        `batches` is how many there are in an epoch.
        """
        steps = self.epochs * batches
        if self.schedule == "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        if self.schedule == "step":
            return lr_scheduler.StepLR(optimizer, step_size=math.ceil(steps / 3))
        return None

    def distortion(self, inputs: int) -> data.Distortion | None:
        """Return what distorts rows of so many pixels; None if nothing does.

        Raises `ShapeError` if they are not those of square images.
        """
        distortion = TRANSFORMS[self.transform]
        if distortion is None:
            return None
        side = math.isqrt(inputs)
        if side * side != inputs:
            raise ShapeError(
                f"transform={self.transform!r} distorts square images, and the inputs have "
                f"{inputs} features. Leave it out"
            )
        return distortion(shape=(side, side))

    def targets(self, labels: NDArray[Any], classes: int) -> NDArray[Any]:
        """Return labels (n,) as the cost wants them: unchanged, or as rows with a 1 at the label.

        >>> Recipe().targets(np.array([2, 0]), 3)
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
        """
        if self.cost == "cross_entropy":
            return labels
        rows: NDArray[Any] = np.eye(classes, dtype=self.dtype)[labels]
        return rows


def _whole(number: Any) -> int:
    """Return a whole number, whatever its type; -1 for what is not one."""
    try:
        return operator.index(number)
    except TypeError:
        return -1
