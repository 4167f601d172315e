"""Optimisers: what they compute, groups of parameters, saved states, and steps all or nothing."""

from __future__ import annotations

import copy
import inspect
import itertools
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, nn, no_grad, optim
from tinygrad_bp.errors import OptimizerError

KINDS = {
    name: kind
    for name in optim.__all__
    if inspect.isclass(kind := getattr(optim, name))
    and issubclass(kind, optim.Optimizer)
    and kind is not optim.Optimizer
}
FIRST_ORDER = [kind for kind in KINDS.values() if kind.__name__ != "LBFGS"]
every_kind = pytest.mark.parametrize("kind", FIRST_ORDER, ids=lambda kind: kind.__name__)


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def go_on(optimizer: Any, steps: int = 1) -> None:
    """Steps along gradients that depend on the parameters alone."""
    for _ in range(steps):
        optimizer.zero_grad()
        sum((p * p * 0.5 + p).sum() for group in optimizer.param_groups
            for p in group["params"]).backward()  # fmt: skip
        optimizer.step()


def bits(optimizer: Any) -> list[bytes]:
    return [p.data.tobytes() for group in optimizer.param_groups for p in group["params"]]


# --- what they compute ------------------------------------------------------------------------

# Weights after 8 steps on sum(w^4 / 4 + c w) from (3, -1/2, 0), c = (1, -2, 0.1): PyTorch 2.13's,
# with float64 as its default dtype.
PINNED: list[tuple[Any, dict[str, Any], list[float]]] = [
    (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        [-0.8759161470610325, 1.1702305186878033, -0.30271264141247883],
    ),
    (
        optim.Adam,
        {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1},
        [2.2249256930457366, 0.29705978131734884, -0.5182026885586075],
    ),
    (
        optim.Adam,
        {"lr": 0.1, "maximize": True},
        [3.8085481277295594, -1.3078472122698186, 0.7982854014451178],
    ),
    (optim.AdamW, {"lr": 0.1}, [2.2049811100730383, 0.2991546515081605, -0.6077590543350805]),
    (
        optim.Adamax,
        {"lr": 0.1, "weight_decay": 0.1},
        [2.322800931580546, 0.2703633287386772, -0.5033711429788569],
    ),
    (
        optim.NAdam,
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
        [2.2345663650782317, 0.14922735977659018, -0.47504370026901027],
    ),
    (
        optim.RAdam,
        {"lr": 0.1, "betas": (0.8, 0.9)},
        [-2.081352138454823, 0.623508411293399, -0.147699000683152],
    ),
    (
        optim.RMSprop,
        {"lr": 0.1, "centered": True, "momentum": 0.5},
        [-0.1024302905883671, 1.3260400180804426, -0.5268425217547137],
    ),
    (
        optim.Adagrad,
        {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5},
        [2.667495373450043, -0.15909438952026841, -0.0829755737733579],
    ),
    (
        optim.Adadelta,
        {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1},
        [2.9899649989323422, -0.4899498870263205, -0.010031010632704679],
    ),
    (optim.Rprop, {"lr": 0.1}, [1.35009152, 1.1499084799999997, -0.4936]),
]


@pytest.mark.parametrize(("kind", "options", "expected"), PINNED)
def test_numbers_are_those_of_pytorch(kind: Any, options: Any, expected: Any) -> None:
    w = leaf([3.0, -0.5, 0.0])
    optimizer = kind([w], **options)
    for _ in range(8):
        optimizer.zero_grad()
        (w**4 / 4 + w * np.array([1.0, -2.0, 0.1])).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, expected, rtol=1e-13, atol=1e-14)


def test_adam_by_hand(rng: np.random.Generator) -> None:
    w = leaf(rng.normal(size=5))
    optimizer = optim.Adam([w], lr=0.1, betas=(0.8, 0.95), eps=1e-3)
    p, m, v = w.data.copy(), 0.0, 0.0
    for t in range(1, 20):
        w.grad = g = rng.normal(size=5)
        optimizer.step()
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        p -= 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        np.testing.assert_allclose(w.data, p, rtol=1e-12)


def test_a_decoupled_decay_is_that_of_adamw() -> None:
    a, b = leaf([1.0, -2.0]), leaf([1.0, -2.0])
    first = optim.AdamW([a], weight_decay=0.3)
    second = optim.Adam([b], weight_decay=0.3, decoupled_weight_decay=True)
    go_on(first, 5)
    go_on(second, 5)
    assert bits(first) == bits(second)


