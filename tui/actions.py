"""Every action of the terminal UI: one table from which key bindings, footer and help are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Scope = Literal["table", "view", "text", "picker", "open", "loading", "message"]

SCOPE_TITLES: dict[Scope, str] = {
    "table": "In a table",
    "view": "In every view",
    "text": "In a text that covers the view",
    "picker": "While choosing columns",
    "open": "While choosing what to open",
    "loading": "While loading",
    "message": "When loading has failed",
}


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: Textual's action, called on what the scope stands for.
        keys: Textual's key names, divided by commas. Plain keys only: ctrl and alt do not get through every terminal.
        shown: The keys as a reader knows them.
        meaning: One sentence, for the help.
        scope: Where the keys work.
        footer: What the footer calls it; empty if it is not shown there.
    """

    name: str
    keys: str
    shown: str
    meaning: str
    scope: Scope
    footer: str = ""


ACTIONS: tuple[Action, ...] = (
    Action("move_row(-1)", "up,k", "Up k", "Move to the row above.", "table"),
    Action("move_row(1)", "down,j", "Down j", "Move to the row below.", "table"),
    Action("move_page(-1)", "pageup", "PgUp", "Move one page up.", "table"),
    Action("move_page(1)", "pagedown,space", "PgDn Space", "Move one page down.", "table"),
    Action("first_row", "home,g", "Home g", "Move to the first row.", "table"),
    Action("last_row", "end,G", "End G", "Move to the last row.", "table"),
    Action("move_column(-1)", "left,h", "Left h", "Move to the column to the left.", "table"),
    Action("move_column(1)", "right,l", "Right l", "Move to the column to the right.", "table"),
    Action(
        "open_row",
        "enter",
        "Enter",
        "Go where the row leads (an operator, say), or read all about it.",
        "table",
        "open",
    ),
    Action("sort_column", "s", "s", "Sort by this column; again the other way, then not at all.", "table", "sort"),
    Action("filter", "/", "/", "Show only the rows that fulfil what is typed.", "view", "filter"),
    Action("flagged(-1)", "[", "[", "Move to the previous flagged row.", "view"),
    Action("flagged(1)", "]", "]", "Move to the next flagged row.", "view", "next flag"),
    Action("toggle_detail", "d", "d", "Show or hide the text about the row.", "view", "detail"),
    Action("fold", "z", "z", "Fold away what lies below the row of a tree; again to bring it back.", "view"),
    Action("toggle_chart", "c", "c", "Show or hide the picture above the table.", "view"),
    Action("chart_zoom(1)", "+,equals_sign", "+ =", "Show a shorter part of the picture, around the row.", "view"),
    Action("chart_zoom(-1)", "-", "-", "Show a longer part of the picture.", "view"),
    Action("chart_zoom(0)", "0", "0", "Show the whole picture.", "view"),
    Action("chart_pan(-1)", "<,comma", "< ,", "Move the picture to the left.", "view"),
    Action("chart_pan(1)", ">,full_stop", "> .", "Move the picture to the right.", "view"),
    Action("chart_step(-1)", "p", "p", "Move to what is drawn before this row, in its lane.", "view"),
    Action("chart_step(1)", "n", "n", "Move to what is drawn after this row.", "view"),
    Action("columns", "v", "v", "Choose the columns that are shown.", "view"),
    Action("yank_cell", "y", "y", "Copy the cell, to the terminal's clipboard and to a file.", "view"),
    Action("yank_row", "Y", "Y", "Copy all that is known of the row.", "view"),
    Action("export('csv')", "e", "e", "Write the rows shown to a CSV file in the working directory.", "view", "export"),
    Action("export('json')", "E", "E", "Write the rows shown to a JSON file.", "view"),
    Action("export('markdown')", "M", "M", "Write the rows shown to a Markdown file.", "view"),
    Action("back", "escape", "Esc", "Clear the filter, or return to the view one came from.", "view"),
    Action("app.go(-1)", "b,backspace", "b", "Return to the place one came from.", "view"),
    Action("app.go(1)", "f", "f", "Go forward again, after going back.", "view"),
    Action("app.show_view('operators')", "1", "1", "Show the operators of both sides.", "view"),
    Action("app.show_view('findings')", "2", "2", "Show what to look at first.", "view"),
    Action("app.show_view('overflow')", "3", "3", "Show where NaN and Inf come from.", "view"),
    Action("app.show_view('parity')", "4", "4", "Show where the numbers diverge.", "view"),
    Action("app.show_view('sources')", "5", "5", "Show what was read, and what could not be judged.", "view"),
    Action("app.show_view('issues')", "6", "6", "Show what was repaired or lost while reading.", "view"),
    Action("app.show_view('modules')", "7", "7", "Show the modules of the network as a tree.", "view"),
    Action("app.show_view('timeline')", "8", "8", "Show when each operator ran, on both sides.", "view"),
    Action("app.next_view(1)", "tab", "Tab", "Show the next view.", "view"),
    Action("app.next_view(-1)", "shift+tab", "Shift-Tab", "Show the previous view.", "view"),
    Action("help", "?,f1", "? F1", "Show this help.", "view", "help"),
    Action("app.quit", "q", "q", "Leave profkit.", "view", "quit"),
    Action("close", "escape,q", "Esc q", "Return to the view.", "text", "close"),
    Action("close", "escape,q,v", "Esc q v", "Show the chosen columns.", "picker", "done"),
    Action("all", "a", "a", "Choose every column.", "picker", "all"),
    Action("reference", "r", "r", "Take this run as the reference; Enter then opens the run.", "open", "reference"),
    Action("up", "backspace,h,left", "Left h", "Look at the folder that holds this one.", "open", "up"),
    Action("whole", "o", "o", "Open everything below this folder as one run.", "open", "whole folder"),
    Action("quit", "q", "q", "Leave profkit.", "open", "quit"),
    Action("cancel", "escape", "Esc", "Stop loading.", "loading", "stop"),
    Action("quit", "q", "q", "Stop loading and leave profkit.", "loading", "quit"),
    Action("quit", "q,escape", "q Esc", "Leave profkit.", "message", "quit"),
)


def bindings(scope: Scope) -> list[BindingType]:
    """Give the key bindings of a scope."""
    return [
        Binding(action.keys, action.name, action.footer, show=bool(action.footer), key_display=action.shown.split()[0])
        for action in ACTIONS
        if action.scope == scope
    ]
