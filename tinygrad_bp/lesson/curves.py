"""What the explorer shows that takes minutes to measure: trained networks and their curves."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.blobs import rounded
from tinygrad_bp.lesson.deltas import activations, deltas_of
from tinygrad_bp.lesson.descent import (
    accuracy_of,
    contour,
    descend,
    mean_cost,
    plane,
    walk,
)
from tinygrad_bp.lesson.network import flatten, lesson_network, network_of, unflatten
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.lesson.sampling import agreement, cosine, noise_scale
from tinygrad_bp.train import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_bp import nn
    from tinygrad_bp.data import Mnist
    from tinygrad_bp.lesson.descent import Plane, Walk

__all__ = [
    "FULL",
    "Plan",
    "amounts",
    "cosines",
    "limits",
    "measure",
    "recipes",
    "shifted",
    "split",
    "train_networks",
    "walks",
]

LR, BATCH = 1.5, 100
LEAST = 100  # training examples
OUTPUTS = 10
DRAWN = 100  # points of a preset's walk, at most: more are not to be seen on the map

COMPARED = {
    "lesson": RECIPES["lesson"],
    "modern": RECIPES["modern"],
    "wider": dataclasses.replace(RECIPES["modern"], hidden=(100,)),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured; the defaults are what the page shows.

    >>> Plan(epochs=(1,)).walk_steps
    600
    """

    first_steps: int = 10
    """Of the second network; the first is untrained."""
    epochs: tuple[int, ...] = (1, 10, 30)
    """Of the networks after that."""
    batch_sizes: tuple[int, ...] = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 60_000)
    walk_examples: int = 10_000
    walk_steps: int = 600
    contour_points: int = 41
    walk_batches: tuple[int, ...] = (1, 10, 1_000)
    """Of more stumbling walks, at the same learning rate."""
    walk_rates: tuple[float, ...] = (0.15, 5.0, 15.0)
    """Of still more, with the same batch size."""
    norm_every: int = 25
    """Steps of a walk from one gradient's norm to the next."""
    amounts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 60_000)
    amount_steps: int = 6_000
    seeds: tuple[int, ...] = (0, 1, 2)
    retrained_epochs: int = 10
    wrong_labels: tuple[float, ...] = (0.1, 0.3)
    """Shares of the labels that are drawn at random."""
    only_steps: int = 300
    noise_images: int = 1_000
    recipe_epochs: int | None = None
    """Of the recipes that are compared; without, as many as each says."""

    @property
    def stages(self) -> int:
        """How often `measure` tells of its work, at most."""
        networks = max(self.epochs) + len(self.epochs) + 2
        return (
            networks
            + 3
            + len(self.walk_batches)
            + len(self.walk_rates)
            + len(self.amounts)
            + 2
            + len(COMPARED)
        )


FULL = Plan()


def _silent(what: str) -> None:
    """Tell nobody."""


def measure(
    data: Mnist, plan: Plan = FULL, tell: Callable[[str], None] = _silent
) -> dict[str, Any]:
    """Return the networks (`parameters`, an array of float32) and all curves, as plain lists.

    The same data and plan give the same result. `tell(what)` is called as the work goes on.
    Raises `DataError` for fewer than 100 training examples.

    >>> from tinygrad_bp.data.sets import drawn
    >>> tiny = Plan(
    ...     first_steps=1,
    ...     epochs=(1,), batch_sizes=(1, 10), walk_examples=50, walk_steps=3, contour_points=3,
    ...     amounts=(20, 50), amount_steps=5, seeds=(0,), retrained_epochs=1, only_steps=3,
    ...     noise_images=10,
    ... )
    >>> found = measure(drawn(0, train=200, test=50), tiny)
    >>> found["parameters"].shape, [n["name"] for n in found["networks"]]
    ((3, 13002), ['untrained', '1 step', '1 epoch'])
    """
    if len(data.train_labels) < LEAST:
        raise DataError(
            f"{len(data.train_labels)} training digits are too few to measure anything: the "
            f"explorer needs {LEAST} or more. Without data it uses digits that the library draws."
        )
    parameters, networks = train_networks(data, plan, tell)
    return {
        "parameters": parameters,
        "networks": networks,
        "cosine": cosines(parameters, data, plan, tell),
        "walks": walks(data, plan, tell),
        "amount": amounts(data, plan, tell),
        "limits": limits(parameters[-1], data, plan, tell),
        "recipes": recipes(data, plan, tell),
        "split": split(data),
    }


