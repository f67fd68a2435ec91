"""Findings about time: modules that stand out from their like, and classes of operators that are slow everywhere."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import pandas as pd

from profkit.correlate.slow import slow_classes
from profkit.schema import FINDINGS
from profkit.thresholds import thresholds

_CASTS = re.compile(r"\bCast x\d")
_MOSTLY_GAPS = thresholds("slow")["mostly_gaps"]
_MORE_KERNELS = thresholds("slow")["more_kernels"]
_COSTLIEST = thresholds("slow")["costliest_share"]
_EVEN_SHARES = thresholds("slow")["costliest_even_shares"]


def slow_findings(
    alignment: pd.DataFrame, units: pd.DataFrame, *, across: bool, claimed: Collection[int] = ()
) -> pd.DataFrame:
    """Say what became slow, largest effect first.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        units: Frame of `slow.judged_units` of that alignment.
        across: Whether the runs are of two frameworks.
        claimed: Units whose time a disease names: no class is slow because of them.

    Returns:
        Frame of schema.FINDINGS, kind slow, rank from 0. One row a module that has units that stand out (their excess
        summed), a unit where the module is not known, a class of operators that is slow as a whole, and what costs most
        of such a class. impact_ns is the excess: what a step would win if the work were slowed down as its like; ratio
        is the plain one.
    """
    groups = alignment[alignment["group"] >= 0].groupby("unit")["group"].unique()
    step = float(units["run_wall_ns"].sum())
    found = [*_slow_modules(units, step), *_slow_classes(units[~units.index.isin(claimed)], step, across=across)]
    found.sort(key=lambda row: -row["impact_ns"])
    rows = [
        {**row, "rank": rank, "groups": sorted(int(group) for unit in row["groups"] for group in groups[unit])}
        for rank, row in enumerate(found)
    ]
    return FINDINGS.from_rows(rows)


def noise_notes(units: pd.DataFrame) -> list[str]:
    """Say what looks slow and is not judged, because the stalls of the machine explain it; nothing if nothing is."""
    noisy = units[units["in_noise"]]
    if noisy.empty:
        return []
    worst = noisy.loc[noisy["excess_ns"].idxmax()]
    return [
        f"{len(noisy)} operators that took longer (most {worst['ref_operator']}, by {worst['excess_ns'] / 1e6:.3f} ms "
        "a step) were not judged as slow: others were held up as long in single steps of the run, as on a machine that "
        "is busy with other work; record more steps, or on a quiet machine"
    ]


def _places(units: pd.DataFrame) -> pd.Series[str]:
    return units["module"].where(units["module"].notna(), units.index.to_series().map(str))


def _slow_modules(units: pd.DataFrame, step: float) -> list[dict[str, Any]]:
    standing_out = units[units["stands_out"]]
    place = _places(standing_out)
    rows: list[dict[str, Any]] = []
    for _, members in standing_out.groupby(place):
        excess = float(members["excess_ns"].sum())
        if not members["slow"].any():
            continue
        worst = members.loc[members["excess_ns"].idxmax()]
        before, after = members["ref_wall_ns"].sum(), members["run_wall_ns"].sum()
        phases = " and ".join(dict.fromkeys(members["phase"].dropna().astype(str)))
        rows.append(
            {
                "kind": "slow",
                "module": worst["module"] if pd.notna(worst["module"]) else None,
                "op": worst["ref_operator"],
                "impact_ns": round(excess),
                "ratio": after / max(before, 1.0),
                "confidence": 0.9 if (members["confidence"] >= 0.8).any() else 0.6,
                "groups": list(members.index),
                "evidence": f"{phases or 'phase unknown'}: {_before_and_after(before, after)}; "
                f"its like are {_slowed(worst['usual_ratio'])}, this {_ratio(worst):.3g} times; "
                f"{_share(excess, step)} of the step, {_medians(int(worst['steps']))}",
                "advice": _advice(worst),
            }
        )
    return rows


def _slow_classes(units: pd.DataFrame, step: float, *, across: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for word, row in slow_classes(units, across=across).iterrows():
        members = units[units["op_class"].astype(object) == word]
        costliest = _costliest(members, str(word), row, step)
        own = 0.0 if costliest is None else costliest.pop("of_class_ns")
        named = "" if costliest is None else f"; {own / row['excess_ns']:.0%} of it in one place, which is named apart"
        rows += [] if costliest is None else [costliest]
        rows.append(
            {
                "kind": "slow",
                "module": None,
                "op": f"all {len(members)} {word} operators",
                "impact_ns": round(max(row["excess_ns"] - own, 0.0)),
                "ratio": row["run_wall_ns"] / max(row["ref_wall_ns"], 1.0),
                "confidence": 0.7,
                "groups": list(members.index),
                "evidence": f"{_before_and_after(row['ref_wall_ns'], row['run_wall_ns'])}; "
                f"the rest of the run is {_slowed(row['usual_ratio'])}; "
                f"{_share(row['excess_ns'], step)} of the step{named}",
                "advice": f"the whole class is slower on this side: look for another implementation of {word} "
                "(data type, layout, fused operator), not at one module",
            }
        )
    return rows


def _slowed(ratio: float) -> str:
    told = f"{ratio:.3g}"
    return "as fast as there" if told == "1" else f"{told} times as slow"


def _medians(steps: int) -> str:
    return "in one step" if steps == 1 else f"medians of {steps} steps"


def _costliest(members: pd.DataFrame, word: str, found: pd.Series[Any], step: float) -> dict[str, Any] | None:
    """Name the module, or the unit, that costs a large part of what a slow class does: where to begin.

    Its like are slow, too, so that it does not stand out from them. What it costs of the class is `of_class_ns`.
    """
    usual = members["ref_wall_ns"] * found["usual_ratio"]
    lost = members["run_wall_ns"] - usual
    of_class = members[["expected_ns", "run_wall_ns"]].min(axis=1) - usual
    by_place = lost.where(~members["stands_out"], 0.0).groupby(_places(members)).sum()
    most = by_place.max()
    if most < _COSTLIEST * found["excess_ns"] or most < _EVEN_SHARES * by_place.sum() / len(by_place):
        return None
    own = members[_places(members) == by_place.idxmax()]
    worst = own.loc[lost[own.index].idxmax()]
    before, after = own["ref_wall_ns"].sum(), own["run_wall_ns"].sum()
    return {
        "of_class_ns": float(of_class[own.index].sum()),
        "kind": "slow",
        "module": worst["module"] if pd.notna(worst["module"]) else None,
        "op": worst["ref_operator"],
        "impact_ns": round(most),
        "ratio": after / max(before, 1.0),
        "confidence": 0.7,
        "groups": list(own.index),
        "evidence": f"{_before_and_after(before, after)}; all {word} operators are slow here, the rest of the run is "
        f"{_slowed(found['usual_ratio'])}, and this costs most of them: {_share(most, step)} of the step",
        "advice": _advice(worst),
    }


def _ratio(unit: pd.Series[Any]) -> float:
    return float(unit["run_wall_ns"]) / max(float(unit["ref_wall_ns"]), 1.0)


def _advice(unit: pd.Series[Any]) -> str:
    gaps = 1.0 - unit["run_ns"] / max(unit["run_wall_ns"], 1.0)
    single = unit["run_kernels"] == 1
    kernels = f"{int(unit['run_kernels'])} {'kernel' if single else 'kernels'} ({_cut(unit['run_operators'])})"
    if _CASTS.search(unit["run_operators"]):
        return f"{kernels}: conversions between data types; keep one data type in this module"
    if unit["run_kernels"] >= _MORE_KERNELS * max(unit["ref_kernels"], 1):
        return f"{kernels} do the work of {_cut(unit['ref_operators'])}: use the fused operator, drop repeated work"
    if gaps > _MOSTLY_GAPS:
        where = "before or after it" if single else "between them"
        return f"{kernels}, and {gaps:.0%} of the time {where}: the host does not keep up; compile the module"
    slow = "kernel itself is" if single else "kernels themselves are"
    return f"{kernels}: the {slow} slow; look at data type, layout and shapes"


def _cut(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _before_and_after(ref_ns: float, run_ns: float) -> str:
    return f"{ref_ns / 1e6:.3f} ms in the reference, {run_ns / 1e6:.3f} ms here"


def _share(part: float, whole: float) -> str:
    return f"{part / max(whole, 1.0):.0%}"
