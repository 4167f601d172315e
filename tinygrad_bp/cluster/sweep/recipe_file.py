"""The file in which a sweep is described, in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cluster.sweep.digits import Digits
from tinygrad_bp.cluster.sweep.plan import Plan
from tinygrad_bp.cluster.sweep.values import changed, whole
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import reading
from tinygrad_bp.train import Recipe

if TYPE_CHECKING:
    from tinygrad_bp.files import PathLike

__all__ = ["read_plan"]

TABLES = ("data", "recipe", "sweep")


def read_plan(path: PathLike, bases: Mapping[str, Recipe] | None = None) -> Plan:
    r"""Return the plan in a TOML file with the tables [data], [recipe] and [sweep].

    [data] has the fields of `Digits`; a relative `folder` is one beside the file. [recipe] has
    fields of `Recipe`, and maybe the `base` that they change, one of `bases` by name. [sweep] has
    fields of `Recipe` with the list of their values, and `seeds`: a list, or how many from 0 up.
    Whatever is left out has its default.

    Raises `DataError`, naming the file and the table, for anything else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "sweep.toml")
    ...     _ = file.write_text("[sweep]\nlr = [0.5, 1.5]\nseeds = 5")
    ...     len(read_plan(file).runs)
    10
    """
    tables = _tables(path)
    at = f"{path}: "
    try:
        at = f"{path}, [data]: "
        digits = _digits(tables["data"], Path(path).absolute().parent)
        at = f"{path}, [recipe]: "
        recipe = _recipe(tables["recipe"], bases or {})
        at = f"{path}, [sweep]: "
        swept = dict(tables["sweep"])
        seeds = _seeds(swept.pop("seeds", None), recipe, tables["recipe"])
        return Plan(recipe, swept, seeds, digits)
    except ValueError as error:
        raise DataError(f"{at}{error}") from error


def _tables(path: PathLike) -> dict[str, dict[str, Any]]:
    with reading(path) as file:
        content = file.read()
    try:
        document = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not TOML: {error}") from error
    for name, table in document.items():
        if name not in TABLES or not isinstance(table, dict):
            raise DataError(
                f"{path}: {name!r} stands alone; a sweep is described in the tables "
                f"{', '.join(f'[{one}]' for one in TABLES)}"
            )
    return {name: document.get(name, {}) for name in TABLES}


def _digits(table: Mapping[str, Any], beside: Path) -> Digits:
    given = dict(table)
    folder = given.pop("folder", None)
    if not isinstance(folder, str | None):
        raise ValueError(f"folder is the name of a folder, got {folder!r}")
    names = ("hold_out",) if folder is not None else ("hold_out", "train", "test", "seed")
    if unknown := [name for name in given if name not in names]:
        of = "drawn digits" if folder is None else "a folder"
        raise ValueError(f"there is no {unknown[0]!r} of {of}; there is {', '.join(names)}")
    for name, value in given.items():
        if whole(name, value) < (name != "seed"):
            raise ValueError(f"{name} must be {int(name != 'seed')} or more, got {value}")
    return Digits(None if folder is None else str(beside / folder), **given)


def _recipe(table: Mapping[str, Any], bases: Mapping[str, Recipe]) -> Recipe:
    given = dict(table)
    base = given.pop("base", None)
    if base is None:
        return changed(Recipe(), given)
    if not isinstance(base, str) or base not in bases:
        raise ValueError(f"there is no base {base!r}; there is {', '.join(bases)}")
    return changed(bases[base], given)


def _seeds(seeds: Any, recipe: Recipe, table: Mapping[str, Any]) -> Any:
    """Return the seeds: a number n stands for 0 to n - 1, and nothing for that of the recipe."""
    if seeds is None:
        return (recipe.seed,)
    if "seed" in table:
        raise ValueError("[recipe] has a seed, and here are seeds: leave one of them out")
    if isinstance(seeds, list):
        return seeds
    if whole("seeds", seeds) < 1:
        raise ValueError(f"seeds must be 1 or more, or a list, got {seeds}")
    return range(seeds)
