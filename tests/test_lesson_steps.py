"""The lesson as data: its steps, the explorer's data, what comes with the library, figures."""

from __future__ import annotations

import ast
import importlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lesson_cases import SMALL

from tinygrad_bp.errors import DataError, ShapeError
from tinygrad_bp.lesson import Lesson, explorer_data, flatten, lesson_network, unflatten
from tinygrad_bp.lesson.blobs import blob, rounded, unblob
from tinygrad_bp.lesson.cached import cached_path, measured_once
from tinygrad_bp.lesson.coverage import COVERAGE, as_markdown
from tinygrad_bp.lesson.curves import Plan, measure, train_networks
from tinygrad_bp.lesson.descent import accuracy_of, mean_cost
from tinygrad_bp.lesson.explorer import drawn_data, pack, shipped, unpack
from tinygrad_bp.lesson.prepare import prepare
from tinygrad_bp.lesson.steps import STEPS

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return explorer_data()


@pytest.fixture(scope="module")
def lesson(data: dict[str, Any]) -> Lesson:
    return Lesson(data)


# --- steps ----------------------------------------------------------------------------------------


def test_the_recap_comes_first(lesson: Lesson) -> None:
    assert len(lesson) == len(STEPS) == 17
    assert [step.number for step in lesson] == list(range(1, 18))
    assert [lesson[n].title for n in (1, 2)] == ["Feed forward", "The cost"]


@pytest.mark.parametrize("number", range(1, 18))
def test_three_views_show_the_same_numbers(lesson: Lesson, number: int) -> None:
    step = lesson[number]
    texts = {field.name: field.text() for field in step.fields}
    for name in re.findall(r"\{(\w+)\}", step.template):
        assert texts[name] in step.words
    assert [text for _, text in step.numbers] == list(texts.values())
    assert {text for _, text in step.formulas} <= set(texts.values())
    assert step.to_dict()["words"] == step.words
    json.dumps(step.to_dict(), allow_nan=False)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[0])
def test_sentences_are_written_without_numbers(step: tuple[str, str, Any]) -> None:
    title, template, _ = step
    assert not re.search(r"\d", title + template)
    assert template.endswith(".")


def test_names_of_fields_are_told_apart(lesson: Lesson) -> None:
    for step in lesson:
        names = [field.name for field in step.fields]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("network", range(5))
def test_every_network_and_other_examples_can_be_walked(data: dict[str, Any], network: int) -> None:
    for example in (0, 499):
        walked = Lesson(data, network=network, example=example)
        assert all(step.words for step in walked)
        assert example in walked.table_rows(6)


@pytest.mark.parametrize("where", [{"network": 5}, {"example": 500}, {"example": -1}])
def test_what_is_not_there_is_refused(data: dict[str, Any], where: dict[str, int]) -> None:
    with pytest.raises(DataError, match="they go from 0 to"):
        Lesson(data, **where)


@pytest.mark.parametrize("number", [0, 18, -1])
def test_a_step_that_is_none_is_refused(lesson: Lesson, number: int) -> None:
    with pytest.raises(IndexError, match="steps 1 to 17"):
        lesson[number]


def test_one_example_is_not_said_to_be_faster(lesson: Lesson) -> None:
    for number in range(1, 12):
        assert not re.search(r"fast|quick|efficien|cheap", lesson[number].words)


def test_numbers_of_steps_are_those_of_the_data(lesson: Lesson) -> None:
    fields = {(step.number, field.name): field.value for step in lesson for field in step.fields}
    one = lesson.one
    assert fields[2, "cost"] == one.cost
    assert fields[3, "wishes"] == one.wishes.tolist()
    assert fields[13, "after"] < fields[13, "before"]
    assert fields[12, "alike"] > fields[12, "later"]  # untrained, all want the same
    assert fields[15, "uphill"] == lesson.data["walks"]["stumbling"]["uphill"]
    assert fields[16, "much"] > fields[16, "little"]


# --- the explorer's data --------------------------------------------------------------------------


