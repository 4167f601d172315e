"""The page on how to check a gradient is run: it prints what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "examples/how_to_check_a_gradient.md"
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^print\(.*\)  # (.+)$", re.MULTILINE)


def test_the_page_prints_what_it_says() -> None:
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda value: printed.append(str(value))}
    for code in CODE:
        exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102  (our own page)
    assert printed == PRINTED.findall("".join(CODE))
    assert len(printed) == 7
