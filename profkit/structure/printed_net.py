"""A network from what `print(net)` shows of it, in either framework: no line of it is run or evaluated.

The forms: `(name): Class(settings)` in one line; or settings, then modules, in lines of their own up to the closing
bracket. torch writes equal neighbours once, `(0-11): 12 x Block(`; MindSpore before 2.0 wrote `<` and `>`. Source:
torch/nn/modules/module.py and container.py of torch 2.13, mindspore/nn/cell.py of MindSpore 2.10.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from profkit.errors import UnreadableInputError
from profkit.structure.net_tree import DEEPEST, MOST_MODULES, ModuleNode, NetStructure, Value

_NAMED = re.compile(r"\((?P<name>[^()\n]*)\): (?P<rest>.*)", re.DOTALL)
_REPEATED = re.compile(r"(?P<first>\d{1,9})-(?P<last>\d{1,9})")
_TIMES = re.compile(r"(?P<count>\d{1,9}) x (?P<rest>.*)", re.DOTALL)
_OPENED = re.compile(r"(?P<class>[^\W\d][\w.]*)(?P<bracket>[(<])(?P<rest>.*)", re.DOTALL)
_PARAMETER = re.compile(r"Parameter containing: \[[^\]]* of size (?P<shape>\d+(?:x\d+)*|)[^\]]*\]")
_SETTING = re.compile(r"(?P<name>[^\W\d]\w*) ?= ?(?P<value>.*)", re.DOTALL)
# Old networks of MindSpore close a module as far in as what is in it.
_STEP = 2
_CLOSING = {"(": ")", "<": ">"}
_OPEN, _CLOSE = frozenset("([{<"), frozenset(")]}>")
_LONGEST_VALUE = 10_000
_LONGEST_LITERAL = 200
_HINT = "write it with save_net_and_weight_params, or print(net) into a file, whole"
# What only networks of MindSpore print.
_MINDSPORE = re.compile(r"(?:SequentialCell|CellList|CellDict|Dense|LayerNormExt|EmbeddingExt|Conv[123]dTranspose)[(<]")
_MINDSPORE_SETTING = re.compile(
    r"(?:input_channels|vocab_size|input_features|in1_channels|pad_mode)=|=Parameter \(name="
)


def parse_printed_net(text: str, source: str) -> NetStructure:
    """Read a printed network.

    Args:
        text: The whole of it; lines before the network (warnings) are passed over.
        source: What it is called in messages.

    Raises:
        UnreadableInputError: It is none, or is cut.
    """
    lines = text.expandtabs().splitlines()
    start = next((number for number, line in enumerate(lines) if _OPENED.match(line)), None)
    if start is None:
        raise UnreadableInputError(f"{source} is no printed network", _HINT)
    reader = _Reader(source)
    for number in range(start, len(lines)):
        if reader.done:
            break
        following = lines[number + 1] if number + 1 < len(lines) else ""
        reader.take(lines[number], number + 1, alone=_indent(following) <= _indent(lines[number]))
    network = reader.finished()
    shown = "\n".join(lines[start:])
    is_mindspore = _MINDSPORE.search(shown) or _MINDSPORE_SETTING.search(shown)
    # A network without any of them prints alike in both frameworks, and its layers are called alike.
    return NetStructure("mindspore" if is_mindspore else "pytorch", network, source)


@dataclass
class _Open:
    """A module whose closing bracket has not come yet."""

    node: ModuleNode
    indent: int
    bracket: str
    count: int = 1
    settings: list[str] = field(default_factory=list)


class _Reader:
    """Takes the lines of a printed network one after the other."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Open] = []
        self._root: ModuleNode | None = None
        self._modules = 0

    @property
    def done(self) -> bool:
        return self._root is not None

    def take(self, line: str, number: int, *, alone: bool) -> None:
        """Take a line; `alone` says that the next one is not indented below it, so that nothing in it belongs here."""
        text, indent = line.strip(), _indent(line)
        named = _NAMED.fullmatch(text)
        if not self._open:
            self._module("", text, indent, number, alone=alone)
        elif text == _CLOSING[self._open[-1].bracket] and indent <= self._open[-1].indent + _STEP:
            self._close(number)
        elif named is not None and indent > self._open[-1].indent:
            self._child(named["name"], named["rest"], indent, number, alone=alone)
        elif text:
            # Settings in lines of their own, or what a class of the user's prints of itself.
            self._open[-1].settings.append(text)

    def _child(self, name: str, rest: str, indent: int, number: int, *, alone: bool) -> None:
        parameter = _PARAMETER.match(rest)
        if parameter is not None:
            node = self._open[-1].node
            lengths = tuple(int(length) for length in parameter["shape"].split("x") if length)
            node.parameters = {**(node.parameters or {}), name: lengths}
            return
        times = _TIMES.fullmatch(rest)
        count = int(times["count"]) if times is not None else 1
        self._module(name, times["rest"] if times is not None else rest, indent, number, count, alone=alone)

    def _module(self, name: str, text: str, indent: int, number: int, count: int = 1, *, alone: bool) -> None:
        opened = _OPENED.fullmatch(text)
        if opened is None:
            # A module that prints itself in a way of its own, or None in its place.
            self._add(ModuleNode(name, [text[:_LONGEST_LITERAL]] if text != "None" else ["None"]), count, number)
            return
        node = ModuleNode(name, [opened["class"]])
        rest, bracket = opened["rest"], opened["bracket"]
        if len(self._open) >= DEEPEST:
            raise UnreadableInputError(f"{self._source}:{number}: more than {DEEPEST} modules in each other", _HINT)
        if alone and rest.endswith(_CLOSING[bracket]):
            self._set(node, rest[:-1])
            self._add(node, count, number)
        else:
            self._open.append(_Open(node, indent, bracket, count, [rest] if rest else []))

    def _close(self, number: int) -> None:
        done = self._open.pop()
        self._set(done.node, "\n".join(done.settings))
        self._add(done.node, done.count, number)

    def _set(self, node: ModuleNode, settings: str) -> None:
        node.positional, node.printed = parse_settings(settings)

    def _add(self, node: ModuleNode, count: int, number: int) -> None:
        self._modules += 1 if count == 1 else count * sum(1 for _ in NetStructure("", node).modules())
        if self._modules > MOST_MODULES:
            raise UnreadableInputError(f"{self._source}:{number}: more than {MOST_MODULES:,} modules", _HINT)
        if not self._open:
            self._root = node
            return
        self._open[-1].node.children += _copies(node, count)

    def finished(self) -> ModuleNode:
        if self._root is None:
            raise UnreadableInputError(f"{self._source} is cut: {len(self._open)} modules are not closed", _HINT)
        return self._root


