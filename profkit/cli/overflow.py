"""`profkit overflow DUMP`."""

from __future__ import annotations

from pathlib import Path

import click

from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import ProfkitError
from profkit.overflow import hunt
from profkit.run import load

_READING = ("iteration", "order", "role", "module", "op_type", "nan", "pos_inf", "neg_inf", "reason", "op")


@click.command()
@click.argument("dump", type=INPUT)
@click.option("--origins", is_flag=True, help="Only the origins, without what they spread to.")
@reads_inputs()
def command(*, invocation: Invocation, dump: Path, origins: bool) -> int:
    """Origins of NaN and Inf in a dump, in execution order, with what they spread to.

    DUMP is a MindSpore dump directory at any level (dump root, rank, net, graph or iteration). A clean dump gives no
    row.

    \b
    profkit overflow dump/
    profkit overflow dump/rank_0 --origins --format json --fail-on overflow
    """
    with invocation.progress() as progress:
        loaded = load(dump, cache=invocation.cache, rank=invocation.rank, progress=progress)
        if loaded.tensors.empty:
            raise ProfkitError(f"{dump} holds no dumped tensors", "`profkit inspect` tells what it holds")
        overflow = hunt(loaded.tensors, progress=progress)
    invocation.warn_of(loaded.issues)
    # The primary row counts even if its role is unknown: a bad weight or network input has no operator as its origin.
    found = (overflow["role"] == "origin") | overflow["primary"]
    operators = loaded.tensors["op"].nunique()
    invocation.say(f"{int(found.sum())} origin(s) among {operators:,} dumped operators and parameters")
    invocation.give((overflow[found] if origins else overflow).reset_index(drop=True), reading=_READING)
    return invocation.exit_code({"overflow": bool(found.any()), "issues": bool(loaded.issues)})
