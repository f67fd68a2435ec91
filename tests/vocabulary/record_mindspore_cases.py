"""Records every case of operator_cases.tsv with MindSpore's profiler; run by test_recorded_operators.

Usage: record_mindspore_cases.py DIRECTORY

Leaves the profiler's own files in DIRECTORY, and DIRECTORY/order.json: by case its error, or "". Kernels that no case
uses stand around the parts of each case: BesselJ0, forward, BesselJ1, forward and backward, BesselI0.
"""

import json
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import mint, nn, ops, profiler
from mindspore.profiler import _ExperimentalConfig
from operator_inputs import arrays, cases

ms.set_context(mode=ms.PYNATIVE_MODE)
ms.set_device("CPU")
ms.runtime.launch_blocking()
ms.set_seed(0)
ms.Tensor(np.zeros((2, 2), np.float32)).reshape(1, 4)
MARK = ms.Tensor(np.ones(1, np.float32))


def run(case: dict[str, str]) -> None:
    inputs = [ms.Tensor(array) for array in arrays(case["inputs"])]
    names = {"ms": ms, "nn": nn, "ops": ops, "mint": mint, "np": np, **dict(zip("abc", inputs, strict=False))}
    exec(case["mindspore_setup"].replace("; ", "\n"), names)

    def forward(*tensors):
        return eval(case["mindspore"], {**names, **dict(zip("abc", tensors, strict=False))})

    ops.bessel_j0(MARK)
    try:
        done = forward(*inputs)
        settle(done)
        ops.bessel_j1(MARK)
        places = tuple(at for at, tensor in enumerate(inputs) if tensor.dtype == ms.float32)
        if case["backward_class"]:
            if "m" in names and isinstance(names["m"], nn.Cell) and names["m"].trainable_params():
                settle(ms.grad(forward, places or None, names["m"].trainable_params())(*inputs))
            else:
                settle(ms.grad(forward, places)(*inputs))
    finally:
        ops.bessel_i0(MARK)


def settle(result) -> None:
    ms.runtime.synchronize()


errors: dict[str, str] = {}
with profiler.profile(
    activities=[profiler.ProfilerActivity.CPU],
    experimental_config=_ExperimentalConfig(profiler_level=profiler.ProfilerLevel.Level1),
    on_trace_ready=profiler.tensorboard_trace_handler(sys.argv[1], worker_name="cases"),
):
    for case in cases():
        if not case["mindspore"]:
            continue
        try:
            run(case)
            errors[case["case"]] = ""
        except Exception as error:  # noqa: BLE001 - whatever an operator refuses is told
            errors[case["case"]] = f"{type(error).__name__}: {error}"[:300]
Path(sys.argv[1], "order.json").write_text(json.dumps(errors), encoding="utf-8")
