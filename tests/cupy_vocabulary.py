"""What CuPy understands of NumPy's calls, as `strict.Strict` does: names, and arguments' names.

`python tests/cupy_vocabulary.py > tests/cupy_vocabulary.json` writes it, where CuPy is installed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["refusal", "refusal_of_ufunc"]

FILE = Path(__file__).with_suffix(".json")
KNOWN: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
MADE_LIKE = {"arange", "array", "asarray", "ascontiguousarray", "empty", "eye", "full", "identity"}
MADE_LIKE |= {"ones", "zeros"}
MODULES = ("numpy", "numpy.linalg", "numpy.fft", "numpy.lib.stride_tricks")


def refusal(function: Callable[..., Any], args: Any, kwargs: Any) -> str:
    """Return why CuPy would not do a call; nothing if it would, as far as names tell."""
    name = named(function)
    if name not in KNOWN["functions"]:
        return f"CuPy has no {name}"
    first, second = (*args, *kwargs.values(), None, None)[:2]
    if function is np.where and not hasattr(first, "astype"):
        return "the condition of CuPy's where is an array"
    if function is np.argpartition and not is_here(second):
        return "CuPy's argpartition takes numbers that are here"
    if function is np.roll and isinstance(second, tuple) and not is_here(second):
        return "CuPy's roll takes numbers that are here, or one array"
    return unknown(name, KNOWN["functions"][name], args, kwargs)


def unknown(name: str, parameters: list[str] | None, args: Any, kwargs: Any) -> str:
    if parameters is None:  # a ufunc there
        return f"CuPy's {name} takes no {', '.join(kwargs)}" if {*kwargs} - {"dtype"} else ""
    missing = {*kwargs} - {*parameters}
    if missing and not any(p.startswith("**") for p in parameters):
        return f"CuPy's {name} takes no {', '.join(sorted(missing))}"
    if len(args) > len(parameters) and not any(p.startswith("*") for p in parameters):
        return f"CuPy's {name} takes {', '.join(parameters)} alone"
    return ""


def is_here(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(is_here, value))
    return isinstance(value, int | np.integer)


def refusal_of_ufunc(ufunc: np.ufunc, method: str, args: Any, kwargs: Any) -> str:
    """The same for a ufunc, NumPy's or SciPy's."""
    if ufunc.__name__ not in KNOWN["ufuncs"]:
        return f"CuPy has no {ufunc.__name__}"
    if method == "at" and isinstance(args[1], list | tuple | slice):
        return "CuPy's at takes an array as its index"
    if method == "at" and args[0].dtype.kind == "c":
        return "CuPy's at takes no complex numbers"
    refused = {*kwargs} - {"out", "dtype", "casting"}
    return f"CuPy's {ufunc.__name__} takes no {', '.join(refused)}" if refused else ""


def named(function: Callable[..., Any]) -> str:
    return f"{function.__module__ or 'numpy'}.{function.__name__}"


# --- the file -------------------------------------------------------------------------------------


def written() -> str:
    import cupy
    import cupyx.scipy.special

    functions = {named(f): there(f, cupy) for f in ours() if there(f, cupy) != ["absent"]}
    ufuncs = {
        name
        for module in (cupy, cupyx.scipy.special)
        for name in dir(module)
        if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name))
    }
    lines = [f'    "{name}": {json.dumps(functions[name])}' for name in sorted(functions)]
    return "".join([
        f'{{\n  "version": "{cupy.__version__}",\n  "functions": {{\n',
        ",\n".join(lines),
        '\n  },\n  "ufuncs": [\n',
        ",\n".join(f'    "{name}"' for name in sorted(ufuncs) if not name.startswith("_")),
        "\n  ]\n}\n",
    ])  # fmt: skip


def ours() -> Iterator[Any]:
    """NumPy's functions that ask arrays what to do."""
    import importlib

    for module in map(importlib.import_module, MODULES):
        for name in dir(module):
            function = getattr(module, name)
            if hasattr(function, "_implementation") or name in MADE_LIKE:
                yield function


def there(function: Any, cupy: Any) -> list[str] | None:
    """The names of the arguments in CuPy; None for a ufunc."""
    found = cupy
    for part in named(function).split(".")[1:]:
        found = getattr(found, part, None)
    if found is None or found is function:
        return ["absent"]
    try:
        return [str(p).partition("=")[0].partition(":")[0] for p in parameters_of(found)]
    except ValueError:
        return None


def parameters_of(function: Any) -> list[inspect.Parameter]:
    found = inspect.signature(function).parameters.values()
    return [p.replace(annotation=p.empty, default=p.empty) for p in found]


if __name__ == "__main__":
    print(written(), end="")
