"""The small Vision Transformer in PyTorch, and what is recorded of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from vit_settings import (
    BATCH_SEED,
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
    PROFILE_BATCH,
    PROFILED_STEPS,
    TENSOR_BATCH,
    WEIGHT_SEED,
    WIDTH,
    batch,
    sampled_gradient,
)


class PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(CHANNELS, WIDTH, kernel_size=PATCH, stride=PATCH)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = (WIDTH // HEADS) ** -0.5
        self.qkv = nn.Linear(WIDTH, WIDTH * 3)
        self.softmax = nn.Softmax(dim=-1)
        self.attn_drop = nn.Dropout(p=0.0)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.proj_drop = nn.Dropout(p=0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, tokens, width = x.shape
        qkv = self.qkv(x).reshape(size, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        attention = torch.matmul(query, key.transpose(-2, -1)) * self.scale
        attention = self.attn_drop(self.softmax(attention))
        x = torch.matmul(attention, value).transpose(1, 2).reshape(size, tokens, width)
        return self.proj_drop(self.proj(x))


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, WIDTH * MLP_RATIO)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(WIDTH * MLP_RATIO, WIDTH)
        self.drop = nn.Dropout(p=0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.fc2(self.act(self.fc1(x))))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=LAYER_NORM_EPS)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=LAYER_NORM_EPS)
        self.mlp = Mlp()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Images (B, 3, 64, 64) float32 to logits (B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + (IMAGE // PATCH) ** 2, WIDTH) * 0.02)
        self.patch_embed = PatchEmbed()
        self.blocks = nn.Sequential(*[Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(images)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


def build_network() -> VisionTransformer:
    """The network in training mode with weights that depend on the seed alone."""
    torch.set_num_threads(1)
    torch.manual_seed(WEIGHT_SEED)
    return VisionTransformer().train()


def tensors_of(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = batch(size)
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def record_profile(folder: Path) -> dict[str, object]:
    """Write trace.json.gz of three training steps (wait 1, warm-up 1, active 3); returns the losses of all five."""
    network = build_network()
    torch.manual_seed(BATCH_SEED)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    images, labels = tensors_of(PROFILE_BATCH)
    losses = []
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=PROFILED_STEPS, repeat=1)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(
        activities=activities,
        schedule=schedule,
        record_shapes=True,
        with_stack=True,
        on_trace_ready=lambda profiler: profiler.export_chrome_trace(str(folder / "trace.json.gz")),
    ) as profiler:
        for _ in range(2 + PROFILED_STEPS):
            optimizer.zero_grad()
            loss = loss_of(network(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            profiler.step()
    return {"losses": losses}


def record_tensors(folder: Path) -> dict[str, object]:
    """Write outputs/ of every module in the order they finish, and gradients/ of every parameter, of one step."""
    network = build_network()
    outputs = folder / "outputs"
    gradients = folder / "gradients"
    outputs.mkdir(parents=True)
    gradients.mkdir()
    finished: list[str] = []

    def save_output(path: str, output: torch.Tensor) -> None:
        np.save(outputs / f"{len(finished):04d}_{path}.npy", output.detach().numpy())
        finished.append(path)

    for path, module in network.named_modules():
        if path:
            module.register_forward_hook(lambda _module, _inputs, output, path=path: save_output(path, output))
    images, labels = tensors_of(TENSOR_BATCH)
    loss = nn.CrossEntropyLoss()(network(images), labels)
    loss.backward()
    for order, (name, parameter) in enumerate(network.named_parameters()):
        np.save(gradients / f"{order:04d}_{name}.npy", sampled_gradient(parameter.grad.numpy()))
    return {"loss": loss.item()}
