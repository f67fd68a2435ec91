"""Where the numbers of the two sides diverge, in forward order."""

from __future__ import annotations

from typing import Any

import numpy as np
from textual.content import Content

from profkit.report.quantities import count, number
from profkit.session import Session
from profkit.tui.charts.depth_chart import DepthChart
from profkit.tui.detail_text import DetailText
from profkit.tui.links import link_by_module
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import FIRST_DIVERGENCE, PARITY
from profkit.tui.view import View, place_of_operator
from profkit.tui.views.pair_values import pair_values
from profkit.tui.widgets.table_column import count_column, essential, number_column, text_column, verdict_column

COLUMNS = (
    *essential(
        text_column("name_a", "name a", short="a", max_width=30, keep="tail"),
        verdict_column("status", "status", PARITY),
        verdict_column("first_divergence", "first", FIRST_DIVERGENCE),
        number_column("max_abs", "max abs"),
        number_column("rel_l2", "rel L2"),
        number_column("cosine", "cosine"),
    ),
    number_column("max_rel", "max rel"),
    number_column("jump", "jump"),
    count_column("nan_a", "NaN a"),
    count_column("nan_b", "NaN b"),
    count_column("inf_a", "Inf a"),
    count_column("inf_b", "Inf b"),
    text_column("name_b", "name b", short="b", max_width=40, keep="tail"),
    text_column("shape_a", "shape a", max_width=20),
    text_column("shape_b", "shape b", max_width=20),
    text_column("dtype_a", "dtype a", max_width=10),
    text_column("dtype_b", "dtype b", max_width=10),
    text_column("module", "module", max_width=40, keep="tail"),
    text_column("paired_by", "paired by", max_width=20),
    text_column("reason", "reason", max_width=80),
)


def _is_different(parity: Any) -> Any:
    return parity["status"].isin(["mismatch", "shape", "dtype"]).to_numpy(dtype=np.bool_)


def _is_missing(parity: Any) -> Any:
    return parity["status"].isin(["missing_a", "missing_b"]).to_numpy(dtype=np.bool_)


def _is_first(parity: Any) -> Any:
    return parity["first_divergence"].to_numpy(dtype=np.bool_)


FILTER_WORDS: dict[str, FilterWord] = {"mismatch": _is_different, "missing": _is_missing, "first": _is_first}


def parity_view(session: Session) -> View:
    """Make the view of parity, in forward order."""
    parity = session.parity
    link = link_by_module(session.operators, parity)
    return View(
        name="parity",
        title="Parity",
        short="Par",
        frame=parity,
        columns=COLUMNS,
        flagged=(parity["status"] != "match").to_numpy(dtype=np.bool_),
        link=link,
        describe=lambda row: _describe(parity.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No tensors were compared: no dumps of both sides were given (see 5).",
        words=FILTER_WORDS,
        values=lambda row: pair_values(session, parity.iloc[row]),
        chart=lambda: DepthChart(
            parity["rel_l2"].to_numpy(dtype=np.float64), _is_different(parity), "relative L2 difference by depth"
        ),
    )


def _describe(row: Any) -> Content:
    text = DetailText().heading("Pair").field("a", row["name_a"]).field("b", row["name_b"])
    text.verdict("status", row["status"], PARITY).sentence(row["reason"])
    if row["first_divergence"]:
        text.sentence("The first pair in forward order whose difference is no rounding.")
    text.field("paired by", row["paired_by"]).field("module", row["module"])
    text.heading("Difference of the finite elements").field("max abs", number(row["max_abs"]))
    text.field("mean abs", number(row["mean_abs"])).field("max rel", number(row["max_rel"]))
    text.field("RMSE", number(row["rmse"])).field("relative L2", number(row["rel_l2"]))
    text.field("cosine", number(row["cosine"])).field("share within tolerance", number(row["close_ratio"]))
    text.field("jump over what came before", number(row["jump"]))
    for side in ("a", "b"):
        text.heading(f"Side {side}").field("shape", row[f"shape_{side}"]).field("dtype", row[f"dtype_{side}"])
        text.field("NaN", count(row[f"nan_{side}"])).field("Inf", count(row[f"inf_{side}"]))
        text.field("file", row[f"path_{side}"])
    return text.content()
