"""The `capture` of a network: which of its calls are kept, which are timed, and what is said about both."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from profkit.capturing.graph_tensors import GraphTensors
from profkit.capturing.module_tensors import ModuleTensors, Replace
from profkit.capturing.profiled_steps import ProfiledSteps
from profkit.capturing.step_places import StepPlaces
from profkit.capturing.surroundings import process_place, surroundings
from profkit.capturing.tensor_log import TensorLog, Values
from profkit.capturing.watched_net import NETWORK, Handle, WatchedNet, in_graph_mode
from profkit.errors import ProfkitError, first_line_of
from profkit.frameworks import wait_for_mindspore
from profkit.parsers.dump.captured_tensors import ABOUT
from profkit.store import write_bytes_in_one_step

TENSORS, PROFILE = "tensors", "profile"
_VALUES = ("full", "sample", "statistics")


class CaptureWarning(UserWarning):
    """Something that was asked for was not captured, or not whole."""


def capture(
    net: Any,
    out: Any,
    *,
    steps: int | Iterable[int] = 1,
    values: Values = "full",
    inputs: bool = True,
    gradients: bool = True,
    sample_size: int = 4096,
    max_bytes: int = 2 << 30,
    profile_steps: int = 3,
    replace: Replace | None = None,
) -> Capture:
    """Keep what the modules of a network take, give and are given back, then time some steps; use it with `with`.

    A step is one call of the network. Tensors are kept in the steps asked for; time is measured in the steps behind
    them, in which no hook is left. The network computes the same numbers as without. What cannot be kept is counted
    and told in one CaptureWarning at the end and in capture.json.

    In MindSpore graphs (GRAPH_MODE, `jit`) on the CPU the same is kept, by kernels that call Python: graphs are
    built once with them for the steps that are kept, and run without them before and after. Modules that the graph
    compiler refuses are left out and named. A graph on Ascend has no such kernels: in GRAPH_MODE its steps are timed
    only, and modules under `jit` are not seen. Modules inside of torch.compile are not seen either.

    Args:
        net: torch.nn.Module or mindspore.nn.Cell.
        out: Directory, made if it is missing; one of each process below it where several run together.
        steps: How many steps to keep from the first call on, or the numbers of those to keep, from 0.
        values: "full"; "sample" keeps sample_size elements of each tensor, evenly spaced; "statistics" keeps none.
        inputs: Keep what goes into each module as well.
        gradients: Keep the gradients of module outputs and of parameters as well.
        sample_size: Elements of a sample.
        max_bytes: Bytes of values to write; what comes later is kept as statistics.
        profile_steps: Steps to time behind one to warm up; 0 times none.
        replace: Gives values for modules to go on with, behind keeping those that they had; not in graphs.

    Raises:
        ProfkitError: It is no network, the directory cannot be written or holds a capture, or an argument is none.
    """
    if values not in _VALUES:
        raise ProfkitError(f"values {values!r} is unknown", f"use one of {', '.join(_VALUES)}")
    for name, number, least in (("sample_size", sample_size, 1), ("max_bytes", max_bytes, 0)):
        if number < least:
            raise ProfkitError(f"{name} {number!r} is less than {least}", "give more")
    chosen = frozenset(range(steps) if isinstance(steps, int) else steps)
    if min(chosen, default=0) < 0 or profile_steps < 0:
        raise ProfkitError("steps and profile_steps cannot be negative", "steps are counted from 0")
    watched = WatchedNet(net)
    folder = _free_folder(out, watched)
    log = TensorLog(folder / TENSORS, watched.framework, values, sample_size, max_bytes)
    places = StepPlaces()
    tensors = ModuleTensors(watched, log, places, inputs=inputs, gradients=gradients, replace=replace)
    first_timed = max(chosen, default=-1) + 1
    profiled = ProfiledSteps(watched.framework, folder / PROFILE, first_timed, profile_steps)
    running = Capture(watched, folder, chosen, places, tensors, log, profiled)
    if watched.framework == "mindspore" and chosen:
        running.watch_graphs(inputs=inputs, gradients=gradients)
    return running


class Capture:
    """A running capture.

    Attributes:
        folder: Where it is written.
        step: Number of the step that runs, from 0; -1 before the first.
    """

    def __init__(
        self,
        watched: WatchedNet,
        folder: Path,
        steps: frozenset[int],
        places: StepPlaces,
        tensors: ModuleTensors,
        log: TensorLog,
        profiled: ProfiledSteps,
    ) -> None:
        self.folder, self.step = folder, -1
        self._watched, self._steps, self._log = watched, steps, log
        self._places, self._tensors, self._profiled = places, tensors, profiled
        self._hooks: list[Handle] = []
        self._graphs: GraphTensors | None = None
        self._launched: Hashable = None
        self._of_network: set[Hashable] = set()
        self._step_at_launch = -1
        self._in_python = False
        self._notes: list[str] = []
        self._surroundings = surroundings(watched.framework)

    def watch_graphs(self, *, inputs: bool, gradients: bool) -> None:
        """Have MindSpore's graphs hand tensors over as well; before the capture is entered."""
        self._graphs = GraphTensors(
            self._watched,
            self._log,
            self._places,
            inputs=inputs,
            gradients=gradients,
            begin=self._begin_step_in_graph,
            before_launch=self._before_launch,
            suspended=self._suspended,
        )

    def __enter__(self) -> Capture:
        """Watch the network."""
        self._write_summary("running")
        refused = self._graphs.start() if self._graphs is not None else "steps is 0"
        if in_graph_mode(self._watched) and refused:
            if self._steps:
                self._notes.append(f"no tensors are kept in GRAPH_MODE: {refused}; use PYNATIVE_MODE")
                warnings.warn(self._notes[-1], CaptureWarning, stacklevel=2)
            self._profiled.start_now()
        else:
            self._put_on_hooks()
        if refused:
            self._graphs = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take all hooks off and say what was not kept; an exception of the user's passes on."""
        try:
            wait_for_mindspore()
        except Exception as late:
            first_line = first_line_of(late)
            self._notes.append(f"an operator failed: {first_line}")
            if kind is None:
                self._end("broken off")
                raise
        self._end("complete" if kind is None else f"broken off by {kind.__name__}")

    def _end(self, state: str) -> None:
        watched = bool(self._hooks)
        self._take_off_hooks()
        self._tensors.stop()
        if self._graphs is not None:
            self._graphs.stop()
        self._notes += self._profiled.stop(self.step)
        self._log.close()
        self._notes += self._what_is_missing(watched=watched)
        self._write_summary(state)
        if self._notes:
            warnings.warn(f"{self.folder}: " + "; ".join(self._notes), CaptureWarning, stacklevel=4)

    def _begin_step(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if self._watched.framework == "pytorch" and "torch.jit" in sys.modules and _is_tracing():
            return
        if self._graphs is not None:
            self._in_python = True
            self._graphs.begin_step(in_graph=False)
        self.step += 1
        if self.step in self._steps:
            self._tensors.start(self.step, args, kwargs)
        else:
            self._tensors.stop()
            self._places.step = -1
        self._profiled.begin(self.step)

    def _end_step(self, _result: Any) -> None:
        if self._graphs is not None:
            self._graphs.wait()
            self._in_python = False

    def _begin_step_in_graph(self) -> None:
        """Begin a step because a graph calls the network, unless the network's own call in Python has launched it."""
        if self._graphs is None or self._in_python:
            return
        self._graphs.begin_step(in_graph=True)
        self.step += 1
        if self.step in self._steps:
            self._places.begin(self.step)
        else:
            self._places.step = -1

    def _before_launch(self, function: Hashable) -> bool:
        """Count a step where the graph is one that calls the network and does not tell so any more.

        Returns:
            Whether the graph shall hand tensors over.
        """
        if self.step > self._step_at_launch and not self._in_python:
            self._of_network.add(self._launched)
        wanted = self.step < max(self._steps) or self._in_python
        if not wanted and function in self._of_network:
            self.step += 1
            self._places.step = -1
            self._profiled.begin(self.step)
        self._launched, self._step_at_launch = function, self.step
        return wanted

    @contextmanager
    def _suspended(self) -> Iterator[None]:
        self._take_off_hooks()
        try:
            with self._tensors.suspended():
                yield
        finally:
            self._put_on_hooks()

    def _put_on_hooks(self) -> None:
        self._hooks = [self._watched.before(NETWORK, self._begin_step)]
        if self._watched.framework == "mindspore":
            self._hooks.append(self._watched.after(NETWORK, self._end_step))

    def _take_off_hooks(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _what_is_missing(self, *, watched: bool) -> list[str]:
        notes = []
        if self._steps and self.step < max(self._steps) and watched:
            notes.append(f"only {self.step + 1} of the steps up to {max(self._steps)} ran")
        unseen = self._tensors.never_called() if self.step >= 0 and self._steps else []
        if unseen:
            notes.append(f"{len(unseen):,} modules were not seen being called ({_some(unseen)})")
        refused = {} if self._graphs is None else self._graphs.left_out
        for reason in dict.fromkeys(refused.values()):
            paths = [path for path, why in refused.items() if why == reason]
            notes.append(f"the graph compiler refused to keep {len(paths):,} modules ({_some(paths)}): {reason}")
        if self._graphs is not None and self._graphs.passed_on:
            count = self._graphs.passed_on
            notes.append(f"{count:,} gradients in graphs were not kept: their modules pass on what they are given")
        if self._log.left_out:
            notes.append(f"{self._log.left_out:,} tensors were kept as statistics only: max_bytes was reached")
        notes += [f"{count:,} tensors were not kept: {reason}" for reason, count in self._log.failures.items()]
        return notes

    def _write_summary(self, state: str) -> None:
        content = {
            "state": state,
            "framework": self._watched.framework,
            "network": f"{type(self._watched.net).__module__}.{type(self._watched.net).__qualname__}",
            "modules": {path: type(module).__qualname__ for path, module in self._watched.modules.items()},
            "steps_kept": sorted(step for step in self._steps if step <= self.step),
            "steps_run": self.step + 1,
            "written_bytes": self._log.written_bytes,
            "not_captured": self._notes,
            **self._surroundings,
        }
        text = json.dumps(content, indent=1)
        write_bytes_in_one_step(self.folder / ABOUT, f"{text}\n".encode())


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:5]) + (", ..." if len(paths) > 5 else "")


def _is_tracing() -> bool:
    tracing: bool = sys.modules["torch.jit"].is_tracing()
    return tracing


def _free_folder(out: Any, watched: WatchedNet) -> Path:
    try:
        folder = Path(os.fspath(out))
    except TypeError:
        raise ProfkitError(f"capture cannot write to a {type(out).__name__}", "give a directory") from None
    folder /= process_place(watched.framework)
    if (folder / ABOUT).exists() or (folder / TENSORS).exists():
        raise ProfkitError(f"{folder} holds a capture already", "give another directory, or remove that one")
    return folder
