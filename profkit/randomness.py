"""Fixing every source of random numbers that a process has, and telling which cannot be fixed from here."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from profkit.errors import ProfkitError, first_line_of
from profkit.frameworks import loaded

_LARGEST_SEED = 2**32 - 1
"""numpy takes no larger one."""

# As Python found it, before it is set for the processes to come.
_HASH_SEED_BEFORE = os.environ.get("PYTHONHASHSEED", "")


class RandomnessWarning(UserWarning):
    """Something stays random although it was asked to be fixed."""


@dataclass(frozen=True)
class FixedRandomness:
    """What `fix_random` did.

    Attributes:
        seed: The seed.
        fixed: What draws the same numbers from now on.
        not_fixed: What may still differ from run to run, each with what can be done about it.
    """

    seed: int
    fixed: tuple[str, ...]
    not_fixed: tuple[str, ...]


def fix_random(seed: int = 16) -> FixedRandomness:
    """Seed Python, numpy, torch and mindspore with their data sets, and ask both for deterministic operators.

    Only frameworks that are imported are touched: import them first. One seed does not make torch and mindspore draw
    the same numbers: give both the same weights and inputs.

    Args:
        seed: 0 to 2**32 - 1.

    Returns:
        What is fixed and what is not. The latter is also given as one RandomnessWarning.

    Raises:
        ProfkitError: The seed is none.
    """
    if not _is_seed(seed):
        raise ProfkitError(f"{seed!r} is no seed", f"give a whole number of 0 to {_LARGEST_SEED}")
    fixed: list[str] = []
    not_fixed: list[str] = []
    for name, trouble in _all_sources(seed):
        if trouble:
            not_fixed.append(f"{name}: {trouble}")
        else:
            fixed.append(name)
    if not_fixed:
        warnings.warn("not everything random is fixed: " + "; ".join(not_fixed), RandomnessWarning, stacklevel=2)
    return FixedRandomness(seed, tuple(fixed), tuple(not_fixed))


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_SEED


Source = tuple[str, str]
"""A source of random numbers, and why it is not fixed; "" if it is."""


def _all_sources(seed: int) -> Iterator[Source]:
    random.seed(seed)
    yield "random", ""
    yield "hashes of str", _hashes(seed)
    np.random.seed(seed)
    yield "numpy.random", ""
    for name, sources in (("torch", _torch_sources), ("mindspore", _mindspore_sources)):
        framework = loaded(name)
        if framework is not None:
            yield from sources(framework, seed)


def _hashes(seed: int) -> str:
    """Fix the order of sets of text in processes started from now on; in this one it was chosen at its start."""
    os.environ.setdefault("PYTHONHASHSEED", str(seed))
    if sys.flags.hash_randomization and not _HASH_SEED_BEFORE.isdigit():
        return f"chosen when Python started; start it with PYTHONHASHSEED={seed} if the order of sets matters"
    return ""


def _torch_sources(torch: Any, seed: int) -> Iterator[Source]:
    torch.manual_seed(seed)
    yield "torch", ""
    for device in ("cuda", "npu", "xpu", "mps"):
        module = getattr(torch, device, None)
        if module is None or not getattr(module, "is_available", lambda: False)():
            continue
        seed_all = getattr(module, "manual_seed_all", None) or module.manual_seed
        seed_all(seed)
        yield f"torch.{device}", ""
    yield from _deterministic_torch(torch)


def _deterministic_torch(torch: Any) -> Iterator[Source]:
    # Without it cuBLAS may answer differently from call to call; it is read when CUDA starts.
    # https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html
    started = torch.cuda.is_available() and torch.cuda.is_initialized()
    missing = "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # An operator without a deterministic form then warns when it runs, and does not fail.
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    yield "torch algorithms", ""
    if started and missing:
        yield "cuBLAS", "CUDA has started already; call fix_random before the first CUDA tensor"


def _mindspore_sources(mindspore: Any, seed: int) -> Iterator[Source]:
    mindspore.set_seed(seed)
    yield "mindspore", ""
    try:
        from mindspore.dataset import config  # noqa: PLC0415 - heavy, and only there with mindspore
    except ImportError as error:
        yield "mindspore.dataset", f"cannot be imported: {error}"
    else:
        config.set_seed(seed)
        yield "mindspore.dataset", ""
    yield "mindspore operators", _deterministic_mindspore(mindspore)


_deterministic_asked = False


def _deterministic_mindspore(mindspore: Any) -> str:
    """Ask for deterministic operators; MindSpore takes that once a process."""
    global _deterministic_asked  # noqa: PLW0603 - MindSpore has no way to ask whether it was set, and by whom
    if _deterministic_asked:
        return ""
    try:
        if hasattr(mindspore, "set_deterministic"):
            # Also sets HCCL_DETERMINISTIC and TE_PARALLEL_COMPILER, which collectives and compilation on Ascend read.
            mindspore.set_deterministic(True)
        else:
            mindspore.set_context(deterministic="ON")
    except (RuntimeError, ValueError, TypeError) as error:
        first_line = first_line_of(error)
        return f"deterministic operators were refused ({first_line}); call fix_random before anything else sets them"
    _deterministic_asked = True
    return ""
