"""Torch networks of four kinds, whose MindSpore counterparts are in unseen_mindspore_nets.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Double(nn.Module):
    def __init__(self, taken: int, given: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(taken, given, 3, padding=1, bias=False), nn.BatchNorm2d(given)
        self.conv2, self.norm2 = nn.Conv2d(given, given, 3, padding=1, bias=False), nn.BatchNorm2d(given)
        self.act = nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.act(self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.down1, self.down2 = Double(3, 8), Double(8, 16), Double(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.join2 = nn.ConvTranspose2d(32, 16, 2, stride=2), Double(32, 16)
        self.up1, self.join1 = nn.ConvTranspose2d(16, 8, 2, stride=2), Double(16, 8)
        self.leave = nn.Conv2d(8, 3, 1)

    def forward(self, x: Any) -> Any:
        a = self.enter(x)
        b = self.down1(self.pool(a))
        c = self.down2(self.pool(b))
        b = self.join2(torch.cat([b, self.up2(c)], dim=1))
        a = self.join1(torch.cat([a, self.up1(b)], dim=1))
        return self.leave(a).mean((2, 3))


class CausalAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (one.reshape(batch, tokens, self.heads, -1).transpose(1, 2) for one in (q, k, v))
        scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5
        hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, width))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.attn, self.ln2 = nn.LayerNorm(width), CausalAttention(width, heads), nn.LayerNorm(width)
        self.fc, self.act, self.proj = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln1(x))
        return x + self.proj(self.act(self.fc(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self, words: int = 20, width: int = 16, heads: int = 4, depth: int = 3) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(12, width)
        self.layers = nn.ModuleList([Layer(width, heads) for _ in range(depth)])
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens: Any) -> Any:
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln(x)).mean(1)


class LstmClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 12)
        self.lstm = nn.LSTM(12, 9, num_layers=2, batch_first=True, bidirectional=True)
        self.attend, self.hidden, self.act = nn.Linear(18, 1), nn.Linear(18, 10), nn.Tanh()
        self.out = nn.Linear(10, 4)

    def forward(self, tokens: Any) -> Any:
        steps, _ = self.lstm(self.embedding(tokens))
        scores = self.attend(steps).masked_fill((tokens == 0)[..., None], -1e4)
        x = (scores.softmax(1) * steps).sum(1)
        return self.out(self.act(self.hidden(x)))


class Inverted(nn.Module):
    def __init__(self, taken: int, given: int, stride: int) -> None:
        super().__init__()
        wide = 4 * taken
        self.residual = stride == 1 and taken == given
        self.expand, self.norm1 = nn.Conv2d(taken, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.norm2, self.act = nn.BatchNorm2d(wide), nn.ReLU6()
        self.project, self.norm3 = nn.Conv2d(wide, given, 1, bias=False), nn.BatchNorm2d(given)

    def forward(self, x: Any) -> Any:
        y = self.act(self.norm2(self.depthwise(self.act(self.norm1(self.expand(x))))))
        y = self.norm3(self.project(y))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.features = nn.Sequential(Inverted(8, 8, 1), Inverted(8, 16, 2), Inverted(16, 16, 1))
        self.classifier = nn.Linear(16, 5)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.features(self.stem(x)).mean((2, 3)))


NETWORKS = {"unet": UNet, "gpt": Gpt, "lstm": LstmClassifier, "mobilenet": MobileNet}


def made(kind: str) -> Any:
    torch.manual_seed(7)
    net = NETWORKS[kind]()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features) * 0.3)
                module.running_var.copy_(torch.rand(module.num_features) + 0.5)
                module.weight.copy_(torch.rand(module.num_features) + 0.5)
    return net


def loss(result: Any, labels: Any) -> Any:
    return functional.cross_entropy(result, labels)


class Clipping(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 0.05)
        return super().step(closure)


def optimizer(net: Any) -> Any:
    return torch.optim.SGD(net.parameters(), lr=0.1)


def grouped(net: Any) -> Any:
    head = list(net.children())[-1]
    own = {id(one) for one in head.parameters()}
    rest = [one for one in net.parameters() if id(one) not in own]
    return torch.optim.SGD([{"params": list(head.parameters()), "lr": 0.01}, {"params": rest}], lr=0.1)


def clipping(net: Any) -> Any:
    return Clipping(net.parameters(), lr=0.1)


def adam(net: Any) -> Any:
    return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
