"""Inputs that are archives: unpacked into a private directory that is removed when the command ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import click

from profkit.cli.standard_input import Input
from profkit.errors import ProfkitError
from profkit.parsers.packed_directory import DEFAULT_MOST_BYTES, is_packed_directory, unpack
from profkit.progress import Progress

_LIMIT = "PROFKIT_UNPACK_BYTES"


class Listener(Protocol):
    """What an invocation gives: a place for one line, and a progress bar."""

    def say(self, text: str) -> None:
        """Tell the user something."""

    def progress(self) -> Any:
        """Give a context manager around a Progress."""


def unpack_archives(given: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Replace each input that is an archive by the directory it was unpacked into.

    Args:
        given: Values of the command's parameters by name.
        listener: Told what was unpacked.

    Raises:
        ProfkitError: An archive is hostile, too large or damaged.
    """
    context = click.get_current_context()
    names = {parameter.name for parameter in context.command.params if isinstance(parameter.type, Input)}
    return {name: _replaced(value, context, listener) if name in names else value for name, value in given.items()}


def _replaced(value: Any, context: click.Context, listener: Listener) -> Any:
    if isinstance(value, tuple):
        return tuple(_replaced(one, context, listener) for one in value)
    if isinstance(value, Path) and is_packed_directory(value):
        with listener.progress() as progress:
            return _unpacked(value, context, listener, progress)
    return value


def _unpacked(path: Path, context: click.Context, listener: Listener, progress: Progress) -> Path:
    limit = os.environ.get(_LIMIT) or str(DEFAULT_MOST_BYTES)
    if not (limit.isascii() and limit.isdigit()):
        raise ProfkitError(f"${_LIMIT} is {limit!r}, no whole number of bytes", "set it to a number, or unset it")
    try:
        private = Path(context.with_resource(tempfile.TemporaryDirectory(prefix="profkit-")))
        target = private / path.name
        target.mkdir()
    except OSError as error:
        raise ProfkitError(
            f"{path} cannot be unpacked in {tempfile.gettempdir()}: {error.strerror}",
            "make room there, or set TMPDIR to a place that has some",
        ) from error
    unpacked = unpack(path, target, progress, int(limit))
    listener.say(f"{path}: {unpacked.files:,} files ({unpacked.size / 1e6:,.1f} MB) unpacked for this command")
    if unpacked.skipped:
        listener.say(f"  {unpacked.skipped:,} members are links, devices or sparse files: not unpacked")
    if unpacked.damage:
        listener.say(f"  the archive is cut or damaged, only what stands before that was unpacked: {unpacked.damage}")
    return target
