"""The networks of torch_later_networks.py as one would migrate them to MindSpore."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops
from mindspore_networks import Network
from settings import CLASSES, HEADS, IMAGE, LEARNING_RATE, SEQUENCE, WIDTH, WORDS


class Attention(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Dense(WIDTH, WIDTH)
        self.key = nn.Dense(WIDTH, WIDTH)
        self.value = nn.Dense(WIDTH, WIDTH)
        self.weights_drop = nn.Dropout(p=0.1)
        self.proj = nn.Dense(WIDTH, WIDTH)

    def _heads(self, x: ms.Tensor) -> ms.Tensor:
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

    def _mixed(self, query: ms.Tensor, key: ms.Tensor, value: ms.Tensor, mask: ms.Tensor | None) -> ms.Tensor:
        scores = ops.matmul(query, key.transpose(0, 1, 3, 2)) / (WIDTH // HEADS) ** 0.5
        if mask is not None:
            scores = ops.masked_fill(scores, mask, -1e9)
        mixed = ops.matmul(self.weights_drop(ops.softmax(scores, -1)), value)
        return self.proj(mixed.transpose(0, 2, 1, 3).reshape(query.shape[0], query.shape[2], WIDTH))

    def construct(self, x: ms.Tensor, memory: ms.Tensor, mask: ms.Tensor | None = None) -> ms.Tensor:
        query, key = self._heads(self.query(x)), self._heads(self.key(memory))
        value = self._heads(self.value(memory))
        return self._mixed(query, key, value, mask)


class KeyFirstAttention(Attention):
    def __init__(self) -> None:
        nn.Cell.__init__(self)
        self.key = nn.Dense(WIDTH, WIDTH)
        self.query = nn.Dense(WIDTH, WIDTH)
        self.value = nn.Dense(WIDTH, WIDTH)
        self.weights_drop = nn.Dropout(p=0.1)
        self.proj = nn.Dense(WIDTH, WIDTH)

    def construct(self, x: ms.Tensor, memory: ms.Tensor, mask: ms.Tensor | None = None) -> ms.Tensor:
        key = self._heads(self.key(memory))
        query = self._heads(self.query(x))
        value = self._heads(self.value(memory))
        return self._mixed(query, key, value, mask)


class Feed(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Dense(WIDTH, 4 * WIDTH)
        self.act = nn.GELU(approximate=False)
        self.out = nn.Dense(4 * WIDTH, WIDTH)
        self.drop = nn.Dropout(p=0.1)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.drop(self.out(self.act(self.fc(x))))


def _norm() -> nn.Cell:
    return nn.LayerNorm((WIDTH,), epsilon=1e-5)


class PatchBlock(nn.Cell):
    def __init__(self, attention: type[nn.Cell] = Attention) -> None:
        super().__init__()
        self.norm1 = _norm()
        self.attention = attention()
        self.norm2 = _norm()
        self.feed = Feed()

    def construct(self, x: ms.Tensor, mask: ms.Tensor | None = None) -> ms.Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, mask)
        return x + self.feed(self.norm2(x))


class Patches(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 8, stride=8, pad_mode="valid", has_bias=True)
        self.cls = ms.Parameter(ops.zeros((1, 1, WIDTH), ms.float32))
        self.pos = ms.Parameter(ops.zeros((1, (IMAGE // 8) ** 2 + 1, WIDTH), ms.float32))
        self.blocks = nn.CellList([PatchBlock() for _ in range(4)])
        self.norm = _norm()
        self.head = nn.Dense(WIDTH, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.patch(images).flatten(start_dim=2).transpose(0, 2, 1)
        x = ops.cat([ops.broadcast_to(self.cls, (x.shape[0], 1, WIDTH)), x], 1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Gpt(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.tok = nn.Embedding(WORDS, WIDTH)
        self.pos = ms.Parameter(ops.zeros((1, SEQUENCE, WIDTH), ms.float32))
        self.drop = nn.Dropout(p=0.1)
        self.blocks = nn.CellList([PatchBlock(KeyFirstAttention) for _ in range(3)])
        self.norm = _norm()
        self.head = nn.Dense(WIDTH, WORDS, has_bias=False)

    def construct(self, words: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        x = self.drop(self.tok(words) + self.pos)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x)).view(-1, WORDS)


class TranslatorLayer(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.itself = Attention()
        self.norm1 = _norm()
        self.other = Attention()
        self.norm2 = _norm()
        self.feed = Feed()
        self.norm3 = _norm()

    def construct(self, x: ms.Tensor, memory: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        x = self.norm1(x + self.itself(x, x, mask))
        x = self.norm2(x + self.other(x, memory))
        return self.norm3(x + self.feed(x))


class Translator(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(WORDS, WIDTH)
        self.target = nn.Embedding(WORDS, WIDTH)
        self.encoder = nn.CellList([PatchBlock() for _ in range(2)])
        self.decoder = nn.CellList([TranslatorLayer() for _ in range(2)])
        self.head = nn.Dense(WIDTH, WORDS)

    def construct(self, words: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        memory, x = self.source(words), self.target(words)
        for block in self.encoder:
            memory = block(memory)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.head(x).view(-1, WORDS)


class Recurrent(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(WORDS, WIDTH)
        self.target = nn.Embedding(WORDS, WIDTH)
        self.encoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.decoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.join = nn.Dense(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(p=0.2)
        self.head = nn.Dense(WIDTH, WORDS)

    def construct(self, words: ms.Tensor) -> ms.Tensor:
        memory, state = self.encoder(self.source(words))
        x, _ = self.decoder(self.target(words), state)
        weights = ops.softmax(ops.bmm(x, memory.transpose(0, 2, 1)), -1)
        x = ops.tanh(self.join(ops.cat([ops.bmm(weights, memory), x], 2)))
        return self.head(self.drop(x)).reshape(-1, WORDS)


class Gate(nn.Cell):
    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, narrow, 1, has_bias=True)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(narrow, channels, 1, has_bias=True)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return x * ops.sigmoid(self.expand(self.act(self.reduce(x.mean((2, 3), keep_dims=True)))))


class ScaledBlock(nn.Cell):
    def __init__(self, channels: int, out: int, wider: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * wider
        self.expand = nn.Conv2d(channels, wide, 1)
        self.bn1 = nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, pad_mode="pad", padding=kernel // 2, group=wide)
        self.bn2 = nn.BatchNorm2d(wide)
        self.act = nn.SiLU()
        self.gate = Gate(wide, max(channels // 4, 2))
        self.project = nn.Conv2d(wide, out, 1)
        self.bn3 = nn.BatchNorm2d(out)
        self.same = stride == 1 and channels == out

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        y = self.act(self.bn2(self.depthwise(self.act(self.bn1(self.expand(x))))))
        y = self.bn3(self.project(self.gate(y)))
        return x + y if self.same else y


class Scaled(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 2, pad_mode="pad", padding=1)
        self.bn = nn.BatchNorm2d(12)
        self.act = nn.SiLU()
        sizes = ((12, 12, 2, 3, 1), (12, 16, 4, 3, 2), (16, 16, 4, 3, 1), (16, 24, 4, 5, 2), (24, 24, 4, 5, 1))
        self.blocks = nn.SequentialCell([ScaledBlock(*size) for size in sizes])
        self.drop = nn.Dropout(p=0.2)
        self.head = nn.Dense(24, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.blocks(self.act(self.bn(self.stem(images))))
        return self.head(self.drop(x.mean((2, 3))))


class Twice(nn.Cell):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Contour(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.deep = Twice(3, 8), Twice(8, 16), Twice(16, 32)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.up2 = nn.Conv2dTranspose(32, 16, 2, stride=2, pad_mode="valid", has_bias=True)
        self.side2 = Twice(32, 16)
        self.up1 = nn.Conv2dTranspose(16, 8, 2, stride=2, pad_mode="valid", has_bias=True)
        self.side1 = Twice(16, 8)
        self.out = nn.Conv2d(8, 1, 1, has_bias=True)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        one = self.down1(images)
        two = self.down2(self.pool(one))
        x = self.side2(ops.cat([self.up2(self.deep(self.pool(two))), two], 1))
        return self.out(self.side1(ops.cat([self.up1(x), one], 1)))


def _adam(network: nn.Cell) -> nn.Optimizer:
    return nn.Adam(network.trainable_params(), learning_rate=LEARNING_RATE)


LATER = {
    "patches": Network(Patches, nn.CrossEntropyLoss, _adam),
    "gpt": Network(Gpt, nn.CrossEntropyLoss, _adam),
    "translator": Network(Translator, nn.CrossEntropyLoss, _adam),
    "recurrent": Network(Recurrent, nn.CrossEntropyLoss, _adam),
    "scaled": Network(Scaled, nn.CrossEntropyLoss, _adam),
    "contour": Network(Contour, nn.BCEWithLogitsLoss, _adam),
}
