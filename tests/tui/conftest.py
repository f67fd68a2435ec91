"""A synthetic session that has something to show in every view, and ways to run the app on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from textual.pilot import Pilot

from profkit.progress import Progress
from profkit.schema import (
    ALIGNMENT,
    BRIDGE,
    BRIDGE_ROWS,
    FINDINGS,
    ISSUES,
    OPERATORS,
    OVERFLOW,
    PARITY,
    SESSION_BREAKDOWN,
    SESSION_STEPS,
    SOURCES,
)
from profkit.session import Session
from profkit.session_resources import SESSION_COMMUNICATION, SESSION_MEMORY, SESSION_MEMORY_CURVE
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.view_screen import ViewScreen

MakeOperators = Callable[..., pd.DataFrame]
RunApp = Callable[..., AbstractAsyncContextManager[Pilot[None]]]

_BLOCK = (
    ("aten::conv2d", "patch_embed.proj", "conv", 2_400_000, 2_500_000),
    ("aten::layer_norm", "blocks.0.norm1", "norm", 310_000, 330_000),
    ("aten::addmm", "blocks.0.attn.qkv", "matmul", 1_900_000, 2_000_000),
    ("aten::softmax", "blocks.0.attn.softmax", "softmax", 220_000, 1_980_000),
    ("aten::addmm", "blocks.0.attn.proj", "matmul", 700_000, 720_000),
    ("aten::gelu", "blocks.0.mlp.act", "gelu", 450_000, 3_150_000),
    ("aten::addmm", "blocks.0.mlp.fc2", "matmul", 2_100_000, 2_000_000),
    ("aten::cross_entropy_loss", "loss", "loss", 120_000, 900_000),
)


def _operators(**changed: Any) -> pd.DataFrame:
    """Eight synthetic operators, columns replaced by what is given."""
    names, modules, classes, ref, run = map(list, zip(*_BLOCK, strict=True))
    columns: dict[str, Any] = {
        "unit": np.arange(8),
        "operator": names,
        "module": modules,
        "phase": ["forward"] * 8,
        "op_class": classes,
        "ref_ops": names,
        "run_ops": [name.removeprefix("aten::").title() for name in names],
        "ref_ns": ref,
        "run_ns": run,
        "ratio": np.asarray(run) / np.asarray(ref),
        "impact_ns": np.asarray(run) - np.asarray(ref),
        "flag": [None, None, None, "slow", None, "slow", None, "extra_op"],
        "parity": ["match", "match", "match", "match", "match", "mismatch", "mismatch", None],
        "max_abs": [1.2e-7, 2.4e-7, 1e-6, 1e-6, 2e-6, 0.0123, 0.02, np.nan],
        "overflow": [None, None, None, "origin", "carrier", None, None, None],
        "confidence": [0.95] * 8,
        "steps": [3] * 8,
        "reason": ["same module, class and order"] * 8,
    }
    return OPERATORS.build({**columns, **changed})


def _session() -> Session:
    findings = FINDINGS.build(
        {
            "rank": [1, 2, 3],
            "kind": ["overflow", "slow", "parity"],
            "module": ["blocks.0.attn.softmax", "blocks.0.mlp.act", None],
            "op": ["aten::softmax", "aten::gelu", None],
            "impact_ns": pd.array([None, 2_700_000, None], dtype="Int64"),
            "ratio": [np.nan, 7.0, np.nan],
            "confidence": [0.9, 0.95, 0.5],
            "groups": [[3], [105, 205], []],
            "evidence": ["the first NaN of iteration 0", "7.0x in 3 of 3 steps", "nothing in particular"],
            "advice": ["Mask with a finite number.", "Set approximate to match.", "Look at the dtype."],
        }
    )
    return Session(
        title="synthetic ViT, PyTorch against MindSpore",
        created="2026-01-02T03:04:05Z",
        inputs={"ref": "torch_run", "run": "mindspore_run"},
        operators=_operators(),
        alignment=_alignment(),
        bridge=_bridge(),
        bridge_rows=_bridge_rows(),
        breakdown=_breakdown(),
        sides=("pt", "ms"),
        parity=_parity(),
        overflow=_overflow(),
        findings=findings,
        steps=_steps(),
        memory=_memory(),
        memory_curve=_memory_curve(),
        communication=_communication(),
        sources=_sources(),
        issues=_issues(),
        not_judged=("Gradients were not dumped on either side.",),
    )


def _alignment() -> pd.DataFrame:
    """Two steps; each side runs its operators one after the other in one lane, the last of the run is unmatched."""
    rows: list[dict[str, Any]] = []
    for step in (1, 2):
        clock = {"pt": step * 100_000_000, "ms": step * 100_000_000 + 7}
        for unit, (name, module, op_class, ref, run) in enumerate(_BLOCK):
            for side, dur in (("pt", ref), ("ms", run)):
                alone = unit == 7 and side == "ms"
                rows.append(
                    {
                        "group": -1 if alone else 100 * step + unit,
                        "unit": -1 if alone else unit,
                        "side": side,
                        "rank": 0,
                        "step": step,
                        "start_ns": clock[side],
                        "dur_ns": dur,
                        "name": name if side == "pt" else name.removeprefix("aten::").title(),
                        "op_class": op_class,
                        "module": module,
                        "phase": "forward",
                        "reason": "same module, class and order",
                        "confidence": 0.95,
                        "candidates": -1,
                        "row": len(rows),
                        "lane": "main" if side == "pt" else "stream 3",
                    }
                )
                clock[side] += dur + 10_000
    return ALIGNMENT.from_rows(rows)


def _bridge() -> pd.DataFrame:
    """Each operator's time, and 340 us less of idle time in the run: 8.2 ms and 340 us become 13.58 ms."""
    names, modules, classes, ref, run = map(list, zip(*_BLOCK, strict=True))
    delta = [*(theirs - ours for ours, theirs in zip(ref, run, strict=True)), -340_000]
    return BRIDGE.build(
        {
            "part": [*("slower" if change > 0 else "faster" for change in delta[:-1]), "host_gap"],
            "op_class": [*classes, None],
            "module": [*modules, None],
            "phase": ["forward"] * 9,
            "operator": [*names, "idle"],
            "unit": [*range(8), -1],
            "ref_ns": [*ref, 340_000],
            "run_ns": [*run, 0],
            "delta_ns": delta,
            "percent": np.asarray(delta) / 85_400,
            "ref_rows": [1] * 9,
            "run_rows": [1] * 9,
            "reason": ["the work of both sides"] * 8 + ["nothing ran"],
        }
    )


