"""Records the bundled Vision Transformer samples with the real frameworks.

    python samples/record/record_vit.py --out samples

needs torch and mindspore (pip install "profkit[torch,mindspore]"), takes about a minute and replaces samples/vit. Every
recording runs in a process of its own with fixed seeds, in a temporary folder; then paths and names of the machine are
taken out of the text (neutral_text.py), the planted faults are measured in the files (planted.py), and
samples/MANIFEST.json is written (manifest.py). `--only NAME` records one again; `--list` names them. Numbers depend on
nothing but the seeds and the framework versions, times on the machine: run nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from dump_selection import LEFT_OUT
from manifest import write_manifest
from neutral_text import make_neutral
from planted import planted_faults
from vit_settings import (
    GRADIENT_ELEMENTS_KEPT,
    LARGEST_WHOLE_GRADIENT,
    PROFILE_BATCH,
    PROFILED_STEPS,
    TENSOR_BATCH,
)

COLLECTION = "vit"
COMMAND = "python samples/record/record_vit.py --out samples"


@dataclass(frozen=True)
class Recording:
    """One process: `function` of `module` writes into samples/vit/`folder`."""

    folder: str
    module: str
    function: str
    arguments: dict[str, str] = field(default_factory=dict)


RECORDINGS = {
    "pytorch-profile": Recording("pytorch/profile", "vit_torch", "record_profile"),
    "pytorch-tensors": Recording("pytorch", "vit_torch", "record_tensors"),
    "clean-pynative": Recording(
        "mindspore_clean/pynative", "mindspore_recordings", "record_profile", {"mode": "pynative", "fault": ""}
    ),
    "clean-graph": Recording(
        "mindspore_clean/graph", "mindspore_recordings", "record_profile", {"mode": "graph", "fault": ""}
    ),
    "clean-tensors": Recording("mindspore_clean", "mindspore_recordings", "record_tensors", {"fault": ""}),
    "clean-dump": Recording("mindspore_clean/dump", "mindspore_recordings", "record_dump", {"fault": ""}),
    "slow-pynative": Recording(
        "mindspore_slow/pynative", "mindspore_recordings", "record_profile", {"mode": "pynative", "fault": "decomposed"}
    ),
    "gelu-tanh-tensors": Recording(
        "mindspore_gelu_tanh", "mindspore_recordings", "record_tensors", {"fault": "gelu_tanh"}
    ),
    "nan-dump": Recording("mindspore_nan/dump", "mindspore_recordings", "record_dump", {"fault": "zero_by_zero"}),
}

RULES = {
    "gradients": f"a gradient of more than {LARGEST_WHOLE_GRADIENT} elements is stored as "
    f"gradient.reshape(-1)[::stride], stride = the smallest number from elements / {GRADIENT_ELEMENTS_KEPT} up that "
    "shares no factor with the element count; the same on both sides",
    "outputs": "forward output of every module in the order modules finish, composite ones after their parts, dropout "
    "(p=0) included; the root is left out because it equals head",
    "paths": "folders of the recording machine became /home/user/..., the host name workstation; numbers are untouched",
    "graphs": "in graphs/*.pb the source_address of every node keeps the lines of the network's own files only",
    "permissions": "files 0644, folders 0755; MindSpore writes dumps as 0400",
    "dumps": LEFT_OUT,
}

CONDITIONS = {
    "profiles": f"batch {PROFILE_BATCH}, {PROFILED_STEPS} profiled training steps. PyTorch: one thread, schedule "
    "wait=1 warmup=1 active=3, so ProfilerStep#2 to #4. MindSpore: two training steps before the profiler starts, none "
    "of the profiled ones is marked in the files (CPU runs have no ProfilerStep); OMP_NUM_THREADS=1; PyNative with "
    "launch_blocking.",
    "tensors": f"batch {TENSOR_BATCH}, the first step from the initial weights",
    "dumps": f"batch {TENSOR_BATCH}, the first training step in graph mode, iteration 0",
    "weights": "initialised by PyTorch from a seed and copied into MindSpore in memory; not stored",
    "losses": "cross entropy of every training step in order: warm-up and profiled ones, or the single recorded step",
}


def record(name: str, samples: Path) -> dict[str, object]:
    """Run one recording in a fresh process and move its neutralised files to their place; returns what it measured."""
    recording = RECORDINGS[name]
    target = samples / COLLECTION / recording.folder
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MS_", "MINDSPORE_"))}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "GLOG_v": "3"}
    with tempfile.TemporaryDirectory(prefix="record_") as temporary:
        folder = Path(temporary).resolve()
        written = folder / "written"
        written.mkdir()
        command = [sys.executable, str(Path(__file__).resolve()), "--out", "written", "--inside", name]
        run = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        make_neutral(written, folder)
        _move_contents(written, target)
    return json.loads(run.stdout.splitlines()[-1], parse_constant=str)


def _move_contents(source: Path, target: Path) -> None:
    """Move every entry of `source` into `target`, replacing entries of the same name and earlier profiles."""
    target.mkdir(parents=True, exist_ok=True)
    for profile in target.glob("*_ascend_ms"):
        shutil.rmtree(profile)
    for entry in source.iterdir():
        place = target / entry.name
        if place.is_dir():
            shutil.rmtree(place)
        shutil.move(entry, place)


def _about(samples: Path, measured: dict[str, dict[str, object]]) -> dict[str, object]:
    return {
        "what": "Small Vision Transformer (64x64 images, patch 16, width 192, 4 blocks, 3 heads, 10 classes), trained "
        "with SGD, in PyTorch and migrated to MindSpore: once clean and three times with one fault",
        "nature": "recorded from the real frameworks",
        "command": COMMAND,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": "2-core x86-64, CPU only",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("torch", "mindspore", "numpy")},
        "conditions": CONDITIONS,
        "rules": RULES,
        "recordings": {RECORDINGS[name].folder: {"name": name, **measured.get(name, {})} for name in RECORDINGS},
        "planted": planted_faults(samples / COLLECTION),
    }


def _already_measured(samples: Path) -> dict[str, dict[str, object]]:
    manifest = json.loads((samples / "MANIFEST.json").read_text())
    recordings = manifest["collections"][COLLECTION]["recordings"].values()
    return {entry.pop("name"): entry for entry in recordings}


def main() -> None:
    """Record everything, or one recording, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the samples folder")
    parser.add_argument("--only", choices=RECORDINGS, help="record this one again, keep the others")
    parser.add_argument("--list", action="store_true", help="name the recordings")
    parser.add_argument("--inside", choices=RECORDINGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name}\t{COLLECTION}/{recording.folder}" for name, recording in RECORDINGS.items()))
        return
    if options.out is None:
        parser.error("--out is missing")
    if options.inside:
        recording = RECORDINGS[options.inside]
        function = getattr(importlib.import_module(recording.module), recording.function)
        print("\n" + json.dumps(function(options.out, **recording.arguments)))
        return
    measured: dict[str, dict[str, object]] = _already_measured(options.out) if options.only else {}
    if not options.only:
        shutil.rmtree(options.out / COLLECTION, ignore_errors=True)
    for name in [options.only] if options.only else RECORDINGS:
        print(f"recording {name}", file=sys.stderr)
        measured[name] = record(name, options.out)
    write_manifest(options.out, COLLECTION, _about(options.out, measured))


if __name__ == "__main__":
    main()
