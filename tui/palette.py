"""The command palette: the actions of the current screen, by what they mean."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.types import IgnoreReturnCallbackType

from profkit.tui.actions import Action, actions_of, key_labels
from profkit.tui.screens.action_screen import ActionScreen


class ActionCommands(Provider):
    """Gives the actions that do something on the screen under the palette."""

    async def discover(self) -> Hits:
        """Give every action."""
        for action in self._actions():
            yield DiscoveryHit(_text(action), self._do(action), help=self._help(action))

    async def search(self, query: str) -> Hits:
        """Give the actions whose name or meaning fits what is typed."""
        matcher = self.matcher(query)
        for action in self._actions():
            score = matcher.match(_text(action))
            if score > 0:
                yield Hit(score, matcher.highlight(_text(action)), self._do(action), help=self._help(action))

    def _actions(self) -> list[Action]:
        screen = self.screen
        if not isinstance(screen, ActionScreen):
            return []
        return [action for action in actions_of(screen.scopes) if action.id != "palette"]

    def _do(self, action: Action) -> IgnoreReturnCallbackType:
        screen = self.screen
        target: DOMNode = screen
        if isinstance(screen, ActionScreen):
            target = screen.target_of(action.scope)
        return partial(self.app.run_action, action.name, target)

    def _help(self, action: Action) -> str:
        bound = self.screen.active_bindings.items()
        keys = [key for key, active in bound if active.binding.id == action.id]
        return key_labels(",".join(keys) or action.keys)


def _text(action: Action) -> str:
    return f"{action.id.replace('-', ' ')}: {action.meaning}"
