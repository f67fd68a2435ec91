"""The modules of the network as a tree, with the time of both sides and the worst verdict below each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.module_tree import module_tree
from profkit.report.quantities import count, duration, number, ratio
from profkit.session import Session
from profkit.tui.detail_text import DetailText
from profkit.tui.links import Link, Rows
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import OVERFLOW, PARITY
from profkit.tui.view import View, place_of_operator
from profkit.tui.views.one_sided import IMPACT, REF_TIME, RUN_TIME, known_columns, telling_columns
from profkit.tui.widgets.table_column import (
    count_column,
    essential,
    number_column,
    ratio_column,
    text_column,
    verdict_column,
)

COLUMNS = (
    *essential(
        text_column("name", "module", short="name", max_width=40),
        ratio_column("ratio", "ratio"),
        IMPACT,
        verdict_column("parity", "worst parity", PARITY),
        verdict_column("overflow", "worst overflow", OVERFLOW),
        REF_TIME,
        RUN_TIME,
    ),
    count_column("slow", "slow"),
    number_column("max_abs", "max abs"),
    count_column("operators", "operators"),
    text_column("module", "path", short="module", max_width=60, keep="tail"),
)

_WHOLE = "(whole network)"


def modules_view(session: Session) -> View:
    """Make the view of the modules, in the order of a walk through the tree."""
    tree = module_tree(session.operators, session.parity, session.overflow)
    depth = tree["depth"].to_numpy(dtype=np.int64)
    names = tree["name"].where(tree["depth"] > 0, _WHOLE)
    shown = tree.assign(name=[2 * level * " " + name for level, name in zip(depth, names, strict=True)])
    empty = session.operators.empty and session.parity.empty and session.overflow.empty
    frame = shown.iloc[:0] if empty else shown
    link = _link(session.operators, tree)
    return View(
        name="modules",
        title="Modules",
        short="Mod",
        frame=frame,
        columns=telling_columns(known_columns(COLUMNS, session.operators), frame),
        flagged=_WORDS["slow"](frame) | _WORDS["mismatch"](frame) | _WORDS["nan"](frame),
        link=link,
        describe=lambda row: _describe(tree.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No module is known: neither timing nor tensors were given (see 5).",
        words=_WORDS,
        depth=depth if not empty else None,
    )


_WORDS: dict[str, FilterWord] = {
    "slow": lambda modules: (modules["slow"] > 0).to_numpy(dtype=np.bool_),
    "mismatch": lambda modules: modules["parity"].isin(["mismatch", "shape", "dtype"]).to_numpy(dtype=np.bool_),
    "nan": lambda modules: modules["overflow"].isin(["origin", "carrier"]).to_numpy(dtype=np.bool_),
}


def _link(operators: pd.DataFrame, tree: pd.DataFrame) -> Link:
    """Link a module to the costliest operator of it and below, and an operator to its module."""
    row_of = {path: row for row, path in enumerate(tree["module"])}
    first = np.full(len(tree), -1, dtype=np.int64)
    known = operators.loc[operators["module"].notna()].sort_values(["impact_ns", "run_ns"], ascending=False)
    for operator, module in zip(known.index, known["module"], strict=True):
        path = str(module)
        while first[row_of[path]] < 0:
            first[row_of[path]] = operator
            path = path.rpartition(".")[0]
    modules = operators["module"]

    def rows(operator: int) -> Rows:
        module = modules.iloc[operator]
        return np.array([0 if pd.isna(module) else row_of[str(module)]], dtype=np.int64)

    return Link(first, rows)


def _describe(row: Any) -> Content:
    text = DetailText().heading(row["module"] or _WHOLE)
    text.field("ref", f"{duration(row['ref_ns'])} a step, with all below")
    text.field("run", f"{duration(row['run_ns'])}  {ratio(row['ratio'])}  impact {duration(row['impact_ns'])}")
    text.verdict("worst parity", row["parity"], PARITY).field("max abs", number(row["max_abs"]))
    text.verdict("worst overflow", row["overflow"], OVERFLOW)
    text.field("operators of it and below", count(row["operators"])).field("flagged slow", count(row["slow"]))
    return text.content()
