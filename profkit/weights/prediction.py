"""What MindSpore will call the parameters of a torch network, where no network of it is there to look at.

From the classes of its layers, or, where only a checkpoint is there, from what its names and shapes show. What they do
not show is left out of the description, so that it stays without a partner; a network to look at is always surer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from profkit.weights.description import NetDescription, ParameterDescription
from profkit.weights.matching import make_map
from profkit.weights.rules import Layer, Rules, read_rules
from profkit.weights.weight_map import AMBIGUOUS, WeightMap

Interface = Literal["nn", "mint"]

_STATISTICS = frozenset({"running_mean", "running_var"})


def predicted_map(source: NetDescription, interface: Interface = "nn", rules: Rules | None = None) -> WeightMap:
    """Map a torch network to the network of MindSpore that is predicted for it; what cannot be told is ambiguous."""
    prediction = predict_target(source, interface, rules)
    made = make_map(source, prediction.target, rules)
    rows = [
        replace(row, status=AMBIGUOUS, reason=f"it may be of {doubt}: name the network that is to have it")
        if row.target is None and (doubt := prediction.open.get(row.sources[0]))
        else row
        for row in made.rows
    ]
    return replace(made, rows=tuple(rows))


@dataclass(frozen=True)
class Prediction:
    """A description of a network that does not exist yet.

    Attributes:
        target: The network; parameters of which nothing can be said are missing.
        open: Names of the source whose layer cannot be told, with what it may be.
    """

    target: NetDescription
    open: dict[str, str]


def predict_target(source: NetDescription, interface: Interface = "nn", rules: Rules | None = None) -> Prediction:
    """Describe the network of mindspore.nn or mindspore.mint.nn that has the layers of a torch network.

    Args:
        source: The torch network; with the classes of its layers, if it was described alive.
        interface: "mint", whose names and shapes are those of torch, or "nn".
        rules: From read_rules; None for profkit's own.
    """
    label = f"mindspore.{'mint.' if interface == 'mint' else ''}nn, as {source.source or 'the source'} has it"
    if interface == "mint":
        parameters = tuple(ParameterDescription(one.name, one.shape, one.dtype) for one in source.parameters)
        return Prediction(NetDescription("mindspore", parameters, label), {})
    rules = rules or read_rules()
    by_module: dict[str, dict[str, ParameterDescription]] = {}
    for one in source.parameters:
        module, _, leaf = one.name.rpartition(".")
        by_module.setdefault(module, {})[leaf] = one
    volumes = any(len(one.shape or ()) == 5 for one in source.parameters)
    found: list[ParameterDescription] = []
    doubts: dict[str, str] = {}
    for one in source.parameters:
        module = one.name.rpartition(".")[0]
        layer, doubt = (one.layer_class, "") if one.layer_class else _layer_of(by_module[module], volumes=volumes)
        if doubt:
            doubts[one.name] = doubt
            continue
        predicted = _predicted(one, layer or "", _renamed_module(module, by_module, rules), rules)
        if predicted is not None:
            found.append(predicted)
    return Prediction(NetDescription("mindspore", tuple(found), label), doubts)


def _predicted(one: ParameterDescription, layer: str, module: str, rules: Rules) -> ParameterDescription | None:
    leaf = one.name.rpartition(".")[2]
    rule = next((rule for rule in rules.layers if layer in rule.torch), Layer([]))
    if leaf in rule.absent:
        return None
    shape = one.shape
    axis = rule.insert_axis.get(leaf)
    if axis is not None and shape is not None:
        shape = (*shape[:axis], 1, *shape[axis:])
    name = rule.leaf.get(leaf, leaf)
    return ParameterDescription(f"{module}.{name}" if module else name, shape, one.dtype)


def _renamed_module(module: str, by_module: dict[str, dict[str, ParameterDescription]], rules: Rules) -> str:
    """Give the path of a module as MindSpore has it: the two Linear of a TransformerEncoderLayer are called otherwise.

    The layer is known by what it holds, as it has no parameters of its own.
    """
    above, dot, last = module.rpartition(".")
    is_layer = "in_proj_weight" in by_module.get(f"{above}{dot}self_attn", {}) and f"{above}{dot}norm2" in by_module
    rule = next((rule for rule in rules.layers if "TransformerEncoderLayer" in rule.torch), Layer([]))
    return f"{above}{dot}{rule.part[last]}" if is_layer and last in rule.part else module


def _layer_of(module: dict[str, ParameterDescription], *, volumes: bool) -> tuple[str, str]:
    """Tell the layer of a module by its parameters.

    Args:
        module: Parameters by the last part of their names.
        volumes: The network has weights of three-dimensional convolutions, so that a BatchNorm may be of either kind.

    Returns:
        The class in torch ("" where both frameworks call and lay out the parameters alike), and what it may be where
        that cannot be told ("" if it can).
    """
    shape = module["weight"].shape if "weight" in module else None
    if shape is None or len(shape) in {0, 4, 5}:
        return "", ""
    if len(shape) == 1:
        if module.keys() >= _STATISTICS:
            return ("", "BatchNorm2d or BatchNorm3d") if volumes else ("BatchNorm2d", "")
        return ("LayerNorm", "") if "bias" in module else ("", "PReLU, or a norm without bias")
    if len(shape) == 2:
        return ("", "") if "bias" in module else ("", "Embedding, or Linear without bias")
    return "", "Conv1d, ConvTranspose1d or Bilinear"
