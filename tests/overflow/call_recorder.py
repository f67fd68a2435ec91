"""Records calls of a PyTorch network in the layout of msprobe's dump.json; our own recorder, no output of msprobe.

Written: API calls with the statistics of their tensors, module calls after the API calls that they make, gradients of
modules and parameters, and construct.json, as msprobe 26.2 does with level mix and task statistics.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name


class CallRecorder(TorchFunctionMode):
    """Records while it is entered; `write` makes the files."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.entries: dict[str, Any] = {}
        self.parents: dict[str, str | None] = {}
        self._calls: Counter[str] = Counter()
        self._inside: list[str] = []
        for path, module in network.named_modules():
            if path:
                self._watch(path, module)

    def _watch(self, path: str, module: torch.nn.Module) -> None:
        name = f"Module.{path}.{type(module).__name__}"

        def enter(_module: Any, _inputs: Any) -> None:
            self._inside.append(f"{name}.forward.{self._calls[name]}")

        def leave(_module: Any, inputs: Any, output: Any) -> None:
            call = self._inside.pop()
            self._calls[name] += 1
            self._add(call, {"input_args": _items(inputs), "input_kwargs": {}, "output": _items((output,))})

        def back(_module: Any, grad_input: Any, grad_output: Any) -> None:
            self._add(f"{name}.backward.0", {"input": _items(grad_output), "output": _items(grad_input)})

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)
        module.register_full_backward_hook(back)

    def _add(self, call: str, entry: dict[str, Any]) -> None:
        self.entries[call] = entry
        self.parents[call] = self._inside[-1] if self._inside else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs, named = _items(args), {key: _item(value) for key, value in (kwargs or {}).items()}
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if isinstance(result, torch.Tensor) and not name.startswith("_") and name not in ("requires_grad_", "detach"):
            kind = "Tensor" if (resolve_name(func) or "").startswith("torch.Tensor.") else "Torch"
            call = f"{kind}.{name}.{self._calls[name]}.forward"
            self._calls[name] += 1
            self._add(call, {"input_args": inputs, "input_kwargs": named, "output": _items((result,))})
        return result

    def write(self, folder: Path, network: torch.nn.Module) -> Path:
        """Write step0/rank0 below a folder, gradients of the parameters last, and give its path."""
        for path, module in network.named_modules():
            grads = {name: [_item(value.grad)] for name, value in module.named_parameters(recurse=False)}
            if grads and all(item[0] is not None for item in grads.values()):
                self.entries[f"Module.{path}.{type(module).__name__}.parameters_grad"] = grads
        rank = folder / "step0" / "rank0"
        rank.mkdir(parents=True)
        head = {"task": "statistics", "level": "mix", "framework": "pytorch", "dump_data_dir": None}
        (rank / "dump.json").write_text(json.dumps({**head, "data": self.entries}))
        (rank / "construct.json").write_text(json.dumps(self.parents))
        return rank


def _items(values: Any) -> list[Any]:
    return [_item(value) for value in values]


def _item(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return {"type": type(value).__name__, "value": None} if value is not None else None
    with torch.no_grad(), torch._C.DisableTorchFunction():
        real = value.detach()
        item = {"type": "torch.Tensor", "dtype": str(real.dtype), "shape": list(real.shape)}
        if not real.is_floating_point():
            return {**item, "Max": None, "Min": None, "Mean": None, "Norm": None}
        wide = real.float()
        figures = {"Max": real.max(), "Min": real.min(), "Mean": wide.mean(), "Norm": wide.norm()}
        return {**item, **{name: float(figure) for name, figure in figures.items()}}
