"""`profkit inspect PATH...`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd

from profkit.class_coverage import class_notes_as_recorded
from profkit.cli import FAILED
from profkit.cli.invocation import INPUT, Invocation, reads_inputs
from profkit.discovery import Found, discover, host_of
from profkit.errors import ImportIssue, ProfkitError, Severity, has_losses
from profkit.frame_spec import concatenate
from profkit.parsers.recorded_metadata import read_metadata
from profkit.parsers.registry import parser_named, parser_names
from profkit.progress import Progress
from profkit.run import Source, read_source
from profkit.schema import RECORDED_FRAMES, SOURCES
from profkit.session import Session, is_session
from profkit.sources import issue_table, source_table

_UNRECOGNISED_SHOWN = 5


@click.command()
@click.argument("paths", type=INPUT, nargs=-1)
@click.option("--formats", is_flag=True, help="List what profkit reads.")
@click.option("--issues", "show_issues", is_flag=True, help="Give the import issues instead of the sources.")
@click.option("--facts", "show_facts", is_flag=True, help="Give the facts of each recording, and what is not read.")
@click.option("--frame", type=click.Choice(list(RECORDED_FRAMES)), help="Give the rows of this frame, as recorded.")
@click.option("--show-metadata", is_flag=True, help="Give what the recorder noted of the run; secrets are taken out.")
@reads_inputs()
def command(
    invocation: Invocation,
    paths: tuple[Path, ...],
    *,
    formats: bool,
    show_issues: bool,
    show_facts: bool,
    frame: str | None,
    show_metadata: bool,
) -> int:
    """What each path is: format, version, rank, host, steps, rows, issues; and why it was so judged.

    Metadata of a recording can hold environment variables and tokens: they are shown on request only, and values that
    look like secrets are not shown at all.

    \b
    profkit inspect runs/
    profkit inspect trace.json.gz dump/ --issues --format json
    profkit inspect host_1_2025_ascend_ms --facts
    profkit inspect host_1_2025_ascend_ms --frame api -o calls_into_cann.csv
    profkit inspect trace.json.gz --show-metadata
    """
    if formats:
        invocation.give(_formats())
        return 0
    if not paths:
        raise click.UsageError("name a path, or ask for --formats")
    if show_metadata:
        return _give_metadata(paths, invocation)
    if frame is not None:
        return _give_frame(paths, frame, invocation)
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
    sources = _of_rank(sources, invocation)
    issues = [issue for source in sources for issue in source.issues]
    if show_issues:
        invocation.give(issue_table(issues))
    elif show_facts:
        invocation.warn_of(issues)
        invocation.give(_facts_of(sources))
    else:
        invocation.warn_of(issues)
        _tell_repetitions(sources, invocation)
        table = concatenate(SOURCES, [source_table(("input", source) for source in sources), *of_sessions])
        invocation.give(_with_hosts(table.drop(columns="side"), sources))
    if sources and all(any(issue.severity is Severity.ERROR for issue in one.issues) for one in sources):
        return FAILED
    return invocation.exit_code({"issues": has_losses(issues)})


def _read(found: Found, invocation: Invocation, progress: Progress) -> Source:
    """Read one recording; what cannot be read is a row with an issue, so that the others are still told."""
    try:
        parsed, source = read_source(found, cache=invocation.cache, progress=progress)
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
    for note in class_notes_as_recorded(parsed.frames["ops"]) if "ops" in parsed.frames else ():
        invocation.say(f"{found.path}: {note}")
    return source


def _give_frame(paths: tuple[Path, ...], name: str, invocation: Invocation) -> int:
    frames: list[pd.DataFrame] = []
    issues: list[ImportIssue] = []
    with invocation.progress() as progress:
        for path in paths:
            for found in discover(path).found:
                parsed, source = read_source(found, cache=invocation.cache, progress=progress)
                if invocation.rank in (None, source.rank):
                    frames += [parsed.frames[name]] if name in parsed.frames else []
                    issues += source.issues
    rows = concatenate(RECORDED_FRAMES[name], frames)
    if rows.empty:
        raise ProfkitError(f"no rows of frame {name} were recorded", "`profkit inspect` tells what the paths hold")
    invocation.warn_of(issues)
    invocation.give(rows)
    return invocation.exit_code({"issues": has_losses(issues)})


def _facts_of(sources: list[Source]) -> pd.DataFrame:
    """Give one row a fact; the number of rows of each frame is one."""
    rows = []
    for source in sources:
        facts = {**{f"rows of {name}": f"{count:,}" for name, count in source.rows.items()}, **source.facts}
        rows += [{"path": str(source.path), "fact": fact, "value": value} for fact, value in facts.items()]
    return pd.DataFrame(rows, columns=["path", "fact", "value"], dtype="string")


def _of_rank(sources: list[Source], invocation: Invocation) -> list[Source]:
    if invocation.rank is None:
        return sources
    chosen = [source for source in sources if source.rank == invocation.rank]
    if not chosen:
        known = ", ".join(str(rank) for rank in sorted({source.rank for source in sources}) if rank >= 0)
        raise ProfkitError(f"no recording of rank {invocation.rank}", f"ranks found: {known or 'none is told'}")
    return chosen


def _with_hosts(table: pd.DataFrame, sources: list[Source]) -> pd.DataFrame:
    """Add the host behind the rank; the rows behind those of the sources are of sessions, which do not tell it."""
    hosts = [host_of(source.path, source.facts) for source in sources]
    hosts += [None] * (len(table) - len(hosts))
    columns = list(table.columns)
    columns.insert(columns.index("rank") + 1, "host")
    return table.assign(host=pd.Series(hosts, dtype="string"))[columns]


def _tell_repetitions(sources: list[Source], invocation: Invocation) -> None:
    """Say which ranks were recorded more than once: a command that wants one run needs one of them named."""
    timed = Counter(source.rank for source in sources if source.rows.get("ops"))
    for rank, count in sorted(timed.items()):
        if count > 1:
            of_rank = f"rank {rank}" if rank >= 0 else "an unknown rank"
            invocation.say(
                f"{count} recordings are of {of_rank}: to choose one, give its path instead of the directory"
            )


def _give_metadata(paths: tuple[Path, ...], invocation: Invocation) -> int:
    rows: list[dict[str, str]] = []
    issues: list[ImportIssue] = []
    for path in paths:
        for found in discover(path).found:
            try:
                metadata, noticed = read_metadata(found.path)
            except OSError as error:
                raise ProfkitError(f"{found.path} cannot be read: {error.strerror}", "check the file") from error
            issues += noticed
            rows += [
                {"path": str(file), "key": key, "value": value}
                for file, values in metadata.items()
                for key, value in _leaves(values, "")
            ]
    invocation.warn_of(issues)
    invocation.give(pd.DataFrame(rows, columns=["path", "key", "value"], dtype="string"))
    return invocation.exit_code({"issues": has_losses(issues)})


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Give every value of nested JSON under its path: `metadata.gpus[0].name`; a list of plain values is one."""
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _leaves(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        for number, one in enumerate(value):
            yield from _leaves(one, f"{key}[{number}]")
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
