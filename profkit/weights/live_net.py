"""A network as the caller holds it, described through its own methods: no framework is imported here."""

from __future__ import annotations

from typing import Any

from profkit.errors import ProfkitError
from profkit.parsers.dump.tensor_dtypes import dtype_name
from profkit.weights.description import NetDescription, ParameterDescription, unique

_ROOTS = {"torch.nn.modules.module.Module": "pytorch", "mindspore.nn.cell.Cell": "mindspore"}


def framework_of(net: object) -> str | None:
    """Tell of which framework a network is: "pytorch" (Module), "mindspore" (Cell), or None."""
    for base in type(net).__mro__:
        found = _ROOTS.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None


def describe_net(net: Any) -> NetDescription:
    """Describe a torch Module or a MindSpore Cell: parameters and buffers in its own order, with their layers.

    Raises:
        ProfkitError: It is neither, or gives one name to two parameters.
    """
    framework = framework_of(net)
    if framework is None:
        raise ProfkitError(f"{type(net).__name__} is no network", "give a torch.nn.Module or a mindspore.nn.Cell")
    source = _class_name(net)
    parameters, unread = _torch(net) if framework == "pytorch" else (_mindspore(net), [])
    return NetDescription(framework, unique(tuple(parameters), source), source, tuple(unread))


def _class_name(module: object) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _torch(net: Any) -> tuple[list[ParameterDescription], list[tuple[str, str]]]:
    """Follow state_dict(): what is saved, persistent buffers with it; one tensor under two names is tied."""
    layers = {path: _class_name(module) for path, module in net.named_modules(remove_duplicate=False)}
    first: dict[int, str] = {}
    parameters: list[ParameterDescription] = []
    unread: list[tuple[str, str]] = []
    for name, tensor in net.state_dict(keep_vars=True).items():
        if not hasattr(tensor, "shape") or not hasattr(tensor, "dtype"):
            unread.append((name, f"a {type(tensor).__name__}, no tensor"))
            continue
        original = first.setdefault(id(tensor), name)
        parameters.append(
            _described(name, tensor, layers.get(name.rpartition(".")[0]), original if original != name else None)
        )
    return parameters, unread


def _mindspore(net: Any) -> list[ParameterDescription]:
    """Follow the cells: a checkpoint has the name of a Parameter, once, however many cells hold it."""
    parameters: dict[int, ParameterDescription] = {}
    ties: list[ParameterDescription] = []
    for path, cell in net.cells_and_names():
        for local, parameter in cell.parameters_and_names(expand=False):
            place = f"{path}.{local}" if path else local
            name = str(parameter.name)
            if id(parameter) not in parameters:
                parameters[id(parameter)] = _described(name, parameter, _class_name(cell), None, place)
            elif parameters[id(parameter)].place != place:
                ties.append(_described(place, parameter, _class_name(cell), name, place))
    names = {one.name for one in parameters.values()}
    # Another place of a parameter is no entry of a checkpoint; it is told so that the other side's name finds it.
    return [*parameters.values(), *(tie for tie in ties if tie.name not in names)]


def _described(
    name: str, tensor: Any, layer: str | None, tied_to: str | None, place: str | None = None
) -> ParameterDescription:
    shape = tuple(int(length) for length in tensor.shape)
    dtype = dtype_name(str(tensor.dtype))
    return ParameterDescription(name, shape, dtype, layer, place if place != name else None, tied_to)
