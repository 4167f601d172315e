"""One HTML document out of many files that were written to be read.

Plain HTML, CSS and ES modules become a document that loads nothing: styles and scripts stand inside
it, without their comments and indentation, and its policy admits these alone, by their hashes.
Paths are those inside the package, such as "lesson/page_parts/dom.js".
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

__all__ = ["as_json", "document"]

# What could end a script element or a line of one, as JSON escapes that mean the same.
ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})

IMPORT = re.compile(r'^import (\{[^}]*\}) from "([^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|(?:async )?function\*?|class) (\w+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"^export \{([^}]*)\};$\n?", re.MULTILINE)

# What is for readers of the files: a third of them. No string goes on over a line's end, so lines
# may be looked at one by one.
FOR_READERS = {
    ".js": re.compile(r"^(?:[ \t]*//.*\n|[ \t]*\n|[ \t]+)", re.MULTILINE),
    ".css": re.compile(r"/\*.*?\*/|^[ \t]*\n|^[ \t]+", re.MULTILINE | re.DOTALL),
}


def as_json(data: Any) -> str:
    r"""Return `data` as JSON that may stand inside a script element, whatever its strings contain.

    Raises `ValueError` for a nan or an infinity, which JSON has no word for.

    >>> as_json({"name": "</script>", "values": [1, 2.5]})
    '{"name":"\\u003c/script\\u003e","values":[1,2.5]}'
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def document(template: str, *, styles: Iterable[str], script: str, texts: Mapping[str, str]) -> str:
    """Return the HTML file `template` with `{{name}}` replaced: a document that loads nothing.

    `{{style}}` is the `styles` joined, `{{script}}` the module `script` after all that it imports,
    `{{policy}}` the content security policy that admits these two; other names are looked up in
    `texts`, whose values must be valid HTML where they stand. The same arguments give the same
    document, byte for byte. Raises `KeyError` for a name that is in none of them.

    >>> lesson = document(
    ...     "lesson/page_parts/page.html",
    ...     styles=["lesson/page_parts/base.css"],
    ...     script="lesson/page_parts/main.js",
    ...     texts={"source": "x", "tables": "", "data": "{}"},
    ... )
    >>> lesson.startswith("<!DOCTYPE html>"), "https:" in lesson
    (True, False)
    """
    style = "".join(_bare(_text(name), ".css") for name in styles)
    code = _bundle(script)
    parts = {"style": style, "script": code, "policy": _policy(style, code), **texts}
    # In one pass, so that braces in what is put in are left alone.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text(template))


def _bundle(script: str) -> str:
    """The modules one after the other, each after those it imports, in functions of their own."""
    order: dict[str, str] = {}
    _collect(script, order)
    body = "".join(_inlined(name, _bare(text, ".js")) for name, text in order.items())
    return f'"use strict";\n(() => {{\nconst modules = {{}};\n{body}}})();\n'


def _bare(text: str, kind: str) -> str:
    """Leave out comments, indentation and empty lines."""
    return FOR_READERS[kind].sub("", text)


def _collect(name: str, order: dict[str, str]) -> None:
    if name in order:
        return
    text = _text(name)
    for _, imported in IMPORT.findall(text):
        _collect(_resolve(name, imported), order)
    order[name] = text


def _resolve(importer: str, imported: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), imported))


def _inlined(name: str, module: str) -> str:
    """A module as a function that returns what it exports; imports read what others returned."""
    exports = EXPORT.findall(module) + EXPORT_LIST.findall(module)

    def read(found: re.Match[str]) -> str:
        names = re.sub(r"\b as \b", ": ", found[1])  # `{ a as b }` is written `{ a: b }` here
        return f'const {names} = modules["{_resolve(name, found[2])}"];'

    body = IMPORT.sub(read, EXPORT_LIST.sub("", EXPORT.sub("", module)))
    return f'modules["{name}"] = (() => {{\n{body}return {{ {", ".join(exports)} }};\n}})();\n'


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded or sent, and only these two texts may style or run."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(name: str) -> str:
    return files("tinygrad_bp").joinpath(*name.split("/")).read_text(encoding="utf-8")
