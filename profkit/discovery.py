"""What recordings lie at a path: each file or directory that a parser recognises, and what nobody recognised."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from profkit.errors import ProfkitError, UnknownFormatError
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.parsers.known_files import what_is
from profkit.parsers.registry import Claim, claim

# torch: {host}_{pid}.{ns}.pt.trace.json[.gz]; MindSpore and torch_npu: {host}_{pid}_{time}_ascend_ms or _ascend_pt.
_HOST_IN_NAME = (
    re.compile(r"(?P<host>.+)_\d+\.\d{10,20}\.pt\.trace\.json(?:\.gz)?"),
    re.compile(r"(?P<host>.+)_\d+_\d{14,20}_ascend_(?:ms|pt)"),
)

# Recordings in the wild lie up to nine levels deep (job, node, rank, level, run, kind, host_pid_time, ...).
_DEEPEST = 12


@dataclass(frozen=True)
class Found:
    """A recognised recording."""

    path: Path
    claim: Claim

    @property
    def format(self) -> str:
        """Name of the parser that reads it."""
        return self.claim.parser.descriptor.name


@dataclass(frozen=True)
class Discovery:
    """What lies at a path.

    Attributes:
        found: Recognised recordings, ordered by path.
        unrecognised: Files that no parser takes, ordered by path.
        too_deep: Directories that were not entered because they lie too deep.
    """

    found: tuple[Found, ...]
    unrecognised: tuple[Path, ...] = ()
    too_deep: tuple[Path, ...] = ()


def discover(path: Path) -> Discovery:
    """Find the recordings at a path; a directory that a parser takes as a whole is not looked into further.

    A file that belongs to a recording found before it in its directory is no recording of its own.
    Links inside a directory are followed only if they stay inside it, and no directory is entered twice.

    Raises:
        ProfkitError: The path does not exist or may not be read.
        UnknownFormatError: Nothing at the path is recognised.
    """
    if not path.exists():
        raise ProfkitError(f"{path} does not exist", "check the path; a run is a profiler directory, a trace or a dump")
    if not is_encodable(str(path.absolute())):
        raise ProfkitError(f"the name {path.absolute()} is not UTF-8", "rename it, or name it by a link")
    if not (path.is_dir() or path.is_file()):
        raise UnknownFormatError(f"{path} is a pipe, a socket or a device", "write what it gives to a file, name that")
    try:
        discovery = _walk(path, path.resolve(), 0, set())
    except PermissionError as error:
        raise ProfkitError(f"{error.filename} may not be read", "check its permissions") from error
    if not discovery.found:
        raise _nothing_found(path, discovery)
    return discovery


def host_of(path: Path, facts: Mapping[str, str]) -> str | None:
    """Give the host a recording was made on, as the recording tells it or its name does; None if neither does."""
    if facts.get("host"):
        return facts["host"]
    names = (path.name, path.parent.name)
    matches = (pattern.fullmatch(name) for name in names for pattern in _HOST_IN_NAME)
    return next((match["host"] for match in matches if match is not None), None)


def _walk(path: Path, root: Path, depth: int, entered: set[Path]) -> Discovery:
    if not is_encodable(str(path)):
        return Discovery((), (path,))
    claimed = claim(path)
    if claimed is not None:
        return Discovery((Found(path, claimed),))
    if not path.is_dir():
        return Discovery((), (path,))
    if depth == _DEEPEST:
        return Discovery((), (), (path,))
    if path.resolve() in entered:
        return Discovery(())
    entered.add(path.resolve())
    found: list[Found] = []
    unrecognised: list[Path] = []
    too_deep: list[Path] = []
    taken: set[Path] = set()
    with os.scandir(path) as entries:
        children = sorted(Path(entry.path) for entry in entries)
    for child in children:
        if child in taken:
            continue
        # os.path.realpath bears loops of links, Path.resolve raises on them before Python 3.13.
        if child.is_symlink() and not Path(os.path.realpath(child)).is_relative_to(root):
            unrecognised.append(child)
            continue
        if not (child.is_dir() or child.is_file()):
            unrecognised.append(child)
            continue
        inside = _walk(child, root, depth + 1, entered)
        found += inside.found
        unrecognised += inside.unrecognised
        too_deep += inside.too_deep
        taken.update(file for one in inside.found for file in one.claim.recognition.files)
    unrecognised = [file for file in unrecognised if file not in taken]
    owners = Counter(file for one in found for file in one.claim.recognition.files)
    # A part by itself (a dataset pipeline) is found before the recording that it belongs to: there it is read.
    found = [one for one in found if owners[one.path] < 2 or _reads_more(one, found)]
    return Discovery(tuple(found), tuple(unrecognised), tuple(too_deep))


def _reads_more(one: Found, others: Sequence[Found]) -> bool:
    """Tell whether no other recording takes this one's file with more files than this one has itself."""
    mine = one.claim.recognition.files
    return not any(
        one.path in other.claim.recognition.files and len(other.claim.recognition.files) > len(mine)
        for other in others
        if other is not one
    )


def _nothing_found(path: Path, discovery: Discovery) -> UnknownFormatError:
    formats = "`profkit inspect --formats` lists what profkit reads"
    if path.is_file():
        known = what_is(path)
        if known is not None:
            return UnknownFormatError(f"{path} is {known.what}", known.instead)
        return UnknownFormatError(f"{path} ({path.stat().st_size:,} bytes) is of no format that profkit reads", formats)
    if discovery.too_deep:
        return UnknownFormatError(f"no recording found in the first {_DEEPEST} levels of {path}", formats)
    if not discovery.unrecognised:
        return UnknownFormatError(f"{path} is an empty directory", formats)
    strange = [file for file in discovery.unrecognised if not is_encodable(str(file))]
    if strange:
        return UnknownFormatError(f"the name {strange[0]} is not UTF-8, and nothing else was found", "rename it")
    count = len(discovery.unrecognised)
    return UnknownFormatError(f"none of the {count:,} files in {path} is of a format that profkit reads", formats)
