"""How well operators are aligned, scored on labelled recordings of real migrations.

    PROFKIT_SHARED=... python benchmarks/alignment.py

The recordings and their scorer are third-party material that is not part of this repository: PROFKIT_SHARED names the
folder that holds `bench/alignment`. Prints one Markdown table: op-weighted F1 of the forward and backward pass, units a
group (median and 95th percentile), and the seconds that aligning took (identified runs in memory, one process).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import table

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import Run, load

REFERENCES = ("pt_stack", "pt_shapes")
RUNS = ("ms_pynative", "ms_graph", "ms_graph_jit")


def main() -> None:
    """Score every pair and print the table."""
    shared = os.environ.get("PROFKIT_SHARED")
    if not shared:
        sys.exit("PROFKIT_SHARED is not set: the labelled recordings are not part of this repository")
    bench = Path(shared) / "bench" / "alignment"
    rows = [
        row
        for network in sorted(path.parent for path in bench.glob("*/truth.csv"))
        for row in _rows_of(network, bench / "score.py")
    ]
    print(table(rows, ["network", "pair", "forward F1", "backward F1", "units a group p50 / p95", "seconds"]))


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


if __name__ == "__main__":
    main()
