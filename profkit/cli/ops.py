"""`profkit ops RUN`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.correlate.identity import identify
from profkit.errors import ProfkitError
from profkit.run import Run, load
from profkit.schema import PHASES
from profkit.summary import GROUPINGS, choose_ops, summarise_ops


@click.command()
@click.argument("run", type=INPUT)
@click.option("--by", type=click.Choice(list(GROUPINGS)), default="name", show_default=True, help="What makes a row.")
@click.option("--step", type=int, help="Only this step.")
@click.option("--phase", type=click.Choice(PHASES), help="Only this part of the step.")
@click.option("--level", type=click.Choice(["host", "device"]), help="Host operators or device kernels.")
@reads_inputs()
def command(
    *, invocation: Invocation, run: Path, by: str, step: int | None, phase: str | None, level: str | None
) -> int:
    """Operators of one run, summed.

    RUN is a trace (- for standard input), a profiler directory or a directory that holds one. Without --level the
    device kernels are taken where the run has any, else the host operators.

    \b
    profkit ops trace.json.gz
    profkit ops host_1_2025_ascend_ms --by op_type --level device
    profkit ops run/ --by module --phase backward -o modules.csv
    ssh npu01 cat trace.json.gz | profkit ops -
    """
    with invocation.progress() as progress:
        loaded = load(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        if loaded.ops.empty:
            raise ProfkitError(f"{run} holds no operators", "`profkit inspect` tells what it holds")
        progress("summing", run.name, None)
        identified = identify(loaded)
    chosen_level = level or _default_level(identified, by, invocation)
    chosen = choose_ops(identified.ops, level=chosen_level, step=step, phase=phase)
    invocation.warn_of(loaded.issues)
    _tell_carry_over(chosen, invocation)
    invocation.give(summarise_ops(chosen, by))
    return invocation.exit_code({"issues": bool(loaded.issues)})


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
