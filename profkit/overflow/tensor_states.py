"""What is known of every tensor of a dump: its state, and on demand its counts and the hash of its content."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import numpy as np
import pandas as pd

from profkit.errors import UnreadableInputError
from profkit.overflow.tensor_values import (
    Counts,
    can_be_judged,
    count,
    digest,
    has_one_finite_value,
    looks_like_float32_half,
    peak_of,
)
from profkit.parsers.dump.array_file import AnyArray
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import Progress

_REPORT_EVERY = 512


class State(Enum):
    """What a tensor holds.

    FINITE: no NaN and no Inf (also: a dtype that cannot hold them).
    NAN: at least one NaN.
    INF: Inf, but no NaN.
    UNREAD: the file does not hold the tensor's values.
    UNKNOWN: there are neither values nor statistics to judge by.
    """

    FINITE = "finite"
    NAN = "nan"
    INF = "inf"
    UNREAD = "unread"
    UNKNOWN = "unknown"


class TensorStates:
    """The states of all tensors of a frame, by row.

    Files are opened when needed and closed again, so that memory stays bounded by the largest block read.
    """

    def __init__(self, tensors: pd.DataFrame, progress: Progress) -> None:
        """Look at every tensor once.

        Args:
            tensors: A valid tensors frame with a RangeIndex.
            progress: Told how far it is.
        """
        self._op = [str(op) for op in tensors["op"]]
        self._slot: list[int] = tensors["slot"].tolist()
        self._iteration: list[int] = tensors["iteration"].tolist()
        self._scalar: list[bool] = tensors["shape"].eq("").fillna(value=False).astype(bool).tolist()
        self._size_bytes: list[int] = tensors["size_bytes"].fillna(0).astype("int64").tolist()
        self._path: list[str | None] = [None if pd.isna(path) else str(path) for path in tensors["path"]]
        self._member: list[str | None] = [None if pd.isna(part) else str(part) for part in tensors["member"]]
        self._dtype: list[str | None] = [None if pd.isna(dtype) else str(dtype) for dtype in tensors["dtype"]]
        self._recorded: list[bool | None] = [None if pd.isna(flag) else bool(flag) for flag in tensors["nonfinite"]]
        self._saturated: set[int] = set()
        self._state = [self._look(row, progress) for row in range(len(tensors))]
        self._digest = lru_cache(maxsize=None)(self._digest_of)
        self._counts = lru_cache(maxsize=None)(self._counts_of)

    def _look(self, row: int, progress: Progress) -> State:
        if row % _REPORT_EVERY == 0:
            progress("looking for NaN and Inf", "tensors", row / len(self._path))
        path, dtype = self._path[row], self._dtype[row]
        if path is None:
            return {None: State.UNKNOWN, True: State.NAN, False: State.FINITE}[self._recorded[row]]
        if dtype is None:
            return State.UNKNOWN
        if not can_be_judged(dtype):
            return State.FINITE
        try:
            peak = peak_of(open_tensor(path, self._member[row]), dtype)
        except UnreadableInputError:
            return State.UNKNOWN
        if peak.saturated:
            self._saturated.add(row)
        return State.NAN if peak.nan else State.INF if peak.inf else State.FINITE

    def __getitem__(self, row: int) -> State:
        return self._state[row]

    def bad(self, row: int) -> bool:
        """Tell whether a tensor was read and holds NaN or Inf."""
        return self._state[row] in (State.NAN, State.INF)

    def saturated(self, row: int) -> bool:
        """Tell whether the largest magnitude of a finite tensor that was read is the largest of its dtype."""
        return row in self._saturated and self._state[row] is State.FINITE

    @property
    def all_fine(self) -> bool:
        """Whether no tensor holds NaN, Inf or a saturated value."""
        return not self._saturated and not any(self.bad(row) for row in range(len(self._state)))

    def mark_unread(self, row: int) -> None:
        """Say that the file of a tensor does not hold its values."""
        self._state[row] = State.UNREAD

    def dtype(self, row: int) -> str | None:
        """Give the dtype by numpy's name; None if not known."""
        return self._dtype[row]

    def is_float(self, row: int) -> bool:
        """Tell whether a tensor holds floating-point numbers that can be judged."""
        return can_be_judged(self._dtype[row])

    def is_scalar(self, row: int) -> bool:
        """Tell whether a tensor has no dimensions."""
        return self._scalar[row]

    def slot(self, row: int) -> int:
        """Give the number of a tensor among the inputs or outputs of its operator."""
        return self._slot[row]

    def op(self, row: int) -> str:
        """Give the operator or parameter that a tensor belongs to."""
        return self._op[row]

    def iteration(self, row: int) -> int:
        """Give the iteration that a tensor was dumped in."""
        return self._iteration[row]

    def size_bytes(self, row: int) -> int:
        """Give the bytes of the data; 0 if not known."""
        return self._size_bytes[row]

    def digest(self, row: int) -> bytes | None:
        """Give the hash of a tensor's content; None if it has none that can be read."""
        return self._digest(row)

    def counts(self, row: int) -> Counts | None:
        """Count the elements of a floating-point tensor; None if there are none to count."""
        return self._counts(row)

    def looks_like_mask(self, row: int) -> bool:
        """Tell whether a tensor holds Inf and at most one finite value besides."""
        array = self._array(row)
        return array is not None and self._state[row] is State.INF and has_one_finite_value(array)

    def became_inf_alike(self, before: int, after: int) -> bool:
        """Tell whether all elements that are Inf in one tensor have one value in another of the same shape."""
        arrays = self._array(before), self._array(after)
        if arrays[0] is None or arrays[1] is None or arrays[0].shape != arrays[1].shape:
            return False
        values = arrays[0][np.isinf(arrays[1])]
        return bool(values.size) and bool((values == values.flat[0]).all())

    def looks_like_float32_half(self, row: int) -> bool:
        """Tell whether a float16 tensor looks like one half of a float32 buffer."""
        array = self._array(row) if self._dtype[row] == "float16" else None
        return array is not None and looks_like_float32_half(array)

    def _array(self, row: int) -> AnyArray | None:
        path = self._path[row]
        if path is None or self._dtype[row] is None:
            return None
        try:
            return open_tensor(path, self._member[row])
        except UnreadableInputError:
            return None

    def _digest_of(self, row: int) -> bytes | None:
        array = self._array(row)
        return None if array is None else digest(array)

    def _counts_of(self, row: int) -> Counts | None:
        array, dtype = self._array(row), self._dtype[row]
        return count(array, dtype) if array is not None and dtype is not None and can_be_judged(dtype) else None
