"""What a step reads from outside: variables, attributes, entries of containers, arrays.

They are found in the code of the step, and of the user's functions, methods and modules that it
comes to: what such code loads by name, of all objects that are found in this way. Each is looked at
once, so that the time it takes is in proportion to what there is.
"""

from __future__ import annotations

import dis
import functools
import sys
import sysconfig
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, NamedTuple

import numpy as np

from tinygrad_bp.state import owner_of
from tinygrad_bp.tensor import Tensor

__all__ = ["NOTHING", "Name", "Read", "alike", "data_of", "is_module", "is_open", "read_by"]

_KNOWN = frozenset({"numpy", "tinygrad_bp", "scipy", "builtins", "math"})
"""Packages whose objects decide nothing, or have a guard of their own."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_STDLIB = sysconfig.get_path("stdlib")
_FEW = 64  # entries of a container: of longer ones, who knows what a step reads
_SMALL = 4096  # bytes of an array that is compared in every call
_LARGE = 2**20  # bytes of one that takes too long to be compared
_UNNAMED = (
    *("__call__", "forward", "__getattr__", "__get__", "__enter__", "__exit__"),
    *("__getitem__", "__iter__", "__next__", "__len__", "__contains__", "__bool__"),
)
"""Methods that are called by no name in the code."""
_MADE_OF = {
    MethodType: ("__func__", "__self__"),
    functools.partial: ("func", "args", "keywords"),
    property: ("fget",),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    functools.cached_property: ("func",),
}
"""What else is called, and what is called then."""
_LOADS = {
    **dict.fromkeys(("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"), "global"),
    **dict.fromkeys(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"), "attribute"),
    "IMPORT_NAME": "module",
    "LOAD_CONST": "text",
}
"""What the argument of an instruction is the name of; a text may be one, as for `getattr`."""
_BYTES: Final = "tobytes"


class _Mark:
    """In the place of a key or value, which may be anything else."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


_WHOLE: Final = _Mark("the length of a list or dict, or what a set holds")
NOTHING: Final = _Mark("nothing")


class Name(NamedTuple):
    """A name that a step reads from outside: where it is kept."""

    owner: Any
    """A variable's cell, a container, an array, or an object that has the name as an attribute."""
    name: Any

    def now(self) -> Any:
        """Return what it stands for, or a mark that it stands for nothing."""
        owner = self.owner
        if self.name is _WHOLE:
            return frozenset(owner) if isinstance(owner, set) else len(owner)
        if isinstance(owner, np.ndarray):
            return owner.tobytes()
        if isinstance(owner, dict):
            return owner.get(self.name, NOTHING)
        if isinstance(owner, list | deque):
            return owner[self.name] if self.name < len(owner) else NOTHING
        try:
            return getattr(owner, self.name)
        except (AttributeError, ValueError):  # of a cell to which nothing is assigned any more
            return NOTHING

    @property
    def is_variable(self) -> bool:
        """Whether it is a function's or a module's variable, not an entry or an attribute."""
        is_global = isinstance(self.owner, dict) and "__builtins__" in self.owner
        return is_global or isinstance(self.owner, CellType | ModuleType)

    @property
    def has_version(self) -> bool:
        """Whether `state.changes` tells of it: modules note what is assigned to them."""
        return is_module(self.owner) and self.name in vars(self.owner)

    def __str__(self) -> str:
        return str(self.name) if self.name != "cell_contents" else "a variable around the step"

    def holds(self, text_of: Callable[[Any], str], known: str) -> str:
        """Return the text that says that it stands for what is known, which is a text, too."""
        owner = text_of(self.owner)
        if self.name is _WHOLE:
            return f"{owner if isinstance(self.owner, set) else f'len({owner})'} == {known}"
        if isinstance(self.owner, np.ndarray):
            return f"{owner}.tobytes() == {known}"
        if isinstance(self.owner, dict):
            return f"{owner}.get({text_of(self.name)}, {text_of(NOTHING)}) is {known}"
        if isinstance(self.owner, list | deque):
            return f"(len({owner}) > {self.name} and {owner}[{self.name}] is {known})"
        if self.now() is NOTHING:
            return f"getattr({owner}, {self.name!r}, {known}) is {known}"
        return f"{owner}.{self.name} is {known}"


