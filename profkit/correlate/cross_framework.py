"""Alignment of a PyTorch step with a MindSpore step: units of work against runs of kernels.

PyNative executes in the order of the Python code, as PyTorch does: each phase is segmented by itself. A compiled graph
is scheduled: kernels that wait for nothing run early, and expanded kernels do not tell their phase. There the whole
step is segmented at once and `graph_order` puts right what the schedule moved.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.collective_order import align_collectives
from profkit.correlate.executions import ALIGNED_PHASES, StepPair, WorkOfSteps
from profkit.correlate.forks import GRADIENT_SUM, close_forks
from profkit.correlate.graph_order import follow_queues
from profkit.correlate.helper_kernels import HelperKernels
from profkit.correlate.layout_copies import work_of_copies
from profkit.correlate.mindspore_kernels import MindSporeKernels
from profkit.correlate.neighbours import Neighbourhood
from profkit.correlate.placement import (
    AMBIGUOUS,
    CONFIDENCE,
    COPIED_FOR,
    NO_COUNTERPART,
    NO_KERNEL,
    NO_LAUNCH,
    NO_PHASE,
    PARAMETER_GRADIENT,
    PLACE_ONLY,
    SAME_PLACE,
    SHAPES_AGREE,
    Placement,
    Rows,
    StepRows,
    joined,
    keep_two_sided,
)
from profkit.correlate.recurrent_rounds import with_shares
from profkit.correlate.segmentation import Kernels, segment
from profkit.correlate.stand_ins import let_stand_in
from profkit.correlate.tensor_shapes import SAME_COUNT
from profkit.correlate.text_columns import texts_of
from profkit.correlate.undecided import Undecided, UndecidedSets
from profkit.correlate.units import TorchUnits, Unit
from profkit.correlate.updates import align_updates
from profkit.vocabulary.conversions import conversion_kinds


class _Part(NamedTuple):
    """Both sides of one phase, or of the whole of a scheduled step; units are numbered from 0 to below `units`."""

    torch: Placement
    mindspore: Placement
    units: int


class FrameworkAligner:
    """Aligns steps of one PyTorch run with steps of one MindSpore run.

    Args:
        torch: Identified ops frame of the PyTorch run.
        mindspore: Identified ops frame of the MindSpore run.
        levels: Level of the rows that stand for the work: of the PyTorch side and of the MindSpore side.
    """

    def __init__(self, torch: pd.DataFrame, mindspore: pd.DataFrame, levels: tuple[str, str]) -> None:
        self._torch = torch
        self._mindspore = mindspore
        self._levels = levels
        self._work = (WorkOfSteps(torch, levels[0]), WorkOfSteps(mindspore, levels[1]))
        self._on_host = self._work[0] if levels[0] == "host" else WorkOfSteps(torch, "host")
        self._kernels = MindSporeKernels(mindspore)
        self._helpers = HelperKernels(mindspore)
        self._converts = conversion_kinds(mindspore["op_type"]).notna().to_numpy()
        self._units = TorchUnits(torch, with_loops="rnn" not in self._kernels.classes)
        self._phases = texts_of(torch["phase"], "")
        self._launcher = torch["launcher"].to_numpy()

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""
        return StepRows(
            left=self._work[0].rows(pair.left_rank, pair.left_step),
            right=self._work[1].rows(pair.right_rank, pair.right_step),
            left_host=self._on_host.rows(pair.left_rank, pair.left_step),
        )

    def sequence(self, rows: StepRows) -> tuple[Hashable, Hashable]:
        """Give what two pairs of steps share that align alike: the operators and the kernels in order."""
        names = self._torch["name"].cat.codes.to_numpy()
        host, device = rows.left_host, rows.left
        operators = (tuple(names[host]), tuple(self._phases[host]), tuple(names[device]))
        return operators, (self._kernels.sequence(rows.right), self._helpers.sequence(rows.right))

    def align(self, rows: StepRows) -> tuple[Placement, Placement, int]:
        """Place the rows of one step; also gives the number of units, which depends on the PyTorch side alone."""
        parts = self._parts(rows)
        offsets = np.cumsum([0, *(part.units for part in parts)])
        torch = joined([part.torch for part in parts], offsets[:-1], rows.left_host)
        mindspore = joined([part.mindspore for part in parts], offsets[:-1], rows.right)
        if self._levels[0] == "device":
            torch = self._launched(torch, rows.left)
        keep_two_sided(torch, mindspore)
        units = int(offsets[-1])
        if self._levels == ("device", "device"):
            align_collectives((torch, mindspore), (self._torch, self._mindspore), units)
        return torch, mindspore, units + len(rows.left)

    def _parts(self, rows: StepRows) -> list[_Part]:
        phases = self._kernels.phases[rows.right].astype(str)
        network = rows.right[phases != "optimizer"]
        if self._kernels.are_scheduled(network):
            parts, strange = [self._part(rows.left_host, network, ALIGNED_PHASES)], network[:0]
        else:
            parts = [self._part(rows.left_host, rows.right[phases == phase], (phase,)) for phase in ALIGNED_PHASES]
            strange = rows.right[~np.isin(phases, (*ALIGNED_PHASES, "optimizer"))]
        torch_phases = self._phases[rows.left_host].astype(str)
        unknown = rows.left_host[~np.isin(torch_phases, (*ALIGNED_PHASES, "optimizer"))]
        parts.append(_Part(Placement.unmatched(unknown, NO_PHASE), Placement.unmatched(strange, NO_PHASE), 0))
        updates = rows.left_host[torch_phases == "optimizer"]
        left, right = align_updates(self._torch, updates, self._mindspore, rows.right[phases == "optimizer"])
        return [*parts, _Part(left, right, len(updates) + 1)]

    def _part(self, torch_rows: Rows, kernel_rows: Rows, phases: tuple[str, ...]) -> _Part:
        phase_of = self._phases[torch_rows].astype(str)
        units = [
            unit for phase in phases for unit in with_shares(self._units.units(torch_rows[phase_of == phase], phase))
        ]
        scheduled = len(phases) > 1
        kernels = self._kernels.taken(kernel_rows, with_phases=scheduled)
        owner = segment(units, kernels)
        reasons = _reasons(units, kernels, owner)
        undecided = UndecidedSets()
        if scheduled:
            undecided = follow_queues(units, kernels, owner, reasons)
        else:
            let_stand_in(units, owner, reasons)
            Neighbourhood(
                kernels.types,
                self._kernels.classes[kernel_rows].tolist(),
                backward=phases == ("backward",),
                may_adopt=lambda number: units[number].skip_cost > 0,
                sums={GRADIENT_SUM},
                converts=self._converts[kernel_rows],
            ).adopt(owner, reasons)
        close_forks(units, kernels, owner, reasons)
        self._helpers.follow(kernel_rows, owner, reasons)
        owner = _joined_loops(units, owner)
        open_sets = undecided.release(units, kernels, owner, reasons)
        mindspore = Placement(kernel_rows, owner, reasons, open_sets.of_kernels)
        copies = work_of_copies(units, owner)
        torch = _torch_placement(torch_rows[np.isin(phase_of, phases)], units, mindspore, copies)
        _leave_open(torch, units, open_sets)
        return _Part(torch, mindspore, len(units))

    def _launched(self, host: Placement, device_rows: Rows) -> Placement:
        """Give device rows the units of the outermost operators that launched them."""
        place = {int(row): at for at, row in enumerate(host.rows)}
        placement = Placement.unmatched(device_rows, NO_LAUNCH)
        for at, launcher in enumerate(self._launcher[device_rows]):
            found = place.get(int(self._units.top_level[launcher])) if launcher >= 0 else None
            if found is not None:
                placement.unit[at], placement.reason[at] = host.unit[found], host.reason[found]
                placement.candidates[at] = host.candidates[found]
        return placement


def _joined_loops(units: Sequence[Unit], owner: Rows) -> Rows:
    """Give kernels of the operators of one loop the number of its first unit: they share its row."""
    first: dict[tuple[int, ...], int] = {}
    numbers = [first.setdefault(unit.rows, number) for number, unit in enumerate(units)]
    return np.append(numbers, -1)[owner].astype(np.int64)


def _torch_placement(rows: Rows, units: Sequence[Unit], mindspore: Placement, copies: Mapping[int, int]) -> Placement:
    """Place the outermost operators in the units they were cut into, with the surest reason of the unit's kernels.

    Args:
        rows: The operators.
        units: The units they were cut into.
        mindspore: Where the kernels went.
        copies: Units that are a part of another one.
    """
    unit_of = {row: number for number, unit in reversed(list(enumerate(units))) for row in unit.rows}
    reasons = zip(mindspore.unit, mindspore.reason, strict=True)
    surest = {int(unit): reason for unit, reason in sorted(reasons, key=lambda its: CONFIDENCE.get(its[1], 0.0))}
    placement = Placement.unmatched(rows, PARAMETER_GRADIENT)
    for at, row in enumerate(rows):
        number = unit_of.get(int(row))
        if number is None:
            continue
        if number in copies and units[number].rows[-1] == row:
            placement.unit[at], placement.reason[at] = copies[number], COPIED_FOR
        else:
            placement.unit[at] = number if number in surest else -1
            placement.reason[at] = surest.get(number, NO_COUNTERPART if units[number].skip_cost else NO_KERNEL)
    return placement


def _leave_open(torch: Placement, units: Sequence[Unit], undecided: Undecided) -> None:
    """Note, in place, of which undecided set each operator is; one whose own work is in question is unmatched."""
    number_of = {row: number for number in undecided.of_units for row in units[number].rows}
    for at, row in enumerate(map(int, torch.rows)):
        number = number_of.get(row)
        if number is None:
            continue
        torch.candidates[at] = undecided.of_units[number]
        if number in undecided.whole:
            torch.unit[at], torch.reason[at] = -1, AMBIGUOUS


def _reasons(units: Sequence[Unit], kernels: Kernels, owner: npt.NDArray[np.int64]) -> list[str]:
    """Say of each kernel how it came to its unit: what holds for the unit holds for its kernels."""
    of_unit: dict[int, str] = {}
    for at in map(int, np.flatnonzero(owner >= 0)):
        number, unit = int(owner[at]), units[owner[at]]
        if any(slot.core and kernels.types[at] in slot.kernels for slot in unit.decomposition.slots):
            fits = unit.shapes.fit(kernels.tensors[at]) >= SAME_COUNT
            if fits or number not in of_unit:
                of_unit[number] = SHAPES_AGREE if fits else SAME_PLACE
    return [of_unit.get(int(number), PLACE_ONLY) if number >= 0 else NO_COUNTERPART for number in owner]
