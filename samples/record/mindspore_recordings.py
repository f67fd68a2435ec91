"""What is recorded of the MindSpore network: profiles, tensors of every module, dumps of one step."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mindspore as ms
import numpy as np
from dump_selection import kept_kernels
from mindspore import nn, profiler
from mindspore.profiler import _ExperimentalConfig
from vit_mindspore import as_array, build_network, build_training, tensors_of
from vit_settings import PROFILE_BATCH, PROFILED_STEPS, TENSOR_BATCH, sampled_gradient

MODES = {"pynative": ms.PYNATIVE_MODE, "graph": ms.GRAPH_MODE}
WARM_UP_STEPS = 2
WORKER = "workstation"


def _set_mode(mode: str) -> None:
    ms.set_context(mode=MODES[mode])
    ms.set_device("CPU")
    if mode == "pynative":
        # Without it the threads that run ahead and the thread that computes take turns on the few cores, and single
        # kernels last a scheduler slice (4 ms) longer. The order and number of kernels stay the same.
        ms.runtime.launch_blocking()


def record_profile(folder: Path, mode: str, fault: str) -> dict[str, object]:
    """Write `workstation_<pid>_<time>_ascend_ms` of three training steps; returns the losses of all five."""
    _set_mode(mode)
    training = build_training(build_network(fault))
    images, labels = tensors_of(PROFILE_BATCH)
    losses = [float(as_array(training(images, labels))) for _ in range(WARM_UP_STEPS)]
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        record_shapes=True,
        experimental_config=_ExperimentalConfig(
            profiler_level=profiler.ProfilerLevel.Level1, aic_metrics=profiler.AicoreMetrics.PipeUtilization
        ),
        on_trace_ready=profiler.tensorboard_trace_handler(str(folder), worker_name=WORKER),
    ):
        losses += [float(as_array(training(images, labels))) for _ in range(PROFILED_STEPS)]
    return {"losses": losses}


def record_tensors(folder: Path, fault: str) -> dict[str, object]:
    """Write outputs/ of every cell in the order they finish, and gradients/ of every parameter, of one step."""
    _set_mode("pynative")
    network = build_network(fault)
    outputs = folder / "outputs"
    gradients = folder / "gradients"
    outputs.mkdir(parents=True)
    gradients.mkdir()
    finished: list[str] = []

    def save_output(path: str, output: ms.Tensor) -> None:
        np.save(outputs / f"{len(finished):04d}_{path}.npy", as_array(output))
        finished.append(path)

    hooks = [
        cell.register_forward_hook(lambda _cell, _inputs, output, path=path: save_output(path, output))
        for path, cell in network.cells_and_names()
        if path
    ]
    images, labels = tensors_of(TENSOR_BATCH)
    network(images)
    for hook in hooks:
        hook.remove()
    parameters = network.trainable_params()
    loss_of = nn.CrossEntropyLoss()
    loss, values = ms.value_and_grad(lambda: loss_of(network(images), labels), None, parameters)()
    for order, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        np.save(gradients / f"{order:04d}_{parameter.name}.npy", sampled_gradient(as_array(value)))
    return {"loss": float(as_array(loss))}


def record_dump(folder: Path, fault: str) -> dict[str, object]:
    """Dump the selected kernels of one training step in graph mode; the .ir files, 1.7 MB each, are not kept."""
    folder = folder.resolve()
    configuration = folder / "dump.json"
    _write_dump_configuration(configuration, folder, fault)
    os.environ["MINDSPORE_DUMP_CONFIG"] = str(configuration)
    _set_mode("graph")
    training = build_training(build_network(fault))
    images, labels = tensors_of(TENSOR_BATCH)
    loss = float(as_array(training(images, labels)))
    configuration.unlink()
    for file in folder.rglob("*.ir"):
        file.unlink()
    return {"loss": loss}


def _write_dump_configuration(file: Path, folder: Path, fault: str) -> None:
    configuration = {
        "common_dump_settings": {
            "op_debug_mode": 0,
            "dump_mode": 1,
            "path": str(folder),
            "net_name": "vit",
            "iteration": "0",
            "saved_data": "tensor",
            "input_output": 0,
            "kernels": kept_kernels(fault),
            "support_device": [0],
        },
        "e2e_dump_settings": {"enable": True, "trans_flag": True},
    }
    file.write_text(json.dumps(configuration, indent=1))
