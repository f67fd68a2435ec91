"""Files made to harm: each is refused with one line, nothing of it is run, and memory stays bounded."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.run import load

CANARY = "canary"
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class Named:
    """Pickled as a name that is imported when unpickled, and what is called with it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def storage(kind: str = "FloatStorage", key: bytes | None = None, length: int = 4) -> bytes:
    """Opcodes of a persistent id of a storage."""
    parts = (text("storage"), b"ctorch\n%s\n" % kind.encode(), key or text("0"), text("cpu"), integer(length))
    return b"(" + b"".join(parts) + b"tQ"


def sizes(*values: int) -> bytes:
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def tensor(
    place: bytes | None = None, offset: int = 0, shape: bytes | None = None, strides: bytes | None = None
) -> bytes:
    """Opcodes of a tensor of four elements."""
    arguments = (place or storage(), integer(offset), shape or sizes(4), strides or sizes(1), b"\x89", b"}")
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"".join(arguments) + b"tR"


def state(*items: bytes) -> bytes:
    """Opcodes of {"w": tensor, "x": items...}."""
    return opcodes(b"}(", text("w"), tensor(), b"".join(text(f"x{n}") + item for n, item in enumerate(items)), b"u")


def zipped(path: Path, pickled: bytes, data: bytes = np.arange(4, dtype="<f4").tobytes(), **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", data)
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableInputError) as caught:
        load(path)
    assert "\n" not in caught.value.message
    return caught.value.message


def one_line(error: ProfkitError) -> None:
    assert "\n" not in error.message


def test_the_plain_file_is_read(tmp_path: Path) -> None:
    run = load(zipped(tmp_path / "a.pth", state()))
    assert run.tensors["op"].tolist() == ["w"]
    assert open_tensor(tmp_path / "a.pth", "w").tolist() == [0.0, 1.0, 2.0, 3.0]


def command(tmp_path: Path) -> bytes:
    return text(f"touch {tmp_path / CANARY}")


