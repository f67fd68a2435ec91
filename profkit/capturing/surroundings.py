"""What a run is made in: versions, device, seeds, process number."""

from __future__ import annotations

import hashlib
import os
import platform
import random
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from profkit.frameworks import import_mindspore, import_torch

_NUMBERS_OF_PROCESS = ("RANK", "RANK_ID", "OMPI_COMM_WORLD_RANK")
_COUNTS_OF_PROCESSES = ("WORLD_SIZE", "RANK_SIZE", "OMPI_COMM_WORLD_SIZE")


def process_place(framework: str) -> Path:
    """Give `rank_{number}` where several processes run together, as they or their launcher tell; else nothing."""
    number, count = _told_by_framework(framework)
    return Path(f"rank_{number}") if count > 1 else Path()


def surroundings(framework: str) -> dict[str, Any]:
    """Give versions, mode and device of a framework, and what its random numbers begin with."""
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    facts: dict[str, Any] = {"platform": platform.platform(), "python_executable": Path(sys.executable).name}
    seeds: dict[str, Any] = {
        "random": _digest(repr(random.getstate()).encode()),
        "numpy": _digest(repr(np.random.get_state()).encode()),
    }
    if framework == "pytorch":
        torch = import_torch("capture")
        versions["torch"] = str(torch.__version__)
        seeds["torch"] = torch.initial_seed()
        seeds["torch deterministic"] = torch.are_deterministic_algorithms_enabled()
        facts["threads"] = torch.get_num_threads()
    else:
        mindspore = import_mindspore("capture")
        versions["mindspore"] = str(mindspore.__version__)
        seeds["mindspore"] = mindspore.get_seed()
        facts["device"] = mindspore.get_context("device_target")
        facts["mode"] = "graph" if mindspore.get_context("mode") == mindspore.GRAPH_MODE else "pynative"
    begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"begun": begun, "versions": versions, "seeds": seeds, "surroundings": facts}


def _digest(state: bytes) -> str:
    return f"state blake2b:{hashlib.blake2b(state, digest_size=8).hexdigest()}"


def _told_by_framework(framework: str) -> tuple[int, int]:
    if framework == "pytorch":
        distributed = import_torch("capture").distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
    numbers = [_number(names) for names in (_NUMBERS_OF_PROCESS, _COUNTS_OF_PROCESSES)]
    return numbers[0], numbers[1]


def _number(names: tuple[str, ...]) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), 0)
