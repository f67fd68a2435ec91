"""Operator facts as data: what an operator of either framework does, and how one is made of others."""

from profkit.vocabulary.op_class import CLASS_SOURCES, OP_CLASSES, class_sources, op_class, op_classes

__all__ = ["CLASS_SOURCES", "OP_CLASSES", "class_sources", "op_class", "op_classes"]
