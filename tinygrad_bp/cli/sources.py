"""The digits that a command learns from: a folder's, MNIST's, or drawn ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tinygrad_bp.data import Mnist, mnist
from tinygrad_bp.data.sets import drawn, hold_out
from tinygrad_bp.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tinygrad_bp.cli.screen import Screen

__all__ = ["load", "load_again", "without_held_out"]

TIMEOUT = 5.0  # seconds that a server of MNIST gets to answer


def load(folder: Path | None, seed: int, screen: Screen, *, draw: bool) -> tuple[Mnist, bool]:
    """Return a folder's digits, MNIST, or drawn ones, and whether they are drawn.

    They are drawn if that is asked for, or if MNIST is not there and cannot be downloaded.
    Raises `DataError` for a folder that does not hold them.
    """
    if folder is not None:
        return mnist(folder, verify=False), False
    if not draw:
        try:
            return _cached_mnist(screen), False
        except DataError as error:
            reason = str(error).partition("\n")[0].rstrip(":.")
            screen.line(f"No MNIST ({reason}): training on drawn digits instead.", style="yellow")
    with screen.waiting("Drawing 70,000 digits, which takes a few seconds ..."):
        return drawn(seed), True


def load_again(
    path: Path,
    about: Mapping[str, Any],
    folder: Path | None,
    seed: int,
    screen: Screen,
    *,
    draw: bool = False,
) -> Mnist:
    """Return the digits that a saved run says it learned from: never others in their place.

    Raises `CheckpointError` if it does not say what it was tested on, and `DataError` as
    `data.mnist` does.
    """
    if not isinstance(about.get("hold_out"), int | None):
        raise CheckpointError(f"{path} does not say what its run was tested on.")
    draw = draw or (folder is None and bool(about.get("drawn")))
    if folder is None and not draw:
        return without_held_out(_cached_mnist(screen), about)
    data, _ = load(folder, seed, screen, draw=draw)
    return without_held_out(data, about)


def without_held_out(data: Mnist, about: Mapping[str, Any]) -> Mnist:
    """Return the digits, with those that a run holds out as its test set."""
    n = about.get("hold_out")
    return data if n is None else hold_out(data, n)


def _cached_mnist(screen: Screen) -> Mnist:
    @functools.cache  # so that each file is announced once
    def announce(name: str) -> None:
        screen.line(f"Downloading {name}", style="dim")

    return mnist(download=True, timeout=TIMEOUT, progress=lambda name, *_: announce(name))
