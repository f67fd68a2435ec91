"""docs/migration-guide.md runs as it stands: every block in its order, in a process that has its framework alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.frameworks

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "migration-guide.md"
# What a block of each kind must be able to do without.
_ABSENT = {"torch": ("mindspore",), "mindspore": ("torch",), "anywhere": ("torch", "mindspore"), "both": ()}


class Block(NamedTuple):
    line: int
    kind: str
    code: str


def blocks() -> Iterator[Block]:
    text = GUIDE.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(text.count("\n", 0, match.start()) + 2, match[1], match[2])


def run(block: Block, folder: Path, depth: int) -> None:
    if block.kind.startswith("file="):
        (folder / block.kind.removeprefix("file=")).write_text(block.code, encoding="utf-8")
        return
    # Blank lines before it give each line its number in the guide.
    script = folder / "block.py"
    blocked = "import sys; sys.modules.update(dict.fromkeys(" + repr(_ABSENT[block.kind]) + ")); "
    script.write_text(blocked + "\n" * (block.line - 1) + block.code, encoding="utf-8")
    environment = {**os.environ, "VIT_DEPTH": str(depth)}
    done = subprocess.run(
        [sys.executable, script.name], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{GUIDE.name}:{block.line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_every_block_says_where_it_runs() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert len(list(blocks())) == text.count("\n```python") > 15
    assert {block.kind for block in blocks() if not block.kind.startswith("file=")} <= set(_ABSENT)


def test_the_guide_runs_as_written(tmp_path: Path) -> None:
    for block in blocks():
        run(block, tmp_path, depth=1)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_the_guide_runs_as_written_at_full_depth(tmp_path: Path) -> None:
    for block in blocks():
        run(block, tmp_path, depth=12)
