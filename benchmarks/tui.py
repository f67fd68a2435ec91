"""The terminal UI on a pseudo-terminal, beside Textual's own DataTable: what a user waits for, and what SSH carries.

    python benchmarks/tui.py [--rows 10000 100000 1000000] [--stock-rows 10000 100000] [--keys 200]

A table of ten columns (four of text, six of numbers) at 120x40. Times are taken outside the program: from the key that
is written to the terminal to the bytes that answer it; the first paint from the key that asks a running program to show
the frame to the first row drawn. To follow is to move to the first row of a module that the filter shows, as going to
another view does.
"""

from __future__ import annotations

import argparse
import fcntl
import math
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS, LINES = 120, 40
_FIRST_ROW = b"operator-0000000"
_QUIET_SECONDS = 0.15
_LONGEST_ANSWER_SECONDS = 60.0
_CLASSES = ("matmul", "conv", "norm", "elementwise", "softmax", "copy", "reduce", "loss")


def show(kind: str, rows: int) -> None:
    """Be the program that is measured: make the frame, then show it until q."""
    import numpy as np
    import pandas as pd

    numbers = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "operator": pd.array([f"operator-{row:07d}" for row in range(rows)], dtype="string"),
            "module": pd.Categorical.from_codes(
                numbers.integers(0, 200, rows), [f"blocks.{n}.mlp.fc1" for n in range(200)]
            ),
            "op_class": pd.Categorical.from_codes(numbers.integers(0, len(_CLASSES), rows), list(_CLASSES)),
            "phase": pd.Categorical.from_codes(numbers.integers(0, 2, rows), ["forward", "backward"]),
            **{f"n{column}": numbers.random(rows) * 1000 for column in range(5)},
            "dur_ns": numbers.integers(1_000, 10_000_000, rows),
        }
    )
    if kind == "profkit":
        # As opening a session does.
        from profkit.tui.background import spare_collections

        spare_collections()
    app = _view_app(frame) if kind == "profkit" else _stock_app(frame)
    # From here on the peak is that of showing, not of making the frame.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    os.write(int(os.environ["BENCHMARK_PIPE"]), str(_memory_kib("VmRSS")).encode())
    app.run()


def _view_app(frame):  # type: ignore[no-untyped-def]
    import numpy as np
    from textual.content import Content
    from textual.widgets import Static

    import profkit.tui
    from profkit.tui.key_order import OrderedKeysApp
    from profkit.tui.links import no_link
    from profkit.tui.screens.view_screen import ViewScreen
    from profkit.tui.selection import Selection
    from profkit.tui.view import View
    from profkit.tui.widgets.table_column import duration_column, number_column, text_column

    columns = (
        *(text_column(name, name) for name in ("operator", "module")),
        text_column("op_class", "class", short="class"),
        text_column("phase", "phase"),
        *(number_column(f"n{number}", f"n{number}") for number in range(5)),
        duration_column("dur_ns", "time", short="time"),
    )
    view = View(
        name="operators",
        title="Operators",
        frame=frame,
        columns=columns,
        flagged=np.zeros(len(frame), dtype=np.bool_),
        link=no_link(frame),
        describe=lambda row: Content(str(row)),
        leads_to=lambda row: None,
        when_empty="",
    )

    modules = iter(frame["module"].cat.categories)

    class ViewApp(OrderedKeysApp):
        CSS_PATH = str(Path(profkit.tui.__path__[0]) / "app.tcss")
        BINDINGS = [("o", "show"), ("F", "follow")]  # noqa: RUF012 - Textual reads it as a class variable

        def compose(self):  # type: ignore[no-untyped-def]
            yield Static("ready")

        def action_follow(self) -> None:
            assert isinstance(self.screen, ViewScreen)
            self.screen.follow(Selection(module=next(modules)), module_first=True)

        def on_mount(self) -> None:
            self.animation_level = "none"

        def action_show(self) -> None:
            self.push_screen(ViewScreen(view, [], "benchmark"))

    return ViewApp()


def _stock_app(frame):  # type: ignore[no-untyped-def]
    from textual.app import App
    from textual.widgets import DataTable, Static

    texts = [[str(value) for value in row] for row in frame.itertuples(index=False)]

    class StockApp(App):  # type: ignore[type-arg]
        BINDINGS = [("o", "show"), ("s", "sort"), ("x", "filter")]  # noqa: RUF012 - Textual reads it as a class variable

        def compose(self):  # type: ignore[no-untyped-def]
            yield Static("ready")

        def on_mount(self) -> None:
            self.animation_level = "none"

        async def action_show(self) -> None:
            table = DataTable(cursor_type="row")
            await self.mount(table)
            self.keys = table.add_columns(*frame.columns)
            table.add_rows(texts)
            table.focus()

        def action_sort(self) -> None:
            self.query_one(DataTable).sort(self.keys[0], reverse=True)

        def action_filter(self) -> None:
            table = self.query_one(DataTable)
            table.clear()
            table.add_rows([row for row in texts if row[2] == "matmul"])

    return StockApp()


def _memory_kib(name: str, process: int | str = "self") -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