@every_kind
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_parameter_keeps_its_dtype_and_so_do_its_moments(kind: Any, dtype: Any) -> None:
    optimizer = kind([leaf([1.0, -2.0], dtype), leaf(3.0, dtype)])
    with np.errstate(under="ignore"):  # eps is nothing in half precision
        go_on(optimizer, 3)
    for group in optimizer.param_groups:
        assert {p.dtype for p in group["params"]} == {np.dtype(dtype)}
    arrays = [m for row in optimizer.state_dict()["state"].values() for m in row.values()
              if isinstance(m, np.ndarray)]  # fmt: skip
    assert {a.dtype for a in arrays} <= {np.dtype(dtype)}


@every_kind
def test_single_precision_is_not_less_exact_than_its_numbers(kind: Any) -> None:
    """1 - beta is reckoned in double precision: of 0.999 in single, 5 digits would be lost."""
    start = np.linspace(-2.0, 2.0, 7)
    one, two = kind([leaf(start, np.float32)]), kind([leaf(start)])
    go_on(one, 20)
    go_on(two, 20)
    for p, q in zip(one.param_groups[0]["params"], two.param_groups[0]["params"], strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=2e-6, atol=2e-6)


@every_kind
@pytest.mark.parametrize("transposed", [False, True])
def test_long_parameters_step_as_short_ones_do(kind: Any, transposed: bool) -> None:
    """They are updated block by block, with the same bits."""
    rng = np.random.default_rng(3)
    whole = rng.normal(size=(350, 200))
    long = leaf(whole)
    short = [leaf(row) for row in whole]
    of_long, of_short = kind([long]), kind(short)
    for _ in range(3):
        g = rng.normal(size=(200, 350)).T if transposed else rng.normal(size=(350, 200))
        long.grad = g
        for p, row in zip(short, g, strict=True):
            p.grad = row.copy()
        of_long.step()
        of_short.step()
        np.testing.assert_array_equal(long.data, [p.data for p in short])


@every_kind
def test_complex_parameters_are_pairs_of_real_ones(kind: Any) -> None:
    z = leaf([[1 + 2j, -3j], [0.5, 4 - 1j]], complex)
    pairs = leaf(z.data.view(float))
    one, two = kind([z]), kind([pairs])
    for seed in range(4):
        g = np.random.default_rng(seed).normal(size=(2, 4))
        z.grad, pairs.grad = g.view(complex), g
        one.step()
        two.step()
        np.testing.assert_array_equal(z.data.view(float), pairs.data)
    again = kind([leaf(z.data, complex)])
    again.load_state_dict(one.state_dict())


@every_kind
@pytest.mark.parametrize("size", [2, 70_000])
def test_no_moment_is_an_array_that_the_user_holds(kind: Any, size: int) -> None:
    def run(factor: float) -> Any:
        w = leaf(np.linspace(1.0, 2.0, size))
        optimizer = kind([w])
        for seed in range(4):
            w.grad = g = np.random.default_rng(seed).normal(size=size)
            optimizer.step()
            state = optimizer.state_dict()
            g *= factor
            for moment in state["state"].get(0, {}).values():
                if isinstance(moment, np.ndarray):
                    np.multiply(moment, factor, out=moment)
        return w.data

    np.testing.assert_array_equal(run(100.0), run(1.0))


@every_kind
def test_a_step_that_overflows_moves_nothing(kind: Any) -> None:
    good, bad = leaf([1.0, 2.0]), leaf([1.0, 2.0], np.float32)
    optimizer = kind([("good", good), ("bad", bad)])
    go_on(optimizer, 2)
    before, state = bits(optimizer), copy.deepcopy(optimizer.state_dict())
    for g in (np.nan, np.inf):
        good.grad, bad.grad = np.ones(2), np.array([1.0, g], np.float32)
        with np.errstate(all="ignore"), pytest.raises(OptimizerError, match="'bad'"):
            optimizer.step()
        assert bits(optimizer) == before
        np.testing.assert_equal(optimizer.state_dict(), state)


# --- closures, missing and accumulated gradients ----------------------------------------------


@every_kind
def test_a_closure_is_called_with_gradients_on_and_its_loss_comes_back(kind: Any) -> None:
    w = leaf([1.0, -1.0])
    optimizer = kind([w])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert w.tolist() != [1.0, -1.0]
    assert optimizer.step.__doc__


