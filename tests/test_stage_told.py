"""The story's numbers in Python, and the drawings that the terminal makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_bp.cli.drawings import SCENES, columns, gap, level, line
from tinygrad_bp.data import Mnist
from tinygrad_bp.lesson import Told, labelled, stage_data, story
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.told import BRACES


@pytest.fixture(scope="module")
def told() -> Told:
    return Told(stage_data())


def test_every_scene_of_the_story_is_drawn() -> None:
    assert list(SCENES) == [scene["id"] for scene in story()["scenes"]]


def test_every_brace_of_the_story_has_its_words(told: Told) -> None:
    for scene in story()["scenes"]:
        texts = [scene["title"], *(text for _, text in scene["clauses"])]
        names = [name for text in texts for name in BRACES.findall(text)]
        assert all(name in told.words or name[0] in "+-" for name in names), scene["id"]
    assert told.sentence(8).startswith("All ten outputs")
    assert "{" not in "".join(told.sentence(n) + told.title(n) for n in range(1, 16))


def test_words_are_those_of_the_example(told: Told) -> None:
    assert told.words["label"] == "2"
    assert told.near == 8
    assert 0 < told.share < 1
    other = Told(stage_data(example=6))
    assert other.words["label"] == str(other.one.label)
    assert other.near != other.one.label


def test_it_has_the_digits_of_the_page(told: Told) -> None:
    drawn = drawn_data(train=1000, test=500)
    assert told.given.images.shape == (1000, 784)
    assert (np.rint(15 * told.given.unseen_images) == np.rint(15 * drawn.test_images)).all()
    np.testing.assert_allclose(told.given.images[5], drawn.train_images[5], atol=0.002)
    assert (told.given.labels == drawn.train_labels).all()


def test_the_step_and_what_follows_teach_it(told: Told) -> None:
    assert told.after_a_step.cost < told.one.cost
    assert told.lapse[0].accuracy < 0.3
    assert told.lapse[-1].accuracy > 0.7
    assert 0.4 <= told.accuracy(told.half_trained) < 0.7


def test_stumbling_wins_the_race(told: Told) -> None:
    stumbling, careful = told.race
    assert stumbling[-1].work == careful[-1].work == 12_000
    assert (stumbling[-1].steps, careful[-1].steps) == (1200, 12)
    assert stumbling[-1].accuracy > 0.8
    assert careful[-1].accuracy < 0.4


def test_mini_batches_point_roughly_everybody_s_way(told: Told) -> None:
    assert len(told.cosines) == 10
    assert np.mean(told.cosines) > 0.4
    assert max(told.cosines) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("example", [0, 3, 17])
def test_few_digits_are_no_trouble(example: int) -> None:
    few = Mnist(*(part[:120] for part in drawn_data(train=120, test=120)))
    found = Told(stage_data(few, example=example, measured=labelled.shipped()))
    assert found.race[0][-1].work == 12_000
    assert len(found.columns) == len(found.given.shown)


# --- drawings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.01, 0.5, 0.999, 1.0, 7.0])
def test_a_bar_has_its_width(share: float) -> None:
    assert len(level(share, 20)) == 20
    assert level(share, 20).count("█") == round(20 * min(1.0, max(0.0, share)))


@pytest.mark.parametrize(("share", "target"), [(0.0, 0), (0.2, 1), (0.9, 0), (1.0, 1), (0.02, 0)])
def test_an_arrow_goes_from_the_level_to_the_target(share: float, target: float) -> None:
    text = gap(share, target, 50).plain
    assert len(text) == 51
    assert text.index("●") == round(49 * share)
    assert not set(text) - set("●─ " + ("→" if target else "←"))
    assert text.strip(" ").endswith(("→", "●") if target else ("●",))


def test_columns_stand_on_their_side_of_the_line() -> None:
    up, down = columns([1.0, 2.0], 3), columns([-1.0, -2.0], 3)
    assert up[-1].plain == down[0].plain == "────────"
    assert (len(up), len(down)) == (4, 4)
    assert [text.plain for text in up[:-1]] == ["     ██ ", " ▄▄  ██ ", " ██  ██ "]
    assert len(columns(np.zeros(5), 3)) == 1
    assert {len(text.plain) for text in columns(np.linspace(-1, 1, 16), 5)} == {64}


def test_a_line_has_as_many_heights_as_wanted() -> None:
    assert line([0.0, 1.0], 4) == "  ██"
    assert len(line(list(np.linspace(0, 1, 500)), 60)) == 60
