"""Opdebug files: packed here by the vendor's layout tables, and samples whose JSON the vendor's own tool wrote."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.errors import UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.overflow_debug import overflow_file_name, read_overflow_file, status_meaning
from profkit.progress import silent

TIME = 1_700_000_000_000_000
NAME = f"Opdebug.Node_OpDebug.1.9.{TIME}"
MAGIC = 0x5A5A5A5A


def old_layout(
    *, ai_core: tuple[int, ...] = (0,) * 6, status: int = 0, l2: int = 0, dha: int = 0, block: int = 0
) -> bytes:
    """Pack the 2048 bytes: numbers of three units, then their status."""
    content = bytearray(2048)
    struct.pack_into("<6Q", content, 256, *ai_core)
    struct.pack_into("<Q", content, 512, dha)
    struct.pack_into("<Q", content, 768, l2)
    struct.pack_into("<3Q", content, 1024, 0x12, block, status)
    return bytes(content)


def new_layout(kind: int, *words: int, version: int = 0, length: int | None = None) -> bytes:
    data = struct.pack(f"<{len(words)}Q", *words)
    return struct.pack("<6I", MAGIC, version, 1, kind, 0, len(data) if length is None else length) + data


def write(folder: Path, content: bytes, name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def save(folder: Path, op: str, task: int, stream: int, time: int = TIME) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"Mul.{op}.{task}.{stream}.{time}.output.0.ND.npy", np.ones(1, np.float32))


def read(path: Path) -> Parsed:
    assert MindSporeDump().sniff(path) is not None
    return MindSporeDump().read(path, silent)


def records(path: Path) -> pd.DataFrame:
    return read(path).frames["overflow_records"]


def test_old_layout_gives_the_units_that_overflowed(tmp_path: Path) -> None:
    write(tmp_path, old_layout(ai_core=(514, 7, 12, 0, 0xABC, 0xDEF), status=0x110, block=3, dha=2))
    frame = records(tmp_path)
    assert frame["core"].tolist() == ["DHA Atomic Add", "AI Core"]
    row = frame.iloc[1]
    assert (row["model_id"], row["device_stream"], row["task"], row["block_id"]) == (514, 7, 12, 3)
    assert (row["status"], row["pc_start"], row["time_ns"]) == ("0x110", "0xabc", TIME * 1_000)
    assert row["meaning"].split(";") == [
        "integer addition, subtraction, multiplication or multiply-add overflowed",
        "float32 or int32 converted to float16 overflowed",
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_new_layout_of_the_cores(kind: int, tmp_path: Path) -> None:
    write(tmp_path, new_layout(kind, 21, 3, 14, 0, 65535, 8, 0x10, 0x20, 5, 2, 0x20))
    row = records(tmp_path).iloc[0]
    assert (row["core"], row["task"], row["device_stream"]) == (("AIC", "AIV")[kind], 14, 3)
    assert (row["core_id"], row["block_id"], row["thread"]) == (5, 2, 8)
    assert pd.isna(row["context"])
    assert row["meaning"] == "floating-point overflow"


def test_new_layout_of_version_1_has_four_status_words(tmp_path: Path) -> None:
    write(tmp_path, new_layout(1, 21, 3, 14, 0, 1, 2, 0, 0, 5, 2, 0x8, 0, 0, 1, version=1))
    row = records(tmp_path).iloc[0]
    assert row["status"] == "0x8;0x0;0x0;0x1"
    assert row["meaning"] == "negation of the smallest signed integer;further status words are set: not documented"


def test_new_layout_of_other_units(tmp_path: Path) -> None:
    for name, content in {
        f"Opdebug.Node_OpDebug.1.9.{TIME}": new_layout(2, 1, 2, 3, 0, 4, 5, 6, 1),
        f"Opdebug.Node_OpDebug.1.9.{TIME + 1}": new_layout(3, 1, 2, 3, 0, 4, 6, 0xA, 0xB, 7, 1),
    }.items():
        write(tmp_path, content, name)
    frame = records(tmp_path)
    assert frame[["core", "task", "device_stream", "context", "thread", "meaning"]].to_numpy().tolist() == [
        ["AICPU", 3, 2, 4, 6, "overflow"],
        ["SDMA", 3, 2, 4, 6, "overflow"],
    ]


def test_bits_nobody_documents_are_named() -> None:
    assert status_meaning("AI Core", (0x1001,)) == "0x1001: not documented"
    every = status_meaning("AIV", (0x8 | 0x10 | 0x20 | 0x80 | 0x100 | 0x400,))
    assert len(every.split(";")) == 6
    assert "not documented" not in every


@pytest.mark.parametrize("form", ["old", "new"])
def test_the_vendors_json_of_the_same_record_says_the_same(form: str, tmp_path: Path) -> None:
    binary: bytes
    unit: dict[str, Any] = {"model_id": 514, "stream_id": 7, "task_id": 12, "task_type": 0, "pc_start": "0xabc"}
    if form == "old":
        binary = old_layout(ai_core=(514, 7, 12, 0, 0xABC, 0), status=32)
        text: dict[str, Any] = {
            "AI Core": {**unit, "para_base": "0x0", "kernel_code": "0x12", "block_idx": 0, "status": 32}
        }
    else:
        binary = new_layout(1, 514, 7, 12, 0, 65535, 65535, 0xABC, 0, 5, 0, 32)
        data = {**unit, "context_id": 65535, "thread_id": 65535, "core_id": 5, "block_id": 0, "status": 32}
        text = {"magic": "0x5a5a5a5a", "version": 0, "acc_list": {"valid": 1, "acc_type": "AIV", "data": data}}
    write(tmp_path / "binary", binary)
    write(tmp_path / "text", json.dumps(text).encode(), NAME + ".output.0.json")
    one, other = (records(tmp_path / name).drop(columns=["path", "source"]) for name in ("binary", "text"))
    pd.testing.assert_frame_equal(one, other)


def test_samples_say_what_the_vendors_tool_says_of_them(shared: Path) -> None:
    folder = shared / "samples/dump/synthetic"
    answers = sorted(folder.glob("Opdebug*.json"))
    assert len(answers) == 2
    for answer in answers:
        (binary,) = read_overflow_file(answer.with_name(answer.name.removesuffix(".output.0.json")))
        (text,) = read_overflow_file(answer)
        assert (binary.core, binary.status) == (text.core, text.status)
        assert dict(binary.numbers) == dict(text.numbers)
    frame = records(folder)
    assert frame["op"].tolist() == ["Default_network-Net_Mul-op3", "Default_Cast-op9"]
    assert frame["joined_by"].tolist() == ["record", "record"]


def test_a_record_of_two_forms_is_one(tmp_path: Path) -> None:
    write(tmp_path, old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32))
    write(
        tmp_path,
        json.dumps({"AI Core": {"task_id": 12, "stream_id": 7, "status": 32}}).encode(),
        NAME + ".output.0.json",
    )
    assert len(records(tmp_path)) == 1


def test_numbers_in_the_record_come_before_those_of_the_file_name(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "3"
    write(folder, old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32))
    save(folder, "Default_inside-op1", 12, 7)
    save(folder, "Default_named-op2", 1, 9)
    row = records(tmp_path).iloc[0]
    assert (row["op"], row["op_type"], row["joined_by"]) == ("Default_inside-op1", "Mul", "record")
    assert (row["rank"], row["graph"], row["iteration"]) == (0, 0, 3)


def test_numbers_of_the_file_name_are_the_second_choice_and_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "3"
    write(folder, old_layout(ai_core=(0, 70, 120, 0, 0, 0), status=32))
    save(folder, "Default_named-op2", 1, 9)
    row = records(tmp_path).iloc[0]
    assert (row["op"], row["joined_by"]) == ("Default_named-op2", "file_name")
    assert "file name" in row["reason"]


def test_no_operator_is_invented(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "3"
    write(folder, old_layout(ai_core=(0, 70, 120, 0, 0, 0), status=32))
    save(folder, "Default_other-op2", 4, 9)
    row = records(tmp_path).iloc[0]
    assert pd.isna(row["op"])
    assert pd.isna(row["joined_by"])
    assert row["reason"]


def test_task_0_of_every_operator_joins_nothing(tmp_path: Path) -> None:
    write(tmp_path, old_layout(status=32))
    save(tmp_path, "Default_a-op2", 0, 0)
    assert records(tmp_path)["op"].isna().all()


def test_the_earliest_of_several_is_taken_and_the_others_named(tmp_path: Path) -> None:
    write(tmp_path, old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32))
    save(tmp_path, "Default_late-op1", 12, 7, TIME + 5)
    save(tmp_path, "Default_early-op2", 12, 7, TIME - 5)
    row = records(tmp_path).iloc[0]
    assert row["op"] == "Default_early-op2"
    assert "Default_late-op1" in row["reason"]


def test_context_and_thread_choose_among_operators(tmp_path: Path) -> None:
    write(tmp_path, new_layout(0, 1, 7, 12, 0, 4, 2, 0, 0, 0, 0, 0x20))
    for thread in (1, 2):
        name = f"Mul.Default_thread{thread}-op0.12.7.{TIME}.0.4.{thread}.output.0.ND.npy"
        np.save(tmp_path / name, np.ones(1, np.float32))
    row = records(tmp_path).iloc[0]
    assert (row["op"], row["context"], row["thread"]) == ("Default_thread2-op0", 4, 2)


def test_debug_files_are_joined_to_tensors_of_their_iteration(tmp_path: Path) -> None:
    rank = tmp_path / "rank_1"
    write(rank / "debug_files" / "4", old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32))
    for iteration in (3, 4):
        save(rank / "Net" / "2" / str(iteration), f"Default_at{iteration}-op0", 12, 7, TIME + iteration)
    row = records(tmp_path).iloc[0]
    assert (row["op"], row["rank"], row["graph"], row["iteration"]) == ("Default_at4-op0", 1, 2, 4)


def test_a_record_kept_as_npy(tmp_path: Path) -> None:
    content = old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32)
    np.save(tmp_path / f"{NAME}.output.0.ND.UINT8.npy", np.frombuffer(content, np.uint8))
    frame = records(tmp_path)
    assert (frame["task"].tolist(), frame["status"].tolist()) == ([12], ["0x20"])


def test_a_status_of_0_is_no_overflow_and_said_so(tmp_path: Path) -> None:
    write(tmp_path, old_layout())
    parsed = read(tmp_path)
    assert parsed.frames["overflow_records"].empty
    assert "no overflow" in parsed.issues[0].text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (NAME, b""),
        (NAME, b"\0" * 2047),
        (NAME, b"\0" * 2049),
        (NAME, struct.pack("<I", MAGIC)),
        (NAME, new_layout(9, 1, 2, 3)),
        (NAME, new_layout(0, 1, 2, 3)),
        (NAME, new_layout(0, *range(1, 12), length=0)),
        (NAME, new_layout(0, *range(1, 12), version=1)),
        (NAME + ".output.0.json", b""),
        (NAME + ".output.0.json", b"[" * 100_000),
        (NAME + ".output.0.json", b'{"AI Core": 3}'),
        (NAME + ".output.0.json", b'{"AI Core": {"status": "many"}}'),
        (NAME + ".output.0.json", b'{"acc_list": [1, {"data": {"status": true}}]}'),
    ],
)
def test_records_that_cannot_be_are_refused_in_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, content, name)
    with pytest.raises(UnreadableInputError) as caught:
        read_overflow_file(path)
    assert "\n" not in caught.value.message
    parsed = read(tmp_path)
    assert parsed.frames["overflow_records"].empty
    assert str(path) in {issue.source for issue in parsed.issues}


def test_numbers_with_all_bits_set_are_no_numbers(tmp_path: Path) -> None:
    write(tmp_path, new_layout(0, *[2**64 - 1] * 10, 0x20))
    row = records(tmp_path).iloc[0]
    assert row[["model_id", "task", "device_stream", "core_id"]].isna().all()


def test_a_length_that_leads_nowhere_ends_the_reading(tmp_path: Path) -> None:
    content = new_layout(0, *range(1, 12)) + struct.pack("<4I", 0, 0, 0, 0xFFFFFFFF) + b"\0" * 64
    write(tmp_path, content)
    assert len(records(tmp_path)) == 1


@pytest.mark.parametrize(
    "name", ["Opdebug.Node_OpDebug.1.x.123", "Opdebug.1700000000000000", "Mul.Default_Mul.1.9.1700000000000000"]
)
def test_other_names_are_none_of_records(name: str) -> None:
    assert overflow_file_name(name) is None


@pytest.mark.exhaustive
def test_a_record_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for whole in (old_layout(ai_core=(0, 7, 12, 0, 0, 0), status=32), new_layout(0, *range(1, 12))):
        for end in range(len(whole)):
            path = write(tmp_path, whole[:end])
            with pytest.raises(UnreadableInputError):
                read_overflow_file(path)
