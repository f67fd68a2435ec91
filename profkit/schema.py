"""Every frame that passes between rooms: its columns, dtypes, units and meanings.

Times are int64 nanoseconds since the epoch and durations int64 nanoseconds, parsed from digits, never through a float.
The index of a frame is a RangeIndex: a row is named by its position. An unknown value is NA, with two exceptions that
are named in the column's meaning: `rank` and `step` are -1 when unknown, references to rows (`parent`, `launcher`, ...)
are -1 when there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

from profkit.frame_spec import Column, FrameSpec

SCHEMA_VERSION = 13
"""Raised whenever a frame changes; part of every cache key and session file."""

PHASES = ("forward", "backward", "recompute", "optimizer")

QUESTIONS = ("time", "reference", "counters", "parity", "overflow")
"""What a session may leave unanswered: what a step's time went to, what both runs together tell, what hardware counters
tell, where tensors differ, where overflow comes from."""

OP_CLASSES = (
    "conv",
    "matmul",
    "attention",
    "norm",
    "softmax",
    "gelu",
    "activation",
    "pool",
    "embedding",
    "dropout",
    "loss",
    "elementwise",
    "reduce",
    "sort",
    "linalg",
    "resize",
    "copy",
    "view",
    "rnn",
    "optimizer",
    "random",
    "fill",
    "communication",
    "other",
)
"""Every class word; an operator that no fact covers has none (NA)."""

CLASS_SOURCES = ("table", "rule", "launcher", "hint", "unknown")
"""Where a class of work comes from: a fact of the vocabulary, a rule on the words of the name, the operator that
launched the kernel, a hint of the user; unknown where there is no class."""

_RANK = Column("rank", "int32", "Process number of the run; -1 unknown")
_CLASS_SOURCE = Column(
    "class_source",
    "category",
    "Where op_class comes from; NA before operators are identified",
    nullable=True,
    values=CLASS_SOURCES,
)
_STEP = Column("step", "int32", "Step number as the profiler counts it; -1 unknown or outside any step")

OPS = FrameSpec(
    "ops",
    (
        _RANK,
        _STEP,
        Column("level", "category", "Where the row was executed", values=("host", "device")),
        Column("start_ns", "int64", "Start, ns since the epoch (or since the trace's own zero, if it has no epoch)"),
        Column("dur_ns", "int64", "Duration, ns"),
        Column("self_ns", "int64", "Duration without the rows directly below it, ns"),
        Column("wait_ns", "Int64", "Gap to the previous task on the device as recorded, ns", nullable=True),
        Column("thread", "category", "Host thread id as recorded", nullable=True),
        Column("stream", "category", "Device stream as recorded", nullable=True),
        Column("name", "category", "Name as recorded"),
        Column("op_type", "category", "Operator type without scope or number (aten::addmm, MatMul)", nullable=True),
        Column("op_class", "category", "Class of work, one word for both frameworks (matmul, norm)", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path, dots between levels", nullable=True),
        Column("parent", "int64", "Row of the directly enclosing host row; -1 none"),
        Column("launcher", "int64", "Row of the host operator that launched this device row; -1 none or not known"),
        Column("forward_op", "int64", "Row of the forward operator that this backward row differentiates; -1 none"),
        Column("carry_over", "bool", "Device row whose launch lies before the recorded window"),
        Column("correlation", "Int64", "Launch correlation number, or the connection id of the run", nullable=True),
        Column("sequence", "Int64", "Autograd sequence number", nullable=True),
        Column("forward_thread", "Int64", "Autograd's forward thread number; above 0 only in backward", nullable=True),
        Column("input_shapes", "category", "Tensors split by ';', dims by ','; empty: a scalar", nullable=True),
        Column("input_dtypes", "category", "One dtype a tensor, split by ';'", nullable=True),
        Column("output_shapes", "category", "As input_shapes", nullable=True),
        Column("core", "category", "Accelerator core (AI_CORE, AI_VECTOR_CORE, AI_CPU, ...)", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("row", "int64", "Record number in that file, from 0"),
        Column(
            "record_function", "Int64", "Record function id of torch, above 0; joins an execution trace", nullable=True
        ),
        _CLASS_SOURCE,
    ),
)

SPANS = FrameSpec(
    "spans",
    (
        _RANK,
        Column("start_ns", "int64", "Start, ns"),
        Column("dur_ns", "int64", "Duration, ns"),
        Column("thread", "category", "Host thread id as recorded", nullable=True),
        Column("kind", "category", "What the interval marks", values=("module", "annotation", "launch", "step")),
        Column("name", "category", "Name as recorded"),
        Column("correlation", "Int64", "Launch correlation number (kind launch)", nullable=True),
        Column("span_id", "Int64", "The recorder's own number (Python id)", nullable=True),
        Column("parent_id", "Int64", "The recorder's number of the enclosing span (Python parent id)", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("row", "int64", "Record number in that file, from 0"),
    ),
)

STEPS = FrameSpec(
    "steps",
    (
        _RANK,
        _STEP,
        Column("start_ns", "Int64", "Start of the step, ns", nullable=True),
        Column("dur_ns", "Int64", "Length of the step, ns", nullable=True),
        Column("how", "category", "Where the boundaries come from", values=("recorded", "inferred")),
        Column("computing_ns", "Int64", "Device busy with computation", nullable=True),
        Column("communication_ns", "Int64", "Device busy with communication", nullable=True),
        Column("overlapped_ns", "Int64", "Communication hidden behind computation", nullable=True),
        Column("free_ns", "Int64", "Device idle", nullable=True),
        Column("source", "category", "File the row was read from"),
    ),
)

MEMORY = FrameSpec(
    "memory",
    (
        _RANK,
        Column("time_ns", "int64", "Time of the sample, ns"),
        Column("component", "category", "Who holds the memory"),
        Column("allocated_bytes", "Int64", "Allocated", nullable=True),
        Column("reserved_bytes", "Int64", "Reserved", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("change_bytes", "Int64", "Allocated (above 0) or freed (below 0) at that time", nullable=True),
    ),
)

ALLOCATIONS = FrameSpec(
    "allocations",
    (
        _RANK,
        Column("component", "category", "Who holds the memory, as in frame memory"),
        Column("name", "category", "Operator or tensor the memory was allocated for", nullable=True),
        Column("size_bytes", "Int64", "Size of the allocation", nullable=True),
        Column("start_ns", "Int64", "When it was allocated, ns", nullable=True),
        Column("end_ns", "Int64", "When it was released, ns; NA: not while recorded", nullable=True),
        Column("first_node", "Int64", "Graph node it is allocated at (static memory has no times)", nullable=True),
        Column("last_node", "Int64", "Graph node it is released at; NA: never", nullable=True),
        Column("graph", "category", "Model and graph the nodes count in", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("row", "int64", "Record number in that file, from 0"),
    ),
)

COMM = FrameSpec(
    "comm",
    (
        _RANK,
        _STEP,
        Column("name", "category", "Collective or point-to-point operation as recorded"),
        Column("kind", "category", "Sort of operation", values=("collective", "p2p")),
        Column("start_ns", "Int64", "Start, ns", nullable=True),
        Column("dur_ns", "Int64", "Elapsed, ns", nullable=True),
        Column("wait_ns", "Int64", "Waiting for other ranks, ns", nullable=True),
        Column("size_bytes", "Int64", "Bytes moved over links, as the device counted them", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("message_bytes", "Int64", "Larger one of what goes in and what comes out, bytes", nullable=True),
        Column("dtype", "category", "numpy's name of the elements' type, or as recorded", nullable=True),
        Column("group", "category", "Process group or communicator", nullable=True),
        Column("group_size", "Int64", "Processes in the group", nullable=True),
        Column("group_ranks", "category", "Their ranks, split by ','", nullable=True),
        Column("operation", "category", "Operation where the name does not tell it (allreduce)", nullable=True),
        Column("level", "category", "host: the call, dur_ns NA", nullable=True, values=("host", "device")),
        Column("row", "Int64", "Record number in the source, that of its ops row; NA without one", nullable=True),
        Column("elements", "Int64", "Elements of the message as the recorder counts them", nullable=True),
        Column("algorithm", "category", "How the transfers were arranged, as recorded (MESH-RING)", nullable=True),
    ),
)

LINKS = FrameSpec(
    "links",
    (
        _RANK,
        _STEP,
        Column("operation", "category", "Operation, or sort of operations, as recorded"),
        Column("selection", "category", "operation: that one; total: all of the sort; else one picked (top1, bottom2)"),
        Column("name", "category", "Operation that was picked", nullable=True),
        Column("kind", "category", "Sort of operation", values=("collective", "p2p")),
        Column("group", "category", "Communicator", nullable=True),
        Column("src", "Int64", "Sending rank, as numbered in the group", nullable=True),
        Column("dst", "Int64", "Receiving rank, as numbered in the group", nullable=True),
        Column("transport", "category", "Kind of link (LOCAL, HCCS, PCIE, RDMA, SIO)", nullable=True),
        Column("size_bytes", "Int64", "Bytes moved", nullable=True),
        Column("dur_ns", "Int64", "Time of the transfers, ns", nullable=True),
        Column("bandwidth_gb_s", "float64", "As recorded, 10^9 bytes a second", nullable=True),
        Column("source", "category", "File the row was read from"),
    ),
)

API = FrameSpec(
    "api",
    (
        _RANK,
        Column("level", "category", "Layer of the call (acl, node, runtime, model, communication)"),
        Column("name", "category", "Function as recorded"),
        Column("count", "int64", "Calls"),
        Column("total_ns", "Int64", "Time of all calls, ns", nullable=True),
        Column("min_ns", "Int64", "Shortest call, ns", nullable=True),
        Column("max_ns", "Int64", "Longest call, ns", nullable=True),
        Column("source", "category", "File the row was read from"),
    ),
)

HOST_CALLS = FrameSpec(
    "host_calls",
    (
        _RANK,
        Column("name", "category", "Operator as recorded"),
        Column("input_shapes", "category", "As ops.input_shapes; scalars and None are empty", nullable=True),
        Column("call_stack", "category", "Frames split by ';', the innermost first; secrets redacted", nullable=True),
        Column("start_ns", "Int64", "Start, ns; text files do not tell it", nullable=True),
        Column("host_self_ns", "Int64", "Time on the host without the calls below, ns", nullable=True),
        Column("host_total_ns", "Int64", "Time on the host, ns", nullable=True),
        Column("device_self_ns", "Int64", "Time of its kernels without those of the calls below, ns", nullable=True),
        Column("device_total_ns", "Int64", "Time of its kernels, ns", nullable=True),
        Column("device_self_aicore_ns", "Int64", "As device_self_ns, on AI cores alone", nullable=True),
        Column("device_total_aicore_ns", "Int64", "As device_total_ns, on AI cores alone", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("row", "int64", "Record number in that file, from 0"),
    ),
)

DEVICE_SAMPLES = FrameSpec(
    "device_samples",
    (
        _RANK,
        Column("time_ns", "Int64", "Time of the sample, ns; NA: of the whole recording", nullable=True),
        Column("device", "Int64", "Device number as recorded", nullable=True),
        Column("resource", "category", "What was sampled: lane, table or file (HBM, LLC, AI Core Freq, nic)"),
        Column("counter", "category", "Which one of its kind, as recorded (HBM 0/Read)", nullable=True),
        Column("measure", "category", "What the value is (Read, Throughput, hitRate)"),
        Column("unit", "category", "Unit as the recorder tells it (MB/s, %, MHz); NA: a level or count", nullable=True),
        Column("value", "float64", "The value"),
        Column("source", "category", "File the row was read from"),
    ),
)

DATA_PIPELINE = FrameSpec(
    "data_pipeline",
    (
        _RANK,
        Column("number", "Int64", "Number of the operator in the pipeline; NA for a stage", nullable=True),
        Column("name", "category", "Operator of the dataset pipeline (Batch), or stage that was timed"),
        Column("parent", "Int64", "Number of the operator that it feeds", nullable=True),
        Column("workers", "Int64", "Parallel workers", nullable=True),
        Column("queue_length", "Int64", "Places of its output queue", nullable=True),
        Column("queue_mean", "float64", "Mean number of items in its output queue", nullable=True),
        Column("queue_usage", "float64", "queue_mean / queue_length, 0 to 1", nullable=True),
        Column("queue_empty", "float64", "Share of samples with an empty output queue, 0 to 1", nullable=True),
        Column("cpu_percent", "float64", "Mean use of the host's processors, 0 to 100", nullable=True),
        Column("count", "Int64", "Calls, batches or samples", nullable=True),
        Column("mean_ns", "Int64", "Mean time of one, ns", nullable=True),
        Column("note", "string", "What the profiler wrote beside it", nullable=True),
        Column("source", "category", "File the row was read from"),
    ),
)

COUNTERS = FrameSpec(
    "counters",
    (
        _RANK,
        Column("counter", "category", "Counter as the header names it, with its unit (aic_mac_ratio, aiv_time(us))"),
        Column("value", "float64", "Its value; a core that did not run has no row"),
        Column("source", "category", "File of the kernel's ops row"),
        Column("row", "int64", "Record number of the kernel's ops row in that file"),
    ),
)
"""Counters of kernels, joined to ops by source and row. Millions of values: read on request alone."""

NODES = FrameSpec(
    "nodes",
    (
        _RANK,
        Column("record_function", "Int64", "Record function id of torch, above 0", nullable=True),
        Column("name", "category", "Operator as recorded"),
        Column("op_schema", "category", "Schema of the operator", nullable=True),
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("input_dtypes", "category", "One dtype a tensor, split by ';'", nullable=True),
        Column("output_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("output_dtypes", "category", "One dtype a tensor, split by ';'", nullable=True),
        Column("source", "category", "File the row was read from"),
        Column("row", "int64", "Record number in that file, from 0"),
    ),
)

TENSOR_IO = ("input", "output", "gradient", "parameter")

TENSORS = FrameSpec(
    "tensors",
    (
        _RANK,
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
        _RANK,
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
        _RANK,
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
        _RANK,
        Column("graph", "int32", "Graph number of the dump; -1 unknown"),
        Column("node", "string", "Node that reads; graph_nodes.node"),
        Column("slot", "int32", "Place among its inputs, from 0"),
        Column("producer", "string", "Node that is read; graph_nodes.node"),
        Column("producer_slot", "int32", "Which of its outputs; -1: not told"),
        Column("kind", "category", "What passes along the edge", values=("data", "control")),
        Column("source", "category", "The graph file"),
    ),
)

SIDES = ("pt", "ms", "ref", "run")

ALIGNMENT = FrameSpec(
    "alignment",
    (
        Column("group", "int64", "Smallest set of executions of both sides doing the same work; -1 unmatched"),
        Column("side", "category", "pt | ms across frameworks, ref | run within one", values=SIDES),
        _RANK,
        _STEP,
        Column("start_ns", "int64", "Start of the execution, ns"),
        Column("dur_ns", "int64", "Duration of the execution, ns"),
        Column("name", "category", "Name as recorded"),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path; where a side has none, its group's", nullable=True),
        Column("confidence", "float64", "0 to 1; NaN for unmatched", nullable=True),
        Column("reason", "category", "Why these belong together, or why the row is unmatched"),
        Column("row", "int64", "Row of the execution in its run's ops frame"),
        Column(
            "unit",
            "int64",
            "Number of the work, equal for the groups of it in all steps; -1 unmatched. Where nothing was aligned, of "
            "the operators of one name, class, module and phase",
        ),
        Column("lane", "category", "Stream of a device row, thread of a host row, as recorded", nullable=True),
        _CLASS_SOURCE,
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("candidates", "int64", "Undecided set: rows of both sides in it may do the same work; -1 none"),
    ),
)

EXPLANATION = FrameSpec(
    "explanation",
    (
        Column(
            "role",
            "category",
            "fact: why; member: of the group; anchor: sure work beside it; candidate: what else was considered",
            values=("fact", "member", "anchor", "candidate"),
        ),
        Column("note", "string", "The fact, which anchor, or why the candidate lost"),
        Column("side", "category", "As alignment.side; NA for facts", nullable=True, values=SIDES),
        Column("group", "Int64", "As alignment.group", nullable=True),
        Column("row", "Int64", "As alignment.row", nullable=True),
        Column("place", "Int64", "Number in order of start on its side of the step, from 0", nullable=True),
        Column("name", "category", "Name as recorded", nullable=True),
        Column("op_class", "category", "Class of work", nullable=True),
        _CLASS_SOURCE,
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path", nullable=True),
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("confidence", "float64", "Of its group, 0 to 1; NaN for facts and unmatched", nullable=True),
    ),
)

TIMELINE = FrameSpec(
    "timeline",
    (
        Column("side", "category", "Whose execution it is", values=("ref", "run")),
        _RANK,
        _STEP,
        Column("pair", "int64", "Number of the pair of steps it belongs to, from 0; -1 outside every pair"),
        Column("lane", "category", "Stream of a device row, thread of a host row, as recorded", nullable=True),
        Column("offset_ns", "int64", "Start since the start of its step on its side, ns"),
        Column("dur_ns", "int64", "Duration, ns"),
        Column("name", "category", "Name as recorded"),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path", nullable=True),
        Column("group", "int64", "Group of the alignment; -1 unmatched"),
        Column("unit", "int64", "Unit of the alignment; -1 unmatched"),
        Column("confidence", "float64", "Of the alignment", nullable=True),
        Column("reason", "category", "Why it belongs to its group, or why it is unmatched"),
    ),
)

PARITY_STATUS = ("match", "mismatch", "shape", "dtype", "missing_a", "missing_b", "unreadable", "undecidable")

PARITY = FrameSpec(
    "parity",
    (
        Column("name_a", "string", "Name on side A; NA if missing there", nullable=True),
        Column("name_b", "string", "Name on side B; NA if missing there", nullable=True),
        Column("status", "category", "Verdict", values=PARITY_STATUS),
        Column("shape_a", "string", "Dims split by ','", nullable=True),
        Column("shape_b", "string", "Dims split by ','", nullable=True),
        Column("dtype_a", "category", "numpy's name", nullable=True),
        Column("dtype_b", "category", "numpy's name", nullable=True),
        Column("max_abs", "float64", "Largest |a-b| over elements finite on both sides", nullable=True),
        Column("mean_abs", "float64", "Mean |a-b| over elements finite on both sides", nullable=True),
        Column("max_rel", "float64", "Largest |a-b|/|a| where a is not 0", nullable=True),
        Column("rmse", "float64", "Root of the mean squared difference", nullable=True),
        Column("cosine", "float64", "Cosine of the finite parts; NaN if one is all zero", nullable=True),
        Column("close_ratio", "float64", "Share of elements within tolerance, 0 to 1", nullable=True),
        Column("nan_a", "Int64", "NaN elements", nullable=True),
        Column("nan_b", "Int64", "NaN elements", nullable=True),
        Column("inf_a", "Int64", "Inf elements of either sign", nullable=True),
        Column("inf_b", "Int64", "Inf elements of either sign", nullable=True),
        Column("first_divergence", "bool", "True for at most one row: the first in forward order that is no rounding"),
        Column("paired_by", "category", "How the two were paired", nullable=True),
        Column("reason", "string", "Why the verdict is so"),
        Column("rel_l2", "float64", "|a-b|2 / |a|2 over elements finite on both sides", nullable=True),
        Column("jump", "float64", "rel_l2 against the largest upstream rel_l2 and the dtype's floor", nullable=True),
        Column("io", "category", "What the tensor is to its operator", nullable=True, values=TENSOR_IO),
        Column("module", "category", "Module path the pair belongs to", nullable=True),
        Column("path_a", "string", "File of side A", nullable=True),
        Column("path_b", "string", "File of side B", nullable=True),
        Column("member_a", "string", "Part of the file of side A; NA where it is one tensor", nullable=True),
        Column("member_b", "string", "Part of the file of side B; NA where it is one tensor", nullable=True),
        Column("mean_rel", "float64", "Mean |a-b|/|a| where a is not 0", nullable=True),
        Column("l2_ratio", "float64", "|b|2 / |a|2 over elements finite on both sides", nullable=True),
        Column("ulp_p50", "float64", "Median distance in units in the last place of the narrower dtype", nullable=True),
        Column("ulp_p99", "float64", "99th percentile of the distance in units in the last place", nullable=True),
        Column("ulp_max", "float64", "Largest distance in units in the last place", nullable=True),
        Column("peak_a", "float64", "Largest finite |a|", nullable=True),
        Column("peak_b", "float64", "Largest finite |b|", nullable=True),
        Column("rms_a", "float64", "Root mean square of a", nullable=True),
        Column("rms_b", "float64", "Root mean square of b", nullable=True),
        Column("first_index", "Int64", "Flat number of the first element outside the tolerance", nullable=True),
        Column("worst_index", "Int64", "Flat number of the element farthest apart", nullable=True),
        Column("layout", "category", "In which layout B holds the values of A; NA if in the same", nullable=True),
    ),
)

WEIGHT_MAP_STATUS = (
    "mapped", "assumed", "tied", "not_needed", "ambiguous", "shape", "source_only", "target_only",
)  # fmt: skip

WEIGHT_MAP = FrameSpec(
    "weight_map",
    (
        Column(
            "source",
            "string",
            "Name in the source, several joined by ' + '; NA if only the target has it",
            nullable=True,
        ),
        Column("target", "string", "Name in the target; NA if only the source has it", nullable=True),
        Column("status", "category", "What became of it", values=WEIGHT_MAP_STATUS),
        Column("operations", "string", "What is done to the values, in order; NA if nothing", nullable=True),
        Column("source_shape", "string", "Dims split by ',', of the first source; NA if not known", nullable=True),
        Column("target_shape", "string", "Dims split by ','; NA if not known", nullable=True),
        Column("source_dtype", "category", "numpy's name", nullable=True),
        Column("target_dtype", "category", "numpy's name", nullable=True),
        Column("reason", "string", "Why it is so"),
    ),
)

STRUCTURE_STATUS = ("same", "natural", "different", "order", "missing_a", "missing_b", "undecidable")

STRUCTURE = FrameSpec(
    "structure",
    (
        Column("module_a", "string", "Path of the module in A; NA if only B has it", nullable=True),
        Column("module_b", "string", "Path of the module in B; NA if only A has it", nullable=True),
        Column("layer_a", "category", "Class in A; NA if it is not known", nullable=True),
        Column("layer_b", "category", "Class in B; NA if it is not known", nullable=True),
        Column("status", "category", "What the modules are to each other", values=STRUCTURE_STATUS),
        Column(
            "differences", "string", "Settings and parameters that differ, split by '; '; NA if none", nullable=True
        ),
        Column(
            "natural", "string", "What is called or written otherwise and is the same, split by '; '", nullable=True
        ),
        Column("not_told", "string", "What one side alone tells, split by '; '; NA if nothing", nullable=True),
        Column("paired_by", "category", "How the partner was found; NA for one alone", nullable=True),
        Column("reason", "string", "Why it is so"),
    ),
)

OVERFLOW_ROLES = ("origin", "carrier", "masked", "saturated", "unknown", "norm_jump", "expected")

PARITY_FROM_WORST = ("mismatch", "shape", "dtype", "unreadable", "missing_a", "missing_b", "undecidable", "match")
OVERFLOW_FROM_WORST = ("origin", "carrier", "saturated", "norm_jump", "unknown", "expected", "masked")
"""Verdicts in the order in which one stands for several."""

OVERFLOW = FrameSpec(
    "overflow",
    (
        Column("iteration", "int32", "Iteration of the dump; -1 unknown"),
        Column("order", "int64", "Place in execution order within the iteration, from 0; -1 unknown"),
        Column("op", "string", "Operator as the dump names it"),
        Column("op_type", "category", "Operator type", nullable=True),
        Column("role", "category", "Part it plays in the spreading of the bad value", values=OVERFLOW_ROLES),
        Column("nan", "Int64", "NaN elements of its outputs", nullable=True),
        Column("pos_inf", "Int64", "+Inf elements of its outputs", nullable=True),
        Column("neg_inf", "Int64", "-Inf elements of its outputs", nullable=True),
        Column("saturated", "Int64", "Elements at the largest finite value of the dtype", nullable=True),
        Column("max_abs_input", "float64", "Largest finite |x| of its inputs", nullable=True),
        Column("reason", "string", "Why it has that role"),
        Column("module", "category", "Module path read from the operator's scope", nullable=True),
        Column("rank", "int32", "Process number; -1 unknown"),
        Column("primary", "bool", "True for the one origin to look at first"),
        Column("first_nan", "boolean", "True for the first result of an iteration that holds NaN", nullable=True),
        Column("chain", "Int64", "Place on the way from the primary origin (0) to the loss", nullable=True),
        Column("offending_input", "string", "Which input values make it: how many, how extreme, where", nullable=True),
        Column("norm_ratio", "float64", "L2 norm of its output over the largest one of an input", nullable=True),
        Column("code", "string", "Line of the user's code that made the operator", nullable=True),
    ),
)

FINDINGS = FrameSpec(
    "findings",
    (
        Column("rank", "int64", "Place in the list, from 1: what to look at first"),
        Column("kind", "category", "slow | overflow | parity | ..."),
        Column("module", "string", "Module path", nullable=True),
        Column("op", "string", "Operator", nullable=True),
        Column("impact_ns", "Int64", "Time a step would win, ns", nullable=True),
        Column("ratio", "float64", "Time of the run over time of the reference", nullable=True),
        Column("confidence", "float64", "0 to 1"),
        Column("groups", "object", "Alignment groups it rests on: a list of int"),
        Column("evidence", "string", "Which rows and numbers it rests on"),
        Column("advice", "string", "What to try next"),
    ),
)

OPERATORS = FrameSpec(
    "operators",
    (
        Column("unit", "int64", "Unit of the alignment; -1 for rows that have no timing partner"),
        Column("operator", "string", "What the row is called: its reference operator, or its only side's"),
        Column("module", "category", "Module path", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("ref_ops", "string", "Operators of the reference side, in order", nullable=True),
        Column("run_ops", "string", "Operators of the run side, in order", nullable=True),
        Column(
            "shapes",
            "category",
            "As ops.input_shapes, of its longest execution: the reference's, or the run's where that has none",
            nullable=True,
        ),
        Column("ref_ns", "Int64", "Median over steps, reference side, ns", nullable=True),
        Column("run_ns", "Int64", "Median over steps, run side, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("impact_ns", "Int64", "run_ns - ref_ns, ns", nullable=True),
        Column("flag", "category", "slow | missing_op | extra_op", nullable=True),
        Column("parity", "category", "Worst parity status of its module's output", nullable=True, values=PARITY_STATUS),
        Column("max_abs", "float64", "Largest |a-b| of its module's output", nullable=True),
        Column("overflow", "category", "Overflow role of its module", nullable=True, values=OVERFLOW_ROLES),
        Column("confidence", "float64", "Of the alignment", nullable=True),
        Column("steps", "int64", "Steps the medians rest on"),
        Column("reason", "string", "Why these operators belong together, or why the row is unmatched"),
    ),
)

BRIDGE_PARTS = (
    "slower",
    "faster",
    "run_only",
    "ref_only",
    "not_aligned",
    "layout_and_cast",
    "host_gap",
    "communication",
    "data_waiting",
    "optimizer",
)

BRIDGE = FrameSpec(
    "bridge",
    (
        Column("part", "category", "Which part of the difference", values=BRIDGE_PARTS),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("module", "category", "Module path", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("operator", "string", "Operator, or what the time was spent on"),
        Column("unit", "int64", "Unit of the alignment; -1 for what is not aligned work"),
        Column("ref_ns", "int64", "Wall time of the reference's median step that belongs to it, ns"),
        Column("run_ns", "int64", "Wall time of the run's median step that belongs to it, ns"),
        Column("delta_ns", "int64", "run_ns - ref_ns, ns; adds up to the difference of the two steps"),
        Column("percent", "float64", "delta_ns in per cent of the reference's step"),
        Column("ref_rows", "int64", "Executions of the reference it rests on"),
        Column("run_rows", "int64", "Executions of the run it rests on"),
        Column("reason", "string", "Why the time belongs to this part"),
    ),
)

BRIDGE_ROWS = FrameSpec(
    "bridge_rows",
    (
        Column("bridge", "int64", "Row of the bridge frame"),
        Column("side", "category", "Which run", values=("ref", "run")),
        _RANK,
        _STEP,
        Column("row", "int64", "Row of the execution in its run's ops frame; -1 none"),
        Column("ns", "int64", "Wall time of the step that it owns, ns; adds up to the step's length"),
    ),
)

MODULES = FrameSpec(
    "modules",
    (
        Column("module", "string", "Module path, dots between levels; empty is the whole network"),
        Column("name", "string", "Last part of the path"),
        Column("depth", "int64", "Levels above it, from 0"),
        Column("operators", "int64", "Operators of it and of the modules below it"),
        Column("ref_ns", "Int64", "Inclusive time of a step, reference side, sum of medians, ns", nullable=True),
        Column("run_ns", "Int64", "Inclusive time of a step, run side, sum of medians, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("impact_ns", "Int64", "run_ns - ref_ns, ns; NA where either is unknown", nullable=True),
        Column("slow", "int64", "Operators of it and below that are flagged slow"),
        Column("parity", "category", "Worst parity status of it and below", nullable=True, values=PARITY_STATUS),
        Column("max_abs", "float64", "Largest |a-b| of it and below", nullable=True),
        Column("overflow", "category", "Worst overflow role of it and below", nullable=True, values=OVERFLOW_ROLES),
    ),
)

SOURCES = FrameSpec(
    "sources",
    (
        Column("side", "category", "Which input of the command", values=("ref", "run", "a", "b", "input")),
        Column("path", "string", "File or directory"),
        Column("format", "category", "Parser that read it"),
        Column("version", "string", "Version of the writer as far as the file tells it", nullable=True),
        Column("framework", "category", "Who wrote it", values=("pytorch", "mindspore", "unknown")),
        _RANK,
        Column("steps", "int64", "Steps found"),
        Column("rows", "int64", "Rows read over all frames"),
        Column("issues", "int64", "Import issues"),
        Column("reason", "string", "Why it was taken for this format"),
    ),
)

ISSUES = FrameSpec(
    "issues",
    (
        Column("severity", "category", "What it costs", values=("info", "data_loss", "error")),
        Column("source", "string", "File"),
        Column("where", "string", "Line, byte, event or column; empty for the whole file"),
        Column("text", "string", "One sentence"),
    ),
)

SESSION_STEPS = FrameSpec("steps", (Column("side", "category", "ref or run", values=("ref", "run")), *STEPS.columns))

SESSION_BREAKDOWN = FrameSpec(
    "breakdown",
    (
        Column("side", "category", "ref or run", values=("ref", "run")),
        _RANK,
        Column("span", "category", "One step, or the whole run", values=("step", "run")),
        _STEP,
        Column("level", "category", "Whose rows are counted", values=("host", "device")),
        Column("dur_ns", "Int64", "Length as recorded; of the run from its first start to its last end", nullable=True),
        Column("busy_ns", "Int64", "Union of all rows", nullable=True),
        Column("computing_ns", "Int64", "Union of computing device rows", nullable=True),
        Column("communication_ns", "Int64", "Union of communicating device rows", nullable=True),
        Column("overlapped_ns", "Int64", "Communication hidden behind computation", nullable=True),
        Column("free_ns", "Int64", "Device idle between its first start and last end", nullable=True),
    ),
)
"""Where the time of each step goes; computing + communication - overlapped + free is the device's extent."""

