"""`tinygrad-bp check`: check the gradient of a function or of a saved model's cost.

Exit codes: 0 the gradient is right; 1 it is wrong, or cannot be checked; 2 wrong arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import gradcheck, nn
from tinygrad_bp.cli.arguments import UsageError, add_seed, whole
from tinygrad_bp.cli.outcome import cost_in_words
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import array_for, counting, guarded, named
from tinygrad_bp.data import mnist
from tinygrad_bp.data.sets import drawn
from tinygrad_bp.errors import CheckpointError, DataError, GradcheckError
from tinygrad_bp.train import COSTS, saved_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["add_options", "check"]

EXAMPLES = """\
examples:
  tinygrad-bp check losses.py:hinge --input 8x3 8x3   at normally distributed
                                                      numbers
  tinygrad-bp check my.module:f --input x.npy scalar
  tinygrad-bp check my.module:f --strategy my.module:inputs
  tinygrad-bp check --model model.npz --examples 10
exit code: 0 right, 1 wrong or impossible to check, 2 wrong arguments
"""

DRAWS = 20  # of a strategy
STYLES = {"FAIL": "red", "INCONCLUSIVE": "yellow", "KINK": "yellow", "coverage": "dim"}


# --- options --------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check` to its parser."""
    parser.set_defaults(run=check)
    parser.epilog = EXAMPLES
    _add_function(parser.add_argument_group("a function"))
    model = parser.add_argument_group("a model")
    model.add_argument(
        "--model", type=Path, metavar="MODEL.npz", help="check every parameter of a saved model"
    )
    model.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with the four IDX files (default: drawn digits)",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--examples",
        type=whole(1),
        metavar="N",
        help="how many examples of the data to use (default: 1), or how many inputs to draw from "
        f"the strategy (default: {DRAWS})",
    )
    how.add_argument(
        "--method",
        choices=("auto", "complex", "differences"),
        default="auto",
        help="numerical method (default: auto, the complex step where the function allows it)",
    )
    add_seed(how)
    how.add_argument("--json", action="store_true", help="write the report as JSON")


def _add_function(group: Any) -> None:
    group.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:FUNCTION",
        help="a function of arrays; MODULE is a dotted name or the path of a .py file",
    )
    group.add_argument(
        "--input",
        nargs="+",
        action="extend",
        metavar="SHAPE|FILE.npy",
        help="one for each argument: a file, or a shape such as 3x4 or `scalar` to fill with "
        "normally distributed numbers",
    )
    group.add_argument(
        "--strategy",
        metavar="MODULE:NAME",
        help="where to draw inputs from, a tuple if there are several: a Hypothesis strategy, or "
        "a function of a random generator",
    )


# --- the command ----------------------------------------------------------------------------------


