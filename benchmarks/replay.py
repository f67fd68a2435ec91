"""Large traces for benchmarks: a recorded trace repeated with its times and numbers moved, as if the run had gone on.

    python benchmarks/replay.py SOURCE TARGET --megabytes 500

SOURCE is a Kineto trace (.json, .json.gz) or an Ascend trace_view.json. The text of the events is kept as the recorder
wrote it, spacing and all; only digits change: times move by the length of the recording, step numbers, correlation,
sequence and flow numbers by its largest number. The result is synthetic.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

# Digits that have to move: whole microseconds of times (plain or quoted), and numbers that tie events together.
_MOVING = re.compile(
    r'(?P<time>"ts": ?"?)(?P<us>\d+)'
    r'|(?P<number>"(?:External id|Ev Idx|Sequence number|Python id|Python parent id|correlation|connection_id'
    r'|correlation_id|id)": ?"?)(?P<value>\d+)'
    r"|(?P<step>ProfilerStep#)(?P<which>\d+)"
)
_FIRST_COMPLETE_EVENT = re.compile(r'\{\s*"ph": ?"X"')


def replay(source: Path, target: Path, size_bytes: int) -> int:
    """Write at least `size_bytes` of repeated events; give the number of bytes written."""
    raw = source.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    first = _FIRST_COMPLETE_EVENT.search(text)
    if first is None:
        raise SystemExit(f"{source} holds no complete event")
    begin = text.rindex("[", 0, first.start())
    _, end = json.JSONDecoder().raw_decode(text, begin)
    end -= len("]")
    head, body, tail = text[: first.start()], text[first.start() : end].rstrip(), text[end:]
    written = 0
    with target.open("w", encoding="utf-8", newline="") as file:
        written += file.write(head)
        for number, piece in enumerate(_copies(body)):
            written += file.write((",\n" if number else "") + piece)
            if written >= size_bytes:
                break
        written += file.write(tail)
    return written


def _copies(body: str) -> Iterator[str]:
    """Give the events again and again, each time later and with higher numbers."""
    matches = list(_MOVING.finditer(body))
    times = [int(match["us"]) for match in matches if match["us"]]
    period_us = (max(times) - min(times)) + 1_000
    # Flow numbers of Ascend traces are times of 19 digits; counters are small. Only counters have to stay apart.
    counters = [int(match["value"]) for match in matches if match["value"] and len(match["value"]) < 12]
    number_period = max(counters, default=0) + 1
    steps = [int(match["which"]) for match in matches if match["which"]]
    step_period = max(steps, default=0) - min(steps, default=0) + 1
    pieces, moving, place = [], [], 0
    for match in matches:
        start, stop = _digits(match)
        pieces.append(body[place:start])
        moving.append(match)
        place = stop
    rest = body[place:]
    copy = 0
    while True:
        moved = []
        for literal, match in zip(pieces, moving, strict=True):
            if match["us"]:
                moved.append(f"{literal}{int(match['us']) + copy * period_us}")
            elif match["value"]:
                moved.append(f"{literal}{int(match['value']) + copy * number_period}")
            else:
                moved.append(f"{literal}{int(match['which']) + copy * step_period}")
        yield "".join(moved) + rest
        copy += 1


def _digits(match: re.Match[str]) -> tuple[int, int]:
    return match.span("us" if match["us"] else "value" if match["value"] else "which")


def main() -> None:
    """Read the command line and write the trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--megabytes", type=int, default=100)
    arguments = parser.parse_args()
    written = replay(arguments.source, arguments.target, arguments.megabytes * 1_000_000)
    print(f"{written / 1e6:.1f} MB written to {arguments.target}")


if __name__ == "__main__":
    main()
