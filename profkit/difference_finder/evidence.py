"""What a search has seen so far, and what it comes to: a verdict with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from profkit.difference_finder.causes import Cause
from profkit.difference_finder.differences import DIFFERS, MATCH, UNDECIDABLE, Differences
from profkit.difference_finder.judged_changes import Judged
from profkit.errors import ProfkitError
from profkit.frame_spec import concatenate
from profkit.schema import PARITY

_SHOWN = 5
_FRAMES = ("outputs", "modules", "isolated", "buffers", "updates")


@dataclass
class Evidence:
    """What was seen in all cases.

    Attributes:
        frames: Parity frames by what they are of, as in Differences, one a case.
        causes: What differs by itself.
        undecided: What is needed for a match and could not be compared.
        losses: Of both networks by case; NaN where there was none.
        known: Known differences of the frameworks: what, and the names that show it.
        undetermined: Elements of a parameter whose step tells nothing.
        only_a, only_b: Modules without a partner.
    """

    frames: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {name: [] for name in _FRAMES})
    causes: list[Cause] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)
    known: dict[str, set[str]] = field(default_factory=dict)
    undetermined: dict[str, int] = field(default_factory=dict)
    only_a: set[str] = field(default_factory=set)
    only_b: set[str] = field(default_factory=set)

    def add_explained(self, judged: Judged) -> None:
        """Add what was no cause although it differs."""
        for what, names in judged.known.items():
            self.known.setdefault(what, set()).update(names)
        for name, count in judged.undetermined.items():
            self.undetermined[name] = max(count, self.undetermined.get(name, 0))

    def add_unmatched(self, modules: pd.DataFrame) -> None:
        """Add the modules whose results have no partner in a parity frame."""
        results = modules[modules["io"] == "output"]
        self.only_a.update(results["name_a"][results["status"] == "missing_b"].astype(str))
        self.only_b.update(results["name_b"][results["status"] == "missing_a"].astype(str))

    def differences(self, weights: pd.DataFrame, structures: pd.DataFrame) -> Differences:
        """Give what all of it comes to.

        Args:
            weights: Parity of the weights.
            structures: Rows of compare_structure.

        Raises:
            ProfkitError: Nothing was run.
        """
        if not self.frames["outputs"]:
            raise ProfkitError("there was no input to run the networks on", "give at least one")
        frames = {name: concatenate(PARITY, found) if found else PARITY.empty() for name, found in self.frames.items()}
        frames = {name: _without_files(frame) for name, frame in frames.items()}
        unseen = self._unseen(structures)
        verdict, reason = self._verdict(frames)
        if verdict == MATCH and unseen:
            reason += f" {_what_was_unseen(unseen)}"
        return Differences(
            verdict,
            reason,
            tuple(self.causes),
            weights=_without_files(weights),
            losses=tuple(self.losses),
            only_a=tuple(sorted(self.only_a)),
            only_b=tuple(sorted(self.only_b)),
            unseen=unseen,
            known={what: tuple(sorted(names)) for what, names in self.known.items()},
            undetermined=self.undetermined,
            **frames,
        )

    def _verdict(self, frames: Mapping[str, pd.DataFrame]) -> tuple[str, str]:
        if self.causes:
            more = f" {len(self.causes) - 1:,} more differ by themselves." if len(self.causes) > 1 else ""
            return DIFFERS, f"{self.causes[0]}{more}"
        outputs = frames["outputs"]
        wrong = outputs[outputs["status"] != MATCH]
        if outputs.empty:
            return UNDECIDABLE, "The networks gave no tensor."
        if (wrong["status"] == "mismatch").any():
            why = "though every module agrees on the same input: the difference grows from rounding."
            return DIFFERS, f"The results differ, {why}"
        if len(wrong):
            return UNDECIDABLE, f"{len(wrong):,} results of the networks could not be compared."
        if self.undecided:
            return UNDECIDABLE, "; ".join(self.undecided[:_SHOWN])
        return MATCH, self._what_matched(frames)

    def _unseen(self, structures: pd.DataFrame) -> tuple[str, ...]:
        named = {cause.module_a for cause in self.causes}
        rows = structures[structures["status"] == "different"]
        columns = (rows[name].tolist() for name in ("module_a", "differences"))
        return tuple(f"{module}: {what}" for module, what in zip(*columns, strict=True) if module not in named)

    def _what_matched(self, frames: Mapping[str, pd.DataFrame]) -> str:
        count = int((frames["isolated"]["status"] == MATCH).sum())
        parts = [f"{len(frames['outputs']):,} results and {count:,} inputs and results of modules match"]
        if any(math.isfinite(loss) for loss, _ in self.losses):
            gradients = frames["modules"][frames["modules"]["io"] == "gradient"]
            parts.append(f"so do the loss and {int((gradients['status'] == MATCH).sum()):,} gradients")
        if len(frames["updates"]):
            parts.append("and the steps of the optimizer")
        alone = len(self.only_a) + len(self.only_b)
        notes = [f"; {alone:,} modules are on one side only"] if alone else []
        notes += [f"; {what} is another in {_shown(names)}: a known difference" for what, names in self.known.items()]
        if self.undetermined:
            count = sum(self.undetermined.values())
            notes.append(
                f"; gradients or steps of {count:,} elements of {_shown(self.undetermined)} are below rounding "
            )
            notes.append("and tell nothing of the optimizer")
        return ", ".join(parts) + "".join(notes) + "."


def _shown(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN:,} more" if len(ordered) > _SHOWN else ""
    return f"{', '.join(ordered[:_SHOWN])}{more}"


def _what_was_unseen(unseen: Sequence[str]) -> str:
    more = f"; {len(unseen) - _SHOWN:,} more" if len(unseen) > _SHOWN else ""
    return f"Of other kind or settings, though these inputs do not show it: {'; '.join(unseen[:_SHOWN])}{more}."


def _without_files(parity: pd.DataFrame) -> pd.DataFrame:
    """Name no files in a frame: they are gone when the search ends."""
    none = pd.Series(pd.NA, index=parity.index, dtype="string")
    return parity.assign(path_a=none, path_b=none)
