"""The graphs beside a MindSpore dump as frames: graphs/*.pb and *.ir of each graph in one, and the recorded order.

A graph's .pb tells nodes, inputs and types; its .ir tells source lines that the .pb of most versions lacks. Where only
one of them is there, it alone is read. The recorded execution order numbers operators as the graphs do, and not as the
files of the dump do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.dump.dump_names import as_in_dumps
from profkit.parsers.dump.graph_file import read_graph_file
from profkit.parsers.dump.graph_nodes import Edge, Graph, Node
from profkit.parsers.dump.graph_text import read_graph_text
from profkit.parsers.text_lines import finished_lines
from profkit.progress import Progress

_GRAPH_FILE = re.compile(r"(?:.*_)?graph_(\d{1,9})(?:_\d{1,9})?\.(pb|ir)")
_ORDER_FILE = re.compile(r"ms_execution_order_graph_(\d{1,9})\.csv")
_ITERATIONS_FILE = re.compile(r"ms_global_execution_order_graph_(\d{1,9})\.csv")
_ORDER_HEADER = "NodeExecutionOrder-FullNameWithScope"
_LONGEST_NAME = 1 << 16
_RUNS_SHOWN = 20

Row = dict[str, Any]


class DumpGraphs:
    """What lies in graphs/ and execution_order/ of one rank."""

    def __init__(self, rank_folder: Path, rank: int, graph: int | None) -> None:
        """Look at one rank's directory.

        Args:
            rank_folder: The directory that holds graphs/ and execution_order/.
            rank: Its number; -1 unknown.
            graph: The only graph wanted; None takes all.
        """
        self.rank = rank
        self._graph = graph
        self._graphs = rank_folder / "graphs"
        self._orders = rank_folder / "execution_order"
        self.nodes: list[Row] = []
        self.edges: list[Row] = []
        self.facts: dict[str, str] = {}

    def read(self, progress: Progress, issues: list[ImportIssue]) -> None:
        """Read all of it into `nodes`, `edges` and `facts`; a file that cannot be read becomes an issue."""
        files: dict[int, dict[str, Path]] = {}
        for number, path in self._numbered(self._graphs, _GRAPH_FILE):
            files.setdefault(number, {})[path.suffix] = path
        orders = dict(self._numbered(self._orders, _ORDER_FILE))
        for number in sorted({*files, *orders}):
            progress("reading graphs", str(self._graphs), None)
            order = _execution_order(orders[number], issues) if number in orders else []
            self._take(number, files.get(number, {}), order, orders.get(number), issues)
        for number, path in self._numbered(self._orders, _ITERATIONS_FILE):
            runs = _iterations(path, issues)
            if runs:
                self.facts[f"graph_{number}_ran_in_iterations"] = runs

    def _numbered(self, folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
        if not folder.is_dir() or folder.is_symlink():
            return
        for path in sorted(folder.iterdir()):
            match = pattern.fullmatch(path.name)
            if match is not None and path.is_file() and not path.is_symlink() and self._graph in (None, int(match[1])):
                yield int(match[1]), path

    def _take(
        self,
        number: int,
        files: dict[str, Path],
        order: Sequence[str],
        order_file: Path | None,
        issues: list[ImportIssue],
    ) -> None:
        binary = _read(files.get(".pb"), issues)
        textual = _read(files.get(".ir"), issues)
        graph = binary or textual or Graph()
        if binary is not None and textual is not None:
            _take_source_lines(binary, textual)
        source = str(files.get(".pb" if binary is not None else ".ir", order_file))
        places: dict[str, int] = {}
        for place, name in enumerate(order):
            places.setdefault(name, place)
        known = {node.full_name for node in graph.nodes}
        lone = [Node(name, "operator", _op_type(name), name) for name in dict.fromkeys(order) if name not in known]
        self.nodes += [self._node(node, number, places, source) for node in (*graph.nodes, *lone)]
        self.edges += [self._edge(edge, number, source) for edge in graph.edges]
        self._note_strangers(graph, source, issues)

    def _node(self, node: Node, graph: int, places: dict[str, int], source: str) -> Row:
        shapes = ["?" if one.shape is None else ",".join(map(str, one.shape)) for one in node.outputs]
        line = node.source
        return {
            "rank": self.rank,
            "graph": graph,
            "node": node.name,
            "kind": node.kind,
            "op_type": node.op_type or None,
            "full_name": node.full_name or None,
            "op": as_in_dumps(node.full_name) if node.full_name else None,
            "order": places.get(node.full_name) if node.kind == "operator" else None,
            "output_dtypes": ";".join(one.dtype for one in node.outputs) if node.outputs else None,
            "output_shapes": ";".join(shapes) if node.outputs else None,
            "source_file": line.file if line else None,
            "source_line": line.line if line else None,
            "source_code": line.code if line else None,
            "source": source,
        }

    def _edge(self, edge: Edge, graph: int, source: str) -> Row:
        return {
            "rank": self.rank,
            "graph": graph,
            "node": edge.node,
            "slot": edge.slot,
            "producer": edge.producer,
            "producer_slot": edge.producer_slot,
            "kind": "control" if edge.control else "data",
            "source": source,
        }

    def _note_strangers(self, graph: Graph, source: str, issues: list[ImportIssue]) -> None:
        names = {node.name for node in graph.nodes}
        strangers = sum(edge.producer not in names for edge in graph.edges)
        if strangers:
            text = f"{strangers:,} inputs are of nodes that the graph does not hold"
            issues.append(ImportIssue(Severity.DATA_LOSS, source, "", text))


def _read(path: Path | None, issues: list[ImportIssue]) -> Graph | None:
    if path is None:
        return None
    try:
        return read_graph_file(path, issues) if path.suffix == ".pb" else read_graph_text(path, issues)
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", error.message))
        return None


def _take_source_lines(binary: Graph, textual: Graph) -> None:
    """Give nodes of a .pb the source lines that the .ir alone tells, by full name."""
    told = {node.full_name: node.source for node in textual.nodes if node.source is not None}
    for node in binary.nodes:
        if node.source is None and node.full_name:
            node.source = told.get(node.full_name)


def _op_type(full_name: str) -> str:
    """Take the type out of `scope/MatMul-op12`."""
    return re.sub(r"-op\d+.*$", "", full_name.rpartition("/")[2])


def _execution_order(path: Path, issues: list[ImportIssue]) -> list[str]:
    """Read the operators of one graph in the order they were launched: one full name a line."""
    return [line for line in _text_lines(path, issues) if line and line != _ORDER_HEADER]


def _iterations(path: Path, issues: list[ImportIssue]) -> str:
    """Read the iterations that a graph ran in, as ranges: a later run of the same program appends to the file."""
    numbers = [int(line) for line in _text_lines(path, issues) if line.isascii() and line.isdigit() and len(line) < 10]
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in ranges[:_RUNS_SHOWN]]
    return "|".join(shown) + ("|..." if len(ranges) > _RUNS_SHOWN else "")


def _text_lines(path: Path, issues: list[ImportIssue]) -> list[str]:
    lines: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines.extend(line.strip()[:_LONGEST_NAME] for line in finished_lines(file, path, issues))
    except OSError as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", f"not read: {error.strerror}"))
    return lines
