"""Which rows of one frame speak of which operators, so that an operator stays selected from view to view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.session import Session

Rows = npt.NDArray[np.int64]

NO_ROWS: Rows = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Link:
    """How the rows of a frame relate to the operators of a session.

    Attributes:
        operator: For each row of the frame, the first operator it speaks of; -1 none.
        rows: Gives the rows of the frame that speak of an operator.
    """

    operator: Rows
    rows: Callable[[int], Rows]


def no_link(frame: pd.DataFrame) -> Link:
    """Give the link of a frame that does not speak of operators."""
    return Link(np.full(len(frame), -1, dtype=np.int64), lambda operator: NO_ROWS)


def link_to_itself(operators: pd.DataFrame) -> Link:
    """Give the link of the operators themselves."""
    return Link(np.arange(len(operators), dtype=np.int64), lambda operator: np.array([operator], dtype=np.int64))


def link_by_module(operators: pd.DataFrame, frame: pd.DataFrame) -> Link:
    """Link rows to the operators of the same module path; the first operator of a module stands for it."""
    first = _first_by_text(operators["module"])
    rows_of_module = frame.groupby(frame["module"].astype("object"), sort=False).indices
    modules = operators["module"]

    def rows(operator: int) -> Rows:
        module = modules.iloc[operator]
        return NO_ROWS if pd.isna(module) else np.asarray(rows_of_module.get(module, NO_ROWS), dtype=np.int64)

    return Link(_look_up(first, frame["module"]), rows)


def link_findings(session: Session) -> Link:
    """Link findings to the operators of the groups they rest on, else to those of the same module and name."""
    operators, findings = session.operators, session.findings
    finding, group = _flat_groups(findings)
    operator = _operator_of_group(session)[group] if len(group) else group
    by_group = pd.DataFrame({"finding": finding, "operator": operator})
    by_group = by_group[by_group["operator"] >= 0].drop_duplicates()
    rest = findings.index.difference(by_group["finding"])
    by_name = _by_module_and_name(operators, findings.loc[rest])
    pairs = pd.concat([by_group, by_name], ignore_index=True).astype("int64").sort_values(["finding", "operator"])

    first = np.full(len(findings), -1, dtype=np.int64)
    heads = pairs.drop_duplicates("finding")
    first[heads["finding"].to_numpy()] = heads["operator"].to_numpy()
    findings_of = {int(key): frame["finding"].to_numpy() for key, frame in pairs.groupby("operator")}
    return Link(first, lambda row: findings_of.get(row, NO_ROWS))


def _flat_groups(findings: pd.DataFrame) -> tuple[Rows, Rows]:
    lists = list(findings["groups"])
    lengths = [len(groups) for groups in lists]
    finding = np.repeat(np.arange(len(lists), dtype=np.int64), lengths)
    return finding, np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=len(finding))


class _RowOf:
    """A lookup from a number to a row, -1 for a number it does not know."""

    def __init__(self, keys: pd.Series[int], rows: Rows) -> None:
        self._index = pd.Index(keys)
        self._rows = np.append(rows, -1)

    def __getitem__(self, keys: Rows) -> Rows:
        return np.asarray(self._rows[self._index.get_indexer(pd.Index(keys))], dtype=np.int64)


def _operator_of_group(session: Session) -> _RowOf:
    units = session.operators["unit"]
    timed = units[units >= 0].drop_duplicates()
    operator_of_unit = _RowOf(timed, timed.index.to_numpy(dtype=np.int64))
    groups = session.alignment.loc[session.alignment["group"] >= 0, ["group", "unit"]].drop_duplicates("group")
    return _RowOf(groups["group"], operator_of_unit[groups["unit"].to_numpy(dtype=np.int64)])


def _by_module_and_name(operators: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Pair findings with operators of the same module; of those, with the ones of the same name where there are any."""
    wanted = pd.DataFrame(
        {"finding": findings.index, "module": findings["module"].astype("object"), "name": findings["op"]}
    ).dropna(subset=["module"])
    offered = pd.DataFrame(
        {
            "operator": operators.index,
            "module": operators["module"].astype("object"),
            "operator_name": operators["operator"],
        }
    )
    pairs = wanted.merge(offered[offered["module"].isin(wanted["module"])], on="module")
    same_name = (pairs["name"] == pairs["operator_name"]).fillna(value=False).astype("bool")
    has_same_name = same_name.groupby(pairs["finding"]).transform("any")
    return pairs.loc[same_name | ~has_same_name, ["finding", "operator"]]


def _first_by_text(values: pd.Series[str]) -> pd.Series[int]:
    known = values.astype("object").dropna().drop_duplicates()
    return pd.Series(known.index, index=pd.Index(known), dtype="int64")


def _look_up(first: pd.Series[int], values: pd.Series[str]) -> Rows:
    return values.astype("object").map(first).fillna(-1).to_numpy(dtype=np.int64)
