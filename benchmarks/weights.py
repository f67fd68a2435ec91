"""What it costs to convert and to compare the weights of a ViT-B/16: profkit beside TroubleShooter, whole processes.

    python benchmarks/weights.py --folder /tmp
    python benchmarks/weights.py --troubleshooter-python /path/to/environment/bin/python

The weights are synthetic: normal random numbers under the names and shapes of a ViT-B/16, 86,567,656 parameters in
float32, 346 MB. profkit converts .pth to .ckpt and back, mapped against a description of the other side, and compares
the two with all its metrics. TroubleShooter takes the same .pth, and a map that is made already. Each method is
measured several times, in turn, and the median is shown: on a busy machine only the ratios say something.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

from measure import Measurement, measure, table

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
DEPTH, WIDTH = 12, 768

PLAIN_COPY = """
import sys
room = bytearray(1 << 20)
with open(sys.argv[1], "rb", buffering=0) as source, open(sys.argv[2], "wb", buffering=0) as target:
    while count := source.readinto(room):
        target.write(memoryview(room)[:count])
"""
# The wheel of TroubleShooter 1.0.18 imports two names that MindSpore 2.10 no longer has; stand-ins let it start.
TROUBLESHOOTER = """
import json, sys, types
import mindspore
stub = types.ModuleType("mindspore.common._stub_tensor")
stub.StubTensor = type("StubTensor", (), {})
sys.modules[stub.__name__] = mindspore.common._stub_tensor = stub
import mindspore.common.api as api
for name in ("_MindsporeFunctionExecutor", "_PynativeExecutor"):
    if not hasattr(api, name):
        setattr(api, name, type(name, (), {}))
import troubleshooter as ts
"""
# The call by itself, when everything is imported, is what a script takes that has imported its frameworks anyway.
CALL = """
import time
started = time.perf_counter()
{call}
print(time.perf_counter() - started)
"""
TROUBLESHOOTER_CONVERT = TROUBLESHOOTER + CALL.format(
    call="ts.migrator.convert_weight("
    "weight_map_path=sys.argv[3], pt_file_path=sys.argv[1], ms_file_save_path=sys.argv[2])"
)
TROUBLESHOOTER_COMPARE = TROUBLESHOOTER + CALL.format(
    call="ts.migrator.compare_pth_and_ckpt(sys.argv[3], sys.argv[1], sys.argv[2])"
)
# The same calls of the migration guide, printed tables included.
PROFKIT_CONVERT = """
import sys
import profkit as ts
ts.migrator.convert_weight
""" + CALL.format(
    call="ts.migrator.convert_weight("
    "weight_map_path=sys.argv[3], pt_file_path=sys.argv[1], ms_file_save_path=sys.argv[2])"
)
PROFKIT_COMPARE = """
import sys
import profkit as ts
ts.migrator.compare_pth_and_ckpt
""" + CALL.format(call="ts.migrator.compare_pth_and_ckpt(sys.argv[3], sys.argv[1], sys.argv[2])")


def vit_shapes() -> dict[str, tuple[int, ...]]:
    """Give the parameters of torchvision's vit_b_16 in PyTorch's words."""
    shapes: dict[str, tuple[int, ...]] = {
        "class_token": (1, 1, WIDTH),
        "conv_proj.weight": (WIDTH, 3, 16, 16),
        "conv_proj.bias": (WIDTH,),
        "encoder.pos_embedding": (1, 197, WIDTH),
    }
    for number in range(DEPTH):
        layer = f"encoder.layers.encoder_layer_{number}"
        shapes |= {
            f"{layer}.ln_1.weight": (WIDTH,),
            f"{layer}.ln_1.bias": (WIDTH,),
            f"{layer}.self_attention.in_proj_weight": (3 * WIDTH, WIDTH),
            f"{layer}.self_attention.in_proj_bias": (3 * WIDTH,),
            f"{layer}.self_attention.out_proj.weight": (WIDTH, WIDTH),
            f"{layer}.self_attention.out_proj.bias": (WIDTH,),
            f"{layer}.ln_2.weight": (WIDTH,),
            f"{layer}.ln_2.bias": (WIDTH,),
            f"{layer}.mlp.0.weight": (4 * WIDTH, WIDTH),
            f"{layer}.mlp.0.bias": (4 * WIDTH,),
            f"{layer}.mlp.3.weight": (WIDTH, 4 * WIDTH),
            f"{layer}.mlp.3.bias": (WIDTH,),
        }
    return shapes | {
        "encoder.ln.weight": (WIDTH,),
        "encoder.ln.bias": (WIDTH,),
        "heads.head.weight": (1000, WIDTH),
        "heads.head.bias": (1000,),
    }


def write_weights(folder: Path) -> None:
    """Write net.pth, the description of a MindSpore network for it, and TroubleShooter's map."""
    import numpy as np

    from profkit.parsers.checkpoint.number_formats import StoredWords
    from profkit.weights import NetDescription, ParameterDescription, make_map, write_troubleshooter_map
    from profkit.weights.outgoing import OutgoingTensor
    from profkit.weights.torch_writer import write_torch_checkpoint

    random = np.random.default_rng(0)
    shapes = vit_shapes()

    def opener(shape: tuple[int, ...]) -> StoredWords:
        return StoredWords(random.standard_normal(shape, np.float32), "float32")

    tensors = [
        OutgoingTensor(name, "float32", shape, lambda shape=shape: opener(shape)) for name, shape in shapes.items()
    ]
    write_torch_checkpoint(folder / "net.pth", tensors)
    norms = {"weight": "gamma", "bias": "beta"}

    def in_mindspore(name: str) -> str:
        module, _, leaf = name.rpartition(".")
        return f"{module}.{norms[leaf]}" if module.rpartition(".")[2].startswith("ln") else name

    sides = [
        NetDescription(framework, tuple(ParameterDescription(called(name), shape) for name, shape in shapes.items()))
        for framework, called in (("pytorch", str), ("mindspore", in_mindspore))
    ]
    sides[1].save(folder / "mindspore.json")
    write_troubleshooter_map(folder / "torch_net_map.json", make_map(*sides))


