"""Training: a loop for any model, and recipes for the lesson's networks.

    trainer = train.Trainer(model, loss, optimizer, metrics={"accuracy": train.accuracy})
    trainer.fit((images, labels), epochs=10, batch_size=100, rng=rng, validation=0.1)

    run = train.Training(train.Recipe(epochs=5), (inputs, labels, test_inputs, test_labels))
    for epoch in run.epochs():
        print(epoch.number, epoch.test_accuracy)

Everything that decides a run's numbers is in its examples, its options and the few lines of
`Trainer`. Nothing in them looks at a clock, and there is no other source of randomness: the same
gives the same bits, and a run that is resumed from a file ends with the same bits as one that was
never stopped. (That is on one machine with one NumPy: another BLAS, or another number of threads in
it, may round differently; a run's record says what it saw, and `verify` looks again.)
"""

from tinygrad_bp.train.callback import Best, Callback
from tinygrad_bp.train.checkpoint import Checkpoint
from tinygrad_bp.train.csv_log import CSVLog
from tinygrad_bp.train.curves import plot_history
from tinygrad_bp.train.early_stopping import EarlyStopping
from tinygrad_bp.train.epoch import Epoch
from tinygrad_bp.train.evaluation import outputs
from tinygrad_bp.train.metrics import accuracy
from tinygrad_bp.train.progress import Progress
from tinygrad_bp.train.recipe import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    SCHEDULES,
    TRANSFORMS,
    Recipe,
)
from tinygrad_bp.train.record import run_record
from tinygrad_bp.train.run import Training
from tinygrad_bp.train.saved import saved_run
from tinygrad_bp.train.split import Split
from tinygrad_bp.train.trainer import Trainer
from tinygrad_bp.train.verification import Verdict, verify

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "SCHEDULES",
    "TRANSFORMS",
    "Best",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Epoch",
    "Progress",
    "Recipe",
    "Split",
    "Trainer",
    "Training",
    "Verdict",
    "accuracy",
    "outputs",
    "plot_history",
    "run_record",
    "saved_run",
    "verify",
]
