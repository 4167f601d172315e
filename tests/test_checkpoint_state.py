"""What is saved comes back: optimisers, schedules, tied weights, exactly, and all or nothing."""

from __future__ import annotations

import copy
import hashlib
import json
import stat
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn.architecture import build, describe
from tinygrad_bp.nn.archive import LONGEST_NAME
from tinygrad_bp.nn.nests import pack, unpack


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def assert_equal(left, right):
    """Compare nests: structure, types, dtypes and bits."""
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_equal(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_equal(a, b)
    elif isinstance(left, np.ndarray | np.generic):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        if left.dtype.char == "g":  # has bytes that are not of the number
            np.testing.assert_array_equal(left, right)
        else:
            assert left.tobytes() == right.tobytes()
    else:
        assert left == right or repr(left) == repr(right) == "nan"


class Anything:
    """Something with a state, which is kept as it is, and refused if it says so."""

    def __init__(self, state, *, refuses=False):
        self.state = state
        self.refuses = refuses
        self.loaded = 0

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.loaded += 1
        if self.refuses and self.loaded == 1:
            raise KeyError("momentum\x1b[2J")
        self.state = state


def small(seed=0, **options):
    return nn.MLP(4, 3, 2, rng=np.random.default_rng(seed), **options)


# --- a run goes on --------------------------------------------------------------------------------


class Run:
    """A small training run."""

    def __init__(self, seed=0, *, dtype=np.float32, momentum=0.9):
        self.model = nn.MLP(4, 5, 2, rng=np.random.default_rng(seed), dtype=dtype)
        self.optimizer = optim.SGD(self.model.named_parameters(), lr=0.5, momentum=momentum)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=20, eta_min=0.01)
        self.dtype = dtype

    def learn(self, steps):
        for step in range(steps):
            rng = np.random.default_rng(step)
            x = rng.standard_normal((8, 4)).astype(self.dtype)
            self.optimizer.zero_grad()
            F.sum_squares(self.model(x), x[:, :2]).backward()
            self.optimizer.step()
            self.schedule.step()
        return self

    def parts(self):
        return {"optimizer": self.optimizer, "schedule": self.schedule}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", [0, 3])
def test_a_run_goes_on_to_the_same_bits(path, dtype, momentum, before):
    run = Run(dtype=dtype, momentum=momentum).learn(before)
    nn.save(path, run.model, **run.parts())
    other = Run(seed=1, dtype=dtype, momentum=momentum).learn(2)
    assert nn.load(path, into=other.model, **other.parts()) is other.model
    assert_equal(other.optimizer.state_dict(), run.optimizer.state_dict())
    assert other.schedule.state_dict() == run.schedule.state_dict()
    assert other.optimizer.lr == run.optimizer.lr
    assert_equal(other.learn(4).model.state_dict(), run.learn(4).model.state_dict())


def test_a_run_whose_rate_was_set_by_hand(path):
    run = Run().learn(2)
    run.optimizer.lr = 0.0123
    nn.save(path, run.model, **run.parts())
    other = Run(seed=1)
    nn.load(path, into=other.model, **other.parts())
    assert other.optimizer.lr == 0.0123


def test_the_model_alone_can_be_read_from_a_run(path):
    run = Run().learn(2)
    nn.save(path, run.model, extra={"epoch": 1}, extra_arrays={"v": np.ones(2)}, **run.parts())
    assert_equal(nn.load(path).state_dict(), run.model.state_dict())
    saved = nn.read_checkpoint(path)
    assert_equal(saved.optimizer, run.optimizer.state_dict())
    assert_equal(saved.schedule, run.schedule.state_dict())
    assert list(saved.extra_arrays) == ["v"]
    assert list(saved.arrays) == list(run.model.state_dict())


def test_a_file_without_a_run_has_no_state(path):
    nn.save(path, small())
    assert nn.read_checkpoint(path)[-2:] == (None, None)
    for name in "optimizer", "schedule":
        with pytest.raises(CheckpointError, match=f"model.npz: it holds no {name}"):
            nn.load(path, into=small(), **{name: Anything({})})


def test_a_state_without_its_model_is_refused(path):
    nn.save(path, small(), optimizer=Anything({}))
    with pytest.raises(CheckpointError, match="pass it as into="):
        nn.load(path, optimizer=Anything({}))


