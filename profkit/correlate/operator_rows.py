"""One row an operator: what it cost on either side, whether its numbers agree, whether it overflowed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from profkit.correlate.composite_names import joining_keys, network_root
from profkit.correlate.module_names import modules_as_they_finish
from profkit.correlate.placement import NO_COUNTERPART
from profkit.correlate.timing import side_words, timed_rows
from profkit.correlate.unit_facts import short_names
from profkit.run import Run
from profkit.schema import OPERATORS, OVERFLOW_ROLES

_WORST_PARITY = ("mismatch", "shape", "dtype", "missing_a", "missing_b", "unreadable", "undecidable", "match")
_WORST_OVERFLOW = ("origin", "saturated", "carrier", "unknown", "norm_jump", "expected", "masked")


def operator_rows(
    alignment: pd.DataFrame,
    ref: Run | None,
    run: Run,
    *,
    units: pd.DataFrame | None = None,
    parity: pd.DataFrame | None = None,
    overflow: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Join what is known about each operator.

    Args:
        alignment: Frame of schema.ALIGNMENT; may be empty.
        ref: The reference run; None if there is none.
        run: The run to be judged.
        units: Frame of `slow.judged_units` of these runs; None if nothing was aligned.
        parity: Frame of schema.PARITY; joined by module.
        overflow: Frame of schema.OVERFLOW; joined by module.

    Returns:
        Frame of schema.OPERATORS, in order of the units, then what has no counterpart. Times are kernel times, medians
        over the steps both runs recorded; without units over all steps of a side, or over the whole recording if it has
        none, and no row is flagged.
    """
    if ref is not None and units is not None:
        parts = [_matched(units), *_unmatched(alignment, ref, run)]
    else:
        parts = [_unaligned(alignment, "ref"), _unaligned(alignment, "run")]
    filled = [part for part in parts if len(part)]
    if not filled:
        return OPERATORS.empty()
    rows = pd.concat([part.astype(object) for part in filled], ignore_index=True)
    rows = rows.assign(parity=None, max_abs=np.nan, overflow=None)
    keys = joining_keys(rows, _root(ref, run))
    for column, values in (*_parity_of_module(parity).items(), *_overflow_of_module(overflow).items()):
        rows[column] = keys.map(values)
    return OPERATORS.build(rows[OPERATORS.names])


def _root(ref: Run | None, run: Run) -> str | None:
    torch = next((one for one in (ref, run) if one is not None and one.framework == "pytorch"), None)
    return None if torch is None else network_root(modules_as_they_finish(torch))


def _matched(units: pd.DataFrame) -> pd.DataFrame:
    ref_ns, run_ns = (units[name].round().astype("int64") for name in ("ref_ns", "run_ns"))
    return pd.DataFrame(
        {
            "unit": units.index,
            "operator": units["ref_operator"],
            "module": units["module"],
            "phase": units["phase"],
            "op_class": units["op_class"],
            "ref_ops": units["ref_operators"],
            "run_ops": units["run_operators"],
            "shapes": units["ref_shapes"].where(units["ref_shapes"].notna(), units["run_shapes"]),
            "ref_ns": ref_ns,
            "run_ns": run_ns,
            "ratio": run_ns / ref_ns.where(ref_ns > 0).astype("float64"),
            "impact_ns": run_ns - ref_ns,
            "flag": units["slow"].map({True: "slow", False: None}),
            "confidence": units["confidence"],
            "steps": units["steps"].astype("int64"),
            "reason": units["reason"],
        }
    )


def _unmatched(alignment: pd.DataFrame, ref: Run, run: Run) -> list[pd.DataFrame]:
    """Give what has no counterpart, equal operators of one module and phase as one row, summed within a step."""
    parts = []
    for name, flag, word, one in zip(
        ("ref", "run"), ("missing_op", "extra_op"), side_words(alignment, ref), (ref, run), strict=True
    ):
        rows = timed_rows(alignment, word, one)
        alone = _of_one_side(rows[rows["unit"] < 0], name)
        times = alone[f"{name}_ns"]
        parts.append(
            alone.assign(impact_ns=times if name == "run" else -times, flag=alone["reason"].map({NO_COUNTERPART: flag}))
        )
    return parts


def _unaligned(alignment: pd.DataFrame, side: str) -> pd.DataFrame:
    rows = alignment[(alignment["side"] == side)]
    in_steps = rows[rows["step"] >= 0]
    found = _of_one_side(in_steps if len(in_steps) else rows, side).assign(impact_ns=None, flag=None)
    return found if len(in_steps) else found.assign(steps=0)


def _of_one_side(rows: pd.DataFrame, side: str) -> pd.DataFrame:
    """Give executions of one side (ref or run), equal operators of one module and phase as one row.

    Its time is the median over steps of their sum within a step; how many these are is told of one step.
    """
    keys = pd.DataFrame({key: rows[key].astype(object) for key in ("module", "phase", "op_class", "reason")})
    keys.insert(0, "operator", short_names(rows["name"]))
    number = keys.groupby(list(keys), dropna=False, sort=False).ngroup()
    by_step = rows["dur_ns"].groupby([number, rows["rank"], rows["step"]], sort=False)
    longest = rows["input_shapes"].astype(object).loc[rows["dur_ns"].sort_values(ascending=False, kind="stable").index]
    facts = keys.loc[~number.duplicated()].set_index(number[~number.duplicated()])
    times = by_step.sum().groupby(level=0).median().round().astype("int64")
    executions = by_step.size().groupby(level=0).first().reindex(facts.index)
    names = [
        name if count == 1 else f"{name} x{count}" for name, count in zip(facts["operator"], executions, strict=True)
    ]
    other = "run" if side == "ref" else "ref"
    return facts.assign(
        **{f"{side}_ops": names, f"{other}_ops": None, f"{side}_ns": times, f"{other}_ns": None},
        unit=rows["unit"].groupby(number).first(),
        ratio=np.nan,
        shapes=longest.groupby(number).first(),
        confidence=np.nan,
        steps=len(rows[["rank", "step"]].drop_duplicates()),
    )


def _parity_of_module(parity: pd.DataFrame | None) -> dict[str, dict[str, object]]:
    if parity is None or parity.empty:
        return {}
    outputs = parity[parity["module"].notna() & (parity["io"].astype(object) != "gradient")]
    place = {status: number for number, status in enumerate(_WORST_PARITY)}
    ordered = outputs.assign(badness=outputs["status"].astype(object).map(place)).sort_values("badness", kind="stable")
    worst = ordered.drop_duplicates("module")
    largest = outputs.groupby(outputs["module"].astype(object))["max_abs"].max()
    return {
        "parity": dict(zip(worst["module"].astype(object), worst["status"].astype(object), strict=True)),
        "max_abs": largest.dropna().to_dict(),
    }


def _overflow_of_module(overflow: pd.DataFrame | None) -> dict[str, dict[str, object]]:
    if overflow is None or overflow.empty:
        return {}
    assert set(_WORST_OVERFLOW) == set(OVERFLOW_ROLES)
    place = {role: number for number, role in enumerate(_WORST_OVERFLOW)}
    known = overflow[overflow["module"].notna()]
    ordered = known.assign(badness=known["role"].astype(object).map(place)).sort_values("badness", kind="stable")
    worst = ordered.drop_duplicates("module")
    return {"overflow": dict(zip(worst["module"].astype(object), worst["role"].astype(object), strict=True))}
