"""Which kernels of the graph-mode step are dumped, so that a dump stays near 2 MB and an origin hunt stays possible."""

from __future__ import annotations

_NETWORK = "Default/network-WithLossCell/_backbone-VisionTransformer/"

# Operators without parameters carry the scope of the block that was compiled first, and are numbered through the whole
# network. These are the additions outside of GELU; the hand-written layer normalisation adds one in block 1.
_ADDS_OUTSIDE_GELU = {"": "0|1|3|4|6|7|9|10|12", "zero_by_zero": "0|1|3|4|5|7|8|10|11|13"}
_LAST_MUL_OF_GELU_IN_BLOCK_1 = "3"

LEFT_OUT = (
    "The dumps hold inputs and outputs of forward operators and of the loss. Left out for size: MatMul and Conv2D "
    "(their inputs are the weights); Reshape, Transpose, Unstack and StridedSlice (they only move data); the BiasAdd "
    "of qkv and fc1 except those of block 1; GELU except its last Mul in block 1; Expand/ operators; Gradients/, the "
    "optimizer and the Parameter files; the .ir files."
)


def kept_kernels(fault: str) -> list[str]:
    """Entries for `common_dump_settings.kernels`, one regular expression on full kernel names each."""
    patterns = [
        f"{_NETWORK}(Concat-op[0-9]+|Add-op({_ADDS_OUTSIDE_GELU[fault]}))",
        f"{_NETWORK}(patch_embed-PatchEmbed/proj-Conv2d|head-Dense)/BiasAdd-op0",
        f"{_NETWORK}.*(norm|norm1|norm2)-LayerNorm/.*",
        f"{_NETWORK}.*/attn-Attention/(BatchMatMul|Mul|softmax-Softmax/Softmax|proj-Dense/BiasAdd)-op[0-9]+",
        f"{_NETWORK}.*/fc2-Dense/BiasAdd-op0",
        f"{_NETWORK}blocks-SequentialCell/1-Block/.*/(qkv|fc1)-Dense/BiasAdd-op0",
        f"{_NETWORK}.*/act-GELU/Mul-op{_LAST_MUL_OF_GELU_IN_BLOCK_1}",
        "Default/network-WithLossCell/_loss_fn-CrossEntropyLoss/.*",
    ]
    return [f"name-regex({pattern})" for pattern in patterns]
