"""What to look at first: the ranked findings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.report.quantities import confidence, duration, ratio
from profkit.session import Session
from profkit.tui.detail_text import DetailText
from profkit.tui.links import link_findings
from profkit.tui.view import Place, View, place_of_operator
from profkit.tui.widgets.table_column import (
    confidence_column,
    count_column,
    duration_column,
    essential,
    ratio_column,
    text_column,
)

COLUMNS = (
    *essential(
        count_column("rank", "rank"),
        text_column("kind", "kind", max_width=16),
        text_column("module", "module", max_width=40, keep="tail"),
        text_column("op", "operator", short="operator", max_width=28, keep="ends"),
        duration_column("impact_ns", "impact", short="impact"),
        ratio_column("ratio", "ratio"),
    ),
    confidence_column(),
    text_column("evidence", "evidence", max_width=80),
    text_column("advice", "advice", max_width=80),
)


def findings_view(session: Session) -> View:
    """Make the view of the findings, in their order."""
    findings = session.findings
    link = link_findings(session)
    return View(
        name="findings",
        title="Findings",
        short="Find",
        frame=findings,
        columns=COLUMNS,
        flagged=np.ones(len(findings), dtype=np.bool_),
        link=link,
        describe=lambda row: _describe(findings.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row) or _place_of_evidence(session, row),
        when_empty="No findings. What could not be judged is told under 5.",
    )


def _place_of_evidence(session: Session, row: int) -> Place | None:
    """Give the overflow or the pair a finding rests on, where no operator of the timing belongs to it."""
    finding = session.findings.iloc[row]
    frames = {"overflow": (session.overflow, ("op",)), "parity": (session.parity, ("name_a", "name_b"))}
    if finding["kind"] not in frames or pd.isna(finding["op"]):
        return None
    frame, names = frames[finding["kind"]]
    for name in names:
        rows = np.flatnonzero((frame[name] == finding["op"]).fillna(value=False))
        if len(rows):
            return Place(finding["kind"], int(rows[0]))
    return None


def _describe(finding: Any) -> Content:
    text = DetailText().heading(f"{finding['rank']}  {finding['kind']}")
    text.sentence(finding["evidence"])
    text.field("try", finding["advice"])
    text.heading("Where").field("module", finding["module"]).field("operator", finding["op"])
    text.heading("How much").field("impact", duration(finding["impact_ns"])).field("ratio", ratio(finding["ratio"]))
    text.field("confidence", confidence(finding["confidence"]))
    return text.content()
