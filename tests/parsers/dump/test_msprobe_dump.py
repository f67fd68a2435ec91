from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.parsers.base import Parsed
from profkit.parsers.dump.msprobe_dump import MsprobeDump
from profkit.parsers.dump.msprobe_names import call_name
from profkit.progress import silent
from profkit.run import load


def tensor(value: float = 1.0, **fields: Any) -> dict[str, Any]:
    statistics = dict.fromkeys(("Max", "Min", "Mean", "Norm"), value)
    return {"type": "torch.Tensor", "dtype": "torch.float32", "shape": [2, 3], **statistics, **fields}


def dump(folder: Path, calls: dict[str, Any], **fields: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    head = {"task": "statistics", "level": "mix", "framework": "pytorch", "dump_data_dir": None, **fields}
    (folder / "dump.json").write_text(json.dumps({**head, "data": calls}, indent=1))
    return folder


def read(path: Path) -> Parsed:
    assert MsprobeDump().sniff(path) is not None
    return MsprobeDump().read(path, silent)


def rows(path: Path) -> pd.DataFrame:
    return read(path).frames["tensors"]


def only_row(folder: Path, item: dict[str, Any]) -> pd.Series[Any]:
    return rows(dump(folder, {"Torch.relu.0.forward": {"output": [item]}})).iloc[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Functional.linear.0.forward", ("linear", "forward", None, False)),
        ("Tensor.__add__.12.backward", ("__add__", "backward", None, False)),
        ("Primitive.matmul.MatMul.3.forward", ("MatMul", "forward", None, False)),
        ("Module.layers.0.fc1.Linear.forward.2", ("Linear", "forward", "layers.0.fc1", False)),
        ("Cell.fc1.Dense.backward.0", ("Dense", "backward", "fc1", False)),
        ("Module.fc1.Linear.parameters_grad.0", ("Linear", "backward", "fc1", True)),
        ("Module.fc1.Linear.parameters_grad", ("Linear", "backward", "fc1", True)),
        ("Module.fc1.Linear.forward", ("Linear", "forward", "fc1", False)),
        ("loss.0.debug", (None, None, None, False)),
        ("", (None, None, None, False)),
    ],
)
def test_names_of_calls(name: str, expected: tuple[str | None, str | None, str | None, bool]) -> None:
    assert tuple(call_name(name)) == expected


def test_rows_stand_in_call_order_with_modules_after_their_operators(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "step3" / "rank1",
        {
            "Functional.linear.0.forward": {
                "input_args": [tensor(), [tensor(), {"type": "int", "value": 1}, tensor()], None],
                "input_kwargs": {"bias": tensor(), "beta": {"type": "float", "value": 0.5}},
                "output": [tensor()],
            },
            "Module.fc1.Linear.forward.0": {"output": tensor(), "parameters": {"weight": tensor(), "bias": tensor()}},
            "Module.fc1.Linear.parameters_grad.0": {"weight": [tensor()], "bias": [None]},
            "Tensor.add_.0.forward": {"input_args": [tensor()], "input_kwargs": {}, "output": []},
        },
    )
    (path / "construct.json").write_text(
        json.dumps({"Functional.linear.0.forward": "Module.fc1.Linear.forward.0", "Tensor.add_.0.forward": "optimizer"})
    )
    (path / "stack.json").write_text(
        json.dumps(
            {
                "0": [
                    ["Functional.linear.0.forward"],
                    [
                        "File /x/site-packages/torch/nn/modules/linear.py, line 134, in forward, \n return F.linear(i)",
                        "File /home/me/net.py, line 15, in forward, \n h = self.fc1(x)",
                    ],
                ]
            }
        )
    )
    frame = load(tmp_path).tensors
    columns = [frame[name].astype(object) for name in ("op", "io", "slot", "argument", "phase", "module")]
    found = list(zip(*columns, strict=True))
    forward = ("Functional.linear.0.forward", "input")
    assert found == [
        (*forward, 0, "0", "forward", "fc1"),
        (*forward, 1, "1.0", "forward", "fc1"),
        (*forward, 3, "1.2", "forward", "fc1"),
        (*forward, 5, "bias", "forward", "fc1"),
        ("Functional.linear.0.forward", "output", 0, "0", "forward", "fc1"),
        ("Module.fc1.Linear.forward.0", "output", 0, "", "forward", "fc1"),
        ("fc1.weight", "parameter", 0, "weight", "forward", "fc1"),
        ("fc1.bias", "parameter", 0, "bias", "forward", "fc1"),
        ("fc1.weight", "gradient", 0, "weight", "backward", "fc1"),
        ("Tensor.add_.0.forward", "input", 0, "0", "optimizer", found[-1][-1]),
    ]
    assert pd.isna(found[-1][-1])
    assert set(frame["rank"]) == {1}
    assert set(frame["iteration"]) == {3}
    assert frame["order"].is_monotonic_increasing
    assert frame.loc[0, ["source_file", "source_line", "source_code"]].tolist() == [
        "/home/me/net.py",
        15,
        "h = self.fc1(x)",
    ]
    assert frame["source_line"].isna().sum() == 5


