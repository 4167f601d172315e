"""Sweeps: every combination of some settings, with several seeds each, on a cluster.

    from tinygrad_bp.cluster import connect, sweep
    from tinygrad_bp.train import Recipe

    plan = sweep.Plan(Recipe(), swept={"lr": [0.5, 1.5, 3.0]}, seeds=range(5))
    with connect(workers=2) as client:
        outcomes = dict(sweep.outcomes(plan, client, sweep.Kept("my sweep")))
    for row in sweep.Table(plan, outcomes).rows:
        print(row.values, row.mean, row.lowest, row.highest)

A run is a `train.Training`: what comes out depends on its recipe and its digits alone, and on no
other run, so it is the same to the bit for any number of workers, in whatever order they take the
runs, and if one of them is killed and its run done again. `tinygrad-bp sweep` is the same from the
command line.
"""

from tinygrad_bp.cluster.sweep.carrying import outcomes
from tinygrad_bp.cluster.sweep.digits import Digits
from tinygrad_bp.cluster.sweep.kept import Kept
from tinygrad_bp.cluster.sweep.outcome import Outcome
from tinygrad_bp.cluster.sweep.picture import draw_table
from tinygrad_bp.cluster.sweep.plan import Plan, Run
from tinygrad_bp.cluster.sweep.recipe_file import read_plan
from tinygrad_bp.cluster.sweep.table import Row, Table, write_runs, write_table

__all__ = [
    "Digits",
    "Kept",
    "Outcome",
    "Plan",
    "Row",
    "Run",
    "Table",
    "draw_table",
    "outcomes",
    "read_plan",
    "write_runs",
    "write_table",
]
