"""The bundled samples: complete, small, free of machine names, and as faulty as their manifest says."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

LARGEST_BUNDLE_BYTES = 12_000_000
ABSOLUTE_PATH = re.compile(r"/(?:root|tmp|work|usr|opt|var|mnt|etc|srv|Users|home/(?!user\b)[\w.-]+)/")


@pytest.fixture(scope="module")
def manifest(samples: Path) -> dict:
    return json.loads((samples / "MANIFEST.json").read_text(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def vit(samples: Path) -> Path:
    return samples / "vit"


@pytest.fixture(scope="module")
def planted(manifest: dict) -> dict[str, dict]:
    return {fault["kind"]: fault for fault in manifest["collections"]["vit"]["planted"]}


def bundled_files(samples: Path) -> set[str]:
    paths = (path.relative_to(samples) for path in samples.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] not in ("record", "MANIFEST.json")}


def text_of(file: Path) -> str:
    content = file.read_bytes()
    return (gzip.decompress(content) if file.suffix == ".gz" else content).decode("latin-1")


class TestManifest:
    def test_lists_every_file_with_its_size_and_hash(self, samples: Path, manifest: dict) -> None:
        assert set(manifest["files"]) == bundled_files(samples)
        for name, entry in manifest["files"].items():
            content = (samples / name).read_bytes()
            assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}, name

    def test_describes_every_collection(self, samples: Path, manifest: dict) -> None:
        assert set(manifest["collections"]) == {path.name for path in samples.iterdir() if path.is_dir()} - {"record"}

    def test_says_how_the_recordings_were_made(self, manifest: dict) -> None:
        about = manifest["collections"]["vit"]
        assert {"command", "date", "machine", "python", "versions", "conditions", "rules", "recordings"} <= set(about)
        assert set(about["versions"]) == {"torch", "mindspore", "numpy"}


def test_bundle_is_small(samples: Path) -> None:
    assert sum((samples / name).stat().st_size for name in bundled_files(samples)) <= LARGEST_BUNDLE_BYTES


def test_no_path_of_the_recording_machine_remains(samples: Path) -> None:
    for name in sorted(bundled_files(samples)):
        if not name.endswith(".npy"):
            found = ABSOLUTE_PATH.search(text_of(samples / name))
            assert found is None, f"{name}: {found}"


def test_no_host_name_remains(vit: Path) -> None:
    trace = json.loads(text_of(vit / "pytorch" / "profile" / "trace.json.gz"))
    assert trace["host_name"] == "workstation"
    profiles = list(vit.glob("*/*/*_ascend_ms"))
    assert len(profiles) == 3
    assert all(profile.name.startswith("workstation_") for profile in profiles)


def output_order(side: Path) -> list[str]:
    return sorted(file.name for file in (side / "outputs").iterdir())


def relative_errors(reference: Path, other: Path) -> dict[str, float]:
    """Relative L2 error of every stored output, keyed by file name."""
    errors = {}
    for file in sorted((reference / "outputs").iterdir()):
        a = np.load(file, allow_pickle=False).astype(np.float64)
        b = np.load(other / "outputs" / file.name, allow_pickle=False)
        assert a.shape == b.shape, file.name
        errors[file.name] = float(np.sqrt(((a - b) ** 2).sum() / (a**2).sum()))
    return errors


class TestTensors:
    def test_both_frameworks_finish_the_same_modules_in_the_same_order(self, vit: Path) -> None:
        names = output_order(vit / "pytorch")
        assert output_order(vit / "mindspore_clean") == names
        assert output_order(vit / "mindspore_gelu_tanh") == names
        kinds = Counter(name[5:-4].rsplit(".", 1)[-1] for name in names)
        assert kinds["softmax"] == kinds["act"] == kinds["attn_drop"] == kinds["mlp"] == kinds["attn"] == 4

    def test_clean_outputs_agree_to_rounding(self, vit: Path) -> None:
        assert max(relative_errors(vit / "pytorch", vit / "mindspore_clean").values()) < 5e-6

    def test_clean_gradients_agree_to_rounding_in_parameter_order(self, vit: Path) -> None:
        torch_files = sorted((vit / "pytorch" / "gradients").iterdir())
        mindspore_files = sorted((vit / "mindspore_clean" / "gradients").iterdir())
        assert len(torch_files) == len(mindspore_files) == 56
        for torch_file, mindspore_file in zip(torch_files, mindspore_files, strict=True):
            renamed = mindspore_file.name.replace(".gamma.", ".weight.").replace(".beta.", ".bias.")
            assert renamed == torch_file.name
            a, b = np.load(torch_file, allow_pickle=False), np.load(mindspore_file, allow_pickle=False)
            assert a.shape == b.shape
            assert np.linalg.norm(a - b) < 2e-5 * np.linalg.norm(a), torch_file.name

    def test_only_the_tanh_gelu_and_what_follows_it_differs(self, vit: Path, planted: dict) -> None:
        fault = planted["parity"]
        clean = relative_errors(vit / "pytorch", vit / "mindspore_clean")
        faulty = relative_errors(vit / "pytorch", vit / "mindspore_gelu_tanh")
        (first,) = (name for name in clean if name[5:-4] == fault["module"])
        assert all(faulty[name] == clean[name] for name in clean if name < first)
        assert clean[first] < 5e-6
        assert 1e-5 < faulty[first] < 1e-2
        recorded = fault["relative_l2_error_at_module"]
        assert recorded == pytest.approx({"clean": clean[first], "faulty": faulty[first]}, rel=1e-6)

    def test_the_tanh_formula_explains_the_difference(self, vit: Path) -> None:
        names = output_order(vit / "pytorch")
        (before,) = (name for name in names if name.endswith("blocks.1.mlp.fc1.npy"))
        (after,) = (name for name in names if name.endswith("blocks.1.mlp.act.npy"))
        folder = vit / "mindspore_gelu_tanh" / "outputs"
        x = np.load(folder / before, allow_pickle=False).astype(np.float64)
        expected = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        np.testing.assert_allclose(np.load(folder / after, allow_pickle=False), expected, rtol=1e-5, atol=1e-6)


def executions(profile: Path) -> list[tuple[int, str, float]]:
    """Start in ns, kernel type and milliseconds of every executed kernel, by start time."""
    (file,) = profile.glob("*_ascend_ms/FRAMEWORK/cpu_op_execute_timestamp_*.txt")
    rows = []
    for line in file.read_text().splitlines():
        name, _, times = line.split(";")
        kernel = re.sub(r"-op\d+$", "", name.rsplit("/", 1)[-1])
        for start, duration, _ in (part.split(",") for part in times.split()):
            rows.append((int(start), kernel, float(duration)))
    return sorted(rows)


def kernels_after_norm2_of_block_2(profile: Path) -> list[tuple[str, float]]:
    """Kernels of blocks.2.mlp.fc1 in three steps: from every step's sixth LayerNorm to the Sqrt of GELU."""
    rows = executions(profile)
    norms = [index for index, (_, kernel, _) in enumerate(rows) if kernel == "LayerNorm"]
    assert len(norms) == 27
    found = []
    for index in norms[5::9]:
        end = next(later for later in range(index, len(rows)) if rows[later][1] == "Sqrt")
        found += [row[1:] for row in rows[index + 1 : end]]
    return found


