"""What stands around matched executions in their step: anchors before and after, and candidates that lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from profkit.correlate.tensor_shapes import EXACT, REORDERED, SAME_COUNT, ShapeSet, product_shapes, shapes_of
from profkit.correlate.unit_facts import short_names
from profkit.vocabulary.decomposition import Decomposition, Slot, by_name, decomposition, kernel_type

CANDIDATES_SHOWN = 5
_LEFT = ("pt", "ref")
_SURE = 0.8


class Step:
    """The step that executions to be explained stand in.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        members: Its rows that are explained: one group, or one execution without a group.

    Attributes:
        members: The rows, with `place`: their number in order of start, from 0, on their side of the step.
    """

    def __init__(self, alignment: pd.DataFrame, members: pd.DataFrame) -> None:
        first = members.iloc[0]
        own = _of_step(alignment, first["side"], first["rank"], first["step"])
        across = _counterpart(alignment, own, str(first["side"]))
        self._sides = {str(rows["side"].iloc[0]): rows for rows in (own, across) if len(rows)}
        rows = pd.concat(list(self._sides.values()))
        chosen = rows.loc[rows.index.isin(members.index)]
        self.members = pd.concat([chosen[chosen["side"].isin(_LEFT)], chosen[~chosen["side"].isin(_LEFT)]])

    def by_side(self) -> list[pd.DataFrame]:
        """Give the members side by side, PyTorch or the reference first."""
        words = sorted(self._sides, key=lambda word: word not in _LEFT)
        return [self.members[self.members["side"] == word] for word in words]

    def anchors(self) -> list[tuple[Any, str]]:
        """Give the nearest executions of the nearest sure groups before and after, one a side, with which they are."""
        found = []
        for which, group in zip(("before", "after"), self._around, strict=True):
            for side in sorted(self._sides, key=lambda word: word not in _LEFT):
                rows = self._sides[side]
                rows = rows[rows["group"] == group]
                nearest = (rows["place"] - self._expected_place(side)).abs().sort_values(kind="stable").index[:1]
                more = f", one of {len(rows)}" if len(rows) > 1 else ""
                found += [(one, f"nearest sure work {which}{more}") for one in rows.loc[nearest].itertuples()]
        return found

    def order_in_words(self) -> str:
        """Say where the members stand and whether the work around them is matched in the same order."""
        told = []
        for rows in self.by_side():
            if len(rows):
                side = str(rows["side"].iloc[0])
                span = f"{rows['place'].min():,}" + (f" to {rows['place'].max():,}" if len(rows) > 1 else "")
                told.append(f"place {span} of {len(self._sides[side]):,} on {side}")
        before, after = self._around
        if before < 0 and after < 0:
            return f"{', '.join(told)}; no sure work around it"
        bounds = " and ".join(
            f"{which} group {group}" for which, group in (("after", before), ("before", after)) if group >= 0
        )
        kept = self._in_order(before, after)
        return f"{', '.join(told)}; {bounds}" + (", on both sides" if kept else ", on one side only: it was moved")

    @property
    def undecided_set(self) -> int:
        """Number of the undecided set that the explained execution is in; -1 none."""
        first = self.members.iloc[0]
        return int(first["candidates"]) if first["group"] < 0 else -1

    def candidate_counts(self) -> dict[str, int]:
        """Give how many candidates either side has."""
        return {side: len(rows) for side, rows in self._candidates.items() if len(rows)}

    def candidates(self) -> Iterator[tuple[Any, str]]:
        """Give the nearest candidates of either side with why they lost."""
        for rows in self._candidates.values():
            for one in rows.head(CANDIDATES_SHOWN).itertuples():
                yield one, self._why_not(one)

    @cached_property
    def _around(self) -> tuple[int, int]:
        """Number of the nearest sure group before and after the members, on the side of the first; -1 none."""
        side = str(self.members["side"].iloc[0])
        rows = self._sides[side]
        places = self.members.loc[self.members["side"] == side, "place"]
        sure = rows[(rows["group"] >= 0) & (rows["confidence"] >= _SURE) & ~rows.index.isin(self.members.index)]
        before, after = sure[sure["place"] < places.min()], sure[sure["place"] > places.max()]
        return (
            int(before["group"].iloc[-1]) if len(before) else -1,
            int(after["group"].iloc[0]) if len(after) else -1,
        )

    def _in_order(self, before: int, after: int) -> bool:
        for rows in self.by_side():
            if rows.empty:
                continue
            its = self._sides[str(rows["side"].iloc[0])]
            ahead, behind = (its.loc[its["group"] == group, "place"] for group in (before, after))
            if (len(ahead) and ahead.min() > rows["place"].min()) or (
                len(behind) and behind.max() < rows["place"].max()
            ):
                return False
        return True

    @cached_property
    def _candidates(self) -> dict[str, pd.DataFrame]:
        """Give, by side, the executions that could do the work of the members of the other side, the nearest first."""
        if self.undecided_set >= 0:
            return {
                word: self._nearest(word, rows["candidates"] == self.undecided_set)
                for word, rows in self._sides.items()
            }
        sides = self.by_side()
        words = sorted(self._sides, key=lambda word: word not in _LEFT)
        found = {}
        for at, word in enumerate(words):
            others = sides[1 - at] if len(sides) == 2 else sides[0]
            rows = self._sides[word]
            if others.empty or str(others["side"].iloc[0]) == word:
                continue
            kind = _same_kind(rows, others, _kernels(self.members[self.members["side"] == word]))
            found[word] = self._nearest(word, kind)
        return found

    def _nearest(self, side: str, wanted: pd.Series[bool]) -> pd.DataFrame:
        """Give the wanted executions of a side that are no members, the nearest first."""
        rows = self._sides[side]
        chosen = rows[wanted & ~rows.index.isin(self.members.index)]
        distance = (chosen["place"] - self._expected_place(side)).abs()
        return chosen.loc[distance.sort_values(kind="stable").index]

    def _expected_place(self, side: str) -> float:
        """Give where the work stands on a side: where its members are, else between the anchors."""
        own = self.members.loc[self.members["side"] == side, "place"]
        if len(own):
            return float(own.mean())
        rows = self._sides[side]
        around = rows.loc[rows["group"].isin([group for group in self._around if group >= 0]), "place"]
        return float(around.mean()) if len(around) else 0.0

    def _why_not(self, one: Any) -> str:
        if self.undecided_set >= 0:
            own = one.side == self.members["side"].iloc[0]
            what = "may be in its place" if own else "may do the same work"
            return "; ".join(
                filter(None, (f"undecided set {self.undecided_set}: {what}", self._distance_in_words(one)))
            )
        others = self.members[self.members["side"] != one.side]
        facts = []
        phases = set(others["phase"].dropna().astype(str))
        if phases and pd.notna(one.phase) and one.phase not in phases:
            facts.append(f"runs in {one.phase}")
        rows = self._sides[str(one.side)].loc[[one.Index]]
        left, right = (rows, others) if one.side in _LEFT else (others, rows)
        facts.append(f"shapes {fit_in_words(left, right)}")
        facts.append(self._distance_in_words(one))
        facts.append(self._whose(one))
        return "; ".join(fact for fact in facts if fact)

    def _distance_in_words(self, one: Any) -> str:
        off = round(one.place - self._expected_place(str(one.side)))
        return f"{abs(off):,} places {'later' if off > 0 else 'earlier'}" if off else ""

    def _whose(self, one: Any) -> str:
        if one.group < 0:
            return f"unmatched: {one.reason}"
        partners = [rows[(rows["group"] == one.group) & (rows["side"] != one.side)] for rows in self._sides.values()]
        names = dict.fromkeys(short_names(pd.concat(partners)["name"]))
        where = f" in {one.module}" if pd.notna(one.module) else ""
        return (
            f"does the work of {', '.join(list(names)[:3])}{where} (group {one.group}, confidence {one.confidence:.0%})"
        )


def what_it_becomes(left: pd.DataFrame, right: pd.DataFrame) -> str:
    """Say what the vocabulary tells of the kernels that operators become, for those that were matched."""
    if str(left["side"].iloc[0]) == "ref":
        same = set(short_names(left["name"])) & set(short_names(right["name"]))
        return f"the same operator on both sides: {', '.join(sorted(same))}" if same else "different operators"
    facts = [_decomposition(phase, name) for phase, name in _named(left)]
    known = [part for part, is_known in facts if is_known]
    core = {kernel for part in known for kernel in _cores(part.slots)}
    every = {kernel for part in known for kernel in part.kernels}
    told = []
    for name in dict.fromkeys(_kernels(right)):
        part = "its own kernel" if name in core else "a part of it" if name in every else "not a known part of it"
        told.append(f"{name} is {part}")
    return "; ".join(told) if known else "the vocabulary does not tell which kernels this becomes"


def fit_in_words(left: pd.DataFrame, right: pd.DataFrame) -> str:
    """Say how the input shapes of two sides fit."""
    ours, theirs = ([shapes_of(str(text)) for text in rows["input_shapes"].dropna()] for rows in (left, right))
    if not any(ours) or not any(theirs):
        return "are not recorded on both sides"
    made = [
        shape for name, shapes in zip(left.loc[left["input_shapes"].notna(), "name"], ours, strict=True)
        for shape in product_shapes(str(name), shapes)
    ]  # fmt: skip
    fits = ShapeSet.of(ours, made)
    best = max(fits.fit(shapes) for shapes in theirs if shapes)
    words = ((EXACT, "agree"), (REORDERED, "agree but for the order of axes"), (SAME_COUNT, "agree in their sizes"))
    how = next((word for least, word in words if best >= least), "differ")
    return f"{how}: {_text(left)} against {_text(right)}"


def _text(rows: pd.DataFrame) -> str:
    texts = list(dict.fromkeys(rows["input_shapes"].dropna().astype(str)))
    shown = " | ".join(texts[:2])
    return (shown if len(shown) <= 60 else shown[:57] + "...") or "scalars"


def _of_step(alignment: pd.DataFrame, side: Any, rank: Any, step: Any) -> pd.DataFrame:
    rows = alignment[(alignment["side"] == side) & (alignment["rank"] == rank) & (alignment["step"] == step)]
    rows = rows.sort_values("start_ns", kind="stable")
    return rows.assign(place=np.arange(len(rows)))


def _counterpart(alignment: pd.DataFrame, own: pd.DataFrame, side: str) -> pd.DataFrame:
    """Give the step of the other side that a step was paired with; empty if it was not."""
    groups = own.loc[own["group"] >= 0, "group"]
    others = alignment[(alignment["side"] != side) & alignment["group"].isin(groups)]
    if others.empty:
        return others.assign(place=np.zeros(0, dtype=np.int64))
    first = others.iloc[0]
    return _of_step(alignment, first["side"], first["rank"], first["step"])


def _same_kind(rows: pd.DataFrame, others: pd.DataFrame, taken: Collection[str]) -> pd.Series[bool]:
    """Say which rows could do the work of those of the other side, by what the vocabulary tells of their names.

    Args:
        rows: One side of the step.
        others: The members on the other side.
        taken: Kernels that were matched with them.
    """
    if str(rows["side"].iloc[0]) in ("ref", "run"):
        return short_names(rows["name"]).isin(set(short_names(others["name"])))
    if str(rows["side"].iloc[0]) == "ms":
        kernels = _kernels(rows)
        parts = (_decomposition(phase, name)[0] for phase, name in _named(others))
        wanted = {kernel for part in parts for kernel in _cores(part.variant_of(taken, kernels))}
        return pd.Series([kernel in wanted for kernel in kernels], index=rows.index, dtype=bool)
    kernels = _kernels(others)
    cores = (_cores(_decomposition(phase, name)[0].slots) for phase, name in _named(rows))
    return pd.Series([not core.isdisjoint(kernels) for core in cores], index=rows.index, dtype=bool)


def _cores(slots: Iterable[Slot]) -> set[str]:
    return {kernel for slot in slots if slot.core for kernel in slot.kernels}


def _decomposition(phase: str, name: str) -> tuple[Decomposition, bool]:
    known = decomposition(phase, name)
    return (known, True) if known is not None else (by_name(phase, name), False)


def _named(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for phase, name in zip(rows["phase"].astype(object), rows["name"].astype(str), strict=True):
        yield "backward" if phase == "backward" else "forward", name


def _kernels(rows: pd.DataFrame) -> list[str]:
    names = zip(short_names(rows["name"]), rows["name"].astype(str), strict=True)
    return [kernel_type(str(short), full) for short, full in names]
