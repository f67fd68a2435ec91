"""The units of a PyTorch run: pieces of work as MindSpore would name them, made of top-level operators.

In forward and recompute a unit is one top-level operator with all that is nested in it. In backward it is what the
autograd engine ran for one forward unit: the nodes of `aten::linear` (AddmmBackward0, TBackward0, ViewBackward0) are
one unit, and so are those of a loss. Gradient accumulation has no counterpart in MindSpore and forms no unit.

A recurrent layer that runs as a loop of small operators (`aten::gru` on a CPU) is cut at those: as one unit it would be
hundreds of kernels long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.recorded_regions import recorded_regions
from profkit.correlate.tensor_shapes import Shape, ShapeSet, product_shapes, shapes_of
from profkit.correlate.text_columns import texts_of
from profkit.vocabulary.decomposition import Decomposition, by_name, decomposition, repeated, united

Rows = npt.NDArray[np.int64]

_EVALUATE = "autograd::engine::evaluate_function: "
_ACCUMULATE = "AccumulateGrad"

# What it costs to leave a unit without a counterpart: nothing for what runs no kernel, much for what defines a network.
_SKIP_COST = {
    "view": 0.0,
    "copy": 0.2,
    "fill": 0.5,
    "conv": 8.0,
    "matmul": 8.0,
    "attention": 8.0,
    "norm": 8.0,
    "embedding": 8.0,
    "rnn": 8.0,
    "softmax": 5.0,
    "pool": 5.0,
    "gelu": 5.0,
    "loss": 5.0,
}
_SKIP_OTHER = 1.5

# Operators that only move or name data: their tensors stand together by no necessity.
_MOVES = ("copy", "view", "fill")

# Layers whose bias is their third input.
_LAYERS = frozenset({"aten::linear", "aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::convolution"})
_CONVOLUTION_BACKWARD = "aten::convolution_backward"
_BIAS_KERNELS = frozenset({"biasadd", "biasaddgrad"})


def _skip_cost(op_class: str | None) -> float:
    return _SKIP_OTHER if op_class is None else _SKIP_COST.get(op_class, _SKIP_OTHER)


@dataclass(frozen=True)
class Unit:
    """One piece of work of the PyTorch side.

    Attributes:
        rows: Its top-level rows in the ops frame, in order of start; units of one loop share theirs.
        phase: forward, backward or recompute.
        operators: Names of these rows.
        decomposition: The kernels it may become.
        shapes: Shapes of all tensors it and what is nested in it read or write.
        accumulated: Shapes of the gradients that the autograd engine added up after it, where a tensor was used twice.
        operands: Shapes of the tensors that its last row was given, as often as they were.
        module: Path of the module it ran in; None if not known. Only asked whether two are equal.
        op_class: Class of its heaviest row.
        skip_cost: What it costs to leave it without a counterpart; nothing if it ran no kernel.
        is_share: Whether it is the share of one round in the product of a recurrent layer's whole input.
    """

    rows: tuple[int, ...]
    phase: str
    operators: tuple[str, ...]
    decomposition: Decomposition
    shapes: ShapeSet
    accumulated: tuple[Shape, ...]
    operands: tuple[Shape, ...]
    module: str | None
    op_class: str | None
    skip_cost: float
    is_share: bool = False

    @property
    def kind(self) -> tuple[str, tuple[str, ...], int, ShapeSet]:
        """What two units share that must be treated alike."""
        return (self.phase, self.operators, len(self.accumulated), self.shapes)


def top_level_rows(ops: pd.DataFrame) -> Rows:
    """Give for each host row the row of the top-level operator it is nested in; -1 for device rows.

    A row is top-level if nothing encloses it, if what encloses it runs in another phase (recomputation inside
    backward) or is only a mark around operators, or if it is a node the autograd engine evaluates.
    """
    parent = ops["parent"].to_numpy()
    phase = ops["phase"].cat.codes.to_numpy()
    names = ops["name"].cat
    evaluated = names.categories.str.startswith(_EVALUATE)
    in_region = recorded_regions(ops)[parent]
    is_top = (parent < 0) | (phase != phase[parent]) | in_region | np.take(evaluated, names.codes)
    return _enclosing_rows(ops, is_top)


def _enclosing_rows(ops: pd.DataFrame, stops: npt.NDArray[np.bool_]) -> Rows:
    """Give for each host row the nearest row around it, or itself, where `stops` holds; -1 for device rows."""
    pointer = np.where(stops, np.arange(len(ops)), ops["parent"].to_numpy())
    while True:
        further = pointer[pointer]
        if np.array_equal(further, pointer):
            break
        pointer = further
    return np.where((ops["level"] == "host").to_numpy(), pointer, -1).astype(np.int64)


def _loops(ops: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark recurrent operators that run as a loop: products stand directly in them."""
    products = ops.loc[ops["op_class"] == "matmul", "parent"].to_numpy()
    marked = np.zeros(len(ops), dtype=bool)
    marked[products[products >= 0]] = True
    return marked & (ops["op_class"] == "rnn").to_numpy()


