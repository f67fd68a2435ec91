"""What the recorders wrote about the circumstances of a run, beside the events; redacted before it is given.

These are the top-level keys of a Kineto trace, before and behind its events (environment variables and whatever a user
added with add_metadata among them), and the objects of profiler_info_*.json and profiler_metadata.json of Ascend runs.
No parser keeps any of it in frames, and nothing of it is cached.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import ImportIssue, Severity
from profkit.parsers.byte_stream import ByteStream
from profkit.redaction import redact

_EVENTS = re.compile(rb'"traceEvents"\s*:\s*\[')
# The end of the events before another key. An inner list of objects ends alike: the earliest that decodes is the one.
_EVENTS_END = re.compile(rb'[\}\[]\s*\]\s*,\s*(?=")')
_LARGEST_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_ASCEND_FILES = ("profiler_info*.json", "profiler_metadata.json")
_ASCEND_OUTPUT = "ASCEND_PROFILER_OUTPUT"
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)


def read_metadata(path: Path) -> tuple[dict[Path, dict[str, Any]], list[ImportIssue]]:
    """Read the metadata of a recording, with what may be a secret replaced.

    Memory is bounded by 16 MiB before and behind the events, whatever the size of the file.

    Args:
        path: A trace, or the directory of a run.

    Returns:
        Redacted values by file and key; and what could not be read (never with its content).

    Raises:
        OSError: A file cannot be read.
    """
    issues: list[ImportIssue] = []
    found: dict[Path, dict[str, Any]] = {}
    for file in _metadata_files(path):
        with ByteStream(file) as stream:
            content = _of_stream(file, stream, issues)
        if content:
            found[file] = {key: redact(value, key) for key, value in content.items()}
    return found, issues


def _metadata_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    run = path.parent if path.name == _ASCEND_OUTPUT else path
    for pattern in _ASCEND_FILES:
        yield from sorted(run.glob(pattern))


def _of_stream(file: Path, stream: ByteStream, issues: list[ImportIssue]) -> dict[str, Any]:
    head = stream.read(_READ_BYTES)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return {}
    while not _EVENTS.search(head) and len(head) < _LARGEST_BYTES and (piece := stream.read(len(head))):
        head += piece
    begin = _EVENTS.search(head)
    if begin is None:
        return _decoded(file, head, "the file", issues)
    before = _decoded(file, head[: begin.end()] + b"]}", "what stands before the events", issues)
    pieces = deque([head[begin.end() - 1 :]], maxlen=_LARGEST_BYTES // _READ_BYTES)
    while piece := stream.read(_READ_BYTES):
        pieces.append(piece)
    behind = _behind_events(bytearray().join(pieces))
    before.pop("traceEvents", None)
    return {**before, **behind}


def _behind_events(tail: bytearray) -> dict[str, Any]:
    for end in [end.end() for end in _EVENTS_END.finditer(tail)]:
        # The sign before the key becomes the brace that opens an object: a copy for every trial would cost too much.
        sign, tail[end - 1] = tail[end - 1], ord("{")
        found = _object(memoryview(tail)[end - 1 :])
        if found is not None:
            return found
        tail[end - 1] = sign
    return {}


def _object(text: bytes | memoryview) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except _DECODE_ERRORS:
        return None


def _decoded(file: Path, text: bytes, what: str, issues: list[ImportIssue]) -> dict[str, Any]:
    found = _object(text.lstrip(b"\xef\xbb\xbf"))
    if found is None:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(file), "", f"{what} is no JSON object: not shown"))
    return found or {}
