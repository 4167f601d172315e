"""What a compiled step refuses, by an error with the line; and what it leaves when it fails."""

from __future__ import annotations

import copy
import gc
import itertools
import math
import pickle
import random
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from twins_of_steps import Work, alike, go_on, outcome

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim, state
from tinygrad_bp import functional as F
from tinygrad_bp.errors import LabelError, OptimizerError, ProgramError, ShapeError

X, Y = np.ones((2, 3), np.float32), np.array([0, 1])
SOURCES = (random.random, np.random.rand)
"""Functions that draw from what the whole process shares."""


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def made(kind: Any = optim.Adam, **options: Any) -> Work:
    """A model and its usual step."""
    model = nn.Sequential(nn.Linear(3, 4, rng=generator()), nn.Dropout(0.5, rng=generator(1)),
                          nn.BatchNorm1d(4), nn.Linear(4, 2, rng=generator(2)))  # fmt: skip
    optimizer = kind(model.named_parameters(), lr=0.1, **options)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Work(step, [model], [optimizer])


# --- what no program can repeat -------------------------------------------------------------

kept: list[Any] = []
ticks = itertools.count(1)
table = np.arange(10.0)
words = ["a", "b", "c"]
rng = generator()
room = np.zeros((2, 3), np.float32)
w = Tensor(np.ones(3, np.float32), requires_grad=True)
w_optimizer = optim.SGD([w], lr=0.1)
linear = nn.Linear(2, 2)
zeros = np.zeros((2, 2), np.float32)


def branch(x: Any) -> Any:
    if x.max() > 3:  # here
        return x
    return -x


def branch_on_a_tensor(x: Any) -> Any:
    return w if (Tensor(x) * w).sum() > 3 else -w  # here


def loop(x: Any) -> Any:
    while np.sum(x) > 1:  # here
        x = x / 2
    return x


def boolean_and(x: Any) -> Any:
    return x[0, 0] > 0 and x[0, 1] > 0  # here


def to_float(x: Any) -> Any:
    return float(np.sum(x))  # here


def to_int(x: Any) -> Any:
    return int(x[0, 0])  # here


def item(x: Any) -> Any:
    return Tensor(x).sum().item()  # here


def as_list(x: Any) -> Any:
    return x.tolist()  # here


def through_math(x: Any) -> Any:
    return math.exp(x[0, 0])  # here


def text(x: Any) -> Any:
    return f"{np.sum(x):.3f}"  # here


def percent(x: Any) -> Any:
    return "%.2f" % np.sum(x)  # noqa: UP031  # here


def as_text(x: Any) -> Any:
    return str(x)  # here


def printed(x: Any) -> Any:
    print(Tensor(x))  # here


def as_array(x: Any) -> Any:
    return np.asarray(x)  # here


def of_list(x: Any) -> Any:
    return np.array([x[0, 0], x[0, 1]])  # here


def looked_up(x: Any) -> Any:
    return table[x.astype(int)]  # here


def of_words(x: Any) -> Any:
    return words[x.astype(int)[0, 0]]  # here


def sized(x: Any) -> Any:
    return np.zeros(x.astype(int)[0, 0])  # here


def counted(x: Any) -> Any:
    return [i for i in range(x.astype(int)[0, 0])]  # noqa: C416  # here


def written_by_index(x: Any) -> Any:
    x[0] = 1  # here
    return x


def written_in_place(x: Any) -> Any:
    x += 1  # here
    return x


def written_by_out(x: Any) -> Any:
    return np.add(x, 1, out=room)  # here


def written_into_a_users_array(x: Any) -> Any:
    room[...] = x  # here
    return room * 2


def added_to_a_users_array(x: Any) -> Any:
    global room  # noqa: PLW0603
    room += x  # here
    return room


def a_parameter_past_its_tensor(x: Any) -> Any:
    values = w.data
    values -= x[0]  # here
    return x


def a_gradient_past_its_tensor(x: Any) -> Any:
    w_optimizer.zero_grad()
    (w * x).sum().backward()
    gradient = w.grad.data
    gradient *= 0.5
    w_optimizer.step()  # here


def learning_rate(x: Any) -> Any:
    w_optimizer.param_groups[0]["lr"] = 0.5  # here
    return x


