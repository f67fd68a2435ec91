"""Writes samples/ascend_synthetic: an invented Ascend run of MindSpore in the file layout of MindSpore Profiler 2.10.

    python samples/record/make_ascend_run.py --out samples

No device and no framework took part. The network is the Vision Transformer of samples/vit; which kernels it would
launch is written down here, how long they take is a rough model (work over throughput, plus a launch cost) with noise
of a fixed seed. Same seed, same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from manifest import write_manifest
from vit_settings import CHANNELS, CLASSES, DEPTH, HEADS, IMAGE, MLP_RATIO, PATCH, PROFILE_BATCH, PROFILED_STEPS, WIDTH

COLLECTION = "ascend_synthetic"
RUN = "synthetic_1_20260101000000000_ascend_ms"
SEED = 22
FIRST_STEP = 10
EPOCH_NS = 1_767_225_600_000_000_000
HOST_THREAD, COMPUTE_STREAM, COMMUNICATION_STREAM = 1000, 2, 5
HOST_PID, DEVICE_PID, COMMUNICATION_PID = 1, 4128, 4192

TOKENS = 1 + (IMAGE // PATCH) ** 2
ROWS = PROFILE_BATCH * TOKENS
# Bytes and operations a nanosecond: far from any real device, but in proportion to each other.
BYTES_A_NS, OPERATIONS_A_NS = 400, 40_000
SLOW_BLOCK = 2

README = """# Synthetic Ascend run

Nothing in this folder was measured. `samples/record/make_ascend_run.py` invented it, to show and test what profkit does
with an Ascend run of MindSpore where no device is at hand. The file layout is that of MindSpore Profiler 2.10, Level1,
one rank of two; names, shapes and launches follow the Vision Transformer of `samples/vit`; durations come from a rough
model with noise of a fixed seed. Do not conclude anything about a real device from it.

Planted on purpose, in all three steps:

