"""Saved .npy and .npz files, one or a directory tree of them, as a tensors frame: names and headers only, no data.

Names of directories tell what lies below them: `grads`, `outputs`, `step3`, `rank_0`; other names become part of the
tensors' names, so that equal file names in different directories stay apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.dump.array_file import ArrayHeader, read_header
from profkit.parsers.dump.dump_names import dump_name
from profkit.parsers.dump.npz_file import npz_members
from profkit.parsers.dump.saved_place import SavedPlace
from profkit.parsers.dump.tensor_names import SavedName, is_encodable, saved_name
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSORS

_SUFFIX = ".npy"
_PACKED_SUFFIX = ".npz"
_SUFFIXES = (_SUFFIX, _PACKED_SUFFIX)
_DEEPEST = 8
_LOOKED_AT = 2_000
_REPORT_EVERY = 512
# Beside tensors these say nothing that another parser would want.
_NOTES = (".txt", ".md", ".log", ".png")

_DIGITS = re.compile(r"(\d+)")


class NpyDirectory:
    """Reads .npy files that were saved one by one."""

    descriptor = Descriptor(
        name="npy-directory",
        title="saved .npy and .npz tensors, one file or a directory tree",
        framework="unknown",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a .npy file, a directory that holds some, or a tree that holds little else."""
        if path.is_file():
            suffix = path.suffix.lower()
            return Recognition(f"it is a {suffix} file", (path,)) if suffix in _SUFFIXES else None
        if not path.is_dir():
            return None
        direct, below, foreign = _look_around(path)
        if direct:
            return Recognition(f"{_counted(direct)} lie in it", ())
        if below and not foreign:
            return Recognition(f"the directories below it hold {_counted(below)} and nothing else", ())
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the tensors of a file or tree, in the order that names and numbers tell.

        Raises:
            UnreadableInputError: The path is a file, and no readable array.
        """
        if not is_encodable(str(path)):
            raise UnreadableInputError(f"the name of {printable(path)} is no valid text", "rename it")
        issues: list[ImportIssue] = []
        rows: list[dict[str, Any]] = []
        for number, (file, place) in enumerate(_files(path, issues)):
            if number % _REPORT_EVERY == 0:
                progress("reading", str(path), None)
            if file.suffix.lower() == _PACKED_SUFFIX:
                rows += _packed_rows(path, file, place, issues)
            else:
                rows.append(_row(path, file, place, issues))
        if issues and path.is_file() and not any(row["dtype"] for row in rows):
            raise UnreadableInputError(issues[0].text, "save the tensor again with numpy.save")
        rows.sort(key=_forward_order)
        columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        frame = TENSORS.build(columns) if rows else TENSORS.empty()
        ranks = {row["rank"] for row in rows}
        return Parsed({"tensors": frame}, issues, rank=ranks.pop() if len(ranks) == 1 else -1)


def _counted(number: int) -> str:
    return f"{'at least ' if number >= _LOOKED_AT else ''}{number:,} .npy files"


def _look_around(path: Path) -> tuple[int, int, bool]:
    """Count .npy files in and below a directory, and tell whether anything else lies there; bounded."""
    direct = below = looked = 0
    foreign = False
    waiting = [(path, 0)]
    while waiting and looked < _LOOKED_AT:
        folder, depth = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                looked += 1
                if looked >= _LOOKED_AT:
                    break
                if entry.is_dir(follow_symlinks=False):
                    if depth < _DEEPEST:
                        waiting.append((Path(entry.path), depth + 1))
                elif entry.name.lower().endswith(_SUFFIXES):
                    direct += depth == 0
                    below += depth > 0
                    foreign = foreign or dump_name(entry.name) is not None
                else:
                    foreign = foreign or not _is_note(entry.name)
    return direct, below, foreign


def _is_note(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_NOTES)


def _files(path: Path, issues: list[ImportIssue]) -> Iterator[tuple[Path, SavedPlace]]:
    root = path.resolve()
    if path.is_file():
        yield path, replace(SavedPlace().below(root.parent.name), prefix="")
        return
    # What the named directory itself is called tells what it holds, but is no part of the tensors' names.
    waiting = [(path, replace(SavedPlace().below(root.name), prefix=""), 0)]
    others = 0
    while waiting:
        folder, place, depth = waiting.pop()
        for entry in _entries(folder, issues):
            refusal = _refusal(entry, root, depth)
            if refusal:
                issues.append(ImportIssue(Severity.DATA_LOSS, printable(entry.path), "", f"{refusal}, not read"))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), place.below(entry.name), depth + 1))
            elif entry.name.lower().endswith(_SUFFIXES):
                yield Path(entry.path), place
            else:
                others += not _is_note(entry.name)
    if others:
        text = f"{others:,} files beside the .npy files are no tensors and were not read"
        issues.append(ImportIssue(Severity.INFO, str(path), "", text))


def _entries(folder: Path, issues: list[ImportIssue]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(folder), "", f"directory not read: {error.strerror}"))
        return []


def _refusal(entry: os.DirEntry[str], root: Path, depth: int) -> str:
    """Say why an entry is not looked at; empty if it is."""
    if not is_encodable(entry.name):
        return "name is no valid text"
    if entry.is_symlink():
        # os.path.realpath bears loops of links, Path.resolve raises on them before Python 3.13.
        target = Path(os.path.realpath(entry.path))
        if target.is_dir():
            return "link to a directory"
        if not target.is_relative_to(root):
            return "link that leaves the directory"
    elif depth == _DEEPEST and entry.is_dir(follow_symlinks=False):
        return "directory too deep"
    return ""


def _packed_rows(root: Path, file: Path, place: SavedPlace, issues: list[ImportIssue]) -> Iterator[dict[str, Any]]:
    """Give a row for each array of an .npz file; in a tree their names begin with the file's."""
    prefix = place.prefix if root == file else f"{place.prefix}{file.stem}/"
    try:
        members = list(npz_members(file))
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.ERROR, str(file), "", error.message))
        return
    for member in members:
        if member.refusal or not is_encodable(member.name):
            text = (
                f"{printable(member.name)[:80]}: {printable(member.refusal or 'its name is no valid text')}, not read"
            )
            issues.append(ImportIssue(Severity.DATA_LOSS, str(file), "", text))
            continue
        row = _described(root, file, replace(place, prefix=prefix), saved_name(member.name), member.header)
        yield {**row, "member": member.name}


def _row(root: Path, file: Path, place: SavedPlace, issues: list[ImportIssue]) -> dict[str, Any]:
    name = saved_name(file.name)
    header: ArrayHeader | None = None
    try:
        header = read_header(file)
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.ERROR, str(file), "", error.message))
    return _described(root, file, place, name, header)


def _described(
    root: Path, file: Path, place: SavedPlace, name: SavedName, header: ArrayHeader | None
) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "iteration": place.iteration,
        "graph": -1,
        "op": place.prefix + name.name,
        "io": "gradient" if name.gradient else place.io or "output",
        "slot": 0,
        "order": name.order,
        "dtype": header.dtype if header else None,
        "shape": ",".join(str(dim) for dim in header.shape) if header else None,
        "size_bytes": header.size_bytes if header else None,
        "path": str(file),
        "member": None,
        "source": str(root),
    }


def _forward_order(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort outputs before gradients, numbered before plain, and digits in plain names as numbers."""
    order = row["order"]
    parts = zip(_DIGITS.split(row["op"]), cycle((False, True)), strict=False)
    natural = [int(part) if digits else part for part, digits in parts]
    return row["rank"], row["iteration"], row["io"] == "gradient", order is None, order or 0, natural
