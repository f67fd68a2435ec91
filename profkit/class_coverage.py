"""Which operators of a run the vocabulary does not know: how many, which, and how much time they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from profkit.vocabulary import classify

_NAMES_SHOWN = 3
_LONGEST_NAME = 60
_WORDS = {"unknown": "no class", "rule": "a class guessed from its words"}
_WHERE_GUESSES_ARE = "`profkit ops` tells which, class_source rule"


def class_notes(rows: pd.DataFrame, time: str, sources: Sequence[str] = tuple(_WORDS)) -> list[str]:
    """Say which names have no class, and how many have one by a rule on their words alone.

    Args:
        rows: Executions or totals of one level: columns name, op_type, class_source, the column of `time`, and count if
            a row stands for several.
        time: Column of the time that a row adds, ns.
        sources: What is told: names without a class (unknown), and names with a guessed one (rule).

    Returns:
        One sentence each, the costliest names without a class first; guesses are counted, for a table names them. None
        if every name rests on a fact.
    """
    return list(_notes(rows, time, sources)) if len(rows) else []


def class_notes_as_recorded(ops: pd.DataFrame) -> list[str]:
    """Say the same of an ops frame whose operators are not identified: each name by itself, without its launcher.

    Device rows are looked at where there are any, else host rows; a host row's time contains what it calls.
    """
    if ops.empty:
        return []
    rows = rows_of_work(ops)
    names = rows["op_type"].astype(object).where(rows["op_type"].notna(), rows["name"].astype(object))
    sources = classify(names)["class_source"]
    return class_notes(rows.assign(class_source=sources), "dur_ns")


def rows_of_work(ops: pd.DataFrame) -> pd.DataFrame:
    """Give the device rows of an ops frame, of a run without a device its host rows."""
    on_device = (ops["level"] == "device").to_numpy()
    return ops[on_device] if on_device.any() else ops


def _notes(rows: pd.DataFrame, time: str, sources: Sequence[str]) -> Iterator[str]:
    whole = float(rows[time].sum())
    for source in sources:
        chosen = rows[(rows["class_source"] == source).to_numpy()]
        if chosen.empty:
            continue
        names = chosen["op_type"].astype(object).where(chosen["op_type"].notna(), chosen["name"].astype(object))
        executions = int(chosen["count"].sum()) if "count" in chosen else len(chosen)
        costs = chosen[time].groupby(names.astype(str)).sum().sort_values(ascending=False, kind="stable")
        share = f", {costs.sum() / whole:.1%}" if whole > 0 else ""
        which = _WHERE_GUESSES_ARE if source == "rule" else _costliest(costs)
        yield (
            f"{len(costs)} operator {'name has' if len(costs) == 1 else 'names have'} {_WORDS[source]} ({executions:,} "
            f"executions, {costs.sum() / 1e6:,.3f} ms{share}): {which}"
        )


def _costliest(costs: pd.Series[int]) -> str:
    listed = ", ".join(f"{_shortened(name)} {ns / 1e6:,.3f} ms" for name, ns in costs.head(_NAMES_SHOWN).items())
    return listed + (f", and {len(costs) - _NAMES_SHOWN} more" if len(costs) > _NAMES_SHOWN else "")


def _shortened(name: object) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."
