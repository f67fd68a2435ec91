"""A network of either framework that is watched: its modules, their hooks, and the tensors they take and give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from profkit.errors import ProfkitError
from profkit.frameworks import (
    import_mindspore,
    is_mindspore_cell,
    is_mindspore_tensor,
    is_torch_module,
    is_torch_tensor,
)

_MOST_LEVELS = 16

NETWORK = "(network)"
"""What the network itself is called; as in profkit.structure."""

Before = Callable[[tuple[Any, ...], Mapping[str, Any]], Any]
"""Given a call's arguments; gives others to use instead, or None."""
After = Callable[[Any], Any]
"""Given what a call gave; gives another result to use instead, or None."""


class Handle(Protocol):
    """What a framework gives for a hook."""

    def remove(self) -> None:
        """Take the hook off."""


class WatchedNet:
    """A network with its modules by their paths.

    Attributes:
        net: The torch.nn.Module or mindspore.nn.Cell.
        framework: "pytorch" or "mindspore".
        modules: Modules by path in the order of their definition; a shared one under its first path only.
    """

    def __init__(self, net: Any) -> None:
        self.net = net
        if is_torch_module(net):
            self.framework = "pytorch"
            named = net.named_modules()
        elif is_mindspore_cell(net):
            self.framework = "mindspore"
            named = net.cells_and_names()
        else:
            raise ProfkitError(
                f"a {type(net).__name__} is neither a torch.nn.Module nor a mindspore.nn.Cell", "give a network"
            )
        self.modules: dict[str, Any] = {path or NETWORK: module for path, module in named}

    def before(self, path: str, hook: Before) -> Handle:
        """Have a hook called before each call of a module."""
        module = self.modules[path]

        def called(_module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return hook(args, kwargs)

        handle: Handle = module.register_forward_pre_hook(called, with_kwargs=True)
        return handle

    def after(self, path: str, hook: After) -> Handle:
        """Have a hook called with what each call of a module gives, behind the hooks it has already."""

        def called(_module: Any, _args: Any, output: Any) -> Any:
            return hook(output)

        handle: Handle = self.modules[path].register_forward_hook(called)
        return handle

    def parameters(self) -> Iterator[tuple[str, Any]]:
        """Give the trainable parameters by name."""
        if self.framework == "pytorch":
            yield from ((name, one) for name, one in self.net.named_parameters() if one.requires_grad)
        else:
            yield from ((one.name, one) for one in self.net.trainable_params())

    def parameter_owners(self) -> dict[str, str]:
        """Give the path of the module that holds each parameter, by the parameter's name."""
        owners: dict[str, str] = {}
        for path, module in self.modules.items():
            own = module._parameters if self.framework == "pytorch" else module._params
            for name, parameter in own.items():
                if parameter is not None:
                    full = parameter.name if self.framework == "mindspore" else name
                    prefix = "" if path == NETWORK or self.framework == "mindspore" else f"{path}."
                    owners.setdefault(f"{prefix}{full}", path)
        return owners


def in_graph_mode(net: WatchedNet) -> bool:
    """Tell whether MindSpore compiles the whole network, so that no hook of its modules runs as Python."""
    if net.framework != "mindspore":
        return False
    mindspore = import_mindspore("capture")
    return bool(mindspore.get_context("mode") == mindspore.GRAPH_MODE)


def tensors_in(value: Any, place: str = "", levels: int = _MOST_LEVELS) -> Iterator[tuple[str, Any]]:
    """Give the tensors in nested tuples, lists, dicts and objects with fields, with their places ("0.1", "mask").

    Args:
        value: Anything.
        place: Where it is itself.
        levels: How many levels to look into; what holds itself has no end.
    """
    if levels == 0:
        return
    if is_torch_tensor(value) or is_mindspore_tensor(value):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from tensors_in(one, _below(place, key), levels - 1)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from tensors_in(one, _below(place, index), levels - 1)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors_in(getattr(value, name, None), _below(place, name), levels - 1)


def _below(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)
