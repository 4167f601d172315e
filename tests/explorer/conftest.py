"""The page of the lesson, made once for each file of tests and opened at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_bp.lesson import explorer_data
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.page import page


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return explorer_data()


@pytest.fixture(scope="module")
def images(data: dict[str, Any]) -> NDArray[np.float64]:
    return unblob(data["digits"]["images"]).reshape(-1, 784) / 255


@pytest.fixture(scope="module")
def labels(data: dict[str, Any]) -> NDArray[np.int64]:
    return np.array(data["digits"]["labels"])


@pytest.fixture(scope="module")
def address(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("explorer") / "lesson.html"
    path.write_text(page(data), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(visit: Callable[..., Any], address: str) -> Callable[..., Any]:
    """Open the page at some moment, such as "#step=2"; no motion, unless a test wants it."""

    def open_page(moment: str = "", *, ready: bool = True, **settings: Any) -> Any:
        shown = visit(address, moment, **settings)
        if ready:
            shown.wait_for_selector("html[data-ready]")
        return shown

    return open_page
