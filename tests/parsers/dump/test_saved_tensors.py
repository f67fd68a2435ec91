from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.errors import Severity, UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.dump.saved_tensors import SavedTensors
from profkit.parsers.dump.tensor_names import saved_name
from profkit.progress import silent


def save(path: Path, array: object = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(array, dtype=np.float32))


def read(path: Path) -> Parsed:
    assert SavedTensors().sniff(path) is not None
    return SavedTensors().read(path, silent)


def tensors(path: Path) -> pd.DataFrame:
    return read(path).frames["tensors"]


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("0013_blocks.1.norm2.npy", ("blocks.1.norm2", 13, False)),
        ("4_d.b.0.npy", ("d.b.0", 4, False)),
        ("lst.0_float32_2.npy", ("lst.0", 2, False)),
        ("g_backward_float32_13.npy", ("g", 13, True)),
        ("8_g_backward.npy", ("g", 8, True)),
        ("2_bfloat16_3.npy", ("2", 3, False)),
        ("layer_2.npy", ("layer_2", None, False)),
        ("x_float8_2.npy", ("x_float8_2", None, False)),
        ("backward.npy", ("backward", None, False)),
        ("_backward.npy", ("_backward", None, False)),
        ("conv1.weight.npy", ("conv1.weight", None, False)),
        (".npy", ("", None, False)),
        ("7.npy", ("7", None, False)),
    ],
)
def test_names_of_every_scheme(file_name: str, expected: tuple[str, int | None, bool]) -> None:
    assert tuple(saved_name(file_name)) == expected


def test_both_frameworks_schemes_give_the_same_names_in_the_same_order(tmp_path: Path) -> None:
    for number, name in enumerate(["stem", "blocks.10.fc", "blocks.2.fc"]):
        save(tmp_path / "pt" / f"{number}_{name}.npy")
        save(tmp_path / "ms" / f"{name}_float32_{number}.npy")
        save(tmp_path / "own" / f"{number:04d}_{name}.npy")
    for folder in ("pt", "ms", "own"):
        assert tensors(tmp_path / folder)["op"].tolist() == ["stem", "blocks.10.fc", "blocks.2.fc"]
        assert tensors(tmp_path / folder)["order"].tolist() == [0, 1, 2]


def test_plain_names_sort_by_their_numbers(tmp_path: Path) -> None:
    for name in ("layer10", "layer9", "layer9b", "9"):
        save(tmp_path / f"{name}.npy")
    frame = tensors(tmp_path)
    assert frame["op"].tolist() == ["9", "layer9", "layer9b", "layer10"]
    assert frame["order"].isna().all()


def test_directories_tell_io_iteration_and_rank(tmp_path: Path) -> None:
    save(tmp_path / "rank_1" / "step2" / "outputs" / "fc.npy")
    save(tmp_path / "rank_1" / "step2" / "grads" / "fc.weight.npy")
    save(tmp_path / "rank_1" / "step10" / "branch" / "fc.npy")
    frame = tensors(tmp_path).set_index("op")
    assert frame.loc["fc", ["io", "iteration", "rank"]].tolist() == ["output", 2, 1]
    assert frame.loc["fc.weight", "io"] == "gradient"
    assert frame.loc["branch/fc", "iteration"] == 10
    assert read(tmp_path).rank == 1


def test_a_directory_named_grads_or_a_file_in_it_holds_gradients(tmp_path: Path) -> None:
    save(tmp_path / "gradients" / "0_w.npy")
    assert tensors(tmp_path / "gradients")["io"].tolist() == ["gradient"]
    assert tensors(tmp_path / "gradients" / "0_w.npy")[["op", "io"]].to_numpy().tolist() == [["w", "gradient"]]


def test_headers_give_dtype_and_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "0_a.npy", np.zeros((2, 0, 3), dtype=np.int16))
    np.save(tmp_path / "1_b.npy", np.float64(3))
    frame = tensors(tmp_path)
    assert frame["dtype"].tolist() == ["int16", "float64"]
    assert frame["shape"].tolist() == ["2,0,3", ""]
    assert frame["size_bytes"].tolist() == [0, 8]


