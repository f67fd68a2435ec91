"""Frames of dumps: tensors, overflow records and the graph between operators."""

from __future__ import annotations

from profkit.frame_spec import Column, FrameSpec
from profkit.schema.shared_columns import PHASES, RANK

TENSOR_IO = ("input", "output", "gradient", "parameter")

TENSORS = FrameSpec(
    "tensors",
    (
        RANK,
        Column("iteration", "int32", "Iteration of the dump; -1 unknown"),
        Column("graph", "int32", "Graph number of the dump; -1 none"),
        Column("op", "category", "Operator, module or parameter the tensor belongs to, as the file names it"),
        Column("op_type", "category", "Operator type as the file names it", nullable=True),
        Column("io", "category", "What the tensor is to its operator", values=TENSOR_IO),
        Column("slot", "int32", "Number among the inputs or outputs"),
        Column("order", "Int64", "Place in forward order as the file name tells it", nullable=True),
        Column("time_ns", "Int64", "When it was written, ns since the epoch", nullable=True),
        Column("dtype", "category", "numpy's name; bfloat16 for the raw 16-bit form", nullable=True),
        Column("shape", "string", "Dims split by ','; empty is a scalar", nullable=True),
        Column("layout", "category", "Layout as the file names it", nullable=True),
        Column("size_bytes", "Int64", "Bytes of the data", nullable=True),
        Column("path", "string", "File that holds the bytes; NA if only statistics exist", nullable=True),
        Column("max", "float64", "Recorded statistic", nullable=True),
        Column("min", "float64", "Recorded statistic", nullable=True),
        Column("mean", "float64", "Recorded statistic", nullable=True),
        Column("norm", "float64", "Recorded statistic (L2)", nullable=True),
        Column("source", "category", "The dump or directory it was found in"),
        Column("nonfinite", "boolean", "Whether recorded statistics tell of NaN or Inf; NA if none do", nullable=True),
        Column("member", "string", "Part of the file that holds the bytes; NA where it is one tensor", nullable=True),
        Column("nan_count", "Int64", "Recorded NaN elements", nullable=True),
        Column("pos_inf_count", "Int64", "Recorded +Inf elements", nullable=True),
        Column("neg_inf_count", "Int64", "Recorded -Inf elements", nullable=True),
        Column("zero_count", "Int64", "Recorded elements equal to 0", nullable=True),
        Column("digest", "string", "Recorded digest, as {algorithm}:{hex digits}", nullable=True),
        Column("task", "Int64", "Task number on the device as recorded", nullable=True),
        Column("device_stream", "Int64", "Stream number on the device as recorded", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path, dots between levels", nullable=True),
        Column("argument", "category", "Place among the call's arguments as recorded (0, 1.0, mask)", nullable=True),
        Column("source_file", "category", "File of the user's code that made the call", nullable=True),
        Column("source_line", "Int64", "Line in that file, from 1", nullable=True),
        Column("source_code", "category", "Text of that line as recorded", nullable=True),
    ),
)

OVERFLOW_RECORDS = FrameSpec(
    "overflow_records",
    (
        RANK,
        Column("iteration", "int32", "Iteration of the dump; -1 unknown"),
        Column("graph", "int32", "Graph number of the dump; -1 none"),
        Column("time_ns", "Int64", "When it was written, ns since the epoch", nullable=True),
        Column("core", "category", "Unit that overflowed, as the record names it (AI Core, AIV, L2 Atomic Add)"),
        Column("status", "string", "Status words as recorded, hexadecimal, split by ';'"),
        Column("meaning", "string", "What the set bits say, one text a bit, split by ';'"),
        Column("op", "string", "Operator whose dump has the record's numbers; NA if none has", nullable=True),
        Column("op_type", "category", "Type of that operator", nullable=True),
        Column(
            "joined_by",
            "category",
            "Numbers the operator was found by: those in the record, or those in its file name; NA if none was",
            nullable=True,
            values=("record", "file_name"),
        ),
        Column("reason", "string", "Why this operator, or why none"),
        Column("model_id", "Int64", "Model number in the record", nullable=True),
        Column("task", "Int64", "Task number in the record", nullable=True),
        Column("device_stream", "Int64", "Stream number in the record", nullable=True),
        Column("context", "Int64", "Context number in the record; NA if it has none", nullable=True),
        Column("thread", "Int64", "Thread number in the record; NA if it has none", nullable=True),
        Column("core_id", "Int64", "Number of the core in the record", nullable=True),
        Column("block_id", "Int64", "Number of the block in the record", nullable=True),
        Column("pc_start", "string", "Start of the program, hexadecimal", nullable=True),
        Column("path", "string", "File that holds the record"),
        Column("source", "category", "The dump it was found in"),
    ),
)

GRAPH_NODES = FrameSpec(
    "graph_nodes",
    (
        RANK,
        Column("graph", "int32", "Graph number of the dump; -1 unknown"),
        Column("node", "string", "Name of the node within its graph; graph_edges refers to it"),
        Column("kind", "category", "What the node is", values=("operator", "parameter", "constant")),
        Column("op_type", "category", "Operator type", nullable=True),
        Column("full_name", "string", "Name with its scopes, as the graph spells it", nullable=True),
        Column(
            "op",
            "string",
            "full_name as dump files spell it. Dumps number operators differently: verify a join by value",
            nullable=True,
        ),
        Column("order", "Int64", "Place in the recorded execution order, from 0", nullable=True),
        Column("output_dtypes", "string", "One numpy name an output, split by ';'; empty: not told", nullable=True),
        Column("output_shapes", "string", "As ops.input_shapes; -1: dynamic, ?: not told", nullable=True),
        Column("source_file", "string", "File of the user's code that made the operator", nullable=True),
        Column("source_line", "Int64", "Line in that file, from 1", nullable=True),
        Column("source_code", "string", "Text of that line as recorded", nullable=True),
        Column("source", "category", "The graph file"),
    ),
)

GRAPH_EDGES = FrameSpec(
    "graph_edges",
    (
        RANK,
        Column("graph", "int32", "Graph number of the dump; -1 unknown"),
        Column("node", "string", "Node that reads; graph_nodes.node"),
        Column("slot", "int32", "Place among its inputs, from 0"),
        Column("producer", "string", "Node that is read; graph_nodes.node"),
        Column("producer_slot", "int32", "Which of its outputs; -1: not told"),
        Column("kind", "category", "What passes along the edge", values=("data", "control")),
        Column("source", "category", "The graph file"),
    ),
)