def scheduled(x: Any) -> Any:
    optim.lr_scheduler.ExponentialLR(w_optimizer, 0.5).step()  # here
    return x


def caught(x: Any) -> Any:
    try:
        scale = float(np.sum(x))  # here
    except TypeError:
        scale = 1.0
    return x * scale


def loaded(x: Any) -> Any:
    linear.load_state_dict({"weight": zeros, "bias": zeros[0]})  # here
    return x


def contains(x: Any) -> Any:
    return 3.0 in Tensor(x)  # here


def as_key(x: Any) -> Any:
    return {0: "a"}[x.astype(int)[0, 0]] if x[0, 0] == 0 else None  # here


REFUSED = [
    branch, branch_on_a_tensor, loop, boolean_and, to_float, to_int, item, as_list, through_math,
    text, percent, as_text, printed, as_array, of_list, looked_up, of_words, sized, counted,
    written_by_index, written_in_place, written_by_out, written_into_a_users_array,
    added_to_a_users_array, a_parameter_past_its_tensor, a_gradient_past_its_tensor,
    learning_rate, scheduled, caught, loaded, contains, as_key,
]  # fmt: skip


def line_of(function: Any, mark: str = "# here") -> str:
    """The marked line of a function, as errors show it."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    number = next(i for i, line in enumerate(lines) if mark in line)
    return f"{__file__}:{first + number}, `"


@pytest.mark.parametrize("step", REFUSED, ids=lambda f: f.__name__)
def test_refusals_name_the_line(step):
    before = w.data.copy(), room.copy(), w.grad, w_optimizer.state_dict()
    compiled = bp.compile(step)
    for _ in range(2):
        with pytest.raises(ProgramError) as found:
            compiled(X.copy())
        assert line_of(step) in str(found.value), str(found.value)
        assert not state.tracers
    assert alike(before, (w.data, room, w.grad, w_optimizer.state_dict()))


def unseen(name: str = "kept") -> Any:
    """What a step reads by a name that is not in its code, so that nobody looks there."""
    return getattr(sys.modules[__name__], name)


def keeps_in_a_list(x: Any) -> Any:
    unseen().append(x * 2)
    return unseen()[0] + x  # here


def keeps_in_an_attribute(x: Any) -> Any:
    before = getattr(w_optimizer, "before", None)
    w_optimizer.before = np.tanh(x)
    return x if before is None else before + x  # here


def keeps_a_tensor(x: Any) -> Any:
    unseen().append((w * x).sum())
    return unseen()[0] + 1  # here


@pytest.mark.parametrize("step", [keeps_in_a_list, keeps_in_an_attribute, keeps_a_tensor])
def test_a_value_kept_from_an_earlier_call(step):
    kept.clear()
    vars(w_optimizer).pop("before", None)
    compiled = bp.compile(step)
    compiled(X)
    with pytest.raises(ProgramError, match="kept") as found:
        compiled(X)
    assert line_of(step) in str(found.value), str(found.value)
    vars(w_optimizer).pop("before", None)
    kept.clear()


def test_a_value_kept_outside_is_no_value():
    compiled = bp.compile(lambda x: unseen().append(x * 2))
    compiled(X)
    with pytest.raises(ProgramError, match="kept"):
        kept[0] + 1
    with pytest.raises(ProgramError):
        float(kept[0][0, 0])
    kept.clear()


# --- what differs between the first two calls -----------------------------------------------


def reset() -> None:
    global ticks  # noqa: PLW0603
    ticks = itertools.count(1)


def own_generator(x: Any) -> Any:
    y = x * 2
    return y + unseen("rng").normal(size=3)  # here


def number_of_calls(x: Any) -> Any:
    calls = next(ticks)
    y = x + 1
    return y * calls  # here


def random_shape(x: Any) -> Any:
    calls = next(ticks)
    y = x + 1
    return y.reshape((2, 3) if calls % 2 else (3, 2))  # here


def another_function(x: Any) -> Any:
    calls = next(ticks)
    y = x + 1
    return np.exp(y) if calls % 2 else np.tanh(y)  # here


def one_more_call(x: Any) -> Any:
    calls = next(ticks)
    if calls % 2 == 0:
        x = x * 3  # here
    return x


def another_constant(x: Any) -> Any:
    calls = next(ticks)
    return x[:, calls % 2]  # here


def another_result(x: Any) -> Any:
    calls = next(ticks)
    return x * 2, calls


def another_option(x: Any) -> Any:
    calls = next(ticks)
    return np.sum(x, axis=calls % 2)  # here


DIFFERING = [own_generator, number_of_calls, random_shape, another_function, one_more_call,
             another_constant, another_option]  # fmt: skip


@pytest.mark.parametrize("step", DIFFERING, ids=lambda f: f.__name__)
def test_steps_that_differ_from_call_to_call(step):
    reset()
    compiled = bp.compile(step)
    compiled(X)
    with pytest.raises(ProgramError, match="differ") as found:
        compiled(X)
    assert line_of(step) in str(found.value), str(found.value)


def noise() -> Any:
    return rng.normal(size=3)


def test_noise_from_a_function_is_refused_at_once():
    with pytest.raises(ProgramError, match="from 'rng'.*an attribute"):
        bp.compile(lambda x: x * 2 + noise())(X)


def test_noise_from_a_generator_that_is_a_variable_is_refused_at_once():
    stream = generator(3)
    compiled = bp.compile(lambda x: x + stream.normal(size=3))
    with pytest.raises(ProgramError, match="from 'a variable around the step'.*an attribute"):
        compiled(X)
    assert stream.random() == generator(3).random()  # as if the call had not been


def test_what_another_thread_draws_meanwhile_is_its_own_matter():
    stepping, drawn = threading.Event(), threading.Event()

    def draw() -> None:
        stepping.wait()
        for source in SOURCES:
            source()
        drawn.set()

    def step(x: Any) -> Any:
        stepping.set()
        drawn.wait()
        return x * 2

    other = threading.Thread(target=draw)
    other.start()
    assert bp.compile(step)(X).sum() == 12
    other.join()


@pytest.mark.parametrize("draw", SOURCES, ids=["random", "np.random"])
def test_noise_from_a_module_is_refused_at_once(draw):
    start = draw.__self__.__class__(3)  # a generator of its own
    draw.__self__.seed(3)
    with pytest.raises(ProgramError, match=r"from '(np\.)?random'.*an attribute"):
        bp.compile(lambda x: x * 2 if draw() < 2 else x)(X)
    assert draw() == getattr(start, draw.__name__)()  # as if the call had not been


@pytest.mark.parametrize("change", [
    lambda found, x: found["losses"].append(x.sum()), lambda found, x: found.update(loss=x.sum()),
])  # fmt: skip
def test_arguments_that_a_step_changes_are_refused_at_once(change):
    found: dict[str, Any] = {"losses": []}
    with pytest.raises(ProgramError, match="changes argument 'found.*Return"):
        bp.compile(lambda x, found: change(found, x))(X, found)
    assert found == {"losses": []}


def test_a_generator_that_begins_anew_in_every_call_is_refused():
    compiled = bp.compile(lambda x: nn.Dropout(0.5, rng=generator())(x) * 2)
    compiled(X)
    with pytest.raises(ProgramError, match="with a seed"):
        compiled(X)


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda stream, x: stream.shuffle(x), "shuffle .* permutation"),
        (lambda stream, _: stream.spawn(2), "spawn"),
        (lambda stream, _: stream.bit_generator, "bit_generator"),
        (lambda stream, _: stream.bytes(3), "bytes"),
        (lambda stream, _: stream.random(out=room), "out="),
        (lambda stream, _: copy.deepcopy(stream), "a copy"),
    ],
)
def test_what_no_program_asks_of_a_generator(draw, told):
    def step(x: Any, stream: Any) -> Any:
        draw(stream, x)
        return x + 1

    stream = generator(3)
    with pytest.raises(ProgramError, match=told):
        bp.compile(step)(X, stream)
    assert stream.random() == generator(3).random()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_generators_are_back_in_their_places_after_errors(error):
    class Noisy(nn.Module):
        def __init__(self):
            self.stream, self.more, self.pair = generator(), [generator(1)], (generator(2), 0)

        def forward(self, x):
            self.last = x * self.stream.random() + self.more[0].random(3) * self.pair[0].random()
            raise error

    noisy = Noisy()
    before = noisy.stream, noisy.more[0], noisy.pair
    with pytest.raises(error):
        bp.compile(noisy)(X)
    assert all(a is b for a, b in zip(before, (noisy.stream, noisy.more[0], noisy.pair),
                                      strict=True))  # fmt: skip
    assert [type(g) for g in copy.deepcopy(before[:2])] == [np.random.Generator] * 2
    assert noisy.last.shape == (2, 3)
    assert noisy.last.dtype == np.float64


def shortened_rows(x: Any) -> Any:
    return nn.Embedding(5, 3, max_norm=1.0)(x.astype(int))  # here


def lengths_of_outputs(x: Any) -> Any:
    return F.ctc_loss(np.zeros((3, 2, 4)), [[1], [2]], x[:, 0].astype(int), [1, 1])  # here


def lengths_for_a_layer(x: Any) -> Any:
    return nn.CTCLoss()(np.zeros((3, 2, 4)), [[1], [2]], x[:, 0].astype(int), [1, 1])  # here


def many_evaluations(_: Any) -> Any:
    optimizer = optim.LBFGS([w])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = np.sum(w * w)
        loss.backward()
        return loss

    return optimizer.step(closure)  # here


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (shortened_rows, "Embedding(max_norm=1.0)"),
        (lengths_of_outputs, "ctc_loss() looks at values"),
        (lengths_for_a_layer, "ctc_loss() looks at values"),
        (many_evaluations, "LBFGS.step() looks at values"),
    ],
)
def test_what_the_library_itself_cannot_do_in_a_program(step, told):
    with pytest.raises(ProgramError, match="no compiled step can do") as found:
        bp.compile(step)(X)
    assert told in str(found.value)
    assert line_of(step) in str(found.value)


def test_results_that_differ():
    reset()
    compiled = bp.compile(another_result)
    compiled(X)
    with pytest.raises(ProgramError, match="differ in their results"):
        compiled(X)


# --- errors that eager mode raises ----------------------------------------------------------

BAD = {
    "labels": (X, np.array([0, 2])),
    "labels below 0": (X, np.array([0, -1])),
    "labels that are floats": (X, np.array([0.0, 1.0])),
    "too few labels": (X, np.array([0])),
    "shapes": (np.ones((2, 4), np.float32), Y),
    "nan": (np.full((2, 3), np.nan, np.float32), Y),
    "inf": (np.array([[np.inf, 0, 0], [0, 0, 0]], np.float32), Y),
    "one example": (X[:1], Y[:1]),
}


@pytest.mark.parametrize("first", [pytest.param(0, marks=pytest.mark.slow),
                                   pytest.param(1, marks=pytest.mark.slow), 3])  # fmt: skip
@pytest.mark.parametrize("name", BAD)
def test_errors_are_those_of_eager_mode(name, first):
    """In the first call, the second, and at a replay: then the step goes on as if nothing was."""
    eager, ours = made(), made()
    compiled = bp.compile(ours.step, exact=True, grads=True)
    with np.errstate(all="ignore"):
        good = [(generator(i).random((2, 3), np.float32), Y) for i in range(6)]
        go_on(eager, ours, compiled, good[:first])
        before = ours.held()
        wanted, found = outcome(eager.step, BAD[name], {}), outcome(compiled, BAD[name], {})
        assert wanted[0] == "raised"
        assert found == wanted
        after = ours.held()
        assert alike(after, eager.held()) or alike(after, before)
        weights = [[t[1] for t in held["tensors"] if t[4]] for held in (after, before)]
        assert alike(*weights)
        for model, mine in zip(eager.models, ours.models, strict=True):
            model.load_state_dict(mine.state_dict())
            for a, b in zip(ours._streams(), eager._streams(), strict=True):
                b.bit_generator.state = a.bit_generator.state
        eager.optimizers[0].load_state_dict(ours.optimizers[0].state_dict())
        go_on(eager, ours, compiled, good[first:])


def without_zero_grad(work: Work) -> Any:
    (model,), (optimizer,) = work.models, work.optimizers

    def step(x: Any, y: Any) -> None:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def without_backward(work: Work) -> Any:
    (model,), (optimizer,) = work.models, work.optimizers

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y)
        optimizer.step()

    return step


def with_two_steps(work: Work) -> Any:
    (optimizer,) = work.optimizers

    def step(x: Any, y: Any) -> None:
        work.step(x, y)
        optimizer.step()

    return step


@pytest.mark.parametrize("change", [without_zero_grad, without_backward, with_two_steps])
def test_steps_that_forget_something(change):
    eager, ours = made(optim.SGD), made(optim.SGD)
    step, compiled = change(eager), bp.compile(change(ours), exact=True, grads=True)
    raised = []
    for _ in range(4):
        wanted, found = outcome(step, (X, Y), {}), outcome(compiled, (X, Y), {})
        assert found[:2] == wanted[:2]  # the message tells passes, which failed calls do not count
        raised.append(found[0] == "raised" and found[1] is OptimizerError)
    assert any(raised)


class Own(Exception):  # noqa: N818
    """A user's own exception."""