def test_the_two_forms_of_stack_json_say_the_same(tmp_path: Path) -> None:
    frames = [
        "File /a/site-packages/mindspore/nn/cell.py, line 9, in __call__, \n x",
        "File net.py, line 2, in f, \n y",
    ]
    calls = {"Mint.log.0.forward": {"output": [tensor()]}}
    for name, stack in {"old": {"Mint.log.0.forward": frames}, "new": {"0": [["Mint.log.0.forward"], frames]}}.items():
        (dump(tmp_path / name, calls) / "stack.json").write_text(json.dumps(stack))
        assert rows(tmp_path / name).loc[0, ["source_file", "source_line", "source_code"]].tolist() == [
            "net.py",
            2,
            "y",
        ]


STATISTICS = {
    "all finite": ((1.0, 0.0, 0.5, 1.2), "torch.float32", False),
    "all NaN": ((math.nan,) * 4, "torch.float32", True),
    "MindSpore's CPU leaves NaN out of the extremes": ((3.0, 1.0, math.nan, math.nan), "Float32", True),
    "only the norm tells of NaN": ((3.0, 1.0, None, math.nan), "BFloat16", True),
    "Inf": ((math.inf, 1.0, math.inf, math.inf), "torch.float16", True),
    "the squares leave the dtype, no element does": ((1e30, -1e30, 0.0, math.inf), "torch.float32", False),
    "a norm of Inf alone": ((None, None, None, math.inf), "torch.float32", None),
    "nothing recorded": ((None,) * 4, "torch.float32", None),
    "bool": ((True, False, None, None), "torch.bool", False),
    "integers": ((7, 7, 7, 7), "torch.int64", False),
    "an integer no float holds": ((10**400, 0, 0, 0), "torch.int64", False),
    "text": (("1", "0", [], {}), "torch.float32", None),
}


@pytest.mark.parametrize(("values", "dtype", "nonfinite"), STATISTICS.values(), ids=list(STATISTICS))
def test_all_four_statistics_tell_of_nonfinite_values(
    tmp_path: Path, values: tuple[Any, ...], dtype: str, nonfinite: bool | None
) -> None:
    item = tensor(dtype=dtype, **dict(zip(("Max", "Min", "Mean", "Norm"), values, strict=True)))
    row = only_row(tmp_path, item)
    assert (None if pd.isna(row["nonfinite"]) else bool(row["nonfinite"])) is nonfinite
    for column, value in zip(("max", "min", "mean", "norm"), values, strict=True):
        known = isinstance(value, (int, float)) and abs(value) != 10**400 and not math.isnan(value)
        known = known and (column in ("max", "min") or math.isfinite(value))
        assert row[column] == value if known else pd.isna(row[column])


def test_an_empty_tensor_has_no_bad_value(tmp_path: Path) -> None:
    assert not only_row(tmp_path, tensor(shape=[0, 3], Max=None, Min=None, Mean=None, Norm=None))["nonfinite"]


@pytest.mark.parametrize(
    ("recorded", "digest"),
    [("b7eb8e66", "crc32:b7eb8e66"), ("0x7c3e860b865fc424", "xor64:7c3e860b865fc424"), ("d4" * 16, "md5:" + "d4" * 16)],
)
def test_the_digest_is_named_by_its_algorithm(tmp_path: Path, recorded: str, digest: str) -> None:
    assert only_row(tmp_path, tensor(md5=recorded))["digest"] == digest
    assert read(tmp_path).facts["digest"] == digest.partition(":")[0]


@pytest.mark.parametrize("recorded", [None, 7, "zz", "0x", "b7eb8e6", ["b7eb8e66"]])
def test_what_is_no_digest_is_none(tmp_path: Path, recorded: object) -> None:
    assert pd.isna(only_row(tmp_path, tensor(md5=recorded))["digest"])


def test_a_dump_file_names_only_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret.npy").touch()
    (tmp_path / "d" / "dump_tensor_data").mkdir(parents=True)
    (tmp_path / "d" / "dump_tensor_data" / "a.npy").touch()
    (tmp_path / "d" / "dump_tensor_data" / "stray.npy").touch()
    (tmp_path / "d" / "dump_tensor_data" / "link.npy").symlink_to(tmp_path / "secret.npy")
    names = ["a.npy", "../secret.npy", str(tmp_path / "secret.npy"), "link.npy", "gone.npy", "\ud800", "-1"]
    dump(tmp_path / "d", {"Torch.relu.0.forward": {"output": [tensor(data_name=name) for name in names]}})
    parsed = read(tmp_path / "d")
    assert parsed.frames["tensors"]["path"].dropna().tolist() == [str(tmp_path / "d/dump_tensor_data/a.npy")]
    texts = [issue.text for issue in parsed.issues]
    assert any(text.startswith("5 tensors that dump.json names have no file there: ../secret.npy") for text in texts)
    assert any("1 files belong to no call" in text and "stray.npy" in text for text in texts)


