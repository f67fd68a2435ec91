"""Damaged text of a chrome trace walked event by event: what can be read or repaired is kept, the rest is counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from profkit.errors import Severity
from profkit.parsers.chrome.repair import repaired
from profkit.parsers.damage_log import DamageLog, Repair

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_SEPARATOR = re.compile(rb"[\s,]*")
# A brace behind which neither the object around it ends nor its next key stands.
_LIKELY_END = re.compile(rb'\}(?=[\s,]*(?:[^\s,}"]|$))')
_MARK = re.compile(rb'["{}\[\]:,]')
# Bounded: the expression engine keeps a place to go back to for each repetition, 16 GiB of them for a hostile name.
_PART_OF_STRING = re.compile(rb'(?:[^"\\]+|\\.){0,1000}', re.DOTALL)
_CLOSING = {b"}": b"{", b"]": b"["}
_REPAIR_TRIALS = 3
# The repairs search text for places where it may go on; longer events than this are not worth a crafted file's hours.
_REPAIRED_BYTES = 1 << 16
_SEARCHES_OF_TEXT = 4

_NOT_UTF8 = Repair("bytes that are not UTF-8 stand in a key, or in a value that is not read", Severity.DATA_LOSS)
_LOST = Repair("could not be read", Severity.DATA_LOSS)
_GAP = Repair("bytes between two events are not JSON and were skipped", Severity.DATA_LOSS)
_SEPARATORS = Repair("commas between events are missing or doubled", Severity.INFO)
_ODD_TYPES = Repair("a field has another type than expected and was read as text", Severity.INFO)
_NO_ARGS = Repair("args is no object: left out", Severity.DATA_LOSS)


@dataclass
class Salvaged:
    """What was saved from damaged text.

    Attributes:
        events: Structs of the event type.
        numbers: Place of each in the list of the file; an event that could not be read keeps its number.
        next_number: Number of the event that follows.
        consumed: Bytes used up.
        closed: Whether the end of the list was among them.
        searched: Bytes searched for closing brackets.
    """

    next_number: int
    events: list[Any] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    consumed: int = 0
    closed: bool = False
    searched: int = 0


class EventSalvage:
    """Walks damaged text.

    Args:
        event_type: msgspec Struct of an event, as for EventWindows.
        damage: Where repairs and losses are counted.
    """

    def __init__(self, event_type: type[msgspec.Struct], damage: DamageLog) -> None:
        self._event_type = event_type
        self._event = msgspec.json.Decoder(event_type)
        self._loose_event = msgspec.json.Decoder(dict[str, Raw])
        self._damage = damage

    def walk(self, text: bytes, offset: int, number: int, *, final: bool) -> Salvaged:
        """Read the events of a text one by one.

        Args:
            text: Begins at an event or at what separates two.
            offset: Its place in the file, for issues.
            number: Number of its first event.
            final: Whether this is the end of the file; an unfinished event is left for the next text otherwise.
        """
        saved = Salvaged(number)
        position = 0
        while True:
            position = self._next_event(text, position, offset, saved)
            if text[position : position + 1] == b"]":
                saved.consumed, saved.closed = position + 1, True
                return saved
            end = self._save(text, position, offset, saved, final=final) if position < len(text) else None
            if end is None:
                break
            position = end
        saved.consumed = position
        return saved

    def _next_event(self, text: bytes, position: int, offset: int, saved: Salvaged) -> int:
        """Skip to the next event or to the end of the list; anything but one comma in between is noted."""
        match = _SEPARATOR.match(text, position)
        end = match.end() if match else position
        following = text[end : end + 1]
        commas = text.count(b",", position, end)
        is_first = saved.next_number == 0 and position == 0
        if commas > (0 if is_first else 1) or (commas == 0 and position > 0 and following == b"{"):
            self._damage.count(_SEPARATORS, saved.next_number, offset + position)
        if following in (b"", b"]", b"{"):
            return end
        start = text.find(b"{", end)
        self._damage.count(_GAP, saved.next_number, offset + end)
        return len(text) if start < 0 else start

    def _save(self, text: bytes, position: int, offset: int, saved: Salvaged, *, final: bool) -> int | None:
        """Read the event at a position, repaired if need be; give the place behind it, None if more text is needed."""
        ends = [match.end() for match in islice(_LIKELY_END.finditer(text, position), _REPAIR_TRIALS)]
        if len(ends) < _REPAIR_TRIALS:
            if not final:
                return None
            ends.append(len(text))
        byte, number = offset + position, saved.next_number
        event = self._decoded(text[position : ends[0]], byte, number)
        if event is not None:
            return _kept(event, ends[0], saved)
        cut = _is_cut(text[position : ends[0]])
        balanced = self._balanced(text, position, saved, within=len(text) if cut else _REPAIRED_BYTES)
        if cut and balanced is None and not final:
            return None
        event = self._decoded(text[position:balanced], byte, number) if balanced else None
        if event is not None and balanced:
            return _kept(event, balanced, saved)
        for end in (end for end in ends if end - position <= _REPAIRED_BYTES):
            for mended, repairs in repaired(text[position:end]):
                event = self._decoded(mended, byte, number)
                if event is not None:
                    for repair in repairs:
                        self._damage.count(repair, number, byte)
                    return _kept(event, end, saved)
        self._damage.count(_LOST, number, byte)
        saved.next_number += 1
        return ends[0]

    def _balanced(self, text: bytes, position: int, saved: Salvaged, within: int) -> int | None:
        """Give where the brackets of an event are closed; None where they are not, or the text was searched too often.

        A crafted text of ever deeper lists would otherwise be searched to its end at every event.
        """
        if saved.searched > _SEARCHES_OF_TEXT * len(text):
            return None
        limit = min(position + within, len(text))
        end = _balanced_end(text, position, limit)
        saved.searched += (end or limit) - position
        return end

    def _decoded(self, text: bytes, byte: int, number: int) -> Any | None:
        try:
            event = self._event.decode(text)
            if not is_utf8(text):
                self._damage.count(_NOT_UTF8, number, byte)
            return event
        except msgspec.ValidationError:
            return self._decoded_loosely(text, byte, number)
        except DECODE_ERRORS:
            return None

    def _decoded_loosely(self, text: bytes, byte: int, number: int) -> Any | None:
        """Read an event whose fields have unexpected types: each by itself, as text where it is none."""
        try:
            fields = self._loose_event.decode(text)
        except DECODE_ERRORS:
            return None
        kept: dict[str, Any] = {}
        for info in msgspec.structs.fields(self._event_type):
            raw = fields.get(info.encode_name)
            if raw is None:
                continue
            try:
                kept[info.name] = msgspec.json.decode(raw, type=info.type)
            except DECODE_ERRORS:
                if info.name == "args":
                    self._damage.count(_NO_ARGS, number, byte)
                    continue
                self._damage.count(_ODD_TYPES, number, byte)
                kept[info.name] = bytes(raw).decode("utf-8", errors="replace")
        return self._event_type(**kept)


def is_utf8(text: bytes) -> bool:
    """Say whether a text is UTF-8 as a whole: the decoder looks only at the strings that it gives."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _kept(event: Any, end: int, saved: Salvaged) -> int:
    saved.events.append(event)
    saved.numbers.append(saved.next_number)
    saved.next_number += 1
    return end


