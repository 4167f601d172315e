"""One step of stochastic gradient descent: this library, NumPy by hand, PyTorch, JAX.

    python benchmarks/bench_step.py [--rounds N] [--processes N] [--loss NAME ...] [--together]
                                    [--parts | --growth [PLOT] | --memory]
                                    [--threads N] [--core N] [--json]

The contestants are in `step.py`. Each of them has a process to itself, as it would in use: in one
process (`--together`) they share a heap, and what one of them frees can cost another page faults.
The processes take turns, and are started afresh several times for every net.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import growth
import measure
import memory
import step  # imports NumPy, with which only the processes calculate that are started from here

Figures: TypeAlias = dict[str, dict[str, float]]
"""A number for each contestant, by what the number is."""
Spreads: TypeAlias = dict[str, dict[str, list[float]]]
"""A list of such numbers for each contestant, one from each time that it was started afresh."""
Table: TypeAlias = tuple[list[str], list[list[str]]]

NETS = {  # batch, sizes of the layers
    "784-16-16-10, batch 10": (10, (784, 16, 16, 10)),
    "784-16-16-10, batch 100": (100, (784, 16, 16, 10)),
    "784-128-10, batch 128": (128, (784, 128, 10)),
    "784-512-512-10, batch 128": (128, (784, 512, 512, 10)),
}

Targets: TypeAlias = Mapping[str, Sequence[float]]
"""What is aimed at for each of `NETS`, in their order, by the name of what it is over."""
TARGETS: Mapping[str, Targets] = {  # of the compiled step
    "sum_squares": {
        step.HAND: (0.56, 0.78, 0.95, 0.96),
        step.PRODUCTS: (1.65, 1.27, 1.13, 1.10),
        "JAX queued": (0.60, 0.78, 1.03, 1.06),
        step.PYTORCH: (0.10, 0.27, 0.70, 0.90),
    },
    "cross_entropy": {step.HAND: (0.70, 0.85, 0.97, 0.97)},
    "momentum": {step.HAND: (0.65, 0.82, 0.98, 1.02)},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only this benchmark has."""
    add = parser.add_argument
    add(
        "--processes",
        type=measure.positive,
        default=5,
        metavar="N",
        help="fresh ones for each net (5)",
    )
    add("--loss", nargs="+", choices=[*step.SETTINGS], default=["sum_squares"], help="(the first)")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--parts", action="store_true", help="time the phases of a step of tinygrad_bp instead")
    add(
        "--growth",
        nargs="?",
        const="",
        metavar="PLOT.png",
        help="how steps and their compilation grow with depth, width and batch, instead",
    )
    add("--memory", action="store_true", help="the memory of a step instead")
    add = parser.add_argument
    add("--together", action="store_true", help="run all contestants in one process")
    add("--worker", type=json.loads, help=argparse.SUPPRESS)  # what a process is started for


def main() -> None:
    """Measure every net and print the tables, or do what this process was started for."""
    options = measure.options(__doc__, rounds=100, more=add_options)
    if options.worker:
        work(Task(*options.worker))
        return
    if options.memory:
        found = memory.measured()
        measure.report(memory.tables(found), {"bytes": found}, as_json=options.json)
        return
    if options.growth is not None:
        curves = growth.measured(options.rounds)
        measure.report(growth.tables(curves), {"growth": curves}, as_json=options.json)
        if options.growth:
            growth.draw(curves, options.growth)
        return
    tables: dict[str, Table] = {}
    results: dict[str, dict[str, Spreads]] = {}
    for loss in options.loss:
        nets = results[loss] = measure_nets(loss, options)
        tables |= parts_tables(loss, nets) if options.parts else step_tables(loss, nets)
    measure.report(tables, {"steps": results}, as_json=options.json)


# --- processes ------------------------------------------------------------------------------


class Task(NamedTuple):
    """What a process is started for."""

    loss: str
    net: str
    names: Sequence[str] = ()
    """The contestants that it runs; without any, a step of each of them is checked."""

    def problem(self) -> step.Problem:
        """Return the net with its mini-batch."""
        return step.Problem(*NETS[self.net], self.loss)


def work(task: Task) -> None:
    """Do what this process was started for, and print the answers as lines of JSON."""
    if task.names:
        serve(task.problem(), task.names)
    else:
        step.check_one_step(task.problem())
        print(json.dumps("checked"))


def serve(problem: step.Problem, names: Sequence[str]) -> None:
    """Answer each [name, n] with what n steps took, and n = 0 with a sample of the weights.

    One more step comes first, untimed: the others have had the caches since, and in training they
    are full of this network.
    """
    makers = step.contestants(problem.setting) | step.parts()
    made = {name: makers[name](problem, step.LR) for name in names}
    for line in sys.stdin:
        name, n = json.loads(line)
        contestant = made[name]
        if n:
            contestant.take(1)
        answer = contestant.take(n) if n else step.sample(contestant.weights())
        print(json.dumps(answer), flush=True)


class Worker:
    """A process that works on a task and answers until the `with` block ends."""

    def __init__(self, task: Task) -> None:
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", json.dumps(task)]
        self.task = task
        self.process: Any = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Worker:
        self.process.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.process.__exit__(*raised)  # ends its input, and waits for it

    def ask(self, name: str, n: int) -> Any:
        """Return the answer to [name, n]."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, as `answer` will say
            print(json.dumps([name, n]), file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self) -> Any:
        """Return the next answer."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the process for {self.task} ended with {self.process.wait()}")
        return json.loads(line)

    def take(self, name: str, n: int) -> measure.Taken:
        """Let a contestant take n steps, and return what they took there."""
        return measure.Taken(*self.ask(name, n))


