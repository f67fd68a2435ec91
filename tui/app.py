"""The terminal UI: the views of a session, how one moves among them, and what the user set."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from rich.console import RenderableType
from textual import on
from textual.binding import Binding

from profkit.errors import ProfkitError
from profkit.operator_groups import GROUPINGS
from profkit.report.quantities import count
from profkit.safe_text import printable
from profkit.session import Session, is_session
from profkit.session_comparison import SessionPair
from profkit.tui.actions import ACTIONS, actions_of, key_label, key_labels
from profkit.tui.background import is_busy
from profkit.tui.crumbs import crumbs
from profkit.tui.opening import OpeningApp, OpenPaths, OpenSession
from profkit.tui.palette import ActionCommands
from profkit.tui.plain_signs import write_plain_signs
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.screens.run_picker import SessionPicker
from profkit.tui.screens.text_screen import TextScreen, help_text
from profkit.tui.screens.view_screen import DETAIL_PLACES, ViewScreen
from profkit.tui.selection import Selection
from profkit.tui.session_state import SessionState, save_state
from profkit.tui.user_settings import Settings, load_settings, settings_file
from profkit.tui.view import Place
from profkit.tui.widgets.breadcrumb import Breadcrumb
from profkit.tui.widgets.view_bar import Tab, ViewBar

VIEW_NAMES = tuple(action.id for action in ACTIONS if action.name.startswith("app.show_view("))
"""Names of all views, in the order of their keys."""


_SECONDS_TO_LEAVE = 3.0
_ENDING_SIGNALS = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class ProfkitApp(OpeningApp):
    """Shows a session.

    Args:
        open_session: Gives the session; runs in a thread, reports to the listener it is given, which raises
            CancelledError once the user has asked to stop. None lets the user choose what to open.
        title: What is opened, shown while loading.
        open_paths: Gives the session of a reference (or None) and a run the user chose; as open_session.
        view: Name of the view shown first; empty for the one the session was left in, else the overview.
    """

    CSS_PATH = "app.tcss"
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual reads it as a class variable

    def __init__(
        self,
        open_session: OpenSession | None,
        title: str = "",
        *,
        open_paths: OpenPaths | None = None,
        view: str = "",
    ) -> None:
        super().__init__(open_session, title, open_paths=open_paths)
        self.animation_level = "none"
        self._first_view = view
        self._settings = Settings()
        self._session: Session | None = None
        self._screens: dict[str, ViewScreen] = {}
        self._been: list[Place] = []
        self._ahead: list[Place] = []
        self._selection = Selection()
        self._detail_place = ""

    async def on_mount(self) -> None:
        """Take the user's settings, then open what is to be opened."""
        self._leave_on_signals()
        self._apply_settings()
        await self.open_first()

    def _leave_on_signals(self) -> None:
        """Give the terminal back, and keep how the session is left, when the process is asked to end."""
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            # A shell tells the end by a signal so. Elsewhere than in the main thread nobody sends one.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._leave_soon, 128 + number)

    def _leave_soon(self, return_code: int) -> None:
        self.exit(return_code=return_code)
        # What Textual still writes to a terminal that went away waits for ever.
        watch = threading.Timer(_SECONDS_TO_LEAVE, os._exit, [return_code])
        watch.daemon = True
        watch.start()

    def _apply_settings(self) -> None:
        try:
            self._settings = load_settings(settings_file())
        except ProfkitError as error:
            # Long enough to be read while something loads; the hint says how to see the file that would be right.
            self.notify(printable(f"{error.message}; {error.hint}"), severity="error", timeout=30, markup=False)
        self.set_keymap(dict(self._settings.keys))
        if self._settings.theme is not None:
            self.register_theme(self._settings.theme)
            self.theme = self._settings.theme.name

    def get_key_display(self, binding: Binding) -> str:
        """Give the name of a key for the footer, as the help writes it."""
        return binding.key_display or key_label(binding.key)

    def action_help(self) -> None:
        """Show what the keys do on the current screen."""
        screen = self.screen
        if isinstance(screen, ActionScreen):
            self.push_screen(TextScreen(help_text(screen.scopes, self._settings.keys_of, screen.help_topic())))

    @on(OpeningApp.Opened)
    async def _show_session(self, message: OpeningApp.Opened) -> None:
        self._remember()
        before = list(self._screens.values())
        self._session = message.session
        state = message.remembered or SessionState({})
        self._screens = self._make_screens(message, state)
        self._been, self._ahead, self._selection = [], [], Selection()
        # What lies over the screen of the session before, or over the picker it was chosen in.
        while len(self.screen_stack) > 2:
            await self.pop_screen()
        names = (name for name in (message.view, self._first_view, state.view) if name in self._screens)
        first = self._screens.get(next(names, ""))
        await self.switch_screen(first or next(iter(self._screens.values())))
        self._tell_selection()
        for screen in before:
            self.uninstall_screen(screen)
            if screen.is_running:
                await screen.remove()
        for problem in message.problems:
            self.notify(printable(problem), severity="warning", timeout=15, markup=False)

    def _make_screens(self, opened: OpeningApp.Opened, state: SessionState) -> dict[str, ViewScreen]:
        keys = {action.id: key_labels(self._settings.keys_of(action)) for action in actions_of(["view"])}
        tabs = [
            Tab(view.name, keys[view.name], view.title, view.short, count(len(view.frame)))
            for view in opened.views
            if not view.part_of
        ]
        screens = {
            view.name: ViewScreen(view, tabs, opened.session.title, state.views.get(view.name)) for view in opened.views
        }
        self._detail_place = state.detail if state.detail in DETAIL_PLACES else ""
        for screen in screens.values():
            screen.place_detail(self._detail_place)
            # Installed, a screen outlives being switched away from.
            self.install_screen(screen, name=f"view-{id(screen)}")
        return screens

    @on(ViewScreen.Marked)
    def _remember(self) -> None:
        """Keep how the session is left, for the next visit."""
        if self._session is None:
            return
        states = {name: screen.state() for name, screen in self._screens.items()}
        views = {name: state for name, state in states.items() if state is not None}
        try:
            save_state(self._session, self._current_view(), views, self._detail_place)
        except ProfkitError as error:
            self.notify(printable(f"{error.message}: {error.hint}"), severity="error", markup=False)

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, keeping how the session is left."""
        self._remember()
        super().exit(result, return_code, message)

    @on(ViewBar.Chosen)
    async def _show_chosen(self, message: ViewBar.Chosen) -> None:
        await self.action_show_view(message.name)

    @on(ViewScreen.DetailPlaced)
    def _place_detail(self, message: ViewScreen.DetailPlaced) -> None:
        for screen in self._screens.values():
            screen.place_detail(message.place)
        self._detail_place = message.place

    @on(ViewScreen.Selected)
    def _select(self, message: ViewScreen.Selected) -> None:
        assert self._session is not None, "a row of no session"
        self._selection = message.selection.with_module_of_operator(self._session)
        self._tell_selection()

    def _tell_selection(self) -> None:
        if self._session is not None and isinstance(self.screen, ViewScreen):
            self.screen.tell_selection(crumbs(self._session, self._selection))

    @on(Breadcrumb.Chosen)
    async def _go_to_crumb(self, message: Breadcrumb.Chosen) -> None:
        views = {"run": "overview", "step": "timeline", "module": "modules", "operator": "operators"}
        await self.action_show_view(views[message.level])

    @on(ViewScreen.Followed)
    async def _go_to_place(self, message: ViewScreen.Followed) -> None:
        if message.place.view == "operators" and self._session is not None:
            self._selection = Selection(message.place.row).with_module_of_operator(self._session)
        screen = await self._show(message.place.view)
        screen.show_row(message.place.row, message.place.filter)

    @on(ViewScreen.Left)
    async def _go_back(self) -> None:
        await self.action_go(-1)

    async def action_go(self, direction: int) -> None:
        """Return to the place one came from (-1), or go forward again (1)."""
        left, entered = (self._been, self._ahead) if direction < 0 else (self._ahead, self._been)
        if not left:
            return
        entered.append(self._place())
        place = left.pop()
        screen = await self._show(place.view, remember=False)
        if place.row >= 0:
            screen.table.show_row(place.row)

    def _place(self) -> Place:
        screen = self.screen
        row = screen.table.row if isinstance(screen, ViewScreen) else None
        return Place(self._current_view(), -1 if row is None else row)

    @on(ViewScreen.Yanked)
    def _send_to_clipboard(self, message: ViewScreen.Yanked) -> None:
        # Textual's own copy_to_clipboard does not wrap the sequence for tmux, and has no other way to the terminal.
        if self._driver is not None:
            self._driver.write(message.sequence)

    async def action_show_view(self, name: str) -> None:
        """Show a view, at the selected operator if it speaks of it."""
        if name not in self._screens:
            # What is there only after a comparison.
            self.action_compare()
            return
        screen = await self._show(name)
        if self._session is not None and self._selection != Selection():
            screen.follow(self._selection, module_first=not self._selection.is_of_operator(self._session))

    def action_compare(self) -> None:
        """Let the user choose the session that this one is compared with."""
        folder = Path.cwd()
        self.push_screen(SessionPicker(folder.parent if is_session(folder) else folder))

    @on(SessionPicker.Chosen)
    async def _compare_with(self, message: SessionPicker.Chosen) -> None:
        session = self._session
        assert session is not None, "a comparison with no session"
        self._remember()
        await self.load(
            lambda progress: SessionPair(Session.load(message.path), session), str(message.path), view="changes"
        )

    async def action_next_view(self, step: int) -> None:
        """Show the next (1) or previous (-1) view."""
        names = [name for name, screen in self._screens.items() if not screen.view.part_of]
        current = self._screens[self._current_view()].view
        await self.action_show_view(names[(names.index(current.part_of or current.name) + step) % len(names)])

    async def action_group(self) -> None:
        """Show the operators summed by the next thing they have in common, in the end one by one again."""
        names = ["operators", *(f"by-{by}" for by in GROUPINGS)]
        current = self._current_view()
        await self.action_show_view(names[(names.index(current) + 1) % len(names) if current in names else 1])

    def _current_view(self) -> str:
        shown = [screen.view.name for screen in self.screen_stack if isinstance(screen, ViewScreen)]
        return shown[-1] if shown else next(iter(self._screens))

    async def _show(self, name: str, *, remember: bool = True) -> ViewScreen:
        screen = self._screens[name]
        current = self._current_view()
        if name != current:
            self._remember()
            if remember:
                self._been.append(self._place())
                self._ahead.clear()
            await self.switch_screen(screen)
        self._tell_selection()
        return screen


def run(
    open_session: OpenSession | None,
    title: str = "",
    *,
    open_paths: OpenPaths | None = None,
    view: str = "",
    mouse: bool = True,
) -> int:
    """Run the terminal UI until the user leaves it.

    Args:
        open_session: As for ProfkitApp.
        title: What is opened.
        open_paths: As for ProfkitApp.
        view: As for ProfkitApp.
        mouse: Whether the terminal is asked for mouse events; without them it can select text itself.

    Returns:
        Exit code: 0, or 2 if the session could not be opened.

    Raises:
        ProfkitError: There is no terminal to draw on.
    """
    _require_terminal()
    write_plain_signs()
    app = ProfkitApp(open_session, title, open_paths=open_paths, view=view)
    app.run(mouse=mouse)
    code = app.return_code or 0
    if is_busy():
        # Work that nobody waits for must not be torn down under its feet; what it writes is whole or not there.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _require_terminal() -> None:
    """Refuse to draw where nobody sees it, or to wait for keys that cannot come."""
    # Textual reads keys from stdin and draws on stderr.
    streams = {"input": sys.__stdin__, "output": sys.__stdout__, "error": sys.__stderr__}
    for name, stream in streams.items():
        if stream is None or stream.closed or not stream.isatty():
            raise ProfkitError(
                f"the terminal UI needs a terminal, and standard {name} is none",
                "`profkit triage` prints the same as text, JSON or CSV; over ssh, `ssh -t` gives a terminal",
            )
    if os.environ.get("TERM") == "dumb":
        raise ProfkitError(
            "the terminal UI has to move the cursor, which a terminal of the kind TERM=dumb cannot",
            "`profkit triage` prints the same as text; if the terminal can, set TERM to what it is, xterm-256color say",
        )
