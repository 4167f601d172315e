"""The lesson in 17 steps: each a handful of numbers, which can be read in three ways.

The sentences are templates without numbers: whatever number is read comes from the data, the
networks and the engine, so that nothing said can drift from what is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import deltas_of
from tinygrad_bp.lesson.example import OneExample
from tinygrad_bp.lesson.explorer import explorer_data
from tinygrad_bp.lesson.knobs import best_knobs, sensitive_pair
from tinygrad_bp.lesson.many import wish_table
from tinygrad_bp.lesson.network import network_of
from tinygrad_bp.lesson.sampling import cosine, noise_scale, predicted_cosine
from tinygrad_bp.lesson.voters import avenues, committee, equations, hebb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tinygrad_bp.lesson.deltas import Deltas

__all__ = ["STEPS", "Field", "Lesson", "Step"]

Value: TypeAlias = "float | int | str | list[Any]"

SHOWN = 6  # examples in the table of wishes
LR = 0.5  # of the one step on one example that is taken


@dataclasses.dataclass(frozen=True)
class Field:
    """One number of a step, or a few, with what they are called and how they are computed."""

    name: str
    words: str
    """What it is, as in "the cost of this example"."""
    value: Value
    formula: str = ""

    def text(self) -> str:
        """Return the value as it is read: few digits, + or - where the sign is the point.

        >>> Field("wish", "its wish", 1.60176).text(), Field("all", "all", [0.5, 2]).text()
        ('1.602', '0.5 2')
        """
        return _said(self.value)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the lesson, as data: three views of the same fields."""

    number: int
    title: str
    template: str
    fields: tuple[Field, ...]

    @property
    def words(self) -> str:
        """The step as sentences, with its numbers where they belong."""
        return self.template.format_map({field.name: field.text() for field in self.fields})

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """What each number is, and the number."""
        return [(field.words, field.text()) for field in self.fields]

    @property
    def formulas(self) -> list[tuple[str, str]]:
        """How each number that has a formula is computed, and the number."""
        return [(field.formula, field.text()) for field in self.fields if field.formula]

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's terms."""
        return dataclasses.asdict(self) | {"words": self.words}


