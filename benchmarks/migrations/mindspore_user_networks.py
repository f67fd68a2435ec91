"""The networks of torch_user_networks.py as one would migrate them to MindSpore."""

from __future__ import annotations

from itertools import pairwise

import mindspore as ms
from mindspore import nn, ops
from mindspore_networks import Network
from settings import CLASSES, LEARNING_RATE, TABLES, VOCABULARY, WEIGHT_DECAY


class InvertedBottleneck(nn.Cell):
    def __init__(self, channels: int, out: int, stride: int, wider: int) -> None:
        super().__init__()
        wide = channels * wider
        layers: list[nn.Cell] = []
        if wider != 1:
            layers += [nn.Conv2d(channels, wide, 1), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [
            nn.Conv2d(wide, wide, 3, stride, pad_mode="pad", padding=1, group=wide), nn.BatchNorm2d(wide), nn.ReLU6(),
        ]  # fmt: skip
        layers += [nn.Conv2d(wide, out, 1), nn.BatchNorm2d(out)]
        self.layers = nn.SequentialCell(*layers)
        self.shortcut = stride == 1 and channels == out

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNetV2(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Cell] = [nn.Conv2d(3, 16, 3, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(16), nn.ReLU6()]
        channels = 16
        for wider, out, count, stride in ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 3, 2), (6, 32, 4, 2), (6, 48, 3, 1)):
            for at in range(count):
                blocks.append(InvertedBottleneck(channels, out, stride if at == 0 else 1, wider))
                channels = out
        blocks += [nn.Conv2d(channels, 160, 1), nn.BatchNorm2d(160), nn.ReLU6()]
        self.features = nn.SequentialCell(*blocks)
        self.classifier = nn.SequentialCell(nn.Dropout(p=0.2), nn.Dense(160, CLASSES))

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        return self.classifier(ops.mean(self.features(images), (2, 3)))


