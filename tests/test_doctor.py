"""The doctor: each finding on a broken model, none on the mended one, none on healthy models."""

from __future__ import annotations

import ast
import json
import threading
from functools import cache
from pathlib import Path
from typing import Any

import doctor_cases as cases
import pytest
from doctor_cases import HEALTHY, PAIRS, Case, Pair

from tinygrad_bp import doctor, nn, optim
from tinygrad_bp.doctor import Report, Severity, examine
from tinygrad_bp.doctor.findings.table import CHECKS, GIVEN
from tinygrad_bp.errors import ModuleError, OptimizerError, ShapeError


@cache
def examined(case: Case) -> Report:
    model, loss, optimizer, x, y, options = case()
    return examine(model, loss, optimizer, x, y, **options)


# --- findings ---------------------------------------------------------------------------------


def _each_finding() -> list[Any]:
    """The first pair of each finding is quick, and the others are for the slow run."""
    seen: set[str] = set()
    params = []
    for i, pair in enumerate(PAIRS):
        marks = [pytest.mark.slow] if pair.finding in seen else []
        seen.add(pair.finding)
        params.append(pytest.param(pair, id=f"{pair.finding}-{i}", marks=marks))
    return params


@pytest.mark.parametrize("pair", _each_finding())
def test_a_broken_model_shows_it_and_a_mended_one_does_not(pair: Pair) -> None:
    broken, mended = examined(pair.broken), examined(pair.mended)
    assert [finding.name for finding in broken.findings] == [pair.finding]
    assert mended.findings == []
    assert mended.ok
    assert broken.ok != broken.findings[0].matters


QUICK = {
    "mlp_ReLU", "mlp_Tanh", "mlp_Sigmoid", "mlp_GELU", "mlp_LeakyReLU", "by_SGD", "by_momentum",
    "by_RMSprop", "by_Rprop", "by_LBFGS", "by_Adadelta", "batch_normed_mlp", "a_head_of_zeros",
    "input_that_is_normalised_inside", "linear_regression", "logistic_regression", "margins",
    "a_small_batch", "one_example", "a_frozen_body", "no_optimizer", "a_model_that_has_learnt",
    "lstm", "words_and_places", "a_policy_that_is_given_its_actions_alone", "nodes_of_a_graph",
    "labels_smoothed_much", "grey_logits",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in HEALTHY],
)
def test_healthy_models_have_no_finding(name: str) -> None:
    report = examined(HEALTHY[name])
    assert [finding for finding in report.findings if finding.matters] == []
    assert report.ok


def test_enough_healthy_models() -> None:
    assert len(QUICK & HEALTHY.keys()) >= 20
    assert len(HEALTHY) >= 50


def _names_in_code() -> set[str]:
    """What findings are called where they are made."""
    folder = Path(doctor.__file__).parent / "findings"
    calls = [node for path in folder.glob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call)]  # fmt: skip
    return {
        first.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in {"Finding", "_Cure"} and call.args
        if isinstance(first := call.args[0], ast.Constant)
    }


def test_every_finding_has_its_pair_and_what_hides_one_exists() -> None:
    names = _names_in_code()
    assert len(names) > 40
    assert names == {pair.finding for pair in PAIRS}
    assert {name for check in (*GIVEN, *CHECKS) for name in check.hidden_by} <= names


@pytest.mark.parametrize("lr", [1e-7, 3.0])
def test_a_learning_rate_that_it_advises_is_all_right(lr: float) -> None:
    model = cases.classifier()
    report = examine(model, nn.CrossEntropyLoss(), cases.adam(model, lr), *cases.digits())
    assert [finding.name for finding in report.findings] == ["learning-rate"]
    advised = float(report.findings[0].write.rpartition("lr=")[2].rstrip(")"))
    assert 1e-4 <= advised <= 0.3
    assert f"with lr={advised:g} to 0." in report.findings[0].saw
    better = cases.adam(model, advised)
    assert examine(model, nn.CrossEntropyLoss(), better, *cases.digits()).findings == []


def test_a_loss_that_begins_too_high_is_mended_by_the_factor() -> None:
    model = cases.scaled(cases.classifier(), {"2.weight": 500})
    report = examine(model, nn.CrossEntropyLoss(), cases.adam(model), *cases.digits())
    assert [finding.name for finding in report.findings] == ["starting-loss"]
    factor = float(report.findings[0].write.partition("*= ")[2].split()[0])
    cases.scaled(model, {"2.weight": factor})
    assert examine(model, nn.CrossEntropyLoss(), cases.adam(model), *cases.digits()).ok


def test_a_rate_is_too_high_for_a_sum_over_the_whole_batch() -> None:
    model, loss = cases.classifier(), nn.CrossEntropyLoss(reduction="sum")
    report = examine(model, loss, cases.sgd(model, 0.3), *cases.digits())
    assert [finding.name for finding in report.findings] == ["learning-rate", "summed-loss"]
    advised = float(report.findings[0].write.rpartition("lr=")[2].rstrip(")"))
    assert examine(model, loss, cases.sgd(model, advised), *cases.digits()).ok


# --- causes and consequences --------------------------------------------------------------------


def test_one_cause_is_told_once() -> None:
    """Pixels from 0 to 255 also saturate, and begin with a large loss at a rate too high."""
    model = cases.net(784, 32, nn.Tanh(), 10)
    report = examine(model, nn.CrossEntropyLoss(), cases.sgd(model, 0.5), cases.digits()[0] * 255,
                     cases.digits()[1])  # fmt: skip
    assert [finding.name for finding in report.findings] == ["input-scale"]


