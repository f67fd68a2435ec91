"""Where the terminal UI keeps what outlives it: a folder of small files that may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_state_path


def state_folder() -> Path:
    """Give the folder, $PROFKIT_STATE_DIR or the user's own for profkit; it may not exist yet."""
    configured = os.environ.get("PROFKIT_STATE_DIR")
    return Path(configured) if configured else user_state_path("profkit")
