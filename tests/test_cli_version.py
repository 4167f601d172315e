"""The version: what `tinygrad-bp --version` and `tinygrad_bp.__version__` say, and at what cost."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import tinygrad_bp
from tinygrad_bp import version as module
from tinygrad_bp.cli import main

PACKAGE = Path(tinygrad_bp.__file__).parent
STATED = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def python(program: str, folder: Path) -> str:
    """What a program prints that finds packages in a folder, and none that are installed there."""
    search = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    run = subprocess.run(
        [sys.executable, "-I", "-c", search + program], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_it_is_what_the_project_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert tinygrad_bp.__version__ == STATED
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"tinygrad-bp {STATED}\n")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the module that tells the version, and nothing around it."""
    package = tmp_path / "tinygrad_bp"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(PACKAGE / "version.py", package)
    return tmp_path


PRINTED = "from tinygrad_bp.version import version; print(version())"
INSTALLED = """
from importlib import metadata
def installed(name):
    if {found} is None:
        raise metadata.PackageNotFoundError(name)
    return {found}
metadata.version = installed
"""


@pytest.mark.parametrize(
    ("project", "installed", "expected"),
    [
        ('[project]\nname = "tinygrad_bp"\nversion = "7.8.9"\n', None, "7.8.9"),
        ('[project]\nname = "tinygrad_bp"\nversion = "7.8.9"\n', "1.0.0", "7.8.9"),
        ('[project]\nname = "somebody_elses"\nversion = "7.8.9"\n', "1.0.0", "1.0.0"),
        ('[project]\nname = "tinygrad_bp"\n', "1.0.0", "1.0.0"),
        ("not TOML", "1.0.0", "1.0.0"),
        (None, "1.0.0", "1.0.0"),
        (None, None, "unknown"),
    ],
    ids=["checkout", "checkout first", "not ours", "no version", "damaged", "installed", "neither"],
)
def test_where_it_comes_from(
    copied: Path, project: str | None, installed: str | None, expected: str
) -> None:
    if project is not None:
        (copied / "pyproject.toml").write_text(project)
    assert python(INSTALLED.format(found=repr(installed)) + PRINTED, copied) == expected


def test_an_installation_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(metadata, "version", lambda name: asked.append(name) or "1.2.3")
    assert (module._installed(), asked) == ("1.2.3", ["tinygrad_bp"])


def test_importing_the_package_does_not_look_for_it() -> None:
    program = (
        "import numpy; before = set(sys.modules)\n"
        "import tinygrad_bp, tinygrad_bp.cli\n"
        "print(sorted({'tomllib', 'importlib.metadata', 'tinygrad_bp.version', 'argparse'}"
        " & (set(sys.modules) - before)))"
    )
    assert python(program, PACKAGE.parent) == "[]"


def test_an_unknown_name_is_still_an_error() -> None:
    missing: Any = tinygrad_bp
    with pytest.raises(AttributeError, match="__versions__"):
        _ = missing.__versions__