OVERVIEW_SECTIONS = ("findings", "step_time", "breakdown", "runs", "not_judged")

OVERVIEW = FrameSpec(
    "overview",
    (
        Column("depth", "int64", "0 for the head of a section, 1 for what stands in it"),
        Column("section", "category", "What the row is about", values=OVERVIEW_SECTIONS),
        Column("item", "string", "What it is called"),
        Column("ref_ns", "Int64", "Time on the reference side, ns", nullable=True),
        Column("run_ns", "Int64", "Time on the run side, ns", nullable=True),
        Column("delta_ns", "Int64", "run_ns - ref_ns; of a finding what a step would win, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("from_ns", "Int64", "Where its bar begins, on an axis of the section, ns", nullable=True),
        Column("to_ns", "Int64", "Where its bar ends; before from_ns where time was won, ns", nullable=True),
        Column("finding", "int64", "Row of the finding; -1 none"),
        Column("part", "category", "Part of the bridge", nullable=True, values=BRIDGE_PARTS),
        Column("operator", "int64", "Row of the operator it tells most of; -1 none"),
        Column("note", "string", "What else is to be said", nullable=True),
    ),
)

SESSION_CHANGE = ("gone", "new", "still", "not_judged")

SESSION_CHANGES = FrameSpec(
    "session_changes",
    (
        Column("section", "category", "What is compared", values=("step", "finding", "module")),
        Column(
            "change",
            "category",
            "What became of it, NA for a time known of both; not_judged: one session says nothing of it",
            nullable=True,
            values=SESSION_CHANGE,
        ),
        Column("item", "string", "Step or part of its time; kind of finding; module path, empty for the whole network"),
        Column("module", "string", "Module path", nullable=True),
        Column("op", "string", "Operator", nullable=True),
        Column("before_ns", "Int64", "Time of the run in a step, of a finding its cost; before, ns", nullable=True),
        Column("after_ns", "Int64", "The same, after", nullable=True),
        Column("delta_ns", "Int64", "after_ns - before_ns, ns; NA where either is unknown", nullable=True),
        Column("before_rank", "Int64", "Rank of the finding before", nullable=True),
        Column("after_rank", "Int64", "Rank of the finding after", nullable=True),
        Column("note", "string", "Evidence, or why nothing can be said", nullable=True),
    ),
)

TOTALS = FrameSpec(
    "totals",
    (
        Column("level", "category", "Where the executions ran", values=("host", "device")),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path, dots between levels", nullable=True),
        Column("name", "category", "Name as recorded"),
        Column("op_type", "category", "As ops.op_type", nullable=True),
        Column("op_class", "category", "As ops.op_class", nullable=True),
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("core", "category", "As ops.core", nullable=True),
        Column("carry_over", "bool", "As ops.carry_over"),
        Column("count", "int64", "Executions that agree in all of these"),
        Column("total_ns", "int64", "Sum of their durations, ns"),
        Column("self_ns", "int64", "Sum of their self times, ns"),
        Column("min_ns", "int64", "Shortest duration, ns"),
        Column("max_ns", "int64", "Longest duration, ns"),
        _CLASS_SOURCE,
    ),
)

RECORDED_FRAMES: Mapping[str, FrameSpec] = {
    spec.name: spec
    for spec in (
        OPS,
        SPANS,
        STEPS,
        MEMORY,
        ALLOCATIONS,
        COMM,
        LINKS,
        API,
        HOST_CALLS,
        DEVICE_SAMPLES,
        DATA_PIPELINE,
        NODES,
        TENSORS,
        OVERFLOW_RECORDS,
        GRAPH_NODES,
        GRAPH_EDGES,
    )
}
"""The frames a parser may give."""

CACHED_FRAMES: Mapping[str, FrameSpec] = {**RECORDED_FRAMES, TOTALS.name: TOTALS}
"""The frames the cache may hold: what parsers give, and what is worked out from it."""
