"""Records three networks twice each with torch.profiler, unchanged in between; run by test_clean_pairs.

Usage: clean_pairs_torch.py DIRECTORY
"""

import sys
from pathlib import Path

import torch
from torch import nn, profiler

torch.set_num_threads(1)
torch.manual_seed(0)


class Separable(nn.Module):
    """Depthwise and pointwise convolutions with a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.depthwise = nn.ModuleList([nn.Conv2d(16, 16, 3, padding=1, groups=16) for _ in range(3)])
        self.pointwise = nn.ModuleList([nn.Conv2d(16, 16, 1) for _ in range(3)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(16) for _ in range(3)])
        self.head = nn.Linear(16, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        for depthwise, pointwise, norm in zip(self.depthwise, self.pointwise, self.norms, strict=True):
            x = x + torch.relu(norm(pointwise(depthwise(x))))
        return self.head(x.mean((2, 3)))


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, activation="gelu", batch_first=True)
    return nn.Sequential(nn.Linear(24, 64), nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(64 * 12, 8))


def perceptron() -> nn.Module:
    return nn.Sequential(
        *[nn.Sequential(nn.Linear(256, 256), nn.LayerNorm(256), nn.GELU()) for _ in range(5)], nn.Linear(256, 8)
    )


NETWORKS = {
    "separable": (Separable, (8, 3, 24, 24)),
    "encoder": (encoder, (8, 12, 24)),
    "perceptron": (perceptron, (64, 256)),
}


def record(directory: Path, build, shape: tuple[int, ...]) -> None:
    network, inputs = build(), torch.randn(shape)
    labels = torch.randint(0, 8, (shape[0],))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    criterion = nn.CrossEntropyLoss()
    directory.mkdir(parents=True)
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        schedule=profiler.schedule(wait=1, warmup=2, active=6),
        record_shapes=True,
        with_stack=False,
        on_trace_ready=lambda done: done.export_chrome_trace(str(directory / "trace.json")),
    ) as recorder:
        for _ in range(9):
            optimizer.zero_grad()
            criterion(network(inputs), labels).backward()
            optimizer.step()
            recorder.step()


for name, (build, shape) in NETWORKS.items():
    for turn in ("first", "second"):
        record(Path(sys.argv[1]) / name / turn, build, shape)