def test_a_cut_dump_gives_the_calls_before_the_cut(tmp_path: Path) -> None:
    calls = {f"Torch.relu.{n}.forward": {"input_args": [tensor(math.nan)], "output": [tensor()]} for n in range(3)}
    whole = rows(dump(tmp_path / "whole", calls))
    text = (tmp_path / "whole" / "dump.json").read_text()
    (tmp_path / "cut").mkdir()
    for length in range(text.index("data_dir") + 11, len(text) - 1, 31):
        (tmp_path / "cut" / "dump.json").write_text(text[:length])
        parsed = read(tmp_path / "cut")
        frame = parsed.frames["tensors"]
        pd.testing.assert_frame_equal(
            frame.drop(columns="source").astype(object), whole.head(len(frame)).drop(columns="source").astype(object)
        )
        assert any("cut" in issue.text for issue in parsed.issues)


@pytest.mark.parametrize(
    "calls",
    [
        {"a": 1, "b": None, "c": "x", "d": [], "e": {"input_args": 1, "output": "x", "parameters": [1]}},
        {"Module.a.B.parameters_grad.0": [1]},
        {"Torch.x.0.forward": {"output": [{"dtype": "torch.float32", "shape": "x"}]}},
        {"Torch.x.0.forward": {"output": [{"dtype": "no such", "shape": [2**70, -1]}]}},
        {"Torch.x.0.forward": {"output": [{"dtype": "float32", "shape": [2**62, 2**62], "layout": 3}]}},
        {"Torch.\ud800\x1b[31m.0.forward": {"output": {"\udfff": tensor(layout="\ud800")}}},
    ],
)
def test_odd_entries_are_rows_or_nothing(tmp_path: Path, calls: dict[str, Any]) -> None:
    frame = rows(dump(tmp_path, calls))
    assert frame["size_bytes"].isna().all() or len(frame) == 1
    frame.to_csv(tmp_path / "a.csv")


def test_values_nested_too_deep_are_no_tensors(tmp_path: Path) -> None:
    item: Any = tensor()
    for _ in range(200):
        item = [item]
    assert rows(dump(tmp_path, {"Torch.x.0.forward": {"output": item}})).empty


def test_variables_saved_by_hand(tmp_path: Path) -> None:
    dump(tmp_path, {"hidden.0.debug": tensor(), "pair.1.debug": [tensor(), {"deep": tensor()}]})
    (tmp_path / "dump.json").rename(tmp_path / "debug.json")
    frame = rows(tmp_path)
    assert list(zip(frame["op"], frame["argument"], strict=True)) == [
        ("hidden.0.debug", ""),
        ("pair.1.debug", "0"),
        ("pair.1.debug", "1.deep"),
    ]


def test_other_json_files_are_not_taken(tmp_path: Path) -> None:
    for content in ("", "{}", '{"traceEvents": []}', '{"common_dump_settings": {"task": 1}}', "[1]"):
        (tmp_path / "dump.json").write_text(content)
        assert MsprobeDump().sniff(tmp_path) is None


def leaves_of(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and "dtype" in value:
        yield value
    elif isinstance(value, (dict, list)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(child)


def test_recorded_dumps_give_what_the_standard_reader_gives(shared: Path) -> None:
    files = sorted((shared / "samples" / "dump").glob("**/dump.json"))
    assert len(files) > 20
    for file in files:
        frame = read(file.parent).frames["tensors"]
        leaves = list(leaves_of(json.loads(file.read_text())["data"]))
        assert len(frame) == len(leaves)
        shapes = sorted(",".join(map(str, leaf["shape"])) for leaf in leaves)
        assert sorted(frame["shape"]) == shapes
        maxima = [float(leaf["Max"]) for leaf in leaves if leaf.get("Max") is not None]
        assert sorted(frame["max"].dropna()) == sorted(value for value in maxima if math.isfinite(value))
        assert frame["digest"].notna().sum() == sum(isinstance(leaf.get("md5"), str) for leaf in leaves)
        assert frame["path"].notna().sum() == sum("data_name" in leaf for leaf in leaves)


@pytest.mark.parametrize(
    ("name", "origin"),
    [("pt_mix_tensor_nan", "Torch.log.0.forward"), ("ms_mix_tensor_nan", "Functional.log.0.forward")],
)
def test_the_first_bad_result_is_the_known_origin(shared: Path, name: str, origin: str) -> None:
    tensors = load(shared / "samples" / "dump" / "msprobe26.2" / name).tensors
    bad = tensors[tensors["nonfinite"].fillna(False).astype(bool) & (tensors["iteration"] == 0)]
    assert bad.iloc[0][["op", "io", "phase"]].tolist() == [origin, "output", "forward"]
    assert bad.iloc[0]["source_code"].endswith(".log(h)")
