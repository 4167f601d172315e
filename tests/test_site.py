"""The documentation is run: its code works, prints what it says, and names all that there is."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors
from tinygrad_bp.cli.arguments import COMMANDS, parse
from tinygrad_bp.methods import Methods

SITE = Path(__file__).parent.parent / "examples"
PAGES = {str(path.relative_to(SITE)): path.read_text("utf-8") for path in SITE.glob("**/*.md")}
BLOCK = re.compile(
    r"^```(python|\{code-cell\} python)\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL
)
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IMPORTED = re.compile(r"^>>> (?:import|from) (\w+)", re.MULTILINE)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
METHODS = re.compile(r"^```\{methods\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"^```\{api\} (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^ *print\(.*\) +# (.+)$", re.MULTILINE)
OPTIONAL = ("IPython", "dask", "jax", "matplotlib", "onnx", "onnxruntime", "safetensors", "scipy",
            "sklearn", "torch")  # fmt: skip
SLOW = {
    "how_to/autoencoder.md",
    "how_to/rnn_on_text.md",
    "how_to/sweep.md",
    "reference/command_line.md",
    "tutorials/digits.md",
    "tutorials/more_than_one_machine.md",
    "tutorials/second_derivatives.md",
}
"""Pages whose code takes more than a few seconds."""


def blocks(page: str) -> list[tuple[str, str, str]]:
    """What runs on a page: how each block is marked, a cell's options, and its code."""
    return BLOCK.findall(PAGES[page])


def test_options_of_a_cell_are_no_code() -> None:
    cell = "```{code-cell} python\n:tags: [hide-input]\nx = a[\n:1]\n```\n"
    assert BLOCK.findall(cell) == [("{code-cell} python", ":tags: [hide-input]\n", "x = a[\n:1]\n")]


def with_code() -> list[Any]:
    marks = {page: [pytest.mark.slow] if page in SLOW else [] for page in PAGES if blocks(page)}
    return [pytest.param(page, marks=marks[page]) for page in sorted(marks)]


@contextmanager
def skipping_extras() -> Iterator[None]:
    """Leave out a page that asks the library for an optional package that is missing."""
    try:
        yield
    except ImportError as error:
        if "this needs the package" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("page", with_code())
def test_a_page_runs_and_prints_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks in one namespace and in order, in an empty folder, as a notebook's kernel does."""
    for package in OPTIONAL:
        if re.search(rf"^\s*(import|from) {package}\b", PAGES[page], re.MULTILINE):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATPLOTLIBRC", str(SITE / "matplotlibrc"))
    printed: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, (kind, _, code) in enumerate(blocks(page), 1):
        printed.clear()
        if kind == "python":
            names["print"] = lambda *values, **_: printed.append(" ".join(map(str, values)))
        source = tmp_path / f"block_{number}.py"
        source.write_text(code, "utf-8")
        with np.errstate(all="warn", under="ignore"), skipping_extras():  # NumPy's own settings
            exec(compile(code, str(source), "exec"), names)  # noqa: S102  (our own pages)
        if kind == "python":
            assert printed == PRINTED.findall(code)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.mark.parametrize("page", sorted(page for page in PAGES if SESSION.search(PAGES[page])))
def test_a_session_goes_as_it_is_shown(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a doctest; errors are shown with their messages, which may be broken into lines.

    Blocks that import an optional package are left out where that is not installed.
    """
    monkeypatch.chdir(tmp_path)
    text = "\n".join(block for block in SESSION.findall(PAGES[page])
                     if all(map(importlib.util.find_spec, IMPORTED.findall(block))))  # fmt: skip
    session = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    said: list[str] = []
    with np.errstate(all="warn", under="ignore"):
        doctest.DocTestRunner(optionflags=flags).run(session, out=said.append)
    assert "".join(said) == ""


def test_every_error_is_shown() -> None:
    shown = set(re.findall(r"^## (\w+)$", PAGES["reference/error_messages.md"], re.MULTILINE))
    classes = {name for name in errors.__all__ if inspect.isclass(getattr(errors, name))}
    assert classes - shown == {"TinygradError"}  # their root


def commands() -> list[str]:
    lines = [line for text in PAGES.values() for found in CONSOLE.findall(text)
             for line in found.split("\n")]  # fmt: skip
    return [line for line in lines if "tinygrad-bp " in line]


@pytest.mark.parametrize("line", commands())
def test_a_command_is_understood(line: str) -> None:
    command, _, _ = line.partition("  # ")
    parse(shlex.split(command.rpartition("tinygrad-bp ")[2]))


LISTS = [(package, name) for text in PAGES.values()
         for package, names in LISTED.findall(text) for name in names.split()]  # fmt: skip


def public(package: str) -> list[Any]:
    """The classes and functions that a package exports; constants are written about in prose."""
    module = importlib.import_module(package)
    exported = [getattr(module, name) for name in module.__all__]
    return [thing for thing in exported if thing is not Any
            and (inspect.isclass(thing) or inspect.isroutine(thing))]  # fmt: skip


def test_every_public_name_is_listed_once() -> None:
    listed = Counter(getattr(importlib.import_module(package), name) for package, name in LISTS)
    assert [thing for thing, times in listed.items() if times > 1] == []
    packages = {package for package, _ in LISTS}
    assert len(packages) > 15
    exported = {thing for package in packages for thing in public(package)}
    assert exported - set(listed) == set()


def test_every_method_of_tensors_is_listed_once() -> None:
    listed = [name for text in PAGES.values()
              for names in METHODS.findall(text) for name in names.split()]  # fmt: skip
    mixins = [kind for kind in Methods.__mro__ if kind is not object]
    methods = {name for kind in mixins for name in vars(kind) if not name.startswith("_")}
    assert sorted(listed) == sorted(methods - set(vars(Tensor)))


def documentation(package: str, name: str) -> str:
    return inspect.getdoc(getattr(importlib.import_module(package), name)) or ""


@pytest.mark.parametrize(("package", "name"), LISTS, ids=[f"{p}.{n}" for p, n in LISTS])
def test_a_listed_name_has_an_example(package: str, name: str) -> None:
    assert ">>> " in documentation(package, name)


SKIPPED = re.compile(r" +# doctest: \+SKIP")


def needing_packages() -> list[Any]:
    """Names with examples that doctest leaves out; that of `connect` starts a cluster."""
    found = [pair for pair in LISTS if SKIPPED.search(documentation(*pair))]
    return [pytest.param(*pair, marks=[pytest.mark.slow] if "connect" in pair else [], id=pair[1])
            for pair in found]  # fmt: skip


@pytest.mark.parametrize(("package", "name"), needing_packages())
def test_an_example_that_needs_a_package_runs_where_that_is(
    package: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = getattr(importlib.import_module(package), name)
    monkeypatch.chdir(tmp_path)
    text = SKIPPED.sub("", documentation(package, name))
    names = dict(vars(sys.modules[thing.__module__]))
    examples = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=told.append)
    if any("ModuleNotFoundError" in text or "ImportError" in text for text in told):
        pytest.skip("a package is missing")
    assert told == []


def test_every_command_is_shown_with_its_help_and_an_example() -> None:
    page = PAGES["reference/command_line.md"]
    for name in COMMANDS:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        examples = [line for found in CONSOLE.findall(section) for line in found.splitlines()]
        assert examples
        ran = set(re.findall(r'^run\("(.*?)"', section, re.MULTILINE))
        assert f"tinygrad-bp {name} --help" in ran
        assert ran <= {*examples, f"tinygrad-bp {name} --help"}, "what is shown is what ran"
