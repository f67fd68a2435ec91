"""`profkit memory RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import ProfkitError
from profkit.memory_summary import memory_curve, memory_peaks
from profkit.run import load

_READING = ("rank", "component", "samples", "peak_allocated_bytes", "last_allocated_bytes", "peak_reserved_bytes")


@click.command()
@click.argument("run", type=INPUT)
@click.option("--curve", is_flag=True, help="Give every sample instead of the peaks.")
@reads_inputs()
def command(*, invocation: Invocation, run: Path, curve: bool) -> int:
    """How much memory each component held: peak, time of the peak, and what was never given back.

    \b
    profkit memory host_1_2025_ascend_ms
    profkit memory run/ --curve -o memory.csv
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
    if loaded.memory.empty:
        raise ProfkitError(
            f"{run} holds no memory samples", "record them (profile_memory=True), or see `profkit inspect`"
        )
    invocation.warn_of(loaded.issues)
    if curve:
        invocation.give(memory_curve(loaded.memory))
    else:
        invocation.give(memory_peaks(loaded.memory), reading=_READING)
    return invocation.exit_code({"issues": bool(loaded.issues)})
