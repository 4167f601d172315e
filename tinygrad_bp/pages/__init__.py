"""The front end of the pages that the library writes: sources, and in `built` what is shipped.

`document` makes one HTML file of a page's script, its style sheet and its data. It loads nothing,
and its policy admits what stands in it alone, by hashes. Node is needed only to build: see
`package.json`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import Any

__all__ = ["as_json", "document"]

# What could end a script element or a line of one, as JSON escapes that mean the same.
ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})

# Without the script there is no stage: what is left is an ordinary text that scrolls.
PLAIN = (
    "body{overflow:auto;padding:1rem 2rem;max-width:60rem}td,th{padding:0 1rem;text-align:right}"
)

DOCUMENT = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{title}</title>
<style>{style}</style>
<noscript><style>{plain_style}</style></noscript>
</head>
<body>
<div id="page"></div>
<noscript>
{plain}
</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def as_json(data: Any) -> str:
    r"""Return `data` as JSON that may stand inside a script element, whatever its strings contain.

    Raises `ValueError` for a nan or an infinity, which JSON has no word for.

    >>> as_json({"name": "</script>", "values": [1, 2.5]})
    '{"name":"\\u003c/script\\u003e","values":[1,2.5]}'
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def document(page: str, *, title: str, data: str, plain: str) -> str:
    """Return the HTML document of a page, such as "stage": all that it needs stands inside it.

    `data` is JSON that may stand inside a script element; `plain` is HTML, shown where scripts are
    switched off. The same arguments give the same document, byte for byte.

    >>> text = document("stage", title="x < y", data="{}", plain="<p>No script.</p>")
    >>> text.startswith("<!DOCTYPE html>"), "<title>x &lt; y</title>" in text
    (True, True)
    """
    style, script = (_built(f"{page}.{kind}") for kind in ("css", "js"))
    return DOCUMENT.format(
        policy=_policy((style, PLAIN), script),
        title=html.escape(title),
        style=style,
        plain_style=PLAIN,
        plain=plain,
        data=data,
        script=script,
    )


def _built(name: str) -> str:
    return (files("tinygrad_bp.pages") / "built" / name).read_text(encoding="utf-8")


def _policy(styles: tuple[str, ...], script: str) -> str:
    """Nothing may be loaded or sent, and only these texts may style or run."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; font-src data:; "
        f"img-src data: blob:; style-src {' '.join(map(_hash, styles))}; "
        f"script-src {_hash(script)}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
