"""The structure of a network from a file: printed text, what NetStructure.save wrote, or a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from profkit.compare.canonical_names import canonical_name
from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.whole_checkpoint import is_index, read_checkpoint
from profkit.structure.net_tree import ModuleNode, NetStructure, Shape, checked, read_structure_file
from profkit.structure.printed_net import parse_printed_net

_CHECKPOINTS = frozenset({".pth", ".pt", ".bin", ".ckpt", ".safetensors"})
_FORMS = ("*_net_structure.json", "*_net_architecture.txt")
_LARGEST_TEXT = 256 << 20
_HINT = "name a printed network (.txt), a structure (.json), a checkpoint, or a folder of save_net_and_weight_params"


def read_structure(path: Path | str) -> NetStructure:
    """Read the structure of a network; nothing in the file is run.

    Args:
        path: A printed network, a file of NetStructure.save, a checkpoint of either framework, or a folder that
            save_net_and_weight_params wrote.

    Raises:
        UnreadableInputError: It cannot be read, is cut, or is none of them.
    """
    path = Path(path)
    if path.is_dir():
        path = _in_folder(path)
    if path.is_dir() or is_index(path) or path.suffix.lower() in _CHECKPOINTS:
        return _of_checkpoint(path)
    if path.suffix.lower() == ".json":
        return read_structure_file(path)
    return parse_printed_net(_text(path), str(path))


def _in_folder(folder: Path) -> Path:
    for form in _FORMS:
        found = sorted(folder.glob(form))
        if len(found) == 1:
            return found[0]
        if found:
            raise UnreadableInputError(f"{folder} holds {len(found):,} networks ({form})", "name one of them")
    if any(map(is_index, folder.glob("*.json"))):
        return folder
    raise UnreadableInputError(f"{folder} is a folder without a network", _HINT)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise UnreadableInputError(f"{path} is larger than any printed network", _HINT)
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    if b"\0" in content:
        raise UnreadableInputError(f"{path} is no text", _HINT)
    return content.decode("utf-8", errors="replace")


def _of_checkpoint(path: Path) -> NetStructure:
    """Give the modules that have parameters, as their names show them."""
    checkpoint = read_checkpoint(path)
    if checkpoint.cut:
        raise UnreadableInputError(f"{path} is cut or damaged: {checkpoint.cut}", "copy or save it again")
    tensors = ((name, one.shape) for name, one in checkpoint.tensors.items())
    return checked(NetStructure(checkpoint.framework, _tree(tensors), str(path), whole=False))


def _tree(tensors: Iterable[tuple[str, Shape]]) -> ModuleNode:
    root = ModuleNode("", parameters={})
    by_path: dict[str, ModuleNode] = {"": root}
    for name, shape in tensors:
        module, _, leaf = name.rpartition(".")
        node, path = root, ""
        for part in module.split(".") if module else []:
            if canonical_name(f"x.{part}.x") == "x.x":
                # Only one framework has this level: the BatchNorm2d in a BatchNorm3d of MindSpore.
                continue
            path = f"{path}.{part}"
            if path not in by_path:
                by_path[path] = ModuleNode(part, parameters={})
                node.children = [*node.children, by_path[path]]
            node = by_path[path]
        node.parameters = {**(node.parameters or {}), leaf: shape}
    return root
