"""Trains small networks for a few steps with a dump of every operator; run by live_dumps in its own process.

Usage: live_network.py DIRECTORY CASE...

Each case compiles graphs of its own, whose numbers are written to DIRECTORY/graphs.json.
"""

import json
import os
import sys
from pathlib import Path

directory, cases = Path(sys.argv[1]), sys.argv[2:]
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
from mindspore import Parameter, Tensor, nn, ops  # noqa: E402

mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
mindspore.set_seed(0)


class Network(nn.Cell):
    """Dense, LayerNorm, GELU, the fault of the case, Dense."""

    def __init__(self, case):
        super().__init__()
        precision = mindspore.float16 if case.startswith("float16") else mindspore.float32
        self.case = case
        self.first = nn.Dense(32, 32).to_float(precision)
        self.norm = nn.LayerNorm((32,)).to_float(precision)
        self.act = nn.GELU()
        self.softmax = nn.Softmax(-1)
        self.last = nn.Dense(32, 5).to_float(precision)

    def construct(self, x):
        hidden = self.act(self.norm(self.first(x)))
        if self.case == "masked_attention":
            scores = ops.matmul(hidden, hidden.T)
            scores = ops.masked_fill(scores, ops.triu(ops.ones_like(scores), 1) > 0, float("-inf"))
            hidden = ops.matmul(self.softmax(scores), hidden)
        if self.case == "bfloat16_clean":
            hidden = hidden.astype(mindspore.bfloat16).astype(mindspore.float32)
        if self.case == "float16_exp_overflow":
            hidden = ops.exp(hidden * 100)
        if self.case == "float16_mul_overflow":
            hidden = hidden * 30000 * hidden
        if self.case == "log_of_negative":
            hidden = ops.log(-hidden)
        if self.case == "zero_over_zero":
            kept = ops.relu(hidden)
            hidden = kept / kept
        if self.case == "exp_overflow":
            grown = ops.exp(200 * hidden)
            hidden = grown / grown.sum(axis=-1, keepdims=True)
        if self.case == "sqrt_gradient":
            hidden = ops.sqrt(ops.relu(hidden))
        if self.case == "pow_of_negative":
            hidden = ops.pow(hidden, 0.5)
        if self.case == "rsqrt_of_zero":
            hidden = ops.rsqrt(ops.relu(hidden))
        if self.case == "softmax_of_inf":
            hidden = self.softmax(ops.exp(hidden * 200))
        return self.last(hidden)


class Convolutions(nn.Cell):
    """Convolution, BatchNorm, ReLU, pooling, the logarithm of a mean that is negative in places."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AvgPool2d(2)
        self.flat = nn.Flatten()
        self.last = nn.Dense(16, 5)

    def construct(self, x):
        hidden = self.pool(self.norm(self.conv(x.reshape((-1, 1, 4, 8)))))
        hidden = self.flat(hidden)[:, :16]
        return self.last(ops.log(hidden) if self.case == "conv_log" else ops.relu(hidden))


class WithLoss(nn.Cell):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.loss = nn.CrossEntropyLoss()

    def construct(self, x, labels):
        return self.loss(self.net(x).astype(mindspore.float32), labels)


class WithLossScale(nn.Cell):
    """A training step under a dynamic loss scale, as MindSpore documents it for its functional form."""

    def __init__(self, net, optimizer, scale):
        super().__init__(auto_prefix=False)
        self.network, self.optimizer = net, optimizer
        self.loss_scale = Parameter(Tensor(scale, mindspore.float32), name="loss_scale", requires_grad=False)
        self.weights = optimizer.parameters
        self.grad = ops.GradOperation(get_by_list=True, sens_param=True)

    def construct(self, x, labels):
        loss = self.network(x, labels)
        sens = ops.fill(mindspore.float32, (), 1.0) * self.loss_scale
        grads = self.grad(self.network, self.weights)(x, labels, sens)
        total = Tensor(0.0, mindspore.float32)
        for grad in grads:
            total = total + (grad.astype(mindspore.float32) * 0).sum()
        finite = ops.equal(total, total)
        scaled = ()
        for grad in grads:
            scaled += (grad / self.loss_scale,)
        if finite:
            loss = ops.depend(loss, self.optimizer(scaled))
        else:
            ops.assign(self.loss_scale, self.loss_scale / 2)
        return loss


class HalfGradients(nn.Cell):
    """A network whose gradients overflow float16 under a large scale, and whose forward part does not."""

    def __init__(self):
        super().__init__()
        self.first = nn.Dense(32, 32)
        self.last = nn.Dense(32, 5)

    def construct(self, x):
        hidden = ops.relu(self.first(x))
        half = hidden.astype(mindspore.float16) * Tensor(8.0, mindspore.float16)
        return self.last(half.astype(mindspore.float32) / 8)


def train(case):
    scaling = case.startswith("loss_scale")
    network = Convolutions(case) if case.startswith("conv") else HalfGradients() if scaling else Network(case)
    rate = 1e30 if case == "large_learning_rate" else 0.01
    optimizer = nn.Momentum(network.trainable_params(), rate, 0.9)
    if scaling:
        step = WithLossScale(WithLoss(network), optimizer, 2.0**24)
    else:
        step = nn.TrainOneStepCell(WithLoss(network), optimizer)
    x = np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)
    if case == "nan_input":
        x[1, 2] = np.nan
    if case == "nan_weight":
        network.first.weight.set_data(Tensor(np.full((32, 32), np.nan, dtype=np.float32)))
    for _ in range(6 if scaling else 3 if case == "large_learning_rate" else 1):
        step(Tensor(x), Tensor(np.array([0, 1, 2, 3], dtype=np.int32)))


def graphs_so_far():
    return {int(folder.name) for folder in directory.glob("dump/rank_0/Net/*")}


graphs = {}
for case in cases:
    before = graphs_so_far()
    train(case)
    graphs[case] = sorted(graphs_so_far() - before)
    (directory / "graphs.json").write_text(json.dumps(graphs))