| what | where |
|---|---|
| fc1 computes in float32, between two Cast kernels | blocks.2.mlp.fc1 |
| TransData before and after the convolution | patch_embed.proj |
| an operator on the AI CPU | loss |
| the device waits 900 us for the host before the optimizer | optimizer |
| gradients are reduced over two ranks, partly hidden behind backward | hcom_allReduce_ |
"""


@dataclass(frozen=True)
class Kernel:
    """One kernel as the program asks for it; shapes with dtype, work in operations."""

    scope: str
    operator: str
    kind: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    dtype: str = "FLOAT16"
    core: str = "AI_VECTOR_CORE"
    operations: int = 0
    host_gap_ns: int = 0


@dataclass(frozen=True)
class Executed:
    """One kernel with its times, ns since EPOCH_NS."""

    kernel: Kernel
    step: int
    number: int
    launch_ns: int
    start_ns: int
    dur_ns: int
    wait_ns: int

    @property
    def is_communication(self) -> bool:
        return self.kernel.core == "COMMUNICATION"

    @property
    def launch_name(self) -> str:
        return f"Kernel::KernelLaunch::{self.kernel.scope}/{self.kernel.operator}-op{self.number}"

    @property
    def kernel_name(self) -> str:
        kind = self.kernel.kind
        if self.is_communication:
            return f"{kind}_700_{self.number}_1"
        return kind if self.kernel.core == "AI_CPU" else f"aclnn{self.kernel.operator}_{kind}"


NETWORK = "Default/network-WithLossCell/_backbone-ViT"
LOSS = "Default/network-WithLossCell/_loss_fn-CrossEntropyLoss"
ACTIVATION = (PROFILE_BATCH, TOKENS, WIDTH)
HIDDEN = (PROFILE_BATCH, TOKENS, WIDTH * MLP_RATIO)
IMAGES = (PROFILE_BATCH, CHANNELS, IMAGE, IMAGE)
PATCHES = (PROFILE_BATCH, WIDTH, IMAGE // PATCH, IMAGE // PATCH)


def matmul(scope: str, rows: int, inner: int, columns: int, dtype: str = "FLOAT16") -> Kernel:
    operations = 2 * rows * inner * columns * (8 if dtype == "FLOAT" else 1)
    shapes = ((rows, inner), (columns, inner))
    return Kernel(scope, "MatMul", "MatMulV3", shapes, (rows, columns), dtype, "AI_CORE", operations)


def vector(scope: str, operator: str, shape: tuple[int, ...], kind: str = "", inputs: int = 1) -> Kernel:
    return Kernel(scope, operator, kind or operator, (shape,) * inputs, shape)


def forward_of_block(number: int) -> Iterator[Kernel]:
    block = f"{NETWORK}/blocks-SequentialCell/{number}-Block"
    heads = (PROFILE_BATCH, HEADS, TOKENS, WIDTH // HEADS)
    yield vector(f"{block}/norm1-LayerNorm", "LayerNorm", ACTIVATION, "LayerNormV3")
    yield matmul(f"{block}/attn-Attention/qkv-Dense", ROWS, WIDTH, 3 * WIDTH)
    attention = f"{block}/attn-Attention"
    work = 4 * PROFILE_BATCH * HEADS * TOKENS * TOKENS * (WIDTH // HEADS)
    yield Kernel(
        attention, "FlashAttentionScore", "FlashAttentionScore", (heads,) * 3, heads, core="MIX_AIC", operations=work
    )
    yield matmul(f"{block}/attn-Attention/proj-Dense", ROWS, WIDTH, WIDTH)
    yield vector(block, "Add", ACTIVATION, inputs=2)
    yield vector(f"{block}/norm2-LayerNorm", "LayerNorm", ACTIVATION, "LayerNormV3")
    first = f"{block}/mlp-Mlp/fc1-Dense"
    if number == SLOW_BLOCK:
        yield vector(first, "Cast", ACTIVATION)
        yield matmul(first, ROWS, WIDTH, WIDTH * MLP_RATIO, "FLOAT")
        yield vector(first, "Cast", HIDDEN)
    else:
        yield matmul(first, ROWS, WIDTH, WIDTH * MLP_RATIO)
    yield vector(f"{block}/mlp-Mlp/act-GELU", "GeLU", HIDDEN, "Gelu")
    yield matmul(f"{block}/mlp-Mlp/fc2-Dense", ROWS, WIDTH * MLP_RATIO, WIDTH)
    yield vector(block, "Add", ACTIVATION, inputs=2)


def forward() -> Iterator[Kernel]:
    patch = f"{NETWORK}/patch_embed-PatchEmbed/proj-Conv2d"
    weights = (WIDTH, CHANNELS, PATCH, PATCH)
    work = 2 * int(np.prod(PATCHES)) * CHANNELS * PATCH * PATCH
    yield vector(patch, "TransData", IMAGES)
    yield Kernel(patch, "Conv2D", "Conv2D", (IMAGES, weights), PATCHES, core="AI_CORE", operations=work)
    yield vector(patch, "TransData", PATCHES)
    yield vector(NETWORK, "Concat", ACTIVATION, "ConcatD", inputs=2)
    yield vector(NETWORK, "Add", ACTIVATION, inputs=2)
    for number in range(DEPTH):
        yield from forward_of_block(number)
    yield vector(f"{NETWORK}/norm-LayerNorm", "LayerNorm", ACTIVATION, "LayerNormV3")
    yield matmul(f"{NETWORK}/head-Dense", PROFILE_BATCH, WIDTH, CLASSES)
    logits = (PROFILE_BATCH, CLASSES)
    yield vector(LOSS, "Cast", logits)
    yield Kernel(LOSS, "OneHot", "OneHot", ((PROFILE_BATCH,),), logits, "INT32", "AI_CPU", 1_000_000)
    yield vector(LOSS, "SoftmaxCrossEntropyWithLogits", logits, inputs=2)
    yield vector(LOSS, "ReduceMean", (PROFILE_BATCH,))


def backward_of(kernel: Kernel) -> Iterator[Kernel]:
    """Give the gradient kernels of one forward kernel."""
    scope = f"Gradients/{kernel.scope}/Grad_{kernel.operator}"
    if kernel.operator == "MatMul":
        (rows, inner), (columns, _) = kernel.inputs
        yield matmul(scope, rows, columns, inner, kernel.dtype)
        yield matmul(scope, columns, rows, inner, kernel.dtype)
        yield vector(scope, "ReduceSum", (rows, columns))
    elif kernel.operator == "Conv2D":
        shapes = (kernel.inputs[0], kernel.output)
        yield Kernel(
            scope,
            "Conv2DBackpropFilter",
            "Conv2DBackpropFilter",
            shapes,
            kernel.inputs[1],
            core="AI_CORE",
            operations=kernel.operations,
        )
    elif kernel.operator in ("LayerNorm", "GeLU", "FlashAttentionScore"):
        operator = f"{kernel.operator}Grad"
        kind = {"LayerNormGrad": "LayerNormGradV3", "GeLUGrad": "GeluGrad"}.get(operator, operator)
        inputs = (kernel.output, *kernel.inputs)
        yield Kernel(
            scope, operator, kind, inputs, kernel.inputs[0], core=kernel.core, operations=2 * kernel.operations
        )
    elif kernel.operator in ("Cast", "TransData"):
        yield vector(scope, kernel.operator, kernel.inputs[0])


def reduction(elements: int) -> Kernel:
    scope = "Default/grad_reducer-DistributedGradReducer"
    return Kernel(scope, "AllReduce", "hcom_allReduce_", ((elements,),), (elements,), core="COMMUNICATION")


def backward() -> Iterator[Kernel]:
    yield vector(f"Gradients/{LOSS}/Grad_SoftmaxCrossEntropyWithLogits", "Mul", (PROFILE_BATCH, CLASSES), inputs=2)
    block_weights = 12 * WIDTH * WIDTH
    for position, kernel in enumerate(reversed(list(forward())[:-4])):
        yield from backward_of(kernel)
        if position in (18, 40):
            yield reduction(2 * block_weights)
    yield reduction(block_weights)


def optimizer() -> Iterator[Kernel]:
    for number, elements in enumerate((WIDTH * WIDTH * 12,) * DEPTH + (WIDTH * CHANNELS * PATCH * PATCH,)):
        gap = 900_000 if number == 0 else 0
        scope = "Default/optimizer-Momentum"
        yield Kernel(scope, "ApplyMomentum", "ApplyMomentum", ((elements,),) * 4, (elements,), "FLOAT", host_gap_ns=gap)


def duration_of(kernel: Kernel, noise: np.random.Generator) -> int:
    elements = sum(int(np.prod(shape)) for shape in (*kernel.inputs, kernel.output))
    size = elements * (4 if kernel.dtype == "FLOAT" else 2)
    rate = 40 if kernel.core == "COMMUNICATION" else BYTES_A_NS
    speed = 10 if kernel.core == "AI_CPU" else OPERATIONS_A_NS
    nanoseconds = 1_200 + size / rate + kernel.operations / speed
    return int(nanoseconds * noise.uniform(0.98, 1.05)) // 20 * 20


def execute() -> tuple[list[Executed], list[tuple[int, int, int]]]:
    """Run the program: the host launches in order, each stream takes its kernels one after the other.

    Returns:
        The kernels in order of launch, and (step, start, end) of each step on the host.
    """
    noise = np.random.default_rng(SEED)
    done: list[Executed] = []
    steps = []
    launch = 0
    free = {COMPUTE_STREAM: 0, COMMUNICATION_STREAM: 0}
    for step in range(FIRST_STEP, FIRST_STEP + PROFILED_STEPS):
        begin = launch
        for number, kernel in enumerate((*forward(), *backward(), *optimizer())):
            launch += int(noise.integers(2_000, 4_000)) + kernel.host_gap_ns
            stream = COMMUNICATION_STREAM if kernel.core == "COMMUNICATION" else COMPUTE_STREAM
            ready = max(free.values()) if kernel.operator == "ApplyMomentum" else free[stream]
            start = max(ready, launch + 8_000) + int(noise.integers(40, 200))
            wait = start - free[stream] if free[stream] else 0
            done.append(Executed(kernel, step, number, launch, start, duration_of(kernel, noise), wait))
            free[stream] = start + done[-1].dur_ns
        launch = max(free.values()) + 30_000
        steps.append((step, begin, launch))
        launch += 5_000
    return done, steps


def microseconds(ns: int) -> str:
    return f"{ns // 1000}.{ns % 1000:03d}"


def shape_cell(shapes: tuple[tuple[int, ...], ...]) -> str:
    return '"""' + ";".join(",".join(map(str, shape)) for shape in shapes) + '"""'


KERNEL_HEADER = (
    "Step ID,Model ID,Task ID,Stream ID,Name,Type,OP State,Accelerator Core,Start Time(us),Duration(us),Wait Time(us),"
    "Block Num,Mix Block Num,HF32 Eligible,Input Shapes,Input Data Types,Input Formats,Output Shapes,Output Data Types,"
    "Output Formats,Context ID"
)


def kernel_details(done: list[Executed]) -> str:
    lines = [KERNEL_HEADER]
    for task, row in enumerate(sorted(done, key=lambda each: each.start_ns), start=100):
        kernel = row.kernel
        times = f"{microseconds(EPOCH_NS + row.start_ns)}\t,{microseconds(row.dur_ns)},{microseconds(row.wait_ns)}"
        head = f"{row.step},4294967295"
        name = f"{row.launch_name}/{row.kernel_name}"
        if row.is_communication:
            absent = ",".join(["N/A"] * 9)
            lines.append(f"{head},N/A,N/A,{name},{kernel.kind},N/A,COMMUNICATION,{times},0,{absent}")
            continue
        types = ";".join([kernel.dtype] * len(kernel.inputs))
        formats = ";".join(["ND"] * len(kernel.inputs))
        tensors = f"{shape_cell(kernel.inputs)},{types},{formats},{shape_cell((kernel.output,))},{kernel.dtype},ND"
        blocks = 1 if kernel.core == "AI_CPU" else 20
        lines.append(
            f"{head},{task},{COMPUTE_STREAM},{name},{kernel.kind},dynamic,{kernel.core},{times},{blocks},0,NO,{tensors},N/A"
        )
    return "".join(line + "\r\n" for line in lines)


def op_statistic(done: list[Executed]) -> str:
    groups: dict[tuple[str, str], list[int]] = {}
    for row in done:
        if not row.is_communication:
            groups.setdefault((row.kernel.kind, row.kernel.core), []).append(row.dur_ns)
    total = sum(sum(times) for times in groups.values())
    lines = ["OP Type,Core Type,Count,Total Time(us),Min Time(us),Avg Time(us),Max Time(us),Ratio(%)"]
    for (kind, core), times in sorted(groups.items(), key=lambda item: -sum(item[1])):
        mean = f"{sum(times) / len(times) / 1000:.3f}"
        share = f"{100 * sum(times) / total:.3f}"
        numbers = [microseconds(sum(times)), microseconds(min(times)), mean, microseconds(max(times)), share]
        lines.append(",".join([kind, core, str(len(times)), *numbers]))
    return "\n".join(lines) + "\n"


def covered(intervals: list[tuple[int, int]]) -> int:
    length, reached = 0, 0
    for start, end in sorted(intervals):
        length += max(0, end - max(start, reached))
        reached = max(reached, end)
    return length


def step_trace_time(done: list[Executed], steps: list[tuple[int, int, int]]) -> str:
    lines = [
        "Step,Computing,Communication(Not Overlapped),Overlapped,Communication,Free,Stage,Bubble,"
        "Communication(Not Overlapped and Exclude Receive),Preparing"
    ]
    for step, begin, end in steps:
        rows = [row for row in done if row.step == step]
        spans = {
            flag: [(r.start_ns, r.start_ns + r.dur_ns) for r in rows if r.is_communication is flag]
            for flag in (True, False)
        }
        computing, communication = covered(spans[False]), covered(spans[True])
        busy = covered(spans[True] + spans[False])
        alone = busy - computing
        first = min(row.start_ns for row in rows)
        numbers = [
            computing,
            alone,
            communication - alone,
            communication,
            end - first - busy,
            0,
            0,
            alone,
            first - begin,
        ]
        lines.append(",".join([str(step), *map(microseconds, numbers)]))
    return "\n".join(lines) + "\n"


def trace_events(done: list[Executed], steps: list[tuple[int, int, int]]) -> Iterator[dict[str, object]]:
    lanes = {HOST_PID: "MindSpore", DEVICE_PID: "Ascend Hardware", COMMUNICATION_PID: "Communication"}
    for pid, name in lanes.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
    for step, begin, end in steps:
        yield host_event(f"Python::PythonObserved::ProfilerStep#{step}", begin, end - begin)
    for connection, row in enumerate(done, start=1):
        launch, start = microseconds(EPOCH_NS + row.launch_ns), microseconds(EPOCH_NS + row.start_ns)
        on_link = row.is_communication
        pid = COMMUNICATION_PID if on_link else DEVICE_PID
        tid = 0 if on_link else COMPUTE_STREAM
        flow = {"name": "mindspore_to_npu", "cat": "async_npu", "bp": "e", "id": start}
        arguments = {"connection_id": connection}
        yield host_event(row.launch_name, row.launch_ns, 1_800)
        yield {
            "ph": "X",
            "name": row.kernel_name,
            "pid": pid,
            "tid": tid,
            "ts": start,
            "dur": row.dur_ns / 1000,
            "args": arguments,
        }
        yield {**flow, "ph": "s", "pid": HOST_PID, "tid": HOST_THREAD, "ts": launch}
        yield {**flow, "ph": "f", "pid": pid, "tid": tid, "ts": start}


def host_event(name: str, start_ns: int, dur_ns: int) -> dict[str, object]:
    times = {"ts": microseconds(EPOCH_NS + start_ns), "dur": microseconds(dur_ns)}
    return {"ph": "X", "name": name, "pid": HOST_PID, "tid": HOST_THREAD, **times, "cat": "", "args": {}}


def profiler_info() -> dict[str, object]:
    parameters = {
        "is_set_schedule": True,
        "profiler_level": "Level1",
        "activities": ["NPU", "CPU"],
        "aic_metrics": "None",
        "with_stack": False,
        "profile_memory": False,
        "record_shapes": False,
        "export_type": ["text"],
        "schedule": {"wait": 0, "active": PROFILED_STEPS, "warmup": 0, "repeat": 1, "skip_first": FIRST_STEP},
    }
    return {
        "synthetic": "invented by samples/record/make_ascend_run.py, not recorded",
        "profiler_parameters": parameters,
        "ms_profiler_info": {"rank_id": 0, "device_id": 0},
        "cann_profiler_info": {},
        "ms_version": "2.10.0",
        "cann_version": "synthetic",
        "jit_level": "O0",
    }


def files() -> dict[str, str]:
    """Give the text of every file by its path below the collection."""
    done, steps = execute()
    trace = io.StringIO()
    json.dump(list(trace_events(done, steps)), trace, separators=(",", ":"))
    output = f"{RUN}/ASCEND_PROFILER_OUTPUT"
    return {
        "README.md": README,
        f"{RUN}/SYNTHETIC.txt": "Invented by samples/record/make_ascend_run.py; nothing in this run was measured.\n",
        f"{RUN}/profiler_info_0.json": json.dumps(profiler_info(), indent=4) + "\n",
        f"{output}/kernel_details.csv": kernel_details(done),
        f"{output}/op_statistic.csv": op_statistic(done),
        f"{output}/step_trace_time.csv": step_trace_time(done, steps),
        f"{output}/trace_view.json": trace.getvalue() + "\n",
    }


def write_run(samples: Path) -> None:
    for path, text in files().items():
        file = samples / COLLECTION / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the samples folder")
    chosen = parser.parse_args().out
    write_run(chosen)
    about = {
        "what": "Ascend profiling run of MindSpore, one rank of two, three training steps of the Vision Transformer",
        "nature": "SYNTHETIC: invented by a program, nothing was measured",
        "command": "python samples/record/make_ascend_run.py --out samples",
        "seed": SEED,
    }
    write_manifest(chosen, COLLECTION, about)