def alike(now: Any, was: Any) -> bool:
    """Whether a name stands for what it stood for: the same object, or an equal number or text.

    So may a tuple of them, or what a set holds.
    """
    if now is was:
        return True
    if type(now) is not type(was):
        return False
    if isinstance(now, tuple):
        return len(now) == len(was) and all(map(alike, now, was))
    return isinstance(now, int | float | str | bytes | frozenset) and bool(now == was)


class Read(NamedTuple):
    """What a step reads from outside."""

    names: list[Name]
    arrays: list[np.ndarray[Any, Any]]
    """Arrays that are too large to be compared in every call, if that can be helped."""
    may_draw: bool
    """Whether code names what draws random numbers for the whole process."""

    def not_in(self, homes: Iterable[np.ndarray[Any, Any]]) -> Iterator[Name]:
        """Yield what says that large arrays are as they were, if no program reads them in place.

        The step, or the library, has calculated with their values before NumPy was called.
        """
        known = {id(owner_of(home)) for home in homes}
        for array in self.arrays:
            if id(owner_of(array)) not in known and array.nbytes <= _LARGE:
                yield Name(array, _BYTES)


def read_by(function: Callable[..., Any], objects: Iterable[Any]) -> Read:
    """Return what a function reads from outside.

    The names are the variables around it, the globals that its code reads, and of the objects that
    are found there, among `objects` or in modules that it imports, the attributes that the code
    names; what containers among all these hold, if they are short, and arrays, if they are small;
    and the same for all functions of the user's that are found.
    """
    reading = _Reading()
    reading.read(getattr(function, "__func__", function))
    reading.waiting += [function, *objects]
    reading.finish()
    return Read(list(reading.found.values()), reading.arrays, reading.may_draw())


class _Reading:
    """What is found on the way from a step to all that it may read."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, Any], Name] = {}
        self.arrays: list[np.ndarray[Any, Any]] = []
        self.waiting: list[Any] = []
        """What is to be looked into."""
        self._seen: dict[int, Any] = {}
        self._named = set(_UNNAMED)
        self._unnamed: dict[str, list[Any]] = defaultdict(list)
        """The objects that have an attribute which no code has named so far."""

    def may_draw(self) -> bool:
        """Whether `random` or `np.random` is among the names, or something of theirs."""
        values = [name.now() for name in self.found.values()]
        drawing = {"random", "numpy.random"}
        return "random" in self._named or any(
            getattr(value, "__name__", None) in drawing
            or type(getattr(value, "__self__", None)).__name__ in ("Random", "RandomState")
            for value in values
        )

    def finish(self) -> None:
        """Look into all that waits, and into what comes up meanwhile."""
        while self.waiting:
            item = self.waiting.pop()
            if id(item) not in self._seen:
                self._seen[id(item)] = item
                self._look_into(item)

    def _look_into(self, item: Any) -> None:
        if isinstance(item, FunctionType):
            if _is_users(item.__globals__.get("__name__")):
                self.read(item)
            else:
                self.waiting.append(getattr(item, "__wrapped__", None))
        elif type(item) in (np.ndarray, np.memmap):
            self._look_at_array(item)
        elif isinstance(item, list | dict | tuple | set | frozenset | deque):
            self._look_at_entries(item)
            if _is_users(type(item).__module__):
                self.waiting += [type(item), getattr(item, "__dict__", None)]
        elif isinstance(item, tuple(_MADE_OF)):
            names = next(names for kind, names in _MADE_OF.items() if isinstance(item, kind))
            self.waiting += [getattr(item, name) for name in names]
        else:
            self._look_at_object(item)

    # --- code ---------------------------------------------------------------------------------

    def read(self, function: Any) -> None:
        """Take what the code of a function loads by name."""
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType):
            return
        self._seen[id(function)] = function
        for cell in function.__closure__ or ():
            if _is_set(cell):
                self._note(cell, "cell_contents", cell.cell_contents)
        for name in ("__defaults__", "__kwdefaults__"):
            if (defaults := getattr(function, name)) is not None:
                self._note(function, name, defaults)
        self._take_loaded(code, function.__globals__)

    def _take_loaded(self, code: CodeType, around: dict[str, Any]) -> None:
        for kind, name in _loads(code):
            if kind == "module":
                inner = f"{around.get('__package__')}.{name}".rstrip(".")
                self.waiting += map(sys.modules.get, (name, inner))
            elif kind == "global" and name in around:
                self._note(around, name, around[name])
            elif kind == "attribute" and name not in self._named:
                self._named.add(name)
                for owner in self._unnamed.pop(name, ()):
                    self._take(owner, name)

    # --- objects ------------------------------------------------------------------------------

    def _look_at_entries(self, item: Any) -> None:
        if len(item) > _FEW:
            return
        self.waiting += item.values() if isinstance(item, dict) else item
        is_fixed = isinstance(item, tuple | frozenset)
        if is_fixed or type(item).__module__.startswith("tinygrad_bp."):
            return
        self._note(item, _WHOLE, None)
        if not isinstance(item, set):
            for place in item if isinstance(item, dict) else range(len(item)):
                self._note(item, place, None)

    def _look_at_array(self, item: np.ndarray[Any, Any]) -> None:
        if item.dtype.hasobject:
            return
        if item.nbytes <= _SMALL:
            self._note(item, _BYTES, None)
        else:
            self.arrays.append(item)

    def _look_at_object(self, item: Any) -> None:
        if is_module(item):
            self.waiting += [*item.children(), *item.registered_hooks().values()]
        if not is_open(item):
            self._look_at_ours(item)
            return
        names = dict.fromkeys(getattr(item, "__dict__", ()))
        if isinstance(item, type):
            self.waiting += item.__mro__[1:]
        else:
            self.waiting.append(type(item))
            names.update(dict.fromkeys(data_of(type(item))))
        for name in names:
            if name in self._named:
                self._take(item, name)
            else:
                self._unnamed[name].append(item)

    def _look_at_ours(self, item: Any) -> None:
        """Take what users have put into the library's objects: arrays and functions."""
        if isinstance(item, Tensor | type | ModuleType):
            return
        held = getattr(item, "__dict__", {})
        if "__wrapped__" in held:  # a compiled step, which holds its programs
            self.waiting.append(held["__wrapped__"])
            return
        for name, value in held.items():
            if isinstance(value, np.ndarray | FunctionType | MethodType | functools.partial):
                self._note(item, name, value)

    def _take(self, owner: Any, name: str) -> None:
        """Take an attribute that some code names."""
        value = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name, None)
        if isinstance(value, classmethod):  # a new one each time that it is asked for
            self.waiting.append(value)
        else:
            self._note(owner, name, value)

    def _note(self, owner: Any, name: Any, value: Any) -> None:
        self.found[id(owner), name] = Name(owner, name)
        self.waiting.append(value)
        if isinstance(value, type):
            self.waiting.append(value.__init__)  # type: ignore[misc]  # code may call the class


