"""What the calls of the migration guide print: a title, a table of which nothing is cut off, and a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profkit.compare.precision import rule
from profkit.errors import ImportIssue
from profkit.report.formats import format_of, render
from profkit.report.text_table import display_cells, display_headers
from profkit.safe_text import printable
from profkit.store import write_bytes_in_one_step

_PARITY_COLUMNS = (
    "name_a", "name_b", "status", "shape_a", "shape_b", "close_ratio", "cosine", "mean_abs", "max_abs", "max_rel",
    "reason",
)  # fmt: skip
_SHAPES = ("shape_a", "shape_b")
_COUNTS = ("nan_a", "nan_b", "inf_a", "inf_b")
# Wider than any table: where the output is no terminal, nothing is folded.
_UNBOUNDED = 100_000


def print_table(frame: pd.DataFrame, title: str, headers: Sequence[str] | None = None) -> None:
    """Print a frame; cells too wide for the terminal are folded, never cut off."""
    titles = display_headers(frame)
    titles[: len(headers or ())] = headers or ()
    table = Table(title=Text(printable(title)), title_justify="left", box=box.ASCII_DOUBLE_HEAD, highlight=False)
    for name, heading in zip(frame.columns, titles, strict=False):
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(Text(printable(heading)), justify="right" if numeric else "left", overflow="fold")
    for row in display_cells(frame):
        table.add_row(*(Text(cell) for cell in row))
    is_terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if is_terminal else _UNBOUNDED, highlight=False).print(table)


def print_parity(
    parity: pd.DataFrame,
    title: str,
    *,
    heading: Sequence[str] = (),
    shapes: bool = False,
    sides: Sequence[str] = ("orig", "target"),
    headers: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    of: pd.DataFrame | None = None,
) -> None:
    """Print a parity frame with its verdict in a sentence.

    Args:
        parity: The frame.
        title: What to print above it.
        heading: Lines before the table.
        shapes: Print the columns of shapes.
        sides: What to call side A and side B.
        headers: Headings instead of the usual ones, from the first column on.
        columns: Columns to print; None for the usual ones.
        of: The frame whose verdict is said, where only some of its rows are printed.
    """
    for line in heading:
        sys.stdout.write(f"{printable(line)}\n")
    given = columns is not None
    columns = list(columns or (name for name in _PARITY_COLUMNS if shapes or name not in _SHAPES))
    # Counts of NaN and Inf are worth their width only where there are any.
    if not given and parity[list(_COUNTS)].fillna(0).to_numpy().any():
        columns[-1:-1] = _COUNTS
    shown = parity[columns].rename(columns={name: _side_word(name, sides) for name in columns})
    print_table(shown, title, headers)
    sys.stdout.write(f"{printable(summary(parity if of is None else of))}\n")


def summary(parity: pd.DataFrame) -> str:
    """Say in a sentence or two what a parity frame shows."""
    counts = parity["status"].astype(object).value_counts()
    sentences = [", ".join(f"{count:,} {status}" for status, count in counts.items()) + "."]
    sentences += [f"First divergence: {name}." for name in parity["name_a"][parity["first_divergence"]]]
    hidden = parity[(parity["status"] == "match") & (parity["jump"] > rule().jump) & (parity["io"] != "gradient")]
    if len(hidden):
        row = hidden.iloc[0]
        sentences.append(
            f"Within the tolerance, but more than rounding: {row['name_a']} differs {row['jump']:.3g} times as much as "
            "what lies before it (rtol=None, atol=None judges by that)."
        )
    return " ".join(sentences)


def print_issues(issues: Sequence[ImportIssue]) -> None:
    """Say on stderr what could not be read."""
    for issue in issues:
        if issue.severity.value != "info":
            sys.stderr.write(f"{printable(issue.source)}: {printable(issue.text)}\n")


def write_result(frame: pd.DataFrame, path: Any) -> None:
    """Write a result in the format of the file's suffix.

    Raises:
        ProfkitError: The suffix is of no format, or the place cannot be written.
    """
    target = Path(os.fspath(path))
    write_bytes_in_one_step(target, render(frame, format_of(target)))


def _side_word(name: str, sides: Sequence[str]) -> str:
    for letter, word in zip("ab", sides, strict=False):
        if name.endswith(f"_{letter}"):
            return f"{word}_{name.removesuffix(f'_{letter}')}"
    return name
