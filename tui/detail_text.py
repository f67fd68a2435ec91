"""The text beside a table: headings, fields and sentences about one row. Text of the data is never markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from textual.content import Content

from profkit.report.quantities import UNKNOWN, count
from profkit.safe_text import printable
from profkit.tui.verdicts import Verdict
from profkit.tui.widgets.table_column import is_no_place

_LONGEST_TEXT = 2_000
_TONE_STYLES = {"bad": "$text-error", "warning": "$text-warning", "good": "$text-success", "muted": "dim"}


class DetailText:
    """Collects lines, then gives them as styled content."""

    def __init__(self) -> None:
        self._lines: list[Content] = []

    def heading(self, text: str) -> DetailText:
        """Add a heading, after an empty line unless it is the first."""
        if self._lines:
            self._lines.append(Content(""))
        self._lines.append(Content.styled(shortened(text), "bold $text-primary"))
        return self

    def field(self, label: str, value: Any) -> DetailText:
        """Add "label value"; NA is shown as unknown."""
        text = UNKNOWN if pd.isna(value) else shortened(value)
        self._lines.append(Content.assemble((f"{shortened(label)}  ", "dim"), text))
        return self

    def place(self, label: str, value: Any) -> DetailText:
        """Add a rank, step or group, where -1 stands for none."""
        return self.field(label, pd.NA if is_no_place(value) else value)

    def verdict(self, label: str, value: Any, verdicts: Mapping[object, Verdict]) -> DetailText:
        """Add "label glyph word" in the verdict's tone."""
        verdict = None if pd.isna(value) else verdicts.get(value)
        if verdict is None:
            return self.field(label, value)
        self._lines.append(
            Content.assemble((f"{shortened(label)}  ", "dim"), (verdict.text, _TONE_STYLES[verdict.tone]))
        )
        return self

    def sentence(self, text: Any) -> DetailText:
        """Add a sentence; nothing for NA or empty text."""
        if not pd.isna(text) and str(text):
            self._lines.append(Content(shortened(text)))
        return self

    def content(self) -> Content:
        """Give the collected lines."""
        return Content("\n").join(self._lines)


def shortened(value: object) -> str:
    """Give printable text; of a very long one its beginning and how long it is."""
    text = str(value)
    if len(text) <= _LONGEST_TEXT:
        return printable(text)
    return f"{printable(text[:_LONGEST_TEXT])}… ({count(len(text))} characters; the export has all)"
