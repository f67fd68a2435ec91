"""graphs/*.pb of a MindSpore dump: the compiled graph as the protocol buffer ModelProto, read at wire level.

Field numbers: debug_graph.proto as MindSpore 2.10 carries it. Nodes have their source lines since 2.x only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.dump.graph_nodes import Edge, Graph, Node, Output, graph_facts, users_line
from profkit.parsers.protobuf_wire import WireError, fields, signed, text, varints

_LARGEST_BYTES = 1 << 30
_DEEPEST_TYPE = 4
_MOST_DIMS = 32
_TUPLE_ITEM = "TupleGetItem"

_MODEL_GRAPH = 4
_NODE, _PARAMETER, _CONSTANT = 1, 3, 5
_TENSOR = 14
_CONTROL_EDGE = 1


def read_graph_file(path: Path, issues: list[ImportIssue]) -> Graph:
    """Read the nodes and edges of a .pb graph; of a cut file what stands before the cut.

    Raises:
        UnreadableInputError: The file is too large, cannot be read, or holds no graph.
    """
    try:
        with path.open("rb") as file:
            content = memoryview(file.read(_LARGEST_BYTES + 1))
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error
    if len(content) > _LARGEST_BYTES:
        raise UnreadableInputError(f"{path} is larger than 1 GiB", "use the .ir file of the same graph")
    graph = Graph()
    constants: dict[str, int] = {}
    reads: list[tuple[Node, list[tuple[str, bool]]]] = []
    try:
        for number, value in fields(content, salvage=True):
            if number == _MODEL_GRAPH and not isinstance(value, int):
                for kind, message in fields(value):
                    if not isinstance(message, int):
                        _take(kind, message, graph, constants, reads)
    except WireError as error:
        if not graph.nodes:
            raise UnreadableInputError(f"{path} is no graph file: {error}", "record the graph again") from error
        text = f"the graph is cut ({error}): the {len(graph.nodes):,} nodes before the cut were read"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    if not graph.nodes:
        raise UnreadableInputError(f"{path} holds no graph", "record the graph again")
    graph.edges = list(_edges(graph, constants, reads))
    return graph


def _take(
    kind: int,
    message: memoryview,
    graph: Graph,
    constants: dict[str, int],
    reads: list[tuple[Node, list[tuple[str, bool]]]],
) -> None:
    """Take one field of a GraphProto."""
    if kind == _NODE:
        node, inputs = _node(message)
        graph.nodes.append(node)
        reads.append((node, inputs))
    elif kind == _PARAMETER:
        known = dict(fields(message))
        name = text(known.get(1, 0))
        graph.nodes.append(Node(name, "parameter", full_name=name, outputs=_outputs(known.get(2))))
    elif kind == _CONSTANT:
        known = dict(fields(message))
        name = text(known.get(1, 0))
        output, number = _constant(known.get(2))
        graph.nodes.append(Node(name, "constant", full_name=text(known.get(3, 0)), outputs=output))
        if number is not None:
            constants[name] = number


def _edges(graph: Graph, constants: dict[str, int], reads: list[tuple[Node, list[tuple[str, bool]]]]) -> Iterator[Edge]:
    outputs = {node.name: len(node.outputs) for node in graph.nodes}
    for node, inputs in reads:
        for slot, (producer, control) in enumerate(inputs):
            producer_slot = 0 if outputs.get(producer) == 1 else -1
            if node.op_type == _TUPLE_ITEM and slot == 0 and len(inputs) > 1:
                producer_slot = constants.get(inputs[1][0], -1)
            yield Edge(node.name, slot, producer, producer_slot if producer_slot < 1 << 31 else -1, control)


def _node(message: memoryview) -> tuple[Node, list[tuple[str, bool]]]:
    known: dict[int, Any] = {}
    inputs: list[tuple[str, bool]] = []
    for number, value in fields(message):
        if number == 1 and not isinstance(value, int):
            one = dict(fields(value))
            inputs.append((text(one.get(1, 0)), one.get(2) == _CONTROL_EDGE))
        elif number in (2, 3, 6, 8, 9):
            known[number] = value
    source = text(known.get(9, 0))
    node = Node(
        text(known.get(2, 0)),
        "operator",
        text(known.get(3, 0)),
        text(known.get(8, 0)),
        _outputs(known.get(6)),
        users_line(source.splitlines()) if source else None,
    )
    return node, inputs


def _outputs(message: Any, depth: int = 0) -> tuple[Output, ...]:
    """Read a TypeProto: a tensor, a number, or a sequence of those."""
    if message is None or isinstance(message, int) or depth > _DEEPEST_TYPE:
        return ()
    known = dict(fields(message))
    tensor, sequence = known.get(2), known.get(3)
    if isinstance(sequence, memoryview):
        elements = [value for number, value in fields(sequence) if number == 1]
        return tuple(output for element in elements for output in _outputs(element, depth + 1))
    if isinstance(tensor, memoryview):
        parts = dict(fields(tensor))
        shape = parts.get(2)
        # The shape of a scalar is empty and leaves no trace; of the tensors in a tuple no shape is written at all.
        unwritten = () if depth == 0 else None
        return (Output(_dtype(parts.get(1)), _shape(shape) if isinstance(shape, memoryview) else unwritten),)
    dtype = _dtype(known.get(1))
    return (Output(dtype, ()),) if dtype else ()


def _shape(message: memoryview) -> tuple[int, ...]:
    dims = [value for number, value in fields(message) if number == 1 and not isinstance(value, int)]
    sizes = [dict(fields(dim)).get(1, 0) for dim in dims[: _MOST_DIMS + 1]]
    if len(sizes) > _MOST_DIMS:
        raise WireError(0, "a tensor has more than 32 dimensions")
    return tuple(signed(size) if isinstance(size, int) else 0 for size in sizes)


def _constant(message: Any) -> tuple[tuple[Output, ...], int | None]:
    """Read a ValueProto: its type, and its value if it is an integer."""
    if not isinstance(message, memoryview):
        return (), None
    known = dict(fields(message))
    tensor = known.get(8)
    if known.get(1) == _TENSOR and isinstance(tensor, memoryview):
        dims: list[int] = []
        dtype = ""
        for field, value in fields(tensor):
            if field == 4:
                dims += [signed(dim) for dim in ((value,) if isinstance(value, int) else varints(value))]
            elif field == 5:
                dtype = _dtype(value)
        return (Output(dtype, tuple(dims[:_MOST_DIMS])),), None
    number = known.get(3, known.get(4))
    dtype = _dtype(known.get(1))
    return ((Output(dtype, ()),) if dtype else ()), signed(number) if isinstance(number, int) else None


def _dtype(number: Any) -> str:
    return graph_facts()["data_types"].get(str(number), "") if isinstance(number, int) else ""
