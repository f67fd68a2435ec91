"""`profkit steps RUN`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.correlate.identity import identify
from profkit.errors import NothingRecordedError, has_losses
from profkit.run import load
from profkit.step_breakdown import break_down_steps

_READING = (
    "rank", "span", "step", "level", "rows", "dur_ns", "busy_ns", "computing_ns", "communication_ns", "overlapped_ns",
    "free_ns", "carry_over_ns",
)  # fmt: skip


@click.command()
@click.argument("run", type=INPUT)
@reads_inputs()
def command(*, invocation: Invocation, run: Path) -> int:
    """Where the time of each step goes: computation, communication, overlap, idle.

    One row a step, and one for the whole run of each rank, recomputed from the device rows; where the profiler wrote a
    split of its own (step_trace_time.csv), it stands beside them as recorded_*, with the difference and its reason.
    Work launched before the recording began stands apart, as carry-over. A run without device rows gives the busy time
    of its host operators.

    \b
    profkit steps trace.json.gz
    profkit steps host_1_2025_ascend_ms -o steps.csv
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        if loaded.ops.empty and loaded.steps.empty:
            raise NothingRecordedError(run, "no operators and no steps", loaded.issues)
        progress("summing", run.name, None)
        breakdown = break_down_steps(identify(loaded))
    invocation.warn_of(loaded.issues)
    _tell_differences(breakdown, invocation)
    invocation.give(breakdown, reading=_READING)
    return invocation.exit_code({"issues": has_losses(loaded.issues)})


def _tell_differences(breakdown: pd.DataFrame, invocation: Invocation) -> None:
    compared = breakdown[breakdown["difference"].notna()]
    if compared.empty:
        return
    equal = int((compared["difference"] == "none").sum())
    if equal:
        invocation.say(f"{equal:,} of {len(compared):,} rows equal the split that the profiler recorded")
    for row in compared[compared["difference"] != "none"].to_dict("records"):
        step = f"step {row['step']}" if row["span"] == "step" else "the run"
        invocation.say(
            f"{step} of rank {row['rank']} differs from the split that the profiler recorded: {row['difference']}"
        )
