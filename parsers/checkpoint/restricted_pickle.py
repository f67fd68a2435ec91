"""A reader of pickles that imports nothing, calls nothing and builds only plain containers and descriptions of tensors.

Every name in the pickle stays a name (`GlobalName`); what the pickle would call becomes what a callback makes of the
name and its arguments, or an object without content. Opcodes are taken apart by pickletools of the standard library,
which runs none of them. Format: https://peps.python.org/pep-0307, -3154, and CPython's Lib/pickletools.py.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

_LONGEST_NAME = 200
_MOST_STEPS = 50_000_000
_KEYS = (str, int, float, bytes, bool, type(None))
_LARGEST_KEY = 1 << 63


class BadPickleError(ValueError):
    """Why a pickle is refused, without the path."""


class Source(Protocol):
    """Bytes that a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes."""

    def readline(self) -> bytes:
        """Give the bytes up to and with the next line feed."""

    def tell(self) -> int:
        """Give the position."""


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A name that the pickle would import."""

    name: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An object that was not built: what the pickle calls its class or function."""

    name: str


class PickledMapping(dict[Any, Any]):
    """A mapping of a class of its own, as OrderedDict, with the names of the attributes that the pickle gives it."""

    attributes: frozenset[str] = frozenset()


Call = Callable[[GlobalName, tuple[Any, ...]], Any]
PersistentLoad = Callable[[Any], Any]


def read_pickle(source: Source, call: Call, persistent_load: PersistentLoad) -> Any:
    """Read one pickle up to its STOP.

    Args:
        source: The bytes, from the pickle's start on.
        call: What stands for the result of a name and its arguments; for those it does not know, an `Unread`.
        persistent_load: What stands for a persistent id.

    Returns:
        Numbers, texts, bytes, lists, tuples, dicts, and what the callbacks gave.

    Raises:
        BadPickleError: It is cut or damaged, or uses what no checkpoint needs.
    """
    machine = _Machine(call, persistent_load)
    try:
        for step, (opcode, argument, _) in enumerate(_opcodes(source)):
            if step > _MOST_STEPS:
                raise BadPickleError("it has more steps than any checkpoint")
            if opcode.name == "STOP":
                return machine.result()
            machine.run(opcode.name, argument)
    except IndexError:
        raise BadPickleError("its steps do not fit together") from None
    raise BadPickleError("it ends before its end mark")


def _opcodes(source: Source) -> Iterator[tuple[Any, Any, Any]]:
    try:
        yield from pickletools.genops(cast(IO[bytes], source))
    except BadPickleError:
        raise
    except (ValueError, OverflowError, KeyError, TypeError, UnicodeError) as error:
        raise BadPickleError(f"it is cut or damaged ({str(error)[:80]})") from None


class _Mark:
    """Where a list of items begins on the stack."""


class _Machine:
    """The stack and memo of a pickle."""

    def __init__(self, call: Call, persistent_load: PersistentLoad) -> None:
        self._call = call
        self._persistent_load = persistent_load
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """Give what is left when the pickle stops."""
        return self._pop()

    def run(self, name: str, argument: Any) -> None:
        """Take one step."""
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            self._stack.append(argument)
        elif name not in _IGNORED:
            step = _STEPS.get(name)
            if step is None:
                raise BadPickleError(f"it uses {name}, which no checkpoint needs")
            step(self, argument)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise BadPickleError("its steps do not fit together")
        return value

    def _top(self) -> Any:
        return self._stack[-1]

    def _items(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        items = []
        while not isinstance(value := self._stack.pop(), _Mark):
            items.append(value)
        items.reverse()
        return items

    def push_container(self, argument: Any, kind: Callable[[], Any]) -> None:
        self._stack.append(kind())

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._items()

    def duplicate(self, _: Any) -> None:
        self._stack.append(self._top())

    def mark(self, _: Any) -> None:
        self._stack.append(_Mark())

    def put(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self._top()

    def get(self, place: int) -> None:
        if place not in self._memo:
            raise BadPickleError("it refers to an object that it does not hold")
        self._stack.append(self._memo[place])

    def tuple_of_items(self, _: Any) -> None:
        self._stack.append(tuple(self._items()))

    def list_of_items(self, _: Any) -> None:
        self._stack.append(self._items())

    def dict_of_items(self, _: Any) -> None:
        mapping: dict[Any, Any] = {}
        _fill(mapping, self._items())
        self._stack.append(mapping)

    def set_of_items(self, _: Any) -> None:
        self._items()
        self._stack.append(Unread("builtins.frozenset"))

    def append(self, _: Any) -> None:
        value = self._pop()
        _extend(self._top(), [value])

    def appends(self, _: Any) -> None:
        items = self._items()
        _extend(self._top(), items)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        _fill(self._top(), [key, value])

    def set_items(self, _: Any) -> None:
        items = self._items()
        _fill(self._top(), items)

    def take_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_global(module, name)

    def take_stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise BadPickleError("a name in it is no text")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        self._stack.append(GlobalName(f"{module}.{name}"[:_LONGEST_NAME]))

    def reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        self._stack.append(self._result_of(function, arguments))

    def new_object_with_keywords(self, _: Any) -> None:
        self._pop()
        self.reduce(None)

    def instance(self, argument: str) -> None:
        arguments = tuple(self._items())
        module, _, name = argument.partition(" ")
        self._stack.append(self._result_of(GlobalName(f"{module}.{name}"[:_LONGEST_NAME]), arguments))

    def object_of_items(self, _: Any) -> None:
        function, *arguments = self._items() or [None]
        self._stack.append(self._result_of(function, tuple(arguments)))

    def _result_of(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, GlobalName) or not isinstance(arguments, tuple):
            name = function.name if isinstance(function, (GlobalName, Unread)) else "an object"
            return Unread(name)
        return self._call(function, arguments)

    def build(self, _: Any) -> None:
        """Drop the state that an object would be given, but for names: attributes of a state_dict hold no tensors."""
        state, target = self._pop(), self._top()
        if isinstance(target, PickledMapping) and isinstance(state, dict):
            target.attributes = frozenset(name for name in state if isinstance(name, str))

    def persistent(self, _: Any) -> None:
        self._stack.append(self._persistent_load(self._pop()))


def _extend(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)


def _fill(target: Any, items: list[Any]) -> None:
    """Put keys and values into a mapping; an object that was not built takes none."""
    if len(items) % 2:
        raise BadPickleError("a mapping in it has a key without a value")
    if isinstance(target, dict):
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value


def _key(key: Any) -> Any:
    """Give a key that can be hashed in bounded time: the hash of a tuple of tuples may take for ever."""
    if isinstance(key, _KEYS) and not (isinstance(key, int) and abs(key) >= _LARGEST_KEY):
        return key
    return Unread("a key that is neither text nor number")


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE",
    "BINUNICODE", "BINUNICODE8",
})  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME"})


def _tuple_of(size: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        values = [machine._pop() for _ in range(size)]
        machine._stack.append(tuple(reversed(values)))

    return step


def _empty(kind: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, argument: machine.push_container(argument, kind)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "EMPTY_LIST": _empty(list),
    "EMPTY_TUPLE": _empty(tuple),
    "EMPTY_DICT": _empty(dict),
    "EMPTY_SET": _empty(lambda: Unread("builtins.set")),
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "MARK": _Machine.mark,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "TUPLE": _Machine.tuple_of_items,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": _Machine.list_of_items,
    "DICT": _Machine.dict_of_items,
    "FROZENSET": _Machine.set_of_items,
    "ADDITEMS": _Machine.appends,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.take_global,
    "STACK_GLOBAL": _Machine.take_stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_object_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.object_of_items,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
