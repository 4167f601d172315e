"""One table of every differentiable function: how it is called, and where it is smooth.

A family a file, in the form that `calls` describes. `test_specs.py` runs the table,
`test_closed_world.py` demands that nothing is missing from it.
"""

from specs.calculus import CALCULUS
from specs.calls import Array, Call, Draw, Spec, differences
from specs.choosing import CHOOSING
from specs.creating import CREATING
from specs.elementwise import ELEMENTWISE
from specs.fourier import FOURIER
from specs.indexing import INDEXING
from specs.joining import JOINING
from specs.learning import LEARNING
from specs.linalg import LINALG
from specs.matrices import MATRICES
from specs.padding import PADDING
from specs.polynomials import POLYNOMIALS
from specs.recurrences import RECURRENCES
from specs.reductions import REDUCTIONS
from specs.shaping import SHAPING
from specs.special import SPECIAL
from specs.windows import WINDOWS

__all__ = ["CALLS", "SPECS", "Array", "Call", "Draw", "Spec", "differences"]

FAMILIES = (
    ELEMENTWISE, REDUCTIONS, CALCULUS, SHAPING, JOINING, INDEXING, CHOOSING, PADDING, CREATING,
    LINALG, MATRICES, FOURIER, POLYNOMIALS, LEARNING, SPECIAL, WINDOWS, RECURRENCES,
)  # fmt: skip
SPECS = [spec for family in FAMILIES for spec in family if spec.calls]
CALLS = [call for spec in SPECS for call in spec.calls]
