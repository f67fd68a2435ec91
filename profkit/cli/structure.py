"""`profkit structure A B`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.schema import STRUCTURE_STATUS
from profkit.structure import compare_structure
from profkit.structure.comparison import DIFFERENCES

_READING = ("module_a", "module_b", "layer_a", "layer_b", "status", "reason")


@click.command()
@click.argument("a", type=INPUT)
@click.argument("b", type=INPUT)
@click.option(
    "--only", type=click.Choice(STRUCTURE_STATUS), multiple=True, help="Only rows of this status; repeatable."
)
@click.option("--all", "everything", is_flag=True, help="On the screen too, show modules that are the same.")
@reads_inputs()
def command(*, invocation: Invocation, a: Path, b: Path, only: tuple[str, ...], everything: bool) -> int:
    """Structures of two networks of either framework, module by module; A is the reference.

    A and B are printed networks (the *_net_architecture.txt of save_net_and_weight_params, or print(net) in a file),
    structures that profkit.describe_structure(net).save("net.json") wrote, checkpoints, or folders of
    save_net_and_weight_params. A structure tells more than a print: MindSpore prints no epsilon of a LayerNorm.

    What is only called otherwise (Dense and Linear, gamma and weight, pad_mode and padding) is natural. What differs is
    different, in another order, or missing; what one side alone tells is undecidable. --fail-on structure makes each of
    these fail.

    \b
    profkit structure out/pt_net_info out/ms_net_info
    profkit structure torch_net_architecture.txt mindspore_net_architecture.txt --only different
    profkit structure torch.json mindspore.json -o structure.csv --fail-on structure
    profkit structure net.pth net.ckpt
    """
    found = compare_structure(a, b)
    rows = found.rows
    counts = rows["status"].astype(object).value_counts()
    invocation.say(", ".join(f"{count:,} {status}" for status, count in counts.items()))
    wanted = set(only) if only else DIFFERENCES if invocation.is_read and not everything else set(STRUCTURE_STATUS)
    shown = rows[rows["status"].isin(wanted)].reset_index(drop=True)
    if len(shown) < len(rows) and not only:
        invocation.say(f"{len(rows) - len(shown):,} modules that agree are not shown; --all shows them")
    invocation.give(shown, reading=_READING)
    return invocation.exit_code({"structure": not found.agrees})
