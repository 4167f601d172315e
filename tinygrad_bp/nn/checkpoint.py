"""Model files: an .npz archive with a header that says what it must hold.

    header.json              format, version, architecture, arrays, extra, sha256
    hidden1.weight.npy       the model's arrays, under the names of its `state_dict()`
    ...
    extra/found.npy          what `save` was given as `extra_arrays`
    optimizer/0.npy          the arrays of an optimiser's state, whose rest is in the header
    position/0.npy           the same of where a training run stands

NumPy reads the arrays as those of any .npz: `np.load("model.npz")["hidden1.weight"]`. Equal
content gives equal bytes, since nothing in the file tells the time.

Reading executes and unpickles nothing. What the archive claims is checked before memory is taken
for it (`archive.py`); the names, shapes and dtypes must be exactly those in the header; the
SHA-256 covers header and arrays. (The digest tells damage, not who wrote the file.)
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, overload

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.files import PathLike, naming, reading, replacing
from tinygrad_bp.nn.architecture import build, describe
from tinygrad_bp.nn.archive import FETCH_AGAIN, HEADER, Archive, check_name, storable, write
from tinygrad_bp.nn.fitting import fitted
from tinygrad_bp.nn.mlp import MLP
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.nests import pack, unpack
from tinygrad_bp.nn.streams import Streams

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "Checkpoint", "PathLike", "Stateful", "load", "read_checkpoint", "save"]

M = TypeVar("M", bound=Module)

MAX_BYTES = 1 << 30
"""Largest content, in bytes, that is read unless a caller allows more."""

FORMAT = "tinygrad_bp model"
VERSION = 1
EXTRA = "extra/"  # what the names of extra arrays begin with
# What else has a state, and what its arrays' names begin with.
STATES = ("optimizer", "schedule", "streams", "position")
SEAL = re.compile(rb',(\s*)"sha256": "([0-9a-f]{64})"(\s*)\}\Z')  # the end of a header
SMALL_HEADER = 1 << 25  # bytes that reading a header may take, however small the file
LEAST_MEMBER = 200  # bytes in the file, and more, that come with every array


class Stateful(Protocol):
    """An optimiser, a schedule, a training run, or whatever else gives and takes a state.

    The state is made of dicts, lists, tuples, None, texts, numbers and arrays, in any nesting.
    `load_state_dict` raises if a state does not fit, and has changed nothing then.
    """

    def state_dict(self) -> Any:
        """Return all that is needed to go on from here."""

    def load_state_dict(self, state: Any, /) -> None:
        """Go on from a state."""


class Checkpoint(NamedTuple):
    """What a model file holds: `read_checkpoint` returns it, checked.

    >>> import tempfile
    >>> import numpy as np
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model)
    ...     found = read_checkpoint(f"{folder}/model.npz")
    >>> found.architecture["sizes"], list(found.arrays)
    ([4, 3, 2], ['hidden1.weight', 'hidden1.bias', 'output.weight', 'output.bias'])
    >>> bool(np.all(found.model()(np.ones(4)).data == model(np.ones(4)).data))
    True
    """

    architecture: dict[str, Any] | None
    """How to build the model, or None if only its author knows."""
    arrays: dict[str, NDArray[Any]]
    """The model's values by name, as its `state_dict()`."""
    extra: dict[str, Any]
    """What `save` was given as `extra`, by way of JSON."""
    extra_arrays: dict[str, NDArray[Any]]
    """What `save` was given as `extra_arrays`."""
    optimizer: Any = None
    """The `state_dict()` of the optimiser that `save` was given, or None."""
    schedule: Any = None
    """The same of the schedule."""
    streams: Any = None
    """Where the model's random streams stood, or None if it has none."""
    position: Any = None
    """The `state_dict()` of the training run that `save` was given as its position, or None."""

    def model(self) -> MLP:
        """Build the model and put the values in; raises `CheckpointError` if they do not fit."""
        model = build(self.architecture, self.arrays)
        model.load_state_dict(self.arrays)
        return model