def test_digits_and_networks_survive_the_page(data: dict[str, Any]) -> None:
    parsed = json.loads(json.dumps(data, allow_nan=False))
    drawn = drawn_data(train=500, test=1)
    pixels = unblob(parsed["digits"]["images"])
    assert pixels.dtype == np.uint8
    assert (pixels.reshape(500, 784) == np.rint(255 * drawn.train_images)).all()
    assert parsed["digits"]["labels"] == drawn.train_labels.tolist()
    assert parsed["digits"]["labels"][parsed["start"]["example"]] == 2
    for network, parameters in zip(parsed["networks"], shipped()["parameters"], strict=True):
        found = unblob(network["parameters"])
        assert found.dtype == np.float32
        assert found.tobytes() == parameters.tobytes()


def test_the_data_follow_the_contract(data: dict[str, Any]) -> None:
    assert data["version"] == 1
    assert data["source"]["kind"] == "drawn"
    assert data["sizes"] == [784, 16, 16, 10]
    assert data["names"] == "W1 b1 W2 b2 W3 b3"
    names = [network["name"] for network in data["networks"]]
    assert names == ["untrained", "10 steps", "1 epoch", "10 epochs", "30 epochs"]
    assert [network["id"] for network in data["networks"]] == list(range(5))
    for curve in data["cosine"]["networks"]:
        lengths = {len(curve[key]) for key in ("batch", "mean", "predicted", "uphill")}
        assert lengths == {len(curve["batch"])}
    walks = data["walks"]
    for name in ("careful", "stumbling"):
        assert {len(walks[name][key]) for key in ("x", "y", "cost", "work", "off")} == {601}
    assert np.shape(walks["contour"]["cost"]) == (41, 41)
    assert {len(row) for row in data["amount"]["test"] + data["amount"]["train"]} == {3}
    assert not re.search(r"\d", json.dumps(data["texts"]))


def test_the_same_arguments_give_the_same_data(data: dict[str, Any]) -> None:
    assert json.dumps(explorer_data()) == json.dumps(data)


def test_without_compression_it_says_the_same(data: dict[str, Any]) -> None:
    plain = explorer_data(compress=False)
    assert "deflate" not in plain["digits"]["images"]
    assert (unblob(plain["digits"]["images"]) == unblob(data["digits"]["images"])).all()
    assert plain["walks"] == data["walks"]


@pytest.mark.parametrize("example", [-1, 500])
def test_an_example_outside_the_page_is_refused(example: int) -> None:
    with pytest.raises(DataError, match="shows 0 to 499"):
        explorer_data(example=example)


def test_untrained_is_the_lessons_start() -> None:
    start = flatten(lesson_network()).astype(np.float32)
    assert (shipped()["parameters"][0] == start).all()


def test_networks_get_better(data: dict[str, Any]) -> None:
    costs = [network["cost"] for network in data["networks"]]
    assert costs == sorted(costs, reverse=True)
    accuracies = [network["test_accuracy"] for network in data["networks"]]
    assert accuracies[0] < 0.2
    assert accuracies[2:] == sorted(accuracies[2:])
    assert accuracies[-1] > 0.95


def test_scores_are_those_of_the_networks_on_other_digits() -> None:
    """On the first 2,000 of both sets, which are not all that were measured."""
    found, digits = shipped(), drawn_data(train=2_000, test=2_000)
    for network, vector in zip(found["networks"], found["parameters"], strict=True):
        share = accuracy_of(vector, digits.test_images, digits.test_labels)
        assert share == pytest.approx(network["test_accuracy"], abs=0.02)
        cost = mean_cost(vector, digits.train_images, digits.train_labels)
        assert cost == pytest.approx(network["cost"], rel=0.12)


def test_test_digits_are_not_training_digits() -> None:
    digits = drawn_data(train=1_000, test=1_000)
    train = {image.tobytes() for image in digits.train_images}
    assert len(train) == 1_000
    assert not train & {image.tobytes() for image in digits.test_images}


def test_training_changes_only_weights_of_living_pixels() -> None:
    parameters = shipped()["parameters"]
    before, after = (unflatten(vector)[0].weight for vector in (parameters[0], parameters[-1]))
    changed = (before != after).any(axis=0).reshape(28, 28)
    assert changed[8:20, 8:20].all()
    assert not changed[[0, 0, -1, -1], [0, -1, 0, -1]].any()


# --- measuring ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return measure(drawn_data(train=200, test=20), SMALL)


