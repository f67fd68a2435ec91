"""Which class of work an operator type does: one set of words for both frameworks.

A fact of op_classes.tsv answers first: of the name itself, of its forward operator or of another version of it, by the
naming grammar of the frameworks. Where no fact covers a name, class_rules.tsv guesses by the words in it; that source
is told, so that a guess is never taken for a fact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from profkit.schema import CLASS_SOURCES, OP_CLASSES
from profkit.vocabulary.tables import read_table

TABLE, RULE, LAUNCHER, HINT, UNKNOWN = CLASS_SOURCES

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
        return Classified(found, TABLE)
    found = next((word for word, pattern in _rules() if pattern.search(op_type)), None)
    return Classified(found, UNKNOWN if found is None else RULE)


def op_class(op_type: str) -> str | None:
    """Give the class of one operator type; None if neither a fact nor a rule covers it."""
    return classified(op_type).op_class


def classify(op_types: pd.Series[str], hinted: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Give the class of each operator type and where it comes from.

    Args:
        op_types: Types as recorded (`aten::addmm`, `AddmmBackward0`, `MatMul`, a CUDA kernel name); NA allowed.
        hinted: What the user says: class by operator type, with shell wildcards; the first that fits counts, and it
            counts more than every fact.

    Returns:
        The index of `op_types`; op_class: categorical of OP_CLASSES, NA where the type is NA or nothing covers it;
        class_source: categorical of CLASS_SOURCES.
    """
    codes, distinct = pd.factorize(op_types)
    told = [_hinted(str(op_type), hinted) or classified(str(op_type)) for op_type in distinct]
    classes = [-1 if one.op_class is None else OP_CLASSES.index(one.op_class) for one in told]
    sources = [CLASS_SOURCES.index(one.source) for one in told]
    # A missing type has code -1 and takes the last of each.
    class_codes = np.array([*classes, -1], dtype=np.int8)[codes]
    source_codes = np.array([*sources, CLASS_SOURCES.index(UNKNOWN)], dtype=np.int8)[codes]
    return pd.DataFrame(
        {
            "op_class": pd.Categorical.from_codes(class_codes, categories=pd.Index(OP_CLASSES)),
            "class_source": pd.Categorical.from_codes(source_codes, categories=pd.Index(CLASS_SOURCES)),
        },
        index=op_types.index,
    )


def _hinted(op_type: str, hinted: Mapping[str, str] | None) -> Classified | None:
    words = (word for pattern, word in (hinted or {}).items() if fnmatchcase(op_type, pattern))
    return next((Classified(word, HINT) for word in words), None)
