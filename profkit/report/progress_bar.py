"""A progress bar on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from profkit.progress import Progress as Listener
from profkit.safe_text import printable


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """Show one line (verb, subject, bar, percentage, time left) that goes away when the block ends."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=None)

    def report(verb: str, subject: str, fraction: float | None) -> None:
        total = None if fraction is None else 1.0
        bar.update(task, description=printable(f"{verb} {subject}"), total=total, completed=fraction or 0.0)

    with bar:
        yield report
