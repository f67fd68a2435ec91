"""Why executions were matched, or were not, and what else was considered: read off the alignment itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from profkit.correlate.candidates import CANDIDATES_SHOWN, Step, fit_in_words, what_it_becomes
from profkit.correlate.unit_facts import short_names
from profkit.errors import ProfkitError
from profkit.schema import EXPLANATION

_SHOWN = ("side", "group", "row", "place", "name", "op_class", "class_source", "phase", "module", "input_shapes")
_NAMES_LISTED = 6


def explain(alignment: pd.DataFrame, which: str) -> pd.DataFrame:
    """Explain a group, or one execution that may have none.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        which: Number of a group, or SIDE:ROW of an execution (`pt:120`), as columns side and row tell it.

    Returns:
        Frame of schema.EXPLANATION: first the facts one a row, then the members, then the nearest groups before and
        after (anchors), then the other candidates, the nearest first, with why they lost.

    Raises:
        ProfkitError: There is no such group or execution.
    """
    members = _members(alignment, which)
    step = Step(alignment, members)
    rows: list[dict[str, Any]] = [{"role": "fact", "note": fact} for fact in _facts(step)]
    rows += [_row("member", one, str(one.reason)) for one in step.members.itertuples()]
    rows += [_row("anchor", one, note) for one, note in step.anchors()]
    rows += [_row("candidate", one, note) for one, note in step.candidates()]
    return EXPLANATION.from_rows(rows)


def _members(alignment: pd.DataFrame, which: str) -> pd.DataFrame:
    side, colon, number = which.rpartition(":")
    try:
        wanted = int(number)
    except ValueError:
        raise ProfkitError(f"{which[:40]!r} is no group", "give a number of column group, or SIDE:ROW") from None
    if colon:
        members = alignment[(alignment["side"] == side) & (alignment["row"] == wanted)]
        members = alignment[alignment["group"] == members["group"].iloc[0]] if _is_matched(members) else members
    elif wanted < 0:
        raise ProfkitError(
            "group -1 holds all that is unmatched", "name one execution as SIDE:ROW, from columns side and row"
        )
    else:
        members = alignment[alignment["group"] == wanted]
    if members.empty:
        known = alignment.loc[alignment["group"] >= 0, "group"]
        hint = f"groups go from {known.min()} to {known.max()}, with gaps" if len(known) else "nothing was aligned"
        raise ProfkitError(f"the alignment has no {'execution' if colon else 'group'} {which[:40]!r}", hint)
    return members


def _is_matched(members: pd.DataFrame) -> bool:
    return len(members) > 0 and int(members["group"].iloc[0]) >= 0


def _row(role: str, one: Any, note: str) -> dict[str, Any]:
    return {"role": role, "note": note, "confidence": one.confidence, **{name: getattr(one, name) for name in _SHOWN}}


def _facts(step: Step) -> Iterator[str]:
    sides = [rows for rows in step.by_side() if len(rows)]
    first = step.members.iloc[0]
    names = " with ".join(f"{_listed(short_names(rows['name']))} ({rows['side'].iloc[0]})" for rows in sides)
    where = f" of {first['module']}" if pd.notna(first["module"]) else ""
    steps = " against ".join(str(rows["step"].iloc[0]) for rows in sides)
    yield f"what: {names}{where}, {_phases(step.members)}, step {steps}"
    reasons = " and ".join(dict.fromkeys(step.members["reason"].astype(str)))
    confidence = step.members["confidence"].max()
    yield f"why: {reasons}" + (f"; confidence {confidence:.0%}" if pd.notna(confidence) else "; unmatched")
    yield "class: " + "; ".join(_classes(rows) for rows in sides)
    if len(sides) == 2:
        yield "kind: " + what_it_becomes(*sides)
        yield "shapes: " + fit_in_words(*sides)
    yield "order: " + step.order_in_words()
    yield "module: " + _modules(step)
    counts = step.candidate_counts()
    told = ", ".join(f"{count:,} of {side}" for side, count in counts.items()) or "none"
    kind = f"undecided set {step.undecided_set}" if step.undecided_set >= 0 else "the same kind"
    yield f"candidates: {told} of {kind} in this step; the nearest {CANDIDATES_SHOWN} of a side are shown"


def _listed(names: pd.Series[str]) -> str:
    counts = names.value_counts(sort=False)
    listed = [str(name) if count == 1 else f"{name} x{count}" for name, count in counts.items()]
    more = f" and {len(listed) - _NAMES_LISTED} more" if len(listed) > _NAMES_LISTED else ""
    return ", ".join(listed[:_NAMES_LISTED]) + more


def _phases(rows: pd.DataFrame) -> str:
    return " and ".join(dict.fromkeys(rows["phase"].dropna().astype(str))) or "phase not known"


def _classes(rows: pd.DataFrame) -> str:
    keys = rows[["op_class", "class_source"]].astype(object).drop_duplicates()
    told = ["no class" if pd.isna(word) else f"{word} (from {source})" for word, source in keys.itertuples(index=False)]
    return f"{rows['side'].iloc[0]} {', '.join(told)}"


def _modules(step: Step) -> str:
    names: Sequence[str] = list(dict.fromkeys(step.members["module"].dropna().astype(str)))
    if not names:
        return "not recorded on either side"
    if len(step.members["module"].dropna()) < len(step.members):
        return f"{', '.join(names)}; not known for all"
    return ", ".join(names) + ("" if len(names) == 1 else ": the sides name it differently")
