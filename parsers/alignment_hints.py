"""What the user knows about two runs: modules that were renamed, classes of operators, executions that belong together.

A TOML file:

    [modules]                           # path in the reference = path in the run; * is one level, all below comes along
    "encoder.layer.*" = "encoder.layers.*"

    [classes]                           # operator type of either run, with the wildcards of a shell = class of work
    "npu_my_attention*" = "attention"

    [[pairs]]                           # in every step the k-th of the reference does the work of the k-th of the run
    ref = "aten::my_gate"
    run = "MyGate*"
    phase = "forward"                   # optional, as are ref_module and run_module
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import UnreadableInputError
from profkit.schema import OP_CLASSES, PHASES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 1 << 20
_HINT = 'hints are TOML: [modules] "old" = "new", [classes] "MyOp" = "matmul", [[pairs]] ref = "aten::my" run = "My*"'


class PairHint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Executions that do the same work, the k-th of the reference with the k-th of the run in every step.

    Attributes:
        ref, run: Name or type of the operators, with the wildcards of a shell.
        ref_module, run_module: Module they run in or below; any if None.
        phase: Part of the step; any if None.
    """

    ref: str
    run: str
    ref_module: str | None = None
    run_module: str | None = None
    phase: str | None = None


class AlignmentHints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user knows about two runs.

    Attributes:
        modules: Path in the run by path in the reference; `*` is one level.
        classes: Class of work by operator type, with the wildcards of a shell.
        pairs: Executions that do the same work; the first that fits an execution counts.
    """

    modules: dict[str, str] = {}
    classes: dict[str, str] = {}
    pairs: tuple[PairHint, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.modules or self.classes or self.pairs)


NO_HINTS = AlignmentHints()


def read_alignment_hints(path: Path) -> AlignmentHints:
    """Read a file of hints.

    Raises:
        UnreadableInputError: The file cannot be read, is no TOML, or says something that is no hint.
    """
    try:
        hints = msgspec.convert(_content(path), AlignmentHints)
    except msgspec.ValidationError as error:
        raise UnreadableInputError(f"{path} holds something that is no hint: {_line(error)}", _HINT) from error
    wrong = _first_wrong(hints)
    if wrong:
        raise UnreadableInputError(f"{path}: {wrong}", _HINT)
    return hints


def _content(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UnreadableInputError(f"{path} is larger than any file of hints", _HINT)
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path} is no text", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{path} is no TOML: {_line(error)}", _HINT) from error


def _first_wrong(hints: AlignmentHints) -> str | None:
    """Say what a well-formed file says that cannot be meant; None if nothing."""
    for name, word in hints.classes.items():
        if word not in OP_CLASSES:
            return f"[classes] {name[:80]!r} has the class {word[:40]!r}, which is none of {', '.join(OP_CLASSES)}"
    for old, new in hints.modules.items():
        if not old or not new:
            return f"[modules] {(old or new)[:80]!r} has an empty path on one side"
        if _levels(old) != _levels(new):
            return f"[modules] {old[:80]!r} and {new[:80]!r} do not have the same number of *"
    for pair in hints.pairs:
        if pair.phase is not None and pair.phase not in PHASES:
            return (
                f"[[pairs]] {pair.ref[:80]!r} has the phase {pair.phase[:40]!r}, which is none of {', '.join(PHASES)}"
            )
        if not pair.ref or not pair.run:
            return "[[pairs]] has an empty name"
    return None


def _levels(path: str) -> int:
    return path.split(".").count("*")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
