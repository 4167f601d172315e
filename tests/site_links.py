"""In the built documentation every link inside leads somewhere, and every picture has a text.

    python tests/site_links.py build/site

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
    """What a page links to, the places in it that can be linked to, and pictures without a text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = set()
        self.untold: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.add(value)
            if name in ("id", "name") and value:
                self.places.add(value)
        if tag == "img":
            source, text = (dict(attrs).get(name) or "" for name in ("src", "alt"))
            if not text or Path(text).name == Path(source).name:  # what Sphinx writes without one
                self.untold.add(source)


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
    """Print the links that are broken and the pictures without a text, and how many there are."""
    pages = sorted(page.resolve() for page in site.rglob("*.html"))
    root = site.resolve()
    found = [f"{page.relative_to(root)}: {link}" for page in pages for link in broken(page)]
    untold = [
        f"{page.relative_to(root)}: {source}" for page in pages for source in read(page).untold
    ]
    links = sum(len(read(page).targets) for page in pages)
    result = f"{links} links, {len(found)} broken; {len(untold)} pictures without a text"
    print(*found, *untold, f"{len(pages)} pages, {result}", sep="\n")
    return bool(found or untold) or not pages


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
