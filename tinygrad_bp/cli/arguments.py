"""What the command line accepts."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import ACTIVATIONS, COSTS, INITIALIZERS, SCHEDULES, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SETTINGS", "UsageError", "flag_of", "parse"]

SETTINGS = tuple(field.name for field in dataclasses.fields(Recipe))
"""The options that are fields of a recipe, by the same name; None where not given."""


SHORTER = {"hidden": "--layers", "initializer": "--init"}


class UsageError(Exception):
    """Arguments that make no sense, or do not fit each other."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise UsageError(message)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; `run` is the function that carries the command out.

    `command` is the command line itself, as a list of words. Raises `UsageError` where argparse
    would print its usage and exit.
    """
    parser = _Parser(
        prog="tinygrad-bp",
        description="Train a network on handwritten digits, let it read, and check gradients.",
    )
    commands = parser.add_subparsers(metavar=f"{{{','.join(COMMANDS)}}}", required=True)
    for name, (about, add) in COMMANDS.items():
        add(commands.add_parser(name, **_texts(about)))
    options = parser.parse_args(argv)
    options.command = ["tinygrad-bp", *(sys.argv[1:] if argv is None else argv)]
    return options


TRAIN = "Train a network on MNIST, on a set in its format, or on drawn digits."
PREDICT = "Let a trained network read digits."
CHECK = "Check the gradient of a function, or of a saved model."
STUDY = "Study numerical derivatives of a function: errors for every step size, Taylor remainders."
STEP_SIZE = "The error of difference formulas and of the complex step, for every step size."
TAYLOR = "What a gradient leaves of the Taylor series: order 2 if it is right, order 1 if not."
EXPLAIN = "Go backward through a script's graph, step by step: as text, or as a page."
MUTANTS = "Plant faults in the derivative rules, and see whether the gradient check notices."
EXPLORE = "Write the lesson as one page to click through: what one image of a 2 wants."
LESSON = "Walk through the lesson's steps in the terminal, on one example."


def _texts(about: str) -> dict[str, Any]:
    return {
        "help": about,
        "description": about,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": EXAMPLES.get(about),
    }


EXAMPLES = {
    TRAIN: """\
examples:
  tinygrad-bp train                                  the lesson's network, on MNIST
  tinygrad-bp train --recipe modern --out model.npz
  tinygrad-bp train --layers 100 --lr 0.5 --hold-out 5000
  tinygrad-bp train --resume model.npz --epochs 30   go on, to the 30th epoch
""",
    CHECK: """\
examples:
  tinygrad-bp check losses.py:hinge --input 8x3 8x3      at normally distributed numbers
  tinygrad-bp check my.module:f --input x.npy scalar
  tinygrad-bp check my.module:f --strategy my.module:inputs
  tinygrad-bp check --model model.npz --examples 10
exit code: 0 right, 1 wrong or impossible to check, 2 wrong arguments
""",
    STUDY: """\
examples:
  tinygrad-bp study step-size                            of Squire and Trapp's function at 1.5
  tinygrad-bp study step-size losses.py:f --at 0.5 1.0 --plot v.png
  tinygrad-bp study taylor losses.py:f --input 3x4
""",
    EXPLAIN: """\
examples:
  tinygrad-bp explain chain.py:cost                      what a script calls `cost`
  tinygrad-bp explain chain.py:cost -o backward.html --open
  tinygrad-bp explain "my.module:loss(x, y).mean()"      an expression in its names
A script may call backward(): its graphs are kept while it runs.
""",
    MUTANTS: """\
examples:
  tinygrad-bp mutants                                    the rules that networks are made of
  tinygrad-bp mutants --sample 10 --seed 1
  tinygrad-bp mutants --rule matmul exp
  tinygrad-bp mutants --calls my_rules.py:calls          of your own rules: a list of
                                                         gradcheck.mutants.Probe
exit code: 0 every fault that changes a gradient is noticed, 1 not, 2 wrong arguments
""",
    EXPLORE: """\
examples:
  tinygrad-bp explore --open                             on digits that the library draws
  tinygrad-bp explore --data MNIST --example 7 -o seven.html
  tinygrad-bp explore --png slides                       and figures, by matplotlib
""",
    LESSON: """\
examples:
  tinygrad-bp lesson                                     Enter for the next step, b back, q quit
  tinygrad-bp lesson --step 8 --network 4                ten voters, after the longest training
