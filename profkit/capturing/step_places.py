"""Where in a step each tensor came into being."""

from __future__ import annotations


class StepPlaces:
    """Numbers the calls of a step in the order of their results.

    A call gets its place when it ends: the results of the parts come before that of the whole. Places are even numbers,
    so that gradients of parameters find room between them.

    Attributes:
        step: Number of the step that is kept; -1 while none is.
        open: Paths of the modules that Python is inside of, as far as hooks see it.
        called: Paths of all modules that a call was seen of, in any step.
    """

    def __init__(self) -> None:
        self.step = -1
        self.open: list[str] = []
        self.called: set[str] = set()
        self._place = 0
        self._first_call: dict[str, int] = {}

    def begin(self, step: int) -> None:
        """Begin a step."""
        self.step, self._place = step, 0
        self._first_call = {}
        self.open = []

    def enter(self, path: str) -> None:
        """Know that Python calls a module."""
        self.open.append(path)

    def leave(self, path: str) -> None:
        """Know that the call has ended, and with it those that broke off below it."""
        if path in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(path) :]

    def next(self) -> int:
        """Give the next place."""
        self._place += 2
        return self._place

    def next_result(self, path: str) -> int:
        """Give the place of a call that ends."""
        place = self.next()
        self.called.add(path)
        self._first_call.setdefault(path, place)
        return place

    def of_parameter(self, owner: str) -> int:
        """Give the place of a parameter's gradient: behind that of its owner's result, seen from the end."""
        return self._first_call.get(owner, self._place) - 1