def save(
    path: PathLike,
    model: Module,
    *,
    optimizer: Stateful | None = None,
    schedule: Stateful | None = None,
    position: Stateful | None = None,
    extra: Mapping[str, Any] | None = None,
    extra_arrays: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write the model's values, and for an `MLP` its architecture, to an .npz file.

    The random streams that its layers draw from are saved with it. An optimiser, a schedule and the
    position of a training run, such as a `train.Trainer`, are saved by their `state_dict()`, as
    `Stateful` describes it; `extra` is anything that JSON can express, with texts for keys;
    `extra_arrays` are real arrays.
    The file appears whole or not at all: a crash at any point leaves the previous one.

    Raises `CheckpointError` if the file cannot be written, or holds what it could not give back.
    `tinygrad_bp.files.check_writable` says before a long run whether the file can be written.

    >>> import tempfile
    >>> import numpy as np
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model, extra={"epoch": 7})
    ...     read_checkpoint(f"{folder}/model.npz").extra
    {'epoch': 7}
    """
    with naming(path, error=CheckpointError):
        arrays = _model_arrays(model) | _extra_arrays(extra_arrays or {})
        header: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "architecture": describe(model),
            "arrays": {},
            "extra": dict(extra or {}),
        }
        things = optimizer, schedule, Streams(model) or None, position
        for name, thing in zip(STATES, things, strict=True):
            if thing is not None:
                header[name], packed = _packed(thing, name)
                arrays |= packed
        header["arrays"] = {name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()}
        content = _sealed(header, arrays)
    with replacing(path, error=CheckpointError) as file:
        write(file, content, arrays)


@overload
def load(path: PathLike, *, max_bytes: int = ...) -> MLP: ...
@overload
def load(
    path: PathLike,
    *,
    into: M,
    optimizer: Stateful | None = ...,
    schedule: Stateful | None = ...,
    position: Stateful | None = ...,
    max_bytes: int = ...,
) -> M: ...


def load(
    path: PathLike,
    *,
    into: Module | None = None,
    optimizer: Stateful | None = None,
    schedule: Stateful | None = None,
    position: Stateful | None = None,
    max_bytes: int = MAX_BYTES,
) -> Module:
    """Read a model from a file that `save` wrote.

    An `MLP` is rebuilt. For any other model, build it and pass it as `into`: its values are
    replaced, if names, shapes and dtypes agree one and all, and it is returned; its random streams
    go on from where they stood. To go on with a training run, build its optimiser, schedule and
    position too and pass them as well: all of them get what was saved, or none does.

    Raises `CheckpointError` as `read_checkpoint` does, and if the values do not fit the model,
    naming every one that is missing, unexpected, or of another shape or a dtype that the model's
    cannot hold; if an optimiser or schedule does not take its state, or the file has none.

    >>> import tempfile
    >>> import numpy as np
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model)
    ...     same = load(f"{folder}/model.npz")
    >>> x = np.ones((1, 4), np.float32)
    >>> bool(np.all(same(x).data == model(x).data))
    True
    """
    checkpoint = read_checkpoint(path, max_bytes=max_bytes)
    with naming(path, error=CheckpointError):
        wanted = (("optimizer", optimizer), ("schedule", schedule), ("position", position))
        states = {name: thing for name, thing in wanted if thing is not None}
        if into is None:
            if states:
                raise CheckpointError(
                    f"the {next(iter(states))} belongs to a model that is there already. Build the "
                    "model first, then the optimiser with its parameters, and pass it as into=."
                )
            return checkpoint.model()
        if checkpoint.streams is not None:
            states["streams"] = Streams(into)
        _restore(checkpoint, into, states)
    return into


def read_checkpoint(path: PathLike, *, max_bytes: int = MAX_BYTES) -> Checkpoint:
    """Read and check all that a model file holds, in the machine's byte order.

    Raises `CheckpointError`, saying what is wrong and what to do, if the file is missing, is not
    one that `save` wrote, is truncated or damaged, comes from a newer version of the library, or
    holds more than `max_bytes`. Nothing in the file is executed or unpickled.

    >>> import tempfile
    >>> import numpy as np
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model, extra={"epoch": 7})
    ...     found = read_checkpoint(f"{folder}/model.npz")
    >>> found.extra, found.arrays["output.weight"].shape
    ({'epoch': 7}, (2, 3))
    """
    with reading(path, error=CheckpointError) as file, naming(path, error=CheckpointError):
        try:
            return _read(Archive(file), max_bytes)
        except MemoryError as error:
            raise CheckpointError("there is not enough memory to read it.") from error
        # What its content can make of the code that looks at it: all else is a mistake of ours.
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"it is truncated or damaged ({error}). {FETCH_AGAIN}") from error


# --- writing --------------------------------------------------------------------------------------


def _model_arrays(model: Module) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, value in model.state_dict().items():
        check_name(name)
        if name.startswith((EXTRA, *(f"{state}/" for state in STATES))):
            raise CheckpointError(f"'{name}' is a name that other arrays have. Rename the tensor.")
        arrays[name] = storable(name, value)
    return arrays


def _extra_arrays(given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, value in given.items():
        check_name(name)
        arrays[EXTRA + name] = storable(EXTRA + name, value)
    return arrays


def _packed(thing: Stateful, name: str) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return a state in JSON's terms, and its arrays by the names they have in the file."""
    arrays: list[NDArray[Any]] = []
    packed = pack(thing.state_dict(), name, arrays)
    return packed, {f"{name}/{i}": array for i, array in enumerate(arrays)}


