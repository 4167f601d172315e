"""Formula: a layer that is a function, called with the options that it was made with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from typing import Any, ClassVar, dataclass_transform

from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module

__all__ = ["Formula"]


def _signature(names: Sequence[str]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


@dataclass_transform(eq_default=False)
class Formula(Module):
    """The base of layers that hold options alone: a subclass names its function and declares them.

    Options are declared as in a dataclass, and are attributes of the layer. The function gets them
    by keyword, but for those named in `_kept`. Those named in `_buffers` become buffers. `inputs`
    are the names of what a call takes, as PyTorch has them.

    >>> from tinygrad_bp import functional as F
    >>> class Scale(Formula, function=F.leaky_relu):
    ...     negative_slope: float = 0.5
    >>> Scale(), Scale(0.25)(-1.0), Scale()(input=-1.0)
    (Scale(), Tensor(-0.25), Tensor(-0.5))
    """

    _options: ClassVar[dict[str, inspect.Parameter]] = {}
    _form: ClassVar[inspect.Signature]
    _passed: ClassVar[tuple[str, ...]] = ()  # the options that the function gets
    _inputs: ClassVar[inspect.Signature] = _signature(["input"])
    _function: ClassVar[Callable[..., Any]]
    _kept: ClassVar[tuple[str, ...]] = ("inplace",)  # what the function is not told
    _buffers: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls, function: Callable[..., Any] | None = None, inputs: Sequence[str] | None = None
    ) -> None:
        """Read the options of a class that names a function, and show them to `help`."""
        if inputs is not None:
            cls._inputs = _signature(inputs)
        if "__init__" in vars(cls):  # somebody's own, as of any module
            own = inspect.signature(vars(cls)["__init__"])
            cls._show(own.replace(parameters=list(own.parameters.values())[1:]))
        if function is None:
            return
        cls._options = {}
        for kind in reversed(cls.__mro__[: cls.__mro__.index(Formula)]):
            cls._options |= _declared(kind)
        cls._form = inspect.Signature(sorted(cls._options.values(), key=lambda o: o.kind))
        cls._show(cls._form)
        cls._function = staticmethod(function)
        cls._passed = tuple([name for name in cls._options if name not in cls._kept])

    @classmethod
    def _show(cls, form: inspect.Signature) -> None:
        cls.__signature__ = form  # type: ignore[attr-defined]

    def __init__(self, *values: Any, **options: Any) -> None:
        try:
            given = self._form.bind(*values, **options)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        given.apply_defaults()
        for name, value in given.arguments.items():
            if name in self._buffers:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self._check()

    def _check(self) -> None:
        """Raise `ModuleError` for options that make no sense."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the function of the inputs and the options."""
        if named:
            inputs = self._inputs.bind(*inputs, **named).args
        return self._function(*inputs, **self._told())

    def _told(self) -> dict[str, Any]:
        """The options that the function gets."""
        return {name: getattr(self, name) for name in self._passed}

    def extra_repr(self) -> str:
        """Return the options that are not the default."""
        shown = (n for n in self._options if n not in self._kept and n not in self._buffers)
        return ", ".join(
            f"{name}={value!r}"
            for name in shown
            if (value := getattr(self, name)) != self._options[name].default
        )

    def _need(self, ok: bool, wanted: str) -> None:  # noqa: FBT001
        """Raise `ModuleError` unless something holds."""
        if not ok:
            raise ModuleError(f"{type(self).__name__}: {wanted}")


def _declared(cls: type) -> dict[str, inspect.Parameter]:
    """The options that a class declares itself; those after `_: KW_ONLY` by keyword alone."""
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    found: dict[str, inspect.Parameter] = {}
    for name, annotation in inspect.get_annotations(cls).items():
        if annotation in ("KW_ONLY", KW_ONLY):
            kind = inspect.Parameter.KEYWORD_ONLY
        elif not str(annotation).startswith("ClassVar"):
            default = vars(cls).get(name, inspect.Parameter.empty)
            found[name] = inspect.Parameter(name, kind, default=default, annotation=annotation)
    return found