def _bridge_rows() -> pd.DataFrame:
    rows = [(row, side) for row in range(9) for side in ("ref", "run")]
    return BRIDGE_ROWS.build(
        {
            "bridge": [row for row, _ in rows],
            "side": [side for _, side in rows],
            "rank": 0,
            "step": [1 if side == "ref" else 2 for _, side in rows],
            "row": range(18),
            "ns": 1,
        }
    )


def _breakdown() -> pd.DataFrame:
    return SESSION_BREAKDOWN.build(
        {
            "side": ["ref", "run", "run"],
            "rank": [0, 0, 0],
            "span": ["step", "step", "step"],
            "step": [1, 1, 2],
            "level": ["host", "device", "device"],
            "dur_ns": pd.array([8_540_000, 14_000_000, 13_580_000], dtype="Int64"),
            "busy_ns": pd.array([8_200_000, 13_000_000, 13_100_000], dtype="Int64"),
            "computing_ns": pd.array([None, 1, 12_000_000], dtype="Int64"),
            "communication_ns": pd.array([None, 1, 2_000_000], dtype="Int64"),
            "overlapped_ns": pd.array([None, 0, 900_000], dtype="Int64"),
            "free_ns": pd.array([None, 1, 480_000], dtype="Int64"),
        }
    )


def _parity() -> pd.DataFrame:
    modules = [module for _, module, *_ in _BLOCK[:7]]
    return PARITY.build(
        {
            "name_a": pd.array([*modules, None], dtype="string"),
            "name_b": pd.array([*modules, "head.extra"], dtype="string"),
            "status": ["match"] * 5 + ["mismatch"] * 2 + ["missing_a"],
            "max_abs": [1.2e-7, 2.4e-7, 1e-6, 1e-6, 2e-6, 0.0123, 0.02, np.nan],
            "cosine": [1.0] * 5 + [0.9987, 0.9981, np.nan],
            "first_divergence": [False] * 5 + [True, False, False],
            "module": [*modules, None],
            "reason": ["within tolerance"] * 5 + ["beyond rounding"] * 2 + ["no partner"],
        }
    )