ATTACKS = {
    "REDUCE os.system": lambda c: b"cos\nsystem\n(" + c + b"tR",
    "REDUCE posix.system by STACK_GLOBAL": lambda c: text("posix") + text("system") + b"\x93(" + c + b"tR",
    "REDUCE builtins.exec": lambda c: b"cbuiltins\nexec\n(" + c + b"tR",
    "REDUCE builtins.getattr": lambda c: b"cbuiltins\ngetattr\n(cos\nsystem\n" + c + b"tR",
    "REDUCE __builtin__.eval": lambda c: b"c__builtin__\neval\n(" + c + b"tR",
    "INST": lambda c: b"(" + c + b"ios\nsystem\n",
    "OBJ": lambda c: b"(cos\nsystem\n" + c + b"o",
    "NEWOBJ": lambda c: b"csubprocess\nPopen\n(" + c + b"t\x81",
    "NEWOBJ_EX": lambda c: b"csubprocess\nPopen\n(" + c + b"t}\x92",
    "torch.hub": lambda c: b"ctorch.hub\nload\n(" + c + b"tR",
    "a pickle in a pickle": lambda c: b"c_pickle\nloads\n(" + c + b"tR",
    "operator.methodcaller": lambda c: b"coperator\nmethodcaller\n(" + c + b"tR",
    "numpy.load": lambda c: b"cnumpy\nload\n(" + c + b"tR",
    "storage from bytes": lambda c: b"ctorch.storage\n_load_from_bytes\n(" + c + b"tR",
    "the function of a tensor subclass": lambda c: (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nctorch\nTensor\n(" + c + b"t}tR"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
@pytest.mark.parametrize("outermost", [True, False])
def test_an_attack_is_named_and_not_run(tmp_path: Path, attack: Any, outermost: bool) -> None:
    call = attack(command(tmp_path))
    path = zipped(tmp_path / "a.pth", opcodes(call) if outermost else state(call))
    assert "may be an attack" in refusal(path)
    legacy = tmp_path / "b.pth"
    head = b"".join(pickle.dumps(part, 2) for part in (TORCH_MAGIC, 1001, {"little_endian": True}))
    legacy.write_bytes(head + opcodes(call) + pickle.dumps([], 2))
    assert "may be an attack" in refusal(legacy)
    legacy.write_bytes(pickle.dumps(TORCH_MAGIC, 2) + opcodes(call))
    refusal(legacy)
    assert not (tmp_path / CANARY).exists()


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """The standard unpickler runs them: a canary that nothing could touch would prove nothing."""
    for name in ("REDUCE os.system", "INST", "OBJ"):
        pickle.loads(opcodes(ATTACKS[name](command(tmp_path))))
        (tmp_path / CANARY).unlink()


def test_state_given_to_an_object_is_dropped(tmp_path: Path) -> None:
    """BUILD would call __setstate__, or put attributes into the object."""
    built = b"c__main__\nVictim\n)\x81}(" + text("__setstate__") + b"cos\nsystem\nub" + command(tmp_path) + b"b"
    run = load(zipped(tmp_path / "a.pth", state(built)))
    assert run.tensors["op"].tolist() == ["w"]
    assert "__main__.Victim" in run.issues[0].text
    assert not (tmp_path / CANARY).exists()


REFUSED = {
    "cut": (state()[:-30], "cut or damaged|ends before"),
    "empty": (b"", "cut or damaged"),
    "no stack": (opcodes(b"R"), "do not fit"),
    "only a mark": (opcodes(b"("), "do not fit"),
    "unknown memo": (opcodes(b"h\x05"), "does not hold"),
    "extension registry": (opcodes(b"\x82\x01"), "EXT1"),
    "text persistent id": (opcodes(b"Pstorage\n"), "PERSID"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "a whole module": (opcodes(b"c__main__\nNet\n)\x81}b"), "__main__.Net"),
    "a number": (opcodes(b"K\x01"), "int"),
    "a name": (opcodes(b"cos\nsystem\n"), "os.system"),
    "persistent id of another sort": (opcodes(text("weights"), b"Q"), "no storage"),
    "storage of no type": (opcodes(b"(", text("storage"), text("x"), text("0"), text("c"), b"K\x04tQ"), "no type"),
    "storage of a negative length": (state(storage(length=-1)), "length"),
    "storage longer than the file": (state(tensor(storage(key=text("1"), length=1 << 40))), "holds 0"),
    "storage of a length no memory has": (state(tensor(storage(length=1 << 80))), "length"),
    "storage that is not there": (state(tensor(storage(key=text("../0")))), "holds 0"),
    "two descriptions of a storage": (state(tensor(storage("DoubleStorage", length=2), shape=sizes(2))), "two ways"),
    "quantised": (state(tensor(storage("QInt8Storage", key=text("1")))), "QInt8"),
    "offset behind the storage": (state(tensor(offset=1)), "leaves its storage"),
    "negative offset": (state(tensor(offset=-1)), "place"),
    "negative size": (state(tensor(shape=sizes(-4))), "shape"),
    "negative stride": (state(tensor(strides=sizes(-1))), "shape"),
    "stride behind the storage": (state(tensor(strides=sizes(2))), "leaves its storage"),
    "shape behind the storage": (state(tensor(shape=sizes(5))), "leaves its storage"),
    "dims whose product overflows": (
        state(tensor(shape=sizes(1 << 62, 1 << 62), strides=sizes(0, 0))),
        "more elements than",
    ),
    "more strides than dims": (state(tensor(strides=sizes(1, 1))), "place"),
    "too many dims": (state(tensor(shape=sizes(*[1] * 100), strides=sizes(*[1] * 100))), "shape"),
    "shape of text": (state(tensor(shape=text("4"))), "shape"),
    "no storage": (state(tensor(place=text("0"))), "no storage"),
}


@pytest.mark.parametrize(("pickled", "words"), REFUSED.values(), ids=list(REFUSED))
def test_a_lying_pickle_is_refused_with_a_reason(tmp_path: Path, pickled: bytes, words: str) -> None:
    message = refusal(zipped(tmp_path / "a.pth", pickled))
    assert any(word in message for word in words.split("|")), message


def nested(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1)


LAUGHS = b"(" + text("lol") + b"l" + b"".join(b"q%c](" % n + b"h%c" % n * 10 + b"e" for n in range(1, 60))
BOMBS = {
    "nested lists": state(nested(100_000)),
    "nested tuples as keys": opcodes(b"}", b")" + b"\x85" * 100_000, b"K\x01s"),
    "a list that holds itself": opcodes(b"]q\x01h\x01a"),
    "a billion laughs": opcodes(LAUGHS),
    "a key that takes for ever to hash": opcodes(b"}", text("a"), b"\x85" + b"2\x86" * 60, b"K\x01s"),
    "a text of a length that is not there": opcodes(b"\x8d" + struct.pack("<Q", 1 << 50) + b"x"),
    "a number of a length that is not there": opcodes(b"\x8b" + struct.pack("<I", (1 << 31) - 1)),
    "memo of a place far away": opcodes(b"]r\xff\xff\xff\xff"),
    "an endless line": b"I" + b"1" * 1_000_000,
}


def in_a_bounded_process(path: Path, *arguments: str, megabytes: int = 900) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "profkit", *(arguments or ("inspect", "--no-cache")), str(path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=environment,
        check=False,
    )


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    """All in one bounded process: each is refused, or gives what few tensors it holds."""
    folder = tmp_path / "bombs"
    folder.mkdir()
    for number, pickled in enumerate(BOMBS.values()):
        zipped(folder / f"{number}.pth", pickled)
        (folder / f"{number}_legacy.pth").write_bytes(
            b"".join(pickle.dumps(part, 2) for part in (TORCH_MAGIC, 1001, {})) + pickled + pickle.dumps([], 2)
        )
    code = (
        "import pathlib, sys\n"
        "from profkit.errors import ProfkitError\n"
        "from profkit.run import load\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        print(path.name, 'read', len(load(path).tensors))\n"
        "    except ProfkitError as error:\n"
        "        print(path.name, 'refused', error.message)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 2 * len(BOMBS)


def test_a_zip_bomb_in_place_of_the_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profkit.parsers.checkpoint.torch_file._LONGEST_PICKLE", 1 << 16)
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"0" * (1 << 20))
    assert "larger than" in refusal(path)


def test_compressed_storages_are_unpacked_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", state())
        archive.writestr("archive/data/0", np.arange(4, dtype="<f4").tobytes())
    load(path)
    assert open_tensor(path, "w").tolist() == [0.0, 1.0, 2.0, 3.0]
    monkeypatch.setattr("profkit.parsers.checkpoint.torch_file._LARGEST_PACKED", 8)
    os.utime(path, (1, 1))
    assert "too large" in refusal(path)


def big_endian_words(path: Path) -> Path:
    return zipped(path, state(), np.arange(4, dtype=">f4").tobytes(), byteorder=b"big")


def test_the_byte_order_of_the_file_counts(tmp_path: Path) -> None:
    path = big_endian_words(tmp_path / "a.pth")
    assert open_tensor(path, "w").tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["a.pth", "b.pth", "c.ckpt", "d.safetensors"])
def test_every_cut_is_refused_or_told(tmp_path: Path, name: str) -> None:
    whole = checkpoint_bytes(tmp_path, name)
    path = tmp_path / "cut" / name
    path.parent.mkdir()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        os.utime(path, (length, length))
        try:
            run = load(path)
        except ProfkitError as error:
            one_line(error)
            continue
        # Entries of a .ckpt stand in a row without a count: a cut between two of them cannot be seen.
        assert run.issues or (name == "c.ckpt" and whole[length:].startswith(b"\x0a"))
        for row in run.tensors.itertuples():
            open_tensor(row.path, row.member)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_bytes_never_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    name = data.draw(st.sampled_from(["a.pth", "b.pth", "c.ckpt", "d.safetensors"]))
    content = bytearray(checkpoint_bytes(folder, name))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / f"x{name}"
    path.write_bytes(content)
    try:
        for row in load(path).tensors.itertuples():
            open_tensor(row.path, row.member)
    except ProfkitError as error:
        one_line(error)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(10, b"\x08"), (10, b"\x0c"), (10, b"\x0e"), (10, b"\x63"), (8, b"\x01"), (20, b"\xff\xff\xff\0\xff\xff\xff\0")],
    ids=["deflate", "bzip2", "lzma", "unknown method", "encrypted", "longer than the file"],
)
def test_a_lying_zip_directory_is_refused(tmp_path: Path, offset: int, value: bytes) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", state(text("w"), tensor()))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02") + offset
    content[entry : entry + len(value)] = value
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "profkit", "weights", "compare", path, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"profkit: {path} ")
    assert not done.stderr.splitlines()[0].endswith(": ")


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def parameter(name: str, dims: list[int], kind: str, content: bytes, *, packed: bool = False) -> bytes:
    numbers = b"".join(varint(dim) for dim in dims)
    shape = field(1, numbers) if packed else b"".join(b"\x08" + varint(dim) for dim in dims)
    return field(1, field(1, name.encode()) + field(2, shape + field(2, kind.encode()) + field(3, content)))