def _copies(node: ModuleNode, count: int) -> list[ModuleNode]:
    """Give the modules that are printed once: `(0-2): 3 x Linear(` are 0, 1 and 2."""
    numbered = _REPEATED.fullmatch(node.name)
    if numbered is None or int(numbered["last"]) - int(numbered["first"]) + 1 != count:
        return [node]
    first = int(numbered["first"])
    fields = {name: getattr(node, name) for name in node.__struct_fields__ if name != "name"}
    return [ModuleNode(name=str(first + number), **fields) for number in range(count)]


def parse_settings(text: str) -> tuple[list[Value], dict[str, Value]]:
    """Read settings as a module prints them: `4, 8, kernel_size=(3, 3), bias=False`.

    Returns:
        Those without a name, and those with one.
    """
    positional: list[Value] = []
    named: dict[str, Value] = {}
    for part in _parts(text):
        setting = _SETTING.fullmatch(part)
        if setting is None:
            positional.append(_value(part))
        else:
            named[setting["name"]] = _value(setting["value"])
    return positional, named


def _parts(text: str) -> Sequence[str]:
    """Cut a text at its commas and line ends, but for those within brackets and quotes."""
    parts: list[str] = []
    depth, start, quote = 0, 0, ""
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPEN:
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
        elif letter in ",\n" and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _value(text: str) -> Value:
    """Give a number, text or tuple of them as it was printed; anything else as text."""
    text = text.strip()[:_LONGEST_VALUE]
    if len(text) > _LONGEST_LITERAL:
        return text
    try:
        return as_value(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


def as_value(value: object) -> Value:
    """Give what can be compared and written: a number, a text or a tuple of them; others by their type."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(as_value(one) for one in value)
    return f"a {type(value).__name__}"
