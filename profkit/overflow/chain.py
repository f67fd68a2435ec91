"""The way of a bad value from where it comes in to the loss or a weight."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from profkit.overflow.spreading import Role, Spreading


def chain_to_the_loss(spreading: Spreading, start: int) -> list[int]:
    """Give the shortest chain of executions that carry a bad value from its origin to the end of the step.

    The end is the last operator of the loss that it reaches in the forward part, else the first weight or gradient,
    else the last operator. Links that are known (equal content) are taken before those that are only possible.

    Args:
        spreading: The roles of the step.
        start: Order of the execution to start from.

    Returns:
        Orders of executions, `start` first; `start` alone if nothing reads its result.
    """
    ways = (_paths(links, start) for links in (_sure_links(spreading), _likely_links(spreading), spreading.consumers))
    paths, end = next(((paths, end) for paths in ways if (end := _end(paths, spreading)) is not None), ({}, None))
    if end is None:
        paths = _paths(_likely_links(spreading), start)
        carrying = [order for order in paths if _carries(spreading.roles[order])]
        end = max(carrying, default=start)
    way = [end]
    while way[-1] != start:
        way.append(paths[way[-1]])
    return way[::-1]


def _sure_links(spreading: Spreading) -> dict[int, set[int]]:
    links: dict[int, set[int]] = defaultdict(set)
    for order, role in spreading.roles.items():
        for source in (*role.writers.values(), *role.follows):
            links[source.order].add(order)
    return links


def _likely_links(spreading: Spreading) -> dict[int, set[int]]:
    links = _sure_links(spreading)
    for order, role in spreading.roles.items():
        before = [
            one
            for one, other in spreading.roles.items()
            if one < order and _carries(other) and other.execution.phase == role.execution.phase
        ]
        if spreading.possible_sources(role) and before:
            links[max(before)].add(order)
    return links


def _paths(links: Mapping[int, set[int]], start: int) -> dict[int, int]:
    """Give, by every execution that is reached, the one before it on a shortest way."""
    before = {start: start}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for reader in sorted(links.get(here, ())):
            if reader not in before:
                before[reader] = here
                waiting.append(reader)
    return before


def _carries(role: Role) -> bool:
    return bool(role.bad_outputs) or role.seen_at is not None


def _end(reached: Mapping[int, int], spreading: Spreading) -> int | None:
    ends = [order for order in reached if spreading.roles[order].execution.ends_a_step]
    ends = [order for order in ends if _carries(spreading.roles[order])]
    loss = [order for order in ends if _is_loss(spreading.roles[order])]
    return max(loss) if loss else min(ends, default=None)


def _is_loss(role: Role) -> bool:
    execution = role.execution
    return execution.phase not in ("backward", "optimizer") and not execution.is_gradient
