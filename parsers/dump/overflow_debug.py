"""Opdebug files: which unit of an Ascend chip saw an overflow, and the numbers of the task it ran.

Two binary layouts (overflow_debug.toml) and the JSON that vendor tools make of them. The binary stands in an
asynchronous dump, in a .npy file of bytes, or by itself.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from profkit.errors import UnreadableInputError
from profkit.parsers.dump.array_file import open_array
from profkit.parsers.dump.async_dump import part_bytes, read_async_dump

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Opdebug.Node_OpDebug.{task}.{stream}.{time}[...][.output.0[...].npy|.json]; the case of the name differs by version.
_NAME = re.compile(
    r"opdebug\.[^.]+\.(?P<task>\d{1,18})(?:\.(?P<stream>\d{1,18}))?\.(?P<time>\d{10,18})(?P<rest>(?:\.[^.]+)*)",
    re.IGNORECASE,
)
_HEAD = struct.Struct("<4I")
_START = struct.Struct("<2I")
_WORD_BYTES = 8
_LARGEST_BYTES = 1 << 20
_LARGEST_NUMBER = (1 << 63) - 1
_RECORD_AGAIN = "record the overflow again, or give the file as the device wrote it"


class OverflowFileName(NamedTuple):
    """What the name of an Opdebug file says; its numbers are often not those of the operator.

    Attributes:
        task: Task number in the name.
        stream: Stream number in the name; None if it has none.
        time_us: When it was written, microseconds since the epoch.
        stem: The name without what tells binary, .npy and .json apart.
    """

    task: int
    stream: int | None
    time_us: int
    stem: str


class UnitRecord(NamedTuple):
    """One unit's overflow.

    Attributes:
        core: Unit, as the record names it.
        status: Status words, unsigned.
        numbers: The other words by name (model_id, stream_id, task_id, context_id, ...), unsigned.
    """

    core: str
    status: tuple[int, ...]
    numbers: Mapping[str, int]

    @property
    def meaning(self) -> str:
        """What the set bits of the status say, one text a bit, split by ';'; bits nobody documents are named so."""
        return status_meaning(self.core, self.status)

    def number(self, name: str) -> int | None:
        """Give a number of the record; None if it has none or it is no possible one (all bits set)."""
        value = self.numbers.get(name)
        return value if value is not None and value <= _LARGEST_NUMBER else None


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(files("profkit.parsers.dump").joinpath("overflow_debug.toml").read_text(encoding="utf-8"))


def overflow_file_name(file_name: str) -> OverflowFileName | None:
    """Read the name of an Opdebug file; None if it is none."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    stream = int(match["stream"]) if match["stream"] else None
    return OverflowFileName(int(match["task"]), stream, int(match["time"]), file_name[: match.start("rest")])


def status_meaning(core: str, status: Sequence[int]) -> str:
    """Say what a status tells: for AI Core, AIC and AIV bit by bit, for other units that there was an overflow."""
    if core not in ("AI Core", "AIC", "AIV"):
        meaning: str = _facts()["other_status"]["meaning"]
        return meaning
    word = status[0] if status else 0
    known = {int(bit, 16): text for bit, text in _facts()["ai_core_status"].items()}
    texts = [text for bit, text in known.items() if word & bit]
    strange = word & ~sum(known)
    texts += [f"{strange:#x}: not documented"] if strange else []
    texts += ["further status words are set: not documented"] if any(status[1:]) else []
    return ";".join(texts)


def read_overflow_file(path: Path) -> list[UnitRecord]:
    """Read the units that saw an overflow; those whose status is 0 did not and are left out.

    Raises:
        UnreadableInputError: The file is of no known layout, or cut.
    """
    try:
        if path.suffix.lower() == ".json":
            return [record for record in _of_json(path) if any(record.status)]
        return [record for record in _of_bytes(path, _content(path)) if any(record.status)]
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error


def _content(path: Path) -> bytes:
    """Give the bytes of the record, taken out of what they were written in."""
    if path.suffix.lower() == ".npy":
        return open_array(path).tobytes()[:_LARGEST_BYTES]
    with path.open("rb") as file:
        start = file.read(_facts()["old_layout"]["bytes"] + 1)
    if len(start) == _facts()["old_layout"]["bytes"] or _has_magic(start):
        return start
    dump = read_async_dump(path)
    part = next((one for one in dump.parts if one.io == "output"), None)
    if part is None:
        raise UnreadableInputError(f"{path} holds no record of an overflow", _RECORD_AGAIN)
    content = part_bytes(path, part)
    if len(content) < part.size_bytes:
        raise UnreadableInputError(f"{path} is cut within its record of an overflow", _RECORD_AGAIN)
    return content


