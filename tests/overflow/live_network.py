"""Trains a small network for one step with a dump of every operator; run by test_live_dumps in its own process.

Usage: live_network.py CASE DIRECTORY
"""

import json
import os
import sys
from pathlib import Path

case, directory = sys.argv[1], Path(sys.argv[2])
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
        precision = mindspore.float16 if case.startswith("float16") else mindspore.float32
        self.first = nn.Dense(32, 32).to_float(precision)
        self.norm = nn.LayerNorm((32,)).to_float(precision)
        self.act = nn.GELU()
        self.softmax = nn.Softmax(-1)
        self.last = nn.Dense(32, 5).to_float(precision)

    def construct(self, x):
        hidden = self.act(self.norm(self.first(x)))
        if case == "masked_attention":
            scores = ops.matmul(hidden, hidden.T)
            scores = ops.masked_fill(scores, ops.triu(ops.ones_like(scores), 1) > 0, float("-inf"))
            hidden = ops.matmul(self.softmax(scores), hidden)
        if case == "float16_overflow":
            hidden = ops.exp(hidden * 100)
        return self.last(hidden)


class WithLoss(nn.Cell):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.loss = nn.CrossEntropyLoss()

    def construct(self, x, labels):
        return self.loss(self.net(x).astype(mindspore.float32), labels)


network = Network()
step = nn.TrainOneStepCell(WithLoss(network), nn.Momentum(network.trainable_params(), 0.01, 0.9))
x = np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)
if case == "nan_input":
    x[1, 2] = np.nan
step(Tensor(x), Tensor(np.array([0, 1, 2, 3], dtype=np.int32)))