""",
}


def _later(module: str, command: str) -> Callable[[argparse.Namespace], int]:
    """Return what carries a command out; its module is loaded only then."""

    def run(options: argparse.Namespace) -> int:
        carry_out = getattr(importlib.import_module(f"tinygrad_bp.cli.{module}"), command)
        return int(carry_out(options))

    return run


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("train", "train"))
    data = parser.add_argument_group("what to learn from")
    source = data.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the four IDX files, plain or .gz (default: MNIST from the cache folder, "
        "downloaded if it is not there; drawn digits if it cannot be)",
    )
    source.add_argument("--drawn", action="store_true", help="drawn digits; needs no network")
    data.add_argument(
        "--hold-out",
        type=_whole(1),
        metavar="N",
        help="test on the last N training examples instead of the test set, to choose settings",
    )
    _add_settings(parser.add_argument_group("the recipe"))
    files = parser.add_argument_group("files")
    files.add_argument(
        "--out", type=Path, metavar="MODEL.npz", help="write the model here after every epoch"
    )
    files.add_argument(
        "--resume",
        type=Path,
        metavar="MODEL.npz",
        help="go on with the run in this file, and write to it unless --out names another",
    )
    files.add_argument(
        "--plot",
        type=Path,
        metavar="CURVES.png",
        help="draw cost and accuracies (.png, .svg, .pdf)",
    )


def _add_settings(group: Any) -> None:
    group.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=None,
        help="what the options below change (default: lesson)",
    )

    def add(setting: str, about: str, **how: Any) -> None:
        each = ", ".join(f"{name} {_shown(recipe, setting)}" for name, recipe in RECIPES.items())
        group.add_argument(flag_of(setting), dest=setting, help=f"{about} ({each})", **how)

    add("hidden", "sizes of hidden layers", type=_whole(1), nargs="*", metavar="N")
    add("activation", "of the hidden layers", choices=tuple(ACTIVATIONS))
    add("cost", "what is minimised", choices=tuple(COSTS), type=_underscored)
    add("initializer", "the first weights", choices=tuple(INITIALIZERS))
    add("lr", "the learning rate", type=_positive, metavar="X")
    add("momentum", "how much of the last step stays", type=_share, metavar="X")
    add("weight_decay", "how strongly weights are pulled to 0", type=_not_negative, metavar="X")
    add("schedule", "of the learning rate", choices=SCHEDULES)
    add("batch_size", "examples a step", type=_whole(1), metavar="N")
    add("epochs", "times through the examples", type=_whole(1), metavar="N")
    add("seed", "of all that is random", type=_whole(0), metavar="N")
    add("dtype", "of the weights", choices=("float32", "float64"))


def flag_of(setting: str) -> str:
    """Return the option that sets a field of a recipe.

    >>> flag_of("batch_size"), flag_of("hidden")
    ('--batch-size', '--layers')
    """
    return SHORTER.get(setting, "--" + setting.replace("_", "-"))


def _shown(recipe: Recipe, setting: str) -> str:
    value = getattr(recipe, setting)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("predict", "predict"))
    parser.add_argument("model", type=Path, metavar="MODEL.npz")
    parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGES",
        help="IDX files (plain or .gz), .npy arrays, .pgm or .png pictures, of the size the "
        "model reads",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="what they are (IDX or .npy), for the accuracy"
    )
    parser.add_argument(
        "--first", type=_whole(1), default=20, metavar="N", help="rows of the table (20)"
    )
    parser.add_argument(
        "--invert",
        action=argparse.BooleanOptionalAction,
        help="dark ink on light paper (default for pictures: look at their border)",
    )
    parser.add_argument("--json", action="store_true", help="write all of it as JSON")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("check", "check"))
    function = parser.add_argument_group("a function")
    function.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:FUNCTION",
        help="of arrays; MODULE is dotted, or the path of a .py file",
    )
    function.add_argument(
        "--input",
        nargs="+",
        action="extend",
        metavar="SHAPE|FILE.npy",
        help="one for each argument: a shape such as 3x4 or `scalar`, to be filled with normally "
        "distributed numbers, or a file",
    )
    function.add_argument(
        "--strategy",
        metavar="MODULE:NAME",
        help="what gives the inputs, as a tuple if there are several: a Hypothesis strategy, or a "
        "function of a random generator",
    )
    model = parser.add_argument_group("a model")
    model.add_argument("--model", type=Path, metavar="MODEL.npz", help="all its parameters")
    model.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the four IDX files (default: drawn digits)"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--examples",
        type=_whole(1),
        metavar="N",
        help="of the data (default: 1), or inputs that the strategy gives (20)",
    )
    how.add_argument(
        "--method",
        choices=("auto", "complex", "differences"),
        default="auto",
        help="of the numerical side (auto: complex step where the function allows it)",
    )
    how.add_argument(
        "--seed", type=_whole(0), default=0, metavar="N", help="of all that is random (0)"
    )
    how.add_argument("--json", action="store_true", help="write the report as JSON")


def _add_study(parser: argparse.ArgumentParser) -> None:
    studies = parser.add_subparsers(metavar="{step-size,taylor}", required=True)
    step_size = studies.add_parser("step-size", **_texts(STEP_SIZE))
    step_size.set_defaults(run=_later("study", "step_size"))
    _add_point(step_size)
    step_size.add_argument(
        "--dtype",
        nargs="+",
        choices=("float32", "float64"),
        default=("float32", "float64"),
        help="(both)",
    )
    step_size.add_argument(
        "--method",
        nargs="+",
        metavar="NAME",
        help="forward, central, five-point, complex-step (all; complex step where the function "
        "allows it)",
    )
    _add_output(step_size)
    taylor = studies.add_parser("taylor", **_texts(TAYLOR))
    taylor.set_defaults(run=_later("study", "taylor"))
    _add_point(taylor)
    _add_output(taylor)


def _add_point(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:FUNCTION",
        help="of one array, to a scalar; MODULE is dotted, or the path of a .py file (default: "
        "exp(x) / (sin³x + cos³x), with which the complex step became known)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--at", nargs="+", type=float, metavar="X", help="the point: a number, or those of a vector"
    )
    where.add_argument(
        "--input",
        metavar="SHAPE|FILE.npy",
        help="the point: a shape such as 3x4 or `scalar`, to be filled with normally distributed "
        "numbers, or a file",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=_whole(0), default=0, metavar="N", help="of all that is random (0)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the curves (.png, .svg, .pdf)"
    )
    parser.add_argument("--json", action="store_true", help="write the figures as JSON")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("explain", "explain"))
    parser.add_argument(
        "target",
        metavar="SCRIPT.py:EXPRESSION",
        help="a script or module, which is run, and what of it to explain: a tensor",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE.html", help="write a page instead of text"
    )
    parser.add_argument("--open", action="store_true", help="and open it in a browser")
    parser.add_argument(
        "--steps",
        type=_whole(0),
        default=200,
        metavar="N",
        help="how many steps the text tells of a longer pass, 0 for all (200)",
    )
    parser.add_argument("--no-checks", action="store_true", help="leave out the finite differences")
    parser.add_argument("--json", action="store_true", help="write what the views are made from")


def _add_mutants(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("mutants", "mutants"))
    parser.add_argument(
        "--calls",
        metavar="MODULE:NAME",
        help="how the functions are called (default: a few calls of those in networks)",
    )
    parser.add_argument(
        "--rule", nargs="+", action="extend", metavar="NAME", help="only these functions' rules"
    )
    parser.add_argument("--sample", type=_whole(1), metavar="N", help="N rules, drawn at random")
    parser.add_argument(
        "--seed", type=_whole(0), default=0, metavar="N", help="of all that is random (0)"
    )
    parser.add_argument("--json", action="store_true", help="write every mutant as JSON")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE.md", help="write the whole table into a file"
    )


def _add_explore(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("explore", "explore"))
    _add_example(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("backprop.html"),
        metavar="FILE.html",
        help="the page (backprop.html)",
    )
    parser.add_argument("--open", action="store_true", help="and open it in a browser")
    parser.add_argument(
        "--no-compress",
        dest="compress",
        action="store_false",
        help="digits and networks as they are, for browsers older than 2023",
    )
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="draw figures for slides, too")


def _add_lesson(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_later("lesson", "lesson"))
    _add_example(parser)
    parser.add_argument(
        "--network",
        type=_whole(0),
        metavar="N",
        help="0 is untrained, then ever longer trained (0)",
    )
    parser.add_argument("--step", type=_whole(1), metavar="K", help="only this one")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="list what of the lesson is covered, by which function and test",
    )


def _add_example(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--example", type=_whole(0), metavar="N", help="a training digit, counted from 0 (5, a 2)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the four IDX files of MNIST; trains on them for minutes, once (default: digits that "
        "the library draws, with networks that come with it)",
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "train": (TRAIN, _add_train),
    "predict": (PREDICT, _add_predict),
    "check": (CHECK, _add_check),
    "study": (STUDY, _add_study),
    "mutants": (MUTANTS, _add_mutants),
    "explain": (EXPLAIN, _add_explain),
    "explore": (EXPLORE, _add_explore),
    "lesson": (LESSON, _add_lesson),
}


# --- types of arguments ---------------------------------------------------------------------------


def _whole(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} on, got {text!r}"
            )
        return number

    return whole


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return number


def _not_negative(text: str) -> float:
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text!r}")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, got {text!r}")
    return number


def _underscored(text: str) -> str:
    return text.replace("-", "_")
