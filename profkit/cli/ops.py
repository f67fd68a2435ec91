"""`profkit ops RUN`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.cli.kept_answers import KeptAnswers
from profkit.errors import ImportIssue, NothingRecordedError, ProfkitError, has_losses
from profkit.operator_totals import load_identified, operator_totals, request_totals
from profkit.schema import PHASES
from profkit.summary import GROUPINGS, choose, of_step, summarise

_SHARES_SHOWN = 6
# Imported only where counters are asked for: they bring half of the parsers of Ascend runs along.
_COUNTERS = "profkit.kernel_counters"


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
    view = _View(by, phase, level)
    if step is not None or counters:
        return _show(_single_operators(run, step, invocation, counters=counters), view, run, invocation)
    with invocation.progress() as progress:
        request = request_totals(run, invocation.cache, invocation.rank, progress)
        answers = KeptAnswers(invocation, request, ("ops", by, phase, level))
        kept = answers.find()
        if kept is None:
            found = request.load()
    if kept is not None:
        return kept
    code = _show(_Operators(found.totals, found.issues), view, run, invocation)
    answers.keep(found)
    return code


@dataclass(frozen=True)
class _View:
    """Which operators are shown, and what makes a row of them."""

    by: str
    phase: str | None
    level: str | None


@dataclass(frozen=True)
class _Operators:
    """What the command shows.

    Attributes:
        totals: Frame of schema.TOTALS.
        issues: What was lost on the way.
        executions: Frame `ops`, where counters were asked for.
        counted: The counters, where they were asked for.
    """

    totals: pd.DataFrame
    issues: Sequence[ImportIssue]
    executions: pd.DataFrame | None = None
    counted: pd.DataFrame | None = None


def _single_operators(run: Path, step: int | None, invocation: Invocation, *, counters: bool) -> _Operators:
    """Read the executions themselves: totals tell no steps and no counters."""
    with invocation.progress() as progress:
        identified = load_identified(run, cache=invocation.cache, rank=invocation.rank, progress=progress)
        ops = identified.ops if step is None or identified.ops.empty else of_step(identified.ops, step)
        if not counters:
            return _Operators(operator_totals(ops), identified.issues)
        counted, noted = import_module(_COUNTERS).load_counters(identified, progress=progress)
        return _Operators(operator_totals(ops), (*identified.issues, *noted), ops, counted)


def _show(operators: _Operators, view: _View, run: Path, invocation: Invocation) -> int:
    if operators.totals.empty:
        raise NothingRecordedError(run, "no operators", operators.issues)
    if operators.counted is not None and operators.counted.empty:
        raise ProfkitError(f"{run} holds no hardware counters", "record an Ascend run with aic_metrics at level 1 or 2")
    level = view.level or _default_level(operators.totals, view.by, invocation)
    chosen = choose(operators.totals, level=level, phase=view.phase)
    invocation.warn_of(operators.issues)
    _tell_carry_over(chosen, invocation)
    # Imported here: who finds the answer kept needs no vocabulary.
    for note in import_module("profkit.class_coverage").class_notes(chosen, "self_ns"):
        invocation.say(note)
    summary = summarise(chosen, view.by)
    if operators.executions is None or operators.counted is None:
        invocation.give(summary)
    else:
        executions = choose(operators.executions, level=level, phase=view.phase)
        counters = import_module(_COUNTERS).summarise_counters(executions, operators.counted, view.by)
        table = _with_counters(summary, counters, view.by)
        invocation.give(table, reading=_reading_of(table, view.by))
    return invocation.exit_code({"issues": has_losses(operators.issues)})


def _with_counters(summary: pd.DataFrame, counters: pd.DataFrame, by: str) -> pd.DataFrame:
    keys = list(GROUPINGS[by])
    return summary.merge(counters.astype(dict.fromkeys(keys, object)), on=keys, how="left")


def _reading_of(table: pd.DataFrame, by: str) -> list[str]:
    """Choose what suffices to read: shares of time, of which a screen can hold a few."""
    shares = [name for name in table.columns if re.search(r"_ratio$|\(%\)$|_rate$", name) and table[name].notna().any()]
    return [GROUPINGS[by][0], "count", "total_ns", *shares[:_SHARES_SHOWN]]


def _default_level(totals: pd.DataFrame, by: str, invocation: Invocation) -> str:
    levels = set(totals["level"].unique())
    level = "device" if "device" in levels else "host"
    if by == "kernel" and level == "host":
        invocation.say("this run has no device kernels: host operators are shown")
    elif len(levels) > 1:
        invocation.say("device kernels are shown; --level host shows the operators that launched them")
    return level


def _tell_carry_over(chosen: pd.DataFrame, invocation: Invocation) -> None:
    carried = chosen[chosen["carry_over"]]
    if len(carried):
        total_ms = carried["total_ns"].sum() / 1e6
        invocation.say(
            f"{carried['count'].sum():,} of these kernels ({total_ms:,.3f} ms) were launched before the recording began"
        )
