"""One recording of a migrated network in MindSpore, with the cell intervals of its steps or the graph it ran.

    python record_mindspore.py NETWORK FOLDER --mode pynative | graph | jit

Writes the profiler's directory; in PyNative mode intervals.json as record_torch.py does, with backward intervals and
the times of the phases; in graph modes the graphs as MindSpore saves them.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import mindspore as ms
from mindspore import nn, profiler
from mindspore.profiler import _ExperimentalConfig
from mindspore_held_out_networks import HELD_OUT
from mindspore_later_networks import LATER
from mindspore_networks import NETWORKS, tensors
from mindspore_user_networks import USER_NETWORKS
from settings import SEED, STEPS, WARM_UP_STEPS

ALL_NETWORKS = {**NETWORKS, **HELD_OUT, **LATER, **USER_NETWORKS}
MODES = ("pynative", "graph", "jit")
_COMPOSITE_CELLS = (nn.GRU, nn.LSTM, nn.RNN)


def main() -> None:
    """Record one network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted(ALL_NETWORKS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", choices=MODES, required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True)
    record(arguments.network, arguments.folder.resolve(), arguments.mode)


def record(name: str, folder: Path, mode: str) -> None:
    """Write the recording of three training steps into a folder."""
    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    ms.set_device("CPU")
    ms.set_seed(SEED)
    if mode == "pynative":
        ms.runtime.launch_blocking()
    else:
        ms.set_context(save_graphs=2, save_graphs_path=str(folder / "graphs"))
    facts = ALL_NETWORKS[name]
    network, loss_of = facts.build().set_train(), facts.loss()
    optimizer = facts.optimizer(network)
    inputs, target = tensors(name)
    intervals: list[tuple[int, int, str]] = []
    if mode == "pynative":
        intervals = _intervals_of(network, loss_of)
    step = _training(network, loss_of, optimizer, mode, intervals)
    for _ in range(WARM_UP_STEPS):
        step(*inputs, target)
    ms.runtime.synchronize()
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        record_shapes=True,
        experimental_config=_ExperimentalConfig(
            profiler_level=profiler.ProfilerLevel.Level1, aic_metrics=profiler.AicoreMetrics.PipeUtilization
        ),
        on_trace_ready=profiler.tensorboard_trace_handler(str(folder), worker_name="workstation"),
    ):
        for _ in range(STEPS):
            loss = step(*inputs, target)
    assert float(loss.asnumpy()) < 1e6
    if intervals:
        (folder / "intervals.json").write_text(json.dumps(intervals))


def _training(network: nn.Cell, loss_of: nn.Cell, optimizer: nn.Optimizer, mode: str, intervals: list) -> object:
    if mode == "graph":

        class WithLoss(nn.Cell):
            def __init__(self, net: nn.Cell, loss: nn.Cell) -> None:
                super().__init__(auto_prefix=False)
                self.net, self.loss = net, loss

            def construct(self, *data: ms.Tensor) -> ms.Tensor:
                return self.loss(self.net(*data[:-1]), data[-1])

        return nn.TrainOneStepCell(WithLoss(network, loss_of), optimizer).set_train()

    def forward(*data: ms.Tensor) -> ms.Tensor:
        return loss_of(network(*data[:-1]), data[-1])

    gradients = ms.value_and_grad(forward, None, optimizer.parameters)
    if mode == "jit":

        @ms.jit
        def step(*data: ms.Tensor) -> ms.Tensor:
            loss, grads = gradients(*data)
            optimizer(grads)
            return loss

        return step

    def eager(*data: ms.Tensor) -> ms.Tensor:
        begin = time.time_ns()
        loss, grads = gradients(*data)
        middle = time.time_ns()
        optimizer(grads)
        ms.runtime.synchronize()
        intervals.append((begin, middle, "phase:network"))
        intervals.append((middle, time.time_ns(), "phase:optimizer"))
        return loss

    return eager


def _intervals_of(network: nn.Cell, loss_of: nn.Cell) -> list[tuple[int, int, str]]:
    """Wrap the call of every cell and hook its backward pass; the list fills as they run."""
    intervals: list[tuple[int, int, str]] = []
    words: dict[int, str] = {}
    inside_composite: set[int] = set()
    for path, cell in [*network.cells_and_names(), ("loss", loss_of)]:
        leaf = path and (not cell.cells() or isinstance(cell, _COMPOSITE_CELLS))
        words[id(cell)] = path if leaf else f"{path}.functional".lstrip(".")
        if isinstance(cell, _COMPOSITE_CELLS):
            inside_composite |= {id(inner) for _, inner in cell.cells_and_names() if inner is not cell}
    call = nn.Cell.__call__

    def timed(cell: nn.Cell, *inputs: object, **settings: object) -> object:
        begin = time.time_ns()
        result = call(cell, *inputs, **settings)
        if id(cell) in words and id(cell) not in inside_composite:
            intervals.append((begin, time.time_ns(), words[id(cell)]))
        return result

    nn.Cell.__call__ = timed
    for path, cell in network.cells_and_names():
        if path and not cell.cells() and id(cell) not in inside_composite and not isinstance(cell, nn.Embedding):
            _time_backward(cell, path, intervals)
    return intervals


def _time_backward(cell: nn.Cell, path: str, intervals: list[tuple[int, int, str]]) -> None:
    begun: list[int] = []

    def begin(*_: object) -> None:
        begun.append(time.time_ns())

    def end(*_: object) -> None:
        if begun:
            intervals.append((begun.pop(), time.time_ns(), f"backward:{path}"))

    cell.register_backward_pre_hook(begin)
    cell.register_backward_hook(end)


if __name__ == "__main__":
    main()
