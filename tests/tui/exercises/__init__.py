"""One exercise for every action of the terminal UI."""

from __future__ import annotations

from . import before_a_session, charts, moving, rows, taking_along, texts
from .registry import EXERCISES, Exercise

__all__ = ["EXERCISES", "Exercise", "before_a_session", "charts", "moving", "rows", "taking_along", "texts"]
