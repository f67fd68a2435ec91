"""graphs/*.ir of a MindSpore dump: the compiled graph as text, in the spellings of 1.x to 2.10.

A node is a line `%3(name) = PrimFunc_BiasAdd(%1, %para2_bias, I64(0)) {...}`, followed by its types, its full name and
the Python lines it comes from. Parameters stand before the graphs. Lines of any length are read in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.dump.graph_nodes import Edge, Graph, Node, Output, users_line
from profkit.parsers.dump.tensor_dtypes import dtype_name

_LONGEST_LINE = 1 << 20
_MOST_SOURCE_LINES = 1_000
_SUBGRAPH = re.compile(r"\s*subgraph @(?P<name>[^\s(]+)\s*\(")
_PARAMETER = re.compile(r"%(?P<node>para\d+_(?P<name>[^\s:]+))\s*:(?P<types>.*)")
_NODE = re.compile(
    r"\s*%(?P<node>[A-Za-z0-9_.$]+)(?:\((?P<label>[^()]*(?:\([^()]*\))?[^()]*)\))?\s*(?::[^=]*)?= (?P<call>.+)"
)
_CALLEE = re.compile(r"(?P<name>[^()]+?)\s*\(")
_PREFIX = re.compile(r"^(?:PrimFunc_|S_Prim_|DoSignaturePrimitive::S-Prim-|Prim(?:itive)?::)")
_FULL_NAME = re.compile(r"\s*(?:# Fullname with scope|: full_name_with_scope): \((?P<name>.+)\)\s*$")
# In 1.0 the full name stands bare where the types stand.
_BARE_NAME = re.compile(r"\s*: \((?P<name>[^<>(),]+-op\d+)\)\s*$")
_TYPES = re.compile(r"\s*: \(.*\) -> \((?P<outputs>.*)\)\s*$")
_TYPE = re.compile(
    r"<(?:Ref\[)?Tensor\[(?P<tensor>\w+)\]\]?(?:,? ?x?(?:\[const vector\])?[(\[{](?P<dims>[-\d, ]*)[)\]}])?"
    r"|<(?P<scalar>Bool|U?Int\d*|B?Float\d*|Complex\d+)\b"
)
_INTEGER = re.compile(r"U?I\d+\((\d{1,9})\)$")
_REFERENCE = re.compile(r"%([A-Za-z0-9_.$-]+)")
_FOLLOWS = re.compile(r"\s*(?:: \(|# |\})")
_SOURCE_MARK = "In file "
_TUPLE_ITEM = "TupleGetItem"


@dataclass
class _Open:
    """The node whose lines are being read."""

    node: Node
    sources: list[str] = field(default_factory=list)
    typed: bool = False


def read_graph_text(path: Path, issues: list[ImportIssue]) -> Graph:
    """Read the nodes and edges of an .ir file; constants are no nodes of it. Lines that tell nothing are passed over.

    Raises:
        UnreadableInputError: The file cannot be read, or holds no node.
    """
    graph = Graph()
    state: _Open | None = None
    subgraphs = 0
    scope = ""
    ended = True
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line, ended in _whole_lines(file):  # noqa: B007 - wanted of the last line
                if state is not None and _belongs(line, state):
                    continue
                if match := _NODE.match(line):
                    _close(state)
                    state = _Open(_take_node(match, scope, graph))
                elif match := _SUBGRAPH.match(line):
                    subgraphs += 1
                    # The numbers of nodes begin again in each graph.
                    scope = "" if subgraphs == 1 else f"@{match['name']}:"
                elif match := _PARAMETER.match(line):
                    node = Node(f"%{match['node']}", "parameter", full_name=match["name"])
                    node.outputs = _outputs(match["types"])[:1]
                    graph.nodes.append(node)
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error
    _close(state)
    if not any(node.kind == "operator" for node in graph.nodes):
        raise UnreadableInputError(f"{path} holds no graph that can be read", "record the graph again")
    if not ended:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", "the file ends within a line: it was cut"))
    return graph


class _Brackets:
    """Follows the brackets and quotes of a text that comes in pieces."""

    def __init__(self) -> None:
        self.depth = 0
        self.quoted = False
        self.closed = False

    def read(self, sign: str) -> None:
        """Take the next character; `closed` is true once the first bracket was closed again."""
        if sign == '"':
            self.quoted = not self.quoted
        elif self.quoted:
            return
        elif sign in "([{<":
            self.depth += 1
        elif sign in ")]}>" and self.depth:
            self.depth -= 1
            self.closed = self.closed or self.depth == 0


def _whole_lines(file: TextIO) -> Iterator[tuple[str, bool]]:
    """Give lines and whether they have an end; the values of a constant among the arguments of a call span several."""
    held, brackets, ended = "", _Brackets(), True
    while piece := file.readline(_LONGEST_LINE):
        line, ended = piece.rstrip("\r\n"), piece.endswith("\n")
        if held and (len(held) > _LONGEST_LINE or _FOLLOWS.match(line) or _NODE.match(line)):
            yield held, True
            held = ""
        call = None if held else _NODE.match(line)
        if call:
            brackets = _Brackets()
        if held or call:
            held = f"{held} {line}" if held else line
            for sign in line[call.start("call") :] if call else line:
                brackets.read(sign)
                if brackets.closed:
                    break
            if not brackets.closed and "(" in held:
                continue
            line, held = held, ""
        yield line, ended
    if held:
        yield held, ended


def _belongs(line: str, state: _Open) -> bool:
    """Take a line that tells more of the node before it."""
    if _SOURCE_MARK in line or line.lstrip().startswith("# Corresponding "):
        if len(state.sources) < _MOST_SOURCE_LINES:
            state.sources.append(line)
        return True
    if match := _FULL_NAME.match(line) or _BARE_NAME.match(line):
        state.node.full_name = match["name"]
        return True
    if match := _TYPES.match(line):
        # The types on the host stand first, those on the device second.
        if not state.typed:
            state.node.outputs = _outputs(match["outputs"])
            state.typed = True
        return True
    return False


def _close(state: _Open | None) -> None:
    if state is not None:
        state.node.source = users_line(state.sources)


def _take_node(match: re.Match[str], scope: str, graph: Graph) -> Node:
    call = match["call"]
    callee = _CALLEE.match(call)
    name = f"{scope}%{match['node']}"
    node = Node(name, "operator", _PREFIX.sub("", callee["name"]) if callee else "")
    graph.nodes.append(node)
    arguments = _arguments(call[callee.end() :]) if callee else []
    for slot, argument in enumerate(arguments):
        reference = _REFERENCE.match(argument)
        if reference is not None:
            of_graph = "" if reference[1].startswith("para") else scope
            item = node.op_type == _TUPLE_ITEM and slot == 0 and len(arguments) > 1
            index = _INTEGER.match(arguments[1]) if item else None
            producer_slot = int(index[1]) if index else -1
            graph.edges.append(Edge(name, slot, f"{of_graph}%{reference[1]}", producer_slot, control=False))
    return node


def _arguments(text: str) -> list[str]:
    """Cut the arguments of a call apart, up to the parenthesis that ends it; commas inside brackets or quotes stay."""
    brackets = _Brackets()
    start = 0
    found: list[str] = []
    for at, sign in enumerate(text):
        if brackets.depth == 0 and not brackets.quoted and sign in ",)":
            found.append(text[start:at].strip())
            start = at + 1
            if sign == ")":
                break
        brackets.read(sign)
    return [argument for argument in found if argument]


def _outputs(types: str) -> Sequence[Output]:
    found: list[Output] = []
    for match in _TYPE.finditer(types):
        dims = match["dims"]
        shape = tuple(int(dim) for dim in re.findall(r"-?\d{1,18}", dims)) if dims is not None else None
        scalar = match["scalar"]
        found.append(Output(dtype_name(match["tensor"] or scalar) or "", () if scalar else shape))
    return tuple(found)
