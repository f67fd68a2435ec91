"""compare_npy_dir and its like, on directories of either framework's names."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import profkit as ts
from profkit.errors import ProfkitError
from profkit.schema import PARITY

RANDOM = np.random.default_rng(7)


def write(folder: Path, arrays: dict[str, Any]) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def values(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.fixture
def schemes(tmp_path: Path) -> tuple[Path, Path]:
    """One network saved by the PyTorch side and by TensorDump of MindSpore 2.6 and later; fc1 was called twice."""
    images, first, second, loss = values(4, 3), values(4, 5), values(4, 5), values()
    pytorch = {"0_images": images, "1_fc1": first, "2_fc1": second, "3_loss_train": loss}
    mindspore = {
        "images_float32_0": images, "fc1_float32_4": first, "fc1_float32_7": second * 1.01,
        "loss_train_float32_9": loss,
    }  # fmt: skip
    return write(tmp_path / "pt", pytorch), write(tmp_path / "ms", mindspore)


def test_both_naming_schemes_are_paired(schemes: tuple[Path, Path]) -> None:
    parity = ts.migrator.compare_npy_dir(*schemes)
    assert PARITY.validate(parity) is None
    assert parity["name_a"].tolist() == ["images", "fc1", "fc1", "loss_train"]
    assert parity["status"].tolist() == ["match", "match", "mismatch", "match"]
    assert parity["first_divergence"].tolist() == [False, False, True, False]


def test_the_older_scheme_of_mindspore_too(schemes: tuple[Path, Path]) -> None:
    for path in schemes[1].iterdir():
        name, _, rest = path.stem.rpartition("_float32_")
        path.rename(path.with_name(f"{rest}_{name}.npy"))
    assert ts.migrator.compare_npy_dir(*schemes)["status"].tolist() == ["match", "match", "mismatch", "match"]


def test_the_verdict_does_not_depend_on_the_order_unless_asked(tmp_path: Path) -> None:
    # |a-b| is 0.1: 0.1 of 1.0 but less than 0.1 of 1.1.
    folders = write(tmp_path / "a", {"0_x": np.array([1.0])}), write(tmp_path / "b", {"0_x": np.array([1.1])})
    status = {
        (symmetric, order): ts.migrator.compare_npy_dir(*folders[::order], rtol=0.095, atol=0.0, symmetric=symmetric)[
            "status"
        ].item()
        for symmetric in (True, False)
        for order in (1, -1)
    }
    assert status == {(True, 1): "match", (True, -1): "match", (False, 1): "mismatch", (False, -1): "match"}


def test_a_missing_file_is_missing_and_shifts_no_other(tmp_path: Path) -> None:
    arrays = {f"{number}_layer.{number}": values(3) for number in range(5)}
    other = {name: array for name, array in arrays.items() if name != "1_layer.1"}
    folders = write(tmp_path / "a", arrays), write(tmp_path / "b", other)
    for call in (ts.migrator.compare_npy_dir, ts.migrator.compare_list_dir, ts.migrator.compare_dict_dir):
        assert call(*folders)["status"].tolist() == ["match", "missing_b", "match", "match", "match"]


def test_lists_are_paired_by_their_places_whatever_they_were_called(tmp_path: Path) -> None:
    arrays = [values(3) for _ in range(3)]
    a = write(tmp_path / "a", {f"{place}_out.{place}": array for place, array in enumerate(arrays)})
    b = write(tmp_path / "b", {f"pred.{place}_float32_{9 - place}": array for place, array in enumerate(arrays)})
    parity = ts.migrator.compare_list_dir(a, b)
    assert [(row.name_a, row.name_b, row.status) for row in parity.itertuples()] == [
        ("out.0", "pred.0", "match"), ("out.1", "pred.1", "match"), ("out.2", "pred.2", "match"),
    ]  # fmt: skip


def test_nan_is_counted_and_no_match_unless_asked(tmp_path: Path) -> None:
    array = np.array([1.0, np.nan, np.inf], dtype=np.float32)
    folders = write(tmp_path / "a", {"0_x": array}), write(tmp_path / "b", {"0_x": array})
    parity = ts.migrator.compare_npy_dir(*folders)
    assert parity[["status", "nan_a", "nan_b", "inf_a", "inf_b"]].iloc[0].tolist() == ["undecidable", 1, 1, 1, 1]
    assert ts.migrator.compare_npy_dir(*folders, equal_nan=True)["status"].item() == "match"
    np.save(tmp_path / "b" / "0_x.npy", array[::-1])
    assert ts.migrator.compare_npy_dir(*folders, equal_nan=True)["status"].item() == "mismatch"


def test_what_is_only_nan_matches_if_asked(tmp_path: Path) -> None:
    folders = [write(tmp_path / side, {"0_x": np.full(3, np.nan)}) for side in "ab"]
    assert ts.migrator.compare_npy_dir(*folders)["status"].item() == "undecidable"
    assert ts.migrator.compare_npy_dir(*folders, equal_nan=True)["status"].item() == "match"


def test_equal_nan_without_tolerance_is_refused(schemes: tuple[Path, Path]) -> None:
    with pytest.raises(ProfkitError, match="equal_nan needs a tolerance"):
        ts.migrator.compare_npy_dir(*schemes, rtol=None, atol=None, equal_nan=True)


def test_without_tolerances_the_rule_by_depth_decides(tmp_path: Path) -> None:
    first = values(200)
    later = values(200)
    a = write(tmp_path / "a", {"0_fc": first, "1_act": later})
    b = write(tmp_path / "b", {"0_fc": np.nextafter(first, np.float32(9)), "1_act": later * np.float32(1 + 3e-5)})
    assert ts.migrator.compare_npy_dir(a, b)["status"].tolist() == ["match", "match"]
    parity = ts.migrator.compare_npy_dir(a, b, rtol=None, atol=None)
    assert parity["status"].tolist() == ["match", "mismatch"]


def test_what_a_tolerance_hides_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = values(200)
    a, b = write(tmp_path / "a", {"0_act": x}), write(tmp_path / "b", {"0_act": x * np.float32(1 + 3e-5)})
    ts.migrator.compare_npy_dir(a, b)
    assert "Within the tolerance, but more than rounding: act differs" in capsys.readouterr().out


def test_a_list_of_names_decides_alone(schemes: tuple[Path, Path]) -> None:
    pairs = [("0_images.npy", "fc1_float32_4.npy"), ("1_fc1.npy", "fc1_float32_4.npy"), ("3_loss_train.npy", None)]
    with pytest.raises(ProfkitError, match="names a file twice"):
        ts.migrator.compare_npy_dir(*schemes, name_map_list=pairs)
    parity = ts.migrator.compare_npy_dir(*schemes, name_map_list=pairs[1:])
    assert [(row.name_a, row.status, row.paired_by) for row in parity.itertuples()] == [
        ("fc1", "match", "given"), ("loss_train", "missing_b", pytest.approx(np.nan, nan_ok=True)),
    ]  # fmt: skip
    with pytest.raises(ProfkitError, match=r"no_such\.npy of name_map_list is no \.npy file in .*ms"):
        ts.migrator.compare_npy_dir(*schemes, name_map_list=[("1_fc1.npy", "no_such.npy")])


def test_lists_of_names_by_name_number_and_shape(tmp_path: Path) -> None:
    arrays = [values(2, 3), values(3, 5), values(5, 5)]
    a = write(tmp_path / "a", {f"{place}_data.{place}": array for place, array in enumerate(arrays)})
    b = write(tmp_path / "b", {"0_data.0": arrays[0], "1_data.1": arrays[2]})
    assert ts.migrator.get_name_map_list_by_name(a, b) == [
        ("0_data.0.npy", "0_data.0.npy"), ("1_data.1.npy", "1_data.1.npy"), ("2_data.2.npy", None),
    ]  # fmt: skip
    assert ts.migrator.get_name_map_list_by_number(a, b) == ts.migrator.get_name_map_list_by_name(a, b)
    by_shape = ts.migrator.get_name_map_list_by_shape_edit_distance(a, b)
    assert by_shape == [("0_data.0.npy", "0_data.0.npy"), ("1_data.1.npy", None), ("2_data.2.npy", "1_data.1.npy")]
    replaced = ts.migrator.get_name_map_list_by_shape_edit_distance(a, b, rep_cost=0)
    assert sum(None in pair for pair in replaced) == 1


def test_the_result_is_printed_whole_and_written(
    schemes: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parity = ts.migrator.compare_npy_dir(*schemes, compare_shape=True, output_file="o.csv", title="Forward")
    printed = capsys.readouterr().out
    assert printed.startswith(f"The orig dir: {schemes[0]}\nThe target dir: {schemes[1]}\nForward")
    assert parity["reason"].iloc[2] in printed
    assert "4,5" in printed
    assert "3 match, 1 mismatch. First divergence: fc1." in printed
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == parity["status"].tolist()
    assert [float(row["max_abs"]) for row in rows] == parity["max_abs"].tolist()


def test_markup_and_escapes_in_names_stay_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "0_[bold red]x\x1b[31m"
    folders = [write(tmp_path / side, {name: values(2)}) for side in "ab"]
    ts.migrator.compare_npy_dir(*folders)
    printed = capsys.readouterr().out
    assert "[bold red]x\\x1b[31m" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("content", [{}, None])
def test_a_directory_without_files_is_one_line(content: dict[str, Any] | None, tmp_path: Path) -> None:
    good = write(tmp_path / "a", {"0_x": values(2)})
    bad = tmp_path / "b"
    if content is not None:
        write(bad, content)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(ProfkitError, match=r"b (is no directory|holds no \.npy file)"):
            ts.migrator.compare_npy_dir(*pair)


def test_files_below_and_other_files_are_not_read(tmp_path: Path) -> None:
    folders = [write(tmp_path / side, {"0_x": values(2)}) for side in "ab"]
    write(folders[0] / "below", {"0_y": values(2)})
    (folders[0] / "torch_net.pth").write_bytes(b"not a checkpoint")
    assert len(ts.migrator.compare_npy_dir(*folders)) == 1


def test_a_cut_file_is_unreadable_and_the_rest_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {"0_x": values(20), "1_y": values(20)}
    folders = [write(tmp_path / side, arrays) for side in "ab"]
    cut = folders[1] / "0_x.npy"
    cut.write_bytes(cut.read_bytes()[:-8])
    parity = ts.migrator.compare_npy_dir(*folders)
    assert parity["status"].tolist() == ["unreadable", "match"]
    assert "0_x.npy is cut" in capsys.readouterr().err


def gradients(tmp_path: Path, names: list[str], arrays: list[Any], others: list[Any]) -> tuple[Path, Path]:
    """Named gradients as get_pt_grads gives them, and the tuple of MindSpore."""
    pytorch = {
        f"{place}_grads.{name}_{place}": array for place, (name, array) in enumerate(zip(names, arrays, strict=True))
    }
    mindspore = {f"{place}_grads.{place}": array for place, array in enumerate(others)}
    return write(tmp_path / "pt", pytorch), write(tmp_path / "ms", mindspore)


NAMES = ["cls", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "norm.weight", "norm.bias"]
# More values than the few that value pairing takes for trivial.
SHAPES = [(1, 16), (16, 16), (16,), (16, 16), (16,), (16,), (16,)]


def test_gradients_are_paired_by_place_under_the_names_of_the_parameters(tmp_path: Path) -> None:
    arrays = [values(*shape) for shape in SHAPES]
    parity = ts.migrator.compare_grads_dir(*gradients(tmp_path, NAMES, arrays, arrays))
    assert parity["status"].tolist() == ["match"] * 7
    assert parity["name_a"].tolist() == [f"grads.{name}" for name in NAMES]
    assert set(parity["io"]) == {"gradient"}


def test_a_wrong_gradient_is_a_mismatch_at_its_parameter(tmp_path: Path) -> None:
    arrays = [values(*shape) for shape in SHAPES]
    others = [array * (2 if place == 3 else 1) for place, array in enumerate(arrays)]
    parity = ts.migrator.compare_grads_dir(*gradients(tmp_path, NAMES, arrays, others))
    wrong = parity[parity["status"] != "match"]
    assert wrong[["name_a", "name_b", "status"]].to_numpy().tolist() == [["grads.fc2.weight", "grads.3", "mismatch"]]


def test_a_missing_gradient_between_equal_shapes_is_found_by_value(tmp_path: Path) -> None:
    arrays = [values(*shape) for shape in SHAPES]
    parity = ts.migrator.compare_grads_dir(*gradients(tmp_path, NAMES, arrays, [*arrays[:4], *arrays[5:]]))
    assert parity[parity["status"] != "match"]["name_a"].tolist() == ["grads.fc2.bias"]


def test_gradients_in_another_order_are_found_by_value(tmp_path: Path) -> None:
    arrays = [values(*shape) for shape in SHAPES]
    others = [arrays[place] for place in (0, 3, 4, 1, 2, 5, 6)]
    parity = ts.migrator.compare_grads_dir(*gradients(tmp_path, NAMES, arrays, others))
    assert parity["status"].tolist() == ["match"] * 7
    assert parity["name_b"].tolist() == [f"grads.{place}" for place in (0, 3, 4, 1, 2, 5, 6)]


def test_frames_are_the_same_with_worker_processes(schemes: tuple[Path, Path]) -> None:
    alone = ts.migrator.compare_npy_dir(*schemes)
    pd.testing.assert_frame_equal(ts.migrator.compare_npy_dir(*schemes, num_processes=2), alone)