# --- any state ------------------------------------------------------------------------------------

PLAIN = st.sampled_from(["?", "i1", "u2", "<i4", "i8", "f2", "<f4", "f8", "g"]).map(np.dtype)
ARRAYS = PLAIN.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), ARRAYS,
    PLAIN.flatmap(lambda dtype: hnp.arrays(dtype, ()).map(lambda a: a[()])),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.none(), st.sampled_from(["$array", "$dict", "$"]))
NESTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner)
    ),
    max_leaves=12,
)


@given(NESTS)
def test_any_nest_comes_back(nest):
    arrays = []
    packed = json.loads(json.dumps(pack(nest, "state", arrays), allow_nan=False))
    assert_equal(unpack(packed, arrays), nest)


@given(NESTS)
def test_any_state_comes_back_from_a_file(tmp_path_factory, nest):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    nn.save(path, small(), optimizer=Anything([nest]), schedule=Anything({"": nest}))
    optimizer, schedule = Anything(0), Anything(0)
    nn.load(path, into=small(seed=1), optimizer=optimizer, schedule=schedule)
    assert_equal(optimizer.state, [nest])
    assert_equal(schedule.state, {"": nest})
    if isinstance(nest, np.ndarray):
        assert optimizer.state[0].flags.writeable


def test_a_dict_of_another_kind_comes_back_as_a_dict(path):
    nn.save(path, small(), optimizer=Anything(OrderedDict(a=1, b=[np.float32(2)])))
    assert nn.read_checkpoint(path).optimizer == {"a": 1, "b": [2.0]}


def cyclic():
    state = {"inner": []}
    state["inner"].append(state)
    return state


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"options": {"rate": min}}, r"optimizer\['options'\]\['rate'\] is a builtin_function"),
        ([1, {2, 3}], r"optimizer\[1\] is a set, which a model file cannot hold"),
        ({"m": [np.array(["a"])]}, r"optimizer\['m'\]\[0\]' is an array of <U1"),
        ({"m": np.array([None])}, "array of object"),
        ({"m": np.ones(2, complex)}, "array of complex128"),
        ({"m": np.complex64(1)}, "array of complex64"),
        ({"m": np.ma.masked_array([1, 2], [0, 1])}, "masked array, whose mask would be lost"),
        ({"m": Tensor([1.0])}, r"optimizer\['m'\] is a Tensor"),
        ({(1, min): 1}, r"the key \(1, <built-in function min>\) in optimizer\[1\] is a"),
        ({"m": 1j}, "is a complex"),
        ({"m": b"bytes"}, "is a bytes"),
        (cyclic(), "nested too deeply, or it contains itself"),
        ({"m": 10**5000}, "cannot be written as JSON"),
        ({"\x1b[2J": min}, r"optimizer\['\\x1b\[2J'\] is a"),
    ],
)
def test_states_that_could_not_be_given_back(path, state, match):
    with pytest.raises(CheckpointError, match=match) as caught:
        nn.save(path, small(), optimizer=Anything(state))
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert not path.exists()


# --- all or nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("refusing", ["model", "optimizer", "schedule"])
def test_if_one_refuses_none_is_changed(path, refusing):
    nn.save(path, small(), optimizer=Anything([1, np.ones(2)]), schedule=Anything([2]))
    into = nn.MLP(4, 3, 3) if refusing == "model" else small(seed=1)
    optimizer = Anything(["o", np.zeros(2)], refuses=refusing == "optimizer")
    schedule = Anything(["s"], refuses=refusing == "schedule")
    before = copy.deepcopy([into.state_dict(), optimizer.state, schedule.state])
    match = "output.weight has shape" if refusing == "model" else f"the {refusing} that it holds"
    with pytest.raises(CheckpointError, match=match) as caught:
        nn.load(path, into=into, optimizer=optimizer, schedule=schedule)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert_equal([into.state_dict(), optimizer.state, schedule.state], before)
    if refusing == "model":  # looked at before anything is touched
        assert optimizer.loaded == schedule.loaded == 0


