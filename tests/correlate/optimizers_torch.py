"""Records one small network with PyTorch optimizers in all their forms: python optimizers_torch.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn, profiler

FORMS = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def record(directory: Path, *, groups: bool, clip: bool, **form: bool) -> None:
    network = nn.Sequential(
        nn.Linear(24, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 8)
    )
    decayed = [one for one in network.parameters() if one.ndim > 1]
    others = [one for one in network.parameters() if one.ndim == 1]
    given = [{"params": decayed}, {"params": others, "weight_decay": 0.0}] if groups else network.parameters()
    optimizer = torch.optim.AdamW(given, lr=1e-3, weight_decay=0.01, **form)
    criterion, inputs, labels = nn.CrossEntropyLoss(), torch.randn(16, 24), torch.randint(0, 8, (16,))
    directory.mkdir(parents=True)
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        schedule=profiler.schedule(wait=1, warmup=1, active=3),
        record_shapes=True,
        on_trace_ready=lambda done: done.export_chrome_trace(str(directory / "trace.json")),
    ) as recorder:
        for _ in range(5):
            optimizer.zero_grad()
            criterion(network(inputs), labels).backward()
            if clip:
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            recorder.step()


for name, form in FORMS.items():
    for groups in (False, True):
        for clip in (False, True):
            folder = Path(sys.argv[1]) / f"{name}{'_groups' if groups else ''}{'_clip' if clip else ''}"
            record(folder, groups=groups, clip=clip, **form)
