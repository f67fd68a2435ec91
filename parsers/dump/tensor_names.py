"""What the file names of saved tensors say: MindSpore dumps, TensorDump, TroubleShooter, numbered files."""

from __future__ import annotations

import re
from typing import NamedTuple

# {op_type}.{op_name}.{task}.{stream}.{time}.{input|output}.{slot}.{layout}[.{dtype}].npy; the dtype stands there since
# MindSpore 2.4. Dots of the operator's name are written as underscores, so that the parts never hold one.
_DUMP = re.compile(
    r"(?P<op_type>[^.]+)\.(?P<op>[^.]+)\.(?P<task>\d+)\.(?P<stream>\d+)\.(?P<time>\d{1,18})"
    r"\.(?P<io>input|output)\.(?P<slot>\d{1,9})\.(?P<layout>[^.]+)(?:\.(?P<dtype>[^.]+))?\.npy"
)
# A raw dump of the device runtime: the same beginning, no extension.
_RAW_DUMP = re.compile(r"[^.]+\.[^.]+\.\d+\.(?:\d+\.)?\d{10,}(?:\.\d+){0,4}")
_PARAMETER = "Parameter"

# {name}_{dtype}_{number}.npy of TensorDump (MindSpore 2.6 and later) and of the TroubleShooter's later versions.
_NUMBER_LAST = re.compile(
    r"(?P<name>.+)_(?:bool|u?int(?:8|16|32|64)|b?float16|float(?:32|64)|complex(?:64|128))_(?P<order>\d{1,18})",
    re.DOTALL,
)
# {number}_{name}.npy: the TroubleShooter in PyTorch, TensorDump before 2.6, and the usual way of numbering by hand.
_NUMBER_FIRST = re.compile(r"(?P<order>\d{1,18})_(?P<name>.+)", re.DOTALL)
_GRADIENT_SUFFIX = re.compile(r"_(?:backward|grad)$")


class DumpName(NamedTuple):
    """What the name of a file in a MindSpore dump says.

    Attributes:
        op_type: Operator type; "Parameter" for weights, optimizer state and network inputs.
        op: Full operator name, `/` and `.` written as `_`.
        time_us: When the tensor was written, microseconds since the epoch.
        io: input, output or parameter.
        slot: Number among the inputs or outputs as the framework counts them; dropped ones leave gaps.
        layout: Memory layout (DefaultFormat, NCHW, FRACTAL_NZ).
    """

    op_type: str
    op: str
    time_us: int
    io: str
    slot: int
    layout: str


class SavedName(NamedTuple):
    """What the name of a saved .npy file says.

    Attributes:
        name: The name given by whoever saved it, without number, dtype and gradient suffix.
        order: The number of the save; None if the name has none.
        gradient: The suffix says that it is a gradient.
    """

    name: str
    order: int | None
    gradient: bool


def dump_name(file_name: str) -> DumpName | None:
    """Read the name of a file in a MindSpore dump (1.3 to 2.10); None if it is none."""
    match = _DUMP.fullmatch(file_name)
    if match is None:
        return None
    io = "parameter" if match["op_type"] == _PARAMETER else match["io"]
    return DumpName(match["op_type"], match["op"], int(match["time"]), io, int(match["slot"]), match["layout"])


def is_raw_dump_name(file_name: str) -> bool:
    """Tell whether a file is named like a raw dump of the device runtime (no .npy, no extension)."""
    return _RAW_DUMP.fullmatch(file_name) is not None


def saved_name(file_name: str) -> SavedName:
    """Read the name of a .npy file that a person or a saving tool wrote; any name is a plain one at the least."""
    stem = file_name[: -len(".npy")] if file_name.lower().endswith(".npy") else file_name
    match = _NUMBER_LAST.fullmatch(stem) or _NUMBER_FIRST.fullmatch(stem)
    name = match["name"] if match else stem
    bare = _GRADIENT_SUFFIX.sub("", name)
    return SavedName(bare or name, int(match["order"]) if match else None, bool(bare) and bare != name)


def is_encodable(file_name: str) -> bool:
    """Tell whether a name is valid text; one of raw bytes that are no UTF-8 cannot stand in a frame."""
    try:
        file_name.encode()
    except UnicodeEncodeError:
        return False
    return True
