"""Parsed inputs kept by their content, so that a run that was opened once opens quickly.

An entry is trusted only as far as its checksums go: anything odd about it and the input is parsed again. Deleting the
cache loses nothing but time. Any number of processes may read and write it at once: an entry appears whole under a name
that stands for its content, and two writers of one name write the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from profkit.errors import ImportIssue, ProfkitError, Severity
from profkit.file_hashes import FileHashes
from profkit.parsers.base import Descriptor, Parsed
from profkit.progress import Progress
from profkit.schema import CACHED_FRAMES, SCHEMA_VERSION
from profkit.store import read_frame, write_frame

DEFAULT_LIMIT_BYTES = 5 << 30
_MANIFEST, _ANSWER, _HASHES, _PEAKS = "manifest.json", "answer", "hashes.json", "tensor-peaks.msgpack"
_GENERATION = re.compile(r"frames-(\d{1,9})")
_UNFINISHED, _REMOVED = ".writing.", ".removed."
_ABANDONED_AFTER_S = 24 * 3600
# What reading a manifest of any content can raise.
_MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class CacheEntry:
    """One kept result.

    Attributes:
        directory: Where it lies.
        size_bytes: Bytes of its files.
        last_used_ns: When it was last written or read, ns since the epoch.
    """

    directory: Path
    size_bytes: int
    last_used_ns: int

    @property
    def path(self) -> str:
        """The input it was parsed from; empty if its manifest cannot be read."""
        return str(self._told.get("path", ""))

    @property
    def frames(self) -> str:
        """Names of the frames it holds; empty if its manifest cannot be read."""
        frames = self._told.get("frames")
        return ", ".join(map(str, frames)) if isinstance(frames, list) else ""

    @property
    def _told(self) -> dict[str, object]:
        try:
            manifest = json.loads((self.directory / _MANIFEST).read_text(encoding="utf-8"))
        except _MALFORMED:
            return {}
        return manifest if isinstance(manifest, dict) else {}


@dataclass(frozen=True)
class Answer:
    """What a command said of its inputs, so that it need not be worked out again.

    Attributes:
        content: The result in the format that was asked for.
        summary: What the result amounts to, in words.
        told: Lines for the user beside it.
        has_losses: Whether some of the input could not be used.
    """

    content: bytes
    summary: str
    told: tuple[str, ...]
    has_losses: bool


@dataclass(frozen=True)
class Cache:
    """Parsed inputs by content key, one directory an entry.

    Attributes:
        root: Where the entries lie; made at the first write, open to its owner only.
        limit_bytes: What all entries together may take; those that were not used for the longest time go first. Zero
            keeps nothing.
    """

    root: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    @classmethod
    def default(cls) -> Cache:
        """Give the user's cache: $PROFKIT_CACHE_DIR, else the platform's; at most $PROFKIT_CACHE_BYTES, else 5 GiB.

        Raises:
            ProfkitError: $PROFKIT_CACHE_BYTES is no whole number.
        """
        configured = os.environ.get("PROFKIT_CACHE_DIR")
        root = Path(configured) if configured else platformdirs.user_cache_path("profkit", appauthor=False)
        limit = os.environ.get("PROFKIT_CACHE_BYTES") or str(DEFAULT_LIMIT_BYTES)
        if not (limit.isascii() and limit.isdecimal()):
            raise ProfkitError(f"PROFKIT_CACHE_BYTES is {limit!r}, not a number of bytes", "set it to 5000000000, say")
        return cls(root, int(limit))

    @property
    def _entries_root(self) -> Path:
        return self.root / f"frames-{SCHEMA_VERSION}"

    @property
    def peaks_file(self) -> Path:
        """Where the largest magnitudes of tensors are remembered; it need not be there."""
        return self.root / _PEAKS

    def key(self, descriptor: Descriptor, path: Path, files: Sequence[Path], progress: Progress) -> str:
        """Hash what the parsed result depends on: place and bytes of the files, parser version, schema version.

        Raises:
            OSError: A file cannot be read.
        """
        if self.limit_bytes:
            # Else the first run would have nowhere to remember its hashes and take them at every question.
            with suppress(OSError):
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        digests = FileHashes(self.root / _HASHES).digests(files, progress)
        places = [os.fsencode(file).hex() for file in files]
        parts = [
            descriptor.name,
            descriptor.version,
            SCHEMA_VERSION,
            os.fsencode(path.resolve()).hex(),
            places,
            digests,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def get(self, key: str) -> tuple[Parsed | None, ImportIssue | None]:
        """Give the entry, or None and, if there was one that cannot be trusted, an issue that says so."""
        entry = self._entries_root / key
        manifest_file = entry / _MANIFEST
        if not manifest_file.is_file():
            return None, None
        try:
            manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
            frames = {
                name: read_frame(entry / f"{name}.parquet", CACHED_FRAMES[name]) for name in manifest.pop("frames")
            }
            issues = tuple(ImportIssue(**{**i, "severity": Severity(i["severity"])}) for i in manifest.pop("issues"))
            del manifest["path"]
            parsed = Parsed(frames=frames, issues=issues, **manifest)
        except (ProfkitError, *_MALFORMED) as error:
            if not manifest_file.exists():
                return None, None  # Another process made room while this one was reading.
            self._remove(entry)
            text = f"a damaged cache entry was thrown away and the input read again ({type(error).__name__})"
            return None, ImportIssue(Severity.INFO, str(entry), "", text)
        with suppress(OSError):
            os.utime(manifest_file)
        return parsed, None

    def put(self, key: str, parsed: Parsed, path: Path) -> ImportIssue | None:
        """Keep a result and make room for it; a cache that cannot be written is no failure but an issue.

        Args:
            key: As of `key`.
            parsed: The result.
            path: The input, for `entries`.
        """
        manifest = {
            "frames": sorted(parsed.frames),
            "issues": [asdict(issue) for issue in parsed.issues],
            "framework": parsed.framework,
            "rank": parsed.rank,
            "writer_version": parsed.writer_version,
            "facts": dict(parsed.facts),
            "path": str(path),
        }

        def fill(building: Path) -> None:
            for name, frame in parsed.frames.items():
                write_frame(building / f"{name}.parquet", frame)

        try:
            size = self._keep(key, manifest, fill)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return ImportIssue(Severity.INFO, str(self.root), "", f"the result could not be cached: {reason}")
        if size > self.limit_bytes:
            text = f"the result was not cached: it takes {size:,} bytes and the cache may hold {self.limit_bytes:,}"
            return ImportIssue(Severity.INFO, str(self.root), "", text)
        return None

    def get_answer(self, key: str) -> Answer | None:
        """Give what was said to a question, if it is kept whole; what cannot be trusted is thrown away."""
        entry = self._entries_root / key
        try:
            manifest = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
            content = (entry / _ANSWER).read_bytes()
            summary, told, has_losses = manifest["told"]
            answer = Answer(content, summary, tuple(told), has_losses)
            if manifest["sha256"] != _digest(answer):
                raise ValueError(key)
        except FileNotFoundError:
            return None
        except _MALFORMED:
            self._remove(entry)
            return None
        with suppress(OSError):
            os.utime(entry / _MANIFEST)
        return answer

    def put_answer(self, key: str, answer: Answer, path: Path) -> None:
        """Keep what was said; that it cannot be kept was an issue of the frames it came from already."""
        manifest = {
            "frames": [_ANSWER],
            "path": str(path),
            "told": [answer.summary, answer.told, answer.has_losses],
            "sha256": _digest(answer),
        }

        def fill(building: Path) -> None:
            (building / _ANSWER).write_bytes(answer.content)

        with suppress(OSError):
            self._keep(key, manifest, fill)

    def is_source_of(self, issue: ImportIssue) -> bool:
        """Say whether an issue is about this cache, not about an input: it does not last."""
        return issue.source.startswith(str(self.root))

    def entries(self) -> list[CacheEntry]:
        """List what is kept, the longest unused first."""
        return sorted(_entries(self._entries_root), key=lambda entry: entry.last_used_ns)

    def clear(self) -> int:
        """Remove everything, entries of other versions and unfinished ones too; give the bytes this frees.

        Raises:
            OSError: Something could not be removed.
        """
        if not self.root.is_dir():
            return 0
        freed = 0
        for child in list(self.root.iterdir()):
            unfinished = (_UNFINISHED, _REMOVED, f".{_HASHES}.", f".{_PEAKS}.")
            ours = child.name in (_HASHES, _PEAKS) or child.name.startswith(unfinished)
            if child.is_dir() and not child.is_symlink() and (ours or _GENERATION.fullmatch(child.name)):
                freed += sum(file.stat().st_size for file in child.rglob("*") if file.is_file())
                shutil.rmtree(child)
            elif ours:
                freed += child.stat().st_size
                child.unlink()
        return freed

    def _keep(self, key: str, manifest: Mapping[str, object], fill: Callable[[Path], None]) -> int:
        """Write an entry and make room for it; give its bytes (0 where nothing is kept)."""
        if self.limit_bytes == 0:
            return 0
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._entries_root.mkdir(mode=0o700, exist_ok=True)
        size = self._write(self._entries_root / key, manifest, fill)
        self._make_room()
        self._remove_leftovers()
        return size

    def _write(self, entry: Path, manifest: Mapping[str, object], fill: Callable[[Path], None]) -> int:
        """Write an entry that appears whole or not at all; give its bytes."""
        building = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.root))
        try:
            fill(building)
            (building / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            size = _size(building)
            # A directory does not replace another: whoever came first has written the same.
            if size <= self.limit_bytes and not entry.exists():
                try:
                    building.rename(entry)
                except OSError:
                    if not entry.exists():
                        raise
            return size
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _make_room(self) -> None:
        entries = self.entries()
        excess = sum(entry.size_bytes for entry in entries) - self.limit_bytes
        for entry in entries:
            if excess <= 0:
                break
            self._remove(entry.directory)
            excess -= entry.size_bytes

    def _remove_leftovers(self) -> None:
        """Remove what older versions of the schema and interrupted processes left."""
        for child in list(self.root.iterdir()):
            generation = _GENERATION.fullmatch(child.name)
            if generation is not None and int(generation.group(1)) < SCHEMA_VERSION:
                self._remove(child)
            elif child.name.startswith((_UNFINISHED, _REMOVED)):
                with suppress(OSError):
                    if child.stat().st_mtime < time.time() - _ABANDONED_AFTER_S:
                        shutil.rmtree(child, ignore_errors=True)

    def _remove(self, directory: Path) -> None:
        """Take a directory away at once, so that nobody finds half of it, then delete it."""
        with suppress(OSError):
            aside = Path(tempfile.mkdtemp(prefix=_REMOVED, dir=self.root))
            with suppress(OSError):
                directory.rename(aside / directory.name)
            shutil.rmtree(aside, ignore_errors=True)


def _entries(root: Path) -> Iterator[CacheEntry]:
    """Give the entries below a directory; one that vanishes meanwhile was removed by another process."""
    if not root.is_dir():
        return
    for directory in list(root.iterdir()):
        with suppress(OSError):
            yield CacheEntry(directory, _size(directory), (directory / _MANIFEST).stat().st_mtime_ns)


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


def _digest(answer: Answer) -> str:
    told = json.dumps([answer.summary, answer.told, answer.has_losses])
    return hashlib.sha256(told.encode() + b"\0" + answer.content).hexdigest()
