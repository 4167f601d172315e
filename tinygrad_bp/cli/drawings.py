"""Drawings made of characters: bars, arrows, columns, lines; and the scenes of the lesson in them.

Blue and orange are more and less, as on the page. Where a terminal has no block characters, each
is replaced by one that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from tinygrad_bp.lesson.stage import story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tinygrad_bp.cli.screen import Screen
    from tinygrad_bp.lesson.runs import Stop
    from tinygrad_bp.lesson.told import Told

    Drawing = Callable[["Told", Screen], list[Text]]

__all__ = ["SCENES", "columns", "gap", "in_ascii", "level", "line"]

PLUS, MINUS = "dodger_blue1", "dark_orange"
HEIGHTS = " ▁▂▃▄▅▆▇█"
ASCII = str.maketrans("█▌▄▀▁▂▃▅▆▇←→─│●↑↓░·’−×", "#|.'_.-=+*<>-|o^v:.'-x")  # noqa: RUF001
GAP = "   "


def in_ascii(text: Text) -> Text:
    """Return the same drawing in characters that every terminal has."""
    return Text(text.plain.translate(ASCII), spans=text.spans)


# --- parts ----------------------------------------------------------------------------------------


def level(share: float, width: int, mark: str = "█") -> str:
    """Return a bar from 0 to 1, padded to its width.

    >>> level(0.5, 7)
    '███▌   '
    """
    halves = round(2 * width * min(1.0, max(0.0, share)))
    return (mark * (halves // 2) + "▌" * (halves % 2)).ljust(width)


def gap(share: float, target: float, width: int) -> Text:
    """Return an arrow from a level to its target, 0 or 1: it is as long as the gap.

    >>> gap(0.5, 1.0, 11).plain, gap(0.5, 0.0, 11).plain
    ('     ●────→ ', '←────●      ')
    """
    at = round(share * (width - 1))
    cells = [" "] * (width + 1)
    end = width - 1 if (up := target > 0.5) else 0
    for i in range(min(at, end), max(at, end) + 1):
        cells[i] = "─"
    cells[end] = "→" if up else "←"
    cells[at] = "●"
    return Text("".join(cells), PLUS if up else MINUS)


def columns(values: ArrayLike, rows: int, *, pitch: int = 4, most: float = 0.0) -> list[Text]:
    """Return signed columns above and below a line, where there are any.

    The largest of them, or one of `most`, has so many `rows`.

    >>> [text.plain for text in columns([1.0, -0.5], 1, pitch=3)]
    [' █    ', '──────', '    ▀ ']
    """
    numbers = np.asarray(values, float)
    largest = most or float(np.abs(numbers).max(initial=0.0)) or 1.0
    halves = np.rint(2 * rows * numbers / largest).astype(int)
    above = [_row(halves - 2 * row, "▄", pitch, PLUS) for row in reversed(range(rows))]
    below = [_row(-halves - 2 * row, "▀", pitch, MINUS) for row in range(rows)]
    above, below = above if numbers.max() > 0 else [], below if numbers.min() < 0 else []
    return [*above, Text("─" * (pitch * len(numbers)), "dim"), *below]


def _row(halves: NDArray[np.int64], half: str, pitch: int, style: str) -> Text:
    cells = ["█" if n >= 2 else half if n == 1 else " " for n in halves]
    if pitch > 2:
        cells = [f" {(pitch - 2) * cell} " for cell in cells]
    return Text("".join(cells), style)


def line(values: Sequence[float], width: int) -> str:
    """Return values from 0 to 1 as a line of columns, as many as fit.

    >>> line([0.0, 0.5, 1.0], 3)
    ' ▄█'
    """
    places = np.linspace(0, len(values) - 1, width).round().astype(int)
    return "".join(HEIGHTS[round(8 * min(1.0, max(0.0, values[i])))] for i in places)


def _beside(left: Sequence[Text], right: Sequence[Text]) -> list[Text]:
    """Return two drawings side by side, the left one padded to its widest line."""
    width = max(text.cell_len for text in left)
    found = []
    for i in range(max(len(left), len(right))):
        text = left[i].copy() if i < len(left) else Text()
        text.pad_right(width - text.cell_len)
        found.append(Text.assemble(text, GAP, right[i] if i < len(right) else ""))
    return found


def _short(x: float) -> str:
    return f"{x:.2f}".replace("0.", ".", 1) if abs(x) < 0.995 else f"{x:.1f}"


def _signed(x: float) -> str:
    return ("−" if x < 0 else "+") + _short(abs(x))  # noqa: RUF001


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _numbered(cells: Iterable[object]) -> Text:
    return Text("".join(f" {cell!s:<3}" for cell in cells), "dim")


# --- scenes ---------------------------------------------------------------------------------------


def _levels(output: NDArray[np.float64], width: int, marked: int, words: str) -> list[Text]:
    return [
        Text.assemble(
            f"{j} ",
            level(a, width),
            f" {_short(a):>4}",
            (f"  {words}" if j == marked else "", "bold"),
        )
        for j, a in enumerate(output)
    ]


def _feed_forward(told: Told, screen: Screen) -> list[Text]:
    outputs = _levels(told.one.output, 28, told.one.prediction, "the answer")
    return _beside(_picture(told.one.image, screen), outputs)


def _picture(image: NDArray[Any], screen: Screen) -> list[Text]:
    side = round(len(image) ** 0.5)
    return screen.drawn(image.reshape(side, side))


def _how_wrong(told: Told, _: Screen) -> list[Text]:
    gaps = told.one.target - told.one.output
    rows = [
        Text.assemble(f"{j}  {_signed(g)} squared  ", level(g * g, 40), f" {_short(g * g):>4}")
        for j, g in enumerate(gaps)
    ]
    return [*rows, Text(f"the cost: {told.one.cost:.2f}", "bold")]


def _which_way_down(told: Told, _: Screen) -> list[Text]:
    nudges = told.one.nudges
    order = np.argsort(-np.abs(nudges), kind="stable")[:76]
    large, small, ratio = (told.words[key] for key in ("large", "small", "ratio"))
    return [
        *columns(nudges[order], 4, pitch=1),
        Text(f"the {len(order)} largest of {len(nudges):,} nudges", "dim"),
        Text(),
        Text.assemble(f"{large:>8}  ", level(1.0, 48)),
        Text.assemble(f"{small:>8}  ", level(1 / float(ratio), 48), f" 1/{ratio} of it"),
    ]


def _what_it_wants(told: Told, _: Screen) -> list[Text]:
    one = told.one
    rows = [
        Text.assemble(f"{j} │", gap(a, y, 50), f"│ {_signed(y - a)}")
        for j, (a, y) in enumerate(zip(one.output, one.target, strict=True))
    ]
    return [
        *rows,
        Text("each arrow: from where it is, between 0 and 1, to where it should be", "dim"),
    ]


def _three_ways(told: Told, _: Screen) -> list[Text]:
    one, j = told.one, told.one.label
    bias = -float(one.deltas[-1][j])
    return [
        Text.assemble("its bias: ", (level(1.0, 12), PLUS), f" {_signed(bias)}"),
        Text("its weights, each by its sender’s brightness:", "dim"),  # noqa: RUF001
        *columns(told.into_label, 2),
        Text("the activations it listens to, each by its weight:", "dim"),
        *columns(told.voters.wishes[j], 2),
        _numbered(range(len(told.into_label))),
    ]


def _bang(told: Told, _: Screen) -> list[Text]:
    bright = told.one.activations[-2]
    order = np.argsort(-bright, kind="stable")
    return [
        Text("how bright each sender is, the brightest first:", "dim"),
        *columns(bright[order], 3, most=1.0),
        Text(f"how much to change its weight into output {told.one.label}:", "dim"),
        *columns(told.into_label[order], 3),
        _numbered(order),
    ]


def _asks_before(told: Told, _: Screen) -> list[Text]:
    j = told.one.label
    return [
        *columns(told.voters.wishes[j], 5),
        _numbered(range(len(told.into_label))),
        Text(f"what output {j} asks of each of the 16 neurons before it", "dim"),
    ]


def _ten_voters(told: Told, _: Screen) -> list[Text]:
    own, total = told.voters.wishes[told.one.label], told.voters.total()
    most = float(np.abs([own, total]).max())
    return [
        Text(f"what the {told.one.label} alone wished:", "dim"),
        *columns(own, 2, most=most),
        Text("what all ten together wish:", "dim"),
        *columns(total, 3, most=most),
        _numbered(range(len(own))),
    ]


def _and_again(told: Told, screen: Screen) -> list[Text]:
    one = told.one
    nudges = one.nudges[: one.sizes[1] * one.sizes[0]].reshape(one.sizes[1], -1)
    strongest = int(np.abs(nudges).max(axis=1).argmax())
    picture = np.abs(nudges[strongest])
    pictures = _beside(
        _picture(one.image, screen), _picture(picture / (picture.max() or 1.0), screen)
    )
    words = f"the picture            how much to change the weights into neuron {strongest}"
    return [*pictures, Text(words, "dim"), *columns(-one.deltas[0], 1), _numbered(range(16))]


def _every_example(told: Told, _: Screen) -> list[Text]:
    biases = told.columns[:, -told.one.sizes[-1] :].T  # the last of all parameters
    cells = np.column_stack([biases, biases.mean(axis=1)])
    most = float(np.abs(cells).max()) or 1.0
    heads = [f"{f'a {told.given.labels[i]}':>7}" for i in told.given.shown]
    table = [Text("".join([" " * 9, *heads, "  average"]), "bold")]
    for j, row in enumerate(cells):
        table.append(Text.assemble(f"output {j} ", *(_arrow(value / most) for value in row)))
    return [*table, Text("what each digit wishes of the ten outputs’ biases", "dim")]  # noqa: RUF001


def _arrow(share: float) -> tuple[str, str]:
    """Up or down, once to three times."""
    times = min(3, int(np.ceil(3 * abs(share)))) if abs(share) > 0.03 else 0
    return f"{('↑' if share > 0 else '↓') * times or '·':>7}", PLUS if share > 0 else MINUS


def _a_step(told: Told, _: Screen) -> list[Text]:
    before, after = told.one, told.after_a_step
    rows = _beside(
        _levels(before.output, 16, -1, ""), _levels(after.output, 16, before.label, "wanted")
    )
    first, last = told.lapse[0], told.lapse[-1]
    shares = {"at first": first.accuracy, f"{last.steps - 1:,} steps on": last.accuracy}
    return [
        Text(
            f"before a step: cost {before.cost:.2f}".ljust(29) + f"after it: {after.cost:.2f}",
            "dim",
        ),
        *rows,
        Text(),
        *(
            Text.assemble(f"{name:<16}", level(a, 40), f" {_percent(a)}")
            for name, a in shares.items()
        ),
    ]


def _mini_batches(told: Told, _: Screen) -> list[Text]:
    rows = [
        Text.assemble(f"batch {i:>2}  ", _towards(c), f"  cosine {_signed(c)}")
        for i, c in enumerate(told.cosines, start=1)
    ]
    return [*rows, Text("how far each mini-batch points everybody’s way", "dim")]  # noqa: RUF001


def _towards(cosine: float) -> Text:
    n = round(30 * abs(cosine))
    bar = ("─" * n + "→") if cosine >= 0 else ("←" + "─" * n)
    return Text(bar.ljust(32), PLUS if cosine >= 0 else MINUS)


def _race(told: Told, _: Screen) -> list[Text]:
    found = []
    for name, race in zip(("stumbling", "careful"), told.race, strict=True):
        upper, lower = _stairs(race)
        found += [
            Text.assemble((f"{name:<10}", "bold"), f"{race[-1].steps:,} steps"),
            Text(upper),
            Text(f"{lower} {_percent(race[-1].accuracy)}"),
            Text(),
        ]
    work = told.race[0][-1].work
    return [*found, Text(f"from left to right: {work:,} digits looked at, by each", "dim")]


def _stairs(race: list[Stop], width: int = 60) -> tuple[str, str]:
    """Accuracy by work, in two rows; from one score to the next it stays what it was."""
    work, accuracy = (np.array([getattr(stop, of) for stop in race]) for of in ("work", "accuracy"))
    at = np.searchsorted(work, np.linspace(0, work[-1], width), side="right") - 1
    doubled = 2 * accuracy[at]
    return line(list(doubled - 1), width), line(list(doubled), width)


def _data(told: Told, _: Screen) -> list[Text]:
    amount, guessed = told.data["amount"], told.data["wrong"]["accuracy"]
    found = []
    for n, right, wrong in zip(amount["digits"], amount["accuracy"], guessed, strict=True):
        found += [
            Text.assemble(f"{n:>7,}  ", level(right, 50), f" {_percent(right)}"),
            Text.assemble(" " * 9, (level(wrong, 50, "░"), "dim"), f" {_percent(wrong)}"),
        ]
    return found


def _in_one_breath(told: Told, screen: Screen) -> list[Text]:
    one = told.reads
    numbers = {scene["id"]: i for i, scene in enumerate(story()["scenes"], start=1)}
    lines = [Text(f"{numbers[id_]:>2} {text}") for id_, text in story()["lines"]]
    said = f"   An unseen digit: it reads a {one.prediction} ({_short(one.output.max())})."
    return _beside(_picture(one.image, screen), [*lines, Text(), Text(said, "bold")])


SCENES: dict[str, Drawing] = {
    "feed-forward": _feed_forward,
    "how-wrong": _how_wrong,
    "which-way-down": _which_way_down,
    "what-it-wants": _what_it_wants,
    "three-ways": _three_ways,
    "bang-for-the-buck": _bang,
    "asks-before": _asks_before,
    "ten-voters": _ten_voters,
    "and-again": _and_again,
    "every-example": _every_example,
    "a-step": _a_step,
    "mini-batches": _mini_batches,
    "stochastic-gradient-descent": _race,
    "data": _data,
    "in-one-breath": _in_one_breath,
}
"""What each scene of the story draws: at most 80 columns, and with its sentence 24 lines."""
