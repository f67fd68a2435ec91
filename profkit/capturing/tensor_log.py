"""The tensors of a capture on their way to disk: one line a tensor in tensors.jsonl, and its values beside it.

A line is written when its tensor is, so that a run that breaks off leaves what it had. The reader is
profkit.parsers.dump.captured_tensors.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError, first_line_of
from profkit.parsers.dump.captured_tensors import FORMAT_VERSION, TENSOR_LIST
from profkit.saving.tensor_values import array_of

Values = Literal["full", "sample", "statistics"]
_UNSAFE = re.compile(r"[^0-9A-Za-z_.\-]")
_CHUNK = 1 << 20
_LONGEST_NAME = 120


class TensorLog:
    """Writes the tensors of one process.

    Attributes:
        left_out: How many tensors were kept as statistics only because the directory was full.
        failures: Why tensors could not be kept at all, each reason once.
        written_bytes: Bytes of values on disk.
    """

    def __init__(self, folder: Path, framework: str, values: Values, sample_size: int, max_bytes: int) -> None:
        self.left_out = 0
        self.failures: dict[str, int] = {}
        self.written_bytes = 0
        self._folder, self._values = folder, values
        self._sample_size, self._max_bytes = sample_size, max_bytes
        self._files: dict[str, str] = {}
        self._lock = Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._list = (folder / TENSOR_LIST).open("w", encoding="utf-8")
        except OSError as error:
            raise ProfkitError(f"{folder} cannot be written: {error.strerror}", "give another directory") from error
        self._line({"profkit_capture": FORMAT_VERSION, "framework": framework, "values": values})

    def add(self, value: Any, **place: Any) -> None:
        """Keep one tensor; what fails is counted, never raised: the network that is watched goes on.

        Args:
            value: A tensor of either framework.
            **place: step, order, op, op_type, io, slot and argument, as in profkit.schema.TENSORS.
        """
        try:
            # Before the lock: a tensor may have to wait for a graph, which may be waiting to add one itself.
            array = array_of(value, str(place["op"]))
            with self._lock:
                if not self._list.closed:
                    self._add(array, str(value.dtype).rpartition(".")[2].lower(), place)
        except (ProfkitError, OSError, MemoryError, RuntimeError, ValueError, TypeError) as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Count a tensor that could not be kept, with the reason."""
        reason = first_line_of(error) or type(error).__name__
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def close(self) -> None:
        """End the list; what comes later is not kept."""
        with self._lock:
            self._list.close()

    def _add(self, array: NDArray[Any], dtype: str, place: dict[str, Any]) -> None:
        line = {
            **place,
            "dtype": dtype,
            "shape": list(array.shape),
            "stored": self._values,
        }
        kept = self._kept(array)
        digest = hashlib.blake2b(kept.data if kept.size else b"", digest_size=16).hexdigest()
        key = f"{digest}{kept.dtype}{kept.shape}"
        if kept.size and self._values != "statistics" and key not in self._files:
            if self.written_bytes + kept.nbytes > self._max_bytes:
                self.left_out += 1
                line["stored"] = "statistics"
            else:
                self._files[key] = self._write(kept, place)
        if line["stored"] != "statistics":
            line["file"] = self._files.get(key) or self._write(kept, place)
        if line["stored"] != "full":
            line |= statistics(array)
        self._line(line)

    def _kept(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give the elements to keep, contiguous; of a sample always those at the same places."""
        if self._values == "sample" and array.size > self._sample_size:
            places = np.arange(self._sample_size, dtype=np.int64) * array.size // self._sample_size
            return np.ascontiguousarray(array.reshape(-1)[places])
        return np.asarray(array, order="C")

    def _write(self, array: NDArray[Any], place: dict[str, Any]) -> str:
        number = len(self._files)
        stem = _UNSAFE.sub("_", f"{place['op']}_{place['io']}")[:_LONGEST_NAME]
        name = f"{number:06d}_{stem}.npy"
        content = io.BytesIO()
        np.lib.format.write_array(content, array, allow_pickle=False)
        (self._folder / name).write_bytes(content.getbuffer())
        self.written_bytes += array.nbytes
        return name

    def _line(self, content: dict[str, Any]) -> None:
        self._list.write(json.dumps(content, ensure_ascii=True) + "\n")
        self._list.flush()


def statistics(array: NDArray[Any]) -> dict[str, float | int]:
    """Give max, min, mean and L2 norm of the finite elements in float64, and the counts of the others.

    Complex numbers count with their magnitudes. Memory is bounded by a chunk of 2**20 elements.
    """
    total = squares = 0.0
    largest, smallest = -math.inf, math.inf
    finite_count = nan = above = below = zeros = 0
    for chunk in _chunks(array):
        finite = chunk[np.isfinite(chunk)]
        nan += int(np.isnan(chunk).sum())
        above += int(np.isposinf(chunk).sum())
        below += int(np.isneginf(chunk).sum())
        zeros += int(chunk.size - np.count_nonzero(chunk))
        if finite.size:
            finite_count += finite.size
            total += float(finite.sum())
            squares += float(np.dot(finite, finite))
            largest, smallest = max(largest, float(finite.max())), min(smallest, float(finite.min()))
    found: dict[str, float | int] = {
        "nan_count": nan, "pos_inf_count": above, "neg_inf_count": below, "zero_count": zeros,
    }  # fmt: skip
    if finite_count:
        found |= {
            "max": largest, "min": smallest, "mean": total / finite_count,
            "norm": math.sqrt(squares) if math.isfinite(squares) else math.inf,
        }  # fmt: skip
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    flat = np.asarray(array).reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        yield (np.abs(chunk) if chunk.dtype.kind == "c" else chunk).astype(np.float64)
