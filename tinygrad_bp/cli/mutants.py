"""`tinygrad-bp mutants`: plant faults in derivative rules, and see whether the check notices.

Exit codes: 0 every fault that changes a gradient is noticed; 1 one is not, or a false alarm; 2
wrong arguments.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.calls import name_of
from tinygrad_bp.cli.arguments import UsageError, add_seed, whole
from tinygrad_bp.cli.screen import Screen, one_line
from tinygrad_bp.cli.subjects import counting, guarded, named
from tinygrad_bp.files import check_writable, replacing
from tinygrad_bp.gradcheck import mutants as planting

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

__all__ = ["add_options", "mutants"]

EXAMPLES = """\
examples:
  tinygrad-bp mutants                            the rules that networks use
  tinygrad-bp mutants --sample 10 --seed 1
  tinygrad-bp mutants --rule matmul exp
  tinygrad-bp mutants --calls my_rules.py:calls  your own: `calls` is a list of
                                                 gradcheck.mutants.Probe
exit code: 0 every fault that changes a gradient is noticed, 1 one is not,
2 wrong arguments
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mutants` to its parser."""
    parser.set_defaults(run=mutants)
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--calls",
        metavar="MODULE:NAME",
        help="how to call the functions (default: a few calls of those that networks use)",
    )
    parser.add_argument(
        "--rule",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="break the rules of these functions only",
    )
    parser.add_argument("--sample", type=whole(1), metavar="N", help="break N rules, at random")
    add_seed(parser)
    parser.add_argument("--json", action="store_true", help="write every mutant as JSON")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE.md", help="write the whole table to a file"
    )


def mutants(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    if options.markdown:
        check_writable(options.markdown)
    calls = _calls(options.calls)
    rules = set(planting.breakable())
    called = list(dict.fromkeys(call.function for call in calls if call.function in rules))
    functions = _chosen(options.rule, called)
    screen = Screen()
    with (
        guarded(options.calls or "a rule"),
        counting(screen, quiet=options.json) as progress,
    ):
        report = planting.mutants(
            functions, calls=calls, sample=options.sample, seed=options.seed, progress=progress
        )
    if options.markdown:
        _write(options.markdown, shlex.join(options.command), report)
    if options.json:
        print(json.dumps(report.to_dict(), allow_nan=False))
    else:
        _show(report, screen)
        planted = len({mutant.function for mutant in report.mutants})
        screen.line()
        screen.line(f"{planted} of {len(rules)} derivative rules were broken.", style="dim")
    return 0 if report.ok else 1


def _calls(text: str | None) -> Sequence[planting.Probe]:
    """Return the calls that the user names, or else those of networks."""
    if text is None:
        return planting.CALLS
    found = named(text)
    if not isinstance(found, list | tuple) or not all(
        isinstance(call, planting.Probe) for call in found
    ):
        raise UsageError(f"argument --calls: {text} is not a list of gradcheck.mutants.Probe")
    return found


def _chosen(names: Sequence[str] | None, called: list[Callable[..., Any]]) -> list[Any]:
    """Return the functions with the given names, or all that are called."""
    if names is None:
        return called
    by_name = {name_of(function): function for function in called}
    for name in names:
        if name not in by_name:
            known = name in map(name_of, planting.breakable())
            raise UsageError(
                f"argument --rule: {name} is not among the calls; give some with --calls"
                if known
                else f"argument --rule: there is no rule for {name}"
            )
    return [by_name[name] for name in dict.fromkeys(names)]


def _write(path: Path, command: str, report: planting.MutationReport) -> None:
    text = f"Made by `{one_line(command)}`.\n\n# Planted faults\n\n{report.to_markdown()}"
    with replacing(path) as file:
        file.write(text.encode())


def _show(report: planting.MutationReport, screen: Screen) -> None:
    head, *lines = str(report).splitlines()
    screen.line(head, style="bold green" if report.ok else "bold red")
    for line in lines:
        screen.line(line, style="red" if "survived" in line and ":" in line else None)
