"""One recording of a PyTorch network with the module intervals of its steps.

    python record_torch.py NETWORK FOLDER [--stack] [--unlabelled]

Writes trace.json.gz and intervals.json: [begin_ns, end_ns, module] of every module call, by hooks and time.time_ns.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from settings import SEED, STEPS, WARM_UP_STEPS
from torch_held_out_networks import HELD_OUT
from torch_later_networks import LATER
from torch_networks import NETWORKS, tensors
from torch_user_networks import USER_NETWORKS

ALL_NETWORKS = {**NETWORKS, **HELD_OUT, **LATER, **USER_NETWORKS}


def main() -> None:
    """Record one network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted(ALL_NETWORKS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stack", action="store_true", help="record Python stacks as well")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True)
    record(arguments.network, arguments.folder, stack=arguments.stack)


def record(name: str, folder: Path, *, stack: bool) -> None:
    """Write the recording of three training steps into a folder."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    facts = ALL_NETWORKS[name]
    network, loss_of = facts.build().train(), facts.loss()
    optimizer = facts.optimizer(network)
    inputs, target = tensors(name)
    intervals = _intervals_of(network, loss_of)
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=STEPS, repeat=1)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU],
        schedule=schedule,
        record_shapes=True,
        with_stack=stack,
        on_trace_ready=lambda profiler: profiler.export_chrome_trace(str(folder / "trace.json.gz")),
    ) as profiler:
        for _ in range(WARM_UP_STEPS + STEPS):
            optimizer.zero_grad()
            loss_of(network(*inputs), target).backward()
            optimizer.step()
            profiler.step()
    (folder / "intervals.json").write_text(json.dumps(intervals))


def _intervals_of(network: torch.nn.Module, loss_of: torch.nn.Module) -> list[tuple[int, int, str]]:
    """Hook every module; the list fills as they run. Work directly in a parent is its `functional`."""
    intervals: list[tuple[int, int, str]] = []
    begun: list[int] = []

    def end(word: str) -> None:
        intervals.append((begun.pop(), time.time_ns(), word))

    for path, module in [*network.named_modules(), ("loss", loss_of)]:
        leaf = path and not any(module.children())
        word = path if leaf else f"{path}.functional".lstrip(".")
        module.register_forward_pre_hook(lambda *_: begun.append(time.time_ns()))
        module.register_forward_hook(lambda *_, word=word: end(word))
    return intervals


if __name__ == "__main__":
    main()
