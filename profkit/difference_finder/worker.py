"""The process behind ProcessSide: makes a network and runs it as the lines of its standard input say."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from profkit.difference_finder.net_side import NetSide, Order, function_in
from profkit.errors import ProfkitError, first_line_of


def main() -> None:
    """Answer each line on what was the standard output; what the frameworks print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    net, loss, optimizer = sys.argv[1:4]
    try:
        side = NetSide(
            function_in(net)(),
            function_in(loss) if loss else None,
            function_in(optimizer) if optimizer else None,
        )
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises is to be told where it is read
        _say(answers, _failure(error))
        return
    _say(answers, {"framework": side.framework})
    for line in sys.stdin:
        _say(answers, _answer(side, json.loads(line)))


def _answer(side: NetSide, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _done(side, request)
    except Exception as error:  # noqa: BLE001 - as above
        return _failure(error)


def _done(side: NetSide, request: dict[str, Any]) -> dict[str, Any]:
    arguments = request["arguments"]
    if request["call"] == "describe":
        side.describe(Path(arguments["folder"]))
        return {}
    if request["call"] == "load_weights":
        side.load_weights(Path(arguments["path"]))
        return {}
    if request["call"] == "spoilt_gradients":
        return {"why": side.spoilt_gradients()}
    return side.run(Order(**arguments))


def _failure(error: Exception) -> dict[str, str]:
    if isinstance(error, ProfkitError):
        return {"error": error.message, "hint": error.hint}
    first_line = first_line_of(error)
    return {"error": f"{type(error).__name__}: {first_line}"}


def _say(answers: TextIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