class BertLayer(nn.Cell):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Dense(width, width) for _ in range(3))
        self.attention_dropout = nn.Dropout(p=0.1)
        self.attention_output = nn.Dense(width, width)
        self.dropout1 = nn.Dropout(p=0.1)
        self.norm1 = nn.LayerNorm((width,), epsilon=1e-12)
        self.intermediate = nn.Dense(width, 4 * width)
        self.activation = nn.GELU(approximate=False)
        self.output = nn.Dense(4 * width, width)
        self.dropout2 = nn.Dropout(p=0.1)
        self.norm2 = nn.LayerNorm((width,), epsilon=1e-12)

    def _split(self, x: ms.Tensor) -> ms.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)

    def construct(self, x: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        scores = ops.matmul(query, key.swapaxes(-1, -2)) / query.shape[-1] ** 0.5 + mask
        weights = self.attention_dropout(ops.softmax(scores, axis=-1))
        context = ops.matmul(weights, value).permute(0, 2, 1, 3).reshape(x.shape)
        x = self.norm1(x + self.dropout1(self.attention_output(context)))
        return self.norm2(x + self.dropout2(self.output(self.activation(self.intermediate(x)))))


class Bert(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        width = 96
        self.word_embeddings = nn.Embedding(VOCABULARY, width)
        self.position_embeddings = nn.Embedding(64, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.norm = nn.LayerNorm((width,), epsilon=1e-12)
        self.dropout = nn.Dropout(p=0.1)
        self.layers = nn.CellList([BertLayer(width, 6) for _ in range(4)])
        self.pooler = nn.Dense(width, width)
        self.pooler_dropout = nn.Dropout(p=0.1)
        self.classifier = nn.Dense(width, CLASSES)

    def construct(self, words: ms.Tensor, places: ms.Tensor, kinds: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        x = self.word_embeddings(words) + self.position_embeddings(places) + self.token_type_embeddings(kinds)
        x = self.dropout(self.norm(x))
        added = (1.0 - mask)[:, None, None, :] * -10000.0
        for layer in self.layers:
            x = layer(x, added)
        return self.classifier(self.pooler_dropout(ops.tanh(self.pooler(x[:, 0]))))


class ConvolutionalVae(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        sizes = (3, 16, 32, 64)
        down: list[nn.Cell] = []
        for channels, out in pairwise(sizes):
            down += [
                nn.Conv2d(channels, out, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(out), nn.LeakyReLU(0.2),
            ]  # fmt: skip
        self.encoder = nn.SequentialCell(*down)
        self.mean = nn.Dense(64 * 16, 24)
        self.log_variance = nn.Dense(64 * 16, 24)
        self.enter = nn.Dense(24, 64 * 16)
        up: list[nn.Cell] = []
        for channels, out in ((64, 32), (32, 16)):
            up += [
                nn.Conv2dTranspose(channels, out, 4, 2, pad_mode="pad", padding=1), nn.BatchNorm2d(out), nn.ReLU(),
            ]  # fmt: skip
        last = nn.Conv2dTranspose(16, 3, 4, 2, pad_mode="pad", padding=1, has_bias=True)
        self.decoder = nn.SequentialCell(*up, last, nn.Sigmoid())

    def construct(self, images: ms.Tensor, noise: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor, ms.Tensor]:
        x = ops.flatten(self.encoder(images))
        mean, log_variance = self.mean(x), self.log_variance(x)
        z = mean + noise * ops.exp(0.5 * log_variance)
        return self.decoder(self.enter(z).view(-1, 64, 4, 4)), mean, log_variance


class VaeLoss(nn.Cell):
    def construct(self, made: tuple[ms.Tensor, ms.Tensor, ms.Tensor], target: ms.Tensor) -> ms.Tensor:
        images, mean, log_variance = made
        divergence = -0.5 * ops.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return ops.binary_cross_entropy(images, target, reduction="sum") + divergence


def _perceptron(sizes: tuple[int, ...]) -> list[nn.Cell]:
    return [layer for a, b in pairwise(sizes) for layer in (nn.Dense(a, b), nn.ReLU())]


class Dlrm(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.CellList([nn.Embedding(count, 32) for count in TABLES])
        self.bottom = nn.SequentialCell(*_perceptron((13, 128, 64, 32)))
        vectors = len(TABLES) + 1
        self.top = nn.SequentialCell(*_perceptron((32 + vectors * vectors, 128, 64)), nn.Dense(64, 1))

    def construct(self, dense: ms.Tensor, categories: ms.Tensor) -> ms.Tensor:
        x = self.bottom(dense)
        taken = [x]
        for at, table in enumerate(self.tables):
            taken.append(table(categories[:, at]))
        vectors = ops.stack(taken, 1)
        pairs = ops.bmm(vectors, vectors.swapaxes(1, 2)).flatten(start_dim=1)
        return self.top(ops.cat([x, pairs], 1)).squeeze(1)


class RootMeanSquare(nn.Cell):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = ms.Parameter(ops.ones((width,), ms.float32))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.weight * (x * ops.rsqrt(x.pow(2).mean(-1, keep_dims=True) + 1e-6))


def _rotated(x: ms.Tensor, cos: ms.Tensor, sin: ms.Tensor) -> ms.Tensor:
    half = x.shape[-1] // 2
    return x * cos + ops.cat((-x[..., half:], x[..., :half]), -1) * sin


class LlamaLayer(nn.Cell):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input_norm = RootMeanSquare(width)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Dense(width, width, has_bias=False) for _ in range(4))
        self.post_norm = RootMeanSquare(width)
        self.gate_proj, self.up_proj = (nn.Dense(width, 3 * width, has_bias=False) for _ in range(2))
        self.down_proj = nn.Dense(3 * width, width, has_bias=False)

    def _split(self, x: ms.Tensor) -> ms.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).swapaxes(1, 2)

    def construct(self, x: ms.Tensor, cos: ms.Tensor, sin: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        y = self.input_norm(x)
        query, key, value = self._split(self.q_proj(y)), self._split(self.k_proj(y)), self._split(self.v_proj(y))
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        weights = ops.softmax(ops.matmul(query, key.swapaxes(2, 3)) * query.shape[-1] ** -0.5 + mask, -1)
        y = ops.matmul(weights, value).swapaxes(1, 2).reshape(x.shape)
        x = x + self.o_proj(y)
        y = self.post_norm(x)
        return x + self.down_proj(ops.silu(self.gate_proj(y)) * self.up_proj(y))


class Llama(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        width = 64
        self.embed_tokens = nn.Embedding(VOCABULARY, width)
        self.layers = nn.CellList([LlamaLayer(width, 4) for _ in range(4)])
        self.norm = RootMeanSquare(width)
        self.lm_head = nn.Dense(width, VOCABULARY, has_bias=False)

    def construct(self, words: ms.Tensor, cos: ms.Tensor, sin: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        x = self.embed_tokens(words)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.lm_head(self.norm(x)).view(-1, VOCABULARY)


class ConvNextBlock(nn.Cell):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, pad_mode="pad", padding=3, group=width, has_bias=True)
        self.norm = nn.LayerNorm((width,), epsilon=1e-6)
        self.expand = nn.Dense(width, 4 * width)
        self.act = nn.GELU(approximate=False)
        self.reduce = nn.Dense(4 * width, width)
        self.scale = ms.Parameter(1e-6 * ops.ones((width,), ms.float32))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.reduce(self.act(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNext(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 4, 4, pad_mode="valid", has_bias=True)
        self.stem_norm = nn.GroupNorm(1, 24)
        self.stage1 = nn.SequentialCell(*[ConvNextBlock(24) for _ in range(3)])
        self.down_norm = nn.GroupNorm(1, 24)
        self.down = nn.Conv2d(24, 48, 2, 2, pad_mode="valid", has_bias=True)
        self.stage2 = nn.SequentialCell(*[ConvNextBlock(48) for _ in range(3)])
        self.norm = nn.LayerNorm((48,), epsilon=1e-6)
        self.head = nn.Dense(48, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.stage1(self.stem_norm(self.stem(images)))
        x = self.stage2(self.down(self.down_norm(x)))
        return self.head(self.norm(ops.mean(x, (-2, -1))))


class Tagger(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 48)
        self.dropout = nn.Dropout(p=0.3)
        self.lstm = nn.LSTM(48, 40, num_layers=2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm((80,), epsilon=1e-5)
        self.fc1 = nn.Dense(80, 40)
        self.relu = nn.ReLU()
        self.fc2 = nn.Dense(40, CLASSES)

    def construct(self, words: ms.Tensor) -> ms.Tensor:
        x, _ = self.lstm(self.dropout(self.embedding(words)))
        return self.fc2(self.dropout(self.relu(self.fc1(self.norm(x))))).view(-1, CLASSES)


def _adam(network: nn.Cell) -> nn.Optimizer:
    return nn.Adam(network.trainable_params(), learning_rate=LEARNING_RATE)


def _adamw(network: nn.Cell) -> nn.Optimizer:
    return nn.AdamWeightDecay(network.trainable_params(), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)


def _sgd(network: nn.Cell) -> nn.Optimizer:
    return nn.SGD(network.trainable_params(), learning_rate=LEARNING_RATE)


USER_NETWORKS = {
    "mobilenet_v2": Network(MobileNetV2, nn.CrossEntropyLoss, _adam),
    "bert": Network(Bert, nn.CrossEntropyLoss, _adamw),
    "vae": Network(ConvolutionalVae, VaeLoss, _adam),
    "dlrm": Network(Dlrm, nn.BCEWithLogitsLoss, _sgd),
    "llama": Network(Llama, nn.CrossEntropyLoss, _adamw),
    "convnext": Network(ConvNext, nn.CrossEntropyLoss, _adamw),
    "tagger": Network(Tagger, nn.CrossEntropyLoss, _adamw),
}
