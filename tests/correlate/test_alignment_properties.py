"""What must hold of every alignment, on recorded runs: against itself, mirrored, permuted, and under other names."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.correlate import align, judged_units
from profkit.correlate.identity import identify
from profkit.run import Run, load
from profkit.triage import Inputs, judge

NETWORKS = ("vit", "resnet", "lstm_text")
MODES = ("ms_pynative", "ms_graph", "ms_graph_jit")
SLOW = ("ms_slow0", "ms_slow1", "ms_slow2")
BUNDLED = ("pytorch/profile", "mindspore_clean/pynative", "mindspore_clean/graph", "mindspore_slow")
LARGEST_CHANGE = 0.03


_REFERENCES = ("parent", "launcher", "forward_op")


def _other(word: str) -> str:
    return "X" + hashlib.sha256(word.encode()).hexdigest()[:8]


def _renamed_torch_module(name: str) -> str:
    """`nn.Module: ViTBlock_3` with another class of the same number."""
    return re.sub(r"(nn\.Module: )(\w+?)((?:_\d+)?)$", lambda fit: fit[1] + _other(fit[2]) + fit[3], name)


def _renamed_scope(name: str) -> str:
    """The scope of a MindSpore operator with other names of attributes and classes; places in lists stay."""
    *scopes, operator = name.split("/")
    return "/".join([*map(_renamed_level, scopes), operator])


def _renamed_level(level: str) -> str:
    attribute, dash, cell = level.partition("-")
    if not dash:
        return level
    return f"{attribute if attribute.isdigit() else _other(attribute)}-{_other(cell)}"


def _with_other_module_names(path: Path) -> Run:
    run = load(path)
    spans = run.spans.assign(name=run.spans["name"].cat.rename_categories(_renamed_torch_module))
    names = {name: _renamed_scope(str(name)) for name in run.ops["name"].cat.categories}
    ops = run.ops.assign(name=run.ops["name"].astype(object).map(names).astype("category"))
    return identify(replace(run, ops=ops, spans=spans))


def _without_module_names(path: Path) -> Run:
    """No module spans of PyTorch, and no cells in the names of MindSpore.

    What was in different cells is numbered cell by cell, as the compiler of the jitted recordings numbers it: the cells
    in the order in which they end.
    """
    return _with_bare_names(path, lambda ended, number: (ended, number))


def _without_module_names_and_numbers(path: Path) -> Run:
    """As without module names, but numbered as they run: the numbers tell nothing either."""
    return _with_bare_names(path, lambda ended, number: (0, 0))


def _with_bare_names(path: Path, place: Callable[[int, int], tuple[int, int]]) -> Run:
    run = load(path)
    spans = run.spans[run.spans["kind"] != "module"].reset_index(drop=True)
    in_time = list(run.ops.sort_values("start_ns")["name"].astype(str).unique())
    ended = {name.rpartition("-op")[0]: at for at, name in enumerate(in_time)}

    def its_place(name: str) -> tuple[int, int]:
        kind, _, number = name.rpartition("-op")
        return place(ended[kind], int(number) if number.isdigit() else 0)

    numbers: dict[str, int] = {}
    names = {name: _bare(name, numbers) for name in sorted(in_time, key=its_place)}
    ops = run.ops.assign(name=run.ops["name"].astype(object).map(names).astype("category"))
    return identify(replace(run, ops=ops, spans=spans))


def _bare(name: str, numbers: dict[str, int]) -> str:
    *scopes, operator = name.split("/")
    kept = "/".join(scope for scope in scopes if "-" not in scope)
    kind, numbered, _ = operator.rpartition("-op")
    if len(kept.split("/")) == len(scopes) or not numbered:
        return name
    number = numbers[f"{kept}/{kind}"] = numbers.get(f"{kept}/{kind}", -1) + 1
    return f"{kept}/{kind}-op{number}"


def _with_shuffled_rows(run: Run, seed: int) -> tuple[Run, np.ndarray]:
    """The rows in another order, and of each row its old number."""
    old = np.random.default_rng(seed).permutation(len(run.ops))
    new = np.empty(len(old) + 1, dtype=np.int64)
    new[old] = np.arange(len(old))
    new[-1] = -1
    ops = run.ops.iloc[old].reset_index(drop=True)
    return replace(run, ops=ops.assign(**{name: new[ops[name].to_numpy()] for name in _REFERENCES})), old


def _with_exchanged_steps(run: Run) -> Run:
    """The last step at the time and under the number of the first one, and the other way round."""
    steps = sorted(int(step) for step in run.ops["step"].unique() if step >= 0)
    first, last = steps[0], steps[-1]
    starts = run.ops.groupby("step")["start_ns"].min()
    shift = {first: starts[last] - starts[first], last: starts[first] - starts[last]}
    moved = run.ops["step"].map(lambda step: shift.get(step, 0)).astype("int64")
    number = run.ops["step"].map(lambda step: {first: last, last: first}.get(step, step)).astype("int32")
    return replace(run, ops=run.ops.assign(start_ns=run.ops["start_ns"] + moved, step=number))


CHANGES: dict[str, Callable[[Path], Run]] = {"renamed": _with_other_module_names, "removed": _without_module_names}


def _groups(alignment: pd.DataFrame, column: str = "group") -> dict[tuple[str, int], int]:
    """Of each matched execution (side, row) the number of its group, numbered as they come in order of rows."""
    matched = alignment[alignment[column] >= 0].sort_values(["side", "row"])
    codes = pd.factorize(matched[column])[0]
    return dict(zip(zip(matched["side"].astype(str), matched["row"], strict=True), codes.tolist(), strict=True))


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _mirrored(of: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    other = {"ref": "run", "run": "ref"}
    exchanged = sorted((other[side], row, group) for (side, row), group in of.items())
    numbers: dict[int, int] = {}
    return {(side, row): numbers.setdefault(group, len(numbers)) for side, row, group in exchanged}


def _assert_matches_itself(run: Run) -> None:
    alignment = align(run, run)
    rows = alignment[~alignment["reason"].astype(str).str.startswith("outside the steps")]
    assert len(rows) > 100
    partner = rows.pivot(index="row", columns="side", values="group")
    assert (partner["ref"] == partner["run"]).all()
    assert (partner["ref"] >= 0).all()
    session = judge(run, run, Inputs(run=run.path, ref=run.path))
    assert session.findings.empty, session.findings[["kind", "evidence"]].to_dict("records")
    assert (session.bridge["delta_ns"] == 0).all()


@pytest.mark.parametrize("recording", BUNDLED)
def test_a_run_matches_itself_and_nothing_is_slow(samples: Path, recording: str) -> None:
    _assert_matches_itself(_loaded(samples / "vit" / recording))


@pytest.mark.exhaustive
@pytest.mark.parametrize("recording", ["pt_stack", "pt_shapes", *MODES])
@pytest.mark.parametrize("network", NETWORKS)
def test_recorded_networks_match_themselves(shared: Path, network: str, recording: str) -> None:
    _assert_matches_itself(_loaded(shared / "bench" / "alignment" / network / recording))


def _assert_mirrored(before: Run, after: Run) -> None:
    there, back = align(before, after), align(after, before)
    assert _groups(back) == _mirrored(_groups(there))
    assert (there["group"] >= 0).mean() > 0.5


def test_exchanged_sides_give_the_mirrored_alignment(samples: Path) -> None:
    vit = samples / "vit"
    _assert_mirrored(_loaded(vit / "mindspore_clean" / "pynative"), _loaded(vit / "mindspore_slow"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("before", "after"),
    [*(("ms_pynative", slow) for slow in SLOW), ("pt_stack", "pt_shapes"), ("ms_graph", "ms_graph_jit")],
)
def test_recorded_pairs_can_be_mirrored(shared: Path, network: str, before: str, after: str) -> None:
    folder = shared / "bench" / "alignment" / network
    _assert_mirrored(_loaded(folder / before), _loaded(folder / after))


@pytest.mark.parametrize("others", BUNDLED[1:3])
def test_the_order_of_rows_and_steps_changes_nothing(samples: Path, others: str) -> None:
    vit = samples / "vit"
    ref, run = _loaded(vit / "pytorch" / "profile"), _loaded(vit / others)
    plain = align(ref, run)
    shuffled, old = _with_shuffled_rows(run, seed=7)
    told = align(ref, shuffled)
    ours = told["side"] == "ms"
    assert _groups(told.assign(row=told["row"].where(~ours, old[told["row"].where(ours, 0)]))) == _groups(plain)
    exchanged = _with_exchanged_steps(run)
    assert _groups(align(ref, exchanged), "unit") == _groups(plain, "unit")
    columns = ["ref_ns", "run_ns", "ref_wall_ns", "run_wall_ns", "slow", "module"]
    as_before, after = (
        judged_units(align(ref, one), ref, one)[columns].sort_values(columns[:4]).reset_index(drop=True)
        for one in (run, exchanged)
    )
    pd.testing.assert_frame_equal(as_before, after)


def _f1(shared: Path, network: str, ref: Run, run: Run, folder: Path) -> dict[str, float]:
    bench = shared / "bench" / "alignment"
    out = folder / "alignment.csv"
    align(ref, run).to_csv(out, index=False)
    command = [sys.executable, bench / "score.py", "align", "--truth", bench / network / "truth.csv"]
    done = subprocess.run([*command, "--alignment", out], capture_output=True, text=True, check=True)
    scores = json.loads(done.stdout)
    return {phase: scores[phase]["op"]["f1"] for phase in ("forward", "backward")}


def _partners(alignment: pd.DataFrame) -> pd.Series:
    """Of each MindSpore row the PyTorch rows it was matched with."""
    matched = alignment[alignment["group"] >= 0]
    torch = matched[matched["side"] == "pt"].groupby("group")["row"].agg(frozenset)
    ours = matched[matched["side"] == "ms"].set_index("row")["group"]
    return ours.map(torch)


def _assert_names_do_not_matter(shared: Path, network: str, mode: str, change: str, folder: Path) -> None:
    recordings = [shared / "bench" / "alignment" / network / name for name in ("pt_stack", mode)]
    plain, changed = ([read(path) for path in recordings] for read in (_loaded, CHANGES[change]))
    if mode == "ms_graph":
        assert set(changed[1].ops["module"].dropna()).isdisjoint(set(plain[1].ops["module"].dropna()) - {"loss"})
    assert set(changed[0].ops["module"].dropna()).isdisjoint(plain[0].ops["module"].dropna())
    before, after = (_f1(shared, network, *runs, folder) for runs in (plain, changed))
    for phase, score in before.items():
        assert abs(after[phase] - score) <= LARGEST_CHANGE, (phase, before, after)


def test_other_module_names_change_no_score(shared: Path, tmp_path: Path) -> None:
    _assert_names_do_not_matter(shared, "vit", "ms_graph", "renamed", tmp_path)


def test_branches_that_only_names_tell_apart_are_left_open_without_them(shared: Path) -> None:
    folder = shared / "bench" / "alignment" / "lstm_text"
    plain = align(_loaded(folder / "pt_stack"), _loaded(folder / "ms_graph"))
    removed = align(*(_without_module_names_and_numbers(folder / name) for name in ("pt_stack", "ms_graph")))
    before, after = (_partners(alignment).to_dict() for alignment in (plain, removed))
    rows = removed[removed["side"] == "ms"].set_index("row")
    lost = rows.loc[sorted(before.keys() - after.keys())]
    assert len(lost) > 50
    assert lost["reason"].astype(str).str.startswith("ambiguous").all()
    assert (lost["candidates"] >= 0).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("network", NETWORKS)
def test_names_of_modules_decide_nothing(shared: Path, tmp_path: Path, network: str, mode: str, change: str) -> None:
    _assert_names_do_not_matter(shared, network, mode, change, tmp_path)


# Norms of a block and of its shortcut have equal shapes: the compiler numbers their gradients in either order.
@pytest.mark.parametrize(("network", "right"), [("vit", 1.0), ("resnet", 0.92), ("lstm_text", 1.0)])
def test_graphs_that_were_compiled_in_another_order_meet(shared: Path, network: str, right: float) -> None:
    """The same network compiled twice, once without names of cells; the labels come from the parameters it reads."""
    folder = shared / "bench" / "alignment" / network
    alignment = align(_loaded(folder / "ms_graph"), _loaded(folder / "ms_graph_jit"))
    truth = pd.read_csv(folder / "truth.csv", dtype={"start_ns": "int64"})
    parts = []
    for side, variant in (("ref", "graph"), ("run", "graph_jit")):
        its = truth[(truth["side"] == "ms") & (truth["variant"] == variant) & (truth["source"] == "parameter")]
        labels = its[["start_ns", "module"]].dropna().rename(columns={"module": "label"})
        parts.append(alignment[(alignment["side"] == side) & (alignment["group"] >= 0)].merge(labels, on="start_ns"))
    both = parts[0].merge(parts[1], on="group", suffixes=("_ref", "_run"))
    assert len(both) >= 0.95 * min(map(len, parts))
    assert (both["label_ref"] == both["label_run"]).mean() >= right
    moved = alignment[alignment["reason"].astype(str).str.startswith("compiled in another order")]
    assert moved.groupby("group")["input_shapes"].nunique().eq(1).all()
    assert moved.groupby("group")["side"].nunique().eq(2).all()
    assert not moved.empty
