"""The structure of a network as the caller holds it, through its own methods: no framework is imported here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profkit.errors import ProfkitError
from profkit.frameworks import is_mindspore_cell, is_torch_module
from profkit.structure.layer_facts import layer_of, not_held, scalar
from profkit.structure.net_tree import ModuleNode, NetStructure, Shape, checked
from profkit.structure.printed_net import as_value, parse_settings


def describe_structure(net: Any) -> NetStructure:
    """Describe the modules of a torch Module or a MindSpore Cell: classes, settings, own parameters.

    Raises:
        ProfkitError: It is neither, or has too many modules.
    """
    is_torch = is_torch_module(net)
    if not is_torch and not is_mindspore_cell(net):
        raise ProfkitError(
            f"a {type(net).__name__} is neither a torch.nn.Module nor a mindspore.nn.Cell", "give a network"
        )
    framework = "pytorch" if is_torch else "mindspore"
    network = ModuleNode("")
    pending = [(net, network, 1)]
    source = f"{type(net).__module__}.{type(net).__qualname__}"
    count = 0
    while pending:
        module, node, depth = pending.pop()
        count += 1
        if depth > 200:
            raise ProfkitError(f"{source} has modules that hold each other", "give a network whose modules are a tree")
        for name, child in _children(module, is_torch=is_torch):
            below = ModuleNode(str(name))
            node.children = [*node.children, below]
            if child is None:
                below.classes = ["None"]
            else:
                pending.append((child, below, depth + 1))
        _fill(node, module, framework)
    return checked(NetStructure(framework, network, source))


def _children(module: Any, *, is_torch: bool) -> Iterator[tuple[str, Any]]:
    # named_children and name_cells leave out a module that was seen before: a shared layer is in both places here.
    yield from (module._modules if is_torch else module._cells).items()


def _fill(node: ModuleNode, module: Any, framework: str) -> None:
    """Set what a module is and what is known of it."""
    is_torch = framework == "pytorch"
    node.classes = list(_classes(module))
    node.positional, node.printed = parse_settings(module.extra_repr() if is_torch else module.extend_repr())
    node.parameters = _parameters(module, is_torch=is_torch)
    found = layer_of(node, framework)
    if found is None:
        held = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        node.held = {name: as_value(value) for name, value in held.items() if scalar(value) and name not in not_held()}
        return
    _, about, variant = found
    for setting in about.settings:
        for place in variant.places(setting):
            value = _attribute(module, place)
            if value is not _ABSENT:
                node.held = {**node.held, setting: as_value(value)}
                break


_ABSENT = object()


def _attribute(module: Any, path: str) -> Any:
    value = module
    for name in path.split("."):
        value = getattr(value, name, _ABSENT)
        if value is _ABSENT:
            return _ABSENT
    return value


def _classes(module: Any) -> Iterator[str]:
    for base in type(module).__mro__:
        if base.__module__ == "builtins" or base.__qualname__ in {"Module", "Cell", "Cell_"}:
            return
        yield f"{base.__module__}.{base.__qualname__}"


def _parameters(module: Any, *, is_torch: bool) -> dict[str, Shape]:
    if is_torch:
        own = [*module._parameters.items(), *module._buffers.items()]
        skipped = module._non_persistent_buffers_set
    else:
        own, skipped = list(module.parameters_and_names(expand=False)), set()
    return {
        str(name).rpartition(".")[2]: tuple(int(length) for length in value.shape)
        for name, value in own
        if value is not None and name not in skipped
    }
