"""The one place that imports torch and mindspore: inside functions, and only when a call needs them.

Whether an object belongs to a framework is asked without importing it: an object of a framework that was never imported
cannot exist.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from profkit.errors import ProfkitError

_INSTALL = {"torch": "pip install torch", "mindspore": "pip install 'profkit[mindspore]'"}


def import_torch(purpose: str) -> Any:
    """Import torch.

    Args:
        purpose: What needs it, as the subject of a sentence.

    Raises:
        ProfkitError: It is not installed, or its import fails.
    """
    return _imported("torch", purpose)


def import_mindspore(purpose: str) -> Any:
    """Import mindspore; as `import_torch`."""
    return _imported("mindspore", purpose)


def loaded(name: str) -> ModuleType | None:
    """Give a framework if the process has imported it."""
    module = sys.modules.get(name)
    # A module that is still being imported, or whose import is blocked, has no classes to ask for.
    return module if module is not None and hasattr(module, "Tensor") else None


def is_torch_tensor(value: object) -> bool:
    """Tell whether a value is a torch.Tensor (parameters included)."""
    return _is_a(value, "torch", "Tensor")


def is_mindspore_tensor(value: object) -> bool:
    """Tell whether a value is a mindspore.Tensor (parameters included)."""
    return _is_a(value, "mindspore", "Tensor")


def is_torch_module(value: object) -> bool:
    """Tell whether a value is a torch.nn.Module."""
    return _is_a(value, "torch", "nn.Module")


def is_mindspore_cell(value: object) -> bool:
    """Tell whether a value is a mindspore.nn.Cell."""
    return _is_a(value, "mindspore", "nn.Cell")


def not_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that torch.compile runs as it is, instead of tracing into it."""
    dynamo: Any = sys.modules.get("torch._dynamo")
    return function if dynamo is None else dynamo.disable(function)


def wait_for_mindspore() -> None:
    """Wait until MindSpore has run what PyNative mode put off; raises what went wrong in it.

    Raises:
        Exception: Whatever a kernel that was launched earlier raises.
    """
    if loaded("mindspore") is None:
        return
    try:
        # mindspore.runtime.synchronize waits for a device, and refuses on the CPU.
        executor = import_module("mindspore.common.api")._pynative_executor
    except (ImportError, AttributeError):
        return
    executor.sync()


def _imported(name: str, purpose: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        reason = "is not installed" if error.name == name else f"cannot be imported: {error}"
        raise ProfkitError(f"{purpose} needs {name}, which {reason}", _INSTALL[name]) from error


def _is_a(value: object, framework: str, path: str) -> bool:
    kind: Any = loaded(framework)
    if kind is None:
        return False
    for part in path.split("."):
        kind = getattr(kind, part, None)
    return isinstance(kind, type) and isinstance(value, kind)
