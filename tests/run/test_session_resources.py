"""What a session keeps of memory and communication equals what the recordings hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from profkit.memory_summary import WINDOWS, memory_envelope
from profkit.operator_totals import load_identified
from profkit.schema import MEMORY
from profkit.session_resources import session_communication, session_memory, session_memory_curve

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RECORDED = "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt"


def memory(times: list[int], held: list[int | None], changes: list[int | None]) -> pd.DataFrame:
    count = len(times)
    return MEMORY.from_rows(
        [
            {
                "rank": 0,
                "component": "APP",
                "time_ns": times[row],
                "allocated_bytes": held[row],
                "change_bytes": changes[row],
                "source": "file",
            }
            for row in range(count)
        ]
    )


def test_the_envelope_keeps_every_peak() -> None:
    times = list(range(0, 100_000, 7))
    held: list[int | None] = [(time * 7919) % 10_007 for time in times]
    envelope = memory_envelope(memory(times, held, [None] * len(times)))
    expected: dict[int, int] = {}
    for time, amount in zip(times, held, strict=True):
        window = time * WINDOWS // (times[-1] + 1)
        expected[window] = max(expected.get(window, 0), amount or 0)
    assert dict(zip(envelope["window"], envelope["held_bytes"], strict=True)) == expected


def test_changes_alone_are_added_up() -> None:
    envelope = memory_envelope(memory([0, 500, 999], [None] * 3, [100, 50, -150]))
    assert envelope["held_bytes"].tolist() == [100, 150, 0]


def test_a_run_without_memory_has_no_envelope() -> None:
    assert memory_envelope(MEMORY.empty()).empty


@pytest.mark.parametrize("side", ["ref", "run"])
def test_a_recorded_run_gives_all_three(side: str, shared: Path) -> None:
    run = load_identified(shared / RECORDED)
    sides = [(side, run)]
    peaks, curve, transfers = session_memory(sides), session_memory_curve(sides), session_communication(sides)
    assert set(peaks["side"]) == set(curve["side"]) == set(transfers["side"]) == {side}
    recorded = run.memory.groupby(run.memory["component"].astype(object))["allocated_bytes"].max()
    ours = peaks.set_index(peaks["component"].astype(object))["peak_allocated_bytes"]
    assert ours.dropna().to_dict() == recorded.dropna().to_dict()
    assert transfers["count"].sum() == len(run.comm)


def test_runs_without_any_give_empty_frames() -> None:
    run = load_identified(SAMPLES / "vit/pytorch/profile/trace.json.gz")
    sides = [("run", run)]
    assert session_memory(sides).empty
    assert session_memory_curve(sides).empty
    assert session_communication(sides).empty
