"""Pages on how to do something are run: they print what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PRINTED = re.compile(r"^print\(.*\) +# (.+)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "lines"), [("how_to_check_a_gradient.md", 7), ("coming_from_pytorch.md", 8)]
)
def test_the_page_prints_what_it_says(page: str, lines: int) -> None:
    text = (EXAMPLES / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda value: printed.append(str(value)), "__name__": page}
    for code in blocks:
        exec(compile(code, page, "exec"), names)  # noqa: S102  (our own page)
    assert printed == PRINTED.findall("".join(blocks))
    assert len(printed) == lines
