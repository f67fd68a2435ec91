"""Where in a dump's directories its files lie, and which rank, graph and iteration they belong to.

    1.3 to 2.10          {dump}/rank_{r}/{net}/{graph}/{iteration}/ and {graph}/constants/,
                         {dump}/rank_{r}/debug_files/[{iteration}/]
    before 1.3           {dump}/{net}/device_{d}/iteration_{n}/ and {dump}/{device}/{net}_graph_{g}/{g}/{iteration}/
    graph engine (O2)    {dump}/[{step}/]{time}/{device}/[{model}/]{model_id}/{iteration}/
    rewritten by msprobe {dump}/rank_{r}/{time}/step_{s}/

Any of these directories may be named. Where the layout knows no rank, the number of the device stands for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from profkit.parsers.dump.dump_configuration import METADATA_FOLDER

RANK_FOLDER = re.compile(r"rank_(\d{1,9})")

_DEVICE_FOLDER = re.compile(r"device_(\d{1,9})")
_ITERATION_FOLDER = re.compile(r"(?:iteration|step)_(\d{1,9})")
_NUMBER_FOLDER = re.compile(r"\d{1,9}")
_TIME_FOLDER = re.compile(r"20\d{12}(?:\d{3,6})?")
_NET_FOLDER = re.compile(r"(?!(?:graphs|execution_order|debug_files)$)[^.].*")
_OLD_NET_FOLDER = re.compile(r".+_graph_\d{1,9}")
_DEBUG_FOLDER = "debug_files"
_CONSTANTS = "constants"
# Of a directory that may be anything, so many directories are looked into for a level that needs a look inside.
_LOOKED_AT = 64


@dataclass(frozen=True)
class DumpFolder:
    """One directory of dumped files and what the directories above it tell; -1 where they do not."""

    path: Path
    rank: int = -1
    graph: int = -1
    iteration: int = -1


def dump_folders(path: Path) -> list[DumpFolder]:
    """Give the directories below a dump's directory that may hold dumped files, by its level in a known layout."""
    root = path.resolve()
    ranks = children(path, RANK_FOLDER)
    if ranks:
        return [folder for rank in ranks for folder in _of_rank(rank, number_of(rank, RANK_FOLDER))]
    if RANK_FOLDER.fullmatch(root.name) or (path / METADATA_FOLDER).is_dir():
        return _of_rank(path, number_of(root, RANK_FOLDER))
    for level in _LEVELS:
        found = level(path, root)
        if found:
            return [_with_step(folder) for folder in found]
    return []


def folder_by_parents(path: Path) -> DumpFolder:
    """Take rank, graph and iteration of a directory of files from the names of the directories it lies in."""
    named = path.resolve()
    found = DumpFolder(path)
    if _ITERATION_FOLDER.fullmatch(named.name):
        found = replace(found, iteration=number_of(named, _ITERATION_FOLDER))
    elif _NUMBER_FOLDER.fullmatch(named.name):
        found = replace(found, iteration=int(named.name))
    if _NUMBER_FOLDER.fullmatch(named.parent.name):
        found = replace(found, graph=int(named.parent.name))
    return _with_step(replace(found, rank=_rank_above(named)))


def rank_folder_of(path: Path) -> Path | None:
    """Give the directory of the rank that a path is or lies in, up to four levels above; None if there is none."""
    named = path.resolve()
    return next((one for one in (named, *named.parents[:4]) if _is_rank(one)), None)


