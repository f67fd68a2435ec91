"""A file of torch.save, in the zip form (torch 1.6 and later) and the older form of pickles in a row.

Zip form: {name}/data.pkl, and {name}/data/{key} stored uncompressed, so that storages are mapped in place. Older form:
magic number, protocol, system, objects, keys, each a pickle; then for each key 8 bytes of its length, and its elements.
Source: torch/serialization.py of torch 0.4 to 2.13.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.number_formats import StoredWords, word_dtype
from profkit.parsers.checkpoint.restricted_pickle import BadPickleError, Unread, read_pickle
from profkit.parsers.checkpoint.torch_objects import Storage, TensorView, TorchObjects, read_objects
from profkit.parsers.dump.array_file import AnyArray
from profkit.parsers.dump.tensor_dtypes import element_bytes

ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# Objects of real checkpoints take some kB; 100,000 tensors take about 30 MB.
_LONGEST_PICKLE = 1 << 28
_LARGEST_PACKED = 1 << 30
_LOCAL_HEADER = 30
_COPY_AGAIN = "copy or save the file again"
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)
SAVE_WEIGHTS = "save the weights alone: torch.save(model.state_dict(), path)"


class _Place(NamedTuple):
    """Where the bytes of a storage lie in the file; `packed` names the member that must be unpacked."""

    offset: int
    size: int
    packed: str = ""


class TorchFile(NamedTuple):
    """What a file of torch.save holds.

    Attributes:
        objects: Its tensors and what else it mentions.
        places: Where the bytes of each storage lie.
        byte_order: "<" or ">".
        form: "zip" or "legacy".
    """

    objects: TorchObjects
    places: Mapping[str, _Place]
    byte_order: str
    form: str


def read_torch_file(path: Path) -> TorchFile:
    """Read what a file of torch.save holds; no data of a tensor is read.

    Raises:
        UnreadableInputError: It is cut, damaged or hostile, or holds something else than weights.
    """
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


def open_torch_words(path: Path, member: str) -> StoredWords:
    """Open one tensor of a file of torch.save; the storage is mapped where the file has it uncompressed.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    file = read_torch_file(path)
    view = file.objects.tensors.get(member)
    if view is None:
        raise UnreadableInputError(f"{path} holds no tensor {member[:80]!r}", "read the file anew")
    try:
        return StoredWords(_words(path, file, view), view.dtype)
    except _DAMAGED_ZIP as error:
        raise UnreadableInputError(f"{path} is a cut or damaged zip file: {_said(error)}", _COPY_AGAIN) from error
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error


def _said(error: Exception) -> str:
    """Give what an error says; the one of a member that ends too early says nothing."""
    return str(error) or "it ends within a member"


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int, size: int) -> TorchFile:
    try:
        with path.open("rb") as file:
            if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
                return _read_zip(path, size)
            file.seek(0)
            return _read_legacy(file, size)
    except BadPickleError as error:
        raise UnreadableInputError(f"{path} is no checkpoint that is read: {error}", SAVE_WEIGHTS) from error
    except _DAMAGED_ZIP as error:
        raise UnreadableInputError(f"{path} is a cut or damaged zip file: {_said(error)}", _COPY_AGAIN) from error
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error


def _read_zip(path: Path, size: int) -> TorchFile:
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = {info.filename: info for info in archive.infolist()}
        prefix = _prefix(members)
        if f"{prefix}constants.pkl" in members:
            raise BadPickleError("it is a TorchScript archive, a program with its weights")
        pickled = _bounded_member(archive, members[f"{prefix}data.pkl"], _LONGEST_PICKLE)
        objects = read_objects(BytesIO(pickled))
        order = members.get(f"{prefix}byteorder")
        big = order is not None and _bounded_member(archive, order, 16).strip() == b"big"
        places = {
            key: _place(file, members.get(f"{prefix}data/{key}"), storage, size)
            for key, storage in objects.storages.items()
        }
    return TorchFile(objects, places, ">" if big else "<", "zip")


def _prefix(members: Mapping[str, zipfile.ZipInfo]) -> str:
    """Give the directory in the archive that holds data.pkl, with its slash.

    Raises:
        BadPickleError: There is none.
    """
    for name in members:
        folder, slash, rest = name.partition("/")
        if rest == "data.pkl":
            return folder + slash
    if "data.pkl" in members:
        return ""
    raise BadPickleError("the zip file has no data.pkl, so torch.save did not write it")


def _bounded_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """Unpack a member that may not be larger than `most`; what its header promises is not believed."""
    with archive.open(info) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise BadPickleError(f"its member {info.filename[:40]!r} is larger than {most:,} bytes")
    return content


