"""Take the pictures of the documentation from the real program on the bundled demo.

    pip install -e '.[pictures]'; python docs/make_screenshots.py

writes docs/*.svg, and docs/*.png beside them for where SVG is not shown. The font is named so that the columns line up
wherever a monospaced font is installed. One more picture is taken without colours.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.update(TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor")

from profkit.cli.demo import demo_inputs
from profkit.session import Session
from profkit.session_comparison import SessionPair
from profkit.triage import triage
from profkit.tui.actions import ACTIONS
from profkit.tui.app import ProfkitApp

DOCS = Path(__file__).resolve().parent
FONT = "DejaVu Sans Mono"
SIZE = (120, 36)
_KEYS = {action.id: action.keys.split(",")[0] for action in ACTIONS}
# Views that have something to show in the demo, at the top of their table.
_VIEWS = tuple(
    view for view in ("overview", "findings", "modules", "operators", "overflow", "sources") if view in _KEYS
)


@dataclass(frozen=True)
class Picture:
    """A picture: its file's name, the ids of actions and the letters that lead to it, and its size.

    One that is `of_two` shows two sessions, before and after the fix.
    """

    name: str
    keys: tuple[str, ...]
    size: tuple[int, int] = SIZE
    of_two: bool = False


PICTURES = (
    *(Picture(view, (view,)) for view in _VIEWS),
    Picture("parity", ("parity", "next-flag")),
    Picture("timeline", ("operators", "timeline", "zoom-in", "zoom-in")),
    Picture("filter", ("operators", "filter", *"slow")),
    Picture("help", ("operators", "help")),
    Picture("palette", ("operators", "palette", *"show")),
    Picture("narrow", ("operators",), (80, 24)),
    Picture("changes", ("changes", "next-flag"), of_two=True),
)
WITHOUT_COLOUR = (Picture("without-colour", ("operators", "next-flag")),)


async def take(before: Session, after: Session, picture: Picture) -> str:
    """Give the screen as SVG after the keys: of the session before the fix, or of both."""
    shown = SessionPair(before, after) if picture.of_two else before
    app = ProfkitApp(lambda progress: shown, "demo")
    async with app.run_test(size=picture.size) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        for key in picture.keys:
            await pilot.press(_KEYS.get(key, key))
            # The pause between typing and filtering or searching.
            await pilot.pause(0.3)
            await app.workers.wait_for_complete()
        await pilot.pause()
        title = "profkit tui before/ after/" if picture.of_two else "profkit tui --demo"
        return app.export_screenshot(title=title).replace("Fira Code", FONT)


def write(name: str, svg: str) -> None:
    """Write a picture, as SVG and, where resvg is installed, as PNG."""
    (DOCS / f"{name}.svg").write_text(svg, encoding="utf-8")
    try:
        import resvg_py
    except ImportError:
        sys.stderr.write(f"{name}.png is not written: pip install -e '.[pictures]'\n")
        return
    png = resvg_py.svg_to_bytes(svg_string=svg, monospace_family=FONT, font_family=FONT)
    (DOCS / f"{name}.png").write_bytes(bytes(png))


def main() -> None:
    """Write every picture."""
    # What the developer keeps must not stand in the pictures, nor the pictures in what the developer keeps.
    kept = tempfile.mkdtemp(prefix="profkit-pictures-")
    os.environ.update(PROFKIT_STATE_DIR=kept, PROFKIT_CONFIG_DIR=kept)
    if os.environ.get("NO_COLOR"):
        pictures = WITHOUT_COLOUR
    else:
        pictures = PICTURES
        subprocess.run([sys.executable, __file__], check=True, env={**os.environ, "NO_COLOR": "1"})  # noqa: S603
    os.chdir(DOCS.parent)
    before, after = triage(demo_inputs(clean=False)), triage(demo_inputs(clean=True))
    for picture in pictures:
        write(picture.name, asyncio.run(take(before, after, picture)))


if __name__ == "__main__":
    main()
