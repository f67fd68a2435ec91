"""What flows through the modules of a network inside of MindSpore graphs, written down while they run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

from profkit.capturing.graph_arrivals import GraphArrivals
from profkit.capturing.graph_hooks import PARAMETERS, GraphHooks
from profkit.capturing.graph_launches import GraphLaunches, Launch, graphs_of
from profkit.capturing.step_places import StepPlaces
from profkit.capturing.tensor_log import TensorLog
from profkit.capturing.watched_net import WatchedNet
from profkit.errors import first_line_of
from profkit.frameworks import import_mindspore, wait_for_mindspore

_MOST_TRIES = 24
_REPORTS = "MS_OM_PATH"
"""Where analyze_fail.ir goes: https://www.mindspore.cn/docs/en/master/api_python/env_var_list.html"""
# Of all captures of the process: graphs of one are none of another's.
_numbers = count(1)


class GraphTensors:
    """Graphs that are built while steps are kept hand over the tensors of the network's modules.

    Attributes:
        left_out: Why graphs could not be built with some modules handing over, by their paths.
    """

    def __init__(
        self,
        watched: WatchedNet,
        log: TensorLog,
        places: StepPlaces,
        *,
        inputs: bool,
        gradients: bool,
        begin: Callable[[], None],
        before_launch: Callable[[Hashable], bool],
        suspended: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Prepare.

        Args:
            watched: The network.
            log: Where tensors go.
            places: Where in a step they came into being.
            inputs: Keep what goes into modules as well.
            gradients: Keep gradients as well.
            begin: Called when a graph calls the network.
            before_launch: Called before each graph, all earlier ones having run; tells whether it shall hand over.
            suspended: Takes the hooks of Python off while a graph is built, which would become part of it.
        """
        types = {path: type(module).__qualname__ for path, module in watched.modules.items()}
        self.left_out: dict[str, str] = {}
        self._arrivals = GraphArrivals(log, places, types, watched.parameter_owners(), inputs=inputs)
        self._hooks = GraphHooks(watched, self._arrivals, begin, inputs=inputs, gradients=gradients)
        self._launches = GraphLaunches(self._launch)
        self._before_launch, self._suspended = before_launch, suspended
        self._places, self._modules = places, watched.modules
        self._numbers: dict[frozenset[str], int] = {}
        self._paths = [*watched.modules, PARAMETERS]

    @property
    def passed_on(self) -> int:
        """Of how many results no gradient was kept because they have the values of an argument."""
        return self._arrivals.passed_on

    @property
    def used(self) -> bool:
        """Whether any graph hands tensors over."""
        return self._hooks.built > 0

    def start(self) -> str:
        """Begin to watch for graphs.

        Returns:
            Why graphs cannot hand tensors over; empty if they can.
        """
        if import_mindspore("capture").get_context("device_target") == "Ascend":
            return "kernels in graphs of Ascend cannot call Python"
        return "" if self._launches.start() else "this MindSpore's graphs cannot be built with hooks"

    def begin_step(self, *, in_graph: bool) -> None:
        """Begin a step; what the graphs before it hand over has arrived."""
        if not in_graph:
            self.wait()
        self._arrivals.begin(in_graph=in_graph)

    def wait(self) -> None:
        """Wait until graphs that were launched have run, and handed everything over."""
        if self.used:
            wait_for_mindspore()
            self._arrivals.end()

    def stop(self) -> None:
        """Leave graphs alone again."""
        self._arrivals.end()
        self._launches.stop()

    def _launch(self, launch: Launch) -> Any:
        self.wait()
        wanted = self._before_launch(launch.function) and len(self.left_out) < len(self._paths)
        if not wanted:
            return self._plain(launch)
        # Its hooks in Python see the module whose call launches the graph.
        seen = frozenset(path for path in self._places.open if self._modules.get(path) is launch.owner)
        try:
            return self._built(launch, seen.union(self.left_out))
        except Exception as error:  # noqa: BLE001 - MindSpore raises whatever it likes
            # Where hooks have nothing to do with it, this is the user's error.
            self._plain(launch)
            return self._built_in_part(launch, seen, first_line_of(error))

    def _plain(self, launch: Launch) -> Any:
        with self._suspended():
            return launch.build()

    def _built(self, launch: Launch, left_out: frozenset[str]) -> Any:
        if left_out not in self._numbers:
            self._numbers[left_out] = -next(_numbers)
        number = self._numbers[left_out]
        with _reports_of_compiler_dropped(), self._suspended(), self._hooks.worn(left_out), graphs_of(number):
            return launch.build()

    def _built_in_part(self, launch: Launch, seen: frozenset[str], reason: str) -> Any:
        for path, why in self._refused(launch, seen, reason).items():
            self.left_out.setdefault(path, why)
        try:
            return self._built(launch, seen.union(self.left_out))
        except Exception as error:  # noqa: BLE001 - as above
            for path in self._paths:
                self.left_out.setdefault(path, first_line_of(error))
            return self._plain(launch)

    def _refused(self, launch: Launch, seen: frozenset[str], reason: str) -> dict[str, str]:
        """Find what the graph cannot be built with, halving what is tried; the rest after many tries as well."""
        refused: dict[str, str] = {}
        tried = 0
        groups = [([path for path in self._paths if path not in self.left_out and path not in seen], reason)]
        while groups:
            group, why = groups.pop()
            if tried < _MOST_TRIES:
                tried += 1
                try:
                    self._built(launch, frozenset(self._paths) - frozenset(group))
                    continue
                except Exception as error:  # noqa: BLE001 - as above
                    why = first_line_of(error)
            half = len(group) // 2
            if half and tried < _MOST_TRIES:
                groups += [(group[half:], why), (group[:half], why)]
            else:
                refused |= dict.fromkeys(group, why)
        return refused


@contextmanager
def _reports_of_compiler_dropped() -> Iterator[None]:
    """Keep what MindSpore's compiler refuses, and reports in rank_0/om/, out of the working directory."""
    before = os.environ.get(_REPORTS)
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        os.environ[_REPORTS] = folder
        try:
            yield
        finally:
            del os.environ[_REPORTS]
            if before is not None:
                os.environ[_REPORTS] = before
