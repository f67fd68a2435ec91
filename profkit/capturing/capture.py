"""The `capture` of a network: which of its calls are kept, which are timed, and what is said about both."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from profkit.capturing.module_tensors import ModuleTensors, Replace
from profkit.capturing.profiled_steps import ProfiledSteps
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

    In MindSpore's GRAPH_MODE the network is one compiled graph: no tensors are kept, which is said at run time, and all
    steps are timed; `ts.save` in `construct` works there. Modules inside of torch.compile, and of a cell with a `jit`
    of its own, are named as not seen.

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
        replace: Gives values for modules to go on with, behind keeping those that they had; for experiments.

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
    tensors = ModuleTensors(watched, log, inputs=inputs, gradients=gradients, replace=replace)
    first_timed = max(chosen, default=-1) + 1
    profiled = ProfiledSteps(watched.framework, folder / PROFILE, first_timed, profile_steps)
    return Capture(watched, folder, chosen, tensors, log, profiled)


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
        tensors: ModuleTensors,
        log: TensorLog,
        profiled: ProfiledSteps,
    ) -> None:
        self.folder, self.step = folder, -1
        self._watched, self._steps, self._log = watched, steps, log
        self._tensors, self._profiled = tensors, profiled
        self._clock: Handle | None = None
        self._depth = 0
        self._notes: list[str] = []
        self._surroundings = surroundings(watched.framework)

    def __enter__(self) -> Capture:
        """Watch the network."""
        self._write_summary("running")
        if in_graph_mode(self._watched):
            self._notes.append(
                "GRAPH_MODE compiles the whole network: no tensors are kept; use PYNATIVE_MODE, or ts.save in construct"
            )
            warnings.warn(self._notes[-1], CaptureWarning, stacklevel=2)
            self._profiled.start_now()
            return self
        self._clock = self._watched.before(NETWORK, self._begin_step)
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
        if self._clock is not None:
            self._clock.remove()
        self._tensors.stop()
        self._notes += self._profiled.stop(self.step)
        self._log.close()
        self._notes += self._what_is_missing()
        self._write_summary(state)
        if self._notes:
            warnings.warn(f"{self.folder}: " + "; ".join(self._notes), CaptureWarning, stacklevel=4)

    def _begin_step(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if self._watched.framework == "pytorch" and "torch.jit" in sys.modules and _is_tracing():
            return
        self.step += 1
        if self.step in self._steps:
            self._tensors.start(self.step, args, kwargs)
        else:
            self._tensors.stop()
        self._profiled.begin(self.step)

    def _what_is_missing(self) -> list[str]:
        notes = []
        if self._steps and self.step < max(self._steps) and self._clock is not None:
            notes.append(f"only {self.step + 1} of the steps up to {max(self._steps)} ran")
        unseen = self._tensors.never_called() if self.step >= 0 and self._steps else []
        if unseen:
            shown = ", ".join(unseen[:5]) + (", ..." if len(unseen) > 5 else "")
            notes.append(f"{len(unseen):,} modules were not seen being called ({shown})")
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