def test_two_causes_are_told_both() -> None:
    x = cases.points()[0] * 1000
    report = examine(*cases.regression(x=x, y=cases.points()[1] * 1e5)[:5])
    assert [finding.name for finding in report.findings] == ["input-scale", "target-scale"]


def test_a_final_finding_ends_the_examination() -> None:
    report = examined(PAIRS[0].broken)
    assert report.findings[0].name == "input-not-finite"
    assert "not examined" in report.stopped
    assert report.layers == []


def test_notes_do_not_matter() -> None:
    report = examined(next(pair.broken for pair in PAIRS if pair.finding == "frozen-in-optimizer"))
    assert report.findings[0].severity is Severity.NOTE
    assert report.ok
    assert str(report).startswith("doctor: nothing wrong, and 1 note\n")


def test_without_fit_nothing_is_learnt() -> None:
    model, loss, optimizer, x, y, _ = cases.classes()
    report = examine(model, loss, optimizer, x, y, fit=False)
    assert report.ok
    assert len(report.facts) == 1


# --- the report -------------------------------------------------------------------------------


def test_two_examinations_are_the_same() -> None:
    model, loss, optimizer, x, y, _ = HEALTHY["batch_normed_mlp"]()
    reports = [examine(model, loss, optimizer, x, y) for _ in range(2)]
    assert reports[0] == reports[1]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_keep_within_their_columns(width: int) -> None:
    for pair in PAIRS[::4]:
        lines = examined(pair.broken).lines(width)
        assert max(map(len, lines)) <= width


def test_as_json_and_as_html() -> None:
    report = examined(next(pair.broken for pair in PAIRS if pair.finding == "input-scale"))
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["ok"] is False
    assert told["findings"][0]["name"] == "input-scale"
    assert told["layers"][0]["kind"] == "Linear"
    shown = report._repr_html_()
    assert "doctor: 1 thing to change</b>" in shown
    assert "DOUBTFUL" in shown


def test_names_are_shown_and_not_obeyed() -> None:
    model = cases.Lambda(lambda m, x: m.net(x), net=cases.net(5, 8, nn.ReLU(), 1))
    setattr(model, "\x1b[31m<b>", nn.Linear(2, 2))
    report = examine(model, nn.MSELoss(), cases.adam(model), *cases.points())
    assert [finding.name for finding in report.findings] == ["no-gradient"]
    assert "\x1b" not in str(report)
    assert "<b>" not in report._repr_html_().partition("</b>")[2]


# --- what it is given ---------------------------------------------------------------------------


def test_arguments_that_are_none() -> None:
    model, loss, optimizer, x, y, _ = cases.regression()
    with pytest.raises(ModuleError, match="nn.Module"):
        examine(lambda x: x, loss, optimizer, x, y)  # type: ignore[arg-type]
    with pytest.raises(ModuleError, match="loss"):
        examine(model, 3, optimizer, x, y)  # type: ignore[arg-type]
    with pytest.raises(OptimizerError, match="optim"):
        examine(model, loss, model.parameters(), x, y)
    with pytest.raises(ShapeError, match="empty"):
        examine(model, loss, optimizer, x[:0], y[:0])


def test_what_the_model_raises_is_raised() -> None:
    model, loss, optimizer, x, y, _ = cases.regression()
    with pytest.raises(ShapeError, match=r"0 = Linear\(5, 32\): expects"):
        examine(model, loss, optimizer, x[:, :3], y)


def test_several_inputs_by_position_and_by_name() -> None:
    def call(m: Any, a: Any, b: Any) -> Any:
        return m.net(a + b)

    class Sum(nn.Module):
        def __init__(self) -> None:
            self.net = cases.net(5, 32, nn.Tanh(), 1)

        def forward(self, a: Any, b: Any) -> Any:
            return call(self, a, b)

    x, y = cases.points()
    for inputs in ((x, x), {"a": x, "b": x}):
        model = Sum()
        assert examine(model, nn.MSELoss(), cases.adam(model), inputs, y).ok


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    model, loss, optimizer, x, y, _ = cases.classes()
    examine(model, loss, optimizer, x, y, progress=lambda done, total: told.append((done, total)))
    assert told
    assert all(0 <= done <= total for done, total in told)


def test_a_model_for_one_size_of_batch() -> None:
    x, y = cases.digits()
    model = cases.Lambda(lambda m, x: m.net(x.reshape(64, 784)), net=cases.classifier())
    assert examine(model, nn.CrossEntropyLoss(), cases.adam(model, 3e-3), x, y).ok


def test_of_a_whole_training_set_some_examples_are_examined() -> None:
    x, y = cases.points(5000)
    model = cases.net(5, 32, nn.Tanh(), 1)
    report = examine(model, nn.MSELoss(), cases.adam(model), x, y)
    assert report.ok
    assert "a batch of 1,000 of the 5,000 examples" in report.subject


def test_what_cannot_be_copied_is_shared() -> None:
    model = cases.net(5, 32, nn.Tanh(), 1)
    model.lock = threading.Lock()
    assert examine(model, nn.MSELoss(), cases.adam(model), *cases.points()).ok


def test_a_warm_up_begins_with_a_small_rate() -> None:
    model = cases.classifier()
    optimizer = cases.adam(model, 3e-3)
    optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-5)
    assert examine(model, nn.CrossEntropyLoss(), optimizer, *cases.digits()).ok
