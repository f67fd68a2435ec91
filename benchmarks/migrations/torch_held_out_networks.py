"""Networks that no rule of the alignment was made on: recorded to see how well it does on what it has not seen."""

from __future__ import annotations

import torch
from settings import CLASSES, HEADS, IMAGE, LEARNING_RATE, SEQUENCE, WIDTH, WORDS
from torch import nn
from torch_networks import Network


class CausalBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH)
        self.q_proj = nn.Linear(WIDTH, WIDTH)
        self.k_proj = nn.Linear(WIDTH, WIDTH)
        self.v_proj = nn.Linear(WIDTH, WIDTH)
        self.o_proj = nn.Linear(WIDTH, WIDTH)
        self.attn_drop = nn.Dropout(0.1)
        self.ln2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.act = nn.GELU()
        self.down = nn.Linear(4 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        size, length, width = x.shape
        y = self.ln1(x)
        q = self.q_proj(y).view(size, length, HEADS, width // HEADS).transpose(1, 2)
        k = self.k_proj(y).view(size, length, HEADS, width // HEADS).transpose(1, 2)
        v = self.v_proj(y).view(size, length, HEADS, width // HEADS).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)) * (width // HEADS) ** -0.5
        weights = self.attn_drop(torch.softmax(scores.masked_fill(mask, -1e9), -1))
        x = x + self.o_proj((weights @ v).transpose(1, 2).contiguous().view(size, length, width))
        return x + self.drop(self.down(self.act(self.up(self.ln2(x)))))


class Tied(nn.Module):
    """A language model whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tok = nn.Embedding(WORDS, WIDTH)
        self.pos = nn.Parameter(torch.zeros(1, SEQUENCE, WIDTH))
        self.drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([CausalBlock() for _ in range(3)])
        self.ln_f = nn.LayerNorm(WIDTH)

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.tok(words) + self.pos)
        for block in self.blocks:
            x = block(x, mask)
        return torch.matmul(self.ln_f(x), self.tok.weight.t()).view(-1, WORDS)


class Perceptron(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(x)))


class MixerBlock(nn.Module):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.token_mix = Perceptron(tokens, 24)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.channel_mix = Perceptron(WIDTH, 2 * WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.token_mix(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_mix(self.norm2(x))


class Mixer(nn.Module):
    """Linear layers along tokens and along channels."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 8, stride=8)
        self.blocks = nn.Sequential(*[MixerBlock((IMAGE // 8) ** 2) for _ in range(3)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


class SeparableConvolution(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, out, 1)
        self.bn = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.pointwise(self.depthwise(x))))


class Segment(nn.Module):
    """Separable convolutions down and up again, maximum pools, transposed convolutions, skips by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1 = SeparableConvolution(3, 8)
        self.enc2 = SeparableConvolution(8, 16)
        self.enc3 = SeparableConvolution(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.dec2 = SeparableConvolution(32, 16)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec1 = SeparableConvolution(16, 8)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        one = self.enc1(images)
        two = self.enc2(self.pool(one))
        x = self.up2(self.enc3(self.pool(two)))
        x = self.up1(self.dec2(torch.cat([two, x], 1)))
        return torch.sigmoid(self.out(self.dec1(torch.cat([one, x], 1))))


class SqueezeBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride=stride, padding=1, groups=out, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.act = nn.SiLU()
        self.fc1 = nn.Linear(out, out // 4)
        self.fc2 = nn.Linear(out // 4, out)
        self.short = nn.Conv2d(channels, out, 1, stride=stride, bias=False)
        self.bn_short = nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        gate = torch.sigmoid(self.fc2(torch.relu(self.fc1(y.mean((2, 3))))))
        return torch.relu(y * gate[:, :, None, None] + self.bn_short(self.short(x)))


class Squeeze(nn.Module):
    """Residual blocks with a gate of channels by linear layers, shortcuts by convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.block1 = SqueezeBlock(16, 24, 2)
        self.block2 = SqueezeBlock(24, 24, 1)
        self.block3 = SqueezeBlock(24, 32, 2)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.block3(self.block2(self.block1(self.stem(images))))
        return self.head(self.drop(x.mean((2, 3))))


class Memory(nn.Module):
    """Convolutions over time, a recurrent layer of two levels, attention over its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(4, 16, 3, stride=2, padding=1)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv1d(16, 16, 3, stride=2, padding=1)
        self.act2 = nn.ReLU()
        self.lstm = nn.LSTM(16, 20, num_layers=2, batch_first=True)
        self.score = nn.Linear(20, 1)
        self.head = nn.Linear(20, CLASSES)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.act2(self.conv2(self.act1(self.conv1(audio))))
        x, _ = self.lstm(x.transpose(1, 2))
        weights = torch.softmax(self.score(torch.tanh(x)), 1)
        return self.head((x * weights).sum(1))


class Gates(nn.Module):
    """A gated recurrence written by hand, with layers of its own for every gate."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.in_z, self.in_r, self.in_h = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.re_z, self.re_r, self.re_h = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.words(words)
        state = torch.zeros(x.shape[0], WIDTH)
        for at in range(5):
            now = x[:, at]
            update = torch.sigmoid(self.in_z(now) + self.re_z(state))
            reset = torch.sigmoid(self.in_r(now) + self.re_r(state))
            new = torch.tanh(self.in_h(now) + self.re_h(reset * state))
            state = (1 - update) * state + update * new
        return self.head(self.norm(state))


class Twin(nn.Module):
    """One encoder called for two inputs, their difference judged."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(24, 40)
        self.act1 = nn.ReLU()
        self.norm = nn.LayerNorm(40)
        self.fc2 = nn.Linear(40, 16)
        self.judge = nn.Linear(32, 1)

    def _code(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.norm(self.act1(self.fc1(x))))

    def forward(self, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        a, b = self._code(one), self._code(two)
        return self.judge(torch.cat([torch.abs(a - b), a * b], 1)).squeeze(1)


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9)


def _adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)


HELD_OUT = {
    "tied": Network(Tied, nn.CrossEntropyLoss, _adam),
    "mixer": Network(Mixer, nn.CrossEntropyLoss, _sgd),
    "segment": Network(Segment, nn.BCELoss, _adam),
    "squeeze": Network(Squeeze, nn.CrossEntropyLoss, _adam),
    "memory": Network(Memory, nn.CrossEntropyLoss, _adam),
    "gates": Network(Gates, nn.CrossEntropyLoss, _adam),
    "twin": Network(Twin, nn.BCEWithLogitsLoss, _sgd),
}
