"""A .safetensors file, written tensor by tensor: the library's own writer takes all tensors in memory at once.

Format: https://github.com/huggingface/safetensors, version 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from profkit.errors import ProfkitError
from profkit.parsers.dump.tensor_dtypes import element_bytes
from profkit.store import file_in_one_step
from profkit.weights.outgoing import OutgoingTensor, write_words

_TYPES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "uint16": "U16", "float16": "F16", "bfloat16": "BF16",
    "int32": "I32", "uint32": "U32", "float32": "F32", "float64": "F64", "int64": "I64", "uint64": "U64",
    "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip
_ALIGNMENT = 8
# What readers put there: profkit.weights reads it back as the framework.
_FORMATS = {"pytorch": "pt", "mindspore": "ms"}


def write_safetensors(path: Path, tensors: Sequence[OutgoingTensor], framework: str) -> None:
    """Write tensors as .safetensors, the widest elements first, so that each lies at a multiple of its element.

    Args:
        path: Where to.
        tensors: The tensors.
        framework: "pytorch", "mindspore" or "unknown": whose names they have.

    Raises:
        ProfkitError: The format has no such dtype, a tensor cannot be read, or the place cannot be written.
    """
    ordered = sorted(tensors, key=lambda tensor: -element_bytes(tensor.dtype))
    header: dict[str, object] = {}
    if framework in _FORMATS:
        header["__metadata__"] = {"format": _FORMATS[framework]}
    end = 0
    for tensor in ordered:
        if tensor.dtype not in _TYPES:
            raise ProfkitError(f"{tensor.name[:80]!r}: .safetensors has no dtype {tensor.dtype}", "save it as float32")
        if tensor.name == "__metadata__":
            raise ProfkitError("a tensor cannot be called __metadata__ in .safetensors", "rename the parameter")
        start, end = end, end + tensor.size_bytes
        header[tensor.name] = {"dtype": _TYPES[tensor.dtype], "shape": tensor.shape, "data_offsets": (start, end)}
    try:
        encoded = msgspec.json.encode(header)
    except UnicodeEncodeError as error:
        raise ProfkitError("a name of a tensor is no valid text", "rename the parameter") from error
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with file_in_one_step(path) as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for tensor in ordered:
            write_words(tensor, file)
