"""Attribute paths for class paths: by the order modules finish in, only where the trees agree."""

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
