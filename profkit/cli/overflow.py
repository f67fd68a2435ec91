"""`profkit overflow DUMP`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import NothingRecordedError, has_losses
from profkit.overflow import hunt_run
from profkit.report.overflow_report import overflow_text
from profkit.run import load
from profkit.tensor_peaks import TensorPeaks


@click.command()
@click.argument("dump", type=INPUT)
@click.option("--origins", is_flag=True, help="Only the origins, without what they spread to.")
@click.option("--chain", is_flag=True, help="Every operator from the origin to the loss, one a line.")
@click.option("--all", "every_row", is_flag=True, help="Every row, not only those to look at first.")
@reads_inputs()
def command(*, invocation: Invocation, dump: Path, origins: bool, chain: bool, every_row: bool) -> int:
    """Origins of NaN and Inf in a dump, in execution order, with what they spread to.

    DUMP is a MindSpore dump directory at any level (dump root, rank, net, graph or iteration), a dump of msprobe, or
    saved outputs. A clean dump gives no row.

    Roles: origin (finite inputs, bad output), carrier, masked (bad inputs, finite output), saturated (at the largest
    value of the dtype), norm_jump (much larger than its inputs, still finite), expected (a dynamic loss scale at work),
    unknown (an input or output that was not dumped may be the cause).

    \b
    profkit overflow dump/
    profkit overflow dump/ --chain
    profkit overflow dump/rank_0 --origins --format json --fail-on overflow
    """
    with invocation.progress() as progress:
        loaded = load(dump, cache=invocation.cache, rank=invocation.rank, progress=progress)
        if loaded.tensors.empty and loaded.overflow_records.empty:
            raise NothingRecordedError(dump, "no dumped tensors", loaded.issues)
        cache = invocation.cache
        peaks = TensorPeaks(cache.peaks_file) if cache is not None and cache.limit_bytes else None
        overflow = hunt_run(loaded, progress, peaks=peaks)
        if peaks is not None:
            peaks.save()
    invocation.warn_of(loaded.issues)
    # The primary row counts even if its role is unknown: a bad weight or network input has no operator as its origin.
    found = (overflow["role"] == "origin") | overflow["primary"]
    operators = loaded.tensors["op"].nunique()
    invocation.say(f"{int(found.sum())} origin(s) among {operators:,} dumped operators and parameters")
    shown = (overflow[found] if origins else overflow).reset_index(drop=True)
    if invocation.is_read:
        width = shutil.get_terminal_size((100, 24)).columns
        text = overflow_text(shown, width=width, every_row=every_row, whole_chain=chain)
        invocation.give_text(text, f"{len(shown):,} rows")
    else:
        invocation.give(shown)
    return invocation.exit_code({"overflow": bool(found.any()), "issues": has_losses(loaded.issues)})
