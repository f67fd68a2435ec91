"""The terminal UI in a real terminal: tmux draws it, keys are sent to it, what stands on the screen is read back."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from profkit.cli.demo import demo_inputs
from profkit.session import Session
from profkit.triage import triage
from profkit.tui.actions import ACTIONS

pytestmark = [
    pytest.mark.skipif(
        shutil.which("tmux") is None, reason="tmux is not installed, and it is the terminal of these tests"
    ),
    pytest.mark.timeout(400),
]

_LONGEST_WAIT_SECONDS = 60
TUI = [sys.executable, "-m", "profkit", "tui"]
KEYS = {action.id: action.keys.split(",")[0] for action in ACTIONS}


class Terminal:
    """One program in a tmux server of its own.

    Args:
        folder: The server's socket and the raw output lie in it.
        command: The program.
        size: Columns and lines.
        cwd: Working directory; by default the folder.
        environment: Variables besides those of the test.
    """

    def __init__(
        self,
        folder: Path,
        command: list[str],
        size: tuple[int, int] = (120, 40),
        cwd: Path | None = None,
        **environment: str,
    ) -> None:
        self._socket = folder / "tmux.sock"
        self.raw = folder / "raw-output"
        told = {**environment, "TERM": "tmux-256color", "LC_ALL": "C.UTF-8"}
        line = " ".join(
            [
                "env -u COLUMNS -u LINES",
                *(f"{name}={shlex.quote(value)}" for name, value in told.items()),
                shlex.join(command),
            ]
        )
        columns, lines = map(str, size)
        shell = f"{line}; echo ended with $?; sleep 600"
        self.tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "t",
            "-x",
            columns,
            "-y",
            lines,
            "-c",
            str(cwd or folder),
            shell,
        )
        self.tmux("pipe-pane", "-t", "t", f"cat > {shlex.quote(str(self.raw))}")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", str(self._socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.tmux("send-keys", "-t", "t", *(["-l", key] if len(key) == 1 else [key]))

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "t", "-l", text)

    def screen(self, *options: str) -> str:
        return self.tmux("capture-pane", "-p", "-t", "t", *options)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows what is looked for."""
        until = time.monotonic() + _LONGEST_WAIT_SECONDS
        while time.monotonic() < until:
            found = re.search(pattern, self.screen(), re.MULTILINE)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{pattern!r} did not come; the screen is:\n{self.screen()}")

    def open_operators(self) -> None:
        """Wait until the program shows a session, then go to its operators."""
        self.wait_for(r"\d of \d")
        self.keys(KEYS["operators"])
        self.wait_for("impact ▾")

    def close(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], check=False, capture_output=True, timeout=30)


@pytest.fixture
def terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Terminal]]:
    # tmux of the developer, who may run the tests inside one.
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.fixture(scope="module")
def demo() -> Session:
    return triage(demo_inputs(clean=False))


