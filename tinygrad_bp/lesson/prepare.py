"""Make the file that comes with the library: what labelled digits buy.

    python -m tinygrad_bp.lesson.prepare        half a minute; the same file each time

Measured on 60,000 drawn digits and 10,000 others, so that the lesson's page is complete without a
download. Another NumPy or BLAS may round differently in the last digits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tinygrad_bp.files import replacing
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.labelled import FULL, SHIPPED, Plan, measure

__all__ = ["prepare"]


def prepare(path: Path, plan: Plan = FULL, *, train: int = 60_000, test: int = 10_000) -> None:
    """Measure, and write the file.

    >>> import inspect
    >>> list(inspect.signature(prepare).parameters)
    ['path', 'plan', 'train', 'test']
    """
    measured = measure(drawn_data(train=train, test=test), plan, _tell)
    with replacing(path) as file:
        file.write(json.dumps(measured).encode() + b"\n")


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    prepare(Path(__file__).with_name(SHIPPED))
