"""What each unit of work is: its module, phase, class and operators, told from the executions that make it up."""

from __future__ import annotations

import pandas as pd

_NAME_PARTS = r"^(?:autograd::engine::evaluate_function: |.*/)|-op\d+$"


def short_names(names: pd.Series[str]) -> pd.Series[str]:
    """Give operator names without scope, number and the autograd engine's prefix; as text."""
    distinct = pd.Series(names.unique(), dtype=object)
    short = distinct.astype(str).str.replace(_NAME_PARTS, "", regex=True).to_numpy()
    return names.astype(object).map(dict(zip(distinct, short, strict=True)))


def unit_facts(rows: pd.DataFrame) -> pd.DataFrame:
    """Describe the units one side's executions belong to.

    Args:
        rows: Frame of `timing.timed_rows`.

    Returns:
        Index unit. operators: names of one step's executions in order, a repeated one with its count; kernels: their
        number in one step; operator, module, phase, op_class, shapes: of the execution that takes longest, views last;
        confidence, reason: of the surest execution. All but kernels are object.
    """
    rows = rows[rows["unit"] >= 0]
    one_step = rows.drop_duplicates(["rank", "step", "unit"])[["rank", "step", "unit"]].drop_duplicates("unit")
    shown = rows.merge(one_step, on=["rank", "step", "unit"])
    shown = shown.assign(short=short_names(shown["name"]), is_view=shown["op_class"].astype(object) == "view")
    operators = _counted(shown)
    longest = shown.sort_values(["unit", "is_view", "dur_ns"], ascending=[True, True, False], kind="stable")
    longest = longest.drop_duplicates("unit").set_index("unit")
    surest = shown.sort_values(["unit", "confidence"], ascending=[True, False], kind="stable")
    surest = surest.drop_duplicates("unit").set_index("unit")
    op_class = longest["op_class"].astype(object).where(longest["phase"].astype(object) != "optimizer", "optimizer")
    return pd.DataFrame(
        {
            "operator": longest["short"],
            "operators": operators,
            "kernels": shown.groupby("unit", sort=True).size(),
            "module": longest["module"].astype(object),
            "phase": longest["phase"].astype(object),
            "op_class": op_class,
            "shapes": longest["input_shapes"].astype(object),
            "confidence": surest["confidence"],
            "reason": surest["reason"].astype(object),
        }
    )


def _counted(shown: pd.DataFrame) -> pd.Series[str]:
    counts = shown.groupby(["unit", "short"], sort=False).size()
    names = counts.index.get_level_values("short")
    texts = [str(name) if count == 1 else f"{name} x{count}" for name, count in zip(names, counts, strict=True)]
    return pd.Series(texts, index=counts.index, dtype=object).groupby(level="unit", sort=True).agg(", ".join)
