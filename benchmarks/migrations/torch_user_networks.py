"""Networks of several blocks, as users bring them: scored once before any rule saw them."""

from __future__ import annotations

from itertools import pairwise

import torch
from settings import CLASSES, LEARNING_RATE, TABLES, VOCABULARY, WEIGHT_DECAY
from torch import nn
from torch.nn import functional
from torch_networks import Network


class InvertedBottleneck(nn.Module):
    def __init__(self, channels: int, out: int, stride: int, wider: int) -> None:
        super().__init__()
        wide = channels * wider
        layers: list[nn.Module] = []
        if wider != 1:
            layers += [nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
        channels = 16
        for wider, out, count, stride in ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 3, 2), (6, 32, 4, 2), (6, 48, 3, 1)):
            for at in range(count):
                blocks.append(InvertedBottleneck(channels, out, stride if at == 0 else 1, wider))
                channels = out
        blocks += [nn.Conv2d(channels, 160, 1, bias=False), nn.BatchNorm2d(160), nn.ReLU6()]
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(160, CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images).mean([2, 3]))


class BertLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.attention_dropout = nn.Dropout(0.1)
        self.attention_output = nn.Linear(width, width)
        self.dropout1 = nn.Dropout(0.1)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.intermediate = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.output = nn.Linear(4 * width, width)
        self.dropout2 = nn.Dropout(0.1)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        scores = torch.matmul(query, key.transpose(-1, -2)) / query.shape[-1] ** 0.5 + mask
        weights = self.attention_dropout(torch.softmax(scores, dim=-1))
        context = torch.matmul(weights, value).permute(0, 2, 1, 3).contiguous().view(x.shape)
        x = self.norm1(x + self.dropout1(self.attention_output(context)))
        return self.norm2(x + self.dropout2(self.output(self.activation(self.intermediate(x)))))


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = 96
        self.word_embeddings = nn.Embedding(VOCABULARY, width)
        self.position_embeddings = nn.Embedding(64, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)
        self.layers = nn.ModuleList([BertLayer(width, 6) for _ in range(4)])
        self.pooler = nn.Linear(width, width)
        self.pooler_dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(width, CLASSES)

    def forward(
        self, words: torch.Tensor, places: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        x = self.word_embeddings(words) + self.position_embeddings(places) + self.token_type_embeddings(kinds)
        x = self.dropout(self.norm(x))
        added = (1.0 - mask)[:, None, None, :] * -10000.0
        for layer in self.layers:
            x = layer(x, added)
        return self.classifier(self.pooler_dropout(torch.tanh(self.pooler(x[:, 0]))))


class ConvolutionalVae(nn.Module):
    """Down by strided convolutions, up by transposed ones, as a DCGAN; the noise is given."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (3, 16, 32, 64)
        down: list[nn.Module] = []
        for channels, out in pairwise(sizes):
            down += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
        self.encoder = nn.Sequential(*down)
        self.mean = nn.Linear(64 * 16, 24)
        self.log_variance = nn.Linear(64 * 16, 24)
        self.enter = nn.Linear(24, 64 * 16)
        up: list[nn.Module] = []
        for channels, out in ((64, 32), (32, 16)):
            up += [nn.ConvTranspose2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, images: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.encoder(images).flatten(1)
        mean, log_variance = self.mean(x), self.log_variance(x)
        z = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(self.enter(z).view(-1, 64, 4, 4)), mean, log_variance


class VaeLoss(nn.Module):
    def forward(self, made: tuple[torch.Tensor, torch.Tensor, torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        images, mean, log_variance = made
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return functional.binary_cross_entropy(images, target, reduction="sum") + divergence


def _perceptron(sizes: tuple[int, ...]) -> list[nn.Module]:
    return [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]


class Dlrm(nn.Module):
    """Many tables, some of one size, and products of each pair of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(count, 32) for count in TABLES])
        self.bottom = nn.Sequential(*_perceptron((13, 128, 64, 32)))
        vectors = len(TABLES) + 1
        self.top = nn.Sequential(*_perceptron((32 + vectors * vectors, 128, 64)), nn.Linear(64, 1))

    def forward(self, dense: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        x = self.bottom(dense)
        vectors = torch.stack([x, *(table(categories[:, at]) for at, table in enumerate(self.tables))], 1)
        pairs = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        return self.top(torch.cat([x, pairs], 1)).squeeze(1)


class RootMeanSquare(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class LlamaLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input_norm = RootMeanSquare(width)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.post_norm = RootMeanSquare(width)
        self.gate_proj, self.up_proj = (nn.Linear(width, 3 * width, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(3 * width, width, bias=False)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.input_norm(x)
        query, key, value = self._split(self.q_proj(y)), self._split(self.k_proj(y)), self._split(self.v_proj(y))
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        weights = torch.softmax(torch.matmul(query, key.transpose(2, 3)) * query.shape[-1] ** -0.5 + mask, -1)
        y = torch.matmul(weights, value).transpose(1, 2).reshape(x.shape)
        x = x + self.o_proj(y)
        y = self.post_norm(x)
        return x + self.down_proj(functional.silu(self.gate_proj(y)) * self.up_proj(y))


class Llama(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = 64
        self.embed_tokens = nn.Embedding(VOCABULARY, width)
        self.layers = nn.ModuleList([LlamaLayer(width, 4) for _ in range(4)])
        self.norm = RootMeanSquare(width)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, words: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.embed_tokens(words)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.lm_head(self.norm(x)).view(-1, VOCABULARY)


class ConvNextBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.reduce = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(1e-6 * torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.reduce(self.act(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 4, 4)
        self.stem_norm = nn.GroupNorm(1, 24)
        self.stage1 = nn.Sequential(*[ConvNextBlock(24) for _ in range(3)])
        self.down_norm = nn.GroupNorm(1, 24)
        self.down = nn.Conv2d(24, 48, 2, 2)
        self.stage2 = nn.Sequential(*[ConvNextBlock(48) for _ in range(3)])
        self.norm = nn.LayerNorm(48, eps=1e-6)
        self.head = nn.Linear(48, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stage1(self.stem_norm(self.stem(images)))
        x = self.stage2(self.down(self.down_norm(x)))
        return self.head(self.norm(x.mean([-2, -1])))


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 48)
        self.dropout = nn.Dropout(0.3)
        self.lstm = nn.LSTM(48, 40, num_layers=2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(80)
        self.fc1 = nn.Linear(80, 40)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(40, CLASSES)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x, _ = self.lstm(self.dropout(self.embedding(words)))
        return self.fc2(self.dropout(self.relu(self.fc1(self.norm(x))))).view(-1, CLASSES)


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)


USER_NETWORKS = {
    "mobilenet_v2": Network(MobileNetV2, nn.CrossEntropyLoss, _adam),
    "bert": Network(Bert, nn.CrossEntropyLoss, _adamw),
    "vae": Network(ConvolutionalVae, VaeLoss, _adam),
    "dlrm": Network(Dlrm, nn.BCEWithLogitsLoss, _sgd),
    "llama": Network(Llama, nn.CrossEntropyLoss, _adamw),
    "convnext": Network(ConvNext, nn.CrossEntropyLoss, _adamw),
    "tagger": Network(Tagger, nn.CrossEntropyLoss, _adamw),
}
