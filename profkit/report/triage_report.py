"""A Session as a report: the ranked findings with their evidence, the steps, what was read and what was not judged."""

from __future__ import annotations

import html
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from profkit.report import quantities
from profkit.report.bridge_tables import bridge_title, largest_rows, part_table
from profkit.report.formats import html_page, render
from profkit.report.text_table import text_table
from profkit.safe_text import printable
from profkit.schema import PHASES
from profkit.session import Session


def headline(session: Session) -> str:
    """Say in one line how many findings of which kind there are."""
    if session.findings.empty:
        return "no findings"
    kinds = session.findings["kind"].astype(object).value_counts(sort=False)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    noun = "finding" if len(session.findings) == 1 else "findings"
    return f"{len(session.findings)} {noun}: {counts}"


def text_report(session: Session) -> str:
    """Give the report for a terminal or a pipe."""
    parts = [printable(session.title), headline(session), *_finding_blocks(session.findings)]
    parts += [f"{title}\n{text_table(table)}" for title, table in _tables(session)]
    if session.not_judged:
        parts.append("Not judged\n" + "\n".join(f"  - {printable(sentence)}" for sentence in session.not_judged))
    return "\n\n".join(parts)


def markdown_report(session: Session) -> str:
    """Give the report as Markdown."""
    blocks = "\n\n".join(_finding_blocks(session.findings))
    parts = [f"# {printable(session.title)}", headline(session), f"```text\n{blocks}\n```" if blocks else ""]
    parts += [f"## {title}\n\n{render(table, 'markdown').decode()}" for title, table in _tables(session)]
    if session.not_judged:
        parts.append("## Not judged\n\n" + "\n".join(f"- {printable(sentence)}" for sentence in session.not_judged))
    return "\n\n".join(part for part in parts if part) + "\n"


def html_report(session: Session) -> str:
    """Give the report as one page that needs nothing from elsewhere."""
    parts = [f"<h1>{_escaped(session.title)}</h1>", f"<p>{_escaped(headline(session))}</p>"]
    parts += [f"<pre>{html.escape(block)}</pre>" for block in _finding_blocks(session.findings)]
    for title, table in _tables(session):
        page = render(table, "html").decode()
        parts.append(f"<h2>{title}</h2>\n" + page[page.index("<table>") : page.index("</table>")] + "</table>")
    if session.not_judged:
        items = "".join(f"<li>{_escaped(sentence)}</li>" for sentence in session.not_judged)
        parts.append(f"<h2>Not judged</h2>\n<ul>{items}</ul>")
    return html_page(session.title, "\n".join(parts) + "\n")


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _finding_blocks(findings: pd.DataFrame) -> list[str]:
    return [_finding_block(row) for row in findings.to_dict("records")]


def _finding_block(finding: dict[Hashable, Any]) -> str:
    names = {name: finding[name] for name in ("module", "op") if not pd.isna(finding[name])}
    where = dict.fromkeys("the network itself" if names[name] == "" else str(names[name]) for name in names)
    costs = [
        f"costs {quantities.duration(finding['impact_ns'])} a step" if not pd.isna(finding["impact_ns"]) else "",
        f"{quantities.ratio(finding['ratio'])} the reference" if not pd.isna(finding["ratio"]) else "",
        f"confidence {finding['confidence']:.0%}",
    ]
    return "\n".join(
        [
            f"{finding['rank']}. {str(finding['kind']).upper()}  {printable('  '.join(where) or '-')}",
            f"   {', '.join(filter(None, costs))}",
            f"   evidence: {printable(finding['evidence'])}",
            f"   try: {printable(finding['advice'])}",
        ]
    )


def _tables(session: Session) -> Iterator[tuple[str, pd.DataFrame]]:
    if not session.bridge.empty:
        yield bridge_title(session), part_table(session.bridge)
        yield "Largest differences by class and module", largest_rows(session.bridge)
    if session.alignment["side"].nunique() == len(session.sides):
        yield "Operator time of a step (median)", _time_table(session)
    if not session.parity.empty:
        yield "Tensors compared", _count_table(session.parity, "status")
    if not session.overflow.empty:
        yield "Operators with NaN, Inf or saturated values", _count_table(session.overflow, "role")
    if not session.sources.empty:
        yield "Read", session.sources[["side", "path", "format", "version", "rank", "rows", "issues"]]


def _time_table(session: Session) -> pd.DataFrame:
    """Give, by phase, the median step's operator time of both sides and how much of it was aligned."""
    alignment = session.alignment
    keyed = alignment.assign(
        phase=alignment["phase"].astype(object).where(alignment["phase"].notna(), "unknown"),
        side=alignment["side"].astype(object).map(dict(zip(session.sides, ("ref", "run"), strict=True))),
        aligned=alignment["dur_ns"].where(alignment["group"] >= 0, 0),
    )
    by_step = keyed.groupby(["phase", "side", "step"])[["dur_ns", "aligned"]].sum()
    median = by_step.groupby(level=["phase", "side"]).median().unstack("side")
    median = median.reindex([phase for phase in (*PHASES, "unknown") if phase in median.index])
    ref, run = (median.xs(side, axis="columns", level="side") for side in ("ref", "run"))
    return pd.DataFrame(
        {
            "phase": median.index,
            "ref_ns": ref["dur_ns"].to_numpy(),
            "run_ns": run["dur_ns"].to_numpy(),
            "ratio": (run["dur_ns"] / ref["dur_ns"]).to_numpy(),
            "ref_aligned": [quantities.share(part) for part in ref["aligned"] / ref["dur_ns"]],
            "run_aligned": [quantities.share(part) for part in run["aligned"] / run["dur_ns"]],
        }
    )


def _count_table(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    counts = frame[column].astype(object).value_counts()
    return pd.DataFrame({column: counts.index, "count": counts.to_numpy()})
