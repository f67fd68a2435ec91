""".safetensors files of any framework as a tensors frame."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.checkpoint.checkpoint_rows import NamedTensor, tensor_rows, unread_issues
from profkit.parsers.checkpoint.safetensors_file import begins_as_safetensors, read_safetensors
from profkit.parsers.dump.saved_place import place_above
from profkit.progress import Progress

_SUFFIX = ".safetensors"


class SafetensorsCheckpoint:
    """Reads the tensors of a .safetensors file."""

    descriptor = Descriptor(
        name="safetensors",
        title="weights as .safetensors",
        framework="unknown",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a .safetensors file; one with an impossible header too, so that it is refused by name."""
        if path.suffix.lower() != _SUFFIX or not path.is_file():
            return None
        with path.open("rb") as file:
            begin = file.read(16)
        if begins_as_safetensors(begin, path.stat().st_size):
            return Recognition("it begins with the length of a JSON header", (path,))
        return Recognition("it is named .safetensors", (path,))

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the tensors of the file, as they lie in it.

        Raises:
            UnreadableInputError: The header is cut, damaged or too long.
        """
        progress("reading", str(path), None)
        file = read_safetensors(path)
        place = place_above(path)
        named = (NamedTensor(name, name, one.dtype, one.shape) for name, one in file.tensors.items())
        issues = unread_issues(path, file.unread)
        if file.cut:
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", file.cut))
        return Parsed({"tensors": tensor_rows(path, place, "parameter", named)}, issues, rank=place.rank)