def _loads(code: CodeType) -> Iterator[tuple[str, str]]:
    """Yield what code loads by name, and what it is; attributes that it only sets are no matter."""
    for instruction in dis.get_instructions(code):
        kind = _LOADS.get(instruction.opname)
        if kind == "text":
            texts = instruction.argval  # several, where a class is matched
            texts = texts if isinstance(texts, tuple) else (texts,)
            yield from (("attribute", text) for text in texts if isinstance(text, str))
        elif kind is not None:
            yield kind, instruction.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _loads(inner)


def _is_set(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # nothing was assigned to it
        return False
    return True


def is_module(item: Any) -> bool:
    """Whether an object is an `nn.Module`."""
    return not isinstance(item, type) and hasattr(type(item), "named_modules")


def is_open(item: Any) -> bool:
    """Whether the attributes of an object decide what a step does: not those of the library's."""
    if isinstance(item, ModuleType):
        return _is_users(item.__name__)
    if isinstance(item, type):
        return _is_users(item.__module__)
    module = type(item).__module__
    return module.partition(".")[0] not in _KNOWN and (
        hasattr(item, "__dict__") or _is_users(module)
    )


def _is_users(module: str | None) -> bool:
    """Whether code is the user's own: neither Python's nor from a package that is installed."""
    if module is None or module == "__main__":
        return True
    if module.partition(".")[0] in _KNOWN:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module.partition(".")[0] not in sys.stdlib_module_names
    parts = Path(file).parts
    return not (_INSTALLED & set(parts)) and not Path(file).is_relative_to(_STDLIB)


def data_of(kind: type) -> Iterator[str]:
    """Yield the names that a class of the user's has for values, or for slots of its objects."""
    for base in kind.__mro__:
        if _is_users(base.__module__):
            for name, value in vars(base).items():
                is_slot = isinstance(value, MemberDescriptorType)
                if is_slot or not (hasattr(value, "__get__") or name.startswith("__")):
                    yield name
