"""Torch networks whose MindSpore counterparts are in finder_mindspore_nets.py; also made by processes of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

WIDTH = 24


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.act, self.drop, self.fc2 = (
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(hidden, width),
        )

    def forward(self, x: Any) -> Any:
        return self.fc2(self.drop(self.act(self.fc1(x))))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (qkv[0] @ qkv[1].transpose(-2, -1) * self.scale).softmax(-1)
        return self.proj((weights @ qkv[2]).transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), Mlp(width, 4 * width)

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, image: int, patch: int, width: int, heads: int, depth: int, patch_norm: bool) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.patch_norm = nn.BatchNorm2d(width) if patch_norm else nn.Identity()
        self.pos = nn.Parameter(torch.randn(1, (image // patch) ** 2, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 5)

    def forward(self, x: Any) -> Any:
        x = self.patch_norm(self.patch(x)).flatten(2).transpose(1, 2) + self.pos
        return self.head(self.norm(self.blocks(x)).mean(1))


def vit(
    image: int = 32, patch: int = 8, width: int = WIDTH, heads: int = 2, depth: int = 2, patch_norm: bool = False
) -> Any:
    torch.manual_seed(1)
    return VisionTransformer(image, patch, width, heads, depth, patch_norm)


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.pool, self.drop, self.fc = nn.AvgPool2d(2), nn.Dropout(0.2), nn.Linear(8 * 4 * 4, 5)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.pool(functional.relu(self.bn2(self.conv2(x))))
        return self.fc(self.drop(x.flatten(1)))


def cnn() -> Any:
    torch.manual_seed(1)
    net = Cnn()
    with torch.no_grad():
        for norm in (net.bn1, net.bn2):
            norm.running_mean.copy_(torch.randn(8) * 0.5)
            norm.running_var.copy_(torch.rand(8) + 0.5)
    return net


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(10, 12), nn.LSTM(12, 7, num_layers=2, batch_first=True)
        self.out = nn.Linear(7, 4)

    def forward(self, tokens: Any) -> dict[str, Any]:
        steps, (hidden, cell) = self.lstm(self.embedding(tokens))
        return {"scores": self.out(steps), "state": (hidden, cell)}


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(16, 4, batch_first=True), nn.LayerNorm(16)

    def forward(self, x: Any) -> Any:
        return self.norm(x + self.attention(x, x, x, need_weights=False)[0])


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act, self.last = nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)

    def forward(self, pair: Any, *, scale: Any) -> Any:
        x = self.act(self.layer(pair[0]))
        x = self.act(self.layer(x + pair[1]))
        return self.last(x * scale), x


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body = nn.Linear(6, 9), nn.Sequential(nn.Linear(9, 9), nn.Sigmoid(), nn.LayerNorm(9))
        self.classifier = nn.Linear(9, 3)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.body(self.embed(x)))


def made(kind: str) -> Any:
    torch.manual_seed(4)
    return {"recurrent": Recurrent, "attention": SelfAttention, "shared": Shared, "named": Named}[kind]()


def loss(result: Any, labels: Any) -> Any:
    return functional.cross_entropy(result, labels)


def optimizer(net: Any) -> Any:
    return torch.optim.SGD(net.parameters(), lr=0.1)
