r"""Damaged text of one trace event made JSON again.

What real exporters write: quotes inside names that are not escaped (Kineto until mid 2026), raw newlines and control
characters, single backslashes of Windows paths, bytes that are not UTF-8, half surrogate pairs, the bare words N/A,
NaN and Infinity for numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from profkit.errors import Severity
from profkit.parsers.damage_log import Repair

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(f'{_STRING}|[^"]+', re.DOTALL)
_NO_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:N/A|nan|inf(?:inity)?)(?![\w.])", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f]")
_ESCAPE = re.compile(r'\\(?:\\|["/bfnrt]|u[0-9a-fA-F]{4})')
_LONE_BACKSLASH = re.compile(r'\\([\\"])?')
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}")

# The text of a value ends at the first quote after which the object goes on (a comma and the next key) or ends.
_TEXT_VALUE = re.compile(
    r'(?P<head>"(?:name|cat|Call stack|Module Hierarchy|labels)"\s*:\s*")(?P<text>.*?)'
    r'(?P<tail>"(?=\s*,\s*"[A-Za-z][^"\n]{0,60}"\s*:|\s*\}))',
    re.DOTALL,
)
_BARE_QUOTE = re.compile(r'(\\.)|"', re.DOTALL)


QUOTES = Repair("quotes inside a text were not escaped and have been", Severity.INFO)
CONTROLS = Repair("raw control characters in a text were escaped", Severity.INFO)
BACKSLASHES = Repair("single backslashes in a text were escaped", Severity.INFO)
ENCODING = Repair("bytes that are not UTF-8 were replaced by U+FFFD", Severity.DATA_LOSS)
SURROGATES = Repair("half surrogate pairs were replaced by U+FFFD", Severity.DATA_LOSS)
NO_NUMBERS = Repair("words such as N/A, NaN and Infinity in place of a number were read as unknown", Severity.INFO)


def repaired(event: bytes) -> Iterator[tuple[bytes, tuple[Repair, ...]]]:
    """Give texts that may be the event as it was meant, the least changed first, each with what was done."""
    text = event.decode("utf-8", errors="replace")
    done: tuple[Repair, ...] = ()
    if "\ufffd" in text and b"\xef\xbf\xbd" not in event:
        done = (ENCODING,)
    for quotes_done, candidate in (((), text), ((QUOTES,), _escape_quotes(text))):
        tokens, tokens_done = _mend_tokens(candidate)
        yield tokens.encode(), (*done, *quotes_done, *tokens_done)


def _escape_quotes(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        inner = _BARE_QUOTE.sub(lambda quote: quote.group(1) or '\\"', match["text"])
        return match["head"] + inner + match["tail"]

    return _TEXT_VALUE.sub(escape, text)


def _mend_tokens(text: str) -> tuple[str, tuple[Repair, ...]]:
    done: dict[Repair, None] = {}

    def substitute(pattern: re.Pattern[str], replacement: object, token: str, repair: Repair) -> str:
        mended = pattern.sub(replacement, token)  # type: ignore[call-overload]
        if mended != token:
            done[repair] = None
        return str(mended)

    def mend(match: re.Match[str]) -> str:
        token = match.group()
        if not token.startswith('"'):
            return substitute(_NO_NUMBER, "null", token, NO_NUMBERS)
        if "\\" in _ESCAPE.sub("", token):
            # One backslash that is no escape makes a path of the whole text: the n of C:\\new\\project is no newline.
            token = substitute(_LONE_BACKSLASH, lambda b: b.group() if b.group(1) else "\\\\", token, BACKSLASHES)
        token = substitute(_CONTROL, lambda c: f"\\u{ord(c.group()):04x}", token, CONTROLS)
        return substitute(_SURROGATES, lambda s: s.group() if s.group(1) else "\\ufffd", token, SURROGATES)

    return _TOKEN.sub(mend, text), tuple(done)
