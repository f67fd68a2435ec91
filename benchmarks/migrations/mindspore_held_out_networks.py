"""The networks of torch_held_out_networks.py as one would migrate them to MindSpore."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops
from mindspore_networks import Network
from settings import CLASSES, HEADS, IMAGE, LEARNING_RATE, SEQUENCE, WIDTH, WORDS


class CausalBlock(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.q_proj = nn.Dense(WIDTH, WIDTH)
        self.k_proj = nn.Dense(WIDTH, WIDTH)
        self.v_proj = nn.Dense(WIDTH, WIDTH)
        self.o_proj = nn.Dense(WIDTH, WIDTH)
        self.attn_drop = nn.Dropout(p=0.1)
        self.ln2 = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.up = nn.Dense(WIDTH, 4 * WIDTH)
        self.act = nn.GELU(approximate=False)
        self.down = nn.Dense(4 * WIDTH, WIDTH)
        self.drop = nn.Dropout(p=0.1)

    def construct(self, x: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        size, length, width = x.shape
        y = self.ln1(x)
        q = self.q_proj(y).view(size, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)
        k = self.k_proj(y).view(size, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)
        v = self.v_proj(y).view(size, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)
        scores = ops.matmul(q, k.transpose(0, 1, 3, 2)) * (width // HEADS) ** -0.5
        weights = self.attn_drop(ops.softmax(ops.masked_fill(scores, mask, -1e9), -1))
        x = x + self.o_proj(ops.matmul(weights, v).transpose(0, 2, 1, 3).reshape(size, length, width))
        return x + self.drop(self.down(self.act(self.up(self.ln2(x)))))


class Tied(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.tok = nn.Embedding(WORDS, WIDTH)
        self.pos = ms.Parameter(ops.zeros((1, SEQUENCE, WIDTH), ms.float32))
        self.drop = nn.Dropout(p=0.1)
        self.blocks = nn.CellList([CausalBlock() for _ in range(3)])
        self.ln_f = nn.LayerNorm((WIDTH,), epsilon=1e-5)

    def construct(self, words: ms.Tensor, mask: ms.Tensor) -> ms.Tensor:
        x = self.drop(self.tok(words) + self.pos)
        for block in self.blocks:
            x = block(x, mask)
        return ops.matmul(self.ln_f(x), ops.transpose(self.tok.embedding_table, (1, 0))).reshape(-1, WORDS)


class Perceptron(nn.Cell):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Dense(width, hidden)
        self.act = nn.GELU(approximate=False)
        self.fc2 = nn.Dense(hidden, width)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.fc2(self.act(self.fc1(x)))


class MixerBlock(nn.Cell):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.token_mix = Perceptron(tokens, 24)
        self.norm2 = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.channel_mix = Perceptron(WIDTH, 2 * WIDTH)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        x = x + self.token_mix(self.norm1(x).transpose(0, 2, 1)).transpose(0, 2, 1)
        return x + self.channel_mix(self.norm2(x))


class Mixer(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 8, stride=8, pad_mode="valid", has_bias=True)
        self.blocks = nn.SequentialCell([MixerBlock((IMAGE // 8) ** 2) for _ in range(3)])
        self.norm = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.head = nn.Dense(WIDTH, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.patch(images).flatten(start_dim=2).transpose(0, 2, 1)
        return self.head(self.norm(self.blocks(x)).mean(1))


class SeparableConvolution(nn.Cell):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, pad_mode="pad", padding=1, group=channels, has_bias=True)
        self.pointwise = nn.Conv2d(channels, out, 1, has_bias=True)
        self.bn = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.relu(self.bn(self.pointwise(self.depthwise(x))))


class Segment(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.enc1 = SeparableConvolution(3, 8)
        self.enc2 = SeparableConvolution(8, 16)
        self.enc3 = SeparableConvolution(16, 32)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.up2 = nn.Conv2dTranspose(32, 16, 2, stride=2, pad_mode="valid", has_bias=True)
        self.dec2 = SeparableConvolution(32, 16)
        self.up1 = nn.Conv2dTranspose(16, 8, 2, stride=2, pad_mode="valid", has_bias=True)
        self.dec1 = SeparableConvolution(16, 8)
        self.out = nn.Conv2d(8, 1, 1, has_bias=True)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        one = self.enc1(images)
        two = self.enc2(self.pool(one))
        x = self.up2(self.enc3(self.pool(two)))
        x = self.up1(self.dec2(ops.cat([two, x], 1)))
        return ops.sigmoid(self.out(self.dec1(ops.cat([one, x], 1))))


class SqueezeBlock(nn.Cell):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 1)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride=stride, pad_mode="pad", padding=1, group=out)
        self.bn2 = nn.BatchNorm2d(out)
        self.act = nn.SiLU()
        self.fc1 = nn.Dense(out, out // 4)
        self.fc2 = nn.Dense(out // 4, out)
        self.short = nn.Conv2d(channels, out, 1, stride=stride, pad_mode="valid")
        self.bn_short = nn.BatchNorm2d(out)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        y = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        gate = ops.sigmoid(self.fc2(ops.relu(self.fc1(y.mean((2, 3))))))
        return ops.relu(y * gate.reshape(gate.shape[0], gate.shape[1], 1, 1) + self.bn_short(self.short(x)))


class Squeeze(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, pad_mode="pad", padding=1, has_bias=True)
        self.block1 = SqueezeBlock(16, 24, 2)
        self.block2 = SqueezeBlock(24, 24, 1)
        self.block3 = SqueezeBlock(24, 32, 2)
        self.drop = nn.Dropout(p=0.2)
        self.head = nn.Dense(32, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.block3(self.block2(self.block1(self.stem(images))))
        return self.head(self.drop(x.mean((2, 3))))


class Memory(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(4, 16, 3, stride=2, pad_mode="pad", padding=1, has_bias=True)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv1d(16, 16, 3, stride=2, pad_mode="pad", padding=1, has_bias=True)
        self.act2 = nn.ReLU()
        self.lstm = nn.LSTM(16, 20, num_layers=2, batch_first=True)
        self.score = nn.Dense(20, 1)
        self.head = nn.Dense(20, CLASSES)

    def construct(self, audio: ms.Tensor) -> ms.Tensor:
        x = self.act2(self.conv2(self.act1(self.conv1(audio))))
        x, _ = self.lstm(x.transpose(0, 2, 1))
        weights = ops.softmax(self.score(ops.tanh(x)), 1)
        return self.head((x * weights).sum(1))


class Gates(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.in_z, self.in_r, self.in_h = (nn.Dense(WIDTH, WIDTH) for _ in range(3))
        self.re_z, self.re_r, self.re_h = (nn.Dense(WIDTH, WIDTH, has_bias=False) for _ in range(3))
        self.norm = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.head = nn.Dense(WIDTH, CLASSES)

    def construct(self, words: ms.Tensor) -> ms.Tensor:
        x = self.words(words)
        state = ops.zeros((x.shape[0], WIDTH), ms.float32)
        for at in range(5):
            now = x[:, at]
            update = ops.sigmoid(self.in_z(now) + self.re_z(state))
            reset = ops.sigmoid(self.in_r(now) + self.re_r(state))
            new = ops.tanh(self.in_h(now) + self.re_h(reset * state))
            state = (1 - update) * state + update * new
        return self.head(self.norm(state))


class Twin(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Dense(24, 40)
        self.act1 = nn.ReLU()
        self.norm = nn.LayerNorm((40,), epsilon=1e-5)
        self.fc2 = nn.Dense(40, 16)
        self.judge = nn.Dense(32, 1)

    def _code(self, x: ms.Tensor) -> ms.Tensor:
        return self.fc2(self.norm(self.act1(self.fc1(x))))

    def construct(self, one: ms.Tensor, two: ms.Tensor) -> ms.Tensor:
        a, b = self._code(one), self._code(two)
        return self.judge(ops.cat([ops.abs(a - b), a * b], 1)).squeeze(1)


def _sgd(network: nn.Cell) -> nn.Optimizer:
    return nn.SGD(network.trainable_params(), learning_rate=LEARNING_RATE, momentum=0.9)


def _adam(network: nn.Cell) -> nn.Optimizer:
    return nn.Adam(network.trainable_params(), learning_rate=LEARNING_RATE)


HELD_OUT = {
    "tied": Network(Tied, nn.CrossEntropyLoss, _adam),
    "mixer": Network(Mixer, nn.CrossEntropyLoss, _sgd),
    "segment": Network(Segment, nn.BCELoss, _adam),
    "squeeze": Network(Squeeze, nn.CrossEntropyLoss, _adam),
    "memory": Network(Memory, nn.CrossEntropyLoss, _adam),
    "gates": Network(Gates, nn.CrossEntropyLoss, _adam),
    "twin": Network(Twin, nn.BCEWithLogitsLoss, _sgd),
}
