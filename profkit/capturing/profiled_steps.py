"""The profiler of either framework around some steps, with the settings that profkit can tell most from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from profkit.errors import first_line_of
from profkit.frameworks import import_mindspore, import_torch, wait_for_mindspore

_WARM_UP = 1


class ProfiledSteps:
    """Steps first..first+count, the first of them to warm up."""

    def __init__(self, framework: str, folder: Path, first: int, count: int) -> None:
        self._framework, self._folder = framework, folder
        self._first, self._count = first, count
        self._profiler: Any = None
        self._notes: list[str] = []
        self._timed = 0

    def begin(self, step: int) -> None:
        """Tell that a step begins."""
        if not self._count:
            return
        if step == self._first + (_WARM_UP if self._framework == "mindspore" else 0):
            self.start_now()
        elif self._profiler is not None:
            self._timed = step - self._first
            if step >= self._first + _WARM_UP + self._count:
                self._finish()
            else:
                self._try("stepped", self._profiler.step)

    def start_now(self) -> None:
        """Start the profiler."""
        if self._count:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._try("started", self._start)

    def stop(self, last_step: int) -> list[str]:
        """End what still runs.

        Returns:
            What was not timed, and why.
        """
        self._finish()
        if self._count and not self._notes and last_step < self._first + _WARM_UP and last_step >= 0:
            needed = self._first + _WARM_UP + self._count
            self._notes.append(f"no step was timed: {last_step + 1} ran, {needed} are needed (profile_steps)")
        return self._notes

    def _start(self) -> None:
        if self._framework == "mindspore":
            # It starts as it is made.
            self._profiler = self._mindspore()
            return
        self._profiler = self._torch()
        self._profiler.start()

    def _finish(self) -> None:
        profiler, self._profiler = self._profiler, None
        if profiler is None:
            return
        if self._framework == "mindspore":
            wait_for_mindspore()
        self._try("ended", profiler.stop)

    def _try(self, what: str, call: Any) -> None:
        try:
            call()
        except (RuntimeError, OSError, ValueError, TypeError, AttributeError) as error:
            self._profiler = None
            reason = first_line_of(error)
            self._notes.append(f"the profiler could not be {what}: {reason}")

    def _torch(self) -> Any:
        profiler = import_torch("capture").profiler
        known = [profiler.ProfilerActivity.CPU]
        known += [one for one in profiler.supported_activities() if one not in known]
        target = str(self._folder / "trace.json.gz")
        # with_stack gives the calls of modules, without which operators have none.
        return profiler.profile(
            activities=known,
            schedule=profiler.schedule(wait=0, warmup=_WARM_UP, active=self._count, repeat=1),
            record_shapes=True,
            with_stack=True,
            on_trace_ready=lambda done: done.export_chrome_trace(target),
        )

    def _mindspore(self) -> Any:
        mindspore = import_mindspore("capture")
        profiler = mindspore.profiler
        device = mindspore.get_context("device_target")
        activities = [profiler.ProfilerActivity.CPU]
        if device == "Ascend":
            activities.append(profiler.ProfilerActivity.NPU)
        settings = profiler._ExperimentalConfig(
            profiler_level=profiler.ProfilerLevel.Level1, aic_metrics=profiler.AicoreMetrics.PipeUtilization
        )
        # Steps of Ascend are told by a schedule alone.
        schedule = profiler.schedule(wait=0, warmup=0, active=self._count, repeat=1) if device == "Ascend" else None
        return profiler.profile(
            activities=activities,
            record_shapes=True,
            experimental_config=settings,
            **({"schedule": schedule} if schedule else {}),
            on_trace_ready=profiler.tensorboard_trace_handler(str(self._folder)),
        )
