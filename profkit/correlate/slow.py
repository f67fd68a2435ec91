"""Which work became slow: what takes longer than its like, in every step, and enough to matter.

Two machines and two frameworks differ by a constant, and one framework may be slower at a whole class of operators.
So a unit is judged by what it would cost if it were slowed down as the other units of its class are, and a class by
what it would cost if it were slowed down as the rest of the run. What is beyond that is the excess: the time to win.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from profkit.correlate.timing import by_chance, side_words, timed_rows, unit_costs
from profkit.correlate.unit_facts import unit_facts
from profkit.run import Run
from profkit.thresholds import thresholds

# A finding needs effect: at least a small part of a step; and evidence: a ratio to its like, a clear one where the part
# is not large, some spreads of its like (median absolute deviation), and the same in all steps.
_THRESHOLDS = thresholds("slow")
_UNITS_OF_A_CLASS = _THRESHOLDS["units_of_a_class"]


def judged_units(alignment: pd.DataFrame, ref: Run, run: Run) -> pd.DataFrame:
    """Judge every matched unit against its like.

    Args:
        alignment: Frame of schema.ALIGNMENT of these runs.
        ref: The reference run.
        run: The run to be judged.

    Returns:
        Index unit; the columns of `timing.unit_costs`, and: module, phase, op_class, ref_operator, run_operator,
        ref_operators, run_operators, ref_kernels, run_kernels, ref_shapes, run_shapes, confidence, reason; usual_ratio:
        how much its like are slowed down; expected_ns: wall time if it were slowed down as they are; excess_ns: wall
        time beyond that (all float64); stands_out: whether the evidence is there, slow: whether the effect is too,
        in_noise: whether it would be slow if the run's own stalls did not explain it (all bool).
    """
    words = side_words(alignment, ref)
    rows = [timed_rows(alignment, word, one) for word, one in zip(words, (ref, run), strict=True)]
    facts = [unit_facts(its) for its in rows]
    torch_or_ref = facts[1] if words[1] == "pt" else facts[0]
    units = unit_costs(*rows).join(torch_or_ref[["module", "phase", "op_class", "confidence", "reason"]])
    for name, its in zip(("ref", "run"), facts, strict=True):
        units = units.join(its[["operator", "operators", "kernels", "shapes"]].add_prefix(f"{name}_"))
    usual = _usual_ratio(units, _log_ratio(units))
    if words == ("ref", "run"):
        usual = usual.clip(lower=0.0)
    lost = (units["run_low_ns"] - units["ref_wall_ns"] * np.exp(usual)).clip(lower=0.0)
    return _judged(units, usual, by_chance(rows[1], lost))


def _judged(units: pd.DataFrame, usual: pd.Series[float], chance: pd.Series[float]) -> pd.DataFrame:
    ratio = _log_ratio(units)
    beyond = ratio - usual
    spread = _spread_of_its_like(units, beyond)
    steadily = _steady_log_ratio(units) - usual > np.log(_THRESHOLDS["least_ratio"])
    expected = units["ref_wall_ns"] * np.exp(usual)
    excess = units["run_wall_ns"] - expected
    usually = units["steps"] * 2 > units["steps"].max()
    evident = (
        usually & steadily & (beyond > np.maximum(np.log(_THRESHOLDS["least_ratio"]), _THRESHOLDS["spreads"] * spread))
    )
    # No stall makes more kernels of an operator.
    more_kernels = units["run_kernels"] >= _THRESHOLDS["more_kernels"] * units["ref_kernels"].clip(lower=1)
    stands_out = evident & (more_kernels | (chance < _THRESHOLDS["by_chance"]))
    share = excess / max(units["run_wall_ns"].sum(), 1.0)
    clear = (share >= _THRESHOLDS["large_share"]) | (
        (share >= _THRESHOLDS["small_share"]) & (beyond > np.log(_THRESHOLDS["clear_ratio"]))
    )
    return units.assign(
        usual_ratio=np.exp(usual),
        expected_ns=expected,
        excess_ns=excess,
        stands_out=stands_out,
        slow=stands_out & clear,
        in_noise=evident & clear & ~stands_out,
    )


def _log_ratio(units: pd.DataFrame, of: str = "run_wall_ns") -> pd.Series[float]:
    ratio = units[of].clip(lower=1.0) / units["ref_wall_ns"].clip(lower=1.0)
    return pd.Series(np.log(ratio.to_numpy(dtype="float64")), index=units.index)


def _steady_log_ratio(units: pd.DataFrame) -> pd.Series[float]:
    """Give the ratio that holds in most steps: a busy machine stretches an operator in some of them."""
    return _log_ratio(units, "run_low_ns")


def _usual_ratio(units: pd.DataFrame, ratio: pd.Series[float]) -> pd.Series[float]:
    """Give the log ratio of the units' like: class and phase if there are enough, else the class, else the run."""
    usual = pd.Series(_ratio_of_the_run(units, ratio), index=units.index)
    for keys in (["op_class"], ["op_class", "phase"]):
        cell = ratio.groupby([units[key].astype(object) for key in keys])
        of_cell = cell.transform("median").where(cell.transform("size") >= _UNITS_OF_A_CLASS)
        usual = of_cell.fillna(usual)
    return usual


