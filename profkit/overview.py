"""A session on one page: what to look at first, where the step's time went, what was read and what was not judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from profkit.compared_steps import SIDES, compared_step, operator_of_bridge_row
from profkit.safe_text import printable
from profkit.schema import OVERVIEW
from profkit.session import Session

_MOST_FINDINGS = 5

# Name, and where its bar begins and ends: where the parts of a device's extent lie if each ran in one piece.
_DEVICE_PARTS = {
    "computing_ns": "computation",
    "communication_ns": "communication",
    "overlapped_ns": "of it overlapped",
    "free_ns": "idle",
}

Row = dict[str, Any]


def overview(session: Session, operator_of_finding: pd.Series[int]) -> pd.DataFrame:
    """Sum up a session.

    Args:
        session: The session.
        operator_of_finding: For each finding the row of its operator, -1 none.

    Returns:
        Frame of schema.OVERVIEW, section by section, each after its head. The bars of step_time lead from the
        reference's step to the run's, exact in ns.
    """
    rows: list[Row] = []
    sections = {
        "findings": _findings(session, operator_of_finding),
        "step_time": _step_time(session),
        "breakdown": _breakdown(session),
        "runs": _runs(session),
        "not_judged": _not_judged(session),
    }
    for section, facts in sections.items():
        rows += [{"depth": 1, "finding": -1, "operator": -1, "section": section, **fact} for fact in facts]
        head = next(place for place, row in enumerate(rows) if row["section"] == section)
        rows[head]["depth"] = 0
    return OVERVIEW.from_rows(rows)


def _findings(session: Session, operator_of_finding: pd.Series[int]) -> Iterator[Row]:
    findings = session.findings
    kinds = findings["kind"].astype(object).value_counts(sort=False)
    told = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    yield {"item": f"Findings: {len(findings):,}", "note": told or "nothing was found in what was judged"}
    for place, finding in enumerate(findings.iloc[:_MOST_FINDINGS].to_dict("records")):
        name = next((str(finding[key]) for key in ("module", "op") if not pd.isna(finding[key]) and finding[key]), "")
        yield {
            "item": f"{finding['rank']} {finding['kind']} {name}".rstrip(),
            "delta_ns": finding["impact_ns"],
            "ratio": finding["ratio"],
            "finding": place,
            "operator": int(operator_of_finding.iloc[place]),
            "note": finding["evidence"],
        }
    if len(findings) > _MOST_FINDINGS:
        more = len(findings) - _MOST_FINDINGS
        yield {"item": f"and {more:,} more", "finding": _MOST_FINDINGS, "note": "the view of the findings has all"}


def _step_time(session: Session) -> Iterator[Row]:
    ref, run = (compared_step(session, side) for side in SIDES)
    times = {"ref_ns": ref and ref.length_ns, "run_ns": run and run.length_ns}
    yield {"item": "Step time (median)", **_compared(**times), "note": None if ref or run else _no_steps(session)}
    if ref is not None:
        yield {"item": f"step {_number(ref.step)} of the reference", **_bar(0, ref.length_ns), "ref_ns": ref.length_ns}
    yield from _bridge(session)
    if run is not None:
        yield {"item": f"step {_number(run.step)} of the run", **_bar(0, run.length_ns), "run_ns": run.length_ns}


def _bridge(session: Session) -> Iterator[Row]:
    """Give the parts, those that cost time first, so that no bar begins below 0."""
    bridge = session.bridge
    if bridge.empty:
        return
    own = bridge.assign(place=operator_of_bridge_row(session))
    sums = own.groupby("part", observed=True)[["ref_ns", "run_ns", "delta_ns"]].sum()
    position = int(sums["ref_ns"].sum())
    for part, row in sums.sort_values("delta_ns", ascending=False, kind="stable").iterrows():
        delta = int(row["delta_ns"])
        rows = own[(own["part"] == part) & (own["place"] >= 0)]
        largest = rows.loc[rows["delta_ns"].abs().idxmax()] if len(rows) else None
        yield {
            "item": str(part).replace("_", " "),
            **_compared(int(row["ref_ns"]), int(row["run_ns"])),
            **_bar(position, position + delta),
            "part": part,
            "operator": -1 if largest is None else int(largest["place"]),
            "note": None if largest is None else f"mostly {_place(largest)}",
        }
        position += delta


def _place(row: pd.Series[Any]) -> str:
    return str(row["operator"]) if pd.isna(row["module"]) else f"{row['operator']} in {row['module']}"


def _breakdown(session: Session) -> Iterator[Row]:
    ref, run = (_parts_of_step(session, side) for side in SIDES)
    tellers = [f"{side}: {parts['told_by']}" for side, parts in (("ref", ref), ("run", run)) if parts]
    yield {"item": "Where the step goes", "note": ", ".join(tellers) or "no executions were recorded"}
    position = 0
    for name, item in {"busy_ns": "busy", "rest_ns": "between operators", **_DEVICE_PARTS}.items():
        ours, theirs = ref.get(name), run.get(name)
        if ours is None and theirs is None:
            continue
        shown = next(value for value in (theirs, ours) if value is not None)
        begin = position - shown if name == "overlapped_ns" else position
        yield {"item": item, **_compared(ours, theirs), **_bar(begin, begin + shown)}
        position = begin + shown


def _parts_of_step(session: Session, side: str) -> dict[str, Any]:
    """Give who tells of the step that stands for a side, and its parts as far as known.

    Of a side without steps it is the run; of one without rows, its step of median length as the profiler split it.
    """
    chosen = compared_step(session, side)
    frame = session.breakdown[session.breakdown["side"] == side]
    if chosen is not None and chosen.step >= 0:
        frame = frame[(frame["span"] == "step") & (frame["rank"] == chosen.rank) & (frame["step"] == chosen.step)]
    else:
        frame = frame[frame["span"] == "run"]
    if frame.empty or pd.isna(frame["busy_ns"].iloc[0]):
        return _recorded_parts(session.steps[session.steps["side"] == side])
    row = frame.iloc[0]
    parts = {name: int(row[name]) for name in _DEVICE_PARTS if not pd.isna(row[name])}
    if not parts and not pd.isna(row["busy_ns"]):
        parts = {"busy_ns": int(row["busy_ns"])}
        if not pd.isna(row["dur_ns"]):
            parts["rest_ns"] = max(int(row["dur_ns"]) - int(row["busy_ns"]), 0)
    return {"told_by": f"{row['level']} rows", **parts}


def _recorded_parts(steps: pd.DataFrame) -> dict[str, Any]:
    recorded = steps[list(_DEVICE_PARTS)].dropna()
    if recorded.empty:
        return {}
    lengths = recorded.sum(axis=1).sort_values(kind="stable")
    row = recorded.loc[lengths.index[(len(lengths) - 1) // 2]]
    return {"told_by": "the profiler's split", **{name: int(row[name]) for name in _DEVICE_PARTS}}


def _runs(session: Session) -> Iterator[Row]:
    # A path may hold bytes that are no text, which no text column bears.
    yield {"item": "Runs", "note": printable(session.title)}
    for side, word in zip(SIDES, ("reference", "run"), strict=True):
        sources = session.sources[session.sources["side"] == side]
        if len(sources):
            yield {"item": word, "note": _facts(session, side, sources)}


def _facts(session: Session, side: str, sources: pd.DataFrame) -> str:
    frameworks = [str(name) for name in sources["framework"].unique() if name != "unknown"]
    versions = [str(version) for version in sources["version"].dropna().unique()]
    steps = session.steps.loc[session.steps["side"] == side, ["rank", "step"]].drop_duplicates()
    levels = session.breakdown.loc[session.breakdown["side"] == side, "level"].astype(object).unique()
    return "; ".join(
        [
            " and ".join(frameworks) or "framework unknown",
            f"version {' and '.join(versions)}" if versions else "version unknown",
            f"{' and '.join(map(str, levels))} rows" if len(levels) else "no executions",
            f"{len(steps):,} steps",
            f"{len(sources):,} sources",
            f"{int(sources['rows'].sum()):,} rows",
            f"{int(sources['issues'].sum()):,} issues",
        ]
    )


def _not_judged(session: Session) -> Iterator[Row]:
    told = None if session.not_judged else "everything asked for was judged"
    yield {"item": f"Not judged: {len(session.not_judged):,}", "note": told}
    for sentence in session.not_judged:
        subject, _, why = sentence.partition(": ")
        yield {"item": printable(subject), "note": printable(why or sentence)}


def _no_steps(session: Session) -> str:
    return "no step of a known length" if len(session.sources) else "nothing was read"


def _number(step: int) -> str:
    return f"{step}" if step >= 0 else "(no number)"


def _bar(begin: int, end: int) -> Row:
    return {"from_ns": begin, "to_ns": end}


def _compared(ref_ns: int | None, run_ns: int | None) -> Row:
    if ref_ns is None or run_ns is None:
        return {"ref_ns": ref_ns, "run_ns": run_ns}
    ratio = run_ns / ref_ns if ref_ns else float("nan")
    return {"ref_ns": ref_ns, "run_ns": run_ns, "delta_ns": run_ns - ref_ns, "ratio": ratio}
