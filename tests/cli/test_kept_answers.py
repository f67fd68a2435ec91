"""Asked again, a command answers as it did the first time; another question, or other bytes, get another answer."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TRACE = SAMPLES / "vit/pytorch/profile/trace.json.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROFKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def answers(cache: Path) -> list[Path]:
    return sorted(cache.glob("frames-*/*/answer"))


@pytest.mark.parametrize(
    "options", [[], ["--by", "module", "--phase", "backward"], ["--format", "json"], ["--fail-on", "issues"]]
)
def test_asked_again_it_answers_the_same(options: list[str], profkit: Command, cache: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_bytes(gzip.decompress(TRACE.read_bytes())[:-400_000])
    uncached = profkit("ops", cut, "--no-cache", *options)
    first, again = profkit("ops", cut, *options), profkit("ops", cut, *options)
    assert len(answers(cache)) == 1
    assert uncached.stdout
    assert "import issue" in uncached.stderr
    for run in (first, again):
        assert (run.stdout, run.stderr, run.returncode) == (uncached.stdout, uncached.stderr, uncached.returncode)


def test_another_question_has_its_own_answer(profkit: Command, cache: Path) -> None:
    texts = {profkit("ops", TRACE, "--by", by).stdout for by in ("name", "op_class", "name", "shape")}
    assert len(texts) == len(answers(cache)) == 3


def test_a_file_gets_the_same_bytes_as_the_first_time(profkit: Command, tmp_path: Path) -> None:
    for name in ("first.parquet", "again.parquet"):
        done = profkit("ops", TRACE, "-o", tmp_path / name)
        assert f"written to {tmp_path / name}" in done.stderr
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_other_bytes_are_another_question(profkit: Command, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    content = json.loads(gzip.decompress(TRACE.read_bytes()))
    trace.write_text(json.dumps(content))
    before = profkit("ops", trace).stdout
    named = next(event for event in content["traceEvents"] if event.get("cat") == "cpu_op")
    named["name"] = "aten::another"
    trace.write_text(json.dumps(content))
    after = profkit("ops", trace).stdout
    assert "aten::another" not in before
    assert "aten::another" in after


@pytest.mark.parametrize("damage", [b"", b"other"])
def test_a_damaged_answer_is_not_given(damage: bytes, profkit: Command, cache: Path) -> None:
    first = profkit("ops", TRACE)
    [answer] = answers(cache)
    answer.write_bytes(damage)
    assert profkit("ops", TRACE).stdout == first.stdout
    assert answers(cache)[0].read_bytes() == first.stdout.encode()


def test_the_cache_tells_of_answers_and_removes_them(profkit: Command, cache: Path) -> None:
    profkit("ops", TRACE)
    assert "answer" in profkit("cache", "info").stdout
    profkit("cache", "clear")
    assert not answers(cache)
