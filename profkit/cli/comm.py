"""`profkit comm RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.communication_summary import GROUPINGS, communication_rows, summarise_communication, summarise_links
from profkit.correlate.identity import identify
from profkit.errors import NothingRecordedError, has_losses
from profkit.run import load

_LINK = "link"
_MEASURES = ("count", "total_ns", "wait_ns", "size_bytes", "bandwidth_gb_s", "message_bytes", "bus_gb_s")


@click.command()
@click.argument("run", type=INPUT)
@click.option(
    "--by", type=click.Choice([*GROUPINGS, _LINK]), default="operation", show_default=True, help="What makes a row."
)
@reads_inputs()
def command(*, invocation: Invocation, run: Path, by: str) -> int:
    """Collectives and point-to-point transfers: count, time, wait for other ranks, bytes, bandwidth.

    Bandwidth is bytes over the time without waiting. Where the recording has no table of its own for communication, the
    kernels of the device are summed; of these the message is known, if it was recorded, and not the wait: their bus
    bandwidth is the share of the message that crosses a link, over the whole time. A call whose kernel was not recorded
    has no time. --by link gives the matrix of an Ascend run: which rank sent how much to which, and how fast.

    \b
    profkit comm rank_0_ascend_pt
    profkit comm rank_0_ascend_pt --by link
    profkit comm trace.json.gz --by group
    profkit comm rank_0_ascend_ms --by dtype
    profkit comm runs/ --rank 3 --by step -o communication.csv
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        progress("summing", run.name, None)
        rows = loaded.links if by == _LINK else communication_rows(identify(loaded))
    if by == _LINK and rows.empty:
        hint = "Ascend runs at level 1 and above have one"
        raise NothingRecordedError(run, "no matrix of communication", loaded.issues, hint)
    if rows.empty:
        raise NothingRecordedError(run, "no communication", loaded.issues)
    invocation.warn_of(loaded.issues)
    if by == _LINK:
        invocation.give(summarise_links(rows))
    else:
        invocation.give(summarise_communication(rows, by), reading=[*GROUPINGS[by], *_MEASURES])
    return invocation.exit_code({"issues": has_losses(loaded.issues)})
