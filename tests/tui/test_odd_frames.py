"""Every view bears every frame: empty, of one row, without a number, with long, wide and hostile text, in any size."""

from __future__ import annotations

import unicodedata
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from textual.widgets import Static

from profkit.session import Session

ODD_TEXTS = {
    "long": "x" * 10_000,
    "wide": "算子融合" * 30,
    "hostile": "\x1b[2J\x1b]52;c;QQ==\x07[red]a[/] \r\n\t\u202etxt" + chr(0),
    "blank": "",
}


def frames_of(session):
    return {
        f.name: getattr(session, f.name) for f in fields(Session) if isinstance(getattr(session, f.name), pd.DataFrame)
    }


def with_text(frame, text):
    """Replace all free text of a frame; columns of a closed list stay."""
    changed = frame.copy()
    for name in frame.columns:
        closed = name in {
            "side",
            "phase",
            "role",
            "status",
            "flag",
            "parity",
            "overflow",
            "severity",
            "kind",
            "framework",
            "part",
            "span",
            "level",
        }
        if frame[name].dtype == "string" or (isinstance(frame[name].dtype, pd.CategoricalDtype) and not closed):
            known = frame[name].notna()
            column = frame[name].astype(object)
            column[known] = text
            changed[name] = column.astype("category" if frame[name].dtype == "category" else object)
    return changed


def without_numbers(frame):
    changed = frame.copy()
    for name in frame.columns:
        if frame[name].dtype == "float64":
            changed[name] = np.nan
        elif frame[name].dtype == "Int64":
            changed[name] = pd.array([None] * len(frame), dtype="Int64")
    return changed


def odd(session, kind):
    if kind == "empty":
        return replace(session, **{name: frame.iloc[:0] for name, frame in frames_of(session).items()}, not_judged=())
    if kind == "one row":
        return replace(session, **{name: frame.iloc[:1] for name, frame in frames_of(session).items()})
    if kind == "no numbers":
        return replace(session, **{name: without_numbers(frame) for name, frame in frames_of(session).items()})
    text = ODD_TEXTS[kind]
    told = {name: with_text(frame, text) for name, frame in frames_of(session).items()}
    return replace(session, **told, title=text + "\ud800", not_judged=(text,), inputs={"ref": text, "run": text})


def is_plain(text):
    return all(unicodedata.category(letter) not in {"Cc", "Cf", "Cs"} or letter == "\n" for letter in text)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *((kind, (80, 24)) for kind in ("empty", "one row", "no numbers", *ODD_TEXTS)),
        ("hostile", (40, 10)),
        ("wide", (40, 10)),
        ("long", (120, 40)),
    ],
)
async def test_every_view_shows_it(session, run_app, kind, size):
    async with run_app(odd(session, kind), size=size) as pilot:
        screens = dict(pilot.app._screens)
        assert len(screens) >= 10
        for name in screens:
            await pilot.app.action_show_view(name)
            await pilot.press("down")
            await pilot.pause()
            screen = pilot.app.screen
            table = screen.table
            lines = [table.render_line(y).text for y in range(table.size.height)]
            if screen.drawn_chart is not None:
                lines += [screen.chart.render_line(y).text for y in range(screen.chart.size.height)]
            for line in [*lines, str(screen.query_one("#detail-text", Static).content)]:
                assert is_plain(line), (name, line)
            await pilot.press("enter")
            await pilot.pause()
            await pilot.press("escape")
            await pilot.pause()
