"""Synthetic device runs: what a step holds is said row by row, so that every cost is known by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.run import Run
from profkit.schema import OPS, SPANS, STEPS

EPOCH = 1_795_415_169_153_090_001
US = 1_000
Row = dict[str, Any]

CLASSES = {
    "MatMul": "matmul",
    "Conv2D": "conv",
    "Add": "elementwise",
    "Cast": "copy",
    "TransData": "copy",
    "Transpose": "copy",
    "GetNext": "other",
}


def kernel(op_type: str, start_us: float, dur_us: float, **more: Any) -> Row:
    """One device row of a step: start within the step and duration in us."""
    return {"op_type": op_type, "start": round(start_us * US), "dur": round(dur_us * US), **more}


def busy(count: int = 20, dur_us: float = 50.0, begin_us: float = 0.0) -> list[Row]:
    """A healthy step: products back to back."""
    return [kernel("MatMul", begin_us + number * dur_us, dur_us) for number in range(count)]


@pytest.fixture
def synthetic() -> Callable[..., Run]:
    """Make a synthetic Ascend run from the rows of each step and of each rank."""

    def make(
        steps: Sequence[Sequence[Row]],
        *,
        lengths_us: Sequence[float] | None = None,
        ranks: Sequence[Sequence[Sequence[Row]]] = (),
        spans: Sequence[tuple[str, float, float]] = (),
        level: str = "device",
    ) -> Run:
        rows: list[dict[str, Any]] = []
        marks: list[dict[str, Any]] = []
        for rank, its_steps in enumerate([steps, *ranks]):
            begin = EPOCH
            for number, step in enumerate(its_steps):
                end = max(row["start"] + row["dur"] for row in step)
                length = round(lengths_us[number] * US) if lengths_us else end
                marks.append(
                    {"rank": rank, "step": number, "start_ns": begin, "dur_ns": length, "how": "recorded"}
                    | {"source": "synthetic"}
                )
                rows += [
                    {
                        "rank": rank,
                        "step": number,
                        "level": row.get("level", level),
                        "start_ns": begin + row["start"],
                        "dur_ns": row["dur"],
                        "self_ns": row["dur"],
                        "name": row.get("name", row["op_type"]),
                        "op_type": row["op_type"],
                        "op_class": row.get("op_class", CLASSES.get(row["op_type"], "communication")),
                        "phase": row.get("phase"),
                        "module": row.get("module"),
                        "input_shapes": row.get("shapes", "8,8"),
                        "core": row.get("core", "AI_CORE"),
                        "parent": -1,
                        "launcher": -1,
                        "forward_op": -1,
                        "carry_over": False,
                        "source": "kernel_details.csv",
                        "row": len(rows) + place,
                    }
                    for place, row in enumerate(step)
                ]
                begin += length
        marked = [
            {"rank": 0, "start_ns": EPOCH + round(start * US), "dur_ns": round(dur * US), "kind": "annotation"}
            | {"name": name, "source": "synthetic", "row": 0}
            for name, start, dur in spans
        ]
        return Run(
            Path("synthetic"),
            "mindspore",
            ops=OPS.from_rows(rows),
            steps=STEPS.from_rows(marks),
            spans=SPANS.from_rows(marked),
        )

    return make


@pytest.fixture
def kinds() -> Callable[[pd.DataFrame], dict[str, Any]]:
    """Give findings as kind -> impact."""

    def of(findings: pd.DataFrame) -> dict[str, Any]:
        assert findings["rank"].tolist() == list(range(len(findings)))
        assert findings["evidence"].str.len().gt(10).all()
        assert findings["advice"].str.len().gt(10).all()
        return {row.kind: None if pd.isna(row.impact_ns) else int(row.impact_ns) for row in findings.itertuples()}

    return of


@pytest.fixture(name="kernel")
def _kernel() -> Callable[..., Row]:
    return kernel


@pytest.fixture(name="busy")
def _busy() -> Callable[..., list[Row]]:
    return busy


@pytest.fixture
def alone() -> Callable[[Run], pd.DataFrame]:
    """Look at a run by itself."""
    from profkit.diseases import disease_findings
    from profkit.schema import ALIGNMENT

    return lambda run: disease_findings(run, None, ALIGNMENT.empty(), None)


@pytest.fixture
def against() -> Callable[[Run, Run], pd.DataFrame]:
    """Look at a run beside its reference."""
    from profkit.correlate import align, judged_units
    from profkit.diseases import disease_findings

    def look(ref: Run, run: Run) -> pd.DataFrame:
        alignment = align(ref, run)
        return disease_findings(run, ref, alignment, judged_units(alignment, ref, run))

    return look
