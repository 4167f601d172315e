"""Module: something with parameters that computes outputs from inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.nn.fitting import Unmatched, fitted
from tinygrad_bp.nn.hooks import Hook, Hooks
from tinygrad_bp.nn.placing import check_here, is_number_type, placing
from tinygrad_bp.state import changes, replace_all, tracer, tracers
from tinygrad_bp.tensor import HookHandle, Tensor

if TYPE_CHECKING:
    from tinygrad_bp.nn.summary import Summary

__all__ = ["Module", "Parameter"]


class _Trainable(type):
    """What makes `isinstance(t, Parameter)` a question about the tensor, not about its class."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.trainable


class Parameter(Tensor, metaclass=_Trainable):
    """A tensor that a module trains: one that tracks gradients, or did until it was frozen.

    `Parameter(data)` gives a plain `Tensor`; every tensor that is trained is an instance.

    >>> weight = Parameter(np.zeros(2))
    >>> weight, isinstance(weight, Parameter)
    (Tensor([0., 0.], requires_grad=True), True)
    """

    __slots__ = ()

    def __new__(  # type: ignore[misc]  # noqa: D102
        cls,
        data: Any,
        requires_grad: bool = True,  # noqa: FBT001, FBT002  (PyTorch's)
        *,
        name: str | None = None,
    ) -> Tensor:
        return Tensor(data, requires_grad=True, name=name).requires_grad_(requires_grad)


