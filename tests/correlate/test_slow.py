"""What became slow: planted slowdowns, clean pairs, and small synthetic tables with a known answer."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.correlate import align, judged_units, noise_notes, operator_rows, slow_findings
from profkit.correlate.identity import identify
from profkit.correlate.slow import _judged as judged
from profkit.correlate.slow import slow_classes
from profkit.correlate.timing import by_chance, side_words, step_table, timed_rows, unit_costs
from profkit.run import Run, load
from profkit.schema import FINDINGS, OPERATORS

NETWORKS = ("vit", "resnet", "lstm_text")


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _judged(ref: Run, run: Run) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run)
    operators = operator_rows(alignment, ref, run, units=units)
    return alignment, operators, slow_findings(alignment, units, across=ref.framework != run.framework)


def _rank_of_the_planted(shared: Path, network: str, case: str, reference: str, folder: Path) -> int | None:
    bench = shared / "bench" / "alignment"
    alignment, _, findings = _judged(_loaded(bench / network / reference), _loaded(bench / network / case))
    alignment.to_parquet(folder / "alignment.parquet")
    rows = [{"rank": int(row.rank), "kind": row.kind, "groups": list(row.groups)} for row in findings.itertuples()]
    (folder / "findings.json").write_text(json.dumps(rows))
    command = [sys.executable, bench / "score.py", "session", "--truth", bench / network / "truth.csv", "--case", case]
    command += ["--planted", bench / network / "planted.csv", "--session", folder]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["rank"]


@pytest.mark.parametrize("case", ["ms_slow0", "ms_slow1", "ms_slow2"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_planted_slowdown_is_among_the_first_three_against_pytorch(
    shared: Path, tmp_path: Path, network: str, case: str
) -> None:
    rank = _rank_of_the_planted(shared, network, case, "pt_stack", tmp_path)
    assert rank is not None
    assert rank <= 3


@pytest.mark.parametrize("case", ["ms_slow0", "ms_slow1", "ms_slow2"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_planted_slowdown_is_first_against_the_clean_run(
    shared: Path, tmp_path: Path, network: str, case: str
) -> None:
    assert _rank_of_the_planted(shared, network, case, "ms_pynative", tmp_path) == 1


@pytest.mark.parametrize("network", NETWORKS)
def test_two_clean_recordings_and_a_run_against_itself_give_nothing(shared: Path, network: str) -> None:
    folder = shared / "bench" / "alignment" / network
    one, other, mindspore = (_loaded(folder / name) for name in ("pt_stack", "pt_shapes", "ms_pynative"))
    for ref, run in ((one, other), (other, one), (one, one), (mindspore, mindspore)):
        _, operators, findings = _judged(ref, run)
        assert findings.empty
        assert not (operators["flag"].astype(object) == "slow").any()


def test_the_slow_module_of_the_bundled_vit_is_first_and_has_its_attribute_path(samples: Path) -> None:
    ref, run = _loaded(samples / "vit" / "pytorch"), _loaded(samples / "vit" / "mindspore_slow" / "pynative")
    alignment, operators, findings = _judged(ref, run)
    FINDINGS.validate(findings)
    OPERATORS.validate(operators)
    first = findings.iloc[0]
    assert first["module"] == "blocks.2.mlp.fc1"
    assert findings["rank"].tolist() == list(range(len(findings)))
    assert findings["impact_ns"].is_monotonic_decreasing
    modules = alignment.loc[alignment["group"].isin(first["groups"]), "module"].astype(str)
    assert modules.unique().tolist() == ["blocks.2.mlp.fc1"]
    assert "slow" in set(operators.loc[operators["module"] == "blocks.2.mlp.fc1", "flag"].dropna())


def test_parity_and_overflow_are_joined_by_module(samples: Path) -> None:
    ref, run = _loaded(samples / "vit" / "pytorch"), _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    parity = pd.DataFrame(
        {
            "module": ["blocks.1.mlp.act", "blocks.1.mlp.act", "head"],
            "io": ["output", "output", "output"],
            "status": ["match", "mismatch", "match"],
            "max_abs": [0.0, 0.5, 1e-7],
        }
    )
    overflow = pd.DataFrame({"module": ["blocks.1.norm2", "blocks.1.norm2"], "role": ["carrier", "origin"]})
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run)
    rows = operator_rows(alignment, ref, run, units=units, parity=parity, overflow=overflow)
    of_module = rows[rows["phase"] == "forward"].drop_duplicates("module").set_index("module")
    assert of_module.loc["blocks.1.mlp.act", "parity"] == "mismatch"
    assert of_module.loc["blocks.1.mlp.act", "max_abs"] == 0.5
    assert of_module.loc["head", "parity"] == "match"
    assert of_module.loc["blocks.1.norm2", "overflow"] == "origin"
    assert pd.isna(of_module.loc["blocks.0.norm2", "overflow"])


def test_a_run_without_a_reference_has_no_operator_rows(samples: Path) -> None:
    run = _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    nothing = Run(Path("nothing"), "mindspore")
    assert operator_rows(align(nothing, nothing), None, run).empty


@pytest.mark.parametrize("side", ["ref", "run"])
def test_wall_times_of_a_step_add_up_to_its_span(samples: Path, side: str) -> None:
    ref, run = (
        _loaded(samples / "vit" / "pytorch" / "profile"),
        _loaded(samples / "vit" / "mindspore_clean" / "pynative"),
    )
    alignment = align(ref, run)
    words = dict(zip(("ref", "run"), side_words(alignment, ref), strict=True))
    rows = timed_rows(alignment, words[side], ref if side == "ref" else run)
    steps = rows.assign(end_ns=rows["start_ns"] + rows["dur_ns"]).groupby("step")
    span = steps["end_ns"].max() - steps["start_ns"].min()
    assert (steps["wall_ns"].sum() == span).all()
    assert (rows["wall_ns"] >= 0).all()


def test_costs_are_medians_over_steps(samples: Path) -> None:
    ref, run = (
        _loaded(samples / "vit" / "pytorch" / "profile"),
        _loaded(samples / "vit" / "mindspore_clean" / "pynative"),
    )
    alignment = align(ref, run)
    rows = timed_rows(alignment, "ms", run)
    costs = unit_costs(timed_rows(alignment, "pt", ref), rows)
    kernel_times = step_table(rows, "dur_ns")
    unit = costs.index[10]
    own = alignment[(alignment["side"] == "ms") & (alignment["unit"] == unit)].groupby("step")["dur_ns"].sum()
    assert costs.loc[unit, "run_ns"] == own.median() == kernel_times.loc[unit].median()
    assert (costs["steps"] == 3).all()


def test_a_class_that_is_slow_everywhere_is_one_finding() -> None:
    classes = np.repeat(["conv", "matmul", "norm", "elementwise"], 5)
    slowdown = np.where(classes == "conv", 30.0, 2.0)
    units = pd.DataFrame({"op_class": classes, "ref_wall_ns": 1000.0})
    units["run_wall_ns"] = units["ref_wall_ns"] * slowdown
    units["expected_ns"] = units["run_low_ns"] = units["run_wall_ns"]
    found = slow_classes(units, across=True)
    assert found.index.tolist() == ["conv"]
    assert found.loc["conv", "usual_ratio"] == pytest.approx(2.0)
    assert found.loc["conv", "excess_ns"] == pytest.approx(5 * 28_000.0)


def test_a_unit_that_the_reference_stretched_makes_no_class_slow() -> None:
    classes = np.repeat(["norm", "matmul", "elementwise"], 5)
    units = pd.DataFrame({"op_class": classes, "ref_wall_ns": 1000.0})
    units["run_wall_ns"] = units["run_low_ns"] = 1000.0 * np.where(classes == "norm", 12.0, 4.0)
    units.loc[0, "ref_wall_ns"] = 100_000.0
    units["expected_ns"] = units["ref_wall_ns"] * np.where(classes == "norm", 12.0, 4.0)
    assert slow_classes(units, across=True).empty


def test_a_class_that_a_busy_machine_stretched_in_most_steps_is_not_slow() -> None:
    classes = np.repeat(["norm", "matmul", "elementwise"], 5)
    units = pd.DataFrame({"op_class": classes, "ref_wall_ns": 1000.0, "run_low_ns": 1000.0})
    units["run_wall_ns"] = units["expected_ns"] = 1000.0 * np.where(classes == "norm", 12.0, 1.0)
    assert slow_classes(units, across=False).empty


def _rows(walls: np.ndarray) -> pd.DataFrame:
    """Rows of units (lines) in steps (columns)."""
    unit, step = np.indices(walls.shape)
    return pd.DataFrame({"rank": 0, "unit": unit.ravel(), "step": step.ravel(), "wall_ns": walls.ravel()})


def test_stalls_that_hit_any_unit_explain_one_that_was_hit_in_every_step() -> None:
    random = np.random.default_rng(0)
    walls = np.full((200, 3), 100_000.0) + np.where(random.random((200, 3)) < 0.4, 4e6, 0.0)
    longer = pd.Series([4e6, 4e7], index=[0, 1]).reindex(range(200), fill_value=0.0)
    expected = by_chance(_rows(walls), longer)
    assert 200 * 0.4**3 / 2 < expected[0] < 200 * 0.4**3 * 2
    assert expected[1] == 0.0


@pytest.mark.parametrize("quiet_steps", [1, 2, 50])
def test_a_slow_step_of_all_units_explains_no_unit_that_is_slow_in_the_others(quiet_steps: int) -> None:
    walls = np.full((50, 1 + quiet_steps), 100_000.0)
    walls[:, 0] += 5e6
    expected = by_chance(_rows(walls), pd.Series(4e6, index=range(50)))
    assert (expected == 0.0).all()


def test_what_stalls_explain_is_told_and_not_found(samples: Path) -> None:
    run = _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    alignment = align(run, run)
    ops, unit = run.ops, alignment["unit"].to_numpy()
    random = np.random.default_rng(1)
    # Whole milliseconds within some operators of every step, and one operator that is hit in each of them.
    hit = pd.Series(random.random(len(ops)) < 0.25)
    hit[alignment.loc[(alignment["side"] == "run") & (unit == np.sort(unit[unit >= 0])[40]), "row"]] = True
    later = np.where(hit, 4_000_000, 0)
    stalled = replace(
        run, ops=ops.assign(dur_ns=ops["dur_ns"] + later, start_ns=ops["start_ns"] + later.cumsum() - later)
    )
    units = judged_units(align(run, stalled), run, stalled)
    assert units["in_noise"].any()
    assert not units["slow"].any()
    chance = pd.Series(1.0, index=units.index)
    decomposed = judged(units.assign(run_kernels=3 * units["ref_kernels"]), np.log(units["usual_ratio"]), chance)
    assert decomposed["slow"].equals(units["in_noise"].rename("slow"))
    (note,) = noise_notes(units)
    assert "record more steps, or on a quiet machine" in note
    assert noise_notes(units.assign(in_noise=False)) == []


def test_what_costs_most_of_a_slow_class_is_named_beside_it_and_counted_once(samples: Path) -> None:
    """A depthwise convolution among slow convolutions: its like are slow, so it does not stand out from them."""
    run = _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    alignment = align(run, run)
    units = judged_units(alignment, run, run)
    products = units.index[units["op_class"] == "matmul"]
    slowed = units.assign(run_wall_ns=units["ref_wall_ns"])
    slowed.loc[products, "run_wall_ns"] *= 30.0
    even = slowed.assign(run_low_ns=slowed["run_wall_ns"], expected_ns=slowed["run_wall_ns"])
    (alike,) = slow_findings(alignment, even, across=True).itertuples()
    assert alike.op == f"all {len(products)} matmul operators"
    costliest = products[5]
    even.loc[costliest, ["run_wall_ns", "run_low_ns"]] = even.loc[products, "run_wall_ns"].sum()
    even.loc[costliest, "excess_ns"] = even.loc[costliest, "run_wall_ns"] - even.loc[costliest, "expected_ns"]
    first, second = slow_findings(alignment, even, across=True).itertuples()
    assert second.op == alike.op
    assert set(first.groups) == set(alignment.loc[alignment["unit"] == costliest, "group"])
    assert "all matmul operators are slow here" in first.evidence
    assert first.advice.startswith("1 kernel (MatMul)")
    assert first.impact_ns == round(even.loc[costliest, "run_wall_ns"] - even.loc[costliest, "ref_wall_ns"])
    own = even.loc[costliest, "expected_ns"] - even.loc[costliest, "ref_wall_ns"]
    assert second.impact_ns == pytest.approx(alike.impact_ns - own, abs=2)
