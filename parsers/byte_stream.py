"""The bytes of a file in pieces, with gzip undone; a cut or corrupt archive gives what can be unpacked and an issue."""

from __future__ import annotations

import importlib
import zlib
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from profkit.errors import ImportIssue, Severity


def _inflater() -> ModuleType:
    """Give isal's zlib, three times as fast as the standard one, where it is installed."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


_ZLIB = _inflater()
_ZLIB_ERRORS: tuple[type[Exception], ...] = (zlib.error, _ZLIB.error)

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_CONTAINER = 31
_READ_BYTES = 1 << 20
_CAREFUL_BYTES = 1 << 8


class ByteStream:
    """Plain bytes of a file, read forward. Gzip is told by its magic bytes, never by the file's suffix.

    Attributes:
        compressed: Whether the file is gzip.
        issues: What was wrong with the archive; complete once `read` gave b"".
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._size = max(path.stat().st_size, 1)
        self._packed = self._file.read(_READ_BYTES)
        self.compressed = self._packed.startswith(GZIP_MAGIC)
        self._inflate: Any = _ZLIB.decompressobj(_GZIP_CONTAINER) if self.compressed else None
        self._member_start = 0
        self._member_given = 0
        self._at_end = False
        self.issues: list[ImportIssue] = []

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def fraction(self) -> float:
        """Part of the file that was read, 0 to 1."""
        return min(self._file.tell() / self._size, 1.0)

    def read(self, size: int) -> bytes:
        """Give at least one and at most about `size` further bytes; b"" only at the end."""
        pieces: list[bytes] = []
        missing = size
        while missing > 0 and not self._at_end:
            piece = self._unpack(missing) if self.compressed else self._take()
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _take(self) -> bytes:
        piece = self._packed or self._file.read(_READ_BYTES)
        self._packed = b""
        self._at_end = not piece
        return piece

    def _unpack(self, size: int) -> bytes:
        if self._inflate.eof and not self._next_member():
            return b""
        if not self._packed:
            self._packed = self._file.read(_READ_BYTES)
        exhausted = not self._packed
        try:
            piece: bytes = self._inflate.decompress(self._packed, size)
        except _ZLIB_ERRORS:
            self._stop(Severity.DATA_LOSS, "the gzip archive is corrupt: the rest of it was not read")
            return self._before_damage()
        self._member_given += len(piece)
        self._packed = self._inflate.unconsumed_tail
        if exhausted and not piece and not self._inflate.eof:
            self._stop(Severity.DATA_LOSS, "the gzip archive is cut: its end is missing")
        return piece

    def _before_damage(self) -> bytes:
        """Give what the archive holds between the bytes given so far and its damage.

        An inflater that fails keeps what it had unpacked from that piece to itself, so the archive is unpacked anew in
        small pieces.
        """
        inflate = zlib.decompressobj(_GZIP_CONTAINER)
        skip, kept = self._member_given, bytearray()
        self._file.seek(self._member_start)
        while packed := self._file.read(_CAREFUL_BYTES):
            try:
                piece = inflate.decompress(packed)
            except zlib.error:
                break
            kept += piece[skip:]
            skip = max(0, skip - len(piece))
        return bytes(kept)

    def _next_member(self) -> bool:
        """Go on with the next archive of a concatenation; false at the end."""
        rest: bytes = self._inflate.unused_data or self._packed or self._file.read(_READ_BYTES)
        if len(rest) == 1:
            rest += self._file.read(_READ_BYTES)
        if not rest.startswith(GZIP_MAGIC):
            self._at_end = True
            if rest.strip(b"\0"):
                self._stop(Severity.INFO, "bytes after the end of the gzip archive were ignored")
            return False
        self._packed = rest
        self._member_start, self._member_given = self._file.tell() - len(rest), 0
        self._inflate = _ZLIB.decompressobj(_GZIP_CONTAINER)
        return True

    def _stop(self, severity: Severity, text: str) -> None:
        self._at_end = True
        self.issues.append(ImportIssue(severity, str(self._path), f"packed byte {self._file.tell()}", text))


def first_bytes(path: Path, size: int = 1 << 16) -> bytes:
    """Give the first plain bytes of a file, for recognition; less if the archive is damaged."""
    with ByteStream(path) as stream:
        return stream.read(size)[:size]
