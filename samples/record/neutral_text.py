"""Takes paths and names of the recording machine out of text; numbers are never touched."""

from __future__ import annotations

import gzip
import platform
import re
import site
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

NEUTRAL_HOME = "/home/user"
NEUTRAL_HOST = "workstation"
TEXT_SUFFIXES = {".json", ".csv", ".txt", ".log", ".ir", ".gz"}


def neutral(text: str, run_folder: Path) -> str:
    """`text` with the run folder, the recorder, the Python environment and the temporary folder under /home/user."""
    places = {
        str(run_folder): f"{NEUTRAL_HOME}/run",
        str(Path(__file__).resolve().parent): f"{NEUTRAL_HOME}/migration",
        sysconfig.get_paths()["stdlib"]: f"{NEUTRAL_HOME}/python/lib",
        tempfile.gettempdir(): f"{NEUTRAL_HOME}/scratch",
    }
    for packages in {*site.getsitepackages(), sysconfig.get_paths()["purelib"]}:
        places[packages] = f"{NEUTRAL_HOME}/python/site-packages"
    longest_first = "|".join(re.escape(place) for place in sorted(places, key=len, reverse=True))
    text = re.sub(rf"({longest_first})(?![\w.-])", lambda found: places[found[1]], text)
    return text.replace(f'"host_name": "{platform.node()}"', f'"host_name": "{NEUTRAL_HOST}"')


def make_text_neutral(file: Path, run_folder: Path) -> None:
    """Rewrite one text file, compressed or not; no time of compression is stored."""
    if file.suffix == ".gz":
        text = neutral(gzip.decompress(file.read_bytes()).decode(), run_folder)
        file.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    else:
        file.write_bytes(neutral(file.read_bytes().decode(), run_folder).encode())


def make_graph_neutral(file: Path, run_folder: Path) -> None:
    """Keep of every node's source_address in a MindSpore graph .pb the lines of the network, with neutral paths.

    ModelProto.graph is field 4, GraphProto.node field 1, NodeProto.source_address field 9 (MindSpore's
    debug_graph.proto). The lines of the framework's own files are dropped: they are most of the file.
    """

    def network_lines(source_address: bytes) -> bytes:
        lines = source_address.decode().splitlines(keepends=True)
        return neutral("".join(line for line in lines if "site-packages" not in line), run_folder).encode()

    file.write_bytes(_change_field(file.read_bytes(), (4, 1, 9), network_lines))


def make_neutral(folder: Path, run_folder: Path) -> None:
    """Rewrite every text file and graph below `folder`, and give files and folders ordinary permissions."""
    for path in sorted(folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        if path.suffix == ".pb":
            make_graph_neutral(path, run_folder)
        elif path.suffix in TEXT_SUFFIXES:
            make_text_neutral(path, run_folder)


def _change_field(message: bytes, numbers: tuple[int, ...], change: Callable[[bytes], bytes]) -> bytes:
    """A protobuf message with `change` applied to the length-delimited field at the path of field numbers."""
    parts = []
    for number, head, payload in _fields(message):
        if number == numbers[0]:
            changed = change(payload) if len(numbers) == 1 else _change_field(payload, numbers[1:], change)
            parts += [_varint(number << 3 | 2), _varint(len(changed)), changed]
        else:
            parts += [head, payload]
    return b"".join(parts)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Field number, the bytes before the payload, and the payload of each field of a message."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _read_varint(message, position)
        wire_type = tag & 7
        if wire_type == 2:
            size, position = _read_varint(message, position)
        elif wire_type == 0:
            size = _read_varint(message, position)[1] - position
        else:
            size = {1: 8, 5: 4}[wire_type]
        yield tag >> 3, message[start:position], message[position : position + size]
        position += size


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
