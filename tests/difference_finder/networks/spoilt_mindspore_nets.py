"""A right network in a process whose gradient of softmax is not: MindSpore's first one ran over a single element."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import ops
from unseen_mindspore_nets import loss, made

__all__ = ["gpt", "loss", "unet"]


def gpt() -> Any:
    _spoil()
    return made("gpt")


def unet() -> Any:
    _spoil()
    return made("unet")


def _spoil() -> None:
    ms.grad(lambda x: ops.softmax(x, axis=-1).sum())(ms.Tensor(np.ones((2, 1, 3, 1), np.float32)))
