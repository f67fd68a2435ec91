"""The main job on the bundled migration: the three planted faults are named, the clean variant accuses nobody."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.schema import ALIGNMENT, FINDINGS, OVERFLOW, PARITY
from profkit.session import Session

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def planted(samples: Path) -> dict[str, str]:
    """Kind of finding -> module, as the manifest of the recordings tells it."""
    manifest = json.loads((samples / "MANIFEST.json").read_text())
    text = json.dumps(manifest)
    modules = {"slow": "blocks.2.mlp.fc1", "parity": "blocks.1.mlp.act", "overflow": "blocks.1.norm2"}
    assert all(module in text for module in modules.values())
    return modules


def findings_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_demo_names_the_three_planted_faults_first(profkit: Command, planted: dict[str, str]) -> None:
    found = findings_of(profkit("demo", "--format", "json"))
    first = {(finding["kind"], finding["module"]) for finding in found[:5]}
    assert set(planted.items()) <= first
    for finding in found:
        assert finding["evidence"]
        assert finding["advice"]
        assert set(finding) == set(FINDINGS.names)
    assert [finding["rank"] for finding in found] == list(range(1, len(found) + 1))


def test_the_clean_variant_reports_none_of_them(profkit: Command, planted: dict[str, str]) -> None:
    found = findings_of(profkit("demo", "--clean", "--format", "json"))
    assert not [finding for finding in found if finding["kind"] in {"overflow", "parity"}]
    assert not [finding for finding in found if finding["module"] in planted.values()]


def test_the_report_says_what_was_found_where_and_what_to_try(profkit: Command, planted: dict[str, str]) -> None:
    done = profkit("demo", "--fail-on", "overflow")
    assert done.returncode == 1, done.stderr
    report = done.stdout
    for module in planted.values():
        assert module in report
    for words in ("evidence: ", "try: ", "confidence ", "ref aligned", "samples/vit/pytorch"):
        assert words in report


def test_a_session_is_saved_opened_again_and_reported_in_other_formats(
    profkit: Command, samples: Path, tmp_path: Path
) -> None:
    vit = samples / "vit"
    arguments = [vit / "pytorch", vit / "mindspore_slow", "--run-dump", vit / "mindspore_nan"]
    done = profkit("triage", *arguments, "-o", tmp_path / "session")
    assert done.returncode == 0, done.stderr
    again = profkit("triage", tmp_path / "session")
    assert again.stdout == done.stdout
    session = Session.load(tmp_path / "session")
    assert session.sides == ("pt", "ms")
    for name, spec in (("alignment", ALIGNMENT), ("parity", PARITY), ("overflow", OVERFLOW)):
        assert list(pd.read_parquet(tmp_path / "session" / f"{name}.parquet").columns) == spec.names
    assert "parity was not judged" in " ".join(session.not_judged)
    for suffix in (".md", ".html", ".txt", ".json", ".csv"):
        out = tmp_path / f"report{suffix}"
        assert profkit("triage", tmp_path / "session", "-o", out).returncode == 0
        assert "blocks.1.norm2" in out.read_text()
    refused = profkit("triage", *arguments, "-o", tmp_path / "session")
    assert refused.returncode == 2
    assert "--force" in refused.stderr


def test_groups_of_a_slow_finding_hold_the_planted_module(profkit: Command, samples: Path, tmp_path: Path) -> None:
    vit = samples / "vit"
    out = tmp_path / "session"
    assert profkit("triage", vit / "pytorch", vit / "mindspore_slow", "-o", out).returncode == 0
    (finding,) = [one for one in json.loads((out / "findings.json").read_text()) if one["module"] == "blocks.2.mlp.fc1"]
    alignment = pd.read_parquet(out / "alignment.parquet")
    rows = alignment[alignment["group"].isin(finding["groups"])]
    assert set(rows["side"]) == {"pt", "ms"}
    linear = rows[(rows["side"] == "pt") & (rows["phase"] == "forward")]
    assert set(linear["name"]) == {"aten::linear"}


@pytest.mark.parametrize(("condition", "code"), [("overflow", 1), ("slow,parity", 1), ("issues", 0), ("", 0)])
def test_fail_on_sets_the_exit_code(profkit: Command, samples: Path, condition: str, code: int) -> None:
    vit = samples / "vit"
    arguments = [vit / "pytorch", vit / "mindspore_slow", "--run-dump", vit / "mindspore_nan", "--fail-on", condition]
    assert profkit("triage", *arguments).returncode == code


def test_a_run_against_itself_has_no_finding(profkit: Command, samples: Path) -> None:
    for run in ("mindspore_slow/pynative", "mindspore_clean/graph", "pytorch"):
        path = samples / "vit" / run
        assert findings_of(profkit("triage", path, path, "--format", "json")) == []


@pytest.mark.parametrize("swapped", [False, True])
def test_kernels_alone_have_no_counterparts_on_a_host(
    profkit: Command, samples: Path, tmp_path: Path, swapped: bool
) -> None:
    kernels = tmp_path / "kernel_details.csv"
    kernels.write_text(
        "Name,Type,Accelerator Core,Start Time(us),Duration(us),Wait Time(us),Block Dim\n"
        "MatMul1,MatMul,AI_CORE,1702866902796675,932.05,0,0\nCast2,Cast,AI_VECTOR_CORE,1702866902997000,5.5,0,0\n"
    )
    pair = [kernels, samples / "vit/pytorch/profile/trace.json.gz"]
    pair = pair[::-1] if swapped else pair
    aligned = profkit("align", *pair)
    assert f"2 of {'run' if swapped else 'ref'}" in aligned.stdout + aligned.stderr
    done = profkit("triage", *pair)
    assert done.returncode == 0, done.stderr
    assert "Operator time of a step" in done.stdout


def test_hints_are_obeyed_and_those_about_nothing_told(profkit: Command, samples: Path, tmp_path: Path) -> None:
    hints = tmp_path / "hints.toml"
    hints.write_text('[classes]\n"aten::gelu" = "norm"\n"NoSuch" = "conv"\n')
    vit = samples / "vit"
    runs = (vit / "pytorch" / "profile", vit / "mindspore_clean" / "pynative")
    aligned = profkit("align", *runs, "--map", hints, "--format", "json")
    assert aligned.returncode == 0, aligned.stderr
    rows = [row for row in json.loads(aligned.stdout) if row["name"] == "aten::gelu"]
    assert rows
    assert {(row["op_class"], row["class_source"]) for row in rows} == {("norm", "hint")}
    assert "'NoSuch' = 'conv' matches nothing" in aligned.stderr
    report = profkit("triage", *runs, "--map", hints)
    assert report.returncode == 0, report.stderr
    assert "'NoSuch' = 'conv' matches nothing" in report.stdout


@pytest.mark.parametrize("command", ["align", "triage"])
def test_bad_hints_are_one_line_and_exit_code_2(profkit: Command, samples: Path, tmp_path: Path, command: str) -> None:
    hints = tmp_path / "hints.toml"
    hints.write_text('[classes]\n"Gelu\\u001b[31m" = "nonsense\\u001b[0m"\n')
    vit = samples / "vit"
    done = profkit(command, vit / "pytorch" / "profile", vit / "mindspore_clean" / "pynative", "--map", hints)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    said = done.stderr.strip().splitlines()
    assert len(said) == 2
    assert "nonsense" in said[0]
    assert "is none of conv, matmul" in said[0]


def test_a_group_is_explained_from_the_runs_and_from_a_session(profkit: Command, samples: Path, tmp_path: Path) -> None:
    vit = samples / "vit"
    runs = (vit / "pytorch" / "profile", vit / "mindspore_clean" / "pynative")
    saved = tmp_path / "session"
    assert profkit("triage", *runs, "-o", saved).returncode == 0
    of_runs = profkit("align", *runs, "--explain", "0")
    assert of_runs.returncode == 0, of_runs.stderr
    assert "Sure work around them" in of_runs.stdout
    assert profkit("triage", saved, "--explain", "0").stdout == of_runs.stdout
    rows = json.loads(profkit("triage", *runs, "--explain", "0", "--format", "json").stdout)
    assert {row["role"] for row in rows} >= {"fact", "member", "anchor"}
    refused = profkit("align", *runs, "--explain", "-1")
    assert refused.returncode == 2
    assert "unmatched" in refused.stderr


def test_a_session_that_is_saved_quietly_prints_nothing(profkit: Command, samples: Path, tmp_path: Path) -> None:
    run = samples / "vit" / "pytorch" / "profile"
    done = profkit("triage", run, run, "-o", tmp_path / "session", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Session.load(tmp_path / "session").findings.empty