def test_an_exception_in_a_closure_moves_nothing() -> None:
    w = leaf([1.0])
    optimizer = optim.Adam([w])

    def closure() -> Tensor:
        optimizer.zero_grad()
        (w * w).sum().backward()
        raise KeyError("data")

    with pytest.raises(KeyError):
        optimizer.step(closure)
    assert w.tolist() == [1.0]
    assert optimizer.state_dict()["state"] == {}


@every_kind
def test_parameters_without_a_gradient_stay_when_that_is_meant(kind: Any) -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = kind([("a", a), ("b", b)])
    go_on(optimizer, 2)
    optimizer.zero_grad()
    (a * a).sum().backward()
    before, state = b.data.copy(), optimizer.state_dict()["state"].get(1)
    with pytest.raises(OptimizerError, match=r"'b' has no gradient.*step\(missing_ok=True\)"):
        optimizer.step()
    moved = a.data.copy()
    optimizer.step(missing_ok=True)
    assert a.data != moved
    assert b.data == before
    assert optimizer.state_dict()["state"].get(1) == state


def test_what_is_missing_on_purpose_does_not_hide_what_is_not() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.1)
    (a * a).sum().backward()
    (a * a).sum().backward()
    with pytest.raises(OptimizerError, match="'a' is the sum of 2 backward passes"):
        optimizer.step(missing_ok=True)
    optimizer.step(missing_ok=True, accumulated=True)
    with pytest.raises(OptimizerError, match="gradient of 'a' was used already"):
        optimizer.step(missing_ok=True, accumulated=True)


def test_zero_grad_takes_pytorchs_argument() -> None:
    w = leaf([1.0])
    optimizer = optim.SGD([w])
    (w * w).sum().backward()
    optimizer.zero_grad(set_to_none=True)
    assert w.grad is None
    with pytest.raises(OptimizerError, match="missing_ok"):
        optimizer.zero_grad(set_to_none=False)


# --- groups -----------------------------------------------------------------------------------


def two_groups(**options: Any) -> tuple[optim.SGD, Tensor, Tensor]:
    body, head = leaf([1.0]), leaf([1.0])
    groups = [
        {"params": [("body", body)], "name": "slow"},
        {"params": iter([("head", head)]), "lr": 1.0, "momentum": 0.0},
    ]
    return optim.SGD(groups, lr=0.1, momentum=0.9, **options), body, head


def test_each_group_has_options_of_its_own() -> None:
    optimizer, body, head = two_groups()
    for p in (body, head):
        p.grad = np.ones(1)
    optimizer.step()
    assert (body.item(), head.item()) == (0.9, 0.0)
    slow, fast = optimizer.param_groups
    assert (slow["lr"], fast["lr"], slow["momentum"], fast["momentum"]) == (0.1, 1.0, 0.9, 0.0)
    assert slow["params"] == (body,)
    assert fast["param_names"] == ["head"]
    assert dict(fast).keys() == {
        "params", "param_names", "lr", "momentum", "dampening", "weight_decay", "nesterov",
        "maximize",
    }  # fmt: skip
    assert len(fast) == len(list(fast)) == 8
    assert len(slow) == 9
    assert optimizer.defaults["lr"] == 0.1
    assert "lr" in repr(slow)


def test_options_of_groups_are_written_and_checked() -> None:
    optimizer, body, _ = two_groups()
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    group = optimizer.param_groups[0]
    for key, value, match in [
        ("lr", -1.0, "lr must be 0 or more"),
        ("lr", np.nan, "lr must be a finite number"),
        ("lr", "0.1", "lr must be a finite number"),
        ("lr", True, "lr must be a finite number"),
        ("momentun", 0.5, "SGD has no option 'momentun'; it takes lr, momentum"),
        ("nesterov", 1, "nesterov must be True or False"),
        ("params", [body], "add_param_group"),
        ("name", 3, "must be a text"),
    ]:
        before = dict(group)
        with pytest.raises(OptimizerError, match=match):
            group[key] = value
        assert dict(group) == before
    with pytest.raises(OptimizerError, match="'lr' of a group of parameters cannot be deleted"):
        del group["lr"]
    group.update(lr=0.25, name="other")
    assert (group["lr"], group["name"]) == (0.25, "other")
    del group["name"]
    assert "name" not in group
    with pytest.raises(OptimizerError, match="nesterov needs momentum"):
        optimizer.param_groups[1]["nesterov"] = True