def checkpoint_bytes(folder: Path, name: str) -> bytes:
    words = np.arange(4, dtype="<f4").tobytes()
    if name == "a.pth":
        return zipped(folder / "whole.pth", state()).read_bytes()
    if name == "b.pth":
        head = b"".join(pickle.dumps(part, 2) for part in (TORCH_MAGIC, 1001, {"little_endian": True}))
        return head + state() + pickle.dumps(["0"], 2) + struct.pack("<Q", 4) + words
    if name == "c.ckpt":
        return parameter("w", [2, 2], "Float32", words) + parameter("b", [], "Float32", words[:4])
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + words


@pytest.mark.parametrize("packed", [False, True])
def test_pieces_of_one_parameter_are_one_tensor(tmp_path: Path, packed: bool) -> None:
    words = np.arange(12, dtype="<f4").tobytes()
    path = tmp_path / "a.ckpt"
    path.write_bytes(
        parameter("first", [2], "Float16", words[:4], packed=packed)
        + b"".join(parameter("big", [3, 4], "Float32", words[at : at + 16], packed=packed) for at in (0, 16, 32))
        + parameter("note", [0], "str", b"text")
        + parameter("scalar", [0], "Float32", words[4:8])
        + parameter("empty", [0, 3], "Int32", b"")
        + parameter("odd", [2], "Float99", words[:4])
        + parameter("short", [3], "Float32", words[:4])
        + b"crc_num"
        + bytes(10)
    )
    run = load(path)
    assert dict(zip(run.tensors["op"], run.tensors["shape"], strict=True)) == {
        "first": "2",
        "big": "3,4",
        "scalar": "",
        "empty": "0,3",
    }
    assert open_tensor(path, "big").tolist() == np.arange(12, dtype="<f4").reshape(3, 4).tolist()
    assert open_tensor(path, "scalar").tolist() == 1.0
    assert open_tensor(path, "empty").shape == (0, 3)
    assert sorted(issue.text for issue in run.issues) == [
        "1 entries were not read: its shape and type need 12 bytes, the file holds 4 (short)",
        "1 entries were not read: its type 'Float99' is not known (odd)",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\x0a\xff\xff\xff\xff\x7f" + b"x" * 100,
        random.Random(4096).randbytes(4096),
        b"\x0a\x00" * 1000,
        parameter("w", [1 << 62, 1 << 62, 4], "Float32", b"1234"),
        parameter("w", [1] * 100, "Float32", b"1234"),
    ],
)
def test_what_is_no_checkpoint_of_mindspore_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    try:
        run = load(path)
    except ProfkitError as error:
        one_line(error)
        return
    assert run.tensors.empty
    assert run.issues


