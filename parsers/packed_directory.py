"""Archives of recordings (.tar, .tar.gz, .tar.xz, .tar.bz2, .zip), unpacked into a directory without trusting them.

Only plain files and directories with relative names are written; everything is counted while it is unpacked, because
what an archive says of its sizes may be a lie. tarfile and zipfile parse; the streams under them are bounded here.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from profkit.errors import UnreadableInputError
from profkit.parsers.byte_stream import GZIP_MAGIC, ByteStream
from profkit.progress import Progress
from profkit.safe_text import printable

DEFAULT_MOST_BYTES = 16 << 30
"""Bytes that an archive may have when unpacked."""

_XZ_MAGIC, _BZIP2_MAGIC, _ZIP_MAGIC = b"\xfd7zXZ\x00", b"BZh", b"PK\x03\x04"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_MOST_MEMBERS = 1_000_000
# Tensors shrink to a half, traces to a tenth; a share beyond this, in more than a few bytes, is made to fill the disk.
_HIGHEST_RATIO = 500
_RATIO_FROM_BYTES = 256 << 20
_XZ_MEMORY = 256 << 20
_LONGEST_EXTENSION_HEADER = 1 << 20
_KEPT_FREE = 256 << 20
_PIECE = 1 << 20
_DEEPEST = 64
_ENDS = (".tar", ".tgz", ".tar.gz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".zip")
_EXTENSION_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, ValueError, NotImplementedError)


class Unpacked(NamedTuple):
    """What came out of an archive.

    Attributes:
        files: Files written.
        size: Their bytes.
        skipped: Members that were not written (links, devices, sparse files).
        damage: Why the archive ends early; "" if it does not.
    """

    files: int
    size: int
    skipped: int
    damage: str


class _RefusedError(Exception):
    """Why the whole archive is refused."""


class _LimitError(_RefusedError):
    """The archive is larger than may be unpacked."""


def is_packed_directory(path: Path) -> bool:
    """Tell by name and first bytes whether a file is an archive of files; a checkpoint in zip form is none."""
    if not path.is_file() or not path.name.lower().endswith(_ENDS):
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    except OSError:
        return False
    if begin.startswith((GZIP_MAGIC, _XZ_MAGIC, _BZIP2_MAGIC)):
        return True
    if path.name.lower().endswith(".zip"):
        return begin.startswith(_ZIP_MAGIC)
    return begin[_TAR_MAGIC_AT:] == _TAR_MAGIC


def unpack(path: Path, target: Path, progress: Progress, most_bytes: int = DEFAULT_MOST_BYTES) -> Unpacked:
    """Write the files of an archive into a directory; a cut archive gives the files before the cut.

    Args:
        path: The archive.
        target: An empty directory.
        progress: Told how far it is.
        most_bytes: Bytes that may be written.

    Raises:
        UnreadableInputError: It is hostile or too large, nothing could be unpacked, or the disk is full.
    """
    writer = _Writer(path, target, progress, most_bytes)
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    damage = ""
    try:
        for name, content in members(path, writer):
            writer.write(name, content)
    except _LimitError as error:
        raise UnreadableInputError(
            f"{path} is not unpacked: {error}", "unpack it yourself and name the directory"
        ) from None
    except _RefusedError as error:
        raise UnreadableInputError(f"{path} is refused: {error}", "unpack it only if you trust who made it") from None
    except _DAMAGE as error:
        damage = printable(error)[:80] or "it ends early"
    except OSError as error:
        text = f"{path} cannot be unpacked into {target}: {error.strerror}"
        raise UnreadableInputError(text, "make room there, or set TMPDIR to a place that has some") from error
    if damage and not writer.files:
        raise UnreadableInputError(f"{path} is a cut or damaged archive: {damage}", "copy it again")
    return Unpacked(writer.files, writer.size, writer.skipped, damage)


@dataclass
class _Writer:
    """Writes members below a directory, within the limits."""

    path: Path
    target: Path
    progress: Progress
    most_bytes: int
    files: int = 0
    size: int = 0
    skipped: int = 0
    members: int = 0
    packed: int = field(init=False)
    free: int = field(init=False)

    def __post_init__(self) -> None:
        self.packed = max(self.path.stat().st_size, 1)
        self.free = max(shutil.disk_usage(self.target).free - _KEPT_FREE, 0)

    def count_member(self) -> None:
        """Take note of one more member of any kind."""
        self.members += 1
        if self.members > _MOST_MEMBERS:
            raise _LimitError(f"it has more than {_MOST_MEMBERS:,} members")

    def check(self, size: int) -> None:
        """See whether so many unpacked bytes are allowed."""
        if size > self.most_bytes:
            raise _LimitError(f"it has more than {self.most_bytes:,} bytes when unpacked")
        if size > self.free:
            raise _LimitError(f"the {self.free:,} bytes free in {self.target} do not suffice")
        if size > _RATIO_FROM_BYTES and size > _HIGHEST_RATIO * self.packed:
            raise _RefusedError(f"it unpacks to more than {_HIGHEST_RATIO} times its size, as a zip bomb does")

    def write(self, name: str, content: IO[bytes] | None) -> None:
        """Write a file of this name, or make a directory if there is no content."""
        file = self.target / _safe(name)
        if content is None:
            file.mkdir(parents=True, exist_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("xb") as written:
                while piece := content.read(_PIECE):
                    self.size += len(piece)
                    self.check(self.size)
                    written.write(piece)
        except FileExistsError:
            raise _RefusedError(f"it holds {printable(name)[:80]!r} twice") from None
        except _DAMAGE:
            file.unlink()
            raise
        self.files += 1


def _safe(name: str) -> PurePosixPath:
    """Give the relative path that a member's name says.

    Raises:
        _RefusedError: It would lie elsewhere than below the target.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name or not path.parts:
        raise _RefusedError(f"a member is named {printable(name)[:80]!r}, which leads out of the archive")
    if len(path.parts) > _DEEPEST:
        raise _RefusedError(f"a member lies more than {_DEEPEST} directories deep")
    return path


