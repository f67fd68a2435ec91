"""Every action of the terminal UI: one table from which bindings, footer, help and the user's keys are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType
from textual.keys import format_key

Scope = Literal[
    "table",
    "filter",
    "view",
    "chart",
    "tree",
    "values",
    "text",
    "picker",
    "note",
    "open",
    "open-run",
    "loading",
    "message",
    "everywhere",
]

SCOPE_TITLES: dict[Scope, str] = {
    "table": "In a table",
    "filter": "While typing a filter",
    "view": "In every view",
    "chart": "In a view with a picture",
    "tree": "In a tree",
    "values": "In a view of tensors",
    "text": "In a text that covers the view",
    "picker": "While choosing columns",
    "note": "While writing a note",
    "open": "While choosing what to open",
    "open-run": "While choosing a run",
    "loading": "While loading",
    "message": "When loading has failed",
    "everywhere": "Everywhere",
}

# Textual's names of keys that do not read as what is printed on them.
_KEY_LABELS = {
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "escape": "Esc",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "space": "Space",
    "enter": "Enter",
    "tab": "Tab",
    "backspace": "Backspace",
    "delete": "Delete",
    "home": "Home",
    "end": "End",
}


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        id: Word for it in the user's key map; never changed once it is out.
        name: Textual's action, called on what the scope stands for.
        keys: Textual's key names, divided by commas. Plain keys first: ctrl and alt do not get through every terminal.
        meaning: One sentence, for the help and the palette.
        scope: Where the keys work.
        footer: What the footer calls it; empty if it is not shown there.
    """

    id: str
    name: str
    keys: str
    meaning: str
    scope: Scope
    footer: str = ""