def _is_cut(text: bytes) -> bool:
    """Say whether a text is the beginning of JSON that goes on: its end is nested in the event."""
    try:
        msgspec.json.decode(text, type=Raw)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except RecursionError:
        return False
    return False


def _balanced_end(text: bytes, position: int, limit: int) -> int | None:
    """Give the place where the bracket at a position is closed, None if that is not before the limit.

    Stops at what JSON cannot mean (an object within an object without a key, the wrong bracket), which tells a lost
    bracket where it was lost.
    """
    open_brackets: list[bytes] = []
    before = b":"
    place: int | None = position
    while place is not None and (match := _MARK.search(text, place, limit)):
        token = match.group()
        place = match.end()
        if token == b'"':
            place = _string_end(text, place, limit)
        elif token in (b"{", b"["):
            if open_brackets and open_brackets[-1] == b"{" and before != b":":
                return match.start()
            open_brackets.append(token)
        elif token in _CLOSING and (open_brackets.pop() != _CLOSING[token] or not open_brackets):
            return place
        before = token
    return None


def _string_end(text: bytes, place: int, limit: int) -> int | None:
    """Give the place behind the closing quote of a string whose opening quote stands before a place."""
    while match := _PART_OF_STRING.match(text, place, limit):
        if match.end() == place:
            break
        place = match.end()
    return place + 1 if text[place : min(place + 1, limit)] == b'"' else None
