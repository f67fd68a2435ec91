"""What is built into a MindSpore graph so that it hands over what its modules take and give.

MindSpore translates the functions below `_translated`: it reads their source, decides `isinstance` and shapes while it
builds the graph, and calls at once what is not marked as translated, with the constants that it knows by then.
Functions that it translates keep to the Python that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from profkit.capturing.graph_arrivals import GraphArrivals, Source
from profkit.capturing.watched_net import NETWORK, WatchedNet
from profkit.frameworks import import_mindspore

PARAMETERS = "(parameters)"
"""All gradients of parameters, among the paths of modules that can be left out."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OF_PARAMETER = "gradient of a parameter"
# The forms in which tensors are handed over: kernels cannot take scalars and what is empty, nor reshape bfloat16.
_WHOLE, _VECTOR, _FLOAT32, _SIGNAL = "whole", "vector", "float32 vector", "signal"


class Translated(NamedTuple):
    """Makers of functions that MindSpore translates.

    Attributes:
        construct: Of a module's path, its own construct, and what to call before and after; a construct to use instead.
        parameter: Of a parameter's name and the parameter; a hook for its gradient.
    """

    construct: Callable[..., Any]
    parameter: Callable[[str, Any], Any]


class GraphHooks:
    """Has modules hand over what they take and give, in the graphs that are built while the hooks are worn.

    Attributes:
        built: How many tensors the graphs built so far hand over.
    """

    def __init__(
        self, watched: WatchedNet, arrivals: GraphArrivals, begin: Callable[[], None], *, inputs: bool, gradients: bool
    ) -> None:
        self.built = 0
        self._watched, self._arrivals = watched, arrivals
        self._mindspore = import_mindspore("capture")
        self._gradients = gradients
        self._begins = self._kernel(lambda _: begin())
        self._ends = self._kernel(lambda _: arrivals.forward_is_done())
        makers = (self._kernel_of, self._kernel_of_gradient)
        self._translated = _translated(self._mindspore, *makers, inputs=inputs or gradients, gradients=gradients)

    @contextmanager
    def worn(self, left_out: frozenset[str] = frozenset()) -> Iterator[None]:
        """Have modules and parameters hand over in graphs that are built within.

        Args:
            left_out: Paths of modules that do not.
        """
        worn: list[tuple[dict[str, Any], Any]] = []
        handles: list[Any] = []
        try:
            if self._gradients and PARAMETERS not in left_out:
                for name, parameter in self._watched.parameters():
                    handles.append(parameter.register_hook(self._translated.parameter(name, parameter)))
            for path, cell in self._watched.modules.items():
                if path not in left_out:
                    # Past nn.Cell's own attributes: this one is for the compiler.
                    attributes = vars(cell)
                    instead = MethodType(self._instead_of(path, cell.construct), cell)
                    worn.append((attributes, attributes.get("construct")))
                    attributes["construct"] = instead
            yield
        finally:
            for attributes, own in worn:
                del attributes["construct"]
                if own is not None:
                    attributes["construct"] = own
            for handle in handles:
                handle.remove()

    def _instead_of(self, path: str, construct: Any) -> Any:
        marks = (self._begins, self._ends) if path == NETWORK else (None, None)
        return self._translated.construct(path, construct, *marks)

    def _kernel_of(self, path: str, io: str, argument: str, shape: tuple[int, ...], dtype: Any) -> tuple[Any, str]:
        """Give the kernel for a tensor, and the form in which a graph has to hand it over."""
        known: dict[str, Any] = {}
        form = _WHOLE
        if 0 in shape:
            form, known["empty"] = _SIGNAL, np.zeros(shape, self._mindspore.dtype_to_nptype(dtype))
        elif shape == ():
            form, known["scalar"] = _VECTOR, self._mindspore.dtype_to_nptype(dtype)
            if dtype == self._mindspore.bfloat16:
                form = _FLOAT32
        source = Source(path, io, argument, **known)
        arrivals = self._arrivals
        self.built += 1
        if io == _OF_PARAMETER:
            kernel = self._kernel(lambda array: arrivals.add_gradient_of_parameter(source, array))
        else:
            kernel = self._kernel(lambda array: arrivals.add(source, array))
        return kernel, form

    def _kernel_of_gradient(self, path: str, argument: str, shape: tuple[int, ...], dtype: Any) -> tuple[Any, str]:
        """Give the kernel for a gradient with its result's number behind it, and the form of the gradient before it."""
        dtype_of_numpy = self._mindspore.dtype_to_nptype(dtype)
        arrivals, source = self._arrivals, Source(path, "gradient", argument)
        self.built += 1

        def take(joined: NDArray[Any]) -> None:
            gradient = joined[:-1].reshape(shape).astype(dtype_of_numpy)
            arrivals.add_gradient(source, gradient, int(joined[-1]))

        if 0 in shape:
            return self._kernel(take), _SIGNAL
        return self._kernel(take), _WHOLE if np.dtype(dtype_of_numpy).itemsize >= np.float32().itemsize else _FLOAT32

    def _kernel(self, take: Callable[[NDArray[Any]], int | None]) -> Any:
        """Give a kernel that calls Python with a tensor's values, in the order of the program, and gives its number."""
        mindspore, arrivals = self._mindspore, self._arrivals

        def taken(array: NDArray[Any]) -> NDArray[Any]:
            try:
                number = take(array)
            except Exception as error:  # noqa: BLE001 - raised in a kernel, it would end the user's run
                arrivals.fail(error)
                number = 0
            return np.full(1, number or 0, np.int32)

        kernel = mindspore.ops.Custom(taken, lambda *_: (1,), lambda *_: mindspore.int32, func_type="pyfunc")
        kernel.add_prim_attr("side_effect_io", True)  # noqa: FBT003 - MindSpore's own signature
        return kernel


