"""Overflows that the device recorded itself (Opdebug files), joined to the executions they speak of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from profkit.overflow.executions import Step, StepKey


class DeviceRecords:
    """The records of a dump, by execution; those that no dumped operator belongs to by themselves."""

    def __init__(self, records: pd.DataFrame, steps: Sequence[Step]) -> None:
        """Join records to executions by operator, in the step that they were written in.

        Args:
            records: Frame of schema.OVERFLOW_RECORDS.
            steps: The steps of the same dump.
        """
        self._told: dict[StepKey, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.unjoined: list[Mapping[str, Any]] = []
        for record in records.sort_values("time_ns", kind="stable").astype(object).to_dict("records"):
            place = _place(record, steps)
            if place is None:
                self.unjoined.append({str(name): value for name, value in record.items()})
            else:
                self._told[place[0]][place[1]].append(record_text(record))

    def __bool__(self) -> bool:
        return bool(self._told or self.unjoined)

    def of_step(self, key: StepKey) -> Mapping[int, str]:
        """Give what the device recorded in a step, by the order of the execution."""
        return {order: "; ".join(dict.fromkeys(texts)) for order, texts in self._told.get(key, {}).items()}


def record_text(record: Mapping[Any, Any]) -> str:
    """Say what one record says: "the device recorded an overflow: floating-point overflow (AI Core, status 0x20)"."""
    meaning = str(record["meaning"]).replace(";", ", ") or "of a kind that is not known"
    joined = "" if pd.isna(record["joined_by"]) or record["joined_by"] == "record" else ", joined by its file name"
    return f"the device recorded an overflow: {meaning} ({record['core']}, status {record['status']}{joined})"


def _place(record: Mapping[Any, Any], steps: Sequence[Step]) -> tuple[StepKey, int] | None:
    """Give step and order of the execution that a record speaks of: in its own step, else where the operator ran."""
    if not isinstance(record["op"], str):
        return None
    own = StepKey(int(record["iteration"]), int(record["rank"]))
    for step in sorted(steps, key=lambda step: step.key != own):
        found = [one.order for one in step.executions if one.op == record["op"]]
        if found:
            return step.key, found[0]
    return None
