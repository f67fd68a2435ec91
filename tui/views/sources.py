"""What was read and why it was taken for what it is, and what could not be judged."""

from __future__ import annotations

import numpy as np
from textual.content import Content

from profkit.report.quantities import count
from profkit.session import Session
from profkit.tui.code_place import CodePlace
from profkit.tui.detail_text import DetailText
from profkit.tui.links import no_link
from profkit.tui.verdicts import SEVERITY
from profkit.tui.view import View
from profkit.tui.widgets.table_column import count_column, essential, place_column, text_column

COLUMNS = (
    *essential(
        text_column("path", "path", max_width=36, keep="tail"),
        text_column("side", "side", max_width=6),
        text_column("format", "format", max_width=24),
        count_column("issues", "issues"),
        count_column("rows", "rows"),
        count_column("steps", "steps"),
    ),
    place_column("rank", "rank"),
    text_column("framework", "framework", max_width=10),
    text_column("version", "version", max_width=16),
    text_column("reason", "reason", max_width=80),
)

_MOST_LISTED = 20


def sources_view(session: Session) -> View:
    """Make the view of the sources."""
    sources = session.sources
    not_judged = f"{count(len(session.not_judged))} not judged" if session.not_judged else ""
    return View(
        name="sources",
        title="Sources",
        short="Src",
        frame=sources,
        columns=COLUMNS,
        flagged=(sources["issues"] > 0).to_numpy(dtype=np.bool_),
        link=no_link(sources),
        describe=lambda row: _describe(session, row),
        leads_to=lambda row: None,
        when_empty=" ".join(["No sources are known.", *session.not_judged]),
        note=not_judged,
        code=lambda row: CodePlace.of_file(sources["path"].iloc[row], folder=session.folder),
    )


def _describe(session: Session, row: int) -> Content:
    source = session.sources.iloc[row]
    text = DetailText().heading("Source").field("path", source["path"])
    text.field("format", source["format"]).field("why", source["reason"])
    text.field("version", source["version"])
    text.heading("Not judged")
    for sentence in session.not_judged or ("Everything asked for was judged.",):
        text.sentence(sentence)
    issues = session.issues[(session.issues["source"] == source["path"]).fillna(value=False)]
    text.heading(f"Issues of this source: {count(len(issues))}")
    for issue in issues.iloc[:_MOST_LISTED].to_dict("records"):
        text.verdict(str(issue["where"]) or "file", issue["severity"], SEVERITY).sentence(issue["text"])
    if len(issues) > _MOST_LISTED:
        text.sentence(f"and {count(len(issues) - _MOST_LISTED)} more, under 6")
    text.heading("Inputs")
    for role, path in session.inputs.items():
        text.field(role, path)
    return text.content()