def check(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    _refuse_what_does_not_fit(options)
    screen = Screen()
    if options.model:
        report = _check_model(options, screen)
    elif options.strategy:
        report = _check_drawn(options, screen)
    else:
        report = _check_function(options, screen)
    if options.json:
        print(json.dumps(report.to_dict(), allow_nan=False))
    else:
        _show(report, screen)
    return 0 if report.ok else 1


def _refuse_what_does_not_fit(options: argparse.Namespace) -> None:
    if (options.target is None) == (options.model is None):
        raise UsageError("give either MODULE:FUNCTION or --model MODEL.npz")
    if options.model and (options.input or options.strategy):
        raise UsageError("--input and --strategy are for a function; --data is for a model")
    if options.target and options.data:
        raise UsageError("argument --data: is for a model; a function needs --input or --strategy")
    if options.target and bool(options.input) == bool(options.strategy):
        raise UsageError("give the function's inputs with --input or --strategy")
    if options.input and options.examples:
        raise UsageError("argument --examples: is for a model or a strategy")


# --- what is checked ------------------------------------------------------------------------------


def _check_function(options: argparse.Namespace, screen: Screen) -> gradcheck.Report:
    function = named(options.target)
    rng = np.random.default_rng(options.seed)
    inputs = [array_for(text, rng) for text in options.input]
    with guarded(options.target), counting(screen, quiet=options.json) as progress:
        return gradcheck.check(
            function, *inputs, method=options.method, seed=options.seed, progress=progress
        )


def _check_drawn(options: argparse.Namespace, screen: Screen) -> gradcheck.Report:
    """Check inputs drawn from a function `inputs(rng)` or a Hypothesis strategy."""
    function, source = named(options.target), named(options.strategy)
    report: gradcheck.Report | None = None
    done = 0

    def check_one(inputs: Any) -> None:
        nonlocal report, done
        report = None
        parts = inputs if isinstance(inputs, tuple) else (inputs,)
        report = gradcheck.check(function, *parts, method=options.method, seed=options.seed)
        done += 1
        if progress is not None:
            progress(min(done, draws), draws)
        report.assert_ok()

    draws = options.examples or DRAWS
    with guarded(options.target), counting(screen, quiet=options.json) as progress:
        try:
            _draw(source, check_one, draws, options)
        except GradcheckError:
            if report is None:  # not wrong: the check could not be made
                raise
    if report is None:
        raise GradcheckError(f"{options.strategy} gave no inputs")
    return report


def _draw(
    source: Any, check_one: Callable[[Any], None], draws: int, options: argparse.Namespace
) -> None:
    if not hasattr(source, "example"):  # what tells a strategy, without importing Hypothesis
        if not callable(source):
            raise UsageError(
                f"{options.strategy} is neither a strategy nor a function of a generator"
            )
        rng = np.random.default_rng(options.seed)
        for _ in range(draws):
            check_one(source(rng))
        return
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

    quiet = settings(
        max_examples=draws,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    # Shrinking ends with the smallest failure, so the last report is that one's.
    test: Any = quiet(given(source)(check_one))  # type: ignore[no-untyped-call]
    seed(options.seed)(test)()


def _check_model(options: argparse.Namespace, screen: Screen) -> gradcheck.Report:
    model = nn.load(options.model)
    images, labels = _examples(options, model, screen)
    cost = _cost_of(options.model, model)
    targets = labels if cost == "cross_entropy" else np.eye(model.sizes[-1])[labels]
    entries = sum(p.size for p in model.parameters())
    if not options.json:
        screen.line(
            f"{options.model}: {entries:,} parameters, {cost_in_words(cost)} of "
            f"{len(images):,} example{'s' * (len(images) != 1)}"
        )
    with counting(screen, quiet=options.json) as progress:
        return gradcheck.check(
            model, COSTS[cost], (images, targets), method=options.method, seed=options.seed,
            progress=progress,
        )  # fmt: skip


def _examples(
    options: argparse.Namespace, model: nn.MLP, screen: Screen
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    n = options.examples or 1
    if options.data:
        data = mnist(options.data, verify=False)
    else:
        data = drawn(options.seed, train=1, test=n)
        print_to = sys.stderr if options.json else None
        text = f"No --data: using digits drawn with seed {options.seed}."
        print(text, file=print_to) if print_to else screen.line(text, style="yellow")
    images, labels = data.test_images[:n].astype(np.float64), data.test_labels[:n]
    if images.shape[1] != model.sizes[0] or labels.max(initial=0) >= model.sizes[-1]:
        raise DataError(
            f"{options.model} reads {model.sizes[0]} pixels and tells {model.sizes[-1]} classes "
            f"apart; the digits have {images.shape[1]} pixels. Give it data of its own kind with "
            "--data."
        )
    return images, labels


def _cost_of(path: Path, model: nn.MLP) -> str:
    """Return the cost that a model was trained with, or one that fits its last layer."""
    try:
        return saved_run(path)[0].cost
    except CheckpointError:  # a model that was saved without its run
        ends = "output_activation" in dict(model.named_children())
        return "sum_squares" if ends else "cross_entropy"


# --- what is shown --------------------------------------------------------------------------------


def _show(report: gradcheck.Report, screen: Screen) -> None:
    """Write the report's table; a terminal gets colours."""
    head, *lines = str(report).splitlines()
    screen.line(head, style="bold green" if report.ok else "bold red")
    for line in lines:
        word, *_ = [*line.split(), ""]
        screen.line(line, style=STYLES.get(word.rstrip(":")))