class _BoundedHeader(tarfile.TarInfo):
    """A member's header; those that only carry a name or attributes are read into memory and may not be large."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _EXTENSION_HEADERS and self.size > _LONGEST_EXTENSION_HEADER:
            raise _RefusedError(f"a header in it has {self.size:,} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _tar_members(path: Path, writer: _Writer) -> Iterator[tuple[str, IO[bytes] | None]]:
    with (
        _PlainBytes(path, writer) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedHeader, bufsize=_PIECE) as archive,  # type: ignore[call-overload]
    ):
        for member in archive:
            # The list of members that tarfile keeps for random access would grow with the archive.
            archive.members = []
            writer.count_member()
            if member.isdir():
                if PurePosixPath(member.name).parts:
                    yield member.name, None
            elif member.isreg() and not member.issparse():
                yield member.name, archive.extractfile(member)
            else:
                writer.skipped += 1
        stream.raise_if_cut()


def _zip_members(path: Path, writer: _Writer) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            writer.count_member()
            writer.progress("unpacking", path.name, min(member.header_offset / writer.packed, 1.0))
            if member.flag_bits & 1:
                raise _RefusedError("it is encrypted")
            if member.is_dir():
                yield member.filename, None
            elif stat.S_IFMT(member.external_attr >> 16) in {0, stat.S_IFREG}:
                with archive.open(member) as content:
                    yield member.filename, content
            else:
                writer.skipped += 1


class _PlainBytes:
    """The bytes of a tar file, unpacked in bounded pieces and counted; memory stays that of a few pieces."""

    def __init__(self, path: Path, writer: _Writer) -> None:
        self._path = path
        self._writer = writer
        self._given = 0
        self._buffer = b""
        self._damage = ""
        with path.open("rb") as file:
            begin = file.read(len(_XZ_MAGIC))
        if begin.startswith(_XZ_MAGIC):
            self._source: ByteStream | _Repeated = _Repeated(path, _xz)
        elif begin.startswith(_BZIP2_MAGIC):
            self._source = _Repeated(path, bz2.BZ2Decompressor)
        else:
            self._source = ByteStream(path)

    def __enter__(self) -> _PlainBytes:
        self._source.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._source.__exit__(*error)

    def read(self, size: int) -> bytes:
        """Give `size` bytes; less only at the end."""
        pieces = [self._buffer]
        held = len(self._buffer)
        while held < size and (piece := self._piece(min(size - held, _PIECE))):
            pieces.append(piece)
            held += len(piece)
            self._given += len(piece)
            # A tar file has a header and padding beside the bytes of each member.
            self._writer.check(self._given - 2 * tarfile.BLOCKSIZE * (self._writer.members + 2))
        content = b"".join(pieces)
        self._buffer = content[size:]
        self._writer.progress("unpacking", self._path.name, self._source.fraction)
        return content[:size]

    def _piece(self, size: int) -> bytes:
        """Give further bytes; b"" at the end and where the stream is damaged, so that what came before counts."""
        try:
            return b"" if self._damage else self._source.read(size)
        except _DAMAGE as error:
            self._damage = str(error) or "it ends early"
            return b""

    def raise_if_cut(self) -> None:
        """Raise what there is to complain of.

        Raises:
            EOFError: The stream is cut or corrupt.
        """
        if self._damage:
            raise EOFError(self._damage)
        if isinstance(self._source, ByteStream) and any(
            issue.severity.value != "info" for issue in self._source.issues
        ):
            raise EOFError(self._source.issues[0].text)


def _xz() -> Any:
    # A header may ask for a dictionary of 4 GiB.
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


class _Repeated:
    """The bytes of an xz or bzip2 file: one or more compressed streams in a row."""

    def __init__(self, path: Path, decompressor: Callable[[], Any]) -> None:
        self._file = path.open("rb")
        self._size = max(path.stat().st_size, 1)
        self._new = decompressor
        self._state = decompressor()

    def __enter__(self) -> _Repeated:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    @property
    def fraction(self) -> float:
        """Part of the file that was read, 0 to 1."""
        return min(self._file.tell() / self._size, 1.0)

    def read(self, size: int) -> bytes:
        """Give at least one and at most `size` further bytes; b"" at the end."""
        while True:
            packed = b""
            if self._state.eof:
                packed = self._state.unused_data.lstrip(b"\0") or self._file.read(_PIECE)
                if not packed:
                    return b""
                self._state = self._new()
            elif self._state.needs_input:
                packed = self._file.read(_PIECE)
                if not packed:
                    raise EOFError("the archive is cut: its end is missing")
            piece: bytes = self._state.decompress(packed, size)
            if piece:
                return piece
