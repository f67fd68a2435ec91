"""MindSpore 1.0 to 2.4 `profiler/` directories: against a second reading of the text, the writers' own sums, damage."""

from __future__ import annotations

import csv
import json
import random
import shutil
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.discovery import discover
from profkit.errors import ProfkitError, Severity
from profkit.parsers.base import Parsed
from profkit.parsers.mindspore.legacy_profile import MindSporeLegacyProfile
from profkit.progress import silent
from profkit.run import load

INSIGHT = "samples/mindspore_profiler/mindspore-ai_mindinsight/tests/utils/resource"
UNIT_TESTS = "samples/mindspore_profiler/mindspore-ai_mindspore_test/tests/ut/data/profiler_data/profiler"


def read(path: Path) -> Parsed:
    parser = MindSporeLegacyProfile()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def texts(frame: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in frame[column].astype(object)]


def issues_of(parsed: Parsed, severity: Severity = Severity.DATA_LOSS) -> list[str]:
    return [issue.text for issue in parsed.issues if issue.severity is severity]


@pytest.fixture
def whole_run(shared: Path) -> Path:
    return shared / INSIGHT / "run_1/normal_run/profiler"


def timeline_lines(run: Path) -> list[tuple[int, int, str, str]]:
    """Read (start ns, duration ns, full name, stream) with plain string methods: the oracle."""
    lines = (run / "output_timeline_data_1.txt").read_text().splitlines()[1:]
    parts = [line.rsplit(",", 3) for line in lines]
    return sorted((int(Decimal(start) * 10**6), int(Decimal(dur) * 10**6), name, s) for name, s, start, dur in parts)


def computing(ops: pd.DataFrame) -> pd.DataFrame:
    return ops[ops["core"].astype(object) != "HCCL"]


def test_every_execution_of_the_timeline_is_there_to_the_nanosecond(whole_run: Path) -> None:
    parsed = read(whole_run / "output_timeline_data_1.txt")
    ops = computing(parsed.frames["ops"])
    columns = zip(ops["start_ns"], ops["dur_ns"], texts(ops, "name"), texts(ops, "stream"), strict=True)
    assert sorted(columns) == timeline_lines(whole_run)
    summary = json.loads((whole_run / "timeline_summary_1.json").read_text())
    assert len(ops) == summary["op_exe_times"]
    assert int(ops["dur_ns"].sum()) == round(summary["total_time"] * 1000)
    assert parsed.rank == 1
    assert parsed.framework == "mindspore"


def test_types_and_shapes_are_those_of_the_timeline_for_viewers(whole_run: Path) -> None:
    events = json.loads((whole_run / "timeline_display_1.json").read_text())
    wanted: dict[str, tuple[str, str]] = {}
    for event in events:
        if event["pid"] == 1:
            inputs = [event["args"][f"input_{i}"]["shape"] for i in range(20) if f"input_{i}" in event["args"]]
            wanted[event["args"]["fullname"]] = (event["args"]["type"], ";".join(inputs))
    ops = computing(read(whole_run / "timeline_display_1.json").frames["ops"])
    found = dict(zip(ops["name"], zip(texts(ops, "op_type"), texts(ops, "input_shapes"), strict=True), strict=True))
    assert {name: (kind, shapes or "") for name, (kind, shapes) in found.items()} == wanted


def test_steps_and_collectives_are_ticks_of_ten_nanoseconds(whole_run: Path) -> None:
    rows = list(csv.DictReader((whole_run / "step_trace_raw_1_detail_time.csv").open(newline="")))
    averages = rows.pop()
    assert averages["step_num"] == "-"
    parsed = read(whole_run / "step_trace_raw_1_detail_time.csv")
    steps, comm = parsed.frames["steps"], parsed.frames["comm"]
    assert steps["start_ns"].tolist() == [int(row["start_point"]) * 10 for row in rows]
    assert steps["dur_ns"].tolist() == [int(row["total"]) * 10 for row in rows]
    first = comm[comm["step"] == 7].set_index(comm.loc[comm["step"] == 7, "name"].astype(str))["dur_ns"]
    lengths = {name: value for name, value in rows[6].items() if name.startswith("stream") and "_point" not in name}
    assert first.to_dict() == {name: int(value) * 10 for name, value in lengths.items()}
    assert len(comm) == len(rows) * len(lengths)


