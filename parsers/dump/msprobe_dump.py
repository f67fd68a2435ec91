"""msprobe's dumps of PyTorch and of MindSpore PyNative: dump.json, stack.json, construct.json, dump_tensor_data/.

Layout: {dump}[/graph|/pynative]/step{n}/{rank{r}|proc{pid}}/dump.json, one recording each (msprobe 1.0 to 26.2). Calls
stand in dump.json in the order in which they ended: a module comes after the operators that it called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.base import Descriptor, Framework, Parsed, Recognition
from profkit.parsers.dump.json_entries import JsonEntries
from profkit.parsers.dump.msprobe_names import call_name, is_optimizer
from profkit.parsers.dump.msprobe_stack import CodeLine, code_lines
from profkit.parsers.dump.msprobe_tensors import Description, DumpedTensor, described, tensors_in
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSORS

_DUMP_FILES = ("dump.json", "debug.json")
_STACK_FILE = "stack.json"
_CONSTRUCT_FILE = "construct.json"
_TENSOR_FOLDER = "dump_tensor_data"
_DATA = "data"
_FACTS = ("task", "level")
_LOOKED_AT = 1 << 12
_BEGINS = re.compile(rb'\s*\{\s*"(?:task|level|framework|dump_data_dir)"\s*:')
_MARK = re.compile(rb'"(?:dump_data_dir|data)"\s*:')
_STEP_FOLDER = re.compile(r"step(\d{1,9})")
_RANK_FOLDER = re.compile(r"rank_?(\d{1,9})")
_REPORT_EVERY = 256
_NAMED = 3
_ROWS_AT_ONCE = 1 << 15
_FRAMEWORKS: Mapping[str, Framework] = {"pytorch": "pytorch", "mindspore": "mindspore", "mindtorch": "mindspore"}


_COLUMNS = (
    "op", "op_type", "io", "slot", "argument", "path", "order", "phase", "module", "source_file", "source_line",
    "source_code", *Description._fields,
)  # fmt: skip


class MsprobeDump:
    """Reads one rank and step of a msprobe dump: the directory that holds dump.json, or that file."""

    descriptor = Descriptor(
        name="msprobe-dump",
        title="msprobe dump of API and module inputs and outputs (dump.json)",
        framework="unknown",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise dump.json or debug.json by its first keys, or a directory that holds one."""
        file = _dump_file(path)
        if file is None:
            return None
        with file.open("rb") as opened:
            begin = opened.read(_LOOKED_AT)
        if not (_BEGINS.match(begin) and _MARK.search(begin)):
            return None
        names = (file.name, _STACK_FILE, _CONSTRUCT_FILE)
        files = tuple(sorted(file.with_name(name) for name in names if file.with_name(name).is_file()))
        return Recognition(f"{file.name} begins with the keys of a msprobe dump", files)

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the dumped tensors in call order.

        Raises:
            UnreadableInputError: The path is no text that can stand in a frame.
        """
        file = _dump_file(path)
        if file is None or not is_encodable(str(file)):
            what = f"{printable(path)} holds no dump.json, or its name is no valid text"
            raise UnreadableInputError(what, "name the directory that holds dump.json")
        dump = _Dump(file, path)
        tensors = dump.tensors(progress)
        if tensors.empty:
            dump.issues.append(ImportIssue(Severity.ERROR, str(file), "", dump.why_empty()))
        return Parsed({"tensors": tensors}, dump.issues, framework=dump.framework, rank=dump.rank, facts=dump.facts)


class _Dump:
    """One dump.json and what lies beside it."""

    def __init__(self, file: Path, named: Path) -> None:
        self._file = file
        self._folder = file.parent
        self._source = str(named)
        self._facts: dict[str, str] = {}
        self.issues: list[ImportIssue] = []
        self.framework: Framework = "unknown"
        above = [folder.name for folder in (file.resolve().parent, file.resolve().parent.parent)]
        self.rank = _number(_RANK_FOLDER, above)
        self._iteration = _number(_STEP_FOLDER, above)
        self._stored = _names_in(self._folder / _TENSOR_FOLDER)
        self._named: set[str] = set()
        self._lost: list[str] = []
        self._digests: set[str] = set()

    def tensors(self, progress: Progress) -> pd.DataFrame:
        """Give the tensors frame in call order."""
        rows = self._rows(progress)
        # A frame has a tenth of the memory of the Python objects it is made of.
        frames = [self._frame(part) for part in iter(lambda: list(islice(rows, _ROWS_AT_ONCE)), [])]
        self._tell_of_tensor_files()
        return concatenate(TENSORS, frames)

    def _frame(self, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
        same = {"rank": self.rank, "iteration": self._iteration, "graph": -1}
        columns: dict[str, Any] = {name: np.full(len(rows), value, np.int32) for name, value in same.items()}
        columns["source"] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), pd.Index([self._source]))
        return TENSORS.build({**columns, **dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))})

    def _rows(self, progress: Progress) -> Iterator[tuple[Any, ...]]:
        """Give the tensors in call order, each as a value for each of the columns."""
        lines = code_lines(self._folder / _STACK_FILE, self.issues)
        parents = self._parents()
        with JsonEntries(self._file, _DATA, self.issues) as entries:
            for number, (below, key, value) in enumerate(entries):
                if number % _REPORT_EVERY == 0:
                    progress("reading", str(self._file), entries.fraction)
                if below is None:
                    self._take_fact(key, value)
                else:
                    yield from self._rows_of_call(number, key, value, parents.get(key), lines.get(key))

    def why_empty(self) -> str:
        if self._facts.get("task") == "structure":
            return "the dump was recorded with task structure, which keeps the calls and no tensors"
        return "no tensor was dumped: nothing ran, or the run ended before the first calls were written"

    @property
    def facts(self) -> dict[str, str]:
        """What `inspect` shows of the dump."""
        return {**self._facts, **({"digest": ", ".join(sorted(self._digests))} if self._digests else {})}

    def _take_fact(self, key: str, value: Any) -> None:
        if key in _FACTS and isinstance(value, str):
            self._facts[key] = printable(value)[:40]
        elif key == "framework":
            self.framework = _FRAMEWORKS.get(value.lower(), "unknown") if isinstance(value, str) else "unknown"

    def _parents(self) -> Mapping[str, str | None]:
        """Read construct.json: the module that each call was made in."""
        path = self._folder / _CONSTRUCT_FILE
        if not path.is_file():
            return {}
        with JsonEntries(path, "", self.issues) as entries:
            return {key: value for _, key, value in entries if value is None or isinstance(value, str)}

    def _rows_of_call(
        self, number: int, call: str, entry: Any, parent: str | None, line: CodeLine | None
    ) -> Iterator[tuple[Any, ...]]:
        name = call_name(call)
        phase = "optimizer" if is_optimizer(parent) else name.phase
        module = name.module or (call_name(parent).module if parent is not None else None)
        of_call = (
            (number, phase, _encodable(module), line.file, line.line, line.code)
            if line
            else (number, phase, _encodable(module), None, None, None)
        )
        for tensor in tensors_in(entry, gradients=name.gradients):
            of_parameter = tensor.io in {"parameter", "gradient"} and name.module is not None
            op = f"{name.module}.{tensor.argument}" if of_parameter else call
            described_as = described(tensor.fields)
            if described_as.digest is not None:
                self._digests.add(described_as.digest.partition(":")[0])
            yield (
                _encodable(op), _encodable(name.op_type), tensor.io, tensor.slot, _encodable(tensor.argument),
                self._path_of(tensor), *of_call, *described_as._replace(layout=_encodable(described_as.layout)),
            )  # fmt: skip

    def _path_of(self, tensor: DumpedTensor) -> str | None:
        name = tensor.fields.get("data_name")
        if not isinstance(name, str) or name == "-1":
            return None
        if name not in self._stored:
            self._lost.append(name)
            return None
        self._named.add(name)
        if not is_encodable(name):
            self._lost.append(name)
            return None
        return str(self._folder / _TENSOR_FOLDER / name)

    def _tell_of_tensor_files(self) -> None:
        """Say which tensors have no file, and which files no entry names."""
        folder = str(self._folder / _TENSOR_FOLDER)
        if self._lost:
            text = f"{len(self._lost):,} tensors that {self._file.name} names have no file there: {_some(self._lost)}"
            self.issues.append(ImportIssue(Severity.DATA_LOSS, folder, "", text))
        unnamed = sorted(self._stored - self._named)
        if unnamed:
            text = f"{len(unnamed):,} files belong to no call that {self._file.name} names: {_some(unnamed)}"
            self.issues.append(ImportIssue(Severity.DATA_LOSS, folder, "", text))


def _some(names: list[str]) -> str:
    return printable(", ".join(names[:_NAMED]))[:200] + (", ..." if len(names) > _NAMED else "")


def _encodable(text: str | None) -> str | None:
    """Give the text; a lone surrogate, which JSON can name and no encoding has, as its escape."""
    return text if text is None or text.isascii() or is_encodable(text) else printable(text)


def _dump_file(path: Path) -> Path | None:
    if path.is_file():
        return path if path.name in _DUMP_FILES else None
    return next((path / name for name in _DUMP_FILES if (path / name).is_file()), None)


def _number(folder: re.Pattern[str], names: list[str]) -> int:
    """Give the number in the first name that has one; -1 if none has."""
    matches = (folder.fullmatch(name) for name in names)
    return next((int(match[1]) for match in matches if match), -1)


def _names_in(folder: Path) -> set[str]:
    """Give the names of the plain files in a directory; links are none of them."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    except OSError:
        return set()
