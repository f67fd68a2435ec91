"""Modules that the user says were renamed: they win over what tensors are called, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from profkit.compare import compare_tensors
from profkit.compare.pairing import pair
from profkit.parsers.module_renames import ModuleRenames
from profkit.triage import Inputs, triage

Tensors = Callable[..., pd.DataFrame]


def test_a_renamed_module_and_what_is_below_it_find_their_other_name(tensors: Tensors) -> None:
    a = tensors(["enc.0.attn", "enc.0.norm.weight", "enc.1.attn", "head"])
    b = tensors(["layers.1.attention", "layers.0.attention", "layers.0.norm.gamma", "head"])
    assert not set(pair(a, b)["paired_by"].iloc[:3]) & {"name", "translated name"}
    found = pair(a, b, renames=ModuleRenames({"enc.*": "layers.*", "enc.*.attn": "layers.*.attention"}))
    assert dict(zip(found["row_a"], found["row_b"], strict=True)) == {0: 1, 1: 2, 2: 0, 3: 3}
    assert found["paired_by"].tolist() == ["renamed module", "renamed module", "renamed module", "name"]
    assert found["sure"].all()


def test_names_that_changed_places_are_followed(tensors: Tensors) -> None:
    a, b = tensors(["fc1", "fc2"]), tensors(["fc1", "fc2"])
    swapped = pair(a, b, renames=ModuleRenames({"fc1": "fc2", "fc2": "fc1"}))
    assert swapped["row_b"].tolist() == [1, 0]


def test_another_module_of_the_old_name_is_not_taken_for_it(tensors: Tensors) -> None:
    a, b = tensors(["fc", "norm"]), tensors(["fc", "norm"])
    assert pair(a, b)["row_b"].tolist() == [0, 1]
    found = pair(a, b, renames=ModuleRenames({"fc": "dense"}))
    assert (found["row_a"] >= 0).sum() == 2
    assert found.loc[found["row_a"] == 0, "row_b"].tolist() == [-1]
    assert found.loc[found["row_a"] == 1, "row_b"].tolist() == [1]
    assert -1 in found.loc[found["row_b"] == 0, "row_a"].tolist()


def test_operators_of_a_renamed_module_stand_for_it(tensors: Tensors) -> None:
    modules = tensors(["enc.proj"], shape="8,4")
    scope = "Default/network-WithLossCell/_backbone-Net/trunk-Cell/proj-Dense/BiasAdd-op3"
    graph = tensors([scope], shape="8,4")
    renames = ModuleRenames({"enc": "trunk"})
    assert pair(modules, graph)["paired_by"].isna().all() or pair(modules, graph)["paired_by"].iloc[0] != "module path"
    assert pair(modules, graph, renames=renames)["paired_by"].tolist() == ["module path"]


def test_parity_is_judged_under_the_names_of_a_hint(recording: Tensors) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    a = recording({"enc": values, "head": values * 2})
    b = recording({"trunk": values + 1, "head": values * 2})
    found = compare_tensors(a, b, renames=ModuleRenames({"enc": "trunk"})).set_index("name_a")
    assert found.loc["enc", "name_b"] == "trunk"
    assert found.loc["enc", "status"] == "mismatch"
    assert found.loc["head", "status"] == "match"


def test_triage_pairs_tensors_as_the_hints_say_and_tells_of_those_about_nothing(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    for side, names in (("ref", ["0000_enc.proj", "0001_head"]), ("run", ["0000_trunk.proj", "0001_head"])):
        folder = tmp_path / side / "outputs"
        folder.mkdir(parents=True)
        np.save(folder / f"{names[0]}.npy", values if side == "ref" else values + 0.5)
        np.save(folder / f"{names[1]}.npy", values)
    hints = tmp_path / "hints.toml"
    hints.write_text('[modules]\n"enc" = "trunk"\n', encoding="utf-8")
    session = triage(Inputs(ref=tmp_path / "ref", run=tmp_path / "run", hints=hints))
    by_name = session.parity.set_index("name_a")
    assert by_name.loc["enc.proj", "name_b"] == "trunk.proj"
    assert by_name.loc["enc.proj", "paired_by"] == "renamed module"
    assert bool(by_name.loc["enc.proj", "first_divergence"])
    assert not any("hints [modules]" in note for note in session.not_judged)
    hints.write_text('[modules]\n"encoder" = "trunk"\n', encoding="utf-8")
    told = triage(Inputs(ref=tmp_path / "ref", run=tmp_path / "run", hints=hints)).not_judged
    assert any("'encoder'" in note and "matches nothing" in note for note in told)
