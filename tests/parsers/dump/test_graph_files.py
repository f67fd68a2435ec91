"""Graphs beside dumps: .pb against MindSpore's own message class, .pb and .ir against each other, old spellings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.errors import ImportIssue, UnreadableInputError
from profkit.parsers.dump.dump_names import as_in_dumps
from profkit.parsers.dump.graph_file import read_graph_file
from profkit.parsers.dump.graph_nodes import Graph, Output, SourceLine, users_line
from profkit.parsers.dump.graph_text import read_graph_text
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

NETS = ("mlp", "conv", "nan_log", "nan_exp_inf", "sqrt_grad_inf", "longname", "bf16")
GRAPH = "rank_0/graphs/ms_output_trace_code_graph_0"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor_type(dtype: int, *dims: int) -> bytes:
    shape = b"".join(field(1, field(1, dim % (1 << 64))) for dim in dims)
    return field(1, 14) + field(2, field(1, dtype) + (field(2, shape) if dims else b""))


def node(name: str, op_type: str, inputs: list[str], output: bytes, full_name: str, source: str = "") -> bytes:
    reads = b"".join(field(1, field(1, one) + field(2, int(one == "after"))) for one in inputs)
    return field(
        1, reads + field(2, name) + field(3, op_type) + field(6, output) + field(8, full_name) + field(9, source)
    )


def model(*parts: bytes) -> bytes:
    return field(1, 1) + field(4, b"".join(parts) + field(2, "kernel_graph0"))


def small_model() -> bytes:
    pair = field(1, 31) + field(3, field(1, tensor_type(11)) + field(1, tensor_type(10)))
    source = "      # In file /home/user/net.py:7, 3~9/    y, m = split(x)/\n"
    return model(
        field(3, field(1, "fc.weight") + field(2, tensor_type(11, 4, -1))),
        node("1", "Split", ["fc.weight"], pair, "Default/net-Net/Split-op0", source),
        node("2", "TupleGetItem", ["1", "cst1"], tensor_type(10, 2, 2), "Default/net-Net/TupleGetItem-op0"),
        node("3", "Add", ["2", "2", "after"], tensor_type(10, 2, 2), "Default/net-Net/Add-op12"),
        node("after", "UpdateState", ["2"], field(1, 43), "Default/UpdateState-op0"),
        field(5, field(1, "cst1") + field(2, field(1, 5) + field(3, 1)) + field(3, "Default_data-0")),
    )


def read(path: Path) -> Graph:
    return (read_graph_file if path.suffix == ".pb" else read_graph_text)(path, [])


def test_nodes_and_edges_of_a_binary_graph(tmp_path: Path) -> None:
    path = tmp_path / "g.pb"
    path.write_bytes(small_model())
    graph = read(path)
    nodes = {one.name: one for one in graph.nodes}
    assert nodes["fc.weight"].kind == "parameter"
    assert nodes["fc.weight"].outputs == (Output("float32", (4, -1)),)
    assert (nodes["cst1"].kind, nodes["cst1"].full_name) == ("constant", "Default_data-0")
    # Tensors in a tuple have no recorded shape; a monad is no tensor.
    assert nodes["1"].outputs == (Output("float32", None), Output("float16", None))
    assert nodes["after"].outputs == ()
    assert nodes["1"].source == SourceLine("/home/user/net.py", 7, "y, m = split(x)")
    edges = [(edge.node, edge.slot, edge.producer, edge.producer_slot, edge.control) for edge in graph.edges]
    assert edges == [
        ("1", 0, "fc.weight", 0, False),
        ("2", 0, "1", 1, False),
        ("2", 1, "cst1", 0, False),
        ("3", 0, "2", 0, False),
        ("3", 1, "2", 0, False),
        ("3", 2, "after", -1, True),
        ("after", 0, "2", 0, False),
    ]


OLD_TEXT = """#IR entry      : @kernel_graph_1
#attrs         :
#Total params  : 2
%para1_x : <Tensor[Float32], (32, 256, 13, 13)>
%para2_conv3.weight : <Ref[Tensor(F32)], (384, 256, 3, 3), ref_key=:conv3.weight>  :  has_default

