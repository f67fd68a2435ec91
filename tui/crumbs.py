"""The words of the line that says what is selected."""

from __future__ import annotations

from pathlib import PurePath

from profkit.compared_steps import SIDES, compared_step
from profkit.session import Session
from profkit.tui.selection import Selection
from profkit.tui.widgets.breadcrumb import Crumb


def crumbs(session: Session, selection: Selection) -> tuple[Crumb, ...]:
    """Give run, step, module and operator of a selection, as far as they are known.

    Without a step of its own it is the one that stands for each side, the reference's first.
    """
    run = session.inputs.get("run", session.title)
    parts = [Crumb("run", PurePath(run).name or "session")]
    if selection.step >= 0:
        parts.append(Crumb("step", f"step {selection.step}"))
    else:
        found = [(side, compared_step(session, side)) for side in SIDES]
        steps = [f"{side} step {step.step}" for side, step in found if step and step.step >= 0]
        if steps:
            parts.append(Crumb("step", ", ".join(steps)))
    if selection.module is not None:
        parts.append(Crumb("module", selection.module))
    if selection.is_of_operator(session):
        parts.append(Crumb("operator", str(session.operators["operator"].iloc[selection.operator])))
    return tuple(parts)
