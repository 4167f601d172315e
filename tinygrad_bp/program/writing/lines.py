"""The user's lines: what a line is, and which name it gives to what it calculates."""

from __future__ import annotations

import itertools
import linecache
import os
import re
from typing import NamedTuple

from tinygrad_bp.engine import Site

__all__ = ["Span", "line_of", "span_of"]

_ASSIGNED = re.compile(r"(?:^|[\s;:])([^\W\d]\w*)\s*=\s*$")
_ANNOTATED = re.compile(r"(?:^|[\s;])([^\W\d]\w*)\s*:[^=;]*=\s*$")


class Span(NamedTuple):
    """Where in its line a call stands, and the name that the line gives to a value."""

    name: str
    start: tuple[object, int, int]
    end: tuple[int, int]


def span_of(site: Site) -> Span | None:
    """Return the name that a call's line gives to its result, None if it gives none.

    In `h = a @ b + c` both the product and the sum begin where the right side does: of several, the
    one that ends last is meant.
    """
    positions = itertools.islice(site.code.co_positions(), site.instruction // 2, None)
    line, last, start, end = next(positions)
    if line is None or last is None or start is None or end is None:
        return None
    text = linecache.getline(site.code.co_filename, line)
    before = text.encode()[:start].decode(errors="ignore")
    found = _ASSIGNED.search(before) or _ANNOTATED.search(before)
    if found is None or before.count("(") != before.count(")"):  # an argument by its name
        return None
    return Span(found[1], (site.code, line, start), (last, end))


def line_of(site: Site | None) -> str:
    """Return a line as a comment shows it: file, number and text; nothing if it is not known."""
    if site is None:
        return ""
    number = site.line
    text = linecache.getline(site.code.co_filename, number).strip()
    return f"{os.path.basename(site.file)}:{number}  {text}" if text else ""
