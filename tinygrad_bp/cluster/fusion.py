"""One task for all that is calculated from one chunk: what Dask runs instead of twenty small ones.

Dask makes a task of every product, sum and slope of every chunk. For a small network, handing them
out takes longer than calculating them, and the data of a chunk lie in memory until the last of them
has run. Fused, a worker reads a chunk, goes forward and backward, and keeps nothing of it but its
share of the loss and of each gradient. Shares are added up by the tasks that Dask has made for it.

A network that mixes chunks on the way, such as one that normalises by the mean of all examples, is
fused up to there, and from there on computed task by task. What it needs of every chunk after that
is kept by the workers; where they lack the room, Dask has them write it to their disks.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from tinygrad_bp.interop.extras import extra

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping, Sequence

__all__ = ["fused"]

Key: TypeAlias = "Hashable"
Graph: TypeAlias = "Mapping[Key, Any]"
"""Dask's tasks, by their keys. A task knows the keys of those that it needs."""
Chunk: TypeAlias = tuple[int, ...]

_MIXED: Chunk = (-1,)
"""Stands for more than one chunk."""


def fused(arrays: Sequence[Any]) -> list[Any]:
    """Return Dask arrays as they are, but for their graph, which has one task for each chunk."""
    spec, core = extra("dask._task_spec"), extra("dask.core")
    graph = {key: task for a in arrays for key, task in a.__dask_graph__().items()}
    wanted = {key for a in arrays for key in core.flatten(a.__dask_keys__())}
    graph = spec.cull(spec.convert_legacy_graph(graph), wanted)
    result = _fused({key: graph[key] for key in core.toposort(graph)}, wanted)
    return [extra("dask.array").Array(result, a.name, a.chunks, meta=a) for a in arrays]


def _fused(graph: Graph, wanted: Collection[Key]) -> dict[Key, Any]:
    """Return a graph, whose tasks come after those that they need, with each chunk's in one."""
    spec = extra("dask._task_spec")
    chunk_of = _chunks(graph)
    parts: defaultdict[Chunk, dict[Key, Any]] = defaultdict(dict)
    rest: dict[Key, Any] = {}
    for key, task in graph.items():
        chunk = chunk_of[key]
        (rest if chunk in {None, _MIXED} else parts[chunk])[key] = task
    needed = {*wanted}.union(*(task.dependencies for task in rest.values()))

    found: dict[Key, Any] = {}
    shares: dict[Key, Any] = {}
    for tasks in parts.values():
        outputs = [key for key in tasks if key in needed]
        whole = _task(tasks, outputs)
        found[whole.key] = whole
        for i, key in enumerate(outputs):
            shares[key] = spec.Task(key, operator.getitem, spec.TaskRef(whole.key), i)
    found |= {key: task.substitute(shares) for key, task in rest.items()}
    return found | {key: shares[key] for key in wanted if key in shares}


def _task(tasks: Graph, outputs: Sequence[Key]) -> Any:
    """Return a task that runs others, and gives what those of some keys give."""
    spec = extra("dask._task_spec")
    last = {key: task for task in tasks.values() for key in task.dependencies}
    done: defaultdict[Key, list[Key]] = defaultdict(list)
    for key, task in last.items():
        if key not in outputs:
            done[task.key].append(key)
    steps = [(task, done[key]) for key, task in tasks.items()]
    given = [key for key in last if key not in tasks]
    name = f"chunk-{extra('dask.base').tokenize([*tasks], outputs)}"
    return spec.Task(name, _run, steps, outputs, given, *map(spec.TaskRef, given))


def _run(
    steps: Sequence[tuple[Any, Sequence[Key]]],
    outputs: Sequence[Key],
    given: Sequence[Key],
    *values: Any,
) -> list[Any]:
    """Run tasks one after the other; after each, forget what nobody needs any more."""
    known = dict(zip(given, values, strict=True))
    for task, done in steps:
        known[task.key] = task(known)
        for key in done:
            del known[key]
    return [known[key] for key in outputs]


# --- which chunk a task belongs to ----------------------------------------------------------------


def _chunks(graph: Graph) -> dict[Key, Chunk | None]:
    """Return for each task the one chunk that it depends on; none, or more than one.

    The data come in with tasks that depend on no chunk, and have siblings: those at the same
    position, such as images 3 and targets 3, are one chunk.
    """
    siblings = Counter(_name(key) for key in graph)
    found: dict[Key, Chunk | None] = {}
    for key, task in graph.items():
        below = {found[k] for k in task.dependencies} - {None}
        if below:
            found[key] = below.pop() if len(below) == 1 else _MIXED
        else:
            found[key] = _position(key) if siblings[_name(key)] > 1 else None
    return found


def _name(key: Any) -> Key:
    name: Key = key[0] if isinstance(key, tuple) else key
    return name


def _position(key: Any) -> Chunk:
    """Return where a block is, without zeros at the end: labels have one axis, and images two."""
    end = max((i for i, n in enumerate(key) if i and n != 0), default=0)
    return tuple(key[1 : end + 1])
