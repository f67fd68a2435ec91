"""`profkit weights map|convert|compare`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import click
import pandas as pd

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import ProfkitError, UnreadableInputError, has_losses
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint
from profkit.schema import PARITY_STATUS
from profkit.weights.comparison import compare_weights
from profkit.weights.conversion import SUFFIXES, convert, identity_map, whole_checkpoint
from profkit.weights.description import NetDescription, describe, describe_checkpoint
from profkit.weights.map_file import read_map, write_map, write_troubleshooter_map
from profkit.weights.matching import make_map
from profkit.weights.prediction import predicted_map
from profkit.weights.rules import Rules, read_rules
from profkit.weights.weight_map import WeightMap

_MAP_READING = ("source", "target", "status", "operations", "source_shape", "target_shape", "reason")
_PARITY_READING = ("name_a", "name_b", "status", "shape_a", "dtype_a", "max_abs", "rel_l2", "nan_b", "inf_b", "reason")

_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]{1,9})?) ?(?P<unit>([KMGT]i?)?B?)", re.IGNORECASE)
_UNITS = {
    **{f"{letter}{end}": 1000**power for power, letter in enumerate(("", "K", "M", "G", "T")) for end in ("", "B")},
    **{f"{letter}I{end}": 1024**power for power, letter in enumerate("KMGT", start=1) for end in ("", "B")},
}
_PATH = click.Path(path_type=Path)
_rules_option = click.option("--rules", "rules_file", type=_PATH, help="Your own rules (.toml), before profkit's.")
_interface_option = click.option(
    "--api",
    "interface",
    type=click.Choice(["nn", "mint"]),
    help="Without a network to look at: predict that of mindspore.nn, or of mindspore.mint.nn.",
)


def _bytes_of(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """Give the bytes of a size as Hugging Face writes them: 500MB are 500 million, 2GiB are 2 * 2**30."""
    if value is None:
        return None
    told = _SIZE.fullmatch(value.strip())
    size = round(float(told["number"]) * _UNITS[told["unit"].upper()]) if told else 0
    if size < 1:
        raise click.BadParameter(f"{value!r} is no size: 5GB, 500MB or 2GiB is one")
    return size


@click.group()
def command() -> None:
    """Weights of a network for another: map the names, convert the file, compare the values.

    Checkpoints of torch (.pth .pt .bin), MindSpore (.ckpt) and .safetensors, in one file or in shards with their index.
    Neither framework is needed, and nothing in a file is run.

    \b
    profkit weights map net.pth initial.ckpt --save map.json
    profkit weights convert net.pth net.ckpt --target initial.ckpt
    profkit weights compare net.pth net.ckpt
    """


@command.command(name="map")
@click.argument("source", type=INPUT)
@click.argument("target", type=INPUT, required=False)
@_interface_option
@_rules_option
@click.option("--save", type=_PATH, help="Write the map (.json), for `convert --map` and `compare --map`.")
@click.option("--troubleshooter", is_flag=True, help="--save in the form of TroubleShooter's torch_net_map.json.")
@reads_inputs()
def map_command(
    *,
    invocation: Invocation,
    source: Path,
    target: Path | None,
    interface: Literal["nn", "mint"] | None,
    rules_file: Path | None,
    save: Path | None,
    troubleshooter: bool,
) -> int:
    """Which parameter of SOURCE becomes which of TARGET, by names and shapes of both, and why.

    TARGET is a checkpoint of the network that is to have the weights, as it was initialised
    (mindspore.save_checkpoint(net, "initial.ckpt")), or what profkit.weights.describe_net(net).save("net.json") wrote.
    Either may be of either framework. What has no sure partner is listed on its side; --fail-on issues makes it fail.

    \b
    profkit weights map net.pth initial.ckpt
    profkit weights map net.pth initial.ckpt --save map.json --fail-on issues
    profkit weights map net.pth --api mint
    profkit weights map net.pth initial.ckpt --rules mine.toml -o rows.csv
    """
    rules = read_rules(rules_file)
    described = describe(source)
    if target is not None and interface is None:
        made = make_map(described, describe(target), rules)
    elif interface is not None and target is None:
        made = _predicted(described, interface, rules)
    else:
        raise ProfkitError("a map needs one network to map to", "name TARGET, or give --api nn or --api mint")
    if save is not None:
        (write_troubleshooter_map if troubleshooter else write_map)(save, made)
        invocation.say(f"the map was written to {save}")
    _say_counts(invocation, made)
    invocation.give(made.frame(), reading=_MAP_READING)
    return invocation.exit_code({"issues": bool(made.unsettled)})


@command.command(name="convert")
@click.argument("source", type=INPUT)
@click.argument("converted", type=_PATH)
@click.option("--target", type=_PATH, help="Checkpoint or description of the network that is to have the weights.")
@click.option("--map", "map_file", type=_PATH, help="A map of `profkit weights map`, of TroubleShooter, or of names.")
@_interface_option
@_rules_option
@click.option("--accept-assumed", is_flag=True, help="Take rows that rest on order and shape alone.")
@click.option("--partial", is_flag=True, help="Write what is mapped, though parameters are left open.")
@click.option(
    "--max-shard-size",
    "max_shard_bytes",
    metavar="SIZE",
    callback=_bytes_of,
    help="Write shards of at most so many bytes (5GB, 500MB, 2GiB), with their index, where one file does not do.",
)
@reads_inputs()
def convert_command(
    *,
    invocation: Invocation,
    source: Path,
    converted: Path,
    target: Path | None,
    map_file: Path | None,
    interface: Literal["nn", "mint"] | None,
    rules_file: Path | None,
    accept_assumed: bool,
    partial: bool,
    max_shard_bytes: int | None,
) -> int:
    """Write the weights of SOURCE as CONVERTED, in the format of its suffix, under the names of another network.

    Values keep their dtype, bit for bit. Without --target, --map and --api the names stay, and only the format changes.
    Where a parameter has no sure partner nothing is written, unless --partial or --accept-assumed allow it.

    \b
    profkit weights convert net.pth net.ckpt --target initial.ckpt
    profkit weights convert model.safetensors.index.json net.ckpt --map map.json
    profkit weights convert net.pth net.ckpt --api mint
    profkit weights convert trained.ckpt net.pth --target net.pth
    profkit weights convert net.pth net.safetensors
    profkit weights convert net.ckpt model.safetensors --target net.pth --max-shard-size 5GB
    """
    rules = read_rules(rules_file)
    if sum(given is not None for given in (target, map_file, interface)) > 1:
        raise ProfkitError("--target, --map and --api each tell what to map to", "give one of them")
    checkpoint = whole_checkpoint(source)
    if checkpoint.outside:
        invocation.say(
            f"{len(checkpoint.outside):,} tensors beside the network (an optimizer's state) are not converted"
        )
    made = _map_of(checkpoint, converted, target, map_file, interface, rules)
    with invocation.progress() as progress:
        done = convert(
            checkpoint, converted, made, assumed=accept_assumed, partial=partial, max_shard_bytes=max_shard_bytes,
            progress=progress,
        )  # fmt: skip
    _say_counts(invocation, done)
    invocation.say(f"{len(done.written(assumed=accept_assumed)):,} parameters written to {converted}")
    invocation.give(done.frame(), reading=_MAP_READING)
    return invocation.exit_code({"issues": bool(done.unsettled)})


def _map_of(
    checkpoint: Checkpoint,
    out: Path,
    target: Path | None,
    map_file: Path | None,
    interface: Literal["nn", "mint"] | None,
    rules: Rules,
) -> WeightMap:
    if map_file is not None:
        return read_map(map_file)
    described = describe_checkpoint(checkpoint)
    if target is not None:
        return make_map(described, describe(target), rules)
    if interface is not None:
        return _predicted(described, interface, rules)
    framework = SUFFIXES.get(out.suffix.lower(), "")
    if framework and checkpoint.framework not in {framework, "unknown"}:
        raise ProfkitError(
            f"{out.name} is for {framework}, {checkpoint.source} is of {checkpoint.framework}",
            "name the network that is to have the weights with --target, or a --map, or --api",
        )
    if framework == "mindspore" and checkpoint.framework == "unknown":
        raise ProfkitError(f"{checkpoint.source} does not tell whose names it has", "give --target, --map or --api")
    return identity_map(checkpoint)


def _predicted(described: NetDescription, interface: Literal["nn", "mint"], rules: Rules) -> WeightMap:
    if described.framework == "mindspore":
        raise ProfkitError(
            "--api predicts a network of MindSpore, and SOURCE is one", "name the torch network's checkpoint"
        )
    return predicted_map(described, interface, rules)


@command.command(name="compare")
@click.argument("a", type=INPUT)
@click.argument("b", type=INPUT)
@click.option("--map", "map_file", type=_PATH, help="A map of `profkit weights map`, of TroubleShooter, or of names.")
@_rules_option
@click.option("--shapes-only", is_flag=True, help="Compare names, shapes and dtypes, and no values.")
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance; default by dtype.")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance; default by dtype.")
@click.option(
    "--symmetric/--asymmetric", default=True, help="Hold --rtol against the larger of |a| and |b|, or against |a|."
)
@click.option("--only", type=click.Choice(PARITY_STATUS), multiple=True, help="Only rows of this status; repeatable.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that measure; default by size, at most 2.")
@reads_inputs()
def compare_command(
    *,
    invocation: Invocation,
    a: Path,
    b: Path,
    map_file: Path | None,
    rules_file: Path | None,
    shapes_only: bool,
    rtol: float | None,
    atol: float | None,
    symmetric: bool,
    only: tuple[str, ...],
    workers: int | None,
) -> int:
    """Parity of the weights of A and B, of one framework or of both, parameter by parameter in the order of A.

    Names are mapped and layouts brought together as `profkit weights map` tells. What has no partner is a row of its
    own and never a match; what needs none (num_batches_tracked) is listed too, and does not count for --fail-on parity.

    \b
    profkit weights compare net.pth net.ckpt
    profkit weights compare net.pth net.ckpt --map map.json --fail-on parity
    profkit weights compare step0.ckpt step1.ckpt --only mismatch -o parity.csv
    profkit weights compare net.pth net.ckpt --shapes-only
    """
    rules = read_rules(rules_file)
    with invocation.progress() as progress:
        found = compare_weights(
            a,
            b,
            weight_map=None if map_file is None else read_map(map_file),
            rules=rules,
            shapes_only=shapes_only,
            rtol=rtol,
            atol=atol,
            symmetric=symmetric,
            workers=workers,
            progress=progress,
        )
    invocation.warn_of(found.issues)
    parity = found.parity
    _say_statuses(invocation, parity["status"])
    shown = parity[parity["status"].isin(only)].reset_index(drop=True) if only else parity
    invocation.give(shown, reading=_PARITY_READING)
    if found.cut:
        raise UnreadableInputError(f"{found.cut}; what lies before that was compared", "copy or save it again")
    return invocation.exit_code({"parity": not found.agrees, "issues": has_losses(found.issues)})


def _say_counts(invocation: Invocation, made: WeightMap) -> None:
    _say_statuses(invocation, made.frame()["status"])


def _say_statuses(invocation: Invocation, statuses: pd.Series[str]) -> None:
    counts = statuses.astype(object).value_counts()
    invocation.say(", ".join(f"{count:,} {status}" for status, count in counts.items()))
