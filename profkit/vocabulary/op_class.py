"""Which class of work an operator type does: one set of words for both frameworks.

A fact of op_classes.tsv answers first: of the name itself, of its forward operator or of another version of it, by the
naming grammar of the frameworks. Where no fact covers a name, class_rules.tsv guesses by the words in it; that source
is told, so that a guess is never taken for a fact.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from profkit.vocabulary.tables import read_table

OP_CLASSES = (
    "conv",
    "matmul",
    "attention",
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
    "sort",
    "linalg",
    "resize",
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

CLASS_SOURCES = ("table", "rule", "launcher", "hint", "unknown")
"""Where a class comes from: a fact of the vocabulary, a rule on the words of the name, the operator that launched the
kernel, a hint of the user; unknown where there is none."""

_EVALUATE = "autograd::engine::evaluate_function: "
_AUTOGRAD_NODE = re.compile(r"Backward\d+$")
_TORCH_OPERATOR = re.compile(r"(?:\w+::)*(\w+)(?:\.\w+)?")
_TORCH_BACKWARD = re.compile(r"backward(data|input|weight|bias|overrideable)?\d*$")
# What the same operator is called for lists of tensors, in a backend, with its result given, or without its checks.
_TORCH_FOREACH = re.compile(r"^_(?:foreach|amp_foreach|fused)_|^(?:special|cudnn|mkldnn|miopen|quantized|sparse|npu)_")
_TORCH_VARIANT = re.compile(r"_(?:copy|out|ex|forward|impl|for_cpu|cpu|cuda|npu|symint|unsafe|dynamic)_?$")
_SCOPED_NAME = re.compile(r"(?:.*/)?([^/]+?)(?:-op\d+)?")
_GRADIENT = re.compile(r"(Grad|Backprop|Backward)(Input|Filter|Ext|WithX|X|D|V\d+)*$")
_GRADIENT_WITHIN = re.compile(r"(?<=[a-z0-9D])Grad(?=[A-Z])")
_IN_PLACE = re.compile(r"^(?:Inplace|Foreach)|(?<=[a-z])s$")
_VERSION = re.compile(r"(Ext|View|V\d+|D)$")


@cache
def _known() -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] = {"pytorch": {}, "mindspore": {}}
    for row in read_table("op_classes.tsv"):
        torch_side = row["framework"] == "pytorch"
        known[row["framework"]][_flat(row["name"]) if torch_side else row["name"]] = row["op_class"]
    return known


@cache
def _rules() -> tuple[tuple[str, re.Pattern[str]], ...]:
    rows = read_table("class_rules.tsv")
    return tuple((row["op_class"], re.compile(row["pattern"], re.IGNORECASE)) for row in rows)


def _flat(name: str) -> str:
    """Give the one spelling that aten::max_pool2d and MaxPool2DBackward0 share."""
    return name.replace("_", "").lower()


def _torch_class(op_type: str) -> str | None:
    match = _TORCH_OPERATOR.fullmatch(op_type)
    if match is None:
        return None
    known = _known()["pytorch"]
    name = match.group(1)
    flat = _flat(name).rstrip("0123456789") if _AUTOGRAD_NODE.search(op_type) else _flat(name)
    forward = _TORCH_BACKWARD.sub("", flat)
    plain = _flat(_TORCH_VARIANT.sub("", _TORCH_FOREACH.sub("", name)))
    return known.get(flat) or known.get(forward) or known.get(plain)


def _mindspore_class(op_type: str) -> str | None:
    match = _SCOPED_NAME.fullmatch(op_type)
    if match is None:
        return None
    known = _known()["mindspore"]
    name = match.group(1).rsplit("_", 1)[-1] if op_type.startswith("aclnn") else match.group(1)
    forward = _GRADIENT.sub("", name)
    unversioned = _VERSION.sub("", forward)
    forms = (name, forward, unversioned, _GRADIENT_WITHIN.sub("", name), _IN_PLACE.sub("", unversioned))
    return next((known[form] for form in forms if form in known), None)


class Classified(NamedTuple):
    """The class of an operator type, None if nothing tells, and where it comes from: one of CLASS_SOURCES."""

    op_class: str | None
    source: str


@cache
def classified(op_type: str) -> Classified:
    """Give the class of one operator type of PyTorch, MindSpore, CANN or CUDA with its source: table, rule or unknown.

    A backward operator has the class of its forward one unless the table says otherwise.
    """
    op_type = op_type.removeprefix(_EVALUATE)
    first = op_type[:1]
    torch_side = "::" in op_type or first.islower() or first == "_" or _AUTOGRAD_NODE.search(op_type) is not None
    found = None if op_type.startswith("aclnn") or not torch_side else _torch_class(op_type)
    found = found or _mindspore_class(op_type)
    if found is not None:
        return Classified(found, "table")
    found = next((word for word, pattern in _rules() if pattern.search(op_type)), None)
    return Classified(found, "unknown" if found is None else "rule")


def op_class(op_type: str) -> str | None:
    """Give the class of one operator type; None if neither a fact nor a rule covers it."""
    return classified(op_type).op_class


def op_classes(op_types: pd.Series[str]) -> pd.Series[str]:
    """Give the class of each operator type.

    Args:
        op_types: Types as recorded (`aten::addmm`, `AddmmBackward0`, `MatMul`, a CUDA kernel name); NA allowed.

    Returns:
        Categorical of OP_CLASSES with the same index; NA where the type is NA or nothing covers it.
    """
    codes, distinct = pd.factorize(op_types)
    words = [op_class(str(op_type)) for op_type in distinct]
    classes = np.array([*(-1 if word is None else OP_CLASSES.index(word) for word in words), -1], dtype=np.int8)
    column = pd.Categorical.from_codes(classes[codes], categories=pd.Index(OP_CLASSES))
    return pd.Series(column, index=op_types.index, name="op_class")


def class_sources(rows: pd.DataFrame) -> pd.Series[str]:
    """Tell for each row where its class comes from.

    Args:
        rows: Columns op_class (as worked out, NA unknown), op_type and, if there, name.

    Returns:
        Object series of CLASS_SOURCES with the same index; launcher where neither the type nor the name has that class.
    """
    names = [name for name in ("op_type", "name") if name in rows]
    keys = rows[["op_class", *names]].astype(object)
    distinct = keys.drop_duplicates()
    told = [_source(*row) for row in distinct.itertuples(index=False)]
    sources = distinct.assign(class_source=told)
    merged = keys.merge(sources, on=["op_class", *names], how="left")["class_source"]
    return pd.Series(merged.to_numpy(dtype=object), index=rows.index, name="class_source")


def _source(word: object, *spellings: object) -> str:
    if pd.isna(word):  # type: ignore[call-overload]
        return "unknown"
    facts = (classified(spelling) for spelling in spellings if isinstance(spelling, str))
    return next((fact.source for fact in facts if fact.op_class == word), "launcher")