@pytest.mark.parametrize("error", [Own, KeyboardInterrupt, ShapeError, GeneratorExit, SystemExit])
@pytest.mark.parametrize("call", [0, 1, 2])
def test_exceptions_of_the_step_itself_come_through_and_change_nothing(error, call):
    work = made()
    (model,), (optimizer,) = work.models, work.optimizers
    fail = [False]

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if fail[0]:
            raise error("mine")
        return loss

    compiled = bp.compile(step, grads=True)
    for _ in range(call):
        compiled(X, Y)
    if call < 2:
        fail[0] = True
        before = work.held()
        with pytest.raises(error, match="mine"):
            compiled(X, Y)
        assert alike(work.held(), before)
        assert not state.tracers
        fail[0] = False
    assert np.isfinite(compiled(X, Y).item())


def test_a_complex_parameter():
    z = Tensor(np.ones(2, complex), requires_grad=True)
    optimizer = optim.SGD([z], lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        (np.abs(z) ** 2).sum().backward()
        optimizer.step()  # here

    with pytest.raises(ProgramError, match="complex") as found:
        bp.compile(step)()
    assert line_of(step) in str(found.value)


def test_lbfgs():
    model = nn.Linear(3, 2, rng=generator())
    optimizer = optim.LBFGS(model.named_parameters())

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        return loss

    compiled = bp.compile(lambda: optimizer.step(closure))
    before = [p.data.copy() for p in model.parameters()]
    with pytest.raises(ProgramError):
        compiled()
    assert alike(before, [p.data for p in model.parameters()])
    assert np.isfinite(optimizer.step(closure).item())


# --- threads, leaks, copies -----------------------------------------------------------------


def test_everything_is_freed(no_garbage):
    with no_garbage():
        work = made()
        compiled = bp.compile(work.step)
        x = X.copy()
        for _ in range(4):
            compiled(x, Y)
        seen = [weakref.ref(next(work.models[0].parameters())), weakref.ref(compiled)]
        del compiled, work, x
        gone = [ref() is None for ref in seen]
    assert all(gone)


def number_of(model: Any) -> Any:
    return bp.compile(lambda x: float(model(x).sum().detach()))


def test_nothing_of_a_failed_trace_lasts(no_garbage):
    with no_garbage():
        model = made().models[0]
        compiled = number_of(model)
        for _ in range(3):
            with pytest.raises(ProgramError):
                compiled(X)
        assert not state.tracers
        assert all(type(p._value) is np.ndarray for p in model.parameters())
        del compiled, model


def test_threads_with_models_of_their_own():
    wanted = made()
    with np.errstate(all="ignore"):
        losses = [wanted.step(X, Y).item() for _ in range(20)]
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        work = made()
        step = bp.compile(work.step, exact=True) if number % 2 else work.step
        with np.errstate(all="ignore"):
            try:
                found[number] = [step(X, Y).item() for _ in range(20)]
            except Exception as error:
                found[number] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[i] == losses for i in range(6)), found


