"""Lines of a text: comments beside them, and what is done with long ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

__all__ = ["WIDTH", "beside", "defined", "indented", "rows", "wrapped"]

WIDTH = 100
_COMMENT = 44  # where comments beside statements begin, if there is room
_INDENT = "    "


def beside(line: str, comment: str) -> str:
    """Return a line with a comment beside it, if there is one and there is room."""
    if not comment or comment[1:-1] in line or len(line) + len(comment) > WIDTH - 12:
        return line
    return f"{line.ljust(_COMMENT)}  # {comment}"


def wrapped(line: str) -> Iterator[str]:
    """Return a line, or as many as it takes: arguments stand on lines of their own then."""
    if len(line) <= WIDTH - 8 or "(" not in line:
        yield line
        return
    first, last = _longest_brackets(line)
    start, inside, end = line[:first], line[first + 1 : last], line[last + 1 :]
    yield f"{start}("
    row = ""
    for part in _parts(inside):
        if row and len(row) + len(part) > WIDTH - 16:
            yield f"    {row},"
            row = ""
        row += f", {part}" if row else part
    yield f"    {row}"
    yield f"){end}"


def _longest_brackets(line: str) -> tuple[int, int]:
    """Where the longest pair of outermost brackets begins and ends."""
    pairs, start = [], 0
    for i, sign, depth in _signs(line):
        if sign == "(" and depth == 1:
            start = i
        elif sign == ")" and depth == 0:
            pairs.append((start, i))
    return max(pairs, key=lambda pair: pair[1] - pair[0])


def _parts(inside: str) -> list[str]:
    """Split arguments at commas; those of a leading list, too.

    >>> _parts("[a, b], 'c, d', e[0, 1]")
    ['[a', 'b]', "'c, d'", 'e[0, 1]']
    """
    parts, start, leading = [], 0, inside.startswith("[")
    for i, sign, depth in _signs(inside):
        leading = leading and depth > 0
        if sign == "," and (depth == 0 or leading):
            parts.append(inside[start:i].strip())
            start = i + 1
    return [*parts, inside[start:].strip()]


def _signs(line: str) -> Iterator[tuple[int, str, int]]:
    """Yield brackets and commas that are in no quotes, and how many brackets are open then."""
    depth, quote = 0, ""
    for i, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "([{)]},":
            depth += (sign in "([{") - (sign in ")]}")
            yield i, sign, depth


def defined(name: str, parameters: Sequence[str]) -> Iterator[str]:
    """The first line of a function, or the first lines.

    >>> list(defined("step", ["x", "y"]))
    ['def step(x, y):']
    """
    start = f"def {name}"
    line = f"{start}({', '.join(parameters)}):"
    if len(line) <= WIDTH - 8:
        yield line
        return
    yield f"{start}("
    yield from rows(parameters, WIDTH - 12)
    yield "):"


def rows(items: Iterable[str], most: int) -> Iterator[str]:
    """Yield items with commas behind them, in indented lines of about so many characters."""
    line = "   "
    for item in items:
        if len(line) + len(item) > most:
            yield line
            line = "   "
        line += f" {item},"
    yield line


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Return lines as those of a block."""
    yield from (_INDENT + line if line else line for line in lines)
