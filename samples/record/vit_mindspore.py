"""The same Vision Transformer in MindSpore, with the weights of PyTorch, and its three faulty variants."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from vit_settings import (
    CHANNELS,
    CLASSES,
    DEPTH,
    HEADS,
    IMAGE,
    LAYER_NORM_EPS,
    LEARNING_RATE,
    MLP_RATIO,
    MOMENTUM,
    PATCH,
    WIDTH,
    batch,
)
from vit_torch import build_network as build_torch_network


class PatchEmbed(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(CHANNELS, WIDTH, kernel_size=PATCH, stride=PATCH, pad_mode="valid", has_bias=True)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.proj(images)
        size, width, rows, columns = x.shape
        return ops.transpose(ops.reshape(x, (size, width, rows * columns)), (0, 2, 1))


class Attention(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.scale = (WIDTH // HEADS) ** -0.5
        self.qkv = nn.Dense(WIDTH, WIDTH * 3)
        self.softmax = nn.Softmax(axis=-1)
        self.attn_drop = nn.Dropout(p=0.0)
        self.proj = nn.Dense(WIDTH, WIDTH)
        self.proj_drop = nn.Dropout(p=0.0)
        self.query_times_key = ops.BatchMatMul(transpose_b=True)
        self.attention_times_value = ops.BatchMatMul()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        size, tokens, width = x.shape
        qkv = ops.reshape(self.qkv(x), (size, tokens, 3, HEADS, width // HEADS))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
        attention = ops.mul(self.query_times_key(query, key), self.scale)
        attention = self.attn_drop(self.softmax(attention))
        x = ops.transpose(self.attention_times_value(attention, value), (0, 2, 1, 3))
        return self.proj_drop(self.proj(ops.reshape(x, (size, tokens, width))))


class Mlp(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Dense(WIDTH, WIDTH * MLP_RATIO)
        self.act = nn.GELU(approximate=False)
        self.fc2 = nn.Dense(WIDTH * MLP_RATIO, WIDTH)
        self.drop = nn.Dropout(p=0.0)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.drop(self.fc2(self.act(self.fc1(x))))


class Block(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm((WIDTH,), epsilon=LAYER_NORM_EPS)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm((WIDTH,), epsilon=LAYER_NORM_EPS)
        self.mlp = Mlp()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Cell):
    """Images (B, 3, 64, 64) float32 to logits (B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = ms.Parameter(ops.zeros((1, 1, WIDTH), ms.float32))
        self.pos_embed = ms.Parameter(ops.zeros((1, 1 + (IMAGE // PATCH) ** 2, WIDTH), ms.float32))
        self.patch_embed = PatchEmbed()
        self.blocks = nn.SequentialCell([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm((WIDTH,), epsilon=LAYER_NORM_EPS)
        self.head = nn.Dense(WIDTH, CLASSES)

    def construct(self, images: ms.Tensor) -> ms.Tensor:
        x = self.patch_embed(images)
        class_token = ops.broadcast_to(self.cls_token, (x.shape[0], 1, WIDTH))
        x = ops.concat((class_token, x), axis=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class Dense(nn.Dense):
    """A dense layer written as a broadcast product and a sum, as einsum is often migrated, in float64.

    The numbers are those of a matrix product, but every product of an input and a weight is kept in memory.
    """

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        products = ops.expand_dims(ops.cast(x, ms.float64), -2) * ops.cast(self.weight, ms.float64)
        return ops.cast(ops.sum(products, -1) + ops.cast(self.bias, ms.float64), ms.float32)


class LayerNorm(nn.LayerNorm):
    """A hand-written layer normalisation without an epsilon that takes its statistics along axis 0, the batch.

    A batch of one sample equals its own mean: every element becomes 0 / 0.
    """

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        centred = x - ops.mean(x, 0, keep_dims=True)
        variance = ops.mean(ops.square(centred), 0, keep_dims=True)
        return centred / ops.sqrt(variance) * self.gamma + self.beta


def build_network(fault: str = "") -> VisionTransformer:
    """The network in training mode with the weights of the PyTorch one.

    Args:
        fault: "" for the clean network, or "decomposed" (blocks.2.mlp.fc1), "gelu_tanh" (blocks.1.mlp.act),
            "zero_by_zero" (blocks.1.norm2).
    """
    network = VisionTransformer()
    if fault == "decomposed":
        network.blocks[2].mlp.fc1 = Dense(WIDTH, WIDTH * MLP_RATIO)
    elif fault == "gelu_tanh":
        network.blocks[1].mlp.act = nn.GELU()
    elif fault == "zero_by_zero":
        network.blocks[1].norm2 = LayerNorm((WIDTH,))
    elif fault:
        raise ValueError(f"unknown fault {fault!r}")
    network.update_parameters_name()
    _copy_weights(network)
    return network.set_train()


def _copy_weights(network: VisionTransformer) -> None:
    """Set every parameter from its PyTorch namesake; a parameter without one, or of another shape, is an error."""
    weights = {name: tensor.detach().numpy() for name, tensor in build_torch_network().named_parameters()}
    for parameter in network.get_parameters():
        name = parameter.name.replace(".gamma", ".weight").replace(".beta", ".bias")
        weight = weights.pop(name)
        if weight.shape != parameter.shape:
            raise ValueError(f"{name}: {weight.shape} in PyTorch, {parameter.shape} in MindSpore")
        parameter.set_data(ms.Tensor(weight))
    if weights:
        raise ValueError(f"not in MindSpore: {sorted(weights)}")


def build_training(network: VisionTransformer) -> nn.TrainOneStepCell:
    """Forward, loss, backward and SGD with momentum as one cell."""
    optimizer = nn.SGD(network.trainable_params(), learning_rate=LEARNING_RATE, momentum=MOMENTUM)
    with_loss = nn.WithLossCell(network, nn.CrossEntropyLoss())
    return nn.TrainOneStepCell(with_loss, optimizer).set_train()


def tensors_of(size: int) -> tuple[ms.Tensor, ms.Tensor]:
    images, labels = batch(size)
    return ms.Tensor(images), ms.Tensor(labels)


def as_array(tensor: ms.Tensor) -> np.ndarray:
    """A copy that no later kernel can change."""
    return np.array(tensor.asnumpy())