def test_a_model_that_another_thread_uses_during_the_trace():
    work = made()
    (model,) = work.models
    found = []

    def meanwhile() -> None:
        try:
            model[0](X)
        except ProgramError as error:
            found.append(str(error))

    def step(x: Any) -> Any:
        y = model[0](x)
        thread = threading.Thread(target=meanwhile)
        thread.start()
        thread.join()
        return y

    bp.compile(step)(X)
    assert len(found) == 1
    assert "another thread" in found[0]


def test_compiled_steps_within_compiled_steps():
    eager, ours = made(), made()
    inner = bp.compile(ours.step, exact=True, grads=True)
    outer = bp.compile(lambda x, y: inner(x, y) * 2, exact=True, grads=True)
    twice = bp.compile(bp.compile(lambda x: np.sum(x * x)))
    for i in range(4):
        with np.errstate(all="ignore"):
            assert alike(outer(X, Y), eager.step(X, Y) * 2)
        assert alike(ours.held(), eager.held())
        assert twice(X * i) == np.sum(X * i * X * i)


def test_models_of_compiled_steps_are_copied_and_pickled():
    work = made()
    compiled = bp.compile(work.step, exact=True)
    for _ in range(3):
        compiled(X, Y)
    for model in (copy.deepcopy(work.models[0]), pickle.loads(pickle.dumps(work.models[0]))):
        for one, other in zip(model.parameters(), work.models[0].parameters(), strict=True):
            assert alike(one.data, other.data)
            assert type(one._value) is np.ndarray


