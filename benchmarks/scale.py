"""What a gradient costs on many workers: four costs measured here, and what they come to.

    python benchmarks/scale.py [--write] [--rounds N] [--json]

It measures steps of 784-512-512-10 with 1 to 4 workers of this machine, and messages with nothing
or four megabytes in them. With --write, the tables and the figure of the page
examples/explanation/paper_beside_practice.md are made anew. The arithmetic is in `scaling.py`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import measure

if __name__ == "__main__":

    def _more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--write", action="store_true", help="write the page's tables and figure"
        )

    OPTIONS = measure.options(__doc__, rounds=25, more=_more)  # before NumPy is imported

import bench_cluster
import numpy as np
import scaling
from scaling import Costs, Job

from tinygrad_bp import cluster

PAGE = Path(__file__).parent.parent / "examples" / "explanation" / "paper_beside_practice.md"
SIZES = (784, 512, 512, 10)
BATCH = 8_192
FEW = (1, 2, 3, 4)
MEGABYTE = 1 << 20


def main(options: argparse.Namespace) -> None:
    """Measure, compute, and print or write what was asked for."""
    found = measured(options.rounds)
    if options.write:
        write(found)
    if options.json:
        print(json.dumps({"machine": measure.machine(), **found}, indent=2))
        return
    for table in scaling.tables(**scaling.read(found)).values():
        print(table)


# --- measuring ------------------------------------------------------------------------------


def measured(rounds: int) -> dict[str, Any]:
    """Return the costs, steps of 1 to 4 workers, and of what."""
    steps = bench_cluster.measured(SIZES, [BATCH], FEW, rounds)[BATCH]
    job = Job(BATCH, sum(n * m + m for n, m in itertools.pairwise(SIZES)))
    names = {w: bench_cluster.named(w) for w in FEW}
    plain = median(steps[names[1]][bench_cluster.PLAIN])
    costs = messages(3 * rounds)._replace(per_flop=plain / (job.examples * job.parameters))
    return {
        "costs": {name: float(f"{value:.4g}") for name, value in costs._asdict().items()},
        "measured": {w: round(median(steps[name][name]), 4) for w, name in names.items()},
        "job": job._asdict(),
        "cores": bench_cluster.CORES,
    }


def messages(rounds: int) -> Costs:
    """Return what messages cost, measured by tasks that give back what they are given.

    With nothing in them, w tasks take 2 latency + 2 w message: a line over w. What 4 MB add is 2 w
    times that of their bytes.
    """
    sizes = {"empty": np.zeros(1, np.uint8), "full": np.zeros(4 * MEGABYTE, np.uint8)}
    with cluster.connect(workers=max(FEW)) as client:
        takes = {
            f"{name} {w}": echo(client, values, w) for name, values in sizes.items() for w in FEW
        }
        times = {n: median(t) for n, t in bench_cluster.turns(takes, None, rounds).items()}
    message, latency = np.polyfit(FEW, [times[f"empty {w}"] / 2 for w in FEW], 1)
    added = [(times[f"full {w}"] - times[f"empty {w}"]) / (2 * w * 4 * MEGABYTE) for w in FEW]
    return Costs(0.0, float(median(added)), max(float(message), 0.0), max(float(latency), 0.0))


def echo(client: Any, values: Any, workers: int) -> bench_cluster.Take:
    """Return what sends values to so many workers and has them back."""
    addresses = sorted(client.nthreads())[:workers]

    def take(_: Any) -> None:
        tasks = [
            client.submit(np.copy, values, workers=[address], pure=False) for address in addresses
        ]
        client.gather(tasks)

    return take


# --- the page -------------------------------------------------------------------------------


def write(found: Mapping[str, Any]) -> None:
    """Put the tables into the page, and draw its figure."""
    page = PAGE.read_text(encoding="utf-8")
    kept = json.dumps(found)
    found = json.loads(kept)  # numbers of workers are texts there
    page = re.sub(r"<!-- measured: .* -->", f"<!-- measured: {kept} -->", page)
    for name, table in scaling.tables(**scaling.read(found)).items():
        page = re.sub(
            rf"(<!-- begin {name} -->\n).*?(<!-- end -->)",
            lambda match, table=table: f"{match[1]}\n{table}\n{match[2]}",
            page,
            flags=re.DOTALL,
        )
    PAGE.write_text(page, encoding="utf-8")
    draw(**scaling.read(found), path=PAGE.with_suffix(".png"))


def draw(costs: Costs, measured: Mapping[int, float], job: Job, cores: int, *, path: Path) -> None:
    """Draw the few workers that were measured, and the many that were not."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (few, full, batch) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    paper = [scaling.cost(job, w, costs, scaling.master, cores=cores) for w in measured]
    few.plot([*measured], [1e3 * t for t in paper], "--", label="on paper")
    few.plot([*measured], [1e3 * t for t in measured.values()], "o", label="measured")
    few.set(xlabel="workers", ylabel="ms a step", xticks=[*measured])
    few.set_ylim(bottom=0)
    few.set_title(f"{job.examples:,} examples, {cores} cores", fontsize="medium")
    draw_many(full, costs, scaling.JOBS["full"])
    draw_many(batch, costs, scaling.JOBS["batch"])
    for panel in (few, full, batch):
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def draw_many(panel: Any, costs: Costs, job: Job) -> None:
    """Draw how many times as fast as one worker many are, for each way to add up."""
    workers = np.unique(np.logspace(0, 4, 80).astype(int)).tolist()
    base = scaling.alone(job, costs)
    for name, way in scaling.WAYS.items():
        panel.plot(workers, [base / scaling.cost(job, w, costs, way) for w in workers], label=name)
    panel.plot(workers, workers, ":", color="black", label="w times")
    panel.set(xscale="log", yscale="log", xlabel="workers", ylabel="times as fast", ylim=(0.5, 2e4))
    panel.set_title(f"{job.examples:,} examples", fontsize="medium")


if __name__ == "__main__":
    main(OPTIONS)
