"""What the README says holds: its commands exist, its options are known, its pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from profkit.cli import COMMANDS, _profkit

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands_shown() -> list[list[str]]:
    return [match.split("#")[0].split() for match in re.findall(r"^ +\$ profkit (.+)$", README, re.MULTILINE)]


def command_named(name: str) -> click.Command:
    command = _profkit.get_command(click.Context(_profkit), name)
    assert command is not None, name
    return command


@pytest.mark.parametrize("words", commands_shown(), ids=" ".join)
def test_a_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    command = command_named(words[0])
    command = command.commands[words[1]] if isinstance(command, click.Group) else command
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[1:] if word.startswith("-")} <= known


def test_every_command_is_in_the_readme() -> None:
    assert not [name for name in COMMANDS if f"profkit {name}" not in README]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    command = command_named(name)
    assert command.help
    assert f"profkit {name}" in command.help
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    for parameter in (parameter for one in commands for parameter in one.params):
        if isinstance(parameter, click.Option):
            assert parameter.help, (name, parameter.opts)


def test_every_linked_file_is_there() -> None:
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert linked
    assert not [link for link in linked if not (ROOT / link).exists()]


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"\b[A-Z]+_OUTPUT\b", README)
