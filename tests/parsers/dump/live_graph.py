"""Trains a small network for one step with a dump of every operator and of its graph; run by test_live_dump.

Usage: live_graph.py DIRECTORY
"""

import json
import os
import sys
from pathlib import Path

directory = Path(sys.argv[1])
configuration = directory / "dump.json"
common = {
    "op_debug_mode": 0,
    "dump_mode": 0,
    "path": str(directory / "dump"),
    "net_name": "Net",
    "iteration": "all",
    "saved_data": "tensor",
    "input_output": 0,
    "kernels": [],
    "support_device": [0],
}
configuration.write_text(
    json.dumps({"common_dump_settings": common, "e2e_dump_settings": {"enable": True, "trans_flag": True}})
)
os.environ["MINDSPORE_DUMP_CONFIG"] = str(configuration)
os.chdir(directory)

import mindspore  # noqa: E402 - the dump is configured when the framework is imported
import numpy as np  # noqa: E402
from mindspore import Tensor, nn, ops  # noqa: E402

mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
mindspore.set_seed(0)


class Network(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = nn.Dense(8, 16)
        self.norm = nn.LayerNorm((16,))
        self.last = nn.Dense(8, 5)

    def construct(self, x):
        hidden = ops.tanh(self.norm(self.first(x)))
        left, right = ops.split(hidden, 8, axis=1)
        return self.last(left * right)


class WithLoss(nn.Cell):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.loss = nn.CrossEntropyLoss()

    def construct(self, x, labels):
        return self.loss(self.net(x), labels)


network = Network()
step = nn.TrainOneStepCell(WithLoss(network), nn.Momentum(network.trainable_params(), 0.01, 0.9))
batch = Tensor(np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32))
step(batch, Tensor(np.array([0, 1, 2, 3], np.int32)))
