"""CSV files as spreadsheets, editors, disks and old writers leave them: losses and repairs are told with place."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.ascend.kernels import read_kernels
from profkit.parsers.ascend.steps import read_step_times
from profkit.parsers.base import Parsed
from profkit.parsers.mindspore.cpu_profile import MindSporeCpuProfile
from profkit.progress import silent

pytestmark = pytest.mark.exhaustive

HEADER = "Step ID,Stream ID,Name,Type,Accelerator Core,Start Time(us),Duration(us),Wait Time(us),Input Shapes,Note"
STEP_HEADER = "Step,Computing,Communication(Not Overlapped),Overlapped,Communication,Free,Stage,Bubble"
LINES = 4


def kernel(number: int, **cells: str) -> str:
    """One synthetic line of kernel_details.csv."""
    row = {
        "step": "4",
        "stream": "2",
        "name": f"MatMul{number}",
        "type": "MatMul",
        "core": "AI_CORE",
        "start": f"{1736408883704643 + number}.212\t",
        "duration": "12.345",
        "wait": "0.250",
        "shapes": '"""8,3;4"""',
        "note": "",
    }
    return ",".join({**row, **cells}.values())


def healthy() -> list[str]:
    return [HEADER, *(kernel(number) for number in range(LINES))]


def read(tmp_path: Path, content: str | bytes | Sequence[str]) -> tuple[pd.DataFrame, list[ImportIssue]]:
    path = tmp_path / "kernel_details.csv"
    if not isinstance(content, (str, bytes)):
        content = "".join(f"{line}\n" for line in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    kernels = read_kernels(path, silent)
    return pd.DataFrame(kernels.columns), list(kernels.issues)


def names(rows: pd.DataFrame) -> list[str]:
    return rows["name"].astype(object).tolist()


def starts(rows: pd.DataFrame) -> list[int]:
    return [start - 1736408883704643212 for start in rows["start_ns"]]


WHOLE = [f"MatMul{number}" for number in range(LINES)]


def _mixed_ends(lines: list[str]) -> str:
    return "".join(line + end for line, end in zip(lines, ["\r\n", "\n", "\r\n", "\r\r\n", "\n"], strict=True))


REPAIRABLE: dict[str, Callable[[list[str]], str | bytes]] = {
    "as written": lambda lines: "\n".join([*lines, ""]),
    "CRLF": lambda lines: "\r\n".join([*lines, ""]),
    "LF and CRLF mixed": _mixed_ends,
    "byte-order mark": lambda lines: "\ufeff" + "\n".join([*lines, ""]),
    "blank lines between": lambda lines: "\n\n".join([*lines, ""]),
    "quoted header": lambda lines: "\n".join([",".join(f'"{cell}"' for cell in HEADER.split(",")), *lines[1:], ""]),
    "blanks around header cells": lambda lines: "\n".join([HEADER.replace(",", " , "), *lines[1:], ""]),
    "times quoted": lambda lines: "\n".join(lines).replace(".212\t", '.212\t"').replace(",1736", ',"1736') + "\n",
    "columns in another order": lambda lines: "\n".join([_reversed(line) for line in lines]) + "\n",
}


def _reversed(line: str) -> str:
    cells = line.replace('"""8,3;4"""', "SHAPES").split(",")
    return ",".join(reversed(cells)).replace("SHAPES", '"""8,3;4"""')


@pytest.mark.parametrize("name", REPAIRABLE)
def test_forms_that_lose_nothing_read_alike(name: str, tmp_path: Path) -> None:
    rows, issues = read(tmp_path, REPAIRABLE[name](healthy()))
    assert names(rows) == WHOLE
    assert starts(rows) == [0, 1000, 2000, 3000]
    assert set(rows["input_shapes"]) == {"8,3;4"}
    assert not issues


@pytest.mark.parametrize(
    ("damaged", "kept", "place", "words"),
    [
        (kernel(9).rpartition(",")[0], WHOLE, "line 4", "number of cells"),
        (kernel(9) + ",,", WHOLE, "line 4", "number of cells"),
        (kernel(9).replace("MatMul,", "", 1) + ",", WHOLE, "line 4", "shifted"),
        (HEADER, WHOLE, "line 4", "start"),
        (kernel(9, start="N/A"), WHOLE, "line 4", "start"),
        (kernel(9, start="9" * 30), WHOLE, "line 4", "start"),
        (kernel(9, start="1736408883704643.212.5"), WHOLE, "line 4", "start"),
        (kernel(9, duration="12,5"), WHOLE, "line 4", "number of cells"),
        (kernel(9, duration="'12.5"), WHOLE, "line 4", "duration"),
        (kernel(9, name="MatMul0", start="1.73640888370464E+15"), ["MatMul0", *WHOLE], "line 4", "spreadsheet"),
        (kernel(9, step="4.5"), [*WHOLE, "MatMul9"], "line 4", "step"),
        (kernel(9, wait="long"), [*WHOLE, "MatMul9"], "line 4", "wait"),
    ],
    ids=[
        "a cell short", "two cells more", "shifted left", "header again", "no time", "time beyond int64", "two points",
        "decimal comma", "apostrophe", "spreadsheet", "half step", "text for a number",
    ],
)  # fmt: skip
def test_a_bad_record_costs_itself_and_is_told(
    damaged: str, kept: list[str], place: str, words: str, tmp_path: Path
) -> None:
    lines = healthy()
    rows, issues = read(tmp_path, [*lines[:3], damaged, *lines[3:]])
    assert names(rows) == kept
    found = [issue for issue in issues if issue.where == place]
    assert found, issues
    assert any(words in issue.text for issue in found)
    assert {issue.severity for issue in found} == {Severity.DATA_LOSS}


def test_newlines_and_quotes_in_cells_are_no_damage(tmp_path: Path) -> None:
    lines = healthy()
    lines[2] = kernel(1, name='"Mat\r\nMul ""1"" a,b"')
    rows, issues = read(tmp_path, lines)
    assert len(rows) == LINES
    assert names(rows)[1] == 'Mat\r\nMul "1" a,b'
    assert not issues


@pytest.mark.parametrize("column", ["name", "shapes", "note"])
def test_an_open_quote_never_swallows_records_in_silence(column: str, tmp_path: Path) -> None:
    for cell in ('"MatMul', '"""64""', '"'):
        lines = healthy()
        lines[2] = kernel(1, **{column: cell})
        lines[4] = kernel(3, **{column: '"""64"""'})
        rows, issues = read(tmp_path, lines)
        assert set(names(rows)) <= {*WHOLE, '"64"'}
        assert any(issue.severity is Severity.DATA_LOSS and issue.where for issue in issues), (cell, names(rows))


