"""The small tables of Ascend runs against plain readings, each other, the trace, and their database twins."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.communication_summary import summarise_links
from profkit.kernel_counters import load_counters, summarise_counters
from profkit.memory_summary import summarise_allocations
from profkit.parsers.ascend.communication import read_communication
from profkit.parsers.ascend.communication_matrix import read_matrix
from profkit.parsers.ascend.kernel_counters import counter_columns, is_summed
from profkit.run import Run, load

ROOT = "samples/mindspore_profiler"
LEVEL1 = f"{ROOT}/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt"
LEVEL2 = f"{ROOT}/Ascend_msinsight/test/st/level2/rank_0_ascend_pt"
DATABASE = f"{ROOT}/Ascend_msinsight/test/data/pytorch/db/level1/rank0_ascend_pt"
OLD = f"{ROOT}/Ascend_msinsight/server/src/test/test_data/test_rank_1"
MINDSPORE = f"{ROOT}/made_mindspore_2.10_ascend_semisynthetic/level1"
OUTPUT = "ASCEND_PROFILER_OUTPUT"
LINKS_COUNTED = ("HCCS", "PCIE", "RDMA", "SIO")


def cells_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{key: cell.strip() for key, cell in row.items()} for row in csv.DictReader(file)]


def scaled(text: Any, factor: int) -> int | None:
    return None if text in ("", "N/A") else int((Decimal(text) * factor).to_integral_value())


def plain(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    cells = [[None if pd.isna(value) else value for value in frame[column].astype(object)] for column in columns]
    return list(zip(*cells, strict=True))


@pytest.fixture(scope="module")
def level2(shared: Path) -> Run:
    return load(shared / LEVEL2)


def test_allocations_are_those_of_a_decimal_reading(shared: Path) -> None:
    for name in (LEVEL1, LEVEL2, OLD):
        wanted = [
            (
                row["Name"],
                scaled(row["Size(KB)"], 1024),
                scaled(row["Allocation Time(us)"], 1000),
                scaled(row["Release Time(us)"], 1000),
            )
            for row in cells_of(shared / name / OUTPUT / "operator_memory.csv")
        ]
        allocations = load(shared / name).allocations
        timed = allocations[allocations["start_ns"].notna()]
        assert plain(timed, "name", "size_bytes", "start_ns", "end_ns") == wanted


def test_totals_at_allocations_do_not_exceed_the_recorded_peak(level2: Run, shared: Path) -> None:
    """memory_record.csv samples each change: its peak is that of the totals that operator_memory.csv tells."""
    table = cells_of(shared / LEVEL2 / OUTPUT / "operator_memory.csv")
    totals = [scaled(row["Allocation Total Allocated(MB)"], 1 << 20) for row in table]
    recorded = level2.memory[level2.memory["component"] == "PTA"]["allocated_bytes"]
    assert max(total for total in totals if total is not None) == recorded.max()


def test_kept_allocations_are_those_without_a_release(shared: Path) -> None:
    table = cells_of(shared / LEVEL1 / OUTPUT / "operator_memory.csv")
    kept = Counter(row["Name"] for row in table if not row["Release Time(us)"])
    summary = summarise_allocations(load(shared / LEVEL1).allocations).set_index("name")
    assert {name: count for name, count in summary["kept"].items() if count} == kept
    assert summary["total_bytes"].sum() == sum(scaled(row["Size(KB)"], 1024) or 0 for row in table)


def test_static_memory_counts_in_nodes_of_its_graph(shared: Path) -> None:
    table = cells_of(shared / OLD / OUTPUT / "static_op_mem.csv")
    allocations = load(shared / OLD).allocations
    static = allocations[allocations["component"].isin(["static", "static, whole graph"])]
    ends = [None if row["Node Index End"] == "4294967295" else int(row["Node Index End"]) for row in table]
    sizes = [scaled(row["Size(KB)"], 1024) for row in table]
    starts = [int(row["Node Index Start"]) for row in table]
    assert plain(static, "first_node", "last_node", "size_bytes") == list(zip(starts, ends, sizes, strict=True))
    totals = static[static["component"] == "static, whole graph"]
    assert totals["size_bytes"].tolist() == [int(17210.5 * 1024), int(19910.5 * 1024)]
    assert totals["name"].isna().all()


def test_links_move_what_communication_json_counts(shared: Path) -> None:
    """Both are summed over one step of one process: the bytes of each kind of link are the same."""
    for name in (LEVEL1, LEVEL2, OLD):
        moved: dict[str, Decimal] = defaultdict(Decimal)
        document = json.loads((shared / name / OUTPUT / "communication.json").read_text(), parse_float=Decimal)
        for kinds in document.values():
            for operations in kinds.values():
                for operation, body in operations.items():
                    for link, used in body["Communication Bandwidth Info"].items():
                        if operation != "Total Op Info" and link in LINKS_COUNTED:
                            moved[link] += used["Transit Size(MB)"] * 1_000_000
        links = summarise_links(load(shared / name).links)
        ours = links.groupby("transport")["size_bytes"].sum()
        for link, size in moved.items():
            if size:
                assert ours[link] == pytest.approx(int(size), abs=2 * len(links)), (name, link)


def test_every_link_of_a_matrix_is_a_row(shared: Path) -> None:
    for path in sorted((shared / ROOT).rglob(f"{OUTPUT}/communication_matrix.json")):
        document = json.loads(path.read_text(), parse_float=Decimal)
        entries = [
            (int(link.split("-")[0]), int(link.split("-")[1]), scaled(body["Transit Time(ms)"], 1_000_000))
            for kinds in document.values()
            for operations in kinds.values()
            for operation, links in operations.items()
            if operation != "Total Op Info"
            for link, body in links.items()
        ]
        rows, issues = read_matrix(path)
        assert plain(rows, "src", "dst", "dur_ns") == entries
        assert not issues


def test_names_that_mindspore_doubles_are_told_apart(shared: Path) -> None:
    (run,) = (shared / MINDSPORE).glob("*_ascend_ms")
    links = load(run).links
    sends = links[links["operation"] == "hcom_send__586_9_1"]
    assert {"top1", "middle", "bottom1", "total"} <= set(sends["selection"])
    assert set(sends["kind"]) == {"p2p"}
    assert set(links["group"]) == {"17522688603477080586"}


def test_odd_matrices_are_told(tmp_path: Path) -> None:
    path = tmp_path / "communication_matrix.json"
    good = {"Transport Type": "HCCS", "Transit Size(MB)": 1.5, "Transit Time(ms)": "x", "Bandwidth(GB/s)": 1e400}
    links = {"0-1": good, "0": good, "1-2": 7}
    path.write_text(json.dumps({"step1": {"p2p": {"send-total@g": links, "recv": 3}, "x": []}, "other": {}}))
    rows, issues = read_matrix(path)
    assert plain(rows, "src", "dst", "size_bytes", "dur_ns", "bandwidth_gb_s") == [(0, 1, 1_500_000, None, None)]
    assert len(issues) == 5
    for text in ("", "[1]", "[" * 100_000, '{"step1": {"p2p"'):
        path.write_text(text)
        assert read_matrix(path)[1]


def test_what_is_no_operation_of_communication_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "communication.json"
    times = {"Communication Time Info": {"Elapse Time(ms)": 2}}
    path.write_text(json.dumps({"step1": {"p2p": [], "collective": {"a": times, "b": 3}}, "other": {}}))
    rows, issues = read_communication(path)
    assert rows["dur_ns"].tolist() == [2_000_000]
    assert [issue.where for issue in issues] == ["step1 p2p", "other", "step1 b"]


def test_calls_are_those_of_the_trace(shared: Path) -> None:
    """api_statistic.csv sums the CANN lane of the trace of the same run: acl@..., Node@..., Runtime@..."""
    calls = load(shared / LEVEL1).api
    trace = json.loads((shared / LEVEL1 / OUTPUT / "trace_view.json").read_text(), parse_float=Decimal)
    counted: Counter[str] = Counter()
    total: dict[str, int] = defaultdict(int)
    for event in trace:
        if event.get("ph") == "X" and event.get("args", {}).get("level") == "acl":
            name = event["name"].split("@")[-1]
            counted[name] += 1
            total[name] += int(Decimal(event["dur"]) * 1000)
    acl = calls[calls["level"] == "acl"].set_index("name")
    named = [name for name in counted if name in acl.index]
    assert len(named) > 20
    for name in named:
        assert acl.loc[name, "count"] == counted[name], name
        # The table has two decimals of a microsecond.
        assert abs(acl.loc[name, "total_ns"] - total[name]) <= 10 + counted[name], name


def test_calls_of_a_database_are_summed_exactly(shared: Path) -> None:
    run = load(shared / DATABASE)
    by_name = run.api.set_index("name")
    text = load(shared / LEVEL1).api.set_index("name")
    # Two recordings of one job: the same functions are called as often.
    common = by_name.index.intersection(text.index)
    assert len(common) > 40
    assert (by_name.loc[common, "count"] == text.loc[common, "count"]).mean() > 0.9
    assert (run.api["min_ns"] * run.api["count"] <= run.api["total_ns"]).all()
    assert (run.api["max_ns"] * run.api["count"] >= run.api["total_ns"]).all()


def test_databases_have_the_same_side_tables(shared: Path) -> None:
    run, text = load(shared / DATABASE), load(shared / LEVEL1)
    assert len(run.allocations) == len(text.allocations)
    assert run.allocations["size_bytes"].tolist() == text.allocations["size_bytes"].tolist()
    assert plain(run.links, "selection", "src", "dst", "transport") != []
    totals = run.links["selection"] == "total"
    kinds = ["src", "dst", "size_bytes"]
    of_text = text.links[text.links["selection"] == "total"]
    assert sorted(plain(run.links[totals], *kinds)) == sorted(plain(of_text, *kinds))


def test_counters_are_the_columns_of_their_kernels(shared: Path) -> None:
    """Every number that is not zero, at the record it stands in."""
    for name in (LEVEL1, LEVEL2, OLD):
        run = load(shared / name)
        counters, issues = load_counters(run)
        assert not issues
        table = cells_of(shared / name / OUTPUT / "kernel_details.csv")
        columns = counter_columns(list(table[0]))
        assert len(columns) >= 10
        wanted = {
            (number, column): float(row[column])
            for number, row in enumerate(table)
            for column in columns
            if row[column] not in ("", "N/A") and float(row[column]) != 0
        }
        ours = counters[counters["counter"].isin(list(columns))]
        pairs = zip(ours["row"], ours["counter"], strict=True)
        assert dict(zip(pairs, ours["value"], strict=True)) == wanted, name


def test_cache_rates_belong_to_their_kernels(shared: Path) -> None:
    for name in (LEVEL1, LEVEL1.replace("level1", "level0")):
        run = load(shared / name)
        counters, issues = load_counters(run)
        assert not issues
        rates = counters[counters["counter"] == "l2_victim_rate"]
        names = run.ops[run.ops["level"] == "device"].set_index("row")["name"].astype(object)
        ours = Counter(zip(rates["row"].map(names), rates["value"], strict=True))
        theirs = Counter(
            (row["Op Name"], float(row["Victim Rate"]))
            for row in cells_of(shared / name / OUTPUT / "l2_cache.csv")
            if row["Victim Rate"] != "N/A"
        )
        assert ours == theirs


def test_counters_are_summed_or_averaged(level2: Run, shared: Path) -> None:
    counters, _ = load_counters(level2)
    sums = summarise_counters(level2.ops, counters, "op_type").set_index("op_type")
    rows = [row for row in cells_of(shared / LEVEL2 / OUTPUT / "kernel_details.csv") if row["Type"] == "MatMulV3"]
    assert sums.loc["MatMulV3", "aicore_time(us)"] == pytest.approx(sum(float(row["aicore_time(us)"]) for row in rows))
    weights = [float(row["Duration(us)"]) for row in rows]
    ratio = sum(float(row["aic_mac_ratio"]) * w for row, w in zip(rows, weights, strict=True)) / sum(weights)
    assert sums.loc["MatMulV3", "aic_mac_ratio"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("column", "is_counter", "added_up"),
    [
        ("aic_mac_ratio", True, False),
        ("mac_ratio", True, False),
        ("total_cycles", True, True),
        ("cube_fops", True, True),
        ("aiv_ub_read_bw_vector(GB/s)", True, False),
        ("aicore_time(us)", True, True),
        ("cube_utilization(%)", True, False),
        ("memory_bound", True, False),
        ("aic_read_main_memory_datas(KB)", True, True),
        ("GM_to_L1_datas(KB)", True, True),
        ("aic_L0C_to_GM_datas(KB)", True, True),
        ("aic_r0_read_cache_hit", True, True),
        ("aiv_vec_bankgroup_cflt_ratio", True, False),
        ("Block Num", False, False),
        ("Device_id", False, False),
        ("HF32 Eligible", False, False),
    ],
)
def test_columns_of_every_mode_are_known_as_counters(column: str, is_counter: bool, added_up: bool) -> None:
    assert (column in counter_columns([column])) is is_counter
    if is_counter:
        assert is_summed(column) is added_up
