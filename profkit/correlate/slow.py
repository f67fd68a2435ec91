"""Which work became slow: what takes longer than its like, in every step, and enough to matter.

Two machines and two frameworks differ by a constant, and one framework may be slower at a whole class of operators.
So a unit is judged by what it would cost if it were slowed down as the other units of its class are, and a class by
what it would cost if it were slowed down as the rest of the run. What is beyond that is the excess: the time to win.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from profkit.correlate.timing import side_words, timed_rows, unit_costs
from profkit.correlate.unit_facts import unit_facts
from profkit.run import Run

# A finding needs effect: at least this part of a step; and evidence: this ratio to its like, this many spreads of its
# like (median absolute deviation), and the same in all steps.
_SHARE_OF_STEP = 0.01
_LEAST_RATIO = 1.5
_SPREADS = 3.0
_LEAST_SPREAD = 0.1
# A class is one finding from this many units and this ratio to the rest of the run on.
_UNITS_OF_A_CLASS = 3
_CLASS_RATIO = 2.0
_CLASS_SHARE_OF_STEP = 0.05


def judged_units(alignment: pd.DataFrame, ref: Run, run: Run) -> pd.DataFrame:
    """Judge every matched unit against its like.

    Args:
        alignment: Frame of schema.ALIGNMENT of these runs.
        ref: The reference run.
        run: The run to be judged.

    Returns:
        Index unit; the columns of `timing.unit_costs`, and: module, phase, op_class, ref_operators, run_operators,
        ref_kernels, run_kernels, confidence, reason; expected_ns: wall time if it were slowed down as its like, float64;
        excess_ns: wall time beyond that; stands_out: whether the evidence is there, bool; slow: whether the effect is
        there too, bool.
    """
    costs = unit_costs(alignment, ref, run)
    words = side_words(alignment, ref)
    facts = [unit_facts(timed_rows(alignment, word, one)) for word, one in zip(words, (ref, run), strict=True)]
    torch_or_ref = facts[1] if words[1] == "pt" else facts[0]
    units = costs.join(torch_or_ref[["module", "phase", "op_class", "confidence", "reason"]])
    for name, its in zip(("ref", "run"), facts, strict=True):
        units = units.join(its[["operators", "kernels"]].add_prefix(f"{name}_"))
    return _judged(units)


def _judged(units: pd.DataFrame) -> pd.DataFrame:
    ratio = np.log(units["run_wall_ns"].clip(lower=1.0) / units["ref_wall_ns"].clip(lower=1.0))
    usual = _usual_ratio(units, ratio)
    beyond = ratio - usual
    spread = _spread_of_its_like(units, beyond)
    steadily = beyond > np.log1p(units["run_noise"].clip(upper=1.0)) + np.log1p(units["ref_noise"].clip(upper=1.0))
    expected = units["ref_wall_ns"] * np.exp(usual)
    excess = units["run_wall_ns"] - expected
    stands_out = steadily & (beyond > np.maximum(np.log(_LEAST_RATIO), _SPREADS * spread))
    return units.assign(
        usual_ratio=np.exp(usual),
        expected_ns=expected,
        excess_ns=excess,
        stands_out=stands_out,
        slow=stands_out & (excess >= _SHARE_OF_STEP * units["run_wall_ns"].sum()),
    )


def _usual_ratio(units: pd.DataFrame, ratio: pd.Series[float]) -> pd.Series[float]:
    """Give the log ratio of the units' like: class and phase if there are enough, else the class, else the run."""
    usual = pd.Series(_weighted_median(ratio, units["ref_wall_ns"]), index=units.index)
    for keys in (["op_class"], ["op_class", "phase"]):
        cell = ratio.groupby([units[key].astype(object) for key in keys])
        of_cell = cell.transform("median").where(cell.transform("size") >= _UNITS_OF_A_CLASS)
        usual = of_cell.fillna(usual)
    return usual


def _spread_of_its_like(units: pd.DataFrame, beyond: pd.Series[float]) -> pd.Series[float]:
    cell = beyond.abs().groupby(units["op_class"].astype(object))
    alone = pd.Series(float(beyond.abs().median()), index=units.index)
    spread = cell.transform("median").where(cell.transform("size") >= _UNITS_OF_A_CLASS).fillna(alone)
    return spread.clip(lower=_LEAST_SPREAD)


def _weighted_median(values: pd.Series[float], weights: pd.Series[float]) -> float:
    if values.empty:
        return 0.0
    order = np.argsort(values.to_numpy(), kind="stable")
    reached = np.cumsum(weights.to_numpy()[order])
    return float(values.to_numpy()[order][np.searchsorted(reached, reached[-1] / 2)])


def slow_classes(units: pd.DataFrame) -> pd.DataFrame:
    """Give the classes of work that are slow as a whole, against the rest of the run.

    Args:
        units: Frame of `judged_units`.

    Returns:
        Index op_class, largest excess first; ref_wall_ns, run_wall_ns, excess_ns, usual_ratio (of the rest).
    """
    step = units["run_wall_ns"].sum()
    ratio = np.log(units["run_wall_ns"].clip(lower=1.0) / units["ref_wall_ns"].clip(lower=1.0))
    found = {}
    for word, members in units.groupby(units["op_class"].astype(object)):
        rest = ~units.index.isin(members.index)
        if len(members) < _UNITS_OF_A_CLASS or not rest.any():
            continue
        usual = _weighted_median(ratio[rest], units.loc[rest, "ref_wall_ns"])
        excess = (members["expected_ns"] - members["ref_wall_ns"] * np.exp(usual)).sum()
        own = float(ratio[members.index].median())
        if own - usual > np.log(_CLASS_RATIO) and excess > _CLASS_SHARE_OF_STEP * step:
            walls = members[["ref_wall_ns", "run_wall_ns"]].sum()
            found[word] = {**walls, "excess_ns": excess, "usual_ratio": float(np.exp(usual))}
    frame = pd.DataFrame.from_dict(
        found, orient="index", columns=["ref_wall_ns", "run_wall_ns", "excess_ns", "usual_ratio"]
    )
    return frame.sort_values("excess_ns", ascending=False, kind="stable")
