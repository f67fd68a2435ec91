"""PyTorch profiler traces: Kineto JSON of every era since torch 1.8, and the legacy autograd export."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.byte_stream import first_bytes
from profkit.parsers.chrome.events import Argument, EventBatches
from profkit.parsers.chrome.windows import EventWindows
from profkit.parsers.damage_log import Repair
from profkit.parsers.growing_columns import categorical
from profkit.parsers.pytorch.kineto_collectives import COLLECTIVE_ARGUMENTS
from profkit.parsers.pytorch.kineto_events import DEVICE, MODULE, ROLES, STEP, STEP_NAME, EventCollector, KeptEvents
from profkit.parsers.pytorch.kineto_facts import input_text, kineto_facts
from profkit.parsers.pytorch.kineto_memory import MEMORY_ARGUMENTS
from profkit.progress import Progress
from profkit.schema import COMM, OPS, SPANS, STEPS

_JSON_ARGUMENTS = ("dims", "types")
_HEADER_KEYS = ("baseTimeNanoseconds", "distributedInfo", "deviceProperties")

_OWN_KEY = re.compile(rb'"(schemaVersion|deviceProperties|baseTimeNanoseconds|distributedInfo|trace_id)"\s*:')
_EVENT_LIST = re.compile(rb'"traceEvents"\s*:\s*\[')
_CATEGORY = re.compile(rb'"cat"\s*:\s*"([^"]*)"')
_LEGACY_PROCESS = re.compile(rb'"pid"\s*:\s*"(?:CPU|CUDA) functions"')
_ASCEND_FOLDER = "ASCEND_PROFILER_OUTPUT"

_EVALUATE_PREFIX = "autograd::engine::evaluate_function: "
_INT64 = np.iinfo(np.int64)
_INT32 = np.iinfo(np.int32)
_Integer = TypeVar("_Integer", bound=np.integer)
_SPAN_KINDS = ("module", "annotation", "launch", "step")
_REPEATED_STEP = Repair("a ProfilerStep of the same number stands before: ignored", Severity.DATA_LOSS)
_LEFT_OUT_NAMED = 6
# The year 2000: an older start counts from a zero of its own.
_EARLIEST_EPOCH_NS = 946_684_800 * 10**9


class KinetoTrace:
    """One trace file: host operators and device tasks, module calls, annotations, launches and steps.

    Rows stand in file order. A device row gets a launcher here only where the trace itself names the operator by a
    valid External id; what follows from launches and nesting is worked out by profkit.correlate.
    """

    descriptor = Descriptor(
        name="kineto-trace",
        title="PyTorch profiler trace (Kineto JSON)",
        framework="pytorch",
        clock="unix epoch (baseTimeNanoseconds added), or the trace's own zero",
        unit="us with up to 3 decimals",
        frames=("ops", "spans", "steps", "memory", "comm"),
        version=3,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a trace by its own top-level keys, or by event categories that only PyTorch writes."""
        if not path.is_file():
            return None
        text = first_bytes(path).lstrip(b"\xef\xbb\xbf \t\r\n")
        reason = None
        if text.startswith(b"{"):
            reason = _reason_of_object(text)
        elif text.startswith(b"[") and path.parent.name != _ASCEND_FOLDER:
            reason = _reason_of_list(text)
        return Recognition(reason, (path,)) if reason else None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a trace.

        Raises:
            UnreadableInputError: No event could be read from the file.
        """
        arguments = [
            Argument(column, "json" if column in _JSON_ARGUMENTS else "int", *spellings)
            for column, spellings in kineto_facts().arguments.items()
        ]
        arguments += [*MEMORY_ARGUMENTS, *COLLECTIVE_ARGUMENTS]
        collected = EventCollector(path)
        batches = EventBatches(
            path, arguments, _HEADER_KEYS, progress=progress, choose=collected.choose, with_ids=False
        )
        for events in batches:
            collected.add(events)
        return _Reading(path, batches.windows, collected).parsed()


def _reason_of_object(text: bytes) -> str | None:
    own = _OWN_KEY.search(text)
    has_events = _EVENT_LIST.search(text) is not None
    if own is not None and (has_events or b'"schemaVersion"' in text):
        return f"JSON with the key {own.group(1).decode()} of the PyTorch profiler"
    category = _known_category(text) if has_events else None
    return f"JSON traceEvents with the PyTorch category {category}" if category else None


def _reason_of_list(text: bytes) -> str | None:
    if _LEGACY_PROCESS.search(text):
        return "JSON list of events of the process 'CPU functions', as torch.autograd exports it"
    category = _known_category(text)
    return f"JSON list of events with the PyTorch category {category}" if category else None


def _known_category(text: bytes) -> str | None:
    roles = kineto_facts().roles
    return next((cat for found in _CATEGORY.finditer(text) if (cat := found.group(1).decode("latin-1")) in roles), None)


class _Reading:
    """One trace on its way from collected events to frames."""

    def __init__(self, path: Path, file: EventWindows, collected: EventCollector) -> None:
        self._source = str(path)
        self._file = file
        self._collected = collected
        self._rank = _whole(self._distributed.get("rank"), _INT32.max, default=-1)
        self._base_ns = _whole(file.header.get("baseTimeNanoseconds"), _INT64.max, default=0)
        self._ops, self._spans = collected.finish(self._base_ns)
        self._device = self._ops.of(DEVICE)

    def parsed(self) -> Parsed:
        """Give the frames with what was noticed."""
        frames = {
            "ops": self._op_frame(),
            "spans": self._span_frame(),
            "steps": self._step_frame(),
            "memory": self._collected.memory.frame(self._base_ns, self._rank, self._source),
            "comm": self._comm_frame(),
        }
        return Parsed(
            frames=frames,
            issues=(*self._file.damage.issues(), *self._collected.damage.issues(), *self._without_base_time()),
            framework="pytorch",
            rank=self._rank,
            writer_version=self._era(),
            facts=self._facts(),
        )

    @property
    def _distributed(self) -> dict[str, object]:
        info = self._file.header.get("distributedInfo")
        return info if isinstance(info, dict) else {}

    def _lane_texts(self, events: KeptEvents, device: bool) -> list[str | None]:
        """Give the name of each lane: as recorded, with the process or device before it where there are several."""
        alike = self._ops.lane[self._device == device]
        processes = {self._ops.lanes[i][0] for i in np.unique(alike).tolist()} - {None}
        if len(processes) < 2:
            return [tid for _, tid in events.lanes]
        return [None if pid is None or tid is None else f"{pid}:{tid}" for pid, tid in events.lanes]

    def _op_frame(self) -> pd.DataFrame:
        ops, device = self._ops, self._device
        texts = [input_text(*record) for record in ops.input_records]
        return OPS.build(
            {
                "rank": _repeated(np.int32(self._rank), len(ops)),
                "step": _repeated(np.int32(-1), len(ops)),
                "level": pd.Categorical.from_codes(device.astype(np.int8), categories=pd.Index(["host", "device"])),
                "start_ns": ops.start_ns,
                "dur_ns": ops.dur_ns,
                "self_ns": _read_only(ops.dur_ns),
                "thread": categorical(np.where(device, -1, ops.lane), self._lane_texts(ops, device=False)),
                "stream": categorical(np.where(device, ops.lane, -1), self._lane_texts(ops, device=True)),
                "name": categorical(ops.name, ops.names),
                "op_type": self._op_types(),
                "parent": _repeated(np.int64(-1), len(ops)),
                "launcher": self._named_launchers(),
                "forward_op": _repeated(np.int64(-1), len(ops)),
                "carry_over": np.zeros(len(ops), dtype=bool),
                "correlation": _only(ops.integers["correlation"], device),
                "sequence": _only(ops.integers["sequence"], ~device),
                "forward_thread": _only(ops.integers["forward_thread"], ~device),
                "record_function": _only(ops.integers["record_function"], self._numbered_functions()),
                "input_shapes": categorical(ops.inputs, [shapes for shapes, _ in texts]),
                "input_dtypes": categorical(ops.inputs, [dtypes for _, dtypes in texts]),
                "source": _constant(self._source, len(ops)),
                "row": ops.row,
            }
        )

    def _numbered_functions(self) -> NDArray[np.bool_]:
        """Mark host operators that torch numbered; it writes 0 unless an execution trace was recorded as well."""
        numbers = self._ops.integers["record_function"].to_numpy(np.int64, na_value=0)
        return (numbers > 0) & ~self._device

    def _op_types(self) -> pd.Categorical[str]:
        """Give the name of host operators, without the engine's word before it; Memcpy and Memset of the device."""
        types: list[str | None] = [name.removeprefix(_EVALUATE_PREFIX) for name in self._ops.names]
        types += [kineto_facts().device_types.get(cat) for cat in self._ops.cats]
        return categorical(np.where(self._device, len(self._ops.names) + self._ops.cat, self._ops.name), types)

    def _named_launchers(self) -> NDArray[np.int64]:
        """Give the operator whose External id a device event carries, -1 where the id says nothing.

        Torch 1.11 to 2.2 wrote the event's own correlation there, which can by chance be another operator's id: the
        ids of a trace count only if one of them differs from its correlation.
        """
        device = np.flatnonzero(self._device)
        if not len(device):
            return _repeated(np.int64(-1), len(self._ops))
        launcher = np.full(len(self._ops), -1, dtype=np.int64)
        external_id = pd.Series(self._ops.integers["external_id"])
        wanted = external_id.iloc[device].where(external_id.iloc[device] > 0).dropna()
        correlation = pd.Series(self._ops.integers["correlation"]).iloc[wanted.index]
        if not (wanted != correlation).any():
            return launcher
        ids = external_id[~self._device].dropna()
        ids = ids[~ids.duplicated(keep=False)]
        position = pd.Series(ids.index, index=ids.to_numpy(np.int64))
        launcher[wanted.index] = position.reindex(wanted.to_numpy(np.int64)).fillna(-1).to_numpy(np.int64)
        return launcher

    def _span_frame(self) -> pd.DataFrame:
        spans = self._spans
        return SPANS.build(
            {
                "rank": np.full(len(spans), self._rank, dtype=np.int32),
                "start_ns": spans.start_ns,
                "dur_ns": spans.dur_ns,
                "thread": categorical(spans.lane, self._lane_texts(spans, device=False)),
                "kind": pd.Categorical.from_codes(
                    np.array([_SPAN_KINDS.index(role) if role in _SPAN_KINDS else -1 for role in ROLES])[spans.role],
                    categories=pd.Index(_SPAN_KINDS),
                ),
                "name": categorical(spans.name, spans.names),
                "correlation": spans.integers["correlation"],
                "span_id": spans.integers["python_id"],
                "parent_id": spans.integers["python_parent"],
                "source": _constant(self._source, len(spans)),
                "row": spans.row,
            }
        )

    def _comm_frame(self) -> pd.DataFrame:
        """Give the collectives among the operators and device events: those that left int64 are in neither frame."""
        comm = self._collected.collectives.frame(self._base_ns, self._rank, self._source)
        return comm if comm["row"].isin(self._ops.row).all() else COMM.build(comm[comm["row"].isin(self._ops.row)])

    def _step_frame(self) -> pd.DataFrame:
        steps = self._spans.chosen(self._spans.of(STEP))
        matches = (STEP_NAME.fullmatch(steps.names[code]) for code in steps.name)
        numbers = pd.Series([int(match.group(1)) for match in matches if match], dtype=np.int32)
        repeated = numbers.duplicated().to_numpy()
        self._collected.damage.count_all(_REPEATED_STEP, steps.row[repeated])
        steps, numbers = steps.chosen(~repeated), numbers[~repeated]
        return STEPS.build(
            {
                "rank": np.full(len(steps), self._rank, dtype=np.int32),
                "step": numbers.to_numpy(),
                "start_ns": steps.start_ns,
                "dur_ns": steps.dur_ns,
                "how": _constant("recorded", len(steps)),
                "source": _constant(self._source, len(steps)),
            }
        )

    def _without_base_time(self) -> list[ImportIssue]:
        latest = max((int(events.start_ns.max()) for events in (self._ops, self._spans) if len(events)), default=None)
        if not self._file.is_object or latest is None or latest >= _EARLIEST_EPOCH_NS:
            return []
        text = "baseTimeNanoseconds is missing: times count from a zero that the file does not tell"
        return [ImportIssue(Severity.INFO, self._source, "", text)]

    def _era(self) -> str:
        categories = self._collected.categories
        if not self._file.is_object:
            return "torch_npu trace_view" if categories else "torch.autograd export"
        if categories & {"Operator", "Kernel", "Runtime"}:
            return "torch 1.8 to 1.10, by its format"
        if "baseTimeNanoseconds" in self._file.header:
            return "torch 2.4 or later, by its format"
        if any((events.start_ns % 1000 != 0).any() for events in (self._ops, self._spans)):
            return "torch 2.3, by its format"
        return "torch 1.11 to 2.2, by its format"

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        devices = self._file.header.get("deviceProperties")
        if isinstance(devices, list):
            names = [str(device["name"]) for device in devices if isinstance(device, dict) and device.get("name")]
            if names:
                facts["device"] = ", ".join(dict.fromkeys(names))
        for key in ("world_size", "backend"):
            if isinstance(self._distributed.get(key), int | str):
                facts[key] = str(self._distributed[key])
        inputs = np.unique(self._ops.inputs[~self._device]).tolist()
        recorded = {
            "input shapes": any(self._ops.input_records[i][0] is not None for i in inputs),
            "module calls": self._spans.of(MODULE).any(),
            "steps": self._spans.of(STEP).any(),
        }
        facts.update({what: "recorded" if any_row else "not recorded" for what, any_row in recorded.items()})
        if self._collected.left_out:
            facts["events not kept"] = _counts(self._collected.left_out)
        return facts


