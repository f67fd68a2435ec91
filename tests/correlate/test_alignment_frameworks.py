"""PyTorch against MindSpore: recorded networks with known labels, and the bundled Vision Transformer."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import Run, load
from profkit.schema import ALIGNMENT

NETWORKS = ("vit", "resnet", "lstm_text")


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _scores(shared: Path, network: str, alignment: pd.DataFrame, folder: Path) -> dict:
    bench = shared / "bench" / "alignment"
    exported = folder / "alignment.csv"
    alignment.to_csv(exported, index=False)
    command = [sys.executable, bench / "score.py", "align", "--truth", bench / network / "truth.csv"]
    done = subprocess.run([*command, "--alignment", exported], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("recording", ["pt_stack", "pt_shapes"])
@pytest.mark.parametrize("network", NETWORKS)
def test_pynative_is_placed_as_labelled(shared: Path, tmp_path: Path, network: str, recording: str) -> None:
    folder = shared / "bench" / "alignment" / network
    alignment = align(_loaded(folder / recording), _loaded(folder / "ms_pynative"))
    scores = _scores(shared, network, alignment, tmp_path)
    assert scores["forward"]["op"]["f1"] >= 0.98
    assert scores["backward"]["op"]["f1"] >= 0.95
    assert scores["units_per_group"]["p50"] <= 4
    assert scores["groups_within_one_step"] == 1.0


# The two products of a GRU cell have equal shapes, and the scheduler mixes them: their backward pass cannot be told.
@pytest.mark.parametrize(
    ("network", "mode", "floors"),
    [
        ("vit", "ms_graph", (0.98, 0.98)),
        ("vit", "ms_graph_jit", (0.98, 0.98)),
        ("resnet", "ms_graph", (0.98, 0.98)),
        ("resnet", "ms_graph_jit", (0.98, 0.98)),
        ("lstm_text", "ms_graph", (0.97, 0.15)),
        ("lstm_text", "ms_graph_jit", (0.97, 0.15)),
    ],
)
def test_compiled_graphs_are_placed_as_labelled(
    shared: Path, tmp_path: Path, network: str, mode: str, floors: tuple[float, float]
) -> None:
    folder = shared / "bench" / "alignment" / network
    alignment = align(_loaded(folder / "pt_stack"), _loaded(folder / mode))
    scores = _scores(shared, network, alignment, tmp_path)
    assert scores["forward"]["op"]["f1"] >= floors[0]
    assert scores["backward"]["op"]["f1"] >= floors[1]


@pytest.mark.parametrize("mode", ["ms_graph", "ms_graph_jit"])
def test_what_cannot_be_told_names_its_candidates(shared: Path, mode: str) -> None:
    folder = shared / "bench" / "alignment" / "lstm_text"
    alignment = align(_loaded(folder / "pt_stack"), _loaded(folder / mode))
    left_open = alignment[alignment["reason"].astype(str).str.startswith("ambiguous")]
    assert len(left_open)
    assert (left_open["group"] == -1).all()
    assert left_open["confidence"].isna().all()
    sides = alignment[alignment["candidates"] >= 0].groupby("candidates")["side"].nunique()
    assert set(left_open["candidates"]) <= set(sides.index[sides == 2])


def test_what_all_candidates_tell_is_told_of_what_is_left_open(shared: Path) -> None:
    """Expanded kernels tell no phase; those that one of three equal GELUs ran in backward are of backward."""
    folder = shared / "bench" / "alignment" / "vit"
    alignment = align(_loaded(folder / "pt_stack"), _loaded(folder / "ms_graph_jit"))
    left_open = alignment[(alignment["candidates"] >= 0) & (alignment["group"] < 0) & (alignment["side"] == "ms")]
    expanded = left_open[left_open["name"].astype(str).str.startswith("Expand/")]
    assert len(expanded)
    assert left_open["phase"].notna().all()
    for candidates, rows in left_open.groupby("candidates"):
        torch = alignment[(alignment["candidates"] == candidates) & (alignment["side"] == "pt")]
        assert set(rows["phase"]) <= set(torch["phase"])


def _forward_groups(alignment: pd.DataFrame) -> pd.DataFrame:
    """One row a forward group: its torch operator, module and MindSpore kernels."""
    rows = alignment[(alignment["group"] >= 0) & (alignment["phase"] == "forward")]
    rows = rows.assign(kernel=rows["name"].astype(str).str.replace(r".*/|-op\d+$", "", regex=True))
    torch = rows[rows["side"] == "pt"].drop_duplicates("group").set_index("group").rename(columns={"row": "torch_row"})
    kernels = rows[rows["side"] == "ms"].sort_values("start_ns").groupby("group")["kernel"].agg(list)
    rows_of = rows[rows["side"] == "ms"].groupby("group")["row"].agg(list)
    return torch[["name", "module", "start_ns", "torch_row"]].join(kernels).join(rows_of).sort_values("start_ns")


EXPECTED_KERNELS = {
    "aten::conv2d": {"Conv2D", "BiasAdd"},
    "aten::linear": {"MatMul", "BiasAdd"},
    "aten::matmul": {"BatchMatMul"},
    "aten::layer_norm": {"LayerNorm"},
    "aten::softmax": {"Softmax"},
    "aten::gelu": {"Erf", "Mul"},
}
MODULE_OF_OPERATOR = {
    "aten::conv2d": "Conv2d",
    "aten::linear": "Linear",
    "aten::matmul": "Attention",
    "aten::layer_norm": "LayerNorm",
    "aten::softmax": "Softmax",
    "aten::gelu": "GELU",
}


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_every_heavy_operator_of_the_bundled_vit_has_its_counterpart(samples: Path, mode: str) -> None:
    torch = _loaded(samples / "vit" / "pytorch" / "profile")
    alignment = align(torch, _loaded(samples / "vit" / "mindspore_clean" / mode))
    groups = _forward_groups(alignment)
    heavy = groups[groups["name"].isin(list(EXPECTED_KERNELS))]
    recorded = alignment[(alignment["side"] == "pt") & alignment["name"].isin(list(EXPECTED_KERNELS))]
    assert len(heavy) == len(recorded) == 3 * (1 + 17 + 8 + 9 + 4 + 4)
    for row in heavy.itertuples():
        assert set(row.kernel) >= EXPECTED_KERNELS[row.name], row
        assert MODULE_OF_OPERATOR[row.name] in torch.ops["module"][row.torch_row]


def test_pynative_kernels_keep_the_order_of_the_blocks(samples: Path) -> None:
    alignment = align(
        _loaded(samples / "vit" / "pytorch" / "profile"), _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    )
    first_rows = _forward_groups(alignment)["row"].dropna().map(min)
    assert first_rows.is_monotonic_increasing


def test_graph_kernels_with_parameters_are_in_the_module_their_scope_names(samples: Path) -> None:
    graph = _loaded(samples / "vit" / "mindspore_clean" / "graph")
    torch = _loaded(samples / "vit" / "pytorch" / "profile")
    groups = _forward_groups(align(torch, graph))
    names = graph.ops["name"].astype(str)
    class_paths = torch.ops["module"].astype(str).iloc[groups["torch_row"]].set_axis(groups.index)
    block = class_paths.str.extract(r"Block_(\d)")[0].dropna()
    checked = 0
    for group, number in block.items():
        for row in groups.loc[group, "row"]:
            scope = pd.Series([names[row]]).str.extract(
                r"blocks-SequentialCell/(\d)-.*(?:MatMul|BiasAdd|LayerNorm)-op"
            )[0][0]
            if isinstance(scope, str) and "Gradients" not in names[row]:
                assert scope == number
                checked += 1
    assert checked >= 3 * 4 * 10


def test_renamed_modules_change_nothing(samples: Path) -> None:
    torch, mindspore = (
        _loaded(samples / "vit" / "pytorch" / "profile"),
        _loaded(samples / "vit" / "mindspore_clean" / "graph"),
    )
    renamed_ops = torch.ops.assign(module=torch.ops["module"].cat.rename_categories(lambda name: f"m{hash(name)}"))
    before = align(torch, mindspore)
    after = align(Run(torch.path, torch.framework, ops=renamed_ops, steps=torch.steps), mindspore)
    pd.testing.assert_frame_equal(before.drop(columns="module"), after.drop(columns="module"))


def test_the_order_of_the_arguments_does_not_matter(samples: Path) -> None:
    torch, mindspore = (
        _loaded(samples / "vit" / "pytorch" / "profile"),
        _loaded(samples / "vit" / "mindspore_clean" / "pynative"),
    )
    pd.testing.assert_frame_equal(align(torch, mindspore), align(mindspore, torch))


def test_rows_are_complete_and_units_repeat_over_steps(samples: Path) -> None:
    torch, mindspore = (
        _loaded(samples / "vit" / "pytorch" / "profile"),
        _loaded(samples / "vit" / "mindspore_clean" / "pynative"),
    )
    alignment = align(torch, mindspore)
    ALIGNMENT.validate(alignment)
    assert len(alignment[alignment["side"] == "ms"]) == len(mindspore.ops)
    assert len(alignment[alignment["side"] == "pt"]) == int((torch.ops["parent"] < 0).sum())
    assert not alignment.duplicated(["side", "row"]).any()
    matched = alignment[alignment["group"] >= 0]
    assert (matched.groupby("group")["side"].nunique() == 2).all()
    assert (matched.groupby("unit")["group"].nunique() == 3).all()
    assert alignment.loc[alignment["group"] < 0, "confidence"].isna().all()


def test_runs_without_operators_give_an_empty_alignment(samples: Path) -> None:
    nothing = Run(Path("nothing"), "pytorch")
    mindspore = _loaded(samples / "vit" / "mindspore_clean" / "pynative")
    assert align(nothing, Run(Path("nothing"), "mindspore")).empty
    assert (align(nothing, mindspore)["group"] == -1).all()
