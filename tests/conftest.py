"""Options, profiles and settings that every test shares."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from tinygrad_bp.cli import main

# What a test takes by the clock says nothing on a busy machine.
CLOCKLESS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("quick", derandomize=True, max_examples=20, **CLOCKLESS)
hypothesis.settings.register_profile("slow", derandomize=True, max_examples=50, **CLOCKLESS)
hypothesis.settings.register_profile("nightly", max_examples=2000, **CLOCKLESS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mnist", metavar="FOLDER", help="folder of the real MNIST files")
    parser.addoption("--slow", action="store_true", help="run the slow tests as well")
    parser.addoption("--leave-out", metavar="FILE", help="leave out what passed with RECORD=FILE")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--hypothesis-profile", None):
        usual = "slow" if config.getoption("--slow") else "quick"
        hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", usual))
    if file := os.environ.get("RECORD"):
        config.pluginmanager.register(Record(Path(file)))


class Record:
    """Keeps the names of the tests that pass in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.passed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.file.write_text("\n".join(self.passed), "utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if file := config.getoption("--leave-out"):
        passed = set(Path(file).read_text("utf-8").split("\n"))
        _leave_out(config, items, lambda item: item.nodeid in passed and not _draws_more(item))
    if not config.getoption("--slow"):
        _leave_out(config, items, lambda item: "slow" in item.keywords)
    for item in items:
        if "mnist" in item.keywords and not config.getoption("--mnist"):
            item.add_marker(pytest.mark.skip(reason="needs --mnist FOLDER"))


def _draws_more(item: pytest.Item) -> bool:
    """Whether the slow run is another one than the quick one."""
    return hypothesis.is_hypothesis_test(getattr(item, "obj", None))


def _leave_out(
    config: pytest.Config, items: list[pytest.Item], unwanted: Callable[[pytest.Item], bool]
) -> None:
    """Deselect tests: some ten thousand that are skipped would take half a minute."""
    config.hook.pytest_deselected(items=[item for item in items if unwanted(item)])
    items[:] = [item for item in items if not unwanted(item)]


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """Say what is deselected."""
    return "" if config.getoption("--slow") else "slow tests are deselected: --slow runs them"


def pytest_collection_finish() -> None:
    """The tests themselves are no garbage: without them, the cycle collector is done at once.

    Hypothesis asks the collector who refers to its generator when it makes it, so that comes first.
    """
    hypothesis.find(hypothesis.strategies.none(), lambda _: True)
    gc.collect()
    gc.freeze()


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
    gc.freeze()  # what was there before is not looked through again, now or later
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.fixture(scope="session")
def no_garbage() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What is made inside `with no_garbage():` must be freed by reference count alone."""
    return _nothing_for_the_collector


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- the command line -------------------------------------------------------------------------


@pytest.fixture
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that asks for nothing special, whatever the tests are run in."""
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def cli(
    plain_terminal: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run `tinygrad-bp` as in a plain terminal; give its exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # commands add the folder of a script

    def run(*arguments: Any) -> tuple[int, str, str]:
        code = main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return run


# --- pages in a browser -----------------------------------------------------------------------

PATIENCE_MS = 120_000  # a deadline, not a wait: busy machines are slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as running:
        path = shutil.which("chromium") or running.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("needs a Chromium: playwright install chromium")
        launched = running.chromium.launch(executable_path=path)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; by the end it must have asked for nothing but itself, and not complained."""
    asked: list[str] = []
    complaints: list[str] = []
    visited: set[str] = set()
    contexts: list[Any] = []

    def open_page(address: str, moment: str = "", **settings: Any) -> Any:
        visited.add(address)
        contexts.append(browser.new_context(**{"reduced_motion": "reduce", **settings}))
        shown = contexts[-1].new_page()
        shown.set_default_timeout(PATIENCE_MS)
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(f"{address}{moment}")
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert {url.partition("#")[0] for url in asked} == visited
    assert complaints == []
