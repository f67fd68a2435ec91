"""Measures in the recorded files what was planted, with numpy and the standard library alone."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np


def planted_faults(vit: Path) -> list[dict[str, object]]:
    """The three faults: where, what kind, and the numbers that prove it."""
    return [_slow_module(vit), _wrong_gelu(vit), _nan_origin(vit)]


def _slow_module(vit: Path) -> dict[str, object]:
    clean = _fc1_of_block_2_ms(vit / "mindspore_clean" / "pynative")
    slow = _fc1_of_block_2_ms(vit / "mindspore_slow" / "pynative")
    return {
        "variant": "vit/mindspore_slow",
        "kind": "slow",
        "module": "blocks.2.mlp.fc1",
        "what": "written as a broadcast product and a sum in float64 instead of a matrix product; equal numbers",
        "forward_kernels": [name for name, _ in slow[0]],
        "forward_kernel_ms_of_each_step": {
            "pytorch": [round(ms, 6) for ms in _torch_fc1_of_block_2_ms(vit / "pytorch" / "profile" / "trace.json.gz")],
            "clean": [round(sum(ms for _, ms in step), 6) for step in clean],
            "slow": [round(sum(ms for _, ms in step), 6) for step in slow],
        },
        "note": "its backward is slower too. The convolution patch_embed.proj and the exact GELU (six kernels) are "
        "slow against PyTorch in every variant: MindSpore's CPU kernels are, nothing is planted there",
    }


def _fc1_of_block_2_ms(profile: Path) -> list[list[tuple[str, float]]]:
    """Name and milliseconds of the kernels of blocks.2.mlp.fc1, for each step.

    A step begins with the only Conv2D. Kernels run one after the other, so fc1 is all between the sixth LayerNorm
    (norm2 of block 2) and the Sqrt that begins GELU.
    """
    (file,) = profile.glob("*_ascend_ms/FRAMEWORK/cpu_op_execute_timestamp_*.txt")
    executions = []
    for line in file.read_text().splitlines():
        name, _, times = line.split(";")
        for execution in times.split():
            start, milliseconds, _ = execution.split(",")
            executions.append((int(start), name, float(milliseconds)))
    steps: list[list[tuple[str, float]]] = []
    norms = 0
    for _, name, milliseconds in sorted(executions):
        kernel = name.rsplit("/", 1)[-1].split("-op")[0]
        if kernel == "Conv2D":
            steps.append([])
            norms = 0
        elif kernel == "LayerNorm" or (kernel == "Sqrt" and norms == 6):
            norms += 1
        elif norms == 6:
            steps[-1].append((kernel, milliseconds))
    return steps


def _torch_fc1_of_block_2_ms(trace: Path) -> list[float]:
    """Milliseconds of the third linear from 192 to 768 features of each of the three steps."""
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    linears = sorted(
        (event["ts"], event["dur"] / 1000)
        for event in events
        if event.get("name") == "aten::linear" and event["args"]["Input Dims"][1] == [768, 192]
    )
    return [milliseconds for _, milliseconds in linears][2::4]


def _wrong_gelu(vit: Path) -> dict[str, object]:
    module = "blocks.1.mlp.act"
    reference = _output(vit / "pytorch", module)
    return {
        "variant": "vit/mindspore_gelu_tanh",
        "kind": "parity",
        "module": module,
        "what": "nn.GELU() of MindSpore is the tanh form by default; PyTorch's is exact, as nn.GELU(approximate=False)",
        "relative_l2_error_at_module": {
            "clean": relative_error(reference, _output(vit / "mindspore_clean", module)),
            "faulty": relative_error(reference, _output(vit / "mindspore_gelu_tanh", module)),
        },
    }


def _output(side: Path, module: str) -> np.ndarray:
    (file,) = (side / "outputs").glob(f"[0-9][0-9][0-9][0-9]_{module}.npy")
    return np.load(file, allow_pickle=False)


def relative_error(reference: np.ndarray, other: np.ndarray) -> float:
    """|a - b| / |a| in the Euclidean norm, computed in float64."""
    wide = reference.astype(np.float64)
    return float(np.linalg.norm(wide - other) / np.linalg.norm(wide))


def _nan_origin(vit: Path) -> dict[str, object]:
    """The first operator by time of its first output whose dumped inputs are finite and some output is not."""
    operators = defaultdict(list)
    dump = vit / "mindspore_nan" / "dump"
    for file in dump.glob("rank_0/vit/0/0/*.npy"):
        op_type, name, _, _, time, direction, *_ = file.name.split(".")
        array = np.load(file, allow_pickle=False)
        operators[op_type, name].append((direction, int(time), array))

    def is_origin(tensors: list[tuple[str, int, np.ndarray]]) -> bool:
        finite = {"input": True, "output": True}
        for direction, _, array in tensors:
            finite[direction] &= bool(np.isfinite(array).all())
        return finite["input"] and not finite["output"]

    def first_output(key: tuple[str, str]) -> int:
        return min(time for direction, time, _ in operators[key] if direction == "output")

    origins = sorted((key for key, tensors in operators.items() if is_origin(tensors)), key=first_output)
    op_type, name = origins[0]
    (output,) = (array for direction, _, array in operators[origins[0]] if direction == "output")
    return {
        "variant": "vit/mindspore_nan",
        "kind": "nan",
        "module": "blocks.1.norm2",
        "what": "hand-written layer normalisation over axis 0 without epsilon: a batch of one gives 0 / 0",
        "op_type": op_type,
        "op_name": name,
        "nan_in_output": int(np.isnan(output).sum()),
        "elements_of_output": output.size,
        "origins_in_the_dump": len(origins),
    }
