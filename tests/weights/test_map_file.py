"""Maps as files: profkit's own, the TroubleShooter's, tables of names; and those made to harm."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from profkit.errors import ProfkitError
from profkit.parsers.dump.weight_map import read_weight_map
from profkit.weights import (
    NetDescription,
    ParameterDescription,
    WeightMap,
    describe,
    make_map,
    read_map,
    write_map,
    write_troubleshooter_map,
)

CONV1D = "troubleshooter.migrator.mapping_relation.weight_adapter.trans_conv1d_weight_value"
# As troubleshooter 1.0.18 writes it.
TROUBLESHOOTER: list[Any] = [
    {"c1.weight": "c1.weight", "bn.weight": "bn.gamma", "bn.num_batches_tracked": "bn.num_batches_tracked"},
    {"c1.weight": CONV1D},
]


def a_map() -> WeightMap:
    source = {
        "c1.weight": (6, 4, 3), "fc.weight": (5, 7), "bn.weight": (6,), "bn.num_batches_tracked": (), "lost": (1, 2),
        "emb.weight": (9, 4), "head.weight": (9, 4),
    }  # fmt: skip
    target = {"c1.weight": (6, 4, 1, 3), "fc.weight": (7, 5), "bn.gamma": (6,), "emb.embedding_table": (9, 4)}
    here = tuple(
        ParameterDescription(name, shape, "float32", tied_to="emb.weight" if name == "head.weight" else None)
        for name, shape in source.items()
    )
    there = tuple(ParameterDescription(name, shape, "float32") for name, shape in target.items())
    return make_map(NetDescription("pytorch", here), NetDescription("mindspore", there))


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = a_map()
    write_map(tmp_path / "map.json", made)
    assert read_map(tmp_path / "map.json") == made
    names = {
        "c1.weight": "c1.weight",
        "fc.weight": "fc.weight",
        "bn.weight": "bn.gamma",
        "emb.weight": "emb.embedding_table",
    }
    assert read_weight_map(tmp_path / "map.json") == names


def test_the_troubleshooters_map_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "torch_net_map.json").write_text(json.dumps(TROUBLESHOOTER))
    read = read_map(tmp_path / "torch_net_map.json")
    assert [(row.sources[0], row.target, " ".join(map(str, row.operations))) for row in read.rows] == [
        ("c1.weight", "c1.weight", "expand_dims(2)"),
        ("bn.weight", "bn.gamma", ""),
        ("bn.num_batches_tracked", "bn.num_batches_tracked", ""),
    ]
    write_troubleshooter_map(tmp_path / "written.json", a_map())
    text = (tmp_path / "written.json").read_text()
    assert "\n" not in text
    names, values = json.loads(text)
    assert names == {
        "c1.weight": "c1.weight", "fc.weight": "fc.weight", "bn.weight": "bn.gamma",
        "bn.num_batches_tracked": "bn.num_batches_tracked", "emb.weight": "emb.embedding_table",
        "head.weight": "emb.embedding_table",
    }  # fmt: skip
    assert values == {"c1.weight": CONV1D, "fc.weight": "transpose(1,0)"}
    again = read_map(tmp_path / "written.json")
    assert {row.sources[0]: row.status for row in again.rows}["head.weight"] == "tied"
    assert str({row.sources[0]: row for row in again.rows}["fc.weight"].operations[0]) == "transpose(1,0)"


@pytest.mark.parametrize("form", ["json", "toml"])
def test_a_table_of_names(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"names.{form}"
    path.write_text('{"a": "b"}' if form == "json" else '[names]\n"a" = "b"\n')
    assert [(row.sources, row.target) for row in read_map(path).rows] == [(("a",), "b")]


@pytest.mark.parametrize(
    "content",
    [
        [{"a": "b"}, {"a": "os.system"}],
        [{"a": "b"}, {"a": "canary_module.run"}],
        [{"a": "b"}, {"a": "eval(1)"}],
        [{"a": "b"}, {"a": 1}],
        [{"a": "b"}, ["a"]],
        [{"a": 1}, {}],
        {"a": "c", "b": "c"},
        {},
        [],
        {"format": "profkit weight map", "version": 2, "rows": []},
        {"format": "profkit weight map", "version": 1, "rows": [{"sources": ["a"], "target": "b", "status": "fine"}]},
        {"format": "profkit weight map", "version": 1, "rows": [{"sources": [], "target": "b", "status": "mapped"}]},
        {"format": "profkit weight map", "version": 1, "rows": 3},
        {
            "format": "profkit weight map",
            "version": 1,
            "rows": [{"sources": ["a"], "target": "b", "status": "mapped", "operations": ["os.system(1)"]}],
        },
        {
            "format": "profkit weight map",
            "version": 1,
            "rows": [{"sources": [name], "target": "b", "status": "mapped"} for name in "ac"],
        },
    ],
)
def test_a_map_that_is_none_or_names_functions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    (tmp_path / "canary_module.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\ndef run(x): return x\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    path = tmp_path / "map.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ProfkitError) as refused:
        read_map(path)
    assert "\n" not in refused.value.message
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": ', "\xff"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ProfkitError, match=r"map\.json"):
        read_map(path)
    with pytest.raises(ProfkitError, match=r"map\.json"):
        describe(path)


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    parameters = (
        ParameterDescription("a.w", (2, 3), "float32", "mindspore.nn.layer.basic.Dense", "a.weight"),
        ParameterDescription("b", (), "int64"),
        ParameterDescription("c", None, None, tied_to="b"),
    )
    NetDescription("mindspore", parameters).save(tmp_path / "net.json")
    read = describe(tmp_path / "net.json")
    assert (read.framework, read.parameters) == ("mindspore", parameters)
    NetDescription("mindspore", parameters[:1] * 2).save(tmp_path / "twice.json")
    with pytest.raises(ProfkitError, match="two parameters"):
        describe(tmp_path / "twice.json")
