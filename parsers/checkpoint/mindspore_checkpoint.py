"""Checkpoints of MindSpore (.ckpt) as a tensors frame."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.checkpoint.checkpoint_rows import NamedTensor, tensor_rows, unread_issues
from profkit.parsers.checkpoint.mindspore_file import MindSporeFile, read_mindspore_file
from profkit.parsers.dump.saved_place import place_above
from profkit.progress import Progress

_SUFFIX = ".ckpt"
# Field 1 of the file, its length, and field 1 of that: the name of the first parameter.
_FIELD_1 = 0x0A
_LONGEST_LENGTH = 6


class MindSporeCheckpoint:
    """Reads the parameters of a checkpoint; neither mindspore nor protobuf is needed."""

    descriptor = Descriptor(
        name="mindspore-checkpoint",
        title="MindSpore checkpoint (save_checkpoint: .ckpt)",
        framework="mindspore",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a .ckpt file: by its first two fields, or, if they are not there, so that it is refused by name."""
        if path.suffix.lower() != _SUFFIX or not path.is_file():
            return None
        with path.open("rb") as file:
            begin = file.read(1 + _LONGEST_LENGTH + 1)
        if begin[:1] == bytes([_FIELD_1]) and _FIELD_1 in begin[2:]:
            return Recognition("it begins like a protobuf message of named tensors", (path,))
        return Recognition("it is named like a checkpoint of MindSpore", (path,)) if begin else None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the parameters of the checkpoint.

        Raises:
            UnreadableInputError: It is no checkpoint, encrypted, or nothing could be saved from it.
        """
        progress("reading", str(path), None)
        file = read_mindspore_file(path)
        place = place_above(path)
        named = (NamedTensor(name, name, one.dtype, one.shape) for name, one in file.parameters.items())
        frames = {"tensors": tensor_rows(path, place, "parameter", named)}
        return Parsed(frames, _issues(path, file), framework="mindspore", rank=place.rank, facts=_facts(file))


def _issues(path: Path, file: MindSporeFile) -> list[ImportIssue]:
    issues = unread_issues(path, file.unread)
    if file.cut:
        text = f"the file is cut or damaged: the {len(file.parameters):,} parameters before were read ({file.cut})"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    return issues


def _facts(file: MindSporeFile) -> dict[str, str]:
    facts = {"checksum": "present; weights compare and convert verify it"} if file.checksum else {}
    return {**facts, "texts": str(file.texts)} if file.texts else facts