def children(path: Path, name: re.Pattern[str]) -> list[Path]:
    """Give the directories in a directory whose whole names match, in the order of the numbers in them; no links."""
    try:
        with os.scandir(path) as entries:
            names = [
                entry.name for entry in entries if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return [path / name for name in sorted(names, key=lambda name: (len(name), name))]


def linked_folders(folders: Iterable[DumpFolder], root: Path) -> list[Path]:
    """Give the links to directories beside and above the folders of a dump: they are not followed."""
    beside = {parent for folder in folders for parent in folder.path.parents if parent.is_relative_to(root)}
    found: list[Path] = []
    for parent in sorted({root, *beside}):
        with os.scandir(parent) as entries:
            found += [Path(entry.path) for entry in entries if entry.is_symlink() and entry.is_dir()]
    return sorted(found)


def number_of(folder: Path, pattern: re.Pattern[str]) -> int:
    """Give the number in a directory's name; -1 if the name does not match."""
    match = pattern.fullmatch(folder.name)
    return int(match[match.lastindex or 0]) if match else -1


def _is_rank(path: Path) -> bool:
    return RANK_FOLDER.fullmatch(path.name) is not None or (path / METADATA_FOLDER).is_dir()


def _with_step(folder: DumpFolder) -> DumpFolder:
    """Take the step that stands above the time in some dumps of the graph engine, whose own iterations begin again."""
    for time in list(folder.path.resolve().parents)[:5]:
        if _TIME_FOLDER.fullmatch(time.name) and _NUMBER_FOLDER.fullmatch(time.parent.name):
            return replace(folder, iteration=int(time.parent.name))
    return folder


def _rank_above(path: Path) -> int:
    above = [path, *list(path.parents)[:5]]
    for below, folder in zip((path, *above), above, strict=False):
        for pattern in (RANK_FOLDER, _DEVICE_FOLDER):
            if pattern.fullmatch(folder.name):
                return number_of(folder, pattern)
        of_device = _TIME_FOLDER.fullmatch(folder.parent.name) or _OLD_NET_FOLDER.fullmatch(below.name)
        if _NUMBER_FOLDER.fullmatch(folder.name) and of_device:
            return int(folder.name)
    return -1


def _of_rank(path: Path, rank: int) -> list[DumpFolder]:
    found = [folder for net in children(path, _NET_FOLDER) for folder in _of_net(net, rank)]
    debug = path / _DEBUG_FOLDER
    if debug.is_dir() and not debug.is_symlink():
        found.append(DumpFolder(debug, rank))
        found += [DumpFolder(child, rank, iteration=int(child.name)) for child in children(debug, _NUMBER_FOLDER)]
    return found


def _of_net(path: Path, rank: int) -> list[DumpFolder]:
    devices = [
        folder
        for device in children(path, _DEVICE_FOLDER)
        for folder in _named_iterations(device, number_of(device, _DEVICE_FOLDER))
    ]
    steps = _named_iterations(path, rank)
    graphs = children(path, _NUMBER_FOLDER)
    return [*devices, *steps, *(folder for graph in graphs for folder in _of_graph(graph, rank, int(graph.name)))]


def _named_iterations(path: Path, rank: int) -> list[DumpFolder]:
    found = children(path, _ITERATION_FOLDER)
    return [DumpFolder(child, rank, iteration=number_of(child, _ITERATION_FOLDER)) for child in found]


def _of_graph(path: Path, rank: int, graph: int) -> list[DumpFolder]:
    iterations = [DumpFolder(child, rank, graph, int(child.name)) for child in children(path, _NUMBER_FOLDER)]
    constants = path / _CONSTANTS
    if constants.is_dir() and not constants.is_symlink():
        iterations.append(DumpFolder(constants, rank, graph))
    return iterations


def _net_level(path: Path, root: Path) -> list[DumpFolder]:
    return _of_net(path, _rank_above(root))


def _graph_level(path: Path, root: Path) -> list[DumpFolder]:
    return _of_graph(path, _rank_above(root), number_of(root, _NUMBER_FOLDER))


def _device_level(path: Path, root: Path) -> list[DumpFolder]:
    """A device of the graph engine, or of asynchronous dumps before 1.3: its models or nets lie below it."""
    known = _TIME_FOLDER.fullmatch(root.parent.name) or _is_old_device(path)
    return _of_device(path) if _NUMBER_FOLDER.fullmatch(root.name) and known else []


def _of_device(path: Path) -> list[DumpFolder]:
    device = number_of(path.resolve(), _NUMBER_FOLDER)
    found = [folder for net in children(path, re.compile(r"[^.].*")) for folder in _of_net(net, device)]
    # Without a directory of the model's name the numbered models lie below the device at once.
    return found or _of_net(path, device)


def _is_old_device(path: Path) -> bool:
    return bool(children(path, _OLD_NET_FOLDER))


def _time_level(path: Path, root: Path) -> list[DumpFolder]:
    if not _TIME_FOLDER.fullmatch(root.name):
        return []
    return [folder for device in children(path, _NUMBER_FOLDER) for folder in _of_device(device)]


def _run_level(path: Path, _root: Path) -> list[DumpFolder]:
    """The directory above the times, with or without a level of steps."""
    found = [folder for time in children(path, _TIME_FOLDER) for folder in _time_level(time, time)]
    for step in children(path, _NUMBER_FOLDER):
        found += [folder for time in children(step, _TIME_FOLDER) for folder in _time_level(time, time)]
    return found


def _old_level(path: Path, _root: Path) -> list[DumpFolder]:
    """The top of a dump of before 1.3: nets with devices, or devices with nets."""
    nets = [net for net in children(path, _NET_FOLDER)[:_LOOKED_AT] if children(net, _DEVICE_FOLDER)]
    found = [folder for net in nets for folder in _of_net(net, -1)]
    devices = [device for device in children(path, _NUMBER_FOLDER) if _is_old_device(device)]
    return found or [folder for device in devices for folder in _of_device(device)]


def _old_device_level(path: Path, root: Path) -> list[DumpFolder]:
    if not _DEVICE_FOLDER.fullmatch(root.name):
        return []
    return _named_iterations(path, number_of(root, _DEVICE_FOLDER))


_LEVELS: tuple[Callable[[Path, Path], list[DumpFolder]], ...] = (
    _old_device_level,
    _time_level,
    _device_level,
    _run_level,
    _old_level,
    _net_level,
    _graph_level,
)
