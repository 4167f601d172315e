"""A case for every row of "Coming from HIPS autograd and JAX"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict import Strict
from translations import Cases, same

import tinygrad_bp as bp
from tinygrad_bp import Tensor, cluster, errors, nn, optim
from tinygrad_bp import functional as F

__all__ = ["AUTOGRAD", "JAX"]

AUTOGRAD, JAX = Cases(), Cases()
row = AUTOGRAD

X, T = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.5, -2.0])


def cubes(x: Any) -> Any:
    """The sum of cubes, in any of the libraries."""
    return (x**3).sum()


def exp(x: Any) -> Any:
    """NumPy's exponential function, as one writes a primitive."""
    return np.exp(x)


def product(x: Any, y: Any) -> Any:
    return x * y


def no_attribute(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(bp, name)


# --- HIPS autograd ----------------------------------------------------------------------------


@row("`import autograd.numpy as np`")
def _(autograd: Any) -> None:
    ours = bp.grad(lambda x: np.sum(np.tanh(x)))(X)
    if autograd:
        import autograd.numpy as anp

        same(autograd.grad(lambda x: anp.sum(anp.tanh(x)))(X), ours)


@row("`import autograd.scipy.special`")
def _(autograd: Any) -> None:
    special = pytest.importorskip("scipy.special")
    ours = bp.grad(lambda x: np.sum(special.erf(x)))(X)
    if autograd:
        from autograd.scipy.special import erf

        same(autograd.grad(lambda x: erf(x).sum())(X), ours)


@row("`grad(f)(x, y)`, `grad(f, 1)(x, y)`")
def _(autograd: Any) -> None:
    assert (bp.grad(product)(2.0, 3.0), bp.grad(product, 1)(2.0, 3.0)) == (3.0, 2.0)
    assert bp.grad(product, (0, 1))(2.0, 3.0) == (3.0, 2.0)
    if autograd:
        assert autograd.grad(product, 1)(2.0, 3.0) == 2.0


@row("`value_and_grad(f)(x)`")
def _(autograd: Any) -> None:
    value, slope = bp.value_and_grad(cubes)(X)
    if autograd:
        theirs = autograd.value_and_grad(cubes)(X)
        same(theirs[0], value)
        same(theirs[1], slope)


@row("`grad_and_aux(f)(x)`")
def _(autograd: Any) -> None:
    kept = {}

    def loss(x: Any) -> Any:
        y = x**3
        kept["y"] = y.detach()
        return y.sum()

    same(bp.grad(loss)(X), 3 * X**2)
    same(kept["y"], X**3)
    no_attribute("grad_and_aux")


@row('`grad_named(f, "x")`, `multigrad_dict(f)`')
def _(autograd: Any) -> None:
    found = bp.grad(lambda given: given["x"] * given["y"])({"x": 2.0, "y": 3.0})
    assert found == {"x": 3.0, "y": 2.0}
    if autograd:
        assert autograd.grad_named(product, "x")(2.0, 3.0) == found["x"]


@row("`elementwise_grad(f)(x)`")
def _(autograd: Any) -> None:
    ours = bp.grad(lambda x: np.sum(x**3))(X)
    same(ours, 3 * X**2)
    if autograd:
        same(autograd.elementwise_grad(lambda x: x**3)(X), ours)


@row("`jacobian(f)(x)`, `hessian(f)(x)`")
def _(autograd: Any) -> None:
    ours = bp.jacobian(lambda x: x * x[0])(X), bp.hessian(cubes)(X)
    if autograd:
        same(autograd.jacobian(lambda x: x * x[0])(X), ours[0])
        same(autograd.hessian(cubes)(X), ours[1])


@row("`hessian_vector_product(f)(x, v)`, `make_hvp(f)(x)`")
def _(autograd: Any) -> None:
    ours = bp.hvp(cubes, X, T)
    same(ours, 6 * X * T)
    if autograd:
        same(autograd.hessian_vector_product(cubes)(X, T), ours)
        same(autograd.make_hvp(cubes)(X)[0](T), ours)


@row("`vjp, value = make_vjp(f)(x)`")
def _(autograd: Any) -> None:
    value, vjp = bp.vjp(lambda x: x**3, X)
    if autograd:
        theirs, there = autograd.make_vjp(lambda x: x**3)(X)
        same(there, value)
        same(theirs(T), vjp(T)[0])


@row("`make_jvp(f)(x)(t)`")
def _(autograd: Any) -> None:
    ours = bp.jvp(lambda x: x**3, (X,), (T,))
    same(bp.linearize(lambda x: x**3, X)[1](T), ours[1])
    if autograd:
        for a, b in zip(autograd.make_jvp(lambda x: x**3)(X)(T), ours, strict=True):
            same(a, b)


@row("`make_ggnvp(f, g)(x)(v)`")
def _(autograd: Any) -> None:
    def f(x: Any) -> Any:
        return x**3

    y, move = bp.jvp(f, (X,), (T,))
    ours = bp.vjp(f, X)[1](bp.hvp(cubes, y, move))[0]
    same(ours, (3 * X**2) ** 2 * 6 * X**3 * T)
    if autograd:
        same(autograd.make_ggnvp(f, cubes)(X)(T), ours)


@row("`@primitive`, `defvjp(f, lambda ans, x: lambda g: g * ans)`")
def _(autograd: Any) -> None:
    ours = bp.custom_rule(lambda g, y, x: g * y)(exp)
    same(bp.grad(lambda x: ours(x).sum())(X), np.exp(X))
    if autograd:
        from autograd.extend import defvjp, primitive

        theirs = primitive(exp)
        defvjp(theirs, lambda ans, x: lambda g: g * ans)
        same(autograd.grad(lambda x: theirs(x).sum())(X), np.exp(X))


@row("`defjvp(f, lambda g, ans, x: g * ans)`")
def _(autograd: Any) -> None:
    with_both = bp.custom_rule(lambda g, y, x: g * y, jvp=lambda t, y, x: t * y)
    same(bp.jvp(with_both(exp), (X,), (T,))[1], T * np.exp(X))
    without = bp.custom_rule(lambda g, y, x: g * y)(exp)
    with pytest.raises(errors.RuleError, match="was given no jvp="):
        bp.jvp(without, (X,), (T,))


@row("`defvjp(f, None, vjp)`")
def _(autograd: Any) -> None:
    scaled = bp.custom_rule(None, lambda g, y, n, x: g * n)(lambda n, x: n * x)
    assert bp.grad(scaled, 1)(2.0, 3.0) == 2.0
    with pytest.raises(errors.NotDifferentiableError):
        bp.grad(scaled, 0)(2.0, 3.0)


@row("`checkpoint(f)`")
def _(autograd: Any) -> None:
    no_attribute("checkpoint")
    whole = bp.grad(lambda x: np.mean(x**3))(X)
    parts = [bp.grad(lambda x: np.sum(x**3))(X[i : i + 1]) / 3 for i in range(3)]
    same(np.concatenate(parts), whole)


@row("arguments in lists, tuples and dicts")
def _(autograd: Any) -> None:
    def f(p: Any) -> Any:
        return p["a"] * p["b"][0] * p["b"][1]

    given = {"a": 2.0, "b": [3.0, 4.0]}
    ours = bp.grad(f)(given)
    assert ours == {"a": 12.0, "b": [8.0, 6.0]}
    if autograd:
        assert autograd.grad(f)(given) == ours


@row("`autograd.builtins.list`, `dict`, `tuple`")
def _(autograd: Any) -> None:
    def f(x: Any) -> Any:
        made = {"parts": [x, (x * x,)]}
        return made["parts"][0] * made["parts"][1][0]

    assert bp.grad(f)(2.0) == 12.0


@row("`A[0] = x` in a function")
def _(autograd: Any) -> None:
    def f(x: Any) -> Any:
        a = np.zeros(2)
        a[0] = x
        return a.sum()

    with pytest.raises(ValueError, match="setting an array element"):
        bp.grad(f)(1.0)
    assert bp.grad(lambda x: np.stack([x, 0.0]).sum())(1.0) == 1.0
    if autograd:
        with pytest.raises(ValueError, match="setting an array element"):
            autograd.grad(f)(1.0)


@row("`np.array([x, y])` in a function")
def _(autograd: Any) -> None:
    assert bp.grad(lambda x: np.stack([x, x * x]).sum())(2.0) == 5.0
    with pytest.raises(errors.ConversionError, match=r"np\.stack"):
        bp.grad(lambda x: np.array([x, x * x]).sum())(2.0)


@row("`A.dot(x)` with a plain array `A`")
def _(autograd: Any) -> None:
    a = np.diag(T)
    for multiply in (lambda x: a @ x, lambda x: np.dot(a, x)):
        same(bp.grad(lambda x, m=multiply: m(x).sum())(X), T)
    with pytest.raises(errors.ConversionError, match=r"np\.dot\(x, t\)"):
        bp.grad(lambda x: a.dot(x).sum())(X)


@row("`getval(x)`")
def _(autograd: Any) -> None:
    assert bp.grad(lambda x: x.detach() * x)(3.0) == 3.0
    assert bp.grad(lambda x: x.item() * x)(3.0) == 3.0


@row("`grad(f)(3)`")
def _(autograd: Any) -> None:
    with pytest.raises(errors.GradientError, match=r"astype\(float\)"):
        bp.grad(lambda x: 2 * x)(3)
    if autograd:
        with pytest.raises(TypeError):
            autograd.grad(lambda x: 2 * x)(3)


Z = np.array([3.0 + 4.0j])


@row("gradient of a real loss by a complex array")
def _(autograd: Any) -> None:
    ours = bp.grad(lambda z: np.sum(np.abs(z)))(Z)
    same(ours, [0.6 + 0.8j])
    if autograd:
        import autograd.numpy as anp

        same(np.conj(autograd.grad(lambda z: anp.sum(anp.abs(z)))(Z)), ours)


@row("`holomorphic_grad(f)(z)`")
def _(autograd: Any) -> None:
    def f(z: Any) -> Any:
        return z * z * (1 + 2j)

    ours = np.conj(bp.grad(lambda z: np.real(f(z)))(Z[0]))
    same(ours, 2 * Z[0] * (1 + 2j))
    if autograd:
        same(autograd.holomorphic_grad(f)(Z[0]), ours)


@row("float32")
def _(autograd: Any) -> None:
    x = X.astype(np.float32)
    assert bp.grad(lambda x: np.sum(2.5 * x * x))(x).dtype == np.float32


def guarded(x: Any) -> Any:
    return np.where(x > 0, np.sqrt(x), 0.0).sum()


@row("`np.where(x > 0, np.sqrt(x), 0.0)` at 0")
def _(autograd: Any) -> None:
    x = np.array([0.0, 4.0])
    assert bp.grad(guarded)(x).tolist() == [0.0, 0.25]
    if autograd:
        import autograd.numpy as anp

        with np.errstate(all="ignore"):
            theirs = autograd.grad(lambda x: anp.sum(anp.where(x > 0, anp.sqrt(x), 0.0)))(x)
        assert np.isnan(theirs[0])


@row("`check_grads(f, order=2)(x)`")
def _(autograd: Any) -> None:
    bp.gradcheck.check(cubes, X).assert_ok()
    if autograd:
        bp.gradcheck.check_autograd(cubes, X).assert_ok()


@row("`autograd.misc.optimizers.adam(grad, x0)`")
def _(autograd: Any) -> None:
    x = Tensor(X, requires_grad=True)
    optimizer = optim.Adam([x], lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
    assert (np.abs(x.data) < np.abs(X)).all()
    if autograd:
        from autograd.misc.optimizers import adam

        theirs = adam(lambda x, _: 2 * x, X, num_iters=20, step_size=0.1)
        same(theirs, x, 1e-5)


@row("`flatten(parameters)`, for SciPy")
def _(autograd: Any) -> None:
    pytest.importorskip("scipy.optimize")
    parameters = [Tensor(3.0, requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)]
    a, b = parameters
    assert bp.interop.minimize(lambda: (a - 1) ** 2 + ((b - a) ** 2).sum(), parameters).success
    same(a, 1.0, 1e-4)


# --- JAX --------------------------------------------------------------------------------------

row = JAX


@row("`import jax.numpy as jnp`")
def _(jax: Any) -> None:
    ours = bp.grad(lambda x: np.sum(np.tanh(x)))(X)
    if jax:
        same(jax.grad(lambda x: jax.numpy.sum(jax.numpy.tanh(x)))(X), ours)


@row("`jax.scipy.special`, `jax.nn`")
def _(jax: Any) -> None:
    special = pytest.importorskip("scipy.special")
    ours = bp.grad(lambda x: np.sum(special.gammaln(np.abs(x))))(X), F.softmax(X, -1)
    if jax:
        gammaln = jax.scipy.special.gammaln
        same(jax.grad(lambda x: gammaln(abs(x)).sum())(X), ours[0], 1e-4)
        same(jax.nn.softmax(X), ours[1])


@row("float32, unless `jax_enable_x64`")
def _(jax: Any) -> None:
    assert bp.grad(cubes)(X).dtype == np.float64
    assert bp.grad(cubes)(X.astype(np.float32)).dtype == np.float32
    if jax and not jax.config.jax_enable_x64:
        assert jax.grad(cubes)(X).dtype == np.float32


@row("`jax.grad(f, argnums=1)`, `jax.value_and_grad(f)`")
def _(jax: Any) -> None:
    ours = bp.grad(product, 1)(2.0, 3.0), *bp.value_and_grad(product)(2.0, 3.0)
    assert ours == (2.0, 6.0, 3.0)
    if jax:
        assert (jax.grad(product, 1)(2.0, 3.0), *jax.value_and_grad(product)(2.0, 3.0)) == ours


@row("`jax.grad(f, has_aux=True)`")
def _(jax: Any) -> None:
    with pytest.raises(TypeError):
        bp.grad(cubes, has_aux=True)


@row("`jax.vjp(f, x)`, `jax.jvp(f, (x,), (t,))`, `jax.linearize(f, x)`")
def _(jax: Any) -> None:
    def found(library: Any, x: Any, t: Any) -> list[Any]:
        value, vjp = library.vjp(lambda x: x**3, x)
        there, linear = library.linearize(lambda x: x**3, x)
        return [value, *vjp(t), *library.jvp(lambda x: x**3, (x,), (t,)), there, linear(t)]

    ours = found(bp, X, T)
    same(ours[3], 3 * X**2 * T)
    if jax:
        theirs = found(jax, *map(jax.numpy.asarray, (X, T)))
        for a, b in zip(theirs, ours, strict=True):
            same(a, b, 1e-5)


@row("`jax.jacrev(f)`, `jax.jacfwd(f)`, `jax.hessian(f)`")
def _(jax: Any) -> None:
    def f(x: Any) -> Any:
        return x * x[0]

    backward, forward = bp.jacobian(f, mode="reverse"), bp.jacobian(f, mode="forward")
    ours = backward(X), forward(X), bp.hessian(cubes)(X)
    if jax:
        theirs = jax.jacrev(f)(X), jax.jacfwd(f)(X), jax.hessian(cubes)(X)
        for a, b in zip(theirs, ours, strict=True):
            same(a, b, 1e-5)


@row("`jax.jvp(jax.grad(f), (x,), (v,))`")
def _(jax: Any) -> None:
    same(bp.jvp(bp.grad(cubes), (X,), (T,))[1], bp.hvp(cubes, X, T))


@row("`jax.vmap(f)`")
def _(jax: Any) -> None:
    batch = np.stack([X, T])
    ours = np.linalg.norm(Tensor(batch), axis=1)
    no_attribute("vmap")
    if jax:
        same(jax.vmap(jax.numpy.linalg.norm)(batch), ours)


@row("`jax.vmap(jax.grad(loss), (None, 0, 0))`")
def _(jax: Any) -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return ((w * x).sum() - y) ** 2

    given = X, np.stack([X, T]), np.array([1.0, 2.0])
    ours = bp.per_example_grads(loss)(*given)
    if jax:
        same(jax.vmap(jax.grad(loss), (None, 0, 0))(*given), ours, 1e-5)


@row("`jax.jit(f)`")
def _(jax: Any) -> None:
    f = bp.compile(bp.grad(cubes))
    same([f(X) for _ in range(3)], [3 * X**2] * 3)
    assert "def " in f.source
    if jax:
        same(jax.jit(jax.grad(cubes))(X), f(X), 1e-5)


@row("a branch on values in `jit`")
def _(jax: Any) -> None:
    def f(x: Any) -> Any:
        return x.sum() if x[0] > 0 else x.prod()

    compiled = bp.compile(f)
    with pytest.raises(errors.ProgramError, match="a branch"):
        [compiled(Tensor(X)) for _ in range(2)]
    if jax:
        with pytest.raises(jax.errors.TracerBoolConversionError):
            jax.jit(f)(X)


@row("`jax.lax.cond`, `scan`, `fori_loop`, `while_loop`")
def _(jax: Any) -> None:
    def f(x: Any) -> Any:
        total = x * 0
        for n in range(1, 4):
            if total < 10:
                total = total + x**n
        return total

    assert bp.grad(f)(2.0) == 1 + 4 + 12
    loop = bp.compile(lambda x: sum(x**n for n in range(1, 4)))
    assert [loop(Tensor(2.0)).item() for _ in range(3)] == [14.0] * 3


@row("`jax.lax.stop_gradient(x)`")
def _(jax: Any) -> None:
    assert bp.grad(lambda x: x.detach() * x)(3.0) == 3.0
    if jax:
        assert jax.grad(lambda x: jax.lax.stop_gradient(x) * x)(3.0) == 3.0


@row("`jax.custom_vjp`, `jax.custom_jvp`")
def _(jax: Any) -> None:
    made = bp.custom_rule(lambda g, y, x: 10 * g, jvp=lambda t, y, x: 10 * t)(lambda x: x + 0)
    assert bp.grad(made)(1.0) == bp.jvp(made, (1.0,), (1.0,))[1] == 10.0
    if jax:
        theirs = jax.custom_vjp(lambda x: x + 0)
        theirs.defvjp(lambda x: (x, None), lambda _, g: (10 * g,))
        assert jax.grad(theirs)(1.0) == 10.0


@row("`jax.checkpoint`, `jax.remat`")
def _(jax: Any) -> None:
    no_attribute("checkpoint")
    no_attribute("remat")


@row("`x.at[0].set(v)`, `x.at[index].add(v)`")
def _(jax: Any) -> None:
    index, v = np.array([0, 0]), np.array([1.0, 2.0])
    t = Tensor(X)
    ours = t.index_put((np.array([0]),), Tensor([9.0])), t.index_add(0, index, Tensor(v))
    assert [u.tolist() for u in ours] == [[9.0, -1.0, 2.0], [3.5, -1.0, 2.0]]
    assert np.where(np.arange(3) == 0, 9.0, t).tolist() == ours[0].tolist()
    if jax:
        x = jax.numpy.asarray(X)
        same(x.at[0].set(9.0), ours[0])
        same(x.at[index].add(v), ours[1])


@row("`x[0] = v`")
def _(jax: Any) -> None:
    with pytest.raises(errors.InPlaceError, match=r"np\.where"):
        Tensor(X)[0] = 1.0
    if jax:
        with pytest.raises(TypeError):
            jax.numpy.asarray(X)[0] = 1.0


@row("`x[5]` beyond the end")
def _(jax: Any) -> None:
    with pytest.raises(IndexError):
        Tensor(X)[5]
    if jax:
        assert jax.numpy.asarray(X)[5] == X[-1]


@row("`jax.random.key(0)`, `split`, `normal(key, shape)`")
def _(jax: Any) -> None:
    def drawn() -> Any:
        first, second = np.random.default_rng(0).spawn(2)
        return np.stack([first.normal(size=3), second.normal(size=3)])

    same(drawn(), drawn())
    assert (drawn()[0] != drawn()[1]).all()


@row("pytrees, `jax.tree.map`")
def _(jax: Any) -> None:
    def f(p: Any) -> Any:
        return (p["w"] * p["b"][0]).sum()

    given = {"w": X.astype(np.float32), "b": (np.float32(3.0),)}
    ours = bp.grad(f)(given)
    assert isinstance(ours["b"], tuple)
    if jax:
        theirs = jax.grad(f)(given)
        same(theirs["w"], ours["w"])
        same(theirs["b"][0], ours["b"][0])


@row("a module, as in Flax or Equinox")
def _(jax: Any) -> None:
    model, x = nn.Linear(3, 1, rng=np.random.default_rng(0)), X.astype(np.float32)
    found = bp.grad(lambda m: m(x).sum())(model)
    assert found.keys() == {"weight", "bias"}
    values = {name: np.zeros_like(p.data) for name, p in model.named_parameters()}
    assert nn.functional_call(model, values, x).tolist() == [0.0]


@row("`optax.adam(1e-3)`, `update`, `apply_updates`")
def _(jax: Any) -> None:
    x = Tensor(X, requires_grad=True)
    optimizer = optim.Adam([x], lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        cubes(x).backward()
        optimizer.step()
    if jax:
        optax = pytest.importorskip("optax")
        theirs, rule = jax.numpy.asarray(X), optax.adam(1e-3)
        state = rule.init(theirs)
        for _ in range(3):
            updates, state = rule.update(jax.grad(cubes)(theirs), state)
            theirs = optax.apply_updates(theirs, updates)
        same(theirs, x, 1e-5)


@row("gradient of a real loss by a complex array")
def _(jax: Any) -> None:
    ours = bp.grad(lambda z: np.sum(np.abs(z)))(Z)
    same(ours, [0.6 + 0.8j])
    if jax:
        z = Z.astype(np.complex64)
        same(np.conj(jax.grad(lambda z: abs(z).sum())(z)), ours)


@row("`allow_int=True`, `float0`")
def _(jax: Any) -> None:
    with pytest.raises(errors.GradientError, match=r"astype\(float\)"):
        bp.grad(lambda x: x.sum())(np.array([1, 2]))
    if jax:
        theirs = jax.grad(lambda x: x.sum() * 1.0, allow_int=True)(np.array([1, 2]))
        assert theirs.dtype == jax.dtypes.float0


@row("`jax.grad(jnp.abs)(0.0)`")
def _(jax: Any) -> None:
    assert bp.grad(np.abs)(0.0) == 0.0
    assert bp.grad(lambda x: np.maximum(x, 0.0))(0.0) == 0.5
    if jax:
        assert jax.grad(jax.numpy.abs)(0.0) == 1.0
        assert jax.grad(lambda x: jax.numpy.maximum(x, 0.0))(0.0) == 0.5


@row("`jnp.where(x > 0, jnp.sqrt(x), 0.0)` at 0")
def _(jax: Any) -> None:
    x = np.array([0.0, 4.0])
    assert bp.grad(guarded)(x).tolist() == [0.0, 0.25]
    if jax:
        jnp = jax.numpy
        theirs = jax.grad(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0).sum())(x)
        assert np.isnan(theirs[0])


@row("`jax_debug_nans`")
def _(jax: Any) -> None:
    with np.errstate(all="ignore"), bp.trace_nans(), pytest.raises(errors.NonFiniteError):
        np.log(Tensor(X, requires_grad=True))


@row("`jax.make_jaxpr(f)(x)`")
def _(jax: Any) -> None:
    f = bp.compile(lambda x: np.sum(np.tanh(x)))
    f(X), f(X)
    assert "tanh" in f.source
    y = np.sum(np.tanh(Tensor(X, requires_grad=True)))
    assert "tanh" in str(bp.explain.wengert(y))
    if jax:
        assert "tanh" in str(jax.make_jaxpr(jax.numpy.tanh)(X))


@row("`jax.test_util.check_grads(f, (x,), order=2)`")
def _(jax: Any) -> None:
    bp.gradcheck.check(cubes, X).assert_ok()
    if jax:
        bp.gradcheck.check_jax(cubes, X).assert_ok()


@row("`y.block_until_ready()`, `jax.debug.print`")
def _(jax: Any) -> None:
    seen = []

    def f(x: Any) -> Any:
        y = x * 2
        seen.append(y.item())
        return y

    assert bp.grad(f)(3.0) == 2.0
    assert seen == [6.0]


@row("`jax.device_put(x, device)`")
def _(jax: Any) -> None:
    t = Tensor(Strict(X), requires_grad=True)
    cubes(t).backward()
    assert isinstance(t.grad.data, Strict)


@row("`jax.pmap`, `shard_map`")
def _(jax: Any) -> None:
    model = nn.Linear(3, 1, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = cluster.ParallelStep(None, model, F.mse_loss, optimizer, shards=2)
    x = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    first = float(step(x, x[:, :1]))
    assert float(step(x, x[:, :1])) < first
