"""The .npy files of one directory, as the calls of the migration guide look at it: not those of directories below."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ImportIssue, ProfkitError
from profkit.parsers.dump.saved_tensors import SavedTensors
from profkit.progress import silent


def saved_directory(folder: Any) -> tuple[pd.DataFrame, list[ImportIssue]]:
    """List the .npy files that lie in a directory, in the order that their numbers and names tell.

    Returns:
        A tensors frame, and what of the files could not be read.

    Raises:
        ProfkitError: It is no directory, or holds no .npy file.
    """
    path = Path(os.fspath(folder))
    if not path.is_dir():
        raise ProfkitError(f"{path} is no directory", "give the directory that ts.save wrote to")
    parsed = SavedTensors().read(path, silent)
    tensors = parsed.frames["tensors"]
    places = [Path(text) for text in tensors["path"].astype(str)]
    here = [place.parent == path and place.suffix.lower() == ".npy" for place in places]
    if not any(here):
        raise ProfkitError(f"{path} holds no .npy file", "give the directory that ts.save wrote to")
    own = [issue for issue in parsed.issues if Path(issue.source).parent == path]
    return tensors[here].reset_index(drop=True), own


def file_names(tensors: pd.DataFrame) -> list[str]:
    """Give the name of each row's file, without its directory."""
    return [Path(text).name for text in tensors["path"].astype(str)]
