"""Which class of work an operator type does: one set of words for both frameworks."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd

from profkit.vocabulary.tables import read_table

OP_CLASSES = (
    "conv",
    "matmul",
    "norm",
    "softmax",
    "gelu",
    "activation",
    "pool",
    "embedding",
    "dropout",
    "loss",
    "elementwise",
    "reduce",
    "copy",
    "view",
    "rnn",
    "optimizer",
    "random",
    "fill",
    "communication",
    "other",
)
"""Every class word; an operator that no fact covers has none (NA)."""

_EVALUATE = "autograd::engine::evaluate_function: "
_AUTOGRAD_NODE = re.compile(r"Backward\d+$")
_TORCH_OPERATOR = re.compile(r"(?:\w+::)*(\w+)(?:\.\w+)?")
_TORCH_BACKWARD = re.compile(r"backward(data|input|weight|bias|overrideable)?\d*$")
_SCOPED_NAME = re.compile(r"(?:.*/)?([^/]+?)(?:-op\d+)?")
_GRADIENT = re.compile(r"(Grad|Backprop|Backward)(Input|Filter|Ext|WithX|X|D|V\d+)*$")
_VERSION = re.compile(r"(Ext|View|V\d+|D)$")


@cache
def _known() -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] = {"pytorch": {}, "mindspore": {}}
    for row in read_table("op_classes.tsv"):
        torch_side = row["framework"] == "pytorch"
        known[row["framework"]][_flat(row["name"]) if torch_side else row["name"]] = row["op_class"]
    return known


@cache
def _kernel_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (row["op_class"], re.compile(row["pattern"], re.IGNORECASE)) for row in read_table("kernel_patterns.tsv")
    )


def _flat(name: str) -> str:
    """Give the one spelling that aten::max_pool2d and MaxPool2DBackward0 share."""
    return name.replace("_", "").lower()


def _torch_class(op_type: str) -> str | None:
    match = _TORCH_OPERATOR.fullmatch(op_type)
    if match is None:
        return None
    known = _known()["pytorch"]
    name = _flat(match.group(1)).rstrip("0123456789") if _AUTOGRAD_NODE.search(op_type) else _flat(match.group(1))
    return known.get(name) or known.get(_TORCH_BACKWARD.sub("", name))


def _mindspore_class(op_type: str) -> str | None:
    match = _SCOPED_NAME.fullmatch(op_type)
    if match is None:
        return None
    known = _known()["mindspore"]
    name = match.group(1).rsplit("_", 1)[-1] if op_type.startswith("aclnn") else match.group(1)
    forward = _GRADIENT.sub("", name)
    return known.get(name) or known.get(forward) or known.get(_VERSION.sub("", forward))


@cache
def op_class(op_type: str) -> str | None:
    """Give the class of one operator type of PyTorch, MindSpore, CANN or CUDA; None if no fact covers it.

    A backward operator has the class of its forward one unless the table says otherwise.
    """
    op_type = op_type.removeprefix(_EVALUATE)
    first = op_type[:1]
    torch_side = "::" in op_type or first.islower() or first == "_" or _AUTOGRAD_NODE.search(op_type) is not None
    found = None if op_type.startswith("aclnn") or not torch_side else _torch_class(op_type)
    found = found or _mindspore_class(op_type)
    if found is None:
        found = next((word for word, pattern in _kernel_patterns() if pattern.search(op_type)), None)
    return found


def op_classes(op_types: pd.Series[str]) -> pd.Series[str]:
    """Give the class of each operator type.

    Args:
        op_types: Types as recorded (`aten::addmm`, `AddmmBackward0`, `MatMul`, a CUDA kernel name); NA allowed.

    Returns:
        Categorical of OP_CLASSES with the same index; NA where the type is NA or no fact covers it.
    """
    codes, distinct = pd.factorize(op_types)
    words = [op_class(str(op_type)) for op_type in distinct]
    classes = np.array([*(-1 if word is None else OP_CLASSES.index(word) for word in words), -1], dtype=np.int8)
    column = pd.Categorical.from_codes(classes[codes], categories=pd.Index(OP_CLASSES))
    return pd.Series(column, index=op_types.index, name="op_class")
