"""The MindSpore side of an alignment: what a kernel's row tells about the work it may do."""

from __future__ import annotations

import re
from collections.abc import Hashable

import numpy as np
import pandas as pd

from profkit.correlate.executions import ALIGNED_PHASES
from profkit.correlate.placement import Rows
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import shapes_of, without_shape_vectors
from profkit.correlate.text_columns import texts_of
from profkit.vocabulary.decomposition import kernel_type

_NUMBERED = re.compile(r"(.*)-op(\d+)")
_LAYOUT_CLASSES = ("copy", "view", "fill")
_GRADIENT_SCOPE = "Gradients/"
_EXPANDED_SCOPE = "Expand/"


class MindSporeKernels:
    """The rows of a MindSpore run, to be aligned.

    Args:
        ops: Identified ops frame of a MindSpore run.

    Attributes:
        phases: Phase of each row, "" where it is not known.
        classes: Class of each row, None where it is not known.
    """

    def __init__(self, ops: pd.DataFrame) -> None:
        self.phases = texts_of(ops["phase"], "")
        self.classes = texts_of(ops["op_class"])
        self._names = texts_of(ops["name"])
        types = np.where(ops["op_type"].notna(), texts_of(ops["op_type"]), self._names)
        pairs = zip(types, self._names, strict=True)
        self._types = np.array([kernel_type(op_type, name) for op_type, name in pairs], dtype=object)
        texts = texts_of(ops["input_shapes"], "")
        tensors = {text: without_shape_vectors(shapes_of(text)) for text in dict.fromkeys(texts)}
        self._tensors = [tensors[text] for text in texts]
        self._layout = np.isin(self.classes.astype(str), _LAYOUT_CLASSES)

    def sequence(self, rows: Rows) -> Hashable:
        """Give what makes two lists of kernels align alike."""
        return tuple(zip(self._types[rows], self.phases[rows], (self._tensors[row] for row in rows), strict=True))

    def are_scheduled(self, rows: Rows) -> bool:
        """Say whether the order of these kernels is a scheduler's, or their phases are not known at all."""
        compiled = any(name.startswith(_GRADIENT_SCOPE) for name in self._names[rows])
        return compiled or not np.isin(self.phases[rows].astype(str), ALIGNED_PHASES).any()

    def taken(self, rows: Rows, *, with_phases: bool) -> Kernels:
        """Give the kernels of these rows.

        Args:
            rows: Rows in order of execution.
            with_phases: Whether a kernel may only do work of the phase its name tells; an expanded kernel tells none.
        """
        return Kernels(
            types=self._types[rows].tolist(),
            tensors=[self._tensors[row] for row in rows],
            layout=self._layout[rows],
            phases=[self._told_phase(row) if with_phases else "" for row in rows],
            places=[place_in_graph(name) for name in self._names[rows]],
        )

    def _told_phase(self, row: int) -> str:
        expanded = self._names[row].startswith(_EXPANDED_SCOPE)
        return "" if expanded or self.phases[row] not in ALIGNED_PHASES else str(self.phases[row])


def place_in_graph(name: str) -> tuple[str, int]:
    """Give the scope of a kernel's name and its number there; -1 if it has none."""
    numbered = _NUMBERED.fullmatch(name)
    return (numbered.group(1), int(numbered.group(2))) if numbered else (name, -1)
