"""The estimators for scikit-learn: its own checks, and what those do not look at."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinygrad_bp.errors import ModuleError, OptimizerError, ShapeError
from tinygrad_bp.interop import Classifier, Regressor

BOTH = pytest.mark.parametrize("estimator", [Classifier, Regressor])


def iris():
    return load_iris(return_X_y=True)


def quick(estimator, **options):
    return estimator(**{"hidden": 8, "epochs": 5, "random_state": 0, **options})


@parametrize_with_checks([Classifier(), Regressor(), Classifier(early_stopping=True, patience=20)])
def test_scikit_learns_own_checks(estimator, check):
    with np.errstate(all="warn", under="ignore"):  # NumPy's own settings
        check(estimator)


# --- how well they learn --------------------------------------------------------------------------


def test_iris_is_learnt():
    X, y = iris()
    assert cross_val_score(Classifier(hidden=16, random_state=0), X, y).mean() > 0.93


def test_digits_are_learnt():
    X, y = load_digits(return_X_y=True)
    net = Classifier(epochs=20, random_state=0).fit(X[:1200], y[:1200])
    assert net.score(X[1200:], y[1200:]) > 0.9
    assert net.loss_curve_[-1] < 0.1 * net.loss_curve_[0]


def test_a_curve_is_learnt_whatever_its_scale_and_place():
    x = np.linspace(-2, 2, 200).reshape(-1, 1)
    for scale, place in (1, 0), (1e-6, 0), (1e6, 1e7):
        X, y = x * scale + place, np.square(x[:, 0]) * scale + place
        assert quick(Regressor, epochs=100, activation="tanh").fit(X, y).score(X, y) > 0.98


def test_several_numbers_are_learnt_at_once():
    x = np.linspace(-2, 2, 200).reshape(-1, 1)
    y = np.column_stack([np.sin(x), 100 + x, -x * x])
    net = quick(Regressor, epochs=100, hidden=(16, 16)).fit(x, y)
    assert net.predict(x).shape == y.shape
    assert net.score(x, y) > 0.98


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("hidden", [(), 8, (8, 8), [8], np.array([8, 8])])
def test_sizes_and_activations(hidden, activation):
    X, y = iris()
    net = quick(Classifier, hidden=hidden, activation=activation, epochs=60).fit(X, y)
    assert net.model_.sizes == (4, *np.ravel(hidden), 3)
    assert net.score(X, y) > 0.9


def test_weight_decay_keeps_weights_small():
    X, y = iris()
    nets = [quick(Classifier, epochs=50, l2=l2).fit(X, y).model_ for l2 in (0, 0.01, 0.1)]
    sizes = [sum(np.linalg.norm(p.data) for p in net.parameters()) for net in nets]
    assert sizes == sorted(sizes, reverse=True)


# --- what they give -------------------------------------------------------------------------------


def test_probabilities():
    X, y = iris()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    net = quick(Classifier).fit(X, names)
    shares = net.predict_proba(X)
    assert net.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), shares)
    assert np.array_equal(net.classes_[shares.argmax(axis=1)], net.predict(X))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_data_is_that_of_the_model(estimator, dtype):
    X, y = iris()
    net = quick(estimator).fit(X.astype(dtype), y)
    assert {p.dtype for p in net.model_.parameters()} == {np.dtype(dtype)}
    found = net.predict(X.astype(dtype)) if estimator is Regressor else net.predict_proba(X)
    assert found.dtype == dtype


def test_one_class_is_all_there_is():
    net = quick(Classifier).fit(np.random.default_rng(0).normal(size=(9, 2)), ["a"] * 9)
    assert net.predict([[5.0, 5.0]]) == ["a"]
    assert net.predict_proba([[5.0, 5.0]]) == [[1]]


@BOTH
def test_columns_that_do_not_vary(estimator):
    X, y = iris()
    X = np.column_stack([X, np.full(len(X), 0.1), np.zeros(len(X))])
    assert np.isfinite(quick(estimator).fit(X, y).predict(X).astype(float)).all()
    assert np.allclose(
        quick(Regressor, epochs=50).fit(X, np.full(len(X), 7.0)).predict(X), 7, atol=1
    )


# --- reproducible, searched, kept -----------------------------------------------------------------


@BOTH
def test_the_random_state_decides(estimator):
    X, y = iris()

    def fitted(state):
        return quick(estimator, random_state=state).fit(X, y).loss_curve_

    assert fitted(3) == fitted(3) == fitted(np.random.RandomState(3))
    assert fitted(3) != fitted(4)
    assert fitted(None) != fitted(None)


@BOTH
def test_options_are_cloned_and_set(estimator):
    net = estimator(hidden=(3, 4), lr=0.5, early_stopping=True)
    assert clone(net).get_params() == net.get_params()
    assert net.set_params(l2=3, hidden=7).get_params()["hidden"] == 7
    assert repr(estimator(lr=0.5)) == f"{estimator.__name__}(lr=0.5)"


@BOTH
def test_pipelines_and_searches(estimator):
    X, y = iris()
    rate = f"{estimator.__name__.lower()}__lr"
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick(estimator)), {rate: [1e-6, 0.05]}, cv=folds
    )
    assert search.fit(X, y).best_params_ == {rate: 0.05}


@BOTH
def test_a_pickle_predicts_the_same_and_learns_on_alike(estimator):
    X, y = iris()
    net = quick(estimator).fit(X, y)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict(X), net.predict(X))
    for one in net, again:
        one.partial_fit(X, y)
    assert again.loss_curve_ == net.loss_curve_
    assert len(net.loss_curve_) == 6


# --- a little at a time ---------------------------------------------------------------------------


def test_partial_fit_goes_once_through_the_data():
    X, y = iris()
    net = quick(Classifier)
    for epoch in range(1, 6):
        net.partial_fit(X, y, classes=[0, 1, 2])
        assert len(net.loss_curve_) == epoch
    assert net.loss_curve_ == quick(Classifier).fit(X, y).loss_curve_
    net.partial_fit(X[:3], y[:3])  # one class of three
    with pytest.raises(ValueError, match="class 7"):
        net.partial_fit(X[:3], [0, 1, 7])
    with pytest.raises(ValueError, match="not those of the calls before"):
        net.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="needs classes="):
        quick(Classifier).partial_fit(X, y)


def test_partial_fit_of_a_regressor_keeps_its_scales():
    X, y = load_diabetes(return_X_y=True)
    net = quick(Regressor)
    for _ in range(5):
        net.partial_fit(X, y)
    assert net.loss_curve_ == quick(Regressor).fit(X, y).loss_curve_
    with pytest.raises(ValueError, match="y has shape"):
        net.partial_fit(X, np.column_stack([y, y]))


# --- early stopping -------------------------------------------------------------------------------


@BOTH
def test_early_stopping_keeps_the_best_weights(estimator):
    X, y = iris()
    y = np.random.default_rng(0).permutation(y)  # nothing to be learnt: the loss soon rises
    net = quick(
        estimator, epochs=300, hidden=50, early_stopping=True, patience=5, validation_fraction=0.3
    ).fit(X, y)
    curve = net.validation_curve_
    assert len(curve) == len(net.loss_curve_) < 300
    assert len(curve) == 1 + int(np.argmin(curve)) + 5
    shorter = quick(
        estimator, epochs=len(curve) - 5, hidden=50, early_stopping=True, patience=300,
        validation_fraction=0.3,
    ).fit(X, y)  # fmt: skip
    assert np.array_equal(shorter.predict(X), net.predict(X))


def test_nothing_left_to_learn_from():
    with pytest.raises(ValueError, match="hold out 1 of n_samples=1"):
        quick(Regressor, early_stopping=True).fit([[1.0]], [1.0])


# --- what is refused ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"hidden": 0}, ShapeError),
        ({"activation": "softplus"}, ModuleError),
        ({"lr": 0}, OptimizerError),
        ({"lr": np.nan}, OptimizerError),
        ({"momentum": -1}, OptimizerError),
        ({"l2": -1}, OptimizerError),
        ({"epochs": 0}, ValueError),
        ({"epochs": 2.5}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"early_stopping": True, "patience": 0}, ValueError),
        ({"early_stopping": True, "validation_fraction": 1}, ValueError),
    ],
)
def test_options_out_of_range(estimator, options, error):
    X, y = iris()
    net = estimator(**options)  # scikit-learn wants no checks here
    with pytest.raises(error):
        net.fit(X, y)


@BOTH
def test_a_run_that_diverges_says_so(estimator):
    X, y = iris()
    with pytest.raises(OptimizerError):
        quick(estimator, lr=1e9, activation="relu", epochs=200).fit(X, y)


@BOTH
def test_nothing_is_predicted_before_fit(estimator):
    with pytest.raises(NotFittedError):
        estimator().predict([[1.0]])
