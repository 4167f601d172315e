"""Functions that raise on tensors, by the reason why; with `registry` this closes the world.

Listed by name, because which of them exist depends on NumPy's version.
"""

import numpy as np

from tinygrad_bp.errors import ConversionError, NotDifferentiableError
from tinygrad_bp.registry import refused

_INTEGERS = "It works on integers, which have no gradients: detach() the tensors."
_WRITES = (
    "It writes into its first argument, where a gradient would be lost (np.full does so, too): use "
    "np.where, np.stack or np.broadcast_to, or t.item() for the number alone."
)
_FILES = "Save plain arrays: t.detach()."
_FACTORS = "Multiply the factors: np.polymul, or np.convolve."
_ROOTS = "Roots are the eigenvalues of the companion matrix: np.linalg.eigvals."
_SETS = "Sets have no gradient: detach() the tensors, or index with integer positions."

_EITHER = (
    "np.emath goes over to complex numbers where the values ask for it: use the function of the "
    "same name in np, and np.astype(t, complex) before it if that is meant."
)

_NAMES = {
    _INTEGERS: """bitwise_and bitwise_or bitwise_xor invert left_shift right_shift bitwise_count
        gcd lcm bincount packbits unpackbits ravel_multi_index unravel_index ix_ busday_count
        busday_offset is_busday datetime_as_string isnat""",
    _WRITES: "copyto put place putmask put_along_axis fill_diagonal",
    _FILES: "save savetxt savez savez_compressed",
    _EITHER: """emath.sqrt emath.log emath.log2 emath.logn emath.log10 emath.power emath.arccos
        emath.arcsin emath.arctanh""",
    _FACTORS: "poly",
    _ROOTS: "roots",
    _SETS: """unique unique_all unique_counts unique_inverse unique_values union1d intersect1d
        setdiff1d setxor1d in1d""",
}

_ERRORS = {_WRITES: ConversionError}

for _hint, _names in _NAMES.items():
    for _name in _names.split():
        _module, _, _last = _name.rpartition(".")
        _function = getattr(getattr(np, _module) if _module else np, _last, None)
        if _function is not None:
            refused(_hint, _function, raises=_ERRORS.get(_hint, NotDifferentiableError))
