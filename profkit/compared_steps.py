"""Which step of each side of a session stands for it, and which operators the parts of the bridge are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.session import Session

SIDES = ("ref", "run")


class ComparedStep(NamedTuple):
    """The step that stands for a side.

    Attributes:
        rank, step: Which; step -1 where the recording knows no steps.
        length_ns: Its length, ns.
    """

    rank: int
    step: int
    length_ns: int


def compared_step(session: Session, side: str) -> ComparedStep | None:
    """Give the step that the bridge compares; without a bridge the one of median length (of two the shorter).

    Args:
        session: The session.
        side: "ref" or "run".

    Returns:
        None if no step of the side has a known length.
    """
    of_side = session.bridge_rows[session.bridge_rows["side"] == side]
    if len(of_side):
        first = of_side.iloc[0]
        return ComparedStep(int(first["rank"]), int(first["step"]), int(session.bridge[f"{side}_ns"].sum()))
    steps = session.steps[(session.steps["side"] == side) & session.steps["dur_ns"].notna()]
    if steps.empty:
        return None
    ordered = steps.sort_values(["dur_ns", "rank", "step"], kind="stable")
    middle = ordered.iloc[(len(ordered) - 1) // 2]
    return ComparedStep(int(middle["rank"]), int(middle["step"]), int(middle["dur_ns"]))


def operator_of_bridge_row(session: Session) -> npt.NDArray[np.int64]:
    """Give for each row of the bridge the row of its operator, -1 for what is no operator's; int64, shape (rows,)."""
    operators, bridge = session.operators, session.bridge
    keys = ["unit", "module", "phase", "operator"]
    known = operators.assign(place=np.arange(len(operators), dtype=np.int64))
    # A unit is known by its number alone; a row without partner by what it is called and where it stands.
    of_unit = known[known["unit"] >= 0].drop_duplicates("unit").set_index("unit")["place"]
    alone = known.loc[known["unit"] < 0, [*keys, "place"]].astype({"module": object, "phase": object})
    found = bridge["unit"].map(of_unit).fillna(-1).to_numpy(dtype=np.int64)
    wanted = bridge[keys].astype({"module": object, "phase": object})
    merged = wanted.merge(alone.drop_duplicates(keys), on=keys, how="left")["place"]
    by_name = merged.fillna(-1).to_numpy(dtype=np.int64)
    return np.where((bridge["unit"] < 0).to_numpy(), by_name, found)


def parts_of_operators(session: Session) -> pd.Series[str]:
    """Give for each operator the parts of the bridge it is in, divided by blanks; NA where it is in none."""
    rows = pd.DataFrame({"operator": operator_of_bridge_row(session), "part": session.bridge["part"].astype(object)})
    parts = rows[rows["operator"] >= 0].drop_duplicates().groupby("operator")["part"].agg(" ".join)
    return parts.reindex(range(len(session.operators))).astype("string[pyarrow]")
