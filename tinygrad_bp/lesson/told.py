"""The numbers behind the story, in Python: what its sentences say and what its scenes show."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.lesson.deltas import deltas_of
from tinygrad_bp.lesson.descent import accuracy_of
from tinygrad_bp.lesson.example import OneExample
from tinygrad_bp.lesson.knobs import sensitive_pair
from tinygrad_bp.lesson.network import network_of
from tinygrad_bp.lesson.runs import LAPSE, carried, half_trained, race, run, seeded, shuffled
from tinygrad_bp.lesson.sampling import cosine
from tinygrad_bp.lesson.stage import story
from tinygrad_bp.lesson.voters import committee

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_bp.lesson.runs import Stop
    from tinygrad_bp.lesson.voters import Committee

__all__ = ["Told", "sentence"]

BRACES = re.compile(r"\{([^}]*)\}")
BRIGHT = 4  # senders that the sentence about bang for the buck speaks of
BATCH, DEAL = 10, 100  # digits of a mini-batch: in the race, and where mini-batches are dealt


class Told:
    """The story on one example: `data` is what `stage_data` returns.

    What needs training is trained when it is first asked for, step by step as the page does it.

    >>> from tinygrad_bp.lesson.stage import stage_data
    >>> told = Told(stage_data())
    >>> told.one.output[:3].round(1).tolist(), told.words["answer"]
    ([0.5, 0.8, 0.2], 'a 6')
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.given = carried(data)
        self.one = self._on(self.given.net)

    def _on(self, parameters: NDArray[Any]) -> OneExample:
        first = self.given.shown[0]
        net = network_of(parameters, self.data["sizes"])
        return OneExample(net, self.given.images[first], int(self.given.labels[first]))

    # --- what one example wants -------------------------------------------------------------------

    @cached_property
    def near(self) -> int:
        """The output that is not far off: the lesson's 8, if it is one."""
        gaps = np.abs(self.one.target - self.one.output)
        if self.one.label == 2 and gaps[8] < 0.3:
            return 8
        gaps[(np.arange(len(gaps)) == self.one.label) | (gaps <= 0.05)] = np.inf
        return int(gaps.argmin())

    @cached_property
    def voters(self) -> Committee:
        """What the ten outputs wish of the layer before them."""
        return committee(self.one)

    @cached_property
    def into_label(self) -> NDArray[np.float64]:
        """Nudges on the weights into the right output."""
        return np.asarray(-self.one.deltas[-1][self.one.label] * self.one.activations[-2])

    @cached_property
    def share(self) -> float:
        """How much of all that these weights do the brightest senders' do."""
        order = np.argsort(-self.one.activations[-2], kind="stable")[:BRIGHT]
        return float((self.into_label[order] ** 2).sum() / (self.into_label**2).sum())

    # --- what many want, and training -------------------------------------------------------------

    def accuracy(self, parameters: NDArray[Any]) -> float:
        """The share of unseen digits that are read correctly."""
        return accuracy_of(parameters, self.given.unseen_images, self.given.unseen_labels)

    @cached_property
    def lapse(self) -> list[Stop]:
        """Scene 11: a step that all digits want, and many after it."""
        return list(run(LAPSE, self.given.net, self.given))

    @cached_property
    def after_a_step(self) -> OneExample:
        """The example once the first step is taken."""
        return self._on(next(stop.vector for stop in self.lapse if stop.steps == 1))

    @cached_property
    def half_trained(self) -> NDArray[np.float64]:
        """A network that has come half of the way."""
        return half_trained(self.lapse).vector

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """Nudges of the shown digits on all parameters of the half-trained network, (8, 13002)."""
        images, labels, rows = self.given.images, self.given.labels, self.given.shown
        return -deltas_of(self.half_trained, images[rows], labels[rows]).per_example()

    @cached_property
    def cosines(self) -> list[float]:
        """How mini-batches' gradients agree with everybody's, on the half-trained network."""
        deltas = deltas_of(self.half_trained, self.given.images, self.given.labels)
        full, order = deltas.gradient(), shuffled(len(self.given.labels), seeded(LAPSE.seed))
        dealt = [order[at : at + DEAL] for at in range(0, len(order), DEAL)]
        return [float(cosine(deltas.gradient(rows), full)) for rows in dealt]

    @cached_property
    def race(self) -> tuple[list[Stop], list[Stop]]:
        """Scene 13: the stumbling and the careful training, from a start that learns."""
        sizes = BATCH, len(self.given.labels)
        stumbling, careful = (list(run(race(n), self.given.start, self.given)) for n in sizes)
        return stumbling, careful

    @cached_property
    def reads(self) -> OneExample:
        """An unseen digit, read by the network that learned after every few."""
        net = network_of(self.race[0][-1].vector, self.data["sizes"])
        return OneExample(net, self.given.unseen_images[0], int(self.given.unseen_labels[0]))

    # --- words ------------------------------------------------------------------------------------

    @cached_property
    def words(self) -> dict[str, str]:
        """What stands for the braces of the sentences."""
        one, pair = self.one, sensitive_pair(self.one)
        amount, wrong = self.data["amount"], self.data["wrong"]
        chosen = min(3, len(amount["digits"]) - 1)
        strong, weak = (-wiggle.predicted / wiggle.nudge for wiggle in pair[:2])
        zeros = len(one.gradient) - np.count_nonzero(one.gradient)
        return {
            "label": str(one.label),
            "answer": f"{'an' if one.prediction == 8 else 'a'} {one.prediction}",
            "large": _number(strong),
            "small": _number(weak),
            "ratio": str(round(pair.ratio)),
            "near": str(self.near),
            "voter": str(one.label),
            "raise": "raise",
            "rise": "rise",
            "with": "brighter",
            "against": "dimmer",
            "share": f"{self.share:.0%}".replace("%", " %"),
            "hebb": "Neurons that fire together wire together.",
            "zeros": f"{zeros:,}",
            "digits": f"{len(self.given.labels):,}",
            "batch": str(BATCH),
            "amount": f"{amount['digits'][chosen]:,}",
            "buys": f"{100 * amount['accuracy'][chosen]:.0f} %",
            "guessed": f"{100 * wrong['accuracy'][chosen]:.0f} %",
        }

    def title(self, number: int) -> str:
        """The title of a scene, counted from 1."""
        return self.filled(story()["scenes"][number - 1]["title"])

    def sentence(self, number: int) -> str:
        """What a scene says, counted from 1; no lines are dashed here."""
        return self.filled(sentence(story()["scenes"][number - 1])).replace(" (dashed)", "")

    def filled(self, text: str) -> str:
        """Put words in the place of braces; "{+up}" and "{-down}" are words already."""
        return BRACES.sub(lambda found: self.words.get(found[1], found[1].lstrip("+-")), text)


def sentence(scene: dict[str, Any]) -> str:
    """Return a scene's clauses as one text, braces and all.

    >>> sentence({"clauses": [[0, "The pixels light up,"], [2.3, "and {label} is read."]]})
    'The pixels light up, and {label} is read.'
    """
    return " ".join(text for _, text in scene["clauses"])


def _number(x: float) -> str:
    """Two digits that count, without a leading zero, with a true minus."""
    text = f"{abs(x):.2g}" if abs(x) >= 1e-4 else f"{abs(x):.1e}"
    return ("\N{MINUS SIGN}" if x < 0 else "") + text.removeprefix("0")
