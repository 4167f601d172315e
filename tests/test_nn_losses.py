"""Losses as modules: PyTorch's values and gradients under all their options."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick import some_quick
from twins import assert_equal, assert_twins

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import check

DRAW = np.random.default_rng(11)
X, Y = DRAW.normal(size=(2, 4, 3))
P, Q = DRAW.uniform(0.05, 0.95, (2, 4, 3))
SIGNS = np.sign(DRAW.normal(size=4))
MANY_SIGNS = np.sign(DRAW.normal(size=(4, 3)))
LABELS = np.array([2, 0, 1, 2])
PLACES = DRAW.integers(0, 3, (2, 5))
IMAGE = DRAW.normal(size=(2, 3, 5))
SHARES = P / P.sum(axis=1, keepdims=True)
LOGS = np.log(SHARES)
LISTED = np.array([[0, 2, -1], [1, -1, 0], [-1, 0, 1], [2, 1, 0]])
WEIGHTS = np.array([0.5, 2.0, 1.25])
TRIPLE = DRAW.normal(size=(3, 4, 5))

# A loss, its inputs, how many of them get gradients, and its options but for `reduction`.
Case = tuple[str, tuple[Any, ...], int, dict[str, Any]]
CASES: list[Case] = [
    ("MSELoss", (X, Y), 2, {}),
    ("L1Loss", (X, Y), 2, {}),
    ("SmoothL1Loss", (X, Y), 2, {}),
    ("SmoothL1Loss", (X, Y), 2, {"beta": 0.25}),
    ("SmoothL1Loss", (X, Y), 2, {"beta": 0.0}),
    ("HuberLoss", (X, Y), 2, {}),
    ("HuberLoss", (X, Y), 2, {"delta": 0.25}),
    ("PoissonNLLLoss", (X, 3 * P), 1, {}),
    ("PoissonNLLLoss", (X, 3 * P), 1, {"full": True}),
    ("PoissonNLLLoss", (P, 3 * Q), 1, {"log_input": False, "full": True, "eps": 0.01}),
    ("GaussianNLLLoss", (X, Y, P), 3, {}),
    ("GaussianNLLLoss", (X, Y, P[:, :1]), 3, {"full": True}),
    ("GaussianNLLLoss", (X, Y, P[:, 0]), 3, {"eps": 0.01}),
    ("CrossEntropyLoss", (X, LABELS), 1, {}),
    ("CrossEntropyLoss", (X, LABELS), 1, {"ignore_index": 2}),
    ("CrossEntropyLoss", (X, np.array([2, -100, 1, -100])), 1, {}),
    ("CrossEntropyLoss", (X, np.array([2, -100, 1, -100])), 1, {"label_smoothing": 0.2}),
    ("CrossEntropyLoss", (X, LABELS), 1, {"weight": WEIGHTS}),
    ("CrossEntropyLoss", (X, LABELS), 1, {"weight": WEIGHTS, "label_smoothing": 0.1}),
    ("CrossEntropyLoss", (X, SHARES), 2, {}),
    ("CrossEntropyLoss", (X, SHARES), 2, {"weight": WEIGHTS, "label_smoothing": 0.1}),
    ("CrossEntropyLoss", (IMAGE, PLACES), 1, {"weight": WEIGHTS, "ignore_index": 1}),
    ("CrossEntropyLoss", (X[0], np.array(1)), 1, {"label_smoothing": 0.3}),
    ("NLLLoss", (LOGS, LABELS), 1, {}),
    ("NLLLoss", (LOGS, np.array([-100, 0, 1, 2])), 1, {"weight": WEIGHTS}),
    ("NLLLoss", (IMAGE, PLACES), 1, {"ignore_index": 0}),
    ("BCELoss", (P, Q), 1, {}),
    ("BCELoss", (P, Q), 1, {"weight": WEIGHTS}),
    ("BCEWithLogitsLoss", (X, Q), 2, {}),
    ("BCEWithLogitsLoss", (X, Q), 2, {"weight": WEIGHTS, "pos_weight": 2 * WEIGHTS}),
    ("SoftMarginLoss", (X, MANY_SIGNS), 1, {}),
    ("MultiLabelSoftMarginLoss", (X, Q), 1, {}),
    ("MultiLabelSoftMarginLoss", (X, Q), 1, {"weight": WEIGHTS}),
    ("MultiLabelMarginLoss", (X, LISTED), 1, {}),
    ("MultiMarginLoss", (X, LABELS), 1, {}),
    ("MultiMarginLoss", (X, LABELS), 1, {"p": 2, "margin": 0.5, "weight": WEIGHTS}),
    ("KLDivLoss", (LOGS, SHARES[::-1].copy()), 2, {}),
    ("KLDivLoss", (LOGS, LOGS[::-1].copy()), 2, {"log_target": True}),
    ("MarginRankingLoss", (X[:, 0].copy(), Y[:, 0].copy(), SIGNS), 2, {}),
    ("MarginRankingLoss", (X[:, 0].copy(), Y[:, 0].copy(), SIGNS), 2, {"margin": 0.5}),
    ("HingeEmbeddingLoss", (X, MANY_SIGNS), 1, {}),
    ("HingeEmbeddingLoss", (X, MANY_SIGNS), 1, {"margin": 0.3}),
    ("CosineEmbeddingLoss", (X, Y, SIGNS), 2, {}),
    ("CosineEmbeddingLoss", (X, Y, SIGNS), 2, {"margin": -0.4}),
    ("TripletMarginLoss", tuple(TRIPLE), 3, {}),
    ("TripletMarginLoss", tuple(TRIPLE), 3, {"margin": 3.0, "p": 1.0, "swap": True}),
    ("TripletMarginWithDistanceLoss", tuple(TRIPLE), 3, {}),
    ("TripletMarginWithDistanceLoss", tuple(TRIPLE), 3, {"swap": True, "margin": 2.0}),
]  # fmt: skip
NAMES = sorted({name for name, *_ in CASES})
every_case = pytest.mark.parametrize(("name", "inputs", "moving", "options"), CASES)


def reductions(name: str) -> list[str]:
    return ["mean", "sum", "none", *(["batchmean"] if name == "KLDivLoss" else [])]


@every_case
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # what PyTorch says of KLDivLoss
def test_losses_are_pytorchs(name: str, inputs: Any, moving: int, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    for reduction in reductions(name):
        its = {k: torch.tensor(v) if k.endswith("weight") else v for k, v in options.items()}
        theirs = getattr(torch.nn, name)(**its, reduction=reduction)
        ours = getattr(nn, name)(**options, reduction=reduction)
        assert_twins(ours, theirs, *inputs, moving=moving)


def test_a_distance_of_ones_own_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")

    def distance(a: Any, b: Any) -> Any:
        return ((a - b) ** 2).sum(-1)

    theirs = torch.nn.TripletMarginWithDistanceLoss(distance_function=distance, swap=True)
    ours = nn.TripletMarginWithDistanceLoss(distance_function=distance, swap=True)
    assert_twins(ours, theirs, *TRIPLE)


def test_arguments_by_position_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in NAMES:
        own = inspect.signature(getattr(nn, name)).parameters
        its = inspect.signature(getattr(torch.nn, name)).parameters
        assert {n: p.default for n, p in own.items()} == {
            n: p.default for n, p in its.items() if n not in ("size_average", "reduce")
        }, name
        before = list(itertools.takewhile(lambda n: n not in ("size_average", "reduce"), its))
        ours = [n for n, p in own.items() if p.kind is not p.KEYWORD_ONLY]
        its_own = [n for n in before if its[n].kind is not its[n].KEYWORD_ONLY]
        assert ours == its_own, name


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@given(data=st.data())
def test_timings_are_pytorchs(reduction: str, data: Any) -> None:
    torch = pytest.importorskip("torch")
    steps, examples, classes, longest = (data.draw(st.integers(1, n)) for n in (8, 3, 5, 4))
    blank = data.draw(st.integers(0, classes - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    others = [c for c in range(classes) if c != blank]
    sizes = rng.integers(0, longest + 1 if others else 1, examples)
    labels = rng.choice(others or [0], (examples, longest))
    if data.draw(st.booleans(), "in one axis"):
        labels = np.concatenate([row[:n] for row, n in zip(labels, sizes, strict=True)])
    options = {"blank": blank, "reduction": reduction, "zero_infinity": True}
    long = rng.integers(1, steps + 1, examples)
    x = rng.normal(size=(steps, examples, classes))
    mine, its = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = nn.CTCLoss(**options)(F.log_softmax(mine, -1), labels, long, sizes)
    lengths = [torch.tensor(labels), torch.tensor(long), torch.tensor(sizes)]
    wanted = torch.nn.CTCLoss(**options)(its.log_softmax(-1), *lengths)
    assert_equal(y, wanted)
    y.sum().backward()
    wanted.sum().backward()
    assert mine.grad is not None
    assert_equal(mine.grad, its.grad)


# --- without PyTorch --------------------------------------------------------------------------


@every_case
def test_the_module_is_the_function(
    name: str, inputs: Any, moving: int, options: dict[str, Any]
) -> None:
    module = getattr(nn, name)(**options)
    loss = module(*inputs)
    assert loss.item() == pytest.approx(type(module)._function(*inputs, **options).item(), 1e-15)
    each = getattr(nn, name)(**options, reduction="none")(*inputs).data
    total = getattr(nn, name)(**options, reduction="sum")(*inputs).item()
    assert total == pytest.approx(each.sum(), rel=1e-13)


# What PyTorch 2.13 gives for the first case of each.
PINNED = {
    "BCELoss": 0.9281037174294572,
    "BCEWithLogitsLoss": 0.7825606265173416,
    "CosineEmbeddingLoss": 0.8316090010002861,
    "CrossEntropyLoss": 1.389566057972802,
    "GaussianNLLLoss": 1.4715618164415476,
    "HingeEmbeddingLoss": 0.26500380892535524,
    "HuberLoss": 0.5002567916613977,
    "KLDivLoss": 0.03334124366098689,
    "L1Loss": 0.9439347931046697,
    "MSELoss": 1.0868745150012404,
    "MarginRankingLoss": 0.24478174531591898,
    "MultiLabelMarginLoss": 0.41823574893105064,
    "MultiLabelSoftMarginLoss": 0.7825606265173417,
    "MultiMarginLoss": 0.785167391494531,
    "NLLLoss": 1.3860674600646197,
    "PoissonNLLLoss": 1.789072768485429,
    "SmoothL1Loss": 0.5002567916613977,
    "SoftMarginLoss": 0.8956049308704644,
    "TripletMarginLoss": 1.3515179054219617,
    "TripletMarginWithDistanceLoss": 1.3515179054219617,
}


@pytest.mark.parametrize("name", NAMES)
def test_pinned_values(name: str) -> None:
    inputs = next(case[1] for case in CASES if case[0] == name)
    assert getattr(nn, name)()(*inputs).item() == pytest.approx(PINNED[name], rel=1e-13)


@pytest.mark.parametrize("name", some_quick(NAMES, 3))
def test_the_checker_confirms_each(name: str) -> None:
    _, inputs, moving, options = next(case for case in reversed(CASES) if case[0] == name)
    loss, rest = getattr(nn, name)(**options), inputs[moving:]
    assert check(lambda *given: loss(*given, *rest), *inputs[:moving]).ok


def test_weights_are_buffers_of_the_module() -> None:
    loss = nn.BCEWithLogitsLoss(weight=WEIGHTS, pos_weight=WEIGHTS)
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert list(loss.parameters()) == []
    assert loss.float().weight.dtype == np.float32
    assert repr(loss) == "BCEWithLogitsLoss()"


def test_a_label_of_minus_100_does_not_count_and_others_are_refused() -> None:
    labels = np.array([2, -100, 1, 0])
    counted = [0, 2, 3]
    expected = F.cross_entropy(X[counted], labels[counted]).item()
    assert nn.CrossEntropyLoss()(X, labels).item() == pytest.approx(expected, rel=1e-14)
    with pytest.raises(errors.LabelError, match="label -1 at position 1"):
        nn.CrossEntropyLoss()(X, np.array([2, -1, 1, 0]))
    with pytest.raises(errors.LabelError, match="every label is -100"):
        nn.CrossEntropyLoss()(X, np.full(4, -100))


def test_single_precision_stays() -> None:
    x = Tensor(X.astype(np.float32), requires_grad=True)
    for loss in (nn.CrossEntropyLoss(weight=WEIGHTS.astype(np.float32)), nn.CrossEntropyLoss()):
        assert loss(x, LABELS).dtype == np.float32


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.MSELoss(reduction="average"),
        lambda: nn.MSELoss(reduction="batchmean"),
        lambda: nn.CrossEntropyLoss(label_smoothing=1.5),
        lambda: nn.HuberLoss(delta=0.0),
        lambda: nn.SmoothL1Loss(beta=-1.0),
        lambda: nn.GaussianNLLLoss(eps=0.0),
    ],
)
def test_bad_options_are_refused_when_the_module_is_made(make: Any) -> None:
    with pytest.raises(errors.ModuleError):
        make()


def test_shapes_that_differ_name_the_loss() -> None:
    with pytest.raises(errors.ShapeError, match=r"^MSELoss\(reduction='sum'\): mse_loss: output"):
        nn.MSELoss(reduction="sum")(X, Y[:, 0])


# --- labels without their times -----------------------------------------------------------------


def spelt(timing: tuple[int, ...]) -> list[int]:
    """Drop repeats, then blanks."""
    return [c for c, _ in itertools.groupby(timing) if c != 0]


@pytest.mark.parametrize("labels", some_quick([[2, 2, 1], [], [1], [2, 1], [1, 1]], 5))
def test_all_timings_are_added_up(labels: list[int], rng: np.random.Generator) -> None:
    logs = F.log_softmax(rng.normal(size=(5, 3)), -1).data
    timings = [t for t in itertools.product(range(3), repeat=5) if spelt(t) == labels]
    share = sum(np.exp(logs[np.arange(5), list(t)].sum()) for t in timings)
    spelling = np.array(labels, int), [5], [len(labels)]
    loss = F.ctc_loss(logs[:, None], spelling[0][None], *spelling[1:], reduction="sum")
    assert loss.item() == pytest.approx(-np.log(share), rel=1e-12)
    alone = F.ctc_loss(logs, *spelling, reduction="none")
    assert alone.shape == ()
    assert alone.item() == pytest.approx(loss.item())
    assert check(lambda x: F.ctc_loss(F.log_softmax(x, -1), *spelling), rng.normal(size=(5, 3))).ok


def test_too_few_steps_cannot_spell() -> None:
    x = Tensor(np.zeros((2, 1, 3)), requires_grad=True)
    spelling = [[1, 1]], [2], [2]  # a blank would have to be between
    assert F.ctc_loss(F.log_softmax(x, -1), *spelling).item() == np.inf
    loss = F.ctc_loss(F.log_softmax(x, -1), *spelling, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert not np.any(x.grad.data)


@pytest.mark.parametrize(
    ("labels", "long", "sizes", "options", "error"),
    [
        ([[1, 2]], [3], [2], {"blank": 3}, errors.LabelError),
        ([[1, 3]], [3], [2], {}, errors.LabelError),
        ([[1, 0]], [3], [2], {}, errors.LabelError),
        ([[1.0, 2.0]], [3], [2], {}, errors.LabelError),
        ([[1, 2]], [4], [2], {}, errors.ShapeError),
        ([[1, 2]], [0], [2], {}, errors.ShapeError),
        ([[1, 2]], [3, 3], [2], {}, errors.ShapeError),
        ([[1, 2]], [3], [3], {}, errors.ShapeError),
        ([1, 2, 1], [3], [2], {}, errors.ShapeError),
        ([[1, 2]], [3], [-1], {}, errors.ShapeError),
    ],
)
def test_lengths_and_labels_that_do_not_fit_are_refused(
    labels: Any, long: Any, sizes: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        F.ctc_loss(np.zeros((3, 1, 3)), labels, long, sizes, **options)


@pytest.mark.parametrize("loss", [F.sum_squares, F.half_sum_squares, F.mse_loss])
def test_squares_take_lists_of_numbers(loss: Any) -> None:
    output, target = [[1.0, 2.0], [0.5, -1.0]], [[0.0, 2.0], [1.0, 1.0]]
    assert loss(output, target).item() == loss(np.array(output), np.array(target)).item()
    with pytest.raises(errors.ShapeError):
        loss(output, target[0])