class Lesson:
    """The lesson on one example and one network: 17 steps, computed when they are asked for.

    `data` is what `explorer_data` returns, drawn digits by default; `network` and `example` say
    where to begin. Raises `DataError` if there is no such network or example.

    >>> lesson = Lesson()
    >>> len(lesson), lesson[2].title, lesson.label
    (17, 'The cost', 2)
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        network: int | None = None,
        example: int | None = None,
    ) -> None:
        self.data = explorer_data() if data is None else data
        self.network = _checked(
            self.data["start"]["network"] if network is None else network,
            len(self.data["networks"]),
            "network",
        )
        self.example = _checked(
            self.data["start"]["example"] if example is None else example,
            self.data["digits"]["count"],
            "example",
        )
        count = self.data["digits"]["count"]
        self.images = unblob(self.data["digits"]["images"]).reshape(count, -1) / 255
        self.labels = np.array(self.data["digits"]["labels"])
        self.parameters = unblob(self.data["networks"][self.network]["parameters"]).astype(float)
        self.one = OneExample(
            network_of(self.parameters, self.data["sizes"]),
            self.images[self.example],
            self.label,
        )

    @property
    def label(self) -> int:
        """The digit that the example is."""
        return int(self.labels[self.example])

    @property
    def image(self) -> NDArray[np.float64]:
        """The example, (28, 28), from 0 for paper to 1 for ink."""
        return np.asarray(self.images[self.example].reshape(28, 28))

    def table_rows(self, count: int) -> NDArray[np.intp]:
        """Return the first examples, by index, with the one looked at among them."""
        rows = np.arange(min(count, len(self.labels)))
        if self.example not in rows:
            rows[-1] = self.example
        return rows

    def __len__(self) -> int:
        return len(STEPS)

    def __getitem__(self, number: int) -> Step:
        """Return a step by its number, 1 for the first. Raises `IndexError` if there is none."""
        if not 1 <= number <= len(STEPS):
            raise IndexError(f"the lesson has steps 1 to {len(STEPS)}, not {number}")
        title, template, fields = STEPS[number - 1]
        return Step(number, title, template, tuple(Field(*parts) for parts in fields(self)))

    def __iter__(self) -> Iterator[Step]:
        return (self[number] for number in range(1, len(STEPS) + 1))


def _checked(index: int, count: int, what: str) -> int:
    if not 0 <= index < count:
        raise DataError(f"there is no {what} {index}: they go from 0 to {count - 1}")
    return index


def _said(value: Value) -> str:
    if isinstance(value, str | int):
        return f"{value:,}" if isinstance(value, int) else value
    if isinstance(value, float):
        return "0" if value == 0 else f"{value:.4g}"
    return " ".join(_said(part) for part in value)


# --- the steps ------------------------------------------------------------------------------------

Parts: TypeAlias = "tuple[str, str, Value] | tuple[str, str, Value, str]"


def _forward(lesson: Lesson) -> list[Parts]:
    one = lesson.one
    return [
        ("label", "the digit that the image shows", lesson.label),
        ("parameters", "weights and biases", len(one.parameters)),
        ("output", "the outputs, digit by digit", one.output.tolist(), "aˡ = σ(Wˡ aˡ⁻¹ + bˡ)"),
        ("read", "the brightest output", one.prediction, "argmax aᴸ"),
        ("second", "the second brightest", one.runner_up),
        ("margin", "how far the second is behind", one.margin),
    ]


def _cost(lesson: Lesson) -> list[Parts]:
    one = lesson.one
    gaps = one.output - one.target
    mean = float(deltas_of(lesson.parameters, lesson.images, lesson.labels).costs.mean())
    return [
        ("cost", "the cost of this example", one.cost, "C₀ = Σ (a - y)²"),
        ("squares", "its ten squares", (gaps**2).tolist(), "(a - y)²"),
        ("worst", "the output with the largest square", int(np.abs(gaps).argmax())),
        ("examples", "examples here", len(lesson.labels)),
        ("mean", "the mean cost of all of them", mean, "C = 1/n Σ Cₖ"),
    ]


def _wishes(lesson: Lesson) -> list[Parts]:
    one = lesson.one
    others = np.delete(np.arange(10), one.label)
    least = int(others[np.abs(one.wishes[others]).argmin()])
    return [
        ("label", "the digit that it is", one.label),
        ("wishes", "wishes, digit by digit", one.wishes.tolist(), "-∂C/∂a = 2 (y - a)"),
        ("own", "the wish for the label's output", float(one.wishes[one.label])),
        ("least", "the output that is almost right", least),
        ("small", "the wish for that one", float(one.wishes[least])),
        (
            "ratio",
            "how much more the first matters",
            float(abs(one.wishes[one.label] / one.wishes[least])),
        ),
    ]


def _avenues(lesson: Lesson) -> list[Parts]:
    ways, h = avenues(lesson.one, lesson.label), 0.01
    return [
        ("label", "the neuron looked at", lesson.label),
        ("a", "its activation", ways.activation, "a = σ(Σ w a + b)"),
        ("h", "a small change", h),
        ("bias", "of the bias: the activation moves by", ways.predicted(bias=h), "σ' Δb"),
        ("weights", "of all weights", ways.predicted(weights=h), "σ' Σ a Δw"),
        ("inputs", "of all activations before", ways.predicted(inputs=h), "σ' Σ w Δa"),
        ("sum", "of all three, by the slopes", ways.predicted(h, h, h)),
        ("actual", "of all three, computed anew", ways.actual(h, h, h)),
    ]


def _bias(lesson: Lesson) -> list[Parts]:
    one, j = lesson.one, lesson.label
    return [
        ("label", "the neuron looked at", j),
        ("straight", "what a bias does to the weighted sum", 1, "∂z/∂b = 1"),
        (
            "slope",
            "what that does to the activation",
            float(one.slopes[-1][j]),
            "σ'(z) = a (1 - a)",
        ),
        ("wish", "what the activation's wish is", float(one.wishes[j]), "2 (y - a)"),
        ("nudge", "the nudge on the bias", float(-one.deltas[-1][j]), "-∂C/∂b = 2 (y - a) σ'(z)"),
    ]


def _weights(lesson: Lesson) -> list[Parts]:
    one, j = lesson.one, lesson.label
    nudges, before = hebb(one)[j], one.activations[-2]
    bright, dim = int(before.argmax()), int(before.argmin())
    return [
        ("label", "the neuron looked at", j),
        ("bright", "the brightest neuron before it", bright),
        ("dim", "the dimmest", dim),
        ("before", "the activations before it", before.tolist(), "a"),
        ("nudges", "the nudges on its weights", nudges.tolist(), "-∂C/∂w = -δ a"),
        ("most", "the nudge from the brightest", float(nudges[bright])),
        ("hardly", "the nudge from the dimmest", float(nudges[dim])),
    ]


def _layer_wishes(lesson: Lesson) -> list[Parts]:
    one, j = lesson.one, lesson.label
    wishes, weights = committee(one).wishes[j], one.layers[-1].weight[j]
    strong = int(np.abs(weights).argmax())
    return [
        ("label", "the voter", j),
        ("weights", "its weights", weights.tolist(), "w"),
        ("wishes", "what it wishes of the layer before", wishes.tolist(), "-δ w"),
        ("strong", "the neuron it wishes most of", strong),
        ("weight", "the weight from there", float(weights[strong])),
        ("wish", "the wish", float(wishes[strong])),
    ]


def _voters(lesson: Lesson) -> list[Parts]:
    votes = committee(lesson.one)
    total, own = votes.total(), votes.wishes[lesson.label]
    against = votes.overruled(lesson.label)
    most = int(np.abs(total - own).argmax())
    return [
        ("label", "one voter", lesson.label),
        ("sums", "the wishes of all voters, added", total.tolist(), "-∂C/∂a = -Wᵀ δ"),
        ("overruled", "neurons for which it is overruled", len(against)),
        ("most", "the neuron on which the others say most", most),
        ("own", "what the one voter wishes of it", float(own[most])),
        ("all", "what all together wish", float(total[most])),
    ]


def _recursion(lesson: Lesson) -> list[Parts]:
    one, found = lesson.one, equations(lesson.one)
    sizes = [float(np.linalg.norm(delta)) for delta in one.deltas]
    pictures = one.gradient[: one.sizes[1] * one.sizes[0]]
    return [
        ("deltas", "the length of δ, layer by layer", sizes, "δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ σ'(zˡ)"),
        ("equations", "equations checked, of all layers", len(found)),
        ("worst", "the largest difference of two sides", max(e.difference for e in found)),
        (
            "pictures",
            "pictures that the first layer's nudges make",
            one.sizes[1],
            "∂C/∂W¹ = δ¹ a⁰ᵀ",
        ),
        ("alive", "of its weights, how many matter here", int(np.count_nonzero(pictures))),
        ("all", "of how many", pictures.size),
    ]


def _belief(lesson: Lesson) -> list[Parts]:
    h, one = 1e-4, lesson.one
    knob = best_knobs(one, 1)[0]
    wiggle = one.wiggle(knob.name, h)
    error = abs(wiggle.central - wiggle.predicted) / abs(wiggle.predicted)
    return [
        ("name", "the parameter that matters most", knob.name),
        ("gradient", "its gradient, by going backward", knob.gradient, "∂C/∂p"),
        ("h", "a small nudge, up and down", h),
        ("predicted", "the change of the cost by the gradient", wiggle.predicted, "∂C/∂p h"),
        ("central", "the change computed anew", wiggle.central, "(C(p + h) - C(p - h)) / 2"),
        ("error", "their relative difference", error),
    ]


def _sensitivities(lesson: Lesson) -> list[Parts]:
    pair = sensitive_pair(lesson.one)
    return [
        ("strong", "one weight", pair.strong.name),
        ("weak", "another", pair.weak.name),
        ("nudge", "the same nudge for both", pair.strong.nudge),
        ("far", "the first moves the cost by", pair.strong.central),
        ("near", "the second by", pair.weak.central),
        ("ratio", "the ratio of the gradients", pair.ratio),
        ("actual", "the ratio of what really happened", pair.actual_ratio),
    ]


def _table(lesson: Lesson) -> list[Parts]:
    rows = lesson.table_rows(SHOWN)
    deltas = deltas_of(lesson.parameters, lesson.images[rows], lesson.labels[rows])
    table = wish_table(deltas)
    trained = lesson.data["networks"][-1]
    later = deltas_of(unblob(trained["parameters"]), lesson.images[rows], lesson.labels[rows])
    wanted = {f"row{i}": name for i, name in enumerate(table.names)}
    listed: list[Parts] = [
        (
            key,
            f"what they want of {name}",
            [*nudges, float(nudges.mean())],
            "-∂Cₖ/∂p, and their mean",
        )
        for (key, name), nudges in zip(wanted.items(), table.nudges, strict=True)
    ]
    return [
        ("shown", "examples in the table", len(rows)),
        ("digits", "their digits", lesson.labels[rows].tolist()),
        *listed,
        ("alike", "the mean cosine of two examples' gradients", _likeness(deltas)),
        ("trained", "the network trained longest", trained["name"]),
        ("later", "the mean cosine there", _likeness(later)),
    ]


def _likeness(deltas: Deltas) -> float:
    gradients = deltas.per_example()
    pairs = [cosine(u, v) for i, u in enumerate(gradients) for v in gradients[:i]]
    return float(np.mean(pairs))


def _step(lesson: Lesson) -> list[Parts]:
    one = lesson.one
    knobs = best_knobs(one)
    norm = float(np.linalg.norm(one.gradient))
    return [
        ("count", "numbers in the gradient", len(one.gradient)),
        ("zeros", "of them exactly zero", int(np.sum(one.gradient == 0))),
        ("norm", "its length", norm, "‖∇C‖"),
        ("best", "the ten largest", [knob.name for knob in knobs]),
        ("share", "their share of it", float(sum(k.share for k in knobs)), "Σ g² / ‖∇C‖²"),
        ("lr", "the learning rate", LR, "η"),
        ("before", "the cost before a step", one.cost),
        ("after", "the cost after it", one.cost_after(one.step(LR)), "C(p - η ∇C)"),
    ]


def _mini_batch(lesson: Lesson) -> list[Parts]:
    deltas = deltas_of(lesson.parameters, lesson.images, lesson.labels)
    n, batch = len(lesson.labels), max(1, len(lesson.labels) // 10)
    noise = noise_scale(deltas)
    rows = np.random.default_rng(0).choice(n, batch, replace=False)
    found = cosine(deltas.gradient(rows), deltas.gradient())
    return [
        ("n", "examples here", n),
        ("batch", "in a mini-batch", batch),
        ("cosine", "the cosine of one such batch with all", found, "g · ∇C / ‖g‖ ‖∇C‖"),
        (
            "predicted",
            "what to expect",
            predicted_cosine(noise, batch, n),
            "1 / √(1 + noise / B · (n - B) / (n - 1))",
        ),
        ("noise", "the noise scale", noise, "tr Σ / ‖∇C‖²"),
    ]


def _stumbling(lesson: Lesson) -> list[Parts]:
    walks = lesson.data["walks"]
    careful, stumbling = walks["careful"], walks["stumbling"]
    goal = stumbling["cost"][-1]
    return [
        ("n", "examples", walks["n"]),
        ("batch", "in a mini-batch", walks["batch"]),
        ("steps", "steps of each walk", len(careful["cost"]) - 1),
        ("careful", "the careful walk ends at a cost of", careful["cost"][-1]),
        ("careful_work", "after gradients of so many examples", careful["work"][-1]),
        ("stumbling", "the stumbling walk ends at", goal),
        ("stumbling_work", "after so many", stumbling["work"][-1]),
        ("uphill", "the share of its steps that went uphill", stumbling["uphill"]),
        (
            "detour",
            "the length of its path for its displacement",
            stumbling["length"] / stumbling["displacement"],
        ),
    ]


def _amount(lesson: Lesson) -> list[Parts]:
    amount = lesson.data["amount"]
    test, train = (np.mean(amount[part], axis=1).tolist() for part in ("test", "train"))
    return [
        ("n", "training examples", amount["n"]),
        ("test", "share of new digits read rightly", test),
        ("train", "share of its own examples", train),
        ("few", "the fewest examples", amount["n"][0]),
        ("little", "read rightly then", test[0]),
        ("many", "the most", amount["n"][-1]),
        ("much", "read rightly then", test[-1]),
    ]


def _limits(lesson: Lesson) -> list[Parts]:
    limits = lesson.data["limits"]
    shift, noise, scrambled = limits["shift"], limits["noise"], limits["scrambled"]
    return [
        ("pixels", "pixels that digits are shifted by", shift["pixels"]),
        ("accuracy", "share that is read rightly", shift["accuracy"]),
        ("there", "in place", shift["accuracy"][0]),
        ("far", "shifted furthest", shift["accuracy"][-1]),
        ("confident", "share of noise images taken for a digit", noise["confident"]),
        ("often", "the digit seen in noise most often", noise["most_often"]),
        ("scrambled", "the cost left with scrambled labels", scrambled["cost"]),
        ("true", "the cost left with true labels", scrambled["true_cost"]),
    ]


STEPS: tuple[tuple[str, str, Callable[[Lesson], list[Parts]]], ...] = (
    (
        "Feed forward",
        "The image shows a {label}. Its pixels go through {parameters} weights and biases. The "
        "brightest output is that of {read}, {margin} ahead of {second}.",
        _forward,
    ),
    (
        "The cost",
        "The squared gaps between the outputs and what was wanted add up to {cost}; that of "
        "{worst} is largest. Over the {examples} examples here the mean is {mean}.",
        _cost,
    ),
    (
        "What do we want?",
        "Output {label} should change by its wish of {own}, every other go down. Output {least} "
        "is almost where it should be: its wish is {small}, and that for {label} matters {ratio} "
        "times as much.",
        _wishes,
    ),
    (
        "Zoom in on one output",
        "Output {label} is {a}. Three avenues lead to it. A change of {h} of its bias moves it by "
        "{bias}, of all its weights by {weights}, of all activations before it by {inputs}. "
        "Together {sum} by the slopes, and {actual} in truth.",
        _avenues,
    ),
    (
        "The bias",
        "A bias moves the weighted sum of output {label} one for one; the activation by {slope} "
        "of that. With the wish of {wish} the nudge on the bias is {nudge}.",
        _bias,
    ),
    (
        "Weights in proportion to brightness",
        "A weight acts through the neuron it comes from. That from neuron {bright}, the brightest, "
        "gets a nudge of {most}, that from {dim}, the dimmest, one of {hardly}.",
        _weights,
    ),
    (
        "Wishes for the layer before, in proportion to weights",
        "Activations cannot be set, but output {label} has wishes for them. The strongest weight, "
        "{weight} from neuron {strong}, makes the strongest: {wish}.",
        _layer_wishes,
    ),
    (
        "Ten voters",
        "Every output has wishes for the same neurons, and they are added. Of neuron {most}, "
        "output {label} wishes {own}, all together {all}. The others overrule it on {overruled} "
        "neurons.",
        _voters,
    ),
    (
        "And again, layer by layer",
        "The sums are the next layer's wishes, and so on to the pixels. All {equations} equations "
        "of the recursion hold; their sides differ by {worst} at most. The first layer's nudges "
        "are {pictures} pictures; {alive} of {all} weights matter, for the other pixels are black.",
        _recursion,
    ),
    (
        "Do you believe it?",
        "Going backward says that {name} has the gradient {gradient}. Nudged by {h} up and down, "
        "it should change the cost by {predicted}. It does by {central}: the relative difference "
        "is {error}.",
        _belief,
    ),
    (
        "Two sensitivities",
        "The same nudge of {nudge} on two weights: {strong} moves the cost by {far}, {weak} by "
        "{near}. The first matters {ratio} times as much, and that is how far the cost went: "
        "{actual} times.",
        _sensitivities,
    ),
    (
        "Every example has wishes",
        "These {shown} examples, of {digits}, want different things of the same parameters; the "
        "last column is what they want on average. Two of their gradients have a cosine of "
        "{alike}; after {trained}, of {later}.",
        _table,
    ),
    (
        "The negative gradient, and a step",
        "All nudges in one column are the negative gradient: {count} numbers, {zeros} of them "
        "zero, of length {norm}. A step at a learning rate of {lr} takes this example's cost from "
        "{before} to {after}.",
        _step,
    ),
    (
        "Mini-batches",
        "The gradient of {batch} examples, drawn at random, has a cosine of {cosine} with that of "
        "all {n}; {predicted} is to be expected. The noise scale is {noise}.",
        _mini_batch,
    ),
    (
        "Stumbling downhill",
        "After {steps} steps of {batch} examples, the work of {stumbling_work} gradients, the "
        "stumbling walk is at a cost of {stumbling}; the careful one, on all {n} at each step, at "
        "{careful} for {careful_work}. {uphill} of the stumbling steps went uphill, and the path "
        "is {detour} times as long as its displacement.",
        _stumbling,
    ),
    (
        "How much data",
        "From {few} examples a network learns to read {little} of new digits; from {many}, {much}.",
        _amount,
    ),
    (
        "Limits",
        "Digits in their place are read rightly at a share of {there}, shifted by a few pixels at "
        "{far}. Of images of noise, {confident} are taken for a digit, most often {often}. Labels "
        "that mean nothing leave a cost of {scrambled}, true ones {true}.",
        _limits,
    ),
)
"""For each step its title, its sentences, and what computes its fields."""
