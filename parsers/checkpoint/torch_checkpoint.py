"""Files of torch.save: checkpoints with their wrappers and optimizer state, and tensors saved alone or in lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.checkpoint.checkpoint_rows import NamedTensor, tensor_rows
from profkit.parsers.checkpoint.torch_file import ZIP_MAGIC, TorchFile, read_torch_file
from profkit.parsers.dump.saved_file import holds_parameters, torch_issues
from profkit.parsers.dump.saved_place import SavedPlace, place_above
from profkit.parsers.dump.tensor_names import SavedName, saved_name
from profkit.progress import Progress
from profkit.schema import TENSORS

# Suffixes that torch's own documents and training scripts give such files.
_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl")
# The magic number of torch.save before 1.6, as a pickle of protocol 2.
_LEGACY_BEGINS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LOOKED_AT = 1 << 12


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
        own = saved_name(path.stem)
        tensors = tensor_rows(path, place, _io(path, file, own), _named(path, file, own))
        if file.objects.outermost == "tensor":
            tensors["order"] = TENSORS.build(tensors.assign(order=own.order))["order"]
        facts = {"form": file.form}
        if file.objects.wrapper:
            facts["wrapper"] = file.objects.wrapper
        return Parsed({"tensors": tensors}, torch_issues(path, file), framework="pytorch", rank=place.rank, facts=facts)


def _io(path: Path, file: TorchFile, own: SavedName) -> str:
    """Say what the tensors are, where no directory tells; a mapping that nothing marks goes by the suffix."""
    objects = file.objects
    if objects.outermost == "mapping" and holds_parameters(path, objects):
        return SavedPlace().below(path.stem).io or "parameter"
    return "gradient" if own.gradient else SavedPlace().below(path.stem).io or "output"


def _named(path: Path, file: TorchFile, own: SavedName) -> Iterator[NamedTensor]:
    """Name the tensors as the network does: without the wrapper, and those saved alone as their file."""
    objects = file.objects
    prefix = f"{objects.wrapper}." if objects.wrapper else ""
    before = "" if objects.outermost == "mapping" else own.name
    for member, view in objects.tensors.items():
        name = member.removeprefix(prefix)
        if before:
            name = f"{before}.{name}" if name else before
        yield NamedTensor(name or path.stem, member, view.dtype, view.shape)
