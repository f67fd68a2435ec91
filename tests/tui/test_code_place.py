"""Which line of a file a text names, and the command that opens it."""

from __future__ import annotations

import pytest

from profkit.tui.code_place import CodePlace, editor_command


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/home/u/net.py:42  x = self.fc(x)", CodePlace("/home/u/net.py", 42)),
        ("net.py:7", CodePlace("net.py", 7)),
        ("a b.py:7: in forward", CodePlace("a b.py", 7)),
        ("no place", None),
        ("net.py:", None),
        (None, None),
    ],
)
def test_a_place_is_read_from_a_text(text, place):
    assert CodePlace.parse(text) == place


def test_a_place_of_a_file_is_its_line_or_the_file():
    assert str(CodePlace.of_file("trace.json", "line 3")) == "trace.json:3"
    assert str(CodePlace.of_file("trace.json", "byte 1024")) == "trace.json"
    assert CodePlace.of_file("", "line 3") is None


@pytest.mark.parametrize(
    ("editor", "arguments"),
    [("vim", ["vim", "+42", "{}"]), ("hx -v", ["hx", "-v", "{}:42"]), ("pico", ["pico", "{}"])],
)
def test_each_editor_is_told_the_line_its_way(editor, arguments, tmp_path):
    file = tmp_path / "net.py"
    file.touch()
    command = editor_command(CodePlace(str(file), 42), {"EDITOR": editor})
    assert command == [argument.format(file) for argument in arguments]


def test_a_name_that_looks_like_an_option_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--version").touch()
    assert editor_command(CodePlace("--version"), {"EDITOR": "vim"}) == ["vim", str(tmp_path / "--version")]


def test_without_an_editor_or_the_file_nothing_is_opened(tmp_path):
    assert editor_command(CodePlace(str(tmp_path / "gone.py"), 1), {"EDITOR": "vim"}) is None
    assert editor_command(CodePlace(__file__, 1), {}) is None
    assert editor_command(CodePlace("a\0b", 1), {"EDITOR": "vim"}) is None
