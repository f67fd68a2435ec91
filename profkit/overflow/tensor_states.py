"""What is known of every tensor of a dump: its state, and on demand its counts and the hash of its content."""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache

import numpy as np
import pandas as pd

from profkit.errors import UnreadableInputError
from profkit.overflow.recorded_statistics import RecordedStatistics
from profkit.overflow.tensor_values import (
    Counts,
    Peak,
    can_be_judged,
    count,
    digest,
    has_one_finite_value,
    largest_of,
    looks_like_float32_half,
    norm_of,
    peak_of,
)
from profkit.parsers.dump.array_file import AnyArray
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import Progress
from profkit.tensor_peaks import TensorPeaks

_REPORT_EVERY = 512
# Floating-point formats by other names than numpy's, whose bits are not known here.
_LIKE_FLOATS = ("float", "bfloat", "hifloat", "complex")


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

    def __init__(self, tensors: pd.DataFrame, progress: Progress, peaks: TensorPeaks | None = None) -> None:
        """Look at every tensor once.

        Args:
            tensors: A valid tensors frame with a RangeIndex.
            progress: Told how far it is.
            peaks: What is remembered of the tensors from an earlier look; None remembers nothing.
        """
        self._op = [str(op) for op in tensors["op"]]
        self._slot: list[int] = tensors["slot"].tolist()
        self._iteration: list[int] = tensors["iteration"].tolist()
        self._shape: list[str | None] = [None if pd.isna(shape) else str(shape) for shape in tensors["shape"]]
        self._size_bytes: list[int] = tensors["size_bytes"].fillna(0).astype("int64").tolist()
        self._path: list[str | None] = [None if pd.isna(path) else str(path) for path in tensors["path"]]
        self._member: list[str | None] = [None if pd.isna(part) else str(part) for part in tensors["member"]]
        self._dtype: list[str | None] = [None if pd.isna(dtype) else str(dtype) for dtype in tensors["dtype"]]
        self._timed: list[bool] = tensors["time_ns"].notna().tolist()
        self._recorded = RecordedStatistics(tensors)
        self._saturated: set[int] = set()
        self._magnitude: dict[int, float] = {}
        self._peaks = peaks
        self._state = [self._look(row, progress) for row in range(len(tensors))]
        self._digest = lru_cache(maxsize=None)(self._digest_of)
        self._counts = lru_cache(maxsize=None)(self._counts_of)

    def _look(self, row: int, progress: Progress) -> State:
        if row % _REPORT_EVERY == 0:
            progress("looking for NaN and Inf", "tensors", row / len(self._path))
        path, dtype = self._path[row], self._dtype[row]
        if path is None:
            return self._look_at_statistics(row)
        if dtype is None:
            return State.UNKNOWN
        if not can_be_judged(dtype):
            return State.UNKNOWN if dtype.startswith(_LIKE_FLOATS) else State.FINITE
        try:
            peak = self._peak_of(path, self._member[row], dtype)
        except UnreadableInputError:
            return self._look_at_statistics(row)
        if peak.saturated:
            self._saturated.add(row)
        self._magnitude[row] = peak.magnitude
        return State.NAN if peak.nan else State.INF if peak.inf else State.FINITE

    def _peak_of(self, path: str, member: str | None, dtype: str) -> Peak:
        if self._peaks is None:
            return peak_of(open_tensor(path, member), dtype)
        known = self._peaks.get(path, member or "", dtype)
        return Peak(*known) if known is not None else self._remember(self._peaks, path, member, dtype)

    @staticmethod
    def _remember(peaks: TensorPeaks, path: str, member: str | None, dtype: str) -> Peak:
        with peaks.looking_at(path, member or "", dtype) as remember:
            peak = peak_of(open_tensor(path, member), dtype)
            remember(peak)
        return peak

    def _look_at_statistics(self, row: int) -> State:
        dtype = self._dtype[row]
        if dtype is not None and dtype.startswith(("int", "uint", "bool")):
            return State.FINITE
        recorded = self._recorded
        if not recorded.nonfinite(row):
            state = State.UNKNOWN if recorded.nonfinite(row) is None else State.FINITE
        else:
            state = State.INF if recorded.has_no_nan(row) else State.NAN
        if state is State.FINITE and not math.isnan(recorded.magnitude(row)):
            self._magnitude[row] = recorded.magnitude(row)
            if dtype is not None and can_be_judged(dtype) and self._magnitude[row] == largest_of(dtype):
                self._saturated.add(row)
        return state

    def __getitem__(self, row: int) -> State:
        return self._state[row]

    def bad(self, row: int) -> bool:
        """Tell whether a tensor was read and holds NaN or Inf."""
        return self._state[row] in (State.NAN, State.INF)

    def saturated(self, row: int) -> bool:
        """Tell whether the largest magnitude of a finite tensor that was read is the largest of its dtype."""
        return row in self._saturated and self._state[row] is State.FINITE

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
        return self._shape[row] == ""

    def is_timed(self, row: int) -> bool:
        """Tell whether a tensor was dumped by a running graph, which writes the time into the file's name."""
        return self._timed[row]

    def is_recorded(self, row: int) -> bool:
        """Tell whether only statistics of a tensor are known."""
        return self._path[row] is None

    def shape(self, row: int) -> str | None:
        """Give the dims split by ','; None if not known."""
        return self._shape[row]

    def magnitude(self, row: int) -> float:
        """Give the largest magnitude of a tensor; NaN if it is not known, Inf or NaN where it holds one."""
        return self._magnitude.get(row, math.nan)

    def norm(self, row: int) -> float:
        """Give the L2 norm of a finite tensor; NaN if it is not known."""
        array = self._array(row)
        if array is None or row not in self._magnitude:
            return self._recorded.norm(row)
        return norm_of(array, self._magnitude[row])

    def elements(self, row: int) -> int:
        """Give the number of elements; 0 if the shape is not known."""
        shape = self._shape[row]
        return 0 if shape is None else math.prod(int(dim) for dim in shape.split(",") if dim)

    def span(self, row: int) -> tuple[float, float]:
        """Give the least and the largest finite value, counted or recorded; NaN where not known."""
        counts = self.counts(row)
        return (counts.low, counts.high) if counts is not None else self._recorded.span(row)

    def inf_signs(self, row: int) -> set[int]:
        """Give the signs (1, -1) of the Inf elements of a tensor, counted or recorded."""
        counts = self.counts(row)
        if counts is None:
            return self._recorded.inf_signs(row)
        return {sign for sign, number in ((1, counts.pos_inf), (-1, counts.neg_inf)) if number}

    def recorded_counts(self, row: int) -> tuple[int | None, int | None, int | None]:
        """Give the recorded numbers of NaN, +Inf and -Inf elements; None where not told."""
        return self._recorded.counts(row)

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
        """Give what tells a tensor's content from others: its hash, else what was recorded of it; None if nothing is.

        Two tensors of equal recorded statistics need not be equal: what is NaN throughout looks alike.
        """
        return self._digest(row)

    def counts(self, row: int) -> Counts | None:
        """Count the elements of a floating-point tensor; None if there are none to count."""
        return self._counts(row)

    def looks_like_mask(self, row: int) -> bool:
        """Tell whether a tensor holds -Inf and at most one finite value besides."""
        if self._state[row] is not State.INF or self.inf_signs(row) != {-1}:
            return False
        array = self._array(row)
        return array is not None and has_one_finite_value(array)

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

    def array(self, row: int) -> AnyArray | None:
        """Open the array of a tensor; None if it cannot be read."""
        return self._array(row)

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
        return self._recorded.likeness(row) if array is None else digest(array)

    def _counts_of(self, row: int) -> Counts | None:
        array, dtype = self._array(row), self._dtype[row]
        return count(array, dtype) if array is not None and dtype is not None and can_be_judged(dtype) else None
