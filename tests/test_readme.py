"""The README is run: it prints what it says, quotes what is there, and its commands are valid."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.cli.arguments import parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
QUOTED = [text for language, text in BLOCKS if text.startswith("elementwise(")]
CODE = [text for language, text in BLOCKS if language == "python" and text not in QUOTED]
COMMANDS = [line for language, text in BLOCKS if language == "console" for line in text.split("\n")]
PRINTED = re.compile(r"^print\(.*\) +# (.+)$", re.MULTILINE)


def test_every_block_is_run_by_a_test() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "console", "bibtex"}
    assert len(CODE) == len(QUOTED) == 1


def test_code_prints_what_is_written_next_to_it() -> None:
    """All blocks in one namespace and in order, as a reader would type them."""
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda value: printed.append(str(value))}
    for code in CODE:
        printed.clear()
        with np.errstate(all="warn", under="ignore"):  # NumPy's own settings
            exec(compile(code, "README.md", "exec"), names)  # noqa: S102  (our own README)
        assert printed == PRINTED.findall(code)
        assert len(printed) == code.count("print(")


def test_quoted_rules_are_the_ones_of_the_tables() -> None:
    tables = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tinygrad_bp/rules").glob("*.py")
    )
    assert statements(QUOTED[0]) <= statements(tables)


def statements(code: str) -> set[str]:
    """Top-level statements, without their layout."""
    return set(map(ast.unparse, ast.parse(code).body))


def test_commands_are_valid() -> None:
    """Everything after `tinygrad-bp` is understood; the two commands of the beginning are there."""
    found = [shlex.split(line.rpartition("tinygrad-bp ")[2]) for line in COMMANDS if "-bp " in line]
    assert found
    for arguments in found:
        parse(arguments)
    ends = [".venv/bin/tinygrad-bp train", ".venv/bin/python -m pytest"]
    fresh = [line for line in COMMANDS if line.startswith("python3 -m venv .venv && ")]
    assert [line.rpartition(" && ")[2] for line in fresh] == ends


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_linked_and_named_files_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:benchmarks|examples|tests|tinygrad_bp|\.ci)/[\w./]+)`", text)
    for path in (*((ROOT / document).parent / link for link in linked), *(ROOT / n for n in named)):
        assert path.exists(), f"{document} speaks of {path}"
