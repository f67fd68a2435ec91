"""Ten faults of a migration in a ViT-B/16 of full size: which module NetDifferenceFinder names, and how long it takes.

    python benchmarks/difference_finder.py
    python benchmarks/difference_finder.py --faults "tanh GELU" "swapped layers"

Both networks have 12 blocks of width 768 and take an image of 224 by 224; the fault stands in the last block, or where
a network has it once. A ViT has no BatchNorm: for its statistics there is one behind the patches. Each row is a process
of its own, one after the other, from the making of both networks to the verdict: forward free and isolated, loss,
gradients and a step of SGD. Exit code 1 if a fault is named elsewhere or a clean pair does not match.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from measure import measure

NETWORKS = Path(__file__).resolve().parents[1] / "tests" / "difference_finder" / "networks"
SIZE = {"image": 224, "patch": 16, "width": 768, "heads": 12, "depth": 12}
CLEAN = "none"
WHERE = {
    CLEAN: None,
    "epsilon": "blocks.11.norm2",
    "tanh GELU": "blocks.11.mlp.act",
    "transposed weight": "blocks.11.attn.proj",
    "missing scale": "blocks.11.attn",
    "wrong padding": "patch",
    "BatchNorm statistics": "patch_norm",
    "dropout on": "blocks.11.mlp.drop",
    "wrong reduction": "loss",
    "optimizer weight decay": "optimizer",
    "swapped layers": "blocks.11",
}


def find(fault: str) -> None:
    """Run the finder on one fault and print the verdict as one line of JSON."""
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(NETWORKS))
    import finder_mindspore_nets as mindspore_nets
    import finder_torch_nets as torch_nets
    import numpy as np

    import profkit as ts

    size = {**SIZE, "patch_norm": fault == "BatchNorm statistics"}
    finder = ts.migrator.NetDifferenceFinder(
        torch_nets.vit(**size),
        mindspore_nets.vit(fault, **size),
        print_level=0,
        pt_loss=torch_nets.loss,
        ms_loss=mindspore_nets.summed_loss if fault == "wrong reduction" else mindspore_nets.loss,
        pt_optimizer=torch_nets.optimizer,
        ms_optimizer=(
            mindspore_nets.decaying_optimizer if fault == "optimizer weight decay" else mindspore_nets.optimizer
        ),
    )
    images = np.random.default_rng(3).standard_normal((2, 3, 224, 224)).astype(np.float32)
    found = finder.compare(inputs=(images,), labels=np.array([0, 2]))
    print(json.dumps({"verdict": found.verdict, "module": found.module, "causes": len(found.causes)}))


def main() -> int:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--faults", nargs="+", choices=WHERE, default=list(WHERE), metavar="FAULT")
    options.add_argument("--find", choices=WHERE, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.find is not None:
        find(chosen.find)
        return 0
    wrong = 0
    print("| fault | verdict | module named | as planted | causes | wall s | CPU s | peak RSS MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for fault in chosen.faults:
        took = measure([sys.executable, __file__, "--find", fault])
        if took.exit_code != 0:
            raise SystemExit(f"{fault}: {took.output}")
        found = json.loads(took.output)
        right = found["module"] == WHERE[fault] and (found["verdict"] == "match") == (fault == CLEAN)
        wrong += not right
        module, planted = found["module"] or "-", "yes" if right else "NO"
        print(
            f"| {fault} | {found['verdict']} | {module} | {planted} | {found['causes']} "
            f"| {took.wall_s:.0f} | {took.cpu_s:.0f} | {took.peak_mib:,.0f} |",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
