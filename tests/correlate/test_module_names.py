"""Attribute paths for class paths: by the order modules finish in, only where the trees agree."""

import pandas as pd

from profkit.correlate.composite_names import joining_keys, loss_names, network_root, with_composites
from profkit.correlate.module_names import paired_by_order

CLASSES = [
    "Net.Conv",
    "Net.Block_0.Linear_0",
    "Net.Block_0.Linear_1",
    "Net.Block_0",
    "Net.Block_1.Linear",
    "Net.Block_1",
    "Net",
    "Loss",
]
NAMES = ["stem", "blocks.0.a", "blocks.0.b", "blocks.0", "blocks.1.a", "blocks.1"]


def test_all_but_the_outermost() -> None:
    assert paired_by_order(CLASSES, NAMES) == dict(zip(CLASSES[:6], NAMES, strict=True))


def test_leaves_only() -> None:
    leaves = ["stem", "blocks.0.a", "blocks.0.b", "blocks.1.a"]
    assert paired_by_order(CLASSES, leaves) == {
        "Net.Conv": "stem",
        "Net.Block_0.Linear_0": "blocks.0.a",
        "Net.Block_0.Linear_1": "blocks.0.b",
        "Net.Block_1.Linear": "blocks.1.a",
    }


def test_another_number_of_modules_tells_nothing() -> None:
    assert paired_by_order(CLASSES, NAMES[:-1]) == {}


def test_another_tree_of_the_same_size_tells_nothing() -> None:
    assert paired_by_order(CLASSES, ["stem", "blocks.0.a", "blocks.1.a", "blocks.0", "blocks.1.b", "blocks.1"]) == {}


def test_nothing_recorded() -> None:
    assert paired_by_order([], []) == {}
    assert paired_by_order(CLASSES, []) == {}
    assert paired_by_order([], NAMES) == {}


def test_modules_above_named_ones_are_named() -> None:
    leaves = paired_by_order(CLASSES, ["stem", "blocks.0.a", "blocks.0.b", "blocks.1.a"])
    assert with_composites(leaves, CLASSES) == leaves | {"Net.Block_0": "blocks.0", "Net.Block_1": "blocks.1"}


def test_names_above_follow_level_by_level_and_the_network_keeps_its_class() -> None:
    paths = ["Net.A.B.C_0", "Net.A.B.C_1", "Net.A.B", "Net.A", "Net"]
    named = {"Net.A.B.C_0": "x.y.p", "Net.A.B.C_1": "x.y.q"}
    assert with_composites(named, paths) == named | {"Net.A.B": "x.y", "Net.A": "x"}


def test_what_does_not_agree_is_not_named() -> None:
    paths = ["Net.A.C_0", "Net.A.C_1", "Net.A", "Net"]
    assert "Net.A" not in with_composites({"Net.A.C_0": "x.p", "Net.A.C_1": "y.q"}, paths)
    twice = ["Net.A.C", "Net.A", "Net.B.C", "Net.B"]
    assert with_composites({"Net.A.C": "x.p", "Net.B.C": "x.q"}, twice).keys() == {"Net.A.C", "Net.B.C"}


def test_the_loss_is_the_module_beside_the_network_that_computes_it() -> None:
    rows = pd.DataFrame({"op_class": ["loss", "matmul", "loss"], "module": ["MyLoss", "Net.A", None]})
    assert network_root(CLASSES) == "Net"
    assert loss_names(rows, "Net") == {"MyLoss": "loss"}
    assert loss_names(rows.assign(module="Net.Head"), "Net") == {}
    assert loss_names(rows.assign(module=["LossA", "Net.A", "LossB"]), "Net") == {}


def test_keys_that_join_operators_with_dumps() -> None:
    rows = pd.DataFrame(
        {"module": ["Net", "blocks.0", None, None, "loss"], "op_class": ["copy", "matmul", "loss", "matmul", "loss"]}
    )
    keys = joining_keys(rows, "Net")
    assert keys.fillna("none").tolist() == ["", "blocks.0", "loss", "none", "loss"]
    assert joining_keys(rows, None).fillna("none").tolist() == ["Net", "blocks.0", "loss", "none", "loss"]
