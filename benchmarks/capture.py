"""What `profkit.capture` costs while it keeps tensors: PyNative and graph mode, without and with it.

    python benchmarks/capture.py
    python benchmarks/capture.py --steps 20

One MindSpore ViT (4 blocks of width 192, 8 images of 64 by 64), forward and backward on the CPU. Each row is a process
of its own, one after the other: processor seconds of the process per step behind one that warms up, so that in graph
mode the building of the graph is told apart. All modules, inputs, outputs and gradients whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

from measure import measure, table

NETWORKS = Path(__file__).resolve().parents[1] / "tests" / "difference_finder" / "networks"
MODES = ("PYNATIVE_MODE", "GRAPH_MODE")


def run(mode: str, steps: int, *, captured: bool) -> None:
    """Train without an optimizer and print the processor seconds of the first and of the other steps."""
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(NETWORKS))
    import finder_mindspore_nets as nets
    import mindspore as ms
    import numpy as np

    import profkit

    ms.set_context(mode=getattr(ms, mode))
    net = nets.vit(image=64, patch=8, width=192, heads=4, depth=4)
    images = ms.Tensor(np.random.default_rng(3).standard_normal((8, 3, 64, 64)).astype(np.float32))

    def forward(x: object) -> object:
        return net(x).sum()

    gradients_of = ms.value_and_grad(forward, None, net.trainable_params())
    with tempfile.TemporaryDirectory() as folder:
        taken = []
        watching = profkit.capture(net, Path(folder) / "capture", steps=steps + 1, profile_steps=0)
        with watching if captured else nullcontext():
            for _ in range(steps + 1):
                begun = time.process_time()
                loss, _ = gradients_of(images)
                loss.asnumpy()
                taken.append(time.process_time() - begun)
        kept = sum(file.stat().st_size for file in Path(folder).rglob("*.npy"))
    print(json.dumps({"first": taken[0], "step": sum(taken[1:]) / steps, "mib": kept / (steps + 1) / 2**20}))


def main() -> int:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--run", nargs=2, metavar=("MODE", "CAPTURED"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.run is not None:
        run(chosen.run[0], chosen.steps, captured=chosen.run[1] == "yes")
        return 0
    rows = []
    for mode in MODES:
        for captured in ("no", "yes"):
            took = measure([sys.executable, __file__, "--steps", str(chosen.steps), "--run", mode, captured])
            if took.exit_code != 0:
                raise SystemExit(f"{mode}, capture {captured}: {took.output}")
            found = json.loads(took.output)
            figures = (f"{found['first']:.2f}", f"{found['step']:.3f}", f"{found['mib']:.1f}", f"{took.peak_mib:,.0f}")
            rows.append((mode, captured, *figures))
    print(table(rows, ("mode", "captured", "first step, CPU s", "step, CPU s", "kept a step, MiB", "peak RSS MiB")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
