"""The views of a session, in the order of their keys."""

from __future__ import annotations

from collections.abc import Callable

from profkit.session import Session
from profkit.tui.view import View
from profkit.tui.views.changes import changes_view
from profkit.tui.views.communication import communication_view
from profkit.tui.views.findings import findings_view
from profkit.tui.views.issues import issues_view
from profkit.tui.views.memory import memory_view
from profkit.tui.views.modules import modules_view
from profkit.tui.views.operator_groups import operator_group_views
from profkit.tui.views.operators import operators_view
from profkit.tui.views.overflow import overflow_view
from profkit.tui.views.overview import overview_view
from profkit.tui.views.parity import parity_view
from profkit.tui.views.sources import sources_view
from profkit.tui.views.timeline import timeline_view
from profkit.tui.views.unmatched import unmatched_view

_VIEWS: tuple[Callable[[Session], View], ...] = (
    overview_view,
    operators_view,
    findings_view,
    overflow_view,
    parity_view,
    sources_view,
    issues_view,
    modules_view,
    timeline_view,
    memory_view,
    communication_view,
)


def make_views(session: Session, before: Session | None = None) -> tuple[View, ...]:
    """Make every view of a session, and what changed since an earlier one; takes time on a large one."""
    changes = () if before is None else (changes_view(before, session),)
    return (*(make(session) for make in _VIEWS), *changes, unmatched_view(session), *operator_group_views(session))
