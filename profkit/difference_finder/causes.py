"""What the runs of both networks say: which module, or what between modules, is the cause of a difference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from profkit.capturing.watched_net import NETWORK
from profkit.difference_finder.judged_changes import Judged

_SLOT = re.compile(r":\d+$")
_WRONG = ("mismatch", "shape", "dtype")


@dataclass(frozen=True)
class Cause:
    """Something that differs by itself, whatever came before it.

    Attributes:
        part: weights, forward, buffers, loss, gradient or optimizer.
        module_a: Path of the module in the first network; the parameter's owner for weights and optimizer.
        module_b: Its partner in the second.
        reason: How that is known, with figures.
    """

    part: str
    module_a: str
    module_b: str
    reason: str

    def __str__(self) -> str:
        name = self.module_a if self.module_a == self.module_b else f"{self.module_a} ({self.module_b})"
        return f"{self.part}: {name}: {self.reason}"


def forward_causes(
    isolated: pd.DataFrame, partners: Mapping[str, str], called: Sequence[str], called_b: Sequence[str]
) -> Iterator[Cause]:
    """Give the causes that a run shows in which each module of B was fed what its partner was fed.

    Args:
        isolated: Parity of the free run of A and that run of B.
        partners: Path in B by path in A.
        called: Paths in A that were called, by their first result.
        called_b: The same of B.
    """
    wrong = isolated[isolated["status"].isin(_WRONG) & isolated["io"].isin(["input", "output"])]
    whole = wrong["dtype_a"].astype(str).str.contains("int") & wrong["dtype_b"].astype(str).str.contains("int")
    # Places and counts are int64 in one framework and int32 in the other.
    wrong = wrong[~((wrong["status"] == "dtype") & whole)]
    told: set[str] = set()
    columns = (wrong[name].tolist() for name in ("name_a", "io", "status", "reason"))
    for name, io, status, reason in zip(*columns, strict=True):
        path = _SLOT.sub("", str(name))
        module = holder_of(path, called) if io == "input" else path
        if module in told:
            continue
        told.add(module)
        if io == "input":
            why = f"its own code hands {path} another input, though all results before it were set to those of A"
            why += _other_order(module, partners, called, called_b)
        elif any(holder_of(one, called) == module for one in called if one != NETWORK):
            why = "its own code makes another result of the results of its parts"
        else:
            why = "it gives another result for the same input"
        yield Cause("forward", module, partners.get(module, "?"), f"{why} ({status}): {reason}")


def _other_order(module: str, partners: Mapping[str, str], called: Sequence[str], called_b: Sequence[str]) -> str:
    """Say whether the parts of a module run in another order in B."""
    parts = [path for path in called if path != NETWORK and holder_of(path, called) == module]
    theirs = [partners[path] for path in parts if partners.get(path) in called_b]
    in_b = [path for path in called_b if path in set(theirs)]
    if theirs == in_b:
        return ""
    return f"; its parts run in another order: {', '.join(theirs)} in A, {', '.join(in_b)} in B"


def holder_of(path: str, called: Sequence[str]) -> str:
    """Give the innermost module around another whose code was run: a ModuleList has none."""
    known = set(called)
    above = path.rpartition(".")[0]
    while above and above not in known:
        above = above.rpartition(".")[0]
    return above or NETWORK


def gradient_cause(parity: pd.DataFrame, partners: Mapping[str, str], owners: Mapping[str, str]) -> Cause | None:
    """Give the cause that gradients show where forward and loss agree: the difference nearest to the loss."""
    first = parity[parity["first_divergence"] & (parity["io"] == "gradient")]
    if first.empty:
        return None
    row = first.iloc[0]
    name = _SLOT.sub("", str(row["name_a"]))
    module = owners.get(name, name)
    what = f"gradient of {name}" if name in owners else "gradient that reaches its result"
    return Cause("gradient", module, partners.get(module, "?"), f"{what}: {row['reason']}")


def weight_causes(part: str, parity: pd.DataFrame, partners: Mapping[str, str]) -> Iterator[Cause]:
    """Give a cause for each module whose parameters differ.

    Args:
        part: weights or optimizer.
        parity: Of the parameters, or of what a step did to them.
        partners: Path in B by path in A.
    """
    told: set[str] = set()
    columns = (parity[name].tolist() for name in ("name_a", "status", "reason"))
    for name, status, reason in zip(*columns, strict=True):
        module = str(name).rpartition(".")[0] or NETWORK
        if status in _WRONG and module not in told:
            told.add(module)
            yield Cause(part, module, partners.get(module, "?"), f"{name}: {reason}")


def step_causes(judged: Judged, partners: Mapping[str, str], *, later: bool) -> Iterator[Cause]:
    """Give a cause for each module whose parameters a step changed otherwise, or one where it is the same for all.

    Args:
        judged: What a step did.
        partners: Path in B by path in A.
        later: It is the second step, which betas and momenta decide as well.
    """
    when = "in the second step alone, by momentum or betas: " if later else ""
    if judged.common is not None:
        what = f"B's steps of all {len(judged.wrong):,} parameters that differ are {judged.common:.4g} times those of A"
        yield Cause(
            "optimizer", NETWORK, NETWORK, f"{when}{what}: another learning rate, or gradients scaled or clipped"
        )
        return
    wrong = judged.parity[judged.parity["name_a"].isin(judged.wrong)]
    for cause in weight_causes("optimizer", wrong, partners):
        yield replace(cause, reason=f"{when}{cause.reason}")