def test_attributes_are_the_options_of_all_groups() -> None:
    optimizer, *_ = two_groups()
    assert optimizer.dampening == 0.0
    with pytest.raises(OptimizerError, match=r"lr is not the same.*0.1 in slow, 1.0 in group 1"):
        _ = optimizer.lr
    with pytest.raises(OptimizerError, match="nesterov needs momentum"):
        optimizer.nesterov = True  # the second group has no momentum: neither is changed
    assert [group["nesterov"] for group in optimizer.param_groups] == [False, False]
    optimizer.lr = 0.3
    assert optimizer.lr == 0.3


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        (optim.SGD, "momentun", "momentum"),
        (optim.SGD, "learning_rate", "lr"),
        (optim.Adam, "beta_1", "betas"),
        (optim.Adam, "weigth_decay", "weight_decay"),
    ],
)
def test_a_misspelt_option_is_not_set(kind: Any, name: str, meant: str) -> None:
    optimizer = kind([leaf([1.0])], lr=0.1)
    with pytest.raises(OptimizerError, match=rf"has no option '{name}'; .* mean '{meant}'\?"):
        setattr(optimizer, name, 0.5)
    with pytest.raises(OptimizerError, match="SGD has no option 'epsilon'; it takes lr, "):
        optim.SGD([leaf([1.0])]).epsilon = 1e-8
    optimizer.note = "attributes of one's own are no options"


def test_groups_are_added_or_refused() -> None:
    w, other = leaf([1.0]), leaf([2.0])
    optimizer = optim.Adam([("w", w)], lr=0.1)
    optimizer.add_param_group({"params": other, "betas": [0.5, 0.6]})
    assert optimizer.param_groups[1]["betas"] == (0.5, 0.6)
    for group, match in [
        ({"params": [("again", w)]}, "'again' is given twice .also as 'w'"),
        ({"params": []}, "no parameters"),
        ({"params": [leaf([1.0])], "momentum": 0.5}, "Adam has no option 'momentum'"),
        ({"params": [leaf([1.0])], "lr": 0.0}, "lr must be a positive number"),
        ({"params": [leaf([1.0])], "betas": (0.9, 1.0)}, r"betas\[1\] must be 0 or more and below"),
        ({"params": [leaf([1.0])], "betas": 0.9}, "betas must be two numbers"),
        ({"params": {leaf([1.0])}}, "not as a set"),
        ({"params": {"w": leaf([1.0])}}, "give its items"),
        ({"lr": 0.1}, 'a group is a dict with "params"'),
        ([leaf([1.0])], 'a group is a dict with "params"'),
    ]:
        with pytest.raises(OptimizerError, match=match):
            optimizer.add_param_group(group)  # type: ignore[arg-type]
        assert len(optimizer.param_groups) == 2
    go_on(optimizer, 2)
    with pytest.raises(OptimizerError, match="item 1 of the parameters is no group"):
        optim.SGD([{"params": [leaf([1.0])]}, leaf([1.0])])  # type: ignore[list-item]


@pytest.mark.parametrize("params", [3, None, "w", {"w": 1}, {1, 2}])
def test_what_are_no_parameters(params: Any) -> None:
    with pytest.raises(OptimizerError, match="parameters come as a list"):
        optim.SGD(params)


BAD_OPTIONS: list[tuple[Any, dict[str, Any], str]] = [
    (optim.Adam, {"betas": (1.0, 0.9)}, r"betas\[0\]"),
    (optim.Adam, {"betas": (0.9, 0.9, 0.9)}, "betas must be two numbers"),
    (optim.Adam, {"eps": -1e-8}, "eps must be 0 or more"),
    (optim.AdamW, {"amsgrad": 1}, "amsgrad must be True or False"),
    (optim.NAdam, {"momentum_decay": -1}, "momentum_decay"),
    (optim.RMSprop, {"alpha": -0.1}, "alpha must be 0 or more"),
    (optim.Adagrad, {"lr_decay": -0.1}, "lr_decay must be 0 or more"),
    (optim.Adagrad, {"initial_accumulator_value": -0.1}, "initial_accumulator_value"),
    (optim.Adadelta, {"rho": 1.1}, "rho must be from 0 to 1"),
    (optim.Rprop, {"etas": (1.5, 1.2)}, "etas must be between 0 and 1 and above 1"),
    (optim.Rprop, {"step_sizes": (1.0, 0.5)}, "step_sizes must be"),
    *((kind, {"lr": lr}, "lr must be") for kind in FIRST_ORDER for lr in (0.0, -1.0, np.nan, "1")),
]


