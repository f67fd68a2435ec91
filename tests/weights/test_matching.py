"""Maps of networks that are described by hand: what belongs together, what stays open, and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profkit.errors import ProfkitError
from profkit.weights import MapRow, NetDescription, ParameterDescription, WeightMap, make_map, predicted_map, read_rules

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights-by-layer.md"
Parameters = dict[str, tuple[int, ...]]


def net(framework: str, parameters: Parameters, layers: dict[str, str] | None = None, **tied: str) -> NetDescription:
    """A network; `layers` has classes by name, `tied` originals by name, with _ for dots."""
    layers = layers or {}
    return NetDescription(
        framework,
        tuple(
            ParameterDescription(name, shape, "float32", layers.get(name), tied_to=tied.get(name.replace(".", "_")))
            for name, shape in parameters.items()
        ),
    )


def torch_net(parameters: Parameters, layers: dict[str, str] | None = None, **tied: str) -> NetDescription:
    return net("pytorch", parameters, layers, **tied)


def mindspore_net(parameters: Parameters, layers: dict[str, str] | None = None, **tied: str) -> NetDescription:
    return net("mindspore", parameters, layers, **tied)


def told(made: WeightMap) -> list[tuple[str, str | None, str, str]]:
    return [(" ".join(row.sources), row.target, row.status, " ".join(map(str, row.operations))) for row in made.rows]


def row_of(made: WeightMap, name: str) -> MapRow:
    return next(row for row in made.rows if name in row.sources or name == row.target)


def test_rows_are_in_the_order_of_the_source_and_what_only_the_target_has_follows_its_predecessor() -> None:
    source = torch_net({"a.weight": (2,), "b.weight": (3,), "b.num_batches_tracked": ()})
    target = mindspore_net({"new.w2": (7,), "b.gamma": (3,), "late.x": (9,), "a.gamma": (2,)})
    assert told(make_map(source, target)) == [
        ("", "new.w2", "target_only", ""),
        ("a.weight", "a.gamma", "mapped", ""),
        ("b.weight", "b.gamma", "mapped", ""),
        ("", "late.x", "target_only", ""),
        ("b.num_batches_tracked", None, "not_needed", ""),
    ]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "network._backbone.", "student."])
def test_a_wrapper_around_one_network_is_seen_through(prefix: str) -> None:
    names: Parameters = {"conv.weight": (4, 3, 3, 3), "norm.weight": (4,), "norm.bias": (4,), "fc.weight": (5, 4)}
    wrapped = torch_net({prefix + name: shape for name, shape in names.items()})
    bare = mindspore_net({"conv.weight": (4, 3, 3, 3), "norm.gamma": (4,), "norm.beta": (4,), "fc.weight": (5, 4)})
    expected = ["conv.weight", "norm.gamma", "norm.beta", "fc.weight"]
    assert [row.target for row in make_map(wrapped, bare).rows] == expected
    assert [row.sources[0] for row in make_map(bare, wrapped).rows] == expected
    assert not make_map(wrapped, bare).unsettled


def test_a_wrapper_under_which_few_names_agree_is_none() -> None:
    source = torch_net({"inner.fc.weight": (5, 4), "inner.a.weight": (2, 3), "b.weight": (8, 9), "c.weight": (1, 7)})
    target = mindspore_net({"fc.weight": (5, 4), "x.weight": (9, 9), "y.weight": (8, 8), "z.weight": (7, 7)})
    assert row_of(make_map(source, target), "inner.fc.weight").status != "mapped"


def test_equal_names_of_other_shapes_are_told_and_not_mapped() -> None:
    made = make_map(torch_net({"fc.weight": (10, 4)}), mindspore_net({"fc.weight": (1000, 4)}))
    assert told(made) == [("fc.weight", "fc.weight", "shape", "")]
    assert "(10, 4) against (1000, 4)" in made.rows[0].reason


@pytest.mark.parametrize(
    ("here", "there", "operations", "status"),
    [
        ((6, 4, 3), (6, 4, 1, 3), "expand_dims(2)", "mapped"),
        ((6, 4, 1, 3), (6, 4, 3), "squeeze(2)", "mapped"),
        ((6, 4, 1), (6, 4, 1, 1), "expand_dims(2)", "mapped"),
        ((1, 1, 8), (8,), "reshape(8)", "mapped"),
        ((5, 7), (7, 5), "transpose(1,0)", "mapped"),
        ((8, 3, 5, 6), (8, 5, 6, 3), "transpose(0,2,3,1)", "mapped"),
        ((8, 5, 6, 3), (8, 3, 5, 6), "transpose(0,3,1,2)", "mapped"),
        ((768, 3, 16, 16), (768, 768), "reshape(768,768)", "assumed"),
        ((6, 4), (4, 3, 2), "", "shape"),
    ],
)
def test_what_the_shapes_show(here: tuple[int, ...], there: tuple[int, ...], operations: str, status: str) -> None:
    row = make_map(torch_net({"x.weight": here}), mindspore_net({"x.weight": there})).rows[0]
    assert (" ".join(map(str, row.operations)), row.status) == (operations, status)


def test_square_matrices_among_transposed_ones_stay_open() -> None:
    source: Parameters = {"a.weight": (4, 8), "a.bias": (8,), "b.weight": (6, 6), "b.bias": (6,)}
    target: Parameters = {"a.weight": (8, 4), "a.bias": (8,), "b.weight": (6, 6), "b.bias": (6,)}
    made = make_map(torch_net(source), mindspore_net(target))
    assert row_of(made, "a.weight").operations
    assert row_of(made, "b.weight").status == "ambiguous"
    conv1d = dict.fromkeys(source, "transformers.pytorch_utils.Conv1D")
    dense = dict.fromkeys(target, "mindspore.nn.layer.basic.Dense")
    known = make_map(torch_net(source, conv1d), mindspore_net(target, dense))
    assert str(row_of(known, "b.weight").operations[0]) == "transpose(1,0)"


def test_a_name_that_two_could_bear_stays_with_neither() -> None:
    source = torch_net({"x.weight": (4,)})
    made = make_map(source, mindspore_net({"x.gamma": (4,), "x.w": (4,)}))
    assert {row.status for row in made.rows} == {"ambiguous"}
    assert len(made.rows) == 3
    told_by_shape = make_map(source, mindspore_net({"x.gamma": (4,), "x.w": (9,)}))
    assert row_of(told_by_shape, "x.weight").target == "x.gamma"


def test_fused_projections_and_their_parts() -> None:
    whole = torch_net({"attn.in_proj_weight": (12, 4), "attn.in_proj_bias": (12,)})
    names = [f"attn.{part}_proj" for part in "qkv"]
    parts = mindspore_net({f"{n}.weight": (4, 4) for n in names} | {f"{n}.bias": (4,) for n in names})
    split = make_map(whole, parts)
    assert not split.unsettled
    assert told(split)[1] == ("attn.in_proj_weight", "attn.k_proj.weight", "mapped", "split(0,1,3)")
    merged = make_map(parts, whole)
    assert not merged.unsettled
    assert told(merged)[0] == (
        "attn.q_proj.weight attn.k_proj.weight attn.v_proj.weight", "attn.in_proj_weight", "mapped", "concatenate(0)",
    )  # fmt: skip
    assert sorted(told(split.reversed())) == sorted(told(merged))
    assert sorted(told(merged.reversed())) == sorted(told(split))


def test_two_biases_become_one_where_the_layer_only_adds_them() -> None:
    def layer(gates: int) -> Parameters:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return dict(
            zip((f"rnn.{n}" for n in names), [(gates * 3, 5), (gates * 3, 3), *[(gates * 3,)] * 2], strict=True)
        )

    def one_bias(gates: int) -> Parameters:
        weights = {name: shape for name, shape in layer(gates).items() if "weight" in name}
        return {**weights, "rnn.bias_l0": (gates * 3,)}

    lstm = make_map(torch_net(layer(4)), mindspore_net(one_bias(4)))
    assert not lstm.unsettled
    assert str(row_of(lstm, "rnn.bias_l0").operations[0]) == "add()"
    gru = make_map(torch_net(layer(3)), mindspore_net(one_bias(3)))
    assert row_of(gru, "rnn.bias_l0").status == "target_only"


def test_tied_weights() -> None:
    source: Parameters = {"emb.weight": (9, 4), "head.weight": (9, 4)}
    tied = torch_net(source, head_weight="emb.weight")
    once = mindspore_net({"emb.embedding_table": (9, 4)})
    assert told(make_map(tied, once))[1] == ("head.weight", "emb.embedding_table", "tied", "")
    untied = make_map(torch_net(source), once)
    assert row_of(untied, "head.weight").status == "source_only"
    placed = mindspore_net({"emb.embedding_table": (9, 4), "head.weight": (9, 4)}, head_weight="emb.embedding_table")
    assert told(make_map(torch_net(source), placed))[1] == ("head.weight", "emb.embedding_table", "tied", "")
    back = make_map(placed, tied)
    assert [(row.sources[0], row.target) for row in back.rows] == [
        ("emb.embedding_table", "emb.weight"),
        ("emb.embedding_table", "head.weight"),
    ]


def test_statistics_of_an_instance_norm_are_not_missed_but_those_of_a_batch_norm_are() -> None:
    source: Parameters = {"n.weight": (4,), "n.bias": (4,)}
    target: Parameters = {"n.gamma": (4,), "n.beta": (4,), "n.moving_mean": (4,), "n.moving_variance": (4,)}
    instance = dict.fromkeys(target, "mindspore.nn.layer.normalization.InstanceNorm2d")
    assert not make_map(torch_net(source), mindspore_net(target, instance)).unsettled
    batch = dict.fromkeys(target, "mindspore.nn.layer.normalization.BatchNorm2d")
    for layers in (batch, {}):
        left = make_map(torch_net(source), mindspore_net(target, layers)).unsettled
        assert [row.target for row in left] == ["n.moving_mean", "n.moving_variance"]


def test_renamed_modules_are_assumed_by_order_only_where_it_leaves_no_choice() -> None:
    source: Parameters = {"stem.weight": (8, 3, 3, 3), "mid.weight": (4, 8), "mid.bias": (4,), "end.weight": (2, 4)}
    target: Parameters = {"c1.weight": (8, 3, 3, 3), "f1.weight": (4, 8), "f1.bias": (4,), "f2.weight": (2, 4)}
    made = make_map(torch_net(source), mindspore_net(target))
    assert [row.target for row in made.rows] == list(target)
    assert {row.status for row in made.rows} == {"assumed"}
    fewer = {name: shape for name, shape in target.items() if name != "f2.weight"}
    left = make_map(torch_net(source), mindspore_net(fewer))
    assert "assumed" not in {row.status for row in left.rows}
    assert {row.sources[0] for row in left.rows if row.sources} == set(source)


def test_your_own_rules_go_first(tmp_path: Path) -> None:
    rules = tmp_path / "mine.toml"
    own_names = '[names]\n"old.weight" = "x.kernel"\n[leaf]\nkernel = "weight"\n'
    rules.write_text(own_names + '[operations]\n"sq.weight" = ["transpose(1,0)"]\n')
    source = torch_net({"old.weight": (4, 4), "sq.weight": (3, 3), "y.weight": (5,)})
    target = mindspore_net({"x.kernel": (4, 4), "sq.weight": (3, 3), "y.kernel": (5,)})
    made = make_map(source, target, read_rules(rules))
    assert [(row.target, " ".join(map(str, row.operations))) for row in made.rows] == [
        ("x.kernel", ""),
        ("sq.weight", "transpose(1,0)"),
        ("y.kernel", ""),
    ]
    rules.write_text('[operations]\n"y.weight" = ["reshape(2,3)"]\n')
    with pytest.raises(ProfkitError, match=r"y\.weight"):
        make_map(source, target, read_rules(rules))
    rules.write_text('[operations]\n"sq.weight" = ["reshape(9)"]\n')
    with pytest.raises(ProfkitError, match=r"of shape \(9\)"):
        make_map(source, target, read_rules(rules))
    rules.write_text('[names]\n"old.weight" = "nowhere"\n')
    with pytest.raises(ProfkitError, match="nowhere"):
        make_map(source, target, read_rules(rules))


@pytest.mark.parametrize("text", ["[nonsense]\n", "[names]\na = 1\n", "[[split]]\nwhole = 1\n", "\0", "[leaf\n"])
def test_rules_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    rules = tmp_path / "bad.toml"
    rules.write_text(text)
    with pytest.raises(ProfkitError, match=r"bad\.toml"):
        read_rules(rules)


def test_without_a_network_to_look_at_only_what_shows_is_mapped() -> None:
    source: Parameters = {
        "conv.weight": (8, 3, 3, 3),
        "bn.weight": (8,),
        "bn.bias": (8,),
        "bn.running_mean": (8,),
        "bn.running_var": (8,),
        "fc.weight": (5, 8),
        "fc.bias": (5,),
        "emb.weight": (9, 4),
        "act.weight": (1,),
        "line.weight": (4, 4, 3),
    }
    made = predicted_map(torch_net(source))
    assert {row.sources[0]: row.target for row in made.rows if row.status == "mapped"} == {
        "conv.weight": "conv.weight",
        "bn.weight": "bn.gamma",
        "bn.bias": "bn.beta",
        "bn.running_mean": "bn.moving_mean",
        "bn.running_var": "bn.moving_variance",
        "fc.weight": "fc.weight",
        "fc.bias": "fc.bias",
    }
    assert {row.sources[0] for row in made.unsettled} == {"emb.weight", "act.weight", "line.weight"}
    assert not predicted_map(torch_net(source), "mint").unsettled


def test_the_rules_of_the_page_say_what_names_and_shapes_do_not(tmp_path: Path) -> None:
    written = re.search(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert written is not None
    (tmp_path / "mine.toml").write_text(written[1], encoding="utf-8")
    source = torch_net({
        "patch.proj.weight": (8, 3, 4, 4), "norm.weight": (8,), "block.fc1.weight": (32, 8), "block.kv.weight": (16, 8),
        "block.mask": (9, 9),
    })  # fmt: skip
    target = mindspore_net({
        "embed.kernel": (48, 8), "student.norm.scale": (8,), "student.block.mlp_in.weight": (32, 8),
        "student.block.k.weight": (8, 8), "student.block.v.weight": (8, 8),
    })  # fmt: skip
    assert make_map(source, target).unsettled
    made = make_map(source, target, read_rules(tmp_path / "mine.toml"))
    assert not made.unsettled
    assert told(made) == [
        ("patch.proj.weight", "embed.kernel", "mapped", "reshape(8,48) transpose(1,0)"),
        ("norm.weight", "student.norm.scale", "mapped", ""),
        ("block.fc1.weight", "student.block.mlp_in.weight", "mapped", ""),
        ("block.kv.weight", "student.block.k.weight", "mapped", "split(0,0,2)"),
        ("block.kv.weight", "student.block.v.weight", "mapped", "split(0,1,2)"),
        ("block.mask", None, "not_needed", ""),
    ]
