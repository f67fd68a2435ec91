"""`profkit tui [SESSION | RUN | REF RUN]`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from profkit.cli.demo import demo_inputs
from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.errors import ProfkitError
from profkit.progress import Progress
from profkit.session import Session, is_session
from profkit.session_comparison import SessionPair
from profkit.triage import Inputs, triage
from profkit.tui.app import VIEW_NAMES
from profkit.tui.app import run as run_app
from profkit.tui.session_state import forget_all
from profkit.tui.user_settings import settings_template


@click.command()
@click.argument("paths", type=INPUT, nargs=-1)
@click.option("--ref-dump", "ref_dumps", type=INPUT, multiple=True, help="More tensors of the reference; repeatable.")
@click.option("--run-dump", "run_dumps", type=INPUT, multiple=True, help="More tensors of the run; repeatable.")
@click.option("--view", type=click.Choice(VIEW_NAMES), default=None, help="Open with this view.")
@click.option("--demo", is_flag=True, help="Open the bundled migration.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal, to select text with it.")
@click.option("--forget", is_flag=True, help="Delete what is remembered of all sessions, marks and notes too; leave.")
@click.option("--keys", is_flag=True, help="Print the keys and the theme as the file tui.toml, and leave.")
@reads_inputs(output=False)
def command(
    *,
    invocation: Invocation,
    paths: tuple[Path, ...],
    ref_dumps: tuple[Path, ...],
    run_dumps: tuple[Path, ...],
    view: str | None,
    demo: bool,
    no_mouse: bool,
    keys: bool,
    forget: bool,
) -> int:
    """Browse operators, findings, overflow and parity in the terminal.

    One path is a saved session or one run; two are the reference and the run, or two sessions, before and after a
    fix; without a path, choose from what lies in the working directory. `?` lists the keys.

    \b
    profkit tui
    profkit tui session/
    profkit tui before/ after/
    profkit tui torch_run/ mindspore_run/ --run-dump dump/
    profkit tui --demo
    """
    if keys:
        click.echo(settings_template(), nl=False)
        return 0
    if forget:
        invocation.say(f"what was remembered of {forget_all():,} sessions is deleted")
        return 0
    if len(paths) > 2:
        raise ProfkitError("name a session, a run, or a reference and a run", "or try `profkit tui --demo`")

    def open_inputs(inputs: Inputs, progress: Progress) -> Session:
        return triage(inputs, cache=invocation.cache, rank=invocation.rank, progress=progress)

    def open_paths(ref: Path | None, run: Path, progress: Progress) -> Session | SessionPair:
        if ref is None and is_session(run):
            return Session.load(run)
        if ref is not None and (is_session(ref) or is_session(run)):
            return _load_pair(ref, run)
        return open_inputs(Inputs(run=run, ref=ref, ref_dumps=ref_dumps, run_dumps=run_dumps), progress)

    show = partial(run_app, open_paths=open_paths, view=view or "", mouse=not no_mouse)
    if demo:
        return show(lambda progress: open_inputs(demo_inputs(clean=False), progress), "demo")
    if not paths:
        return show(None)
    ref = paths[0] if len(paths) == 2 else None
    return show(lambda progress: open_paths(ref, paths[-1], progress), " against ".join(map(str, paths)))


def _load_pair(before: Path, after: Path) -> SessionPair:
    for path, other in ((before, after), (after, before)):
        if not is_session(path):
            raise ProfkitError(
                f"{other} is a session and {path} is none", "name two sessions, or a reference and a run"
            )
    return SessionPair(Session.load(before), Session.load(after))
