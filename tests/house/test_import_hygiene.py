"""What importing profkit and asking for help may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"pandas", "numpy", "pyarrow", "textual", "torch", "mindspore", "matplotlib"}


def modules_after(code: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter that ran the code."""
    program = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}), file=sys.__stderr__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def command_line(*arguments: str) -> str:
    return (
        "from profkit.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code"
    )


def test_importing_profkit_loads_nothing_heavy() -> None:
    assert not modules_after("import profkit") & HEAVY


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    assert not modules_after(command_line(option)) & HEAVY


def test_commands_without_a_screen_load_no_terminal_ui_and_no_framework() -> None:
    loaded = modules_after(command_line("inspect", "--formats"))
    assert not loaded & {"textual", "torch", "mindspore", "matplotlib"}


def test_asking_again_for_operators_loads_no_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFKIT_CACHE_DIR", str(tmp_path))
    trace = Path(__file__).resolve().parents[2] / "samples/vit/pytorch/profile/trace.json.gz"
    ask = command_line("ops", str(trace))
    # Names of what stands for a package until its first use are there; its parts are not.
    loaded = ask + "\nassert ('pandas.core' in sys.modules, 'pyarrow.lib' in sys.modules) == {}"
    modules_after(loaded.format((True, True)))
    modules_after(loaded.format((False, False)))


def test_parsers_and_tui_are_never_imported_under_their_folder_names() -> None:
    code = "import profkit.tui.app, profkit.triage\nfrom profkit.parsers import registry\n"
    code += "[registry.parser_named(name) for name in registry.parser_names()]"
    assert not modules_after(code) & {"parsers", "tui", "samples"}


def test_public_names_resolve() -> None:
    import profkit

    assert {name for name in profkit.__all__ if getattr(profkit, name) is not None} == set(profkit.__all__)
    assert set(dir(profkit)) == set(profkit.__all__)
