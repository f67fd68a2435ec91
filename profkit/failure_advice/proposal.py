"""`ts.proposal`: a block whose failures are explained before they go on."""

from __future__ import annotations

import os
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType
from typing import Any

from profkit.failure_advice.failure_table import Failure, recognised
from profkit.frameworks import loaded, wait_for_mindspore
from profkit.safe_text import printable
from profkit.user_code import is_users

_WIDTH = 100
_MESSAGE_LINES = 3
_LATE = (
    "MindSpore runs operators after the line that launched them, so the line above may be a later one; "
    "mindspore.runtime.launch_blocking() at the start of the script makes it the right one"
)


class proposal(ContextDecorator):  # noqa: N801 - called as the migration guide's scripts call it
    """Explains a failure of the block or function: cause, what to do, where. The exception goes on unchanged.

    MindSpore's PyNative mode runs operators later than the lines that launch them: at its end the block waits for
    them, so that their failures belong to it.

    Args:
        write_file_path: File to write the explanation to as well.
        print_clear_stack: Also print the stack without the lines of the framework itself.
    """

    def __init__(self, write_file_path: Any = None, print_clear_stack: bool = False) -> None:
        self._file = None if write_file_path is None else Path(os.fspath(write_file_path))
        self._clear_stack = print_clear_stack

    def __enter__(self) -> proposal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._explain(error, stack, late=False)
        elif error is None:
            try:
                wait_for_mindspore()
            except Exception as late:
                self._explain(late, late.__traceback__, late=True)
                raise

    def _explain(self, error: Exception, stack: TracebackType | None, *, late: bool) -> None:
        text = explanation(error, stack, late=late)
        if self._clear_stack:
            text += "\nStack without the framework's own lines:\n" + "".join(_own_stack(stack))
        sys.stderr.write(text)
        if self._file is not None:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_text(text, encoding="utf-8", errors="backslashreplace")
            except OSError as failed:
                # The user's own exception must not be lost for this one.
                sys.stderr.write(f"{printable(self._file)} cannot be written: {failed.strerror}\n")


def explanation(error: Exception, stack: TracebackType | None, *, late: bool = False) -> str:
    """Give what is known of a failure, as text of lines.

    Args:
        error: The exception.
        stack: Where it was raised.
        late: Whether it came up after the line that caused it.
    """
    messages = list(_messages(error))
    failure = next((found for message in messages if (found := recognised(message)) is not None), None)
    rows = [("failure", failure.name if failure else "not in the table of known failures")]
    rows.append(("message", _first_lines(f"{type(error).__name__}: {messages[0]}")))
    if place := _own_line(stack):
        rows.append(("raised at", place))
    if late:
        rows.append(("note", _LATE))
    rows += _advice(failure)
    rows.append(("environment", _environment()))
    return "".join(["profkit: what is known of this failure\n", *(_row(name, text) for name, text in rows)])


def _advice(failure: Failure | None) -> list[tuple[str, str]]:
    if failure is None:
        return [("what to do", "read the message and the first line of your own code in the stack")]
    return [("cause", failure.cause), ("what to do", failure.remedy)]


def _messages(error: BaseException) -> Iterator[str]:
    """Give the message of an exception, and those of the ones it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield str(current).strip()
        current = current.__cause__ or current.__context__


def _first_lines(message: str) -> str:
    lines = [line for line in message.splitlines() if line.strip() and not set(line.strip()) <= {"-"}]
    return " ".join(lines[:_MESSAGE_LINES])


def _own_line(stack: TracebackType | None) -> str:
    own = [frame for frame in traceback.extract_tb(stack) if is_users(frame.filename)]
    if not own:
        return ""
    last = own[-1]
    return f"{last.filename}:{last.lineno}, in {last.name}: {last.line or ''}"


def _own_stack(stack: TracebackType | None) -> list[str]:
    frames = [frame for frame in traceback.extract_tb(stack) if is_users(frame.filename)]
    return [printable(line) + "\n" for text in traceback.format_list(frames) for line in text.splitlines()]


def _environment() -> str:
    python = f"Python {sys.version.split()[0]}"
    mindspore: Any = loaded("mindspore")
    if mindspore is None:
        return f"{python}; mindspore is not imported"
    mode = "graph mode" if mindspore.get_context("mode") == mindspore.GRAPH_MODE else "PyNative mode"
    return f"{python}, MindSpore {mindspore.__version__}, {mode}, {mindspore.get_context('device_target')}"


def _row(name: str, text: str) -> str:
    lines = textwrap.wrap(printable(text), _WIDTH - 14, break_long_words=False, break_on_hyphens=False) or [""]
    return "".join(f"  {name if number == 0 else '':<12}{line}\n" for number, line in enumerate(lines))
