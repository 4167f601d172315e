"""What importing the data package brings in, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import tinygrad_bp.data


def test_importing_is_cheap():
    # Against NumPy alone: what that imports is paid for already.
    program = (
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import tinygrad_bp.data\n"
        "heavy = {'gzip', 'hashlib', 'http', 'http.client', 'ssl', 'tempfile', 'urllib.request'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_public_names_are_there_and_sorted():
    names = tinygrad_bp.data.__all__
    assert names == sorted(names, key=lambda name: (not name[0].isupper(), name))
    assert all(getattr(tinygrad_bp.data, name).__doc__ for name in names)
