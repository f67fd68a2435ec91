"""Records the network of optimizers_torch.py with MindSpore's optimizers: python optimizers_mindspore.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops, profiler
from mindspore.profiler import _ExperimentalConfig

ms.set_context(mode=ms.PYNATIVE_MODE)
ms.set_device("CPU")
FORMS = {"adam": nn.Adam, "adam_weight_decay": nn.AdamWeightDecay}
random = np.random.default_rng(0)


def record(directory: Path, form: type[nn.Optimizer], *, groups: bool, clip: bool) -> None:
    network = nn.SequentialCell(
        nn.Dense(24, 32), nn.LayerNorm((32,)), nn.ReLU(), nn.Dense(32, 16), nn.ReLU(), nn.Dense(16, 8)
    )
    decayed = [one for one in network.trainable_params() if one.ndim > 1]
    others = [one for one in network.trainable_params() if one.ndim == 1]
    given = [{"params": decayed, "weight_decay": 0.01}, {"params": others}] if groups else network.trainable_params()
    optimizer, criterion = form(given, 1e-3), nn.CrossEntropyLoss()
    gradients = ms.value_and_grad(lambda x, y: criterion(network(x), y), None, optimizer.parameters)
    data = (
        ms.Tensor(random.standard_normal((16, 24)).astype(np.float32)),
        ms.Tensor(random.integers(0, 8, 16), ms.int32),
    )

    def step() -> None:
        _, found = gradients(*data)
        optimizer(ops.clip_by_global_norm(found, 1.0) if clip else found)
        ms.runtime.synchronize()

    step()
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        schedule=profiler.schedule(wait=0, warmup=0, active=3, repeat=1),
        record_shapes=True,
        experimental_config=_ExperimentalConfig(profiler_level=profiler.ProfilerLevel.Level1),
        on_trace_ready=profiler.tensorboard_trace_handler(str(directory), worker_name="one"),
    ) as recorder:
        for _ in range(3):
            step()
            recorder.step()


for name, form in FORMS.items():
    for groups in (False, True):
        for clip in (False, True):
            folder = Path(sys.argv[1]) / f"{name}{'_groups' if groups else ''}{'_clip' if clip else ''}"
            record(folder, form, groups=groups, clip=clip)
