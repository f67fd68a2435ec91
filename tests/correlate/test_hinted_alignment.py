"""What the user says wins over what would have been found; what says nothing is told."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align
from profkit.correlate.hint_notes import hint_notes
from profkit.correlate.identity import identify
from profkit.parsers.alignment_hints import AlignmentHints, PairHint
from profkit.parsers.module_renames import module_pattern, renamed
from profkit.run import Run, load
from profkit.schema import ALIGNMENT


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


@pytest.fixture
def torch(samples: Path) -> Run:
    return _loaded(samples / "vit" / "pytorch" / "profile")


@pytest.fixture
def graph(samples: Path) -> Run:
    return _loaded(samples / "vit" / "mindspore_clean" / "graph")


def _numbered(alignment: pd.DataFrame) -> pd.DataFrame:
    """The alignment with groups and units numbered as they come: which number they have tells nothing."""
    matched = alignment["group"] >= 0
    codes = {name: pd.factorize(alignment[name].where(matched))[0] for name in ("group", "unit")}
    return alignment.assign(**codes)


def _kernels_of(alignment: pd.DataFrame, operator: str) -> list[set[str]]:
    """The MindSpore kernels of each group of a forward operator."""
    forward = alignment[(alignment["phase"] == "forward") & (alignment["group"] >= 0)]
    groups = forward.loc[forward["name"] == operator, "group"]
    of_groups = forward[forward["group"].isin(groups) & (forward["side"] == "ms")]
    short = of_groups["name"].astype(str).str.replace(r".*/|-op\d+$", "", regex=True)
    return [set(names) for _, names in short.groupby(of_groups["group"])]


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_a_pair_wins_over_the_kernel_of_the_same_name(samples: Path, torch: Run, mode: str) -> None:
    mindspore = _loaded(samples / "vit" / "mindspore_clean" / mode)
    assert all("Softmax" in kernels for kernels in _kernels_of(align(torch, mindspore), "aten::softmax"))
    hints = AlignmentHints(pairs=(PairHint("aten::softmax", "Erf", phase="forward"),))
    alignment = align(torch, mindspore, hints=hints)
    ALIGNMENT.validate(alignment)
    groups = _kernels_of(alignment, "aten::softmax")
    assert groups == [{"Erf"}] * 12
    pairs = alignment[alignment["reason"] == "the user says that these do the same work"]
    assert (pairs["confidence"] == 1.0).all()
    assert pairs.groupby("unit")["group"].nunique().eq(3).all()
    order = pairs.groupby(["group", "side"], observed=True)["start_ns"].first().unstack()
    assert order["pt"].is_monotonic_increasing
    assert order["ms"].is_monotonic_increasing
    assert hint_notes(hints, torch, mindspore, alignment) == []
    mirrored = align(mindspore, torch, hints=AlignmentHints(pairs=(PairHint("Erf", "aten::softmax", phase="forward"),)))
    pd.testing.assert_frame_equal(alignment, mirrored)


def test_more_on_one_side_are_shared_out_in_order(torch: Run, graph: Run) -> None:
    hints = AlignmentHints(pairs=(PairHint("aten::softmax", "BatchMatMul", phase="forward"),))
    groups = align(torch, graph, hints=hints)
    pairs = groups[groups["reason"].astype(str).str.startswith("the user")]
    assert pairs.groupby(["group", "side"], observed=True).size().unstack().drop_duplicates().values.tolist() == [
        [2, 1]
    ]


def test_renamed_modules_hold_their_operators_together(torch: Run, graph: Run) -> None:
    own = graph.ops["module"].astype(object).to_numpy()
    hints = AlignmentHints(modules={"blocks.0": "blocks.1", "blocks.1": "blocks.0"})
    alignment = align(torch, graph, hints=hints)
    kernels = alignment[(alignment["side"] == "ms") & (alignment["group"] >= 0) & (alignment["phase"] == "forward")]
    scopes = pd.Series(own[kernels["row"]], index=kernels.index).dropna()
    for scope, other in (("blocks.0", "blocks.1"), ("blocks.1", "blocks.0"), ("blocks.2", "blocks.2")):
        chosen = scopes[scopes.str.startswith(scope)]
        assert len(chosen) == 3 * 11
        assert set(kernels.loc[chosen.index, "module"]) == set(chosen.str.replace(scope, other, n=1))


def test_what_is_below_a_renamed_module_has_the_names_of_the_reference(samples: Path, torch: Run) -> None:
    new = torch.ops["module"].cat.rename_categories(lambda name: str(name).replace("Sequential.Block_", "Layers.Cell_"))
    after = Run(torch.path, torch.framework, ops=torch.ops.assign(module=new), steps=torch.steps)
    hints = AlignmentHints(modules={"VisionTransformer.Sequential.Block_*": "VisionTransformer.Layers.Cell_*"})
    assert hint_notes(hints, torch, after, align(torch, after, hints=hints)) != []  # Block_* is a part of a level
    exact = {f"VisionTransformer.Sequential.Block_{n}": f"VisionTransformer.Layers.Cell_{n}" for n in range(4)}
    alignment = align(torch, after, hints=AlignmentHints(modules=exact))
    modules = [set(alignment.loc[alignment["side"] == side, "module"].dropna()) for side in ("ref", "run")]
    assert modules[0] == modules[1]
    plain, told = (_numbered(one).drop(columns="module") for one in (align(torch, after), alignment))
    pd.testing.assert_frame_equal(told, plain)


def test_a_path_with_a_wildcard_is_renamed_level_by_level() -> None:
    renames = [(module_pattern("enc.*.attn"), "encoder.layers.*.attention")]
    assert renamed("enc.3.attn.q", renames) == "encoder.layers.3.attention.q"
    assert renamed("enc.3.attn", renames) == "encoder.layers.3.attention"
    assert renamed("enc.3.attn2", renames) == "enc.3.attn2"
    assert renamed("enc.3.4.attn", renames) == "enc.3.4.attn"


def test_hints_that_match_nothing_are_told(torch: Run, graph: Run) -> None:
    hints = AlignmentHints(
        modules={"blocks.0": "blocks.0", "no.such": "blocks.1", "blocks.2": "neither"},
        classes={"NoSuchKernel*": "norm", "aten::gelu": "gelu"},
        pairs=(
            PairHint("aten::nothing", "Erf"),
            PairHint("aten::conv2d", "Erf", phase="forward", run_module="nowhere"),
        ),
    )
    alignment = align(torch, graph, hints=hints)
    pd.testing.assert_frame_equal(_numbered(alignment), _numbered(align(torch, graph)))
    notes = hint_notes(hints, torch, graph, alignment)
    assert len(notes) == 5
    for note, words in zip(
        notes, ["'no.such'", "'neither'", "'NoSuchKernel*'", "in the reference", "in the run"], strict=True
    ):
        assert words in note
        assert "matches nothing" in note


def test_numbers_that_do_not_go_into_each_other_are_told(torch: Run, graph: Run) -> None:
    hints = AlignmentHints(pairs=(PairHint("aten::linear", "Erf", phase="forward"),))
    alignment = align(torch, graph, hints=hints)
    (note,) = hint_notes(hints, torch, graph, alignment)
    assert "left out 51 of 51 and 12 of 12 executions" in note
    pd.testing.assert_frame_equal(_numbered(alignment), _numbered(align(torch, graph)))


@pytest.mark.parametrize("run", [{"run": "*/BiasAddGrad-op*"}, {"run": "BiasAddGrad"}])
def test_a_pair_decides_what_was_left_open(shared: Path, run: dict[str, str]) -> None:
    folder = shared / "bench" / "alignment" / "lstm_text"
    torch, graph = _loaded(folder / "pt_stack"), _loaded(folder / "ms_graph_jit")
    open_before = align(torch, graph)
    hints = AlignmentHints(pairs=(PairHint("AddmmBackward0", phase="backward", **run),))
    alignment = align(torch, graph, hints=hints)
    assert hint_notes(hints, torch, graph, alignment) == []
    keys = ["side", "row"]
    pairs = alignment[alignment["reason"] == "the user says that these do the same work"].set_index(keys)
    before = open_before.set_index(keys)["candidates"].reindex(pairs.index)
    assert (before >= 0).sum() > 100
    assert (pairs["candidates"] == -1).all()
    assert pairs.groupby("group").size().eq(2).all()
    sets = alignment[alignment["candidates"] >= 0]
    assert 0 < len(sets) < (open_before["candidates"] >= 0).sum()
    assert sets.groupby("candidates")["side"].nunique().eq(2).all()
