"""Recordings of the networks of this folder, made where they are missing, and their labels pair by pair.

Each recording is made in a process of its own and kept below a folder that the caller names: both frameworks must be
installed. A recording that was stopped is made anew.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from labels import labels_of

HERE = Path(__file__).resolve().parent
# Name of the recording, and how it is made.
RECORDERS = {
    "pt_stack": ("record_torch.py", "--stack"),
    "pt_shapes": ("record_torch.py",),
    "ms_pynative": ("record_mindspore.py", "--mode", "pynative"),
    "ms_pynative_again": ("record_mindspore.py", "--mode", "pynative"),
    "ms_graph": ("record_mindspore.py", "--mode", "graph"),
    "ms_graph_jit": ("record_mindspore.py", "--mode", "jit"),
}
PAIRS = (
    ("pt_stack", "ms_pynative"),
    ("pt_shapes", "ms_pynative"),
    ("pt_stack", "ms_graph"),
    ("pt_stack", "ms_graph_jit"),
    ("pt_stack", "pt_shapes"),
    ("ms_pynative", "ms_pynative_again"),
    ("ms_graph", "ms_graph_jit"),
)
NETWORKS = (
    "bert", "cells", "contour", "convnext", "decoder", "dlrm", "encoder", "gates", "gpt", "inception", "llama",
    "memory", "mixer", "mobile", "mobilenet_v2", "patches", "recommender", "recurrent", "scaled", "segment", "speech",
    "squeeze", "tagger", "tied", "translator", "twin", "unet", "vae",
)  # fmt: skip


def recorded(network: str, name: str, folder: Path) -> Path:
    """Give a recording of a network, made now if there is none below the folder.

    Raises:
        RuntimeError: It could not be made; its last line of output says why.
    """
    target = folder / network / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    script, *options = RECORDERS[name]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{name}.unfinished.") as place:
        made = Path(place) / name
        command = [sys.executable, str(HERE / script), network, str(made), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no output"]
            raise RuntimeError(f"{network} {name} was not recorded: {lines[-1]}")
        return made.rename(target)


def truth_of(ref: Path, run: Path) -> pd.DataFrame:
    """Give the labels of two recordings as the scorer reads them: it calls the reference pt and the run ms."""
    parts = (labels_of(ref).assign(side="pt", variant="ref"), labels_of(run).assign(side="ms", variant="run"))
    return pd.concat(parts, ignore_index=True)
