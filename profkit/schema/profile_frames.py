"""Frames of profiles: what ran when, on which device, with what memory and messages."""

from __future__ import annotations

from profkit.frame_spec import Column, FrameSpec
from profkit.schema.shared_columns import CLASS_SOURCE, PHASES, RANK, STEP

OPS = FrameSpec(
    "ops",
    (
        RANK,
        STEP,
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
        CLASS_SOURCE,
    ),
)

SPANS = FrameSpec(
    "spans",
    (
        RANK,
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
        RANK,
        STEP,
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
        RANK,
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
        RANK,
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
        RANK,
        STEP,
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
        RANK,
        STEP,
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
        RANK,
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
        RANK,
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
        RANK,
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
        RANK,
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
        RANK,
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
        RANK,
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
        CLASS_SOURCE,
    ),
)
