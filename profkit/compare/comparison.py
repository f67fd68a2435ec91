"""One pair of tensors on its way to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from profkit.compare.canonical_names import canonical_name, is_api_call, is_graph_scope
from profkit.compare.metrics import Metrics
from profkit.compare.statistics_gap import Statistics, StatisticsGap
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.parsers.mindspore.scope import module_of_scope

AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Settled:
    """A verdict that needs no values: a partner, a file or a common shape is missing.

    Attributes:
        status: One of schema.PARITY_STATUS.
        reason: One sentence.
        diverges: Whether the networks diverge here (their shapes do).
    """

    status: str
    reason: str
    diverges: bool = False


@dataclass(frozen=True)
class Caveat:
    """What keeps agreeing values from being a match: another dtype, or axes of length 1.

    Attributes:
        status: "dtype" or "shape".
        sentence: What differs.
    """

    status: str
    sentence: str


@dataclass(frozen=True)
class Tensor:
    """One tensor of one side.

    Attributes:
        name: Name of its operator, module or parameter, as recorded.
        io: What it is to its operator (schema.TENSOR_IO).
        dtype: numpy's name of the dtype it was recorded in, "bfloat16" for widened bfloat16; None if not known.
        shape: Lengths of its dimensions; None if not known.
        path: Its file; None if it has none.
        member: The part of the file; None where the file is one tensor.
        open: Gives the array, may raise UnreadableInputError; None if no values were recorded.
        slot: Number among the inputs or outputs.
        statistics: Recorded statistics; None if there are none.
        digest: Recorded digest, {algorithm}:{hex digits}; None if there is none.
    """

    name: str
    io: str = "output"
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    path: str | None = None
    open: Callable[[], NDArray[Any]] | None = None
    slot: int = 0
    statistics: Statistics | None = None
    digest: str | None = None
    member: str | None = None

    @property
    def label(self) -> str:
        """The name, with the slot where it is not the first."""
        return f"{self.name}:{self.slot}" if self.slot > 0 else self.name


def opener_of(path: Any, member: Any) -> Callable[[], AnyArray] | None:
    """Give what opens the tensor that `path` and `member` of a tensors frame name; None where they name none."""
    if not isinstance(path, str):
        return None
    return partial(open_tensor, path, member if isinstance(member, str) else None)


@dataclass(frozen=True)
class Comparison:
    """One pair, measured where it can be; one side may be missing.

    Attributes:
        a, b: The two sides, with dtype and shape as opened.
        metrics: What was measured; None where `settled` says why not.
        settled: A verdict that is already known.
        caveat: Forbids a match.
        sure: The two surely are one tensor; else their disagreement proves nothing.
        gap: What their recorded statistics tell, where values were not kept.
        layout: In which layout B holds the values of A; None if in the same.
        remark: A sentence to add to the reason.
    """

    a: Tensor | None
    b: Tensor | None
    metrics: Metrics | None = None
    settled: Settled | None = None
    caveat: Caveat | None = None
    sure: bool = True
    gap: StatisticsGap | None = None
    layout: str | None = None
    remark: str = ""

    @property
    def tensor(self) -> Tensor:
        """The side to name the pair after: A, or B where A is missing."""
        tensor = self.a or self.b
        assert tensor is not None, "a pair of nothing"
        return tensor

    @property
    def dtypes(self) -> tuple[str, str]:
        """The dtypes of both sides; "" where not known."""
        return (self.a and self.a.dtype) or "", (self.b and self.b.dtype) or ""

    @property
    def module(self) -> str | None:
        """Module path; of a gradient or parameter, of the module that owns it; None where the name tells none."""
        tensor = self.tensor
        if is_graph_scope(tensor.name):
            return module_of_scope(tensor.name)
        if is_api_call(tensor.name):
            return None
        name = canonical_name(tensor.name)
        return name.rpartition(".")[0] if tensor.io in ("gradient", "parameter") else name


@dataclass(frozen=True)
class Tolerance:
    """The user's own limits, which then decide instead of the rule.

    Attributes:
        rtol: Relative part, atol: absolute part of |a-b| <= atol + rtol * max(|a|, |b|), asked of every element.
        symmetric: Hold rtol against the larger of |a| and |b|; else against |a|, the reference.
        equal_nan: NaN and Inf at the same places on both sides count as agreement; else they prove nothing.
    """

    rtol: float
    atol: float
    symmetric: bool = True
    equal_nan: bool = False

    def __str__(self) -> str:
        against = "" if self.symmetric else " of A"
        return f"rtol {self.rtol:g}{against} and atol {self.atol:g}"
