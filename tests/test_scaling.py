"""The model of many workers: cases worked out by hand, and a page that says what it computes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.scaling import WAYS, Costs, Job, cost, duration, efficient_up_to, fastest

PAGE = Path(__file__).parent.parent / "examples" / "explanation" / "paper_beside_practice.md"
COSTS = Costs(per_flop=1e-9, per_byte=1e-8, per_message=0.5, latency=1.0)
JOB = Job(examples=1_000, parameters=25_000_000)  # 25 s alone; 100,000,000 bytes take 1 s


@pytest.mark.parametrize(
    ("way", "workers", "seconds"),
    [
        ("master", 1, 25 + 2 * (1 + 1 * 1.5)),
        ("master", 5, 5 + 2 * (1 + 5 * 1.5)),
        ("tree", 1, 25),
        ("tree", 2, 12.5 + 2 * 1 * 2.5),
        ("tree", 5, 5 + 2 * 3 * 2.5),
        ("ring", 1, 25),
        ("ring", 2, 12.5 + 2 * 1 * (1.5 + 0.5)),
        ("ring", 5, 5 + 2 * 4 * (1.5 + 0.2)),
    ],
)
def test_cases_worked_out_by_hand(way: str, workers: int, seconds: float) -> None:
    assert cost(JOB, workers, COSTS, WAYS[way]) == pytest.approx(seconds, rel=1e-12)


def test_workers_share_cores() -> None:
    shared = cost(JOB, 5, COSTS, WAYS["master"], cores=2)
    assert shared == pytest.approx(12.5 + 2 * (1 + 5 * 1.5), rel=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("examples", [10, 1_000, 200_000])
def test_the_fastest_and_the_last_efficient_are_those_of_trying_all(
    way: str, examples: int
) -> None:
    job = Job(examples, 25_000_000)
    times = [cost(job, w, COSTS, WAYS[way]) for w in range(1, 2_000)]
    assert times[fastest(job, COSTS, WAYS[way]) - 1] == min(times)
    base = COSTS.per_flop * job.examples * job.parameters
    good = [w for w, t in enumerate(times, 1) if base / t >= w / 2]
    assert efficient_up_to(job, COSTS, WAYS[way]) == (good[-1] if good else 0)


def test_a_master_is_best_where_computing_and_sending_take_the_same() -> None:
    """The derivative of c N P / w + 2 w s is zero there; 2,500 s over 2 (0.5 + 1) is 29 squared."""
    job = Job(100_000, 25_000_000)
    assert fastest(job, COSTS, WAYS["master"]) == 29


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1e-10, "100 ps"),
        (2.34e-9, "2.3 ns"),
        (0.0123, "12 ms"),
        (59.0, "59 s"),
        (5400, "1.5 h"),
        (86_400 * 120, "120 days"),
        (31_557_600 * 12_345, "12,345 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_page_says_what_its_costs_come_to() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- measured: (.+) -->", page)
    assert found
    tables = scaling.tables(**scaling.read(json.loads(found[1])))
    written = dict(re.findall(r"<!-- begin (\w+) -->\n\n(.*?)\n<!-- end -->", page, re.DOTALL))
    assert written == tables
