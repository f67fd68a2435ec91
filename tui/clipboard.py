"""Copying text out of the terminal UI: to the clipboard of the user's own terminal, and always to a file as well.

The escape sequence OSC 52 carries text through SSH to the terminal the user sits at. Whether that terminal takes it
cannot be known from here, tmux passes it on only when it is wrapped, and many terminals refuse long texts: so the file.
"""

from __future__ import annotations

import base64
from pathlib import Path

from profkit.errors import ProfkitError
from profkit.tui.state_files import state_folder

FILE = "clipboard.txt"

# xterm's limit on the length of the sequence, which other terminals took over.
_LONGEST_SEQUENCE = 100_000


def osc52(text: str, *, inside_tmux: bool) -> str | None:
    """Give the escape sequence that puts a text on the terminal's clipboard; None if the text is too long for it.

    Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (OSC 52); tmux(1), allow-passthrough.
    """
    encoded = base64.b64encode(text.encode("utf-8", errors="replace")).decode("ascii")
    if len(encoded) > _LONGEST_SEQUENCE:
        return None
    sequence = f"\x1b]52;c;{encoded}\x07"
    if inside_tmux:
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return sequence


def write_clipboard_file(text: str) -> Path:
    """Write a text to the clipboard file, readable by the user alone.

    Raises:
        ProfkitError: It cannot be written.
    """
    path = state_folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "set PROFKIT_STATE_DIR") from error
    return path
