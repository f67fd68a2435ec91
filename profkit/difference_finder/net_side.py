"""One network in this process: run as it is asked, watched, and left as it was."""

from __future__ import annotations

import copy
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from profkit.capturing import capture
from profkit.capturing.watched_net import WatchedNet, in_graph_mode, tensors_in
from profkit.difference_finder.cases import read_case
from profkit.difference_finder.softmax_gradient import spoilt_softmax_gradients
from profkit.difference_finder.state_files import (
    BUFFERS,
    GRADIENTS,
    LATER_GRADIENTS,
    STEPS,
    Arrays,
    changes,
    save_arrays,
)
from profkit.difference_finder.substitution import Substitution
from profkit.errors import ProfkitError
from profkit.frameworks import import_mindspore, import_torch
from profkit.randomness import fix_random
from profkit.saving.tensor_values import array_of
from profkit.structure import describe_structure
from profkit.weights import describe_net

Result = dict[str, Any]
STRUCTURE, PARAMETERS = "structure.json", "parameters.json"
NO_STEP = ("no loss was computed", "no parameter is trained")
_EPSILON_BEFORE_BIAS = {"Adam", "AdamOffload", "LazyAdam"}
"""Optimizers of MindSpore, of nn and of experimental.optim; measured with 2.10; AdamW of the latter does not."""


@dataclass(frozen=True)
class Order:
    """How a network is to be run once.

    Attributes:
        case: Directory of the inputs.
        out: Directory for what is captured.
        seed: For everything random.
        train: In training mode; else in evaluation.
        backward: Compute gradients as well.
        inputs: Keep what goes into modules, beside what comes out of them.
        changes: Directory for what the run does to the buffers (running statistics) and, with optimizer, for the
            gradients of the parameters and what two steps do to these (profkit.difference_finder.state_files).
        optimizer: Make two steps of the optimizer; needs backward.
        recorded: Capture of the other network whose tensors the modules are fed; "" to let them run free.
        partners: Path of a module of the other network by path of one of this.
    """

    case: str
    out: str
    seed: int
    train: bool = False
    backward: bool = False
    inputs: bool = True
    changes: str = ""
    optimizer: bool = False
    recorded: str = ""
    partners: Mapping[str, str] | None = None


class Side(Protocol):
    """A network that can be asked to run, wherever it is."""

    @property
    def framework(self) -> str:
        """Which framework it is of: pytorch or mindspore."""

    def describe(self, folder: Path) -> None:
        """Write structure, parameters and the weights (net.pth or net.ckpt) into a directory."""

    def load_weights(self, path: Path) -> None:
        """Take the weights of a checkpoint of its own framework."""

    def run(self, order: Order) -> Result:
        """Run the network; gives seconds, loss (None if none), and why there was no step of the optimizer."""

    def spoilt_gradients(self) -> str:
        """Say what of the framework computes wrong gradients in the process of the network; "" for nothing known."""

    def close(self) -> None:
        """End what was started for it."""


