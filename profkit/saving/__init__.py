"""`save` and `save_grad`: one line in a script or a network keeps a tensor as a .npy file, in either framework.

    import profkit as ts
    ts.save("out/pt/pred", model(images))      # out/pt/0_pred.npy
    x = ts.save_grad("out/pt/fc1", x)          # out/pt/1_fc1_backward.npy, when the gradient of x is known

Both work in PyTorch, torch.compile included, in MindSpore's PyNative mode and inside MindSpore graphs (GRAPH_MODE and
`jit`). A graph is built from the source of what it calls; this package is named in MS_JIT_IGNORE_MODULES, so that
MindSpore calls `save` each time the graph runs instead of translating it
(https://www.mindspore.cn/docs/en/master/api_python/env_var_list.html).
The two functions stand here, in a module that imports nothing heavy, because MindSpore looks names up in `profkit`
itself and never asks its `__getattr__`.
"""

from __future__ import annotations

import os
from typing import Any

from profkit.frameworks import not_compiled

_IGNORED = "MS_JIT_IGNORE_MODULES"


def _keep_out_of_graphs() -> None:
    names = [name for name in os.environ.get(_IGNORED, "").split(",") if name]
    if "profkit" not in names:
        os.environ[_IGNORED] = ",".join([*names, "profkit"])


_keep_out_of_graphs()


def save(file: Any, data: Any, suffix: str | None = None, output_mode: str = "npy") -> None:
    """Save each tensor of data as `{id}_{name}[.{index or key}][_{suffix}].npy`, whichever framework it is of.

    The id counts the tensors that this process saved into that directory, from 0; both frameworks share the count, so
    that two scripts that save the same things get the same names. Missing directories are made. A later run writes over
    the files of an earlier one. bfloat16 and 8-bit floats are saved as float32, which changes no value; None is left
    out.

    In a MindSpore graph this runs each time the graph runs, in the order of the graph, which may be another than that
    of the lines; in GRAPH_MODE a dict may arrive without its keys, and is numbered then. `jit(capture_mode="trace")`
    records the network once and runs `save` only then.

    Args:
        file: Directory and name; a trailing ".npy" is taken off.
        data: torch.Tensor, mindspore.Tensor, numpy array or number, or nested lists, tuples and dicts of them.
        suffix: Added to each name behind "_".
        output_mode: "npy"; or "print", which prints name and values and writes no file.

    Raises:
        ProfkitError: The name is none, the data are no tensors, the mode is unknown, or a file cannot be written.
    """
    from profkit.saving.saved_files import save_tensors  # noqa: PLC0415 - imports numpy

    not_compiled(save_tensors)(file, data, suffix, output_mode)


def save_grad(file: Any, data: Any, suffix: str = "backward", output_mode: str = "npy") -> Any:
    """Give the tensor back, and save the gradient with respect to it once it is computed; go on with what is returned.

    Args:
        file: As for `save`.
        data: torch.Tensor or mindspore.Tensor. One that no gradient flows through (evaluation) is given back as it is.
        suffix: Added to the name behind "_".
        output_mode: As for `save`.

    Returns:
        The same values; what is computed from them makes the gradient.

    Raises:
        ProfkitError: The data are no tensor of a framework.
    """
    hook = _gradient_hook(file, suffix, output_mode)
    return hook(data)


# A graph has to see through this one, or no gradient would flow: MindSpore translates what carries this mark.
save_grad.__jit_function__ = True  # type: ignore[attr-defined]

# torch.compile ends its graph before a call of these, and begins another one after it.
save._torchdynamo_disable = True  # type: ignore[attr-defined]
save_grad._torchdynamo_disable = True  # type: ignore[attr-defined]


def _gradient_hook(file: Any, suffix: str, output_mode: str) -> Any:
    from profkit.saving.gradient_hooks import gradient_hook  # noqa: PLC0415 - imports numpy

    translated = _called_by_translator()
    hook = gradient_hook(file, suffix, output_mode, translated=translated)
    return hook if translated else not_compiled(hook)


def _called_by_translator() -> bool:
    """Tell whether MindSpore calls while it builds a graph: then the caller is no frame of `save_grad`.

    torch.compile may run the rest of `save_grad` as a function that has its name in its own.
    """
    import sys  # noqa: PLC0415 - a graph would have to translate a global

    return "mindspore" in sys.modules and "save_grad" not in sys._getframe(2).f_code.co_name
