"""`profkit comm RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.communication_summary import GROUPINGS, communication_rows, summarise_communication
from profkit.correlate.identity import identify
from profkit.errors import ProfkitError
from profkit.run import load


@click.command()
@click.argument("run", type=INPUT)
@click.option(
    "--by", type=click.Choice(list(GROUPINGS)), default="operation", show_default=True, help="What makes a row."
)
@reads_inputs()
def command(*, invocation: Invocation, run: Path, by: str) -> int:
    """Collectives and point-to-point transfers: count, time, wait for other ranks, bytes, bandwidth.

    Bandwidth is bytes over the time without waiting. Where the recording has no table of its own for communication,
    the kernels of the device are summed, without wait and bytes.

    \b
    profkit comm rank_0_ascend_pt
    profkit comm runs/ --rank 3 --by step -o communication.csv
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        progress("summing", run.name, None)
        rows = communication_rows(identify(loaded))
    if rows.empty:
        raise ProfkitError(f"{run} holds no communication", "`profkit inspect` tells what it holds")
    invocation.warn_of(loaded.issues)
    invocation.give(summarise_communication(rows, by))
    return invocation.exit_code({"issues": bool(loaded.issues)})