def _sealed(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the header as JSON, ended by a digest of itself and of the arrays."""
    import hashlib
    import json

    try:
        text = json.dumps(header, indent=1, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"`extra` cannot be written as JSON: {error}. Leave that out, or give plain numbers, "
            "texts, lists and dicts; arrays belong into extra_arrays."
        ) from error
    if foreign := [key for key in _keys(header["extra"]) if type(key) is not str]:
        raise CheckpointError(
            f"`extra` has the key {foreign[0]!r}, which JSON would turn into a text. "
            "Give texts for keys."
        )
    if not _is_affordable(text, len(text) + sum(a.nbytes + LEAST_MEMBER for a in arrays.values())):
        raise CheckpointError(
            "`extra` is too large: it would take more memory to read than the arrays do. "
            "Give what is long as extra_arrays."
        )
    digest = _finished(hashlib.sha256(text), arrays)
    return text[:-2] + f',\n "sha256": "{digest}"\n}}'.encode()


def _keys(value: Any) -> Iterator[Any]:
    """Yield the keys of all dicts in what JSON can express."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _keys(item)


def _finished(digest: hashlib._Hash, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 that was begun with the header, after the arrays in their order."""
    for array in arrays.values():
        digest.update(array.data if array.size else b"")  # an empty array has no buffer to give
    return digest.hexdigest()


# --- reading --------------------------------------------------------------------------------------


def _read(archive: Archive, max_bytes: int) -> Checkpoint:
    archive.check(max_bytes)
    header, digest, expected = _header(archive)
    arrays = archive.arrays(header["arrays"])
    if _finished(digest, arrays) != expected:
        raise ValueError("its content does not have the SHA-256 it was saved with")
    for name, array in arrays.items():
        arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    states = {}
    for name in STATES:
        own = _taken(arrays, f"{name}/")
        states[name] = unpack(header[name], list(own.values())) if name in header else None
    extra_arrays = _taken(arrays, EXTRA)
    return Checkpoint(header["architecture"], arrays, header["extra"], extra_arrays, **states)


def _header(archive: Archive) -> tuple[dict[str, Any], hashlib._Hash, str]:
    """Return the header, a digest that was begun with it, and what that is to be in the end."""
    import json

    content = archive.header()
    if not _is_affordable(content, archive.size):
        raise CheckpointError(
            f"its {HEADER} would take far more memory than the file has bytes. {FETCH_AGAIN}"
        )
    digest, expected = _unsealed(content)
    text = content.decode("ascii")
    del content  # or there would be two of it while the second is read
    header = json.loads(text)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"its {HEADER} is not that of a model file. Check the name.")
    version = header.get("version")
    if version != VERSION:
        raise CheckpointError(
            f"it has version {version!r:.20} of the format and this library reads version "
            f"{VERSION}. Upgrade tinygrad_bp, or save the model with this version."
        )
    if not (isinstance(header["arrays"], dict) and isinstance(header["extra"], dict)):
        raise ValueError(f"{HEADER} is malformed")
    return header, digest, expected


def _unsealed(header: bytes) -> tuple[hashlib._Hash, str]:
    """Return a digest of the header without the seal at its end, and the digest in that seal."""
    import hashlib

    seal = SEAL.search(header, max(0, len(header) - 200))
    if seal is None:
        return hashlib.sha256(), ""
    digest = hashlib.sha256(memoryview(header)[: seal.start()])
    digest.update(seal[3] + b"}")
    return digest, seal[2].decode()


def _is_affordable(text: bytes, size: int) -> bool:
    """Whether a header takes no more memory, as Python's objects, than a file of this size may.

    In front of every value is one of four characters, and no small object takes more than 64
    bytes for each of them; texts take a byte for each character, or four where one is escaped.
    """
    values = sum(map(text.count, (b",", b"[", b"{", b":")))
    letters = (6 if b"\\u" in text else 3) * len(text)
    return letters + 64 * values <= max(2.5 * size, SMALL_HEADER)


def _taken(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Take the arrays whose names begin with the prefix out of the dict, and the prefix off."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _restore(checkpoint: Checkpoint, model: Module, things: Mapping[str, Stateful]) -> None:
    """Put what was saved into the model and the others: into all of them, or into none."""
    for name in things:
        if getattr(checkpoint, name) is None:
            raise CheckpointError(f"it holds no {name}: it was saved without. Leave it out.")
    if type(model).load_state_dict is Module.load_state_dict:
        fitted(model.saved_tensors(), checkpoint.arrays)
    # The schedule first: it may set the learning rate, and the optimiser's own has the last word.
    order = [name for name in reversed(STATES) if name in things]
    before = {name: copy.deepcopy(things[name].state_dict()) for name in order}
    try:
        for name in order:
            _hand_over(name, things[name], getattr(checkpoint, name))
        model.load_state_dict(checkpoint.arrays)
    except BaseException:
        for name in order:
            things[name].load_state_dict(before[name])
        raise


def _hand_over(name: str, thing: Stateful, state: Any) -> None:
    try:
        thing.load_state_dict(state)
    except Exception as error:  # whatever a class of the user's raises, with whatever is in a file
        import textwrap

        reason = textwrap.shorten(str(error), 300, placeholder=" ...")
        raise CheckpointError(
            f"the {name} that it holds does not fit the one given: {reason}. Build it as it was "
            "when it was saved, or leave it out."
        ) from error
