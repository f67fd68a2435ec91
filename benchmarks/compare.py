"""What it costs to compare 200 pairs of tensors: profkit beside plain readings of the same files, whole processes.

    python benchmarks/compare.py --folder /tmp
    python benchmarks/compare.py --troubleshooter-python /path/to/environment/bin/python

The tensors are synthetic: normal random numbers of five dtypes, side B with the rounding noise of another framework,
one file in ten with a fault. `plain read` reads both files, `plain numpy` walks them in blocks for four figures
(largest and mean difference, share within tolerance, cosine), in float32 where the dtype is no wider. Each method is
measured several times, in turn, and the median is shown: on a busy machine only the ratios say something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from measure import Measurement, measure, table

PAIRS = 200
DTYPES = ("float32", "float32", "float16", "int32", "float64", "int64", "bool", "float32")

# OpenBLAS spreads the dot products of the plain pass over threads, which costs it many times what it wins.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}

PLAIN_READ = """
import sys
from pathlib import Path
total, room = 0, bytearray(1 << 20)
for folder in sys.argv[1:]:
    for path in sorted(Path(folder).iterdir()):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(room):
                total += count
print(total)
"""
PLAIN_NUMPY = """
import sys
from pathlib import Path
import numpy as np
BLOCK = 1 << 16
for path in sorted(Path(sys.argv[1]).iterdir()):
    a, b = (np.load(Path(folder) / path.name, mmap_mode="r").reshape(-1) for folder in sys.argv[1:3])
    working = np.float64 if a.dtype.itemsize == 8 else np.float32
    largest = total = close = aa = bb = ab = 0.0
    for start in range(0, len(a), BLOCK):
        x, y = (side[start : start + BLOCK].astype(working, copy=False) for side in (a, b))
        distance = np.abs(x - y)
        largest = max(largest, float(distance.max()))
        total += float(distance.sum(dtype=np.float64))
        close += int(np.count_nonzero(distance <= 1e-5 + 1e-4 * np.abs(y)))
        aa += float(np.dot(x, x)); bb += float(np.dot(y, y)); ab += float(np.dot(x, y))
    result = largest, total / len(a), close / len(a), ab / (aa * bb) ** 0.5 if aa * bb > 0 else float("nan")
print(result)
"""
# The wheel of TroubleShooter 1.0.18 imports two names that MindSpore 2.10 no longer has; stand-ins let it start.
TROUBLESHOOTER = """
import sys, types
import mindspore
stub = types.ModuleType("mindspore.common._stub_tensor")
stub.StubTensor = type("StubTensor", (), {})
sys.modules[stub.__name__] = mindspore.common._stub_tensor = stub
import mindspore.common.api as api
for name in ("_MindsporeFunctionExecutor", "_PynativeExecutor"):
    if not hasattr(api, name):
        setattr(api, name, type(name, (), {}))
import troubleshooter as ts
ts.migrator.compare_npy_dir(sys.argv[1], sys.argv[2])
print("done")
"""


def write_pairs(folder: Path, megabytes: int) -> None:
    """Write 200 pairs of files that together have about this size."""
    random = np.random.default_rng(0)
    for side in "ab":
        (folder / side).mkdir()
    size = megabytes * 1_000_000 // (2 * PAIRS)
    for number in range(PAIRS):
        dtype = np.dtype(DTYPES[number % len(DTYPES)])
        values = random.standard_normal(size // dtype.itemsize)
        noise = 1 + 2.0**-22 * random.standard_normal(len(values))
        if dtype.kind == "f":
            a, b = values.astype(dtype), (values * noise).astype(dtype)
        else:
            a = (1000 * values).astype(dtype) if dtype.kind == "i" else values > 0
            b = a.copy()
        if number % 10 == 9:
            b[len(b) // 3] = 1 - b[len(b) // 3]
        for side, array in (("a", a), ("b", b)):
            np.save(folder / side / f"{number}_layer{number}.npy", array)


def methods(folder: Path, troubleshooter: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Give each method's name and command."""
    sides = [str(folder / "a"), str(folder / "b")]
    profkit = [sys.executable, "-m", "profkit", "compare", *sides, "--no-cache", "-q", "-o", str(folder / "parity.csv")]
    yield "profkit, two workers", [*profkit, "--workers", "2"]
    yield "profkit, one process", [*profkit, "--workers", "1"]
    yield "plain numpy, four figures", [sys.executable, "-c", PLAIN_NUMPY, *sides]
    yield "plain read", [sys.executable, "-c", PLAIN_READ, *sides]
    if troubleshooter is not None:
        yield "TroubleShooter 1.0.18", [str(troubleshooter), "-c", TROUBLESHOOTER, *sides]


def median(runs: list[Measurement]) -> Measurement:
    """Give the medians of some runs of one method."""
    return Measurement(
        wall_s=statistics.median(run.wall_s for run in runs),
        cpu_s=statistics.median(run.cpu_s for run in runs),
        peak_mib=max(run.peak_mib for run in runs),
        exit_code=max(run.exit_code for run in runs),
        output=runs[-1].output,
    )


def main() -> None:
    """Read the command line, write the pairs, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000, help="of both sides together")
    parser.add_argument("--rounds", type=int, default=3, help="times that each method is measured")
    parser.add_argument("--troubleshooter-python", type=Path, help="interpreter of an environment that has it")
    parser.add_argument("--folder", type=Path, help="for the pairs; a temporary one if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        # The memory of this process would count as that of the processes it starts.
        writer = get_context("spawn").Process(target=write_pairs, args=(folder, arguments.megabytes))
        writer.start()
        writer.join()
        chosen = dict(methods(folder, arguments.troubleshooter_python))
        runs: dict[str, list[Measurement]] = {name: [] for name in chosen}
        for _ in range(arguments.rounds):
            for name, command in chosen.items():
                runs[name].append(measure(command, ONE_THREAD))
        measured = {name: median(found) for name, found in runs.items()}
    plain = measured["plain numpy, four figures"]
    rows = [
        [
            name,
            f"{one.cpu_s:.2f}" if one.exit_code == 0 else f"{one.cpu_s:.2f}, then failed: {one.output[:60]}",
            f"{one.wall_s:.2f}",
            f"{one.peak_mib:.0f}",
            f"{one.cpu_s / plain.cpu_s:.2f}",
            f"{one.wall_s / plain.wall_s:.2f}",
        ]
        for name, one in measured.items()
    ]
    headers = ["method", "CPU s", "wall s", "peak RSS MiB a process", "CPU, ratio", "wall, ratio"]
    print(f"{PAIRS} pairs, {arguments.megabytes:,} MB ({os.cpu_count()} CPUs)\n\n{table(rows, headers)}")


if __name__ == "__main__":
    main()
