"""Execution traces: read by themselves, joined to a profiler trace of the same run, damaged."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.discovery import discover
from profkit.errors import ProfkitError
from profkit.parsers.base import Parsed
from profkit.parsers.pytorch.execution_trace import TorchExecutionTrace
from profkit.progress import silent
from profkit.run import Run, load
from profkit.schema import NODES, OPS

GENERATED = "samples/torch/generated_torch213_cpu"
OLDER = "samples/torch/hta/execution_trace/benchmark_simple_add_et.json.gz"


def read(path: Path) -> Parsed:
    parser = TorchExecutionTrace()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def documents(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def texts(frame: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in frame[column].astype(object)]


def test_every_node_is_there_with_its_number_name_and_outputs(shared: Path) -> None:
    path = shared / GENERATED / "et.json.gz"
    wanted = []
    for node in documents(path)["nodes"]:
        attributes = {attribute["name"]: attribute["value"] for attribute in node["attrs"]}
        pairs = zip(node["outputs"]["types"], node["outputs"]["shapes"], strict=True)
        shapes = [
            ",".join(map(str, shape)) for kind, shape in pairs if kind.startswith("Tensor(") and "nullptr" not in kind
        ]
        wanted.append((attributes["rf_id"] or None, node["name"], ";".join(shapes) if shapes else None))
    nodes = read(path).frames["nodes"]
    found = zip(texts(nodes, "record_function"), texts(nodes, "name"), texts(nodes, "output_shapes"), strict=True)
    assert list(found) == wanted
    assert len(nodes) == 1076


def test_the_older_form_is_read_alike(shared: Path) -> None:
    parsed = read(shared / OLDER)
    nodes = parsed.frames["nodes"]
    assert len(nodes) == 38
    assert parsed.writer_version == "execution trace 1.0.1"
    uniform = nodes[nodes["name"] == "aten::uniform_"].iloc[0]
    assert (uniform["output_shapes"], uniform["output_dtypes"]) == ("256,256", "float32")
    assert uniform["op_schema"].startswith("aten::uniform_(Tensor(a!) self")


def test_an_execution_trace_alone_has_no_operators_and_says_so(shared: Path) -> None:
    parsed = read(shared / GENERATED / "et.json.gz")
    assert parsed.facts["times"] == "not recorded"
    assert set(parsed.frames) == {"nodes"}
    assert parsed.framework == "pytorch"


def test_beside_a_profiler_trace_it_is_a_part_of_the_same_run(shared: Path, tmp_path: Path) -> None:
    for name in ("et.json.gz", "cpu_with_et.json.gz"):
        shutil.copy(shared / GENERATED / name, tmp_path)
    assert {found.path.name: found.format for found in discover(tmp_path).found} == {
        "et.json.gz": "torch-execution-trace",
        "cpu_with_et.json.gz": "kineto-trace",
    }
    run = load(tmp_path)
    assert len(run.nodes) == 1076
    assert run.ops["record_function"].notna().sum() == 1066
    outputs = dict(zip(run.nodes["record_function"], texts(run.nodes, "output_shapes"), strict=True))
    ops = identify(run).ops
    assert texts(ops, "output_shapes") == [outputs[number] for number in ops["record_function"]]


def ops_with(record_functions: list[int | None], names: list[str], ranks: list[int]) -> pd.DataFrame:
    count = len(names)
    constant = {"step": -1, "level": "host", "dur_ns": 1, "self_ns": 1, "source": "synthetic", "carry_over": False}
    references = dict.fromkeys(("parent", "launcher", "forward_op"), -1)
    columns = {"rank": ranks, "name": names, "record_function": record_functions, "start_ns": list(range(count))}
    repeated = {name: [value] * count for name, value in {**constant, **references}.items()}
    return OPS.build({**repeated, **columns, "row": list(range(count))})


def nodes_with(record_functions: list[int | None], names: list[str], shapes: list[str | None]) -> pd.DataFrame:
    count = len(names)
    columns = {"record_function": record_functions, "name": names, "output_shapes": shapes}
    return NODES.build({"rank": [-1] * count, "source": ["synthetic"] * count, "row": list(range(count)), **columns})


def test_the_record_function_joins_each_operator_of_a_recorded_run(shared: Path) -> None:
    """Numbers and names of the profiler trace are read here with json: the join is tested, not the trace's parser."""
    events = documents(shared / GENERATED / "cpu_with_et.json.gz")["traceEvents"]
    calls = [event for event in events if event.get("cat") == "cpu_op"]
    ids = [event["args"]["Record function id"] for event in calls]
    names = [event["name"] for event in calls]
    nodes = read(shared / GENERATED / "et.json.gz").frames["nodes"]
    run = Run(Path("synthetic"), "pytorch", ops=ops_with(ids, names, [0] * len(ids)), nodes=nodes)
    ops = identify(run).ops
    outputs = dict(zip(nodes["record_function"], texts(nodes, "output_shapes"), strict=True))
    assert texts(ops, "output_shapes") == [outputs[number] for number in ids]
    assert ops["output_shapes"].notna().sum() > 800
    convolution = ops[ops["name"] == "aten::convolution"]
    assert set(convolution["output_shapes"]) == {"4,8,16,16"}


