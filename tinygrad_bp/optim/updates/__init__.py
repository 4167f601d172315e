"""What optimisers do to one parameter: pure functions, from its value and gradient to new ones.

Each takes the value p, its gradient g, the moments that it keeps and its options, and returns the
new value and the new moments. Before the first step the moments are the numbers that the optimiser
names; counts of steps stay numbers, the others become arrays. The formulas are PyTorch's.

Nothing is written in place, and no moment is the gradient's own array: whoever changes a gradient
afterwards changes no moment.
"""

from tinygrad_bp.optim.updates.adam import adam, adamax, nadam, radam
from tinygrad_bp.optim.updates.scaled import adadelta, adagrad, rmsprop, rprop
from tinygrad_bp.optim.updates.sgd import sgd

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
]
