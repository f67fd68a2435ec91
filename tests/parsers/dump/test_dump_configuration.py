from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.parsers.dump.dump_configuration import configuration_facts
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent


def metadata(folder: Path, **files: Any) -> Path:
    (folder / ".dump_metadata").mkdir(parents=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / ".dump_metadata" / f"{name}.json").write_text(text)
    return folder


def facts(folder: Path, **files: Any) -> dict[str, str]:
    return configuration_facts([metadata(folder, **files)])


def test_kernel_by_kernel_overflow_is_told(tmp_path: Path) -> None:
    found = facts(tmp_path, data_dump={"common_dump_settings": {"op_debug_mode": 3, "overflow_number": 5}})
    assert found == {"op_debug_mode": "3", "dumped_for": "operators that overflowed", "overflow_number": "5"}


def test_exception_dumps_hold_inputs_only(tmp_path: Path) -> None:
    found = facts(tmp_path, data_dump={"common_dump_settings": {"op_debug_mode": 4}})
    assert found["dumped_for"] == "inputs of operators that failed"


def test_old_versions_have_the_mode_in_a_section_of_its_own(tmp_path: Path) -> None:
    found = facts(tmp_path, data_dump={"common_dump_settings": {}, "async_dump_settings": {"op_debug_mode": 1}})
    assert found["op_debug_mode"] == "1"


def test_words_and_lists(tmp_path: Path) -> None:
    settings = {"input_output": 1, "dump_mode": 1, "kernels": ["MatMul"], "statistic_category": ["max", "l2norm"]}
    found = facts(tmp_path, data_dump={"common_dump_settings": settings, "e2e_dump_settings": {"trans_flag": False}})
    assert found == {
        "input_output": "inputs",
        "dump_mode": "chosen operators",
        "kernels": '["MatMul"]',
        "statistic_category": '["max", "l2norm"]',
        "trans_flag": "false",
    }


def test_a_sample_of_each_tensor_is_told(tmp_path: Path) -> None:
    rank = tmp_path / "rank_0"
    metadata(rank, data_dump={"e2e_dump_settings": {"sample_mode": 1, "sample_num": 7}})
    folder = rank / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    np.save(folder / "Add.Default_Add-op0.0.0.1700000000000000.output.0.ND.npy", np.ones(7))
    (folder / "Add.Default_Add-op0.json").write_text("{}")
    for level in (tmp_path, folder):
        parsed = MindSporeDump().read(level, silent)
        assert [issue.text for issue in parsed.issues if "first 7 elements" in issue.text]
        assert parsed.facts["sample_num"] == "7"
        assert parsed.facts["kernel_argument_files"] == "1"


def test_a_number_of_elements_without_the_mode_means_nothing(tmp_path: Path) -> None:
    assert "sample_num" not in facts(tmp_path, data_dump={"e2e_dump_settings": {"sample_mode": 0, "sample_num": 7}})


def test_target_version_and_cluster(tmp_path: Path) -> None:
    hccl = {"server_list": [{"device": [{"rank_id": "0"}, {"rank_id": "1"}]}, {"device": [{"rank_id": "2"}]}]}
    found = facts(tmp_path, config={"device_target": "Ascend", "ms_version": "2.4.0"}, hccl=hccl)
    assert found == {"device_target": "Ascend", "ms_version": "2.4.0", "cluster_ranks": "3"}


@pytest.mark.parametrize(
    ("dump", "wanted"),
    [
        ({"dump_scene": "lite_exception"}, {"op_debug_mode": "4", "dumped_for": "inputs of operators that failed"}),
        ({"dump_debug": "on"}, {"op_debug_mode": "3", "dumped_for": "operators that overflowed"}),
        ({"dump_mode": "output", "dump_step": "0|2"}, {"dump_mode": "output", "dump_step": "0|2"}),
        ([], {}),
    ],
)
def test_configuration_of_the_device_runtime(dump: Any, wanted: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "acl_dump_0.json").write_text(json.dumps({"dump": dump}))
    assert configuration_facts([tmp_path]) == wanted


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"common_dump_settings": 3}', "[" * 100_000, "\x00"])
def test_broken_files_tell_nothing(content: str, tmp_path: Path) -> None:
    assert facts(tmp_path, data_dump=content, config=content, hccl=content) == {}


def test_links_are_not_followed(tmp_path: Path) -> None:
    metadata(tmp_path / "elsewhere", config={"device_target": "CPU"})
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / ".dump_metadata").symlink_to(tmp_path / "elsewhere" / ".dump_metadata")
    assert configuration_facts([tmp_path / "dump"]) == {}


def test_a_long_value_is_cut_and_shown_to_be(tmp_path: Path) -> None:
    found = facts(tmp_path, data_dump={"common_dump_settings": {"iteration": "1|" * 500}})
    assert found["iteration"].endswith("...")
    assert len(found["iteration"]) < 300