def test_bytes_that_are_no_text_are_replaced_and_told(tmp_path: Path) -> None:
    text = "\n".join([*healthy(), ""]).encode()
    for damage in (b"Mat\xffMul1", b"Mat\0Mul1"):
        rows, issues = read(tmp_path, text.replace(b"MatMul1", damage))
        assert names(rows) == [WHOLE[0], "Mat\ufffdMul1", *WHOLE[2:]]
        assert [(issue.severity, issue.where) for issue in issues] == [(Severity.DATA_LOSS, "line 3")]
    rows, issues = read(tmp_path, text.replace(b"1736408883704644.212", b"1736408883704644\xff.212"))
    assert len(rows) == LINES - 1
    assert any("line 3" in issue.where for issue in issues)


def test_a_column_that_stands_twice_is_told(tmp_path: Path) -> None:
    lines = [HEADER.replace("Note", "Duration(us)"), *(kernel(number, note="99") for number in range(LINES))]
    rows, issues = read(tmp_path, lines)
    assert set(rows["dur_ns"]) == {12345}
    assert [issue.where for issue in issues] == ["line 1"]
    assert "Duration(us)" in issues[0].text


@pytest.mark.parametrize(
    "column", ["Step ID", "Stream ID", "Type", "Accelerator Core", "Wait Time(us)", "Input Shapes"]
)
def test_optional_columns_may_be_absent(column: str, tmp_path: Path) -> None:
    lines = [line.replace('"""8,3;4"""', "SHAPES").split(",") for line in healthy()]
    place = lines[0].index(column)
    rows, issues = read(tmp_path, [",".join(line[:place] + line[place + 1 :]) for line in lines])
    assert names(rows) == WHOLE
    assert {issue.severity for issue in issues} <= {Severity.INFO}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        HEADER.replace("Start Time(us)", "Start"),
        HEADER.replace(",", ";") + "\n" + kernel(0).replace(",", ";"),
        HEADER.encode("utf-16"),
        b"\0" * 4096,
        b"\x1f\x8b" + b"x" * 100,
        '"' + HEADER,
    ],
    ids=["empty", "blank", "no start", "semicolons", "UTF-16", "NUL bytes", "gzip", "open quote"],
)
def test_a_file_without_its_header_is_refused(content: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError) as caught:
        read(tmp_path, content)
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.timeout(60)
@pytest.mark.parametrize("limit", [100, 1 << 17, 1 << 30])
def test_a_cell_of_ten_megabytes_is_read_whatever_limit_another_library_set(limit: int, tmp_path: Path) -> None:
    lines = healthy()
    lines[3] = kernel(2, name="x" * 10_000_000)
    found = csv.field_size_limit(limit)
    try:
        rows, issues = read(tmp_path, [*lines, "stray"])
    finally:
        csv.field_size_limit(found)
    assert names(rows) == [*WHOLE[:2], "x" * 10_000_000, WHOLE[3]]
    assert [issue.where for issue in issues] == ["line 6"]


