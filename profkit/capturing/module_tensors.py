"""What flows through the modules of a network, written down while it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from profkit.capturing.step_places import StepPlaces
from profkit.capturing.tensor_log import TensorLog
from profkit.capturing.watched_net import NETWORK, Handle, WatchedNet, tensors_in

Replace = Callable[[str, str, Any], Any]
"""Given a module's path, "input" or "output", and the value; gives another value to go on with, or None."""


class ModuleTensors:
    """Hooks on all modules of a network, put on for the steps that are kept and taken off behind them.

    Gradients take the place of the call, or of the first call of the module that holds the parameter.
    """

    def __init__(
        self,
        watched: WatchedNet,
        log: TensorLog,
        places: StepPlaces,
        *,
        inputs: bool,
        gradients: bool,
        replace: Replace | None = None,
    ) -> None:
        self._watched, self._log, self._places = watched, log, places
        self._inputs, self._gradients, self._replace = inputs, gradients, replace
        self._handles: list[Handle] = []
        self._on_parameters: list[Handle] = []

    def start(self, step: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Keep what happens from now on as that of a step, which begins with the call of the network.

        Args:
            step: Its number.
            args: What the network is called with.
            kwargs: What it is called with by keyword.
        """
        self._places.begin(step)
        self._arguments_of(NETWORK)(args, kwargs)
        if not self._handles:
            self._put_on()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Have the hooks off for a while."""
        worn = bool(self._handles)
        self.stop()
        try:
            yield
        finally:
            if worn:
                self._put_on()

    def stop(self) -> None:
        """Take the hooks off."""
        for handle in (*self._handles, *self._on_parameters):
            handle.remove()
        self._handles, self._on_parameters = [], []

    def never_called(self) -> list[str]:
        """Give the modules without parts that no call was seen of."""
        paths = self._watched.modules
        holders = {path.rpartition(".")[0] for path in paths}
        return [path for path in paths if path not in self._places.called and path not in holders]

    def _put_on(self) -> None:
        for path in self._watched.modules:
            self._handles.append(self._watched.after(path, self._result_of(path)))
            # The network's own is called by who begins the step: its hooks are being run.
            if path != NETWORK:
                self._handles.append(self._watched.before(path, self._arguments_of(path)))
        if self._gradients:
            self._watch_parameters()

    def _result_of(self, path: str) -> Any:
        kind = type(self._watched.modules[path]).__qualname__

        def keep(result: Any) -> Any:
            self._places.leave(path)
            place, step = self._places.next_result(path), self._places.step
            for slot, (argument, tensor) in enumerate(tensors_in(result)):
                where = {"step": step, "order": place, "op": path, "op_type": kind, "slot": slot, "argument": argument}
                self._log.add(tensor, io="output", **where)
                if self._gradients and _may_have_gradient(tensor):
                    self._watch_gradient(tensor, where)
            return None if self._replace is None else self._replace(path, "output", result)

        return keep

    def _arguments_of(self, path: str) -> Any:
        kind = type(self._watched.modules[path]).__qualname__

        def keep(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            self._places.enter(path)
            if not self._inputs:
                return None
            place = self._places.next()
            for slot, (argument, tensor) in enumerate(tensors_in([*args, *kwargs.values()])):
                where = {"step": self._places.step, "order": place, "op": path, "op_type": kind, "slot": slot}
                self._log.add(tensor, io="input", argument=argument, **where)
            return None if self._replace is None else self._replace(path, "input", (args, dict(kwargs)))

        return keep

    def _watch_gradient(self, tensor: Any, where: Mapping[str, Any]) -> None:
        def keep(gradient: Any) -> None:
            if gradient is not None:
                self._log.add(gradient, io="gradient", **where)

        try:
            tensor.register_hook(keep)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            # The network goes on without it.
            self._log.fail(error)

    def _watch_parameters(self) -> None:
        owners = self._watched.parameter_owners()
        for name, parameter in self._watched.parameters():

            def keep(gradient: Any, name: str = name, owner: str = owners.get(name, "")) -> None:
                # Behind its output's gradient: forward order is looked at from its end.
                place = self._places.of_parameter(owner)
                where = {
                    "step": self._places.step,
                    "order": place,
                    "op": name,
                    "op_type": "",
                    "slot": 0,
                    "argument": "",
                }
                self._log.add(gradient, io="gradient", **where)

            self._on_parameters.append(parameter.register_hook(keep))


def _may_have_gradient(tensor: Any) -> bool:
    # Tensors of MindSpore take a hook at any time, and do not tell whether they need a gradient.
    return bool(getattr(tensor, "requires_grad", True)) and "float" in str(tensor.dtype).lower()
