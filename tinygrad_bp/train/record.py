"""What identifies a run: digests of what it learned from, of its losses and of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.train.feed import Examples, as_arrays, digest

if TYPE_CHECKING:
    from tinygrad_bp import nn
    from tinygrad_bp.train.feed import Feed
    from tinygrad_bp.train.position import Position

__all__ = ["digest_of_weights", "digests", "run_record"]


def run_record(
    model: nn.Module, position: Position, feed: Feed | None, sets: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return what identifies a run where it stands.

    Every digest is a SHA-256: "data" of all examples to learn from (None for batches of the user's
    own), "sets" of what is measured, "losses" of every batch's loss as a float64, "weights" of the
    model's values. "surroundings" are the versions, machines and threads that computed them.
    `Trainer.record` calls this with what it has.

    >>> from tinygrad_bp import nn, optim, train
    >>> x, y = np.float32([[0.0], [1.0], [2.0]]), np.float32([[1.0], [3.0], [5.0]])
    >>> def record_of_a_run(seed):
    ...     model = nn.Linear(1, 1, rng=np.random.default_rng(seed))
    ...     optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    ...     trainer = train.Trainer(model, nn.MSELoss(), optimizer)
    ...     _ = trainer.fit((x, y), epochs=2)
    ...     return trainer.record()
    >>> one, same, other = map(record_of_a_run, (0, 0, 1))
    >>> one == same, one["data"] == other["data"], one["weights"] == other["weights"]
    (True, True, False)
    """
    return {
        "data": None if feed is None else feed.digest(),
        "sets": dict(sets),
        "losses": digest(np.array(position.losses)),
        "weights": digest_of_weights(model),
        "surroundings": position.surroundings,
    }


def digests(sets: Mapping[str, Examples]) -> dict[str, str | None]:
    """Return the SHA-256 of each set; None for batches of the user's own.

    >>> digests({"val": (np.zeros(2), np.zeros(2)), "own": [[0, 0]]})["own"] is None
    True
    """
    found = {name: as_arrays(examples) for name, examples in sets.items()}
    return {name: None if a is None else digest(*a) for name, a in found.items()}


def digest_of_weights(model: nn.Module) -> str:
    """Return the SHA-256 of a model's values: names, dtypes, shapes and bytes.

    >>> from tinygrad_bp import nn
    >>> digest_of_weights(nn.MLP(2, 1, weight_init=nn.init.zeros))[:8]
    '38329ce4'
    """
    found = hashlib.sha256()
    for name, values in model.state_dict().items():
        found.update(f"{name} {digest(values)}\n".encode())
    return found.hexdigest()