subgraph @kernel_graph_1() {
  %17(equivx) = Cast(%para1_x) {instance name: cast} primitive_attrs: {dst_type: F16, names: "a, (b"}
      : (<Tensor[Float32], (32, 256, 13, 13)>) -> (<Tensor[Float16], (32, 256, 13, 13)>)
      : (<Float32xDefaultFormat[const vector][32, 256]>) -> (<Float16xNC1HWC0[const vector][32, 16, 13, 13, 16]>)
      : full_name_with_scope: (Default/network-WithLossCell/Cast-op1)
  %20([CNode]5) = Conv2D(%17, %para2_conv3.weight) {instance name: conv2d} primitive_attrs: {kernel_size: (3, 3)}
      : (<Tensor[Float16], (32, 256, 13)>, <Tensor[Float32], (384, 3, 3)>) -> (<Tensor[Float32], (32, 384, 13, 13)>)
      : (Default/network-WithLossCell/_backbone-AlexNet/conv3-Conv2d/Conv2D-op12)
      # In file ./train_alexnet.py(175)/        x = self.conv3(x)/
      # In file /usr/lib/python3.7/site-packages/mindspore/nn/wrap/cell_wrapper.py(90)/    out = self._backbone(data)/
  %21(pair) = PrimFunc_BatchNorm(%20, %17, Bool(0))
      : (<Tensor[Float32], (2)>, <Tensor[Float32], ()>) -> (<Tensor[Float32], (2)>, <Tensor[Float32], ()>)
      # Fullname with scope: (Default/BatchNorm-op1)
  %22(item) = TupleGetItem(%21, I64(1))
      : (<Tuple[Tensor[Float32]*2]>, <Int64, NoShape>) -> (<Tensor[Float32], ()>)
      # Fullname with scope: (Default/TupleGetItem-op1)
  Return(%22)
}
"""


def test_old_spellings_of_a_textual_graph(tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    path.write_text(OLD_TEXT)
    graph = read(path)
    nodes = {one.name: one for one in graph.nodes}
    assert [(one.op_type, one.full_name) for one in graph.nodes if one.kind == "operator"] == [
        ("Cast", "Default/network-WithLossCell/Cast-op1"),
        ("Conv2D", "Default/network-WithLossCell/_backbone-AlexNet/conv3-Conv2d/Conv2D-op12"),
        ("BatchNorm", "Default/BatchNorm-op1"),
        ("TupleGetItem", "Default/TupleGetItem-op1"),
    ]
    assert {one.full_name for one in graph.nodes if one.kind == "parameter"} == {"x", "conv3.weight"}
    assert nodes["%17"].outputs == (Output("float16", (32, 256, 13, 13)),)
    assert nodes["%21"].outputs == (Output("float32", (2,)), Output("float32", ()))
    assert nodes["%20"].source == SourceLine("./train_alexnet.py", 175, "x = self.conv3(x)")
    edges = [(edge.node, edge.slot, edge.producer, edge.producer_slot) for edge in graph.edges]
    assert edges == [
        ("%17", 0, "%para1_x", -1),
        ("%20", 0, "%17", -1),
        ("%20", 1, "%para2_conv3.weight", -1),
        ("%21", 0, "%20", -1),
        ("%21", 1, "%17", -1),
        ("%22", 0, "%21", 1),
    ]


def test_a_constant_may_span_lines(tmp_path: Path) -> None:
    text = """  %0(a) = PrimFunc_MaskedFill(Tensor(shape=[2, 2], dtype=Float32, value=
[[ 1.0, 2.0]
 [ 3.0, 4.0]]), %para1_x, I64(0)) primitive_attrs: {names: ")"}
      # Fullname with scope: (Default/MaskedFill-op0)
  %1(b) = Abs(Tensor(shape=[1], value=
[ 1.0
      # Fullname with scope: (Default/Abs-op0)
"""
    (tmp_path / "g.ir").write_text(text)
    graph = read(tmp_path / "g.ir")
    assert [one.full_name for one in graph.nodes] == ["Default/MaskedFill-op0", "Default/Abs-op0"]
    assert [(edge.node, edge.slot, edge.producer) for edge in graph.edges] == [("%0", 1, "%para1_x")]


def test_numbers_of_nodes_begin_again_in_each_subgraph(tmp_path: Path) -> None:
    text = "subgraph @{}() {{\n  %0(a) = Neg(%para1_x)\n  %1(b) = Abs(%0)\n}}\n"
    (tmp_path / "g.ir").write_text("%para1_x : <Tensor[Float32], (2)>\n" + text.format("first") + text.format("second"))
    graph = read(tmp_path / "g.ir")
    assert [one.name for one in graph.nodes if one.kind == "operator"] == ["%0", "%1", "@second:%0", "@second:%1"]
    assert [edge.producer for edge in graph.edges] == ["%para1_x", "%0", "%para1_x", "@second:%0"]


DEFINITION = "# In file /home/u/net.py:38~39, 8~74/    def construct(self, x):/"
LINE = "# In file /home/u/net.py:39, 14~22/        h = self.fc(x)/"
LAYER = "# In file /usr/lib/python3.11/site-packages/mindspore/nn/layer/basic.py:807, 12~39/        x = matmul(x)/"
CALLER = "# In file /home/u/train.py:5, 4~9/    loss = net(x)/"


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([CALLER, DEFINITION, LINE, LAYER], 39),
        ([LAYER, LINE, DEFINITION, CALLER], 39),
        ([CALLER], 5),
        ([LAYER], None),
        ([], None),
        (["# In file net.py(31)/ x = f(x)/", "# In file train.py(4)/ net(x)/"], 31),
        (["# Corresponding code candidate:", DEFINITION, LINE, "# Corresponding code candidate:", CALLER], 39),
        (["#  - " + LAYER[2:], "#    " + LINE[2:], "#  - " + CALLER[2:]], 39),
        (["# In file net.py:16, 12~19/ a = sub(x, 1)/<~~This line of code can be shared by multiple nodes./"], 16),
        (["# In file net.py:many/ x/", "# In file", "nothing"], None),
    ],
)
def test_the_users_line_in_a_call_stack(lines: list[str], line: int | None) -> None:
    found = users_line(lines)
    assert (found.line if found else None) == line
    assert found is None or "<~~" not in found.code


def frames(path: Path) -> dict[str, pd.DataFrame]:
    assert MindSporeDump().sniff(path) is not None
    return dict(MindSporeDump().read(path, silent).frames)


def dump_with(tmp_path: Path, **files: bytes | str) -> Path:
    rank = tmp_path / "rank_3"
    (rank / ".dump_metadata").mkdir(parents=True)
    for name, content in files.items():
        kind, _, number = name.partition("_")
        place = {
            "pb": f"graphs/ms_output_trace_code_graph_{number}.pb",
            "ir": f"graphs/ms_output_trace_code_graph_{number}.ir",
            "order": f"execution_order/ms_execution_order_graph_{number}.csv",
            "runs": f"execution_order/ms_global_execution_order_graph_{number}.csv",
        }[kind]
        (rank / place).parent.mkdir(exist_ok=True)
        (rank / place).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def test_graphs_become_frames(tmp_path: Path) -> None:
    names = (
        "NodeExecutionOrder-FullNameWithScope",
        *(f"Default/net-Net/{op}" for op in ("Add-op12", "Lost-op3", "Split-op0")),
    )
    order = "".join(f"{name}\n" for name in names)
    dump = dump_with(tmp_path, pb_2=small_model(), order_2=order, runs_2="0\n1\n2\n7\n1\n")
    parsed = MindSporeDump().read(dump, silent)
    nodes = parsed.frames["graph_nodes"].set_index("node")
    assert nodes.loc["3", ["rank", "graph", "op", "order", "output_shapes"]].tolist() == [
        3, 2, "Default_net-Net_Add-op12", 0, "2,2",
    ]  # fmt: skip
    assert nodes.loc["1", ["order", "output_dtypes", "output_shapes"]].tolist() == [2, "float32;float16", "?;?"]
    assert nodes.loc["fc.weight", "op"] == "fc_weight"
    # What only the execution order names is a node without edges.
    assert nodes.loc["Default/net-Net/Lost-op3", ["op_type", "order"]].tolist() == ["Lost", 1]
    assert len(parsed.frames["graph_edges"]) == 7
    assert parsed.frames["graph_edges"]["kind"].value_counts().to_dict() == {"data": 6, "control": 1}
    assert parsed.facts["graph_2_ran_in_iterations"] == "0-2|7"


def test_source_lines_come_from_the_text_where_the_binary_has_none(tmp_path: Path) -> None:
    text = (
        "subgraph @g() {\n  %0(a) = PrimFunc_Add(%para1_fc.weight)\n"
        "      # Fullname with scope: (Default/net-Net/Add-op12)\n      # In file /home/u/net.py:9, 1~2/  x + x/\n}\n"
    )
    nodes = frames(dump_with(tmp_path, pb_0=small_model(), ir_0=text))["graph_nodes"].set_index("node")
    assert nodes.loc["3", ["source_file", "source_line", "source_code"]].tolist() == ["/home/u/net.py", 9, "x + x"]


def test_a_secret_in_a_source_line_is_taken_out() -> None:
    found = users_line([f"# In file /home/u/net.py:9, 1~2/  net = load(x, password='hunter2'{' ' * 400})/"])
    assert found is not None
    assert found.code.startswith("net = load(x, password=<redacted>")


def test_a_damaged_binary_leaves_the_text(tmp_path: Path) -> None:
    parsed = MindSporeDump().read(dump_with(tmp_path, pb_0=b"\xff" * 40, ir_0=OLD_TEXT), silent)
    assert len(parsed.frames["graph_nodes"]) == 6
    assert any("no graph file" in issue.text for issue in parsed.issues)


def test_only_the_named_graph_is_given(tmp_path: Path) -> None:
    dump_with(tmp_path, pb_0=small_model(), pb_1=small_model())
    folder = tmp_path / "rank_3" / "Net" / "1" / "0"
    folder.mkdir(parents=True)
    (folder / "Add.Default_Add-op0.0.0.1700000000000000.output.0.ND.npy").touch()
    for named in (folder, folder.parent):
        assert set(frames(named)["graph_nodes"]["graph"]) == {1}
    assert set(frames(tmp_path)["graph_nodes"]["graph"]) == {0, 1}


def test_links_to_graphs_elsewhere_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.pb").write_bytes(small_model())
    dump = dump_with(tmp_path / "dump")
    (dump / "rank_3" / "graphs").mkdir()
    (dump / "rank_3" / "graphs" / "ms_output_trace_code_graph_0.pb").symlink_to(tmp_path / "elsewhere.pb")
    assert frames(dump)["graph_nodes"].empty


@pytest.mark.parametrize("content", [b"", b"\x0a", field(1, 1), field(4, b""), b"PK\x03\x04" + b"\0" * 99])
def test_files_without_a_graph_are_refused(content: bytes, tmp_path: Path) -> None:
    for suffix in (".pb", ".ir"):
        path = tmp_path / f"g{suffix}"
        path.write_bytes(content)
        with pytest.raises(UnreadableInputError, match="graph") as caught:
            read(path)
        assert "\n" not in caught.value.message


def test_hostile_types_and_lines_are_bounded(tmp_path: Path) -> None:
    nested = tensor_type(11)
    for _ in range(200):
        nested = field(1, 31) + field(3, field(1, nested))
    many = field(1, 14) + field(2, field(1, 11) + field(2, field(1, b"") * 40))
    path = tmp_path / "g.pb"
    path.write_bytes(model(node("1", "Deep", [], nested, "a/Deep-op0"), node("2", "Wide", [], many, "a/Wide-op0")))
    issues: list[ImportIssue] = []
    graph = read_graph_file(path, issues)
    assert [(one.op_type, one.outputs) for one in graph.nodes] == [("Deep", ())]
    assert "32 dimensions" in issues[0].text
    text = tmp_path / "g.ir"
    text.write_text("  %0(a) = Neg(" + "(" * 3_000_000 + "\n  %1(b) = Abs(%0)\n")
    assert [one.op_type for one in read(text).nodes] == ["Neg", "Abs"]


@pytest.mark.exhaustive
def test_a_graph_cut_anywhere_gives_the_nodes_before_the_cut(tmp_path: Path) -> None:
    whole = small_model()
    path = tmp_path / "g.pb"
    seen = set()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        issues: list[ImportIssue] = []
        try:
            seen.add(len(read_graph_file(path, issues).nodes))
        except UnreadableInputError:
            continue
        assert issues, end
    assert seen == {1, 2, 3, 4, 5, 6}


@pytest.mark.exhaustive
def test_a_text_cut_anywhere_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    for end in range(0, len(OLD_TEXT), 3):
        path.write_text(OLD_TEXT[:end])
        try:
            read(path)
        except UnreadableInputError:
            continue


@pytest.mark.parametrize("net", NETS)
def test_both_files_of_a_recorded_graph_tell_the_same(shared: Path, net: str) -> None:
    path = shared / "samples/dump/ms2.10-cpu" / net / GRAPH
    binary, textual = (read(path.with_suffix(suffix)) for suffix in (".pb", ".ir"))
    of_binary, of_text = (
        {one.full_name: one for one in graph.nodes if one.kind == "operator"} for graph in (binary, textual)
    )
    # The number that MindSpore gives Return and its MakeTuple differs between the two.
    common = of_binary.keys() & of_text.keys()
    assert len(common) >= max(len(of_binary), len(of_text)) - 2
    for name in common:
        ours, theirs = of_binary[name], of_text[name]
        assert ours.op_type == theirs.op_type
        assert ours.source in (theirs.source, None)
        if len(ours.outputs) == 1:
            assert list(ours.outputs) == list(theirs.outputs), name
    edges = edges_by_name(binary, common)
    assert len(edges) >= len(common) / 2
    assert edges == edges_by_name(textual, common)


def edges_by_name(graph: Graph, operators: Collection[str]) -> set[tuple[str, int, str]]:
    """Give the inputs of some operators by full names; the text has no names for constants."""
    name = {one.name: one.full_name for one in graph.nodes if one.kind != "constant"}
    return {
        (name[edge.node], edge.slot, name[edge.producer])
        for edge in graph.edges
        if edge.producer in name and name[edge.node] in operators
    }


@pytest.mark.parametrize("net", ["mlp", "nan_log"])
def test_names_and_order_meet_the_dump(shared: Path, net: str) -> None:
    """Names that the dump spells are found; the order names nodes of the graph."""
    dump = shared / "samples/dump/ms2.10-cpu" / net
    found = frames(dump)
    nodes, tensors = found["graph_nodes"], found["tensors"]
    dumped = set(tensors.loc[tensors["io"] != "parameter", "op"].astype(str))
    assert len(dumped & set(nodes["op"].dropna())) >= 0.9 * len(dumped)
    parameters = set(tensors.loc[tensors["io"] == "parameter", "op"].astype(str))
    assert parameters <= set(nodes.loc[nodes["kind"] != "operator", "op"].dropna()) | dumped
    order = (dump / "rank_0/execution_order/ms_execution_order_graph_0.csv").read_text().split("\n")[1:-1]
    ordered = nodes.dropna(subset="order").sort_values("order")
    assert ordered["full_name"].tolist() == order


def test_spelling_of_dumps() -> None:
    assert as_in_dumps("Default/net-Net/fc.1/Add-op2") == "Default_net-Net_fc_1_Add-op2"
    assert as_in_dumps("Default--network--Add-op2") == "Default_network_Add-op2"


def message_class() -> Any:
    """Give MindSpore's own message class for graphs, from the descriptor that its library carries."""
    mindspore = pytest.importorskip("mindspore")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    for library in sorted(Path(mindspore.__file__).parent.rglob("*.so*")):
        content = library.read_bytes()
        start = content.find(b"\n\x11debug_graph.proto")
        for end in range(start + 1_000, start + 20_000) if start >= 0 else ():
            try:
                file = descriptor_pb2.FileDescriptorProto.FromString(content[start:end])
            except DecodeError:
                continue
            if {"Version", "DataType"} <= {one.name for one in file.enum_type}:
                pool = descriptor_pool.DescriptorPool()
                pool.Add(file)
                return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.ModelProto"))
    pytest.skip("this MindSpore carries no descriptor of debug_graph.proto")


@pytest.mark.frameworks
def test_binary_graphs_are_what_mindspores_own_message_class_reads(shared: Path) -> None:
    model_class = message_class()
    for net in NETS:
        path = (shared / "samples/dump/ms2.10-cpu" / net / GRAPH).with_suffix(".pb")
        theirs = model_class.FromString(path.read_bytes()).graph
        ours = read(path)
        operators = [one for one in ours.nodes if one.kind == "operator"]
        assert [(one.name, one.op_type, one.full_name) for one in operators] == [
            (one.name, one.op_type, one.full_name) for one in theirs.node
        ]
        edges = [(edge.node, edge.producer, edge.control) for edge in ours.edges]
        assert edges == [(one.name, read.name, read.type == 1) for one in theirs.node for read in one.input]
        shapes = {one.name: [output.shape for output in one.outputs] for one in operators}
        for one in theirs.node:
            if one.output_type.HasField("tensor_type") and one.output_type.tensor_type.HasField("shape"):
                assert shapes[one.name] == [tuple(dim.size for dim in one.output_type.tensor_type.shape.dim)]
        constants = [one.full_name for one in ours.nodes if one.kind == "constant"]
        assert constants == [one.full_name for one in theirs.const_vals]
