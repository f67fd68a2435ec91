"""The networks of torch_networks.py as one would migrate them to MindSpore."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import mindspore as ms
from mindspore import nn, ops
from settings import CATEGORIES, CLASSES, HEADS, LEARNING_RATE, SEQUENCE, WEIGHT_DECAY, WIDTH, WORDS, batch_of


class SeparateAttention(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Dense(WIDTH, WIDTH)
        self.key = nn.Dense(WIDTH, WIDTH)
        self.value = nn.Dense(WIDTH, WIDTH)
        self.softmax = nn.Softmax(axis=-1)
        self.drop = nn.Dropout(p=0.1)
        self.out = nn.Dense(WIDTH, WIDTH)

    def _heads(self, x: ms.Tensor) -> ms.Tensor:
        size, length, width = x.shape
        x = ops.transpose(ops.reshape(x, (size, length, HEADS, width // HEADS)), (0, 2, 1, 3))
        return ops.reshape(x, (size * HEADS, length, width // HEADS))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        size, length, width = x.shape
        query, key, value = self._heads(self.query(x)), self._heads(self.key(x)), self._heads(self.value(x))
        weights = self.drop(self.softmax(ops.bmm(query, ops.transpose(key, (0, 2, 1))) / (width // HEADS) ** 0.5))
        mixed = ops.reshape(ops.bmm(weights, value), (size, HEADS, length, width // HEADS))
        return self.out(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (size, length, width)))


class EncoderLayer(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.attention = SeparateAttention()
        self.norm1 = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.fc1 = nn.Dense(WIDTH, 2 * WIDTH)
        self.act = nn.GELU(approximate=True)
        self.fc2 = nn.Dense(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(p=0.1)
        self.norm2 = nn.LayerNorm((WIDTH,), epsilon=1e-5)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.drop(self.fc2(self.act(self.fc1(x)))))


class Encoder(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.places = nn.Embedding(SEQUENCE, WIDTH)
        self.layers = nn.CellList([EncoderLayer() for _ in range(3)])
        self.pool = nn.Dense(WIDTH, WIDTH)
        self.tanh = nn.Tanh()
        self.head = nn.Dense(WIDTH, CLASSES)

    def construct(self, words: ms.Tensor, places: ms.Tensor) -> ms.Tensor:
        x = self.words(words) + self.places(places)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.tanh(self.pool(x[:, 0])))


class RootMeanSquareNorm(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.weight = ms.Parameter(ops.ones((WIDTH,), ms.float32))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return x * ops.rsqrt(ops.mean(ops.pow(x, 2), -1, keep_dims=True) + 1e-6) * self.weight


class DecoderLayer(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = RootMeanSquareNorm()
        self.query = nn.Dense(WIDTH, WIDTH, has_bias=False)
        self.key = nn.Dense(WIDTH, WIDTH, has_bias=False)
        self.value = nn.Dense(WIDTH, WIDTH, has_bias=False)
        self.out = nn.Dense(WIDTH, WIDTH, has_bias=False)
        self.norm2 = RootMeanSquareNorm()
        self.gate = nn.Dense(WIDTH, 3 * WIDTH, has_bias=False)
        self.up = nn.Dense(WIDTH, 3 * WIDTH, has_bias=False)
        self.act = nn.SiLU()
        self.down = nn.Dense(3 * WIDTH, WIDTH, has_bias=False)

    def _heads(self, x: ms.Tensor) -> ms.Tensor:
        return ops.transpose(ops.reshape(x, (x.shape[0], x.shape[1], HEADS, WIDTH // HEADS)), (0, 2, 1, 3))

    def construct(self, x: ms.Tensor, mask: ms.Tensor, cos: ms.Tensor, sin: ms.Tensor) -> ms.Tensor:
        normed = self.norm1(x)
        query, key = self._heads(self.query(normed)), self._heads(self.key(normed))
        value = self._heads(self.value(normed))
        query = query * cos + ops.cat((query[..., -1:], query[..., :-1]), -1) * sin
        key = key * cos + ops.cat((key[..., -1:], key[..., :-1]), -1) * sin
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * (WIDTH // HEADS) ** -0.5 + mask
        mixed = ops.reshape(ops.transpose(ops.matmul(ops.softmax(scores, -1), value), (0, 2, 1, 3)), x.shape)
        x = x + self.out(mixed)
        normed = self.norm2(x)
        return x + self.down(self.act(self.gate(normed)) * self.up(normed))


class Decoder(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.CellList([DecoderLayer() for _ in range(3)])
        self.norm = RootMeanSquareNorm()
        self.head = nn.Dense(WIDTH, WORDS, has_bias=False)

    def construct(self, words: ms.Tensor, mask: ms.Tensor, cos: ms.Tensor, sin: ms.Tensor) -> ms.Tensor:
        x = self.words(words)
        for layer in self.layers:
            x = layer(x, mask, cos, sin)
        return ops.reshape(self.head(self.norm(x)), (-1, WORDS))


class SqueezeExcite(nn.Cell):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, channels // 4, 1, has_bias=True)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(channels // 4, channels, 1, has_bias=True)
        self.gate = nn.Sigmoid()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))


def _convolution(channels: int, out: int, kernel: int, **settings: object) -> nn.Cell:
    return nn.Conv2d(channels, out, kernel, pad_mode="pad", padding=kernel // 2, **settings)


class InvertedResidual(nn.Cell):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.bn1 = nn.BatchNorm2d(2 * channels, momentum=0.9)
        self.act1 = nn.HSwish()
        self.depthwise = _convolution(2 * channels, 2 * channels, 3, group=2 * channels)
        self.bn2 = nn.BatchNorm2d(2 * channels, momentum=0.9)
        self.act2 = nn.ReLU6()
        self.excite = SqueezeExcite(2 * channels)
        self.project = nn.Conv2d(2 * channels, channels, 1)
        self.bn3 = nn.BatchNorm2d(channels, momentum=0.9)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        y = self.act1(self.bn1(self.expand(x)))
        y = self.excite(self.act2(self.bn2(self.depthwise(y))))
        return x + self.bn3(self.project(y))


class Mobile(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, 16, 3, stride=2)
        self.bn = nn.BatchNorm2d(16, momentum=0.9)
        self.act = nn.HSwish()
        self.blocks = nn.SequentialCell([InvertedResidual(16) for _ in range(3)])
        self.drop = nn.Dropout(p=0.2)
        self.head = nn.Dense(16, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.blocks(self.act(self.bn(self.stem(images))))
        return self.head(self.drop(ops.mean(x, (2, 3))))


class DoubleConvolution(nn.Cell):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, out, 3, has_bias=True)
        self.norm1 = nn.GroupNorm(4, out)
        self.act1 = nn.SiLU()
        self.conv2 = _convolution(out, out, 3, has_bias=True)
        self.norm2 = nn.GroupNorm(4, out)
        self.act2 = nn.SiLU()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.act2(self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x))))))


class UNet(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = DoubleConvolution(3, 8)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.down2 = DoubleConvolution(8, 16)
        self.pool2 = nn.MaxPool2d(2, 2)
        self.middle = DoubleConvolution(16, 32)
        self.up2 = nn.Conv2dTranspose(32, 16, 2, stride=2, has_bias=True)
        self.join2 = DoubleConvolution(32, 16)
        self.up1 = nn.Conv2dTranspose(16, 8, 2, stride=2, has_bias=True)
        self.join1 = DoubleConvolution(16, 8)
        self.head = nn.Conv2d(8, 1, 1, has_bias=True)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        one = self.down1(images)
        two = self.down2(self.pool1(one))
        x = self.up2(self.middle(self.pool2(two)))
        x = self.up1(self.join2(ops.cat((x, two), 1)))
        return self.head(self.join1(ops.cat((x, one), 1)))


class Recommender(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.CellList([nn.Embedding(count, 16) for count in CATEGORIES])
        self.bottom1 = nn.Dense(8, 32)
        self.relu1 = nn.ReLU()
        self.bottom2 = nn.Dense(32, 16)
        self.relu2 = nn.ReLU()
        self.top1 = nn.Dense(16 + (len(CATEGORIES) + 1) ** 2, 32)
        self.relu3 = nn.LeakyReLU(0.01)
        self.top2 = nn.Dense(32, 1)

    def construct(self, dense: ms.Tensor, categories: ms.Tensor) -> ms.Tensor:
        x = self.relu2(self.bottom2(self.relu1(self.bottom1(dense))))
        vectors = [x]
        for at, table in enumerate(self.tables):
            vectors.append(table(categories[:, at]))
        stacked = ops.stack(vectors, 1)
        pairs = ops.flatten(ops.bmm(stacked, ops.transpose(stacked, (0, 2, 1))))
        return ops.squeeze(self.top2(self.relu3(self.top1(ops.cat((x, pairs), 1)))), 1)


class Speech(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(4, 16, 5, stride=2, pad_mode="pad", padding=2, has_bias=True)
        self.bn1 = nn.BatchNorm1d(16, momentum=0.9)
        self.act1 = nn.ELU()
        self.left = nn.Conv1d(16, 16, 3, pad_mode="pad", padding=1, has_bias=True)
        self.right = nn.Conv1d(16, 16, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn2 = nn.BatchNorm1d(16, momentum=0.9)
        self.act2 = nn.ReLU()
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.norm = nn.LayerNorm((24,), epsilon=1e-5)
        self.head = nn.Dense(24, CLASSES)

    def construct(self, audio: ms.Tensor) -> ms.Tensor:
        x = self.act1(self.bn1(self.conv1(audio)))
        x = self.act2(self.bn2(ops.sigmoid(self.left(x)) * ops.tanh(self.right(x))))
        x, _ = self.gru(ops.transpose(x, (0, 2, 1)))
        return self.head(ops.mean(self.norm(x), 1))


class Branches(nn.Cell):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 8, 1, has_bias=True)
        self.three_a = nn.Conv2d(channels, 8, 1, has_bias=True)
        self.three_b = _convolution(8, 16, 3, has_bias=True)
        self.five_a = nn.Conv2d(channels, 4, 1, has_bias=True)
        self.five_b = _convolution(4, 8, 5, has_bias=True)
        self.pool = nn.MaxPool2d(3, stride=1, pad_mode="pad", padding=1)
        self.pool_b = nn.Conv2d(channels, 8, 1, has_bias=True)
        self.bn = nn.BatchNorm2d(40, momentum=0.9)
        self.relu = nn.ReLU()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        branches = (self.one(x), self.three_b(self.three_a(x)), self.five_b(self.five_a(x)), self.pool_b(self.pool(x)))
        return self.relu(self.bn(ops.cat(branches, 1)))


class Inception(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, 16, 3, has_bias=True)
        self.bn = nn.BatchNorm2d(16, momentum=0.9)
        self.relu = nn.ReLU()
        self.mixed1 = Branches(16)
        self.shrink = nn.AvgPool2d(2, 2)
        self.mixed2 = Branches(40)
        self.head = nn.Dense(40, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.mixed1(self.relu(self.bn(self.stem(images))))
        return self.head(ops.mean(self.mixed2(self.shrink(x)), (2, 3)))


class Cells(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.enter = nn.Dense(WIDTH, 48)
        self.recur = nn.Dense(48, 48)
        self.act = nn.Tanh()
        self.drop = nn.Dropout(p=0.1)
        self.head = nn.Dense(48, CLASSES)

    def construct(self, words: ms.Tensor) -> ms.Tensor:
        x = self.words(words)
        state = ops.zeros((x.shape[0], 48), ms.float32)
        for at in range(6):
            state = self.act(self.enter(x[:, at]) + self.recur(state))
        return self.head(self.drop(ops.clamp(state, -0.9, 0.9)))


class Network(NamedTuple):
    """How a network is built and trained."""

    build: Callable[[], nn.Cell]
    loss: Callable[[], nn.Cell]
    optimizer: Callable[[nn.Cell], nn.Optimizer]


def _sgd(network: nn.Cell) -> nn.Optimizer:
    return nn.SGD(network.trainable_params(), learning_rate=LEARNING_RATE, momentum=0.9)


def _adam(network: nn.Cell) -> nn.Optimizer:
    return nn.Adam(network.trainable_params(), learning_rate=LEARNING_RATE)


def _adamw(network: nn.Cell) -> nn.Optimizer:
    return nn.AdamWeightDecay(network.trainable_params(), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)


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


def tensors(name: str) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
    """Give inputs and target of a network."""
    inputs, target = batch_of(name)
    return tuple(ms.Tensor(array) for array in inputs), ms.Tensor(target)
