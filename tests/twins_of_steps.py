"""Two copies of a training step, one of them compiled: whether they go on alike, to the bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinygrad_bp as bp
from tinygrad_bp import Tensor, state

__all__ = ["Work", "alike", "bits", "compiled_like_eager", "go_on", "of_model", "outcome"]


@dataclass
class Work:
    """A step and all that it changes."""

    step: Callable[..., Any]
    models: list[Any] = field(default_factory=list)
    optimizers: list[Any] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    streams: list[np.random.Generator] = field(default_factory=list)

    def held(self) -> Any:
        """Everything that a step may change, as something to compare."""
        named = [pair for model in self.models for pair in model.named_tensors()]
        tensors = [*named, *((f"tensor {i}", t) for i, t in enumerate(self.tensors))]
        return {
            "tensors": [
                (name, t.data.copy(), t._passes, t._used, t.requires_grad, bits(t.grad))
                for name, t in tensors
            ],
            "training": [m.training for model in self.models for m in model.modules()],
            "optimizers": [copy.deepcopy(o.state_dict()) for o in self.optimizers],
            "streams": [rng.bit_generator.state for rng in self._streams()],
        }

    def _streams(self) -> list[np.random.Generator]:
        found = {id(rng): rng for rng in self.streams}
        for model in self.models:
            for module in model.modules():
                for value in vars(module).values():
                    if isinstance(value, np.random.Generator):
                        found[id(value)] = value
        return list(found.values())


def bits(item: Any) -> Any:
    """Nested results with copies of arrays, and marks of what was a tensor."""
    if isinstance(item, Tensor):
        return ("tensor", bits(item.data))
    if isinstance(item, np.ndarray):
        return item.copy()
    if isinstance(item, list | tuple):
        return tuple([bits(part) for part in item])
    if isinstance(item, dict):
        return {key: bits(part) for key, part in item.items()}
    return item


def alike(a: Any, b: Any) -> bool:
    """Whether two nested results are the same to the bit."""
    if isinstance(a, Tensor | np.ndarray | list | tuple | dict):
        a, b = bits(a), bits(b)
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or (a.shape, a.dtype) != (b.shape, b.dtype):
            return False
        return a.tobytes() == b.tobytes() or _without_nan(a) == _without_nan(b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and [*a] == [*b] and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and (a is b or bool(a == b))


def _without_nan(a: np.ndarray[Any, Any]) -> tuple[bytes, bytes]:
    """The bits but for those of nan, and where it is."""
    holes = np.isnan(a) if a.dtype.kind in "fc" else np.zeros(a.shape, bool)
    return holes.tobytes(), np.where(holes, 0, a).tobytes()


def outcome(step: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What a call returns or raises."""
    return _outcome(step, args, kwargs)[0]


def _outcome(step: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The same, and the very result."""
    try:
        result = step(*args, **kwargs)
        return ("returned", bits(result)), result
    except Exception as error:
        return ("raised", type(error), str(error)), None


def go_on(eager: Work, compiled: Work, step: Callable[..., Any], calls: Iterable[Any]) -> None:
    """Call both with the same arguments, and hold one to the other after each call."""
    results: list[Any] = []
    for number, given in enumerate(calls):
        args, kwargs = given if isinstance(given, tuple) and len(given) == 2 and isinstance(
            given[1], dict) and isinstance(given[0], tuple) else (given, {})  # fmt: skip
        before = compiled.held()
        wanted, theirs = _outcome(eager.step, copy.deepcopy(args), copy.deepcopy(kwargs))
        found, mine = _outcome(step, copy.deepcopy(args), copy.deepcopy(kwargs))
        results.append((mine, theirs))
        assert not state.tracers
        assert alike(found, wanted), f"call {number}: {found} is not {wanted}"
        held, ours = eager.held(), compiled.held()
        if wanted[0] == "raised" and alike(ours, before):
            continue  # where eager mode stops in the middle, a program has not begun
        for part, values in held.items():
            for one, other in zip(ours[part], values, strict=True):
                assert alike(one, other), f"call {number}: {part}: {one}, not {other}"
    for number, (mine, theirs) in enumerate(results):
        assert alike(mine, theirs), f"what call {number} returned was changed later"


def compiled_like_eager(
    make: Callable[[], Work], calls: Iterable[Any], *, programs: int | None = 1
) -> Any:
    """Hold a compiled step to the same step; returns the compiled one."""
    eager, compiled = make(), make()
    for one, other in zip(eager.models, compiled.models, strict=True):
        other.load_state_dict(one.state_dict())
    for rng, stream in zip(compiled._streams(), eager._streams(), strict=True):
        rng.bit_generator.state = stream.bit_generator.state
    step = bp.compile(compiled.step, exact=True, grads=True)
    go_on(eager, compiled, step, calls)
    if programs is not None:
        assert len(step._programs) == programs
        assert step._programs[0].proven
    return step


def of_model(
    make: Callable[[], Any], optimizer: Callable[[Any], Any], loss: Callable[..., Any]
) -> Callable[[], Work]:
    """The usual step: gradients are cleared, a loss goes backward, an optimiser moves."""

    def made() -> Work:
        model = make()
        optim = optimizer(model) if any(True for _ in model.parameters()) else None

        def step(*args: Any) -> Any:
            if optim is not None:
                optim.zero_grad()
            found = loss(model, *args)
            if found.requires_grad:
                found.backward()
            if optim is not None:
                optim.step(missing_ok=True)
            return found

        return Work(step, [model], [optim] if optim else [])

    return made
