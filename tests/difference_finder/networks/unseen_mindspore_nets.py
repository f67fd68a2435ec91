"""MindSpore networks like those of unseen_torch_nets.py, with a fault where one is named."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import nn, ops


def convolution(taken: int, given: int, kernel: int, stride: int = 1, padding: int = 0, **more: Any) -> Any:
    return nn.Conv2d(taken, given, kernel, stride, pad_mode="pad", padding=padding, **more)


class TurnedConvolution(nn.Conv2d):
    """Its weights are laid out with height and width exchanged."""

    def construct(self, x: Any) -> Any:
        return ops.conv2d(x, self.weight.swapaxes(2, 3), None, self.stride[0], "pad", 1, groups=self.group)


class TurnedDense(nn.Dense):
    def construct(self, x: Any) -> Any:
        return ops.matmul(x, self.weight) + self.bias


class Double(nn.Cell):
    def __init__(self, taken: int, given: int, fault: str = "") -> None:
        super().__init__()
        momentum = 0.1 if fault == "momentum" else 0.9
        self.conv1 = convolution(taken, given, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(given, momentum=momentum)
        kind = TurnedConvolution if fault == "weight layout" else nn.Conv2d
        self.conv2 = kind(given, given, 3, pad_mode="pad", padding=1, has_bias=fault == "bias flag")
        self.norm2 = nn.BatchNorm2d(given)
        self.act = nn.LeakyReLU() if fault == "activation" else nn.ReLU()

    def construct(self, x: Any) -> Any:
        return self.act(self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))))


class UNet(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.missing = fault == "residual"
        self.enter, self.down1, self.down2 = Double(3, 8), Double(8, 16), Double(16, 32, fault)
        self.pool = nn.MaxPool2d(2, 2)
        self.up2 = nn.Conv2dTranspose(32, 16, 2, stride=2, pad_mode="valid", has_bias=True)
        self.join2 = Double(32, 16)
        self.up1 = nn.Conv2dTranspose(16, 8, 2, stride=2, pad_mode="valid", has_bias=True)
        self.join1 = Double(16, 8)
        self.leave = convolution(8, 3, 1, has_bias=True)

    def construct(self, x: Any) -> Any:
        a = self.enter(x)
        b = self.down1(self.pool(a))
        c = self.down2(self.pool(b))
        b = self.join2(ops.cat([ops.zeros_like(b) if self.missing else b, self.up2(c)], axis=1))
        a = self.join1(ops.cat([a, self.up1(b)], axis=1))
        return self.leave(a).mean((2, 3))


class CausalAttention(nn.Cell):
    def __init__(self, width: int, heads: int, fault: str) -> None:
        super().__init__()
        self.heads, self.fault = heads, fault
        self.qkv = nn.Dense(width, 3 * width)
        kind = TurnedDense if fault == "weight layout" else nn.Dense
        self.out = kind(width, width, has_bias=fault != "bias flag")

    def construct(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).chunk(3, axis=-1)
        q, k, v = (one.reshape(batch, tokens, self.heads, -1).swapaxes(1, 2) for one in (q, k, v))
        scores = ops.matmul(q, k.swapaxes(-2, -1)) * (width // self.heads) ** -0.5
        if self.fault != "mask":
            hidden = ops.ones((tokens, tokens), ms.float32).triu(1).astype(ms.bool_)
            scores = scores.masked_fill(hidden, float("-inf"))
        weights = ops.softmax(scores, axis=1 if self.fault == "softmax axis" else -1)
        return self.out(ops.matmul(weights, v).swapaxes(1, 2).reshape(batch, tokens, width))


class Layer(nn.Cell):
    def __init__(self, width: int, heads: int, fault: str) -> None:
        super().__init__()
        self.missing = fault == "residual"
        self.ln1, self.ln2 = nn.LayerNorm((width,), epsilon=1e-5), nn.LayerNorm((width,), epsilon=1e-5)
        self.attn = CausalAttention(width, heads, fault)
        self.fc, self.proj = nn.Dense(width, 4 * width), nn.Dense(4 * width, width)
        self.act = nn.SiLU() if fault == "activation" else nn.GELU(approximate=False)

    def construct(self, x: Any) -> Any:
        attended = self.attn(self.ln1(x))
        x = attended if self.missing else x + attended
        return x + self.proj(self.act(self.fc(self.ln2(x))))


class Gpt(nn.Cell):
    def __init__(self, fault: str, words: int = 20, width: int = 16, heads: int = 4, depth: int = 3) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(12, width)
        self.layers = nn.CellList([Layer(width, heads, fault if index == 1 else "") for index in range(depth)])
        self.ln = nn.LayerNorm((width,), epsilon=1e-5)
        self.head = nn.Dense(width, words, has_bias=False)
        self.head.weight = self.words.embedding_table

    def construct(self, tokens: Any) -> Any:
        x = self.words(tokens) + self.places(ops.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln(x)).mean(1)


class LstmClassifier(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.embedding = nn.Embedding(20, 12)
        self.lstm = nn.LSTM(12, 9, num_layers=2, batch_first=True, bidirectional=True)
        self.attend, self.hidden = nn.Dense(18, 1), nn.Dense(18, 10, has_bias=fault != "bias flag")
        self.act = nn.Sigmoid() if fault == "activation" else nn.Tanh()
        self.out = nn.Dense(10, 4)

    def construct(self, tokens: Any) -> Any:
        steps, _ = self.lstm(self.embedding(tokens))
        scores = self.attend(steps)
        if self.fault != "mask":
            scores = scores.masked_fill((tokens == 0).expand_dims(-1), -1e4)
        weights = ops.softmax(scores, axis=-1 if self.fault == "softmax axis" else 1)
        return self.out(self.act(self.hidden((weights * steps).sum(1))))


class Inverted(nn.Cell):
    def __init__(self, taken: int, given: int, stride: int, fault: str = "") -> None:
        super().__init__()
        wide = 4 * taken
        self.residual = stride == 1 and taken == given and fault != "residual"
        self.expand, self.norm1 = convolution(taken, wide, 1), nn.BatchNorm2d(wide)
        kind = TurnedConvolution if fault == "weight layout" else nn.Conv2d
        self.depthwise = kind(wide, wide, 3, stride, "pad", 1, group=wide)
        self.norm2 = nn.BatchNorm2d(wide, momentum=0.1 if fault == "momentum" else 0.9)
        self.act = nn.ReLU() if fault == "activation" else nn.ReLU6()
        self.project = convolution(wide, given, 1, has_bias=fault == "bias flag")
        self.norm3 = nn.BatchNorm2d(given)

    def construct(self, x: Any) -> Any:
        y = self.act(self.norm2(self.depthwise(self.act(self.norm1(self.expand(x))))))
        y = self.norm3(self.project(y))
        return x + y if self.residual else y


class MobileNet(nn.Cell):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.stem = nn.SequentialCell(convolution(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6())
        self.features = nn.SequentialCell(Inverted(8, 8, 1), Inverted(8, 16, 2), Inverted(16, 16, 1, fault))
        self.classifier = nn.Dense(16, 5)

    def construct(self, x: Any) -> Any:
        return self.classifier(self.features(self.stem(x)).mean((2, 3)))


NETWORKS = {"unet": UNet, "gpt": Gpt, "lstm": LstmClassifier, "mobilenet": MobileNet}


def made(kind: str, fault: str = "") -> Any:
    return NETWORKS[kind](fault)


def loss(result: Any, labels: Any) -> Any:
    return ops.cross_entropy(result, labels.astype(ms.int32))


def smoothed_loss(result: Any, labels: Any) -> Any:
    return ops.cross_entropy(result, labels.astype(ms.int32), label_smoothing=0.1)


class Clipping(nn.SGD):
    def construct(self, gradients: Any) -> Any:
        return super().construct(ops.clip_by_global_norm(gradients, 0.05))


def optimizer(net: Any) -> Any:
    return nn.SGD(net.trainable_params(), learning_rate=0.1)


def grouped(net: Any) -> Any:
    head = list(net.cells())[-1].trainable_params()
    rest = [one for one in net.trainable_params() if not any(one is own for own in head)]
    return nn.SGD([{"params": head, "lr": 0.01}, {"params": rest}], learning_rate=0.1)


def clipping(net: Any) -> Any:
    return Clipping(net.trainable_params(), learning_rate=0.1)
