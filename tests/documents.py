"""What tests of the library's HTML documents share: their elements, their parts, hostile text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

HOSTILE = "</script><script>window.__hacked = 1</script><img src=x onerror=alert(1)>&\u2028\u2029"


def sources_of(page: str) -> list[Path]:
    """The files that a page of `tinygrad_bp.pages` is built from, sorted by name."""
    pages = Path(str(files("tinygrad_bp").joinpath("pages")))
    return sorted(path for folder in (page, "shared") for path in (pages / folder).rglob("*.*"))


def without_data(document: str) -> str:
    """The document without its data, which quote whatever the user's source says."""
    return re.sub(r'(?<=id="data">).*?(?=</script>)', "", document, flags=re.DOTALL)


class Elements(HTMLParser):
    """The elements of a document, each with its attributes and the text inside."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in ("meta", "input"):
            self._open.append(len(self.found) - 1)

    def handle_data(self, data: str) -> None:
        for index in self._open:
            self.texts[index] += data

    def handle_endtag(self, tag: str) -> None:
        while self.found[self._open.pop()][0] != tag:
            pass

    def text_of(self, tag: str) -> list[str]:
        return [text for (t, _), text in zip(self.found, self.texts, strict=True) if t == tag]
