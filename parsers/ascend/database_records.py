"""Samples of the device, marks of the user and calls with their code, from the databases of an Ascend run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import Severity
from profkit.parsers.ascend.database_file import Database, Rows
from profkit.parsers.ascend.device_samples import COLUMNS, sampling_facts
from profkit.parsers.ascend.host_calls import call_stack
from profkit.redaction import redact_text

# Added by viewers to tables that they opened.
_OF_VIEWERS = frozenset({"depth", "waitNs", "opConnectionId"})
_TIME, _DEVICE = "timestampNs", "deviceId"


def sample_tables() -> frozenset[str]:
    """Name the tables that hold samples of the device."""
    return frozenset(sampling_facts()["tables"])


def read_device_samples(database: Database) -> pd.DataFrame:
    """Read all tables of samples: device_samples.COLUMNS, table after table, each in the order of its file."""
    parts = [_samples(database, table) for table in sampling_facts()["tables"] if table in database.tables]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))


def _samples(database: Database, table: str) -> pd.DataFrame:
    tables = sampling_facts()["tables"]
    facts = tables[tables[table].get("same_as", table)]
    ids, words, measures = facts.get("ids", ()), facts.get("words", ()), facts["measures"]
    known = {_TIME, _DEVICE, *ids, *words, *measures}
    others = [column for column in database.tables[table] if column not in known | _OF_VIEWERS]
    if others:
        database.note(Severity.DATA_LOSS, table, f"columns that are not known were not read: {', '.join(others[:8])}")
    rows = database.read(table, (_TIME, _DEVICE, *ids, *words, *measures))
    names = [rows.whole(column).astype("string") for column in ids if rows.has(column)]
    names += [rows.texts(column).astype("string") for column in words if rows.has(column)]
    counter = pd.Series([""] * rows.count, dtype="string")
    for name in names:
        counter = counter.str.cat(name.fillna("?"), sep=" ")
    common = {
        "time_ns": rows.whole(_TIME),
        "device": rows.whole(_DEVICE),
        "resource": table,
        "counter": counter.str.strip().astype(object),
    }
    parts = []
    for measure, unit in measures.items():
        if rows.has(measure):
            values = pd.to_numeric(pd.Series(rows.cells(measure), dtype=object), errors="coerce").astype("float64")
            parts.append(pd.DataFrame({**common, "measure": measure, "unit": unit or None, "value": values}))
    samples = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    fine = samples["time_ns"].notna() & samples["value"].notna()
    if not fine.all():
        database.note(Severity.DATA_LOSS, table, f"{(~fine).sum():,} samples without a time or a number were refused")
    return samples[fine].reset_index(drop=True)


def read_host_calls(database: Database) -> pd.DataFrame:
    """Read the calls of PYTORCH_API with a recorded call stack: columns of schema.HOST_CALLS without rank and source.

    The row is that of the operator in frame ops. A stack begins with the innermost frame.
    """
    rows = database.read("PYTORCH_API", ("startNs", "endNs", "name", "callchainId"))
    chains = database.read("PYTORCH_CALLCHAINS", ("id", "stack", "stackDepth"))
    frames = pd.DataFrame({"id": chains.whole("id"), "depth": chains.whole("stackDepth")})
    frames["line"] = chains.texts("stack").astype(object)
    frames = frames.dropna().sort_values(["id", "depth"], kind="stable")
    stacks = {chain: call_stack(";".join(lines)) for chain, lines in frames.groupby("id", sort=False)["line"]}
    start, end = rows.whole("startNs"), rows.whole("endNs")
    calls = pd.DataFrame(
        {
            "name": rows.texts("name").astype(object).fillna("unknown"),
            "call_stack": rows.whole("callchainId").astype(object).map(stacks),
            "start_ns": start,
            "host_total_ns": (end - start).where(end >= start),
            "row": np.arange(rows.count),
        }
    )
    return calls[calls["call_stack"].notna()].reset_index(drop=True)


def read_marks(database: Database) -> pd.DataFrame:
    """Read MSTX_EVENTS, ranges and points that the user marked: columns of schema.SPANS without rank and source.

    Their texts are the user's own: what looks like a secret in one is replaced.
    """
    rows = database.read("MSTX_EVENTS", ("startNs", "endNs", "message", "globalTid"))
    start, end = rows.whole("startNs"), rows.whole("endNs")
    fine = ((start >= 0) & (end >= start)).fillna(value=False).astype(bool)
    if not fine.all():
        text = f"{(~fine).sum():,} rows without a start and a later end were refused"
        database.note(Severity.DATA_LOSS, "MSTX_EVENTS", text)
    marks = pd.DataFrame(
        {
            "start_ns": start,
            "dur_ns": end - start,
            "thread": rows.whole("globalTid").map(lambda tid: str(tid & 0xFFFFFFFF), na_action="ignore").astype(object),
            "kind": "annotation",
            "name": rows.texts("message").astype(object).map(redact_text, na_action="ignore").fillna("unnamed mark"),
            "row": np.arange(rows.count),
        }
    )
    return marks[fine].astype({"start_ns": "int64", "dur_ns": "int64"}).reset_index(drop=True)


def read_operator_allocations(database: Database) -> pd.DataFrame:
    """Read NPU_OP_MEM, the allocations of the graph engine: columns of schema.ALLOCATIONS without rank and source.

    They have the device beside. An allocation ends with the next release at its address. OP_MEMORY, where it is there,
    repeats them.
    """
    columns = ("operatorName", "addr", "type", "size", "timestampNs", "component", "deviceId")
    rows = database.read("NPU_OP_MEM", columns)
    events: dict[str, Any] = {
        "component": rows.texts("component").astype(object).fillna("unknown"),
        "name": rows.texts("operatorName").astype(object),
        "size_bytes": rows.whole("size").where(rows.whole("size") >= 0),
        "time_ns": rows.whole("timestampNs"),
        "kind": _kinds(database, rows),
        "addr": rows.whole("addr"),
        "device": rows.whole("deviceId"),
        "row": np.arange(rows.count),
    }
    frame = pd.DataFrame(events)
    odd = ~frame["kind"].isin(["allocate", "release"]) | frame["time_ns"].isna()
    if odd.any():
        text = f"{odd.sum():,} rows that are no allocation and no release, or without a time, were refused"
        database.note(Severity.DATA_LOSS, "NPU_OP_MEM", text)
    frame = frame[~odd].sort_values("time_ns", kind="stable")
    places = frame.groupby(["device", "addr"], dropna=False)
    ends = frame["time_ns"].where(frame["kind"] == "release").groupby([frame["device"], frame["addr"]], dropna=False)
    frame["end_ns"] = ends.shift(-1).astype("Int64")
    orphaned = (frame["kind"] == "release") & (places["kind"].shift() != "allocate")
    if orphaned.any():
        text = f"{orphaned.sum():,} releases of what was allocated before the recording"
        database.note(Severity.INFO, "NPU_OP_MEM", text)
    kept = frame[frame["kind"] == "allocate"].rename(columns={"time_ns": "start_ns"}).drop(columns=["kind", "addr"])
    return kept.sort_values("row", ignore_index=True)


def _kinds(database: Database, rows: Rows) -> pd.Series[Any]:
    """Give the word for each row; writers before 2024-03 number them in a table of their own."""
    table = database.read("ENUM_MEMORY", ("id", "name"))
    words = dict(zip(table.cells("id"), table.cells("name"), strict=True))
    return pd.Series(rows.cells("type"), dtype=object).map(words) if words else rows.texts("type").astype(object)
