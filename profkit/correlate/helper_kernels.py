"""Kernels of a device that convert, move or clear data for another one: which one that is.

An operator on Ascend is often three kernels: its input goes into the layout it computes in, it computes, its result
comes back. Sequence alone does not tell whether a conversion between two operators ends the first or begins the second.
What does: the call both were launched by, which is a part of the kernel's name, and the shapes that one writes and the
next one reads.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.placement import NO_COUNTERPART, SERVES, Rows
from profkit.correlate.tensor_shapes import Shape, shapes_of
from profkit.correlate.text_columns import texts_of

# Kernels of one aclnn call are named `{call}_{rest}`.
_CALL = "aclnn"
_CLEARS = "MemSet"


class HelperKernels:
    """The device kernels of a run, to be asked which of them help which.

    Args:
        ops: Identified ops frame; rows of the host help nothing.
    """

    def __init__(self, ops: pd.DataFrame) -> None:
        calls = {name: _call_of(str(name)) for name in ops["name"].cat.categories}
        self._calls = ops["name"].astype(object).map(calls).to_numpy()
        types = texts_of(ops["op_type"], "")
        self._clears = np.array([_CLEARS in word for word in types], dtype=bool)
        self._outputs_as_told = texts_of(ops["output_shapes"], "")
        self._outputs = _shapes_of_all(self._outputs_as_told)
        self._inputs = _shapes_of_all(texts_of(ops["input_shapes"], ""))
        self._helps = ((ops["level"] == "device") & (ops["op_class"] == "copy")).to_numpy()

    def sequence(self, rows: Rows) -> Hashable:
        """Give what decides, besides types and input shapes, which kernels of a list help which."""
        return tuple(self._calls[rows]), tuple(self._outputs_as_told[rows])

    def follow(self, rows: Rows, owner: Rows, reasons: list[str]) -> None:
        """Give, in place, each helper the unit of the kernel it serves, if it is known which one that is.

        Args:
            rows: Rows of the ops frame in order of start.
            owner: Unit of each of them, -1 none.
            reasons: Why, of each of them.
        """
        main = np.flatnonzero(~self._helps[rows])
        for at in map(int, np.flatnonzero(self._helps[rows])):
            following = int(np.searchsorted(main, at))
            before = int(main[following - 1]) if following else None
            after = int(main[following]) if following < len(main) else None
            served = self._served(rows, at, before, after)
            if served is not None and owner[at] != owner[served]:
                owner[at] = owner[served]
                reasons[at] = SERVES if owner[served] >= 0 else NO_COUNTERPART

    def _served(self, rows: Rows, at: int, before: int | None, after: int | None) -> int | None:
        row = rows[at]
        if after is not None and self._clears[row]:
            return after
        beside = [one for one in (before, after) if one is not None]
        called = [one for one in beside if self._calls[row] and self._calls[row] == self._calls[rows[one]]]
        if len(called) == 1:
            return called[0]
        if self._calls[row] and not called:
            return None  # A call of its own: somebody asked for this conversion.
        reads = before is not None and self._flows(rows[before], row)
        writes = after is not None and self._flows(row, rows[after])
        if reads and writes:
            return self._by_ranks(row, before, after)
        return before if reads else after if writes else None

    def _flows(self, source: int, target: int) -> bool:
        return any(shape in self._inputs[target] for shape in self._outputs[source] if shape)

    def _by_ranks(self, row: int, before: int | None, after: int | None) -> int | None:
        """Tell by the number of dimensions: blocked layouts have more than the plain ones that operators agree on."""
        read, written = (len(max(shapes[row], key=len, default=())) for shapes in (self._inputs, self._outputs))
        if read == written:
            return None
        return before if read > written else after


def _call_of(name: str) -> str:
    own = name.rpartition("/")[2]
    return own.partition("_")[0] if own.startswith(_CALL) else ""


def _shapes_of_all(texts: npt.NDArray[np.object_]) -> list[tuple[Shape, ...]]:
    known = {text: tuple(shapes_of(text)) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]
