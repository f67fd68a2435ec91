"""What every command that reads inputs shares: its options, its progress bar, its warnings and its output."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd

from profkit.cache import Cache
from profkit.cli.archive_input import unpack_archives
from profkit.cli.standard_input import Input, reads_standard_input
from profkit.errors import ImportIssue, ProfkitError
from profkit.progress import Progress, silent
from profkit.safe_text import printable
from profkit.store import write_bytes_in_one_step

_Command = TypeVar("_Command", bound=Callable[..., Any])

FAIL_ON = ("slow", "overflow", "parity", "structure", "issues")
_ISSUES_SHOWN = 5


@dataclass(frozen=True)
class Invocation:
    """How the user wants inputs read and results given.

    Attributes:
        use_cache: Whether parsed inputs are kept and reused.
        rank: Process number to read; None for all.
        quiet: No progress and no warnings on stderr.
        out: File for the result; None for stdout.
        form: Format for stdout.
        fail_on: What makes the exit code 1.
        said: What the user was told so far, quiet or not.
        given: The results so far, each with a summary of it.
    """

    use_cache: bool
    rank: int | None
    quiet: bool
    out: Path | None
    form: str
    fail_on: frozenset[str]
    said: list[str] = field(default_factory=list)
    given: list[tuple[bytes, str]] = field(default_factory=list)

    @property
    def is_read(self) -> bool:
        """Whether the result is text on stdout: for a person to read, so that it may be shortened if that is said."""
        return self.out is None and self.form == "text"

    @property
    def form_given(self) -> str:
        """The format of results: that of the file of -o, else that of --format."""
        if self.out is None:
            return self.form
        form: str = import_module("profkit.report.formats").format_of(self.out)
        return form

    @property
    def cache(self) -> Cache | None:
        """The cache to read through, if one is wanted."""
        return Cache.default() if self.use_cache else None

    def say(self, text: str) -> None:
        """Tell the user something on stderr: a hint, a count, a warning."""
        self.said.append(text)
        self._show(text)

    def _show(self, text: str) -> None:
        if not self.quiet:
            click.echo(printable(text), err=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a bar with a verb, a file and a percentage on stderr while the block runs, if stderr is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield silent
            return
        # Imported only where it is shown: without a terminal it would be a tenth of re-opening a run.
        with import_module("profkit.report.progress_bar").progress_bar() as report:
            yield report

    def warn_of(self, issues: Sequence[ImportIssue]) -> None:
        """Count the import issues on stderr and show the gravest."""
        grave = [issue for issue in issues if issue.severity.value != "info"]
        if not grave:
            return
        self.say(f"{len(grave)} import issue(s): some of the input could not be used")
        for issue in grave[:_ISSUES_SHOWN]:
            place = f" {issue.where}" if issue.where else ""
            self.say(f"  {issue.source}{place}: {issue.text}")
        if len(grave) > _ISSUES_SHOWN:
            self.say(f"  and {len(grave) - _ISSUES_SHOWN} more: see `profkit inspect`")

    def give(self, frame: pd.DataFrame, *, reading: Sequence[str] = ()) -> None:
        """Write a result to the file of -o in the format of its suffix, else to stdout in the format of --format.

        Args:
            frame: The result.
            reading: Columns that suffice to read the frame as text on stdout; every other format has all of them.
        """
        shown = frame
        if self.is_read and reading:
            shown = frame[list(reading)]
            self.say(f"{len(reading)} of {len(frame.columns)} columns; --format csv or -o FILE gives all of them")
        # Imported here, as it is by form_given: a kept answer is in its format already.
        content: bytes = import_module("profkit.report.formats").render(shown, self.form_given)
        self.give_rendered(content, f"{len(frame):,} rows")

    def give_text(self, text: str, summary: str) -> None:
        """Write a report that is text already, to the file of -o or to stdout."""
        self.give_rendered(text.rstrip("\n").encode("utf-8", errors="backslashreplace") + b"\n", summary)

    def give_rendered(self, content: bytes, summary: str) -> None:
        """Write a result that is in its format already, to the file of -o or to stdout."""
        self.given.append((content, summary))
        if self.out is None:
            _write_to_stdout(content)
        else:
            write_bytes_in_one_step(self.out, content)
            self._show(f"{summary} written to {self.out}")

    def exit_code(self, found: dict[str, bool]) -> int:
        """Give 1 if something named by --fail-on was found, else 0."""
        return int(any(found.get(name, False) for name in self.fail_on))


def _write_to_stdout(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try once more at its end, and complain of that too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ProfkitError(
            f"the result cannot be written to stdout: {error.strerror}", "make room there, or choose a file with -o"
        ) from error


def _parse_fail_on(_: click.Context, __: click.Parameter, value: str) -> frozenset[str]:
    names = frozenset(filter(None, value.split(",")))
    unknown = sorted(names - set(FAIL_ON))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(FAIL_ON)}")
    return names


def _parse_out(_: click.Context, __: click.Parameter, out: Path | None) -> Path | None:
    """Refuse a place that cannot be written before the inputs are read, which may take minutes."""
    if out is not None and out.suffix:
        import_module("profkit.report.formats").format_of(out)
        if not out.parent.is_dir():
            raise ProfkitError(f"{out} cannot be written: {out.parent} is no directory", "choose another place with -o")
    return out


def reads_inputs(*, inputs: bool = True, output: bool = True) -> Callable[[_Command], _Command]:
    """Give a command the shared options; it receives them as one `invocation`."""
    input_options = [
        click.option("--no-cache", is_flag=True, help="Read the inputs anew and keep nothing."),
        click.option("--rank", type=click.IntRange(min=0), help="Read only this process of a multi-rank run."),
    ]
    options = [
        click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings on stderr."),
        click.option("--debug", is_flag=True, help="Show a traceback when something fails."),
    ]
    output_options = [
        click.option(
            "-o",
            "--out",
            type=click.Path(path_type=Path),
            callback=_parse_out,
            help="Write to this file; its suffix chooses the format: .txt .csv .json .parquet .md .html",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["text", "csv", "json", "markdown", "html"]),
            default="text",
            show_default=True,
            help="Format on stdout.",
        ),
        click.option(
            "--fail-on",
            default="",
            metavar="WHAT,...",
            callback=_parse_fail_on,
            help=f"Exit with 1 if any of these was found: {', '.join(FAIL_ON)}.",
        ),
    ]

    def decorate(function: _Command) -> _Command:
        @functools.wraps(function)
        def with_invocation(**given: Any) -> Any:
            given.pop("debug")
            invocation = Invocation(
                use_cache=not given.pop("no_cache", False) and not reads_standard_input(),
                rank=given.pop("rank", None),
                quiet=given.pop("quiet"),
                out=given.pop("out", None),
                form=given.pop("form", "text"),
                fail_on=given.pop("fail_on", frozenset()),
            )
            return function(invocation=invocation, **unpack_archives(given, invocation))

        decorated: Any = with_invocation
        for option in reversed((input_options if inputs else []) + options + (output_options if output else [])):
            decorated = option(decorated)
        return decorated

    return decorate


INPUT = Input()
"""A path that profkit itself checks, so that its errors name the next step; `-` is standard input."""

HINTS = click.option(
    "--map",
    "hints_file",
    type=INPUT,
    metavar="FILE",
    help="Hints (TOML): renamed modules, classes of operators, pairs of executions; they win over everything.",
)
"""What the user knows about two runs; see profkit.parsers.alignment_hints."""
