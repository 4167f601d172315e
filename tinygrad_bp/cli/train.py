"""`tinygrad-bp train`: choose recipe and data, train, save after every epoch, show the outcome."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError, not_negative, positive, share, whole
from tinygrad_bp.cli.kept import Kept, of_folder
from tinygrad_bp.cli.outcome import (
    Table,
    introduce,
    show_how_to_keep,
    show_outcome,
    show_what_next,
)
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.sources import load, load_again, without_held_out
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.data.sets import CLASSES
from tinygrad_bp.errors import CheckpointError, OptimizerError
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    SCHEDULES,
    TRANSFORMS,
    CSVLog,
    Recipe,
    Training,
    outputs,
    saved_run,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tinygrad_bp.train import Callback

__all__ = ["add_options", "train"]

EXAMPLES = """\
examples:
  tinygrad-bp train                        the lesson's network, on MNIST
  tinygrad-bp train --recipe modern --out model.npz
  tinygrad-bp train --layers 100 --lr 0.5 --hold-out 5000
  tinygrad-bp train --resume model.npz --epochs 30
                                           go on, up to the 30th epoch
"""

SETTINGS = tuple(field.name for field in dataclasses.fields(Recipe))
SHORTER = {"hidden": "--layers", "initializer": "--init"}


# --- options --------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train` to its parser."""
    parser.set_defaults(run=train)
    parser.epilog = EXAMPLES
    data = parser.add_argument_group("what to learn from")
    source = data.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with the four IDX files, plain or .gz (default: MNIST from the cache folder, "
        "downloaded if it is missing, or drawn digits if that fails)",
    )
    source.add_argument("--drawn", action="store_true", help="drawn digits; needs no network")
    data.add_argument(
        "--hold-out",
        type=whole(1),
        metavar="N",
        help="test on the last N training examples instead of the test set, to choose settings",
    )
    _add_settings(parser.add_argument_group("the recipe"))
    parser.add_argument(
        "--eager",
        action="store_true",
        help="call every function of every step anew, instead of a program that the first steps "
        "are compiled to; the numbers are the same",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--out", type=Path, metavar="MODEL.npz", help="write the model here after every epoch"
    )
    files.add_argument(
        "--resume",
        type=Path,
        metavar="MODEL.npz",
        help="resume the run in this file, and save to it unless --out names another",
    )
    files.add_argument(
        "--log", type=Path, metavar="RUN.csv", help="write a line of numbers for every epoch"
    )
    files.add_argument(
        "--plot", type=Path, metavar="CURVES.png", help="plot cost and accuracy (.png, .svg, .pdf)"
    )


def _add_settings(group: Any) -> None:
    group.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=None,
        help="where to start from; the options below change it (default: lesson)",
    )

    def add(setting: str, about: str, **how: Any) -> None:
        group.add_argument(
            _flag(setting), dest=setting, help=f"{about} ({_defaults(setting)})", **how
        )

    add("hidden", "sizes of the hidden layers, if any", type=whole(1), nargs="*", metavar="N")
    add("activation", "activation function of the hidden layers", choices=tuple(ACTIVATIONS))
    add("cost", "cost to minimise", choices=tuple(COSTS), type=_underscored)
    add("initializer", "how the first weights are drawn", choices=tuple(INITIALIZERS))
    add("lr", "learning rate", type=positive, metavar="X")
    add("momentum", "share of the last step to keep", type=share, metavar="X")
    add("weight_decay", "how strongly weights are pulled to 0", type=not_negative, metavar="X")
    add("schedule", "how the learning rate changes", choices=SCHEDULES)
    add("transform", "how digits are distorted, anew each epoch", choices=tuple(TRANSFORMS))
    add("batch_size", "examples in a mini-batch", type=whole(1), metavar="N")
    add("epochs", "passes through the examples", type=whole(1), metavar="N")
    add("seed", "seed of everything random", type=whole(0), metavar="N")
    add("dtype", "data type of the weights", choices=("float32", "float64"))


def _flag(setting: str) -> str:
    """Return the option that sets a field of a recipe."""
    return SHORTER.get(setting, "--" + setting.replace("_", "-"))


