"""Multi-layer perceptrons as scikit-learn's estimators, for its pipelines, searches and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp import nn, optim
from tinygrad_bp.data import minibatches
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.modes import no_grad

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
except ImportError:  # then the classes can be looked at, and say what they need when they are made
    BaseEstimator, ClassifierMixin, RegressorMixin = (
        type("Absent", (), {"__module__": "sklearn.base"}) for _ in range(3)
    )

__all__ = ["Classifier", "Regressor"]

FLOATS = (np.float64, np.float32)
CHUNK = 5_000  # rows that are predicted at once


class _Perceptron(BaseEstimator):  # type: ignore[misc]
    """What both estimators are: options, training, outputs. Each adds its targets and its loss."""

    def __init__(
        self,
        hidden: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        lr: float = 0.02,
        momentum: float = 0.9,
        l2: float = 1e-4,
        epochs: int = 100,
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        random_state: Any = None,
    ) -> None:
        extra("sklearn")  # which says how to install it
        self.hidden = hidden
        self.activation = activation
        self.lr = lr
        self.momentum = momentum
        self.l2 = l2
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state

    # --- training -------------------------------------------------------------------------------

    def _begin(self, X: NDArray[Any], outputs: int) -> None:
        """Make what is trained, with weights drawn from `random_state`."""
        seed = extra("sklearn.utils").check_random_state(self.random_state).randint(2**31)
        self._rng = np.random.default_rng(seed)
        self._dtype = X.dtype
        self._center, self._scale = _standard(X)
        self.model_ = nn.MLP(
            X.shape[1],
            *np.ravel(self.hidden).tolist(),
            outputs,
            activation=self.activation,
            rng=self._rng,
            weight_init=nn.init.he if self.activation == "relu" else nn.init.glorot,
            dtype=X.dtype,
        )
        self._optimizer = optim.SGD(
            self.model_.named_parameters(),
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.l2,
        )
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []

    def _train(self, X: NDArray[Any], targets: NDArray[Any]) -> None:
        """Train for all epochs, or until the loss on examples held out no longer falls."""
        _check_whole("epochs", self.epochs)
        inputs = self._standardised(X)
        if not self.early_stopping:
            for _ in range(self.epochs):
                self._epoch(inputs, targets)
            return
        _check_whole("patience", self.patience)
        held = _held_out(len(inputs), self.validation_fraction, self._rng)
        best, state = math.inf, self.model_.state_dict()
        since = 0
        for _ in range(self.epochs):
            self._epoch(inputs[~held], targets[~held])
            loss = self._loss(self._raw(inputs[held]), targets[held]).item()
            self.validation_curve_.append(loss)
            since += 1
            if loss < best:
                best, state, since = loss, self.model_.state_dict(), 0
            if since == self.patience:
                break
        self.model_.load_state_dict(state)

    def _epoch(self, inputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Show the network every example once. `OptimizerError` if the loss is no longer finite."""
        total = 0.0
        with np.errstate(all="ignore"):  # what overflows on the way is seen by the optimiser
            for x, y in minibatches(inputs, targets, self.batch_size, self._rng):
                loss = self._loss(self.model_(x), y)
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                total += loss.item() * len(x)
        self.loss_curve_.append(total / len(inputs))

    def _loss(self, outputs: Any, targets: Any) -> Any:
        raise NotImplementedError

    # --- prediction -----------------------------------------------------------------------------

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return what the last layer gives for data that come from the user."""
        validation = extra("sklearn.utils.validation")
        validation.check_is_fitted(self, "model_")
        X = validation.validate_data(self, X, dtype=FLOATS, reset=False)
        return self._raw(self._standardised(X))

    def _raw(self, inputs: NDArray[Any]) -> NDArray[Any]:
        starts = range(0, len(inputs), CHUNK)
        with no_grad():
            parts = [self.model_(inputs[start : start + CHUNK]).data for start in starts]
        return np.concatenate(parts)

    def _standardised(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return inputs in the model's dtype, centred and scaled as those it was trained with."""
        return _standardised(X, self._center, self._scale, self._dtype)


