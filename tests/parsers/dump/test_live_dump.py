"""A dump that MindSpore writes during the test: the graph beside it is that of the tensors, value by value."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.parsers.base import Parsed
from profkit.parsers.dump.graph_file import read_graph_file
from profkit.parsers.dump.graph_text import read_graph_text
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import silent

pytestmark = pytest.mark.frameworks

# MindSpore numbers these otherwise in graphs than in dumps: the same name is another node.
RENUMBERED = ("Expand/", "AddN-op", "Cast-op", "ReduceSum-op")
# The dump shows their inputs as they are after the operator ran.
IN_PLACE = ("Assign", "Apply", "Momentum")


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mindspore")
    folder = tmp_path_factory.mktemp("live")
    script = Path(__file__).with_name("live_graph.py")
    command = [sys.executable, str(script), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return folder / "dump"


@pytest.fixture(scope="module")
def parsed(dump: Path) -> Parsed:
    return MindSporeDump().read(dump, silent)


def test_both_graph_files_hold_the_same_operators(dump: Path) -> None:
    for path in (dump / "rank_0" / "graphs").glob("*.pb"):
        binary, textual = read_graph_file(path, []), read_graph_text(path.with_suffix(".ir"), [])
        names = [{one.full_name for one in graph.nodes if one.kind == "operator"} for graph in (binary, textual)]
        assert len(names[0] ^ names[1]) <= 2
        assert len(names[0]) > 50


def test_the_recorded_order_names_nodes_of_the_graph(dump: Path, parsed: Parsed) -> None:
    nodes = parsed.frames["graph_nodes"]
    for path in (dump / "rank_0" / "execution_order").glob("ms_execution_order_graph_*.csv"):
        graph = int(path.stem.rpartition("_")[2])
        order = path.read_text().split("\n")[1:-1]
        ordered = nodes[(nodes["graph"] == graph) & nodes["order"].notna()].sort_values("order")
        assert ordered["full_name"].tolist() == order
        assert ordered["node"].str.fullmatch(r"\d+").all()


def test_operators_come_from_lines_of_the_script(parsed: Parsed) -> None:
    nodes = parsed.frames["graph_nodes"]
    script = Path(__file__).with_name("live_graph.py")
    lines = script.read_text().split("\n")
    told = nodes[nodes["source_file"].notna()]
    assert len(told) > 20
    assert set(told["source_file"]) == {str(script)}
    for line, code in zip(told["source_line"], told["source_code"], strict=True):
        assert code == lines[line - 1].strip()


def test_what_an_edge_reads_is_what_its_producer_wrote(parsed: Parsed) -> None:
    nodes = parsed.frames["graph_nodes"].set_index("node")
    tensors = parsed.frames["tensors"]
    values = {(row.op, row.io, row.slot): open_tensor(row.path) for row in tensors.itertuples()}
    compared = 0
    for edge in parsed.frames["graph_edges"].itertuples():
        reader, producer = nodes.loc[edge.node], nodes.loc[edge.producer]
        names = (str(reader["full_name"]), str(producer["full_name"]))
        if any(word in name for name in names for word in RENUMBERED) or any(word in names[0] for word in IN_PLACE):
            continue
        read = values.get((reader["op"], "input", edge.slot))
        written = values.get((producer["op"], "output", edge.producer_slot))
        if read is not None and written is not None:
            assert np.array_equal(read, written, equal_nan=read.dtype.kind == "f"), names
            # Dims of length 1 may be dropped in the dump.
            dims = producer["output_shapes"].split(";")[edge.producer_slot].split(",")
            assert "?" in dims or math.prod(int(dim or 1) for dim in dims) == written.size, names
            compared += 1
    assert compared > 20


def test_facts_are_those_of_the_configuration(parsed: Parsed) -> None:
    assert parsed.facts["device_target"] == "CPU"
    assert parsed.facts["dump_mode"] == "all operators"
    assert parsed.facts["saved_data"] == "tensor"
    assert parsed.rank == 0
    assert not pd.isna(parsed.writer_version)