class TestSlowModule:
    @pytest.mark.parametrize(
        "profile", ["mindspore_clean/pynative", "mindspore_clean/graph", "mindspore_slow/pynative"]
    )
    def test_three_steps_were_profiled(self, vit: Path, profile: str) -> None:
        kernels = Counter(kernel for _, kernel, _ in executions(vit / profile))
        assert kernels["Conv2D"] == 3
        assert kernels["LayerNorm"] == 27
        assert sum(kernels.values()) % 3 == 0

    def test_torch_trace_holds_three_steps(self, vit: Path) -> None:
        events = json.loads(text_of(vit / "pytorch" / "profile" / "trace.json.gz"))["traceEvents"]
        steps = {event["name"] for event in events if event["name"].startswith("ProfilerStep#")}
        assert steps == {"ProfilerStep#2", "ProfilerStep#3", "ProfilerStep#4"}

    def test_planted_module_takes_far_longer_than_in_the_clean_variant(self, vit: Path, planted: dict) -> None:
        clean = kernels_after_norm2_of_block_2(vit / "mindspore_clean" / "pynative")
        slow = kernels_after_norm2_of_block_2(vit / "mindspore_slow" / "pynative")
        assert [kernel for kernel, _ in clean] == ["MatMul", "BiasAdd"] * 3
        assert Counter(kernel for kernel, _ in slow)["Cast"] == 12
        clean_ms, slow_ms = (sum(duration for _, duration in kernels) for kernels in (clean, slow))
        assert slow_ms > 8 * clean_ms
        recorded = planted["slow"]["forward_kernel_ms_of_each_step"]
        assert sum(recorded["clean"]) == pytest.approx(clean_ms, abs=1e-5)
        assert sum(recorded["slow"]) == pytest.approx(slow_ms, abs=1e-5)

    def test_planted_module_costs_more_than_the_naturally_slow_convolution(self, vit: Path) -> None:
        profile = vit / "mindspore_slow" / "pynative"
        convolution_ms = sum(duration for _, kernel, duration in executions(profile) if kernel == "Conv2D")
        assert sum(duration for _, duration in kernels_after_norm2_of_block_2(profile)) > convolution_ms

    def test_losses_are_those_of_the_clean_variant(self, manifest: dict) -> None:
        recordings = manifest["collections"]["vit"]["recordings"]
        expected = recordings["pytorch/profile"]["losses"]
        for folder in ("mindspore_clean/pynative", "mindspore_clean/graph", "mindspore_slow/pynative"):
            assert recordings[folder]["losses"] == pytest.approx(expected, rel=1e-5)