class Classifier(ClassifierMixin, _Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that tells classes apart, by scikit-learn's rules for a classifier.

    `hidden` are the sizes of its hidden layers, with an `activation` by name: "relu", "sigmoid" or
    "tanh". It learns by mini-batches of `batch_size`, `epochs` times through the data, by gradient
    descent with momentum, of the cross-entropy; `l2` is the weight decay. The columns of X are
    centred and scaled to a variance of 1, as they are in the first data that it is given. With
    `early_stopping` a share of the examples is held out (`validation_fraction`); training ends when
    their loss has not fallen for `patience` epochs, and the best weights are kept.
    `random_state` decides everything that is drawn.

    Fitted, it has `classes_`, `model_` (an `nn.MLP` for standardised inputs), `loss_curve_`, the
    mean loss of every epoch, and `validation_curve_`.

    `fit` raises ValueError or TypeError, mostly as the library's own subclasses, for options out of
    range, and `OptimizerError` if training diverges.

    >>> from sklearn.datasets import load_iris  # doctest: +SKIP
    >>> X, y = load_iris(return_X_y=True)  # doctest: +SKIP
    >>> Classifier(hidden=16, random_state=0).fit(X, y).score(X, y) > 0.95  # doctest: +SKIP
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train anew on X (n, features) and classes y (n,)."""
        X, y = self._checked(X, y, first=True)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._begin(X, len(self.classes_))
        self._train(X, labels)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Go once through these data. The first call must name all `classes` there will be."""
        first = not hasattr(self, "model_")
        X, y = self._checked(X, y, first=first)
        if first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs classes=, all there will be.")
            self.classes_ = np.unique(classes)
            self._begin(X, len(self.classes_))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes!r} are not those of the calls before.")
        self._epoch(self._standardised(X), self._labels(y))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most likely class for each row."""
        outputs = self._outputs(X)
        predicted: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return predicted

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each of the `classes_`, (n, classes)."""
        shares: NDArray[Any] = F.softmax(self._outputs(X), axis=1).data
        return shares

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of each probability, (n, classes)."""
        logs: NDArray[Any] = F.log_softmax(self._outputs(X), axis=1).data
        return logs

    def _loss(self, outputs: Any, targets: Any) -> Any:
        return F.cross_entropy(outputs, targets)

    def _checked(self, X: Any, y: Any, *, first: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        X, y = extra("sklearn.utils.validation").validate_data(
            self, X, y, dtype=FLOATS, reset=first
        )
        extra("sklearn.utils.multiclass").check_classification_targets(y)
        return X, y

    def _labels(self, y: NDArray[Any]) -> NDArray[Any]:
        unknown = np.setdiff1d(y, self.classes_).tolist()
        if unknown:
            raise ValueError(f"y has the class {unknown[0]!r}, which is not in classes_.")
        return np.searchsorted(self.classes_, y)


class Regressor(RegressorMixin, _Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers, by scikit-learn's rules for a regressor.

    The options are those of `Classifier`; the loss is the mean squared error of targets that are
    centred and scaled to a variance of 1, as the columns of X are. There may be several targets.

    Fitted, it has `model_` (an `nn.MLP` for standardised inputs and targets), `loss_curve_` and
    `validation_curve_`. Raises what `Classifier` does.

    >>> X = np.linspace(-2, 2, 100).reshape(-1, 1)  # doctest: +SKIP
    >>> y = X[:, 0] ** 2  # doctest: +SKIP
    >>> Regressor(random_state=0).fit(X, y).score(X, y) > 0.99  # doctest: +SKIP
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train anew on X (n, features) and numbers y: (n,), or (n, targets)."""
        X, y = self._checked(X, y, first=True)
        self._begin_with(X, y)
        self._train(X, self._targets(y))
        return self

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Go once through these data."""
        first = not hasattr(self, "model_")
        X, y = self._checked(X, y, first=first)
        if first:
            self._begin_with(X, y)
        if y.shape[1:] != self._shape:
            raise ValueError(f"y has shape {y.shape}, and had {('n', *self._shape)} before.")
        self._epoch(self._standardised(X), self._targets(y))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the number for each row, (n,), or (n, targets) if there are several."""
        outputs = self._outputs(X)
        numbers = outputs * self._target_scale + self._target_center
        return numbers.reshape(-1, *self._shape).astype(outputs.dtype, copy=False)

    def _begin_with(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        self._shape = y.shape[1:]
        columns = y.reshape(len(y), -1)
        self._target_center, self._target_scale = _standard(columns)
        self._begin(X, columns.shape[1])

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return numbers as columns in the model's dtype, centred and scaled."""
        columns = y.reshape(len(y), -1)
        return _standardised(columns, self._target_center, self._target_scale, self._dtype)

    def _loss(self, outputs: Any, targets: Any) -> Any:
        return F.mse_loss(outputs, targets)

    def _checked(self, X: Any, y: Any, *, first: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        validation = extra("sklearn.utils.validation")
        X, y = validation.validate_data(
            self, X, y, dtype=FLOATS, reset=first, multi_output=True, y_numeric=True
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = validation.column_or_1d(y, warn=True)
        return X, y.astype(np.float64, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _standard(columns: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of columns and their standard deviations, 1 for what is constant."""
    center = columns.mean(axis=0, dtype=np.float64)
    scale = columns.std(axis=0, dtype=np.float64)
    tiny = 10 * np.finfo(columns.dtype).eps * np.abs(columns).max(axis=0)
    return center, np.where(scale > tiny, scale, 1.0)


def _standardised(
    columns: NDArray[Any], center: NDArray[Any], scale: NDArray[Any], dtype: Any
) -> NDArray[Any]:
    standard: NDArray[Any] = ((columns - center) / scale).astype(dtype, copy=False)
    return standard


def _held_out(n: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of n examples are held out, at least one and not all."""
    if not 0 < share < 1:
        raise ValueError(f"validation_fraction must be between 0 and 1, got {share!r}")
    count = math.ceil(n * share)
    if count >= n:
        raise ValueError(
            f"early stopping would hold out {count} of n_samples={n}, and leave nothing to learn "
            "from. Give more examples, or turn it off."
        )
    held = np.zeros(n, bool)
    held[rng.permutation(n)[:count]] = True
    return held


def _check_whole(name: str, value: Any) -> None:
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
