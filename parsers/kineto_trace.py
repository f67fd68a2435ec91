"""PyTorch profiler traces: Kineto JSON of every era since torch 1.8, and the legacy autograd export."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.byte_stream import first_bytes
from profkit.parsers.chrome_events import Argument, EventFile, read_events
from profkit.parsers.kineto_facts import input_texts, kineto_facts
from profkit.progress import Progress
from profkit.schema import OPS, SPANS, STEPS

_JSON_ARGUMENTS = ("dims", "types")
_HEADER_KEYS = ("baseTimeNanoseconds", "distributedInfo", "deviceProperties")

_OWN_KEY = re.compile(rb'"(schemaVersion|deviceProperties|baseTimeNanoseconds|distributedInfo|trace_id)"\s*:')
_EVENT_LIST = re.compile(rb'"traceEvents"\s*:\s*\[')
_CATEGORY = re.compile(rb'"cat"\s*:\s*"([^"]*)"')
_LEGACY_PROCESS = re.compile(rb'"pid"\s*:\s*"(?:CPU|CUDA) functions"')
_ASCEND_FOLDER = "ASCEND_PROFILER_OUTPUT"

_STEP_NAME = re.compile(r"ProfilerStep#(\d{1,9})")
_MODULE_PREFIX = "nn.Module: "
_EVALUATE_PREFIX = "autograd::engine::evaluate_function: "
_UNKNOWN_NAME = "unknown"
_INT64 = np.iinfo(np.int64)
_INT32 = np.iinfo(np.int32)
_SPAN_KINDS = ("module", "annotation", "launch", "step")
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
        frames=("ops", "spans", "steps"),
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
        return _Reading(path, read_events(path, arguments, _HEADER_KEYS, progress=progress)).parsed()


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
    """One trace on its way from events to frames."""

    def __init__(self, path: Path, trace: EventFile) -> None:
        self._source = str(path)
        self._trace = trace
        self._issues = list(trace.issues)
        self._rank = _whole(self._distributed.get("rank"), _INT32.max, default=-1)
        self._base = _whole(trace.header.get("baseTimeNanoseconds"), _INT64.max, default=0)
        events = trace.events.assign(role=_roles(trace.events))
        self._left_out = events[(events["role"] == "").to_numpy()]
        self._events = self._placed_in_time(events[(events["role"] != "").to_numpy()])
        self._host_threads = self._lanes(~self._of("device"), "host")
        self._device_streams = self._lanes(self._of("device"), "device")

    def parsed(self) -> Parsed:
        """Give the frames with what was noticed."""
        self._note_what_is_missing()
        return Parsed(
            frames={"ops": self._ops(), "spans": self._spans(), "steps": self._steps()},
            issues=tuple(self._issues),
            framework="pytorch",
            rank=self._rank,
            writer_version=self._era(),
            facts=self._facts(),
        )

    @property
    def _distributed(self) -> dict[str, object]:
        info = self._trace.header.get("distributedInfo")
        return info if isinstance(info, dict) else {}

    def _of(self, *roles: str) -> NDArray[np.bool_]:
        return self._events["role"].isin(roles).to_numpy()

    def _note(self, severity: Severity, rows: pd.DataFrame, text: str) -> None:
        where = f"event {rows['row'].iloc[0]}"
        count = f"{len(rows)} {'event' if len(rows) == 1 else 'events'}"
        self._issues.append(ImportIssue(severity, self._source, where, f"{count}: {text}"))

    def _placed_in_time(self, events: pd.DataFrame) -> pd.DataFrame:
        """Add the trace's base time; leave out, with an issue, what has no place in time."""
        known = (events["ts_ns"].notna() & events["dur_ns"].notna()).to_numpy()
        start = events["ts_ns"].fillna(0).to_numpy(np.int64)
        dur = events["dur_ns"].fillna(0).to_numpy(np.int64)
        fits = (start <= _INT64.max - self._base - np.maximum(dur, 0)) & (dur >= -_INT64.max)
        if not known.all():
            self._note(Severity.DATA_LOSS, events[~known], "no start or no duration: left out")
        if not fits.all():
            self._note(Severity.DATA_LOSS, events[~fits], "the time is beyond int64 nanoseconds: left out")
        negative = known & fits & (dur < 0)
        if negative.any():
            self._note(Severity.DATA_LOSS, events[negative], "the duration is negative: taken as zero")
        kept = known & fits
        times = {"start_ns": start[kept] + self._base, "dur_ns": np.maximum(dur[kept], 0)}
        nameless = events.loc[kept, "name"].isna()
        named = events.loc[kept, "name"].cat.add_categories([""] if nameless.any() else []).fillna("")
        return events[kept].assign(name=named, **times).reset_index(drop=True)

    def _lanes(self, mask: NDArray[np.bool_], what: str) -> pd.Series[str]:
        """Give thread or stream names: as recorded, with the process or device before it where there are several."""
        rows = self._events[mask]
        lane = rows["tid"].astype("category")
        if what == "host" and not rows.loc[rows["role"] == "host", "pid"].nunique() > 1:
            return lane
        if rows["pid"].nunique() > 1:
            lane = (rows["pid"].astype(object) + ":" + rows["tid"].astype(object)).astype("category")
        return lane

    def _ops(self) -> pd.DataFrame:
        mask = self._of("host", "device")
        rows = self._events[mask]
        device = (rows["role"] == "device").to_numpy()
        shapes, dtypes = input_texts(rows["dims"].astype("category"), rows["types"].astype("category"))
        absent = np.full(len(rows), -1, dtype=np.int64)
        return OPS.build(
            {
                "rank": np.full(len(rows), self._rank, dtype=np.int32),
                "step": absent.astype(np.int32),
                "level": pd.Categorical(np.where(device, "device", "host")),
                "start_ns": rows["start_ns"],
                "dur_ns": rows["dur_ns"],
                "self_ns": rows["dur_ns"],
                "thread": self._host_threads.reindex(rows.index),
                "stream": self._device_streams.reindex(rows.index),
                "name": rows["name"].cat.remove_unused_categories(),
                "op_type": _op_types(rows, device),
                "parent": absent,
                "launcher": self._named_launchers(rows, device),
                "forward_op": absent,
                "carry_over": np.zeros(len(rows), dtype=bool),
                "correlation": rows["correlation"].where(device),
                "sequence": rows["sequence"].where(~device),
                "forward_thread": rows["forward_thread"].where(~device),
                "input_shapes": shapes,
                "input_dtypes": dtypes,
                "source": _constant(self._source, len(rows)),
                "row": rows["row"],
            }
        )

    def _named_launchers(self, rows: pd.DataFrame, device: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the operator whose External id a device event carries, -1 where the id says nothing.

        Torch 1.11 to 2.2 wrote the event's own correlation there, which can by chance be another operator's id: the
        ids of a trace count only if one of them differs from its correlation.
        """
        launcher = np.full(len(rows), -1, dtype=np.int64)
        wanted = rows["external_id"].where(device & (rows["external_id"] > 0).fillna(value=False))
        if not (wanted != rows["correlation"]).fillna(value=False).any():
            return launcher
        ids = pd.Series(rows["external_id"].to_numpy()[~device], index=np.flatnonzero(~device)).dropna()
        ids = ids[~ids.duplicated(keep=False)]
        position = pd.Series(ids.index, index=ids.to_numpy())
        asked = np.flatnonzero(wanted.notna())
        found = position.reindex(wanted.iloc[asked].to_numpy()).fillna(-1)
        launcher[asked] = found.to_numpy(np.int64)
        return launcher

    def _spans(self) -> pd.DataFrame:
        rows = self._events[self._of(*_SPAN_KINDS)]
        return SPANS.build(
            {
                "rank": np.full(len(rows), self._rank, dtype=np.int32),
                "start_ns": rows["start_ns"],
                "dur_ns": rows["dur_ns"],
                "thread": self._host_threads.reindex(rows.index),
                "kind": pd.Categorical(rows["role"], categories=list(_SPAN_KINDS)),
                "name": rows["name"].cat.remove_unused_categories(),
                "correlation": rows["correlation"],
                "span_id": rows["python_id"],
                "parent_id": rows["python_parent"],
                "source": _constant(self._source, len(rows)),
                "row": rows["row"],
            }
        )

    def _steps(self) -> pd.DataFrame:
        rows = self._events[self._of("step")]
        numbers = rows["name"].astype(str).str.extract(_STEP_NAME, expand=False).astype(np.int32)
        repeated = numbers.duplicated().to_numpy()
        if repeated.any():
            self._note(Severity.DATA_LOSS, rows[repeated], "a ProfilerStep of the same number stands before: ignored")
        rows, numbers = rows[~repeated].reset_index(drop=True), numbers[~repeated].reset_index(drop=True)
        return STEPS.build(
            {
                "rank": np.full(len(rows), self._rank, dtype=np.int32),
                "step": numbers,
                "start_ns": rows["start_ns"],
                "dur_ns": rows["dur_ns"],
                "how": _constant("recorded", len(rows)),
                "source": _constant(self._source, len(rows)),
            }
        )

    def _note_what_is_missing(self) -> None:
        unknown = self._events[(self._events["name"] == _UNKNOWN_NAME).to_numpy()]
        if len(unknown):
            text = "the name is 'unknown': torch 2.6 and later write that for names that are not plain ASCII"
            self._note(Severity.DATA_LOSS, unknown, text)
        nameless = self._left_out[(self._left_out["ph"] == "X").to_numpy() & self._left_out["cat"].isna().to_numpy()]
        if len(nameless):
            text = "no category (torch_npu: CANN calls and device tasks, read from the profiler's directory): left out"
            self._note(Severity.DATA_LOSS, nameless, text)
        if self._trace.is_object and len(self._events) and int(self._events["start_ns"].max()) < _EARLIEST_EPOCH_NS:
            text = "baseTimeNanoseconds is missing: times count from a zero that the file does not tell"
            self._issues.append(ImportIssue(Severity.INFO, self._source, "", text))

    def _era(self) -> str:
        categories = set(self._trace.events["cat"].dropna().unique())
        if not self._trace.is_object:
            return "torch_npu trace_view" if categories else "torch.autograd export"
        if categories & {"Operator", "Kernel", "Runtime"}:
            return "torch 1.8 to 1.10, by its format"
        if "baseTimeNanoseconds" in self._trace.header:
            return "torch 2.4 or later, by its format"
        if (self._events["start_ns"] % 1000 != 0).any():
            return "torch 2.3, by its format"
        return "torch 1.11 to 2.2, by its format"

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        devices = self._trace.header.get("deviceProperties")
        if isinstance(devices, list):
            names = [str(device["name"]) for device in devices if isinstance(device, dict) and device.get("name")]
            if names:
                facts["device"] = ", ".join(dict.fromkeys(names))
        for key in ("world_size", "backend"):
            if isinstance(self._distributed.get(key), int | str):
                facts[key] = str(self._distributed[key])
        recorded: dict[str, NDArray[np.bool_]] = {
            "input shapes": self._events.loc[self._of("host"), "dims"].notna().to_numpy(),
            "module calls": self._of("module"),
            "steps": self._of("step"),
        }
        facts.update({what: "recorded" if rows.any() else "not recorded" for what, rows in recorded.items()})
        if len(self._left_out):
            facts["events not kept"] = _counts(self._left_out)
        return facts


def _constant(text: str, length: int) -> pd.Categorical[str]:
    return pd.Categorical([text]).repeat(length)


def _roles(events: pd.DataFrame) -> NDArray[np.object_]:
    """Give what each event is: host, device, launch, annotation, module, step; "" for what is not kept."""
    facts = kineto_facts()
    name, cat = events["name"], events["cat"]
    role = cat.map(dict(facts.roles)).astype(object)
    legacy = cat.isna() & events["pid"].isin(list(facts.legacy_roles))
    role = role.where(~legacy, events["pid"].astype(object).map(dict(facts.legacy_roles)))
    role = role.where(events["ph"] == "X", "").fillna("")
    role[(role == "host") & _named(name, facts.annotation_name.match)] = "annotation"
    role[(role == "annotation") & _named(name, _STEP_NAME.fullmatch)] = "step"
    role[(role == "python") & _named(name, lambda text: text.startswith(_MODULE_PREFIX))] = "module"
    role[role == "python"] = ""
    return role.to_numpy()


def _named(names: pd.Series[str], fits: Callable[[str], object]) -> pd.Series[bool]:
    """Mark the names that fit, judging each distinct name once."""
    return names.isin([name for name in names.cat.categories if fits(name)])


def _op_types(rows: pd.DataFrame, device: NDArray[np.bool_]) -> pd.Series[str]:
    """Give the name of host operators, without the engine's word before it; Memcpy and Memset of the device."""
    host_type = rows["name"].map(lambda name: name.removeprefix(_EVALUATE_PREFIX)).astype(object)
    device_type = rows["cat"].map(dict(kineto_facts().device_types)).astype(object)
    return host_type.where(~device, device_type).astype("category")


def _counts(events: pd.DataFrame) -> str:
    """Say how many events of which category are not kept."""
    kind = events["cat"].astype(object).where(events["cat"].notna(), "phase " + events["ph"].astype(object))
    counts = kind.value_counts()
    named = [f"{category} {count}" for category, count in counts.head(_LEFT_OUT_NAMED).items()]
    rest = int(counts.iloc[_LEFT_OUT_NAMED:].sum())
    return ", ".join([*named, f"others {rest}"] if rest else named)


def _whole(value: object, largest: int, default: int) -> int:
    """Give a header value as a number, if it is one between 0 and the largest."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    return default
