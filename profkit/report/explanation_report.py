"""Why executions were matched, for a reader: the facts, then the executions they are about."""

from __future__ import annotations

import pandas as pd

from profkit.correlate.unit_facts import short_names
from profkit.report.text_table import text_table
from profkit.safe_text import printable

_TITLES = {
    "member": "Executions",
    "anchor": "Sure work around them",
    "candidate": "Also considered",
}
_SHOWN = ["side", "group", "row", "place", "operator", "op_class", "module"]


def explanation_text(explanation: pd.DataFrame) -> str:
    """Give an explanation as text.

    Args:
        explanation: Frame of schema.EXPLANATION.
    """
    facts = explanation.loc[explanation["role"] == "fact", "note"]
    blocks = ["\n".join(_aligned(str(fact)) for fact in facts)]
    for role, title in _TITLES.items():
        rows = explanation[explanation["role"] == role]
        if rows.empty:
            continue
        table = rows.assign(operator=short_names(rows["name"]))[_SHOWN]
        notes = {"member": "input_shapes", "anchor": "note", "candidate": "note"}[role]
        blocks.append(f"{title}\n" + text_table(table.assign(**{notes: rows[notes]})))
    return "\n\n".join(blocks)


def _aligned(fact: str) -> str:
    label, _, told = fact.partition(": ")
    return f"{printable(label):12}{printable(told)}"
