"""Sums and worst verdicts up the tree of modules, against counts by hand."""

from __future__ import annotations

import pandas as pd

from profkit.module_tree import module_tree
from profkit.schema import OPERATORS, OVERFLOW, PARITY


def operators(rows: list[tuple[str | None, int | None, int | None, str | None]]) -> pd.DataFrame:
    return OPERATORS.from_rows(
        [
            {"unit": at, "operator": "op", "module": module, "ref_ns": ref, "run_ns": run, "flag": flag}
            | {"steps": 1, "reason": "-"}
            for at, (module, ref, run, flag) in enumerate(rows)
        ]
    )


def parity(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return PARITY.from_rows(
        [
            {"name_a": module, "status": status, "max_abs": largest, "module": module}
            | {"first_divergence": False, "reason": "-"}
            for module, status, largest in rows
        ]
    )


def overflow(*rows: tuple[str, str]) -> pd.DataFrame:
    return OVERFLOW.from_rows(
        [
            {"iteration": 0, "order": at, "op": "op", "role": role, "reason": "-", "module": module, "rank": 0}
            | {"primary": False}
            for at, (module, role) in enumerate(rows)
        ]
    )


def test_times_and_verdicts_are_summed_up_the_tree():
    tree = module_tree(
        operators(
            [
                ("net.a.fc", 10, 20, None),
                ("net.b", 5, None, "missing_op"),
                ("net.a.act", 1, 9, "slow"),
                (None, 100, 200, "slow"),
                ("net.a", 2, 2, None),
            ]
        ),
        parity(("net.a.fc", "match", 1e-7), ("net.a.act", "mismatch", 0.5), ("net.b", "undecidable", 1e-3)),
        overflow(("net.c", "carrier"), ("net.a.act", "masked")),
    ).set_index("module")
    assert list(tree.index) == ["", "net", "net.a", "net.a.fc", "net.a.act", "net.b", "net.c"]
    assert list(tree["depth"]) == [0, 1, 2, 3, 3, 2, 2]
    assert list(tree["ref_ns"]) == [118, 18, 13, 10, 1, 5, pd.NA]
    assert list(tree["run_ns"].fillna(-1)) == [231, 31, 31, 20, 9, -1, -1]
    assert list(tree["operators"]) == [5, 4, 3, 1, 1, 1, 0]
    assert list(tree["slow"]) == [2, 1, 1, 0, 1, 0, 0]
    assert tree["parity"].astype(object).fillna("-").tolist() == ["mismatch"] * 3 + ["match", "mismatch", "undecidable", "-"]  # fmt: skip  # noqa: E501
    assert tree["overflow"].astype(object).fillna("-").tolist() == ["carrier", "carrier", "masked", "-", "masked", "-", "carrier"]  # fmt: skip  # noqa: E501
    assert tree.loc["net.a", "max_abs"] == 0.5
    assert tree.loc["net.a", "ratio"] == 31 / 13
    assert pd.isna(tree.loc["net.b", "ratio"])


def test_odd_paths_end_in_a_tree_as_well():
    names = ["", ".", "..", "a..b", ".a", "a."]
    tree = module_tree(operators([(name, 1, 1, None) for name in names]), parity(), overflow())
    assert tree.loc[0, "ref_ns"] == len(names)
    assert set(names) <= set(tree["module"])
    assert tree["module"].is_unique


def test_nothing_gives_the_whole_network_alone():
    tree = module_tree(OPERATORS.empty(), PARITY.empty(), OVERFLOW.empty())
    assert list(tree["module"]) == [""]
    assert tree["ref_ns"].isna().all()
