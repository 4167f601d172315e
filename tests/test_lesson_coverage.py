"""What the lesson says is shown, computed and tested; and how what a page carries is packed."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.lesson import story, unflatten
from tinygrad_bp.lesson.blobs import blob, rounded, unblob
from tinygrad_bp.lesson.coverage import COVERAGE, as_markdown, experiments, shown
from tinygrad_bp.lesson.drawn import drawn_data

TESTS = Path(__file__).parent

# --- coverage -------------------------------------------------------------------------------------

EXPECTED = [
    f"{part}{i}"
    for part, count in (("S", 42), ("W", 18), ("K", 18), ("G", 9), ("N", 8), ("A", 8))
    for i in range(1, count + 1)
]


def test_every_statement_is_covered_once_and_in_order() -> None:
    assert [covered.id for covered in COVERAGE] == EXPECTED
    assert all(covered.what for covered in COVERAGE)


def test_every_statement_is_shown_somewhere_and_what_is_shown_was_said() -> None:
    assert all(shown(id_) for id_ in EXPECTED)
    assert shown("S1")[0] == "Feed forward"
    assert shown("S42") == ["Data"]
    for part in [*story()["scenes"], *experiments()]:
        assert set(part["covers"]) <= set(EXPECTED)
        assert all(part["title"].format(label=2) in shown(id_) for id_ in part["covers"])


@pytest.mark.parametrize("function", sorted({covered.function for covered in COVERAGE}))
def test_its_function_is_there(function: str) -> None:
    module, names = f"tinygrad_bp.{function}", []
    while True:
        try:
            value = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, name = module.rpartition(".")
            names.insert(0, name)
    for name in names:
        value = getattr(value, name)
    assert names


@pytest.mark.parametrize("test", sorted({covered.test for covered in COVERAGE}))
def test_its_test_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_coverage_page_is_current() -> None:
    written = Path(__file__).parent.parent / "examples" / "explanation" / "coverage.md"
    assert written.read_text(encoding="utf-8") == as_markdown()


# --- what a page carries --------------------------------------------------------------------------


def test_test_digits_are_not_training_digits() -> None:
    digits = drawn_data(train=1_000, test=1_000)
    train = {image.tobytes() for image in digits.train_images}
    assert len(train) == 1_000
    assert not train & {image.tobytes() for image in digits.test_images}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("compress", [True, False])
def test_blobs_keep_every_bit(rng: np.random.Generator, dtype: type, compress: bool) -> None:
    array = (255 * rng.random((7, 11))).astype(dtype)
    packed = json.loads(json.dumps(blob(array, compress=compress)))
    assert packed["length"] == 77
    assert unblob(packed).tobytes() == array.tobytes()
    assert unblob(packed).dtype == dtype


def test_rounding_keeps_significant_digits() -> None:
    assert rounded([0.0, -1.23456789e-7, 123456.7]) == [0.0, -1.23457e-7, 123457.0]


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ShapeError, match="13002 parameters"):
        unflatten(np.zeros(13_001))