# --- networks -------------------------------------------------------------------------------------


def train_networks(
    data: Mnist, plan: Plan, tell: Callable[[str], None] = _silent
) -> tuple[NDArray[np.float32], list[dict[str, Any]]]:
    """Return the parameters (networks, 13002) and what each is called and scores.

    All are stops of one run, which begins with the lesson's network.
    """
    net = network_of(flatten(lesson_network()), dtype=np.float32)
    batches = -(-len(data.train_labels) // BATCH)
    stops = {0: ("untrained", 0), plan.first_steps: (_count(plan.first_steps, "step"), 0)}
    stops |= {e * batches: (_count(e, "epoch"), e) for e in plan.epochs}
    images, labels = data.train_images, data.train_labels
    found, about = [flatten(net)], [(0, *stops[0])]
    steps = descend(net, images, labels, steps=max(stops), batch_size=BATCH, lr=LR)
    for step, _ in enumerate(steps, start=1):
        if step % batches == 0:
            tell(f"training: {step // batches} of {max(plan.epochs)} epochs")
        if step in stops:
            found.append(flatten(net))
            about.append((step, *stops[step]))
    networks = [
        {
            "id": i,
            "name": name,
            "epochs": epochs,
            "steps": step,
            "test_accuracy": accuracy_of(vector, data.test_images, data.test_labels),
            "cost": rounded(mean_cost(vector, images, labels)),
        }
        for i, (vector, (step, name, epochs)) in enumerate(zip(found, about, strict=True))
    ]
    return np.array(found, np.float32), networks


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


# --- mini-batches and walks -----------------------------------------------------------------------


def cosines(
    parameters: NDArray[np.float32],
    data: Mnist,
    plan: Plan,
    tell: Callable[[str], None] = _silent,
) -> dict[str, Any]:
    """Return, for each network, how mini-batches agree with all training examples."""
    n = len(data.train_labels)
    sizes = sorted({min(size, n) for size in plan.batch_sizes})
    found = []
    for i, vector in enumerate(parameters):
        deltas = deltas_of(vector, data.train_images, data.train_labels)
        agreements = agreement(deltas, sizes)
        tell(f"mini-batches: network {i + 1} of {len(parameters)}")
        found.append(
            {
                "network": i,
                "batch": sizes,
                "mean": rounded([a.mean for a in agreements]),
                "predicted": rounded([a.predicted for a in agreements]),
                "uphill": rounded([a.uphill for a in agreements]),
                "draws": [len(a.cosines) for a in agreements],
                "noise_scale": rounded(noise_scale(deltas)),
                "norm": rounded(np.linalg.norm(deltas.gradient())),
            }
        )
    return {"n": n, "networks": found}


def walks(data: Mnist, plan: Plan, tell: Callable[[str], None] = _silent) -> dict[str, Any]:
    """Return the careful walk, on all examples, and stumbling ones, in a plane of the first two."""
    n = min(plan.walk_examples, len(data.train_labels))
    images, labels = data.train_images[:n], data.train_labels[:n]

    def walked(size: int | None, lr: float = LR) -> Walk:
        net = network_of(flatten(lesson_network()), dtype=np.float32)
        return walk(net, images, labels, steps=plan.walk_steps, batch_size=size, lr=lr)

    batch = min(BATCH, n // 10)
    taken = {}
    for name, size in (("careful", None), ("stumbling", batch)):
        taken[name] = walked(size)
        tell(f"the {name} walk")
    careful, stumbling = taken.values()
    where = plane(careful.points[0], stumbling.points[-1], careful.points[-1])
    projected = {name: where.project(w.points) for name, w in taken.items()}
    corners = np.concatenate([flat for flat, _ in projected.values()])
    x, y = (_margins(corners[:, i], plan.contour_points) for i in range(2))
    costs = contour(where, x, y, images, labels)
    tell("the map")
    presets = []
    for size, lr in [(b, LR) for b in plan.walk_batches] + [(batch, r) for r in plan.walk_rates]:
        presets.append(_preset(walked(min(size, n), lr), where, min(size, n), lr))
        tell(f"the walk with batches of {size:,} and lr {lr}")
    return {
        "n": n,
        "batch": batch,
        "lr": LR,
        "out_of_plane": rounded(max(off.max() for _, off in projected.values())),
        **{name: _told(w, *projected[name]) for name, w in taken.items()},
        "norms": _norms(taken, images, labels, plan.norm_every),
        "presets": presets,
        "contour": {"x": rounded(x), "y": rounded(y), "cost": rounded(costs, 4)},
    }


def _told(taken: Walk, flat: NDArray[np.float64], off: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "x": (flat[:, 0].round(4) + 0.0).tolist(),  # without the sign of -0.0
        "y": (flat[:, 1].round(4) + 0.0).tolist(),
        "off": off.round(4).tolist(),
        "cost": rounded(taken.costs, 5),
        "work": taken.work.tolist(),
        "uphill": rounded(taken.uphill),
        "length": rounded(taken.length),
        "displacement": rounded(taken.displacement),
    }


def _norms(
    taken: dict[str, Walk], images: NDArray[Any], labels: NDArray[np.int64], every: int
) -> dict[str, Any]:
    """How long the gradient of all examples is on the way."""
    steps = range(0, len(next(iter(taken.values())).points), every)
    return {
        "steps": list(steps),
        **{
            name: rounded(
                [
                    np.linalg.norm(deltas_of(found.points[at], images, labels).gradient())
                    for at in steps
                ]
            )
            for name, found in taken.items()
        },
    }


def _preset(taken: Walk, where: Plane, batch: int, lr: float) -> dict[str, Any]:
    """A walk as `_told` tells it, with fewer points; its summary is of every step."""
    flat, off = where.project(taken.points)
    last = len(flat) - 1
    drawn = sorted({*range(0, last, max(1, -(-last // DRAWN))), last})
    told = _told(taken, flat, off)
    return {
        "batch": batch,
        "lr": lr,
        "steps": drawn,
        **{key: [told[key][at] for at in drawn] for key in ("x", "y", "cost", "work")},
        **{key: told[key] for key in ("uphill", "length", "displacement")},
        "out_of_plane": rounded(off.max()),
    }


def _margins(values: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    low, high = values.min(), values.max()
    margin = 0.15 * (high - low)
    return np.linspace(low - margin, high + margin, points)


# --- how much data, and where learning ends -------------------------------------------------------


def amounts(data: Mnist, plan: Plan, tell: Callable[[str], None] = _silent) -> dict[str, Any]:
    """Return accuracies by the number of training examples, one for each seed."""
    sizes = sorted({min(n, len(data.train_labels)) for n in plan.amounts})
    found: dict[str, Any] = {"n": sizes, "steps": plan.amount_steps, "test": [], "train": []}
    for n in sizes:
        part = data._replace(train_images=data.train_images[:n], train_labels=data.train_labels[:n])
        runs = [_learned(part, plan.amount_steps, seed) for seed in plan.seeds]
        found["test"].append([accuracy_of(p, data.test_images, data.test_labels) for p in runs])
        found["train"].append([accuracy_of(p, part.train_images, part.train_labels) for p in runs])
        tell(f"data sizes: up to {n:,} of {sizes[-1]:,}")
    return found | {"ends": _ends(runs, part, plan.seeds)}


def _ends(
    runs: list[NDArray[np.float32]], data: Mnist, seeds: tuple[int, ...]
) -> dict[str, list[float]]:
    """Where runs from several starts end: as low, but somewhere else."""
    starts = [flatten(_untrained(data, seed)).astype(float) for seed in seeds]
    ends = [p.astype(float) for p in runs]
    return {
        "cost": rounded([mean_cost(p, data.train_images, data.train_labels) for p in ends]),
        "cosine": rounded([cosine(p, q) for p, q in combinations(ends, 2)]),
        "to_start": rounded([cosine(p, q) for p, q in zip(ends, starts, strict=True)]),
    }


def _untrained(data: Mnist, seed: int) -> nn.MLP:
    """The network that `tinygrad-bp train` begins with."""
    recipe = dataclasses.replace(RECIPES["lesson"], seed=seed)
    return Training(recipe, data, classes=OUTPUTS).model


def _learned(data: Mnist, steps: int, seed: int = 0) -> NDArray[np.float32]:
    """The parameters after steps from a scaled start."""
    net = _untrained(data, seed)
    for _ in descend(
        net, data.train_images, data.train_labels, steps=steps, batch_size=BATCH, lr=LR, seed=seed
    ):
        pass
    return flatten(net)


def limits(
    parameters: NDArray[np.float32],
    data: Mnist,
    plan: Plan,
    tell: Callable[[str], None] = _silent,
) -> dict[str, Any]:
    """Return what shifted digits, noise, scrambled labels and a single digit lead to."""
    pixels = range(5)
    accuracies = [
        np.mean(
            [
                accuracy_of(parameters, shifted(data.test_images, *by), data.test_labels)
                for by in ((d, 0), (-d, 0), (0, d), (0, -d))
            ]
        )
        for d in pixels
    ]
    tell("shifted digits")
    found = {
        "shift": {"pixels": list(pixels), "accuracy": rounded(accuracies, 5)},
        "noise": _noise(parameters, plan.noise_images),
        "only": _only(data, plan.only_steps),
        **_retrained(data, plan),
    }
    tell("scrambled labels and pixels")
    return found


def shifted(images: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """Return images (n, 784) moved by whole pixels; what leaves the frame is lost.

    >>> dot = np.zeros((1, 784))
    >>> dot[0, 0] = 1.0
    >>> int(shifted(dot, 1, 2).argmax()), float(shifted(dot, -1, 0).max())
    (30, 0.0)
    """
    side = int(np.sqrt(images.shape[1]))
    squares = images.reshape(-1, side, side)
    moved = np.zeros_like(squares)
    source, target = (
        tuple(slice(max(0, sign * by), side + min(0, sign * by)) for by in (down, right))
        for sign in (-1, 1)
    )
    moved[:, *target] = squares[:, *source]
    return moved.reshape(images.shape)


def _noise(parameters: NDArray[np.float32], n: int) -> dict[str, Any]:
    """What random pixels are read as."""
    images = np.random.default_rng(4).random((n, unflatten(parameters)[0].weight.shape[1]))
    said = activations(unflatten(parameters), images)[-1]
    read = np.bincount(said.argmax(axis=1), minlength=OUTPUTS)
    return {
        "images": n,
        "confident": rounded(np.mean(said.max(axis=1) > 0.5)),
        "top_mean": rounded(said.max(axis=1).mean()),
        "most_often": int(read.argmax()),
        "share": rounded(read.max() / n),
    }


def _retrained(data: Mnist, plan: Plan) -> dict[str, Any]:
    """What is learned from labels that mean nothing, and from pixels in any other order."""
    epochs = plan.retrained_epochs
    rng = np.random.default_rng(42)
    steps = epochs * -(-len(data.train_labels) // BATCH)
    labels, order = rng.permutation(data.train_labels), rng.permutation(data.train_images.shape[1])
    true, scrambled, permuted = (
        _learned(changed, steps)
        for changed in (
            data,
            data._replace(train_labels=labels),
            data._replace(train_images=data.train_images[:, order]),
        )
    )
    tests = data.test_images[:, order]
    return {
        "scrambled": {
            "epochs": epochs,
            "cost": rounded(mean_cost(scrambled, data.train_images, labels)),
            "true_cost": rounded(mean_cost(true, data.train_images, data.train_labels)),
        },
        "labels": _mislabelled(data, plan, true=true, scrambled=(scrambled, labels)),
        "permuted": {
            "epochs": epochs,
            "accuracy": accuracy_of(permuted, tests, data.test_labels),
            "true_accuracy": accuracy_of(true, data.test_images, data.test_labels),
        },
    }


def _mislabelled(
    data: Mnist,
    plan: Plan,
    *,
    true: NDArray[np.float32],
    scrambled: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> dict[str, Any]:
    """What is learned when a share of the labels is wrong: from none to all of them."""
    steps = plan.retrained_epochs * -(-len(data.train_labels) // BATCH)
    runs = {0.0: (true, data.train_labels)}
    for share in plan.wrong_labels:
        labels = _guessed(data.train_labels, share)
        runs[share] = (_learned(data._replace(train_labels=labels), steps), labels)
    runs[1.0] = scrambled
    return {
        "share": list(runs),
        "cost": rounded([mean_cost(p, data.train_images, said) for p, said in runs.values()]),
        "accuracy": [accuracy_of(p, data.test_images, data.test_labels) for p, _ in runs.values()],
    }


def _guessed(labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Labels of which a share are any digit, as if by people who do not look."""
    rng = np.random.default_rng(43)
    return np.where(rng.random(len(labels)) < share, rng.integers(0, OUTPUTS, len(labels)), labels)


def _only(data: Mnist, steps: int, digit: int = 2) -> dict[str, Any]:
    """What is read by a network that was shown one digit alone."""
    rows = data.train_labels == digit
    part = data._replace(train_images=data.train_images[rows], train_labels=data.train_labels[rows])
    p = _learned(part, steps)
    read = activations(unflatten(p), data.test_images)[-1].argmax(axis=1)
    return {
        "digit": digit,
        "steps": steps,
        "called": rounded(np.mean(read == digit)),
        "accuracy": rounded(np.mean(read == data.test_labels)),
    }


# --- what could be done better --------------------------------------------------------------------


def recipes(data: Mnist, plan: Plan, tell: Callable[[str], None] = _silent) -> list[dict[str, Any]]:
    """Return how many test digits networks read that are trained in other ways.

    >>> from tinygrad_bp.data.sets import drawn
    >>> found = recipes(drawn(0, train=200, test=50), Plan(recipe_epochs=1))
    >>> [(one["name"], one["parameters"]) for one in found]
    [('lesson', 13002), ('modern', 13002), ('wider', 79510)]
    """
    found = []
    for name, recipe in COMPARED.items():
        epochs = plan.recipe_epochs or recipe.epochs
        run = Training(dataclasses.replace(recipe, epochs=epochs), data, classes=OUTPUTS)
        for record in run.epochs():
            accuracy = record.test_accuracy
        tell(f"the recipe {name!r}")
        found.append(
            {
                "name": name,
                **{
                    key: value
                    for key, value in dataclasses.asdict(run.recipe).items()
                    if key in ("activation", "cost", "schedule", "epochs")
                },
                "hidden": list(recipe.hidden),
                "parameters": sum(p.size for p in run.model.parameters()),
                "test_accuracy": accuracy,
            }
        )
    return found


def split(data: Mnist) -> dict[str, int]:
    """Return how many digits there are to learn from and to test, and how many are in both.

    >>> from tinygrad_bp.data.sets import drawn
    >>> split(drawn(0, train=20, test=5))
    {'train': 20, 'test': 5, 'common': 0}
    """
    learnt, tested = (
        {image.tobytes() for image in np.rint(255 * images).astype(np.uint8)}
        for images in (data.train_images, data.test_images)
    )
    return {
        "train": len(data.train_labels),
        "test": len(data.test_labels),
        "common": len(learnt & tested),
    }