HEADERS = {
    "shape that does not fill its place": {"dtype": "F32", "shape": [3], "data_offsets": [0, 16]},
    "product that overflows": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]},
    "place behind the end": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
    "place backwards": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]},
    "negative": {"dtype": "F32", "shape": [-4], "data_offsets": [0, -16]},
    "no dtype": {"shape": [4], "data_offsets": [0, 16]},
    "odd dtype": {"dtype": "O", "shape": [4], "data_offsets": [0, 16]},
    "no object": [1],
}


@pytest.mark.parametrize("entry", HEADERS.values(), ids=list(HEADERS))
def test_a_lying_safetensors_header_costs_its_tensor(tmp_path: Path, entry: object) -> None:
    good = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"__metadata__": {"a": "b"}, "bad": entry, "good": good}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + np.arange(4, dtype="<f4").tobytes())
    run = load(path)
    assert run.tensors["op"].tolist() == ["good"]
    assert "(bad)" in run.issues[0].text
    assert open_tensor(path, "good").tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("length", [1 << 62, 100_000_001, 3])
def test_a_lying_safetensors_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"a": 1}')
    refusal(path)


def test_names_from_files_reach_no_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(parameter("w\x1b[31m", [1], "Float32", b"1234") + parameter("\x1b]0;x", [1], "Odd", b"1234"))
    done = in_a_bounded_process(path, "inspect", "--no-cache", megabytes=4000)
    assert "\x1b" not in done.stdout + done.stderr


def test_an_ordered_dict_with_attributes_is_read(tmp_path: Path) -> None:
    """state_dict() is an OrderedDict that carries _metadata, which BUILD gives it."""
    plain = OrderedDict(a=1)
    plain.version = 1  # type: ignore[attr-defined]
    pickled = pickle.dumps(plain, 2)
    item = pickled[2:-1]
    assert load(zipped(tmp_path / "a.pth", state(item))).tensors["op"].tolist() == ["w"]


def test_a_refused_checkpoint_does_not_hide_what_lies_beside_it(tmp_path: Path) -> None:
    zipped(tmp_path / "good.pth", state())
    zipped(tmp_path / "module.pth", opcodes(b"c__main__\nNet\n)\x81}b"))
    run = load(tmp_path)
    assert run.tensors["op"].tolist() == ["w"]
    assert [issue.severity.value for issue in run.issues] == ["error"]
    assert "__main__.Net" in run.issues[0].text
    (tmp_path / "good.pth").unlink()
    assert "__main__.Net" in refusal(tmp_path)
