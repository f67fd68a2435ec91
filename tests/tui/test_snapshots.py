"""Pictures of the terminal UI; they change with Textual, so they are compared on the pinned version only."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from profkit.tui.app import ProfkitApp

PINNED_TEXTUAL = "8.2.8"

# What a picture draws around the terminal.
FRAME = {"c5c8c6", "292929", "ff5f57", "febc2e", "28c840"}

pytestmark = pytest.mark.skipif(
    version("textual") != PINNED_TEXTUAL, reason=f"the pictures were drawn with textual {PINNED_TEXTUAL}"
)


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        pytest.param((80, 24), ["0", "j"], id="overview-80x24"),
        pytest.param((120, 40), ["0", "j", "j"], id="overview-120x40"),
        pytest.param((80, 24), ["j"], id="operators-80x24"),
        pytest.param((120, 40), ["j"], id="operators-120x40"),
        pytest.param((80, 24), ["4", "]"], id="parity-80x24"),
        pytest.param((120, 40), ["2"], id="findings-120x40"),
        pytest.param((120, 40), ["?"], id="help-120x40"),
        pytest.param((80, 24), ["7", "j", "j", "j", "z"], id="modules-80x24"),
        pytest.param((120, 40), ["8", "]", "+"], id="timeline-120x40"),
        pytest.param((80, 24), ["9"], id="memory-80x24"),
        pytest.param((120, 40), ["x"], id="communication-120x40"),
    ],
)
def test_picture(app, settle, snap_compare, size, keys):
    async def press(pilot):
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=press)


def test_picture_without_colour(session, settle, snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = ProfkitApp(lambda progress: session, "synthetic", view="operators")
    pictures: list[str] = []

    async def press(pilot):
        await settle(pilot)
        await pilot.press("]")
        await settle(pilot)
        pictures.append(app.export_screenshot())

    assert snap_compare(app, terminal_size=(80, 24), run_before=press)
    picture = pictures[-1]
    colours = set(re.findall(r"#([0-9a-f]{6})\b", picture)) - FRAME
    assert len(colours) > 3
    assert all(colour[:2] == colour[2:4] == colour[4:] for colour in colours)
