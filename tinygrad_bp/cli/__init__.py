"""The command line: `tinygrad-bp train`, `predict`, `check`, `explain`, `explore` and others.

Exit codes: 0 done; 1 something went wrong, which one line on stderr explains, or a gradient is
wrong, or a run does not come out again; 2 wrong arguments; 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, `sys.argv` by default, and return its exit code.

    >>> main(["train", "--epochs", "0"])  # stderr says why
    2
    """
    from tinygrad_bp.cli.arguments import UsageError, parse
    from tinygrad_bp.errors import TinygradError

    try:
        options = parse(argv)
        return int(options.run(options))
    except UsageError as error:
        return _complain(f"{error} (--help lists the options)", 2)
    except TinygradError as error:
        return _complain(error, 1)
    except MemoryError as error:
        return _complain(f"not enough memory: {error}", 1)
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted", 130)
    except BrokenPipeError:
        # Whoever read the output has gone; give the interpreter's last flush a place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _complain(message: object, code: int) -> int:
    from tinygrad_bp.errors import printable

    print("tinygrad-bp:", printable(" ".join(str(message).split())), file=sys.stderr)
    return code
