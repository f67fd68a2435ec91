"""The wheel holds every package, and works from another folder, beside user folders of the same names."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

# Package name -> folder in the repository.
MAPPED = {"profkit/parsers": "parsers", "profkit/tui": "tui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built the way a release is: sdist first, the wheel from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel and nothing of the repository."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, env=clean_environment())
    return folder / "bin"


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=clean_environment(), check=False, timeout=300
    )


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    expected = set()
    for folder in ["profkit", *MAPPED.values()]:
        base = next((name for name, mapped in MAPPED.items() if mapped == folder), folder)
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            linked = folder == "profkit" and inside.parts[0] in {"parsers", "tui", "samples"}
            if path.is_file() and not linked and path.suffix != ".pyc":
                expected.add(f"{base}/{inside.as_posix()}")
    assert expected <= names_in(wheel)


def test_the_wheel_holds_the_samples_and_nothing_of_the_tests(wheel: Path) -> None:
    names = names_in(wheel)
    assert "profkit/samples/vit/pytorch/profile/trace.json.gz" in names
    top = {name.split("/")[0] for name in names}
    assert top == {"profkit", next(name for name in top if name.endswith(".dist-info"))}
    assert not [name for name in names if "/record/" in name or "test_" in name]


def test_the_installed_wheel_works_beside_user_folders_of_the_same_names(installed: Path, tmp_path: Path) -> None:
    for name in ("parsers", "tui", "samples"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the user\\'s own folder was imported')\n")
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, profkit\n"
        "from profkit.parsers.registry import parser_names, parser_named\n"
        "import profkit.tui.app\n"
        "print([parser_named(name).descriptor.name for name in parser_names()] == parser_names())\n"
        "print({'torch', 'mindspore'} & set(sys.modules))\n"
    )
    done = run_in(tmp_path, str(installed / "python"), str(script))
    assert done.stdout.split("\n")[:2] == ["True", "set()"], done.stderr


def test_the_installed_command_runs_the_demo_from_another_folder(installed: Path, tmp_path: Path) -> None:
    done = run_in(tmp_path, str(installed / "profkit"), "demo", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert "1. OVERFLOW" in done.stdout
