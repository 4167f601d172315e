"""The table of specs: discrete Fourier transforms."""

from __future__ import annotations

import numpy as np

from specs.calls import Spec, call, transposed, x

# fmt: off

shifts = [
    call(x(5)), call(x(4)), call(x(2, 3), axes=1), call(x(2, 1, 3), axes=(0, -1)), call(x(0)),
    call(transposed(3, 2), [0, 0]),
]

FOURIER = [
    Spec(np.fft.fftshift, *shifts),
    Spec(np.fft.ifftshift, *shifts),
]
