"""Where a call of a msprobe dump was written in the user's code: stack.json, one line a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from profkit.errors import ImportIssue
from profkit.parsers.dump.json_entries import JsonEntries
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.redaction import redact_text
from profkit.safe_text import printable

_FRAME = re.compile(r"File (?P<file>.+), line (?P<line>\d{1,9}), in .*?, ?\n(?P<code>.*)", re.DOTALL)
# Frames of the frameworks and of the recorder stand between the operator and the code that called it.
_LIBRARY = re.compile(r"(?:^|[/\\])(?:site-packages|dist-packages|msprobe|torch|torch_npu|mindspore)[/\\]|^<frozen")
_LONGEST_CODE = 200


class CodeLine(NamedTuple):
    """A line of the user's code.

    Attributes:
        file: Its file, as recorded.
        line: Its number, from 1.
        code: Its text, without the spaces around it.
    """

    file: str
    line: int
    code: str


def code_lines(path: Path, issues: list[ImportIssue]) -> Mapping[str, CodeLine]:
    """Give the innermost line outside the frameworks for each call that stack.json names; empty if there is no file.

    Two forms: {call: [frame, ...]}, and since 1.2 {number: [[call, ...], [frame, ...]]}, where calls share a stack.
    """
    if not path.is_file():
        return {}
    lines: dict[str, CodeLine] = {}
    with JsonEntries(path, "", issues) as entries:
        for _, key, value in entries:
            calls, frames = _calls_and_frames(key, value)
            line = _users_line(frames)
            if line is not None:
                lines.update(dict.fromkeys(calls, line))
    return lines


def _calls_and_frames(key: str, value: Any) -> tuple[list[str], list[str]]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, list) for part in value):
        calls, frames = value
        return [call for call in calls if isinstance(call, str)], [text for text in frames if isinstance(text, str)]
    return [key], [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _users_line(frames: list[str]) -> CodeLine | None:
    """Give the first frame outside the frameworks; frames stand innermost first."""
    for frame in frames:
        match = _FRAME.fullmatch(frame)
        if match is not None and not _LIBRARY.search(match["file"]):
            code = redact_text(match["code"].strip())[:_LONGEST_CODE]
            return CodeLine(_encodable(match["file"]), int(match["line"]), _encodable(code))
    return None


def _encodable(text: str) -> str:
    return text if is_encodable(text) else printable(text)
