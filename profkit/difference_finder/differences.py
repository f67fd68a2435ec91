"""What is asked of a comparison of two networks, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from profkit.difference_finder.causes import Cause
from profkit.schema import PARITY

MATCH, DIFFERS, UNDECIDABLE = "match", "differs", "undecidable"


@dataclass(frozen=True)
class Settings:
    """What is asked of a comparison.

    Attributes:
        seed: For everything random on both sides.
        load_weights: Give B the weights of A first.
        train: In training mode; else in evaluation.
        backward: Loss and gradients as well.
        optimizer: One step of the optimizer as well; needs backward.
        rtol, atol: What the results of the networks, the loss and the weights are held to; modules are held to what
            rounding leaves.
        equal_nan: Take NaN at the same places for agreement in the results.
    """

    seed: int = 16
    load_weights: bool = True
    train: bool = False
    backward: bool = True
    optimizer: bool = False
    rtol: float | None = 1e-4
    atol: float | None = 1e-4
    equal_nan: bool = False


@dataclass(frozen=True)
class Differences:
    """What was found.

    Attributes:
        verdict: match, differs, or undecidable where something needed could not be compared.
        reason: Why, in a few sentences.
        causes: What differs by itself, the first in the order of computation first.
        outputs: Parity of the networks' results against rtol and atol, a row a result.
        modules: Parity of what modules took, gave and were given back, both networks running freely.
        isolated: Parity of the same with each module of B fed what its partner in A was fed.
        weights: Parity of the weights before.
        updates: Parity of what two steps of the optimizer did to the weights, the second with three times the gradients
            of the first; in units of the last place of each one's largest element. Empty if there was none.
        losses: Loss of A and B by case; NaN where there was none.
        only_a, only_b: Called modules whose results have no partner.
        buffers: Parity of what the run did to buffers, such as running statistics, in the units of updates.
        known: Known differences of the frameworks, no cause: what, and the parameters or buffers that show it.
        undetermined: How many elements of a parameter have gradients below their own rounding, so that their step tells
            nothing about the optimizer.
        unseen: What the structures of both say is different, with the module in A, where the numbers matched: these
            inputs, in this mode, do not show it.
    """

    verdict: str
    reason: str
    causes: tuple[Cause, ...]
    outputs: pd.DataFrame
    modules: pd.DataFrame
    isolated: pd.DataFrame
    weights: pd.DataFrame
    updates: pd.DataFrame
    losses: tuple[tuple[float, float], ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    buffers: pd.DataFrame = field(default_factory=PARITY.empty)
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    undetermined: Mapping[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether everything that was asked for was compared and matches."""
        return self.verdict == MATCH

    @property
    def module(self) -> str | None:
        """The first cause's module in A; loss or optimizer where it is none of the network's; None without a cause."""
        if not self.causes:
            return None
        return self.causes[0].part if self.causes[0].part in {"loss", "optimizer"} else self.causes[0].module_a
