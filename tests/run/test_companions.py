"""What tells no rank stays beside the rank that was chosen; what was repaired without loss is no failure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from profkit.errors import ImportIssue, Severity, UnreadableInputError, has_losses
from profkit.run import load


def trace(folder: Path, rank: int) -> None:
    folder.mkdir(parents=True)
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 5, "dur": 2, "args": {}}
    document = {"schemaVersion": 1, "distributedInfo": {"rank": rank}, "traceEvents": [event]}
    (folder / "trace.json").write_text(json.dumps(document))


def execution_trace(folder: Path, name: str) -> None:
    node = {"name": name, "rf_id": 3, "op_schema": "", "output_shapes": [[4]], "output_types": ["Tensor(float)"]}
    (folder / "et.json").write_text(json.dumps({"schema": "1.0.1", "nodes": [node]}))


def test_an_execution_trace_stays_with_the_rank_it_lies_beside(tmp_path: Path) -> None:
    for rank in (0, 1):
        trace(tmp_path / f"rank{rank}", rank)
        execution_trace(tmp_path / f"rank{rank}", f"aten::of_rank_{rank}")
    run = load(tmp_path, rank=1)
    assert run.nodes["name"].tolist() == ["aten::of_rank_1"]
    assert [source.rank for source in run.sources] == [1, -1]


def test_the_round_that_a_schedule_began_last_hides_no_recording(samples: Path, tmp_path: Path) -> None:
    """MindSpore makes the folder of the next round when that begins; the script ends, and only a log is in it."""
    (recorded,) = (samples / "vit/mindspore_clean/pynative").glob("*_ascend_ms")
    shutil.copytree(recorded, tmp_path / "runs" / recorded.name)
    begun = tmp_path / "runs" / "workstation_15264_20261123131950000_ascend_ms"
    for name in ("logs", "FRAMEWORK", "ASCEND_PROFILER_OUTPUT"):
        (begun / name).mkdir(parents=True)
    (begun / "logs" / "profiler_20261123131950_15264.log").write_text("begun\n")
    run = load(tmp_path / "runs")
    assert len(run.ops) == len(load(recorded).ops)
    (issue,) = run.issues
    assert (issue.severity, issue.source) == (Severity.ERROR, str(begun))
    assert issue.text.startswith("the profiler wrote nothing but logs")
    with pytest.raises(UnreadableInputError, match="nothing but logs"):
        load(begun)


@pytest.mark.parametrize(
    ("severities", "lost"),
    [([], False), ([Severity.INFO], False), ([Severity.INFO, Severity.DATA_LOSS], True), ([Severity.ERROR], True)],
)
def test_notes_are_no_losses(severities: list[Severity], *, lost: bool) -> None:
    assert has_losses(ImportIssue(severity, "file", "", "text") for severity in severities) is lost
