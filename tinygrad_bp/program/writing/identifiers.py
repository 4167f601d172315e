"""Names as Python takes them, and those that are taken already."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

import numpy as np

__all__ = ["RESERVED", "identifier"]

_LATE = """
array arange eye zeros ones full empty ndarray seterr inf nan dtype bool_ Context deque starmap call
setitem asarray copyto prepare settings quiet silent np
"""
RESERVED = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *_LATE.split()}
    | {np.dtype(code).name for code in np.typecodes["All"]}
)
"""Names that nothing in a text is called by, but what they belong to."""


def identifier(name: str) -> str:
    """Return a name as an identifier, itself if it is one.

    >>> identifier("layers.0.weight"), identifier("lambda"), identifier("2nd"), identifier("")
    ('layers_0_weight', 'lambda_', '_2nd', '')
    """
    name = unicodedata.normalize("NFKC", name)
    name = re.sub(r"\W+", "_", name).strip("_") if not name.isidentifier() else name
    if name and not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name
