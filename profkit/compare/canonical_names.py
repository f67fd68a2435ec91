"""Names of modules and parameters in the words of one framework, so that both sides can be paired by name."""

from __future__ import annotations

from functools import cache

from profkit.compare.data_file import read_data_file


@cache
def canonical_name(name: str) -> str:
    """Give a name in PyTorch's words, without the wrappers around the network (canonical_names.toml).

    >>> canonical_name("network._backbone.blocks.0.norm1.gamma")
    'blocks.0.norm1.weight'
    """
    table = read_data_file("canonical_names.toml")
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in table["prefixes"]:
        del parts[0]
    inner, leaf = parts[:-1], parts[-1]
    inner = [table["part"].get(part, part) for part in inner if part not in table["transparent"]["parts"]]
    return ".".join([*inner, table["leaf"].get(leaf, leaf) if inner else leaf])
