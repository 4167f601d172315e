"""Gradient descent on all examples at once, which do not fit in memory: on a cluster.

    python full_batch.py FOLDER [SCHEDULER]

FOLDER has the digits as chunks; where there is none, a small one is made. SCHEDULER is the address
of a Dask scheduler, such as tcp://10.0.0.1:8786; without it, the cores of this machine are used.
"""

import sys
from pathlib import Path

import numpy as np

from tinygrad_bp import cluster, data, functional, nn, optim


def make(folder: Path) -> None:
    """Draw digits, and write them a chunk at a time; a real chunk would have 10,000."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (8, 500))
    images = (data.drawn_digits(500, rng, labels=some)[0] for some in labels)
    cluster.write_chunks(folder / "images", images)
    cluster.write_chunks(folder / "targets", np.eye(10, dtype=np.float32)[labels])


def main(folder: Path, scheduler: str | None = None) -> None:
    """Take a few steps; each reads all data once."""
    network = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=np.random.default_rng(0))
    optimizer = optim.SGD(network.named_parameters(), lr=2.0)
    x, y = cluster.chunks(folder / "images"), cluster.chunks(folder / "targets")
    with cluster.connect(scheduler):
        for step in range(1, 6):
            optimizer.zero_grad()
            loss = functional.sum_squares(network(x), y)
            loss.backward()  # so far a graph: nothing is read, nothing computed
            cost = cluster.compute_gradients(loss, network.parameters())
            optimizer.step()
            print(f"step {step}: cost {cost:.4f}, over {len(x):,} digits")


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        make(Path(sys.argv[1]))
    main(Path(sys.argv[1]), *sys.argv[2:])
