"""Diseases of real recordings, against what the csv module counts in the profilers' own tables."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from decimal import Decimal
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align, judged_units
from profkit.correlate.identity import identify
from profkit.diseases import disease_findings, lost_rows
from profkit.run import Run, load
from profkit.schema import ALIGNMENT, COUNTERS
from profkit.triage import Inputs, triage

ASCEND = Path("samples/mindspore_profiler/Ascend_msinsight/test")
LEVEL0 = ASCEND / "data/pytorch/text/level0/rank0_ascend_pt"
LEVEL1 = ASCEND / "data/pytorch/text/level1/rank0_ascend_pt"
LEVEL2 = ASCEND / "st/level2/rank_0_ascend_pt"
MSTT = Path(
    "samples/mindspore_profiler/Ascend_mstt/profiler/msprof_analyze/test/ut/advisor/advisor_backend/compute_advice"
)


KERNEL_PARSE = ASCEND.parent / "server/src/test/test_data/test_kernel_parse"
FULL_DATABASE = ASCEND.parent / "server/src/test/test_data/full_db/msprof_0.db"
SHARE_OF_COMPUTING = {"layout": 0.03, "cast": 0.03, "aicpu": 0.002}


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _impacts(path: Path) -> dict[str, int]:
    findings = disease_findings(_loaded(path), None, ALIGNMENT.empty(), None)
    return {row.kind: int(row.impact_ns) for row in findings.dropna(subset=["impact_ns"]).itertuples()}


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _summed_ns(rows: list[dict[str, str]], column: str, values: set[str]) -> int:
    return sum(int(Decimal(row["Duration(us)"].strip()) * 1000) for row in rows if row[column] in values)


WITHOUT_KERNELS = [LEVEL2.parent / f"rank_{number}_ascend_pt" for number in (1, 3)]
CUT_SHORT = [ASCEND.parent / f"server/src/test/test_data/test_rank_{number}" for number in (0, 1)]


@pytest.mark.parametrize("recording", [LEVEL0, LEVEL1, LEVEL2, *WITHOUT_KERNELS, *CUT_SHORT])
def test_uncovered_communication_is_that_of_step_trace_time(shared: Path, recording: Path) -> None:
    (row,) = _table(shared / recording / "ASCEND_PROFILER_OUTPUT/step_trace_time.csv")
    expected = round(Decimal(row["Communication(Not Overlapped)"]) * 1000)
    assert _impacts(shared / recording)["communication"] == pytest.approx(expected, abs=20)


MADE = Path("samples/mindspore_profiler/made_mindspore_2.10_ascend_semisynthetic")


@pytest.mark.parametrize(
    ("level", "count", "layout_us", "uncovered_us"),
    [
        # awk over kernel_details.csv, by the names, since level 0 has no types: 57 x TransData and 5 x Transpose; 4 x
        # Cast that take 0.1 % of the computing time; no AI_CPU. Communication(Not Overlapped) of step_trace_time.csv.
        ("level0", 62, "1514.760", "81515.607"),
        ("level1", 62, "1542.166", "101963.203"),
    ],
)
def test_a_mindspore_run_on_ascend_is_what_was_counted_by_hand(
    shared: Path, level: str, count: int, layout_us: str, uncovered_us: str
) -> None:
    (folder,) = (shared / MADE / level).iterdir()
    run = _loaded(folder)
    findings = disease_findings(run, None, ALIGNMENT.empty(), None).set_index("kind")
    assert findings.loc["layout", "impact_ns"] == int(Decimal(layout_us) * 1000)
    # The intervals of the timeline are rounded to a nanosecond each.
    assert findings.loc["communication", "impact_ns"] == pytest.approx(int(Decimal(uncovered_us) * 1000), abs=20)
    assert {"cast", "aicpu"}.isdisjoint(findings.index)
    assert run.ops["op_type"].isin(["TransData", "Transpose"]).sum() == count


def test_the_same_network_recorded_into_a_database_is_what_sql_counts(shared: Path) -> None:
    folder = shared / ASCEND / "data/pytorch/db/level1/rank0_ascend_pt"
    with closing(sqlite3.connect(folder / "ASCEND_PROFILER_OUTPUT/ascend_pytorch_profiler_0.db")) as database:
        query = (
            "SELECT t.value, SUM(k.endNs - k.startNs) FROM COMPUTE_TASK_INFO c JOIN TASK k USING (globalTaskId) "
            "JOIN STRING_IDS t ON t.id = c.opType GROUP BY t.value"
        )
        by_type = dict(database.execute(query).fetchall())
    assert _impacts(folder)["layout"] == by_type["TransData"] + by_type["Transpose"]
    assert 0 < by_type["Cast"] < SHARE_OF_COMPUTING["cast"] * sum(by_type.values())
    assert "cast" not in _impacts(folder)


@pytest.mark.parametrize(
    ("recording", "why"),
    [
        (FULL_DATABASE, "it has no steps, and its whole recording, warm-up included, is taken for one step"),
        (KERNEL_PARSE / "op_summary_1.csv", "it has 1 of the 3 steps that take"),
    ],
    ids=["no steps", "one step"],
)
def test_a_run_with_too_few_steps_is_triaged_and_says_what_that_leaves_open(
    shared: Path, recording: Path, why: str
) -> None:
    path = shared / recording
    alone, against_itself = triage(Inputs(run=path)), triage(Inputs(ref=path, run=path))
    for session in (alone, against_itself):
        assert f"a slow first step and recompilation were not judged in {path}: {why}" in session.not_judged
        assert not {"first_step", "recompile"} & set(session.findings["kind"])
    assert against_itself.findings.empty


def test_ai_cpu_operators_of_a_summary_are_those_of_its_rows(shared: Path) -> None:
    rows = _table(shared / KERNEL_PARSE / "op_summary_1.csv")
    (column,) = [name for name in rows[0] if name.startswith("Task Duration")]
    by_hand = [int(Decimal(row[column].strip()) * 1000) for row in rows if "AI_CPU" in row.values()]
    assert len(by_hand) == 2
    assert _impacts(shared / KERNEL_PARSE / "op_summary_1.csv")["aicpu"] == sum(by_hand)


def test_conversions_of_layout_are_those_of_kernel_details(shared: Path) -> None:
    rows = _table(shared / LEVEL1 / "ASCEND_PROFILER_OUTPUT/kernel_details.csv")
    assert _impacts(shared / LEVEL1)["layout"] == _summed_ns(rows, "Type", {"TransData", "Transpose"})


def test_conversions_without_a_recorded_type_are_told_by_their_names(shared: Path) -> None:
    rows = _table(shared / LEVEL0 / "ASCEND_PROFILER_OUTPUT/kernel_details.csv")
    assert {row["Type"] for row in rows} == {"N/A"}
    named = [{**row, "Type": "layout"} for row in rows if "TransData" in row["Name"] or "Transpose" in row["Name"]]
    assert _impacts(shared / LEVEL0)["layout"] == _summed_ns(named, "Type", {"layout"})


def test_casts_and_ai_cpu_operators_are_those_of_kernel_details(shared: Path) -> None:
    rows = _table(shared / MSTT / "kernel_details.csv")
    impacts = _impacts(shared / MSTT / "kernel_details.csv")
    assert impacts["cast"] == _summed_ns(rows, "Type", {"Cast"})
    assert impacts["aicpu"] == _summed_ns(rows, "Accelerator Core", {"AI_CPU"})
    assert sum(row["Accelerator Core"] == "AI_CPU" for row in rows) == 7


KERNEL_TABLES = [
    *CUT_SHORT,
    LEVEL1,
    LEVEL2,
    MSTT,
    MSTT.parent.parent / "compute_advice/data",
]


@pytest.mark.parametrize("folder", KERNEL_TABLES, ids=lambda folder: "/".join(folder.parts[-2:]))
def test_what_a_table_of_kernels_tells_by_hand_is_what_is_found_or_too_little(shared: Path, folder: Path) -> None:
    (table,) = (shared / folder).rglob("kernel_details.csv")
    rows = _table(table)
    every = sum(int(Decimal(row["Duration(us)"].strip()) * 1000) for row in rows)
    by_hand = {
        "layout": _summed_ns(rows, "Type", {"TransData", "Transpose"}),
        "cast": _summed_ns(rows, "Type", {"Cast"}),
        "aicpu": _summed_ns(rows, "Accelerator Core", {"AI_CPU"}),
    }
    found = _impacts(table if folder in KERNEL_TABLES[-2:] else shared / folder)
    for kind, expected in by_hand.items():
        if kind in found:
            assert found[kind] == expected
        else:
            assert expected <= SHARE_OF_COMPUTING[kind] * every


def test_bubbles_are_the_point_to_point_operations_that_nothing_overlaps(shared: Path) -> None:
    rows = _table(shared / LEVEL2 / "ASCEND_PROFILER_OUTPUT/kernel_details.csv")
    (step,) = _table(shared / LEVEL2 / "ASCEND_PROFILER_OUTPUT/step_trace_time.csv")
    assert Decimal(step["Overlapped"]) == 0
    named = [row for row in rows if row["Type"].startswith("hcom_batchSendRecv")]
    assert _impacts(shared / LEVEL2)["bubble"] == _summed_ns(named, "Type", {"hcom_batchSendRecv_"})


def test_memory_bound_kernels_are_those_of_kernel_details(shared: Path) -> None:
    rows = _table(shared / LEVEL1 / "ASCEND_PROFILER_OUTPUT/kernel_details.csv")
    run = _loaded(shared / LEVEL1)
    source = str(run.ops.loc[run.ops["level"] == "device", "source"].iloc[0])
    names = [name for name in rows[0] if name.endswith("mte2_ratio")]
    values = [
        {"rank": 0, "counter": name, "value": float(row[name]), "source": source, "row": number}
        for number, row in enumerate(rows)
        for name in names
        if row[name] not in {"", "N/A"}
    ]
    told = {number for number in range(len(rows)) if any(v["row"] == number and v["value"] >= 0.8 for v in values)}
    expected = sum(int(Decimal(rows[number]["Duration(us)"].strip()) * 1000) for number in told)
    assert names
    findings = disease_findings(run, None, ALIGNMENT.empty(), None, COUNTERS.from_rows(values)).set_index("kind")
    assert "memory_bound" in findings.index
    assert findings.loc["memory_bound", "impact_ns"] == expected
    assert "memory_bound" not in _impacts(shared / LEVEL1)


def test_a_run_alone_is_triaged_with_its_counters(shared: Path) -> None:
    session = triage(Inputs(run=shared / LEVEL1))
    assert session.findings["kind"].tolist() == ["communication", "memory_bound", "layout"]
    assert session.findings["rank"].tolist() == [1, 2, 3]
    assert session.bridge.empty
    assert "no reference run was given" in " ".join(session.not_judged)


def test_a_run_of_which_only_the_split_of_its_steps_is_there_is_triaged_by_it(shared: Path) -> None:
    session = triage(Inputs(run=shared / WITHOUT_KERNELS[0]))
    assert session.findings["kind"].tolist() == ["communication"]
    assert session.findings["impact_ns"].tolist() == [441_708_380]
    assert "no rows of it are there" in session.findings.loc[0, "evidence"]
    assert any("what operators cost was not judged" in sentence for sentence in session.not_judged)


def test_two_runs_of_which_only_the_splits_are_there_are_compared_by_them(shared: Path) -> None:
    (found,) = triage(Inputs(ref=shared / WITHOUT_KERNELS[1], run=shared / WITHOUT_KERNELS[0])).findings.itertuples()
    assert found.impact_ns == 441_708_380 - 261_498_440
    assert "261.498 ms in the reference" in found.evidence


def test_a_run_is_judged_by_itself_where_the_reference_has_no_operators(shared: Path) -> None:
    session = triage(Inputs(ref=shared / WITHOUT_KERNELS[0], run=shared / LEVEL1))
    assert {"layout", "memory_bound"} <= set(session.findings["kind"])
    assert any("time was not compared" in sentence for sentence in session.not_judged)


def test_a_run_that_was_cut_short_is_said_to_be(shared: Path) -> None:
    rows = _table(shared / CUT_SHORT[1] / "ASCEND_PROFILER_OUTPUT/kernel_details.csv")
    (split,) = _table(shared / CUT_SHORT[1] / "ASCEND_PROFILER_OUTPUT/step_trace_time.csv")
    # These kernels overlap nowhere, so that their sum is the time in which the device is busy.
    left = sum(Decimal(row["Duration(us)"]) for row in rows)
    recorded = Decimal(split["Computing"]) + Decimal(split["Communication(Not Overlapped)"])
    (told,) = (one for one in triage(Inputs(run=shared / CUT_SHORT[1])).not_judged if "what is left of it" in one)
    assert f"{left / recorded:.1%}" in told


@pytest.mark.parametrize("recording", [LEVEL0, LEVEL1, LEVEL2])
def test_a_whole_run_is_not_said_to_be_cut_short(shared: Path, recording: Path) -> None:
    assert lost_rows(_loaded(shared / recording)) == ""


def test_the_rank_that_computes_longest_is_named(shared: Path) -> None:
    folder = shared / LEVEL2.parent
    findings = disease_findings(_loaded(folder), None, ALIGNMENT.empty(), None).set_index("kind")
    computing = {
        number: Decimal(
            _table(folder / f"rank_{number}_ascend_pt/ASCEND_PROFILER_OUTPUT/step_trace_time.csv")[0]["Computing"]
        )
        for number in (0, 1, 3)
    }
    slowest = max(computing, key=lambda number: computing[number])
    assert findings.loc["slow_rank", "op"] == f"rank {slowest}"


def test_lost_rows_are_no_idle_time(shared: Path) -> None:
    """Of this recording only 20 kernels were kept: the device was not idle in between."""
    folder = shared / "samples/mindspore_profiler/Ascend_msinsight/server/src/test/test_data/test_rank_0"
    assert _impacts(folder).get("host_bound", 0) <= 69_909_504


def test_a_fused_operator_that_became_six_kernels_is_named(samples: Path) -> None:
    ref, run = _loaded(samples / "vit/pytorch/profile"), _loaded(samples / "vit/mindspore_clean/graph")
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run)
    findings = disease_findings(run, ref, alignment, units.assign(slow=False))
    found = findings[findings["kind"] == "decomposed"]
    assert found["op"].str.contains("gelu|Gelu|cross_entropy|NllLoss|layer_norm|LayerNorm").any()
    for row in found.itertuples():
        assert "kernels here" in row.evidence
        rows = alignment[alignment["group"].isin(row.groups)]
        assert set(rows["side"]) == {"pt", "ms"}


def test_gradients_that_are_several_kernels_in_any_framework_are_not_decomposed(samples: Path) -> None:
    """A product has a gradient for each factor and one for the bias: no fused operator makes fewer."""
    ref, run = _loaded(samples / "vit/pytorch/profile"), _loaded(samples / "vit/mindspore_clean/pynative")
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run).assign(slow=False)
    products = (units["ref_operator"] == "AddmmBackward0") & (units["run_kernels"] == 3)
    assert products.any()
    slowed = units.assign(
        ref_kernels=units["ref_kernels"].where(~products, 1),
        run_wall_ns=units["run_wall_ns"].where(~products, units["run_wall_ns"] * 100),
    )
    findings = disease_findings(run, ref, alignment, slowed)
    assert "AddmmBackward0" not in set(findings.loc[findings["kind"] == "decomposed", "op"])


def test_what_is_decomposed_in_one_module_alone_is_one_finding_both_ways(samples: Path) -> None:
    ref, run = _loaded(samples / "vit/pytorch/profile"), _loaded(samples / "vit/mindspore_clean/pynative")
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run).assign(slow=False)
    gelu = units["ref_operator"].isin(["aten::gelu", "GeluBackward0"])
    module = units.loc[gelu, "module"].iloc[0]
    of_one = units[~gelu | (units["module"] == module)]
    slowed = of_one.assign(run_wall_ns=of_one["run_wall_ns"].where(of_one["module"] != module, 10**9))
    findings = disease_findings(run, ref, alignment, slowed)
    decomposed = findings[findings["kind"] == "decomposed"]
    (found,) = decomposed[decomposed["op"].str.contains("(?i)gelu")].itertuples()
    assert (found.module, found.op) == (module, "aten::gelu")
    assert "aten::gelu and GeluBackward0: " in found.evidence
    assert 1.9e9 < found.impact_ns < 2e9


@pytest.mark.parametrize("network", ["vit", "resnet", "lstm_text"])
def test_two_clean_recordings_have_none(shared: Path, network: str) -> None:
    folder = shared / "bench/alignment" / network
    for first, second in (("pt_stack", "pt_shapes"), ("pt_shapes", "pt_stack"), ("ms_pynative", "ms_pynative")):
        ref, run = _loaded(folder / first), _loaded(folder / second)
        alignment = align(ref, run)
        findings: pd.DataFrame = disease_findings(run, ref, alignment, judged_units(alignment, ref, run))
        assert findings.empty
