"""The calls take what the scripts of the migration guide give them.

Names, order and defaults of the parameters are those of troubleshooter 1.0.18; more may follow behind them.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import profkit as ts

TOLERANCES = {"rtol": 1e-4, "atol": 1e-4, "equal_nan": False}
EXPECTED: dict[str, dict[str, Any]] = {
    "save": {"file": ..., "data": ..., "suffix": None, "output_mode": "npy"},
    "save_grad": {"file": ..., "data": ..., "suffix": "backward", "output_mode": "npy"},
    "fix_random": {"seed": 16},
    "proposal": {"write_file_path": None, "print_clear_stack": False},
    "widget.fix_random": {"seed": 16},
    "widget.get_pt_grads": {"model": ...},
    "widget.load_ms_weight2net": {"model": ..., "file": ...},
    "widget.loss_compare": {"left_file": ..., "right_file": ..., "title": "Loss Compare"},
    "migrator.fix_random": {"seed": 16},
    "migrator.save_net_and_weight_params": {"net": ..., "path": ..., "weight_params_filename": None},
    "migrator.get_weight_map": {
        "pt_net": None, "weight_map_save_path": None, "weight_name_prefix": None, "custom_name_func": None,
        "print_map": False,
    },
    "migrator.convert_weight": {"weight_map_path": ..., "pt_file_path": ..., "ms_file_save_path": ...},
    "migrator.convert_weight_and_load": {"weight_map_path": ..., "pt_file_path": ..., "net": ...},
    "migrator.compare_pth_and_ckpt": {
        "weight_map_path": ..., "pt_file_path": ..., "ms_file_path": ..., "compare_value": True, "print_level": 1,
        **TOLERANCES, "print_conv_info": False,
    },
    "migrator.compare_ms_ckpt": {"orig_file_path": ..., "target_file_path": ...},
    "migrator.NetDifferenceFinder": {
        "pt_net": ..., "ms_net": ..., "print_level": 1, "pt_params_path": None, "ms_params_path": None,
        "auto_conv_ckpt": 1, "compare_params": True, "fix_seed": 16,
    },
    "migrator.NetDifferenceFinder.compare": {"self": ..., "inputs": None, "auto_inputs": None, **TOLERANCES},
    "migrator.compare_npy_dir": {"orig_dir": ..., "target_dir": ..., **TOLERANCES},
    "migrator.compare_grads_dir": {"orig_dir": ..., "target_dir": ..., **TOLERANCES, "compare_shape": True},
    "migrator.compare_list_dir": {"orig_dir": ..., "target_dir": ..., **TOLERANCES, "compare_shape": False},
    "migrator.compare_dict_dir": {"orig_dir": ..., "target_dir": ..., **TOLERANCES, "compare_shape": False},
}  # fmt: skip
BY_KEYWORD = {
    "migrator.compare_npy_dir": {
        "name_map_list", "compare_shape", "output_file", "num_processes", "title", "field_names", "frame_names",
    },
    "migrator.convert_weight": {"print_conv_info", "print_save_path", "pt_param_dict", "weight_map"},
    "migrator.compare_ms_ckpt": {"compare_value", "print_level", "rtol", "atol", "equal_nan"},
    "tracking": {
        "level", "func_wl", "path_wl", "path_bl", "check_keyword", "check_mode", "event_list", "depth",
        "max_variable_length",
    },
}  # fmt: skip


def parameters(name: str) -> dict[str, inspect.Parameter]:
    call: Any = ts
    for part in name.split("."):
        call = getattr(call, part)
    return dict(inspect.signature(call).parameters)


@pytest.mark.parametrize("name", EXPECTED)
def test_positional_parameters_and_defaults(name: str) -> None:
    found = parameters(name)
    assert list(found)[: len(EXPECTED[name])] == list(EXPECTED[name])
    for parameter, default in EXPECTED[name].items():
        if default is not ...:
            assert found[parameter].default == default, parameter


@pytest.mark.parametrize("name", BY_KEYWORD)
def test_parameters_by_keyword(name: str) -> None:
    assert BY_KEYWORD[name] <= set(parameters(name))


def test_a_room_lists_its_calls() -> None:
    for room in (ts.migrator, ts.widget):
        assert {call for call in room.__all__ if callable(getattr(room, call))} == set(room.__all__)