def _overflow() -> pd.DataFrame:
    return OVERFLOW.build(
        {
            "iteration": [0, 0, 0],
            "order": [11, 12, 13],
            "op": ["Mask", "Softmax", "MatMul"],
            "role": ["masked", "origin", "carrier"],
            "nan": [0, 64, 4096],
            "neg_inf": [128, 0, 0],
            "reason": ["-inf by intent", "finite inputs, NaN outputs", "NaN among its inputs"],
            "module": ["blocks.0.attn.mask", "blocks.0.attn.softmax", "blocks.0.attn.proj"],
            "rank": [0, 0, 0],
            "primary": [False, True, False],
        }
    )


def _steps() -> pd.DataFrame:
    return SESSION_STEPS.build(
        {
            "side": ["ref", "run"],
            "rank": [0, 0],
            "step": [1, 1],
            "dur_ns": pd.array([8_200_000, 13_580_000], dtype="Int64"),
            "how": ["recorded", "recorded"],
            "source": ["trace.json", "trace_view.json"],
        }
    )


def _memory() -> pd.DataFrame:
    return SESSION_MEMORY.build(
        {
            "side": ["run", "run"],
            "rank": [0, 0],
            "component": ["APP", "GE"],
            "samples": [40, 2],
            "peak_allocated_bytes": pd.array([3 << 30, 5 << 20], dtype="Int64"),
            "peak_reserved_bytes": pd.array([4 << 30, None], dtype="Int64"),
        }
    )


def _memory_curve() -> pd.DataFrame:
    """The first half of the time nothing, then a peak, then half of it."""
    return SESSION_MEMORY_CURVE.build(
        {
            "side": ["run"] * 3,
            "rank": [0] * 3,
            "component": ["APP"] * 3,
            "window": [0, 256, 300],
            "time_ns": [0, 2_560, 3_000],
            "held_bytes": pd.array([0, 3 << 30, 3 << 29], dtype="Int64"),
        }
    )


def _communication() -> pd.DataFrame:
    return SESSION_COMMUNICATION.build(
        {
            "side": ["run"],
            "rank": [0],
            "name": ["hcom_allReduce__170_0_1"],
            "operation": ["allReduce"],
            "kind": ["collective"],
            "count": [3],
            "total_ns": pd.array([6_000_000], dtype="Int64"),
            "wait_ns": pd.array([1_000_000], dtype="Int64"),
            "size_bytes": pd.array([8 << 20], dtype="Int64"),
            "bandwidth_gb_s": [(8 << 20) / 5e6],
        }
    )


def _sources() -> pd.DataFrame:
    return SOURCES.build(
        {
            "side": ["ref", "run"],
            "path": ["torch_run/trace.json", "mindspore_run/trace_view.json"],
            "format": ["kineto-trace", "ascend-trace"],
            "version": ["2.13.0", None],
            "framework": ["pytorch", "mindspore"],
            "rank": [0, 0],
            "steps": [3, 3],
            "rows": [24, 31],
            "issues": [2, 0],
            "reason": ["schemaVersion and traceEvents", "Ascend Hardware rows"],
        }
    )


def _issues() -> pd.DataFrame:
    return ISSUES.build(
        {
            "severity": ["info", "data_loss"],
            "source": ["torch_run/trace.json"] * 2,
            "where": ["line 3", "byte 1024"],
            "text": ["an unescaped quote was repaired", "the file is cut; the last event was dropped"],
        }
    )


@pytest.fixture
def make_operators() -> MakeOperators:
    return _operators


@pytest.fixture
def session() -> Session:
    return _session()


@pytest.fixture
def session_of() -> Callable[[pd.DataFrame], Session]:
    """The synthetic session with other operators."""
    return lambda operators: replace(_session(), operators=operators)


@pytest.fixture
def app(session: Session) -> ProfkitApp:
    return ProfkitApp(lambda progress: session, "synthetic", view="operators")


async def _settle(pilot: Pilot[None]) -> None:
    """Wait until every worker is done and what it told has been drawn."""
    for _ in range(2):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


@pytest.fixture
def settle() -> Callable[[Pilot[None]], Any]:
    return _settle


@pytest.fixture
def run_app() -> RunApp:
    """Run the app on a session until the view asked for is drawn; of an empty name, the one the app chooses."""

    @asynccontextmanager
    async def run(session: Session, size: tuple[int, int] = (120, 40), view: str = "operators") -> Any:
        def open_session(progress: Progress) -> Session:
            progress("reading", "synthetic", 0.5)
            return session

        app = ProfkitApp(open_session, "synthetic", open_paths=lambda ref, run, progress: session, view=view)
        async with app.run_test(size=size) as pilot:
            await _settle(pilot)
            assert isinstance(app.screen, ViewScreen)
            yield pilot

    return run
