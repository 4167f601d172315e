"""The lesson's stage inside a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tinygrad_bp.lesson.cached import labelled_once
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.stage import EXAMPLE, stage_data, story

if TYPE_CHECKING:
    from tinygrad_bp.data import Mnist

__all__ = ["Stage", "stage"]


class Stage:
    """The lesson's page: notebooks show it, and `html` is the document to keep as a file.

    >>> Stage("<h1>Hello</h1>", height=480)._repr_html_()
    '<iframe srcdoc="&lt;h1&gt;Hello&lt;/h1&gt;" title="..." width="100%" height="480" ...'
    """

    def __init__(self, document: str, *, height: int) -> None:
        self.html = document
        """The page as one document, which needs no network."""
        self.height = height
        """Of the frame in a notebook, in pixels."""

    def __repr__(self) -> str:
        return f"<Stage: a page of {len(self.html.encode()) / 1e6:.2f} MB, shown in notebooks>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that neither it nor the notebook styles the other."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(story()["title"])}" '
            f'width="100%" height="{self.height}" style="border: 0"></iframe>'
        )


def stage(data: Mnist | None = None, *, example: int = EXAMPLE, height: int = 640) -> Stage:
    """Return the lesson on its stage, to be shown in a notebook.

    Without `data` it is told with drawn digits. With data (MNIST), up to a minute of learning comes
    first, once: the result is kept in the user's cache folder. `example` is the training digit to
    begin with, `height` the frame's in pixels. Raises `DataError` if there is no such example.

    >>> import tinygrad_bp as bp
    >>> bp.lesson.stage()  # doctest: +ELLIPSIS
    <Stage: a page of 0... MB, shown in notebooks>
    """
    measured = None if data is None else labelled_once(data)
    return Stage(stage_page(stage_data(data, example=example, measured=measured)), height=height)
