"""The calls of the migration guide, under its names: `import profkit as ts; ts.migrator.compare_npy_dir(...)`.

Thin: names, signatures and files are those that scripts of the guide use, the work is done in the rooms of profkit.
Results are printed as tables and returned as frames. docs/migration-guide.md shows them in their order and says what is
different from the TroubleShooter, whose calls these were.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "NetDifferenceFinder": "profkit.migrator.net_difference_finder",
    "compare_dict_dir": "profkit.migrator.directories",
    "compare_grads_dir": "profkit.migrator.directories",
    "compare_list_dir": "profkit.migrator.directories",
    "compare_ms_ckpt": "profkit.migrator.weight_files",
    "compare_npy_dir": "profkit.migrator.directories",
    "compare_pth_and_ckpt": "profkit.migrator.weight_files",
    "convert_weight": "profkit.migrator.weight_files",
    "convert_weight_and_load": "profkit.migrator.weight_files",
    "fix_random": "profkit.randomness",
    "get_name_map_list_by_name": "profkit.migrator.name_map_lists",
    "get_name_map_list_by_number": "profkit.migrator.name_map_lists",
    "get_name_map_list_by_shape_edit_distance": "profkit.migrator.name_map_lists",
    "get_weight_map": "profkit.migrator.weight_files",
    "save_net_and_weight_params": "profkit.migrator.net_files",
}

__all__ = [
    "NetDifferenceFinder",
    "compare_dict_dir",
    "compare_grads_dir",
    "compare_list_dir",
    "compare_ms_ckpt",
    "compare_npy_dir",
    "compare_pth_and_ckpt",
    "convert_weight",
    "convert_weight_and_load",
    "fix_random",
    "get_name_map_list_by_name",
    "get_name_map_list_by_number",
    "get_name_map_list_by_shape_edit_distance",
    "get_weight_map",
    "save_net_and_weight_params",
]

if TYPE_CHECKING:
    from profkit.migrator.directories import compare_dict_dir, compare_grads_dir, compare_list_dir, compare_npy_dir
    from profkit.migrator.name_map_lists import (
        get_name_map_list_by_name,
        get_name_map_list_by_number,
        get_name_map_list_by_shape_edit_distance,
    )
    from profkit.migrator.net_difference_finder import NetDifferenceFinder
    from profkit.migrator.net_files import save_net_and_weight_params
    from profkit.migrator.weight_files import (
        compare_ms_ckpt,
        compare_pth_and_ckpt,
        convert_weight,
        convert_weight_and_load,
        get_weight_map,
    )
    from profkit.randomness import fix_random


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'profkit.migrator' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
