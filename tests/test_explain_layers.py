"""The files of `tinygrad_bp.explain` stand in layers: record, then build, then views."""

from __future__ import annotations

import ast
from importlib.resources import files
from typing import Any

import pytest

PACKAGE = "tinygrad_bp.explain"

# From the bottom up. A file imports from layers below its own, never from its own.
LAYERS = {
    "what needs no graph": "formatting layout signature source symbol watch",
    "one value, one op, one array": "arrays identity slopes",
    "names": "names why",
    "formulas and nodes": "formulas graph",
    "record": "record",
    "what a record is asked": "checks sentences terms",
    "build": "data",
    "what drawings share": "labels",
    "views": "diagrams grade page paths svg text wengert",
    "trace": "trace",
    "face": "face",
    "package": "__init__",
}
LEVEL = {name: level for level, names in enumerate(LAYERS.values()) for name in names.split()}
FOLDER: Any = files(PACKAGE)
FILES = sorted(part.name[:-3] for part in FOLDER.iterdir() if part.name.endswith(".py"))

# What an explanation is made for stands above it.
ABOVE = {"cli", "gradcheck", "lesson", "train"}


def text_of(name: str) -> str:
    text: str = FOLDER.joinpath(f"{name}.py").read_text(encoding="utf-8")
    return text


def imports_of(text: str) -> set[str]:
    """The modules that a file imports anywhere: at its top, in functions, for types alone."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def inside(name: str) -> set[str]:
    """Those of them that are files of the package."""
    own = {module.removeprefix(f"{PACKAGE}.") for module in imports_of(text_of(name))}
    return own & set(FILES)


def test_every_file_has_its_layer() -> None:
    assert sorted(LEVEL) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_from_below_alone(name: str) -> None:
    assert PACKAGE not in imports_of(text_of(name))  # which would be the whole package
    assert {other for other in inside(name) if LEVEL[other] >= LEVEL[name]} == set()


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_imported_from_what_explanations_are_for(name: str) -> None:
    modules = [module.split(".") for module in imports_of(text_of(name))]
    packages = {parts[1] for parts in modules if parts[0] == "tinygrad_bp" and len(parts) > 1}
    assert packages & ABOVE == set()


def test_imports_are_found_wherever_they_stand() -> None:
    text = """
import a.b
if TYPE_CHECKING:
    from c import d
def f():
    class K:
        from e.f import g as h
"""
    assert imports_of(text) == {"a.b", "c", "c.d", "e.f", "e.f.g"}


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name: str) -> None:
    assert len(text_of(name).splitlines()) < 350