@pytest.mark.timeout(60)
def test_a_line_that_is_too_long_is_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    lines = healthy()
    lines[2] = kernel(1, name="x" * 40_000_000)
    rows, issues = read(tmp_path, [*lines, "stray"])
    assert names(rows) == [WHOLE[0], *WHOLE[2:]]
    assert sorted(issue.where for issue in issues) == ["line 3", "line 6"]


@pytest.mark.timeout(60)
def test_a_table_that_ends_in_a_line_that_is_too_long_is_told(tmp_path: Path) -> None:
    rows, issues = read(tmp_path, "\n".join(healthy()) + "x" * 40_000_000)
    assert names(rows) == WHOLE[:-1]
    assert any(issue.where == "line 5" and "characters" in issue.text for issue in issues)


def test_steps_bear_the_same_damage(tmp_path: Path) -> None:
    path = tmp_path / "step_trace_time.csv"
    good = ["10,517.600,50.311,176.029,226.340,857.806,0,0", "11,518.980,41.245,188.795,230.040,857.339,0,0"]
    bad = ["12,516.5", "x,1,1,1,1,1,0,0", '13,"1,5",1,1,1,1,0,0', "99999999999,1,1,1,1,1,0,0"]
    path.write_text("\ufeff" + "\r\n".join([STEP_HEADER, good[0], *bad, good[1], ""]))
    steps, issues = read_step_times(path, silent)
    by_step = steps.set_index("step")
    assert by_step.loc[10, "computing_ns"] == 517_600
    assert by_step.loc[11, "free_ns"] == 857_339
    assert pd.isna(by_step.loc[13, "computing_ns"])
    places = " ".join(issue.where for issue in issues)
    assert all(f"{line}" in places for line in (3, 4, 5, 6)), issues


TIMES = "Default/net-Net/A-op0;HostCpuOps;{start},0.5,7 {other},0.25,7 \n"
GOOD_TIMES = TIMES.format(start=1795439983763491259, other=1795439983982978971)


def cpu_run(tmp_path: Path, times: bytes) -> Parsed:
    folder = tmp_path / "synthetic_1_20260101000000000_ascend_ms" / "FRAMEWORK"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu_op_execute_timestamp_0.txt").write_bytes(times)
    (folder / "cpu_framework_0.txt").write_text("A;A-op0;1;input_1:[2];\n" * 2)
    (folder / "cpu_op_detail_info_0.csv").write_text("op_type,full_op_name\nA,Default/net-Net/A-op0\n")
    return MindSporeCpuProfile().read(folder.parent, silent)


@pytest.mark.parametrize(
    ("damaged", "rows"),
    [
        (b"no record at all\n", 2),
        (b";;;;;\n", 2),
        (b"Default/B-op0;HostCpuOps;12\n", 2),
        (b"Default/B-op0;HostCpuOps;abc,0.5,7 \n", 2),
        (b"Default/B-op0;HostCpuOps;" + b"9" * 30 + b",0.5,7 \n", 2),
        (b"Default/B-op0;HostCpuOps;1795439983763491999,-,7 \n", 2),
        (b"\0\0\0\0\n", 2),
        (b"Default/B\xff-op0;HostCpuOps;1795439983763491999,0.5,7 \n", 3),
        (b"x" * 10_000_000 + b"\n", 2),
        (b"1795439983763491999,0.5,7 " * 3 + b"\n", 2),
    ],
    ids=["words", "empty cells", "cut", "letters", "beyond int64", "no duration", "NUL", "bytes", "10 MB", "no name"],
)
def test_records_of_cpu_operators_cost_themselves(damaged: bytes, rows: int, tmp_path: Path) -> None:
    parsed = cpu_run(tmp_path, GOOD_TIMES.encode() + damaged)
    assert len(parsed.frames["ops"]) == rows
    assert any(issue.where for issue in parsed.issues)


@pytest.mark.parametrize("form", ["CRLF", "byte-order mark", "blank lines"])
def test_forms_of_cpu_records_that_lose_nothing(form: str, tmp_path: Path) -> None:
    texts = {
        "CRLF": GOOD_TIMES.replace("\n", "\r\n"),
        "byte-order mark": "\ufeff" + GOOD_TIMES,
        "blank lines": "\n" + GOOD_TIMES + "\n \n",
    }
    parsed = cpu_run(tmp_path, texts[form].encode())
    ops = parsed.frames["ops"]
    assert ops["name"].astype(object).tolist() == ["Default/net-Net/A-op0"] * 2
    assert ops["dur_ns"].tolist() == [500_000, 250_000]
    assert not parsed.issues