ACTIONS: tuple[Action, ...] = (
    Action("up", "move_row(-1)", "up,k", "Move to the row above.", "table"),
    Action("down", "move_row(1)", "down,j", "Move to the row below.", "table"),
    Action("page-up", "move_page(-1)", "pageup", "Move one page up.", "table"),
    Action("page-down", "move_page(1)", "pagedown,space", "Move one page down.", "table"),
    Action("first-row", "first_row", "home,g", "Move to the first row.", "table"),
    Action("last-row", "last_row", "end,G", "Move to the last row.", "table"),
    Action("left", "move_column(-1)", "left,h", "Move to the column to the left.", "table"),
    Action("right", "move_column(1)", "right,l", "Move to the column to the right.", "table"),
    Action(
        "open-row",
        "open_row",
        "enter",
        "Go where the row leads (an operator, say), or read all about it.",
        "table",
        "open",
    ),
    Action("sort", "sort_column", "s", "Sort by this column; again the other way, then not at all.", "table", "sort"),
    Action("filter", "filter", "/", "Show only the rows that fulfil what is typed.", "view", "filter"),
    Action("filter-keep", "submit", "enter", "Keep the filter and go to the rows.", "filter", "keep"),
    Action("filter-drop", "screen.back", "escape", "Show all rows again.", "filter", "all rows"),
    Action("previous-flag", "flagged(-1)", "[", "Move to the previous flagged row.", "view"),
    Action("next-flag", "flagged(1)", "]", "Move to the next flagged row.", "view", "flag"),
    Action(
        "detail",
        "place_detail",
        "d",
        "Show the text about the row beside the table, below it, or not.",
        "view",
        "detail",
    ),
    Action("detail-up", "scroll_detail(-1)", "K", "Scroll the text about the row up.", "view"),
    Action("detail-down", "scroll_detail(1)", "J", "Scroll the text about the row down.", "view"),
    Action("read", "read", "i", "Read all about the row, over the whole screen.", "view", "read"),
    Action("fold", "fold", "z", "Fold away what lies below the row; again to bring it back.", "tree"),
    Action(
        "values",
        "show_values",
        "w",
        "Show how the differences are spread over the elements, and the worst of them.",
        "values",
    ),
    Action("picture", "toggle_chart", "c", "Show or hide the picture above the table.", "chart"),
    Action("zoom-in", "chart_zoom(1)", "+,equals_sign", "Show a shorter part of the picture, around the row.", "chart"),
    Action("zoom-out", "chart_zoom(-1)", "-", "Show a longer part of the picture.", "chart"),
    Action("zoom-whole", "chart_zoom(0)", "W", "Show the whole picture.", "chart"),
    Action("pan-left", "chart_pan(-1)", "<,comma", "Move the picture to the left.", "chart"),
    Action("pan-right", "chart_pan(1)", ">,full_stop", "Move the picture to the right.", "chart"),
    Action("previous-drawn", "chart_step(-1)", "p", "Move to what is drawn before this row, in its lane.", "chart"),
    Action("next-drawn", "chart_step(1)", "n", "Move to what is drawn after this row.", "chart"),
    Action("columns", "columns", "v", "Choose the columns that are shown.", "view"),
    Action("yank-cell", "yank_cell", "y", "Copy the cell, to the terminal's clipboard and to a file.", "view"),
    Action("yank-row", "yank_row", "Y", "Copy all that is known of the row.", "view"),
    Action(
        "export-csv",
        "export('csv')",
        "e",
        "Write the rows shown to a CSV file in the working directory.",
        "view",
        "export",
    ),
    Action("export-json", "export('json')", "E", "Write the rows shown to a JSON file.", "view"),
    Action("export-markdown", "export('markdown')", "M", "Write the rows shown to a Markdown file.", "view"),
    Action("mark", "mark", "m", "Mark the row, or take its mark away.", "view"),
    Action("note", "note", "N", "Write a note on the row; it is kept until the next visit, as marks are.", "view"),
    Action("previous-mark", "marked(-1)", "{", "Move to the previous marked row.", "view"),
    Action("next-mark", "marked(1)", "}", "Move to the next marked row.", "view"),
    Action("code", "code", "o", "Tell the line of a file the row speaks of, and open it in $EDITOR.", "view"),
    Action("undo", "back", "escape", "Clear the filter, or return to the view one came from.", "view"),
    Action("back", "app.go(-1)", "b,backspace", "Return to the place one came from.", "view"),
    Action("forward", "app.go(1)", "f", "Go forward again, after going back.", "view"),
    Action("overview", "app.show_view('overview')", "0", "Show the session on one page.", "view"),
    Action("operators", "app.show_view('operators')", "1", "Show the operators of both sides.", "view"),
    Action("findings", "app.show_view('findings')", "2", "Show what to look at first.", "view"),
    Action("overflow", "app.show_view('overflow')", "3", "Show where NaN and Inf come from.", "view"),
    Action("parity", "app.show_view('parity')", "4", "Show where the numbers diverge.", "view"),
    Action("sources", "app.show_view('sources')", "5", "Show what was read, and what could not be judged.", "view"),
    Action("issues", "app.show_view('issues')", "6", "Show what was repaired or lost while reading.", "view"),
    Action("modules", "app.show_view('modules')", "7", "Show the modules of the network as a tree.", "view"),
    Action("timeline", "app.show_view('timeline')", "8", "Show when each operator ran, on both sides.", "view"),
    Action(
        "group",
        "app.group",
        "u",
        "Show the operators summed by class, name, module, kernel, shapes and phase in turn, then one by one again.",
        "view",
    ),
    Action("unmatched", "app.show_view('unmatched')", "U", "Show the operators that only one side has.", "view"),
    Action("memory", "app.show_view('memory')", "9", "Show how much memory each component held, and when.", "view"),
    Action("communication", "app.show_view('communication')", "x", "Show collectives and transfers.", "view"),
    Action("changes", "app.show_view('changes')", "C", "Show what changed since the session before.", "view"),
    Action("compare", "app.compare", "B", "Choose the session before this one, to show what changed since.", "view"),
    Action("next-view", "app.next_view(1)", "tab", "Show the next view.", "view"),
    Action("previous-view", "app.next_view(-1)", "shift+tab", "Show the previous view.", "view"),
    Action("palette", "app.command_palette", ":,ctrl+p", "Find something to do by its name.", "everywhere", "do"),
    Action("theme", "app.change_theme", "t", "Choose another theme; tui.toml makes it last.", "everywhere"),
    Action("help", "app.help", "?,f1", "Show what the keys do here.", "everywhere", "help"),
    Action("suspend", "app.suspend_process", "Z,ctrl+z", "Go back to the shell; fg comes here again.", "everywhere"),
    Action("open", "app.open", "O", "Open other recordings, or a saved session.", "view"),
    Action("quit", "app.quit", "q", "Leave profkit.", "view", "quit"),
    Action("close-text", "close", "escape,q", "Return to the view.", "text", "close"),
    Action("columns-done", "close", "escape,q,v", "Show the chosen columns.", "picker", "done"),
    Action("columns-all", "all", "a", "Choose every column.", "picker", "all"),
    Action(
        "reference",
        "reference",
        "r",
        "Take this run as the reference; Enter then opens the run.",
        "open-run",
        "reference",
    ),
    Action("note-drop", "drop", "escape", "Leave the note as it was.", "note", "leave it"),
    Action("folder-above", "up", "backspace,h,left", "Look at the folder that holds this one.", "open", "up"),
    Action("whole-folder", "whole", "o", "Open everything below this folder as one run.", "open-run", "whole folder"),
    Action("close-open", "close", "escape", "Return to what is open.", "open"),
    Action("quit-open", "quit", "q", "Leave profkit.", "open", "quit"),
    Action(
        "stop",
        "cancel",
        "escape",
        "Stop loading, and show what is known by then; again, do not wait for it.",
        "loading",
        "stop",
    ),
    Action("quit-loading", "quit", "q", "Stop loading and leave profkit.", "loading", "quit"),
    Action("open-message", "app.open", "o", "Choose something else to open.", "message", "open"),
    Action(
        "leave-message", "leave", "escape", "Return to what was there before; leave if nothing was.", "message", "back"
    ),
    Action("quit-message", "quit", "q", "Leave profkit.", "message", "quit"),
)


def actions_of(scopes: Iterable[Scope]) -> list[Action]:
    """Give the actions of some scopes, in the order of the table."""
    wanted = set(scopes)
    return [action for action in ACTIONS if action.scope in wanted]


def bindings(*scopes: Scope) -> list[BindingType]:
    """Give the key bindings of some scopes."""
    return [
        Binding(action.keys, action.name, action.footer, show=bool(action.footer), id=action.id)
        for action in actions_of(scopes)
    ]


def key_label(key: str) -> str:
    """Give the name of one of Textual's keys as a reader knows it."""
    *modifiers, name = key.strip().split("+") if len(key.strip()) > 1 else [key.strip()]
    label = _KEY_LABELS.get(name) or format_key(name)
    if len(label) > 1:
        label = _KEY_LABELS.get(name, name.capitalize())
    return "-".join([*(modifier.capitalize() for modifier in modifiers), label])


def key_labels(keys: str) -> str:
    """Give the names of several of Textual's keys, divided by commas there and by blanks here."""
    return " ".join(map(key_label, keys.split(",")))
