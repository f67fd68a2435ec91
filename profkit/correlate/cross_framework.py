"""Alignment of a PyTorch step with a MindSpore step: units of work against runs of kernels.

PyNative executes in the order of the Python code, as PyTorch does: each phase is segmented by itself. A compiled graph
is scheduled: kernels that wait for nothing run early, and expanded kernels do not tell their phase. There the whole
step is segmented at once and `graph_order` puts right what the schedule moved.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.executions import ALIGNED_PHASES, StepPair, rows_of
from profkit.correlate.forks import GRADIENT_SUM, close_forks
from profkit.correlate.graph_order import follow_queues
from profkit.correlate.neighbours import Neighbourhood
from profkit.correlate.placement import (
    CONFIDENCE,
    NO_COUNTERPART,
    NO_KERNEL,
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
from profkit.correlate.segmentation import Kernels, segment
from profkit.correlate.stand_ins import let_stand_in
from profkit.correlate.tensor_shapes import SAME_COUNT, shapes_of, without_shape_vectors
from profkit.correlate.units import TorchUnits, Unit
from profkit.correlate.updates import align_updates
from profkit.vocabulary.decomposition import kernel_type

_NUMBERED = re.compile(r"(.*)-op(\d+)")
_LAYOUT_CLASSES = ("copy", "view", "fill")
_GRADIENT_SCOPE = "Gradients/"
_EXPANDED_SCOPE = "Expand/"


class FrameworkAligner:
    """Aligns steps of one PyTorch run with steps of one MindSpore run.

    Args:
        torch: Identified ops frame of the PyTorch run.
        mindspore: Identified ops frame of the MindSpore run.
        level: Level of the MindSpore rows that stand for its work.
    """

    def __init__(self, torch: pd.DataFrame, mindspore: pd.DataFrame, level: str) -> None:
        self._torch = torch
        self._mindspore = mindspore
        self._level = level
        self._units = TorchUnits(torch)
        self._torch_phase = torch["phase"].astype(object).to_numpy()
        self._phase = mindspore["phase"].astype(object).to_numpy()
        self._names = mindspore["name"].astype(str).to_numpy()
        types = (
            mindspore["op_type"].astype(object).where(mindspore["op_type"].notna(), mindspore["name"].astype(object))
        )
        self._types = np.array(
            [kernel_type(str(op_type), name) for op_type, name in zip(types, self._names, strict=True)], dtype=object
        )
        shapes = mindspore["input_shapes"].astype(object).where(mindspore["input_shapes"].notna(), "")
        self._tensors = [without_shape_vectors(shapes_of(text)) for text in shapes]
        self._classes = mindspore["op_class"].astype(object).to_numpy()
        self._layout = np.isin(self._classes.astype(str), _LAYOUT_CLASSES)

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""
        return StepRows(
            rows_of(self._torch, pair.left_rank, pair.left_step, "host"),
            rows_of(self._mindspore, pair.right_rank, pair.right_step, self._level),
        )

    def sequence(self, rows: StepRows) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Give what two pairs of steps share that align alike: operators and kernels in order."""
        names, phases = self._torch["name"].cat.codes.to_numpy(), self._torch["phase"].cat.codes.to_numpy()
        torch = np.stack([names[rows.left], phases[rows.left]]).ravel()
        return tuple(torch.tolist()), tuple(self._names[rows.right])

    def align(self, rows: StepRows) -> tuple[Placement, Placement]:
        """Place the rows of one step; units are numbered from 0 over all phases."""
        parts = [*self._network_parts(rows), self._update_part(rows)]
        offsets, units = [], 0
        for left, right in parts:
            offsets.append(units)
            units += int(max(left.unit.max(initial=-1), right.unit.max(initial=-1))) + 1
        torch = joined([left for left, _ in parts], offsets, rows.left)
        mindspore = joined([right for _, right in parts], offsets, rows.right)
        keep_two_sided(torch, mindspore)
        return torch, mindspore

    def _network_parts(self, rows: StepRows) -> list[tuple[Placement, Placement]]:
        empty = np.array([], dtype=np.int64)
        network = rows.right[self._phase[rows.right] != "optimizer"]
        if self._is_scheduled(network):
            parts, strange = [self._part(rows.left, network, ALIGNED_PHASES)], empty
        else:
            phases = self._phase[network]
            parts = [self._part(rows.left, network[phases == phase], (phase,)) for phase in ALIGNED_PHASES]
            strange = network[~np.isin(phases.astype(str), ALIGNED_PHASES)]
        torch_phases = self._torch_phase[rows.left].astype(str)
        unknown = rows.left[~np.isin(torch_phases, (*ALIGNED_PHASES, "optimizer"))]
        parts.append((Placement.unmatched(unknown, NO_PHASE), Placement.unmatched(strange, NO_PHASE)))
        return parts

    def _is_scheduled(self, kernels: Rows) -> bool:
        return any(name.startswith(_GRADIENT_SCOPE) for name in self._names[kernels])

    def _part(self, torch_rows: Rows, kernel_rows: Rows, phases: tuple[str, ...]) -> tuple[Placement, Placement]:
        phase_of = self._torch_phase[torch_rows]
        units = [unit for phase in phases for unit in self._units.units(torch_rows[phase_of == phase], phase)]
        scheduled = len(phases) > 1
        kernels = Kernels(
            types=self._types[kernel_rows].tolist(),
            tensors=[self._tensors[row] for row in kernel_rows],
            layout=self._layout[kernel_rows],
            phases=[self._told_phase(row) if scheduled else "" for row in kernel_rows],
            places=[_place(name) for name in self._names[kernel_rows]],
        )
        owner = segment(units, kernels)
        reasons = _reasons(units, kernels, owner)
        if scheduled:
            follow_queues(units, kernels, owner, reasons)
        else:
            let_stand_in(units, owner, reasons)
            Neighbourhood(
                kernels.types,
                self._classes[kernel_rows].tolist(),
                backward=phases == ("backward",),
                may_adopt=lambda number: units[number].skip_cost > 0,
                sums={GRADIENT_SUM},
            ).adopt(owner, reasons)
        close_forks(units, kernels, owner, reasons)
        mindspore = Placement(kernel_rows, owner, reasons)
        return self._torch_placement(torch_rows[np.isin(phase_of.astype(str), phases)], units, mindspore), mindspore

    def _told_phase(self, row: int) -> str:
        """Give the phase that the name itself tells; an expanded kernel runs in either."""
        expanded = self._names[row].startswith(_EXPANDED_SCOPE)
        return "" if expanded or self._phase[row] not in ALIGNED_PHASES else str(self._phase[row])

    def _torch_placement(self, rows: Rows, units: list[Unit], mindspore: Placement) -> Placement:
        unit_of = {row: number for number, unit in enumerate(units) for row in unit.rows}
        by_confidence = sorted(
            zip(mindspore.reason, mindspore.unit, strict=True), key=lambda m: CONFIDENCE.get(m[0], 0.0)
        )
        reason_of = {int(unit): reason for reason, unit in by_confidence}
        placement = Placement.unmatched(rows, PARAMETER_GRADIENT)
        for at, row in enumerate(rows):
            number = unit_of.get(int(row))
            if number is not None:
                placement.unit[at] = number
                placement.reason[at] = reason_of.get(number, NO_COUNTERPART if units[number].skip_cost else NO_KERNEL)
        lonely = ~np.isin(placement.unit, mindspore.unit)
        placement.unit[lonely] = -1
        return placement

    def _update_part(self, rows: StepRows) -> tuple[Placement, Placement]:
        torch_rows = rows.left[self._torch_phase[rows.left] == "optimizer"]
        kernel_rows = rows.right[self._phase[rows.right] == "optimizer"]
        return align_updates(self._torch, torch_rows, self._mindspore, kernel_rows)


def _place(name: str) -> tuple[str, int]:
    """Give the scope of a kernel's name and its number there; -1 if it has none."""
    numbered = _NUMBERED.fullmatch(name)
    return (numbered.group(1), int(numbered.group(2))) if numbered else (name, -1)


def _reasons(units: list[Unit], kernels: Kernels, owner: npt.NDArray[np.int64]) -> list[str]:
    """Say of each kernel how it came to its unit: what holds for the unit holds for its kernels."""
    of_unit: dict[int, str] = {}
    for at, number in enumerate(owner):
        unit = units[number]
        if number < 0 or not any(slot.core and kernels.types[at] in slot.kernels for slot in unit.decomposition.slots):
            continue
        fits = unit.shapes.fit(kernels.tensors[at]) >= SAME_COUNT
        if fits or number not in of_unit:
            of_unit[int(number)] = SHAPES_AGREE if fits else SAME_PLACE
    return [of_unit.get(int(number), PLACE_ONLY) if number >= 0 else NO_COUNTERPART for number in owner]
