"""What tests of another library's arrays share: calls and training, there and here."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from specs import Array, Call
from strict import Strict

from tinygrad_bp import Tensor, gradients, nn, optim
from tinygrad_bp.containers import leaves
from tinygrad_bp.registry import name_of

__all__ = ["STRICT", "Library", "compare_calls", "compare_training", "held", "is_beyond_cupy"]


class Library(NamedTuple):
    """How arrays come to a library, and back."""

    kind: type
    """What its arrays are."""
    put: Callable[[Any], Any]
    get: Callable[[Any], Array]


STRICT = Library(Strict, Strict, lambda array: array.held)

CUPY_LACKS = {
    "histogram",
    "special.airy", "special.betaincc", "special.betainccinv", "special.dawsn", "special.ellipe",
    "special.ellipk", "special.ellipkm1", "special.erfi", "special.exprel", "special.fresnel",
    "special.hyp0f1", "special.hyp1f1", "special.hyp2f1", "special.hyperu", "special.i1",
    "special.i1e", "special.iv", "special.ive", "special.j1", "special.jv", "special.k1",
    "special.k1e", "special.kn", "special.kv", "special.kve", "special.lambertw",
    "special.modstruve", "special.ndtri_exp", "special.owens_t", "special.powm1", "special.psi",
    "special.shichi", "special.sici", "special.spence", "special.stdtr", "special.stdtrit",
    "special.struve", "special.wrightomega", "special.y1", "special.yn", "special.yv",
    "special.zeta",
}  # fmt: skip
"""CuPy 14.2 has no such functions, or lacks what their derivatives are made of."""

CUPY_REFUSES = {
    "diag(2, 1)", "heaviside(0.0, 0d)", "insert(3, [0, 2], 0d)",
    "interp(2, array[0.0, 1.0, 2.5, 4.0], 4)", "only_where(0d, False)",
    "polyfit(array[0.0, 1.0, 2.0, 3.0], 4x2, deg=1)", "product(0.8, 3)", "quotient(0.8, 3)",
    "repeat(2, [3, 1])", "roll(4, array[1, 2], axis=0)", "sort(0x2, axis=0, stable=True)",
    "special.boxcox(2, 2x3T)", "special.boxcox(2x1, 3)", "special.boxcox1p(2, 2x3T)",
    "special.boxcox1p(2x1, 3)", "special.erfcx(0d)", "special.erfcx(2x3)", "special.expn(1, 2x3)",
    "special.inv_boxcox(2, 2x3T)", "special.inv_boxcox(2x1, 3)", "special.inv_boxcox1p(2, 2x3T)",
    "special.inv_boxcox1p(2x1, 3)", "special.rel_entr(2, 2x3T)", "special.xlog1py(2, 2x3T)",
    "special.xlogy(2, 2x3T)", "where(True, 0d, 0d)",
}  # fmt: skip
"""Calls that it does not do: with True or False for a condition, with complex numbers that are
added at places, with shifts in an array, or with options that are new in NumPy."""


def is_beyond_cupy(call: Call) -> bool:
    """Whether CuPy lacks what a call is made of."""
    name = name_of(call.function)
    is_length = name == "linalg.vector_norm" and "ord" not in call.options
    return name in CUPY_LACKS or str(call) in CUPY_REFUSES or is_length


def held(tensor: Tensor, library: Library) -> Array:
    """The values of a tensor, which must be where the library has them."""
    assert isinstance(tensor.data, library.kind), type(tensor.data)
    return library.get(tensor.data)


# --- calls ----------------------------------------------------------------------------------------


def compare_calls(call: Call, library: Library, tolerance: float = 1e-12) -> None:
    """Compare what a call gives, and the gradients of that, to NumPy's; these a little less."""

    def close(found: Array, expected: Array, tolerance: float) -> None:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)

    bases = call.bases(np.float64)
    here = [Tensor(base, requires_grad=True) for base in bases]
    there = [Tensor(library.put(base), requires_grad=True) for base in bases]
    for y, z in zip(call(call.views(here)), outputs(call, there, library), strict=True):
        close(held(z, library), y.data, tolerance)
        seeds = np.ones_like(y.data), np.ones_like(z.data)
        expected, found = (
            gradients(of, by, seed=seed)
            for of, by, seed in zip((y, z), (here, there), seeds, strict=True)
        )
        for g, h in zip(expected, found, strict=True):
            assert (g is None) == (h is None)
            if g is not None and h is not None:
                close(held(h, library), g.data, 100 * tolerance)


def outputs(call: Call, args: Sequence[Tensor], library: Library) -> list[Tensor]:
    """What a call gives, with its constants elsewhere; lists of numbers stay what they may."""
    filled = call.filled(call.views(args))
    for lists in (False, True):
        given = [elsewhere(a, library, lists=lists) for a in filled]
        options = {name: elsewhere(a, library, lists=lists) for name, a in call.options.items()}
        try:
            return call.smooth(call.function(*given, **options))
        except (TypeError, AttributeError):
            if lists:
                raise
    raise AssertionError


def elsewhere(argument: Any, library: Library, *, lists: bool = False) -> Any:
    """Constant arguments as a user would give them: arrays, and perhaps lists of numbers, too."""
    if isinstance(argument, np.ndarray):
        return library.put(argument)
    if lists and isinstance(argument, list) and not _holds_tensors(argument):
        return library.put(np.asarray(argument, None if argument else int))
    if isinstance(argument, list | tuple):
        return type(argument)(elsewhere(part, library, lists=lists) for part in argument)
    return argument


def _holds_tensors(argument: Any) -> bool:
    if isinstance(argument, list | tuple):
        return any(map(_holds_tensors, argument))
    return not isinstance(argument, int | float | complex | np.generic)


# --- training -------------------------------------------------------------------------------------


def compare_training(here: nn.Module, inputs: Sequence[Any], library: Library) -> None:
    """Train twins, one of them elsewhere, and look at all that they hold."""
    there = copy.deepcopy(here).to(library.put)
    one, other = trained(here, *inputs), trained(there, *map(library.put, inputs))
    named = zip(here.named_tensors(), there.named_tensors(), strict=True)
    pairs = [*zip(one, other, strict=True), *((p, q) for (_, p), (_, q) in named)]
    for p, q in pairs:
        assert (p is None) == (q is None)
        if p is not None and q is not None:
            with np.errstate(under="ignore"):
                np.testing.assert_allclose(held(q, library), p.data, rtol=1e-9, atol=1e-12)


def trained(model: Any, *inputs: Any) -> list[Tensor | None]:
    """The gradients of what goes in, after two steps that draw all that comes out to 0."""
    parameters = list(model.parameters())
    optimizer = optim.SGD(parameters, lr=0.01, momentum=0.5) if parameters else None
    for _, stream in model.named_streams():
        stream.bit_generator.state = np.random.default_rng(5).bit_generator.state
    for _ in range(2):
        model.zero_grad()
        given = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        loss = sum([np.mean(y * y) for y in leaves(model(*given)) if isinstance(y, Tensor)])
        loss.backward()
        if optimizer is not None:
            optimizer.step()
    return [x.grad for x in given]