def test_generators_and_coroutines_are_no_steps():
    def steps(x: Any) -> Any:
        yield x * 2

    async def later(x: Any) -> Any:
        return x * 2

    for function in (steps, later):
        with pytest.raises(ProgramError, match="generator|coroutine"):
            bp.compile(function)(X)


def test_observers_see_what_a_compiled_step_records():
    compiled = bp.compile(bp.grad(lambda x: np.sum(np.tanh(x))))
    for _ in range(3):
        compiled(X)
    with bp.debug():
        assert alike(compiled(X), 1 - np.tanh(X) ** 2)


def test_labels_are_checked_at_every_run():
    work = made()
    compiled = bp.compile(work.step)
    for _ in range(4):
        compiled(X, Y)
    for _ in range(3):
        with pytest.raises(LabelError):
            compiled(X, np.array([0, 7]))
    assert np.isfinite(compiled(X, Y).item())
    gc.collect()


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
def test_arrays_of_other_kinds(kind):
    with pytest.raises(ProgramError, match="argument 'x' is a"):
        bp.compile(lambda x: x * x)(kind([[1.0, 2.0], [3.0, 4.0]]))


class Holder:
    """What has a compiled step among its attributes."""

    def __init__(self) -> None:
        self.work = made()
        self.step = bp.compile(self.once)

    def once(self, x: Any) -> Any:
        return self.work.models[0].eval()(x)


