"""Ascend databases: against queries of the sqlite shell's kind, against the text twin of the run, and damaged."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.ascend.database import AscendDatabase
from profkit.parsers.ascend.text_profile import AscendTextProfile
from profkit.parsers.base import Parsed
from profkit.parsers.registry import claim
from profkit.progress import silent
from profkit.run import load

OUTPUT = "ASCEND_PROFILER_OUTPUT"
LEVELS = ("level0", "level1")
START = 1_736_410_576_000_000_001


def read(path: Path) -> Parsed:
    parser = AscendDatabase()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def recorded(shared: Path, form: str, level: str) -> Path:
    return shared / f"samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/{form}/{level}/rank0_ascend_pt"


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
        return connection.execute(sql).fetchall()


def device(parsed: Parsed) -> pd.DataFrame:
    ops = parsed.frames["ops"]
    return ops[ops["level"] == "device"].reset_index(drop=True)


def plain(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    cells = [[None if pd.isna(value) else value for value in frame[column].astype(object)] for column in columns]
    return list(zip(*cells, strict=True))


def texts(issues: object) -> list[tuple[str, str, str]]:
    assert isinstance(issues, tuple)
    return [(issue.severity.value, issue.where, issue.text) for issue in issues if isinstance(issue, ImportIssue)]


@pytest.mark.parametrize("level", LEVELS)
def test_kernels_are_those_of_a_join_by_sqlite(shared: Path, level: str) -> None:
    run = recorded(shared, "db", level)
    database = run / OUTPUT / "ascend_pytorch_profiler_0.db"
    wanted = query(
        database,
        "SELECT t.startNs, t.endNs - t.startNs, n.value, nullif(y.value, 'N/A'), nullif(c.value, 'N/A'), t.streamId, "
        "t.connectionId, nullif(replace(s.value, '\"', ''), 'N/A') FROM TASK t JOIN COMPUTE_TASK_INFO k "
        "ON k.globalTaskId = t.globalTaskId LEFT JOIN STRING_IDS n ON n.id = k.name LEFT JOIN STRING_IDS y ON y.id = "
        "k.opType LEFT JOIN STRING_IDS c ON c.id = k.taskType LEFT JOIN STRING_IDS s ON s.id = k.inputShapes",
    )
    kernels = device(read(run))
    kernels = kernels[kernels["core"] != "COMMUNICATION"]
    if level == "level0":
        kernels = kernels.assign(op_type=None)
    names = ("start_ns", "dur_ns", "name", "op_type", "core", "stream", "correlation", "input_shapes")
    found = [(*row[:5], int(str(row[5])), *row[6:]) for row in plain(kernels, *names)]
    assert len(wanted) == 187
    assert sorted(found, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize("level", LEVELS)
def test_times_written_as_text_are_exact(shared: Path, level: str) -> None:
    run = recorded(shared, "db", level)
    wanted = query(
        run / OUTPUT / "ascend_pytorch_profiler_0.db",
        "SELECT p.startNs, p.endNs, n.value, p.globalTid & 4294967295 FROM PYTORCH_API p JOIN STRING_IDS n "
        "ON n.id = p.name WHERE p.type = 50001 AND n.value NOT LIKE '%#%'",
    )
    ops = read(run).frames["ops"]
    host = ops[ops["level"] == "host"]
    found = [
        (start, start + dur, name, int(str(tid)))
        for start, dur, name, tid in plain(host, "start_ns", "dur_ns", "name", "thread")
    ]
    assert Counter(found) == Counter((int(str(s)), int(str(e)), n, t) for s, e, n, t in wanted)
    assert len(found) == 856


@pytest.mark.parametrize("level", LEVELS)
def test_the_database_tells_what_the_text_twin_tells(shared: Path, level: str) -> None:
    """The twins are two executions of one job: all but times must be equal, on one stream also in order."""
    database = read(recorded(shared, "db", level))
    text = AscendTextProfile().read(recorded(shared, "text", level), silent)
    ours, theirs = device(database), device(text)
    columns = ("op_type", "input_shapes", "input_dtypes", "output_shapes", "step")
    assert Counter(plain(ours, *columns)) == Counter(plain(theirs, *columns))
    computing = [rows[~rows["core"].isin(["COMMUNICATION", "HCCL"])] for rows in (ours, theirs)]
    per_stream = [rows[rows["stream"].isin(["2", pd.NA])] if level == "level1" else rows for rows in computing]
    assert len(per_stream[0]) == (185 if level == "level1" else 187)
    assert plain(per_stream[0], "name", "core", "op_type") == plain(per_stream[1], "name", "core", "op_type")
    host = [frames["ops"][frames["ops"]["level"] == "host"] for frames in (database.frames, text.frames)]
    columns = ("name", "op_type", "input_shapes", "input_dtypes", "sequence", "forward_thread")
    assert Counter(plain(host[0], *columns)) == Counter(plain(host[1], *columns))
    modules = [frames["spans"][frames["spans"]["kind"] == "module"] for frames in (database.frames, text.frames)]
    assert plain(modules[0], "name") == plain(modules[1], "name")
    assert len(modules[0]) == 26
    marked = [frames["spans"].query("kind == 'annotation'") for frames in (database.frames, text.frames)]
    assert plain(marked[0], "name") == plain(marked[1], "name")
    assert len(marked[0]) == 3
    assert database.frames["steps"]["step"].tolist() == text.frames["steps"]["step"].tolist() == [50]
    held = [
        {str(name) for name in frames["memory"]["component"].dropna().unique() if not str(name).startswith("module ")}
        for frames in (database.frames, text.frames)
    ]
    assert held[0] - {"DEVICE"} == held[1]
    assert (database.framework, database.rank) == (text.framework, text.rank)


@pytest.mark.parametrize("level", LEVELS)
def test_kernels_find_operator_phase_and_step_as_in_text(shared: Path, level: str) -> None:
    found = []
    for form in ("db", "text"):
        ops = identify(load(recorded(shared, form, level))).ops
        kernels = ops[ops["level"] == "device"]
        assert (kernels["launcher"] >= 0).all()
        launchers = ops["name"].astype(object).to_numpy()[kernels["launcher"].to_numpy()]
        names = kernels["name"].astype(object).str.replace(r"__\d+_", "__", regex=True)
        found.append(Counter(zip(names, kernels["phase"].astype(object), kernels["step"], launchers, strict=True)))
    assert found[0] == found[1]


def gaps(kernels: pd.DataFrame) -> list[int]:
    starts, durations = kernels["start_ns"].tolist(), kernels["dur_ns"].tolist()
    return [max(0, starts[i] - starts[i - 1] - durations[i - 1]) for i in range(1, len(starts))]


def test_wait_times_follow_the_rule_of_the_text_exporter(shared: Path) -> None:
    for level in LEVELS:
        written = device(AscendTextProfile().read(recorded(shared, "text", level), silent))
        assert max(abs(a - b) for a, b in zip(gaps(written), written["wait_ns"][1:], strict=True)) <= 1
        kernels = device(read(recorded(shared, "db", level)))
        assert kernels["wait_ns"][1:].tolist() == gaps(kernels)
        assert kernels["wait_ns"].isna().tolist() == [True] + [False] * 190


def test_steps_and_communication_of_the_analysis_are_exact(shared: Path) -> None:
    checked = 0
    for file in (shared / "samples/mindspore_profiler").rglob("analysis.db"):
        run = file.parents[1]
        frames = read(run).frames
        for step, computing, communication, overlapped, free in query(
            file, "SELECT step, computing, communication, overlapped, free FROM StepTraceTime"
        ):
            (row,) = frames["steps"][frames["steps"]["step"] == int(str(step))].to_dict("records")
            for column, value in {
                "computing_ns": computing,
                "communication_ns": communication,
                "overlapped_ns": overlapped,
                "free_ns": free,
            }.items():
                assert row[column] == int((Decimal(str(value)) * 1000).to_integral_value(ROUND_HALF_EVEN)), file
        comm = frames["comm"].set_index("name") if "level0" not in str(file) else pd.DataFrame()
        for name, elapse, wait in (
            query(
                file,
                "SELECT hccl_op_name, elapse_time, wait_time FROM CommAnalyzerTime WHERE hccl_op_name LIKE 'hcom%'",
            )
            if len(comm)
            else []
        ):
            rows = comm.loc[[str(name)]]
            # The operation's own start and end are whole ns; the analysis has fractions of them.
            assert min(abs(rows["dur_ns"] - Decimal(str(elapse)) * 10**6)) <= 1
            assert round(Decimal(str(wait)) * 10**6) in rows["wait_ns"].tolist()
            checked += 1
        if "db/level1" in str(file):
            sizes = query(
                file,
                "SELECT hccl_op_name, sum(s) FROM (SELECT DISTINCT hccl_op_name, transport_type, transit_size AS s "
                "FROM CommAnalyzerBandwidth WHERE transport_type IN ('RDMA', 'HCCS', 'PCIE', 'SIO')) GROUP BY 1",
            )
            assert {name: round(float(str(size)) * 10**6) for name, size in sizes} == comm["size_bytes"].to_dict()
    assert checked >= 40


@pytest.mark.parametrize("level", LEVELS)
def test_memory_is_that_of_the_tables(shared: Path, level: str) -> None:
    run = recorded(shared, "db", level)
    wanted = query(
        run / OUTPUT / "ascend_pytorch_profiler_0.db",
        "SELECT timestamp, s.value, totalAllocated, totalReserved FROM MEMORY_RECORD m JOIN STRING_IDS s ON s.id = "
        "m.component UNION ALL SELECT timestampNs, upper(s.value), NULL, hbm + ddr FROM NPU_MEM m JOIN STRING_IDS s ON "
        "s.id = m.type UNION ALL SELECT timestampNs, 'module ' || e.name, NULL, totalReserved FROM NPU_MODULE_MEM m "
        "JOIN ENUM_MODULE e ON e.id = m.moduleId",
    )
    memory = read(run).frames["memory"]
    assert Counter(plain(memory, "time_ns", "component", "allocated_bytes", "reserved_bytes")) == Counter(wanted)
    assert memory["time_ns"].is_monotonic_increasing


def test_a_reduced_msprof_database_of_an_older_writer(shared: Path) -> None:
    parsed = read(shared / "samples/mindspore_profiler/Ascend_msinsight/server/src/test/test_data/full_db/msprof_0.db")
    kernels = device(parsed)
    assert (len(kernels), parsed.rank, parsed.framework) == (11, -1, "unknown")
    assert plain(kernels, "op_type")[:3] == [("ZerosLike",), ("Cast",), ("OnesLike",)]
    assert parsed.facts["not_read"] == "COMMUNICATION_TASK_INFO"


def test_an_emptied_database_and_several_devices_are_told(shared: Path) -> None:
    folder = shared / "samples/mindspore_profiler/Ascend_msinsight/server/src/test/test_data/multiDevice/msprof_db"
    parsed = read(folder)
    assert len(parsed.frames["steps"]) == 4
    assert [issue for issue in texts(parsed.issues) if issue[0] == "error"] == [
        ("error", "", "it has none of the tables of a profiler")
    ]
    assert any("no table of their ranks" in text for _, _, text in texts(parsed.issues))
    with pytest.raises(UnreadableInputError, match="none of the tables"):
        AscendDatabase().read(folder / OUTPUT / "ascend_pytorch_profiler.dat", silent)


def synthetic(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    schema = (
        "CREATE TABLE STRING_IDS(id INTEGER, value TEXT)",
        "CREATE TABLE TASK(startNs INTEGER, endNs INTEGER, deviceId INTEGER, connectionId INTEGER, "
        "globalTaskId INTEGER, streamId INTEGER)",
        "CREATE TABLE COMPUTE_TASK_INFO(name INTEGER, globalTaskId INTEGER, taskType INTEGER, opType INTEGER, "
        "inputShapes INTEGER)",
        "INSERT INTO STRING_IDS VALUES (1, 'MatMul1'), (2, 'MatMul'), (3, 'AI_CORE'), (4, '\"2,3;\"'), (5, 'N/A')",
    )
    for statement in (*schema, *statements):
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


KERNEL = (
    f"INSERT INTO TASK VALUES ({START}, {START + 5}, 0, 7, 1, 2)",
    "INSERT INTO COMPUTE_TASK_INFO VALUES (1, 1, 3, 2, 4)",
)


def test_a_mindspore_database_has_kernels_and_the_rank_of_its_name(tmp_path: Path) -> None:
    run = tmp_path / "host_1_20260101000000000_ascend_ms"
    synthetic(run / OUTPUT / "ascend_mindspore_profiler_3.db", *KERNEL)
    claimed = claim(run)
    assert claimed is not None
    assert claimed.parser.descriptor.name == "ascend-database"
    parsed = read(run)
    assert (parsed.framework, parsed.rank) == ("mindspore", 3)
    names = ("start_ns", "dur_ns", "name", "op_type", "core", "stream", "input_shapes", "rank")
    assert plain(device(parsed), *names) == [(START, 5, "MatMul1", "MatMul", "AI_CORE", "2", "2,3;", 3)]


def test_names_that_mean_something_in_an_address(tmp_path: Path) -> None:
    database = synthetic(tmp_path / "a?mode=rw#b %41" / "msprof_1.db", *KERNEL)
    assert len(device(read(database))) == 1
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["msprof_1.db"]


def test_identity_of_a_run_of_kernels_alone(tmp_path: Path) -> None:
    synthetic(tmp_path / OUTPUT / "ascend_mindspore_profiler.db", *KERNEL)
    ops = identify(load(tmp_path)).ops
    assert plain(ops, "op_class", "launcher", "carry_over") == [("matmul", -1, False)]


def test_ranks_of_several_devices_come_from_their_map(tmp_path: Path) -> None:
    database = synthetic(
        tmp_path / "msprof_20260101000000.db",
        *KERNEL,
        f"INSERT INTO TASK VALUES ({START + 1}, {START + 9}, 1, 8, 2, 2)",
        "INSERT INTO COMPUTE_TASK_INFO VALUES (1, 2, 3, 2, 5)",
        "CREATE TABLE RANK_DEVICE_MAP(rankId INTEGER, deviceId INTEGER)",
        "INSERT INTO RANK_DEVICE_MAP VALUES (4, 0), (5, 1)",
    )
    parsed = read(database)
    assert plain(device(parsed), "rank", "wait_ns", "input_shapes") == [(4, None, "2,3;"), (5, None, None)]
    assert parsed.rank == -1
    assert parsed.issues == ()


def test_rows_that_make_no_sense_are_refused_and_counted(tmp_path: Path) -> None:
    database = synthetic(
        tmp_path / "msprof_1.db",
        *KERNEL,
        f"INSERT INTO TASK VALUES ({START}, {START - 1}, 0, 7, 2, 2), (NULL, 5, 0, 7, 3, 2), ('x', 5, 0, 7, 4, 2), "
        f"(-1, 5, 0, 7, 5, 2), (1.5, 5, 0, 7, 6, 2), (-9223372036854775808, 9223372036854775807, 0, 7, 7, 2)",
        "INSERT INTO COMPUTE_TASK_INFO VALUES (1, 99, 3, 2, 4), (1, 1, 3, 2, 4), (1, NULL, 3, 2, 4)",
    )
    parsed = read(database)
    assert plain(device(parsed), "start_ns", "dur_ns") == [(START, 5)]
    told = texts(parsed.issues)
    assert all(severity == "data_loss" for severity, _, _ in told)
    assert [(where, text.split(" ")[0]) for _, where, text in told if "refused" in text] == [
        ("TASK", "6"),
        ("COMPUTE_TASK_INFO", "2"),
    ]
    assert ("data_loss", "TASK", "column startNs: 2 values are no whole numbers: unknown") in told


def test_connection_numbers_that_fall_together_go_to_the_launch_before(tmp_path: Path) -> None:
    """7 is the number of a forward-backward pair and of a kernel: the operator right before the runtime call has it."""
    rows = [(START - 900, 1), (START - 100, 2), (START + 50, 3)]
    database = synthetic(
        tmp_path / "msprof_1.db",
        *KERNEL,
        "CREATE TABLE PYTORCH_API(startNs TEXT, endNs TEXT, globalTid INTEGER, connectionId INTEGER, name INTEGER, "
        "type INTEGER)",
        "CREATE TABLE CONNECTION_IDS(id INTEGER, connectionId INTEGER)",
        "INSERT INTO CONNECTION_IDS VALUES (1, 7), (2, 7), (3, 7), (1, 70)",
        *(f"INSERT INTO PYTORCH_API VALUES ('{start}', '{start + 9}', 4294967299, {n}, 1, 50001)" for start, n in rows),
    )
    spans = read(database).frames["spans"]
    assert plain(spans, "kind", "start_ns", "correlation", "thread") == [("launch", START - 100, 7, "3")]


def test_runtime_calls_are_launches_where_no_operator_is_linked(tmp_path: Path) -> None:
    database = synthetic(
        tmp_path / "msprof_1.db",
        *KERNEL,
        "CREATE TABLE CANN_API(startNs INTEGER, endNs INTEGER, type INTEGER, globalTid INTEGER, connectionId INTEGER, "
        "name INTEGER)",
        f"INSERT INTO CANN_API VALUES ({START - 30}, {START - 20}, 10000, 4294967299, 7, 1), (5, 6, 10000, 1, 8, 1)",
    )
    spans = read(database).frames["spans"]
    assert plain(spans, "kind", "start_ns", "dur_ns", "correlation", "thread") == [("launch", START - 30, 10, 7, "3")]


@pytest.mark.parametrize(
    ("shapes", "dtypes"), [("2,3;\\r\\n", "float;\\r\\nScalar"), ("float;\\r\\nScalar", "2,3;\\r\\n")]
)
def test_input_columns_are_read_either_way_round(tmp_path: Path, shapes: str, dtypes: str) -> None:
    unescaped = [text.replace("\\r\\n", "\r\n") for text in (shapes, dtypes)]
    database = synthetic(
        tmp_path / "msprof_1.db",
        "CREATE TABLE PYTORCH_API(startNs TEXT, endNs TEXT, globalTid INTEGER, name INTEGER, inputShapes INTEGER, "
        "inputDtypes INTEGER, type INTEGER)",
        f"INSERT INTO STRING_IDS VALUES (10, '{unescaped[0]}'), (11, '{unescaped[1]}')",
        f"INSERT INTO PYTORCH_API VALUES ('{START}', '{START + 1}', 1, 1, 10, 11, 50001)",
    )
    ops = read(database).frames["ops"]
    assert plain(ops, "input_shapes", "input_dtypes") == [("2,3", "float")]


def test_text_wins_over_a_database_beside_it(shared: Path, tmp_path: Path) -> None:
    run = tmp_path / "rank0_ascend_pt"
    shutil.copytree(recorded(shared, "text", "level1"), run, copy_function=shutil.copyfile)
    database = recorded(shared, "db", "level1") / OUTPUT / "ascend_pytorch_profiler_0.db"
    shutil.copyfile(database, run / OUTPUT / database.name)
    alone, both = load(recorded(shared, "text", "level1")), load(run)
    assert [len(getattr(both, name)) for name in ("ops", "spans", "steps", "memory", "comm")] == [
        len(getattr(alone, name)) for name in ("ops", "spans", "steps", "memory", "comm")
    ]
    (source,) = both.sources
    assert source.format == "ascend-text-profile"
    assert database.name in source.facts["not_read"]
    (run / OUTPUT / "kernel_details.csv").unlink()
    (run / OUTPUT / "trace_view.json").unlink()
    (source,) = load(run).sources
    assert source.format == "ascend-database"


def test_changes_in_a_log_beside_it_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "msprof_1.db"
    origin = synthetic(tmp_path / "origin.db")
    connection = sqlite3.connect(origin, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", *KERNEL):
        connection.execute(statement)
    path.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(origin.with_name(origin.name + suffix), path.with_name(path.name + suffix))
    connection.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    parsed = read(path)
    assert len(device(parsed)) == 1
    assert [text for _, _, text in texts(parsed.issues)] == ["changes in msprof_1.db-wal were merged into a copy"]
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_hostile_schema_runs_nothing(tmp_path: Path) -> None:
    """A view in the place of a table, a virtual table, a name with a quote, a generated column, endless recursion."""
    path = synthetic(
        tmp_path / "msprof_1.db",
        *KERNEL,
        "CREATE VIEW CANN_API AS WITH RECURSIVE r(startNs) AS (SELECT 1 UNION ALL SELECT startNs + 1 FROM r) "
        "SELECT startNs, startNs AS endNs FROM r",
        "CREATE VIRTUAL TABLE MSTX_EVENTS USING fts5(startNs)",
        'CREATE TABLE "x""; DROP TABLE TASK; --"(a)',
        "CREATE TABLE STEP_TIME(id INTEGER, startNs INTEGER, endNs INTEGER AS (length(zeroblob(1000000000))) VIRTUAL)",
        f"INSERT INTO STEP_TIME(id, startNs) VALUES (1, {START})",
    )
    before = path.read_bytes()
    parsed = read(path)
    assert len(device(parsed)) == 1
    assert parsed.frames["steps"].empty
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 100, 4096, 5000, 9000])
def test_a_cut_database_gives_a_typed_error_or_an_issue(tmp_path: Path, keep: int) -> None:
    path = synthetic(tmp_path / OUTPUT / "ascend_pytorch_profiler_0.db", *KERNEL)
    whole = path.read_bytes()
    assert keep < len(whole)
    path.write_bytes(whole[:keep])
    parsed = parsed_or_refused(tmp_path)
    assert parsed is None or any(issue.severity is not Severity.INFO for issue in parsed.issues)


def parsed_or_refused(path: Path) -> Parsed | None:
    try:
        return AscendDatabase().read(path, silent)
    except UnreadableInputError as error:
        if not error.hint:
            raise
        return None


@pytest.mark.exhaustive
def test_overwritten_pages_never_crash(shared: Path, tmp_path: Path) -> None:
    origin = recorded(shared, "db", "level0") / OUTPUT / "ascend_pytorch_profiler_0.db"
    whole = origin.read_bytes()
    path = tmp_path / "ascend_pytorch_profiler_0.db"
    for page in range(0, len(whole) // 4096, 9):
        damaged = bytearray(whole)
        damaged[page * 4096 + 100 : page * 4096 + 140] = bytes(range(200, 240))
        path.write_bytes(damaged)
        parsed = parsed_or_refused(path)
        assert parsed is None or len(device(parsed)) <= 191


def test_a_file_that_only_has_the_name_of_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / OUTPUT).mkdir()
    (tmp_path / OUTPUT / "ascend_mindspore_profiler.db").write_text("{}")
    claimed = claim(tmp_path)
    assert claimed is not None
    with pytest.raises(UnreadableInputError, match="is no sqlite database") as caught:
        claimed.parser.read(tmp_path, silent)
    assert caught.value.hint


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    parser = AscendDatabase()
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE TASK(id INTEGER)")
    connection.commit()
    connection.close()
    (tmp_path / "empty.db").write_bytes(b"")
    (tmp_path / "text.txt").write_text("SQLite format 3")
    assert all(parser.sniff(path) is None for path in (tmp_path, *tmp_path.iterdir()))
