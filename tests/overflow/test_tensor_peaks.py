"""What is remembered of dumped tensors counts only for files that did not change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.overflow import hunt
from profkit.tensor_peaks import TensorPeaks

NET = "Default_net-Net_"


@pytest.fixture(autouse=True)
def _fine_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profkit.file_state._CLOCK_STEP_NS", 0)


def test_a_second_look_reads_no_finite_tensor(dump: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.ones(4, np.float32)
    dump.op(f"{NET}ReLU-op0", [x], x)
    memory = tmp_path / "cache" / "peaks"
    first = TensorPeaks(memory)
    assert hunt(dump.tensors(), peaks=first).empty
    first.save()

    def refuse(*_: Any) -> None:
        raise AssertionError("a remembered tensor was read again")

    monkeypatch.setattr("profkit.overflow.tensor_states.open_tensor", refuse)
    assert hunt(dump.tensors(), peaks=TensorPeaks(memory)).empty


def test_a_file_that_was_written_again_is_read_again(dump: Any, tmp_path: Path) -> None:
    x = np.ones(4, np.float32)
    dump.op(f"{NET}Log-op0", [x], x)
    memory = tmp_path / "cache" / "peaks"
    peaks = TensorPeaks(memory)
    hunt(dump.tensors(), peaks=peaks)
    peaks.save()
    (output,) = dump.root.rglob("*output.0*")
    before = output.stat()
    np.save(output, np.full(4, np.nan, np.float32))
    os.utime(output, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hunt(dump.tensors(), peaks=TensorPeaks(memory))["role"].tolist() == ["origin"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x81\xa1a\x01", b"{}"])
def test_a_damaged_memory_costs_time_only(dump: Any, tmp_path: Path, content: bytes) -> None:
    dump.op(f"{NET}Log-op0", [np.full(2, -1, np.float32)], np.full(2, np.nan, np.float32))
    memory = tmp_path / "peaks"
    memory.write_bytes(content)
    assert hunt(dump.tensors(), peaks=TensorPeaks(memory))["role"].tolist() == ["origin"]
