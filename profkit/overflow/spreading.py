"""How NaN and Inf come into being and spread over the operators of one step.

The rule, over executions in order of their earliest output: an origin reads finite values and writes a bad one; a
carrier reads bad values and writes bad ones; a masking operator reads bad values and writes finite ones. Bad inputs are
linked to the earlier outputs of equal content. A bad input that nobody wrote is a mask by intent (a constant, or Inf
beside one other value), or its cause lies before the dump.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import Enum

from profkit.overflow.executions import Execution, Step
from profkit.overflow.graph_facts import GraphFacts
from profkit.overflow.operator_facts import (
    brings_from_other_ranks,
    makes_masks,
    only_fills,
    reads_bounds,
    reads_masks,
)
from profkit.overflow.tensor_states import State, TensorStates

_CAST = "Cast"


class Part(Enum):
    """What an execution does to NaN and Inf.

    ORIGIN: reads finite values, writes bad ones.
    OUTSIDE: carries bad values on that no dumped operator wrote.
    CARRIER: carries bad values on.
    UPDATED: updates in place what was bad before this iteration.
    MASKED: reads bad values, writes finite ones.
    MASKED_OUTSIDE: the same, of bad values that no dumped operator wrote.
    UNREADABLE: writes bad values from inputs that cannot be judged.
    OTHER_RANK: writes bad values that another process may have sent.
    RECORDED: reads finite values; the device recorded an overflow in it.
    LISTED: reads and writes finite values in a dump that was told to keep only what overflows.
    UNDUMPED: is bad, but its inputs or outputs were not dumped, so that its part cannot be told.
    SATURATED: reads no value at the end of the dtype's range, writes some.
    """

    ORIGIN = "origin"
    OUTSIDE = "outside"
    CARRIER = "carrier"
    UPDATED = "updated"
    MASKED = "masked"
    MASKED_OUTSIDE = "masked from outside"
    UNREADABLE = "unreadable"
    OTHER_RANK = "other rank"
    RECORDED = "recorded"
    LISTED = "listed"
    UNDUMPED = "undumped"
    SATURATED = "saturated"


CAUSES = frozenset({Part.ORIGIN, Part.OUTSIDE, Part.UNREADABLE, Part.OTHER_RANK, Part.MASKED_OUTSIDE})
"""Parts where a bad value first comes in, as far as the dump tells."""


@dataclass
class Role:
    """The part of one execution and what it rests on.

    Attributes:
        execution: Who plays it.
        part: Which part.
        bad_outputs: Results that hold NaN or Inf (saturated values for SATURATED).
        bad_inputs: Inputs that hold NaN or Inf and are no mask.
        writers: Executions that wrote the bad inputs, by input row; an input without one comes from outside.
        follows: Executions whose bad values it repeats: earlier readers of the same input from outside, the writer of
            the unread tensor that it casts, what runs inside the module that it is, its own forward call.
        seen_at: For an origin whose own output cannot be read: the Cast that shows it, and the Cast's outputs.
        mask_inputs: Inputs that hold Inf by intent.
    """

    execution: Execution
    part: Part
    bad_outputs: list[int]
    bad_inputs: list[int] = field(default_factory=list)
    writers: dict[int, Execution] = field(default_factory=dict)
    follows: list[Execution] = field(default_factory=list)
    seen_at: tuple[Execution, list[int]] | None = None
    mask_inputs: list[int] = field(default_factory=list)


class Spreading:
    """The roles of the executions of one step."""

    def __init__(
        self,
        step: Step,
        states: TensorStates,
        unread_writers: Mapping[bytes, Execution],
        parameters: Mapping[bytes, int],
        updated_badly: Set[str],
        graph: GraphFacts | None = None,
    ) -> None:
        """Walk over the executions of a step.

        Args:
            step: The step.
            states: States of all tensors, unread ones marked.
            unread_writers: Who wrote the unread tensors, by hash.
            parameters: Rows of bad parameters and network inputs, by hash.
            updated_badly: Operators that left something bad behind in place in an earlier iteration of the same rank.
            graph: The graphs that were dumped, where there are any.
        """
        self._states = states
        self._unread_writers = unread_writers
        self._parameters = parameters
        self._updated_badly = updated_badly
        self._graph = graph
        self._fed_by_graph: set[int] = set()
        self.step = step
        self.outputs_only = step.outputs_only
        self._inputs_only = step.inputs_only
        self.has_ends = any(execution.ends_a_step for execution in step.executions)
        self._bad_weights: set[tuple[str | None, str | None]] = set()
        self._last_writer: dict[bytes, Execution] = {}
        self._last_forward_writer: dict[bytes, Execution] = {}
        self._first_reader: dict[bytes, Execution] = {}
        self._masks: set[bytes] = set()
        self.roles: dict[int, Role] = {}
        for execution in step.executions:
            role = self._role(execution)
            if role is not None:
                self.roles[execution.order] = role
        self._charge_casts()
        self._charge_what_runs_inside()
        # Masks are judged by sure links alone, and what may have come from an origin by those that are no masks.
        self._made: list[int] = []
        self.consumers = self._consumers()
        self._forget_masks()
        made = (Part.ORIGIN, Part.UNREADABLE, Part.OTHER_RANK)
        self._made = sorted(order for order, role in self.roles.items() if role.part in made)
        self.consumers = self._consumers()

    def _role(self, execution: Execution) -> Role | None:
        states = self._states
        bad_outputs = [row for row in execution.results if states.bad(row)]
        suspicious = [row for row in execution.inputs if states.bad(row)]
        writers = {row: writer for row in suspicious if (writer := self._writer_of(row, execution)) is not None}
        masks = [row for row in suspicious if row not in writers and self._is_mask(row, execution.op_type)]
        bad_inputs = [row for row in suspicious if row not in masks]
        role = Role(execution, Part.CARRIER, bad_outputs, bad_inputs, writers, mask_inputs=masks)
        if not bad_outputs:
            return self._role_of_finite_results(role)
        if not bad_inputs and (self._passes_mask_on(role) if masks else self._fills_in_a_mask(role)):
            self._masks.update(self._contents(bad_outputs))
            return None
        role.part = self._part_of_bad_results(role)
        self._share_outside_causes(role)
        self._look_into_the_graph(role)
        for content in self._contents(bad_outputs):
            self._last_writer[content] = execution
            if execution.phase != "backward":
                self._last_forward_writer[content] = execution
        return role

    def _writer_of(self, row: int, reader: Execution) -> Execution | None:
        content = self._states.digest(row)
        if content is None:
            return None
        # A backward operator may compute what a forward one reads, as 1/sum: no forward operator reads it from there.
        forward = self._last_forward_writer.get(content) if reader.phase == "forward" else None
        return forward or self._last_writer.get(content)

    def _share_outside_causes(self, role: Role) -> None:
        """Take the first reader of a bad tensor that nobody wrote as the cause of what its later readers do."""
        for row in role.bad_inputs:
            content = self._states.digest(row)
            if row in role.writers or content is None:
                continue
            self._bad_weights.add(self._form(row))
            first = self._first_reader.setdefault(content, role.execution)
            if first is not role.execution:
                role.follows.append(first)

    def _look_into_the_graph(self, role: Role) -> None:
        """Find who made what comes from outside, across operators that were not dumped."""
        if role.part is not Part.OUTSIDE or role.follows or self._graph is None:
            return
        feeding = self._graph.feeding(role.execution, self.step)
        role.follows = [one for one in feeding if one.order in self.roles and self.roles[one.order].bad_outputs]
        if role.follows:
            self._fed_by_graph.add(role.execution.order)

    def is_fed_by_graph(self, role: Role) -> bool:
        """Tell whether what it follows was found in the graph."""
        return role.execution.order in self._fed_by_graph

    def undumped_before(self, role: Role) -> list[str]:
        """Give the operators that feed an execution by the graph and were not dumped."""
        return [] if self._graph is None else self._graph.undumped_before(role.execution, self.step)

    def add_recorded(self, orders: Iterable[int], *, listed: bool) -> None:
        """Take in the executions that the device saw overflow and whose values, as dumped, do not show it.

        Args:
            orders: Their orders, earliest first.
            listed: They are known only by being in a dump of overflows: the first may be the origin, the rest follow.
        """
        for order in orders:
            if order not in self.roles:
                part = Part.LISTED if listed and self.roles else Part.RECORDED
                self.roles[order] = Role(self.step.executions[order], part, [])

    def _form(self, row: int) -> tuple[str | None, str | None]:
        return self._states.shape(row), self._states.dtype(row)

    def _part_of_bad_results(self, role: Role) -> Part:
        execution = role.execution
        if role.bad_inputs:
            return Part.CARRIER if role.writers else Part.OUTSIDE
        if execution.mutated and (execution.op in self._updated_badly or self._updates_a_bad_weight(role)):
            return Part.UPDATED
        role.follows = self._repeated_by_call(execution)
        if role.follows:
            return Part.CARRIER
        if self.outputs_only:
            return Part.UNDUMPED if self.roles else Part.ORIGIN
        return self._part_by_finite_inputs(execution)

    def _part_by_finite_inputs(self, execution: Execution) -> Part:
        unjudged = any(self._states[row] in (State.UNREAD, State.UNKNOWN) for row in execution.inputs)
        if not execution.inputs or execution.lacks_inputs or unjudged:
            return Part.UNREADABLE
        return Part.OTHER_RANK if brings_from_other_ranks(execution.op_type) else Part.ORIGIN

    def _updates_a_bad_weight(self, role: Role) -> bool:
        """Tell whether a weight of the same form was bad before: a dump shows what is updated only as it is after."""
        return any(self._form(row) in self._bad_weights for row in role.execution.mutated if self._states.bad(row))

    def _repeated_by_call(self, execution: Execution) -> list[Execution]:
        """Give whose bad values a call of a dump of calls repeats: its own forward call, or what runs inside a module.

        A backward call shows the gradients alone: the tensors that its forward call kept for it are not among them.
        """
        forward = execution.forward_call
        for role in self.roles.values():
            other = role.execution
            kept = other.op == forward and (role.bad_inputs or role.bad_outputs or role.mask_inputs)
            if kept or (role.bad_outputs and execution.holds(other)):
                return [other]
        if execution.is_gradient and self.roles:
            return [max(self.roles.values(), key=lambda role: role.execution.order).execution]
        return []

    def _charge_what_runs_inside(self) -> None:
        """Make modules carriers whose operators made the bad value: backward calls of modules stand before them."""
        origins = [role.execution for role in self.roles.values() if role.part is Part.ORIGIN]
        for role in self.roles.values():
            if role.part is Part.ORIGIN and role.execution.is_module:
                inside = [one for one in origins if role.execution.holds(one)]
                if inside:
                    role.part, role.follows = Part.CARRIER, inside[:1]

    def _role_of_finite_results(self, role: Role) -> Role | None:
        execution, states = role.execution, self._states
        if role.bad_inputs:
            known = execution.results and all(states[row] is State.FINITE for row in execution.results)
            role.part = Part.MASKED if known else Part.UNDUMPED
            if self._inputs_only and not self.roles:
                role.part = Part.OUTSIDE
            elif known and self._comes_from_outside(role):
                role.part = Part.MASKED_OUTSIDE
                self._share_outside_causes(role)
            return role
        saturated = [row for row in execution.results if states.saturated(row)]
        inputs = [*execution.inputs, *execution.mutated]
        fills = role.mask_inputs or only_fills(execution.op_type)
        if saturated and inputs and not fills and not any(states.saturated(row) for row in inputs):
            role.part, role.bad_outputs = Part.SATURATED, saturated
            return role
        return None

    def _comes_from_outside(self, role: Role) -> bool:
        """Tell whether a bad input that becomes finite here has no writer, and is no mask that was made undumped."""
        masks = reads_masks(role.execution.op_type) and self._signs(role.bad_inputs) == {-1}
        seen = all(self._states[row] is State.INF for row in role.bad_inputs)
        return not role.writers and not (masks and seen) and bool(role.execution.outputs)

    def _is_mask(self, row: int, reader: str) -> bool:
        states = self._states
        content = states.digest(row)
        if content in self._masks:
            return True
        if states[row] is not State.INF or content in self._parameters:
            return False
        if states.is_scalar(row):
            return reads_bounds(reader)
        return states.looks_like_mask(row)

    def _fills_in_a_mask(self, role: Role) -> bool:
        """Tell whether Inf was given to an operator as a plain number, which a dump of tensors does not show."""
        execution = role.execution
        fills = only_fills(execution.op_type) and bool(execution.inputs) and not execution.lacks_inputs
        return fills and all(self._states[row] is State.INF for row in role.bad_outputs)

    def _passes_mask_on(self, role: Role) -> bool:
        """Tell whether bad results hold nothing but Inf of the sign that the mask had."""
        if any(self._states[row] is not State.INF for row in role.bad_outputs):
            return False
        signs = self._signs(role.mask_inputs)
        if role.execution.op_type in ("Neg", "neg"):
            signs = {-sign for sign in signs}
        return self._signs(role.bad_outputs) <= signs

    def _signs(self, rows: Iterable[int]) -> set[int]:
        return {sign for row in rows for sign in self._states.inf_signs(row)}

    def _contents(self, rows: Iterable[int]) -> set[bytes]:
        return {content for row in rows if (content := self._states.digest(row)) is not None}

    def _charge_casts(self) -> None:
        """Charge a bad value first seen at a Cast to the operator whose unread result it casts."""
        first_seen = (Part.UNREADABLE, Part.ORIGIN) if self.outputs_only else (Part.UNREADABLE,)
        casts = [role for role in self.roles.values() if role.part in first_seen and role.execution.op_type == _CAST]
        charged = [(writer, role) for role in casts if (writer := self._unread_writer(role.execution)) is not None]
        for writer, role in sorted(charged, key=lambda one: one[0].order):
            role.part, role.follows = Part.CARRIER, [writer]
            seen_at = (role.execution, list(role.bad_outputs))
            if writer.order not in self.roles:
                spoilt = self._spoilt_before(writer)
                part = Part.CARRIER if spoilt else Part.ORIGIN
                self.roles[writer.order] = Role(writer, part, [], follows=spoilt, seen_at=seen_at)
            elif self.roles[writer.order].bad_inputs:
                self.roles[writer.order].part, self.roles[writer.order].seen_at = Part.CARRIER, seen_at

    def _spoilt_before(self, writer: Execution) -> list[Execution]:
        """Give the nearest operator up a row of unread results that has a part in it; empty if none has."""
        waiting, seen = [writer], {writer.order}
        while waiting:
            unread = [row for row in waiting.pop().inputs if self._states[row] is State.UNREAD]
            for content in self._contents(unread):
                before = self._unread_writers.get(content)
                if before is None or before.order in seen:
                    continue
                if before.order in self.roles:
                    return [before]
                seen.add(before.order)
                waiting.append(before)
        return []

    def _unread_writer(self, cast: Execution) -> Execution | None:
        """Give who wrote the unread tensor that a Cast reads: by content, or the last of its size where not dumped."""
        if cast.inputs:
            contents = self._contents(cast.inputs)
            return next((writer for content, writer in self._unread_writers.items() if content in contents), None)
        sizes = {self._states.size_bytes(row) for row in cast.results}
        before = [
            writer
            for writer in self._unread_writers.values()
            if writer.order < cast.order and any(self._states.size_bytes(row) in sizes for row in writer.outputs)
        ]
        return max(before, key=lambda writer: writer.order, default=None)

    def _consumers(self) -> dict[int, set[int]]:
        """Give, by the order of an execution, the orders of those that carry on its bad values or may do so."""
        consumers: dict[int, set[int]] = defaultdict(set)
        for order, role in self.roles.items():
            sources = {execution.order for execution in (*role.writers.values(), *role.follows)}
            for source in sources.union(self.possible_sources(role)):
                consumers[source].add(order)
        return consumers

    def parameter_of(self, row: int) -> int | None:
        """Give the row of the parameter or network input that equals a bad input, if there is one."""
        content = self._states.digest(row)
        return None if content is None else self._parameters.get(content)

    def causes(self) -> list[int]:
        """Give the orders of the executions where a bad value first comes in, those that reach an end before others.

        Where no outputs were dumped nothing links a reader to the ones before it: only the first reader tells anything.
        """
        if self._inputs_only:
            return sorted(order for order, role in self.roles.items() if role.bad_inputs)[:1]
        causes = [order for order, role in self.roles.items() if self._is_cause(role)]
        return sorted(causes, key=lambda order: (not self.is_live(order), order))

    def _is_cause(self, role: Role) -> bool:
        return role.part in CAUSES and not role.follows and not self.possible_sources(role)

    def possible_sources(self, role: Role) -> list[int]:
        """Give the orders of the origins before a role whose bad inputs come from outside, unless parameters hold them.

        What comes from outside although something bad was made before may be that, seen through an operator or a view
        that was not dumped.
        """
        if role.part not in (Part.OUTSIDE, Part.MASKED_OUTSIDE) or self.is_fed_by_graph(role):
            return []
        if any(self.parameter_of(row) is not None for row in role.bad_inputs):
            return []
        return [order for order in self._made if order < role.execution.order]

    def _forget_masks(self) -> None:
        """Drop what spreads nothing but -Inf to operators that read it as a mask, as log(0) added before a softmax."""
        causes = [order for order, role in self.roles.items() if role.part in CAUSES]
        masks = [order for order in causes if self._is_made_mask(order)]
        kept = {one for order in causes if order not in masks for one in self.reach(order)}
        for dropped in {one for order in masks for one in self.reach(order)} - kept:
            del self.roles[dropped]

    def _is_made_mask(self, order: int) -> bool:
        role = self.roles[order]
        if role.seen_at is not None or (role.part is Part.ORIGIN and not self._may_make_mask(role)):
            return False
        reached = [self.roles[one] for one in self.reach(order)]
        bad = [row for other in reached for row in other.bad_outputs]
        if any(self._states[row] is not State.INF for row in bad) or not self._signs(bad) <= {-1}:
            return False
        readers = [other.execution.op_type for other in reached if other.part is Part.MASKED]
        return bool(readers) and all(reads_masks(op_type) for op_type in readers)

    def _may_make_mask(self, role: Role) -> bool:
        """Tell whether all elements that became Inf had one value, as the 0 or the -1e9 of a mask."""
        execution = role.execution
        return makes_masks(execution.op_type) and any(
            self._states.became_inf_alike(before, after) for before in execution.inputs for after in role.bad_outputs
        )

    def reach(self, order: int) -> set[int]:
        """Give the orders of an execution and of all that its bad results reach."""
        reached = {order}
        waiting = [order]
        while waiting:
            for consumer in self.consumers.get(waiting.pop(), ()):
                if consumer not in reached:
                    reached.add(consumer)
                    waiting.append(consumer)
        return reached

    def is_live(self, order: int) -> bool:
        """Tell whether the bad results of an execution reach the loss or a weight; the end, in a dump without them."""
        reached = [self.roles[one] for one in self.reach(order)]
        spreading = [role for role in reached if role.bad_outputs or role.seen_at]
        if not self.has_ends:
            return any(not self.consumers.get(role.execution.order) for role in spreading)
        return any(role.execution.ends_a_step for role in spreading)
