"""The bridge adds up to the measured difference, names the planted module, and never spreads what is not aligned."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.bridge import Bridge, bridge
from profkit.correlate import align, judged_units
from profkit.correlate.identity import identify
from profkit.run import Run, load
from profkit.schema import BRIDGE, BRIDGE_ROWS, OPS, SPANS, STEPS

NETWORKS = ("vit", "resnet", "lstm_text")
PAIRS = (
    ("pt_stack", "ms_pynative"),
    ("pt_shapes", "ms_graph"),
    ("pt_stack", "ms_graph_jit"),
    ("pt_shapes", "ms_slow1"),
    ("pt_stack", "pt_shapes"),
    ("ms_graph", "pt_stack"),
    ("ms_pynative", "ms_graph"),
)


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _bridged(ref: Run, run: Run) -> tuple[pd.DataFrame, Bridge]:
    alignment = align(ref, run)
    return alignment, bridge(alignment, ref, run, judged_units(alignment, ref, run))


def _lower_median(lengths: Sequence[int]) -> int:
    return sorted(lengths)[(len(lengths) - 1) // 2]


def _adds_up(found: Bridge, ref_length: int, run_length: int) -> None:
    BRIDGE.validate(found.parts)
    BRIDGE_ROWS.validate(found.rows)
    assert int(found.parts["ref_ns"].sum()) == ref_length
    assert int(found.parts["run_ns"].sum()) == run_length
    assert int(found.parts["delta_ns"].sum()) == run_length - ref_length
    assert (found.parts["delta_ns"] == found.parts["run_ns"] - found.parts["ref_ns"]).all()
    for side in ("ref", "run"):
        own = found.rows[found.rows["side"] == side].groupby("bridge")["ns"].sum()
        assert own.reindex(found.parts.index, fill_value=0).tolist() == found.parts[f"{side}_ns"].tolist()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("reference", "other"), PAIRS)
def test_recorded_migrations_add_up(shared: Path, network: str, reference: str, other: str) -> None:
    folder = shared / "bench" / "alignment" / network
    ref, run = _loaded(folder / reference), _loaded(folder / other)
    alignment, found = _bridged(ref, run)
    across = ref.framework != run.framework
    lengths = []
    for one, word in ((ref, "ref"), (run, "run")):
        side = {"pytorch": "pt", "mindspore": "ms"}[one.framework] if across else word
        aligned = alignment.loc[(alignment["side"] == side) & (alignment["unit"] >= 0), "step"].unique()
        lengths.append(_lower_median([int(dur) for dur in one.steps.loc[one.steps["step"].isin(aligned), "dur_ns"]]))
    _adds_up(found, *lengths)


@pytest.mark.parametrize("case", [0, 1, 2])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_planted_module_is_the_largest_row_before_and_after(shared: Path, network: str, case: int) -> None:
    folder = shared / "bench" / "alignment" / network
    ref, run = _loaded(folder / "ms_pynative"), _loaded(folder / f"ms_slow{case}")
    alignment, found = _bridged(ref, run)
    planted = pd.read_csv(folder / "planted.csv").set_index("case").loc[f"ms_slow{case}", "module"]
    truth = pd.read_csv(folder / "truth.csv", keep_default_na=False)
    truth = truth[(truth["variant"] == "pynative") & (truth["side"] == "ms")].set_index("start_ns")
    largest = found.parts["delta_ns"].idxmax()
    unit = found.parts.loc[largest, "unit"]
    of_unit = alignment[(alignment["unit"] == unit) & (alignment["side"] == "ref")]
    labels = truth.loc[truth.index.isin(of_unit["start_ns"]), "module"]
    assert set(labels) == {planted}


def test_an_alignment_with_itself_has_no_difference(samples: Path) -> None:
    run = _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    _, found = _bridged(run, run)
    assert len(found.parts)
    assert not found.parts["delta_ns"].any()


@pytest.mark.parametrize(
    "folder",
    [
        "torch/hta/ns_resolution_trace",
        "mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt",
        "mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt",
    ],
)
def test_device_recordings_against_themselves_add_up(shared: Path, folder: str) -> None:
    run = _loaded(shared / "samples" / folder)
    _, found = _bridged(run, run)
    if found.ref is None:
        assert found.parts.empty
        return
    _adds_up(found, found.ref.length_ns, found.ref.length_ns)
    assert not found.parts["delta_ns"].any()


ROW = st.tuples(
    st.sampled_from(["MatMul", "Add", "Cast", "TransData", "hcom_allReduce_", "Softmax"]),
    st.integers(0, 300),
    st.integers(0, 60),
    st.sampled_from(["forward", "backward", "optimizer"]),
)
CLASSES = {"MatMul": "matmul", "Add": "elementwise", "Cast": "copy", "TransData": "copy", "Softmax": "softmax"}


def _synthetic_run(rows: list[tuple[str, int, int, str]], level: str, steps: int) -> Run:
    """A synthetic run: the same rows in every step, at random times that overlap as they like."""
    count = len(rows)
    at = np.repeat(np.arange(steps), count)
    types = [kind for kind, *_ in rows] * steps
    starts = np.tile([start for _, start, *_ in rows], steps) + 1_795_415_169_153_090_001 + 250 * at
    names = pd.Series(types, dtype=object)
    ops = OPS.build(
        {
            "rank": np.zeros(count * steps, np.int32),
            "step": at.astype(np.int32),
            "level": pd.Series([level] * (count * steps), dtype=object),
            "start_ns": starts.astype(np.int64),
            "dur_ns": np.tile([dur for _, _, dur, _ in rows], steps).astype(np.int64),
            "self_ns": np.zeros(count * steps, np.int64),
            "name": names,
            "op_type": names,
            "op_class": names.map({**CLASSES, "hcom_allReduce_": "communication"}),
            "phase": pd.Series([phase for *_, phase in rows] * steps, dtype=object),
            "parent": np.full(count * steps, -1, np.int64),
            "launcher": np.full(count * steps, -1, np.int64),
            "forward_op": np.full(count * steps, -1, np.int64),
            "carry_over": np.arange(count * steps) % 17 == 13,
            "source": pd.Series(["synthetic"] * (count * steps), dtype=object),
            "row": np.arange(count * steps, dtype=np.int64),
        }
    )
    numbers = np.arange(steps)
    marks = STEPS.build(
        {
            "rank": np.zeros(steps, np.int32),
            "step": numbers.astype(np.int32),
            "start_ns": pd.array(1_795_415_169_153_090_001 - 5 + 250 * numbers, dtype="Int64"),
            "dur_ns": pd.array(240 + 7 * numbers, dtype="Int64"),
            "how": pd.Series(["recorded"] * steps, dtype=object),
            "source": pd.Series(["synthetic"] * steps, dtype=object),
        }
    )
    return Run(Path("synthetic"), "mindspore", ops=ops, steps=marks, spans=SPANS.empty())


@settings(deadline=None, max_examples=20)
@given(
    st.lists(ROW, min_size=1, max_size=14),
    st.lists(ROW, min_size=1, max_size=14),
    st.sampled_from(["host", "device"]),
    st.integers(1, 4),
)
def test_random_runs_add_up(
    ref_rows: list[tuple[str, int, int, str]], run_rows: list[tuple[str, int, int, str]], level: str, steps: int
) -> None:
    ref, run = _synthetic_run(ref_rows, level, steps), _synthetic_run(run_rows, level, steps)
    alignment, found = _bridged(ref, run)
    if found.ref is None or found.run is None:
        assert found.parts.empty
        return
    _adds_up(found, found.ref.length_ns, found.run.length_ns)
    unmatched = alignment[alignment["unit"] < 0]
    for side in ("ref", "run"):
        rows = found.rows[found.rows["side"] == side].merge(
            unmatched.loc[unmatched["side"] == side, ["row"]], on="row", how="inner"
        )
        parts = set(found.parts.loc[rows["bridge"], "part"])
        assert parts <= {f"{side}_only", "not_aligned", "layout_and_cast", "communication", "host_gap"}


def test_parts_are_what_they_are_called() -> None:
    """A hand-made step: 10 ns each of product, cast, hidden and uncovered communication, update, with gaps of 5."""
    rows = [
        ("MatMul", 0, 10, "forward"),
        ("Cast", 15, 10, "forward"),
        ("Softmax", 25, 10, "backward"),
        ("hcom_allReduce_", 25, 20, "backward"),
        ("Add", 50, 10, "optimizer"),
    ]
    slower = [("MatMul", 0, 13, "forward"), *rows[1:]]
    ref, run = _synthetic_run(rows, "device", 1), _synthetic_run(slower, "device", 1)
    _, found = _bridged(ref, run)
    sums = found.parts.groupby("part", observed=True)[["ref_ns", "run_ns"]].sum()
    assert sums.loc["slower"].tolist() == [10, 13]
    assert sums.loc["faster"].tolist() == [10, 10]
    assert sums.loc["layout_and_cast"].tolist() == [10, 10]
    assert sums.loc["communication"].tolist() == [10, 10]
    assert sums.loc["optimizer"].tolist() == [10, 10]
    # 5 before the first row, 5 and 5 between, the rest of the recorded 240 after the last; 3 fewer before the Cast.
    assert sums.loc["host_gap"].tolist() == [240 - 50, 240 - 53]