class Module:
    """The base of layers and models: write `forward`, assign tensors and modules as attributes.

    A tensor made with `requires_grad` is a parameter, and stays one while it is frozen; any other
    is a buffer, saved but not trained. Lists, tuples and dicts are looked into. A `ShapeError` in
    a layer says where in the model it is.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(3.0)
    Tensor(6., op=multiply)
    >>> dict(scale.named_parameters())
    {'factor': Tensor(2., requires_grad=True)}
    """

    training: bool = True
    _hooks: Hooks | None = None
    _not_saved: frozenset[str] = frozenset()  # names of buffers

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make a module without anything in it, and tell who writes down what the run does."""
        made = super().__new__(cls)
        if tracers and (run := tracer()):
            run.own(made)
        return made

    # --- calls ------------------------------------------------------------------------------

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output: `forward`, and the hooks around it."""
        if tracers and (run := tracer()):
            run.visit(self)
        try:
            if self._hooks is None:
                return self.forward(*inputs, **options)
            return self._hooks.call(self, inputs, options)
        except ShapeError as error:
            _say_where(error, self)
            raise

    def register_forward_pre_hook(self, hook: Hook, *, with_kwargs: bool = False) -> HookHandle:
        """Call `hook(module, inputs)` before each call; what it returns, if anything, goes in.

        With `with_kwargs` it is `hook(module, inputs, options)`, and returns both.
        """
        return self._hooked().add("before", hook, with_kwargs=with_kwargs)

    def register_forward_hook(self, hook: Hook, *, with_kwargs: bool = False) -> HookHandle:
        """Call `hook(module, inputs, output)` after each call; what it returns replaces the output.

        With `with_kwargs` it is `hook(module, inputs, options, output)`.

        >>> from tinygrad_bp import nn
        >>> relu = nn.ReLU()
        >>> with relu.register_forward_hook(lambda module, inputs, output: output + 1):
        ...     relu(3.0).item()
        4.0
        >>> relu(3.0).item()
        3.0
        """
        return self._hooked().add("after", hook, with_kwargs=with_kwargs)

    def register_full_backward_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(module, grad_input, grad_output)` when a backward pass has left the module.

        Both are tuples, of the gradients of its positional tensors and of its outputs; None where
        nothing arrived. What the hook returns, if anything, takes the place of `grad_input`.
        """
        return self._hooked().add("backward", hook)

    def register_full_backward_pre_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(module, grad_output)` when a backward pass reaches the module's output.

        What it returns, if anything, takes the place of `grad_output`, a tuple.
        """
        return self._hooked().add("before backward", hook)

    @property
    def has_hooks(self) -> bool:
        """Whether a hook was ever registered."""
        return self._hooks is not None

    def registered_hooks(self) -> dict[str, dict[object, Hook]]:
        """Return the hooks that were registered, by when they are called and in their order."""
        return {} if self._hooks is None else self._hooks.found

    def _hooked(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # --- what it is made of -----------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; `ModuleError` where a result would take a parameter's place."""
        if isinstance(value, Tensor) and not value.is_leaf:
            there = vars(self).get(name)
            if isinstance(there, Tensor) and there.trainable:
                raise ModuleError(
                    f"'{name}' is a parameter, and a result would no longer be trained or saved: "
                    "assign nn.Parameter(values), or new values to its .data"
                )
        if tracers and (run := tracer()):
            run.set_attribute(self, name, value)
        super().__setattr__(name, value)
        changes.note()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        changes.note()

    def _members(self) -> Iterator[tuple[str, Any]]:
        """What is assigned to this module, and what stands in its lists, tuples and dicts."""
        for name, value in vars(self).items():
            yield from _spread(name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules assigned to this one, with their names."""
        return ((name, m) for name, m in self._members() if isinstance(m, Module))

    def children(self) -> Iterator[Module]:
        """Yield the modules assigned to this one."""
        return (module for _, module in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module, named "", and all below it, each once, with full names."""
        seen: set[int] = set()
        for prefix, module in self._walk(""):
            if id(module) not in seen:
                seen.add(id(module))
                yield prefix.removesuffix("."), module

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}{name}.")  # noqa: SLF001  (a Module too)

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor, parameters and buffers, with its full name; shared ones once."""
        return ((name, t) for name, t, _ in self._named_tensors())

    def _named_tensors(self) -> Iterator[tuple[str, Tensor, bool]]:
        """Every tensor with its name, and whether it is saved: results of a call are not."""
        seen: set[int] = set()
        for prefix, module in self._walk(""):
            for name, value in module._members():  # noqa: SLF001
                if isinstance(value, Tensor) and id(value) not in seen:
                    seen.add(id(value))
                    saved = value.is_leaf and name not in module._not_saved  # noqa: SLF001
                    yield prefix + name, value, saved

    def named_parameters(
        self,
        prefix: str = "",
        recurse: bool = True,  # noqa: FBT001, FBT002
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that are trained, or were until they were frozen, with full names.

        Names begin with the `prefix` and a dot, if there is one. Unless it is to `recurse`, only
        the module's own tensors come.
        """
        return _chosen(self._own_or_all(recurse), prefix, lambda t: t.trainable)

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:  # noqa: FBT001, FBT002
        """Yield the tensors that are trained, or were until they were frozen."""
        return (t for _, t in self.named_parameters(recurse=recurse))

    def named_buffers(
        self,
        prefix: str = "",
        recurse: bool = True,  # noqa: FBT001, FBT002
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that are not trained, such as running means, with full names.

        What a call computed and kept in an attribute, such as weights of attention, is none.
        """
        return _chosen(self._own_or_all(recurse), prefix, lambda t: t.is_leaf and not t.trainable)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:  # noqa: FBT001, FBT002
        """Yield the tensors that are not trained."""
        return (t for _, t in self.named_buffers(recurse=recurse))

    def _own_or_all(self, recurse: bool) -> Iterator[tuple[str, Tensor]]:  # noqa: FBT001
        if recurse:
            return self.named_tensors()
        return ((name, value) for name, value in self._members() if isinstance(value, Tensor))

    def named_streams(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield the random generators that layers draw from, with full names; shared ones once.

        >>> from tinygrad_bp import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(rng=np.random.default_rng(0)))
        >>> [name for name, _ in net.named_streams()]
        ['1.rng']
        """
        if "numpy.random" not in sys.modules:  # NumPy loads it when it is first used
            return
        seen: set[int] = set()
        for prefix, module in self._walk(""):
            for name, value in module._members():  # noqa: SLF001
                if isinstance(value, np.random.Generator) and id(value) not in seen:
                    seen.add(id(value))
                    yield prefix + name, value

    def get_submodule(self, target: str) -> Module:
        """Return the module of a full name, this one for ""; `ModuleError` if there is none."""
        found: Module = _found(self._by_name(), target, "module")
        return found

    def get_parameter(self, target: str) -> Tensor:
        """Return the parameter of a full name; `ModuleError` if there is none.

        >>> from tinygrad_bp import nn
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> net.get_parameter("0.weight") is net[0].weight
        True
        """
        found: Tensor = _found(dict(self.named_parameters()), target, "parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer of a full name; `ModuleError` if there is none."""
        found: Tensor = _found(dict(self.named_buffers()), target, "buffer")
        return found

    def _by_name(self) -> dict[str, Module]:
        return {prefix.removesuffix("."): module for prefix, module in self._walk("")}

    # --- what is added by name --------------------------------------------------------------

    def add_module(self, name: str, module: Module | None) -> None:
        """Assign a module, or None, to an attribute."""
        if not (module is None or isinstance(module, Module)):
            raise ModuleError(f"'{name}' is to be a module, not {module!r}")
        setattr(self, name, module)

    register_module = add_module

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """Assign a tensor that is trained, or None, to an attribute."""
        if not (param is None or (isinstance(param, Tensor) and param.trainable)):
            raise ModuleError(
                f"'{name}' is to be a parameter: give nn.Parameter(values), not {param!r:.100}"
            )
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:  # noqa: FBT001, FBT002
        """Assign a tensor that is not trained, or None, to an attribute.

        Unless it is `persistent`, it is in no `state_dict`.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            tensor = Tensor(tensor)
        if not persistent:
            self._not_saved = self._not_saved | {name}
        setattr(self, name, tensor)

    # --- what is done to all ----------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call a function with every module below this one, and then with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:  # noqa: FBT001, FBT002
        """Freeze the parameters, or let them be trained again.

        >>> from tinygrad_bp import nn
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> _ = net[0].requires_grad_(False)
        >>> [name for name, p in net.named_parameters() if p.requires_grad]
        ['1.weight', '1.bias']
        """
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002
        """Forget the gradient of every parameter.

        Raises `ModuleError` for `set_to_none=False`: a gradient of zeros could not be told from one
        that a loss gave.
        """
        if not set_to_none:
            raise ModuleError(
                "zero_grad() forgets gradients and sets none to zeros: leave set_to_none out"
            )
        for t in self.parameters():
            t.zero_grad()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (PyTorch's signature)
        """Set `training` here and below; layers such as dropout look at it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False here and below."""
        return self.train(mode=False)

    def to(self, dtype: Any) -> Self:
        """Convert all floating-point tensors, and their gradients, to another dtype.

        A function in its place moves all tensors to where it puts arrays: `to(cupy.asarray)` to a
        GPU, `to(cupy.asnumpy)` back. The tensors stay the same objects, so optimisers go on with
        them; those that have moments should be made anew. Raises `ModuleError` for a dtype of
        anything but floats, or a function that changes shapes or dtypes.

        >>> from tinygrad_bp import nn
        >>> nn.Linear(2, 3).to(np.float64).weight.dtype
        dtype('float64')
        """
        if callable(dtype) and not is_number_type(dtype):
            return self._moved([t for _, t in self.named_tensors()], placing(dtype))
        if isinstance(dtype, str) and dtype.partition(":")[0] in ("cpu", "cuda", "mps"):
            raise ModuleError(
                f"devices have no names here: leave .to({dtype!r}) out, or give what puts an array "
                "there, such as .to(cupy.asarray)"
            )
        wanted = np.dtype(dtype)
        if wanted.kind != "f":
            raise ModuleError(f"a model's numbers are floats, so it cannot go to {wanted}")
        found = [t for _, t in self.named_tensors() if t.dtype.kind == "f"]
        return self._moved(found, lambda array: array.astype(wanted))

    def _moved(self, tensors: Sequence[Tensor], move: Callable[[Any], Any]) -> Self:
        """Put other arrays of the same shapes into tensors and their gradients."""
        values = [move(t.data) for t in tensors]
        gradients = [None if t.grad is None else move(t.grad.data) for t in tensors]
        names = ["_value"] * len(tensors) + ["_grad"] * len(tensors)
        replace_all([], [], ([*tensors, *tensors], names, [*values, *gradients]))
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    # --- its state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of all tensors' values by name, without buffers that are not persistent.

        They cannot be written to, which would change nothing in the model. Raises `ModuleError` for
        a model that is elsewhere, on a GPU say.
        """
        own = self.saved_tensors()
        check_here(own)
        values = {name: np.array(t.data) for name, t in own.items()}
        for value in values.values():
            value.flags.writeable = False
        return values

    def saved_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a `state_dict` has the values of, by name."""
        return {name: t for name, t, saved in self._named_tensors() if saved}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Unmatched:  # noqa: FBT001, FBT002
        """Copy values from a `state_dict` of the same names and shapes into the tensors.

        The values come back exactly: float32 may go into float64, but not the other way. Raises
        `CheckpointError` naming every entry that does not fit, before anything is changed. Unless
        `strict`, entries may be missing, or more than the model has; their names are returned.
        """
        own = self.saved_tensors()
        left_out = Unmatched(
            [name for name in own if name not in state], [name for name in state if name not in own]
        )
        if not strict:
            own = {name: t for name, t in own.items() if name in state}
            state = {name: state[name] for name in own}
        values = fitted(own, state)
        replace_all([t.data for t in own.values()], [values[name] for name in own])
        return left_out

    # --- in words ---------------------------------------------------------------------------

    def summary(self, *inputs: Any, **options: Any) -> Summary:
        """Call the module once, and return a table of all modules below it: `nn.summary.Summary`.

        It has the shapes of outputs, the numbers of parameters and of multiplications by weights,
        and totals. Nothing is recorded, the module is in evaluation mode, and left as it was.

        >>> from tinygrad_bp.nn import MLP
        >>> print(MLP(784, 16, 10).summary(np.zeros((5, 784), np.float32)))
        module                         output   parameters  multiplications
        MLP                            (5, 10)
          hidden1: Linear              (5, 16)      12,560           62,720
          hidden1_activation: Sigmoid  (5, 16)
          output: Linear               (5, 10)         170              800
        <BLANKLINE>
        parameters: 12,730, in 49.7 KiB
        multiplications by weights: 63,520
        """
        from tinygrad_bp.nn.summary import summarized

        return summarized(self, inputs, options)

    def extra_repr(self) -> str:
        """Return what stands in the parentheses after the class's name."""
        return ""

    def __repr__(self) -> str:
        """The class with its options, or with the modules below, a line each."""
        lines = [f"({name}): {module!r}" for name, module in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        inner = "\n".join([self.extra_repr(), *lines] if self.extra_repr() else lines)
        return f"{type(self).__name__}(\n  " + inner.replace("\n", "\n  ") + "\n)"


def _spread(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        for i, member in enumerate(value):
            yield from _spread(f"{name}.{i}", member)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _spread(f"{name}.{key}", member)
    else:
        yield name, value


def _chosen(
    named: Iterator[tuple[str, Tensor]], prefix: str, wanted: Callable[[Tensor], bool]
) -> Iterator[tuple[str, Tensor]]:
    start = f"{prefix}." if prefix else ""
    return ((start + name, t) for name, t in named if wanted(t))


def _found(named: Mapping[str, Any], target: str, kind: str) -> Any:
    if target not in named:
        names = ", ".join(name for name in named if name)
        raise ModuleError(f"there is no {kind} '{target}'; there is {names or 'none at all'}")
    return named[target]


def _say_where(error: ShapeError, module: Module) -> None:
    """Put the layer into the message, under the name that the modules around it know it by."""
    inner, path = error.place or (None, "")
    if inner is None:
        layer = f"{type(module).__name__}({module.extra_repr()})"
        error.args = (f"{layer}: {error}",)
    else:
        name = next((name for name, child in module.named_modules() if child is inner), "")
        if not name:  # it was called by a function in between
            return
        known = f"{path} = " if path else ""
        path = f"{name}.{path}" if path else name
        error.args = (f"{path} = {str(error).removeprefix(known)}",)
    error.place = module, path
