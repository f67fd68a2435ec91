"""The settings of a layer in the words of torch.nn, from what is printed, held and shown by its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from profkit.compare.canonical_names import canonical_name
from profkit.structure.layer_facts import Kind, Variant, layer_of, not_settings, per_axis
from profkit.structure.net_tree import ModuleNode, Shape, Value

# As near as a number comes back from its decimal form and from 1 - x.
_NEAR = 1e-6


@dataclass(frozen=True)
class Layer:
    """A module as it is compared.

    Attributes:
        kind: In the words of torch.nn; None for a class of its own and where the class is not known.
        facts: What is known of that kind.
        settings: What is known of its settings.
        spelled: Settings that the framework spells in a way of its own, as it does.
    """

    kind: str | None
    facts: Kind
    settings: Mapping[str, Value]
    spelled: Mapping[str, str] = field(default_factory=dict)


def read_layer(node: ModuleNode, framework: str, as_kind: tuple[str, Kind] | None = None) -> Layer:
    """Read the settings of a module.

    Args:
        node: The module.
        framework: The network's.
        as_kind: The layer it is taken for where its class is not known, as in a checkpoint: its shapes are read so.
    """
    found = layer_of(node, framework)
    if found is None:
        if as_kind is not None and not node.classes:
            return Layer(as_kind[0], as_kind[1], _by_axis(_shown_by_parameters(node, as_kind[1]), as_kind[1]))
        return Layer(None, Kind(open=True), _own_settings(node))
    kind, about, variant = found
    told = _told(node, about, variant)
    spelled: dict[str, str] = {}
    if variant.padding_by_mode:
        mode, padding = told.pop("pad_mode", None), told.get("padding")
        told = _by_axis(told, about)
        spelled = {"padding": f"pad_mode={mode}" + ("" if _is_zero(padding) else f", padding={padding}")}
        told |= _padding(mode, padding, told, about, variant)
    spelled |= {name: f"{name}={node.printed[name]}" for name in variant.one_minus if name in node.printed}
    settings = _by_axis(told, about)
    if settings.get("padding") in {"same", "valid"}:
        settings["padding"] = _same_padding(settings, about) if settings["padding"] == "same" else (0,) * about.spatial
    if settings.get("stride", 0) is None and "kernel_size" in settings:
        settings["stride"] = settings["kernel_size"]
    return Layer(kind, about, settings, spelled)


def _told(node: ModuleNode, about: Kind, variant: Variant) -> dict[str, Value]:
    inside = next((child for child in node.children if child.name == variant.inside), node)
    printed = dict(inside.printed) | dict(zip(variant.positional, inside.positional, strict=False))
    told: dict[str, Value] = dict(_shown_by_parameters(node, about))
    for name in (*about.settings, *(["pad_mode"] if variant.padding_by_mode else [])):
        written = variant.printed.get(name, name)
        if name in node.held:
            told[name] = node.held[name]
        elif name in printed or written in printed:
            told[name] = _turned(name, printed[written] if written in printed else printed[name], variant)
        elif name in variant.fixed:
            told[name] = variant.fixed[name]
        elif name in variant.left_out and (inside.printed or inside.positional):
            # TOML has no word for it.
            told[name] = None if variant.left_out[name] == "None" else variant.left_out[name]
    if variant.next and any(child.name == variant.next for child in node.children):
        told["activation"] = "none"
    return told


def _turned(name: str, value: Value, variant: Variant) -> Value:
    if name in variant.one_minus and isinstance(value, float):
        return 1 - value
    if name in variant.trainable:
        return "requires_grad=False" not in str(value)
    return value


def _shown_by_parameters(node: ModuleNode, about: Kind) -> dict[str, Value]:
    """Read the settings that the shapes of the parameters show."""
    if node.parameters is None:
        return {}
    shapes = {leaf_name(name): shape for name, shape in node.parameters.items()}
    found: dict[str, Value] = {}
    for name, (leaf, *axes) in about.shaped.items():
        shape = shapes.get(str(leaf))
        if shape is not None and all(-len(shape) <= int(axis) < len(shape) for axis in axes):
            lengths = tuple(shape[int(axis)] for axis in axes)
            found[name] = lengths if len(lengths) > 1 or name in per_axis() else lengths[0]
    if shapes:
        found |= {name: leaf in shapes for name, leaf in about.present.items()}
    return found


def leaf_name(name: str) -> str:
    """Give the last part of a parameter's name in PyTorch's words."""
    return canonical_name(f"x.{name}").removeprefix("x.")


def _own_settings(node: ModuleNode) -> dict[str, Value]:
    """Give what a class of the user's prints and holds of itself."""
    return {name: value for name, value in {**node.held, **node.printed}.items() if name not in not_settings()}


