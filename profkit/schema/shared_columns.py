"""Columns and words that several frames share."""

from __future__ import annotations

from profkit.frame_spec import Column

PHASES = ("forward", "backward", "recompute", "optimizer")

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
"""Where a class of work comes from: a fact of the vocabulary, a rule on the words of the name, the operator that
launched the kernel, a hint of the user; unknown where there is no class."""

RANK = Column("rank", "int32", "Process number of the run; -1 unknown")

CLASS_SOURCE = Column(
    "class_source",
    "category",
    "Where op_class comes from; NA before operators are identified",
    nullable=True,
    values=CLASS_SOURCES,
)

STEP = Column("step", "int32", "Step number as the profiler counts it; -1 unknown or outside any step")

SIDES = ("pt", "ms", "ref", "run")
