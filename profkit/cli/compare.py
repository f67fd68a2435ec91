"""`profkit compare A B`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.compare.pairing import STRATEGIES
from profkit.compare.paths import compare_paths, differences_to_look_at_first
from profkit.errors import ProfkitError, has_losses
from profkit.schema import PARITY, PARITY_STATUS
from profkit.store import write_bytes_in_one_step

_READING = ("name_a", "name_b", "status", "shape_a", "dtype_a", "max_abs", "rel_l2", "close_ratio", "reason")
_ONE_PAIR = (
    "status", "max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "cosine", "l2_ratio", "rel_l2", "close_ratio",
    "ulp_p50", "ulp_p99", "ulp_max", "nan_a", "nan_b", "inf_a", "inf_b", "first_index", "worst_index", "reason",
)  # fmt: skip


@click.command()
@click.argument("a", type=INPUT)
@click.argument("b", type=INPUT)
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance; default by dtype and depth.")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance; default by dtype and depth.")
@click.option(
    "--symmetric/--asymmetric", default=True, help="Hold --rtol against the larger of |a| and |b|, or against |a|."
)
@click.option("--only", type=click.Choice(PARITY_STATUS), multiple=True, help="Only rows of this status; repeatable.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, the largest first; default is forward order.")
@click.option("--map", "weight_map", type=click.Path(path_type=Path), help="Weight map (.json .toml): names of A to B.")
@click.option(
    "--pair-by",
    type=click.Choice(STRATEGIES),
    multiple=True,
    help="Pair by this alone; repeatable. Default: all, from the surest on.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that measure; default by size, at most 2.")
@click.option("--figure", type=click.Path(path_type=Path), help="Error against depth as a picture (.png .svg).")
@reads_inputs()
def command(
    *,
    invocation: Invocation,
    a: Path,
    b: Path,
    rtol: float | None,
    atol: float | None,
    symmetric: bool,
    only: tuple[str, ...],
    sort: str | None,
    weight_map: Path | None,
    pair_by: tuple[str, ...],
    workers: int | None,
    figure: Path | None,
) -> int:
    """Numerical parity of two arrays, directories of tensors, dumps or checkpoints, in forward order.

    A is the reference. Tensors are paired by name in either framework's words, then by value, by module and by order
    and shape; `paired_by` says how. What has no partner is a row of its own and never a match.

    Without --rtol and --atol the rule by dtype and depth decides: what one module leaves by rounding, and how far the
    error jumps against what lies upstream. With either, every element must be within it.

    \b
    profkit compare torch/outputs mindspore/outputs
    profkit compare a.npy b.npy --rtol 1e-3
    profkit compare pt/ ms/ --only mismatch --sort rel_l2 -o parity.csv --fail-on parity
    profkit compare net.pth net.ckpt --map weights.json
    profkit compare torch/outputs dump/rank_0 --pair-by value
    profkit compare pt/ ms/ -o report.html --figure depth.png
    """
    if sort is not None and sort not in PARITY.names:
        raise ProfkitError(f"{sort} is no column of the result", f"columns: {', '.join(PARITY.names)}")
    with invocation.progress() as progress:
        found = compare_paths(
            a,
            b,
            rtol=rtol,
            atol=atol,
            symmetric=symmetric,
            weight_map=weight_map,
            pair_by=pair_by or None,
            workers=workers,
            cache=invocation.cache,
            rank=invocation.rank,
            progress=progress,
        )
    parity = found.parity
    invocation.warn_of(found.issues)
    counts = parity["status"].astype(object).value_counts()
    invocation.say(", ".join(f"{count:,} {status}" for status, count in counts.items()) or "nothing to compare")
    for row in parity[parity["first_divergence"]].itertuples(index=False):
        invocation.say(f"first divergence: {row.name_a}: {row.reason}")
    _give(invocation, parity, _shown(parity, only, sort), figure)
    return invocation.exit_code(
        {"parity": bool((parity["status"] != "match").any()), "issues": has_losses(found.issues)}
    )


def _shown(parity: pd.DataFrame, only: tuple[str, ...], sort: str | None) -> pd.DataFrame:
    shown = parity[parity["status"].isin(only)] if only else parity
    if sort is not None:
        ascending = not pd.api.types.is_numeric_dtype(shown[sort])
        shown = shown.sort_values(sort, ascending=ascending, kind="stable", na_position="last")
    return shown.reset_index(drop=True)


def _give(invocation: Invocation, parity: pd.DataFrame, shown: pd.DataFrame, figure: Path | None) -> None:
    if figure is not None:
        from profkit.report.figures import error_against_depth, figure_format  # noqa: PLC0415 - imports matplotlib

        write_bytes_in_one_step(figure, error_against_depth(parity, figure_format(figure)))
        invocation.say(f"error against depth written to {figure}")
    if invocation.out is not None and invocation.out.suffix.lower() == ".html":
        from profkit.report.parity_report import html_report  # noqa: PLC0415 - imports matplotlib

        invocation.give_text(html_report(parity, shown, differences_to_look_at_first(parity)), f"{len(shown):,} rows")
        return
    invocation.give(shown, reading=_ONE_PAIR if len(parity) == 1 else _READING)
