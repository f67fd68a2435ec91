"""How well operators are aligned, scored on labelled recordings of real migrations; and how long large runs take.

    PROFKIT_SHARED=... python benchmarks/alignment.py

The recordings and their scorer are third-party material that is not part of this repository: PROFKIT_SHARED names the
folder that holds `bench/alignment`; without it only the second table is printed. First table: op-weighted F1 of the
forward and backward pass, units a group (median and 95th percentile), and the seconds that aligning took (identified
runs in memory, one process). Second table: large runs, synthetic: one recorded step of the bundled network, repeated
as steps or within one step; seconds of aligning and the peak memory of the whole process, each pair in its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from measure import measure, table

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import Run, load

REFERENCES = ("pt_stack", "pt_shapes")
SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "vit"
PYTORCH, PYNATIVE, GRAPH, CHANGED = (
    "pytorch/profile",
    "mindspore_clean/pynative",
    "mindspore_clean/graph",
    "mindspore_slow",
)
LARGE_PAIRS = ((PYTORCH, PYNATIVE), (PYTORCH, GRAPH), (PYTORCH, PYTORCH), (PYNATIVE, CHANGED))
RUNS = ("ms_pynative", "ms_graph", "ms_graph_jit")


def main() -> None:
    """Score every pair and print the table."""
    if len(sys.argv) > 1:
        print(_time_of(int(sys.argv[1]), whole_steps=sys.argv[2] == "steps", names=sys.argv[3:]))
        return
    shared = os.environ.get("PROFKIT_SHARED")
    if shared:
        bench = Path(shared) / "bench" / "alignment"
        rows = [
            row
            for network in sorted(path.parent for path in bench.glob("*/truth.csv"))
            for row in _rows_of(network, bench / "score.py")
        ]
        print(table(rows, ["network", "pair", "forward F1", "backward F1", "units a group p50 / p95", "seconds"]))
        print()
    print(table(list(_scaled_rows()), ["synthetic pair", "executions of either side", "seconds", "peak GB"]))


def _rows_of(network: Path, scorer: Path) -> list[list[str]]:
    runs = {name: identify(load(network / name)) for name in (*REFERENCES, *RUNS)}
    return [
        [network.name, f"{reference} - {run}", *_scored(network, scorer, runs[reference], runs[run])]
        for reference in REFERENCES
        for run in RUNS
    ]


def _scored(network: Path, scorer: Path, reference: Run, run: Run) -> list[str]:
    started = time.perf_counter()
    alignment = align(reference, run)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "alignment.csv"
        alignment.to_csv(out, index=False)
        command = [sys.executable, str(scorer), "align", "--truth", str(network / "truth.csv"), "--alignment", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    scores = json.loads(done.stdout)
    return [
        f"{scores['forward']['op']['f1']:.3f}",
        f"{scores['backward']['op']['f1']:.3f}",
        f"{scores['units_per_group']['p50']:.0f} / {scores['units_per_group']['p95']:.0f}",
        f"{seconds:.2f}",
    ]


def _scaled_rows() -> Iterator[list[str]]:
    for count, form in ((1_000_000, "steps"), (5_000, "step")):
        for names in LARGE_PAIRS:
            done = measure([sys.executable, __file__, str(count), form, *names])
            seconds, sides = done.output.split(maxsplit=1)
            what = f"{' - '.join(names)}, {'many steps' if form == 'steps' else 'one step'}"
            yield [what, sides, seconds, f"{done.peak_mib * 2**20 / 1e9:.2f}"]


def _time_of(count: int, *, whole_steps: bool, names: list[str]) -> str:
    """Align a repeated step of two bundled recordings; at least `count` executions a side."""
    runs = [identify(load(SAMPLES / name)) for name in names]
    ref, run = (_repeated(one, count, whole_steps=whole_steps) for one in runs)
    started = time.perf_counter()
    alignment = align(ref, run)
    seconds = time.perf_counter() - started
    sides = alignment["side"].astype(str).value_counts(sort=False)
    return f"{seconds:.1f} {' and '.join(f'{rows:,}' for rows in sides)}"


def _repeated(run: Run, count: int, *, whole_steps: bool) -> Run:
    """Give the first step of a run until it has so many executions: each time as a step of its own, or within one."""
    ops = run.ops[run.ops["step"] == run.ops.loc[run.ops["step"] >= 0, "step"].min()]
    place = pd.Series(np.arange(len(ops)), index=ops.index)
    times = -(-count // int((ops["parent"] < 0).sum()))
    copy = np.repeat(np.arange(times), len(ops))
    length = int((ops["start_ns"] + ops["dur_ns"]).max() - ops["start_ns"].min()) + 1
    references = {
        name: np.where(own >= 0, own + copy * len(ops), -1)
        for name in ("parent", "launcher", "forward_op")
        if len(own := np.tile(place.reindex(ops[name]).fillna(-1).to_numpy(np.int64), times))
    }
    many = ops.iloc[np.tile(np.arange(len(ops)), times)].reset_index(drop=True)
    step = copy.astype(np.int32) if whole_steps else many["step"]
    return replace(run, ops=many.assign(start_ns=many["start_ns"] + copy * length, step=step, **references))


if __name__ == "__main__":
    main()
