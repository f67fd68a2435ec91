"""Keys and theme of the user: taken where the file is right, told and left aside where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.widgets import Input

from profkit.errors import ProfkitError
from profkit.tui.actions import ACTIONS
from profkit.tui.user_settings import load_settings, settings_file, settings_template
from profkit.tui.widgets.key_line import KeyLine


def write(text: str) -> Path:
    path = settings_file()
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_lies_in_the_configured_folder():
    assert settings_file() == Path(os.environ["PROFKIT_CONFIG_DIR"]) / "tui.toml"


def test_without_a_file_nothing_is_set():
    settings = load_settings(settings_file())
    assert not settings.keys
    assert settings.theme is None


async def test_a_key_of_the_user_works_and_is_shown_everywhere(session, run_app, settle):
    write('[keys]\nfilter = ["I", "f5"]\n')
    async with run_app(session) as pilot:
        footer = [(hint.label, hint.meaning) for hint in pilot.app.screen.query_one(KeyLine).hints]
        assert ("I", "filter") in footer
        assert len(footer) == len(set(footer))
        await pilot.press("/")
        assert not pilot.app.screen.query_one("#filter", Input).has_focus
        await pilot.press("I")
        assert pilot.app.screen.query_one("#filter", Input).has_focus
        await pilot.press("escape", "?")
        text = str(pilot.app.screen.query_one("Static").content)
        assert "I F5" in text


async def test_a_theme_of_the_user_is_used(session, run_app):
    write('[theme]\nname = "nord"\nprimary = "#d75f00"\n')
    async with run_app(session) as pilot:
        assert pilot.app.current_theme.primary == "#d75f00"
        assert pilot.app.current_theme.background == pilot.app.available_themes["nord"].background


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys = 3", r"\[keys\] is a table"),
        ("[keys", "Expected ']'"),
        ("[colours]", r"no table \[colours\]"),
        ("[keys]\nfly = 'x'", "no action fly"),
        ("[keys]\nfilter = []", "filter wants keys"),
        ("[keys]\nfilter = 7", "filter wants keys"),
        ("[keys]\nfilter = 'pagedwn'", "'pagedwn' is no key"),
        ("[keys]\nfilter = 's'", "s is the key of both sort and filter"),
        ("[keys]\nfilter = '?'", r"\? is the key of both filter and help"),
        ("[theme]\nname = 'x'", "no theme x"),
        ("[theme]\nprimary = 'reddish'", "is no colour"),
        ("[theme]\nprimary = 3", "is no colour"),
        ("[theme]\nfont = 'red'", "no colour font"),
        ("a = " + "[" * 100_000, "tui.toml"),
    ],
)
def test_a_wrong_file_is_told_with_what_is_wrong(text, said):
    with pytest.raises(ProfkitError, match=said) as caught:
        load_settings(write(text))
    assert str(settings_file()) in caught.value.message


def test_bytes_that_are_no_text_are_told():
    settings_file().write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfkitError, match=r"tui\.toml"):
        load_settings(settings_file())


async def test_a_wrong_file_leaves_the_defaults_and_one_message(session, run_app):
    write("[keys]\nfilter = 'x'\nfly\x1b[31m = 'y'\n")
    async with run_app(session) as pilot:
        told = [notification.message for notification in pilot.app._notifications]
        assert len(told) == 1
        assert "tui.toml" in told[0]
        assert "\x1b" not in told[0]
        await pilot.press("/")
        assert pilot.app.screen.query_one("#filter", Input).has_focus


def test_the_template_says_what_holds_and_can_be_used_whole():
    text = settings_template()
    for action in ACTIONS:
        assert action.meaning in text
    everything = "\n".join(
        line.removeprefix("# ") if " = [" in line or line.startswith("# name = ") else line
        for line in text.splitlines()
    )
    settings = load_settings(write(everything))
    assert {action.id for action in ACTIONS} == set(settings.keys)
    assert settings.theme is not None