def test_an_interrupt_on_the_way_undoes_what_was_done(path):
    class Interrupted(Anything):
        def load_state_dict(self, state):
            super().load_state_dict(state)
            if self.loaded == 1:
                raise KeyboardInterrupt

    nn.save(path, small(), optimizer=Anything([1]), schedule=Anything([2]))
    into, optimizer, schedule = small(seed=1), Interrupted(["o"]), Anything(["s"])
    before = into.state_dict()
    with pytest.raises(KeyboardInterrupt):
        nn.load(path, into=into, optimizer=optimizer, schedule=schedule)
    assert (optimizer.state, schedule.state) == (["o"], ["s"])
    assert_equal(into.state_dict(), before)


def test_a_run_of_another_kind_is_refused_and_goes_on_as_before(path):
    run = Run().learn(3)
    nn.save(path, run.model, **run.parts())
    other, same = Run(seed=1).learn(2), Run(seed=1).learn(2)
    step = optim.lr_scheduler.StepLR(other.optimizer, step_size=2)
    with pytest.raises(CheckpointError, match="the schedule that it holds does not fit"):
        nn.load(path, into=other.model, optimizer=other.optimizer, schedule=step)
    assert_equal(other.learn(2).model.state_dict(), same.learn(2).model.state_dict())


def test_a_model_with_rules_of_its_own_for_its_state(path):
    class Renamed(nn.Module):
        def __init__(self):
            self.w = Tensor(np.zeros(2, np.float32))

        def state_dict(self):
            return {"old": self.w.data.copy()}

        def load_state_dict(self, state):
            super().load_state_dict({"w": state["old"]})

    saved, into = Renamed(), Renamed()
    saved.w.data = [1, 2]
    nn.save(path, saved, optimizer=Anything([1]))
    nn.load(path, into=into, optimizer=Anything(0))
    assert into.w.tolist() == [1, 2]


# --- exact values ---------------------------------------------------------------------------------


def test_a_file_of_wider_numbers_is_refused(path):
    nn.save(path, small(dtype="f8"))
    with pytest.raises(CheckpointError, match=r"model.npz: .*hidden1.weight is float64 and the mo"):
        nn.load(path, into=small())
    nn.save(path, small())
    into = small(seed=1, dtype="f8")
    nn.load(path, into=into)
    assert {p.dtype for p in into.parameters()} == {np.dtype("f8")}
    assert_equal(into.state_dict(), {n: v.astype("f8") for n, v in small().state_dict().items()})


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f8", "g"])
def test_buffers_of_any_dtype_come_back(path, dtype):
    class WithBuffer(nn.Module):
        def __init__(self, values):
            self.seen = Tensor(np.array(values, dtype))

    limits = np.iinfo(dtype) if dtype[0] in "iu" else np.finfo("f2" if dtype == "?" else dtype)
    saved, into = WithBuffer([limits.max, limits.min, 1]), WithBuffer([0, 0, 0])
    nn.save(path, saved)
    assert_equal(nn.load(path, into=into).state_dict(), saved.state_dict())


# --- tied tensors and modules ---------------------------------------------------------------------


def tied_mlp(seed=0):
    model = nn.MLP(4, 4, 4, 2, rng=np.random.default_rng(seed))
    children = dict(model.named_children())
    children["hidden2"].weight = children["hidden1"].weight
    children["hidden2"].bias = children["hidden1"].bias
    return model


def repeated(seed=0):
    layer = nn.Linear(3, 3, rng=np.random.default_rng(seed))
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), layer)


