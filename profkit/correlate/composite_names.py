"""Names of modules that nothing names directly: those that hold named ones, the whole network, and the loss.

Saved outputs often cover the innermost modules alone, and scopes of a compiled graph are trusted there alone. What lies
above them follows: the module above `Net.Block_0.Mlp.Linear_0`, which is `blocks.0.mlp.fc1`, is `blocks.0.mlp`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

LOSS = "loss"
"""What scopes, dumps and saved outputs call the loss."""


def with_composites(names: Mapping[str, str], paths: Iterable[str]) -> dict[str, str]:
    """Add the modules above named ones, where all that lies below one agrees on its name and no other has that name.

    Args:
        names: Attribute path by class path.
        paths: All class paths there are; the outermost modules keep their class as their name.
    """
    found = dict(names)
    known = {path for path in paths if "." in path}
    while True:
        votes: dict[str, set[str]] = {}
        for path, name in found.items():
            above = path.rpartition(".")[0]
            if above in known and above not in found:
                votes.setdefault(above, set()).add(name.rpartition(".")[0])
        once = Counter(name for told in votes.values() for name in told)
        taken = set(found.values())
        added = {
            path: name
            for path, told in votes.items()
            for name in told
            if len(told) == 1 and name and once[name] == 1 and name not in taken
        }
        if not added:
            return found
        found |= added


def network_root(class_paths: Collection[str]) -> str | None:
    """Give the class of the network: the outermost module with most modules below it; None if there are no modules."""
    roots = Counter(path.split(".", 1)[0] for path in class_paths)
    return max(roots, key=roots.__getitem__) if roots else None


def loss_names(alignment: pd.DataFrame, root: str | None) -> dict[str, str]:
    """Give the name of the module that computes the loss beside the network; none if several do, or none does."""
    rows = alignment[(alignment["op_class"] == LOSS) & alignment["module"].notna()]
    outermost = {str(path).split(".", 1)[0] for path in rows["module"].unique()} - {root}
    return dict.fromkeys(outermost, LOSS) if len(outermost) == 1 else {}


def joining_keys(operators: pd.DataFrame, root: str | None) -> pd.Series[str]:
    """Give the name under which dumps and saved outputs know the module of each operator.

    Args:
        operators: Columns module and op_class.
        root: Class of the network: there the empty name stands for it.

    Returns:
        Object series with the index of `operators`; a loss that no module computes is the loss.
    """
    modules = operators["module"].astype(object)
    keys = modules.where(modules != root, "") if root is not None else modules
    return keys.where(keys.notna() | (operators["op_class"].astype(object) != LOSS), LOSS)
