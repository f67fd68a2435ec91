"""A checkpoint in shards with their index, as Hugging Face's save_pretrained writes it.

Format: huggingface_hub, serialization: shards are called NAME-00001-of-00003.SUFFIX, the index, NAME.SUFFIX.index.json,
is {"metadata": {"total_size": bytes}, "weight_map": {tensor: file}}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from profkit.errors import ProfkitError
from profkit.store import write_bytes_in_one_step
from profkit.weights.outgoing import OutgoingTensor

Shard = list[OutgoingTensor]
_MOST_SHARDS = 99_999


def in_shards(tensors: Sequence[OutgoingTensor], max_bytes: int) -> list[Shard]:
    """Share out tensors, in their order, so that the elements of no shard take more bytes than asked.

    Tied tensors stay together; what is larger by itself has a shard of its own.

    Args:
        tensors: The tensors.
        max_bytes: Bytes of elements a shard.

    Raises:
        ProfkitError: There would be more shards than their names can count.
    """
    groups: dict[object, Shard] = {}
    for number, tensor in enumerate(tensors):
        groups.setdefault(number if tensor.place is None else (tensor.place,), []).append(tensor)
    shards: list[Shard] = []
    held = 0
    for group in groups.values():
        size = sum(tensor.size_bytes for tensor in group)
        if not shards or held + size > max_bytes:
            shards.append([])
            held = 0
        shards[-1] += group
        held += size
    if len(shards) > _MOST_SHARDS:
        raise ProfkitError(f"{len(shards):,} shards are more than their names can count", "allow larger shards")
    return shards


def write_shards(out: Path, shards: Sequence[Shard], write: Callable[[Path, Shard], None]) -> None:
    """Write shards beside each other and then their index; where one fails, none is left.

    Args:
        out: What the checkpoint would be called as one file.
        shards: What each holds.
        write: Writes one file in one step.

    Raises:
        ProfkitError: A file is in the way, or cannot be written.
    """
    index = out.with_name(f"{out.name}.index.json")
    if out.exists():
        raise ProfkitError(f"{out} is there, which readers would take for the shards", "remove it, or name another")
    weight_map: dict[str, str] = {}
    written: list[Path] = []
    try:
        # An older index would name shards of two checkpoints.
        index.unlink(missing_ok=True)
        for number, shard in enumerate(shards, start=1):
            path = out.with_name(f"{out.stem}-{number:05d}-of-{len(shards):05d}{out.suffix}")
            written.append(path)
            write(path, shard)
            weight_map |= {tensor.name: path.name for tensor in shard}
        total = sum(tensor.size_bytes for shard in shards for tensor in shard)
        content = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_bytes_in_one_step(index, f"{json.dumps(content, indent=2)}\n".encode())
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
