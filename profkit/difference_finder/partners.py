"""Which module of one network is which of the other: by their weights, by the structures, and by the order of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from profkit.capturing.watched_net import NETWORK
from profkit.weights import NetDescription, WeightMap


def partners_of(structures: pd.DataFrame, by_weight: Mapping[str, str]) -> dict[str, str]:
    """Give the path in B by path in A.

    Args:
        structures: Both structures compared (profkit.schema.STRUCTURE).
        by_weight: Modules that hold each other's weights; these go before what the structures tell.
    """
    found = {NETWORK: NETWORK, **by_weight}
    taken = set(found.values())
    for a, b in zip(structures["module_a"], structures["module_b"], strict=True):
        if not pd.isna(a) and not pd.isna(b) and a not in found and b not in taken:
            found[a] = b
            taken.add(b)
    return found


def by_weight(weight_map: WeightMap, a: NetDescription, b: NetDescription) -> dict[str, str]:
    """Give the modules of B by those of A whose parameters all go to one module."""
    places = [
        {one.name: (one.place or one.name).rpartition(".")[0] or NETWORK for one in side.parameters} for side in (a, b)
    ]
    found: dict[str, set[str]] = {}
    back: dict[str, set[str]] = {}
    for row in weight_map.written(assumed=True):
        target = places[1].get(row.target or "")
        for source in row.sources:
            if target is not None and source in places[0]:
                found.setdefault(places[0][source], set()).add(target)
                back.setdefault(target, set()).add(places[0][source])
    return {
        module: next(iter(targets))
        for module, targets in found.items()
        if len(targets) == 1 and len(back[next(iter(targets))]) == 1
    }


def with_order_of_calls(partners: Mapping[str, str], calls_a: Sequence[str], calls_b: Sequence[str]) -> dict[str, str]:
    """Add partners for modules that have none: those that alone stand between the same partners in the order of calls.

    Args:
        partners: Path in B by path in A.
        calls_a: Paths of A in the order of their first results.
        calls_b: The same of B.
    """
    found = dict(partners)
    gaps_a = _gaps(calls_a, {a: (a, b) for a, b in partners.items() if b in set(calls_b)})
    gaps_b = _gaps(calls_b, {b: (a, b) for a, b in partners.items() if a in set(calls_a)})
    for border, alone_a in gaps_a.items():
        alone_b = gaps_b.get(border, [])
        if len(alone_a) == len(alone_b):
            found |= dict(zip(alone_a, alone_b, strict=True))
    return found


Border = tuple[tuple[str, str] | None, tuple[str, str] | None]


def _gaps(calls: Sequence[str], anchors: Mapping[str, tuple[str, str]]) -> dict[Border, list[str]]:
    """Give the modules without a partner between each two that have one."""
    gaps: dict[Border, list[str]] = {}
    last: tuple[str, str] | None = None
    waiting: list[str] = []
    for path in [*calls, None]:
        if path is not None and path not in anchors:
            waiting.append(path)
            continue
        here = None if path is None else anchors[path]
        gaps[last, here] = waiting
        last, waiting = here, []
    return gaps
