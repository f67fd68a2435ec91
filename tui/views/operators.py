"""The operators of both sides: what each costs, whether its numbers agree and whether it spreads NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.compared_steps import parts_of_operators
from profkit.report.quantities import confidence, count, duration, number, ratio
from profkit.session import Session
from profkit.tui.charts.sparkline import sparkline
from profkit.tui.code_place import CodePlace
from profkit.tui.detail_text import DetailText
from profkit.tui.links import Link, link_by_module, link_findings, link_to_itself
from profkit.tui.row_filter import FilterWord, Mask
from profkit.tui.verdicts import FLAG, OVERFLOW, PARITY
from profkit.tui.view import View
from profkit.tui.views.one_sided import IMPACT, REF_TIME, RUN_TIME, costliest_first, known_columns, telling_columns
from profkit.tui.widgets.table_column import (
    essential,
    number_column,
    ratio_column,
    text_column,
    verdict_column,
)

COLUMNS = (
    *essential(
        text_column("operator", "operator", short="op", max_width=44, keep="ends"),
        text_column("module", "module", max_width=28, keep="tail"),
        verdict_column("flag", "flag", FLAG),
        ratio_column("ratio", "ratio"),
        IMPACT,
        verdict_column("parity", "parity", PARITY),
        verdict_column("overflow", "overflow", OVERFLOW),
        REF_TIME,
        RUN_TIME,
    ),
    number_column("max_abs", "max abs"),
    text_column("op_class", "class", short="class", max_width=16),
    text_column("phase", "phase", max_width=10),
    text_column("part", "part of the difference", short="part", max_width=24),
    text_column("ref_ops", "ref operators", max_width=40, keep="ends"),
    text_column("run_ops", "run operators", max_width=40, keep="ends"),
    text_column("shapes", "input shapes", short="shape", max_width=40),
)

_DIFFERENT = ("mismatch", "shape", "dtype")
_SPREADING = ("origin", "carrier")
_MOST_LISTED = 8


def operators_view(session: Session) -> View:
    """Make the view of the operators, the largest loss of time first."""
    operators = session.operators.assign(part=parts_of_operators(session).array)
    details = _OperatorDetails(session)
    return View(
        name="operators",
        title="Operators",
        short="Ops",
        frame=operators,
        columns=telling_columns(known_columns(COLUMNS, operators), operators),
        flagged=flagged_operators(operators),
        link=link_to_itself(operators),
        describe=details.describe,
        leads_to=lambda row: None,
        when_empty="No operators: no timing was given, or none could be read (see 5 and 6).",
        words=FILTER_WORDS,
        code=details.code,
        sort=costliest_first(operators),
        note=_step_times(session.steps),
    )


def _one_of(column: str, *values: str) -> FilterWord:
    return lambda operators: operators[column].isin(values).to_numpy(dtype=np.bool_)


FILTER_WORDS: dict[str, FilterWord] = {
    "slow": _one_of("flag", "slow"),
    "missing": _one_of("flag", "missing_op"),
    "extra": _one_of("flag", "extra_op"),
    "mismatch": _one_of("parity", *_DIFFERENT),
    "nan": _one_of("overflow", *_SPREADING),
    "saturated": _one_of("overflow", "saturated"),
}


def flagged_operators(operators: pd.DataFrame) -> Mask:
    """Tell which operators are slow, one-sided, different or spread NaN."""
    flagged = operators["flag"].notna().to_numpy(dtype=np.bool_)
    return flagged | FILTER_WORDS["mismatch"](operators) | FILTER_WORDS["nan"](operators)


def _step_times(steps: pd.DataFrame) -> str:
    medians = steps.groupby("side", observed=True)["dur_ns"].median()
    ref, run = medians.get("ref"), medians.get("run")
    if ref is None or run is None or pd.isna(ref) or pd.isna(run) or not ref:
        return ""
    return f"step: ref {duration(ref)}, run {duration(run)}, {ratio(run / ref)}"


class _OperatorDetails:
    """What is known about an operator, from all frames of the session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        alignment = session.alignment
        self._rows_of_unit = alignment.groupby("unit", sort=False).indices
        # A row is described whenever the cursor comes to it: arrays and few columns answer ten times as fast.
        self._is_side = [(alignment["side"] == side).to_numpy(dtype=np.bool_, na_value=False) for side in session.sides]
        self._step, self._dur_ns = (alignment[name].to_numpy(dtype=np.int64) for name in ("step", "dur_ns"))
        self._told_findings = session.findings[["rank", "kind", "evidence", "advice"]]
        self._told_parity = session.parity[["name_a", "name_b", "status", "max_abs", "cosine", "reason"]]
        self._told_overflow = session.overflow[["op", "role", "reason"]]
        self._findings: Link = link_findings(session)
        self._parity: Link = link_by_module(session.operators, session.parity)
        self._overflow: Link = link_by_module(session.operators, session.overflow)

    def describe(self, operator: int) -> Content:
        """Give the text about one operator."""
        row = self._session.operators.iloc[operator]
        text = DetailText().heading(row["operator"])
        text.field("module", row["module"])
        for side in ("ref", "run"):
            if not pd.isna(row[f"{side}_ns"]):
                text.field(side, f"{duration(row[f'{side}_ns'])}  {_text(row[f'{side}_ops'])}")
        if not pd.isna(row["ratio"]):
            text.field("ratio", f"{ratio(row['ratio'])}  impact {duration(row['impact_ns'])}")
        if not pd.isna(row["flag"]):
            text.verdict("flag", row["flag"], FLAG)
        text.sentence(
            f"a step; median of {count(row['steps'])}" if row["steps"] else "in the whole recording, which has no steps"
        )
        self._add_steps(text, operator)
        text.heading("What it does").field("class", row["op_class"]).field("phase", row["phase"])
        text.field("input shapes", _text(row["shapes"]) or "a scalar")
        text.heading("Why these belong together").sentence(row["reason"])
        text.field("confidence", confidence(row["confidence"]))
        self._add_findings(text, operator)
        self._add_parity(text, operator)
        self._add_overflow(text, operator)
        return text.content()

    def code(self, operator: int) -> CodePlace | None:
        """Give the line of the user's code that a dump of the operator's module tells."""
        told = self._session.overflow["code"].iloc[self._overflow.rows(operator)].dropna()
        return CodePlace.parse(told.iloc[0]) if len(told) else None

    def _add_steps(self, text: DetailText, operator: int) -> None:
        """Draw the operator time of each step, each side from zero to its largest."""
        unit = self._session.operators["unit"].iloc[operator]
        rows = self._rows_of_unit.get(unit) if unit >= 0 else None
        if rows is None:
            return
        for is_side, word in zip(self._is_side, ("ref", "run"), strict=True):
            own = np.asarray(rows[is_side[rows]], dtype=np.int64)
            if len(own):
                _, place = np.unique(self._step[own], return_inverse=True)
                times = np.zeros(place.max() + 1, dtype=np.int64)
                np.add.at(times, place, self._dur_ns[own])
                span = f"{duration(times.min())} to {duration(times.max())}"
                text.field(f"{word} by step", f"{sparkline(times.tolist())}  {span}")

    def _add_findings(self, text: DetailText, operator: int) -> None:
        rows = self._findings.rows(operator)
        if not len(rows):
            return
        text.heading("Findings")
        for row in self._told_findings.iloc[rows[:_MOST_LISTED]].to_dict("records"):
            text.field(f"{row['rank']}", f"{row['kind']}: {row['evidence']}").sentence(row["advice"])
        _say_rest(text, len(rows))

    def _add_parity(self, text: DetailText, operator: int) -> None:
        rows = self._parity.rows(operator)
        if not len(rows):
            return
        text.heading("Parity of its module")
        for row in self._told_parity.iloc[rows[:_MOST_LISTED]].to_dict("records"):
            text.verdict(_text(row["name_b"], row["name_a"]), row["status"], PARITY)
            text.sentence(f"max abs {number(row['max_abs'])}, cosine {number(row['cosine'])}").sentence(row["reason"])
        _say_rest(text, len(rows))

    def _add_overflow(self, text: DetailText, operator: int) -> None:
        rows = self._overflow.rows(operator)
        if not len(rows):
            return
        text.heading("Overflow in its module")
        for row in self._told_overflow.iloc[rows[:_MOST_LISTED]].to_dict("records"):
            text.verdict(_text(row["op"]), row["role"], OVERFLOW).sentence(row["reason"])
        _say_rest(text, len(rows))


def _say_rest(text: DetailText, rows: int) -> None:
    if rows > _MOST_LISTED:
        text.sentence(f"and {count(rows - _MOST_LISTED)} more")


def _text(*values: Any) -> str:
    return next((str(value) for value in values if not pd.isna(value)), "-")
