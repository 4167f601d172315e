"""The table of specs: discrete Fourier transforms."""

from __future__ import annotations

import numpy as np

from specs.calls import Spec, call, transposed, x, z

# fmt: off

c4, c3x4 = x(4, values=z), x(3, 4, values=z)

one_axis = [
    call(x(5)), call(x(1)), call(x(2, 3, 2), 4, 1, "ortho"), call(x(4), n=2, norm="forward"),
    call(transposed(3, 2), axis=0),
]
of_complex = [
    call(c4), call(c3x4, 5, 0, "ortho"), call(c3x4, n=3, norm="forward"), call(x(4), n=3),
    call(transposed(3, 2, values=z)), call(x(2, 3), 6, -1),
]
several = [
    call(c3x4), call(x(2, 3, 2), (3, 2), (-1, 0)), call(x(2, 3), s=(-1, 2), axes=(1, 0)),
    call(x(2, 3, 2), axes=(1, 2), norm="ortho"),
]
shifts = [
    call(x(5)), call(x(4)), call(x(2, 3), axes=1), call(x(2, 1, 3), axes=(0, -1)), call(x(0)),
    call(transposed(3, 2), [0, 0]), call(c4),
]

FOURIER = [
    *(Spec(f, *one_axis, *of_complex[:3]) for f in (np.fft.fft, np.fft.ifft)),
    *(Spec(f, *one_axis) for f in (np.fft.rfft, np.fft.ihfft)),
    *(Spec(f, *of_complex) for f in (np.fft.irfft, np.fft.hfft)),
    *(Spec(f, *several) for f in (np.fft.fftn, np.fft.ifftn, np.fft.fft2, np.fft.ifft2)),
    *(Spec(f, *several[1:]) for f in (np.fft.rfftn, np.fft.rfft2)),
    *(Spec(f, *several) for f in (np.fft.irfftn, np.fft.irfft2)),
    Spec(np.fft.fftshift, *shifts),
    Spec(np.fft.ifftshift, *shifts),
]
