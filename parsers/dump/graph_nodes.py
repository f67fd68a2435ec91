"""What a graph file tells of a network: its operators, parameters and constants, and who reads whose output."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from profkit.redaction import redact_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# `# In file {path}:{line}[~{end}][, {column}~{column}]/{code}/`, until 1.x `# In file {path}({line})/{code}/`. Where
# several call stacks are given, the first line of each begins with a dash.
_SOURCE_LINE = re.compile(
    r"\s*#\s+(?P<first>- )?In file (?P<file>.{1,4096}?)"
    r"(?::(?P<line>\d{1,9})(?:~(?P<end>\d{1,9}))?(?:, ?\d+~\d+)?|\((?P<old_line>\d{1,9})\))/(?P<code>.*)"
)
_SHARED_CODE_NOTE = "<~~"
_NEXT_STACK = re.compile(r"\s*# Corresponding |\s*#\s+- In file ")
_LONGEST_CODE = 400


class Output(NamedTuple):
    """One output of a node: numpy's name of its dtype ("" if none is told), and its shape (None if not told)."""

    dtype: str
    shape: tuple[int, ...] | None


class Edge(NamedTuple):
    """An input of a node; `producer_slot` is -1 where the file does not tell which output is read."""

    node: str
    slot: int
    producer: str
    producer_slot: int
    control: bool


class SourceLine(NamedTuple):
    """A line of Python."""

    file: str
    line: int
    code: str


@dataclass
class Node:
    """One node.

    Attributes:
        name: Name within the graph.
        kind: operator, parameter or constant.
        op_type: Operator type; "" for others.
        full_name: Name with its scopes; "" if not told.
        outputs: Its outputs, as far as they are tensors or numbers.
        source: Line of the user's code that made it.
    """

    name: str
    kind: str
    op_type: str = ""
    full_name: str = ""
    outputs: Sequence[Output] = ()
    source: SourceLine | None = None


@dataclass
class Graph:
    """One graph file."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


class _Frame(NamedTuple):
    """One call: a line, or the range of lines of a whole definition."""

    file: str
    line: int
    end: int
    code: str


@cache
def graph_facts() -> Mapping[str, Any]:
    """Give the tables of graph_dtypes.toml."""
    return tomllib.loads(files("profkit.parsers.dump").joinpath("graph_dtypes.toml").read_text(encoding="utf-8"))


def users_line(lines: Sequence[str]) -> SourceLine | None:
    """Give the innermost line of the user's own code of a recorded call stack; None if there is none.

    Of several stacks (of fused operators, of what a gradient belongs to) the first with such a line counts. Some
    versions and file kinds write the outermost call first, some the innermost: the frame of a function's whole
    definition (a range of lines) lies outside the frame of a line in it. Where nothing tells, text with columns is
    taken for outermost first (.ir since 2.0), text without for innermost first.
    """
    stack: list[str] = []
    users: list[_Frame] = []
    for line in lines:
        if _NEXT_STACK.match(line):
            if users:
                break
            stack = []
        stack.append(line)
        if not any(part in line for part in _framework_paths()) and (frame := _frame(line)) is not None:
            users.append(frame)
    if not users:
        return None
    outermost_first = len(users) > 1 and _outermost_first(users, stack)
    found = users[-1] if outermost_first else users[0]
    code = found.code.partition(_SHARED_CODE_NOTE)[0].strip().removesuffix("/").strip()
    return SourceLine(found.file, found.line, redact_text(code)[:_LONGEST_CODE])


@cache
def _framework_paths() -> tuple[str, ...]:
    return tuple(graph_facts()["framework_paths"]["parts"])


def _frame(line: str) -> _Frame | None:
    match = _SOURCE_LINE.match(line)
    if match is None:
        return None
    number = int(match["line"] or match["old_line"])
    return _Frame(match["file"], number, int(match["end"] or number), match["code"])


def _outermost_first(users: Sequence[_Frame], stack: Sequence[str]) -> bool:
    told = _order_told(users)
    if told is None:
        told = _order_told([frame for frame in map(_frame, stack) if frame is not None])
    return any(", " in line and "~" in line for line in stack) if told is None else told


def _order_told(stack: Sequence[_Frame]) -> bool | None:
    """Tell whether the outermost call stands first; None if no two neighbours tell."""
    for before, after in pairwise(stack):
        if before.file == after.file:
            if _encloses(before, after):
                return True
            if _encloses(after, before):
                return False
    return None


def _encloses(outer: _Frame, inner: _Frame) -> bool:
    within = outer.line <= inner.line and inner.end <= outer.end
    return within and outer.end - outer.line > inner.end - inner.line
