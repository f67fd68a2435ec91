"""Work that the other side does with fewer operators, or not at all."""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.correlate.placement import NO_COUNTERPART
from profkit.correlate.timing import side_words
from profkit.correlate.unit_facts import short_names
from profkit.diseases.recording import row_names
from profkit.diseases.subject import Cost, Finding, Subject, finding
from profkit.thresholds import thresholds
from profkit.vocabulary.conversions import conversion_kinds
from profkit.vocabulary.decomposition import decomposition

_MOST_NAMED = 100
_FUSED = 2
_BOTH_SIDES = 2


def decomposed(subject: Subject) -> list[Finding]:
    """Name operators of the reference that the run does with many kernels, where that costs time."""
    units = subject.units
    if units is None:
        return []
    many = units["run_kernels"] >= thresholds("decomposed")["kernels"] * units["ref_kernels"].clip(lower=1)
    fused = map(_kinds_if_fused, units["phase"].astype(object), units["ref_operator"].astype(object))
    many &= units["run_kernels"] > list(fused)
    chosen = units[many & (units["ref_kernels"] <= _FUSED) & ~units["slow"] & (units["op_class"] != "optimizer")]
    found = []
    for _, members in chosen.groupby(_one_place_or_operator(chosen), sort=False):
        ns, ref_ns = float(members["run_wall_ns"].sum()), float(members["ref_wall_ns"].sum())
        cost = Cost(round(ns), round(ref_ns), round(ns - ref_ns * subject.scale))
        if cost.impact_ns < subject.least("decomposed"):
            continue
        operators = members["ref_operator"].astype(str).unique()
        shown = members.loc[members["run_wall_ns"].idxmax()]
        parts = str(shown["run_operators"])
        parts = parts if len(parts) <= _MOST_NAMED else parts[: _MOST_NAMED - 3] + "..."
        groups = subject.alignment.loc[subject.alignment["unit"].isin(members.index), "group"]
        named = f"{len(members)} times {operators[0]}: "
        if len(operators) > 1:
            named = f"{' and '.join(operators)}: {shown['ref_operator']} is "
        evidence = (
            f"{named}{_operators(shown['ref_kernels'])} in the reference, "
            f"{int(shown['run_kernels'])} kernels here ({parts}); {cost.words()} with the gaps between them"
        )
        advice = "use the fused operator of this framework for it, or compile the module so that the kernels are fused"
        module = shown["module"] if members["module"].nunique(dropna=False) == 1 and pd.notna(shown["module"]) else None
        told = sorted({int(group) for group in groups if group >= 0})
        found.append(finding("decomposed", cost, evidence, advice, op=operators[0], module=module, groups=told))
    return found


def _one_place_or_operator(units: pd.DataFrame) -> pd.Series[Any]:
    """Give what makes one finding: a class of work in one module if it is decomposed there alone; else the operator."""
    operators = units["ref_operator"].astype(object)
    alone = (operators.groupby(operators).transform("size") == 1) & units["module"].notna()
    return operators.mask(alone, units["module"].astype(str) + " " + units["op_class"].astype(str))


def _kinds_if_fused(phase: object, operator: object) -> int:
    """Give how many kinds of kernels an operator has where it is fused, as far as a fact tells; else 1."""
    known = decomposition("backward" if phase == "backward" else "forward", str(operator))
    return 1 if known is None else known.fewest_kinds


def extra_operators(subject: Subject) -> list[Finding]:
    """Name operators of the run that have no counterpart in the reference.

    Conversions and collectives are costed as such, and would cost their time twice.
    """
    if subject.ref is None or subject.alignment.empty:
        return []
    side = side_words(subject.alignment, subject.ref.run)[1]
    alone = subject.alignment[
        (subject.alignment["side"] == side) & (subject.alignment["reason"].astype(object) == NO_COUNTERPART)
    ]
    rows = subject.run.rows[subject.run.rows["ops_row"].isin(alone["row"])]
    rows = rows[conversion_kinds(rows["op_type"]).isna() & (rows["op_class"] != "communication")]
    found = []
    for operator, members in rows.groupby(short_names(rows["name"])):
        cost = Cost(ns := subject.run.middle(members, "dur_ns"), 0, ns)
        if ns < subject.least("extra_op"):
            continue
        modules, where = _where(subject, members)
        evidence = f"{operator} has no counterpart in the reference: {cost.words()}{where}; {row_names(members)}"
        advice = "find where the script adds it (a debug output, a repeated conversion, another formula) and drop it"
        module = modules[0] if len(modules) == 1 else None
        found.append(finding("extra_op", cost, evidence, advice, op=str(operator), module=module, confidence=0.6))
    return found


def _operators(count: float) -> str:
    return "1 operator" if count == 1 else f"{int(count)} operators"


def _where(subject: Subject, members: pd.DataFrame) -> tuple[list[str], str]:
    """Give the modules some executions of the run belong to, and that in words.

    Where the recording tells no module, those that ran before and after the costliest execution: if both are one, that.
    """
    own = list(members["module"].dropna().astype(str).unique())
    if own or subject.units is None or subject.ref is None:
        return own, f", in {', '.join(own[:3])}" if own else ""
    side = side_words(subject.alignment, subject.ref.run)[1]
    worst = members.sort_values("dur_ns", kind="stable").iloc[-1]
    rows = subject.alignment[(subject.alignment["side"] == side) & (subject.alignment["step"] == worst["step"])]
    rows = rows[(rows["rank"] == worst["rank"]) & (rows["unit"] >= 0)].sort_values("start_ns", kind="stable")
    modules = rows["unit"].map(subject.units["module"].astype(object))
    known, start = modules[modules.notna()].astype(str), rows["start_ns"][modules.notna()]
    around = [*known[start < worst["start_ns"]].tail(1), *known[start > worst["start_ns"]].head(1)]
    if len(around) < _BOTH_SIDES:
        return [], ""
    return (
        ([around[0]], f", within {around[0]}") if len(set(around)) == 1 else ([], f", between {' and '.join(around)}")
    )