def test_measuring_twice_gives_the_same(measured: dict[str, Any]) -> None:
    again = measure(drawn_data(train=200, test=20), SMALL)
    assert (again.pop("parameters") == measured["parameters"]).all()
    assert again == {key: value for key, value in measured.items() if key != "parameters"}


def test_a_handful_of_digits_is_too_few_to_measure() -> None:
    with pytest.raises(DataError, match="100 or more"):
        measure(drawn_data(train=99, test=20), SMALL)


def test_it_tells_of_its_work_as_often_as_it_said() -> None:
    told: list[str] = []
    measure(drawn_data(train=200, test=20), SMALL, told.append)
    assert len(told) == SMALL.stages
    assert len(set(told)) == len(told)


def test_a_set_of_your_own_makes_a_page_too(measured: dict[str, Any]) -> None:
    found = explorer_data(drawn_data(train=200, test=20), example=199, measured=measured)
    assert found["source"]["kind"] == "mnist"
    assert found["digits"]["count"] == 200
    assert all(step.words for step in Lesson(found))


def test_the_file_keeps_all_of_it(measured: dict[str, Any]) -> None:
    file = io.BytesIO()
    pack(measured, file)
    found = unpack(io.BytesIO(file.getvalue()))
    assert (found.pop("parameters") == measured["parameters"]).all()
    assert found == {key: value for key, value in measured.items() if key != "parameters"}


def test_the_file_is_made_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = tmp_path / "a.npz", tmp_path / "b.npz"
    for path in paths:
        prepare(path, SMALL, train=200, test=20)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert "a.npz" in capsys.readouterr().err


@pytest.mark.slow
def test_the_shipped_networks_come_from_the_command() -> None:
    """The first two, at least; all of it takes minutes."""
    plan = Plan(epochs=(1,))
    found, _ = train_networks(drawn_data(), plan)
    np.testing.assert_allclose(found, shipped()["parameters"][:3], atol=1e-3)


def test_a_measurement_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: dict[str, Any]
) -> None:
    monkeypatch.setattr("tinygrad_bp.lesson.cached.cache_folder", lambda: tmp_path)
    digits, told = drawn_data(train=200, test=20), []
    first = measured_once(digits, SMALL, told.append)
    assert told
    told.clear()
    again = measured_once(digits, SMALL, told.append)
    assert not told
    assert (first["parameters"] == again["parameters"]).all()
    path = cached_path(digits, SMALL)
    assert path != cached_path(digits)
    assert path != cached_path(drawn_data(train=200, test=21), SMALL)
    path.write_bytes(b"damaged")
    assert measured_once(digits, SMALL, told.append)["amount"] == measured["amount"]
    assert told


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tinygrad_bp.lesson.cached.cache_folder", lambda: tmp_path / "file")
    with pytest.raises(DataError, match="cannot be made"):
        measured_once(drawn_data(train=200, test=20), SMALL)


# --- blobs ----------------------------------------------------------------------------------------


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


# --- figures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> list[Path]:
    pytest.importorskip("matplotlib")
    from tinygrad_bp.lesson.figures import draw_figures

    with np.errstate(all="ignore"):
        return draw_figures(data, tmp_path_factory.mktemp("figures"))


def test_figures_are_drawn(figures: list[Path]) -> None:
    assert len(figures) == 6
    for path in figures:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert np.frombuffer(content[16:20], ">u4")[0] == 1920  # pixels wide, for slides


@pytest.mark.slow
def test_figures_are_the_same_each_time(
    figures: list[Path], tmp_path: Path, data: dict[str, Any]
) -> None:
    from tinygrad_bp.lesson.figures import draw_figures

    with np.errstate(all="ignore"):
        again = draw_figures(data, tmp_path)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in figures]


# --- coverage -------------------------------------------------------------------------------------

EXPECTED = [
    f"{part}{i}"
    for part, count in (("S", 42), ("W", 18), ("K", 18), ("G", 9), ("N", 8), ("A", 8))
    for i in range(1, count + 1)
]


def test_every_statement_is_covered_once_and_in_order() -> None:
    assert [covered.id for covered in COVERAGE] == EXPECTED
    assert all(covered.what for covered in COVERAGE)
    assert all(covered.step is None or 1 <= covered.step <= 17 for covered in COVERAGE)


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
    written = Path(__file__).parent.parent / "examples" / "coverage.md"
    assert written.read_text(encoding="utf-8") == as_markdown()