def dumped_operators(dump: Path) -> dict[str, dict[str, list]]:
    """Times of output, and whether inputs and outputs are finite, of every dumped operator by type and name."""
    operators: dict[str, dict[str, list]] = {}
    for file in dump.glob("rank_0/vit/0/0/*.npy"):
        parts = file.name.split(".")
        operator = operators.setdefault(f"{parts[0]} {parts[1]}", {"times": [], "input": [], "output": []})
        operator[parts[5]].append(bool(np.isfinite(np.load(file, allow_pickle=False)).all()))
        if parts[5] == "output":
            operator["times"].append(int(parts[4]))
    return operators


class TestDumps:
    def test_clean_dump_is_finite_and_reaches_the_loss(self, vit: Path) -> None:
        operators = dumped_operators(vit / "mindspore_clean" / "dump")
        assert all(all(operator["input"] + operator["output"]) for operator in operators.values())
        assert any("_loss_fn-CrossEntropyLoss" in name for name in operators)
        assert len(operators) > 60

    def test_named_operator_is_the_first_with_finite_inputs_and_a_nan(self, vit: Path, planted: dict) -> None:
        operators = dumped_operators(vit / "mindspore_nan" / "dump")
        by_time = sorted(operators, key=lambda name: min(operators[name]["times"]))
        bad = [name for name in by_time if not all(operators[name]["output"])]
        fault = planted["nan"]
        assert bad[0] == f"{fault['op_type']} {fault['op_name']}"
        assert all(operators[bad[0]]["input"])
        assert [name for name in bad if all(operators[name]["input"])] == bad[:1]
        assert "_loss_fn-CrossEntropyLoss" in bad[-1]
        assert all(word in bad[0] for word in ("blocks", "1-Block", "norm2"))

    def test_origin_divides_zero_by_zero(self, vit: Path, planted: dict) -> None:
        fault = planted["nan"]
        files = (vit / "mindspore_nan" / "dump" / "rank_0" / "vit" / "0" / "0").glob(
            f"{fault['op_type']}.{fault['op_name']}.*.input.*.npy"
        )
        inputs = [np.load(file, allow_pickle=False) for file in files]
        assert len(inputs) == 2
        assert not any(array.any() for array in inputs)

    @pytest.mark.parametrize("variant", ["mindspore_clean", "mindspore_nan"])
    def test_dump_keeps_the_files_around_the_tensors(self, vit: Path, variant: str) -> None:
        rank = vit / variant / "dump" / "rank_0"
        assert json.loads((rank / ".dump_metadata" / "config.json").read_text())["device_target"] == "CPU"
        assert json.loads((rank / ".dump_metadata" / "data_dump.json").read_text())["e2e_dump_settings"]["enable"]
        assert (rank / "execution_order" / "ms_execution_order_graph_0.csv").exists()
        assert (rank / "graphs" / "ms_output_trace_code_graph_0.pb").exists()
