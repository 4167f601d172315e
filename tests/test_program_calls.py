"""The call of a compiled step: which program it takes, what it leaves, and when it traces anew."""

import gc
import sys
import threading
import weakref
from collections import OrderedDict, deque
from enum import IntEnum
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from quick import some_quick

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.errors import GradientError, LabelError, OptimizerError, ProgramError

LABELS = np.arange(8) % 3
INPUTS = np.random.default_rng(7).normal(size=(8, 4))


def built(*, momentum=0.0, seed=0, kind=optim.SGD, **options):
    """A model, its optimiser, and a step."""
    rng = np.random.default_rng(seed)
    model = nn.MLP(4, 5, 3, activation=nn.ReLU(), rng=rng, dtype=np.float64)
    if momentum:
        options["momentum"] = momentum
    optimizer = kind(model.named_parameters(), lr=0.1, **options)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def weights(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def assert_alike(model, other):
    np.testing.assert_array_equal(weights(model), weights(other))


# --- programs ---------------------------------------------------------------------------------


def test_a_program_replays_and_others_are_made_for_other_shapes():
    model, _, step = built()
    other, _, plain = built()
    compiled = bp.compile(step, exact=True)
    for n in (8, 8, 8, 5, 8, 5, 5, 8):
        assert compiled(INPUTS[:n], LABELS[:n]).item() == plain(INPUTS[:n], LABELS[:n]).item()
    assert_alike(model, other)
    assert len(compiled._programs) == 2


def test_eager_steps_and_other_programs_may_come_in_between():
    model, _, step = built(kind=optim.Adam)
    other, _, plain = built(kind=optim.Adam)
    one, two = bp.compile(step, exact=True), bp.compile(step, exact=True)
    for take in (one, one, one, step, one, two, step, two, two, one, step, step, one, two):
        assert take(INPUTS, LABELS).item() == plain(INPUTS, LABELS).item()
        assert_alike(model, other)


def test_programs_share_parameters_with_programs_of_a_part_of_them():
    def stepping(model, parts):
        optimizers = [optim.SGD(part.named_parameters(), lr=0.1) for part in parts(model)]

        def step(x, y):
            for optimizer in optimizers:
                optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            for optimizer in optimizers:
                optimizer.step()

        return step

    def parts_of(model):
        return [[model.hidden1, model.output], [model], [model.output, model.hidden1]]

    models = [built()[0], built()[0]]
    steps = [[stepping(model, lambda m, i=i: parts_of(m)[i]) for i in range(3)] for model in models]
    compiled = [bp.compile(step, exact=True) for step in steps[0]]
    for i in (0, 1, 2, 0, 0, 1, 1, 2, 2, 0, 1, 2, 2, 1, 0):
        compiled[i](INPUTS, LABELS)
        steps[1][i](INPUTS, LABELS)
        assert_alike(*models)


def test_arguments_of_every_kind():
    w = Tensor(np.arange(3.0), requires_grad=True)
    plain = Tensor(np.ones(3))

    def value(x, *, power=2, more=()):
        return np.sum(w * x) ** power + sum(more)

    class Batch(NamedTuple):
        x: Any
        y: Any

    def total(batch):
        return np.sum(batch.x * batch.y)

    together = bp.compile(total)
    for i in range(4):
        assert together(Batch(np.full(2, i), np.ones(2))) == 2 * i
    assert len(together._programs) == 1

    def call(function, i):
        given = float(i), np.full(3, i), np.float64(i), Tensor(np.full(3, i)), plain, w
        return [
            *(function(x).item() for x in given),
            function(float(i), power=3).item(),
            function(float(i), more=[np.float64(i), float(i)]).item(),
        ]

    compiled = bp.compile(value, exact=True)
    for i in range(5):
        assert call(compiled, i) == call(value, i)


def test_ordinary_calls_take_the_quick_way(monkeypatch):
    _, optimizer, step = built()

    def scaled(flag, batch, factor, *, power=1):
        return np.sum(batch[0] * factor) ** power if flag else 0

    calls = [
        (bp.compile(step), lambda f: f(INPUTS, LABELS)),
        (bp.compile(step), lambda f: f(INPUTS, y=LABELS)),
        (bp.compile(step), lambda f: f(y=LABELS, x=INPUTS)),
        (bp.compile(scaled), lambda f: f(True, (INPUTS, LABELS), 0.5)),
    ]
    for compiled, call in calls:
        for _ in range(3):
            call(compiled)
        monkeypatch.setattr(compiled, "_looked_up", lambda *_: pytest.fail("the slow way"))
        for i in range(3):
            optimizer.lr = 1 / (i + 2)
            call(compiled)
    assert not any(compiled._refused for compiled, _ in calls)


def test_the_learning_rate_is_read_in_every_run():
    model, optimizer, step = built()
    other, twin, plain = built()
    compiled = bp.compile(step, exact=True)
    for i in range(6):
        optimizer.lr = twin.lr = 1 / (i + 1)
        compiled(INPUTS, LABELS)
        plain(INPUTS, LABELS)
    assert_alike(model, other)
    assert len(compiled._programs) == 1


def test_an_option_that_becomes_zero_is_another_program():
    model, optimizer, step = built(momentum=0.9)
    other, twin, plain = built(momentum=0.9)
    compiled = bp.compile(step, exact=True)
    for momentum in (0.9, 0.9, 0.9, 0.0, 0.0, 0.5, 0.5, 0.5):
        optimizer.momentum = twin.momentum = momentum
        compiled(INPUTS, LABELS)
        plain(INPUTS, LABELS)
        assert_alike(model, other)


def test_variables_globals_and_attributes_that_a_step_names_are_noticed():
    w = Tensor(np.ones(3), requires_grad=True)
    scale = 1.0

    class Settings:
        power = 0

    settings = Settings()
    settings.power = 2

    @bp.compile
    def value(x):
        return np.sum(w * scale * x**settings.power)

    x = np.arange(3.0)
    assert [value(x).item() for _ in range(3)] == [5.0] * 3
    scale = 2.0
    assert [value(x).item() for _ in range(3)] == [10.0] * 3
    settings.power = 3
    assert [value(x).item() for _ in range(3)] == [18.0] * 3
    scale, settings.power = 1.0, 2
    assert value(x).item() == 5.0


def test_settings_of_modules_are_noticed():
    layer = nn.Dropout(0.5, rng=np.random.default_rng(0))
    compiled = bp.compile(layer)
    x = np.ones(64)
    for _ in range(3):
        assert 0 < np.count_nonzero(compiled(x).data) < 64
    layer.eval()
    assert np.array_equal(compiled(x).data, x)
    layer.train()
    layer.p = 0.99
    assert np.max([compiled(x).data.max() for _ in range(9)]) == pytest.approx(100)


scale = 1.0


def scaled(x, power=1.0, *, shift=0.0):
    return x**power * scale + shift


class Kind(IntEnum):
    ONE = 1


class Schedule(list[float]):
    """What Python's operators ask for a rate, which is an attribute."""

    rate = 1.0

    def __getitem__(self, _):
        return self.rate

    def __enter__(self):
        return self.rate

    def __exit__(self, *_):
        pass


class Pair(NamedTuple):
    one: float = 1.0

    @property
    def scaled(self):
        return self.one * scale


class Made:
    def __init__(self):
        self.scale = scale


class Scaling(nn.Module):
    """A module with settings of every kind, some of which a method of its own reads."""

    per_class = 1.0
    own = 2.0

    def __init__(self):
        self.weight = Tensor([1.0, 2.0], requires_grad=True)
        self.scales = {"one": 1.0, "more": {"two": 2.0}}
        self.factors = [1.0, 3.0]
        self.by_kind = OrderedDict({(0, 1): 1.0, Kind.ONE: 1.0, "len": 1.0})
        self.given = SimpleNamespace(shift=1.0, factor=2.0, power=2.0)
        self.array = np.ones(2)
        self.activation = np.tanh
        self.queue, self.chosen = deque([1.0, 2.0]), {"one"}
        self.schedule, self.entered = Schedule(), Schedule([0.0])
        self.pair, self.own, self.options = Pair(), 1.0, {"one": None}

    def in_other_ways(self):
        import rates_of_a_test

        scales = rates_of_a_test.rate * getattr(self.given, "factor") * self.own  # noqa: B009
        with self.entered as rate:
            scales = scales * rate * self.schedule[0]
        match self.given:
            case SimpleNamespace(power=power):
                scales = scales**power
        scales = scales * self.pair.scaled * Made().scale * sum(self.queue)
        return scales * ("one" in self.chosen) * (3.0 if "one" in self.options else 2.0)

    def scaled(self, x):
        found = self.activation(x) * self.scales["one"] * self.scales["more"]["two"]
        return (
            found
            * self.array
            * sum(self.factors)
            * self.by_kind[0, 1]
            * self.by_kind[Kind.ONE]
            * self.by_kind["len"]
            + self.given.shift * self.per_class
        )

    def forward(self, x):
        return np.sum(self.scaled(self.weight * x) * self.in_other_ways())


class Fit:
    """A step that calls a method of its own."""

    def __init__(self):
        self.settings = Scaling()
        self.model = nn.Sequential(self.settings)
        self.alpha = 1.0
        self.penalty = lambda x: np.sum(x * x)
        self.log_loss = partial(scaled, shift=1.0)

    def loss(self, x):
        return self.model(x) * self.alpha + self.penalty(x) + np.sum(self.log_loss(x))

    def step(self, x):
        return self.loss(x)


CHANGES = {
    "an attribute that a method reads": lambda fit: setattr(fit, "alpha", 2.0),
    "a lambda": lambda fit: setattr(fit, "penalty", lambda x: np.sum(x**3)),
    "what a partial gives": lambda fit: fit.log_loss.keywords.update(shift=2.0),
    "a global of a function": lambda _: globals().update(scale=3.0),
    "defaults": lambda _: setattr(scaled, "__defaults__", (2.0,)),
    "defaults of keywords": lambda _: setattr(scaled, "__kwdefaults__", {"shift": 4.0}),
    "an entry of a dict": lambda fit: fit.settings.scales.update(one=5.0),
    "an entry of an inner dict": lambda fit: fit.settings.scales["more"].update(two=5.0),
    "an entry of a list": lambda fit: fit.settings.factors.__setitem__(1, 5.0),
    "an entry by a short name": lambda fit: fit.settings.by_kind.update(len=5.0),
    "an entry by a tuple": lambda fit: fit.settings.by_kind.update({(0, 1): 5.0}),
    "an entry by an enum": lambda fit: fit.settings.by_kind.update({Kind.ONE: 5.0}),
    "a longer list": lambda fit: fit.settings.factors.append(5.0),
    "another key": lambda fit: fit.settings.options.update(two=fit.settings.options.pop("one")),
    "a member of a set": lambda fit: fit.settings.chosen.__init__({"two"}),
    "an entry of a deque": lambda fit: fit.settings.queue.__setitem__(0, 5.0),
    "what an operator reads": lambda fit: setattr(fit.settings.schedule, "rate", 5.0),
    "what `with` reads": lambda fit: setattr(fit.settings.entered, "rate", 5.0),
    "what `getattr` reads": lambda fit: setattr(fit.settings.given, "factor", 5.0),
    "what `match` reads": lambda fit: setattr(fit.settings.given, "power", 3.0),
    "a module that a method imports": lambda _: setattr(
        sys.modules["rates_of_a_test"], "rate", 5.0
    ),
    "an attribute that is gone": lambda fit: delattr(fit.settings, "own"),
    "an attribute of a setting": lambda fit: setattr(fit.settings.given, "shift", 5.0),
    "an attribute of a class": lambda _: setattr(Scaling, "per_class", 5.0),
    "an attribute in the place of its class's": lambda fit: setattr(fit.settings, "per_class", 5.0),
    "an array": lambda fit: fit.settings.array.__setitem__(0, 5.0),
    "a function": lambda fit: setattr(fit.settings, "activation", np.sin),
    "a method": lambda _: setattr(Fit, "loss", lambda self, x: self.model(x)),
}


@pytest.mark.parametrize("name", some_quick(CHANGES, 3))
@pytest.mark.parametrize(
    "step_of",
    [
        lambda fit: fit.step,
        lambda fit: lambda x: 1.0 * fit.step(x),
        lambda fit: partial(Fit.step, fit),
    ],
    ids=["method", "lambda", "partial"],
)
def test_what_is_read_a_call_away_is_noticed(step_of, name, monkeypatch):
    monkeypatch.setitem(globals(), "scale", scale)
    monkeypatch.setattr(Scaling, "per_class", 1.0)
    monkeypatch.setattr(Fit, "loss", Fit.loss)
    monkeypatch.setattr(scaled, "__defaults__", (1.0,))
    monkeypatch.setattr(scaled, "__kwdefaults__", {"shift": 0.0})
    monkeypatch.setitem(sys.modules, "rates_of_a_test", SimpleNamespace(rate=1.0))
    fit = Fit()
    compiled = bp.compile(step_of(fit), exact=True)
    x = np.array([0.5, 0.25])
    for _ in range(3):
        compiled(x)
    CHANGES[name](fit)
    after = fit.step(x).item()
    assert [compiled(x).item() for _ in range(3)] == [after] * 3
    assert len(compiled._programs) <= 2


def test_arrays_around_a_step_that_are_changed_in_place_are_noticed():
    weights = np.ones(3)
    compiled = bp.compile(lambda x: F.cross_entropy(Tensor(x), LABELS, weight=weights), exact=True)
    inputs = INPUTS[:, :3]
    for value in (1.0, 5.0, 0.25):
        weights[1] = value
        expected = F.cross_entropy(Tensor(inputs), LABELS, weight=weights.copy()).item()
        assert [compiled(inputs).item() for _ in range(3)] == [expected] * 3


LARGE = 2000
ROWS = np.random.default_rng(3).normal(size=(LARGE, 3))
READ = {
    "a factor": lambda x, given: np.sum(x * given["table"]),
    "a part": lambda x, given: np.sum(x[:10] * given["table"][:10]),
    "a tensor made of it": lambda x, given: np.sum(Tensor(given["table"]) @ x.T[:, :2]),
    "what Python calculates of it": lambda x, given: np.sum(x * (given["table"] * 2)),
    "labels": lambda x, given: F.cross_entropy(x, given["labels"]),
    "hot labels": lambda x, given: np.sum(F.one_hot(given["labels"], 3) * x),
    "positions": lambda x, given: np.sum(x[given["labels"]] ** 2),
    "positions that are taken": lambda x, given: np.sum(np.take(x, given["labels"], axis=0) ** 2),
    "a mask": lambda x, given: np.sum(np.where(given["mask"], x, 0.0)),
    "a mask of rows": lambda x, given: np.sum(x[given["mask"][:, 0]]),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_large_arrays_around_a_step_are_read_as_they_are(read):
    rng = np.random.default_rng(0)
    given = {
        "table": rng.normal(size=(LARGE, 3)),
        "labels": rng.integers(0, 3, LARGE),
        "mask": rng.random((LARGE, 3)) < 0.5,
    }
    w = Tensor(np.ones(3), requires_grad=True)

    def step(x):
        return read(Tensor(x) * w, given)

    compiled = bp.compile(step, exact=True)
    for _ in range(3):
        assert compiled(ROWS).item() == step(ROWS).item()
    given["table"][:5] = 7.0
    given["labels"][:50] = 2
    given["mask"][:50] = ~given["mask"][:50]
    for _ in range(3):
        assert compiled(ROWS).item() == step(ROWS).item()


def test_rows_that_a_step_counts_itself_are_not_those_of_its_first_call():
    rows, counted = ROWS, [0]

    def step(x):
        counted[0] += 1
        return np.sum(Tensor(rows[10 * counted[0] :][:10]) * x)

    compiled = bp.compile(step)
    for i in range(1, 6):
        assert compiled(np.ones(3)).item() == pytest.approx(rows[10 * i : 10 * i + 10].sum())


def test_a_tensor_may_share_the_memory_that_a_step_reads():
    def run(compile_it):
        p = Tensor(ROWS.copy(), requires_grad=True)
        held, optimizer = p.data, optim.SGD([p], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = np.sum((p * x) ** 2) + np.sum(Tensor(held) * x)
            loss.backward()
            optimizer.step()
            return loss

        taken = bp.compile(step, exact=True) if compile_it else step
        assert held is p.data
        return [taken(ROWS).item() for _ in range(5)]

    assert run(compile_it=True) == run(compile_it=False)


def test_what_a_module_keeps_of_a_step_makes_no_new_programs():
    class Keeping(nn.Module):
        def __init__(self):
            self.kept, self.all = {}, []

        def forward(self, x):
            self.kept["x"] = x * 2
            self.all.append(x)
            return np.sum(self.kept["x"])

    compiled = bp.compile(Keeping())
    for i in range(5):
        assert compiled(np.full(2, float(i))).item() == 4 * i
    assert len(compiled._programs) == 1


def test_a_name_that_is_gone_is_for_the_step_to_tell():
    settings = SimpleNamespace(power=2)
    compiled = bp.compile(lambda x: np.sum(x**settings.power))
    for _ in range(3):
        compiled(np.ones(2))
    del settings.power
    with pytest.raises(AttributeError, match="power"):
        compiled(np.ones(2))


def test_arrays_of_other_kinds_run_eagerly():
    compiled = bp.compile(lambda x: np.sum(np.sin(x) * x))
    x = np.linspace(0, 1, 4)
    for _ in range(3):
        compiled(x)
    assert bp.gradcheck.check(compiled, x).ok
    assert len(compiled._programs) < 8


def test_a_step_that_is_traced_every_time_says_so():
    @bp.compile
    def double(x, times):
        return x * times

    x = np.ones(2)
    assert [double(x, i)[0] for i in range(15)] == list(range(15))
    with pytest.warns(RuntimeWarning, match=r"16 calls .*anew \(argument 2 is 15, and was 14\)"):
        double(x, 15)


# --- what a run leaves ------------------------------------------------------------------------


def test_a_gradient_that_is_not_kept_says_so():
    model, optimizer, step = built()
    compiled = bp.compile(step)
    for _ in range(3):
        compiled(INPUTS, LABELS)
    (p, *_) = model.parameters()
    with pytest.raises(GradientError, match="compiled step 'step', which does not keep it"):
        p.grad  # noqa: B018
    with pytest.raises(OptimizerError, match="was used"):
        optimizer.step()
    F.cross_entropy(model(INPUTS), LABELS).backward()  # a sum of which one term is not known
    with pytest.raises(GradientError, match="does not keep it"):
        p.grad  # noqa: B018
    with pytest.raises(OptimizerError, match="sum of 2 backward passes"):
        optimizer.step()
    with pytest.raises(GradientError, match="does not keep it"):
        optimizer.step(accumulated=True)
    optimizer.zero_grad()
    assert p.grad is None


def test_gradients_are_kept_if_asked():
    model, _, step = built()
    other, _, plain = built()
    compiled = bp.compile(step, grads=True, exact=True)
    seen = []
    for _ in range(4):
        compiled(INPUTS, LABELS)
        plain(INPUTS, LABELS)
        seen.append([p.grad for p in model.parameters()])
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            np.testing.assert_array_equal(p.grad.data, q.grad.data)
            assert p.gradient_used
            assert p.backward_passes == 1
    assert not np.array_equal(seen[0][0].data, seen[3][0].data)  # one that was kept stays


def test_a_step_without_an_optimiser_leaves_gradients():
    w = Tensor([1.0, 2.0], requires_grad=True)

    @bp.compile
    def pass_through(x):
        w.zero_grad()
        np.sum(w * w * x).backward()

    for x in (1.0, 2.0, 3.0, 4.0):
        pass_through(np.full(2, x))
        np.testing.assert_array_equal(w.grad.data, 2 * x * w.data)
        assert not w.gradient_used


def test_two_steps_that_leave_gradients_to_each_other():
    """As in training a generator and its judge: each backward pass goes through both."""

    def built_pair():
        judge, rng = built(seed=2)[0], np.random.default_rng(3)
        maker = nn.MLP(4, 5, 4, rng=rng, dtype=np.float64)
        optimizers = [optim.Adam(m.named_parameters(), lr=0.01) for m in (maker, judge)]

        def judging(x, z):
            optimizers[1].zero_grad()
            loss = np.mean(judge(x)) - np.mean(judge(maker(z)))
            loss.backward()
            optimizers[1].step()
            return loss

        def making(z):
            optimizers[0].zero_grad()
            loss = np.mean(judge(maker(z)))
            loss.backward()
            optimizers[0].step()
            return loss

        return (maker, judge), judging, making

    models, *steps = built_pair()
    others, plain_judging, plain_making = built_pair()
    judging, making = (bp.compile(step, exact=True) for step in steps)
    for i in range(6):
        x = INPUTS * (i + 1)
        assert judging(x, INPUTS).item() == plain_judging(x, INPUTS).item()
        assert making(INPUTS).item() == plain_making(INPUTS).item()
        for model, other in zip(models, others, strict=True):
            assert_alike(model, other)
    assert len(making._programs) <= 4


def test_gradients_add_up_over_calls():
    w = Tensor([1.0, 2.0], requires_grad=True)
    compiled = bp.compile(lambda x: np.sum(w * x).backward())
    for i in range(1, 6):
        compiled(np.ones(2))
        assert w.grad.tolist() == [i, i]
        assert w.backward_passes == i


def test_gradients_add_up_over_calls_each_time_they_are_forgotten():
    w = Tensor([1.0, 2.0], requires_grad=True)
    compiled = bp.compile(lambda x: np.sum(w * x).backward())
    for _ in range(4):
        for i in range(1, 5):
            compiled(np.ones(2))
            assert w.grad.tolist() == [i, i]
            assert w.backward_passes == i
        w.zero_grad()


def test_an_update_alone_is_a_program():
    w, eager = [Tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    one, other = [optim.SGD([each], lr=0.1, momentum=0.9) for each in (w, eager)]
    update = bp.compile(lambda: one.step(accumulated=True))
    for passes in (1, 2, 1, 1, 2, 2):
        for optimizer, each in ((one, w), (other, eager)):
            optimizer.zero_grad()
            for _ in range(passes):
                np.sum(each * each).backward()
        update()
        other.step(accumulated=True)
        assert w.tolist() == eager.tolist()
        assert w.grad.tolist() == eager.grad.tolist()


def test_a_gradient_is_subtracted_in_place():
    w = Tensor([1.0, 2.0], requires_grad=True)

    @bp.compile
    def descend(x):
        w.zero_grad()
        np.sum(w * x).backward()
        w.data -= 0.5 * w.grad

    for i in range(4):
        descend(np.ones(2))
        assert w.tolist() == [0.5 - i / 2, 1.5 - i / 2]


def test_a_value_that_was_kept_says_so_whatever_it_is_asked_for():
    kept = []

    keep = kept.append  # of a list that nobody sees: no one looks for what is there

    @bp.compile
    def double(x):
        keep(doubled := x * 2)
        return doubled

    double(np.ones(()))
    for ask in (float, np.asarray, str, lambda value: value.item()):
        with pytest.raises(ProgramError, match="kept from there"):
            ask(kept[0] if ask is not str else kept[0].tolist())


def test_a_value_that_a_module_keeps_for_the_same_step():
    class Penalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.penalty = None

        def forward(self, x):
            self.penalty = np.sum(x * x)
            return x * 2

    model = Penalised()
    compiled = bp.compile(lambda x: np.sum(model(x)) + model.penalty)
    for i in range(5):
        assert compiled(np.full(2, float(i))).item() == 4 * i + 2 * i * i


def test_results_are_arrays_of_their_own():
    w = Tensor([1.0, 2.0], requires_grad=True)
    compiled = bp.compile(lambda x: {"y": w * x, "sum": (w + x).sum(), "pair": [x * 2, None]})
    found = [compiled(np.full(2, float(i))) for i in range(5)]
    for i, one in enumerate(found):
        assert one["y"].tolist() == [i, 2 * i]
        assert one["sum"].item() == 3 + 2 * i
        assert one["pair"][0].tolist() == [2 * i] * 2


def test_results_that_are_always_the_same_are_other_arrays():
    compiled = bp.compile(lambda x: (np.zeros(2), Tensor(np.ones(2)), np.ones_like(x) * 2))
    for _ in range(4):
        found = compiled(np.zeros(2))
        assert [np.asarray(each).tolist() for each in found] == [[0, 0], [1, 1], [2, 2]]
        for each in found:
            np.asarray(each)[...] = 5


def test_memory_that_is_read_after_it_was_written_is_refused():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])

    @bp.compile
    def exchange():
        x, y = a.data, b.data
        a.data, b.data = y, x  # x shows what a has become

    with pytest.raises(ProgramError, match="is read after the memory that it shows was written"):
        exchange()
    assert a.tolist() == [1.0, 2.0]


def test_programs_that_only_read_do_not_keep_parameters_apart():
    model, _, step = built()
    looking, training = bp.compile(model), bp.compile(step)
    for _ in range(3):
        looking(INPUTS)
    for _ in range(3):
        training(INPUTS, LABELS)
    assert len(training.listing.moves) == len(list(model.parameters()))
    np.testing.assert_array_equal(looking(INPUTS).data, model(INPUTS).data)


def test_no_gradient_passes_out_of_a_program():
    model, _, _ = built()
    compiled = bp.compile(model)
    for _ in range(3):
        outputs = compiled(INPUTS)
        assert outputs.requires_grad
        loss = np.sum(outputs) + np.sum(model.output.bias)
        with pytest.raises(bp.errors.FreedGraphError, match="Call backward.. within the step"):
            loss.backward()
    with bp.no_grad():
        assert not compiled(INPUTS).requires_grad


def test_errors_are_those_of_the_step_with_nothing_changed():
    model, optimizer, step = built(momentum=0.9)
    compiled = bp.compile(step)
    for _ in range(4):
        compiled(INPUTS, LABELS)
    before = weights(model), optimizer.state_dict()
    with pytest.raises(LabelError, match="label 3 at position 0"):
        compiled(INPUTS, LABELS + 3)
    with pytest.raises(OptimizerError, match=r"gradient of 'hidden1.weight' is nan"):
        compiled(INPUTS * np.nan, LABELS)
    np.testing.assert_array_equal(weights(model), before[0])
    for i, moments in optimizer.state_dict()["state"].items():
        np.testing.assert_array_equal(
            moments["momentum_buffer"], before[1]["state"][i]["momentum_buffer"]
        )
    compiled(INPUTS, LABELS)


def test_weights_that_are_not_finite_are_noticed():
    model, _, step = built()
    compiled = bp.compile(step)
    for _ in range(4):
        compiled(INPUTS, LABELS)
    model.output.bias.data = [np.inf, 0.0, 0.0]
    with np.errstate(invalid="ignore"), pytest.raises(OptimizerError, match="nan|inf"):
        compiled(INPUTS, LABELS)


def test_a_graph_that_read_the_weights_is_stale_after_a_run():
    model, _, step = built()
    compiled = bp.compile(step)
    for _ in range(3):
        compiled(INPUTS, LABELS)
    loss = F.cross_entropy(model(INPUTS), LABELS)
    compiled(INPUTS, LABELS)
    with pytest.raises(bp.errors.StaleGraphError):
        loss.backward()


def test_a_write_to_one_parameter_is_none_to_the_others():
    model, _, step = built()
    compiled = bp.compile(step)
    for _ in range(3):
        compiled(INPUTS, LABELS)
    model.zero_grad()
    loss = np.sum(model.hidden1.weight**2)
    model.output.bias.data = np.ones(3)
    loss.backward()  # it did not read what was written
    loss = np.sum(model.output.bias**2)
    model.output.bias.data = np.ones(3)
    with pytest.raises(bp.errors.StaleGraphError):
        loss.backward()


def test_arrays_that_somebody_holds_are_not_moved():
    model, _, step = built()
    held = [p.data for p in model.parameters()]
    shown = model.output.weight.detach()
    compiled = bp.compile(step)
    for _ in range(4):
        compiled(INPUTS, LABELS)
    for p, array in zip(model.parameters(), held, strict=True):
        np.testing.assert_array_equal(p.data, array)
    np.testing.assert_array_equal(shown.data, model.output.weight.data)
    held[0][...] = 1.0
    assert np.all(model.hidden1.weight.data == 1)


# --- modes, threads, memory -------------------------------------------------------------------


def test_no_grad_makes_another_program():
    w = Tensor([1.0], requires_grad=True)
    compiled = bp.compile(lambda x: w * x)
    x = np.ones(1)
    for _ in range(3):
        compiled(x)
        with bp.no_grad():
            assert compiled(x).tolist() == [1.0]


def test_somebody_who_watches_sees_every_op():
    _, _, step = built()
    compiled = bp.compile(step)
    for _ in range(3):
        compiled(INPUTS, LABELS)
    with bp.trace_nans(), pytest.raises(bp.errors.NonFiniteError, match="affine"):
        compiled(np.where(INPUTS > 0, INPUTS, np.nan), LABELS)


def test_threads_take_turns():
    model, _, step = built()
    other, _, plain = built()
    compiled = bp.compile(step, exact=True)
    failed = []

    def work():
        try:
            for _ in range(20):
                compiled(INPUTS, LABELS)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for _ in range(80):
        plain(INPUTS, LABELS)
    assert_alike(model, other)


def test_a_compiled_step_is_freed():
    model, optimizer, step = built()
    compiled = bp.compile(step)
    for _ in range(4):
        compiled(INPUTS, LABELS)
    gone = [weakref.ref(p) for p in model.parameters()] + [weakref.ref(compiled)]
    del model, optimizer, step, compiled
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(gone)


def test_steps_may_be_methods():
    class Fit:
        def __init__(self):
            self.w = Tensor([1.0], requires_grad=True)
            self.optimizer = optim.SGD([self.w], lr=0.25)

        @bp.compile
        def step(self, x):
            self.optimizer.zero_grad()
            loss = np.sum((self.w - x) ** 2)
            loss.backward()
            self.optimizer.step()
            return loss

    one, two = Fit(), Fit()
    for _ in range(4):
        one.step(np.zeros(1))
    two.step(np.zeros(1))
    assert one.w.tolist() == [1 / 16]
    assert two.w.tolist() == [0.5]


def test_an_object_may_hold_its_step_under_a_name_that_the_step_reads():
    class Fit:
        def __init__(self):
            self.model, self.optimizer, _ = built()
            self.step = bp.compile(self.once)

        def once(self, x, y):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

    fit = Fit()
    for _ in range(5):
        fit.step(INPUTS, LABELS)
    assert len(fit.step._programs) == 1
    assert fit.step._enter == fit.step._programs[0].enter


def test_what_depends_on_values_is_named():
    @bp.compile
    def absolute(x):
        return x if x[0] > 0 else -x

    with pytest.raises(ProgramError, match=r"test_program_calls.py:\d+, `return x if x\[0\] > 0"):
        absolute(np.ones(2))


def test_a_program_that_assumes_too_much_gives_way():
    model, _, step = built()
    other, _, plain = built()
    compiled = bp.compile(step)
    inputs = INPUTS * np.geomspace(1e-3, 1e3, 8)[:, None]  # logits of very different sizes
    for take in (step, plain):
        take(inputs, LABELS)
    for _ in range(12):
        with np.errstate(all="ignore"):
            assert compiled(inputs, LABELS).item() == pytest.approx(plain(inputs, LABELS).item())
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-9)
    assert not compiled._refused


def test_batches_that_go_different_ways_have_a_program_each():
    model, _, _ = built()
    other, _, _ = built()

    def loss_of(model):
        return lambda x, y: F.cross_entropy(model(x), y, ignore_index=1)

    compiled, plain = bp.compile(loss_of(model), exact=True), loss_of(other)
    for i in range(12):
        labels = LABELS if i % 3 else np.zeros(8, int)
        assert compiled(INPUTS, labels).item() == plain(INPUTS, labels).item()
    assert len(compiled._programs) == 2
