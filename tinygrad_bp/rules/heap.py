"""Memory that is freed stays with the process, and is not fetched again page by page.

The C library of Linux (glibc) gives memory back to the system once twice as much is free as the
largest piece that was ever freed. In a program whose arrays are small, that is soon the case: a
step over a sequence then takes twice as long, most of it in the system.
"""

import numpy as np

__all__ = ["keep_freed_memory"]

_PIECE = 1 << 24  # bytes; twice this may stay with the process


def keep_freed_memory() -> None:
    """Let a large piece be freed, once. Nothing is written to it, so it takes no memory.

    Source: `M_MMAP_THRESHOLD` in mallopt(3). Elsewhere this does nothing.
    """
    np.empty(_PIECE, np.uint8)
