"""Right and wrong gradients by the dozen, each put before the checker with nothing but defaults.

Of functions drawn from what fooled the first edition, a folder of `suspects` has a file for each
class: no fault may pass, no right gradient may fail, and kinks are called so.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
from suspects.case import Case

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck import Verdict

CLASSES = [
    "underflow", "silence", "excuses", "arriving", "spoilt", "layout", "holders", "elsewhere",
    "single", "handwritten", "size", "peers",
]  # fmt: skip

# One in twelve is checked in a hurry, and none of the large ones.
CASES = [
    pytest.param(case, id=f"{name}: {case.name}", marks=[pytest.mark.slow] * is_slow)
    for name in CLASSES
    for k, case in enumerate(importlib.import_module(f"suspects.{name}").CASES)
    for is_slow in [k % 12 != 0 or name == "size"]
]

# Right, and on some machines not confirmed: differences alone can be asked, and rounding hides it.
UNDECIDED = {"naive (e^x - 1) / x near 0 with an accurate gradient"}


def found(case: Case) -> tuple[bool, Any]:
    """Whether the gradient is called right, and the report if there is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the functions do outside their domains
        try:
            report = case.check()
        except GradcheckError as error:  # such as gradients in shapes that do not fit
            return False, error
    return report.ok, report


@pytest.mark.parametrize("case", CASES)
def test_right_is_right_and_wrong_is_wrong(case: Case, request: pytest.FixtureRequest) -> None:
    if case.name in UNDECIDED:
        request.applymarker(pytest.mark.xfail(reason="differences cannot tell"))
    ok, report = found(case)
    assert ok == case.right, str(report)
    if case.kink:
        assert report.counts[Verdict.KINK]


def test_there_are_as_many_faults_as_right_ones() -> None:
    right = [case.values[0].right for case in CASES]
    assert len(right) > 350
    assert 0.4 < sum(right) / len(right) < 0.6
