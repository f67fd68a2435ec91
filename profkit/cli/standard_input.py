"""The input `-`: what comes from standard input, kept in a temporary file while the command runs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from profkit.errors import ProfkitError

_GIVEN = "profkit.standard_input"
# Messages name the file they are about.
_NAME = "standard input"
_COPIED_AT_ONCE = 1 << 20


class Input(click.Path):
    """A path of an input, or `-`, which is copied to a file in pieces: a trace may be larger than the memory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the path; that of the copy for `-`.

        Raises:
            ProfkitError: The copy cannot be written.
        """
        if not str(value):
            self.fail(
                "the path is empty, as of a variable of the shell that is not set; . is this directory", param, ctx
            )
        if str(value) != "-" or ctx is None or ctx.resilient_parsing:
            return super().convert(value, param, ctx)
        if ctx.meta.get(_GIVEN):
            self.fail("standard input can be one of the inputs only", param, ctx)
        if sys.stdin.isatty():
            self.fail("standard input is a terminal: pipe a trace into it, or name a file", param, ctx)
        ctx.meta[_GIVEN] = True
        return _copied(ctx)


def reads_standard_input() -> bool:
    """Tell whether one of the inputs of the running command is standard input."""
    return bool(click.get_current_context().meta.get(_GIVEN))


def _copied(ctx: click.Context) -> Path:
    try:
        copy = Path(ctx.with_resource(tempfile.TemporaryDirectory(prefix="profkit-"))) / _NAME
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, _COPIED_AT_ONCE)
    except OSError as error:
        raise ProfkitError(
            f"standard input cannot be kept in {tempfile.gettempdir()}: {error.strerror}",
            "make room there, or set TMPDIR to a place that has some",
        ) from error
    return copy
