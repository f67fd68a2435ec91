"""`capture`: one line around a training or inference loop keeps what a comparison of two runs needs, in one directory.

    with profkit.capture(net, "out/pt"):
        train()

Works with a torch.nn.Module and a mindspore.nn.Cell and imports only the framework that the network is of. What is
written is read by `profkit triage` and `profkit compare`.
"""

from __future__ import annotations

from profkit.capturing.capture import Capture, capture

__all__ = ["Capture", "capture"]