class Autoencoder(nn.Module):
    """Tensors and modules under several names, in lists and dicts too."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.encoder, self.decoder = nn.Linear(3, 3, rng=rng), nn.Linear(3, 3, rng=rng)
        self.decoder.weight = self.encoder.weight
        self.steps = [self.encoder, self.decoder, self.encoder]
        self.by_name = {"again": self.decoder}
        self.scale = self.again = Tensor(rng.standard_normal(3))


TIED = [tied_mlp, repeated, Autoencoder]


@pytest.mark.parametrize("make", TIED)
def test_tied_weights_are_saved_once_and_come_back_tied(path, make):
    saved, into = make(), make(seed=1)
    nn.save(path, saved)
    nn.load(path, into=into)
    assert_equal(into.state_dict(), saved.state_dict())
    assert len(zipfile.ZipFile(path).namelist()) == 1 + len(list(saved.named_tensors()))


def test_a_tied_perceptron_is_built_tied(path):
    saved = tied_mlp()
    nn.save(path, saved)
    built = nn.load(path)
    assert_equal(built.state_dict(), saved.state_dict())
    assert [name for name, _ in built.named_parameters()] == [
        name for name, _ in saved.named_parameters()
    ]
    children = dict(built.named_children())
    assert children["hidden2"].weight is children["hidden1"].weight
    x = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(built(x).data, saved(x).data)


def test_a_perceptron_that_repeats_a_layer(path):
    saved = nn.MLP(4, 4, 4, 2, rng=np.random.default_rng(0))
    saved[2] = saved[0]
    nn.save(path, saved)
    x = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(nn.load(path)(x).data, saved(x).data)


def test_tied_weights_with_an_optimiser(path):
    def run(seed):
        model = tied_mlp(seed)
        return model, optim.SGD(model.named_parameters(), lr=0.1, momentum=0.9)

    def learn(model, optimizer):
        optimizer.zero_grad()
        F.sum_squares(model(np.ones((2, 4), np.float32)), np.zeros((2, 2))).backward()
        optimizer.step()

    (saved, optimizer), (into, other) = run(0), run(1)
    learn(saved, optimizer)
    nn.save(path, saved, optimizer=optimizer)
    nn.load(path, into=into, optimizer=other)
    learn(saved, optimizer)
    learn(into, other)
    assert_equal(into.state_dict(), saved.state_dict())


@pytest.mark.parametrize(
    "tied",
    [
        {"hidden2.weight": "output.weight"},
        {"hidden2.weight": "nothing"},
        {"nothing.weight": "hidden1.weight"},
        {"hidden2.__class__": "hidden1.weight"},
        {"hidden2.weight": None},
        {"hidden2.weight": []},
        ["hidden2.weight"],
        5,
    ],
)
def test_ties_that_make_no_sense(tied):
    model = nn.MLP(4, 4, 4, 4)
    arrays = model.state_dict()
    del arrays["hidden2.weight"]
    with pytest.raises(CheckpointError, match="makes no sense|does not fit"):
        build({**describe(model), "tied": tied}, arrays).load_state_dict(arrays)


# --- models that are no longer what they were built as -------------------------------------------


def with_another_activation(model):
    model[3] = nn.Tanh()


def with_another_layer(model):
    model[2] = nn.Linear(5, 5, dtype="f8")


def with_a_wider_layer(model):
    model[0], model[2] = nn.Linear(4, 6), nn.Linear(6, 4)


def with_a_buffer(model):
    model.mean = Tensor([1.0])


def with_a_layer_of_their_own(model):
    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    with_another_layer(model)
    model[2].__class__ = Scaled


@pytest.mark.parametrize(
    "change",
    [with_another_activation, with_another_layer, with_a_wider_layer, with_a_buffer,
     with_a_layer_of_their_own],
)  # fmt: skip
def test_a_changed_perceptron_is_not_built_as_it_was_before(path, change):
    model = nn.MLP(4, 5, 5, 2)
    assert describe(model) is not None
    change(model)
    nn.save(path, model)
    with pytest.raises(CheckpointError, match="not how to build it"):
        nn.load(path)
    into = copy.deepcopy(model)
    assert_equal(nn.load(path, into=into).state_dict(), model.state_dict())


def test_thousands_of_layers_are_not_built_for_a_few_arrays():
    sizes = [1] * 1_000_001
    arrays = {"a": np.zeros(2_000_000, np.int8)}
    described = describe(small()) | {"sizes": sizes}
    with pytest.raises(CheckpointError, match="makes no sense") as caught:
        build(described, arrays)
    assert len(str(caught.value)) < 1000


# --- names ----------------------------------------------------------------------------------------


class Named(nn.Module):
    def __init__(self, *names):
        self.parts = {}
        for name in names:
            setattr(self, name, Tensor([1.0]))


@pytest.mark.parametrize(
    "name",
    ["a/b", "a.npy", "header.json", "../../etc", "/abs", "C:\\x", "π", "\x1b[2J", " ", "a\nb"],
)
def test_names_of_all_kinds_come_back(path, name):
    saved = Named("w", name)
    nn.save(path, saved, extra_arrays={name: np.ones(2)})
    read = nn.read_checkpoint(path)
    assert list(read.arrays) == ["w", name]
    assert list(read.extra_arrays) == [name]
    nn.load(path, into=Named("w", name))
    with pytest.raises(CheckpointError) as caught:
        nn.load(path, into=Named("w"))
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * (LONGEST_NAME + 1)])
def test_names_that_an_archive_cannot_hold(path, name):
    for options in {"model": Named(name)}, {"model": small(), "extra_arrays": {name: np.ones(1)}}:
        with pytest.raises(CheckpointError, match="cannot be the name of an array in a file") as e:
            nn.save(path, **options)
        assert len(str(e.value)) < 1000
    assert not path.exists()


def test_the_longest_name_that_is_taken_comes_back(path):
    nn.save(path, small(), extra_arrays={"n" * LONGEST_NAME: np.ones(1)})
    assert list(nn.read_checkpoint(path).extra_arrays) == ["n" * LONGEST_NAME]


@pytest.mark.parametrize("name", [1, None, b"bytes", ("a",)])
def test_names_that_are_no_text(path, name):
    with pytest.raises(CheckpointError, match="cannot be the name"):
        nn.save(path, small(), extra_arrays={name: np.ones(1)})


@pytest.mark.parametrize("name", ["extra/w", "optimizer/0", "schedule/0"])
def test_names_that_belong_to_other_arrays(path, name):
    with pytest.raises(CheckpointError, match=f"'{name}' is a name that other arrays have"):
        nn.save(path, Named(name), extra_arrays={"w": np.ones(1)})


# --- extra ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{1: "a"}, {"a": [{"b": ({None: 1},)}]}, {"a": {1: 0, "1": 1}}])
def test_keys_that_would_come_back_as_texts(path, extra):
    with pytest.raises(CheckpointError, match="has the key .*, which JSON would turn into a text"):
        nn.save(path, small(), extra=extra)


def test_extras_without_an_end(path):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for extra in {"a": deep}, {"a": cyclic()}:
        with pytest.raises(CheckpointError, match="cannot be written as JSON"):
            nn.save(path, small(), extra=extra)
    assert not path.exists()


@pytest.mark.slow
def test_what_could_not_be_read_again_is_not_written(path):
    with pytest.raises(CheckpointError, match="`extra` is too large.*Give what is long as extra_"):
        nn.save(path, small(), extra={"losses": [0.5] * 1_000_000})
    assert not path.exists()
    nn.save(path, small(), extra={"losses": [1 / 3] * 100_000})
    assert nn.read_checkpoint(path).extra == {"losses": [1 / 3] * 100_000}


def test_masked_arrays_are_refused(path):
    with pytest.raises(CheckpointError, match="'extra/a' is a masked array, whose mask would be"):
        nn.save(path, small(), extra_arrays={"a": np.ma.masked_array([1, 2], [0, 1])})


# --- the file -------------------------------------------------------------------------------------


def test_files_are_those_of_the_first_edition(path):
    model = nn.MLP(2, 1, 1, activation=nn.Tanh())
    for i, p in enumerate(model.parameters()):
        p.data = (np.arange(p.size, dtype=np.float32) + i).reshape(p.shape) / 8
    extra = {"epoch": 3, "π": [0.1, None]}
    nn.save(path, model, extra=extra, extra_arrays={"velocity": np.arange(3) / 7})
    digest = "1e449946d161c4cee3520ca7f2e08d76cd712b3878b6272c13f268d27b0c13a1"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_numpy_reads_the_arrays_of_a_run(path):
    run = Run().learn(1)
    nn.save(path, run.model, **run.parts())
    with np.load(path) as arrays:
        names = set(arrays.files)
        assert {"header.json", "hidden1.weight", "optimizer/0"} <= names
        for name in names - {"header.json"}:
            assert arrays[name].dtype == np.float32


def test_links_and_modes_are_kept(path, tmp_path):
    real = tmp_path / "real.npz"
    real.touch(mode=0o600)
    path.symlink_to(real)
    nn.save(path, small())
    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert_equal(nn.load(path).state_dict(), small().state_dict())


def test_names_of_files_cannot_speak_to_the_terminal(tmp_path):
    path = tmp_path / "\x1b[2J.npz"
    with pytest.raises(CheckpointError) as caught:
        nn.load(path)
    assert str(caught.value).isprintable()
    nn.save(path, small())
    with pytest.raises(CheckpointError, match=r"\\x1b\[2J.npz: .*missing") as caught:
        nn.load(path, into=nn.MLP(4, 3, 3, 2))
    assert str(caught.value).isprintable()
