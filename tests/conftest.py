"""Options, profiles and settings that every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mnist", metavar="FOLDER", help="folder of the real MNIST files")
    parser.addoption("--slow", action="store_true", help="run the slow tests as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "mnist" in item.keywords and not config.getoption("--mnist"):
            item.add_marker(pytest.mark.skip(reason="needs --mnist FOLDER"))
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="needs --slow"))


@pytest.fixture
def mnist_folder(request: pytest.FixtureRequest) -> Path:
    folder = request.config.getoption("--mnist")
    if not folder:
        pytest.skip("needs --mnist FOLDER")
    return Path(folder)


@pytest.fixture(autouse=True)
def _strict_floating_point() -> Iterator[None]:
    """A silent overflow or 0/0 in a test is a failure; tests that mean one say so."""
    with np.errstate(all="raise"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
