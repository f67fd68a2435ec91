"""MindSpore's graphs at the moment before they run: when one is looked up, or built.

MindSpore has no hook there. `compile` of its two executors is called for each run of a graph: of a function or method
under `jit`, and of a Cell in GRAPH_MODE. It builds a graph, or finds the one that it built before for such arguments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

# Read by MindSpore's `compile`: with it, graphs built under another version of the Cells' hooks are other graphs.
_APART = "MS_DEV_JIT_AST_ENABLE_GUARD"


class Launch(NamedTuple):
    """A graph that is about to run.

    Attributes:
        function: What tells the function or Cell from others.
        owner: The object whose method it is of, under `jit`; else None.
        build: Finds or builds it, and gives what MindSpore knows it by.
    """

    function: Hashable
    owner: Any
    build: Callable[[], Any]


class GraphLaunches:
    """Has a function called in place of each look-up of a graph.

    Args:
        launch: Calls the look-up and gives what it gives.
    """

    def __init__(self, launch: Callable[[Launch], Any]) -> None:
        self._launch = launch
        self._replaced: list[tuple[Any, Any, Any]] = []
        self._api = _api()

    def start(self) -> bool:
        """Begin.

        Returns:
            Whether this MindSpore has what that needs.
        """
        executors: list[Any] = [
            getattr(self._api, "_JitExecutor", None),
            type(getattr(self._api, "_cell_graph_executor", None)),
        ]
        if not hasattr(self._api, "_hook_version") or not all(hasattr(one, "compile") for one in executors):
            return False
        for executor in executors:
            own = executor.compile
            instead = self._instead_of(own)
            self._replaced.append((executor, own, instead))
            executor.compile = instead
        return True

    def stop(self) -> None:
        """End."""
        replaced, self._replaced = self._replaced, []
        for executor, own, instead in replaced:
            # Where a later capture has not ended yet, its own calls this one, which does nothing any more.
            if executor.compile is instead:
                executor.compile = own

    def _instead_of(self, own: Any) -> Any:
        @wraps(own)
        def compile_or_find(executor: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._replaced:
                return own(executor, *args, **kwargs)
            function, owner = _called(executor, args)
            return self._launch(Launch(function, owner, lambda: own(executor, *args, **kwargs)))

        return compile_or_find


@contextmanager
def graphs_of(number: int) -> Iterator[None]:
    """Have graphs that are built within found again under this number only, and none that was built without.

    Args:
        number: Below 0, unlike MindSpore's own numbers.
    """
    handles: Any = import_module("mindspore.common.hook_handle")
    before, version = os.environ.get(_APART), handles._HOOK_VERSION
    os.environ[_APART] = "1"
    handles._HOOK_VERSION = number
    try:
        yield
    finally:
        handles._HOOK_VERSION = version
        if before is None:
            del os.environ[_APART]
        else:
            os.environ[_APART] = before


def _api() -> ModuleType:
    try:
        return import_module("mindspore.graph.api")
    except ImportError:
        return import_module("mindspore.common.api")


def _called(executor: Any, args: tuple[Any, ...]) -> tuple[Hashable, Any]:
    """Tell what a graph is of: an executor of functions is made anew for each call, that of Cells is given the Cell."""
    function, owner = getattr(executor, "fn", None), getattr(executor, "obj", None)
    if function is None:
        return id(args[0]) if args else 0, None
    return (id(getattr(function, "__func__", function)), id(owner)), owner
