"""Small networks in PyTorch, each with what the others have not; mindspore_networks.py holds their migrations.

Attribute names are equal on both sides, so a module has one path. Every network is `(module, inputs, target, loss,
optimizer)` by name in NETWORKS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from settings import (
    CATEGORIES,
    CLASSES,
    HEADS,
    LEARNING_RATE,
    SEQUENCE,
    WEIGHT_DECAY,
    WIDTH,
    WORDS,
    batch_of,
)
from torch import nn


class SeparateAttention(nn.Module):
    """Query, key and value by three layers, products by bmm."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.softmax = nn.Softmax(dim=-1)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(WIDTH, WIDTH)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        size, length, width = x.shape
        x = x.reshape(size, length, HEADS, width // HEADS).transpose(1, 2)
        return x.reshape(size * HEADS, length, width // HEADS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, length, width = x.shape
        query, key, value = self._heads(self.query(x)), self._heads(self.key(x)), self._heads(self.value(x))
        weights = self.drop(self.softmax(torch.bmm(query, key.transpose(1, 2)) / (width // HEADS) ** 0.5))
        mixed = torch.bmm(weights, value).reshape(size, HEADS, length, width // HEADS).transpose(1, 2)
        return self.out(mixed.reshape(size, length, width))


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = SeparateAttention()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.fc1 = nn.Linear(WIDTH, 2 * WIDTH)
        self.act = nn.GELU(approximate="tanh")
        self.fc2 = nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)
        self.norm2 = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.drop(self.fc2(self.act(self.fc1(x)))))


class Encoder(nn.Module):
    """A text classifier: post-norm, dropout, learned positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.places = nn.Embedding(SEQUENCE, WIDTH)
        self.layers = nn.ModuleList([EncoderLayer() for _ in range(3)])
        self.pool = nn.Linear(WIDTH, WIDTH)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, words: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        x = self.words(words) + self.places(places)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.tanh(self.pool(x[:, 0])))


class RootMeanSquareNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class DecoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = RootMeanSquareNorm()
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm2 = RootMeanSquareNorm()
        self.gate = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.act = nn.SiLU()
        self.down = nn.Linear(3 * WIDTH, WIDTH, bias=False)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        query, key, value = (self._heads(part(normed)) for part in (self.query, self.key, self.value))
        query = query * cos + torch.roll(query, 1, -1) * sin
        key = key * cos + torch.roll(key, 1, -1) * sin
        scores = torch.matmul(query, key.transpose(-1, -2)) * (WIDTH // HEADS) ** -0.5 + mask
        mixed = torch.matmul(torch.softmax(scores, -1), value).transpose(1, 2).reshape(x.shape)
        x = x + self.out(mixed)
        normed = self.norm2(x)
        return x + self.down(self.act(self.gate(normed)) * self.up(normed))


class Decoder(nn.Module):
    """A language model: pre-norm by hand, rotated positions, causal mask, gated feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList([DecoderLayer() for _ in range(3)])
        self.norm = RootMeanSquareNorm()
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, words: torch.Tensor, mask: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        x = self.words(words)
        for layer in self.layers:
            x = layer(x, mask, cos, sin)
        return self.head(self.norm(x)).reshape(-1, WORDS)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(channels // 4, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))


class InvertedResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * channels)
        self.act1 = nn.Hardswish()
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * channels)
        self.act2 = nn.ReLU6()
        self.excite = SqueezeExcite(2 * channels)
        self.project = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act1(self.bn1(self.expand(x)))
        y = self.excite(self.act2(self.bn2(self.depthwise(y))))
        return x + self.bn3(self.project(y))


class Mobile(nn.Module):
    """Depthwise convolutions, squeeze and excitation, bounded activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.act = nn.Hardswish()
        self.blocks = nn.Sequential(*[InvertedResidual(16) for _ in range(3)])
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.act(self.bn(self.stem(images))))
        return self.head(self.drop(x.mean((2, 3))))


class DoubleConvolution(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.norm1 = nn.GroupNorm(4, out)
        self.act1 = nn.SiLU()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, out)
        self.act2 = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act2(self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x))))))


class UNet(nn.Module):
    """Transposed convolutions, skip connections by concatenation, group normalisation, a squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = DoubleConvolution(3, 8)
        self.pool1 = nn.MaxPool2d(2)
        self.down2 = DoubleConvolution(8, 16)
        self.pool2 = nn.MaxPool2d(2)
        self.middle = DoubleConvolution(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.join2 = DoubleConvolution(32, 16)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.join1 = DoubleConvolution(16, 8)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        one = self.down1(images)
        two = self.down2(self.pool1(one))
        x = self.up2(self.middle(self.pool2(two)))
        x = self.up1(self.join2(torch.cat((x, two), 1)))
        return self.head(self.join1(torch.cat((x, one), 1)))


class Recommender(nn.Module):
    """Many embeddings, products of pairs, a binary loss."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(count, 16) for count in CATEGORIES])
        self.bottom1 = nn.Linear(8, 32)
        self.relu1 = nn.ReLU()
        self.bottom2 = nn.Linear(32, 16)
        self.relu2 = nn.ReLU()
        self.top1 = nn.Linear(16 + (len(CATEGORIES) + 1) ** 2, 32)
        self.relu3 = nn.LeakyReLU()
        self.top2 = nn.Linear(32, 1)

    def forward(self, dense: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        x = self.relu2(self.bottom2(self.relu1(self.bottom1(dense))))
        vectors = [x] + [table(categories[:, at]) for at, table in enumerate(self.tables)]
        stacked = torch.stack(vectors, 1)
        pairs = torch.bmm(stacked, stacked.transpose(1, 2)).flatten(1)
        return self.top2(self.relu3(self.top1(torch.cat((x, pairs), 1)))).squeeze(1)


class Speech(nn.Module):
    """One-dimensional convolutions, a recurrent layer, a residual of equal branches."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(4, 16, 5, stride=2, padding=2)
        self.bn1 = nn.BatchNorm1d(16)
        self.act1 = nn.ELU()
        self.left = nn.Conv1d(16, 16, 3, padding=1)
        self.right = nn.Conv1d(16, 16, 3, padding=1)
        self.bn2 = nn.BatchNorm1d(16)
        self.act2 = nn.ReLU()
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.act1(self.bn1(self.conv1(audio)))
        x = self.act2(self.bn2(torch.sigmoid(self.left(x)) * torch.tanh(self.right(x))))
        x, _ = self.gru(x.transpose(1, 2))
        return self.head(self.norm(x).mean(1))


class Branches(nn.Module):
    """Parallel branches of different and of equal shape, joined by concatenation; average and maximum pools."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 8, 1)
        self.three_a = nn.Conv2d(channels, 8, 1)
        self.three_b = nn.Conv2d(8, 16, 3, padding=1)
        self.five_a = nn.Conv2d(channels, 4, 1)
        self.five_b = nn.Conv2d(4, 8, 5, padding=2)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pool_b = nn.Conv2d(channels, 8, 1)
        self.bn = nn.BatchNorm2d(40)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = (self.one(x), self.three_b(self.three_a(x)), self.five_b(self.five_a(x)), self.pool_b(self.pool(x)))
        return self.relu(self.bn(torch.cat(branches, 1)))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.mixed1 = Branches(16)
        self.shrink = nn.AvgPool2d(2)
        self.mixed2 = Branches(40)
        self.head = nn.Linear(40, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.mixed1(self.relu(self.bn(self.stem(images))))
        return self.head(self.mixed2(self.shrink(x)).mean((2, 3)))


class Cells(nn.Module):
    """A plain recurrence written as a loop, and a clamp of its result."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.enter = nn.Linear(WIDTH, 48)
        self.recur = nn.Linear(48, 48)
        self.act = nn.Tanh()
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(48, CLASSES)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.words(words)
        state = torch.zeros(x.shape[0], 48)
        for at in range(6):
            state = self.act(self.enter(x[:, at]) + self.recur(state))
        return self.head(self.drop(torch.clamp(state, -0.9, 0.9)))


class Network(NamedTuple):
    """How a network is built and trained."""

    build: Callable[[], nn.Module]
    loss: Callable[[], nn.Module]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9)


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)


NETWORKS = {
    "encoder": Network(Encoder, nn.CrossEntropyLoss, _adamw),
    "decoder": Network(Decoder, nn.CrossEntropyLoss, _adamw),
    "mobile": Network(Mobile, nn.CrossEntropyLoss, _sgd),
    "unet": Network(UNet, nn.MSELoss, _adam),
    "recommender": Network(Recommender, nn.BCEWithLogitsLoss, _adam),
    "speech": Network(Speech, nn.CrossEntropyLoss, _adam),
    "inception": Network(Inception, nn.CrossEntropyLoss, _sgd),
    "cells": Network(Cells, nn.CrossEntropyLoss, _sgd),
}


def tensors(name: str) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Give inputs and target of a network; integers as int64, which torch wants."""
    inputs, target = batch_of(name)
    as_tensor = [torch.from_numpy(a.astype(np.int64) if a.dtype == np.int32 else a) for a in (*inputs, target)]
    return tuple(as_tensor[:-1]), as_tensor[-1]
