"""Hypothesis strategies for arrays, tensors and whole programs to differentiate.

Values are multiples of 1/32, exact in float32 too, and stay away from kinks by construction:
nothing is filtered, so no health check trips and failures shrink quickly. Needs Hypothesis.

    @given(arrays(kinks=[0]))
    def test_my_function(x): ...

    @given(programs())
    def test_my_engine(program):
        print(program)  # runnable Python
"""

from tinygrad_bp.gradcheck.strategies.arrays import (
    arrays,
    broadcastable_shapes,
    dtypes,
    shapes,
    tensors,
)
from tinygrad_bp.gradcheck.strategies.programs import Program, programs

__all__ = ["Program", "arrays", "broadcastable_shapes", "dtypes", "programs", "shapes", "tensors"]
