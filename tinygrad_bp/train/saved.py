"""Runs in files: what a checkpoint keeps of a run, besides the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_bp import nn
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.files import naming
from tinygrad_bp.train.position import Position
from tinygrad_bp.train.recipe import Recipe

if TYPE_CHECKING:
    from tinygrad_bp.nn.checkpoint import PathLike

__all__ = ["material_state", "position_in", "reading", "saved_run"]


def saved_run(path: PathLike) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe, and the `about`, of the run in a file that `Training.save` wrote.

    `about` is what the run was given under that name. Raises `CheckpointError` if the file holds no
    run.

    >>> import tempfile
    >>> from tinygrad_bp.train import Training
    >>> x, y = [[0.0], [1.0]], [0, 1]
    >>> run = Training(Recipe(lr=0.5, batch_size=2), (x, y, x, y), about={"data": "two points"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(f"{folder}/run.npz")
    ...     recipe, about = saved_run(f"{folder}/run.npz")
    >>> recipe.lr, about
    (0.5, {'data': 'two points'})
    """
    with reading(path) as checkpoint:
        state = checkpoint.extra["training"]
        return Recipe(**state["recipe"]), dict(state["about"])


@contextlib.contextmanager
def reading(path: PathLike) -> Iterator[nn.Checkpoint]:
    """Give what is in a file; whatever the block makes of it, it raises `CheckpointError` only."""
    checkpoint = nn.read_checkpoint(path)
    try:
        with naming(path, error=CheckpointError):
            yield checkpoint
    except CheckpointError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed: it holds a model, but no sound state of a training run "
            f"({error!r}). Give a file that `tinygrad-bp train --out` or Training.save wrote."
        ) from error


def position_in(path: PathLike) -> tuple[Position, Mapping[str, Any] | None]:
    """Return where the run in a file stands, and the state of its material, if it had any.

    Nothing is loaded. Raises `CheckpointError` if the file holds no run.
    """
    state = nn.read_checkpoint(path).position
    if state is None:
        raise CheckpointError(
            "it holds no position of a run. Give a file that Checkpoint or Trainer.save wrote"
        )
    return Position.of_state(state), material_state(state)


def material_state(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a trainer's state has of its material, or None if it had none yet."""
    feed, sets = state.get("feed"), state.get("sets")
    if not isinstance(sets, Mapping):
        raise CheckpointError(f"what the run was measured on makes no sense: {sets!r:.100}")
    return None if feed is None else {"feed": feed, "sets": dict(sets)}
