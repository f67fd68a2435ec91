"""Keys that come in one burst are handled one after the other, each where the one before it has moved the focus.

Textual hands every key to the widget that has the focus when the key comes, before the keys ahead of it have had their
effect: of "/slow" typed fast, or sent as one packet over a slow line, the letters would go to the table.
"""

from __future__ import annotations

import time
from collections import deque

from textual import events, on
from textual.app import App
from textual.message import Message
from textual.widget import Widget

# A widget that goes away with a key in its queue never tells that it is done with it; one that stays takes its time.
_SECONDS_BETWEEN_LOOKS = 0.25
# How the actions begin that move within what has the focus, and leave it where it is.
_MOVING = ("move_", "scroll_detail")
_LONGEST_WAIT_SECONDS = 5.0


class OrderedKeysApp(App[None]):
    """Hands a key on only when the one before it is done."""

    class _KeyDone(Message):
        """Follows a key through the same queues, and so reaches the app when the key has had its effect.

        A second one follows what the widget told because of the key, such as that a line was entered.
        """

        def __init__(self, *, is_second: bool) -> None:
            super().__init__()
            self.is_second = is_second

    def __init__(self) -> None:
        super().__init__()
        self._waiting_keys: deque[events.Key | events.Paste] = deque()
        self._key_given_at: float | None = None
        self._key_given_to: Widget | None = None

    async def on_event(self, event: events.Event) -> None:
        """Hold keys, and what is pasted, back while another one is on its way."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._waiting_keys.append(event)
            await self._look()
        else:
            await super().on_event(event)

    @on(_KeyDone)
    def _continue(self, message: _KeyDone) -> None:
        message.stop()
        target = self._key_given_to
        if not message.is_second and target is not None and target.post_message(self._KeyDone(is_second=True)):
            return
        # Behind what the key has asked to be done later, such as moving the focus.
        self.call_later(self._give_next_key)

    async def _give_next_key(self) -> None:
        if not self._waiting_keys:
            self._key_given_at = None
            return
        key = self._waiting_keys.popleft()
        self._key_given_at = time.monotonic()
        self._key_given_to = target = self.focused or self.screen
        await super().on_event(key)
        while self._waiting_keys and self._goes_on(key, self._waiting_keys[0]):
            await super().on_event(self._waiting_keys.popleft())
        if not target.post_message(self._KeyDone(is_second=False)):
            self.call_later(self._give_next_key)

    def _goes_on(self, key: events.Key | events.Paste, following: events.Key | events.Paste) -> bool:
        """Whether a key only moves on as the one before it did, as a key that is held does: one picture shows both."""
        if not (isinstance(key, events.Key) and isinstance(following, events.Key) and key.key == following.key):
            return False
        active = self.screen.active_bindings.get(key.key)
        return active is not None and active.binding.action.startswith(_MOVING)

    async def _look(self) -> None:
        if self._key_given_at is None or self._is_lost(self._key_given_at):
            await self._give_next_key()
        elif self._waiting_keys:
            self.set_timer(_SECONDS_BETWEEN_LOOKS, self._look)

    def _is_lost(self, given_at: float) -> bool:
        waited = time.monotonic() - given_at
        target = self._key_given_to
        is_gone = target is None or not target.is_running
        return waited > (_SECONDS_BETWEEN_LOOKS if is_gone else _LONGEST_WAIT_SECONDS)
