"""Modules that hold others: in a chain, in a list, by name; and lists of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, overload

from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

M = TypeVar("M", Module, Tensor)


class _Holder(Module, Generic[M]):
    """Members by name; a subclass says of which kind they are."""

    _kind: type
    _wanted: str  # in words

    def _hold(self, members: Iterable[tuple[str, Any]]) -> None:
        """Replace all members, once each of them is seen to be one."""
        found = dict(members)
        for member in found.values():
            if not isinstance(member, self._kind):
                raise ModuleError(
                    f"a {type(self).__name__} is made of {self._wanted}, not of {member!r:.100}"
                )
        self._held: dict[str, M] = found

    def _members(self) -> Iterator[tuple[str, Any]]:
        """What is held, by its own name, and what else is assigned."""
        yield from self._held.items()
        yield from ((name, x) for name, x in super()._members() if not name.startswith("_held."))

    def __getattr__(self, name: str) -> M:
        """Return a member as an attribute: `heads.digit` is `heads["digit"]`."""
        if name in (held := vars(self).get("_held", {})):
            return held[name]  # type: ignore[no-any-return]
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute {name!r}", name=name, obj=self
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """Hold a member under its name; keep anything else as an attribute."""
        held = vars(self).get("_held")
        if held is None or not isinstance(value, self._kind):
            super().__setattr__(name, value)
        else:
            self._hold({**held, name: value}.items())

    def __delattr__(self, name: str) -> None:
        if name in self._held:
            self._hold((n, m) for n, m in self._held.items() if n != name)
        else:
            super().__delattr__(name)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        if self._kind is Module:
            return super().__repr__()
        lines = [f"({name}): {member!r}" for name, member in self._held.items()]
        return f"{type(self).__name__}({', '.join(lines)})"


class _Listed(_Holder[M]):
    """Members in order, named by their position."""

    def __iter__(self) -> Iterator[M]:
        return iter(self._held.values())

    @overload
    def __getitem__(self, i: int) -> M: ...
    @overload
    def __getitem__(self, i: slice) -> Self: ...
    def __getitem__(self, i: int | slice) -> M | Self:
        found = list(self._held.values())[i]
        if not isinstance(found, list):
            return found
        part = type(self).__new__(type(self))
        part._hold(_numbered(found))  # noqa: SLF001
        return part

    def __setitem__(self, i: int, member: M) -> None:
        members = list(self._held.values())
        members[i] = member
        self._hold(zip(self._held, members, strict=True))

    def __delitem__(self, i: int | slice) -> None:
        members = list(self._held.values())
        del members[i]
        self._hold(_numbered(members))

    def __iadd__(self, members: Iterable[M]) -> Self:
        return self.extend(members)

    def append(self, member: M) -> Self:
        """Add a member at the end."""
        return self.extend([member])

    def extend(self, members: Iterable[M]) -> Self:
        """Add members at the end; those that are there keep their names."""
        held = dict(self._held)
        numbers = itertools.count(len(held))
        for member in members:
            held[next(str(i) for i in numbers if str(i) not in held)] = member
        self._hold(held.items())
        return self

    def insert(self, index: int, member: M) -> Self:
        """Add a member before the one at `index`."""
        members = list(self._held.values())
        members.insert(index, member)
        self._hold(_numbered(members))
        return self


def _numbered(members: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    return ((str(i), member) for i, member in enumerate(members))


class _Named(_Holder[M]):
    """Members by name, as in a dict."""

    def __init__(self, members: Mapping[str, M] | Iterable[tuple[str, M]] | None = None) -> None:
        self._hold(dict(members or {}).items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> M:
        return self._held[name]

    def __setitem__(self, name: str, member: M) -> None:
        self._hold({**self._held, name: member}.items())

    def __delitem__(self, name: str) -> None:
        del self._held[name]

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._held.keys()

    def values(self) -> Iterable[M]:
        """Return the members."""
        return self._held.values()

    def items(self) -> Iterable[tuple[str, M]]:
        """Return the names with their members."""
        return self._held.items()

    def update(self, members: Mapping[str, M] | Iterable[tuple[str, M]]) -> None:
        """Add members, or put others in their places."""
        self._hold({**self._held, **dict(members)}.items())

    def pop(self, name: str) -> M:
        """Take a member out and return it."""
        return self._held.pop(name)

    def clear(self) -> None:
        """Take all members out."""
        self._held.clear()


class Sequential(_Listed[Module]):
    """Modules one after another, named by their position, or by the keys of a dict.

    One assigned to an attribute, or given to `add_module`, comes after those that are there,
    or takes the place of the one of its name.

    Raises `ModuleError` for anything that is no module.

    >>> from tinygrad_bp.nn import Linear, Tanh
    >>> model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    _kind = Module
    _wanted = "modules"

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._hold(modules[0].items())
        else:
            self._hold(_numbered(modules))

    def forward(self, input: Any) -> Any:
        """Return the input sent through every module in order."""
        for module in self._held.values():
            input = module(input)
        return input


class ModuleList(_Listed[Module]):
    """A list of modules that belong to a model; what it does with them is in its `forward`.

    >>> from tinygrad_bp.nn import Linear
    >>> layers = ModuleList([Linear(2, 2) for _ in range(3)])
    >>> len(layers), [name for name, _ in layers[1:].named_parameters()]
    (3, ['0.weight', '0.bias', '1.weight', '1.bias'])
    """

    _kind = Module
    _wanted = "modules"

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self._hold(_numbered(modules or ()))


class ModuleDict(_Named[Module]):
    """Modules of a model by name.

    >>> from tinygrad_bp.nn import Linear
    >>> heads = ModuleDict({"digit": Linear(16, 10), "even": Linear(16, 2)})
    >>> heads["even"]([0.0] * 16).shape
    (2,)
    """

    _kind = Module
    _wanted = "modules"


class ParameterList(_Listed[Tensor]):
    """A list of tensors that a model trains; arrays become tensors that do.

    >>> ParameterList([[0.0, 0.0], [1.0]])[1]
    Tensor([1.], requires_grad=True)
    """

    _kind = Tensor
    _wanted = "tensors"

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        self._hold(_numbered(values or ()))

    def _hold(self, members: Iterable[tuple[str, Any]]) -> None:
        super()._hold((name, _parameter(value)) for name, value in members)


class ParameterDict(_Named[Tensor]):
    """Tensors that a model trains, by name; arrays become tensors that do.

    >>> ParameterDict({"scale": 2.0})["scale"]
    Tensor(2., requires_grad=True)
    """

    _kind = Tensor
    _wanted = "tensors"

    def _hold(self, members: Iterable[tuple[str, Any]]) -> None:
        super()._hold((name, _parameter(value)) for name, value in members)


def _parameter(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value, requires_grad=True)
