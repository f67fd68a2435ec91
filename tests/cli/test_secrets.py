"""Secrets in the metadata of a recording reach neither the terminal, nor a result, nor the cache."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TextsBelow = Callable[[Path], Iterable[tuple[Path, str]]]

# Made up; none of them opens anything.
AMAZON = "AKIAIOSFODNN7EXAMPLE"
SECRETS = [
    AMAZON,
    "hunter2-plain-words",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "s3cr3t-of-thread",
    "s3cr3t-of-args",
]
BASE_NS = 1_790_857_026_000_000_000


def planted() -> dict[str, Any]:
    """A synthetic trace with a secret wherever a recorder or a user can put one beside the names of operators."""
    arguments = {"Call stack": SECRETS[4], "Concrete Inputs": [SECRETS[4]], "api_token": SECRETS[4], "External id": 1}
    operator = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "dur": 5.5, "args": arguments}
    return {
        "schemaVersion": 1,
        "baseTimeNanoseconds": BASE_NS,
        "deviceProperties": [{"id": 0, "name": "device", "licence_key": SECRETS[1]}],
        "distributedInfo": {"backend": "nccl", "rank": 0, "world_size": 1, "auth": SECRETS[1]},
        "PT_PROFILER_PASSWORD": SECRETS[1],
        "command": f"train.py --api-key {SECRETS[1]} --upload https://user:{SECRETS[1]}@host/x",
        "note": f"uploaded with {AMAZON}",
        "env": {"AWS_ACCESS_KEY_ID": AMAZON, "GITHUB_TOKEN": SECRETS[2], "LANG": "C"},
        "traceEvents": [
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": 1, "args": {"name": f"worker {SECRETS[3]}"}},
            {"ph": "M", "name": "process_labels", "pid": 1, "tid": 0, "args": {"labels": SECRETS[3]}},
            *({**operator, "ts": 10.25 * number} for number in range(5)),
        ],
        "behind": {"credentials": {"user": SECRETS[1]}, "list": [{"name": "DB_PASSWORD", "value": SECRETS[1]}]},
    }


def assert_clean(place: object, text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], place


def damaged(content: bytes) -> bytes:
    """The user's own JSON was not valid: the keys before the events have to be read one by one."""
    return content.replace(b'"LANG": "C"', b'"LANG": C')


VARIANTS: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda content: content,
    "packed": gzip.compress,
    "damaged": damaged,
    "cut": lambda content: content[: content.index(b'"behind"') - 200],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_command_shows_keeps_or_exports_them(
    profkit: Command, tmp_path: Path, variant: str, texts_below: TextsBelow
) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(VARIANTS[variant](json.dumps(planted()).encode()))
    out = tmp_path / "out"
    out.mkdir()
    commands: list[list[object]] = [
        ["ops", path, "--debug"],
        ["ops", path, "--by", "shape", "-o", out / "ops.parquet"],
        ["ops", path, "-o", out / "ops.html"],
        ["steps", path, "-o", out / "steps.json"],
        ["align", path, path, "-o", out / "alignment.parquet"],
        ["inspect", path, "-o", out / "sources.csv"],
        ["inspect", path, "--issues", "--format", "json"],
        ["inspect", path, "--show-metadata"],
        ["inspect", path, "--show-metadata", "-o", out / "metadata.json"],
        ["inspect", path, "--show-metadata", "-o", out / "metadata.parquet"],
        ["cache", "info"],
    ]
    for command in commands:
        done = profkit(*command)
        assert done.returncode == 0, done.stderr
        assert_clean(command, done.stdout + done.stderr)
    kept = list(texts_below(Path(os.environ["PROFKIT_CACHE_DIR"])))
    assert any("aten::add" in text for _, text in kept)
    for place, text in [*kept, *texts_below(out)]:
        assert_clean(place, text)


def test_metadata_is_shown_on_request_without_its_secrets(profkit: Command, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(planted()))
    done = profkit("inspect", path, "--show-metadata", "--format", "json")
    assert done.returncode == 0, done.stderr
    shown = {row["key"]: row["value"] for row in json.loads(done.stdout)}
    assert shown["deviceProperties[0].name"] == "device"
    assert shown["distributedInfo.world_size"] == "1"
    assert shown["env.LANG"] == "C"
    assert shown["env.GITHUB_TOKEN"] == shown["PT_PROFILER_PASSWORD"] == "<redacted>"
    assert shown["command"] == "train.py --api-key <redacted> --upload https://<redacted>@host/x"
    assert shown["note"] == "uploaded with <redacted>"
    assert "LANG" not in profkit("inspect", path).stdout


def test_a_session_holds_none_of_them(profkit: Command, tmp_path: Path, texts_below: TextsBelow) -> None:
    for name in ("before.json", "after.json"):
        (tmp_path / name).write_text(json.dumps(planted()))
    done = profkit("triage", tmp_path / "before.json", tmp_path / "after.json", "-o", tmp_path / "session")
    assert done.returncode == 0, done.stderr
    assert_clean("triage", done.stdout + done.stderr)
    for place, text in texts_below(tmp_path / "session"):
        assert_clean(place, text)