def _by_axis(settings: Mapping[str, Value], about: Kind) -> dict[str, Value]:
    """Write settings with a number for each axis as tuples of that length."""
    if not about.spatial:
        return dict(settings)
    return {name: _per_axis(value, about.spatial) if name in per_axis() else value for name, value in settings.items()}


def _per_axis(value: Value, axes: int) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,) * axes
    if isinstance(value, (tuple, list)):
        numbers = tuple(value)
        # MindSpore computes one dimension as two, of which the first has length 1.
        return numbers * axes if len(numbers) == 1 else numbers[-axes:]
    return value


def _is_zero(padding: Value) -> bool:
    return padding is None or (not any(padding) if isinstance(padding, tuple) else padding == 0)


def _padding(mode: Value, padding: Value, told: Mapping[str, Value], about: Kind, variant: Variant) -> dict[str, Value]:
    """Say in torch's words what pad_mode and padding mean together."""
    axes = about.spatial
    word = str(mode).lower()
    if word == "valid":
        return {"padding": (0,) * axes, **variant.without_padding}
    if word == "same":
        return {"padding": _same_padding(told, about), **variant.without_padding}
    if word != "pad" or padding is None:
        return {}
    numbers = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * axes
    if len(numbers) == 2 * max(axes, 2):
        sides = [numbers[at : at + 2] for at in range(0, len(numbers), 2)][-axes:]
        if any(before != after for before, after in sides):
            return {"padding": f"{numbers} on the sides of each axis"}
        return {"padding": tuple(before for before, _ in sides)}
    return {"padding": _per_axis(numbers, axes)}


def _same_padding(told: Mapping[str, Value], about: Kind) -> Value:
    """Give what `same` pads where it does not depend on the size of the input and is alike on both sides."""
    kernel, stride = told.get("kernel_size"), told.get("stride")
    dilation = told.get("dilation", (1,) * about.spatial)
    if not isinstance(kernel, tuple) or not isinstance(stride, tuple) or not isinstance(dilation, tuple):
        return "same"
    sides = []
    for size, step, spread in zip(kernel, stride, dilation, strict=False):
        both = spread * (size - 1) + 1 - step if about.transposed else spread * (size - 1)
        if (step != 1 and not about.transposed) or both < 0 or both % 2:
            return f"same: with stride {stride} and kernel {kernel} it depends on the size of the input"
        sides.append(both // 2)
    return tuple(sides)


def same_value(a: Value, b: Value) -> bool:
    """Tell whether two settings are the same: numbers by their value, a tuple of equal numbers as one of them."""
    if isinstance(a, (tuple, list)) or isinstance(b, (tuple, list)):
        x = tuple(a) if isinstance(a, (tuple, list)) else (a,)
        y = tuple(b) if isinstance(b, (tuple, list)) else (b,)
        if len(x) != len(y) and len(set(map(str, x))) == 1 and len(set(map(str, y))) == 1:
            return same_value(x[0], y[0])
        return len(x) == len(y) and all(same_value(one, other) for one, other in zip(x, y, strict=True))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=_NEAR, abs_tol=0.0) or a == b
    return a == b


def without_ones(shape: Shape) -> Shape:
    """Give a shape without the axes of length 1."""
    return tuple(length for length in shape if length != 1)
