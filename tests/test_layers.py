"""Imports point down only. The imports are read, not run, so lazy ones count as well."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_bp

ROOT = Path(tinygrad_bp.__file__).parent

# From the bottom to the top: a part may import from every line above its own, not from its own.
LAYERS = [
    {"errors"},
    {"calls", "containers", "files", "operands", "pages", "version"},
    {"registry"},
    {"data", "rules", "state"},
    {"methods", "survey"},
    {"duck"},
    {"engine"},
    {"modes", "tensor"},
    {"parts", "recording", "traced"},
    {"backward"},
    {"autodiff", "functional"},
    {"explain", "nn", "optim", "program"},
    {"gradcheck"},  # checks models, too
    {"doctor", "interop", "train"},
    {"cluster"},
    {"lesson"},  # trains what it shows
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

ONLY = {
    "containers": set(),
    "files": {"errors"},
    "data": {"errors", "files"},
}  # these are narrower than their layer
NOT_UNDER = {"data": LEVEL["train"]}  # models and the core do not know what they are fed

# Who may import these as soon as it is imported itself; others must wait until they need them.
OPTIONAL = {
    "PIL": "cli",
    "dask": "cluster",
    "distributed": "cluster",
    "hypothesis": "gradcheck",
    "matplotlib": "cli",
    "pytest": "gradcheck",
    "rich": "cli",
    "scipy": "rules",
    "sklearn": "interop",
    "threadpoolctl": "train",
}


class Import:
    """One import of one part of the package, or of another package, by a module."""

    def __init__(self, importer: str, imported: str, *, at_top: bool, where: str = "") -> None:
        self.importer = importer
        self.imported = imported  # a part such as "engine", or "numpy" for another package
        self.at_top = at_top  # runs when the module is imported
        self.where = where


def part_of(path: Path) -> str:
    first, *_ = path.relative_to(ROOT).with_suffix("").parts
    return first


def imports_of(path: Path, tree: ast.Module) -> Iterator[Import]:
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            # `from tinygrad_bp import engine` names a part, `from tinygrad_bp.engine import Op` too
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            imported = package
            if package == "tinygrad_bp":
                imported = rest[0] if rest and rest[0] in LEVEL else "__init__"
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield Import(part_of(path), imported, at_top=id(node) not in inside, where=where)


def fault_of(found: Import) -> str | None:
    """What is wrong with an import, if anything."""
    above, below = found.importer, found.imported
    if below in OPTIONAL and found.at_top and OPTIONAL[below] != above:
        return f"only {OPTIONAL[below]} may import {below} at the top of a module"
    if below not in LEVEL:
        known = below in sys.stdlib_module_names or below in ("numpy", *OPTIONAL)
        return None if known else f"{below} is not a dependency"
    if above == below:
        return None
    if above in ONLY and below not in ONLY[above]:
        return f"{above} imports nothing of ours but {', '.join(sorted(ONLY[above])) or 'itself'}"
    if LEVEL[above] < NOT_UNDER.get(below, 0):
        return f"{below} is not for {above}"
    return None if LEVEL[below] < LEVEL[above] else f"{above} must not import {below}"


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    assert part_of(path) in LEVEL, "a new part of the package: give it a layer"
    found = imports_of(path, ast.parse(path.read_text(encoding="utf-8")))
    assert [(i.where, fault) for i in found if (fault := fault_of(i))] == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("calls", "registry"),
        ("registry", "engine"),
        ("rules", "duck"),
        ("methods", "duck"),
        ("engine", "tensor"),
        ("state", "engine"),
        ("rules", "tensor"),
        ("tensor", "recording"),
        ("recording", "backward"),
        ("nn", "optim"),
        ("tensor", "__init__"),
        ("explain", "cli"),
        ("data", "tensor"),
        ("data", "registry"),
        ("nn", "data"),
        ("files", "registry"),
        ("cli", "__init__"),
        ("nn", "rich"),
        ("train", "matplotlib"),
        ("nn", "hypothesis"),
        ("cli", "torch"),
        ("interop", "train"),
        ("nn", "sklearn"),
    ],
)
def test_wrong_imports_are_caught(importer: str, imported: str) -> None:
    assert fault_of(Import(importer, imported, at_top=True))


def test_optional_packages_may_be_imported_when_they_are_needed() -> None:
    assert fault_of(Import("gradcheck", "matplotlib", at_top=False)) is None
    assert fault_of(Import("cli", "rich", at_top=True)) is None


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import numpy as np
from tinygrad_bp import engine, no_grad
from tinygrad_bp.nn.linear import Linear
import tinygrad_bp.rules
def late():
    import rich.console
"""
    found = list(imports_of(ROOT / "cli" / "x.py", ast.parse(source)))
    assert [i.imported for i in found] == ["numpy", "engine", "__init__", "nn", "rules", "rich"]
    assert [i.at_top for i in found] == [True] * 5 + [False]
    assert {i.importer for i in found} == {"cli"}


LIST_NEW_MODULES = """
import sys, numpy
before = set(sys.modules)
import tinygrad_bp
print(*sorted(set(sys.modules) - before))
"""


def test_importing_the_package_loads_numpy_and_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIST_NEW_MODULES],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = result.stdout.split()
    assert "tinygrad_bp.tensor" in loaded
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert foreign <= {"numpy", "tinygrad_bp"}
    parts = {name.split(".")[1] for name in loaded if name.startswith("tinygrad_bp.")}
    assert not parts & {"cli", "data", "explain", "gradcheck", "program", "train"}
