"""Networks recorded after rules were made with the held-out ones in sight: the next look at what is unseen."""

from __future__ import annotations

import torch
from settings import CLASSES, HEADS, IMAGE, LEARNING_RATE, SEQUENCE, WIDTH, WORDS
from torch import nn
from torch_networks import Network


class Attention(nn.Module):
    """Attention of one sequence on another, or on itself; `order` is the order in which its layers are called."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        for name in order.split():
            setattr(self, name, nn.Linear(WIDTH, WIDTH))
        self.weights_drop = nn.Dropout(0.1)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        taken = {"query": x, "key": memory, "value": memory}
        made = {name: self._heads(getattr(self, name)(taken[name])) for name in self.order.split()}
        scores = made["query"] @ made["key"].transpose(-2, -1) / (WIDTH // HEADS) ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask, -1e9)
        mixed = self.weights_drop(torch.softmax(scores, -1)) @ made["value"]
        return self.proj(mixed.transpose(1, 2).contiguous().view(x.shape[0], x.shape[1], WIDTH))


class Feed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.act = nn.GELU()
        self.out = nn.Linear(4 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.out(self.act(self.fc(x))))


class PatchBlock(nn.Module):
    def __init__(self, order: str) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = Attention(order)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.feed = Feed()

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, mask)
        return x + self.feed(self.norm2(x))


class Patches(nn.Module):
    """A vision transformer with layers of their own for query, key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 8, stride=8)
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos = nn.Parameter(torch.zeros(1, (IMAGE // 8) ** 2 + 1, WIDTH))
        self.blocks = nn.ModuleList([PatchBlock("query key value") for _ in range(4)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Gpt(nn.Module):
    """A language model that calls its key layer before its query layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tok = nn.Embedding(WORDS, WIDTH)
        self.pos = nn.Parameter(torch.zeros(1, SEQUENCE, WIDTH))
        self.drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([PatchBlock("key query value") for _ in range(3)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.tok(words) + self.pos)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x)).view(-1, WORDS)


class TranslatorLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.itself = Attention("query key value")
        self.norm1 = nn.LayerNorm(WIDTH)
        self.other = Attention("query key value")
        self.norm2 = nn.LayerNorm(WIDTH)
        self.feed = Feed()
        self.norm3 = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.norm1(x + self.itself(x, x, mask))
        x = self.norm2(x + self.other(x, memory))
        return self.norm3(x + self.feed(x))


class Translator(nn.Module):
    """Two transformers, one of which attends to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(WORDS, WIDTH)
        self.target = nn.Embedding(WORDS, WIDTH)
        self.encoder = nn.ModuleList([PatchBlock("query key value") for _ in range(2)])
        self.decoder = nn.ModuleList([TranslatorLayer() for _ in range(2)])
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        memory, x = self.source(words), self.target(words)
        for block in self.encoder:
            memory = block(memory)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.head(x).view(-1, WORDS)


class Recurrent(nn.Module):
    """A recurrent encoder, and a recurrent decoder that starts from its state and looks back at it."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(WORDS, WIDTH)
        self.target = nn.Embedding(WORDS, WIDTH)
        self.encoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.decoder = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.join = nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        memory, state = self.encoder(self.source(words))
        x, _ = self.decoder(self.target(words), state)
        weights = torch.softmax(torch.bmm(x, memory.transpose(1, 2)), -1)
        x = torch.tanh(self.join(torch.cat([torch.bmm(weights, memory), x], 2)))
        return self.head(self.drop(x)).reshape(-1, WORDS)


class Gate(nn.Module):
    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, narrow, 1)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(narrow, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))


class ScaledBlock(nn.Module):
    def __init__(self, channels: int, out: int, wider: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * wider
        self.expand = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.act = nn.SiLU()
        self.gate = Gate(wide, max(channels // 4, 2))
        self.project = nn.Conv2d(wide, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.same = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act(self.bn2(self.depthwise(self.act(self.bn1(self.expand(x))))))
        y = self.bn3(self.project(self.gate(y)))
        return x + y if self.same else y


class Scaled(nn.Module):
    """Inverted residual blocks with gates, several of one size after each other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(12)
        self.act = nn.SiLU()
        sizes = ((12, 12, 2, 3, 1), (12, 16, 4, 3, 2), (16, 16, 4, 3, 1), (16, 24, 4, 5, 2), (24, 24, 4, 5, 1))
        self.blocks = nn.Sequential(*[ScaledBlock(*size) for size in sizes])
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.act(self.bn(self.stem(images))))
        return self.head(self.drop(x.mean((2, 3))))


class Twice(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Contour(nn.Module):
    """Down by pooling, up by transposed convolutions, joined level by level."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.deep = Twice(3, 8), Twice(8, 16), Twice(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.side2 = Twice(32, 16)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.side1 = Twice(16, 8)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        one = self.down1(images)
        two = self.down2(self.pool(one))
        x = self.side2(torch.cat([self.up2(self.deep(self.pool(two))), two], 1))
        return self.out(self.side1(torch.cat([self.up1(x), one], 1)))


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)


LATER = {
    "patches": Network(Patches, nn.CrossEntropyLoss, _adam),
    "gpt": Network(Gpt, nn.CrossEntropyLoss, _adam),
    "translator": Network(Translator, nn.CrossEntropyLoss, _adam),
    "recurrent": Network(Recurrent, nn.CrossEntropyLoss, _adam),
    "scaled": Network(Scaled, nn.CrossEntropyLoss, _adam),
    "contour": Network(Contour, nn.BCEWithLogitsLoss, _adam),
}
