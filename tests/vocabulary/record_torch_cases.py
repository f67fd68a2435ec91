"""Records every case of operator_cases.tsv with PyTorch's profiler; run by test_recorded_operators.

Usage: record_torch_cases.py OUTPUT.json

Writes, by case, `forward` and `backward` (lists of the outermost operators, each a list of its name and the names of
all that is nested in it) or `error`. Names and nesting are those of the profiler's own event tree.
"""

import json
import sys
from pathlib import Path

import torch
from operator_inputs import arrays, cases
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile

torch.manual_seed(0)


def run(case: dict[str, str]) -> None:
    inputs = [torch.tensor(array) for array in arrays(case["inputs"])]
    inputs = [tensor.long() if tensor.dtype == torch.int32 else tensor for tensor in inputs]
    leaves = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point() and case["backward_class"]]
    names = {"torch": torch, "F": torch.nn.functional, **dict(zip("abc", inputs, strict=False))}
    exec(case["torch_setup"].replace("; ", "\n"), names)
    with record_function(f"forward:{case['case']}"):
        output = eval(case["torch"], names)
    if leaves:
        seed = torch.ones_like(output)
        with record_function(f"backward:{case['case']}"):
            output.backward(seed)


def tree(event) -> list[str]:
    return [event.name, *(name for child in event.cpu_children for name in tree(child))]


recorded: dict[str, dict] = {}
with profile(activities=[ProfilerActivity.CPU]) as profiler:
    for case in cases():
        if not case["torch"]:
            continue
        try:
            run(case)
        except Exception as error:  # noqa: BLE001 - whatever an operator refuses is told
            recorded[case["case"]] = {"error": f"{type(error).__name__}: {error}"[:300]}
events = profiler.events()
for event in events:
    part, _, case = event.name.partition(":")
    if part in ("forward", "backward") and case and not case.startswith(":"):
        recorded.setdefault(case, {})[part] = [tree(child) for child in event.cpu_children]
Path(sys.argv[1]).write_text(json.dumps(recorded), encoding="utf-8")
