"""Make the files of networks and curves that come with the library.

    python -m tinygrad_bp.lesson.prepare        a few minutes; the same files each time

Trained on 60,000 drawn digits, tested on 10,000 others, so that the lesson's page is complete
without a download. Another NumPy or BLAS may round differently in the last digits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tinygrad_bp.files import replacing
from tinygrad_bp.lesson import labelled
from tinygrad_bp.lesson.curves import FULL, Plan, measure
from tinygrad_bp.lesson.explorer import SHIPPED, drawn_data, pack

__all__ = ["prepare", "prepare_labelled"]


def prepare(path: Path, plan: Plan = FULL, *, train: int = 60_000, test: int = 10_000) -> None:
    """Train, measure and write the file.

    >>> import inspect
    >>> list(inspect.signature(prepare).parameters)
    ['path', 'plan', 'train', 'test']
    """
    measured = measure(drawn_data(train=train, test=test), plan, _tell)
    with replacing(path) as file:
        pack(measured, file)
    _tell(f"{path}: {path.stat().st_size:,} bytes")


def prepare_labelled(
    path: Path,
    plan: labelled.Plan = labelled.FULL,
    *,
    train: int = 60_000,
    test: int = 10_000,
) -> None:
    """Measure what labelled digits buy, and write the file.

    >>> import inspect
    >>> list(inspect.signature(prepare_labelled).parameters)
    ['path', 'plan', 'train', 'test']
    """
    measured = labelled.measure(drawn_data(train=train, test=test), plan, _tell)
    with replacing(path) as file:
        file.write(json.dumps(measured).encode() + b"\n")


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    prepare_labelled(Path(__file__).with_name(labelled.SHIPPED))
    prepare(Path(__file__).with_name(SHIPPED))
