"""Attribute paths (`blocks.2.mlp.fc1`) for the class paths of a PyTorch trace (`Net.Block_2.Mlp.Linear_0`).

A trace names modules by class and place; saved outputs and the scopes of a compiled graph name them as the source code
does. Two recordings of one network show the same tree: modules finish in the same order, and what lies below one parent
on one side lies below one parent on the other. Only where that holds throughout is a name taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from profkit.correlate.composite_names import loss_names, network_root, with_composites
from profkit.correlate.intervals import nest
from profkit.correlate.torch_modules import module_paths
from profkit.run import Run
from profkit.schema import ALIGNMENT


def with_attribute_paths(alignment: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Give an alignment with its modules named as the source code names them; `names` as `attribute_paths` gives."""
    if not names:
        return alignment
    module = alignment["module"].astype(object).map(lambda path: names.get(path, path), na_action="ignore")
    return ALIGNMENT.build(alignment.assign(module=module))


def attribute_paths(alignment: pd.DataFrame, ref: Run, run: Run) -> dict[str, str]:
    """Give the attribute path of each class path of the PyTorch side that is known for sure.

    Args:
        alignment: Frame of schema.ALIGNMENT of these runs.
        ref: The reference run.
        run: The run to be judged.

    Returns:
        Attribute path by class path; empty if neither saved outputs nor scopes tell.
    """
    torch = next((one for one in (ref, run) if one.framework == "pytorch"), None)
    if torch is None:
        return {}
    finished = modules_as_they_finish(torch)
    named = _named_directly(alignment, ref, run, finished)
    return {**loss_names(alignment, network_root(finished)), **with_composites(named, finished)}


def _named_directly(alignment: pd.DataFrame, ref: Run, run: Run, finished: Sequence[str]) -> dict[str, str]:
    for one in (ref, run):
        found = paired_by_order(finished, outputs_as_they_were_saved(one))
        if found:
            return found
    other = next((one for one in (ref, run) if one.framework == "mindspore"), None)
    return {} if other is None else _paired_by_scopes(alignment, other)


def modules_as_they_finish(torch: Run) -> list[str]:
    """Give the class paths of a PyTorch run's modules in the order their first calls end."""
    calls = torch.spans[(torch.spans["kind"] == "module").to_numpy()].reset_index(drop=True)
    if calls.empty:
        return []
    nesting = nest(calls["start_ns"].to_numpy(), calls["dur_ns"].to_numpy(), calls["thread"].cat.codes.to_numpy())
    paths = module_paths(calls, nesting.parent, np.zeros(len(calls), dtype=bool))
    ends = (calls["start_ns"] + calls["dur_ns"]).to_numpy()
    # An outer call that ends in the same nanosecond as its last inner one ends after it.
    depth = np.array([str(path).count(".") for path in paths])
    return list(dict.fromkeys(str(paths[at]) for at in np.lexsort((-depth, ends))))


def outputs_as_they_were_saved(run: Run) -> list[str]:
    """Give the names of the saved outputs of a run's modules in the order they were saved."""
    saved = run.tensors[(run.tensors["io"] == "output").to_numpy() & run.tensors["order"].notna().to_numpy()]
    return list(dict.fromkeys(saved.sort_values("order", kind="stable")["op"].astype(str)))


def paired_by_order(class_paths: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Pair the modules of two recordings of one network by the order in which they finish.

    Args:
        class_paths: Class paths in order; composite modules follow their parts. Only the largest tree counts (the
            network, not its loss).
        names: Attribute paths in order: of all modules, all but the outermost, or those without parts only.

    Returns:
        Attribute path by class path; empty if the trees differ.
    """
    root = network_root(class_paths)
    network = [path for path in class_paths if path.split(".", 1)[0] == root]
    parents = {_parent(path) for path in network}
    choices = (
        network,
        [path for path in network if "." in path],
        [path for path in network if path not in parents],
    )
    for chosen in choices:
        pairs = dict(zip(chosen, names, strict=False))
        if names and len(chosen) == len(names) and _is_the_same_tree(pairs):
            return pairs
    return {}


def _is_the_same_tree(pairs: Mapping[str, str]) -> bool:
    """Say whether each module lies below the same module on both sides, and siblings by name are siblings by class.

    A list of modules is no module that is called: `blocks` is in the names only.
    """
    names = set(pairs.values())
    below = {_parent(name): _parent(path) for path, name in pairs.items()}
    return len(names) == len(pairs) and all(
        pairs.get(_nearest(path, pairs)) == (_nearest(name, names) or None) and below[_parent(name)] == _parent(path)
        for path, name in pairs.items()
    )


def _nearest(path: str, known: Collection[str]) -> str:
    """Give the nearest module above that is known; "" if none is."""
    above = _parent(path)
    while above and above not in known:
        above = _parent(above)
    return above


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _paired_by_scopes(alignment: pd.DataFrame, mindspore: Run) -> dict[str, str]:
    """Pair by the scopes of aligned forward kernels, where a module has one name only and the name one module."""
    rows = alignment[(alignment["side"] == "ms") & (alignment["group"] >= 0) & (alignment["phase"] == "forward")]
    scopes = mindspore.ops["module"].astype(object).to_numpy()[rows["row"].to_numpy()]
    votes = pd.DataFrame({"path": rows["module"].astype(object).to_numpy(), "name": scopes}).dropna()
    votes = votes[votes["name"] != ""].drop_duplicates()
    alone = ~votes["path"].duplicated(keep=False) & ~votes["name"].duplicated(keep=False)
    return dict(zip(votes.loc[alone, "path"], votes.loc[alone, "name"], strict=True))
