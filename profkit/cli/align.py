"""`profkit align REF RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.explaining import EXPLAIN, give_explanation
from profkit.cli.invocation import HINTS, INPUT, Invocation, reads_inputs
from profkit.correlate import align
from profkit.correlate.hint_notes import hint_notes
from profkit.correlate.identity import identify
from profkit.errors import NothingRecordedError, has_losses
from profkit.parsers.alignment_hints import NO_HINTS, AlignmentHints, read_alignment_hints
from profkit.progress import Progress
from profkit.run import Run, load

_READING = ("group", "side", "step", "dur_ns", "name", "op_class", "phase", "module", "confidence", "reason")


@click.command()
@click.argument("ref", type=INPUT)
@click.argument("run", type=INPUT)
@HINTS
@EXPLAIN
@reads_inputs()
def command(*, invocation: Invocation, ref: Path, run: Path, hints_file: Path | None, explained: str | None) -> int:
    """Operators of two runs, aligned: one row an execution, equal groups do the same work.

    Group -1 holds what has no counterpart. The two runs may be PyTorch and MindSpore, or one before and one after a
    fix.

    \b
    profkit align torch_run/ mindspore_run/ -o alignment.csv
    profkit align before_ascend_ms/ after_ascend_ms/ --format json
    profkit align torch_run/ mindspore_run/ --map hints.toml
    profkit align torch_run/ mindspore_run/ --explain 23
    """
    hints = NO_HINTS if hints_file is None else read_alignment_hints(hints_file)
    with invocation.progress() as progress:
        reference, judged = (_with_operators(path, hints, invocation, progress) for path in (ref, run))
        alignment = align(reference, judged, hints=hints, progress=progress)
    invocation.warn_of([*reference.issues, *judged.issues])
    for note in hint_notes(hints, reference, judged, alignment):
        invocation.say(note)
    issues = {"issues": has_losses([*reference.issues, *judged.issues])}
    if explained is not None:
        give_explanation(alignment, explained, invocation)
        return invocation.exit_code(issues)
    unmatched = alignment[alignment["group"] < 0].groupby("side", observed=True).size()
    counts = ", ".join(f"{count:,} of {side}" for side, count in unmatched.items()) or "none"
    invocation.say(f"{alignment['group'].nunique() - int(len(unmatched) > 0):,} groups; unmatched executions: {counts}")
    invocation.give(alignment, reading=_READING)
    return invocation.exit_code(issues)


def _with_operators(path: Path, hints: AlignmentHints, invocation: Invocation, progress: Progress) -> Run:
    loaded = load(path, cache=invocation.cache, rank=invocation.rank, progress=progress)
    if loaded.ops.empty:
        raise NothingRecordedError(path, "no operators", loaded.issues)
    return identify(loaded, hints.classes)
