"""What changed from one session to another, before and after a fix: step time, findings, modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from profkit.compared_steps import compared_step
from profkit.module_tree import module_tree
from profkit.schema import SESSION_CHANGES
from profkit.session import Session

_FINDING_KEYS = ["kind", "module", "op", "occurrence"]

# Which of schema.QUESTIONS a session has to have answered to find what is of a kind; of any other kind it is the time.
_ASKED = {"overflow": {"overflow"}, "parity": {"parity", "reference"}, "memory_bound": {"time", "counters"}}


@dataclass(frozen=True)
class SessionPair:
    """Two sessions, of the same work before and after a change."""

    before: Session
    after: Session


def compare_sessions(before: Session, after: Session) -> pd.DataFrame:
    """Compare two sessions; their run sides, unless said otherwise.

    A finding is the same as another of equal kind, module and operator; of several such, by their order. It is gone
    only if the session after has judged its kind, else not_judged; one that is new likewise.

    Args:
        before: The earlier session.
        after: The later session.

    Returns:
        Frame of schema.SESSION_CHANGES: the steps of both sides and, where both sessions have a bridge, its parts, the
        largest change first, whose delta_ns add up to that of the run's step; the findings as ranked after, then those
        gone; every module, inclusive times.
    """
    rows = [*_steps(before, after), *_findings(before, after), *_modules(before, after)]
    return SESSION_CHANGES.from_rows(rows)


def _times(before: Any, after: Any) -> dict[str, Any]:
    ours, theirs = (None if value is None or pd.isna(value) else int(value) for value in (before, after))
    delta = None if ours is None or theirs is None else theirs - ours
    return {"before_ns": ours, "after_ns": theirs, "delta_ns": delta}


def _steps(before: Session, after: Session) -> Iterator[dict[str, Any]]:
    for side, item in (("run", "step of the run"), ("ref", "step of the reference")):
        lengths = [step and step.length_ns for step in (compared_step(session, side) for session in (before, after))]
        known = None not in lengths
        yield {
            "section": "step",
            "item": item,
            "change": None if known else "not_judged",
            "note": None if known else "a session knows no length of this step",
            **_times(*lengths),
        }
        if side == "run" and len(before.bridge) and len(after.bridge):
            yield from _parts(before, after)


def _parts(before: Session, after: Session) -> Iterator[dict[str, Any]]:
    times = [session.bridge.groupby("part", observed=True)["run_ns"].sum() for session in (before, after)]
    # A part that a bridge does not have took none of the step.
    table = pd.DataFrame({"before": times[0].astype(object), "after": times[1].astype(object)}, dtype=object)
    rows = []
    for part, row in table.iterrows():
        ours, theirs = (None if pd.isna(row[name]) else int(row[name]) for name in ("before", "after"))
        rows.append({"section": "step", "item": str(part), **_times(ours or 0, theirs or 0)})
    yield from sorted(rows, key=lambda row: abs(row["delta_ns"]), reverse=True)


def _findings(before: Session, after: Session) -> Iterator[dict[str, Any]]:
    earlier, later = _keyed(before.findings), _keyed(after.findings)
    for key, finding in later.items():
        other = earlier.get(key)
        silent = other is None and not _is_judged(before, finding)
        why = "not judged before; " if silent else ""
        change = "not_judged" if silent else "new" if other is None else "still"
        yield _finding(change, other, finding, f"{why}{finding['evidence']}")
    for key, finding in earlier.items():
        if key in later:
            continue
        silent = not _is_judged(after, finding)
        note = f"not judged after; before: {finding['evidence']}" if silent else f"before: {finding['evidence']}"
        yield _finding("not_judged" if silent else "gone", finding, None, note)


def _keyed(findings: pd.DataFrame) -> dict[tuple[Any, ...], dict[Any, Any]]:
    """Give the findings by kind, module, operator and, of several alike, their number."""
    named = findings.astype({"kind": object, "module": object, "op": object})
    named = named.assign(occurrence=named.groupby(_FINDING_KEYS[:3], dropna=False, sort=False).cumcount())
    return {tuple(None if pd.isna(row[key]) else row[key] for key in _FINDING_KEYS): row for row in _records(named)}


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _finding(change: str, before: dict[Any, Any] | None, after: dict[Any, Any] | None, note: str) -> dict[str, Any]:
    shown = after if after is not None else before
    assert shown is not None, "a finding of neither session"
    return {
        "section": "finding",
        "change": change,
        "item": shown["kind"],
        "module": shown["module"],
        "op": shown["op"],
        "before_rank": before and before["rank"],
        "after_rank": after and after["rank"],
        "note": note,
        **_times(before and before["impact_ns"], after and after["impact_ns"]),
    }


def _is_judged(session: Session, finding: dict[Any, Any]) -> bool:
    """Whether the session would have found a finding of this kind."""
    # What a run alone shows needs no reference; what is told as a ratio does.
    of_time = {"time"} if pd.isna(finding["ratio"]) else {"time", "reference"}
    return session.unanswered.isdisjoint(_ASKED.get(finding["kind"], of_time))


def _modules(before: Session, after: Session) -> Iterator[dict[str, Any]]:
    trees = [
        module_tree(session.operators, session.parity, session.overflow).set_index("module")
        for session in (before, after)
    ]
    for module in trees[1].index.append(trees[0].index.difference(trees[1].index, sort=False)):
        there = [module in tree.index for tree in trees]
        times = [tree.loc[module, "run_ns"] if has else None for tree, has in zip(trees, there, strict=True)]
        row = _times(*times)
        known = [row["before_ns"] is not None, row["after_ns"] is not None]
        if not any(known):
            continue
        change = None if all(known) else "not_judged" if all(there) else "new" if there[1] else "gone"
        yield {"section": "module", "item": module, "module": module, "change": change, **row}
