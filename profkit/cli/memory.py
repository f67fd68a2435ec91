"""`profkit memory RUN`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import NothingRecordedError, has_losses
from profkit.memory_summary import memory_curve, memory_peaks, summarise_allocations
from profkit.run import load

_READING = (
    "rank", "component", "samples", "peak_allocated_bytes", "last_allocated_bytes", "peak_reserved_bytes",
    "peak_growth_bytes", "last_growth_bytes",
)  # fmt: skip


@click.command()
@click.argument("run", type=INPUT)
@click.option("--curve", is_flag=True, help="Give every sample instead of the peaks.")
@click.option("--allocations", is_flag=True, help="Give what was allocated for which operator, and what was kept.")
@reads_inputs()
def command(*, invocation: Invocation, run: Path, curve: bool, allocations: bool) -> int:
    """How much memory each component held: peak, time of the peak, and what was never given back.

    Growth is the sum of the changes since the recording began, where single allocations were recorded (torch with
    profile_memory=True); what was held before, old traces do not tell.

    \b
    profkit memory host_1_2025_ascend_ms
    profkit memory host_1_2025_ascend_ms --allocations
    profkit memory trace.json.gz
    profkit memory run/ --curve -o memory.csv
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
    if curve and allocations:
        raise click.UsageError("--curve and --allocations are two results: choose one")
    if allocations and loaded.allocations.empty:
        hint = "try `profkit memory` without it"
        raise NothingRecordedError(run, "no single allocations with their operators", loaded.issues, hint)
    if not allocations and loaded.memory.empty:
        hint = "record them (profile_memory=True), or see `profkit inspect`"
        raise NothingRecordedError(run, "no memory samples", loaded.issues, hint)
    invocation.warn_of(loaded.issues)
    if allocations:
        invocation.give(summarise_allocations(loaded.allocations))
    elif curve:
        invocation.give(memory_curve(loaded.memory))
    else:
        peaks = memory_peaks(loaded.memory)
        invocation.give(_that_held_any(peaks, invocation) if invocation.is_read else peaks, reading=_READING)
    return invocation.exit_code({"issues": has_losses(loaded.issues)})


def _that_held_any(peaks: pd.DataFrame, invocation: Invocation) -> pd.DataFrame:
    """Leave out what never held memory: an Ascend device lists some 70 modules, most of them idle."""
    amounts = peaks[["peak_allocated_bytes", "peak_reserved_bytes", "peak_growth_bytes"]]
    held = (amounts.fillna(0) > 0).any(axis="columns")
    if not held.all():
        invocation.say(f"{int((~held).sum())} components never held any memory; --format csv or -o FILE lists them too")
    return peaks[held]
