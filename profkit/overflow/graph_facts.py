"""What the graph of a dump tells beside its tensors: who feeds an operator, and the line of code that made it.

Graph files number some operators otherwise than the names of dump files do, and permute those named `Expand/...`. A
node is taken for an operator only if what its producers wrote is what the operator read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from profkit.overflow.executions import Execution, Step
from profkit.overflow.tensor_states import TensorStates

_PERMUTED = "Expand_"
_Node = tuple[int, int, str]
_LONGEST_WALK = 64


class GraphFacts:
    """The graphs of a dump, joined to executions by name and verified by value."""

    def __init__(self, nodes: pd.DataFrame, edges: pd.DataFrame, steps: Sequence[Step], states: TensorStates) -> None:
        """Take frames of schema.GRAPH_NODES and schema.GRAPH_EDGES, and the steps and states of the same dump."""
        self._states = states
        self._node_of: dict[tuple[int, int, str], _Node] = {}
        self._op_of: dict[_Node, str] = {}
        self._code: dict[_Node, str] = {}
        self._executions = {
            (step.key.iteration, step.key.rank, one.graph, one.op): one for step in steps for one in step.executions
        }
        for node in _records(nodes):
            self._take_node(node)
        self._producers: dict[_Node, list[_Node]] = defaultdict(list)
        for edge in _records(edges):
            if edge["kind"] == "data":
                reader = (edge["rank"], edge["graph"], edge["node"])
                self._producers[reader].append((edge["rank"], edge["graph"], edge["producer"]))

    def _take_node(self, node: Mapping[str, Any]) -> None:
        if not isinstance(node["op"], str) or node["op"].startswith(_PERMUTED):
            return
        key = (node["rank"], node["graph"], node["node"])
        self._node_of[node["rank"], node["graph"], node["op"]] = key
        self._op_of[key] = node["op"]
        if isinstance(node["source_file"], str):
            code = f"  {node['source_code']}" if isinstance(node["source_code"], str) else ""
            line = "" if pd.isna(node["source_line"]) else f":{node['source_line']}"
            self._code[key] = f"{node['source_file']}{line}{code}"

    def code_of(self, execution: Execution, step: Step) -> str | None:
        """Give the line of the user's code that made an operator; None if it is not known surely."""
        node = self._node(execution, step)
        code = None if node is None else self._code.get(node)
        return code if node is not None and code and self._is_verified(execution, node, step) else None

    def feeding(self, execution: Execution, step: Step) -> list[Execution]:
        """Give the nearest executions before one in the graph that were dumped, across nodes that were not."""
        node = self._node(execution, step)
        if node is None or not self._is_verified(execution, node, step):
            return []
        return [found for one in self._walk_up(node, step) if (found := self._execution(one, step)) is not None]

    def undumped_before(self, execution: Execution, step: Step) -> list[str]:
        """Give the names of the operators that feed an execution and were not dumped."""
        node = self._node(execution, step)
        if node is None or not self._is_verified(execution, node, step):
            return []
        names = [self._op_of[one] for one in self._producers[node] if one in self._op_of]
        return [name for one, name in zip(self._producers[node], names, strict=False) if self._is_absent(one, step)]

    def _is_absent(self, node: _Node, step: Step) -> bool:
        execution = self._execution(node, step)
        return execution is None or not execution.results

    def _node(self, execution: Execution, step: Step) -> _Node | None:
        # A dump of several ranks of one network may hold the graph of one.
        for rank in (step.key.rank, -1):
            node = self._node_of.get((rank, execution.graph, execution.op))
            if node is not None:
                return node
        return None

    def _execution(self, node: _Node, step: Step) -> Execution | None:
        op = self._op_of.get(node)
        return None if op is None else self._executions.get((step.key.iteration, step.key.rank, node[1], op))

    def _walk_up(self, node: _Node, step: Step) -> Iterator[_Node]:
        """Give the nearest nodes before one that were dumped."""
        waiting, seen = list(self._producers[node]), {node}
        while waiting and len(seen) < _LONGEST_WALK:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if self._execution(one, step) is not None:
                yield one
            else:
                waiting += self._producers[one]

    def _is_verified(self, execution: Execution, node: _Node, step: Step) -> bool:
        """Tell that no dumped producer contradicts the join: each wrote something that the execution read."""
        read = self._contents((*execution.inputs, *execution.mutated))
        for producer in self._producers[node]:
            writer = self._execution(producer, step)
            if writer is not None and writer.outputs and not self._contents(writer.outputs) & read:
                return False
        return True

    def _contents(self, rows: Iterable[int]) -> set[bytes]:
        return {content for row in rows if (content := self._states.digest(row)) is not None}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.astype(object).to_dict("records")]
