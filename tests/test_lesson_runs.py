"""The trainings that the lesson's page runs: what its scenes claim, and the page's own numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.data import mnist
from tinygrad_bp.lesson import flatten, lesson_network
from tinygrad_bp.lesson.deltas import activations, deltas_of
from tinygrad_bp.lesson.network import unflatten
from tinygrad_bp.lesson.runs import (
    LAPSE,
    Carried,
    Leg,
    Run,
    Stop,
    carried,
    race,
    run,
    seeded,
    shuffled,
)
from tinygrad_bp.lesson.stage import stage_data

SEEDS = range(1, 21)
FLAG = 0.8


@pytest.fixture(scope="module")
def drawn() -> Carried:
    """Drawn digits, on the network of seed 0 whatever the page's own is."""
    net = flatten(lesson_network()).astype(np.float32).astype(float)
    return carried(stage_data(compress=False))._replace(net=net)


@pytest.fixture(params=["drawn", pytest.param("mnist", marks=pytest.mark.mnist)])
def given(request: pytest.FixtureRequest) -> Carried:
    """What the page carries."""
    if request.param == "drawn":
        return carried(stage_data(compress=False))
    folder: Path = request.getfixturevalue("mnist_folder")
    return carried(stage_data(mnist(folder), compress=False))


def trained(wanted: Run, start: Any, given: Carried) -> list[Stop]:
    with np.errstate(under="ignore"):
        return list(run(wanted, start, given))


def cost_of(stop: Stop, given: Carried) -> float:
    """What a step lowers: the average over the digits that it is taken for."""
    with np.errstate(under="ignore"):
        return float(deltas_of(stop.vector, given.images, given.labels).costs.mean())


def reads_all_shown(stop: Stop, given: Carried) -> bool:
    output = activations(unflatten(stop.vector), given.images[given.shown])[-1]
    return bool((output.argmax(axis=1) == given.labels[given.shown]).all())


def test_the_generator_is_the_page_s() -> None:
    random = seeded(1)
    assert [random() for _ in range(3)] == [
        0.6270739405881613,
        0.002735721180215478,
        0.5274470399599522,
    ]
    assert shuffled(6, seeded(1)) == [4, 1, 5, 2, 0, 3]
    assert sorted(shuffled(1000, seeded(2**32 + 7))) == list(range(1000))
    assert shuffled(50, seeded(2**32 + 7)) == shuffled(50, seeded(7))


def test_an_epoch_takes_every_digit_once(drawn: Carried) -> None:
    """Two steps on half of the digits, small enough, are one step on all, and no other digits."""
    few = drawn._replace(images=drawn.images[:40], labels=drawn.labels[:40])
    tiny = 1e-6
    halves = trained(Run((Leg(2, 20, 2 * tiny),), (2,)), few.net, few)[-1]
    whole = trained(Run((Leg(1, 40, 2 * tiny),), (1,)), few.net, few)[-1]
    moved = (whole.vector - few.net) / tiny
    np.testing.assert_allclose((halves.vector - few.net) / tiny, 2 * moved, atol=1e-4)
    assert (halves.work, whole.work) == (40, 40)


def test_a_stop_on_the_way_of_a_step_is_on_a_straight_line(drawn: Carried) -> None:
    stops = trained(replace(LAPSE, stops=(0, 0.25, 0.5, 1, 2)), drawn.net, drawn)
    assert [stop.steps for stop in stops] == [0, 0.25, 0.5, 1, 2]
    assert [stop.work for stop in stops] == [0, 0, 0, 1000, 1020]
    step = stops[3].vector - stops[0].vector
    np.testing.assert_allclose(stops[1].vector, stops[0].vector + step / 4, atol=1e-14)
    np.testing.assert_allclose(stops[2].vector, stops[0].vector + step / 2, atol=1e-14)


def test_stops_are_in_order_and_the_last_is_the_end() -> None:
    for wanted in (LAPSE, race(1), race(10), race(100), race(1000)):
        assert all(a < b for a, b in pairwise(wanted.stops))
        assert wanted.stops[0] == 0
        assert wanted.stops[-1] == sum(leg.steps for leg in wanted.legs)


PAGE = {
    "lapse": [
        (0, 0.12, 3.8110341110106396),
        (0.5, 0.114, 2.8784634781203953),
        (1, 0.11, 2.570957547767106),
        (94, 0.382, 0.7527547726302796),
        (681, 0.832, 0.2558278215346519),
        (2001, 0.84, 0.23595914016714595),
    ],
    "10": [(200, 0.562, 0.5999464595990404), (1200, 0.888, 0.16875993744268739)],
    "100": [(20, 0.096, 0.8942885213891382), (120, 0.448, 0.7004996482123097)],
    "1000": [(2, 0.104, 0.9067018315851386), (12, 0.096, 0.8963842553133436)],
}
"""Steps, accuracy and cost that the page itself reaches on drawn digits."""


@pytest.mark.parametrize("name", PAGE)
def test_the_numbers_are_the_page_s(drawn: Carried, name: str) -> None:
    """After 2,000 steps a last bit of exp has grown, but not as far as 1e-6."""
    wanted = LAPSE if name == "lapse" else race(int(name))
    start = drawn.net if name == "lapse" else drawn.start
    found = {stop.steps: stop for stop in trained(wanted, start, drawn)}
    for steps, accuracy, cost in PAGE[name]:
        assert found[steps].accuracy == accuracy
        assert found[steps].cost == pytest.approx(cost, abs=1e-6)


def test_the_first_step_lowers_the_cost_and_the_end_reads(given: Carried) -> None:
    first, second, end = trained(replace(LAPSE, stops=(0, 1, 2001)), given.net, given)
    assert cost_of(second, given) < cost_of(first, given)
    assert second.cost < first.cost
    assert first.accuracy < 0.2
    assert end.accuracy > 0.72
    assert reads_all_shown(end, given)


@pytest.mark.slow
def test_who_stumbles_reads_before_the_careful_one_has_taken_nine_steps(given: Carried) -> None:
    stumbling = trained(race(10), given.start, given)
    careful = trained(race(1000), given.start, given)
    first = next(stop for stop in stumbling if stop.accuracy >= FLAG)
    assert first.work <= 8000
    assert careful[first.work // 1000].accuracy < 0.5


@pytest.mark.slow
def test_the_lapse_reads_whatever_the_shuffle(given: Carried) -> None:
    wanted = (replace(LAPSE, stops=(0, 1, 2001), seed=seed) for seed in SEEDS)
    stops = [trained(each, given.net, given) for each in wanted]
    assert all(cost_of(b, given) < cost_of(a, given) for a, b, _ in stops)
    assert sum(reads_all_shown(end, given) for *_, end in stops) >= 19


@pytest.mark.slow
def test_the_first_step_lowers_the_cost_from_any_start(given: Carried) -> None:
    for seed in SEEDS:
        net = flatten(lesson_network(seed))
        before, after = trained(replace(LAPSE, legs=LAPSE.legs[:1], stops=(0, 1)), net, given)
        assert cost_of(after, given) < cost_of(before, given)


@pytest.mark.slow
def test_the_race_is_won_from_any_start_and_shuffle(given: Carried) -> None:
    won = 0
    for seed in SEEDS:
        start = given._replace(net=flatten(lesson_network(seed))).start
        stumbling = trained(replace(race(10), seed=seed), start, given)
        first = next((stop for stop in stumbling if stop.accuracy >= FLAG), None)
        careful = trained(race(1000), start, given)
        won += (
            first is not None
            and first.work <= 8000
            and careful[first.work // 1000].accuracy < first.accuracy - 0.3
        )
    assert won >= 19