class TorchUnits:
    """Cuts the steps of a PyTorch run into units.

    Args:
        ops: Identified ops frame of a PyTorch run.
        with_loops: Whether recurrent layers that run as a loop are cut at the operators of the loop.
    """

    def __init__(self, ops: pd.DataFrame, *, with_loops: bool = True) -> None:
        self._names = texts_of(ops["name"])
        self._shapes = texts_of(ops["input_shapes"], "")
        self._classes = texts_of(ops["op_class"])
        self._modules = texts_of(ops["module"])
        self._parents = ops["parent"].to_numpy()
        self._forward_op = ops["forward_op"].to_numpy()
        self.top_level = top_level_rows(ops)
        self._loop = _loops(ops) if with_loops else np.zeros(len(ops), dtype=bool)
        in_loop = (self._parents >= 0) & self._loop[self._parents]
        self._work = _enclosing_rows(ops, (self.top_level == np.arange(len(ops))) | in_loop)
        self._nested = _RowsBy(self._work)
        self._results = self._convolution_results(ops)
        self._within = _RowsBy(np.where(in_loop, self._parents, -1))

    def units(self, rows: Rows, phase: str) -> list[Unit]:
        """Give the units of one phase of one step.

        Args:
            rows: Its top-level rows in order of start.
            phase: The phase they run in.
        """
        if phase != "backward":
            return [
                self._unit(members, phase, part)
                for members in self._with_views(self._with_counters(rows))
                for part in self._parts_of(members)
            ]
        gathered: list[tuple[int, list[int]]] = []
        for row in map(int, rows):
            if _ACCUMULATE in self._names[row]:
                continue
            differentiated = self._differentiated(row)
            if gathered and differentiated >= 0 and gathered[-1][0] == differentiated:
                gathered[-1][1].append(row)
            else:
                gathered.append((differentiated, [row]))
        return [self._unit(tuple(members), phase, tuple(members)) for _, members in gathered]

    def _convolution_results(self, ops: pd.DataFrame) -> dict[int, Shape]:
        """Give the shape of what each convolution made: nobody records it, but its gradient has the same one."""
        rows = np.flatnonzero((ops["name"] == _CONVOLUTION_BACKWARD) & (self._forward_op >= 0))
        gradients = ((self._work[self._forward_op[row]], shapes_of(self._shapes[row])) for row in rows)
        return {int(forward): given[0] for forward, given in gradients if given}

    def _differentiated(self, row: int) -> int:
        """Give the row of the work that a node of the autograd engine differentiates; -1 if it is not known."""
        forward = self._forward_op[row]
        return int(self._work[forward]) if forward >= 0 else -1

    def _parts_of(self, members: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Give the operators of a loop one by one, anything else as it is."""
        if len(members) > 1 or not self._loop[members[0]]:
            return [members]
        parts = []
        for row in map(int, self._within[members[0]]):
            parts += self._parts_of((row,))
        return parts

    def _with_counters(self, rows: Rows) -> Iterator[tuple[int, ...]]:
        """Give each row, a batch normalisation together with the count of batches it keeps in front of it."""
        counter: tuple[int, ...] = ()
        for row in map(int, rows):
            if counter and self._classes[row] != "norm":
                yield counter
                counter = ()
            if self._names[row] == "aten::add_" and not shapes_of(self._shapes[row]):
                counter = (*counter, row)
            else:
                yield (*counter, row)
                counter = ()
        if counter:
            yield counter

    def _with_views(self, pieces: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
        """Give each piece, a copy together with the views of one module in front of it.

        PyTorch transposes by a view and copies later, where a reshape needs it; MindSpore copies in Transpose.
        """
        views: list[int] = []
        for piece in pieces:
            row = piece[0]
            moves = len(piece) == 1 and self._classes[row] in ("view", "copy") and not self._loop[row]
            if views and self._modules[views[-1]] != self._modules[row]:
                yield from ((view,) for view in views)
                views = []
            if moves and not self._runs_a_kernel(self._nested[row]):
                views.append(row)
                continue
            if moves:
                yield (*views, row)
            else:
                yield from ((view,) for view in views)
                yield piece
            views = []
        yield from ((view,) for view in views)

    def _unit(self, top_rows: tuple[int, ...], phase: str, rows: tuple[int, ...]) -> Unit:
        nested = np.concatenate([self._nested[row] for row in rows])
        sums = [row for row in nested if self._names[row] == "aten::add_" and self._parents[row] in rows]
        accumulated = tuple(tensors[0] for row in sums if (tensors := shapes_of(self._shapes[row])))
        moving = {row for row in nested if self._classes[row] in _MOVES}
        inputs = {row: shapes_of(self._shapes[row]) for row in nested}
        computing = [tensors for row, tensors in inputs.items() if row not in moving and row not in sums]
        if phase != "backward" and (result := self._results.get(int(rows[-1]))):
            computing = [part for given in computing for part in _with_result(given, result)]
        others = [shape for row in nested for shape in inputs[row] + product_shapes(self._names[row], inputs[row])]
        classes: list[str | None] = [self._classes[row] for row in rows]
        op_class = max(classes, key=_skip_cost)
        runs_a_kernel = self._runs_a_kernel(nested)
        parts = self._decompositions(rows, phase, runs_a_kernel=runs_a_kernel)
        if self._lacks_bias(rows[-1] if phase != "backward" else self._differentiated(rows[0])):
            parts = [part.without(_BIAS_KERNELS) for part in parts]
        return Unit(
            rows=top_rows,
            phase=phase,
            operators=tuple(self._names[row] for row in rows),
            decomposition=united([*parts, repeated("add", len(accumulated))] if accumulated else parts),
            shapes=ShapeSet.of(computing, others),
            accumulated=accumulated,
            operands=shapes_of(self._shapes[rows[-1]]),
            module=self._modules[rows[-1]],
            op_class=op_class,
            skip_cost=max(_skip_cost(op_class), _SKIP_COST["copy"]) if runs_a_kernel else 0.0,
        )

    def _lacks_bias(self, forward: int) -> bool:
        """Say whether a layer was given its input and its weight only."""
        given = [tensor for tensor in self._shapes[forward].split(";") if tensor] if forward >= 0 else []
        return len(given) == 2 and self._names[forward] in _LAYERS

    def _runs_a_kernel(self, nested: Rows) -> bool:
        return any(
            "::" in self._names[row] and _EVALUATE not in self._names[row] and self._classes[row] != "view"
            for row in nested
        )

    def _decompositions(self, rows: Sequence[int], phase: str, *, runs_a_kernel: bool) -> list[Decomposition]:
        """Give what is known of the kernels, else what is guessed by name.

        Asked in turn are the forward operator that is differentiated, the rows, and what is nested in them.
        """
        if phase != "backward":
            kind, rows, whole = "forward", rows[-1:], []
        else:
            kind = "backward"
            forward = [row for row in self._forward_op[list(rows)] if row >= 0]
            whole = [self._names[self._work[row]] for row in forward[:1]] if runs_a_kernel else []
        nested = sorted({self._names[at] for row in rows for at in self._nested[row]})
        choices = ((kind, whole), (kind, [self._names[row] for row in rows]), ("forward", nested))
        known = (self._known(*choice) for choice in choices)
        return next((parts for parts in known if parts), [by_name(kind, self._names[row]) for row in rows])

    def _known(self, kind: str, operators: Iterable[str]) -> list[Decomposition]:
        return [facts for name in operators if (facts := decomposition(kind, name)) is not None]


def _with_result(given: tuple[Shape, ...], result: Shape) -> tuple[tuple[Shape, ...], ...]:
    """Give what a convolution and the addition of its bias read: the bias goes with the result, not with the input."""
    return (given[:2], (result, *given[2:]))


class _RowsBy:
    """The rows that each row owns, in order; found when asked for, since millions of small arrays cost gigabytes."""

    def __init__(self, owner: Rows) -> None:
        self._order = np.argsort(owner, kind="stable")
        self._bounds = np.searchsorted(owner[self._order], np.arange(len(owner) + 1))

    def __getitem__(self, row: int) -> Rows:
        return self._order[self._bounds[row] : self._bounds[row + 1]]