def _defaults(setting: str) -> str:
    shown = {name: _shown(getattr(recipe, setting)) for name, recipe in RECIPES.items()}
    if len(set(shown.values())) == 1:
        return f"default: {shown.popitem()[1]}"
    return ", ".join(f"{name}: {value}" for name, value in shown.items())


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _underscored(text: str) -> str:
    return text.replace("-", "_")


# --- the command ----------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    _check_targets(options)
    screen = Screen()
    kept = Kept(options.out or options.resume, options.data)
    callbacks = [Table(screen), kept, *([CSVLog(options.log)] if options.log else [])]
    run = (_resumed if options.resume else _begun)(options, screen, callbacks)
    introduce(run, screen)
    try:
        for _ in run.epochs():
            pass
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"interrupted; {kept}") from stop
    except (CheckpointError, OptimizerError) as error:
        raise type(error)(f"{error} For now, {kept}") from error
    screen.line()
    if options.plot:
        from tinygrad_bp.cli.plot import draw_curves

        draw_curves(run, options.plot)
    images = run.data.test_inputs.astype(run.recipe.dtype, copy=False)
    show_outcome(run, outputs(run.model, images), screen)
    for what, path in (("The curves are", options.plot), ("The log is", options.log)):
        if path:
            screen.line(f"{what} in {path}.")
    if kept.file is None:
        show_how_to_keep(run.about["command"], screen)
    else:
        show_what_next(kept.file, options.data, run.recipe.epochs, screen)
    return 0


def _check_targets(options: argparse.Namespace) -> None:
    """Refuse, before the work begins, what would fail after it."""
    targets = {"--out": options.out, "--log": options.log}
    for flag, path in targets.items():
        if path:
            check_target(flag, path)
    if options.plot:
        from tinygrad_bp.cli.plot import check_plot

        check_plot(options.plot)
    given = [path for path in (options.out or options.resume, options.plot, options.log) if path]
    if len(set(map(os.path.realpath, given))) < len(given):
        raise UsageError("two outputs have the same name; give each a file of its own")


def _command(recipe: Recipe, name: str, options: argparse.Namespace) -> str:
    """Return the command that makes the run anew, without the files that it writes."""
    words = ["tinygrad-bp", "train", "--recipe", name]
    for setting in SETTINGS:
        if (value := getattr(recipe, setting)) != getattr(RECIPES[name], setting):
            values = value if isinstance(value, tuple) else (value,)
            words += [_flag(setting), *map(str, values)]
    if options.hold_out is not None:
        words += ["--hold-out", str(options.hold_out)]
    words += ["--drawn"] * bool(options.drawn)
    return shlex.join(words) + of_folder(options.data)


# --- the run --------------------------------------------------------------------------------------


def _begun(options: argparse.Namespace, screen: Screen, callbacks: Sequence[Callback]) -> Training:
    name = options.recipe or "lesson"
    given = {s: getattr(options, s) for s in SETTINGS if getattr(options, s) is not None}
    recipe = dataclasses.replace(RECIPES[name], **given)
    data, is_drawn = load(options.data, recipe.seed, screen, draw=options.drawn)
    about = {
        "name": name if recipe == RECIPES[name] else f"{name}, changed",
        "drawn": is_drawn,
        "hold_out": options.hold_out,
        "command": _command(recipe, name, options),
    }
    data = without_held_out(data, about)
    return Training(
        recipe,
        data,
        classes=CLASSES,
        about=about,
        callbacks=callbacks,
        compiled=not options.eager,
    )


def _resumed(
    options: argparse.Namespace, screen: Screen, callbacks: Sequence[Callback]
) -> Training:
    """Return the saved run; everything that decides its numbers comes from its file."""
    given = [s for s in (*SETTINGS, "recipe", "hold_out") if getattr(options, s) is not None]
    if foreign := [s for s in given if s != "epochs"]:
        raise UsageError(
            f"argument {_flag(foreign[0])}: only --epochs can change when a run is resumed"
        )
    recipe, about = saved_run(options.resume)
    if not options.out:
        check_target("--resume", options.resume)
    data = load_again(options.resume, about, options.data, recipe.seed, screen, draw=options.drawn)
    run = Training.resume(
        options.resume,
        data,
        epochs=options.epochs,
        callbacks=callbacks,
        compiled=not options.eager,
    )
    if run.recipe.epochs != recipe.epochs:
        run.about["command"] = f"{about.get('command', 'train')}, then --epochs {options.epochs}"
    return run
