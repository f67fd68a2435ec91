"""How well operators are aligned, scored on labelled recordings of real migrations; and how long large runs take.

    PROFKIT_SHARED=... python benchmarks/alignment.py
    PROFKIT_SHARED=... python benchmarks/alignment.py --own [NETWORK...]

The recordings and their scorer are third-party material that is not part of this repository: PROFKIT_SHARED names the
folder that holds `bench/alignment`; without it only the second table is printed. First table: op-weighted F1 of the
forward and backward pass, units a group (median and 95th percentile), and the seconds that aligning took (identified
runs in memory, one process). Second table: large runs, synthetic: one recorded step of the bundled network, repeated
as steps or within one step; processor seconds of aligning and the peak memory of the whole process, each pair in its
own.

With --own the first table is of the networks of `migrations/`, recorded with both frameworks where no recording is kept
yet (some minutes a network), two recordings of one framework included; there is no second one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
from measure import measure, table

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import Run, load

sys.path.insert(0, str(Path(__file__).resolve().parent / "migrations"))
from recordings import NETWORKS as OWN_NETWORKS
from recordings import PAIRS as OWN_PAIRS
from recordings import recorded, truth_of

REFERENCES = ("pt_stack", "pt_shapes")
SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "vit"
PYTORCH, PYNATIVE, GRAPH, CHANGED = (
    "pytorch/profile",
    "mindspore_clean/pynative",
    "mindspore_clean/graph",
    "mindspore_slow",
)
LARGE_PAIRS = ((PYTORCH, PYNATIVE), (PYTORCH, GRAPH), (PYTORCH, PYTORCH), (PYNATIVE, CHANGED))
PASSES = ("forward", "backward")
SCORES = [
    "network", "pair", "forward F1", "precision", "backward F1", "precision", "left open",
    "units a group p50 / p95", "seconds",
]  # fmt: skip
RUNS = ("ms_pynative", "ms_graph", "ms_graph_jit")


def main() -> None:
    """Score every pair and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--own", nargs="*", metavar="NETWORK", help="networks of migrations/; all if none is named")
    cache = platformdirs.user_cache_path("profkit-benchmarks", appauthor=False) / "migrations"
    parser.add_argument("--recordings", type=Path, default=cache, help="where own recordings are kept")
    parser.add_argument("--large", nargs=4, metavar=("COUNT", "FORM", "REF", "RUN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.large:
        count, form, *names = arguments.large
        print(_time_of(int(count), whole_steps=form == "steps", names=names))
        return
    shared = os.environ.get("PROFKIT_SHARED")
    bench = Path(shared) / "bench" / "alignment" if shared else None
    if arguments.own is not None:
        if bench is None:
            parser.error("PROFKIT_SHARED names no folder: the scorer is in its bench/alignment")
        wrong = sorted(set(arguments.own) - set(OWN_NETWORKS))
        if wrong:
            parser.error(f"no network {', '.join(wrong)}; there are {', '.join(OWN_NETWORKS)}")
        print(table(list(_own_rows(arguments.own or OWN_NETWORKS, arguments.recordings, bench / "score.py")), SCORES))
        return
    if bench is not None:
        rows = [
            row
            for network in sorted(path.parent for path in bench.glob("*/truth.csv"))
            for row in _rows_of(network, bench / "score.py")
        ]
        print(table(rows, SCORES))
        print()
    print(table(list(_scaled_rows()), ["synthetic pair", "executions of either side", "CPU seconds", "peak GB"]))


def _own_rows(networks: Sequence[str], folder: Path, scorer: Path) -> Iterator[list[str]]:
    for network in networks:
        for names in OWN_PAIRS:
            try:
                paths = [recorded(network, name, folder) for name in names]
            except RuntimeError as error:
                print(error, file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as place:
                truth = Path(place) / "truth.csv"
                truth_of(*paths).to_csv(truth, index=False)
                ref, run = (identify(load(path)) for path in paths)
                yield [network, " - ".join(names), *_scored(truth, scorer, ref, run)]


def _rows_of(network: Path, scorer: Path) -> list[list[str]]:
    runs = {name: identify(load(network / name)) for name in (*REFERENCES, *RUNS)}
    return [
        [
            network.name,
            f"{reference} - {run}",
            *_scored(network / "truth.csv", scorer, runs[reference], runs[run]),
        ]
        for reference in REFERENCES
        for run in RUNS
    ]


def _scored(truth: Path, scorer: Path, reference: Run, run: Run) -> list[str]:
    started = time.perf_counter()
    alignment = align(reference, run)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "alignment.csv"
        # The scorer knows the words of two frameworks only.
        sides = alignment["side"].astype(object).replace({"ref": "pt", "run": "ms"})
        alignment.assign(side=sides).to_csv(out, index=False)
        command = [sys.executable, str(scorer), "align", "--truth", str(truth), "--alignment", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    scores = json.loads(done.stdout)
    left_open = alignment["candidates"] >= 0
    left_open &= alignment["group"] < 0
    return [
        *(f"{scores[phase]['op'][figure]:.3f}" for phase in PASSES for figure in ("f1", "precision")),
        f"{left_open.mean():.0%}",
        f"{scores['units_per_group']['p50']:.0f} / {scores['units_per_group']['p95']:.0f}",
        f"{seconds:.2f}",
    ]


def _scaled_rows() -> Iterator[list[str]]:
    for count, form in ((1_000_000, "steps"), (5_000, "step")):
        for names in LARGE_PAIRS:
            done = measure([sys.executable, __file__, "--large", str(count), form, *names])
            seconds, sides = done.output.split(maxsplit=1)
            what = f"{' - '.join(names)}, {'many steps' if form == 'steps' else 'one step'}"
            yield [what, sides, seconds, f"{done.peak_mib * 2**20 / 1e9:.2f}"]


def _time_of(count: int, *, whole_steps: bool, names: list[str]) -> str:
    """Align a repeated step of two bundled recordings; at least `count` executions a side."""
    runs = [identify(load(SAMPLES / name)) for name in names]
    ref, run = (_repeated(one, count, whole_steps=whole_steps) for one in runs)
    started = time.process_time()
    alignment = align(ref, run)
    seconds = time.process_time() - started
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
