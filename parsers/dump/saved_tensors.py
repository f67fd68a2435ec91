"""Saved tensors (.npy, .npz, and .pt of torch.save), one file or a directory tree of them, as a tensors frame.

Names and headers are read, no data. Names of directories tell what lies below them: `grads`, `outputs`, `step3`,
`rank_0`; other names become part of the tensors' names, so that equal file names in different directories stay apart. A
file of several tensors stands before their names with a dot, unless its own name tells the same as a directory's.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.checkpoint.torch_file import read_torch_file
from profkit.parsers.dump.dump_names import dump_name
from profkit.parsers.dump.saved_file import (
    ARRAY_SUFFIXES,
    TORCH_SUFFIXES,
    HeldTensor,
    SavedFile,
    holds_parameters,
    read_saved_file,
)
from profkit.parsers.dump.saved_place import SavedPlace
from profkit.parsers.dump.tensor_names import SavedName, is_encodable, saved_name
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSORS

_SUFFIXES = (*ARRAY_SUFFIXES, *TORCH_SUFFIXES)
_DEEPEST = 8
_LOOKED_AT = 2_000
_REPORT_EVERY = 512
# A directory of so many files of parameters keeps checkpoints: each of them is a recording of its own.
_FEW = 8
# Beside tensors these say nothing that another parser would want.
_NOTES = (
    ".txt", ".md", ".log", ".png", ".jpg", ".svg", ".pdf", ".py", ".sh", ".yaml", ".yml", ".toml", ".ini",
)  # fmt: skip
_AFTER_OUTPUTS = {"gradient": 1, "parameter": 2}

_DIGITS = re.compile(r"(\d+)")


class SavedTensors:
    """Reads tensors that a script or a tool saved, one or several a file."""

    descriptor = Descriptor(
        name="saved-tensors",
        title="saved .npy, .npz and .pt tensors, one file or a directory tree",
        framework="unknown",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a .npy or .npz file, a directory that holds some, or a tree that holds tensors and little else."""
        if path.is_file():
            suffix = path.suffix.lower()
            return Recognition(f"it is a {suffix} file", (path,)) if suffix in ARRAY_SUFFIXES else None
        if not path.is_dir():
            return None
        seen = _look_around(path)
        if seen.arrays_in_it:
            return Recognition(f"{_counted(seen.arrays_in_it, '.npy')} lie in it", ())
        arrays = _counted(seen.arrays_below, ".npy")
        if seen.foreign or not seen.torch_files:
            only_arrays = seen.arrays_below and not seen.foreign
            return Recognition(f"the directories below it hold {arrays} and nothing else", ()) if only_arrays else None
        why = _why_no_checkpoints(seen.torch_files)
        count = _counted(len(seen.torch_files), seen.torch_files[0].suffix)
        count = count if seen.all_of_it else f"at least {count}"
        beside = f" and {arrays}" if seen.arrays_below else ""
        return Recognition(f"it holds {count}{beside} and nothing else, and {why}", ()) if why else None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the tensors of a file or tree, in the order that names and numbers tell.

        Raises:
            UnreadableInputError: The path is a file, and no readable array.
        """
        if not is_encodable(str(path)):
            raise UnreadableInputError(f"the name of {printable(path)} is no valid text", "rename it")
        issues: list[ImportIssue] = []
        read: list[tuple[Path, SavedPlace, SavedFile]] = []
        for number, (file, place) in enumerate(_files(path, issues)):
            if number % _REPORT_EVERY == 0:
                progress("reading", str(path), None)
            content = read_saved_file(file)
            issues += content.issues
            read.append((file, place, content))
        networks = Counter(place for _, place, content in read if content.form == "parameters")
        rows: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        for file, place, content in read:
            names = _Names(path, file, place, content, alone=networks[place] == 1)
            rows += [names.row(number, held) for number, held in enumerate(content.tensors)]
        if issues and path.is_file() and not any(row["dtype"] for _, row in rows):
            raise UnreadableInputError(issues[0].text, "save the tensor again with numpy.save")
        rows.sort(key=lambda keyed: keyed[0])
        ranks = {row["rank"] for _, row in rows}
        by_torch = any(file.suffix.lower() in TORCH_SUFFIXES for file, _, _ in read)
        return Parsed(
            {"tensors": TENSORS.from_rows([row for _, row in rows])},
            issues,
            framework="pytorch" if by_torch else "unknown",
            rank=ranks.pop() if len(ranks) == 1 else -1,
        )


@dataclass
class _Surroundings:
    """What lies in and below a directory, as far as it was looked at."""

    arrays_in_it: int = 0
    arrays_below: int = 0
    torch_files: list[Path] = field(default_factory=list)
    foreign: bool = False
    all_of_it: bool = True


def _counted(number: int, suffix: str) -> str:
    return f"{'at least ' if number >= _LOOKED_AT else ''}{number:,} {suffix} files"


def _look_around(path: Path) -> _Surroundings:
    """Count files of tensors in and below a directory, and tell whether anything else lies there; bounded."""
    seen = _Surroundings()
    looked = 0
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
                elif entry.name.lower().endswith(ARRAY_SUFFIXES):
                    seen.arrays_in_it += depth == 0
                    seen.arrays_below += depth > 0
                    seen.foreign = seen.foreign or (depth > 0 and dump_name(entry.name) is not None)
                elif entry.name.lower().endswith(TORCH_SUFFIXES) and entry.is_file(follow_symlinks=False):
                    seen.torch_files.append(Path(entry.path))
                else:
                    seen.foreign = seen.foreign or not _is_note(entry.name)
    seen.torch_files.sort()
    seen.all_of_it = looked < _LOOKED_AT
    return seen


def _why_no_checkpoints(files: list[Path]) -> str:
    """Say by the content of some files why they are saved tensors and no checkpoints; empty if they are none."""
    readable = False
    for file in files[:: max(1, len(files) // _FEW)][:_FEW]:
        try:
            objects = read_torch_file(file).objects
        except (UnreadableInputError, OSError):
            continue
        readable = True
        if objects.outermost != "mapping":
            return f"{printable(file.name)} holds {'one tensor' if objects.outermost == 'tensor' else 'a list'}"
        if objects.tensors and not holds_parameters(file, objects):
            return f"{printable(file.name)} holds named tensors that nothing marks as a network's parameters"
    return f"more than {_FEW} of them hold parameters" if readable and len(files) > _FEW else ""


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
        text = f"{others:,} files beside the tensors are of other kinds and were not read"
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


class _Names:
    """How the tensors of one file are called, and where they stand among those of the others."""

    def __init__(self, root: Path, file: Path, place: SavedPlace, content: SavedFile, *, alone: bool) -> None:
        self._root = root
        self._file = file
        self._form = content.form
        self._own = saved_name(file.name if file.suffix.lower() == ".npy" else file.stem)
        self._named_by_keys = root == file and bool(content.tensors) and content.tensors[0].member is not None
        named = content.form in {"mapping", "parameters"}
        inner = place.below(file.stem) if named else place
        told = named and inner.prefix == place.prefix
        self._place = replace(inner, prefix=place.prefix)
        self._prefix = f"{place.prefix}{self._own.name}"
        self._without_own = told or (content.form == "parameters" and alone)

    def row(self, number: int, held: HeldTensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the row of a tensor, behind the key that sorts rows.

        What flows forward comes first, then gradients, then parameters; the numbered before the plain, digits in plain
        names count as numbers, and the tensors of one file keep its order: dicts are filled as a network runs.
        """
        name = self._name(held)
        io = (
            "gradient" if name.gradient else self._place.io or ("parameter" if self._form == "parameters" else "output")
        )
        row = {
            "rank": self._place.rank,
            "iteration": self._place.iteration,
            "graph": -1,
            "op": name.name,
            "io": io,
            "slot": 0,
            "order": name.order,
            "dtype": held.dtype,
            "shape": held.shape,
            "size_bytes": held.size_bytes,
            "path": str(self._file),
            "member": held.member,
            "source": str(self._root),
        }
        sorted_by = self._prefix if held.key else name.name
        natural = _natural(sorted_by)
        flow = _AFTER_OUTPUTS.get(io, 0)
        return (row["rank"], row["iteration"], flow, name.order is None, name.order or 0, natural, number), row

    def _name(self, held: HeldTensor) -> SavedName:
        if self._named_by_keys:
            return saved_name(held.member or "")
        if not held.key:
            return self._own._replace(name=self._prefix)
        if self._form == "parameters":
            own = self._place.prefix if self._without_own else f"{self._prefix}."
            return SavedName(own + held.key, self._own.order, self._own.gradient)
        key = saved_name(held.key)
        own = self._place.prefix if self._without_own else f"{self._prefix}."
        order = key.order if self._own.order is None else self._own.order
        return SavedName(own + key.name, order, key.gradient or self._own.gradient)


def _natural(name: str) -> list[Any]:
    parts = zip(_DIGITS.split(name), cycle((False, True)), strict=False)
    return [int(part) if digits else part for part, digits in parts]
