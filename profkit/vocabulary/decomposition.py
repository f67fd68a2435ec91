"""What a PyTorch operator, or an autograd node, becomes in MindSpore: which kernels and how many of each.

One torch GELU is six MindSpore kernels, one linear layer is MatMul and BiasAdd. The facts stand in decompositions.tsv:
`MatMul|BatchMatMul*2! BiasAddGrad` says that at most two MatMul or BatchMatMul and one BiasAddGrad do the work, and
that the kernels with `!` are its core: at least one of them must be there, all others may be. ` / ` stands between
variants, the fused kernel first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from profkit.vocabulary.tables import read_table

_EVALUATE = "autograd::engine::evaluate_function: "
_AUTOGRAD_NODE = re.compile(r"Backward\d*$")
_VERSION = re.compile(r"(Ext|V\d+)$")
_EXPANDED = re.compile(r"Expand/_(\w+?(?:Backward|Grad))(?:Ext)?/")
_TOKEN = re.compile(r"([\w|]+)(?:\*(\d+))?(!?)")


@dataclass(frozen=True)
class Slot:
    """One place in a decomposition.

    Attributes:
        kernels: Kernel types that may fill it; keys as `kernel_type` gives them.
        most: How many executions the work needs at most.
        core: Whether the operator's own work is done here.
    """

    kernels: frozenset[str]
    most: int
    core: bool


Variant = tuple[Slot, ...]
"""One way to do the work; a kernel type stands in one slot only."""


@dataclass(frozen=True)
class Decomposition:
    """The kernels that do the work of an operator: one of several variants (fused, decomposed)."""

    variants: tuple[Variant, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of all variants."""
        return tuple(slot for variant in self.variants for slot in variant)

    @property
    def fewest_kinds(self) -> int:
        """Kinds of kernels of the most fused variant: the gradients of a convolution are several kernels anywhere."""
        return min(len(variant) for variant in self.variants)

    def variant_of(self, kernels: Collection[str], recorded: Collection[str]) -> Variant:
        """Give the variant that kernels are of.

        Args:
            kernels: Kernel types thought to do the work.
            recorded: All kernel types of the recording: a variant whose core is nowhere in it is out.
        """

        def likely(variant: Variant) -> tuple[bool, int]:
            core = frozenset().union(*(slot.kernels for slot in variant if slot.core))
            known = frozenset().union(*(slot.kernels for slot in variant))
            return not core or not core.isdisjoint(recorded), len(known.intersection(kernels))

        return max(self.variants, key=likely)

    def without(self, kernels: Collection[str]) -> Decomposition:
        """Give what is left where these kernels, none of them the core, cannot take part."""
        left = ((slot, slot.kernels.difference(kernels)) for slot in self.slots)
        kept = {slot: Slot(rest, slot.most, slot.core) for slot, rest in left if rest}
        return Decomposition(tuple(tuple(kept[slot] for slot in variant if slot in kept) for variant in self.variants))

    @property
    def kernels(self) -> frozenset[str]:
        """All kernel types that may take part."""
        return frozenset(kernel for slot in self.slots for kernel in slot.kernels)


@cache
def kernel_type(op_type: str, name: str = "") -> str:
    """Give one spelling for the versions of a MindSpore kernel type: AddExt, AddN and Add are all `add`.

    Args:
        op_type: Type without scope and number.
        name: Full name; a kernel that MindSpore made by expanding a gradient operator
            (`Expand/_SoftmaxBackward/Mul-op0`) has the type of that operator, where the table has it with a number.
    """
    expanded = _EXPANDED.search(name)
    if expanded is not None and expanded.group(1).lower() in _expanded_operators():
        return expanded.group(1).lower()
    same_as = _synonyms().get(op_type) or _synonyms().get(_VERSION.sub("", op_type)) or _VERSION.sub("", op_type)
    return same_as.lower()


@cache
def decomposition(phase: str, operator: str) -> Decomposition | None:
    """Give the kernels that a PyTorch operator or autograd node becomes; None if no fact covers it.

    Args:
        phase: "backward" for autograd nodes, else "forward".
        operator: Name as recorded (`aten::linear`, `autograd::engine::evaluate_function: AddmmBackward0`).
    """
    return _known().get((phase, operator_key(operator)))


def by_name(phase: str, operator: str) -> Decomposition:
    """Give the guess for an operator that no fact covers: a kernel of its own name (`aten::erf`, Erf)."""
    kernel = operator_key(operator) + ("grad" if phase == "backward" else "")
    return Decomposition(((Slot(frozenset({kernel}), 1, core=True),),))


def repeated(kernel: str, count: int) -> Decomposition:
    """Give the part that `count` executions of one kernel, none of them the core, play in a work."""
    return Decomposition(((Slot(frozenset({kernel}), count, core=False),),))


def united(parts: Sequence[Decomposition]) -> Decomposition:
    """Give the kernels of several operators that do one work together."""
    choices = product(*(part.variants for part in parts))
    return Decomposition(tuple(_merged(slot for variant in choice for slot in variant) for choice in choices))


def _merged(slots: Iterable[Slot]) -> Variant:
    merged: list[Slot] = []
    for slot in slots:
        place = next((at for at, other in enumerate(merged) if other.kernels & slot.kernels), None)
        if place is None:
            merged.append(slot)
        else:
            other = merged[place]
            merged[place] = Slot(other.kernels | slot.kernels, other.most + slot.most, other.core or slot.core)
    return tuple(merged)


def operator_key(operator: str) -> str:
    """Give the one spelling that aten::max_pool2d_with_indices and MaxPool2DWithIndicesBackward0 share."""
    name = operator.removeprefix(_EVALUATE).rsplit("::", 1)[-1].split(".", 1)[0]
    return _AUTOGRAD_NODE.sub("", name).replace("_", "").lower()


@cache
def _synonyms() -> dict[str, str]:
    return {row["kernel"]: row["same_as"] for row in read_table("kernel_synonyms.tsv")}


@cache
def _expanded_operators() -> frozenset[str]:
    """Give the gradient operators that the table knows to run as several kernels."""
    slots = (slot for facts in _known().values() for slot in facts.slots if slot.most > 1)
    return frozenset(kernel for slot in slots for kernel in slot.kernels if kernel.endswith(("backward", "grad")))


@cache
def _known() -> dict[tuple[str, str], Decomposition]:
    return {
        (row["phase"], operator_key(row["operator"])): _parsed(row["kernels"])
        for row in read_table("decompositions.tsv")
    }


def _parsed(kernels: str) -> Decomposition:
    variants = (_merged(map(_slot, variant.split())) for variant in kernels.split("/"))
    return Decomposition(tuple(variants))


def _slot(token: str) -> Slot:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(f"decompositions.tsv: {token!r} is no kernel")
    names, most, core = match.groups()
    return Slot(frozenset(map(kernel_type, names.split("|"))), int(most or 1), core=core == "!")
