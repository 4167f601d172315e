"""Options, profiles and settings that every test shares."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def _nothing_for_the_collector() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what was there before is not looked through again
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.fixture(scope="session")
def no_garbage() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What is made inside `with no_garbage():` must be freed by reference count alone."""
    return _nothing_for_the_collector


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