def _translated(
    mindspore: Any,
    kernel_of: Callable[..., Any],
    kernel_of_gradient: Callable[..., Any],
    *,
    inputs: bool,
    gradients: bool,
) -> Translated:
    tensor, float32 = mindspore.Tensor, mindspore.float32
    concat, zeros_like, stop_gradient = mindspore.ops.concat, mindspore.ops.zeros_like, mindspore.ops.stop_gradient
    floats = (mindspore.float16, float32, mindspore.float64, mindspore.bfloat16)
    signal = tensor(np.zeros(1, np.int32))
    cell: Any = mindspore.nn.Cell

    @_read_by_mindspore
    def formed(form: str, x: Any) -> Any:
        if form == _SIGNAL:
            return signal
        if form == _VECTOR:
            return x.reshape((1,))
        if form == _FLOAT32:
            return x.astype(float32).reshape((1,))
        return x

    @_read_by_mindspore
    def joined(form: str, gradient: Any, number: Any) -> Any:
        # In a backward graph a kernel that calls Python takes one tensor, and two kernels in no certain order.
        if form == _SIGNAL:
            return number.astype(float32)
        if form == _FLOAT32:
            return concat((gradient.astype(float32).reshape((-1,)), number.astype(float32)))
        return concat((gradient.reshape((-1,)), number.astype(gradient.dtype)))

    class Handing(cell):  # type: ignore[misc]
        """Hands a tensor over."""

        def __init__(self, kernel: Any, form: str) -> None:
            super().__init__()
            self.kernel, self.form = kernel, form

        def construct(self, x: Any) -> Any:
            return stop_gradient(self.kernel(formed(self.form, stop_gradient(x))))

    class WithGradient(cell):  # type: ignore[misc]
        """Passes a tensor on, and hands its gradient over, with the number that the tensor was given."""

        def __init__(self, kernel: Any, form: str) -> None:
            super().__init__()
            self.kernel, self.form = kernel, form

        def construct(self, x: Any, number: Any) -> Any:
            return x

        def bprop(self, x: Any, number: Any, out: Any, gradient: Any) -> Any:
            self.kernel(joined(self.form, gradient, number))
            return gradient, zeros_like(number)

    def handing(*what: Any) -> Any:
        return Handing(*kernel_of(*what))

    def with_gradient(path: str, argument: str, shape: tuple[int, ...], dtype: Any) -> Any:
        return WithGradient(*kernel_of_gradient(path, argument, shape, dtype))

    @_read_by_mindspore
    def below(argument: str, key: Any) -> str:
        if argument == "":
            return str(key)
        return argument + "." + str(key)

    @_read_by_mindspore
    def take(path: str, io: str, argument: str, x: Any) -> None:
        if isinstance(x, tensor):
            handing(path, io, argument, x.shape, x.dtype)(x)
        elif isinstance(x, (tuple, list)):
            for index in range(len(x)):
                take(path, io, below(argument, index), x[index])
        elif isinstance(x, dict):
            for key in x.keys():  # noqa: SIM118 - MindSpore's Python
                take(path, io, below(argument, key), x[key])

    @_read_by_mindspore
    def give(path: str, argument: str, x: Any) -> Any:
        if isinstance(x, tensor):
            if gradients and x.dtype in floats:
                number = handing(path, "output", argument, x.shape, x.dtype)(x)
                return with_gradient(path, argument, x.shape, x.dtype)(x, number)
            # No variable: with one that is not used, MindSpore drops the call.
            handing(path, "output", argument, x.shape, x.dtype)(x)
            return x
        if isinstance(x, tuple):
            found: Any = ()
            for index in range(len(x)):
                found = (*found, give(path, below(argument, index), x[index]))
            return found
        if isinstance(x, list):
            return [give(path, below(argument, index), x[index]) for index in range(len(x))]
        if isinstance(x, dict):
            return {key: give(path, below(argument, key), x[key]) for key in x.keys()}  # noqa: SIM118 - as above
        return x

    def construct(path: str, original: Any, begins: Any, ends: Any) -> Any:
        marks = begins is not None

        @_read_by_mindspore
        def instead(self: Any, *args: Any, **kwargs: Any) -> Any:
            if marks:
                begins(signal)
            if inputs:
                take(path, "input", "", args)
                for index, key in enumerate(kwargs.keys()):
                    take(path, "input", str(len(args) + index), kwargs[key])
            result = give(path, "", original(*args, **kwargs))
            if marks:
                ends(signal)
            return result

        return instead

    def parameter(name: str, value: Any) -> Any:
        kernel, form = kernel_of(name, _OF_PARAMETER, "", value.shape, value.dtype)

        @_read_by_mindspore
        def hook(gradient: Any) -> Any:
            kernel(formed(form, gradient))
            return gradient

        return hook

    return Translated(construct, parameter)


def _read_by_mindspore(function: _Function) -> _Function:
    # What carries it is translated although profkit is named in MS_JIT_IGNORE_MODULES.
    function.__jit_function__ = True  # type: ignore[attr-defined]
    return function