@dataclass
class Terminal:
    """The measured program on its pseudo-terminal."""

    kind: str
    rows: int
    process: int = 0
    screen: int = -1
    frame_kib: int = 0
    written: int = 0
    _pipe: int = field(default=-1, repr=False)

    def __enter__(self) -> Terminal:
        self._pipe, other = os.pipe()
        os.set_inheritable(other, True)  # noqa: FBT003 - the standard library takes it so
        self.process, self.screen = pty.fork()
        if self.process == 0:
            environment = {
                **{name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "TMUX"}},
                "BENCHMARK_PIPE": str(other),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                "TEXTUAL_ANIMATIONS": "none",
            }
            os.execve(sys.executable, [sys.executable, __file__, "--show", self.kind, str(self.rows)], environment)
        os.close(other)
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        return self

    def wait_for_frame(self) -> None:
        """Wait until the program has its frame and shows an empty screen."""
        self.frame_kib = int(os.read(self._pipe, 100))
        self.wait_for(b"ready")
        self.quiet(0.5)

    def __exit__(self, *_: object) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.screen)
        os.close(self._pipe)

    def wait_for(self, text: bytes, seconds: float = _LONGEST_ANSWER_SECONDS) -> float | None:
        """Read until a text is drawn; give when, or None if it is not in time."""
        seen = b""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if select.select([self.screen], [], [], rest)[0]:
                seen = seen[-len(text) :] + self._read()
                if text in seen:
                    return time.monotonic()
        return None

    def quiet(self, seconds: float = _QUIET_SECONDS) -> int:
        """Read until nothing comes any more; give how many bytes came."""
        before = self.written
        while select.select([self.screen], [], [], seconds)[0]:
            self._read()
        return self.written - before

    def answer(self, keys: bytes, text: bytes | None = None, seconds: float = _LONGEST_ANSWER_SECONDS) -> float:
        """Press keys; give the seconds until the first byte, or until a text is drawn; NaN if it never is."""
        self.quiet()
        began = time.monotonic()
        os.write(self.screen, keys)
        if text is not None:
            drawn = self.wait_for(text, seconds)
            return float("nan") if drawn is None else drawn - began
        if not select.select([self.screen], [], [], _LONGEST_ANSWER_SECONDS)[0]:
            return float("nan")
        return time.monotonic() - began

    def peak_mib(self) -> float:
        """Give the memory at the highest since the frame was there, beyond the frame, MiB."""
        return (_memory_kib("VmHWM", self.process) - self.frame_kib) / 1024

    def _read(self) -> bytes:
        read = os.read(self.screen, 1 << 16)
        self.written += len(read)
        return read


def measured(kind: str, rows: int, keys: int, seconds: float) -> list[str]:
    """Give the cells of one line of the table."""
    label = ["profkit" if kind == "profkit" else "DataTable", f"{rows:,}"]
    with Terminal(kind, rows) as terminal:
        terminal.wait_for_frame()
        first = terminal.answer(b"o", _FIRST_ROW, seconds)
        if math.isnan(first):
            return [*label, f"not within {seconds:.0f} s", *["-"] * 8]
        terminal.quiet(0.5)
        # The middle of the table, so that keys do not run against its end.
        down = b"\x1b[B"
        latencies = [terminal.answer(down if press % 40 < 20 else b"\x1b[A") for press in range(keys)]
        terminal.quiet()
        move = _bytes_of(terminal, down)
        page = _bytes_of(terminal, b"\x1b[6~")
        if kind == "profkit":
            sort = terminal.answer(b"s", "▴".encode())
            found = terminal.answer(b"/class:matmul", b"filter class:matmul")
            os.write(terminal.screen, b"\r")
            follow = f"{1000 * statistics.median(terminal.answer(b'F') for _ in range(20)):.0f} ms"
        else:
            # It sorts and filters before it draws anything, so that the first bytes tell that it is done.
            follow = "-"
            sort = terminal.answer(b"s")
            found = terminal.answer(b"x")
        peak = terminal.peak_mib()
    return [
        *label,
        f"{first:.2f} s",
        f"{1000 * statistics.median(latencies):.0f} ms",
        f"{1000 * max(latencies):.0f} ms",
        f"{sort:.2f} s",
        f"{found:.2f} s",
        follow,
        f"{peak:.0f} MiB",
        f"{move:,}",
        f"{page:,}",
    ]


def _bytes_of(terminal: Terminal, key: bytes) -> int:
    """Give the bytes that one press costs, the median of five."""
    counts = []
    for _ in range(5):
        os.write(terminal.screen, key)
        counts.append(terminal.quiet())
    return int(statistics.median(counts))


HEADERS = (
    *(
        "table",
        "rows",
        "first paint",
        "key, median",
        "key, worst",
        "sort by text",
        "filter",
        "follow, median",
        "peak over the frame",
    ),
    *("bytes a cursor move", "bytes a page"),
)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--stock-rows", type=int, nargs="*", default=[10_000, 100_000])
    options.add_argument("--keys", type=int, default=200)
    options.add_argument("--stock-seconds", type=float, default=60.0, help="how long DataTable may take to be drawn")
    options.add_argument("--show", nargs=2, metavar=("TABLE", "ROWS"), help=argparse.SUPPRESS)
    told = options.parse_args()
    if told.show:
        show(told.show[0], int(told.show[1]))
        return
    print("| " + " | ".join(HEADERS) + " |")
    print("|" + " --- |" * len(HEADERS))
    for kind, sizes in (("profkit", told.rows), ("stock", told.stock_rows)):
        for rows in sizes:
            cells = measured(kind, rows, told.keys, told.stock_seconds)
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