def test_a_bad_file_is_a_row_without_dtype_and_an_issue(tmp_path: Path) -> None:
    save(tmp_path / "0_good.npy")
    np.save(tmp_path / "1_objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "2_empty.npy").touch()
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["dtype"].isna().tolist() == [False, True, True]
    assert [issue.severity for issue in parsed.issues] == [Severity.ERROR] * 2
    assert {Path(issue.source).name for issue in parsed.issues} == {"1_objects.npy", "2_empty.npy"}


def test_a_single_bad_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no array")
    with pytest.raises(UnreadableInputError):
        read(tmp_path / "a.npy")


def test_names_with_odd_and_control_characters(tmp_path: Path) -> None:
    save(tmp_path / "0_w\x1b[31m\n é '\".npy")
    assert tensors(tmp_path)["op"].tolist() == ["w\x1b[31m\n é '\""]


def test_a_name_that_is_no_text_is_an_issue(tmp_path: Path) -> None:
    save(tmp_path / "good.npy")
    (tmp_path / os.fsdecode(b"bad\xff.npy")).write_bytes((tmp_path / "good.npy").read_bytes())
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["op"].tolist() == ["good"]
    assert "no valid text" in parsed.issues[0].text
    assert parsed.issues[0].source.isprintable()


def test_links_that_leave_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    save(outside / "secret.npy")
    save(inside / "own.npy")
    (inside / "folder").symlink_to(outside)
    (inside / "file.npy").symlink_to(outside / "secret.npy")
    (inside / "again.npy").symlink_to(inside / "own.npy")
    (inside / "round").symlink_to(inside / "round")
    parsed = read(inside)
    assert parsed.frames["tensors"]["op"].tolist() == ["again", "own"]
    lost = {Path(issue.source).name for issue in parsed.issues if issue.severity is Severity.DATA_LOSS}
    assert lost == {"folder", "file.npy"}


def test_what_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").touch()
    save(tmp_path / "mixed" / "below" / "a.npy")
    (tmp_path / "mixed" / "trace.json").touch()
    for path in (tmp_path / "empty", tmp_path / "text.txt", tmp_path / "mixed", tmp_path / "absent"):
        assert SavedTensors().sniff(path) is None
    assert SavedTensors().sniff(tmp_path / "mixed" / "below") is not None


def test_files_beside_the_tensors_are_told(tmp_path: Path) -> None:
    save(tmp_path / "a.npy")
    (tmp_path / "trace.json").touch()
    (tmp_path / "notes.txt").touch()
    parsed = read(tmp_path)
    assert [issue.text for issue in parsed.issues] == [
        "1 files beside the tensors are of other kinds and were not read"
    ]


@pytest.mark.parametrize("net", ["vit", "resnet", "lstm_text"])
def test_recorded_parity_directories_of_both_schemes_agree(shared: Path, net: str) -> None:
    folder = shared / "bench" / "alignment" / net / "parity"
    torch_side, other_side = tensors(folder / "pt_ts"), tensors(folder / "case3")
    for io in ("output", "gradient"):
        a, b = torch_side[torch_side["io"] == io], other_side[other_side["io"] == io]
        assert len(a) == len(b) > 0
        assert a["order"].tolist() == b["order"].tolist()
        if io == "output":
            assert a["op"].tolist() == b["op"].tolist()


def test_saves_of_the_real_tools(shared: Path) -> None:
    ms = tensors(shared / "samples/dump/ts/ms")
    assert ms["op"].tolist() == [
        "x", "x", "lst.0", "lst.1", "d.a", "d.b.0", "d.b.1", "suf_fwd", "f16", "bf16", "i", "b", "s", "g",
    ]  # fmt: skip
    assert ms["order"].tolist() == list(range(14))
    assert ms["io"].tolist() == ["output"] * 13 + ["gradient"]