def _ratio_of_the_run(units: pd.DataFrame, ratio: pd.Series[float], without: str | None = None) -> float:
    """Give the median over the classes of their median log ratio: a class has one vote however often it runs."""
    cell = ratio.groupby(units["op_class"].astype(object))
    of_class = cell.median()[cell.size() >= _UNITS_OF_A_CLASS].drop(labels=[without], errors="ignore")
    if of_class.empty:
        return float(ratio.median()) if len(ratio) else 0.0
    return float(of_class.median())


def _spread_of_its_like(units: pd.DataFrame, beyond: pd.Series[float]) -> pd.Series[float]:
    cell = beyond.abs().groupby(units["op_class"].astype(object))
    alone = pd.Series(float(beyond.abs().median()), index=units.index)
    spread = cell.transform("median").where(cell.transform("size") >= _UNITS_OF_A_CLASS).fillna(alone)
    return spread.clip(lower=_THRESHOLDS["least_spread"])


def slow_classes(units: pd.DataFrame, *, across: bool) -> pd.DataFrame:
    """Give the classes of work that are slow as a whole, against the rest of the run.

    Args:
        units: Frame of `judged_units`.
        across: Whether the runs are of two frameworks, which differ by a constant; within one, only what takes longer
            than before is slow.

    Returns:
        Index op_class, largest excess first; ref_wall_ns, run_wall_ns, excess_ns, usual_ratio (of the rest).
    """
    ratio = _log_ratio(units)
    least = _THRESHOLDS["class_share"] * units["run_wall_ns"].sum()
    found: dict[str, dict[str, float]] = {}
    for word, members in units.groupby(units["op_class"].astype(object)):
        usual = _ratio_of_the_run(units, ratio, without=str(word))
        if not across:
            usual = max(usual, 0.0)
        # At most what it takes: slowed down as its like, a unit that the reference happened to stretch would take more.
        taken = members[["expected_ns", "run_wall_ns"]].min(axis=1)
        excess = float((taken - members["ref_wall_ns"] * np.exp(usual)).sum())
        own = float(_steady_log_ratio(members).median())
        if len(members) >= _UNITS_OF_A_CLASS and own - usual > np.log(_THRESHOLDS["class_ratio"]) and excess > least:
            found[str(word)] = {
                "ref_wall_ns": float(members["ref_wall_ns"].sum()),
                "run_wall_ns": float(members["run_wall_ns"].sum()),
                "excess_ns": excess,
                "usual_ratio": float(np.exp(usual)),
            }
    columns = ["ref_wall_ns", "run_wall_ns", "excess_ns", "usual_ratio"]
    frame = pd.DataFrame.from_dict(found, orient="index", columns=columns)
    return frame.sort_values("excess_ns", ascending=False, kind="stable")
