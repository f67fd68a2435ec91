"""Names and values of the files that `save` writes, without a framework."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import profkit as ts
from profkit.errors import ProfkitError
from profkit.parsers.dump.tensor_names import saved_name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_numbered_in_the_order_of_the_saves_of_their_directory(tmp_path: Path) -> None:
    ts.save(str(tmp_path / "pt/images.npy"), np.zeros(2))
    ts.save(tmp_path / "ms" / "images", np.zeros(2))
    ts.save(str(tmp_path / "pt/pred"), np.ones(3), suffix="train")
    assert names(tmp_path / "pt") == ["0_images.npy", "1_pred_train.npy"]
    assert names(tmp_path / "ms") == ["0_images.npy"]


def test_nested_data_become_one_file_a_tensor(tmp_path: Path) -> None:
    data = {"a": np.arange(3), "b": [None, np.float16(2), (np.arange(4.0),)], 7: 1.5}
    ts.save(str(tmp_path / "d"), data, suffix="s")
    assert names(tmp_path) == ["0_d.a_s.npy", "1_d.b.1_s.npy", "2_d.b.2.0_s.npy", "3_d.7_s.npy"]
    assert np.load(tmp_path / "2_d.b.2.0_s.npy").tolist() == [0, 1, 2, 3]
    assert np.load(tmp_path / "1_d.b.1_s.npy").dtype == np.float16


def test_what_is_saved_is_read_back_under_its_name(tmp_path: Path) -> None:
    ts.save(str(tmp_path / "fc1"), np.zeros(2))
    ts.save(str(tmp_path / "fc1"), np.zeros(2), suffix="backward")
    read = [saved_name(name) for name in names(tmp_path)]
    assert [(one.name, one.order, one.gradient) for one in read] == [("fc1", 0, False), ("fc1", 1, True)]


def test_a_key_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    ts.save(str(tmp_path / "in" / "d"), {"../../out": np.zeros(1), "a/b\x1b[2J": np.zeros(1)})
    assert names(tmp_path) == ["in"]
    assert names(tmp_path / "in") == ["0_d..._.._out.npy", "1_d.a_b_[2J.npy"]


@pytest.mark.parametrize("file", ["out/", "", ".", "a/..", ".npy", 3, b"bytes"])
def test_what_names_no_file_is_refused(file: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfkitError):
        ts.save(file, np.zeros(1))
    assert not names(tmp_path)


@pytest.mark.parametrize("data", ["text", {"a": object()}, np.array(["text"]), np.array([object()])])
def test_what_is_no_tensor_is_refused_by_name(data: object, tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match=r"x(\.a)? "):
        ts.save(str(tmp_path / "x"), data)
    assert not names(tmp_path)


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match="output_mode 'bin'"):
        ts.save(str(tmp_path / "x"), np.zeros(1), output_mode="bin")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfkitError, match="cannot be written"):
        ts.save(str(tmp_path / "file" / "x"), np.zeros(1))


def test_a_name_too_long_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match="cannot be written: File name too long"):
        ts.save(str(tmp_path / "x"), {"k" * 300: np.zeros(1)})
    assert not names(tmp_path)


def test_threads_do_not_write_over_each_other(tmp_path: Path) -> None:
    def save(value: int) -> None:
        ts.save(str(tmp_path / "x"), np.full(50, value))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(save, range(200)))
    arrays = [np.load(tmp_path / f"{number}_x.npy") for number in range(200)]
    assert sorted(array[0] for array in arrays) == list(range(200))
    assert all((array == array[0]).all() for array in arrays)
    assert len(names(tmp_path)) == 200


def test_print_mode_prints_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ts.save(str(tmp_path / "x"), [np.arange(2)], output_mode="print")
    assert capsys.readouterr().out == "_TS_SAVE_NAME:x.0 array([0, 1])\n"
    assert not names(tmp_path)