def measure_nets(loss: str, options: argparse.Namespace) -> dict[str, Spreads]:
    """Return the figures of every net. The nets take turns, so slow minutes meet all of them."""
    if not options.parts:
        check_steps(loss)
    names = [*(step.parts() if options.parts else step.contestants(loss))]
    groups = [names] if options.together else [[name] for name in names]
    runs: dict[str, list[Figures]] = {net: [] for net in NETS}
    for _ in range(options.processes):
        for net in NETS:
            tasks = [Task(loss, net, group) for group in groups]
            runs[net].append(measure_net(tasks, options.rounds))
    return {net: gathered(figures) for net, figures in runs.items()}


def check_steps(loss: str) -> None:
    """Check a step of every contestant, in processes of their own: it leaves memory behind."""
    for net in NETS:
        with Worker(Task(loss, net)) as worker:
            worker.answer()


def measure_net(tasks: Sequence[Task], rounds: int) -> Figures:
    """Return the figures of one net, with a fresh process for each task."""
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for task in tasks:
            workers |= dict.fromkeys(task.names, stack.enter_context(Worker(task)))
        timers = {name: partial(worker.take, name) for name, worker in workers.items()}
        timings = measure.interleave(timers, rounds=rounds)
        ends = {name: worker.ask(name, 0) for name, worker in workers.items()}
    if step.HAND in ends:
        step.check_ends(tasks[0].problem(), ends)
    return figures(timings)


def figures(timings: Mapping[str, measure.Timing]) -> Figures:
    """Return what a step of every contestant takes, and how they compare."""
    times = {name: timing.microseconds for name, timing in timings.items()}
    found = {
        "microseconds": {name: median(taken) for name, taken in times.items()},
        "page_faults": {name: timing.faults for name, timing in timings.items()},
    }
    if step.HAND not in times:
        return found
    others = [name for name in times if name != step.HAND]
    peers = [name for name in others if name not in (step.OURS, step.COMPILED)]
    return found | {
        "over_hand": {name: measure.ratio(times[name], times[step.HAND]) for name in others},
        "ours_over": {name: measure.ratio(times[step.OURS], times[name]) for name in peers},
        "compiled_over": {
            name: measure.ratio(times[step.COMPILED], times[name]) for name in (step.HAND, *peers)
        },
    }


def gathered(runs: Sequence[Figures]) -> Spreads:
    """Turn figures from several starts into lists of them."""
    return {
        figure: {name: [run[figure][name] for run in runs] for name in by_name}
        for figure, by_name in runs[0].items()
    }


# --- tables ---------------------------------------------------------------------------------


def step_tables(loss: str, nets: Mapping[str, Spreads]) -> dict[str, Table]:
    """Return the tables of the comparison, a title to each; one with no columns is left out."""
    tables = {
        f"Microseconds of a step, {loss}": table(nets, "microseconds", typical),
        f"Over the step by hand, {loss}": table(nets, "over_hand", spread),
        f"{step.COMPILED} over its peers, {loss}": compared(loss, nets),
        f"{step.OURS} over its peers, {loss}": table(nets, "ours_over", spread),
        f"Page faults of a step, {loss}": table(nets, "page_faults", spread),
    }
    return {title: (header, rows) for title, (header, rows) in tables.items() if header[1:]}


def parts_tables(loss: str, nets: Mapping[str, Spreads]) -> dict[str, Table]:
    """Return the tables of the phases of a step, a title to each."""
    return {
        f"Microseconds of a step of {step.OURS}, {loss}": table(nets, "microseconds", typical),
        f"Page faults of a step of {step.OURS}, {loss}": table(nets, "page_faults", spread),
    }


def table(
    nets: Mapping[str, Spreads], figure: str, cell: Callable[[Sequence[float]], str]
) -> Table:
    """Return a row for each net with one of its figures, and a column for each contestant."""
    header, rows = [], []
    for net, spreads in nets.items():
        shown = columns(spreads["microseconds"], spreads[figure])
        header = ["net", *shown, *(["JAX runs"] if "JAX" in shown else [])]
        cells = [cell(spreads[figure][name]) for name in shown.values()]
        rows.append([net, *cells, *([shown["JAX"].split()[1]] if "JAX" in shown else [])])
    return header, rows


def compared(loss: str, nets: Mapping[str, Spreads]) -> Table:
    """Return the table of the compiled step, over either way of JAX, with what is aimed at."""
    names = [*next(iter(nets.values()))["compiled_over"]]
    rows = [
        [net, *(spread(spreads["compiled_over"][name]) for name in names)]
        for net, spreads in nets.items()
    ]
    for i, name in enumerate(names, start=1):
        for row, target in zip(rows, TARGETS[loss].get(name, ()), strict=False):
            row[i] += f", at most {target:.2f}"
    return ["net", *names], rows


def columns(microseconds: Mapping[str, Sequence[float]], names: Iterable[str]) -> dict[str, str]:
    """Return contestants by the names of their columns; "JAX" is the quicker way of running it."""
    ways = [name for name in microseconds if name.startswith("JAX ")]
    slower = sorted(ways, key=lambda way: median(microseconds[way]))[1:]
    return {"JAX" if name in ways else name: name for name in names if name not in slower}


def typical(numbers: Sequence[float]) -> str:
    """Return the median over the processes."""
    number = median(numbers)
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


def spread(numbers: Sequence[float]) -> str:
    """Return the median over the processes, and the lowest and highest of them."""
    middle, lowest, highest = (
        f"{n:.2f}" if n < 10 else f"{n:,.0f}" for n in (median(numbers), min(numbers), max(numbers))
    )
    return f"{middle} ({lowest}..{highest})"


if __name__ == "__main__":
    main()
