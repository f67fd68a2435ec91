"""How events are decoded: structs of the fields that a reader wants, no wider than the file turns out to need.

A file's events have few of the fields that could be wanted, and most of their numbers are plain ones. So a window is
decoded with the fields that the windows before it had; every other wanted one may only be null there, which makes a
window that has it fail at once. That window is decoded with all fields as raw JSON, which always fits, and what it
shows makes the structs of the next windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Raw
from msgspec.structs import astuple

ABSENT = Raw(b"")
ABSENT_NUMBER = -(2**63)
# The numbers that int64 holds, without the one that stands for none.
PlainNumber = Annotated[int, msgspec.Meta(gt=ABSENT_NUMBER, le=2**63 - 1)]

TIME_FIELDS = ("ts", "dur")
# Fields of few words, which are decoded as such: then every event of a window has the very same text.
_WORD_FIELDS = ("ph", "cat")
_MOST_WORDS = 100
_NUMBERS = msgspec.json.Decoder(list[PlainNumber | None])


@dataclass(frozen=True)
class Form:
    """One way to decode an event.

    Attributes:
        event: Struct of an event.
        args: Struct of its `args`.
        fields: Fields of an event that are given, in the order of the struct's.
        keys: Keys of `args` that are given, in the order of the struct's fields.
        numbers: Fields and keys that are decoded as int64, ABSENT_NUMBER where absent and None where null; the others
            of `keys` and the times are raw JSON, ABSENT where absent.
    """

    event: type[msgspec.Struct]
    args: type[msgspec.Struct]
    fields: tuple[str, ...]
    keys: tuple[str, ...]
    numbers: frozenset[str]

    @classmethod
    def of(
        cls,
        fields: tuple[str, ...],
        keys: Sequence[str],
        numbers: frozenset[str],
        unseen: Sequence[str] = (),
        words: Mapping[str, Sequence[str]] | None = None,
    ) -> Form:
        """Make the structs.

        Args:
            fields: As the attribute.
            keys: As the attribute.
            numbers: As the attribute.
            unseen: Keys of `args` that a window must not have.
            words: The only values of some fields; those of the others may be any text.
        """
        args = msgspec.defstruct(
            "Args",
            [
                *(_field(f"a{i}", key, key in numbers) for i, key in enumerate(keys)),
                *((f"u{i}", None, msgspec.field(name=key, default=None)) for i, key in enumerate(unseen)),
            ],
            gc=False,
        )
        of_event: dict[str, Any] = {
            **{name: (name, _text_type((words or {}).get(name)), None) for name in (*_WORD_FIELDS, "name")},
            **{name: (name, int | str | None, None) for name in ("pid", "tid", "id")},
            **{name: _field(name, name, name in numbers) for name in TIME_FIELDS},
            "args": ("args", args | None, None),
        }
        event = msgspec.defstruct("Event", [of_event[name] for name in fields], gc=False)
        return cls(event, args, fields, tuple(keys), numbers)


def _field(name: str, key: str, is_number: bool) -> tuple[str, Any, Any]:
    if is_number:
        return name, PlainNumber | None, msgspec.field(name=key, default=ABSENT_NUMBER)
    return name, Raw, msgspec.field(name=key, default=ABSENT)


def _text_type(words: Sequence[str] | None) -> Any:
    choices = (*(words or ()), None)
    return Literal[choices] if words else str | None


class FittingForms:
    """Decodes windows of one file with the form that fitted the windows before.

    Args:
        usual: Keys of `args` that any event may have.
        rare: By a key that tells whether events have them, the keys beside it.
        texts: Those of them that are never wanted as numbers.
        fields: Fields of an event that are wanted.

    Attributes:
        widest: The form that fits every event: all fields, nothing but raw JSON.
    """

    def __init__(
        self,
        usual: Sequence[str],
        rare: dict[str, tuple[str, ...]],
        texts: frozenset[str],
        fields: tuple[str, ...],
    ) -> None:
        self._rare = rare
        self._guards = tuple(dict.fromkeys([*usual, *rare]))
        every = tuple(dict.fromkeys([*self._guards, *(key for beside in rare.values() for key in beside)]))
        self._present: set[str] = set()
        self._numbers = {*every, *TIME_FIELDS} - texts
        self._words: dict[str, set[str]] = {name: set() for name in _WORD_FIELDS}
        self.widest = Form.of(fields, every, frozenset())
        self._decode_widest: Callable[[bytes], list[Any]] = _decoder(self.widest)
        self._decode_fitting: Callable[[bytes], list[Any]] | None = None
        self._forms = {self.widest.event: self.widest}

    def form_of(self, events: Sequence[Any]) -> Form:
        """Give the form of events of one window."""
        return self._forms[type(events[0])] if events else self.widest

    def decode(self, window: bytes) -> list[Any]:
        """Decode a JSON list of events.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: As of msgspec; the text is no list of events.
        """
        if self._decode_fitting is not None:
            try:
                return self._decode_fitting(window)
            except msgspec.ValidationError:
                pass
        events = self._decode_widest(window)
        self._fit(events)
        return events

    def _fit(self, events: Sequence[Any]) -> None:
        """Widen the fitting form by what events of the widest form have."""
        before = self._size()
        values = field_values(events, self.widest.fields)
        self._numbers -= {name for name in TIME_FIELDS if not _are_numbers(values[name])}
        of_args = field_values([args for args in values["args"] if args is not None], self.widest.keys)
        here = {key for key in self._guards if any(of_args[key])}
        self._present |= here.union(*(self._rare.get(key, ()) for key in here))
        self._numbers -= {key for key in self._present & self._numbers if not _are_numbers(of_args[key])}
        for name, known in self._words.items():
            known.update(word for word in values[name] if word is not None)
        if self._decode_fitting is not None and before == self._size():
            return
        unseen = [key for key in self._guards if key not in self._present]
        keys = [key for key in self.widest.keys if key in self._present]
        words = {name: sorted(known) for name, known in self._words.items() if len(known) <= _MOST_WORDS}
        fitting = Form.of(self.widest.fields, keys, frozenset(self._numbers), unseen, words)
        self._forms[fitting.event] = fitting
        self._decode_fitting = _decoder(fitting)

    def _size(self) -> tuple[int, ...]:
        """Measure what decides the fitting form: it only ever grows or shrinks."""
        return len(self._present), len(self._numbers), *map(len, self._words.values())


def _decoder(form: Form) -> Callable[[bytes], list[Any]]:
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[form.event])  # type: ignore[name-defined]
    return decoder.decode


def _are_numbers(values: Sequence[Raw]) -> bool:
    """Say whether raw values are all plain numbers, null or absent."""
    try:
        _NUMBERS.decode(b"[" + b",".join(filter(None, values)) + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def field_values(structs: Sequence[msgspec.Struct], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Give the values of the first fields of many structs of one type; `names` are theirs, in order."""
    if not structs:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*map(astuple, structs), strict=True), strict=False))
