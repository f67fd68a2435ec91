"""What `import profkit` offers, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("before", ["", "import profkit.triage", "import profkit.cli.triage", "profkit.triage"])
def test_public_functions_stay_functions(before: str) -> None:
    code = f"import profkit\n{before}\nassert all(map(callable, [profkit.triage, profkit.triage, profkit.capture]))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    import profkit

    assert all(getattr(profkit, name, None) is not None for name in profkit.__all__)