def test_names_that_differ_and_numbers_that_repeat_are_not_joined() -> None:
    ops = ops_with([1, 2, 3, None], ["aten::mm", "aten::add", "aten::mul", "aten::mul"], [0, 0, 0, 0])
    nodes = nodes_with([1, 2, 3, 3], ["aten::mm", "aten::sub", "aten::mul", "aten::mul"], ["2,2", "1", "3", "4"])
    run = Run(Path("synthetic"), "pytorch", ops=ops, nodes=nodes)
    assert texts(identify(run).ops, "output_shapes") == ["2,2", None, None, None]


def test_nodes_of_unknown_rank_belong_to_the_only_rank() -> None:
    nodes = nodes_with([1], ["aten::mm"], ["2,2"])
    ops = ops_with([1, 1], ["aten::mm", "aten::mm"], [0, 1])
    run = Run(Path("synthetic"), "pytorch", ops=ops, nodes=nodes)
    assert texts(identify(run).ops, "output_shapes") == [None, None]
    told = replace(run, nodes=nodes.assign(rank=pd.Series([1], dtype="int32")))
    assert texts(identify(told).ops, "output_shapes") == [None, "2,2"]


def test_a_cut_file_gives_the_nodes_before_the_cut(shared: Path, tmp_path: Path) -> None:
    content = gzip.decompress((shared / OLDER).read_bytes())
    whole = read(shared / OLDER).frames["nodes"].drop(columns="source")
    path = tmp_path / "et.json"
    lengths = []
    for length in range(0, len(content) - 2, 97):
        path.write_bytes(content[:length])
        parser = TorchExecutionTrace()
        if parser.sniff(path) is None:
            continue
        try:
            parsed = parser.read(path, silent)
        except ProfkitError:
            continue
        nodes = parsed.frames["nodes"].drop(columns="source")
        assert any("cut" in issue.text for issue in parsed.issues)
        assert texts(nodes, "name") == texts(whole, "name")[: len(nodes)]
        lengths.append(len(nodes))
    assert lengths == sorted(lengths)
    assert lengths[-1] >= len(whole) - 1


@pytest.mark.parametrize(
    "node",
    ['{"name": 5, "rf_id": 1}', '{"name": "x", "rf_id": 1, "outputs": {"shapes": "no"}}', "[]", '"rf_id"', "3"],
)
def test_odd_nodes_are_left_out_and_told(tmp_path: Path, node: str) -> None:
    path = tmp_path / "et.json"
    path.write_text('{"schema": "1.0.1", "nodes": [{"name": "aten::mm", "rf_id": 7, "outputs": []}, ' + node + "]}")
    parsed = read(path)
    assert parsed.frames["nodes"]["record_function"].tolist() == [7]
    assert any("1 nodes are of no known form" in issue.text for issue in parsed.issues)