def _place(file: IO[bytes], info: zipfile.ZipInfo | None, storage: Storage, size: int) -> _Place:
    """Find the bytes of a storage.

    Raises:
        BadPickleError: The archive does not hold them.
    """
    wanted = storage.length * element_bytes(storage.dtype)
    if info is None or info.file_size < wanted:
        held = 0 if info is None else info.file_size
        raise BadPickleError(f"the storage {storage.key[:40]!r} needs {wanted:,} bytes, the file holds {held:,}")
    if info.compress_type != zipfile.ZIP_STORED:
        if info.file_size > _LARGEST_PACKED:
            raise BadPickleError(f"the storage {storage.key[:40]!r} is compressed and too large to be unpacked")
        return _Place(0, wanted, info.filename)
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != ZIP_MAGIC:
        raise BadPickleError(f"the storage {storage.key[:40]!r} does not lie where the file says")
    # Lengths of the name and of the extra field, which aligns the data, at bytes 26 and 28 of the local header.
    offset = info.header_offset + _LOCAL_HEADER + int.from_bytes(header[26:28], "little")
    offset += int.from_bytes(header[28:30], "little")
    if offset + wanted > size:
        raise BadPickleError(f"the storage {storage.key[:40]!r} ends behind the end of the file")
    return _Place(offset, wanted)


class _BoundedSource:
    """A file of which one pickle may take only so much: a length in it never makes Python ask for more memory."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self._end = min(size, file.tell() + _LONGEST_PICKLE)

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes."""
        return self._file.read(min(size, self._left()))

    def readline(self) -> bytes:
        """Give the bytes up to and with the next line feed."""
        return self._file.readline(self._left())

    def tell(self) -> int:
        """Give the position."""
        return self._file.tell()

    def _left(self) -> int:
        left = self._end - self._file.tell()
        if left <= 0 and self._end < self._size:
            raise BadPickleError(f"it is longer than {_LONGEST_PICKLE:,} bytes")
        return max(left, 0)


def _read_legacy(file: IO[bytes], size: int) -> TorchFile:
    def pickle_of_plain_values() -> Any:
        return read_pickle(_BoundedSource(file, size), lambda function, _: Unread(function.name), _no_storage)

    if pickle_of_plain_values() != _LEGACY_MAGIC:
        raise BadPickleError("it is a pickle, but torch.save did not write it")
    if pickle_of_plain_values() != _LEGACY_PROTOCOL:
        raise BadPickleError("it is of a form that torch.save had before 0.1.10: load and save it again")
    system = pickle_of_plain_values()
    big = isinstance(system, dict) and system.get("little_endian") is False
    objects = read_objects(_BoundedSource(file, size))
    keys = pickle_of_plain_values()
    if not isinstance(keys, list):
        raise BadPickleError("it does not list its storages")
    places: dict[str, _Place] = {}
    for key in keys:
        storage = objects.storages.get(str(key)[: _LOCAL_HEADER * 4]) if isinstance(key, (str, int)) else None
        if storage is None:
            raise BadPickleError("it lists a storage that no tensor uses")
        length = int.from_bytes(file.read(8), "big" if big else "little")
        place = _Place(file.tell(), storage.length * element_bytes(storage.dtype))
        if length != storage.length or place.offset + place.size > size:
            raise BadPickleError(f"it is cut or damaged: the storage {storage.key[:40]!r} is not all there")
        places[storage.key] = place
        file.seek(place.offset + place.size)
    missing = objects.storages.keys() - places.keys()
    if missing:
        raise BadPickleError(f"it does not hold the storage {min(missing)[:40]!r}")
    return TorchFile(objects, places, ">" if big else "<", "legacy")


def _no_storage(_: Any) -> Any:
    raise BadPickleError("it refers to a storage where none can be")


def _words(path: Path, file: TorchFile, view: TensorView) -> AnyArray:
    """Map the storage and give the view of it; elements that are not needed are not read."""
    place = file.places[view.storage.key]
    words = word_dtype(view.dtype, file.byte_order)
    if words is None:
        raise UnreadableInputError(f"{path}: tensors of {view.dtype} are not read", "save it as float32")
    itemsize = element_bytes(view.dtype)
    count = place.size // itemsize
    if 0 in view.shape or count == 0:
        return np.zeros(view.shape + words.shape, words.base)
    if place.packed:
        with zipfile.ZipFile(path) as archive, archive.open(place.packed) as member:
            flat: AnyArray = np.frombuffer(member.read(place.size), dtype=words, count=count)
    else:
        flat = np.asarray(np.memmap(path, dtype=words, mode="r", offset=place.offset, shape=(count,)))
    strides = tuple(stride * itemsize for stride in view.strides)
    if words.shape:
        strides = (*strides, words.base.itemsize)
    shape = view.shape + words.shape
    return np.lib.stride_tricks.as_strided(flat[view.offset :], shape, strides, writeable=False)
