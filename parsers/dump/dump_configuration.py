"""What a MindSpore dump says of how it was made: data_dump.json, config.json and hccl.json, or the runtime's acl_dump.

The configuration is copied when the first dump is made and not written anew when the same directory is used again, so
that it can be stale: it is told as recorded, and no tensor is judged by it alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METADATA_FOLDER = ".dump_metadata"

_LONGEST_FILE = 1 << 20
_LONGEST_FACT = 200
_ACL_FILE = re.compile(r"acl_dump_(?:\d{1,9}_)*\d{1,9}\.json|acl_dump\.json")

# Name of the fact -> section and key of data_dump.json.
_CONFIGURED = {
    "iteration": ("common_dump_settings", "iteration"),
    "input_output": ("common_dump_settings", "input_output"),
    "dump_mode": ("common_dump_settings", "dump_mode"),
    "kernels": ("common_dump_settings", "kernels"),
    "saved_data": ("common_dump_settings", "saved_data"),
    "statistic_category": ("common_dump_settings", "statistic_category"),
    "overflow_number": ("common_dump_settings", "overflow_number"),
    "initial_iteration": ("common_dump_settings", "initial_iteration"),
    "file_format": ("common_dump_settings", "file_format"),
    "trans_flag": ("e2e_dump_settings", "trans_flag"),
    "stat_calc_mode": ("e2e_dump_settings", "stat_calc_mode"),
    "device_stat_precision_mode": ("e2e_dump_settings", "device_stat_precision_mode"),
    "sample_mode": ("e2e_dump_settings", "sample_mode"),
    "sample_num": ("e2e_dump_settings", "sample_num"),
}
_WORDS = {
    "input_output": {"0": "inputs and outputs", "1": "inputs", "2": "outputs"},
    "dump_mode": {"0": "all operators", "1": "chosen operators", "2": "operators set in the network"},
}
_DEBUG_MODES = {
    "1": "overflow of AI Core operators",
    "2": "overflow of atomic additions",
    "3": "operators that overflowed",
    "4": "inputs of operators that failed",
}


def configuration_facts(folders: Iterable[Path]) -> dict[str, str]:
    """Give what the metadata of a dump tells, by name of the fact.

    `op_debug_mode` is 0 (none), 1 to 3 (overflow) or 4 (exception) as recorded, and `dumped_for` says it in words: with
    3 and no Opdebug file the set of dumped operators is the list of those that overflowed; with 4 only inputs exist.

    Args:
        folders: Directories that may hold the metadata, nearest first; the first that does counts.
    """
    for folder in folders:
        metadata = folder / METADATA_FOLDER
        if metadata.is_dir() and not metadata.is_symlink():
            return {**_target(metadata), **_configured(_json(metadata / "data_dump.json")), **_ranks(metadata)}
        acl = next((path for path in _acl_files(folder) if path.is_file() and not path.is_symlink()), None)
        if acl is not None:
            return _of_acl(_json(acl))
    return {}


def _acl_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob("acl_dump*.json") if _ACL_FILE.fullmatch(path.name))
    except OSError:
        return []


def _target(metadata: Path) -> dict[str, str]:
    config = _json(metadata / "config.json")
    return {key: config[key] for key in ("device_target", "ms_version") if isinstance(config.get(key), str)}


def _configured(config: dict[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, (section, key) in _CONFIGURED.items():
        value = _section(config, section).get(key)
        if isinstance(value, (str, int, list)):
            text = _plain(value)
            facts[name] = _WORDS.get(name, {}).get(text, text)
    # In a section of its own until 1.9.
    mode = _section(config, "common_dump_settings").get("op_debug_mode")
    mode = _section(config, "async_dump_settings").get("op_debug_mode") if mode is None else mode
    if isinstance(mode, int):
        facts["op_debug_mode"] = str(mode)
        if str(mode) in _DEBUG_MODES:
            facts["dumped_for"] = _DEBUG_MODES[str(mode)]
    if facts.get("sample_mode") != "1":
        facts.pop("sample_num", None)
    return facts


def _of_acl(config: dict[str, Any]) -> dict[str, str]:
    dump = _section(config, "dump")
    facts = {name: _plain(dump[name]) for name in ("dump_mode", "dump_data", "dump_step") if _is_plain(dump.get(name))}
    scene = dump.get("dump_scene")
    if isinstance(scene, str):
        facts["dumped_for"] = _DEBUG_MODES["4"] if scene == "lite_exception" else _plain(scene)
        facts |= {"op_debug_mode": "4"} if scene == "lite_exception" else {}
    elif dump.get("dump_debug") == "on":
        facts |= {"op_debug_mode": "3", "dumped_for": _DEBUG_MODES["3"]}
    return facts


def _ranks(metadata: Path) -> dict[str, str]:
    """Count the ranks of the cluster that hccl.json lists."""
    servers = _json(metadata / "hccl.json").get("server_list")
    if not isinstance(servers, list):
        return {}
    devices = [server.get("device") for server in servers if isinstance(server, dict)]
    count = sum(len(listed) for listed in devices if isinstance(listed, list))
    return {"cluster_ranks": str(count)} if count else {}


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int))


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_FACT else f"{text[:_LONGEST_FACT]}..."


def _json(path: Path) -> dict[str, Any]:
    """Read a small JSON object; anything else is none."""
    if not path.is_file() or path.is_symlink():
        return {}
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LONGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
