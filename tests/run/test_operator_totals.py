"""Totals of operators: what is kept equals what is worked out anew, and both equal sums over the single executions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import profkit.operator_totals as totals_room
from profkit import discovery
from profkit.cache import Cache
from profkit.operator_totals import load_identified, load_totals
from profkit.summary import GROUPINGS, choose, summarise

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RUNS = ["vit/pytorch/profile/trace.json.gz", "ascend_synthetic/synthetic_1_20260101000000000_ascend_ms"]
SHARED_RUNS = [
    "samples/torch/hta/ns_resolution_trace",
    "samples/torch/tracelens/traces/mi300/resnet_act_checkpoint.json.gz",
]


def summed_one_by_one(run: Path, level: str, by: str) -> dict[tuple[str, ...], list[int]]:
    """Count, total and self time of each group, by a loop over the executions."""
    sums: dict[tuple[str, ...], list[int]] = {}
    ops = load_identified(run).ops
    columns = [ops[name].astype(object).tolist() for name in (*GROUPINGS[by], "level", "dur_ns", "self_ns")]
    for *key, where, dur, own in zip(*columns, strict=True):
        if where == level:
            group = sums.setdefault(tuple(str(word) for word in key), [0, 0, 0])
            group[0] += 1
            group[1] += dur
            group[2] += own
    return sums


def check(run: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    anew, written, kept = load_totals(run), load_totals(run, cache=cache), load_totals(run, cache=cache)
    assert len(anew.totals)
    pd.testing.assert_frame_equal(anew.totals.astype(object), written.totals.astype(object))
    pd.testing.assert_frame_equal(anew.totals.astype(object), kept.totals.astype(object))
    assert anew.issues == written.issues == kept.issues
    for level in anew.totals["level"].unique():
        for by in GROUPINGS:
            summary = summarise(choose(kept.totals, level=level), by)
            ours = {
                tuple(str(word) for word in key): list(values)
                for *key, values in zip(
                    *(summary[name].tolist() for name in GROUPINGS[by]),
                    summary[["count", "total_ns", "self_ns"]].to_numpy().tolist(),
                    strict=True,
                )
            }
            assert ours == summed_one_by_one(run, level, by), (level, by)


@pytest.mark.parametrize("run", RUNS)
def test_kept_totals_equal_sums_over_the_executions(run: str, tmp_path: Path) -> None:
    check(SAMPLES / run, tmp_path)


@pytest.mark.parametrize("run", SHARED_RUNS)
def test_kept_totals_of_recorded_devices(run: str, shared: Path, tmp_path: Path) -> None:
    check(shared / run, tmp_path)


def test_kept_totals_are_found_without_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    first = load_totals(SAMPLES / RUNS[0], cache=cache)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the run was read")

    monkeypatch.setattr(totals_room, "load", refuse)
    pd.testing.assert_frame_equal(load_totals(SAMPLES / RUNS[0], cache=cache).totals, first.totals, check_dtype=False)


def test_totals_are_stale_once_the_code_that_works_them_out_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache")
    load_totals(SAMPLES / RUNS[0], cache=cache)
    before = len(cache.entries())
    monkeypatch.setattr(totals_room, "hash_of_code", lambda _: "another")
    load_totals(SAMPLES / RUNS[0], cache=cache)
    assert len(cache.entries()) == before + 1


def test_damaged_totals_are_worked_out_anew_and_told(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = load_totals(SAMPLES / RUNS[0], cache=cache)
    (file,) = (cache.root).rglob("totals.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    again = load_totals(SAMPLES / RUNS[0], cache=cache)
    pd.testing.assert_frame_equal(first.totals.astype(object), again.totals.astype(object))
    assert any("damaged cache entry" in issue.text for issue in again.issues)
    healed = load_totals(SAMPLES / RUNS[0], cache=cache)
    assert healed.issues == first.issues


def test_a_directory_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(SAMPLES / RUNS[0], run)
    looked_at: list[Path] = []
    walk = discovery._walk

    def noted(path: Path, *rest: Any) -> discovery.Discovery:
        looked_at.append(path)
        return walk(path, *rest)

    monkeypatch.setattr(discovery, "_walk", noted)
    assert load_totals(run, cache=Cache(tmp_path / "cache")).key is not None
    assert sorted(looked_at) == [run, run / "trace.json.gz"]


def test_a_changed_trace_has_other_totals(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    trace = tmp_path / "trace.json.gz"
    shutil.copy(SAMPLES / RUNS[0], trace)
    first = load_totals(trace, cache=cache)
    trace.write_bytes(trace.read_bytes()[: trace.stat().st_size // 2])
    cut = load_totals(trace, cache=cache)
    assert cut.totals["count"].sum() < first.totals["count"].sum()
    assert any(issue.severity.value == "data_loss" for issue in cut.issues)
