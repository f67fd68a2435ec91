"""Lists of captured tensors that are damaged or hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profkit.parsers.dump.captured_tensors import CapturedTensors
from profkit.progress import silent

HEAD = {"profkit_capture": 1, "framework": "mindspore"}
GOOD = {"step": 0, "order": 1, "op": "fc", "io": "output", "dtype": "Float32", "shape": [2], "stored": "statistics"}


def written(folder: Path, *lines: object) -> Path:
    (folder / "tensors.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (HEAD, *lines)))
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../secret.npy"}, {"file": "/etc/passwd"}, {"file": "x.pkl"}, {"io": "other"}, {"dtype": "object"},
        {"shape": [-1]}, {"shape": [1 << 60]}, {"order": 1 << 40}, {"op": 3}, {"op": "\ud800"}, {"shape": [1] * 65},
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_told_and_left_out(change: dict[str, object], tmp_path: Path) -> None:
    found = CapturedTensors().read(written(tmp_path, GOOD, {**GOOD, **change}, GOOD), silent)
    assert found.frames["tensors"]["op"].tolist() == ["fc", "fc"]
    assert [issue.where for issue in found.issues] == ["line 3"]


def test_a_list_without_its_first_line_is_none(tmp_path: Path) -> None:
    (tmp_path / "tensors.jsonl").write_text(json.dumps(GOOD))
    assert CapturedTensors().sniff(tmp_path) is None


def test_framework_and_columns_are_those_of_the_list(tmp_path: Path) -> None:
    found = CapturedTensors().read(written(tmp_path, {**GOOD, "max": 2.5, "nan_count": 1}), silent)
    assert found.framework == "mindspore"
    row = found.frames["tensors"].iloc[0]
    assert (row["dtype"], row["shape"], row["max"], row["nan_count"], row["order"]) == ("float32", "2", 2.5, 1, 1)