@pytest.mark.parametrize(("kind", "options", "match"), BAD_OPTIONS)
def test_options_out_of_range(kind: Any, options: Any, match: str) -> None:
    with pytest.raises(OptimizerError, match=match):
        kind([leaf([1.0])], **options)


@every_kind
def test_signatures_and_docstrings(kind: Any) -> None:
    assert list(inspect.signature(kind).parameters)[:2] == ["params", "lr"]
    assert "Source: " in kind.__doc__
    assert ">>>" in kind.__doc__
    assert kind([leaf([1.0])]).defaults.keys() == inspect.signature(kind).parameters.keys() - {
        "params"
    } | ({"decoupled_weight_decay"} if kind is optim.AdamW else set())


# --- saved states -----------------------------------------------------------------------------


def made(kind: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    ps = [leaf(rng.normal(size=s), t) for s, t in [((2, 3), float), ((), float), (4, np.float32)]]
    return kind([{"params": [("a", ps[0]), ("b", ps[1])]}, {"params": [("c", ps[2])], "lr": 0.02}])


@every_kind
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_run_goes_on_to_the_same_bits(kind: Any, steps: int, tmp_path: Any) -> None:
    first, second = made(kind), made(kind, seed=1)
    go_on(first, steps)
    go_on(second, 2)
    second.load_state_dict(first.state_dict())
    for p, q in zip(*(itertools.chain(*(g["params"] for g in o.param_groups))
                      for o in (first, second)), strict=True):  # fmt: skip
        q.data = p.data
    np.testing.assert_equal(second.state_dict(), first.state_dict())
    go_on(first, 3)
    go_on(second, 3)
    assert bits(first) == bits(second)


@pytest.mark.slow
def test_a_fresh_process_goes_on_to_the_same_bits(tmp_path: Any) -> None:
    script = textwrap.dedent("""
        import sys
        import numpy as np
        from tinygrad_bp import functional, nn, optim

        path, done, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        model = nn.MLP(4, 5, 2, rng=np.random.default_rng(0))
        optimizer = optim.NAdam(model.named_parameters(), lr=0.05)
        if done:
            nn.load(path, into=model, optimizer=optimizer)
        for step in range(done, done + steps):
            x = np.random.default_rng(step).standard_normal((8, 4)).astype(np.float32)
            optimizer.zero_grad()
            functional.sum_squares(model(x), x[:, :2]).backward()
            optimizer.step()
        nn.save(path, model, optimizer=optimizer)
    """)
    halves, whole = tmp_path / "halves.npz", tmp_path / "whole.npz"
    for path, done, steps in [(halves, 0, 3), (halves, 3, 4), (whole, 0, 7)]:
        command = [sys.executable, "-c", script, str(path), str(done), str(steps)]
        subprocess.run(command, check=True)
    assert halves.read_bytes() == whole.read_bytes()


def test_the_form_of_a_state_is_pytorchs() -> None:
    optimizer = made(optim.Adam)
    go_on(optimizer)
    state = optimizer.state_dict()
    assert state.keys() == {"state", "param_groups"}
    assert state["state"][0].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][2]["step"] == 1
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.02


