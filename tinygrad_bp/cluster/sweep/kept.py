"""Outcomes in a folder, a file for each run: what is there need not be computed again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cluster.connection import versions
from tinygrad_bp.cluster.sweep.outcome import Outcome
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import check_writable, reading, replacing
from tinygrad_bp.train import Epoch
from tinygrad_bp.train.surroundings import differences

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_bp.files import PathLike
    from tinygrad_bp.train import Recipe

__all__ = ["Kept"]

LARGEST = 1 << 24
"""Bytes of a file: those of a run with 100,000 epochs."""


class Kept:
    """A folder with the outcomes of runs, in files named by recipe and data.

    It may hold those of any sweeps, and several sweeps may write to it at once: each file is
    replaced whole. A file that is damaged, that is of something else or that other versions wrote
    is as good as none: `say` is told of it, by default as a warning.

    Raises `DataError` if the folder is not there and cannot be made, or cannot be written to.

    >>> import tempfile
    >>> from tinygrad_bp.train import Recipe
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(Kept(folder).outcome(Recipe(), "digest of the data"))
    None
    """

    def __init__(self, folder: PathLike, say: Callable[[str], object] | None = None) -> None:
        self.folder, self._say = Path(folder), say or _warn
        try:
            self.folder.mkdir(exist_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{folder} is no folder, and cannot be made one: {reason}") from error
        check_writable(self.path("0" * 64))

    def path(self, identity: str) -> Path:
        """Return the file of a run."""
        return self.folder / f"{identity[:20]}.json"

    def outcome(self, recipe: Recipe, data: str) -> Outcome | None:
        """Return what came out of the run with this recipe on these data, if that is known."""
        path = self.path(_identity(recipe, data))
        if not path.exists():
            return None
        try:
            return _outcome(_read(path), recipe, data)
        except DataError as error:
            self._say(f"{path}: {error}: this run is done again")
            return None

    def keep(self, recipe: Recipe, outcome: Outcome) -> None:
        """Write what came out of a run; raises `DataError` if it cannot be written."""
        content = {
            "recipe": dataclasses.asdict(recipe),
            "data": outcome.data,
            "diverged": outcome.diverged,
            "history": [epoch._asdict() for epoch in outcome.history],
            "weights": outcome.weights,
            "surroundings": outcome.surroundings,
        }
        content["digest"] = _digest(content)
        with replacing(self.path(_identity(recipe, outcome.data))) as file:
            file.write(json.dumps(content, indent=1).encode())


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def _identity(recipe: Recipe, data: str) -> str:
    return _digest({"recipe": dataclasses.asdict(recipe), "data": data})


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Return what is in a file, if it is what was written; `DataError` if not."""
    with reading(path) as file:
        text = file.read(LARGEST)
    try:
        content = dict(json.loads(text))
        digest = content.pop("digest", None)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError("it does not hold a run, or only a part of one") from error
    if digest != _digest(content):
        raise DataError("it is not what was written into it")
    return content


def _outcome(content: dict[str, Any], recipe: Recipe, data: str) -> Outcome:
    if (content["recipe"], content["data"]) != (_in_json(recipe), data):
        raise DataError("it holds another run")
    there = {name: content["surroundings"].get(name) for name in versions()}
    if changes := differences(there, versions()):
        raise DataError(", ".join(changes))
    history = tuple(Epoch(**epoch) for epoch in content["history"])
    rest = (content[name] for name in ("diverged", "weights", "data", "surroundings"))
    return Outcome(history, *rest)


def _in_json(recipe: Recipe) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(recipe)))
