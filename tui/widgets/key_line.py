"""The line at the bottom: the keys that do something here, each with what it does."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

_KEPT_AT_THE_END = 2
"""The way to the help and the way out stay in a line that is too narrow for all keys."""


class Hint(NamedTuple):
    """A key: Textual's name of it, its label, and what it does."""

    key: str
    label: str
    meaning: str


class KeyLine(Widget):
    """Shows the hints of the bindings that are active; a click on one presses its key.

    Textual's Footer makes a widget of each key and makes them all anew whenever the screen or the focus changes, which
    takes five times as long as all the rest of a change of views.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key"}

    def __init__(self) -> None:
        super().__init__()
        self.hints: tuple[Hint, ...] = ()

    def on_mount(self) -> None:
        """Follow the bindings from now on."""
        self.screen.bindings_updated_signal.subscribe(self, self._take_bindings)
        self._take_bindings(self.screen)

    def _take_bindings(self, screen: Screen[object]) -> None:
        shown: dict[str, Hint] = {}
        for key, active in screen.active_bindings.items():
            binding = active.binding
            label = self.app.get_key_display(binding)
            # Textual overlooks that a line of text takes a sign whose key has a name.
            is_typed = screen.focused is not None and len(label) == 1 and screen.focused.check_consume_key(key, label)
            if binding.show and active.enabled and not is_typed:
                shown.setdefault(binding.action, Hint(key, label, binding.description))
        hints = tuple(shown.values())
        if hints != self.hints:
            self.hints = hints
            self.refresh()

    def render(self) -> Content:
        """Give the line; where it is narrow, hints go from the end on, but for the last two."""
        key = self.get_visual_style("key-line--key")
        parts = [Content.assemble((hint.label, key), f" {hint.meaning}") for hint in self._in_sight()]
        return Content(" ").join(parts)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked on."""
        end = 0
        for hint in self._in_sight():
            end += _length(hint)
            if event.x < end:
                self.app.simulate_key(hint.key)
                return

    def _in_sight(self) -> list[Hint]:
        shown = list(self.hints)
        while len(shown) > _KEPT_AT_THE_END and sum(map(_length, shown)) > self.size.width + 1:
            del shown[-_KEPT_AT_THE_END - 1]
        return shown


def _length(hint: Hint) -> int:
    return cell_len(f"{hint.label} {hint.meaning} ")
