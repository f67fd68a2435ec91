"""The real command line, run as a user runs it: a process with its own stdout, stderr and exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TextsBelow = Callable[[Path], "Iterator[tuple[Path, str]]"]


@pytest.fixture
def profkit(tmp_path: Path) -> Command:
    """Run `profkit ARGUMENTS...` in an empty folder."""
    folder = tmp_path / "cwd"
    folder.mkdir()

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "profkit", *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=240, env=dict(os.environ)
        )

    return run


@pytest.fixture
def texts_below() -> TextsBelow:
    """Give all there is to read in the files of a folder: their bytes, unpacked values and column names."""

    def read(folder: Path) -> Iterator[tuple[Path, str]]:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes().decode("latin-1")
                if path.suffix == ".parquet":
                    frame = pd.read_parquet(path)
                    yield path, " ".join(map(str, [*frame.columns, *frame.to_numpy().ravel()]))

    return read
