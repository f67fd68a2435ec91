"""`profkit changes BEFORE AFTER`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.session import Session
from profkit.session_comparison import compare_sessions

_READING = ("section", "change", "item", "op", "before_ns", "after_ns", "delta_ns")


@click.command()
@click.argument("before", type=INPUT)
@click.argument("after", type=INPUT)
@reads_inputs()
def command(*, invocation: Invocation, before: Path, after: Path) -> int:
    """What changed between two saved sessions, before and after a fix: step time, findings, modules.

    A finding is gone, new or still there; not_judged tells that one of the sessions did not look for it. The parts of
    the step's time add up to its change. `profkit tui BEFORE AFTER` shows the same.

    \b
    profkit triage torch_run/ slow_run/ -o before && profkit triage torch_run/ fixed_run/ -o after
    profkit changes before/ after/
    profkit changes before/ after/ -o changes.csv
    """
    changes = compare_sessions(Session.load(before), Session.load(after))
    findings = changes[changes["section"] == "finding"]
    counts = findings["change"].astype(object).value_counts()
    told = ", ".join(f"{number:,} {str(change).replace('_', ' ')}" for change, number in counts.items())
    invocation.say(f"findings: {told or 'none before and after'}")
    invocation.give(changes, reading=_READING)
    newer = findings[findings["change"] == "new"]["item"]
    return invocation.exit_code({kind: bool((newer == kind).any()) for kind in ("slow", "overflow", "parity")})
