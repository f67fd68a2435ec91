"""MindSpore networks like those of finder_torch_nets.py, with a fault where one is named."""

from __future__ import annotations

import os
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

WIDTH = 24


class Transposed(nn.Dense):
    def construct(self, x: Any) -> Any:
        return ops.matmul(x, self.weight) + self.bias


class AlwaysDropping(nn.Dropout):
    def construct(self, x: Any) -> Any:
        return ops.dropout(x, 0.1, training=True)


class Mlp(nn.Cell):
    def __init__(self, width: int, hidden: int, fault: str) -> None:
        super().__init__()
        self.fc1, self.act = nn.Dense(width, hidden), nn.GELU(approximate=fault == "tanh GELU")
        self.drop = AlwaysDropping(p=0.1) if fault == "dropout on" else nn.Dropout(p=0.1)
        self.fc2 = nn.Dense(hidden, width)

    def construct(self, x: Any) -> Any:
        return self.fc2(self.drop(self.act(self.fc1(x))))


class Attention(nn.Cell):
    def __init__(self, width: int, heads: int, fault: str) -> None:
        super().__init__()
        self.heads, self.scale = heads, 1.0 if fault == "missing scale" else (width // heads) ** -0.5
        self.qkv = nn.Dense(width, 3 * width)
        self.proj = (Transposed if fault == "transposed weight" else nn.Dense)(width, width)

    def construct(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).transpose(2, 0, 3, 1, 4)
        weights = ops.softmax(ops.matmul(qkv[0], qkv[1].swapaxes(-2, -1)) * self.scale, axis=-1)
        return self.proj(ops.matmul(weights, qkv[2]).swapaxes(1, 2).reshape(batch, tokens, width))


class Block(nn.Cell):
    def __init__(self, width: int, heads: int, fault: str) -> None:
        super().__init__()
        self.swapped = fault == "swapped layers"
        self.norm1, self.attn = nn.LayerNorm((width,), epsilon=1e-6), Attention(width, heads, fault)
        self.norm2 = nn.LayerNorm((width,), epsilon=1e-4 if fault == "epsilon" else 1e-6)
        self.mlp = Mlp(width, 4 * width, fault)

    def construct(self, x: Any) -> Any:
        if self.swapped:
            x = x + self.mlp(self.norm2(x))
            return x + self.attn(self.norm1(x))
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Cell):
    def __init__(
        self, fault: str, image: int, patch: int, width: int, heads: int, depth: int, patch_norm: bool
    ) -> None:
        super().__init__()
        statistics = True if fault == "BatchNorm statistics" else None
        padding = {"pad_mode": "pad", "padding": 1} if fault == "wrong padding" else {"pad_mode": "valid"}
        self.patch = nn.Conv2d(3, width, patch, patch, has_bias=True, **padding)
        self.patch_norm = nn.BatchNorm2d(width, use_batch_statistics=statistics) if patch_norm else nn.Identity()
        self.pos = Parameter(Tensor(np.zeros((1, (image // patch) ** 2, width), np.float32)), name="pos")
        # The fault is in the last block.
        self.blocks = nn.SequentialCell(
            *(Block(width, heads, fault if index == depth - 1 else "") for index in range(depth))
        )
        self.norm, self.head = nn.LayerNorm((width,), epsilon=1e-6), nn.Dense(width, 5)

    def construct(self, x: Any) -> Any:
        x = self.patch_norm(self.patch(x)).flatten(start_dim=2).swapaxes(1, 2) + self.pos
        return self.head(self.norm(self.blocks(x)).mean(1))


def vit(
    fault: str = "",
    image: int = 32,
    patch: int = 8,
    width: int = WIDTH,
    heads: int = 2,
    depth: int = 2,
    patch_norm: bool = False,
) -> Any:
    return VisionTransformer(fault, image, patch, width, heads, depth, patch_norm)


class Cnn(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        padding = {"pad_mode": "same"} if fault == "wrong padding" else {"pad_mode": "pad", "padding": 1}
        statistics = True if fault == "BatchNorm statistics" else None
        self.swapped = fault == "swapped layers"
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, has_bias=True, **padding)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-2 if fault == "epsilon" else 1e-5)
        self.conv2 = nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn2 = nn.BatchNorm2d(8, use_batch_statistics=statistics)
        self.pool = nn.AvgPool2d(2, 2)
        self.drop = AlwaysDropping(p=0.1) if fault == "dropout on" else nn.Dropout(p=0.2)
        self.fc = nn.Dense(8 * 4 * 4, 5)

    def construct(self, x: Any) -> Any:
        first, second = (self.bn2, self.bn1) if self.swapped else (self.bn1, self.bn2)
        x = ops.relu(first(self.conv1(x)))
        x = self.pool(ops.relu(second(self.conv2(x))))
        return self.fc(self.drop(x.flatten(start_dim=1)))


def cnn(fault: str = "") -> Any:
    return Cnn(fault)


def cnn_in_a_process() -> Any:
    return Cnn(os.environ.get("FAULT", ""))


class Recurrent(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(10, 12), nn.LSTM(12, 7, num_layers=2, batch_first=True)
        self.out, self.scale = nn.Dense(7, 4), 1.001 if fault else 1.0

    def construct(self, tokens: Any) -> Any:
        steps, (hidden, cell) = self.lstm(self.embedding(tokens) * self.scale)
        return {"scores": self.out(steps), "state": (hidden, cell)}


class SelfAttention(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm((16,), epsilon=1e-3 if fault else 1e-5)

    def construct(self, x: Any) -> Any:
        return self.norm(x + self.attention(x, x, x, need_weights=False)[0])


class Shared(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.layer, self.act, self.last = nn.Dense(8, 8), nn.Tanh(), nn.Dense(8, 2)
        self.factor = 0.5 if fault else 1.0

    def construct(self, pair: Any, *, scale: Any) -> Any:
        x = self.act(self.layer(pair[0]))
        x = self.act(self.layer(x + self.factor * pair[1]))
        return self.last(x * scale), x


class Named(nn.Cell):
    """The modules have other names than in torch."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.dense1 = nn.Dense(6, 9)
        self.dense2, self.gate = nn.Dense(9, 9), nn.ReLU() if fault else nn.Sigmoid()
        self.ln, self.dense3 = nn.LayerNorm((9,), epsilon=1e-5), nn.Dense(9, 3)

    def construct(self, x: Any) -> Any:
        return self.dense3(self.ln(self.gate(self.dense2(self.dense1(x)))))


def made(kind: str, fault: str = "") -> Any:
    return {"recurrent": Recurrent, "attention": SelfAttention, "shared": Shared, "named": Named}[kind](fault)


def loss(result: Any, labels: Any) -> Any:
    return ops.cross_entropy(result, labels.astype(ms.int32))


def summed_loss(result: Any, labels: Any) -> Any:
    return ops.cross_entropy(result, labels.astype(ms.int32), reduction="sum")


def optimizer(net: Any) -> Any:
    return nn.SGD(net.trainable_params(), learning_rate=0.1)


def decaying_optimizer(net: Any) -> Any:
    return nn.SGD(net.trainable_params(), learning_rate=0.1, weight_decay=0.05)
