"""Stop early, and go on after a crash: python early_stopping.py [FOLDER].

Kill it at any moment, and start it again with the same folder: it goes on where its last checkpoint
was, and ends with the same bits as a run that was never stopped.
"""

import sys
from pathlib import Path

import numpy as np

from tinygrad_bp import data, nn, optim, train

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
rng = np.random.default_rng(0)
images, labels = data.drawn_digits(2_000, rng)  # (2000, 784), (2000,)

network = nn.Sequential(
    nn.Linear(784, 64, rng=rng), nn.ReLU(), nn.Dropout(0.2, rng=rng), nn.Linear(64, 10, rng=rng)
)
optimizer = optim.Adam(network.named_parameters(), lr=3e-3)
stopping = train.EarlyStopping("val_accuracy", mode="max", patience=3)
log = train.CSVLog(folder / "history.csv")
checkpoint = train.Checkpoint(folder / "run.npz", every_batches=10)

trainer = train.Trainer(
    network,
    nn.CrossEntropyLoss(),
    optimizer,
    metrics={"accuracy": train.accuracy},
    callbacks=[stopping, log, checkpoint, train.Progress()],
)
trainer.fit(
    (images, labels), epochs=40, batch_size=50, rng=rng, validation=0.2, resume=folder / "run.npz"
)
print(f"{trainer.stopped}; the weights are those of that epoch, of {trainer.epoch}.")
