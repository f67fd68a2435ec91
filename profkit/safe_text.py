"""Text from a file, made safe to print: no escape sequence, control or direction character gets through."""

from __future__ import annotations

import re

# C0 and C1 controls (with ESC, TAB, CR and LF), line and paragraph separators, bidirectional overrides and isolates,
# the byte-order mark, lone surrogates (they cannot be encoded), and what is never seen (soft hyphen, zero width space,
# word joiner, tags) and makes two names look the same; joiners that scripts need stay.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e-\u200f"
    "\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)

# A spreadsheet runs a cell that starts with one of these as a formula.
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: object) -> str:
    r"""Give the text with every unsafe character written as its escape (ESC becomes the four characters \x1b)."""
    return _UNSAFE.sub(_escape, str(text))


def spreadsheet_cell(text: str) -> str:
    """Give printable text that a spreadsheet does not run: a leading formula character gets an apostrophe before it."""
    safe = printable(text)
    return "'" + safe if text.startswith(_FORMULA_START) else safe
