"""What all screens share: which part of the table of actions holds there."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen, ScreenResultType

from profkit.tui.actions import Scope


class ActionScreen(Screen[ScreenResultType]):
    """A screen that tells which actions it has, for the help and the palette."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes of the actions that do something here."""
        return self.SCOPES

    def target_of(self, scope: Scope) -> DOMNode:
        """Give what the actions of a scope are called on."""
        return self

    def help_topic(self) -> Content:
        """Give what the help says beyond the keys; nothing by default."""
        return Content()


class ModalActionScreen(ModalScreen[ScreenResultType], ActionScreen[ScreenResultType]):
    """An ActionScreen that lies over another one."""
