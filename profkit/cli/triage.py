"""`profkit triage REF RUN`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from profkit.cli.explaining import EXPLAIN, give_explanation
from profkit.cli.invocation import HINTS, INPUT, Invocation, reads_inputs
from profkit.errors import ProfkitError
from profkit.report.formats import format_of
from profkit.report.triage_report import headline, html_report, markdown_report, text_report
from profkit.session import Session, is_session, refuse_to_replace
from profkit.triage import Inputs, triage


@click.command()
@click.argument("ref", type=INPUT)
@click.argument("run", type=INPUT, required=False)
@click.option("--ref-dump", "ref_dumps", type=INPUT, multiple=True, help="More tensors of the reference; repeatable.")
@click.option("--run-dump", "run_dumps", type=INPUT, multiple=True, help="More tensors of the run; repeatable.")
@click.option(
    "--show",
    type=click.Choice(["findings", "bridge", "operators"]),
    default="findings",
    show_default=True,
    help="Which table csv, json and parquet hold: the findings, the difference of the two steps part by part, or the "
    "operators of both sides.",
)
@HINTS
@EXPLAIN
@click.option("--force", is_flag=True, help="Replace a session that -o names.")
@click.option("--top", type=click.IntRange(min=1), help="Show only the first findings.")
@reads_inputs()
def command(
    *,
    invocation: Invocation,
    ref: Path,
    run: Path | None,
    ref_dumps: tuple[Path, ...],
    run_dumps: tuple[Path, ...],
    hints_file: Path | None,
    explained: str | None,
    show: str,
    force: bool,
    top: int | None,
) -> int:
    """What to look at first: slow operators, the origin of a NaN, the first numerical divergence, ranked.

    REF is the reference (usually the PyTorch run), RUN the run to be judged; each a trace, a profiler directory, a
    dump, or a directory that holds such things. One path alone is looked at by itself, without a reference; a saved
    session alone is reported again. -o with a directory saves the session and prints the report; with -q it only saves.

    \b
    profkit triage torch_run/ mindspore_run/
    profkit triage mindspore_run/
    profkit triage torch_run/ mindspore_run/ --show bridge --format json
    profkit triage trace.json.gz host_1_2025_ascend_ms --run-dump dump/ -o session/
    profkit triage session/ --format markdown
    profkit triage session/ --explain 23
    """
    if run is None and is_session(ref):
        if hints_file is not None:
            raise ProfkitError("--map needs the runs themselves, and a session was given", "name REF and RUN")
        session = Session.load(ref)
    else:
        if run is None and ref_dumps:
            raise ProfkitError("--ref-dump needs a reference, and only one path was given", "name REF and RUN")
        refuse_out(invocation, force=force)
        inputs = Inputs(run or ref, ref if run else None, ref_dumps, run_dumps, hints_file)
        with invocation.progress() as progress:
            session = triage(inputs, cache=invocation.cache, rank=invocation.rank, progress=progress)
    if explained is None:
        give_session(session, invocation, force=force, top=top, show=show)
    else:
        give_explanation(session.alignment, explained, invocation)
    return exit_code_of(session, invocation)


def exit_code_of(session: Session, invocation: Invocation) -> int:
    """Give 1 if a session holds what is named by --fail-on, else 0."""
    kinds = set(session.findings["kind"].unique())
    issues = bool((session.issues["severity"] != "info").any())
    return invocation.exit_code({**{kind: kind in kinds for kind in ("slow", "overflow", "parity")}, "issues": issues})


def refuse_out(invocation: Invocation, *, force: bool) -> None:
    """Refuse a directory of -o that must not be replaced before the inputs are read, which may take minutes.

    Raises:
        ProfkitError: As of profkit.session.refuse_to_replace.
    """
    if invocation.out is not None and not invocation.out.suffix:
        refuse_to_replace(invocation.out, force=force)


def give_session(
    session: Session, invocation: Invocation, *, force: bool, top: int | None, show: str = "findings"
) -> None:
    """Save a session to the directory of -o, or report it to the file of -o or to stdout.

    Args:
        session: What to give.
        invocation: Where and in which format.
        force: Whether to replace a session that is there.
        top: How many findings to show; None shows all.
        show: Which frame stands for the session in formats that hold one table.
    """
    shown = session if top is None else replace(session, findings=session.findings.head(top))
    out = invocation.out
    if out is not None and not out.suffix:
        session.save(out, force=force)
        invocation.say(f"session saved: open it with `profkit tui {out}`")
        if invocation.quiet:
            return
        invocation = replace(invocation, out=None)
    form = invocation.form if invocation.out is None else format_of(invocation.out)
    report = {"text": text_report, "markdown": markdown_report, "html": html_report}.get(form)
    if report is None:
        invocation.give(getattr(shown, show))
    else:
        invocation.give_text(report(shown), headline(shown))