class NetSide:
    """A torch.nn.Module or mindspore.nn.Cell of this process."""

    def __init__(self, net: Any, loss: Any = None, optimizer: Any = None) -> None:
        """Hold a network.

        Args:
            net: The network.
            loss: Given the network's result and the labels, gives the loss; None for a fixed sum of the results.
            optimizer: Of the network's parameters, or a function that makes it of the network; None for no step.
        """
        self._watched = WatchedNet(net)
        self._net, self._loss = net, loss
        is_optimizer = optimizer is None or hasattr(optimizer, "parameters") or hasattr(optimizer, "param_groups")
        self._optimizer = optimizer if is_optimizer else optimizer(net)
        self._is_torch = self._watched.framework == "pytorch"

    @property
    def framework(self) -> str:
        """Which framework it is of."""
        return self._watched.framework

    def describe(self, folder: Path) -> None:
        """Write structure, parameters and weights into a directory."""
        folder.mkdir(parents=True, exist_ok=True)
        describe_structure(self._net).save(folder / STRUCTURE)
        describe_net(self._net).save(folder / PARAMETERS)
        self._save_weights(folder / ("net.pth" if self._is_torch else "net.ckpt"))

    def load_weights(self, path: Path) -> None:
        """Take the weights of a checkpoint."""
        if self._is_torch:
            torch = import_torch("loading weights")
            self._net.load_state_dict(torch.load(path, weights_only=True), strict=False)
        else:
            mindspore = import_mindspore("loading weights")
            mindspore.load_param_into_net(self._net, mindspore.load_checkpoint(str(path)))

    def spoilt_gradients(self) -> str:
        """Say which gradients MindSpore computes wrong in this process."""
        return "" if self._is_torch else spoilt_softmax_gradients()

    def close(self) -> None:
        """Nothing was started."""

    def run(self, order: Order) -> Result:
        """Run the network; weights, statistics and mode are afterwards what they were.

        Raises:
            ProfkitError: MindSpore is in GRAPH_MODE.
        """
        if in_graph_mode(self._watched):
            raise ProfkitError("in GRAPH_MODE no module of a network can be watched", "set PYNATIVE_MODE first")
        args, kwargs, labels = read_case(Path(order.case), self._tensor)
        with self._as_it_was(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fix_random(order.seed)
            self._set_mode(train=order.train)
            replace = None
            if order.recorded:
                replace = Substitution(Path(order.recorded) / "tensors", order.partners or {}, self._tensor)
            watching = capture(
                self._net, order.out, steps=1, inputs=order.inputs, gradients=order.backward, profile_steps=0,
                max_bytes=1 << 62, replace=replace,
            )  # fmt: skip
            buffers = self._buffers()
            begun = time.perf_counter()
            with watching:
                loss, note = None, ""
                if order.backward:
                    loss, note = self._train(args, kwargs, labels, order)
                else:
                    self._forward(args, kwargs)
            seconds = time.perf_counter() - begun
            self._save(changes(buffers, self._buffers()), BUFFERS, order)
            return {"seconds": seconds, "loss": loss, "note": note, **self._adam()}

    def _forward(self, args: Any, kwargs: Any) -> None:
        if not self._is_torch:
            self._net(*args, **kwargs)
            return
        with import_torch("running").no_grad():
            self._net(*args, **kwargs)

    def _train(self, args: Any, kwargs: Any, labels: Any, order: Order) -> tuple[float | None, str]:
        step = self._torch_step if self._is_torch else self._mindspore_step
        return step(args, kwargs, labels, order)

    def _torch_step(self, args: Any, kwargs: Any, labels: Any, order: Order) -> tuple[float | None, str]:
        self._net.zero_grad()
        loss = self._loss_of(self._net(*args, **kwargs), labels)
        if loss is None or not loss.requires_grad:
            return None, NO_STEP[0] if loss is None else NO_STEP[1]
        loss.backward()
        if order.optimizer and self._optimizer is not None:
            gradients = {name: one.grad for name, one in self._watched.parameters() if one.grad is not None}
            self._save({name: np.array(array_of(one, name)) for name, one in gradients.items()}, GRADIENTS, order)
            state = copy.deepcopy(self._optimizer.state_dict())
            self._make_steps(
                order, self._optimizer.step, lambda: [one.mul_(LATER_GRADIENTS) for one in gradients.values()]
            )
            self._optimizer.load_state_dict(state)
        self._net.zero_grad()
        return float(loss.detach()), ""

    def _mindspore_step(self, args: Any, kwargs: Any, labels: Any, order: Order) -> tuple[float | None, str]:
        mindspore = import_mindspore("running")
        parameters = self._net.trainable_params()
        if self._optimizer is not None:
            parameters = self._optimizer.parameters
        if not len(parameters):
            self._net(*args, **kwargs)
            return None, NO_STEP[1]
        has_loss = []

        def forward() -> Any:
            loss = self._loss_of(self._net(*args, **kwargs), labels)
            has_loss.append(loss is not None)
            return mindspore.Tensor(0.0) if loss is None else loss

        loss, gradients = mindspore.value_and_grad(forward, None, parameters)()
        if not all(has_loss):
            return None, NO_STEP[0]
        if order.optimizer and self._optimizer is not None:
            kept = {
                parameter.name: np.array(array_of(one, parameter.name))
                for parameter, one in zip(parameters, gradients, strict=True)
            }
            self._save(kept, GRADIENTS, order)
            state = [(one, np.array(array_of(one, one.name))) for one in self._optimizer.get_parameters()]
            given = [gradients]

            def enlarge() -> None:
                given[0] = tuple(one * LATER_GRADIENTS for one in gradients)

            self._make_steps(order, lambda: self._optimizer(given[0]), enlarge)
            for one, array in state:
                self._put(one, array)
        return float(loss.asnumpy()), ""

    def _make_steps(self, order: Order, step: Callable[[], Any], enlarge: Callable[[], Any]) -> None:
        """Make two steps and keep what each does; the second has other gradients, so that betas and momenta show."""
        for name in STEPS:
            before = self._trained()
            step()
            self._save(changes(before, self._trained()), name, order)
            if getattr(self._optimizer, "dynamic_lr", False):
                # Torch's schedules are no part of its optimizers: the second step of both cannot be the same.
                return
            enlarge()

    def _save(self, arrays: Arrays, name: str, order: Order) -> None:
        if order.changes:
            save_arrays(arrays, Path(order.changes), name, self.framework)

    def _adam(self) -> dict[str, Any]:
        """Give of torch's Adam beta1, beta2, epsilon and decay by parameter; of MindSpore's, if epsilon is early."""
        kinds = {kind.__name__ for kind in type(self._optimizer).__mro__}
        if not self._is_torch:
            return {"epsilon_is_early": bool(kinds & _EPSILON_BEFORE_BIAS)}
        if not kinds & {"Adam", "AdamW"}:
            return {}
        found: dict[str, list[float]] = {}
        names = {id(one): name for name, one in self._watched.parameters()}
        for group in self._optimizer.param_groups:
            decoupled = "AdamW" in kinds or group.get("decoupled_weight_decay", False)
            decay = 0.0 if decoupled else float(group["weight_decay"])
            settings = [*map(float, group["betas"]), float(group["eps"]), decay]
            found |= {names[id(one)]: settings for one in group["params"] if id(one) in names}
        return {"adam": found}

    def _buffers(self) -> Arrays:
        """Give what the network keeps beside its trained parameters."""
        if self._is_torch:
            kept = self._net.state_dict().keys()
            found = [(name, one) for name, one in self._net.named_buffers() if name in kept]
        else:
            found = [(one.name, one) for one in self._net.get_parameters() if not one.requires_grad]
        return {name: np.array(array_of(one, name)) for name, one in found}

    def _loss_of(self, result: Any, labels: Any) -> Any:
        """Give the user's loss; or each result times fixed numbers, summed, so that every element has its own part."""
        if self._loss is not None:
            given = labels if isinstance(labels, tuple) else (() if labels is None else (labels,))
            return self._loss(result, *given)
        total = None
        for number, (_, tensor) in enumerate(tensors_in(result)):
            if "float" not in str(tensor.dtype).lower():
                continue
            weights = np.random.default_rng(number).standard_normal(tuple(tensor.shape)).astype(np.float32)
            weights = self._tensor(weights / max(1, weights.size) ** 0.5)
            weights = weights.to(tensor.dtype) if self._is_torch else weights.astype(tensor.dtype)
            part = (tensor * weights).sum()
            total = part if total is None else total + part
        return total

    def _tensor(self, array: NDArray[Any]) -> Any:
        if self._is_torch:
            # A copy: networks may work in place.
            return import_torch("running").from_numpy(np.array(array))
        return import_mindspore("running").Tensor(np.array(array))

    def _set_mode(self, *, train: bool) -> None:
        if self._is_torch:
            self._net.train(train)
        else:
            self._net.set_train(train)

    @contextmanager
    def _as_it_was(self) -> Iterator[None]:
        modes = {path: module.training for path, module in self._watched.modules.items()}
        state = {name: np.array(array_of(one, name)) for name, one in self._state()}
        try:
            yield
        finally:
            for name, one in self._state():
                self._put(one, state[name])
            for path, mode in modes.items():
                module = self._watched.modules[path]
                if self._is_torch:
                    module.training = mode
                elif module.training != mode:
                    module.add_flags(training=mode)

    def _state(self) -> Iterator[tuple[str, Any]]:
        if self._is_torch:
            yield from self._net.named_parameters()
            yield from ((f"buffer {name}", one) for name, one in self._net.named_buffers())
        else:
            yield from ((one.name, one) for one in self._net.get_parameters())

    def _put(self, one: Any, array: NDArray[Any]) -> None:
        value = self._tensor(array)
        if self._is_torch:
            with import_torch("running").no_grad():
                one.copy_(value)
        else:
            one.set_data(value.astype(one.dtype))

    def _trained(self) -> Arrays:
        return {name: np.array(array_of(one, name)) for name, one in self._watched.parameters()}

    def _save_weights(self, path: Path) -> None:
        if self._is_torch:
            import_torch("saving weights").save(self._net.state_dict(), path)
        else:
            import_mindspore("saving weights").save_checkpoint(self._net, str(path))


def function_in(place: str) -> Callable[..., Any]:
    """Import what "file.py:name" or "package.module:name" says.

    Raises:
        ProfkitError: There is no such file or name.
    """
    source, _, name = place.rpartition(":")
    try:
        if source.endswith(".py"):
            path = Path(source).resolve()
            sys.path.insert(0, str(path.parent))
            specification = importlib.util.spec_from_file_location(path.stem, path)
            if specification is None or specification.loader is None:
                raise ImportError(f"{path} is no module")
            module = importlib.util.module_from_spec(specification)
            specification.loader.exec_module(module)
        else:
            module = importlib.import_module(source)
        found: Callable[..., Any] = getattr(module, name)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise ProfkitError(f"{place} cannot be imported: {error}", 'name it "file.py:function"') from error
    return found
