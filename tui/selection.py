"""What the user has selected: an operator, a module and a step, which stay selected from view to view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from profkit.session import Session
from profkit.tui.links import NO_ROWS, Rows
from profkit.tui.view import View


@dataclass(frozen=True)
class Selection:
    """What is selected.

    Attributes:
        operator: Row of the operator; -1 none. Of a module that was chosen by itself, one that stands for it.
        module: Path of the module; None if not known.
        step: Number of the step; -1 if none was chosen.
    """

    operator: int = -1
    module: str | None = None
    step: int = -1

    def is_of_operator(self, session: Session) -> bool:
        """Whether the operator itself is selected, not a module that holds it."""
        if self.operator < 0:
            return False
        own = session.operators["module"].iloc[self.operator]
        return self.module is None or (not pd.isna(own) and str(own) == self.module)

    def with_module_of_operator(self, session: Session) -> Selection:
        """Give the selection with the module of its operator, if it has none of its own."""
        if self.module is not None or self.operator < 0:
            return self
        own = session.operators["module"].iloc[self.operator]
        return Selection(self.operator, None if pd.isna(own) else str(own), self.step)


def selected_by(view: View, row: int) -> Selection | None:
    """Give what a row of a view speaks of; None if it speaks of neither operator nor module."""
    operator = int(view.link.operator[row])
    module = view.frame["module"].iloc[row] if "module" in view.frame else None
    known = None if module is None or pd.isna(module) or not str(module) else str(module)
    if operator < 0 and known is None:
        return None
    step = view.frame["step"].iloc[row] if "step" in view.frame else -1
    return Selection(operator, known, -1 if pd.isna(step) else int(step))


def rows_of(view: View, selection: Selection, *, module_first: bool) -> Rows:
    """Give the rows of a view that speak of the selection.

    Args:
        view: The view.
        selection: The selection.
        module_first: Whether rows of the module count more than those of the operator.
    """
    of_operator = view.link.rows(selection.operator) if selection.operator >= 0 else NO_ROWS
    of_module = NO_ROWS
    if selection.module is not None and "module" in view.frame and (module_first or not len(of_operator)):
        same = (view.frame["module"] == selection.module).fillna(value=False)
        of_module = np.flatnonzero(same.to_numpy(dtype=np.bool_))
    rows = of_module if len(of_module) and module_first else of_operator if len(of_operator) else of_module
    if selection.step >= 0 and "step" in view.frame and len(rows):
        of_step = rows[(view.frame["step"].iloc[rows] == selection.step).to_numpy(dtype=bool, na_value=False)]
        return of_step if len(of_step) else rows
    return rows
