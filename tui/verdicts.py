"""How a verdict is shown: a glyph, a word and only then a colour, so that none of the three is needed alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tone = Literal["bad", "warning", "good", "muted"]


@dataclass(frozen=True)
class Verdict:
    """One value of a verdict column.

    Attributes:
        glyph: One cell wide in every terminal (never of ambiguous East Asian width).
        word: What it says without glyph and colour.
        tone: Which style it takes.
        weight: How bad it is; sorting a verdict column downwards puts the heaviest first.
    """

    glyph: str
    word: str
    tone: Tone
    weight: int

    @property
    def text(self) -> str:
        """Glyph and word, as a cell shows them."""
        return f"{self.glyph} {self.word}"


PARITY: Mapping[object, Verdict] = {
    "mismatch": Verdict("✗", "mismatch", "bad", 8),
    "shape": Verdict("✗", "shape", "bad", 7),
    "dtype": Verdict("✗", "dtype", "warning", 6),
    "missing_a": Verdict("∅", "missing a", "warning", 5),
    "missing_b": Verdict("∅", "missing b", "warning", 4),
    "unreadable": Verdict("∅", "unreadable", "warning", 3),
    "undecidable": Verdict("?", "undecidable", "warning", 2),
    "match": Verdict("✓", "match", "good", 1),
}

OVERFLOW: Mapping[object, Verdict] = {
    "origin": Verdict("✱", "origin", "bad", 7),
    "carrier": Verdict("▸", "carrier", "warning", 6),
    "saturated": Verdict("▴", "saturated", "warning", 5),
    "unknown": Verdict("?", "unknown", "warning", 4),
    "norm_jump": Verdict("▴", "norm jump", "warning", 3),
    "expected": Verdict("◦", "expected", "muted", 2),
    "masked": Verdict("◦", "masked", "muted", 1),
}

FLAG: Mapping[object, Verdict] = {
    "slow": Verdict("▴", "slow", "bad", 3),
    "extra_op": Verdict("+", "extra", "warning", 2),
    "missing_op": Verdict("∅", "missing", "warning", 1),
}

SEVERITY: Mapping[object, Verdict] = {
    "error": Verdict("✗", "error", "bad", 3),
    "data_loss": Verdict("▾", "data loss", "warning", 2),
    "info": Verdict("◦", "info", "muted", 1),
}

FIRST_DIVERGENCE: Mapping[object, Verdict] = {True: Verdict("▸", "first", "bad", 1)}

PRIMARY_ORIGIN: Mapping[object, Verdict] = {True: Verdict("▸", "look first", "bad", 1)}
