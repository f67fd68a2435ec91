"""Archives of recordings as inputs of real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest


def profkit(*arguments: object, temporary: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "profkit", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
        check=False,
    )


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    for side in ("pt", "ms"):
        folder = tmp_path / side / "outputs"
        folder.mkdir(parents=True)
        for number, name in enumerate(("stem", "fc")):
            np.save(folder / f"{number}_{name}.npy", np.arange(6, dtype=np.float32) + (side == "ms" and name == "fc"))
    (tmp_path / "temporary").mkdir()
    return tmp_path


def test_compare_reads_archives_in_place(trees: Path) -> None:
    with tarfile.open(trees / "pt.tar.xz", "w:xz") as archive:
        archive.add(trees / "pt" / "outputs", "outputs")
    with zipfile.ZipFile(trees / "ms.zip", "w") as packed:
        for file in (trees / "ms" / "outputs").iterdir():
            packed.write(file, f"outputs/{file.name}")
    done = profkit("compare", trees / "pt.tar.xz", trees / "ms.zip", "--format", "json", temporary=trees / "temporary")
    assert done.returncode == 0, done.stderr
    plain = profkit("compare", trees / "pt", trees / "ms", "--format", "json", temporary=trees / "temporary")
    statuses = [[row["status"] for row in json.loads(one.stdout)] for one in (done, plain)]
    assert statuses == [["match", "mismatch"]] * 2
    assert f"{trees / 'pt.tar.xz'}: 2 files" in done.stderr
    assert not list((trees / "temporary").iterdir())


def test_a_hostile_archive_is_one_line_and_leaves_nothing(trees: Path) -> None:
    with tarfile.open(trees / "bad.tar.gz", "w:gz") as archive:
        archive.add(trees / "pt", "good")
        archive.add(trees / "pt" / "outputs" / "0_stem.npy", "../../escaped.npy")
    done = profkit("inspect", trees / "bad.tar.gz", temporary=trees / "temporary")
    assert done.returncode == 2
    assert "leads out of the archive" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((trees / "temporary").iterdir())
    assert not list(trees.rglob("escaped.npy"))


def test_the_limit_can_be_set(trees: Path) -> None:
    with tarfile.open(trees / "pt.tar", "w") as archive:
        archive.add(trees / "pt", "pt")
    for limit, words in (("100", "more than 100 bytes"), ("x", "no whole number")):
        done = profkit("inspect", trees / "pt.tar", temporary=trees / "temporary", PROFKIT_UNPACK_BYTES=limit)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.mark.parametrize("net", ["vit", "resnet", "lstm_text"])
def test_recorded_archives_of_dumps_are_hunted_in_place(shared: Path, tmp_path: Path, net: str) -> None:
    archive = shared / "bench" / "alignment" / net / "nan" / "nan1.tar.xz"
    done = profkit("overflow", archive, "--format", "json", temporary=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(row["primary"] for row in json.loads(done.stdout)) == 1
    assert not list(tmp_path.iterdir())
