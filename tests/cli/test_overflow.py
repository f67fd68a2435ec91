"""`profkit overflow` as a user runs it, on the bundled dumps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_origin_is_shown_and_fails_a_check(profkit: Command, samples: Path) -> None:
    done = profkit("overflow", samples / "vit/mindspore_nan/dump", "--fail-on", "overflow")
    assert done.returncode == 1
    assert done.stdout.startswith("ORIGIN  Div-op0 of blocks.1.norm2\n")
    assert "of input 1 are 0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "1 origin(s) among" in done.stderr


def test_machine_formats_hold_every_row(profkit: Command, samples: Path) -> None:
    rows = json.loads(profkit("overflow", samples / "vit/mindspore_nan/dump", "--format", "json").stdout)
    assert sum(row["primary"] for row in rows) == 1
    assert len(rows) > 40
    chain = sorted(row["chain"] for row in rows if row["chain"] is not None)
    assert chain == list(range(len(chain)))
    assert len(chain) > 5


def test_a_clean_dump_passes(profkit: Command, samples: Path) -> None:
    done = profkit("overflow", samples / "vit/mindspore_clean/dump", "--fail-on", "overflow")
    assert (done.returncode, done.stdout) == (0, "no NaN, Inf or saturated value\n")
