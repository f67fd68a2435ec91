"""A file that profkit does not read is named for what it is, with what to name instead."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from profkit.discovery import discover
from profkit.errors import UnknownFormatError


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("memory.raw.json.gz", gzip.compress(b"[[-1, 0, 4096, 3], [1, 1, 8, 2]]", mtime=0), "PyTorch memory timeline"),
        ("trace.json.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("trace.json", b" \n", "is empty"),
        ("trace.json.gz", gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0), "archive within an archive"),
        ("profiler_info_0.json", b"{}", "description of a profiling run"),
        ("minddata_pipeline_summary_0.csv", b"op_id,op_type\n", "dataset pipeline"),
        ("aicore_intermediate_0_type.csv", b"kernel_type,total_time\n", "no executions of its own"),
        ("Framework.task_desc_info.6.slice_0", b"\x00\x01", "before analysis"),
        ("notes.txt", b"hello", r"\(5 bytes\) is of no format"),
    ],
)
def test_an_unread_file_is_named_for_what_it_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError, match=words) as refusal:
        discover(path)
    assert str(path) in refusal.value.message
    assert refusal.value.hint
