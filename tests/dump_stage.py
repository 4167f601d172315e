"""Write what the lesson's page carries, and its trainings in NumPy, for the tests of the page.

    python tests/dump_stage.py FILE [FOLDER OF MNIST]

With STAGE_DATA=FILE, `npx vitest run` in tinygrad_bp/pages trains on these digits, too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tinygrad_bp.data import mnist
from tinygrad_bp.lesson import runs
from tinygrad_bp.lesson.stage import stage_data


def trained(given: runs.Carried, wanted: runs.Run, *, scaled: bool) -> list[list[float]]:
    start = given.start if scaled else given.net
    stops = runs.run(wanted, start, given)
    return [[stop.steps, stop.work, stop.accuracy, stop.cost] for stop in stops]


def main(file: str, folder: str | None = None) -> None:
    data: dict[str, Any] = stage_data(None if folder is None else mnist(folder))
    given = runs.carried(data)
    expected = {
        "lapse": trained(given, runs.LAPSE, scaled=False),
        **{f"race {n}": trained(given, runs.race(n), scaled=True) for n in (10, 100, 1000)},
    }
    Path(file).write_text(json.dumps({"data": data, "expected": expected}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
