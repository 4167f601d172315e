"""More than one process, more than one machine: what Dask carries out for this library.

    with cluster.connect() as client:                       # or connect("tcp://10.0.0.1:8786")
        ...

Everything here is optional: `pip install "tinygrad_bp[cluster]"`.
"""

from tinygrad_bp.cluster.connection import connect

__all__ = ["connect"]