def test_compiled_steps_are_copied_and_pickled():
    holder = Holder()
    for _ in range(3):
        holder.step(X)
    other = copy.deepcopy(holder.step)
    assert alike(other(X), holder.step(X))
    assert other.function.__self__ is not holder
    assert pickle.loads(pickle.dumps(bp.compile(as_array))).function is as_array


def test_a_step_that_waits_for_a_thread_that_compiles(monkeypatch):
    monkeypatch.setattr("tinygrad_bp.program.tracing._PATIENCE", 0.02)
    other = bp.compile(lambda x: np.tanh(x) * 2)
    found = []

    def step(x: Any) -> Any:
        thread = threading.Thread(target=lambda: found.append(other(X)))
        thread.start()
        thread.join()
        return x * 2

    assert alike(bp.compile(step)(X), X * 2)
    assert alike(found, [np.tanh(X) * 2])


def test_tensors_that_share_memory_in_part():
    whole = Tensor(np.arange(6.0), requires_grad=True, name="whole")
    part = Tensor(whole.data[:3], name="part")
    optimizer = optim.SGD([whole], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        (whole.sum() + part.sum()).backward()
        optimizer.step()

    with pytest.raises(ProgramError, match="'whole' and 'part' share memory|'part' and 'whole'"):
        bp.compile(step)()
    assert whole.grad is None
