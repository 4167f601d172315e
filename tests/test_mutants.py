"""The checker is checked: faults planted in the rules are noticed, and sound rules are not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probes import PROBES, PROBES_OF_SCIPY
from specs import SPECS

from tinygrad_bp import grad
from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck import check
from tinygrad_bp.gradcheck.mutants import (
    CALLS,
    FAULTS,
    Mutant,
    MutationReport,
    Probe,
    mutants,
    plant,
    trial,
)
from tinygrad_bp.gradcheck.mutants.faults import Fault
from tinygrad_bp.registry import elementwise, name_of, primitive, rules

SAMPLE = 2  # rules of the quick tests

TABLE = Path(__file__).parent.parent / "benchmarks" / "mutants.md"

# Every other equivalent mutant is one of a rule that does not read the stale thing, or has
# nothing to sum.
EXCUSED = {
    ("add", "arguments swapped"): "same",
    ("float_power", "float64 leak"): "float64",
    ("cast", "float64 leak"): "float64",
    ("convolve", "missing transpose"): "vector",
    ("maximum", "stale inputs"): "decides",
    ("minimum", "stale inputs"): "decides",
    ("clamp_min", "stale inputs"): "decides",
    ("clamp_max", "stale inputs"): "decides",
    ("fabs", "stale inputs"): "decides",
    ("heaviside", "stale inputs"): "decides",
    ("relu", "stale inputs"): "decides",
    ("sort", "stale inputs"): "decides",
    ("partition", "stale inputs"): "decides",
    ("partition", "stale output"): "decides",
    ("copysign", "stale inputs"): "decides",
    ("copysign", "stale output"): "decides",
    ("remainder", "stale inputs"): "quotient",
    ("fmod", "stale inputs"): "quotient",
}


def snapshot() -> list[tuple[Any, ...]]:
    """Everything a rule is made of, by identity; its form is found out at the first call."""
    made_of = sorted(vars(rules[np.exp]).keys() - {"_form", "forward"})
    return [(r, *(id(getattr(r, name)) for name in made_of)) for r in rules.values()]


def assert_all_killed(report: MutationReport) -> None:
    assert report.false_alarms == []
    assert report.survived == [], str(report)
    assert report.ok, str(report)
    for mutant in report.equivalent:
        if mutant.function.startswith("special.") and mutant.excuse == "float64":
            continue  # beside whole numbers, and which ones depends on SciPy's version
        if mutant.excuse not in ("unread", "shape", "zero", "real"):
            assert mutant.excuse == EXCUSED[mutant.function, mutant.fault], str(mutant)
        elif mutant.excuse == "zero":
            assert (mutant.function, mutant.slot) == ("unvarying", 1), str(mutant)


# --- killed ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sample_of_rules_kills_every_fault() -> None:
    report = mutants(calls=PROBES, sample=SAMPLE)
    assert len({mutant.function for mutant in report.mutants}) == SAMPLE
    assert len(report.mutants) > 9 * SAMPLE
    assert_all_killed(report)


@pytest.mark.slow
def test_samples_are_drawn_from_the_seed() -> None:
    several = [np.exp, np.sin, np.cos, np.log, np.sqrt]

    def drawn(sample: int | None, seed: int = 0) -> list[str]:
        report = mutants(several, sample=sample, seed=seed, faults=["wrong sign"])
        return [mutant.function for mutant in report.mutants]

    assert drawn(2) == drawn(2) != drawn(2, seed=1)
    assert len(drawn(2)) == 2
    assert drawn(1000) == drawn(None) == list(map(name_of, several))


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    faults = ["wrong sign", "stale output"]
    mutants([np.exp, np.add], faults=faults, progress=lambda *now: told.append(now))
    assert told == [(done, 6) for done in range(1, 7)]


def test_a_sample_of_the_built_in_calls_leaves_no_mutant_unexplained() -> None:
    report = mutants(sample=SAMPLE)
    assert report.ok, str(report)
    assert len(report.killed) > 6 * SAMPLE


@pytest.mark.slow
def test_the_built_in_calls_leave_no_mutant_unexplained() -> None:
    report = mutants()
    assert report.ok, str(report)
    assert len(report.killed) > 400
    noticeable = {"factor 1.001", "wrong sign", "missing transpose", "float64 leak"}
    found = [mutant.outcome for mutant in report.mutants if mutant.fault in noticeable]
    assert set(found) == {"killed"}
    assert len(found) > 150


def test_every_rule_is_probed() -> None:
    probed = {probe.function for probe in (*PROBES, *PROBES_OF_SCIPY)}
    assert probed == {spec.function for spec in SPECS if rules[spec.function].differentiable}


@pytest.mark.slow
def test_every_rule_kills_every_fault() -> None:
    report = mutants(calls=PROBES)
    assert {m.function for m in report.mutants} == {name_of(p.function) for p in PROBES}
    assert_all_killed(report)
    committed = TABLE.read_text(encoding="utf-8")
    assert rows(report.to_markdown()) == rows(committed), committed.splitlines()[0]


@pytest.mark.slow
def test_every_rule_for_scipy_kills_every_fault() -> None:
    report = mutants(calls=PROBES_OF_SCIPY)
    assert {m.function for m in report.mutants} == {name_of(p.function) for p in PROBES_OF_SCIPY}
    assert_all_killed(report)


@pytest.mark.parametrize(
    ("function", "fault", "slot", "by"),
    [
        (np.exp, "factor 1.001", 0, "values"),
        (np.matmul, "missing transpose", 1, "values"),
        (np.add, "missing sum over a broadcast axis", 1, "values"),
        (np.mean, "missing 1/N", 0, "values"),
        (np.exp, "stale output", 0, "values"),
        (np.sin, "stale inputs", 0, "values"),
        (np.exp, "arriving gradient ignored", 0, "identity: linear in the arriving gradient"),
        (np.sum, "float64 leak", 0, "dtype"),
        (own.affine, "arguments swapped", 0, "error: RuleError"),
    ],
)
def test_what_kills_a_fault(function: Any, fault: str, slot: int, by: str) -> None:
    calls = [probe for probe in CALLS if probe.function is function]
    if by.startswith("identity"):  # one output: its own gradient is 1, as if it were ignored
        calls = [Probe(function, (0.5,))]
    [found] = [
        m for m in mutants([function], calls=calls, faults=[fault]).mutants if m.slot == slot
    ]
    assert (found.outcome, found.by) == ("killed", by)


def test_complex_numbers_are_conjugated_where_they_should_not_be() -> None:
    z = np.array([0.5 + 1.0j, -1.5 + 0.25j])
    functions = [np.exp, np.conjugate, np.imag, own.direction]
    report = mutants(functions, calls=[Probe(f, (z,)) for f in functions], faults=["conjugated"])
    assert [mutant.by for mutant in report.killed] == ["values"] * 4
    [real] = mutants([np.real], calls=[Probe(np.real, (z,))], faults=["conjugated"]).mutants
    assert (real.outcome, real.excuse) == ("equivalent", "real")
    assert mutants([np.exp], faults=["conjugated"]).mutants == []


@pytest.mark.slow
def test_arguments_that_follow_from_others_follow_every_step() -> None:
    """As the vectors that are found with the eigenvalues of a matrix."""
    function, a = own.eigenvectors, np.array([[2.0, 0.5], [0.5, 4.0]])
    report = mutants([function], calls=[Probe(function, (a,), completed=own.eigensystem)])
    assert report.ok, str(report)
    assert len(report.killed) == 9
    fixed = [Probe(function, (a, *own.eigensystem(a)))]
    assert mutants([function], calls=fixed, faults=["wrong sign"]).false_alarms


def test_the_blame_is_on_the_broken_rule() -> None:
    x = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
    with plant(np.tanh, "factor 1.001"):
        report = check(lambda x: np.sum(np.exp(np.tanh(x * x))), x)
    assert not report.ok
    assert "'tanh'" in report.blame[0]
    assert "1.001" in report.blame[0]


# --- the committed table --------------------------------------------------------------------


def rows(text: str) -> list[str]:
    """The rows of the table of rules and faults, without its head."""
    return re.findall(r"^\| \S+ +\|(?: [a-zS?]* +\|){12}$", text, re.M)


def test_the_committed_table_has_a_row_for_every_rule() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert text.startswith("Made by `tinygrad-bp mutants --calls tests/probes.py:PROBES --markdown")
    assert {row.split()[1] for row in rows(text)} == {name_of(p.function) for p in PROBES}
    assert not re.search(r"[S?]", "".join(row.partition(" | ")[2] for row in rows(text)))


# --- not killed -----------------------------------------------------------------------------


@pytest.mark.slow
def test_without_a_fault_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that gives the right answer is equivalent everywhere: there is no false alarm."""
    monkeypatch.setitem(FAULTS, "none", Fault("none", lambda call: call.right()))
    report = mutants(calls=PROBES, faults=["none"])
    assert len(report.equivalent) == len(report.mutants) > 80
    assert report.false_alarms == []


