"""Ranks of one run whose traces count from different base times: after reading, one wall clock.

The recorder chooses the base anew every 7,889,238 s, so that two ranks that start on both sides of that instant have
different ones. Such a pair is made here, synthetic: the bundled trace twice, the second counted from the base before.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from profkit.run import load
from profkit.step_breakdown import break_down_steps

INTERVAL_S = 7_889_238


def synthetic_rank(original: dict[str, Any], rank: int, earlier_s: int) -> bytes:
    """Give the trace as rank `rank` would have written it with a base that lies `earlier_s` seconds before."""
    document = copy.deepcopy(original)
    document["baseTimeNanoseconds"] = int(original.get("baseTimeNanoseconds", 0)) - earlier_s * 10**9
    document["distributedInfo"] = {"backend": "gloo", "rank": rank, "world_size": 2}
    for event in document["traceEvents"]:
        if "ts" in event:
            event["ts"] = Decimal(str(event["ts"])) + earlier_s * 10**6
    text = json.dumps(document, default=lambda number: f"@{number}@")
    return gzip.compress(re.sub(r'"@([^@"]*)@"', r"\1", text).encode(), mtime=0)


def test_ranks_of_different_bases_have_one_wall_clock(samples: Path, tmp_path: Path) -> None:
    raw = gzip.decompress((samples / "vit/pytorch/profile/trace.json.gz").read_bytes())
    original = json.loads(raw, parse_float=Decimal)
    for rank, earlier in ((0, 0), (1, INTERVAL_S)):
        (tmp_path / f"rank{rank}.pt.trace.json.gz").write_bytes(synthetic_rank(original, rank, earlier))
    run = load(tmp_path)
    first, second = (run.ops[run.ops["rank"] == rank].reset_index(drop=True) for rank in (0, 1))
    assert len(first) == len(second) > 1000
    for column in ("start_ns", "dur_ns", "name"):
        assert (first[column].astype(object) == second[column].astype(object)).all(), column
    steps = run.steps.pivot_table(index="step", columns="rank", values="start_ns", aggfunc="first")
    assert len(steps) > 0
    assert (steps[0] == steps[1]).all()
    # The wall clock is that of the file, to the nanosecond.
    base = int(original.get("baseTimeNanoseconds", 0))
    starts = {
        int(Decimal(str(event["ts"])) * 1000) + base for event in original["traceEvents"] if event.get("ph") == "X"
    }
    assert set(np.unique(second["start_ns"])) <= starts
    parts = break_down_steps(load(tmp_path, rank=1))
    assert len(parts) > 0


def test_rank_and_base_of_recorded_ranks(shared: Path) -> None:
    """Recorded ranks of one job overlap in time: their steps lie within a second of each other."""
    directory = shared / "samples/torch/hta/trace_filter"
    if not directory.is_dir():
        directory = next((shared / "samples/torch").rglob("sampled_rank-0.json.gz")).parent
    run = load(directory)
    ranks = sorted(run.ops["rank"].unique())
    assert ranks == [0, 1]
    begins = run.ops.groupby("rank")["start_ns"].min()
    assert abs(int(begins[0]) - int(begins[1])) < 60 * 10**9