def test_operators_have_the_step_whose_time_holds_them(whole_run: Path) -> None:
    frames = read(whole_run / "output_timeline_data_1.txt").frames
    ends = {int(row.step): (row.start_ns, row.start_ns + row.dur_ns) for row in frames["steps"].itertuples()}
    ops = computing(frames["ops"])
    inside = ops[ops["step"] >= 0]
    assert len(inside) > 2000
    assert all(ends[row.step][0] <= row.start_ns < ends[row.step][1] for row in inside.itertuples())


def test_the_timeline_for_viewers_gives_the_same_times_by_itself(whole_run: Path, tmp_path: Path) -> None:
    """Its floats count from the first operator, whose time stands in min_cycle_counter: the sums are exact again."""
    for name in ("timeline_display_1.json", "min_cycle_counter_1.txt"):
        shutil.copy(whole_run / name, tmp_path)
    parsed = read(tmp_path / "timeline_display_1.json")
    ops = computing(parsed.frames["ops"])
    columns = zip(ops["start_ns"], ops["dur_ns"], texts(ops, "name"), texts(ops, "stream"), strict=True)
    assert sorted(columns) == timeline_lines(whole_run)
    assert len(parsed.frames["ops"]) == 6359
    (tmp_path / "min_cycle_counter_1.txt").unlink()
    relative = read(tmp_path / "timeline_display_1.json")
    assert relative.facts["clock"] == "first operator"
    assert int(relative.frames["ops"]["start_ns"].min()) == 0


def test_averages_give_the_counts_and_sums_by_type_of_the_writer(whole_run: Path, tmp_path: Path) -> None:
    shutil.copy(whole_run / "aicore_intermediate_1_detail.csv", tmp_path)
    parsed = read(tmp_path / "aicore_intermediate_1_detail.csv")
    ops = parsed.frames["ops"]
    groups = ops.groupby(ops["op_type"].astype(str))["dur_ns"]
    rows = list(csv.DictReader((whole_run / "aicore_intermediate_1_type.csv").open(newline="")))
    assert {row["kernel_type"] for row in rows} == set(groups.groups)
    for row in rows:
        name, count = row["kernel_type"], int(row["execution_frequency"])
        assert int(groups.size()[name]) == count
        assert abs(int(groups.sum()[name]) - float(row["total_time"]) * 1e6) <= count
    assert any("only averages" in text for text in issues_of(parsed))
    assert (ops["start_ns"].diff().dropna() == ops["dur_ns"].iloc[:-1].to_numpy()).all()


def test_averages_beside_a_timeline_of_other_operators_are_told(whole_run: Path) -> None:
    assert issues_of(read(whole_run / "timeline_display_1.json")) == [
        "69 of its 69 operators are not in the timeline: not read"
    ]


def test_ai_cpu_operators_run_in_microseconds_until_2_1(shared: Path) -> None:
    path = shared / INSIGHT / "run_2/normal_run/profiler/aicpu_intermediate_1.csv"
    ops = read(path).frames["ops"]
    assert ops["start_ns"].tolist()[:2] == [154_901_853_050_000, 154_907_895_189_000]
    assert ops["dur_ns"].tolist() == [160_000, 518_000, 48_000, 78_000, 40_000]
    assert texts(ops, "op_type") == ["InitData", "GetNext", "EndOfSequence", "GetNext", "EndOfSequence"]
    assert set(texts(ops, "core")) == {"AI_CPU"}


def test_ai_cpu_operators_run_in_milliseconds_from_2_2_on(tmp_path: Path) -> None:
    path = tmp_path / "aicpu_intermediate_0.csv"
    path.write_text(
        "serial_number,op_type,total_time,dispatch_time,execution_time,run_start,run_end\n"
        "1,GetNext,0.600,0.02,0.5,154907.895189,154907.895707\n"
        "2,GetNext,0.700,0.02,0.5,154908.1,154908.6\n"
    )
    ops = read(path).frames["ops"]
    assert ops["start_ns"].tolist() == [154_907_895_189, 154_908_100_000]
    assert ops["dur_ns"].tolist() == [518, 500_000]