def test_a_checker_that_sees_nothing_lets_mutants_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Survivors are told apart from mutants that change nothing."""
    monkeypatch.setattr(trial, "_alarm", lambda probe, seed: "")
    report = mutants([np.add], faults=["wrong sign", "stale inputs"])
    assert [m.outcome for m in report.mutants] == ["survived"] * 2 + ["equivalent"] * 2
    assert "SS" in str(report)
    assert "survivors:\n  add, argument 0: wrong sign, survived" in str(report)


def test_a_mutant_that_changes_nothing_for_no_known_reason_is_not_ok() -> None:
    """Negative arguments only: what relu gives is 0, and so is what any broken rule makes of it."""
    tame = [Probe(np.maximum, (np.array([1.0, 2.0]), np.array([3.0, 4.0])))]
    report = mutants(calls=tame, faults=["wrong sign", "missing sum over a broadcast axis"])
    assert [m.excuse for m in report.equivalent] == ["zero", "zero", "shape"]
    once = [Probe(np.where, (np.array([True, False]), np.ones(2), np.zeros(2)))]
    report = mutants(calls=once, faults=["one entry zero"])
    assert [m.excuse for m in report.equivalent] == [""]
    assert not report.ok
    assert "nobody knows why:\n  where, argument 1: one entry zero, equivalent" in str(report)
    assert "| ?x " in report.to_markdown()


def test_a_false_alarm_is_reported_and_kills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_alarm", lambda probe, seed: "values")
    report = mutants([np.exp], faults=["wrong sign"])
    assert report.killed == []
    assert len(report.false_alarms) == 2
    assert "false alarms:\n  exp(array(2, 3)): values" in str(report)


# --- the rules are left as they were --------------------------------------------------------


def test_rules_are_restored() -> None:
    before = snapshot()
    mutants([np.multiply, np.einsum], faults=["wrong sign", "stale inputs", "conjugated"])
    assert snapshot() == before


@pytest.mark.parametrize("fault", FAULTS)
def test_rules_are_restored_after_an_error(fault: str) -> None:
    before = snapshot()
    for function in (np.multiply, np.where, np.concatenate):
        with pytest.raises(ZeroDivisionError), plant(function, fault):
            1 / (snapshot() == before)
    assert snapshot() == before


def test_a_rule_that_is_first_used_when_it_is_broken_keeps_its_form() -> None:
    @primitive
    def double(x: Any, *, twice: bool = False) -> Any:
        return 2 * x

    elementwise(double, lambda g, y, x, *, twice: 2 * g)
    try:
        with plant(double, "wrong sign"):
            assert grad(double)(1.0) == -2.0
        assert grad(double)(1.0) == 2.0
        assert rules[double].form.bind((1.0,), {}) == ((1.0,), {"twice": False})
    finally:
        del rules[double]


def test_a_fault_is_planted_in_one_argument_or_in_all() -> None:
    def slopes() -> list[float]:
        return [float(grad(np.multiply, argnums=i)(2.0, 3.0)) for i in (0, 1)]

    with plant(np.multiply, "wrong sign", 1):
        assert slopes() == [3.0, -2.0]
    with plant(np.multiply, "wrong sign"):
        assert slopes() == [-3.0, -2.0]
    assert slopes() == [3.0, 2.0]


def test_what_cannot_be_planted() -> None:
    with pytest.raises(ValueError, match="var has no derivative rule of its own"):
        mutants([np.var])
    with pytest.raises(ValueError, match="no call of arctan2"):
        mutants([np.arctan2])
    with pytest.raises(ValueError, match="argument 0"), plant(np.where, "wrong sign", 0):
        pass
    with pytest.raises(ValueError, match="leave slot out"), plant(np.einsum, "wrong sign", 1):
        pass


# --- the report -----------------------------------------------------------------------------


def test_report_is_a_table_and_json() -> None:
    faults = ["wrong sign", "stale output"]
    report = mutants([np.exp, np.where], faults=faults)
    text = str(report)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    found = json.loads(json.dumps(report.to_dict()))
    assert found["killed"] + found["survived"] + found["equivalent"] == len(found["mutants"])
    assert found["mutants"][0].keys() == set(Mutant.__slots__)
    assert report.to_dict() == mutants([np.exp, np.where], faults=faults).to_dict()
