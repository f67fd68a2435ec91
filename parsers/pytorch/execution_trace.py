"""PyTorch execution traces (ExecutionTraceObserver, Chakra): operators with their schema and the shapes they made.

An execution trace has no times. It is the only file of torch that tells output shapes, so its nodes are given as a
frame of their own, and profkit.correlate joins them to a profiler trace of the same run by the record function id.

    1.0.x                 {"name", "rf_id", "op_schema", "inputs", "input_shapes", "input_types", "outputs", ...}
    1.1.x-chakra.0.0.4    {"name", "inputs": {"values", "shapes", "types"}, "outputs": {...},
                           "attrs": [{"name", "type", "value"}]}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.byte_stream import ByteStream, first_bytes
from profkit.parsers.pytorch.kineto_facts import kineto_facts
from profkit.progress import Progress
from profkit.schema import NODES

_NODES = re.compile(rb'"nodes"\s*:\s*\[')
_NODE_WORD = re.compile(rb'"(?:op_schema|rf_id)"')
_BETWEEN = re.compile(r"[\s,]*")
_TENSOR = re.compile(r"Tensor\((?P<dtype>[^()]*(?:\([^()]*\))?[^()]*)\)")
_NO_TENSOR = "nullptr"
_READ_BYTES = 1 << 24
_ID_LIMIT = 2**63


class _Tensors(msgspec.Struct):
    shapes: list[Any] = []
    types: list[Any] = []


class _Attribute(msgspec.Struct):
    name: str = ""
    value: Any = None


class _Node(msgspec.Struct):
    name: str = ""
    rf_id: Any = None
    op_schema: Any = None
    inputs: Any = None
    outputs: Any = None
    input_shapes: list[Any] = []
    input_types: list[Any] = []
    output_shapes: list[Any] = []
    output_types: list[Any] = []
    attrs: list[_Attribute] = []


class _Document(msgspec.Struct):
    nodes: list[msgspec.Raw]
    schema: Any = None


class TorchExecutionTrace:
    """Parser of one execution trace, plain or gzip."""

    descriptor = Descriptor(
        name="torch-execution-trace",
        title="PyTorch execution trace: no times; beside a Kineto trace it gives output shapes",
        framework="pytorch",
        clock="none",
        unit="none",
        frames=("nodes",),
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise an object with a list of nodes that have a record function id or an operator schema."""
        if not path.is_file():
            return None
        text = first_bytes(path).lstrip(b"\xef\xbb\xbf \t\r\n")
        if text.startswith(b"{") and _NODES.search(text) and _NODE_WORD.search(text):
            return Recognition("JSON nodes with record function ids, as torch's ExecutionTraceObserver writes", (path,))
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read the nodes, in file order.

        Raises:
            UnreadableInputError: No node could be read.
        """
        issues: list[ImportIssue] = []
        content = _content(path, issues, progress)
        schema, raw_nodes = _raw_nodes(path, content, issues)
        columns = [_columns_of(raw) for raw in raw_nodes]
        place = {"rank": -1, "source": str(path)}
        rows = [{**place, "row": number, **one} for number, one in enumerate(columns) if one is not None]
        if len(rows) < len(columns):
            text = f"{len(columns) - len(rows):,} nodes are of no known form and were left out"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
        if not rows:
            raise UnreadableInputError(f"{path}: no node of the execution trace can be read", "record it again")
        return Parsed(
            {"nodes": NODES.from_rows(rows)},
            issues,
            framework="pytorch",
            writer_version=f"execution trace {schema[:40]}" if isinstance(schema, str) else None,
            facts={"times": "not recorded", "gives": "output shapes to a Kineto trace of the same run beside it"},
        )


def _content(path: Path, issues: list[ImportIssue], progress: Progress) -> bytes:
    pieces = []
    with ByteStream(path) as stream:
        while piece := stream.read(_READ_BYTES):
            pieces.append(piece)
            progress("reading", path.name, stream.fraction)
        issues += stream.issues
    return b"".join(pieces).removeprefix(b"\xef\xbb\xbf")


def _raw_nodes(path: Path, content: bytes, issues: list[ImportIssue]) -> tuple[Any, Iterable[msgspec.Raw]]:
    """Give the schema's name and the JSON of each node; of a damaged file, the nodes before the damage."""
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:120]
        text = f"the file is cut or no valid JSON: only the nodes before the damage were read ({reason})"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
        return None, _nodes_before_damage(content)
    return document.schema, document.nodes


def _nodes_before_damage(content: bytes) -> Iterator[msgspec.Raw]:
    begin = _NODES.search(content)
    if begin is None:
        return
    text = content[begin.end() :].decode("utf-8", errors="replace")
    decoder, place = JSONDecoder(), 0
    while True:
        between = _BETWEEN.match(text, place)
        place = between.end() if between else place
        try:
            _, end = decoder.raw_decode(text, place)
        except (JSONDecodeError, RecursionError):
            return
        yield msgspec.Raw(text[place:end].encode())
        place = end


def _columns_of(raw: msgspec.Raw) -> dict[str, Any] | None:
    try:
        return _columns(msgspec.json.decode(raw, type=_Node))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _columns(node: _Node) -> dict[str, Any]:
    attributes = {attribute.name: attribute.value for attribute in node.attrs}
    inputs, outputs = _tensors(node, "input"), _tensors(node, "output")
    schema = node.op_schema if node.op_schema is not None else attributes.get("op_schema")
    return {
        "record_function": _identity(node.rf_id if node.rf_id is not None else attributes.get("rf_id")),
        "name": node.name,
        "op_schema": schema if isinstance(schema, str) and schema else None,
        "input_shapes": inputs[0],
        "input_dtypes": inputs[1],
        "output_shapes": outputs[0],
        "output_dtypes": outputs[1],
    }


def _identity(value: Any) -> int | None:
    """Give a record function id; 0 is written where none was given."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _ID_LIMIT else None


def _tensors(node: _Node, side: str) -> tuple[str | None, str | None]:
    """Give shapes and dtypes of the tensors among the inputs or outputs; NA in both if there is none."""
    nested = getattr(node, f"{side}s")
    if isinstance(nested, dict):
        both = msgspec.convert(nested, _Tensors)
        shapes, types = both.shapes, both.types
    else:
        shapes, types = getattr(node, f"{side}_shapes"), getattr(node, f"{side}_types")
    if len(shapes) != len(types):
        return None, None
    found: list[tuple[str, str]] = []
    for shape, word in zip(shapes, types, strict=True):
        dtypes = _TENSOR.findall(word) if isinstance(word, str) else []
        listed = [shape] if isinstance(word, str) and word.startswith("Tensor") else shape
        if not dtypes:
            continue
        if not isinstance(listed, list) or len(listed) != len(dtypes) or not all(_is_shape(one) for one in listed):
            return None, None
        found += [
            (",".join(map(str, one)), kineto_facts().dtypes.get(dtype, dtype))
            for one, dtype in zip(listed, dtypes, strict=True)
            if not dtype.startswith(_NO_TENSOR)
        ]
    if not found:
        return None, None
    return ";".join(shape for shape, _ in found), ";".join(dtype for _, dtype in found)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(dim, int) for dim in value)