def damage(**changes: Any) -> Any:
    def apply(state: dict[str, Any]) -> Any:
        for path, value in changes.items():
            *way, last = [int(k) if k.isdigit() else k for k in path.split("__")]
            at: Any = state
            for key in way:
                at = at[key]
            if value is ...:
                del at[last]
            else:
                at[last] = value
        return state

    return apply


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: None, "no state of an optimiser"),
        (lambda state: [], "no state of an optimiser"),
        (damage(state=...), "no state of an optimiser"),
        (damage(state=[]), "no state of an optimiser"),
        (damage(param_groups=[3]), "no state of an optimiser"),
        (damage(param_groups__1=...), "has 1 groups of parameters, not 2"),
        (damage(param_groups__0__params=[0]), r"group 0 has the parameters \[0\], not 0 to 1"),
        (damage(param_groups__1__params=None), r"group 1 has the parameters None"),
        (damage(param_groups__0__param_names=["a", "x"]), "parameter 1 is 'x' there, 'b' here"),
        (damage(param_groups__0__param_names=["a"]), "group 0 has 2 parameters and the names"),
        (damage(param_groups__0__lr=...), "state of group 0 has no lr"),
        (damage(param_groups__0__momentum=0.9), "Adam has no option 'momentum'"),
        (damage(param_groups__1__lr=np.nan), "lr must be a finite number"),
        (damage(param_groups__1__betas=3), "betas must be two numbers"),
        (damage(state__7={}), "moments of parameter 7; there are 3"),
        (damage(state__0=[]), "the moments of 'a' are a dict"),
        (damage(state__0__velocity=np.zeros(3)), "of 'a' has 'velocity', which this optimiser"),
        (damage(state__0__exp_avg=np.zeros(3)), r"the exp_avg of 'a' is float64 of shape \(3,\)"),
        (damage(state__2__exp_avg=np.zeros(4)), "the exp_avg of 'c' is float64 of shape"),
        (damage(state__0__exp_avg=np.full((2, 3), np.nan)), r"the exp_avg of 'a' is nan at \(0, 0"),
        (damage(state__0__exp_avg="x"), "the exp_avg of 'a' is"),
        (damage(state__2__step=-1), "the step of 'c' must be 0 or more"),
        (damage(state__2__step=1.5), "the step of 'c' must be a whole number"),
        (damage(state__2__step="3"), "the step of 'c' must be a finite number"),
    ],
)
def test_a_bad_state_is_refused_and_nothing_is_touched(change: Any, match: str) -> None:
    optimizer = made(optim.Adam)
    go_on(optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(OptimizerError, match=match):
        optimizer.load_state_dict(change(optimizer.state_dict()))
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_names_are_compared_where_there_are_any() -> None:
    named = optim.SGD([("w", leaf([1.0]))], momentum=0.9)
    unnamed = optim.SGD([leaf([1.0])], momentum=0.9)
    go_on(named)
    unnamed.load_state_dict(named.state_dict())
    assert unnamed.state_dict()["state"][0]["momentum_buffer"] == [2.0]
    state = named.state_dict()
    del state["param_groups"][0]["param_names"]
    named.load_state_dict(state)


def test_a_state_in_fortran_order_goes_on_as_any(rng: np.random.Generator) -> None:
    start = rng.normal(size=(300, 500))
    runs = []
    for order in "CF":
        optimizer = optim.Adam([leaf(start)], lr=0.1)
        go_on(optimizer)
        state = optimizer.state_dict()
        row = state["state"][0]
        state["state"][0] = {k: np.array(m, order=order)[()] for k, m in row.items()}
        optimizer.load_state_dict(state)
        go_on(optimizer, 3)
        runs.append(bits(optimizer))
    assert runs[0] == runs[1]


def test_an_optimiser_of_ones_own_is_an_update_and_its_options() -> None:
    class SignDescent(optim.Optimizer):
        update = staticmethod(lambda p, g, *, lr: (p - lr * np.sign(g),))

        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, lr)

    w = leaf(np.linspace(1.0, 2.0, 70_000))
    optimizer = SignDescent([w])
    go_on(optimizer, 2)
    np.testing.assert_array_equal(w.data, np.linspace(1.0, 2.0, 70_000) - 1.0)
    optimizer.load_state_dict(optimizer.state_dict())


def test_a_parameter_whose_dtype_is_changed_is_moved_in_the_new_one() -> None:
    w = leaf(np.linspace(1.0, 2.0, 70_000), np.float32)
    optimizer = optim.Adam([w], lr=0.1)
    go_on(optimizer, 3)
    w._value = w._value.astype(np.float64)
    go_on(optimizer)
    assert np.any(w.data != w.data.astype(np.float32))


@every_kind
def test_a_gradient_of_another_dtype_is_one_of_the_parameters(kind: Any) -> None:
    w, v = leaf([1.0, -2.0], np.float32), leaf([1.0, -2.0], np.float32)
    one, two = kind([w]), kind([v])
    for g in ([1.0, 0.5], [0.25, -3.0]):
        w.grad, v.grad = np.array(g), np.array(g, np.float32)
        one.step()
        two.step()
    assert bits(one) == bits(two)
    one.load_state_dict(one.state_dict())


def test_copies_go_on_apart_from_each_other() -> None:
    optimizer = made(optim.Adam)
    go_on(optimizer, 2)
    for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert bits(again) == bits(optimizer)
        before = bits(optimizer)
        go_on(again)
        assert bits(optimizer) == before
        assert bits(again) != before


def test_an_optimiser_keeps_nothing_alive() -> None:
    import gc
    import weakref

    optimizer = optim.Adam(nn.MLP(2, 3, 1).named_parameters())
    reference = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer
        assert reference() is None
    finally:
        gc.enable()
