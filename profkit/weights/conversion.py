"""The weights of one network as those of another: tensor by tensor, from file to file, in the format of the suffix."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import (
    Checkpoint,
    CheckpointTensor,
    read_checkpoint,
    verify_checksums,
)
from profkit.progress import Progress, silent
from profkit.weights.mindspore_writer import write_mindspore_checkpoint
from profkit.weights.neutral_values import element_words, with_values_looked_at
from profkit.weights.operations import Operation, apply_operations, shape_after
from profkit.weights.outgoing import OutgoingTensor
from profkit.weights.rules import read_rules
from profkit.weights.safetensors_writer import write_safetensors
from profkit.weights.shape_fit import text
from profkit.weights.shards import in_shards, write_shards
from profkit.weights.torch_writer import write_torch_checkpoint
from profkit.weights.weight_map import (
    MAPPED,
    NOT_NEEDED,
    SOURCE_ONLY,
    TARGET_ONLY,
    TIED,
    UNSETTLED,
    MapRow,
    WeightMap,
)

SUFFIXES = {".ckpt": "mindspore", ".pth": "pytorch", ".pt": "pytorch", ".bin": "pytorch", ".safetensors": ""}
"""Suffixes that can be written, and whose framework reads them ("": either)."""
_SHOWN = 5


def convert(
    source: Checkpoint | Path | str,
    out: Path | str,
    weight_map: WeightMap,
    *,
    assumed: bool = False,
    partial: bool = False,
    max_shard_bytes: int | None = None,
    progress: Progress = silent,
) -> WeightMap:
    """Write the weights of a checkpoint under the names and in the layout of another network.

    Every element is written as it is stored: no dtype is changed. One tensor is in memory at a time.

    >>> convert("net.pth", "net.ckpt", read_map("map.json"))     # doctest: +SKIP

    Args:
        source: The checkpoint, or its path.
        out: File to be written; .ckpt is MindSpore's, .pth, .pt and .bin are torch's, .safetensors is either's.
        weight_map: From the source to the network of `out`, or the other way round: the names of the source tell.
        assumed: Take rows that are only assumed.
        partial: Write what is mapped, though the map leaves parameters open.
        max_shard_bytes: Write shards of at most this many bytes of elements, and their index beside them, where they
            do not fit into one file of that size (profkit.weights.shards); None writes one file.
        progress: Listens, and may cancel.

    Returns:
        The map as it was carried out, with every tensor of the checkpoint.

    Raises:
        ProfkitError: Parameters are left open, shapes or dtypes do not fit, or the place cannot be written. No
            file is left.
        CancelledError: The listener stopped the work.
    """
    checkpoint = source if isinstance(source, Checkpoint) else whole_checkpoint(source)
    out = Path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise ProfkitError(f"{out} has no suffix of a checkpoint", f"write one of {' '.join(SUFFIXES)}")
    carried_out = with_values_looked_at(fitted_to(weight_map, checkpoint), checkpoint)
    left_open = [
        row for row in carried_out.rows if row.status in UNSETTLED and not (assumed and row.status == "assumed")
    ]
    if left_open and not partial:
        raise ProfkitError(_what_is_open(left_open), "settle them with --rules, or --accept-assumed, or use --partial")
    _check_ties(carried_out, checkpoint)
    rows = carried_out.written(assumed=assumed)
    if not rows:
        raise ProfkitError(f"nothing of {checkpoint.source} is mapped", "make the map against this network")
    outgoing = [_outgoing(row, checkpoint, out, number, len(rows), progress) for number, row in enumerate(rows)]
    _check_room(out, outgoing)
    framework = carried_out.target_framework
    shards = [outgoing] if max_shard_bytes is None else in_shards(outgoing, max_shard_bytes)
    if len(shards) == 1:
        _write(out, outgoing, framework)
    else:
        write_shards(out, shards, lambda path, shard: _write(path, shard, framework))
    return carried_out


def _check_room(out: Path, tensors: Sequence[OutgoingTensor]) -> None:
    """See that the disk can hold the tensors: views in a small file may stand for more than any disk holds.

    Raises:
        ProfkitError: It cannot.
    """
    needed = sum(tensor.size_bytes for tensor in tensors)
    try:
        free = shutil.disk_usage(out.parent).free
    except OSError as error:
        raise ProfkitError(f"{out} cannot be written: {error.strerror}", "choose another place") from error
    if needed > free:
        raise ProfkitError(f"{out} would be {needed:,} bytes long, the disk has {free:,} left", "choose another place")


def whole_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint of which nothing is missing.

    Raises:
        UnreadableInputError: It cannot be read, or is cut, or holds tensors that are not read.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.cut:
        raise UnreadableInputError(f"{path} is cut or damaged: {checkpoint.cut}", "copy or save it again")
    for name, why in checkpoint.unread.items():
        raise UnreadableInputError(f"{path}: {name[:80]!r} is not read: {why}", "save it as plain tensors")
    verify_checksums(checkpoint)
    return checkpoint


def identity_map(checkpoint: Checkpoint) -> WeightMap:
    """Give the map of a network to itself: another format, nothing else."""
    rows = tuple(
        MapRow((name,), name, MAPPED, "the same network", (), one.shape, one.shape, one.dtype, one.dtype)
        for name, one in checkpoint.tensors.items()
    )
    return WeightMap(rows, checkpoint.source, checkpoint.source, checkpoint.framework, checkpoint.framework)


def fitted_to(weight_map: WeightMap, checkpoint: Checkpoint) -> WeightMap:
    """Give a map in the direction that starts at a checkpoint, with a row for each of its tensors.

    Names of the checkpoint may have a wrapper (`module.`) that the map does not know.
    """
    names = checkpoint.tensors.keys()
    forward = sum(name in names for row in weight_map.rows for name in row.sources)
    backward = sum(row.target in names for row in weight_map.rows if row.target is not None)
    directed = weight_map.reversed() if backward > forward else weight_map
    known = {name for row in directed.rows for name in row.sources}
    alias = _unwrapped(checkpoint, known)
    rows: list[MapRow] = []
    used: set[str] = set()
    for row in directed.rows:
        sources = tuple(name if name in names else alias.get(name, name) for name in row.sources)
        missing = [name for name in sources if name not in names]
        used.update(sources)
        if not missing:
            first = checkpoint.tensors[sources[0]] if sources else None
            shape, dtype = (first.shape, first.dtype) if first is not None else (None, None)
            rows.append(replace(row, sources=sources, source_shape=shape, source_dtype=dtype))
        elif row.target is not None and row.status not in {TIED, NOT_NEEDED}:
            reason = f"{checkpoint.source} holds no {missing[0]}, from which it would come"
            rows.append(MapRow((), row.target, TARGET_ONLY, reason, target_shape=row.target_shape))
    return replace(directed, rows=(*rows, *_unnamed(rows, used, checkpoint)))


def _unnamed(rows: Sequence[MapRow], used: set[str], checkpoint: Checkpoint) -> list[MapRow]:
    """Give rows for the tensors of a checkpoint that a map does not name: tied to one that it names, or left over."""
    mapped: dict[Hashable, MapRow] = {}
    for row in rows:
        place = checkpoint.tensors[row.sources[0]].place if len(row.sources) == 1 else None
        if place is not None and row.status == MAPPED:
            mapped.setdefault(place, row)
    rules = read_rules()
    found = []
    for name, one in checkpoint.tensors.items():
        if name in used:
            continue
        same = mapped.get(one.place) if one.place is not None else None
        rule = rules.needs_no_partner(checkpoint.framework, name)
        target, tied_to = None, None
        if same is not None:
            status, reason = TIED, f"the same elements as {same.sources[0]}"
            target, tied_to = same.target, same.sources[0]
        elif rule is not None:
            status, reason = NOT_NEEDED, rule.reason
        else:
            status, reason = SOURCE_ONLY, "the map does not name it"
        row = MapRow((name,), target, status, reason, (), one.shape, None, one.dtype, None, tied_to)
        found.append(row)
    return found


def _unwrapped(checkpoint: Checkpoint, known: set[str]) -> dict[str, str]:
    """Give names of the checkpoint by what they are without a wrapper, where that is what the map calls them."""
    prefixes = read_rules().prefixes
    alias: dict[str, str] = {}
    for name in checkpoint.tensors:
        rest = name
        while "." in rest and rest.partition(".")[0] in prefixes:
            rest = rest.partition(".")[2]
            if rest in known and rest not in checkpoint.tensors:
                alias.setdefault(rest, name)
    return alias


def _what_is_open(rows: Sequence[MapRow]) -> str:
    named = "; ".join(
        f"{(row.target or ' + '.join(row.sources))[:80]} ({row.status}: {row.reason[:120]})" for row in rows[:_SHOWN]
    )
    more = f"; and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    return f"{len(rows):,} parameters have no sure partner: {named}{more}"


def _check_ties(weight_map: WeightMap, checkpoint: Checkpoint) -> None:
    """See that what the target holds once is the same in the source.

    Raises:
        ProfkitError: It is not.
    """
    for row in weight_map.rows:
        if row.status != TIED or row.tied_to is None or row.tied_to not in checkpoint.tensors:
            continue
        one, other = checkpoint.tensors[row.sources[0]], checkpoint.tensors[row.tied_to]
        if one.place is not None and one.place == other.place:
            continue
        a, b = element_words(one), element_words(other)
        if a.dtype != b.dtype or not _same_bits(a, b):
            raise ProfkitError(
                f"{one.name[:80]} and {other.name[:80]} are one parameter in the target, and differ in the source",
                "give the target a parameter of its own for each",
            )


def _same_bits(a: StoredWords, b: StoredWords) -> bool:
    x, y = a.words, b.words
    if x.shape != y.shape:
        return False
    unsigned = np.dtype(f"u{x.dtype.itemsize}") if x.dtype.itemsize in {1, 2, 4, 8} else None
    if unsigned is None or x.dtype.byteorder != y.dtype.byteorder:
        return x.astype(x.dtype.newbyteorder("<")).tobytes() == y.astype(y.dtype.newbyteorder("<")).tobytes()
    return bool(np.array_equal(x.view(unsigned), y.view(unsigned)))


@dataclass(frozen=True)
class MappedWords:
    """Opens the tensors of a row and does its operations.

    Attributes:
        tensors: The sources.
        operations: What is done to them.
    """

    tensors: tuple[CheckpointTensor, ...]
    operations: tuple[Operation, ...]

    def __call__(self) -> StoredWords:
        """Give the words of the target.

        Raises:
            ProfkitError: A tensor cannot be read, or the operations do not fit.
        """
        return apply_operations(self.operations, [element_words(tensor) for tensor in self.tensors])


def mapped_words(row: MapRow, checkpoint: Checkpoint) -> MappedWords:
    """Give what opens the sources of a row as its target."""
    return MappedWords(tuple(checkpoint.tensors[name] for name in row.sources), row.operations)


def _outgoing(
    row: MapRow, checkpoint: Checkpoint, out: Path, number: int, count: int, progress: Progress
) -> OutgoingTensor:
    target = str(row.target)
    opener = mapped_words(row, checkpoint)
    shape = shape_after(row.operations, [one.shape for one in opener.tensors])
    if row.target_shape is not None and shape != row.target_shape:
        raise ProfkitError(
            f"{target[:80]} would be of shape {text(shape)}, the target has {text(row.target_shape)}",
            "make the map against this network",
        )
    first = opener.tensors[0]
    same = first.name if first.place is None else first.place
    place: Hashable = (same, row.operations) if len(opener.tensors) == 1 else None
    return OutgoingTensor(target, first.dtype, shape, _Reporting(opener, out, number, count, progress), place)


@dataclass(frozen=True)
class _Reporting:
    """Opens a tensor and tells the listener which it is."""

    opener: Callable[[], StoredWords]
    out: Path
    number: int
    count: int
    progress: Progress

    def __call__(self) -> StoredWords:
        self.progress("writing", str(self.out), self.number / self.count)
        return self.opener()


def _write(out: Path, tensors: Sequence[OutgoingTensor], framework: str) -> None:
    suffix = out.suffix.lower()
    if suffix == ".ckpt":
        write_mindspore_checkpoint(out, tensors)
    elif suffix == ".safetensors":
        write_safetensors(out, tensors, framework)
    else:
        write_torch_checkpoint(out, tensors)