def _only(column: pd.arrays.IntegerArray, rows: NDArray[np.bool_]) -> pd.arrays.IntegerArray:
    """Give the column with NA in all other rows."""
    if rows.all():
        return column
    unknown = column.isna() | ~rows
    if unknown.all():
        # Zeros that are never written take no memory.
        return pd.arrays.IntegerArray(np.zeros(len(rows), np.int64), unknown)
    return pd.arrays.IntegerArray(column.to_numpy(np.int64, na_value=0), unknown)


def _read_only(column: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give a column that shares its memory with another one, so that neither may be written to by way of it."""
    shared = column.view()
    shared.flags.writeable = False
    return shared


def _repeated(value: _Integer, length: int) -> NDArray[_Integer]:
    """Give a column of one value; it takes no memory and cannot be written to."""
    return np.broadcast_to(value, length)


def _constant(text: str, length: int) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(np.zeros(length, np.int8), categories=pd.Index([text]))


def _counts(left_out: Counter[str]) -> str:
    """Say how many events of which category are not kept."""
    named = [f"{category} {count}" for category, count in left_out.most_common(_LEFT_OUT_NAMED)]
    rest = left_out.total() - sum(count for _, count in left_out.most_common(_LEFT_OUT_NAMED))
    return ", ".join([*named, f"others {rest}"] if rest else named)


def _whole(value: object, largest: int, default: int) -> int:
    """Give a header value as a number, if it is one between 0 and the largest."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    return default
