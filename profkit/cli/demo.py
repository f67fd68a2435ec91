"""`profkit demo`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from profkit.cli.invocation import Invocation, reads_inputs
from profkit.cli.triage import exit_code_of, give_session, refuse_out
from profkit.errors import ProfkitError
from profkit.triage import Inputs, triage


def demo_inputs(*, clean: bool) -> Inputs:
    """Give the inputs of the bundled migration: the faulty variants together, or the clean one.

    Raises:
        ProfkitError: The samples were not installed.
    """
    vit = (Path(str(files("profkit"))) / "samples" / "vit").resolve()
    if not vit.is_dir():
        raise ProfkitError("the bundled samples are not installed", "reinstall profkit, or use `profkit triage`")
    if vit.is_relative_to(Path.cwd()):
        vit = vit.relative_to(Path.cwd())
    torch = vit / "pytorch"
    if clean:
        variant = vit / "mindspore_clean"
        dumps = tuple(variant / part for part in ("outputs", "gradients", "dump"))
        return Inputs(ref=torch, run=variant / "pynative", run_dumps=dumps)
    dumps = (vit / "mindspore_gelu_tanh", vit / "mindspore_nan")
    return Inputs(ref=torch, run=vit / "mindspore_slow", run_dumps=dumps)


@click.command()
@click.option("--clean", is_flag=True, help="The same migration without its three planted faults.")
@click.option("--force", is_flag=True, help="Replace a session that -o names.")
@reads_inputs()
def command(*, invocation: Invocation, clean: bool, force: bool) -> int:
    """Triage of the bundled migration of a vision transformer, recorded from PyTorch and MindSpore on a CPU.

    Three faults are planted on the MindSpore side: a slow module, a NaN and a numerical divergence. `--clean` shows
    that none is reported where none is.

    \b
    profkit demo
    profkit demo --clean
    profkit demo -o session && profkit tui session
    """
    refuse_out(invocation, force=force)
    inputs = demo_inputs(clean=clean)
    options = [f"--run-dump {dump}" for dump in inputs.run_dumps]
    invocation.say(" ".join(["profkit triage", str(inputs.ref), str(inputs.run), *options]))
    with invocation.progress() as progress:
        session = triage(inputs, cache=invocation.cache, rank=invocation.rank, progress=progress)
    give_session(session, invocation, force=force, top=None)
    return exit_code_of(session, invocation)
