"""Every link inside the built documentation leads somewhere: python tests/site_links.py build/site.

Links to other places are not followed: that takes a network, and `sphinx-build -b linkcheck`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.add(value)
            if name in ("id", "name") and value:
                self.places.add(value)


@cache
def read(page: Path) -> Links:
    return Links(page.read_text("utf-8"))


def broken(page: Path) -> Iterator[str]:
    """The links of a page to files or places that are not there."""
    for target in sorted(read(page).targets):
        scheme, host, path, _, place = urlsplit(target)
        if scheme or host:
            continue
        file = (page.parent / unquote(path)) if path else page
        if file.is_dir():
            file /= "index.html"
        if not file.exists() or (
            place and file.suffix == ".html" and unquote(place) not in read(file.resolve()).places
        ):
            yield target


def main(site: Path) -> int:
    """Print the links that are broken, and how many were looked at."""
    pages = sorted(page.resolve() for page in site.rglob("*.html"))
    root = site.resolve()
    found = [f"{page.relative_to(root)}: {link}" for page in pages for link in broken(page)]
    links = sum(len(read(page).targets) for page in pages)
    print(*found, f"{len(pages)} pages, {links} links, {len(found)} broken", sep="\n")
    return bool(found) or not pages


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