@pytest.fixture(scope="module")
def saved(demo: Session, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The session of the demo as a folder, which opens at once."""
    folder = tmp_path_factory.mktemp("saved") / "session"
    demo.save(folder)
    return str(folder)


def cursor_row(terminal: Terminal) -> str:
    return terminal.wait_for(r"^▸.*$").group()


def test_from_the_slow_operator_to_its_numbers_its_slice_and_a_file(terminals, demo, tmp_path):
    slow = demo.operators[demo.operators["flag"] == "slow"].sort_values("impact_ns", ascending=False)
    worst = slow.iloc[0]

    terminal = Terminal(tmp_path, [*TUI, "--demo"])
    terminals.append(terminal)
    terminal.open_operators()
    terminal.keys("/")
    terminal.type("slow")
    terminal.wait_for(rf"{len(slow)} of {len(demo.operators)} \| filter slow")
    terminal.keys("Enter", "Home")
    assert worst["operator"] in cursor_row(terminal)
    assert worst["module"] in cursor_row(terminal)

    terminal.keys("j", "k", KEYS["parity"])
    terminal.wait_for(rf"of {len(demo.parity)}\b")
    terminal.wait_for(rf"^▸.*{re.escape(worst['module'])}")

    terminal.keys(KEYS["timeline"])
    terminal.wait_for("start in its step")
    terminal.wait_for(rf"module +{re.escape(worst['module'])}")

    terminal.keys(KEYS["operators"])
    terminal.wait_for(r"\| filter slow")
    terminal.keys(KEYS["export-csv"])
    terminal.wait_for(f"{len(slow)} rows written")
    terminal.keys("q")
    terminal.wait_for("ended with 0")
    with (tmp_path / "profkit-operators.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["operator"], row["module"], row["run_ns"]) for row in rows] == [
        (row["operator"], row["module"], str(row["run_ns"])) for _, row in slow.iterrows()
    ]


def test_a_copied_cell_reaches_the_terminal_and_a_file(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, [*TUI, saved])
    terminals.append(terminal)
    terminal.open_operators()
    terminal.keys("y")
    terminal.wait_for("sent to the")
    text = (Path(os.environ["PROFKIT_STATE_DIR"]) / "clipboard.txt").read_text(encoding="utf-8").rstrip("\n")
    assert text in cursor_row(terminal)
    assert b"\x1bPtmux;\x1b\x1b]52;c;" in terminal.raw.read_bytes()


def test_a_line_opens_in_the_editor_and_the_screen_comes_back(terminals, saved, tmp_path):
    editor = tmp_path / "vim"
    editor.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/edited\necho in the editor\nsleep 1\n', encoding="utf-8")
    editor.chmod(0o700)
    terminal = Terminal(tmp_path, [*TUI, saved], cwd=Path.cwd(), EDITOR=str(editor))
    terminals.append(terminal)
    terminal.open_operators()
    terminal.keys(KEYS["sources"])
    terminal.wait_for("not judged")
    terminal.keys("/")
    terminal.type("trace.json.gz")
    terminal.wait_for("1 of")
    terminal.keys("Enter", KEYS["code"])
    terminal.wait_for("in the editor")
    terminal.wait_for("^▸")
    edited = (tmp_path / "edited").read_text(encoding="utf-8").strip()
    assert Path(edited).is_absolute()
    assert Path(edited).exists()


def test_without_colour_everything_is_told_all_the_same(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, [*TUI, saved], NO_COLOR="1")
    terminals.append(terminal)
    terminal.open_operators()
    colours = set(re.findall(r"\x1b\[[0-9;]*\b(?:[34]8;[25];[0-9;]+)m", terminal.screen("-e")))
    shades = {tuple(map(int, rgb)) for rgb in re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", " ".join(colours))}
    assert all(red == green == blue for red, green, blue in shades)
    indexed = {int(index) for index in re.findall(r"[34]8;5;(\d+)", " ".join(colours))}
    assert all(index in {0, 7, 8, 15, 16, 59, 102, 145, 188, 231} or 232 <= index <= 255 for index in indexed)


def test_256_colours_are_enough(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, [*TUI, saved], (80, 24), COLORTERM="")
    terminals.append(terminal)
    terminal.open_operators()
    shown = terminal.screen("-e")
    assert "38;2;" not in shown
    assert "48;2;" not in shown
    assert "48;5;" in shown
    cursor = next(line for line in shown.splitlines() if "▸" in line)
    others = [line for line in shown.splitlines() if "▴ slow" in line and "▸" not in line]
    assert set(re.findall(r"48;5;\d+", cursor)) - set(re.findall(r"48;5;\d+", "".join(others)))


def test_it_survives_a_terminal_that_becomes_tiny(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, [*TUI, saved])
    terminals.append(terminal)
    terminal.open_operators()
    before = terminal.screen()
    terminal.tmux("resize-window", "-t", "t", "-x", "40", "-y", "10")
    terminal.wait_for(r"^▸.{0,39}$")
    terminal.keys("j", "]", KEYS["parity"], KEYS["timeline"], KEYS["modules"], "?", "q", KEYS["operators"], "Home")
    terminal.wait_for(r"impact|operator")
    terminal.tmux("resize-window", "-t", "t", "-x", "120", "-y", "40")
    terminal.wait_for("▴ slow")
    terminal.wait_for(re.escape(before.splitlines()[2].rstrip()))


def test_a_hundred_kilobytes_pasted_into_the_filter(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, [*TUI, saved])
    terminals.append(terminal)
    terminal.open_operators()
    terminal.keys("/")
    pasted = tmp_path / "pasted"
    pasted.write_text("ratio>2 " * 12_500, encoding="utf-8")
    terminal.tmux("load-buffer", str(pasted))
    terminal.tmux("paste-buffer", "-p", "-t", "t")
    terminal.wait_for("100,000 characters were pasted")
    terminal.type("slow")
    terminal.wait_for(r"of \d+ \| filter slow")
    terminal.keys("Escape")
    terminal.wait_for(r" (\d+) of \1 ")
    terminal.keys("q")
    terminal.wait_for("ended with 0")


def test_leaving_does_not_wait_for_work(terminals, tmp_path):
    program = "import time; from profkit.tui.app import run; raise SystemExit(run(lambda progress: time.sleep(300)))"
    terminal = Terminal(tmp_path, [sys.executable, "-c", program])
    terminals.append(terminal)
    terminal.wait_for("so far")
    terminal.keys("q")
    terminal.wait_for("ended with 2")


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("HUP", 129)])
def test_a_signal_to_end_gives_the_terminal_back_and_keeps_the_view(terminals, saved, tmp_path, signal, code):
    terminal = Terminal(tmp_path, ["sh", "-c", f"echo $$ > pid; exec {shlex.join([*TUI, saved])}"])
    terminals.append(terminal)
    terminal.open_operators()
    subprocess.run(["kill", f"-{signal}", (tmp_path / "pid").read_text().strip()], check=True)
    terminal.wait_for(f"ended with {code}")
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split() == list(
        "001"
    )
    kept = "".join(path.read_text(encoding="utf-8") for path in Path(os.environ["PROFKIT_STATE_DIR"]).rglob("*.json"))
    assert '"operators"' in kept


def test_a_terminal_that_goes_away_leaves_no_process_behind(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, ["sh", "-c", f"echo $$ > pid; exec {shlex.join([*TUI, saved])}"])
    terminals.append(terminal)
    terminal.open_operators()
    process = Path("/proc") / (tmp_path / "pid").read_text().strip()
    terminal.close()
    until = time.monotonic() + _LONGEST_WAIT_SECONDS
    while process.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not process.exists()


def test_to_the_shell_and_back(terminals, saved, tmp_path):
    terminal = Terminal(tmp_path, ["bash", "--norc", "--noprofile", "-i"])
    terminals.append(terminal)
    terminal.type(shlex.join([*TUI, saved]))
    terminal.keys("Enter")
    terminal.open_operators()
    for key in ("C-z", "Z"):
        terminal.keys(key)
        terminal.wait_for("Stopped")
        assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag}").split() == ["0", "0"]
        terminal.type("clear; fg")
        terminal.keys("Enter")
        terminal.wait_for("impact ▾")
    terminal.keys("q")
    terminal.wait_for(r"^bash.*[$#]\s*$")
