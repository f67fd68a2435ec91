"""What saves a gradient when it is computed, by framework and mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.frameworks import import_mindspore, is_mindspore_tensor, is_torch_tensor
from profkit.saving.saved_files import check_mode, save_tensors
from profkit.saving.saved_names import place_of, with_suffix


def gradient_hook(file: Any, suffix: str, output_mode: str, *, translated: bool) -> Callable[[Any], Any]:
    """Give what takes a tensor and gives it back, with its gradient being saved.

    Args:
        file: As for `profkit.saving.save`.
        suffix: As for `save`.
        output_mode: As for `save`.
        translated: Whether the result becomes part of a MindSpore graph that is being built.
    """
    check_mode(output_mode)
    place_of(file)

    def take(gradient: Any) -> None:
        save_tensors(file, gradient, suffix, output_mode)

    if translated:
        return _in_graph(file, suffix, take)
    return lambda data: _by_hand(data, take)


def _by_hand(data: Any, take: Callable[[Any], None]) -> Any:
    if is_torch_tensor(data):
        if data.requires_grad:
            data.register_hook(take)
        return data
    if not is_mindspore_tensor(data):
        raise ProfkitError(f"a {type(data).__name__} has no gradient", "give save_grad a tensor of torch or mindspore")

    def taken(gradient: Any) -> Any:
        take(gradient)
        return gradient

    return import_mindspore("save_grad").ops.InsertGradientOf(taken)(data)


def _in_graph(file: Any, suffix: str, take: Callable[[Any], None]) -> Any:
    """Give a Cell that a graph can hold: identity forward, and backward a kernel that saves.

    On the CPU and on GPUs the kernel calls Python. Ascend has no such kernel in graphs: there MindSpore's own
    TensorDump writes, which calls the file {name}_{dtype}_{its own number}.npy.
    """
    mindspore = import_mindspore("save_grad in a graph")
    if mindspore.get_context("device_target") == "Ascend":
        folder, name = place_of(file)
        folder.mkdir(parents=True, exist_ok=True)
        dump, path = mindspore.ops.TensorDump(), str(folder / with_suffix(name, suffix))

        def dumped(gradient: Any) -> None:
            dump(path, gradient)

        return _identity(mindspore, dumped)

    def take_array(array: NDArray[Any]) -> NDArray[Any]:
        take(array)
        return array

    kernel = mindspore.ops.Custom(take_array, lambda shape: shape, lambda dtype: dtype, func_type="pyfunc")
    # Without it the kernel, whose result nobody uses, would be taken out of the graph.
    kernel.add_prim_attr("side_effect_io", True)  # noqa: FBT003 - MindSpore's own signature
    bfloat16, float32 = mindspore.bfloat16, mindspore.float32

    def taken(gradient: Any) -> None:
        # The kernel is given numpy arrays, and numpy has no bfloat16.
        if gradient.dtype == bfloat16:
            kernel(gradient.astype(float32))
        else:
            kernel(gradient)

    return _identity(mindspore, taken)


def _identity(mindspore: Any, backward: Callable[[Any], None]) -> Any:
    class SavedGradient(mindspore.nn.Cell):  # type: ignore[misc]
        """Passes its input on, and its gradient through `backward`."""

        def construct(self, x: Any) -> Any:
            return x

        def bprop(self, x: Any, out: Any, gradient: Any) -> Any:
            backward(gradient)
            return (gradient,)

    return SavedGradient()
