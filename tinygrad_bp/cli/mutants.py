"""`tinygrad-bp mutants`: plant faults in derivative rules, and see whether the check notices.

Exit codes: 0 all that changes a gradient is noticed; 1 not, or a false alarm; 2 wrong arguments.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import counting, guarded, named
from tinygrad_bp.errors import DataError
from tinygrad_bp.gradcheck import mutants as planting
from tinygrad_bp.registry import name_of, rules

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["mutants"]


def mutants(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    calls = _calls(options.calls)
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
        screen.line(f"\n{planted} of {len(rules)} registered rules were broken.", style="dim")
    return 0 if report.ok else 1


def _calls(text: str | None) -> Sequence[planting.Probe]:
    """Return the calls that a user names; those of networks if there are none."""
    if text is None:
        return planting.CALLS
    found = named(text)
    if not isinstance(found, list | tuple) or not all(
        isinstance(call, planting.Probe) for call in found
    ):
        raise UsageError(f"argument --calls: {text} is not a list of gradcheck.mutants.Probe")
    return found


def _chosen(names: Sequence[str] | None, called: list[Callable[..., Any]]) -> list[Any]:
    """Return the functions of the given names, all that are called if none is given."""
    if names is None:
        return called
    by_name = {name_of(function): function for function in called}
    for name in names:
        if name not in by_name:
            known = name in map(name_of, rules)
            raise UsageError(
                f"argument --rule: {name} is not among the calls; give some with --calls"
                if known
                else f"argument --rule: there is no rule of {name}"
            )
    return [by_name[name] for name in dict.fromkeys(names)]


def _write(path: Path, command: str, report: planting.MutationReport) -> None:
    text = f"Made by `{command}`.\n\n# Planted faults\n\n{report.to_markdown()}"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror}.") from error


def _show(report: planting.MutationReport, screen: Screen) -> None:
    head, *lines = str(report).splitlines()
    screen.line(head, style="bold green" if report.ok else "bold red")
    for line in lines:
        screen.line(line, style="red" if "survived" in line and ":" in line else None)