def test_costs_of_collectives_join_their_times(shared: Path) -> None:
    parsed = read(shared / UNIT_TESTS / "hccl_raw_6.csv")
    comm = parsed.frames["comm"]
    assert comm["step"].tolist() == [1, 2]
    assert texts(comm, "name") == ["stream_24_0_AllReduce-op3143"] * 2
    assert comm["start_ns"].tolist() == [616_881_090_061_570, 616_881_123_718_610]
    assert comm["dur_ns"].tolist() == [4_540_800, 4_540_800]
    assert comm["wait_ns"].tolist() == [40, 70]
    ops = parsed.frames["ops"]
    assert texts(ops, "op_type") == ["AllReduce", "AllReduce"]
    assert texts(ops, "stream") == ["24", "24"]


def test_each_number_of_a_directory_is_a_rank_of_its_own(shared: Path) -> None:
    folder = shared / INSIGHT / "cluster_propose"
    discovery = discover(folder)
    assert [found.format for found in discovery.found] == ["mindspore-legacy-profile"] * 4
    assert not discovery.unrecognised
    run = load(folder)
    assert sorted(source.rank for source in run.sources) == [0, 1, 2, 3]
    assert set(load(folder, rank=2).ops["rank"]) == {2}
    assert run.comm.groupby("rank").size().tolist() == [500, 500, 1745, 1745]
    assert "p2p" in set(run.comm["kind"])


def test_a_merged_timeline_is_read_by_the_names_of_its_processes(tmp_path: Path) -> None:
    def name(pid: int, text: str, tid: int = 0, of: str = "process_name") -> dict[str, object]:
        return {"name": of, "ph": "M", "pid": pid, "tid": tid, "args": {"name": text}}

    def event(label: str, pid: int, tid: int, ts: str, dur: object) -> dict[str, object]:
        return {"name": label, "ph": "X", "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": {}}

    events = [
        name(3, "Ascend Hardware"),
        name(3, "Step Trace(Model ID:2)", tid=99, of="thread_name"),
        name(20, "CPU OP Rank0"),
        name(10, "Scope Layer Rank0"),
        event("Cast-op1", 3, 7, "1704161511420306.491", 2.5),
        event("Iteration 1", 3, 99, "1704161511420306.491", 200),
        event("Default/GetNext-op0", 20, 1, "1704161511420300.001", "3.000"),
        event("Default", 10, 1, "1704161511420300.001", "9.0"),
    ]
    path = tmp_path / "ascend_timeline_display_0.json"
    path.write_text(json.dumps(events))
    parsed = read(path)
    ops = parsed.frames["ops"]
    assert texts(ops, "name") == ["Default/GetNext-op0", "Cast-op1"]
    assert texts(ops, "level") == ["host", "device"]
    assert ops["start_ns"].tolist() == [1_704_161_511_420_300_001, 1_704_161_511_420_306_491]
    assert parsed.facts["clock"] == "unix epoch"


def test_a_header_tells_its_unit_and_newer_names(tmp_path: Path) -> None:
    (tmp_path / "output_timeline_data_3.txt").write_text(
        "op_name, stream_id, start_time(us), duration(ms)\nDefault/a-Cell/Cast-op1,5,1000000.125,0.0025\n"
    )
    operators = '{"Input_0": {"format": "ND", "data_type": "DTBF16", "shape": [2, 3]}, "Output_0": {"shape": ""}}'
    with (tmp_path / "framework_raw_3.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task_id", "full_op_name", "op_type", "op_info", "model_id", "task_type"])
        writer.writerow(["1", "Default/a-Cell/Cast-op1", "Cast", operators, "1", "AI_VECTOR_CORE"])
    (tmp_path / "profiler_info_3.json").write_text('{"rank_id": "11", "ms_version": "2.3.0", "context_mode": "graph"}')
    parsed = read(tmp_path / "output_timeline_data_3.txt")
    ops = parsed.frames["ops"]
    assert (ops["start_ns"].tolist(), ops["dur_ns"].tolist()) == ([1_000_000_125], [2_500])
    assert (texts(ops, "input_shapes"), texts(ops, "input_dtypes")) == (["2,3"], ["bfloat16"])
    assert (texts(ops, "output_shapes"), texts(ops, "core")) == ([""], ["AI_VECTOR_CORE"])
    assert (parsed.rank, parsed.writer_version) == (11, "2.3.0")