def methods(folder: Path, troubleshooter: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Give each method's name and command; those that convert come first, as the others need their files."""
    pth, ckpt = str(folder / "net.pth"), str(folder / "net.ckpt")
    weights = [sys.executable, "-m", "profkit", "weights"]
    told = ["-q", "-o", str(folder / "rows.csv")]
    target = str(folder / "mindspore.json")
    yield "profkit, convert .pth to .ckpt", [*weights, "convert", pth, ckpt, "--target", target, *told]
    yield "profkit, convert back", [*weights, "convert", ckpt, str(folder / "back.pth"), "--target", pth, *told]
    call = [pth, str(folder / "call.ckpt"), str(folder / "torch_net_map.json")]
    yield "profkit, ts.migrator.convert_weight", [sys.executable, "-c", PROFKIT_CONVERT, *call]
    yield "plain copy", [sys.executable, "-c", PLAIN_COPY, pth, str(folder / "copy")]
    if troubleshooter is not None:
        files = [pth, str(folder / "ts.ckpt"), str(folder / "torch_net_map.json")]
        yield "TroubleShooter 1.0.18, convert_weight", [str(troubleshooter), "-c", TROUBLESHOOTER_CONVERT, *files]
    yield "profkit, compare in one process", [*weights, "compare", pth, ckpt, "--workers", "1", *told]
    call = [pth, ckpt, str(folder / "torch_net_map.json")]
    yield "profkit, ts.migrator.compare_pth_and_ckpt", [sys.executable, "-c", PROFKIT_COMPARE, *call]
    yield "profkit, compare with two workers", [*weights, "compare", pth, ckpt, "--workers", "2", *told]
    if troubleshooter is not None:
        files = [pth, ckpt, str(folder / "torch_net_map.json")]
        yield "TroubleShooter 1.0.18, compare_pth_and_ckpt", [str(troubleshooter), "-c", TROUBLESHOOTER_COMPARE, *files]


def median(runs: list[Measurement]) -> Measurement:
    """Give the medians of some runs of one method."""
    return Measurement(
        wall_s=statistics.median(run.wall_s for run in runs),
        cpu_s=statistics.median(run.cpu_s for run in runs),
        peak_mib=max(run.peak_mib for run in runs),
        exit_code=max(run.exit_code for run in runs),
        output=middle_call(runs),
    )


def middle_call(runs: list[Measurement]) -> str:
    """Give the median seconds of the call alone, which is the last line of a method that measures it; else nothing."""
    try:
        return f"{statistics.median(float(run.output) for run in runs):.2f}"
    except ValueError:
        return ""


def main() -> None:
    """Read the command line, write the weights, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="times that each method is measured")
    parser.add_argument("--troubleshooter-python", type=Path, help="interpreter of an environment that has it")
    parser.add_argument("--folder", type=Path, help="for the files (2 GB); a temporary one if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        # The memory of this process would count as that of the processes it starts.
        writer = get_context("spawn").Process(target=write_weights, args=(folder,))
        writer.start()
        writer.join()
        chosen = dict(methods(folder, arguments.troubleshooter_python))
        runs: dict[str, list[Measurement]] = {name: [] for name in chosen}
        for _ in range(arguments.rounds):
            for name, command in chosen.items():
                runs[name].append(measure(command, ONE_THREAD))
        measured = {name: median(found) for name, found in runs.items()}
    rows = [
        [
            name,
            f"{one.cpu_s:.2f}" if one.exit_code == 0 else f"{one.cpu_s:.2f}, then failed",
            f"{one.wall_s:.2f}",
            one.output,
            f"{one.peak_mib:.0f}",
        ]
        for name, one in measured.items()
    ]
    print(table(rows, ["method", "CPU s", "wall s", "wall s of the call alone", "peak RSS MiB a process"]))


if __name__ == "__main__":
    main()
