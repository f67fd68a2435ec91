"""Module paths and phases read from MindSpore's operator scopes.

A graph-mode operator is named after the cells it was built in: `Default/network-Loss/net-ViT/head-Dense/MatMul-op0`.
Each part is `attribute-Class`. Dump files write the same name with every `/` replaced by `_`
(`Default_network-Loss_net-ViT_head-Dense_MatMul-op0`), which cannot be undone surely: a class name that holds an
underscore of its own is cut at it. Backward operators carry the scope of a forward operator after `Gradients/`; in
repeated blocks that is often another block's scope, so a module read from a backward scope is a hint, not a fact.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ROOT_PREFIX = re.compile(r"^(?P<phase>(?:Gradients[/_]|recompute_)*)Default(?:[/_]|$)")
_OPERATOR_NUMBER = re.compile(r"-op\d+\w*$")

# A class name may start with underscores (`rnn-_DynamicLSTMCPUGPU`) but is taken to hold none after its first letter.
_FLAT_CLASS = re.compile(r"_*[^_]*")

# How MindSpore's own training cells name the network inside them (TrainOneStepCell, WithLossCell, WithEvalCell).
_TRAINING_ATTRIBUTES = frozenset({"network", "_network", "_backbone"})
# Usual names of the network in a hand-written loss cell. A network may own such an attribute itself, so they count as
# a wrapper only directly below a part whose class says that it wraps.
_WRAPPED_ATTRIBUTES = frozenset({"net", "_net", "model", "_model", "backbone"})
_WRAPPING_CLASS = re.compile(r"^_?With|loss|criterion|trainonestep|trainstep|wrapper", re.IGNORECASE)
_LOSS_ATTRIBUTES = frozenset({"loss", "_loss", "loss_fn", "_loss_fn", "loss_func", "criterion"})
_OPTIMIZER_ATTRIBUTES = frozenset({"optimizer", "_optimizer", "opt"})


class CellPart(NamedTuple):
    """One cell of a scope: the attribute it is reached by, and its class."""

    attribute: str
    cell_class: str


def cells_of_scope(scope: str) -> list[CellPart] | None:
    """Give the cells of a scope from the outside in, or None if it is no scope of a cell graph (`Expand/...`).

    Args:
        scope: A full operator name or its scope, with `/` (profiler, graph files) or `_` (dump files) between parts.
    """
    root = _ROOT_PREFIX.match(scope)
    if root is None:
        return None
    path = _OPERATOR_NUMBER.sub("", scope[root.end() :])
    return _cells_between_slashes(path) if "/" in scope else _cells_between_underscores(path)


def _cells_between_slashes(path: str) -> list[CellPart]:
    splits = (part.partition("-") for part in path.split("/"))
    return [CellPart(attribute, cell_class) for attribute, dash, cell_class in splits if dash]


def _cells_between_underscores(path: str) -> list[CellPart]:
    attribute, *rest = path.split("-")
    cells = []
    for text in rest:
        match = _FLAT_CLASS.match(text)
        cell_class = match.group() if match else ""
        cells.append(CellPart(attribute, cell_class))
        attribute = text[len(cell_class) + 1 :]
    return cells


def _without_wrappers(cells: list[CellPart]) -> list[CellPart]:
    for depth, cell in enumerate(cells):
        below_wrapper = depth > 0 and _WRAPPING_CLASS.search(cells[depth - 1].cell_class) is not None
        outermost = depth == 0 or below_wrapper
        is_wrapper = outermost and cell.attribute in _TRAINING_ATTRIBUTES
        if not is_wrapper and not (below_wrapper and cell.attribute in _WRAPPED_ATTRIBUTES):
            if below_wrapper and cell.attribute in _LOSS_ATTRIBUTES:
                return [CellPart("loss", cell.cell_class), *cells[depth + 1 :]]
            return cells[depth:]
    return []


def module_of_scope(scope: str) -> str | None:
    """Give the module path of an operator's scope, dots between levels, without the training cells around the network.

    Args:
        scope: As for `cells_of_scope`.

    Returns:
        `blocks.0.norm1`; "loss" for the loss cell; "" for operators directly in the network; None where the name holds
        no cell (jitted functions, expanded operators, the optimizer).
    """
    cells = cells_of_scope(scope)
    if not cells or cells[0].attribute in _OPTIMIZER_ATTRIBUTES:
        return None
    return ".".join(cell.attribute for cell in _without_wrappers(cells))


def phase_of_scope(scope: str) -> str | None:
    """Give the phase an operator's scope tells: forward, backward, recompute, optimizer; None if it tells none.

    Only a name below `Default` speaks of itself; expanded operators (`Expand/...`) run in forward and backward.
    """
    root = _ROOT_PREFIX.match(scope)
    if root is None:
        return None
    if "recompute_" in root["phase"]:
        return "recompute"
    if root["phase"]:
        return "backward"
    cells = cells_of_scope(scope)
    if cells and cells[0].attribute in _OPTIMIZER_ATTRIBUTES:
        return "optimizer"
    return "forward"
