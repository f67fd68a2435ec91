"""A chrome trace cut into windows of whole events, each decoded at once; damaged windows are saved event by event.

A window is cut at the last `},{` after which its text still decodes as a list: JSON is prefix-deterministic, so a cut
in a string or in a nested object can never decode. Where no cut decodes, the window is damaged (or holds nested lists
of objects) and is walked event by event, with repairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from profkit.errors import Severity, UnreadableInputError
from profkit.parsers.byte_stream import ByteStream
from profkit.parsers.chrome.forms import FittingForms
from profkit.parsers.chrome.salvage import DECODE_ERRORS, EventSalvage, Salvaged, is_utf8
from profkit.parsers.damage_log import DamageLog
from profkit.progress import Progress

# Small enough for the processor's cache: larger windows take half as long again.
WINDOW_BYTES = 1 << 20
LARGEST_EVENT_BYTES = 64 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_LIST_KEY = re.compile(rb'"traceEvents"\s*:\s*\[')
_BETWEEN_EVENTS = re.compile(rb"\}\s*,\s*\{")
_CUT_SEARCH_BYTES = (1 << 13, 1 << 18)
_CUT_TRIALS = 3
_HEADER_TRIALS = 64


@dataclass(frozen=True)
class Window:
    """Events of one window, in file order.

    Attributes:
        events: Structs of the decoder's event type.
        numbers: Place of each event in the list of the file, from 0 (an unreadable event keeps its number).
    """

    events: Sequence[Any]
    numbers: Sequence[int]


class EventWindows:
    """Iterator over the windows of one trace.

    Args:
        path: Plain or gzip file.
        forms: What decodes a window; the `args` field of its events is a Struct or None, or there is none.
        header_keys: Top-level keys to keep; others (they may hold secrets of the environment) are never decoded.
        progress: Told the fraction read at each window.
        window_bytes: Plain bytes of a window.

    Attributes:
        header: The kept top-level values; complete after the iteration (keys may stand behind the events).
        is_object: Whether the file is an object with traceEvents; a bare list otherwise.
        damage: What was repaired and lost; complete after the iteration.

    Raises:
        UnreadableInputError: While iterating: nothing in the file is a trace event list.
    """

    def __init__(
        self,
        path: Path,
        forms: FittingForms,
        header_keys: Sequence[str],
        progress: Progress,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._path = path
        self._progress = progress
        self._window_bytes = window_bytes
        self._forms = forms
        event_type = forms.widest.event
        self._header_keys = tuple(header_keys)
        document = msgspec.defstruct(
            "Document",
            [
                ("events", list[event_type], msgspec.field(name="traceEvents", default_factory=list)),  # type: ignore[valid-type]
                *((f"key_{i}", Raw, msgspec.field(name=key, default=Raw(b""))) for i, key in enumerate(header_keys)),
            ],
        )
        self._document = msgspec.json.Decoder(document)
        self._number = 0
        self._saw_event = False
        self.header: dict[str, Any] = {}
        self.is_object = False
        self.damage = DamageLog(path)
        self._salvage = EventSalvage(event_type, self.damage)

    def __iter__(self) -> Iterator[Window]:
        with ByteStream(self._path) as stream:
            yield from self._windows(stream)
            for issue in stream.issues:
                self.damage.note(issue.severity, issue.where, issue.text)

    def _windows(self, stream: ByteStream) -> Iterator[Window]:
        text, offset = self._open(stream)
        closed = False
        while not closed:
            self._progress("reading", self._path.name, stream.fraction)
            # Text of which no event could be read yet is doubled, so that long events do not cost their length squared.
            piece = stream.read(max(self._window_bytes, len(text)))
            text += piece
            if not piece:
                yield self._last(text, offset)
                return
            window, consumed, closed = self._first_part(text, offset)
            text, offset = text[consumed:], offset + consumed
            if window.events:
                yield window
            if not closed and len(text) > LARGEST_EVENT_BYTES:
                saved = self._salvaged(text, offset, final=True)
                yield Window(saved.events, saved.numbers)
                self.damage.note(
                    Severity.DATA_LOSS,
                    f"byte {offset}",
                    f"no event ends within {LARGEST_EVENT_BYTES} bytes: the rest of the file was not read",
                )
                return
        while len(text) <= LARGEST_EVENT_BYTES and (piece := stream.read(max(self._window_bytes, len(text)))):
            text += piece
        self._read_trailer(text, offset)

    def _open(self, stream: ByteStream) -> tuple[bytes, int]:
        """Read up to the first event; give the bytes read beyond and the place in the file where they begin."""
        text = stream.read(self._window_bytes)
        skipped = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
        skipped += len(text[skipped:]) - len(text[skipped:].lstrip(_BLANK))
        if not text[skipped:]:
            what = "nothing could be unpacked from the gzip archive" if stream.issues else "the file is empty"
            raise UnreadableInputError(f"{self._path}: {what}", "record or copy the trace again")
        if text[skipped : skipped + 1] == b"[":
            return text[skipped + 1 :], skipped + 1
        if text[skipped : skipped + 1] != b"{":
            raise UnreadableInputError(
                f"{self._path}: not JSON: the first character is neither '{{' nor '['",
                "give a trace written by the profiler (.json or .json.gz)",
            )
        self.is_object = True
        while len(text) <= LARGEST_EVENT_BYTES:
            start = self._list_start(text, skipped)
            if start is not None:
                return text[start:], start
            piece = stream.read(max(self._window_bytes, len(text)))
            if not piece:
                break
            text += piece
        return self._open_damaged(text, skipped)

    def _list_start(self, text: bytes, skipped: int) -> int | None:
        for key in islice(_LIST_KEY.finditer(text, skipped), _HEADER_TRIALS):
            if self._keep_header(text[skipped : key.end()] + b"]}"):
                return key.end()
        return None

    def _open_damaged(self, text: bytes, skipped: int) -> tuple[bytes, int]:
        """Open an object whose keys before the events are not JSON (add_metadata_json is not checked by exporters)."""
        key = _LIST_KEY.search(text, skipped)
        if key is None:
            try:
                self._document.decode(text[skipped:])
            except DECODE_ERRORS:
                what = "not a trace: no list traceEvents, and the JSON is damaged or cut"
            else:
                what = "JSON, but not a trace: it has no list traceEvents"
            raise UnreadableInputError(
                f"{self._path}: {what}", "give a trace written by the profiler (.json or .json.gz)"
            )
        self._salvage_header(text[skipped : key.start()])
        self.damage.note(
            Severity.DATA_LOSS, f"byte {skipped}", "the keys before traceEvents are not valid JSON: read one by one"
        )
        return text[key.end() :], key.end()

    def _keep_header(self, text: bytes) -> bool:
        try:
            document: Any = self._document.decode(text)
        except DECODE_ERRORS:
            return False
        if not is_utf8(text):
            return False
        self._keep_values(document)
        if document.events:
            lost = f"a second list traceEvents of {len(document.events):,} events was not read"
            self.damage.note(Severity.DATA_LOSS, "", lost)
        return True

    def _keep_values(self, document: Any) -> None:
        for i, key in enumerate(self._header_keys):
            raw = bytes(getattr(document, f"key_{i}"))
            if raw and not self._keep_value(key, raw):
                self.damage.note(Severity.DATA_LOSS, "", f"the value of {key} beside the events cannot be read")

    def _keep_value(self, key: str, raw: bytes) -> bool:
        try:
            self.header[key] = msgspec.json.decode(raw)
        except DECODE_ERRORS:
            return False
        return True

    def _salvage_header(self, text: bytes) -> None:
        for key in self._header_keys:
            found = re.search(rb'"' + re.escape(key.encode()) + rb'"\s*:\s*', text)
            if found is None:
                continue
            ends = re.finditer(rb",|\}|\]|$", text[found.end() :])
            values = (text[found.end() : found.end() + end.start()] for end in islice(ends, _HEADER_TRIALS))
            any(self._keep_value(key, value) for value in values)

    def _first_part(self, text: bytes, offset: int) -> tuple[Window, int, bool]:
        """Decode as many whole events as the text holds: the window, the bytes used up, whether the list ended."""
        for cut in _last_cuts(text):
            part = b"".join((b"[", memoryview(text)[: cut.start() + 1], b"]"))
            try:
                events = self._forms.decode(part)
            except DECODE_ERRORS:
                continue
            if not is_utf8(part):
                break
            return self._numbered(events), cut.end() - 1, False
        saved = self._salvaged(text, offset, final=False)
        return Window(saved.events, saved.numbers), saved.consumed, saved.closed

    def _salvaged(self, text: bytes, offset: int, *, final: bool) -> Salvaged:
        saved = self._salvage.walk(text, offset, self._number, final=final)
        self._number = saved.next_number
        self._saw_event = self._saw_event or bool(saved.events)
        return saved

    def _last(self, text: bytes, offset: int) -> Window:
        """Decode the end of the file: the remaining events, the end of the list and the keys behind it."""
        whole = self._whole_end(text)
        if whole is not None:
            return whole
        saved = self._salvaged(text, offset, final=True)
        if not self._saw_event and not (saved.closed and saved.consumed == 1):
            raise UnreadableInputError(
                f"{self._path}: no whole trace event in it: damaged, cut or no trace", "record or copy the trace again"
            )
        if saved.closed:
            self._read_trailer(text[saved.consumed :], offset + saved.consumed)
        else:
            # The format allows a list without its end, but who writes an object closes it.
            severity = Severity.DATA_LOSS if self.is_object else Severity.INFO
            self.damage.note(
                severity, f"byte {offset + len(text)}", "the list of events is not closed: the file is cut"
            )
        return Window(saved.events, saved.numbers)

    def _whole_end(self, text: bytes) -> Window | None:
        """Decode the end of an undamaged file; None if it is damaged, or holds a second list of events."""
        if not is_utf8(text) or _LIST_KEY.search(text):
            return None
        try:
            if not self.is_object:
                return self._numbered(self._forms.decode(b"[" + text))
            document: Any = self._document.decode(b'{"traceEvents":[' + text)
        except DECODE_ERRORS:
            return None
        self._keep_values(document)
        return self._numbered(document.events)

    def _numbered(self, events: list[Any]) -> Window:
        first = self._number
        self._number += len(events)
        self._saw_event = self._saw_event or bool(events)
        return Window(events, range(first, self._number))

    def _read_trailer(self, text: bytes, offset: int) -> None:
        """Read what stands behind the end of the list."""
        if not self.is_object:
            if text.strip(_BLANK):
                self.damage.note(Severity.INFO, f"byte {offset}", f"{len(text)} bytes after the events were ignored")
        elif not self._keep_header(b'{"traceEvents":[]' + text):
            self._salvage_header(text)
            self.damage.note(
                Severity.INFO, f"byte {offset}", "what follows the events is not valid JSON: keys read one by one"
            )


def _last_cuts(text: bytes) -> list[re.Match[bytes]]:
    """Give the places near the end of a text where an event may end and the next begin, the last one first."""
    cuts: list[re.Match[bytes]] = []
    for searched in _CUT_SEARCH_BYTES:
        cuts = list(_BETWEEN_EVENTS.finditer(text, max(0, len(text) - searched)))
        if len(cuts) >= _CUT_TRIALS:
            break
    return cuts[: -_CUT_TRIALS - 1 : -1]
