"""Measure a command as a whole process, and print measurements as a table."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """What one run of a command took.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Processor seconds, user and system, of the process and its ended children.
        peak_mib: Largest resident memory of the process, MiB.
        exit_code: 0 if it ended well.
        output: The last line it printed.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int
    output: str


def measure(command: Sequence[str], environment: dict[str, str] | None = None) -> Measurement:
    """Run a command once and account for it as the operating system does (wait4)."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    printed = process.stdout.read().strip().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measurement(
        wall_s=time.perf_counter() - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        exit_code=process.returncode,
        output=printed[-1] if printed else "",
    )


def table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """Give rows as a Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
