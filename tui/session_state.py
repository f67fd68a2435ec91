"""What is remembered of a session between two visits: which view, and of each view filter, order, columns and marks."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import msgspec

from profkit.errors import ProfkitError
from profkit.session import Session
from profkit.store import write_bytes_in_one_step
from profkit.tui.state_files import state_folder

_VERSION = 1
_LARGEST_FILE = 64 << 20
_FOLDER = "sessions"


class KeptMark(msgspec.Struct):
    """A mark on a row.

    Attributes:
        row: Row of the view's frame.
        telling: What the row says of itself, to know it again.
        note: The note; empty for a mark alone.
    """

    row: int
    telling: list[str]
    note: str = ""


class ViewState(msgspec.Struct):
    """What is remembered of one view.

    Attributes:
        filter: As typed.
        sort: Column that rows are sorted by; None for none.
        descending: Whether largest first.
        columns: Names of the columns shown; None for all.
        row: Row of the cursor; -1 none.
        marks: The marks.
    """

    filter: str = ""
    sort: str | None = None
    descending: bool = False
    columns: list[str] | None = None
    row: int = -1
    marks: list[KeptMark] = []


class SessionState(msgspec.Struct):
    """What is remembered of a session.

    Attributes:
        inputs: What the session was made of, for a reader of the file.
        view: Name of the view shown last; empty for none.
        views: What is remembered of each view, by its name.
        detail: Where the text about a row stands, a class of app.tcss; empty for the usual place.
        version: Version of this layout.
    """

    inputs: dict[str, str]
    view: str = ""
    views: dict[str, ViewState] = {}
    detail: str = ""
    version: int = _VERSION


def state_file(session: Session) -> Path:
    """Give the file for a session: the same for the same inputs, whether they were triaged anew or saved."""
    inputs = _absolute(session)
    told = json.dumps([sorted(inputs.items()), "" if inputs else session.title])
    return state_folder() / _FOLDER / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"


def _absolute(session: Session) -> dict[str, str]:
    return {
        role: ", ".join(str(session.file(path).absolute()) for path in told.split(", "))
        for role, told in session.inputs.items()
    }


def load_state(session: Session) -> SessionState | None:
    """Give what is remembered of a session; None if nothing is.

    Raises:
        ProfkitError: There is a file and it cannot be read.
    """
    path = state_file(session)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        state = msgspec.json.decode(content, type=SessionState)
        if state.version != _VERSION:
            raise ValueError(f"layout {state.version}, this profkit reads {_VERSION}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ProfkitError(
            f"what was remembered of this session cannot be read from {path}: {error}",
            "it is written anew; `profkit tui --forget` deletes all of it",
        ) from error
    return state


def save_state(session: Session, view: str, views: dict[str, ViewState], detail: str = "") -> None:
    """Remember a session; the file is readable by the user alone.

    Raises:
        ProfkitError: It cannot be written.
    """
    path = state_file(session)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = SessionState(_absolute(session), view, views, detail)
        write_bytes_in_one_step(path, msgspec.json.encode(state))
        path.chmod(0o600)
    except OSError as error:
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "set PROFKIT_STATE_DIR") from error


def forget_all() -> int:
    """Delete all that is kept of any session, and the file of copied text.

    Returns:
        Of how many sessions something was kept.

    Raises:
        ProfkitError: It cannot be deleted.
    """
    folder = state_folder()
    sessions = len(list((folder / _FOLDER).glob("*.json")))
    try:
        if folder.is_dir():
            for path in folder.iterdir():
                if path.name == _FOLDER:
                    shutil.rmtree(path)
            (folder / "clipboard.txt").unlink(missing_ok=True)
    except OSError as error:
        raise ProfkitError(
            f"{error.filename or folder} cannot be removed: {error.strerror}", "check its permissions"
        ) from error
    return sessions
