"""More than one process, more than one machine: what Dask carries out for this library.

    with cluster.connect() as client:                       # or connect("tcp://10.0.0.1:8786")
        x, y = cluster.chunks("images"), cluster.chunks("targets")   # more than fits in memory
        loss = functional.sum_squares(network(x), y)
        loss.backward()                                              # nothing is computed yet
        print(cluster.compute_gradients(loss, network.parameters()))

        step = cluster.ParallelStep(client, model, loss, optimizer, (images, labels))
        for (rows,) in data.minibatches(np.arange(len(images)), 10_000, rng):
            cost = step(rows)                                        # each worker has its share

Everything here is optional: `pip install "tinygrad_bp[cluster]"`.
"""

from tinygrad_bp.cluster.chunks import chunks, write_chunks
from tinygrad_bp.cluster.connection import connect
from tinygrad_bp.cluster.gradients import compute_gradients
from tinygrad_bp.cluster.parallel import ParallelStep

__all__ = ["ParallelStep", "chunks", "compute_gradients", "connect", "write_chunks"]
