"""`profkit inspect PATH...`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from profkit.cli import FAILED
from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.discovery import Found, discover
from profkit.errors import ImportIssue, ProfkitError, Severity
from profkit.frame_spec import concatenate
from profkit.parsers.registry import parser_named, parser_names
from profkit.progress import Progress
from profkit.run import Source, read_source
from profkit.schema import SOURCES
from profkit.session import Session, is_session
from profkit.sources import issue_table, source_table

_UNRECOGNISED_SHOWN = 5


@click.command()
@click.argument("paths", type=INPUT, nargs=-1)
@click.option("--formats", is_flag=True, help="List what profkit reads.")
@click.option("--issues", "show_issues", is_flag=True, help="Give the import issues instead of the sources.")
@reads_inputs()
def command(invocation: Invocation, paths: tuple[Path, ...], *, formats: bool, show_issues: bool) -> int:
    """What each path is: format, version, rank, steps, rows, issues; and why it was so judged.

    \b
    profkit inspect runs/
    profkit inspect trace.json.gz dump/ --issues --format json
    """
    if formats:
        invocation.give(_formats())
        return 0
    if not paths:
        raise click.UsageError("name a path, or ask for --formats")
    sources: list[Source] = []
    of_sessions: list[pd.DataFrame] = []
    with invocation.progress() as progress:
        for path in paths:
            if is_session(path):
                session = Session.load(path)
                invocation.say(f"{path} is a session: {session.title}; what it was made from:")
                of_sessions.append(session.sources)
                continue
            discovery = discover(path)
            sources += [_read(found, invocation, progress) for found in discovery.found]
            _tell_unrecognised(discovery.unrecognised, invocation)
    issues = [issue for source in sources for issue in source.issues]
    if show_issues:
        invocation.give(issue_table(issues))
    else:
        invocation.warn_of(issues)
        table = concatenate(SOURCES, [source_table(("input", source) for source in sources), *of_sessions])
        invocation.give(table.drop(columns="side"))
    if sources and all(any(issue.severity is Severity.ERROR for issue in one.issues) for one in sources):
        return FAILED
    return invocation.exit_code({"issues": bool(issues)})


def _read(found: Found, invocation: Invocation, progress: Progress) -> Source:
    """Read one recording; what cannot be read is a row with an issue, so that the others are still told."""
    try:
        return read_source(found, cache=invocation.cache, progress=progress)[1]
    except ProfkitError as error:
        issue = ImportIssue(Severity.ERROR, str(found.path), "", error.message)
        return Source(
            path=found.path,
            format=found.format,
            framework="unknown",
            rank=-1,
            writer_version=None,
            rows={},
            reason=found.claim.recognition.reason,
            issues=(issue,),
        )


def _formats() -> pd.DataFrame:
    descriptors = [parser_named(name).descriptor for name in parser_names()]
    return pd.DataFrame(
        {
            "format": [one.name for one in descriptors],
            "what": [one.title for one in descriptors],
            "framework": [one.framework for one in descriptors],
            "clock": [one.clock for one in descriptors],
            "unit": [one.unit for one in descriptors],
            "gives": [", ".join(one.frames) for one in descriptors],
        }
    )


def _tell_unrecognised(unrecognised: tuple[Path, ...], invocation: Invocation) -> None:
    if unrecognised:
        names = ", ".join(str(path) for path in unrecognised[:_UNRECOGNISED_SHOWN])
        more = len(unrecognised) - _UNRECOGNISED_SHOWN
        invocation.say(f"not recognised: {names}" + (f" and {more} more" if more > 0 else ""))