def test_odd_rows_are_refused_and_told(tmp_path: Path) -> None:
    path = tmp_path / "output_timeline_data_0.txt"
    path.write_bytes(
        b"op_name, stream_id, start_time(ms), duration(ms)\nA-op1,1,5.5,0.1\nB-op2,1,oops,0.1\nC-op3,1,7.0\n"
        b"\xff\x00,1,8.0,nan\nD-op4,1,9.0,99999999999999999999\nE-op5,1,10.0,-1\n"
    )
    (tmp_path / "step_trace_raw_0_detail_time.csv").write_text(
        "step_num,start_point,end_point,total\n1,500000,600000,100000\nx,1,2,1\n2,900,800,-100\n1,1,2,1\n-,1,2,1\n"
    )
    (tmp_path / "framework_raw_0.csv").write_text('full_kernel_name,kernel_type,op_info\nA-op1,A,"{oops"\n')
    parsed = read(path)
    ops = parsed.frames["ops"]
    assert texts(ops, "name") == ["A-op1", "E-op5"]
    assert ops["step"].tolist() == [1, -1]
    assert parsed.frames["steps"]["step"].tolist() == [1]
    told = " ".join(issues_of(parsed))
    for words in (
        "another number of cells", "without a start or a duration were refused (3)", "durations are negative",
        "step_num is no step number", "steps without a start and an end", "of a number that stands before",
        "op_info is no JSON object",
    ):  # fmt: skip
        assert words in told, words


def test_a_count_beyond_reason_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "aicore_intermediate_0_detail.csv"
    path.write_text("full_kernel_name,execution_time,execution_frequency\nA-op1,0.5,999999999999999999\nB-op2,1,2\n")
    parsed = read(path)
    assert parsed.frames["ops"]["dur_ns"].tolist() == [500_000, 1_000_000]
    assert any("each operator is given once" in text for text in issues_of(parsed))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "stride"),
    [("aicpu_intermediate_1.csv", 1), ("step_trace_raw_6_detail_time.csv", 7), ("ascend_timeline_display_0.json", 7)],
)
def test_a_file_cut_anywhere_gives_a_prefix_or_a_typed_error(
    shared: Path, tmp_path: Path, name: str, stride: int
) -> None:
    source = next((shared / "samples/mindspore_profiler").rglob(name))
    content = source.read_bytes()
    parser = MindSporeLegacyProfile()
    path = tmp_path / name
    path.write_bytes(content)
    whole = read(path)
    for length in range(0, len(content), stride):
        path.write_bytes(content[:length])
        if parser.sniff(path) is None:
            continue
        try:
            parsed = parser.read(path, silent)
        except ProfkitError:
            continue
        rows = {kind: len(frame) for kind, frame in parsed.frames.items()}
        assert all(count <= len(whole.frames[kind]) for kind, count in rows.items())
        lost = sum(rows.values()) < sum(len(frame) for frame in whole.frames.values())
        between_lines = content[:length].endswith(b"\n") or content[length:].startswith((b"\n", b"\r"))
        assert not lost or between_lines or parsed.issues, length


def test_a_header_with_a_stray_line_end_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "aicpu_intermediate_0.csv"
    path.write_bytes(b"serial_number,kernel_type,total_time,run_start\r,run_end\n1,A,1,1,2\n")
    assert MindSporeLegacyProfile().sniff(path) is None
    path.write_bytes(b"serial_number,kernel_type,run_start,run_end\r1,A,1,2\r")
    assert read(path).frames["ops"]["dur_ns"].tolist() == [1_000]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name",
    ["aicpu_intermediate_1.csv", "hccl_raw_6.csv", "framework_raw_1.csv", "ascend_timeline_display_0.json"],
)
def test_changed_bytes_never_end_in_a_traceback(shared: Path, tmp_path: Path, name: str) -> None:
    """Synthetic damage: bytes changed, removed, doubled and put in, the same ones at every run."""
    content = next((shared / "samples/mindspore_profiler").rglob(name)).read_bytes()
    (tmp_path / "output_timeline_data_1.txt").write_text("op_name, stream_id, start_time(ms), duration(ms)\nA,1,2,3\n")
    chance = random.Random(name)
    path = tmp_path / name
    parser = MindSporeLegacyProfile()
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 5)):
            place = chance.randrange(len(damaged))
            odd = chance.choice([b'"', b",", b"\r", b"\0", b"\xff", b"9" * 20, b"-", b"nan", b"[[", damaged[:40]])
            damaged[place : place + chance.randint(0, 9)] = odd
        path.write_bytes(damaged)
        for file in tmp_path.iterdir():
            if parser.sniff(file) is not None:
                with suppress(ProfkitError):
                    parser.read(file, silent)
