"""Signs of ASCII for a terminal that is not written to in UTF-8, each as wide as the one it stands for."""

from __future__ import annotations

import codecs
import io
import sys

from rich.cells import cell_len

_HANDLER = "profkit-plain-signs"
_PLAIN = str.maketrans("▸▾▴…✗✓∅✱◦¶█▌▐▒▏▁▂▃▄▅▆▇", ">v^~x+0*oP##|=|__.--=#")


def write_plain_signs() -> None:
    """Write what the terminal's encoding lacks as signs it has; Python would write six letters for each."""
    # Textual draws on stderr.
    stream = sys.__stderr__
    if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
        codecs.register_error(_HANDLER, _plain)
        stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(sign if sign.isascii() else "?" * cell_len(sign) for sign in signs), error.end
