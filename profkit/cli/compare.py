"""`profkit compare A B`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.compare import compare_tensors
from profkit.errors import ProfkitError
from profkit.progress import Progress
from profkit.run import Run, load
from profkit.schema import PARITY_STATUS

_READING = ("name_a", "name_b", "status", "shape_a", "dtype_a", "max_abs", "rel_l2", "close_ratio", "reason")


@click.command()
@click.argument("a", type=INPUT)
@click.argument("b", type=INPUT)
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance; default by dtype.")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance; default by dtype.")
@click.option("--only", type=click.Choice(PARITY_STATUS), multiple=True, help="Only rows of this status; repeatable.")
@reads_inputs()
def command(
    *,
    invocation: Invocation,
    a: Path,
    b: Path,
    rtol: float | None,
    atol: float | None,
    only: tuple[str, ...],
) -> int:
    """Numerical parity of two arrays or directories of tensors, in forward order.

    A is the reference. Tensors are paired by name, what is left by order and shape; what has no partner is a row of its
    own and never a match.

    \b
    profkit compare torch/outputs mindspore/outputs
    profkit compare a.npy b.npy --rtol 1e-3
    profkit compare pt/ ms/ --only mismatch -o parity.csv --fail-on parity
    """
    with invocation.progress() as progress:
        ours, theirs = (_with_tensors(path, invocation, progress) for path in (a, b))
        parity = compare_tensors(ours.tensors, theirs.tensors, rtol=rtol, atol=atol, progress=progress)
    issues = [*ours.issues, *theirs.issues]
    invocation.warn_of(issues)
    counts = parity["status"].astype(object).value_counts()
    invocation.say(", ".join(f"{count:,} {status}" for status, count in counts.items()) or "nothing to compare")
    first = parity[parity["first_divergence"]]
    for row in first.itertuples(index=False):
        invocation.say(f"first divergence: {row.name_a}: {row.reason}")
    shown = parity[parity["status"].isin(only)].reset_index(drop=True) if only else parity
    invocation.give(shown, reading=_READING)
    return invocation.exit_code({"parity": bool((parity["status"] != "match").any()), "issues": bool(issues)})


def _with_tensors(path: Path, invocation: Invocation, progress: Progress) -> Run:
    loaded = load(path, cache=invocation.cache, rank=invocation.rank, progress=progress)
    if loaded.tensors.empty:
        raise ProfkitError(f"{path} holds no tensors", "`profkit inspect` tells what it holds")
    return loaded
