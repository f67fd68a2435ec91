"""A network in a process of its own, with an interpreter that has its framework."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from profkit.difference_finder.net_side import Order, Result
from profkit.errors import ProfkitError

_WORKER = "profkit.difference_finder.worker"
_ENDS_WITHIN_SECONDS = 10


class ProcessSide:
    """A network that another process makes, holds and runs; each answer is one line of JSON."""

    def __init__(self, net: str, python: str | None = None, loss: str | None = None, optimizer: str | None = None):
        """Start the process.

        Args:
            net: "file.py:function" that makes the network, without arguments.
            python: The interpreter; None for that of this process.
            loss: "file.py:function" of the result and the labels.
            optimizer: "file.py:function" that makes the optimizer of the network.

        Raises:
            ProfkitError: It cannot be started, or the network cannot be made.
        """
        self._net = net
        command = [python or sys.executable, "-m", _WORKER, net, loss or "", optimizer or ""]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - the user names it
        except OSError as error:
            raise ProfkitError(f"{command[0]} cannot be started: {error.strerror}", "name an interpreter") from error
        self._framework = str(self._answer()["framework"])

    @property
    def framework(self) -> str:
        """Which framework it is of."""
        return self._framework

    def describe(self, folder: Path) -> None:
        """Write structure and weights into a directory."""
        self._ask("describe", folder=str(folder))

    def load_weights(self, path: Path) -> None:
        """Take the weights of a checkpoint."""
        self._ask("load_weights", path=str(path))

    def run(self, order: Order) -> Result:
        """Run the network."""
        return self._ask("run", **asdict(order))

    def spoilt_gradients(self) -> str:
        """Say what of the framework computes wrong gradients in that process."""
        return str(self._ask("spoilt_gradients")["why"])

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, call: str, **arguments: Any) -> Result:
        assert self._process.stdin is not None, "it was opened as a pipe"
        try:
            self._process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._answer()

    def _answer(self) -> Result:
        assert self._process.stdout is not None, "it was opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: Result = json.loads(line)
        if "error" in answer:
            raise ProfkitError(f"{self._net}: {answer['error']}", str(answer.get("hint", "")))
        return answer

    def _ended(self) -> ProfkitError:
        code = self._process.wait()
        return ProfkitError(f"the process of {self._net} ended with code {code}", "what it wrote on stderr says why")
