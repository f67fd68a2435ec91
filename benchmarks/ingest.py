"""What it costs to read a trace: profkit beside its peers, whole processes, one table a trace.

    python benchmarks/ingest.py --megabytes 100 500
    python benchmarks/ingest.py --megabytes 1000 --no-peers
    python benchmarks/ingest.py --rows 1000000

A trace is a recorded one of this repository, replayed until it has the size (see replay.py); the result is synthetic.
Each reader goes as far as a table of operators summed by name. The peers, in fixed versions, are installed into an
environment of their own in the cache folder. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import platformdirs
from measure import Measurement, measure, table
from replay import replay

PEERS = ("HolisticTraceAnalysis==0.5.0", "torch-tb-profiler==0.4.3")
ROOT = Path(__file__).resolve().parent.parent
KINETO = ROOT / "samples/vit/pytorch/profile/trace.json.gz"
ASCEND = ROOT / "samples/ascend_synthetic/synthetic_1_20260101000000000_ascend_ms/ASCEND_PROFILER_OUTPUT"

HTA = """
import sys
from hta.common.trace import Trace
trace = Trace(trace_files={0: sys.argv[1]}, trace_dir="/")
trace.parse_traces(use_multiprocessing=False)
print(len(trace.get_trace(0).groupby("name")["dur"].agg(["count", "sum"])))
"""
TENSORBOARD = """
import sys, tempfile
from torch_tb_profiler.profiler.data import RunProfileData
with tempfile.TemporaryDirectory() as folder:
    print(len(RunProfileData.parse("worker0", "1", sys.argv[1], folder).op_list_groupby_name))
"""
JSON_LOAD = "import json, sys; print(len(json.load(open(sys.argv[1], 'rb'))))"
PLAIN_READ = """
import sys
with open(sys.argv[1], 'rb') as file:
    print(sum(len(block) for block in iter(lambda: file.read(1 << 20), b'')))
"""
PROFKIT_TABLE = """
import sys
from pathlib import Path
from profkit.parsers.ascend.kernels import read_kernels
from profkit.progress import silent
print(len(read_kernels(Path(sys.argv[1]), silent).columns["start_ns"]))
"""
PANDAS_TABLE = """
import sys, tomllib
from importlib.resources import files
import pandas as pd
names = tomllib.loads(files("profkit.parsers.ascend").joinpath("columns.toml").read_text())["kernel_details"]["names"]
known = {spelling for spellings in names.values() for spelling in spellings}
print(len(pd.read_csv(sys.argv[1], dtype=str, usecols=lambda name: name.strip() in known)))
"""


def peers_python(folder: Path) -> Path:
    """Give the interpreter of an environment with the peers, made at the first call."""
    environment = folder / "peers"
    python = environment / "bin" / "python"
    marker = environment / "installed.txt"
    if not marker.is_file() or marker.read_text() != "\n".join(PEERS):
        venv.create(environment, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        marker.write_text("\n".join(PEERS))
    return python


def readers(trace: Path, peers: Path | None, cache: Path, runs: int) -> Iterator[tuple[str, Measurement]]:
    """Read a trace in every way, some runs each: the one that took the least CPU was disturbed the least."""

    def least(*command: str, environment: dict[str, str] | None = None) -> Measurement:
        return min((measure([*command, str(trace)], environment) for _ in range(runs)), key=lambda one: one.cpu_s)

    profkit = [sys.executable, "-m", "profkit", "ops", "--quiet"]
    environment = {"PROFKIT_CACHE_DIR": str(cache)}
    yield "profkit, cold", least(*profkit, "--no-cache")
    measure([*profkit, str(trace)], environment)
    yield "profkit, cached", least(*profkit, environment=environment)
    if peers is not None:
        yield PEERS[0].replace("==", " "), least(str(peers), "-c", HTA)
        yield PEERS[1].replace("==", " "), least(str(peers), "-c", TENSORBOARD)
        yield "json.load", least(sys.executable, "-c", JSON_LOAD)
    yield "plain read", least(sys.executable, "-c", PLAIN_READ)


def report(title: str, measured: list[tuple[str, Measurement]]) -> None:
    """Print one table, with the first row as the measure of the others."""
    own = measured[0][1]
    rows = [
        [
            name,
            f"{one.cpu_s:.2f}" if one.exit_code == 0 else f"failed: {one.output}",
            f"{one.wall_s:.2f}",
            f"{one.peak_mib:.0f}",
            f"{one.cpu_s / own.cpu_s:.2f}",
            f"{one.peak_mib / own.peak_mib:.2f}",
        ]
        for name, one in measured
    ]
    headers = ["reader", "CPU s", "wall s", "peak RSS MiB", "CPU, ratio", "RSS, ratio"]
    print(f"\n{title}\n\n{table(rows, headers)}", flush=True)


def kernel_table(target: Path, rows: int) -> None:
    """Repeat the kernels of the synthetic Ascend run until a table has so many rows."""
    header, *lines = (ASCEND / "kernel_details.csv").read_text(encoding="utf-8").splitlines()
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        for first in range(0, rows, len(lines)):
            file.write("\n".join(lines[: rows - first]) + "\n")


def made_elsewhere(source: Path, target: Path, size_bytes: int) -> int:
    """Replay a trace in a process of its own: what this one ever held counts as the peak of each it starts."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
        return maker.submit(replay, source, target, size_bytes).result()


def main() -> None:
    """Read the command line, make the inputs, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="*", default=[], help="sizes of the traces")
    parser.add_argument("--form", choices=["kineto", "ascend"], default="kineto", help="what the trace is of")
    parser.add_argument("--source", type=Path, nargs="+", help="other traces to replay, one table each")
    parser.add_argument("--runs", type=int, default=1, help="runs of each reader; that with the least CPU counts")
    parser.add_argument("--rows", type=int, help="rows of a kernel_details.csv to read")
    parser.add_argument("--no-peers", action="store_true", help="measure profkit and the plain read alone")
    parser.add_argument("--peers-python", type=Path, help="interpreter of an environment that has the peers")
    parser.add_argument("--folder", type=Path, help="for the traces; a temporary one if not given")
    arguments = parser.parse_args()
    cache = Path(platformdirs.user_cache_path("profkit-benchmarks", appauthor=False))
    own_peers = arguments.megabytes and not arguments.no_peers and arguments.form == "kineto"
    peers = (arguments.peers_python or peers_python(cache)) if own_peers else None
    sources = arguments.source or [KINETO if arguments.form == "kineto" else ASCEND / "trace_view.json"]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        for source, megabytes in product(sources, arguments.megabytes):
            trace = folder / ("trace.json" if arguments.form == "kineto" else "trace_view.json")
            written = made_elsewhere(source, trace, megabytes * 1_000_000)
            title = f"{arguments.form} trace of {written / 1e6:.0f} MB from {source.name} ({os.cpu_count()} CPUs)"
            report(title, list(readers(trace, peers, folder / "cache", arguments.runs)))
        if arguments.rows:
            kernels = folder / "kernel_details.csv"
            kernel_table(kernels, arguments.rows)
            measured = [
                ("profkit, columns with exact times", measure([sys.executable, "-c", PROFKIT_TABLE, str(kernels)])),
                ("pandas.read_csv, columns as text", measure([sys.executable, "-c", PANDAS_TABLE, str(kernels)])),
            ]
            report(f"kernel_details.csv of {arguments.rows:,} rows", measured)


if __name__ == "__main__":
    main()
