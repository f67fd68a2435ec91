"""What the file names of MindSpore dumps say, from 1.0 to 2.10 and of the device runtime's own dumps."""

from __future__ import annotations

import re
from typing import NamedTuple

from profkit.parsers.dump.device_layout import Shape
from profkit.parsers.dump.tensor_dtypes import dtype_name

# {op_type}.{op_name}.{task}[.{stream}].{time}[.{task_type}.{context}.{thread}[.{device}]]: how names of the device
# runtime's dumps begin. `/`, `\`, `.` and blanks of the operator's name are written as `_`: no part holds a dot.
# The stream is missing in 1.1 and before, what follows the time stands there on chips that split tasks into threads.
_OPERATOR = (
    r"(?P<op_type>[^.]+)\.(?P<op>[^.]+)\.(?P<task>\d{1,18})(?:\.(?P<stream>\d{1,18}))?\.(?P<time>\d{%s,18})"
    r"(?:\.\d{1,18}\.(?P<context>\d{1,18})\.(?P<thread>\d{1,18})(?:\.\d{1,18})?)?"
)
_SLOT = r"\.(?P<io>input|output)\.(?P<slot>\d{1,9})"
# .{layout}[.{dtype}] behind the slot: the dtype since 2.4. A converted dump has neither, an old one its shape instead.
_ARRAY = re.compile(
    _OPERATOR % 1 + _SLOT + r"(?:\.(?:(?P<shape>\d+(?:x\d+)*)|(?P<layout>[^.]+)(?:\.(?P<dtype>[^.]+))?))?\.npy"
)
_ASYNC = re.compile(_OPERATOR % 10)
# A tensor whose dtype .npy has no word for keeps the name and loses the suffix.
_RAW = re.compile(_OPERATOR % 10 + _SLOT + r"\.(?P<layout>[^.]+)\.(?P<dtype>[^.]+)")
# msaccucmp's conversion of an asynchronous dump to raw tensors.
_CONVERTED = re.compile(
    _OPERATOR % 10 + _SLOT + r"\.(?P<shape>(?:\d+(?:_\d+)*)?_?)\.(?P<dtype>[^.]+)\.(?P<layout>[^.]+)\.bin"
)
# Before 1.3, `/` as `--`: {op_name}_{input|output}_{slot}_shape_{dims}_{dtype}_{layout}.bin.
_FLAT = re.compile(
    r"(?P<op>.+)_(?P<io>input|output)_(?P<slot>\d{1,9})_shape(?P<shape>(?:_\d+)*)"
    r"_(?:kNumberType)?(?P<dtype>[A-Za-z]+\d*)_(?P<layout>[A-Za-z0-9_]+)\.bin",
    re.DOTALL,
)
_NO_TENSOR = re.compile(_OPERATOR % 10 + r"\.(?:l1buffer|space|buffer)\.\d+\.(?:bin|npy)")
_OPERATOR_NUMBER = re.compile(r"(?P<op_type>[^/]+)-op\d+$")
_DIGITS = re.compile(r"\d+")
_SCOPE_SIGNS = re.compile(r"--|[/\\. ]")
_PARAMETER = "Parameter"
_LARGEST = 2**63 - 1


class OperatorName(NamedTuple):
    """What the name of a dump file says of the operator.

    Attributes:
        op_type: Operator type; "Parameter" for weights, optimizer state and network inputs.
        op: Full operator name, `/` and `.` written as `_`.
        task: Task number on the device; None if the name has none.
        stream: Stream number on the device; None if the name has none.
        time_us: When it was written, microseconds since the epoch; None if the name does not tell.
        context: Context number on the device; None if the name has none.
        thread: Thread number on the device; None if the name has none.
    """

    op_type: str
    op: str
    task: int | None = None
    stream: int | None = None
    time_us: int | None = None
    context: int | None = None
    thread: int | None = None


class DumpName(NamedTuple):
    """What the name of a file that holds one tensor says.

    Attributes:
        operator: Whose tensor it is.
        io: input, output or parameter.
        slot: Number among the inputs or outputs as the framework counts them; dropped ones leave gaps.
        layout: Memory layout (DefaultFormat, NCHW, FRACTAL_NZ); None if the name does not tell.
        dtype: numpy's name of the dtype on the device, or bfloat16; None if the name tells none that is known.
        shape: Shape; None if the name does not tell.
    """

    operator: OperatorName
    io: str
    slot: int
    layout: str | None
    dtype: str | None
    shape: Shape | None


def dump_name(file_name: str) -> DumpName | None:
    """Read the name of a .npy file in a MindSpore dump (1.3 to 2.10), or of a converted one; None if it is none."""
    match = _ARRAY.fullmatch(file_name)
    return None if match is None else _of_match(match, _operator(match))


def operator_name(file_name: str) -> OperatorName | None:
    """Read the name of a file that holds all tensors of an operator (asynchronous dump); None if it is none."""
    match = _ASYNC.fullmatch(file_name)
    return None if match is None else _operator(match)


def raw_name(file_name: str) -> DumpName | None:
    """Read the name of a file that holds the bare bytes of one tensor; None if it is none."""
    match = _CONVERTED.fullmatch(file_name) or _RAW.fullmatch(file_name)
    if match is not None:
        return None if match["dtype"] in ("npy", "bin", "json", "csv") else _of_match(match, _operator(match))
    match = _FLAT.fullmatch(file_name)
    if match is None:
        return None
    op = match["op"].replace("--", "/")
    numbered = _OPERATOR_NUMBER.search(op)
    return _of_match(match, OperatorName(numbered["op_type"] if numbered else _PARAMETER, as_in_dumps(op)))


def is_buffer_name(file_name: str) -> bool:
    """Tell whether a file is named like a scratch buffer of a converted dump, which is no tensor."""
    return _NO_TENSOR.fullmatch(file_name) is not None


def as_in_dumps(full_name: str) -> str:
    """Spell an operator's or parameter's full name as the names of dump files do.

    Several names can be spelled alike, and graphs number operators otherwise than dumps: verify by value what a join
    by this spelling gives.
    """
    return _SCOPE_SIGNS.sub("_", full_name)


def _operator(match: re.Match[str]) -> OperatorName:
    numbers = {name: None if match[name] is None else int(match[name]) for name in ("stream", "context", "thread")}
    return OperatorName(match["op_type"], match["op"], int(match["task"]), time_us=int(match["time"]), **numbers)


def _of_match(match: re.Match[str], operator: OperatorName) -> DumpName:
    parts = match.groupdict()
    dtype, shape = parts.get("dtype"), parts.get("shape")
    dims = None if shape is None else tuple(int(dim[:20]) for dim in _DIGITS.findall(shape))
    io = "parameter" if operator.op_type == _PARAMETER else match["io"]
    return DumpName(
        operator,
        io,
        int(match["slot"]),
        parts.get("layout"),
        None if dtype is None else dtype_name(dtype),
        None if dims is None or any(dim > _LARGEST for dim in dims) else dims,
    )
