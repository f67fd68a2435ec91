"""Steps that take longer than the others: the first, and those that compile or see shapes for the first time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

import pandas as pd

from profkit.bridge.median_step import StepWindow
from profkit.correlate.intervals import intersection_length
from profkit.diseases.recording import Recording, milliseconds
from profkit.diseases.subject import Cost, Finding, Subject, finding
from profkit.run import Run
from profkit.thresholds import thresholds

# What the frameworks call compiling in their host rows: torch_npu's operator compiler, TorchDynamo and inductor, and
# MindSpore's graph compiler (`{Module}::{Event}::...`).
_COMPILES = re.compile(
    r"aclopCompile|(?:^|::)(?:CompileGraphs?|GraphCompile|JitCompile|CompileInner|BuildGraph)(?:::|$)|_compile\.|"
    r"compile_fx|Torch-?Dynamo|CachingAutotuner\.benchmark|compile_kernels",
    re.IGNORECASE,
)


def slow_first_step(subject: Subject) -> list[Finding]:
    """Name a first step that takes much longer than the later ones; the cost is paid once, not in every step."""
    found = _first_and_later(subject.run)
    if found is None:
        return []
    window, first, later = found
    ratio = first / later
    longest = max(one.length_ns for one in subject.run.windows)
    of_ref = _first_and_later(subject.ref) if subject.ref is not None else None
    least = thresholds("first_step")["ratio"]
    if (
        ratio < least
        or 2 * first < 3 * longest
        or (of_ref is not None and ratio < least * max(of_ref[1] / of_ref[2], 1.0))
    ):
        return []
    evidence = (
        f"step {window.step} takes {milliseconds(first)}, the later ones {milliseconds(later)} (median of "
        f"{len(subject.run.windows)}): {milliseconds(first - later)} paid once"
    )
    advice = (
        "nothing to mend in a long training; leave it out of measurements, or keep compiled graphs and kernels in a "
        "cache (compile cache, binary kernels) if restarts are frequent"
    )
    row = finding("first_step", Cost(0, None, 0), evidence, advice)
    return [{**row, "impact_ns": None, "ratio": ratio}]


def unjudged_step_lengths(run: Run) -> list[str]:
    """Say what a run with too few steps does not tell; nothing if it has enough."""
    least = round(thresholds("first_step")["least_steps"])
    steps = run.ops[["rank", "step"]].drop_duplicates().query("step >= 0").groupby("rank").size().max()
    if run.ops.empty or steps >= least:
        return []
    which = f"a slow first step and recompilation were not judged in {run.path}"
    if pd.isna(steps):
        return [f"{which}: it has no steps, and its whole recording, warm-up included, is taken for one step"]
    return [f"{which}: it has {int(steps)} of the {least} steps that take"]


def _first_and_later(side: Recording) -> tuple[StepWindow, int, float] | None:
    one_rank = [window for window in side.all_windows if window.rank == side.all_windows[0].rank]
    if len(one_rank) < thresholds("first_step")["least_steps"]:
        return None
    ordered = sorted(one_rank, key=lambda window: window.step)
    return ordered[0], ordered[0].length_ns, float(median(window.length_ns for window in ordered[1:]))


def recompilation(subject: Subject) -> list[Finding]:
    """Name time lost after the first step to compiling, and to shapes that were not seen before."""
    return [*_compiling(subject), *_new_shapes(subject)]


def _compiling(subject: Subject) -> list[Finding]:
    cost = subject.excess("recompile", _compile_time)
    if cost is None:
        return []
    names = ", ".join(_compile_rows(subject.run)["name"].astype(str).value_counts().index[:3])
    evidence = f"compiling takes {cost.words()} on average after the first step: {names}"
    return [finding("recompile", cost, evidence, _FIXED_SHAPES, op=names, confidence=0.8)]


_FIXED_SHAPES = (
    "keep shapes fixed: pad or bucket the inputs, drop the last partial batch, or declare the dynamic dimensions once "
    "(set_inputs, mark_dynamic); no Python value that changes may reach the compiled function"
)


def _compile_rows(side: Recording) -> pd.DataFrame:
    host = side.run.ops[side.run.ops["level"] == "host"][["rank", "start_ns", "dur_ns", "name"]]
    spans = side.run.spans[["rank", "start_ns", "dur_ns", "name"]]
    parts = []
    for frame in (host, spans):
        categories = frame["name"].cat.categories
        parts.append(frame[frame["name"].isin([name for name in categories if _COMPILES.search(str(name))])])
    return pd.concat([part.astype({"name": object}) for part in parts], ignore_index=True)


def _compile_time(side: Recording) -> int:
    """Give the mean over the steps: one long compilation in a few steps has a median of nothing."""
    rows = _compile_rows(side)
    if rows.empty or len(side.windows) == len(side.all_windows):
        return 0
    total = 0
    for window in side.windows:
        own = rows[rows["rank"] == window.rank]
        start = own["start_ns"].to_numpy(dtype="int64")
        begin, end = pd.Series([window.begin_ns]).to_numpy(), pd.Series([window.end_ns]).to_numpy()
        total += intersection_length(start, start + own["dur_ns"].to_numpy(dtype="int64"), begin, end)
    return round(total / len(side.windows))


def _new_shapes(subject: Subject) -> list[Finding]:
    cost = subject.excess("recompile", lambda side: _cost_of_new_shapes(side)[0])
    if cost is None:
        return []
    _, new, seen = _cost_of_new_shapes(subject.run)
    evidence = (
        f"{len(new)} of {len(new) + len(seen)} steps after the first have input shapes that no step before had and "
        f"take {milliseconds(median(new))} (median), the others {milliseconds(median(seen))}"
    )
    return [finding("recompile", cost, evidence, _FIXED_SHAPES, confidence=0.7)]


def _cost_of_new_shapes(side: Recording) -> tuple[int, Sequence[int], Sequence[int]]:
    """Give the mean loss a step, and the lengths of later steps whose shapes are new and not new."""
    known: set[tuple[object, ...]] = set()
    new: list[int] = []
    seen: list[int] = []
    rank = side.all_windows[0].rank
    shapes = side.rows["input_shapes"].cat.codes
    rows = side.rows[(side.rows["rank"] == rank) & (shapes >= 0)]
    of_step = {step: tuple(codes) for step, codes in shapes[rows.index].groupby(rows["step"])}
    windows = sorted((w for w in side.all_windows if w.rank == rank), key=lambda window: window.step)
    for number, window in enumerate(windows):
        signature = of_step.get(window.step, ())
        if number:
            (seen if signature in known else new).append(window.length_ns)
        known.add(signature)
    if not new or not seen:
        return 0, new, seen
    loss = median(new) - median(seen)
    apart = min(new) > max(seen)
    return (round(loss * len(new) / (len(new) + len(seen))) if apart else 0), new, seen