def _has_magic(content: bytes) -> bool:
    return content[:4] == int(_facts()["new_layout"]["magic"]).to_bytes(4, "little")


def _of_bytes(path: Path, content: bytes) -> Iterator[UnitRecord]:
    if _has_magic(content):
        yield from _new_layout(path, content)
        return
    old = _facts()["old_layout"]
    if len(content) != old["bytes"]:
        says = f"{len(content):,} bytes, not {old['bytes']:,}, and no magic word"
        raise UnreadableInputError(f"{path} holds an overflow record of no known layout: {says}", _RECORD_AGAIN)
    for unit in old["unit"]:
        numbers = _words(content, unit["numbers_at"], old["numbers"])
        numbers |= _words(content, unit["status_at"], unit["status_words"])
        yield UnitRecord(unit["core"], (numbers.pop("status"),), numbers)


def _new_layout(path: Path, content: bytes) -> Iterator[UnitRecord]:
    if len(content) < _START.size + _HEAD.size:
        raise UnreadableInputError(f"{path} is cut within its record of an overflow", _RECORD_AGAIN)
    _, version = _START.unpack_from(content)
    at = _START.size
    while at + _HEAD.size <= len(content):
        valid, kind, _, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        unit = _facts()["new_layout"]["unit"].get(str(kind))
        if valid == 1:
            if unit is None:
                raise UnreadableInputError(f"{path} tells of an overflow in a unit of unknown number {kind}", "")
            *names, status = unit["words"]
            status_words = unit["status_words_from_1"] if version >= 1 else 1
            names += [f"{status} {number}" for number in range(status_words)]
            if len(names) * _WORD_BYTES > min(length, len(content) - at):
                raise UnreadableInputError(f"{path} is cut within its record of an overflow", _RECORD_AGAIN)
            words = _words(content, at, names)
            state = tuple(words.pop(name) for name in names[-status_words:])
            yield UnitRecord(unit["core"], state, words)
        at += length


def _words(content: bytes, at: int, names: Sequence[str]) -> dict[str, int]:
    return dict(zip(names, struct.unpack_from(f"<{len(names)}Q", content, at), strict=True))


def _of_json(path: Path) -> Iterator[UnitRecord]:
    with path.open("rb") as file:
        text = file.read(_LARGEST_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{path} is no whole JSON file: {str(error)[:80]}", _RECORD_AGAIN) from error
    units = _json_units(content)
    if not units:
        raise UnreadableInputError(f"{path} holds no overflow record of a known form", _RECORD_AGAIN)
    for core, fields in units:
        numbers = {"block_id" if name == "block_idx" else name: _number(value) for name, value in fields.items()}
        status = fields.get("status")
        words = status if isinstance(status, list) else [status]
        state = tuple(number for number in map(_number, words) if number is not None)
        if len(state) != len(words):
            raise UnreadableInputError(f"{path} has a status that is no number", _RECORD_AGAIN)
        known = {name: number for name, number in numbers.items() if number is not None and name != "status"}
        yield UnitRecord(core, state, known)


def _json_units(content: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(content, dict):
        return []
    listed = content.get("acc_list")
    if listed is not None:
        entries = [entry for entry in (listed if isinstance(listed, list) else [listed]) if isinstance(entry, dict)]
        return [
            (str(entry.get("acc_type"))[:40], entry["data"]) for entry in entries if isinstance(entry.get("data"), dict)
        ]
    cores = [unit["core"] for unit in _facts()["old_layout"]["unit"]]
    return [(core, content[core]) for core in cores if isinstance(content.get(core), dict)]


def _number(value: object) -> int | None:
    """Read a word that JSON has as a number, or as hexadecimal text."""
    if isinstance(value, str) and len(value) <= 20:
        try:
            value = int(value, 0)
        except ValueError:
            return None
    return value if type(value) is int and 0 <= value < 1 << 64 else None
