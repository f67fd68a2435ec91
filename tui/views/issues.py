"""What was repaired, lost or refused while reading."""

from __future__ import annotations

from typing import Any

import numpy as np
from textual.content import Content

from profkit.session import Session
from profkit.tui.code_place import CodePlace
from profkit.tui.detail_text import DetailText
from profkit.tui.links import no_link
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import SEVERITY
from profkit.tui.view import View
from profkit.tui.widgets.table_column import essential, text_column, verdict_column

COLUMNS = (
    *essential(
        verdict_column("severity", "severity", SEVERITY),
        text_column("text", "what", short="what", max_width=72),
        text_column("where", "where", max_width=20),
    ),
    text_column("source", "source", max_width=40, keep="tail"),
)


def _with_severity(severity: str) -> FilterWord:
    return lambda issues: (issues["severity"] == severity).to_numpy(dtype=np.bool_)


def issues_view(session: Session) -> View:
    """Make the view of the import issues."""
    issues = session.issues
    return View(
        name="issues",
        title="Issues",
        short="Iss",
        frame=issues,
        columns=COLUMNS,
        flagged=(issues["severity"] != "info").to_numpy(dtype=np.bool_),
        link=no_link(issues),
        describe=lambda row: _describe(issues.iloc[row]),
        leads_to=lambda row: None,
        when_empty="Nothing was repaired, lost or refused while reading.",
        code=lambda row: CodePlace.of_file(issues["source"].iloc[row], issues["where"].iloc[row], session.folder),
        words={"error": _with_severity("error"), "loss": _with_severity("data_loss"), "info": _with_severity("info")},
    )


def _describe(issue: Any) -> Content:
    text = DetailText().heading("Issue").verdict("severity", issue["severity"], SEVERITY)
    text.sentence(issue["text"])
    text.field("where", issue["where"] or "the whole file").field("source", issue["source"])
    return text.content()
