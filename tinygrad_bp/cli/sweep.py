"""`tinygrad-bp sweep`: runs by settings and seeds, on the cores of one machine or of several."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError, whole
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.swept import done_in_words, introduce, show_differences, show_table
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.cluster import connect, sweep
from tinygrad_bp.cluster.sweep.picture import DRAWN
from tinygrad_bp.errors import ClusterError, DataError, TinygradError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.lesson.recipes import RECIPES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tinygrad_bp.cluster.sweep import Kept, Outcome, Plan, Run

__all__ = ["add_options", "run_sweep"]

EPILOG = """\
The file is TOML, with three tables; whatever is left out has its default:

  [data]                # drawn digits, if there is no folder
  folder = "mnist"      # with the four IDX files, beside this file
  hold_out = 5000       # test on the last 5,000 training digits

  [recipe]
  base = "modern"       # or "lesson"; what follows changes it
  epochs = 5

  [sweep]               # every combination, with every seed
  lr = [0.1, 0.3, 1.0]
  hidden = [[16, 16], [100]]
  seeds = 5             # 0 to 4, or a list

Names and values of settings are those of `tinygrad-bp train`, with underscores
(hidden for --layers, initializer for --init). What comes out of a run does not
depend on how many workers there are. Several machines: start `dask scheduler`
on one, `dask worker ADDRESS --nthreads 1` on each, with a folder of digits, if
one is named, in the same place on all of them.

examples:
  tinygrad-bp sweep examples/sweep.toml --out sweep --plot sweep.png
  tinygrad-bp sweep examples/sweep.toml --scheduler tcp://10.0.0.1:8786
"""


# --- options --------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sweep` to its parser."""
    parser.set_defaults(run=run_sweep)
    parser.epilog = EPILOG
    parser.add_argument("file", type=Path, metavar="SWEEP.toml", help="what to run")
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--workers",
        type=whole(1),
        metavar="N",
        help="processes on this machine (default: as many as it has cores)",
    )
    who.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of a Dask scheduler instead"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="keep every finished run in this folder, and do only those that are not in it; write "
        "the table to table.csv there, and a line for each run to runs.csv",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help=f"plot the accuracies of up to {DRAWN} settings (.png, .svg, .pdf)",
    )


# --- the command ----------------------------------------------------------------------------------


def run_sweep(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    plan = sweep.read_plan(options.file, RECIPES)
    _check_plot(options, plan)
    screen = Screen()
    kept = _kept(options, screen)
    introduce(plan, screen)
    outcomes: dict[Run, Outcome] = {}
    try:
        _carry_out(options, plan, kept, screen, outcomes)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"interrupted; {_what_is_kept(kept, plan, outcomes)}") from stop
    except TinygradError as error:
        if not outcomes:
            raise
        raise type(error)(f"{error} For now, {_what_is_kept(kept, plan, outcomes)}") from error
    _show(options, plan, outcomes, screen)
    return 0


def _check_plot(options: argparse.Namespace, plan: Plan) -> None:
    """Refuse, before the work begins, what could not be drawn after it."""
    if not options.plot:
        return
    from tinygrad_bp.cli.plot import check_plot

    check_plot(options.plot)
    if len(plan.swept) > DRAWN:
        raise UsageError(
            f"argument --plot: shows up to {DRAWN} settings, and {options.file} has "
            f"{len(plan.swept)}: {', '.join(plan.swept)}"
        )


def _kept(options: argparse.Namespace, screen: Screen) -> Kept | None:
    if options.out is None:
        return None
    try:
        kept = sweep.Kept(options.out, lambda text: screen.line(text, style="yellow"))
    except DataError as error:
        raise UsageError(f"argument --out: {error}") from error
    for name in ("table.csv", "runs.csv"):
        check_target("--out", options.out / name)
    return kept


def _what_is_kept(kept: Kept | None, plan: Plan, outcomes: dict[Run, Outcome]) -> str:
    if not outcomes:
        return "no run is done yet."
    done = f"{len(outcomes):,} of {len(plan.runs):,} runs are done"
    if kept is None:
        return f"{done}, and nothing is kept (--out FOLDER keeps every finished run)."
    return f"{done} and kept in {kept.folder}; the same command does the rest."


# --- the runs -------------------------------------------------------------------------------------


def _carry_out(
    options: argparse.Namespace,
    plan: Plan,
    kept: Kept | None,
    screen: Screen,
    outcomes: dict[Run, Outcome],
) -> None:
    """Add what comes out of every run, and show how many are done and the best of them."""
    with screen.progress(len(plan.runs)) as bar:
        show = bar or (lambda *_: None)
        show(0, "waiting for the workers")
        with _connected(options) as client:
            show(0, done_in_words(plan, outcomes, screen.console.width))
            with contextlib.closing(sweep.outcomes(plan, client, kept)) as found:
                for run, outcome in found:
                    outcomes[run] = outcome
                    show(len(outcomes), done_in_words(plan, outcomes, screen.console.width))


@contextlib.contextmanager
def _connected(options: argparse.Namespace) -> Iterator[Any]:
    """Give a client of the workers; that Dask is not installed is told as any other error is."""
    try:
        extra("distributed")
    except ImportError as error:
        raise ClusterError(str(error)) from error
    for name in ("distributed", "distributed.client"):  # what goes wrong is told by us, in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with connect(options.scheduler, workers=options.workers) as client:
        yield client


def _show(
    options: argparse.Namespace, plan: Plan, outcomes: dict[Run, Outcome], screen: Screen
) -> None:
    """Show the table, and then write the files: should that fail, the table is there."""
    table = sweep.Table(plan, outcomes)
    show_table(table, screen)
    show_differences(outcomes.values(), screen)
    if options.out is not None:
        sweep.write_table(table, options.out / "table.csv")
        sweep.write_runs(plan, outcomes, options.out / "runs.csv")
        screen.line(f"The runs and the tables are in {options.out}.")
    if options.plot:
        sweep.draw_table(plan, table, options.plot)
        screen.line(f"The plot is in {options.plot}.")
