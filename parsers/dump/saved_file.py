"""What one file of saved tensors holds: .npy one array, .npz several, .pt and .pth what torch.save was given."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.checkpoint.torch_file import TorchFile, read_torch_file
from profkit.parsers.checkpoint.torch_objects import TorchObjects
from profkit.parsers.dump.array_file import read_header
from profkit.parsers.dump.npz_file import npz_members
from profkit.parsers.dump.tensor_dtypes import shape_text, size_bytes
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.safe_text import printable

_POSITIONAL = re.compile(r"arr_(\d{1,9})")
_UNREAD_NAMED = 3

Form = Literal["tensor", "list", "mapping", "parameters"]


class HeldTensor(NamedTuple):
    """A tensor of a file.

    Attributes:
        key: Its name in the file; "" where the file is one tensor.
        member: With the path, what `open_tensor` needs; None where the file is one array.
        dtype: numpy's name, or torch's for what numpy lacks; None if not known.
        shape: Dims split by ','; None if not known.
        size_bytes: Bytes of the data; None if not known.
    """

    key: str
    member: str | None
    dtype: str | None
    shape: str | None
    size_bytes: int | None


class SavedFile(NamedTuple):
    """The content of a file.

    Attributes:
        form: One tensor, a list, a mapping of names, or a mapping that is seen to be a network's parameters.
        tensors: In the order of the file.
        issues: What of it was not read.
    """

    form: Form
    tensors: list[HeldTensor]
    issues: list[ImportIssue]


def read_saved_file(path: Path) -> SavedFile:
    """Say which tensors a file holds; no data of them is read. One that cannot be read is an issue."""
    try:
        return _READERS[path.suffix.lower()](path)
    except UnreadableInputError as error:
        issue = ImportIssue(Severity.ERROR, str(path), "", error.message)
        # A file that should be one array keeps its place in the order, so that its pair is "unreadable", not "missing".
        held = [] if path.suffix.lower() == ".npz" else [HeldTensor("", None, None, None, None)]
        return SavedFile("tensor", held, [issue])
    except OSError as error:
        return SavedFile("tensor", [], [ImportIssue(Severity.ERROR, str(path), "", f"not read: {error.strerror}")])


def _array(path: Path) -> SavedFile:
    header = read_header(path)
    return SavedFile("tensor", [HeldTensor("", None, header.dtype, shape_text(header.shape), header.size_bytes)], [])


def _packed_arrays(path: Path) -> SavedFile:
    held: list[HeldTensor] = []
    issues: list[ImportIssue] = []
    for member in npz_members(path):
        header = member.header
        if header is None or not is_encodable(member.name):
            why = printable(member.refusal or "its name is no valid text")
            text = f"{printable(member.name)[:80]}: {why}, not read"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
            continue
        shape = shape_text(header.shape)
        held.append(HeldTensor(member.name, member.name, header.dtype, shape, header.size_bytes))
    # numpy.savez calls arrays without a name arr_0, arr_1, ...
    numbers = [_POSITIONAL.fullmatch(one.key) for one in held]
    if held and all(numbers):
        if len(held) == 1:
            return SavedFile("tensor", [held[0]._replace(key="")], issues)
        listed = [one._replace(key=match[1]) for one, match in zip(held, numbers, strict=True) if match]
        return SavedFile("list", listed, issues)
    return SavedFile("mapping", held, issues)


def _torch_objects(path: Path) -> SavedFile:
    file = read_torch_file(path)
    prefix = f"{file.objects.wrapper}." if file.objects.wrapper else ""
    held = []
    for member, view in file.objects.tensors.items():
        key, known = (text if is_encodable(text) else printable(text) for text in (member.removeprefix(prefix), member))
        size = size_bytes(view.shape, view.dtype)
        held.append(HeldTensor(key, known, view.dtype, shape_text(view.shape), size))
    return SavedFile(_form(path, file), held, torch_issues(path, file))


def holds_parameters(path: Path, objects: TorchObjects) -> bool:
    """Tell whether the mapping in a file of torch.save holds parameters; where nothing marks it, the suffix tells.

    Scripts save tensors as .pt; .pth, .bin and .ckpt are names of checkpoints.
    """
    return bool(objects.parameters) or path.suffix.lower() != ".pt"


def _form(path: Path, file: TorchFile) -> Form:
    if file.objects.outermost == "tensor":
        return "tensor"
    if file.objects.outermost == "list":
        return "list"
    return "parameters" if holds_parameters(path, file.objects) else "mapping"


def torch_issues(path: Path, file: TorchFile) -> list[ImportIssue]:
    """Say what a file of torch.save holds beside plain tensors, or that it holds none."""
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


_READERS: dict[str, Callable[[Path], SavedFile]] = {
    ".npy": _array,
    ".npz": _packed_arrays,
    ".pt": _torch_objects,
    ".pth": _torch_objects,
}
ARRAY_SUFFIXES = (".npy", ".npz")
TORCH_SUFFIXES = (".pt", ".pth")
