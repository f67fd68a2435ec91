"""Operator facts as data: what an operator of either framework does, and how one is made of others."""

from profkit.schema import OP_CLASSES
from profkit.vocabulary.op_class import classify, op_class

__all__ = ["OP_CLASSES", "classify", "op_class"]
