"""The hunt for a reader: the origin with what it rests on, then the operators that matter, as wide as the terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from rich.cells import cell_len, set_cell_size

from profkit.overflow import short_operator_name
from profkit.report.text_table import text_table
from profkit.safe_text import printable

_NARROWEST, _WIDEST = 60, 160
_MOST_ROWS = 20
_LABEL_WIDTH = 12
_COUNTS = ("nan", "pos_inf", "neg_inf")
_SHOWN = ("iteration", "order", "role", "operator", *_COUNTS)
_MOST_LINKS = 12


def overflow_text(overflow: pd.DataFrame, *, width: int, every_row: bool = False, whole_chain: bool = False) -> str:
    """Give the hunt's result as text.

    Args:
        overflow: Frame of schema.OVERFLOW.
        width: Cells in a line of the terminal.
        every_row: Show every row and its whole reason, however wide.
        whole_chain: Show every operator from the origin to the loss, one a line.
    """
    if overflow.empty:
        return "no NaN, Inf or saturated value"
    width = min(max(width, _NARROWEST), _WIDEST)
    blocks = [_primary_block(overflow, row, width) for _, row in overflow[overflow["primary"]].iterrows()]
    if whole_chain:
        blocks.append(_chain_table(overflow, width))
    blocks.append(_table(overflow, width) if every_row else _short_table(overflow, width))
    return "\n\n".join(block for block in blocks if block)


def _primary_block(overflow: pd.DataFrame, row: pd.Series[Any], width: int) -> str:
    title = f"{str(row['role']).upper()}  {_name(row)}"
    fields = [
        ("operator", row["op"]),
        ("where", _where(row)),
        ("why", row["reason"]),
        ("values", row["offending_input"]),
        ("code", row["code"]),
        ("first NaN", _first_nan(overflow, row)),
        ("reaches", _chain_line(overflow)),
    ]
    lines = [printable(title)]
    for label, value in fields:
        if not pd.isna(value) and value:
            lines += _wrapped(label, printable(value), width)
    return "\n".join(lines)


def _wrapped(label: str, text: str, width: int) -> list[str]:
    indent = " " * _LABEL_WIDTH
    return textwrap.wrap(
        text, width, initial_indent=f"  {label}".ljust(_LABEL_WIDTH), subsequent_indent=indent, break_on_hyphens=False
    )


def _where(row: pd.Series[Any]) -> str:
    rank = f", rank {row['rank']}" if row["rank"] >= 0 else ""
    iteration = f"iteration {row['iteration']}, " if row["iteration"] >= 0 else ""
    return f"{iteration}place {row['order']} in execution order{rank}"


def _first_nan(overflow: pd.DataFrame, row: pd.Series[Any]) -> str:
    of_step = (overflow["iteration"] == row["iteration"]) & (overflow["rank"] == row["rank"])
    first = overflow[of_step & overflow["first_nan"].fillna(value=False).astype(bool)]
    if first.empty or first.iloc[0]["order"] == row["order"]:
        return ""
    return f"{_name(first.iloc[0])} (place {first.iloc[0]['order']}): {first.iloc[0]['reason']}"


def _chain_line(overflow: pd.DataFrame) -> str:
    chain = _chain(overflow)
    names = [_name(row) for _, row in chain.iterrows()]
    if len(names) < 2:
        return ""
    if len(names) > _MOST_LINKS:
        left_out = len(names) - _MOST_LINKS
        names = [*names[: _MOST_LINKS // 2], f"{left_out} more", *names[-_MOST_LINKS // 2 :]]
    return " > ".join(names)


def _chain(overflow: pd.DataFrame) -> pd.DataFrame:
    return overflow[overflow["chain"].notna()].sort_values("chain", kind="stable")


def _chain_table(overflow: pd.DataFrame, width: int) -> str:
    chain = _chain(overflow)
    return f"From the origin to the end of the step\n{_table(chain, width)}" if len(chain) else ""


def _short_table(overflow: pd.DataFrame, width: int) -> str:
    """Give the rows that matter most; say how many there are besides."""
    first_nan = overflow["first_nan"].fillna(value=False).astype(bool)
    telling = ~overflow["role"].isin(["carrier", "masked"]) | overflow["primary"] | first_nan
    shown = overflow[telling].head(_MOST_ROWS)
    left_out = overflow.drop(shown.index)["role"].astype(object).value_counts(sort=False)
    told = ", ".join(f"{number:,} {role}" for role, number in left_out.items())
    return _table(shown, width) + (f"\nnot shown: {told}; --all shows every row" if told else "")


def _table(rows: pd.DataFrame, width: int) -> str:
    operators = [_name(row) for _, row in rows.iterrows()]
    table = rows.assign(operator=operators)[list(_SHOWN)].reset_index(drop=True)
    if table["iteration"].nunique() < 2:
        table = table.drop(columns="iteration")
    if rows["rank"].nunique() > 1:
        table.insert(0, "rank", rows["rank"].to_numpy())
    space = width - _width(text_table(table.drop(columns="operator"))) - 2
    table["operator"] = [_cut(name, max(space * 2 // 3, 16)) for name in operators]
    space = width - _width(text_table(table)) - 2
    table["reason"] = [_cut(printable(reason), max(space, 12)) for reason in rows["reason"]]
    return text_table(table)


def _width(text: str) -> int:
    return max(cell_len(line) for line in text.splitlines())


def _name(row: pd.Series[Any]) -> str:
    return printable(short_operator_name(str(row["op"]), None if pd.isna(row["module"]) else str(row["module"])))


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
