"""Environments that really lack a framework: each borrows single distributions of the one that runs the tests."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


class Environment:
    """A Python environment with profkit's own requirements and those of some frameworks.

    Nothing is downloaded: every distribution is a link to the files that are installed already, and what no requirement
    names cannot be imported.

    Args:
        folder: Where to make it.
        frameworks: Names of the distributions beside profkit's own.
    """

    def __init__(self, folder: Path, *frameworks: str) -> None:
        venv.create(folder, with_pip=False)
        (site,) = folder.glob("lib/python*/site-packages")
        for found in _with_requirements(["profkit", *frameworks]):
            for name in _top_level(found):
                source = Path(str(found.locate_file(name)))
                if source.exists() and not (site / name).exists():
                    (site / name).symlink_to(source.resolve())
        (site / "profkit.pth").write_text(f"{ROOT}\n")
        self._python = folder / "bin" / "python"

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments in a folder, with no variable of the tests' own environment for it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(self._python), *arguments]
        return subprocess.run(command, check=False, cwd=folder, env=kept, capture_output=True, text=True)


def _with_requirements(names: list[str]) -> Iterator[Distribution]:
    """Give distributions with all that they require, as far as it is installed; profkit itself is not among them."""
    waiting, seen = list(names), set(names)
    while waiting:
        name = waiting.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if name != "profkit":
            yield found
        for text in found.requires or ():
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in seen:
                seen.add(requirement.name)
                waiting.append(requirement.name)


def _top_level(found: Distribution) -> set[str]:
    """Give the names in site-packages that a distribution consists of."""
    names = {file.parts[0] for file in found.files or ()}
    return {name for name in names if name not in {"..", "__pycache__", "bin"} and not name.endswith(".pth")}


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """Environments with torch alone, mindspore alone, and neither."""
    made = tmp_path_factory.mktemp("environments")
    frameworks: dict[str, tuple[str, ...]] = {"torch": ("torch",), "mindspore": ("mindspore",), "neither": ()}
    return {name: Environment(made / name, *of) for name, of in frameworks.items()}
