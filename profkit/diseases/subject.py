"""What a disease is told: the run, the reference if there is one, and what relates them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.timing import side_words
from profkit.diseases.recording import Recording, milliseconds, recording
from profkit.run import Run
from profkit.schema import COUNTERS
from profkit.thresholds import thresholds

Finding = dict[str, Any]
"""A row of schema.FINDINGS without its rank."""


class Cost(NamedTuple):
    """What something costs a step.

    Attributes:
        ns: In the run.
        ref_ns: In the reference; None without one.
        impact_ns: What a step would win: all of it, or what the reference does not pay.
    """

    ns: int
    ref_ns: int | None
    impact_ns: int

    def words(self) -> str:
        """Say it in ms."""
        of_ref = "" if self.ref_ns is None else f", {milliseconds(self.ref_ns)} in the reference"
        return f"{milliseconds(self.ns)} a step{of_ref}"

    @property
    def ratio(self) -> float | None:
        """Run over reference; None where there is none."""
        return self.ns / self.ref_ns if self.ref_ns else None


@dataclass(frozen=True)
class Subject:
    """A run to be judged.

    Attributes:
        run: Its recording.
        ref: The reference's recording; None to judge the run by itself.
        alignment: Frame of schema.ALIGNMENT; empty without a reference.
        units: Frame of `slow.judged_units`; None without a reference.
        counters: Frame of schema.COUNTERS of the run and of the reference; empty if none were recorded or read.
    """

    run: Recording
    ref: Recording | None
    alignment: pd.DataFrame
    units: pd.DataFrame | None
    counters: pd.DataFrame = field(default_factory=COUNTERS.empty)

    @cached_property
    def scale(self) -> float:
        """How much slower the run is in general: what the reference's cost is multiplied by to be a fair measure."""
        if self.units is None or self.units.empty:
            return 1.0
        ratios = self.units["run_wall_ns"].clip(lower=1.0) / self.units["ref_wall_ns"].clip(lower=1.0)
        return max(float(ratios.median()), 1.0)

    def excess(self, disease: str, measure: Callable[[Recording], int]) -> Cost | None:
        """Measure a cost on both sides; None if it is no disease.

        A cost counts if it is at least the disease's share of a step, and if there is a reference, if the reference
        does not pay it as well, scaled by how much slower the run is in general.

        Args:
            disease: Section of the thresholds that has its `share` of the step, or `computing_share`.
            measure: Gives the cost of a recording, ns a step.
        """
        ns = measure(self.run)
        ref_ns = measure(self.ref) if self.ref is not None else None
        expected = (ref_ns or 0) * self.scale
        impact = round(ns - expected)
        if impact < self.least(disease) or ns <= thresholds("disease")["beyond_reference"] * expected:
            return None
        return Cost(ns, ref_ns, impact)

    def excess_of_rows(self, disease: str, chosen: Callable[[Recording], NDArray[np.bool_]]) -> Cost | None:
        """Measure the cost of executions; what a slow finding names already is told, but not won a second time.

        Args:
            disease: As for `excess`.
            chosen: Says which executions of a recording.
        """
        cost = self.excess(disease, lambda side: side.cost(chosen(side)))
        return cost if cost is None else cost._replace(impact_ns=max(cost.impact_ns - self.named_ns(chosen), 0))

    def named_ns(self, chosen: Callable[[Recording], NDArray[np.bool_]]) -> int:
        """Give what those of the chosen executions cost a step that a slow finding names already, ns."""
        return self.run.cost(chosen(self.run) & self.run.rows["named"].to_numpy())

    def named_elsewhere(self, chosen: Callable[[Recording], NDArray[np.bool_]]) -> str:
        """Say how much of the cost a slow finding names already."""
        named = self.named_ns(chosen)
        return f"; {milliseconds(named)} of it in modules that are named as slow" if named else ""

    def least(self, disease: str) -> float:
        """Give the smallest cost that counts as this disease, ns."""
        least = thresholds(disease)
        if "computing_share" in least:
            return least["computing_share"] * self.run.computing_ns
        return least["share"] * self.run.step_ns

    def share(self, ns: float) -> str:
        """Give a cost as a part of the run's step."""
        return f"{ns / max(self.run.step_ns, 1):.1%} of the step"

    def share_of_computing(self, ns: float) -> str:
        """Give a cost as a part of the run's step and of the time it computes."""
        return f"{self.share(ns)}, {ns / max(self.run.computing_ns, 1):.1%} of its computing time"

    def groups(self, rows: pd.DataFrame) -> list[int]:
        """Give the alignment groups that some of the run's executions belong to."""
        if self.alignment.empty or rows.empty:
            return []
        side = side_words(self.alignment, self.ref.run if self.ref is not None else None)[1]
        own = self.alignment[(self.alignment["side"] == side) & (self.alignment["group"] >= 0)]
        return sorted({int(group) for group in own.loc[own["row"].isin(rows["ops_row"]), "group"]})


def subject(
    run: Run, ref: Run | None, alignment: pd.DataFrame, units: pd.DataFrame | None, counters: pd.DataFrame | None = None
) -> Subject | None:
    """Prepare two runs, or one by itself; None if the run has no executions."""
    words = side_words(alignment, ref) if not alignment.empty else ("ref", "run")
    named = alignment[alignment["unit"].isin(units.index[units["slow"]])] if units is not None else alignment.iloc[:0]
    sides = [
        recording(one, named.loc[named["side"] == word, "row"].to_numpy(dtype=np.int64)) if one is not None else None
        for word, one in zip(words, (ref, run), strict=True)
    ]
    if sides[1] is None:
        return None
    return Subject(sides[1], sides[0], alignment, units, COUNTERS.empty() if counters is None else counters)


def finding(
    kind: str,
    cost: Cost,
    evidence: str,
    advice: str,
    *,
    op: str | None = None,
    module: str | None = None,
    groups: list[int] | None = None,
    confidence: float = 0.8,
) -> Finding:
    """Make a finding of a disease."""
    return {
        "kind": kind,
        "module": module,
        "op": op,
        "impact_ns": cost.impact_ns,
        "ratio": cost.ratio,
        "confidence": confidence,
        "groups": groups or [],
        "evidence": evidence,
        "advice": advice,
    }
