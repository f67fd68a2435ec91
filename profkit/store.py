"""Frames on disk: Parquet files whose pages carry checksums, and a cache of parsed inputs keyed by their content.

A cache entry is trusted only as far as its checksums go: anything odd about it and the input is parsed again. Deleting
the cache loses nothing but time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from profkit.errors import ImportIssue, ProfkitError, SchemaError, Severity, UnreadableInputError
from profkit.frame_spec import FrameSpec
from profkit.parsers.base import Descriptor, Parsed
from profkit.progress import Progress
from profkit.schema import RECORDED_FRAMES, SCHEMA_VERSION

_HASH_BLOCK = 1 << 20


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
    """Write a file that is either whole or not there: beside it first, then renamed over it.

    Raises:
        ProfkitError: The place cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "choose another place with -o") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except OSError as error:
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "choose another place with -o") from error
    finally:
        Path(name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Cache:
    """Parsed inputs by content key, one directory an entry.

    Attributes:
        root: Where the entries lie; made at the first write.
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """Give the user's cache: $PROFKIT_CACHE_DIR, else the platform's cache directory."""
        configured = os.environ.get("PROFKIT_CACHE_DIR")
        return cls(Path(configured) if configured else platformdirs.user_cache_path("profkit", appauthor=False))

    def key(self, descriptor: Descriptor, path: Path, files: Sequence[Path], progress: Progress) -> str:
        """Hash what the parsed result depends on: place and bytes of the files, parser version, schema version."""
        digest = hashlib.sha256()
        versions = [descriptor.name, descriptor.version, SCHEMA_VERSION, str(path.resolve())]
        digest.update(json.dumps(versions).encode())
        for number, file in enumerate(files):
            progress("checking", file.name, number / len(files))
            digest.update(b"\0" + os.fsencode(file) + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(_HASH_BLOCK):
                    digest.update(block)
        return digest.hexdigest()

    def get(self, key: str) -> tuple[Parsed | None, ImportIssue | None]:
        """Give the entry, or None and, if there was one that cannot be trusted, an issue that says so."""
        entry = self.root / key
        manifest_file = entry / "manifest.json"
        if not manifest_file.is_file():
            return None, None
        try:
            manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
            frames = {
                name: read_frame(entry / f"{name}.parquet", RECORDED_FRAMES[name]) for name in manifest.pop("frames")
            }
            issues = tuple(ImportIssue(**{**i, "severity": Severity(i["severity"])}) for i in manifest.pop("issues"))
            return Parsed(frames=frames, issues=issues, **manifest), None
        except (ProfkitError, OSError, ValueError, KeyError, TypeError) as error:
            shutil.rmtree(entry, ignore_errors=True)
            text = f"a damaged cache entry was thrown away and the input read again ({type(error).__name__})"
            return None, ImportIssue(Severity.INFO, str(entry), "", text)

    def put(self, key: str, parsed: Parsed) -> ImportIssue | None:
        """Keep a result; a cache that cannot be written is no failure but an issue."""
        manifest = {
            "frames": sorted(parsed.frames),
            "issues": [asdict(issue) for issue in parsed.issues],
            "framework": parsed.framework,
            "rank": parsed.rank,
            "writer_version": parsed.writer_version,
            "facts": dict(parsed.facts),
        }
        try:
            with directory_in_one_step(self.root / key) as entry:
                for name, frame in parsed.frames.items():
                    write_frame(entry / f"{name}.parquet", frame)
                (entry / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        except OSError as error:
            text = f"the result could not be cached: {error.strerror}"
            return ImportIssue(Severity.INFO, str(self.root), "", text)
        return None
