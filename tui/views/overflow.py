"""Where NaN, Inf and saturated values come from, and how they spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.overflow import short_operator_name
from profkit.report.quantities import count, number
from profkit.session import Session
from profkit.tui.code_place import CodePlace
from profkit.tui.detail_text import DetailText
from profkit.tui.links import link_by_module
from profkit.tui.row_filter import FilterWord, Mask
from profkit.tui.verdicts import OVERFLOW, PRIMARY_ORIGIN
from profkit.tui.view import View, place_of_operator
from profkit.tui.widgets.table_column import count_column, essential, number_column, text_column, verdict_column

COLUMNS = (
    *essential(
        text_column("op", "operator", short="operator", max_width=32, keep="tail"),
        verdict_column("role", "role", OVERFLOW),
        verdict_column("primary", "look first", PRIMARY_ORIGIN),
        count_column("nan", "NaN"),
        count_column("pos_inf", "+Inf"),
        count_column("neg_inf", "-Inf"),
    ),
    count_column("saturated", "saturated"),
    number_column("max_abs_input", "max |input|"),
    count_column("order", "order"),
    count_column("chain", "way"),
    count_column("iteration", "iteration"),
    text_column("op_type", "type", short="type", max_width=20),
    text_column("module", "module", max_width=40, keep="tail"),
    text_column("reason", "reason", max_width=80),
)


_LINKS_SHOWN = 12


def _with_role(role: str) -> FilterWord:
    return lambda overflow: (overflow["role"] == role).to_numpy(dtype=np.bool_)


def _on_the_way(overflow: pd.DataFrame) -> Mask:
    return overflow["chain"].notna().to_numpy(dtype=np.bool_)


def _to_look_at(overflow: pd.DataFrame) -> Mask:
    # A bad weight or batch is the cause without being an operator's doing: primary, but no origin.
    return (overflow["role"].eq("origin") | overflow["primary"]).to_numpy(dtype=np.bool_)


def overflow_view(session: Session) -> View:
    """Make the view of overflow, in execution order."""
    overflow = session.overflow
    link = link_by_module(session.operators, overflow)
    return View(
        name="overflow",
        title="Overflow",
        short="NaN",
        frame=overflow,
        columns=COLUMNS,
        flagged=_to_look_at(overflow),
        link=link,
        describe=lambda row: _describe(overflow, row),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No NaN, Inf or saturated value was found, or no dump was given (see 5).",
        code=lambda row: CodePlace.parse(overflow["code"].iloc[row]),
        words={"chain": _on_the_way, **{str(role): _with_role(str(role)) for role in OVERFLOW}},
    )


def _describe(overflow: pd.DataFrame, number_of_row: int) -> Content:
    row = overflow.iloc[number_of_row]
    text = DetailText().heading(row["op"]).verdict("role", row["role"], OVERFLOW)
    text.sentence(row["reason"])
    text.field("type", row["op_type"]).field("module", row["module"])
    text.field("values", row["offending_input"]).field("code", row["code"])
    text.field("iteration", row["iteration"]).field("place in execution order", row["order"])
    text.heading("Elements of its outputs").field("NaN", count(row["nan"]))
    text.field("+Inf", count(row["pos_inf"])).field("-Inf", count(row["neg_inf"]))
    text.field("saturated", count(row["saturated"]))
    text.heading("Inputs").field("largest finite magnitude", number(row["max_abs_input"]))
    if not pd.isna(row["chain"]):
        _add_way(text, overflow, row)
    return text.content()


def _add_way(text: DetailText, overflow: pd.DataFrame, row: Any) -> None:
    """Name the operators from the origin to the loss; those around the row where the way is long."""
    way = overflow[overflow["chain"].notna()].sort_values("chain", kind="stable")
    text.heading(f"Way from the origin to the loss: {count(len(way))} operators (filter: chain)")
    at = int((way["chain"] < row["chain"]).sum())
    first = max(0, min(at - _LINKS_SHOWN // 2, len(way) - _LINKS_SHOWN))
    shown = way.iloc[first : first + _LINKS_SHOWN]
    if first:
        text.sentence(f"{count(first)} before these")
    for link in shown.to_dict("records"):
        here = " <- here" if link["chain"] == row["chain"] else ""
        text.verdict(
            f"{count(link['chain'])}  {short_operator_name(link['op'], link['module'])}{here}", link["role"], OVERFLOW
        )
    if first + len(shown) < len(way):
        text.sentence(f"{count(len(way) - first - len(shown))} after these")


def _known(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
