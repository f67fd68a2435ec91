"""`profkit ops RUN`."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.correlate.identity import identify
from profkit.errors import ProfkitError, has_losses
from profkit.kernel_counters import load_counters, summarise_counters
from profkit.run import Run, load
from profkit.schema import PHASES
from profkit.summary import GROUPINGS, choose_ops, summarise_ops

_SHARES_SHOWN = 6


@click.command()
@click.argument("run", type=INPUT)
@click.option("--by", type=click.Choice(list(GROUPINGS)), default="name", show_default=True, help="What makes a row.")
@click.option("--step", type=int, help="Only this step.")
@click.option("--phase", type=click.Choice(PHASES), help="Only this part of the step.")
@click.option("--counters", is_flag=True, help="Add the hardware counters of the kernels (Ascend, aic_metrics).")
@click.option("--level", type=click.Choice(["host", "device"]), help="Host operators or device kernels.")
@reads_inputs()
def command(
    *,
    invocation: Invocation,
    run: Path,
    by: str,
    step: int | None,
    phase: str | None,
    level: str | None,
    counters: bool,
) -> int:
    """Operators of one run, summed.

    RUN is a trace (- for standard input), a profiler directory or a directory that holds one. Without --level the
    device kernels are taken where the run has any, else the host operators.

    \b
    profkit ops trace.json.gz
    profkit ops host_1_2025_ascend_ms --by op_type --level device
    profkit ops host_1_2025_ascend_ms --counters -o counters.csv
    profkit ops run/ --by module --phase backward -o modules.csv
    ssh npu01 cat trace.json.gz | profkit ops -
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        if loaded.ops.empty:
            raise ProfkitError(f"{run} holds no operators", "`profkit inspect` tells what it holds")
        progress("summing", run.name, None)
        identified = identify(loaded)
        counted, noted = load_counters(loaded, progress=progress) if counters else (None, ())
    if counted is not None and counted.empty:
        raise ProfkitError(f"{run} holds no hardware counters", "record an Ascend run with aic_metrics at level 1 or 2")
    chosen_level = level or _default_level(identified, by, invocation)
    chosen = choose_ops(identified.ops, level=chosen_level, step=step, phase=phase)
    invocation.warn_of([*loaded.issues, *noted])
    _tell_carry_over(chosen, invocation)
    summary = summarise_ops(chosen, by)
    if counted is None:
        invocation.give(summary)
    else:
        table = _with_counters(summary, summarise_counters(chosen, counted, by), by)
        invocation.give(table, reading=_reading_of(table, by))
    return invocation.exit_code({"issues": has_losses([*loaded.issues, *noted])})


def _with_counters(summary: pd.DataFrame, counters: pd.DataFrame, by: str) -> pd.DataFrame:
    keys = list(GROUPINGS[by])
    return summary.merge(counters.astype(dict.fromkeys(keys, object)), on=keys, how="left")


def _reading_of(table: pd.DataFrame, by: str) -> list[str]:
    """Choose what suffices to read: shares of time, of which a screen can hold a few."""
    shares = [name for name in table.columns if re.search(r"_ratio$|\(%\)$|_rate$", name) and table[name].notna().any()]
    return [GROUPINGS[by][0], "count", "total_ns", *shares[:_SHARES_SHOWN]]


def _default_level(run: Run, by: str, invocation: Invocation) -> str:
    levels = set(run.ops["level"].unique())
    level = "device" if "device" in levels else "host"
    if by == "kernel" and level == "host":
        invocation.say("this run has no device kernels: host operators are shown")
    elif len(levels) > 1:
        invocation.say("device kernels are shown; --level host shows the operators that launched them")
    return level


def _tell_carry_over(chosen: pd.DataFrame, invocation: Invocation) -> None:
    carried = chosen[chosen["carry_over"]]
    if len(carried):
        total_ms = carried["dur_ns"].sum() / 1e6
        invocation.say(
            f"{len(carried):,} of these kernels ({total_ms:,.3f} ms) were launched before the recording began"
        )
