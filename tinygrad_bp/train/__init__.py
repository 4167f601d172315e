"""A training run: a recipe and examples go in, a record of every epoch comes out.

    run = Training(Recipe(epochs=5), (inputs, labels, test_inputs, test_labels))
    for record in run.epochs():
        print(record.number, record.test_accuracy)
    run.save("model.npz")

Everything that decides a run's numbers is in its recipe, its examples and the few lines of
`Training.run_epoch`. A run never looks at a clock and has no other source of randomness, so the
same recipe and examples give the same bits, and a run that is resumed from a file ends with the
same bits as one that was never stopped. (That is on one machine with one NumPy: another BLAS, or
another number of threads in it, may round differently.)
"""

from tinygrad_bp.train.evaluation import outputs
from tinygrad_bp.train.recipe import ACTIVATIONS, COSTS, INITIALIZERS, SCHEDULES, Recipe
from tinygrad_bp.train.record import Epoch
from tinygrad_bp.train.run import Training
from tinygrad_bp.train.saved import saved_run
from tinygrad_bp.train.split import Split

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "SCHEDULES",
    "Epoch",
    "Recipe",
    "Split",
    "Training",
    "outputs",
    "saved_run",
]
