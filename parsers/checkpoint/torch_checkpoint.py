"""Files of torch.save: checkpoints with their wrappers and optimizer state, and tensors saved alone or in lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.checkpoint.checkpoint_rows import NamedTensor, tensor_rows
from profkit.parsers.checkpoint.torch_file import ZIP_MAGIC, TorchFile, read_torch_file
from profkit.parsers.dump.saved_place import place_above
from profkit.parsers.dump.tensor_names import saved_name
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSORS

# Suffixes that torch's own documents and training scripts give such files.
_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl")
# The magic number of torch.save before 1.6, as a pickle of protocol 2.
_LEGACY_BEGINS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LOOKED_AT = 1 << 12
_UNREAD_NAMED = 3


class TorchCheckpoint:
    """Reads the tensors of a file of torch.save; nothing of it is imported or run."""

    descriptor = Descriptor(
        name="torch-checkpoint",
        title="PyTorch checkpoint or saved tensors (torch.save: .pt, .pth)",
        framework="pytorch",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise the zip form by data.pkl as its first member, and the older form by its magic number."""
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return None
        with path.open("rb") as file:
            begin = file.read(_LOOKED_AT)
        if begin.startswith(_LEGACY_BEGINS):
            return Recognition("it begins with the magic number of torch.save before 1.6", (path,))
        if begin.startswith(ZIP_MAGIC) and (b"/data.pkl" in begin or b"/.format_version" in begin):
            return Recognition("it is a zip file whose first member torch.save wrote", (path,))
        if path.suffix.lower() in {".pt", ".pth"} and begin[:1] in {b"\x80", b"P"}:
            return Recognition("it is named like a PyTorch checkpoint, and begins like a pickle or zip file", (path,))
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the tensors of the file.

        Raises:
            UnreadableInputError: It is cut, damaged or hostile, or holds something else than tensors.
        """
        progress("reading", str(path), None)
        file = read_torch_file(path)
        place = place_above(path)
        tensors = tensor_rows(path, place, _io(file), _named(path, file)) if file.objects.tensors else TENSORS.empty()
        facts = {"form": file.form}
        if file.objects.wrapper:
            facts["wrapper"] = file.objects.wrapper
        return Parsed({"tensors": tensors}, _issues(path, file), framework="pytorch", rank=place.rank, facts=facts)


def _io(file: TorchFile) -> str:
    return "parameter" if file.objects.outermost == "mapping" else "output"


def _named(path: Path, file: TorchFile) -> Iterator[NamedTensor]:
    """Name the tensors as the network does: without the wrapper, and those saved alone as their file."""
    objects = file.objects
    prefix = f"{objects.wrapper}." if objects.wrapper else ""
    own = "" if objects.outermost == "mapping" else saved_name(path.stem).name
    for member, view in objects.tensors.items():
        name = member.removeprefix(prefix)
        if own:
            name = f"{own}.{name}" if name else own
        yield NamedTensor(name or path.stem, member, view.dtype, view.shape)


def _issues(path: Path, file: TorchFile) -> list[ImportIssue]:
    issues = []
    if not file.objects.tensors:
        issues.append(ImportIssue(Severity.ERROR, str(path), "", "it holds no tensor"))
    unread = file.objects.unread
    if unread:
        names = sorted(unread, key=lambda name: -unread[name])
        some = printable(", ".join(name[:80] for name in names[:_UNREAD_NAMED]))
        more = ", ..." if len(names) > _UNREAD_NAMED else ""
        text = f"{sum(unread.values()):,} objects are no plain tensors and were not read: {some}{more}"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    return issues
