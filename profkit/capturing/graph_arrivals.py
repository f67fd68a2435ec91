"""Tensors that come out of a running graph one by one, put where the calls of modules would have put them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import count
from threading import Lock
from typing import Any, NamedTuple

from numpy.typing import NDArray

from profkit.capturing.step_places import StepPlaces
from profkit.capturing.tensor_log import TensorLog
from profkit.errors import ProfkitError


class Source(NamedTuple):
    """What a tensor is, known when its graph was compiled.

    Attributes:
        op: Path of the module, or name of the parameter.
        io: "input", "output" or "gradient".
        argument: Place in nested arguments or results ("0.1"); empty for a single one, and for a parameter.
        scalar: numpy dtype of a scalar, which a graph hands over as a vector of one element; else None.
        empty: It, where it has no elements: a graph tells only that it was there.
    """

    op: str
    io: str
    argument: str = ""
    scalar: Any = None
    empty: NDArray[Any] | None = None


class GraphArrivals:
    """Keeps what a graph hands over.

    Arguments and results arrive in the order of the program, those of one call behind one another. Gradients arrive in
    any order: that of a result with the number which the result was given, and that of a parameter, which may be
    constant and come before all results, waits for them.

    A graph tells the gradient that reaches a module's result. PyTorch, and MindSpore in Python, tell that of the
    tensor, which is another where a module passes an argument on that is used elsewhere too: these are left out.

    Attributes:
        passed_on: Of how many results no gradient was kept because they have the values of an argument.
    """

    def __init__(
        self, log: TensorLog, places: StepPlaces, types: Mapping[str, str], owners: Mapping[str, str], *, inputs: bool
    ) -> None:
        self.passed_on = 0
        self._log, self._places, self._types, self._owners = log, places, types, owners
        self._inputs = inputs
        self._given: dict[str, set[bytes]] = {}
        self._giving = ""
        self._call: tuple[str, str] = ("", "")
        self._arguments: list[str] = []
        self._place = 0
        self._numbers = count(1)
        self._results: dict[int, dict[str, Any]] = {}
        self._of_parameters: dict[str, bytes] = {}
        self._early: list[tuple[Source, NDArray[Any]]] = []
        self._waits = self._launched = self._in_graph = True
        self._lock = Lock()

    def begin(self, *, in_graph: bool) -> None:
        """Begin a step, in which nothing was called yet.

        Args:
            in_graph: Whether the graph tells, by `forward_is_done`, when all results have arrived.
        """
        with self._lock:
            if not self._launched:
                self._place_early()
            self._launched, self._in_graph = False, in_graph
            self._call, self._results, self._waits = ("", ""), {}, in_graph
            self._numbers, self._of_parameters, self._given = count(1), {}, {}

    def forward_is_done(self) -> None:
        """Know that all results of the step have arrived."""
        with self._lock:
            self._waits = False
            self._place_early()

    def end(self) -> None:
        """Keep what waits for results: the graph has run, no more will come of it."""
        with self._lock:
            self._place_early()
            self._launched = True
            # The next one may begin with gradients of the step that it is to tell of.
            self._waits = self._in_graph

    def fail(self, error: Exception) -> None:
        """Count a tensor that could not be kept."""
        self._log.fail(error)

    def add(self, source: Source, array: NDArray[Any]) -> int:
        """Keep an argument or a result, while a step is kept.

        Args:
            source: What it is.
            array: Its values; the memory may be used again afterwards.

        Returns:
            A number of its gradient; 0 if it was not kept. Below 2**24, which float32 tells apart, in a step.
        """
        with self._lock:
            if self._places.step < 0:
                return 0
            digest = hashlib.blake2b(array.tobytes(), digest_size=16).digest()
            is_result = source.io == "output"
            if is_result or self._inputs:
                where = self._where(source)
                self._log.add(_restored(source, array), io=source.io, **where)
            if not is_result:
                if self._giving != source.op:
                    self._given[source.op] = set()
                self._giving = source.op
                self._given[source.op].add(digest)
                return 0
            self._giving = ""
            if digest in self._given.get(source.op, ()):
                self.passed_on += 1
                return 0
            number = next(self._numbers)
            self._results[number] = where
            return number

    def add_gradient(self, source: Source, array: NDArray[Any], number: int) -> None:
        """Keep the gradient of a result.

        Args:
            source: What it is.
            array: Its values.
            number: What `add` gave for the result.
        """
        with self._lock:
            where = self._results.pop(number, None)
            if where is not None:
                self._log.add(_restored(source, array), io="gradient", **where)

    def add_gradient_of_parameter(self, source: Source, array: NDArray[Any]) -> None:
        """Keep the gradient of a parameter.

        Args:
            source: What it is.
            array: Its values.
        """
        with self._lock:
            self._early.append((source, array.copy()))
            if not self._waits:
                self._place_early()

    def _where(self, source: Source) -> dict[str, Any]:
        call = (source.op, source.io)
        if call != self._call or source.argument in self._arguments:
            self._call, self._arguments = call, []
            is_result = source.io == "output"
            self._place = self._places.next_result(source.op) if is_result else self._places.next()
        self._arguments.append(source.argument)
        return {
            "step": self._places.step,
            "order": self._place,
            "op": source.op,
            "op_type": self._types.get(source.op, ""),
            "slot": len(self._arguments) - 1,
            "argument": source.argument,
        }

    def _place_early(self) -> None:
        early, self._early = self._early, []
        if self._places.step < 0:
            return
        for source, array in early:
            if self._is_known(source, array):
                continue
            place = self._places.of_parameter(self._owners.get(source.op, ""))
            where = {"step": self._places.step, "order": place, "op": source.op, "op_type": "", "slot": 0}
            self._log.add(_restored(source, array), io="gradient", argument="", **where)

    def _is_known(self, source: Source, array: NDArray[Any]) -> bool:
        """Tell whether a parameter's gradient came before: graphs within graphs hand the same one over each."""
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).digest()
        before = self._of_parameters.setdefault(source.op, digest)
        if before is digest:
            return False
        if before != digest:
            self._log.fail(ProfkitError("the gradient of a parameter came in parts, of which the first is kept", ""))
        return True


def _restored(source: Source, array: NDArray[Any]) -> NDArray[Any]:
    if source.empty is not None:
        return source.empty
    return array if source.scalar is None else array.astype(source.scalar).reshape(())
