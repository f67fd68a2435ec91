"""`ts.tracking`: follows the lines of `construct` and `forward`, tells the values they make, and stops at NaN.

Tensors are looked at when they are made. Reading one waits for it, so that in MindSpore's asynchronous PyNative mode
both a value and a failure belong to the line they came from. Graphs run no Python line: what is compiled is not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TextIO

from profkit.errors import ProfkitError
from profkit.frameworks import is_mindspore_tensor, is_torch_tensor, loaded
from profkit.safe_text import printable
from profkit.user_code import is_users

_NETWORK_FUNCTIONS = frozenset({"construct", "forward"})
_EVENTS = ("call", "line", "return", "exception")
_FRAMEWORKS = ("mindspore", "torch")
_NESTED = 8
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class ValueFoundError(ProfkitError):
    """The value that `tracking(check_keyword=...)` was asked to stop at has come up."""


@dataclass(frozen=True)
class TrackedValue:
    """A variable that was set, or a value that was returned.

    Attributes:
        event: "argument", "new", "changed" or "return".
        file: Path of the code.
        line: Number of the line that made the value.
        function: Name of the function, with the class of the network before it.
        variable: Name of the variable; "" for what is returned.
        description: Dtype, shape and figures of a tensor; else the value.
        nan, inf: Elements of a tensor that are NaN or infinite; 0 for other values.
    """

    event: str
    file: str
    line: int
    function: str
    variable: str
    description: str
    nan: int = 0
    inf: int = 0


class tracking(ContextDecorator):  # noqa: N801 - called as the migration guide's scripts call it
    """Prints what each line of a network makes, for a block or a decorated function.

    Args:
        level: 1 follows construct and forward in the user's own files; 2 those of the framework's layers as well; 3
            every function of the user and of the frameworks; 4 every function.
        func_wl: Follow only functions of these names.
        path_wl: Follow only files whose path ends in one of these.
        path_bl: Do not follow files whose path ends in one of these.
        check_keyword: "nan" or "inf", looked for in the elements of tensors; any other text in what is printed.
        check_mode: 1 raises ValueFoundError where it is found first; 2 prints it and goes on.
        event_list: Of "call", "line", "return" and "exception", what to print; None for all.
        depth: Levels of calls that are followed.
        max_variable_length: Characters of a value that are printed.
        output: Where to print; None for stderr.

    Attributes:
        values: Every TrackedValue, in the order they came up.
        found: The first that check_keyword named; without one, the first tensor with NaN, else None.

    Raises:
        ProfkitError: A setting is none.
    """

    def __init__(
        self,
        level: int = 1,
        *,
        func_wl: Collection[str] = (),
        path_wl: Collection[str] = (),
        path_bl: Collection[str] = (),
        check_keyword: str | None = None,
        check_mode: int = 1,
        event_list: Collection[str] | None = None,
        depth: int = 15,
        max_variable_length: int = 150,
        output: TextIO | None = None,
    ) -> None:
        if level not in {1, 2, 3, 4} or check_mode not in {1, 2}:
            raise ProfkitError(f"level {level}, check_mode {check_mode}", "level is 1 to 4, check_mode 1 or 2")
        unknown = sorted(set(event_list or ()) - set(_EVENTS))
        if unknown:
            raise ProfkitError(f"{unknown[0]!r} is no event", f"events are {', '.join(_EVENTS)}")
        self.values: list[TrackedValue] = []
        self.found: TrackedValue | None = None
        self._level = level
        self._functions, self._only, self._except = frozenset(func_wl), tuple(path_wl), tuple(path_bl)
        self._keyword = check_keyword.lower() if check_keyword else None
        self._stops = check_mode == 1
        self._printed = frozenset(event_list or _EVENTS)
        self._depth, self._longest = depth, max_variable_length
        self._output = output
        self._open = 0
        self._before: Any = None
        self._block: FrameType | None = None

    def __enter__(self) -> tracking:
        mindspore: Any = loaded("mindspore")
        if mindspore is not None and mindspore.get_context("mode") == mindspore.GRAPH_MODE:
            self._say("GRAPH_MODE: what is compiled runs no Python line and is not followed; use PYNATIVE_MODE")
        self._before = sys.gettrace()
        caller = sys._getframe(1)
        if caller.f_code.co_filename != __file__ and not _is_decorator(caller):
            # The lines of the block itself: its frame was entered before anything was traced.
            self._block = caller
            caller.f_trace = _Follower(self, caller, known=_locals(caller))
        sys.settrace(self._enter_function)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        sys.settrace(self._before)
        if self._block is not None:
            follower, self._block.f_trace = self._block.f_trace, None
            block, self._block = self._block, None
            if isinstance(follower, _Follower) and error is None:
                follower.look(block)

    def _enter_function(self, frame: FrameType, event: str, _: Any) -> Any:
        if event != "call" or self._open >= self._depth or not self._is_followed(frame):
            return None
        self._open += 1
        follower = _Follower(self, frame, counted=True)
        if "call" in self._printed:
            self._say(f"{_place(frame)} {_function(frame)} is called")
        follower.look(frame, "argument")
        return follower

    def _is_followed(self, frame: FrameType) -> bool:
        code = frame.f_code
        name, path = code.co_name, code.co_filename
        if path == __file__ or path.startswith("<") or (self._functions and name not in self._functions):
            return False
        if (self._only and not path.endswith(self._only)) or (self._except and path.endswith(self._except)):
            return False
        if self._level <= 2:
            return name in _NETWORK_FUNCTIONS and (self._level == 2 or is_users(path))
        if self._level == 3:
            return is_users(path) or any(f"/{framework}/" in path for framework in _FRAMEWORKS)
        return True

    def _take(self, value: TrackedValue) -> None:
        self.values.append(value)
        if "line" in self._printed or value.event == "return":
            variable = f"{value.variable} = " if value.variable else ""
            self._say(f"{value.file}:{value.line} {value.function} {value.event}: {variable}{value.description}")
        hit = self._is_hit(value)
        if not hit or self.found is not None:
            return
        self.found = value
        if self._keyword is None:
            return
        where = f"{value.file}:{value.line}, in {value.function}"
        what = value.variable or "what is returned"
        sentence = f"{self._keyword!r} is first found in {what} at {where}: {value.description}"
        self._say(sentence)
        if self._stops:
            raise ValueFoundError(sentence, "look at the inputs of that line")

    def _is_hit(self, value: TrackedValue) -> bool:
        if self._keyword in {None, "nan"}:
            return value.nan > 0
        return value.inf > 0 if self._keyword == "inf" else self._keyword in value.description.lower()

    def _left(self) -> None:
        self._open -= 1

    def _say(self, text: str) -> None:
        (self._output or sys.stderr).write(f"{printable(text)}\n")


class _Follower:
    """Follows the lines of one frame."""

    def __init__(
        self, owner: tracking, frame: FrameType, *, known: Mapping[str, int] | None = None, counted: bool = False
    ) -> None:
        self._owner = owner
        self._line = frame.f_lineno
        self._known = dict(known or {})
        self._kept: dict[str, Any] = {}
        self._counted = counted

    def __call__(self, frame: FrameType, event: str, given: Any) -> _Follower:
        if event == "line":
            self.look(frame)
            self._line = frame.f_lineno
        elif event == "return":
            self.look(frame)
            if self._counted:
                self._owner._left()
            if given is not None:
                self._tell(frame, "return", "", given)
        elif event == "exception" and "exception" in self._owner._printed:
            self._owner._say(f"{_place(frame)} {_function(frame)} raises {given[0].__name__}: {str(given[1])[:200]}")
        return self

    def look(self, frame: FrameType, event: str = "") -> None:
        """Tell what has changed since the last look."""
        for name, value in list(frame.f_locals.items()):
            if name == "self" or self._known.get(name) == id(value) or value is self._owner:
                continue
            what = event or ("changed" if name in self._known else "new")
            self._known[name] = id(value)
            # Kept, or another object could get the same id.
            self._kept[name] = value
            self._tell(frame, what, name, value)

    def _tell(self, frame: FrameType, event: str, name: str, value: Any) -> None:
        description, nan, inf = described(value, self._owner._longest)
        place = frame.f_code.co_filename, self._line, _function(frame)
        self._owner._take(TrackedValue(event, *place, name, description, nan, inf))


def described(value: Any, longest: int = 150) -> tuple[str, int, int]:
    """Describe a value, and count its NaN and infinite elements.

    Args:
        value: A tensor of either framework, or of numpy; lists, tuples and dicts of them; anything else.
        longest: Characters of the description.

    Raises:
        Exception: What the framework raises when the tensor cannot be made after all.
    """
    texts: list[str] = []
    nan = inf = 0
    for number, (name, leaf) in enumerate(_leaves(value)):
        text, leaf_nan, leaf_inf = _tensor(leaf) if _is_tensor(leaf) else (_plain(leaf), 0, 0)
        nan, inf = nan + leaf_nan, inf + leaf_inf
        if number < _NESTED:
            texts.append(f"{name}{text}")
    description = ", ".join(texts) if texts else type(value).__name__
    return (description if len(description) <= longest else description[: longest - 3] + "..."), nan, inf


def _leaves(value: Any, name: str = "", level: int = 0) -> Iterator[tuple[str, Any]]:
    if level < _NESTED and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}[{key!r}] ", level + 1)
    elif level < _NESTED and isinstance(value, (list, tuple)) and any(_is_tensor(inner) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{index}] ", level + 1)
    else:
        yield name, value


def _is_tensor(value: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return is_torch_tensor(value) or is_mindspore_tensor(value) or (numpy and isinstance(value, numpy.ndarray))


def _tensor(value: Any) -> tuple[str, int, int]:
    import numpy as np  # noqa: PLC0415 - only where there is a tensor

    from profkit.saving.tensor_values import array_of  # noqa: PLC0415

    head = f"{str(value.dtype).rpartition('.')[2].lower()} ({', '.join(map(str, value.shape))})"
    try:
        array = array_of(value, "a tensor")
    except ProfkitError:
        return head, 0, 0
    if array.size == 0 or array.dtype.kind not in "fc":
        return (f"{head} {array.min()} to {array.max()}" if array.size and array.dtype.kind != "c" else head), 0, 0
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    finite = array[np.isfinite(array)] if nan or inf else array
    size = np.abs(finite) if array.dtype.kind == "c" else finite
    figures = f" {size.min():.4g} to {size.max():.4g}" if size.size else ""
    bad = "".join(f", {count:,} {word}" for count, word in ((nan, "NaN"), (inf, "Inf")) if count)
    return f"{head}{figures}{bad}", nan, inf


def _plain(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value) if not isinstance(value, (str, bytes)) else repr(value[:200])
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{type(value).__name__} of {len(value):,}"
    return f"<{type(value).__name__}>"


def _locals(frame: FrameType) -> dict[str, int]:
    return {name: id(value) for name, value in frame.f_locals.items()}


def _is_decorator(frame: FrameType) -> bool:
    return frame.f_code.co_filename == (ContextDecorator.__call__.__code__.co_filename)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _function(frame: FrameType) -> str:
    owner = frame.f_locals.get("self")
    name = frame.f_code.co_name
    return f"{type(owner).__name__}.{name}" if owner is not None and name in _NETWORK_FUNCTIONS else name
