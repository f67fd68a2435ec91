"""Records three networks twice each with MindSpore's profiler, unchanged in between; run by test_clean_pairs.

Usage: clean_pairs_mindspore.py DIRECTORY
"""

import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops, profiler
from mindspore.profiler import _ExperimentalConfig

ms.set_context(mode=ms.PYNATIVE_MODE)
ms.set_device("CPU")
# Threads that run ahead would take turns with the one that computes on few cores.
ms.runtime.launch_blocking()
ms.set_seed(0)


class Residual(nn.Cell):
    """Convolutions with norms and residual branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, pad_mode="pad", padding=1)
        self.convs = nn.CellList([nn.Conv2d(16, 16, 3, pad_mode="pad", padding=1) for _ in range(3)])
        self.norms = nn.CellList([nn.BatchNorm2d(16) for _ in range(3)])
        self.head = nn.Dense(16, 8)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.stem(images)
        for conv, norm in zip(self.convs, self.norms):  # noqa: B905 - CellList
            x = x + ops.relu(norm(conv(x)))
        return self.head(ops.mean(x, (2, 3)))


class Attention(nn.Cell):
    """One attention layer with separate projections, and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 64)
        self.query, self.key, self.value = nn.Dense(64, 64), nn.Dense(64, 64), nn.Dense(64, 64)
        self.norm = nn.LayerNorm((64,))
        self.head = nn.Dense(64, 8)

    def construct(self, tokens: ms.Tensor) -> ms.Tensor:
        x = self.embed(tokens)
        weights = ops.softmax(ops.bmm(self.query(x), self.key(x).swapaxes(1, 2)) / 8.0)
        return self.head(ops.mean(self.norm(x + ops.bmm(weights, self.value(x))), 1))


def perceptron() -> nn.Cell:
    cells = [nn.SequentialCell(nn.Dense(256, 256), nn.LayerNorm((256,)), nn.GELU()) for _ in range(5)]
    return nn.SequentialCell(*cells, nn.Dense(256, 8))


random = np.random.default_rng(0)
NETWORKS = {
    "residual": (Residual, random.standard_normal((8, 3, 24, 24)).astype(np.float32)),
    "attention": (Attention, random.integers(0, 50, (8, 12)).astype(np.int32)),
    "perceptron": (perceptron, random.standard_normal((64, 256)).astype(np.float32)),
}


def record(directory: Path, build, inputs: np.ndarray) -> None:
    network = build()
    training = nn.TrainOneStepCell(nn.WithLossCell(network, nn.CrossEntropyLoss()), nn.Adam(network.trainable_params()))
    data = ms.Tensor(inputs), ms.Tensor(random.integers(0, 8, len(inputs)).astype(np.int32))
    for _ in range(3):
        training(*data).asnumpy()
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        record_shapes=True,
        experimental_config=_ExperimentalConfig(profiler_level=profiler.ProfilerLevel.Level1),
        on_trace_ready=profiler.tensorboard_trace_handler(str(directory), worker_name="clean"),
    ):
        for _ in range(6):
            training(*data).asnumpy()


for name, (build, inputs) in NETWORKS.items():
    for turn in ("first", "second"):
        record(Path(sys.argv[1]) / name / turn, build, inputs)
