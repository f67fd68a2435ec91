"""Input shapes of MindSpore CPU operators from cpu_framework_{id}.txt, joined to the executions.

Line i describes the i-th execution by start time (it held on all recorded runs); the names are compared, and where they
do not agree the k-th line of an operator's name is joined to the k-th execution of it. Operators launched through
pyboost leave lines without name and shapes (`;;graph_id;`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.text_lines import finished_lines

_INPUT = re.compile(r"^input_\d+:(.*)$")
_SHAPE = re.compile(r"\[([0-9, -]*)\]")
# The shape operand of these is recorded as if it were a one-dimensional tensor of that shape's length.
_FALSE_SHAPES = re.compile(r"^Conv\dDBackprop")


def read_input_shapes(path: Path, names: pd.Series[Any], issues: list[ImportIssue]) -> pd.Series[Any]:
    """Give the input shapes of each execution.

    Args:
        path: cpu_framework file.
        names: Full operator name of each execution, ordered by start.
        issues: Told where the lines and the executions disagree.

    Returns:
        Object column: tensors split by ';', dims by ','; None where none are recorded.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        records = [line.rstrip("\n").split(";", 3) for line in finished_lines(file, path, issues)]
    records = [record if len(record) == 4 else ["", "", "", ""] for record in records]
    named = [record[1] for record in records]
    last = [str(name).rsplit("/", 1)[-1] for name in names]
    shapes = {line: shapes_of(line) for line in {(record[0], record[3]) for record in records}}
    if _agree(named, last):
        found = [shapes[record[0], record[3]] for record in records]
        if len(found) < len(last):
            text = f"{len(last) - len(found):,} executions at the end have no line: their shapes are unknown"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {len(found)}", text))
        found += [None] * (len(last) - len(found))
        return pd.Series(found, dtype=object)
    issues.append(_disagreement(path, named, last))
    return _by_name(named, [shapes[record[0], record[3]] for record in records], last)


def _agree(named: list[str], executed: list[str]) -> bool:
    return len(named) <= len(executed) and all(
        name in ("", other) for name, other in zip(named, executed, strict=False)
    )


def _disagreement(path: Path, named: list[str], executed: list[str]) -> ImportIssue:
    pairs = enumerate(zip(named, executed, strict=False), start=1)
    line = next((number for number, (name, other) in pairs if name not in ("", other)), len(executed) + 1)
    text = "lines are not in the order of the executions: shapes were joined by operator name"
    return ImportIssue(Severity.DATA_LOSS, str(path), f"line {line}", text)


def _by_name(named: list[str], shapes: list[str | None], executed: list[str]) -> pd.Series[Any]:
    """Join the k-th line of a name to its k-th execution, for names that have as many lines as executions."""
    lines = pd.DataFrame({"name": named, "shapes": pd.Series(shapes, dtype=object)})
    rows = pd.DataFrame({"name": executed})
    for frame in (lines, rows):
        frame["turn"] = frame.groupby("name").cumcount()
        frame["turns"] = frame.groupby("name")["name"].transform("size")
    joined = rows.merge(lines[lines["name"] != ""], on=["name", "turn", "turns"], how="left")
    return joined["shapes"].astype(object).where(joined["shapes"].notna(), None)


def shapes_of(line: tuple[str, str]) -> str | None:
    """Give the shapes of the tensor inputs of one line.

    Args:
        line: Operator type, and the inputs as written: `input_1:[8, 32];input_2:NoShape;`. NoShape is no tensor;
            tensors of a tuple (`TupleShape([4], [4])`) count one by one.

    Returns:
        "8,32" and so on; None where no tensor is recorded.
    """
    op_type, inputs = line
    found: list[str] = []
    for part in inputs.split(";"):
        match = _INPUT.match(part.strip())
        if match is not None:
            found += [dims.replace(" ", "") for dims in _SHAPE.findall(match.group(1))]
    if _FALSE_SHAPES.match(op_type):
        found = found[:2]
    return ";".join(found) if found else None
