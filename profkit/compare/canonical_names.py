"""Names of modules and parameters in the words of one framework, so that both sides can be paired by name."""

from __future__ import annotations

import re
from functools import cache

from profkit.compare.data_file import read_data_file
from profkit.parsers.dump.msprobe_names import call_name

# How MindSpore begins the full name of an operator of a graph.
_SCOPE = re.compile(r"(?:Default|Gradients|Expand|recompute_Default)[/_]")
# How msprobe begins the name of a call; the call number is the last number but one.
_CALL = re.compile(
    r"(?:Functional|Tensor|Torch|Mint|MintFunctional|Primitive|Distributed|NPU|Aten|VF|Jit)\."
    r"(?P<api>.+)\.(?P<call>\d+)\.(?P<phase>forward|backward)",
    re.DOTALL,
)


def is_graph_scope(name: str) -> bool:
    """Tell whether a name is that of an operator of a MindSpore graph, with the scope it was built in."""
    return _SCOPE.match(name) is not None


def is_api_call(name: str) -> bool:
    """Tell whether a name is that of a call of a function in a msprobe dump, which belongs to no module."""
    return _CALL.fullmatch(name) is not None


@cache
def canonical_name(name: str) -> str:
    """Give a name in PyTorch's words, without the wrappers around the network (canonical_names.toml).

    A call in a msprobe dump becomes the path of its module, or the word of its function with the number of the call.

    >>> canonical_name("network._backbone.blocks.0.norm1.gamma")
    'blocks.0.norm1.weight'
    >>> canonical_name("Cell.network.fc1.Dense.forward.0")
    'fc1'
    >>> canonical_name("Mint.nn.functional.relu.0.forward")
    'relu.0.forward'
    """
    if match := _CALL.fullmatch(name):
        word = match["api"].rpartition(".")[2].lower()
        return f"{_api_words().get(word, word)}.{match['call']}.{match['phase']}"
    call = call_name(name)
    if call.module is not None and not call.gradients:
        return _canonical_path(call.module) + (".backward" if call.phase == "backward" else "")
    return _canonical_path(name)


@cache
def _api_words() -> dict[str, str]:
    words: dict[str, str] = read_data_file("canonical_names.toml")["api"]
    return words


def _canonical_path(name: str) -> str:
    table = read_data_file("canonical_names.toml")
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in table["prefixes"]:
        del parts[0]
    inner, leaf = parts[:-1], parts[-1]
    inner = [table["part"].get(part, part) for part in inner if part not in table["transparent"]["parts"]]
    return ".".join([*inner, table["leaf"].get(leaf, leaf) if inner else leaf])
