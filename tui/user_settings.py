"""What the user sets in tui.toml: keys of actions, and a theme. A file that is wrong anywhere is not used at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from textual.color import Color, ColorParseError
from textual.keys import Keys
from textual.theme import BUILTIN_THEMES, Theme

from profkit.errors import ProfkitError
from profkit.tui.actions import ACTIONS, SCOPE_TITLES, Action, Scope, key_label

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "tui.toml"
_USER_THEME = "user"
_LONGEST_FILE = 1 << 20
_COLORS = (
    *("primary", "secondary", "accent", "foreground", "background", "surface", "panel", "boost"),
    *("warning", "error", "success"),
)
_KEY_NAMES = frozenset(key.value for key in Keys)
_MODIFIERS = frozenset({"ctrl", "shift", "alt"})
_SCOPES_OF_A_VIEW: frozenset[Scope] = frozenset({"table", "view", "chart", "tree", "values"})


@dataclass(frozen=True)
class Settings:
    """What the user set.

    Attributes:
        keys: Textual's key names by the id of an action, for those that have others than the table says.
        theme: The theme; None leaves Textual's own.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    theme: Theme | None = None

    def keys_of(self, action: Action) -> str:
        """Give the keys of an action, divided by commas."""
        return self.keys.get(action.id, action.keys)


def settings_file() -> Path:
    """Give the file, in $PROFKIT_CONFIG_DIR or the user's own folder for profkit; it may not exist."""
    configured = os.environ.get("PROFKIT_CONFIG_DIR")
    return (Path(configured) if configured else user_config_path("profkit")) / FILE


def load_settings(path: Path) -> Settings:
    """Read the user's settings; nothing is set where there is no file.

    Raises:
        ProfkitError: The file cannot be read or says something that is not understood.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ProfkitError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    try:
        if len(content) > _LONGEST_FILE:
            raise ValueError(f"more than {_LONGEST_FILE:,} bytes")
        told = tomllib.loads(content.decode("utf-8"))
        unknown = sorted(told.keys() - {"keys", "theme"})
        if unknown:
            raise ValueError(f"there is no table [{unknown[0]}]; there are [keys] and [theme]")
        return Settings(_keys(told.get("keys", {})), _theme(told.get("theme", {})))
    except (ValueError, RecursionError) as error:
        raise ProfkitError(f"{path}: {error}", "the defaults are used; `profkit tui --keys` prints a file") from error


def _keys(told: Any) -> dict[str, str]:
    if not isinstance(told, dict):
        raise ValueError("[keys] is a table of actions and their keys")
    known = {action.id for action in ACTIONS}
    keys: dict[str, str] = {}
    for name, value in told.items():
        if name not in known:
            raise ValueError(f"[keys] there is no action {name}; `profkit tui --keys` lists them")
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(key, str) and key for key in values):
            raise ValueError(f'[keys] {name} wants keys, as in ["j", "down"]')
        keys[name] = ",".join(_key(name, key) for key in values)
    _refuse_clashes(keys)
    return keys


def _key(action: str, told: str) -> str:
    """Give Textual's name of a key."""
    if told == ",":
        return "comma"
    *modifiers, name = told.split("+") if len(told) > 1 else [told]
    if not _MODIFIERS.issuperset(modifiers) or not (
        told in _KEY_NAMES or len(key_label(name)) == 1 or name in _KEY_NAMES
    ):
        raise ValueError(f"[keys] {action} = {told!r} is no key; write x, space, f5, pageup or ctrl+p")
    return told


def _refuse_clashes(keys: Mapping[str, str]) -> None:
    """Refuse one key for two actions that hold at the same time."""
    for one, other in combinations(ACTIONS, 2):
        if not (one.id in keys or other.id in keys) or not _hold_together(one.scope, other.scope):
            continue
        common = _labels(one, keys) & _labels(other, keys)
        if common:
            raise ValueError(f"[keys] {min(common)} is the key of both {one.id} and {other.id}")


def _labels(action: Action, keys: Mapping[str, str]) -> frozenset[str]:
    return frozenset(key_label(key) for key in keys.get(action.id, action.keys).split(","))


def _hold_together(one: Scope, other: Scope) -> bool:
    return one == other or "everywhere" in {one, other} or {one, other} <= _SCOPES_OF_A_VIEW


def _theme(told: Any) -> Theme | None:
    if not isinstance(told, dict):
        raise ValueError("[theme] is a table of a name and colours")
    if not told:
        return None
    name = told.get("name", "textual-dark")
    if name not in BUILTIN_THEMES:
        raise ValueError(f"[theme] there is no theme {name}; there are {', '.join(sorted(BUILTIN_THEMES))}")
    colors: dict[str, Any] = {}
    for key, value in told.items():
        if key == "name":
            continue
        if key not in _COLORS:
            raise ValueError(f"[theme] there is no colour {key}; there are {', '.join(_COLORS)}")
        try:
            Color.parse(value)
        except (ColorParseError, TypeError, AttributeError):
            raise ValueError(f'[theme] {key} = {value!r} is no colour; write it as "#d75f00" or ansi_red') from None
        colors[key] = value
    return replace(BUILTIN_THEMES[name], name=_USER_THEME, **colors) if colors else BUILTIN_THEMES[name]


def settings_template() -> str:
    """Give a settings file that says what holds already, every line of it commented out."""
    lines = [f"# {settings_file()}: keys and theme of `profkit tui`. Take away a # to change a line.", "[keys]"]
    for scope, title in SCOPE_TITLES.items():
        lines.append(f"# {title}")
        for action in ACTIONS:
            if action.scope == scope:
                keys = ", ".join(f'"{key.strip()}"' for key in action.keys.split(","))
                lines.append(f"# {action.id} = [{keys}]  # {action.meaning}")
    lines += ["", "[theme]", '# name = "textual-dark"  # ' + ", ".join(sorted(BUILTIN_THEMES))]
    lines += [f'# {color} = "#d75f00"' for color in _COLORS]
    return "\n".join(lines) + "\n"
