"""The terminal UI: opens a session in the background, then shows its views."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType
from textual import on, work
from textual.app import App
from textual.binding import Binding
from textual.message import Message
from textual.worker import Worker, WorkerState, get_current_worker

from profkit.errors import CancelledError, ProfkitError
from profkit.progress import Progress
from profkit.report.quantities import count
from profkit.safe_text import printable
from profkit.session import Session
from profkit.tui.actions import key_label
from profkit.tui.palette import ActionCommands
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.run_picker import RunPicker
from profkit.tui.screens.text_screen import TextScreen, help_text
from profkit.tui.screens.view_screen import ViewScreen
from profkit.tui.session_state import SessionState, load_state, save_state
from profkit.tui.user_settings import Settings, load_settings, settings_file
from profkit.tui.view import Place, View
from profkit.tui.views import make_views
from profkit.tui.widgets.view_bar import Tab, ViewBar

_SECONDS_BETWEEN_REPORTS = 0.1

OpenSession = Callable[[Progress], Session]
OpenPaths = Callable[[Path | None, Path, Progress], Session]

# Classes that a screen takes from its size, for app.tcss: from so many columns or lines on.
_WIDTH_CLASSES = [(0, "-narrow"), (150, "-wide")]
_HEIGHT_CLASSES = [(0, "-short"), (16, "-tall")]


class ProfkitApp(App[None]):
    """Shows a session.

    Args:
        open_session: Gives the session; runs in a thread, reports to the listener it is given, which raises
            CancelledError once the user has asked to stop. None lets the user choose what to open.
        title: What is opened, shown while loading.
        open_paths: Gives the session of a reference (or None) and a run the user chose; as open_session.
    """

    CSS_PATH = "app.tcss"
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual reads it as a class variable
    HORIZONTAL_BREAKPOINTS = _WIDTH_CLASSES
    VERTICAL_BREAKPOINTS = _HEIGHT_CLASSES

    class _Progressed(Message):
        def __init__(self, verb: str, subject: str, fraction: float | None) -> None:
            super().__init__()
            self.verb = verb
            self.subject = subject
            self.fraction = fraction

    class _Opened(Message):
        def __init__(
            self, session: Session, views: tuple[View, ...], remembered: SessionState | None, problem: str
        ) -> None:
            super().__init__()
            self.session = session
            self.views = views
            self.remembered = remembered
            self.problem = problem

    def __init__(
        self, open_session: OpenSession | None, title: str = "", *, open_paths: OpenPaths | None = None
    ) -> None:
        super().__init__()
        self._open_paths = open_paths
        self.animation_level = "none"
        self._settings = Settings()
        self._session: Session | None = None
        self._open_session = open_session
        self._opening_title = title
        self._opening: Worker[None] | None = None
        self._view_names: list[str] = []
        self._been: list[Place] = []
        self._ahead: list[Place] = []
        self._selected_operator = -1

    async def on_mount(self) -> None:
        """Start loading, or ask what to load."""
        self._apply_settings()
        if self._open_session is None:
            await self.push_screen(RunPicker(Path.cwd()))
        else:
            await self._load(self._open_session)

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

    @on(RunPicker.Chosen)
    async def _open_chosen(self, message: RunPicker.Chosen) -> None:
        open_paths = self._open_paths
        assert open_paths is not None, "a picker without a way to open what is picked"
        self._opening_title = " against ".join(str(path) for path in (message.ref, message.run) if path is not None)
        await self._load(lambda progress: open_paths(message.ref, message.run, progress))

    async def _load(self, open_session: OpenSession) -> None:
        # The line that tells of loading has to be there before the first report.
        await self.push_screen(LoadingScreen(self._opening_title))
        self._opening = self._open(open_session)

    @work(thread=True, exit_on_error=False, group="open")
    def _open(self, open_session: OpenSession) -> None:
        session = open_session(self._listener())
        views = make_views(session)
        remembered, problem = None, ""
        try:
            remembered = load_state(session)
        except ProfkitError as error:
            problem = f"{error.message}; {error.hint}"
        if not get_current_worker().is_cancelled:
            self.post_message(self._Opened(session, views, remembered, problem))

    def _listener(self) -> Progress:
        worker = get_current_worker()
        last_report = 0.0

        def listen(verb: str, subject: str, fraction: float | None) -> None:
            nonlocal last_report
            if worker.is_cancelled:
                raise CancelledError(f"stopped while {verb} {subject}")
            if time.monotonic() - last_report >= _SECONDS_BETWEEN_REPORTS:
                last_report = time.monotonic()
                self.post_message(self._Progressed(verb, subject, fraction))

        return listen

    @on(_Progressed)
    def _show_progress(self, message: _Progressed) -> None:
        if isinstance(self.screen, LoadingScreen):
            self.screen.show_progress(message.verb, message.subject, message.fraction)

    @on(LoadingScreen.Cancelled)
    def _cancel(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self.switch_screen(MessageScreen("Loading was stopped.", ""))

    @on(Worker.StateChanged)
    def _show_failure(self, event: Worker.StateChanged) -> None:
        if event.worker is not self._opening or event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        if isinstance(error, ProfkitError):
            self.switch_screen(MessageScreen(error.message, error.hint))
        else:
            hint = "this is a fault of profkit: run `profkit tui --debug` and report what it prints"
            self.switch_screen(MessageScreen(f"{type(error).__name__}: {error}", hint))

    @on(_Opened)
    def _show_views(self, message: _Opened) -> None:
        tabs = [
            Tab(view.name, f"{key} {view.title} {count(len(view.frame))}")
            for key, view in enumerate(message.views, start=1)
        ]
        self._session = message.session
        state = message.remembered or SessionState({})
        for view in message.views:
            screen = ViewScreen(view, tabs, message.session.title, state.views.get(view.name))
            self.install_screen(screen, name=view.name)
        self._view_names = [view.name for view in message.views]
        if message.problem:
            self.notify(printable(message.problem), severity="error", markup=False)
        self.switch_screen(state.view if state.view in self._view_names else self._view_names[0])

    @on(ViewScreen.Marked)
    def _remember(self) -> None:
        """Keep how the session is left, for the next visit."""
        if self._session is None:
            return
        screens = {name: self.get_screen(name) for name in self._view_names}
        views = {name: screen.state() for name, screen in screens.items() if isinstance(screen, ViewScreen)}
        try:
            save_state(self._session, self._current_view(), views)
        except ProfkitError as error:
            self.notify(printable(f"{error.message}: {error.hint}"), severity="error", markup=False)

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, keeping how the session is left."""
        self._remember()
        super().exit(result, return_code, message)

    @on(ViewBar.Chosen)
    async def _show_chosen(self, message: ViewBar.Chosen) -> None:
        await self.action_show_view(message.name)

    @on(ViewScreen.OperatorChosen)
    def _select_operator(self, message: ViewScreen.OperatorChosen) -> None:
        self._selected_operator = message.operator

    @on(ViewScreen.Followed)
    async def _go_to_place(self, message: ViewScreen.Followed) -> None:
        if message.place.view == "operators":
            self._selected_operator = message.place.row
        screen = await self._show(message.place.view)
        screen.show_row(message.place.row)

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
        screen = await self._show(name)
        if self._selected_operator >= 0:
            screen.follow(self._selected_operator)

    async def action_next_view(self, step: int) -> None:
        """Show the next (1) or previous (-1) view."""
        current = self._view_names.index(self._current_view())
        await self.action_show_view(self._view_names[(current + step) % len(self._view_names)])

    def _current_view(self) -> str:
        shown = [screen.view.name for screen in self.screen_stack if isinstance(screen, ViewScreen)]
        return shown[-1] if shown else self._view_names[0]

    async def _show(self, name: str, *, remember: bool = True) -> ViewScreen:
        screen = self.get_screen(name)
        assert isinstance(screen, ViewScreen)
        current = self._current_view()
        if name != current:
            self._remember()
            if remember:
                self._been.append(self._place())
                self._ahead.clear()
            await self.switch_screen(screen)
        return screen


def run(
    open_session: OpenSession | None, title: str = "", *, open_paths: OpenPaths | None = None, mouse: bool = True
) -> int:
    """Run the terminal UI until the user leaves it.

    Args:
        open_session: As for ProfkitApp.
        title: What is opened.
        open_paths: As for ProfkitApp.
        mouse: Whether the terminal is asked for mouse events; without them it can select text itself.

    Returns:
        Exit code: 0, or 2 if the session could not be opened.
    """
    app = ProfkitApp(open_session, title, open_paths=open_paths)
    app.run(mouse=mouse)
    return app.return_code or 0
