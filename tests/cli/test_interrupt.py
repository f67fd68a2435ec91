"""Ctrl-C at the start of any command, while the command line is still being imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

_INTERRUPTED_AT = """
import runpy, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["profkit", "ops", "nothing"]
runpy.run_module("profkit", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["profkit.cli", "click"])
def test_no_traceback(module):
    program = [sys.executable, "-c", _INTERRUPTED_AT.format(module=module)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 130
