"""Runs in files: what a checkpoint keeps of a run, besides the model."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tinygrad_bp import nn
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_bp.nn.checkpoint import PathLike

__all__ = ["reading", "saved_run"]


def saved_run(path: PathLike) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe, and the `about`, of the run in a file that `Training.save` wrote.

    Raises `CheckpointError` if the file holds no run.
    """
    with reading(path) as checkpoint:
        state = checkpoint.extra["training"]
        return Recipe(**state["recipe"]), dict(state["about"])


@contextlib.contextmanager
def reading(path: PathLike) -> Iterator[nn.Checkpoint]:
    """Give what is in a file; whatever the block makes of it, it raises `CheckpointError` only."""
    checkpoint = nn.read_checkpoint(path)
    try:
        yield checkpoint
    except CheckpointError as error:
        if str(error.args[0]).startswith(f"{path}: "):
            raise
        raise CheckpointError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed: it holds a model, but no sound state of a training run "
            f"({error!r}). Give a file that `tinygrad-bp train --out` or Training.save wrote."
        ) from error
