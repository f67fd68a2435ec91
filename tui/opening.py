"""The part of the terminal UI that opens sessions: choosing, loading in the background, stopping, failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType
from textual import on, work
from textual.message import Message
from textual.worker import Worker, WorkerState

from profkit.errors import CancelledError, ProfkitError
from profkit.progress import Progress
from profkit.session import Session
from profkit.session_comparison import SessionPair
from profkit.tui.background import in_background, spare_collections
from profkit.tui.key_order import OrderedKeysApp
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.run_picker import RunPicker
from profkit.tui.session_state import SessionState, load_state
from profkit.tui.view import View
from profkit.tui.views import make_views

_SECONDS_BETWEEN_REPORTS = 0.1
_FAULT_HINT = "this is a fault of profkit: run `profkit tui --debug` and report what it prints"

OpenSession = Callable[[Progress], Session | SessionPair]
OpenPaths = Callable[[Path | None, Path, Progress], Session | SessionPair]


class OpeningApp(OrderedKeysApp):
    """Opens sessions.

    Args:
        open_session: Gives the session; runs in a thread, reports to the listener it is given, which raises
            CancelledError once the user has asked to stop. None lets the user choose what to open.
        title: What is opened, shown while loading.
        open_paths: Gives the session of a reference (or None) and a run the user chose; as open_session.
    """

    class Opened(Message):
        """A session is there to be shown.

        Attributes:
            session: The session.
            views: Its views.
            remembered: How the user left it the last time; None if nothing is known.
            view: Name of the view asked for with it; empty for none.
            problems: What is to be told about it, one sentence each.
        """

        def __init__(
            self,
            session: Session,
            views: tuple[View, ...],
            remembered: SessionState | None,
            problems: tuple[str, ...],
            view: str,
        ) -> None:
            super().__init__()
            self.session = session
            self.views = views
            self.remembered = remembered
            self.problems = problems
            self.view = view

    class _Progressed(Message):
        def __init__(self, verb: str, subject: str, fraction: float | None) -> None:
            super().__init__()
            self.verb = verb
            self.subject = subject
            self.fraction = fraction

    def __init__(
        self, open_session: OpenSession | None, title: str = "", *, open_paths: OpenPaths | None = None
    ) -> None:
        super().__init__()
        self._open_session = open_session
        self._open_paths = open_paths
        self._opening_title = title
        self._opening: Worker[None] | None = None
        self._stop = threading.Event()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave; what is loading stops at its next report."""
        self._stop.set()
        super().exit(result, return_code, message)

    async def open_first(self) -> None:
        """Start loading, or ask what to load."""
        if self._open_session is None:
            await self.push_screen(RunPicker(Path.cwd()))
        else:
            await self.load(self._open_session, self._opening_title)

    def action_open(self) -> None:
        """Let the user choose something else to open."""
        if self._open_paths is None:
            self.notify("Nothing else can be opened from here: start `profkit tui` without a path.")
        else:
            self.push_screen(RunPicker(Path.cwd()))

    @on(RunPicker.Chosen)
    async def _open_chosen(self, message: RunPicker.Chosen) -> None:
        open_paths = self._open_paths
        assert open_paths is not None, "a picker without a way to open what is picked"
        title = " against ".join(str(path) for path in (message.ref, message.run) if path is not None)
        await self.load(lambda progress: open_paths(message.ref, message.run, progress), title)

    async def load(self, open_session: OpenSession, title: str, view: str = "") -> None:
        """Load a session in the background, telling how far it is.

        Args:
            open_session: As for the app.
            title: What is opened.
            view: Name of the view it is opened with; empty for the one it was left in.
        """
        # The line that tells of loading has to be there before the first report.
        await self.push_screen(LoadingScreen(title))
        self._stop = threading.Event()
        self._opening = self._open(open_session, self._stop, view)

    @work(exit_on_error=False, group="open")
    async def _open(self, open_session: OpenSession, stop: threading.Event, view: str) -> None:
        listener = self._listener(stop)
        self.post_message(await in_background(lambda: self._opened(open_session(listener), stop, view)))

    def _opened(self, opened: Session | SessionPair, stop: threading.Event, view: str) -> Opened:
        before, session = (opened.before, opened.after) if isinstance(opened, SessionPair) else (None, opened)
        problems: list[str] = []
        if stop.is_set():
            problems.append("Stopped: what was known by then is shown; the sources tell what was not judged.")
        remembered = None
        try:
            remembered = load_state(session)
        except ProfkitError as error:
            problems.append(f"{error.message}; {error.hint}")
        views = make_views(session, before)
        spare_collections()
        return self.Opened(session, views, remembered, tuple(problems), view)

    def _listener(self, stop: threading.Event) -> Progress:
        last_report = 0.0

        def listen(verb: str, subject: str, fraction: float | None) -> None:
            nonlocal last_report
            if stop.is_set():
                raise CancelledError(f"stopped while {verb} {subject}")
            if time.monotonic() - last_report >= _SECONDS_BETWEEN_REPORTS:
                last_report = time.monotonic()
                self.post_message(self._Progressed(verb, subject, fraction))

        return listen

    @on(_Progressed)
    def _show_progress(self, message: _Progressed) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, LoadingScreen):
                screen.show_progress(message.verb, message.subject, message.fraction)

    @on(LoadingScreen.Cancelled)
    async def _cancel(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
        elif self._opening is not None:
            self._opening.cancel()

    @on(Worker.StateChanged)
    async def _show_failure(self, event: Worker.StateChanged) -> None:
        if event.worker is not self._opening or event.state not in {WorkerState.ERROR, WorkerState.CANCELLED}:
            return
        error = event.worker.error
        if event.state is WorkerState.CANCELLED or isinstance(error, CancelledError):
            await self._end_loading("Loading was stopped.", "")
        elif isinstance(error, ProfkitError):
            await self._end_loading(error.message, error.hint)
        else:
            await self._end_loading(f"{type(error).__name__}: {error}", _FAULT_HINT)

    async def _end_loading(self, message: str, hint: str) -> None:
        while any(isinstance(screen, LoadingScreen) for screen in self.screen_stack):
            await self.pop_screen()
        if not self.screen_stack:
            # The user left meanwhile: nobody is there to be told.
            return
        below = isinstance(self.screen, ActionScreen)
        await self.push_screen(MessageScreen(message, hint, can_return=below))
