"""MindSpore CPU runs: against the run's own sums, against a second reading of the text, and on damaged files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import Severity, UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.mindspore.cpu_profile import MindSporeCpuProfile
from profkit.progress import silent

TIMES = "cpu_op_execute_timestamp_0.txt"
DETAILS = "cpu_op_detail_info_0.csv"
SHAPES = "cpu_framework_0.txt"


def read(path: Path) -> Parsed:
    parser = MindSporeCpuProfile()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def recorded_runs(shared: Path) -> list[Path]:
    runs = [path.parents[1] for path in sorted(shared.rglob("cpu_op_execute_timestamp_*.txt"))]
    assert len(runs) >= 20
    return runs


def executions(run: Path) -> Iterator[tuple[int, Decimal, str]]:
    """Read (start ns, duration ms, full name) with plain string methods: the oracle."""
    for file in (run / "FRAMEWORK").glob("cpu_op_execute_timestamp_*.txt"):
        for line in file.read_text().splitlines():
            name, _, times = line.split(";")
            for execution in times.split():
                start, duration, _ = execution.split(",")
                yield int(start), Decimal(duration), name


def synthetic_run(folder: Path, times: str, details: str | None = None, shapes: str | None = None) -> Path:
    run = folder / "synthetic_1_20260101000000000_ascend_ms"
    (run / "FRAMEWORK").mkdir(parents=True)
    (run / "FRAMEWORK" / TIMES).write_text(times)
    if details is not None:
        (run / "FRAMEWORK" / DETAILS).write_text("op_side,op_type,op_name,full_op_name\n" + details)
    if shapes is not None:
        (run / "FRAMEWORK" / SHAPES).write_text(shapes)
    return run


def texts(ops: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in ops[column].astype(object)]


def test_times_are_exact_and_ordered(shared: Path) -> None:
    for run in recorded_runs(shared):
        ops = read(run).frames["ops"]
        wanted = sorted(executions(run), key=lambda execution: execution[0])
        nanoseconds = [int((ms * 1_000_000).to_integral_value(ROUND_HALF_EVEN)) for _, ms, _ in wanted]
        assert ops["start_ns"].tolist() == [start for start, _, _ in wanted], run
        assert ops["dur_ns"].tolist() == nanoseconds, run
        assert texts(ops, "name") == [name for _, _, name in wanted], run


def test_types_have_the_counts_and_totals_that_the_profiler_summed(shared: Path) -> None:
    """The profiler prints six significant digits, of the total and of every part: the sums agree within these."""
    for run in recorded_runs(shared):
        ops = read(run).frames["ops"]
        groups = ops.groupby(ops["op_type"].astype(object))["dur_ns"]
        count, total = groups.size(), groups.sum()
        roundings = ops["dur_ns"].map(half_of_last_digit).groupby(ops["op_type"].astype(object)).sum()
        rows = list(csv.DictReader(next((run / "FRAMEWORK").glob("cpu_op_type_info_*.csv")).open(newline="")))
        assert {row["op_type"] for row in rows} == set(count.index), run
        for row in rows:
            name = row["op_type"]
            printed = float(row["total_compute_time"]) * 1e6
            assert int(row["type_occurrences"]) == count[name], (run, name)
            assert abs(printed - total[name]) <= half_of_last_digit(printed) + roundings[name], (run, name)


def half_of_last_digit(nanoseconds: float) -> float:
    """Half a unit of the sixth significant digit, as `ostream << double` prints it."""
    digits = len(str(int(nanoseconds))) if nanoseconds >= 1 else 1
    return 0.5 * 10.0 ** (digits - 6) if digits > 6 else 0.5


def test_shapes_belong_to_the_operator_of_their_line(shared: Path) -> None:
    for run in recorded_runs(shared):
        parsed = read(run)
        assert not parsed.issues, run
        ops = parsed.frames["ops"]
        lines = next((run / "FRAMEWORK").glob("cpu_framework_*.txt")).read_text().splitlines()
        named = sum(1 for line in lines if "[" in line)
        assert ops["input_shapes"].notna().sum() == named, run
        convolution = ops[(ops["op_type"] == "Conv2D") & ops["input_shapes"].notna()]
        assert all(text.count(",") == 6 and text.count(";") == 1 for text in convolution["input_shapes"]), run


def test_memory_samples_are_bytes_and_nanoseconds(shared: Path) -> None:
    run = next(path for path in recorded_runs(shared) if list((path / "FRAMEWORK").glob("cpu_ms_memory_record_*")))
    file = next((run / "FRAMEWORK").glob("cpu_ms_memory_record_*"))
    wanted = [line.split(",") for line in file.read_text().splitlines()[1:]]
    memory = read(run).frames["memory"]
    assert memory["time_ns"].tolist() == [int(row[0]) for row in wanted]
    assert memory["allocated_bytes"].tolist() == [int(row[1]) for row in wanted]
    assert memory["reserved_bytes"].tolist() == [int(row[2]) for row in wanted]


@pytest.mark.parametrize(
    ("milliseconds", "nanoseconds"),
    [("0.00402", 4020), ("44.5949", 44_594_900), ("0.0000005", 0), ("0.0000015", 2), ("1e-05", 10), ("3", 3_000_000)],
)
def test_durations_keep_every_digit(tmp_path: Path, milliseconds: str, nanoseconds: int) -> None:
    run = synthetic_run(tmp_path, f"Mul;HostCpuOps;1795419512972373371,{milliseconds},7 \n")
    ops = read(run).frames["ops"]
    assert ops["start_ns"].tolist() == [1795419512972373371]
    assert ops["dur_ns"].tolist() == [nanoseconds]
    assert texts(ops, "thread") == ["7"]
    assert (ops["step"].tolist(), ops["rank"].tolist(), texts(ops, "level")) == ([-1], [-1], ["host"])


def test_types_come_from_the_details_and_else_from_the_name(tmp_path: Path) -> None:
    times = "Default/fc-Dense/MatMul-op12;HostCpuOps;20,0.001,0 \nDefault/x/Odd-op1;HostCpuOps;10,0.001,0 \n"
    run = synthetic_run(tmp_path, times, "Host,Strange,Odd-op1,Default/x/Odd-op1\n", "")
    parsed = read(run)
    assert texts(parsed.frames["ops"], "op_type") == ["Strange", "MatMul"]
    assert [issue.severity for issue in parsed.issues] == [Severity.INFO, Severity.DATA_LOSS, Severity.DATA_LOSS]


def test_shapes_are_read_tensor_by_tensor(tmp_path: Path) -> None:
    times = "A-op0;HostCpuOps;10,1,0 \nB-op0;HostCpuOps;20,1,0 \nC;HostCpuOps;30,1,0 \nD-op0;HostCpuOps;40,1,0 \n"
    shapes = (
        "A;A-op0;1;input_1:[8, 32];input_2:NoShape;input_3:[];\n"
        "B;B-op0;1;input_1:TupleShape([4, 2], [3]);input_2:TupleShape();\n"
        ";;1;\n"
        "D;D-op0;1;input_1:NoShape;\n"
    )
    ops = read(synthetic_run(tmp_path, times, "", shapes)).frames["ops"]
    assert texts(ops, "input_shapes") == ["8,32;", "4,2;3", None, None]


def test_shapes_out_of_order_are_joined_by_name(tmp_path: Path) -> None:
    times = "A-op0;HostCpuOps;10,1,0 30,1,0 \nB-op0;HostCpuOps;20,1,0 \n"
    shapes = "B;B-op0;1;input_1:[2];\nA;A-op0;1;input_1:[1];\nA;A-op0;1;input_1:[3];\n"
    parsed = read(synthetic_run(tmp_path, times, "", shapes))
    assert texts(parsed.frames["ops"], "input_shapes") == ["1", "2", "3"]
    assert any("joined by operator name" in issue.text and issue.where == "line 1" for issue in parsed.issues)


def test_a_cut_list_of_shapes_leaves_the_rest_unknown(tmp_path: Path) -> None:
    times = "A-op0;HostCpuOps;10,1,0 30,1,0 \n"
    parsed = read(synthetic_run(tmp_path, times, "", "A;A-op0;1;input_1:[5];\n"))
    assert texts(parsed.frames["ops"], "input_shapes") == ["5", None]
    assert any(issue.severity is Severity.DATA_LOSS for issue in parsed.issues)


def test_odd_lines_and_times_are_skipped_and_told(tmp_path: Path) -> None:
    times = "no separators\nA;HostCpuOps;10,1,0 oops 99999999999999999999,1,0 20,2,0 30,x,0 \n\n\x00\xff;;\n"
    parsed = read(synthetic_run(tmp_path, times, "", None))
    assert parsed.frames["ops"]["start_ns"].tolist() == [10, 20]
    losses = [issue for issue in parsed.issues if issue.source.endswith(TIMES)]
    assert [issue.where.partition(":")[0] for issue in losses] == ["lines 1, 4", "execution 2"]
    assert "(2)" in losses[0].text
    assert losses[1].text.startswith("3 executions")


def test_nothing_readable_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError) as caught:
        read(synthetic_run(tmp_path, "A;HostCpuOps;\n"))
    assert caught.value.hint


def test_a_directory_of_logs_says_that_nothing_was_recorded(tmp_path: Path) -> None:
    run = tmp_path / "synthetic_1_20260101000000000_ascend_ms"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "profiler_20260101_1.log").write_text("")
    with pytest.raises(UnreadableInputError, match="wrote nothing") as caught:
        read(run)
    assert "profiler.stop()" in caught.value.hint


def test_inner_directories_are_recognised_and_device_runs_left_alone(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "A;HostCpuOps;10,1,0 \n")
    output = run / "ASCEND_PROFILER_OUTPUT"
    output.mkdir()
    assert len(read(run / "FRAMEWORK").frames["ops"]) == len(read(output).frames["ops"]) == 1
    (output / "kernel_details.csv").write_text("Name\n")
    parser = MindSporeCpuProfile()
    assert parser.sniff(run) is None
    assert parser.sniff(tmp_path) is None
    assert parser.sniff(run / "FRAMEWORK" / TIMES) is None
