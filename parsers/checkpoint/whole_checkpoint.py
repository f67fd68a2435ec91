"""The tensors of a whole checkpoint by the names the network gives them: one file of any format, or shards.

Shards are named by an index in JSON that lies beside them, {"weight_map": {tensor: file}}:
pytorch_model.bin.index.json, model.safetensors.index.json, mindspore_model.ckpt.index.json;
mindspore.unified_safetensors calls it param_name_map.json, with or without the outer object. Sources:
https://huggingface.co/docs/transformers/big_models; mindspore/parallel/transform_safetensors.py of MindSpore 2.10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.checkpoint_tensor import checkpoint_format, open_words
from profkit.parsers.checkpoint.mindspore_file import checksum_mismatch, read_mindspore_file
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.safetensors_file import read_safetensors
from profkit.parsers.checkpoint.torch_file import SAVE_WEIGHTS, read_torch_file
from profkit.parsers.dump.tensor_dtypes import element_bytes
from profkit.safe_text import printable

_INDEX_SUFFIX = ".index.json"
_INDEX_OF_MINDSPORE = "param_name_map.json"
_LARGEST_INDEX = 256 << 20
_NAME_WEIGHTS = "name a .pth, .pt, .ckpt or .safetensors file, or the .index.json of its shards"


@dataclass(frozen=True)
class CheckpointTensor:
    """A tensor of a checkpoint.

    Attributes:
        name: What the network calls it.
        dtype: numpy's name, or torch's for what numpy lacks.
        shape: Lengths of the dimensions.
        open: Gives its words as stored; raises UnreadableInputError.
        place: Equal for two names of the same elements (tied weights); None where the format does not tell.
        path: The file that holds it; None where it is in memory.
        member: What that file calls it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    open: Callable[[], StoredWords]
    place: Hashable = None
    path: Path | None = None
    member: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * element_bytes(self.dtype)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: what its network holds, and what was left out.

    Attributes:
        source: The path as given.
        framework: "pytorch", "mindspore" or "unknown".
        tensors: By name, in the order of the file.
        unread: What is not read, with the reason: tensors of unknown types, damaged or cut ones.
        outside: Tensors beside the network: an optimizer's state.
        cut: Why the file ends early; "" if it does not.
        checksums: Files that end with a checksum of their content.
    """

    source: str
    framework: str
    tensors: Mapping[str, CheckpointTensor]
    unread: Mapping[str, str]
    outside: tuple[str, ...] = ()
    cut: str = ""
    checksums: tuple[Path, ...] = ()


def read_checkpoint(path: Path | str) -> Checkpoint:
    """List the tensors of a checkpoint; no data of a tensor is read, and nothing in the file is run.

    Args:
        path: A file of torch.save, a MindSpore or a .safetensors checkpoint, an index of shards, or a folder with one.

    Raises:
        UnreadableInputError: It cannot be read, holds no tensor, or is hostile.
    """
    path = Path(path)
    if path.is_dir():
        path = _index_in(path)
    if is_index(path):
        return _sharded(path)
    if not path.exists():
        raise UnreadableInputError(f"{path} does not exist", "check the path")
    return _READERS[checkpoint_format(path)](path)


def verify_checksums(checkpoint: Checkpoint) -> None:
    """Read the files of a checkpoint that end with a checksum, whole, and hold it against them.

    Raises:
        UnreadableInputError: One does not fit: its bytes are not those that were saved.
    """
    for path in checkpoint.checksums:
        wrong = checksum_mismatch(path)
        if wrong:
            raise UnreadableInputError(f"{path} is damaged: {wrong}", "copy or save the checkpoint again")


def is_index(path: Path) -> bool:
    """Tell by its name whether a file is an index of shards."""
    return path.name.endswith(_INDEX_SUFFIX) or path.name == _INDEX_OF_MINDSPORE


def _torch(path: Path) -> Checkpoint:
    file = read_torch_file(path)
    objects = file.objects
    if objects.outermost != "mapping" or not objects.tensors:
        raise UnreadableInputError(f"{path} holds no mapping of names to tensors", SAVE_WEIGHTS)
    prefix = f"{objects.wrapper}." if objects.wrapper else ""
    tensors: dict[str, CheckpointTensor] = {}
    outside = []
    for member, view in objects.tensors.items():
        if not member.startswith(prefix):
            outside.append(member)
            continue
        name = member.removeprefix(prefix)
        place = (str(path), view.storage.key, view.offset, view.shape, view.strides, view.dtype)
        opener = partial(open_words, path, member)
        tensors[name] = CheckpointTensor(name, view.dtype, view.shape, opener, place, path, member)
    # Other objects have the name of their class: settings and the like, no tensors that are lost.
    lost = {name: count for name, count in objects.unread.items() if name.startswith("a ")}
    unread = {printable(name): f"{count:,} of them, not read" for name, count in lost.items()}
    return Checkpoint(str(path), "pytorch", tensors, unread, tuple(outside))


def _safetensors(path: Path) -> Checkpoint:
    file = read_safetensors(path)
    tensors = {name: _member(path, name, one.dtype, one.shape) for name, one in file.tensors.items()}
    framework = {"pt": "pytorch", "ms": "mindspore"}.get(file.writer, "unknown")
    return _whole(path, Checkpoint(str(path), framework, tensors, file.unread, cut=file.cut))


def _mindspore(path: Path) -> Checkpoint:
    file = read_mindspore_file(path)
    tensors = {name: _member(path, name, one.dtype, one.shape) for name, one in file.parameters.items()}
    checksums = (path,) if file.checksum else ()
    return _whole(path, Checkpoint(str(path), "mindspore", tensors, file.unread, cut=file.cut, checksums=checksums))


_READERS = {"torch": _torch, "safetensors": _safetensors, "mindspore": _mindspore}


def _member(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> CheckpointTensor:
    return CheckpointTensor(name, dtype, shape, partial(open_words, path, name), None, path, name)


def _whole(path: Path, checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.tensors and not checkpoint.unread:
        raise UnreadableInputError(f"{path} holds no tensors", _NAME_WEIGHTS)
    return checkpoint


def _index_in(folder: Path) -> Path:
    found = sorted(path for path in folder.glob("*.json") if is_index(path))
    if len(found) == 1:
        return found[0]
    what = "no index of shards" if not found else f"{len(found):,} indices of shards"
    raise UnreadableInputError(f"{folder} is a folder with {what}", _NAME_WEIGHTS)


def _sharded(index: Path) -> Checkpoint:
    """Read the shards an index names: files beside it, never elsewhere.

    Raises:
        UnreadableInputError: The index or a shard cannot be read, or a tensor is not where the index says.
    """
    shards: dict[str, Checkpoint] = {}
    tensors: dict[str, CheckpointTensor] = {}
    for name, file_name in _shard_names(index).items():
        shard = shards.get(file_name)
        if shard is None:
            shard = shards[file_name] = read_checkpoint(index.parent / file_name)
            if shard.cut:
                raise UnreadableInputError(f"{index.parent / file_name}: {shard.cut}", "copy the shard again")
        if name not in shard.tensors:
            why = shard.unread.get(name, "it is not there")
            raise UnreadableInputError(f"{index} says {file_name} holds {name[:80]!r}: {why}", "copy the shards again")
        tensors[name] = shard.tensors[name]
    unread = {name: why for shard in shards.values() for name, why in shard.unread.items() if name not in tensors}
    frameworks = {shard.framework for shard in shards.values()}
    framework = frameworks.pop() if len(frameworks) == 1 else "unknown"
    checksums = tuple(path for shard in shards.values() for path in shard.checksums)
    return Checkpoint(str(index), framework, tensors, unread, checksums=checksums)


def _shard_names(index: Path) -> dict[str, str]:
    hint = "name the index that lies beside the shards"
    try:
        if index.stat().st_size > _LARGEST_INDEX:
            raise UnreadableInputError(f"{index} is larger than any index of shards", hint)
        content: Any = msgspec.json.decode(index.read_bytes())
    except OSError as error:
        raise UnreadableInputError(f"{index} cannot be read: {error.strerror}", "check the path") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableInputError(f"{index} is no JSON: {str(error)[:80]}", hint) from error
    names = content.get("weight_map") if isinstance(content, dict) else None
    if names is None and index.name == _INDEX_OF_MINDSPORE:
        names = content
    if not isinstance(names, dict) or not names:
        raise UnreadableInputError(f"{index} has no weight_map of tensors and files", hint)
    for name in names.values():
        if (
            not isinstance(name, str)
            or Path(name).name != name
            or name in {"", ".", ".."}
            or "\\" in name
            or "\0" in name
        ):
            raise UnreadableInputError(f"{index} names {str(name)[:80]!r}, which is no file beside it", hint)
    return names
