"""Frames on disk: Parquet files whose pages carry checksums; files and directories that are whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from profkit.errors import ProfkitError, SchemaError, UnreadableInputError
from profkit.frame_spec import FrameSpec


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write one frame as Parquet: zstd, delta-packed integers, dictionary text, a CRC on every page.

    No pandas or Arrow metadata is kept: it lies in the footer, which has no checksum, and the schema tells all of it.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    integers = [f.name for f in table.schema if pa.types.is_integer(f.type)]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[f.name for f in table.schema if f.name not in integers],
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
        store_schema=False,
    )
    # What Arrow held for the writing is given back now: the frame is about to be worked on.
    del table
    pa.default_memory_pool().release_unused()


def read_frame(path: Path, spec: FrameSpec) -> pd.DataFrame:
    """Read a frame and hold it against its contract.

    Raises:
        UnreadableInputError: The file is absent, damaged (a page checksum fails) or of another schema.
    """
    try:
        texts = [column.name for column in spec.columns if column.dtype == "category"]
        table = pq.read_table(path, page_checksum_verification=True, read_dictionary=texts)
        # A plain conversion would take integers that have a null through float64.
        frame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get, ignore_metadata=True)
        return spec.build(frame)
    except (OSError, pa.ArrowException, SchemaError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableInputError(f"{path} cannot be read: {reason}", "delete it and make it again") from error


@contextmanager
def directory_in_one_step(target: Path) -> Iterator[Path]:
    """Give an empty directory to fill; it takes the target's name only when the block ends without an exception.

    An existing target is replaced as a whole. After an interruption the target is as it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield building
        if target.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            target.rename(retired / "previous")
            building.rename(target)
            shutil.rmtree(retired, ignore_errors=True)
        else:
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_bytes_in_one_step(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there.

    Raises:
        ProfkitError: The place cannot be written.
    """
    with file_in_one_step(path) as file:
        file.write(content)


@contextmanager
def file_in_one_step(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to fill; it takes the place of the target only when the block ends without an exception.

    Until then it has no name where the system allows that, so that nothing is left of it even if the process is killed.

    Raises:
        ProfkitError: The place cannot be written.
    """
    name = ""
    try:
        handle = _nameless_file(path.parent)
        if handle is None:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(handle, 0o666 & ~umask)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            name = name or _named(file.fileno(), path)
        Path(name).replace(path)
        name = ""
    except OSError as error:
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "choose another place with -o") from error
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


def _nameless_file(folder: Path) -> int | None:
    """Open a file that no folder lists; None where the system or the file system has no such files."""
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:
        return None


def _named(handle: int, path: Path) -> str:
    """Give a file without a name one beside its target."""
    name = str(path.with_name(f".{path.name}.{os.getpid()}.{handle}"))
    links = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        # With a folder given, Python asks the system to follow the link to the file itself.
        os.link(str(handle), name, src_dir_fd=links, follow_symlinks=True)
    finally:
        os.close(links)
    return name
