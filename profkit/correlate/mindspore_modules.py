"""Module paths of MindSpore operators, as far as their scopes can be trusted.

A scope names the cell in which an operator was built. Operators without parameters are built once for all repetitions
of a block, so all of them carry the first block's scope; backward scopes are those of whichever forward operator came
first. Trusted are forward scopes of operators that run once a step, and of operators with parameters in the innermost
cells.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.parsers.mindspore.scope import module_of_scope

# Types that take a parameter of the cell they stand in.
_WITH_PARAMETERS = re.compile(
    r"^(MatMul|BiasAdd|Dense|Conv\dD\w*|DepthwiseConv\w*|BatchNorm\w*|LayerNorm\w*|GroupNorm\w*|InstanceNorm\w*|RmsNorm"
    r"|Gather|Embedding\w*|LSTM\w*|GRU\w*|RNN\w*|PReLU\w*)$"
)
# The loss cell comes last in forward: an operator built there is used nowhere else.
_LOSS = "loss"


def trusted_modules(
    scopes: pd.Series[Any], types: pd.Series[Any], phases: NDArray[np.object_], steps: NDArray[np.int32]
) -> pd.Series[Any]:
    """Give the module of each operator.

    Args:
        scopes: Full operator names with their cells; NA where a row has none.
        types: Operator types.
        phases: object (n,), phases as inferred.
        steps: int32 (n,), -1 unknown.

    Returns:
        Object column, same index: dots between levels; None where no scope can be trusted, and for operators that stand
        directly in the network.
    """
    modules = scopes.map({scope: module_of_scope(str(scope)) for scope in scopes.dropna().unique()}).astype(object)
    told = (phases == "forward") & modules.notna().to_numpy() & (steps >= 0)
    rows = pd.DataFrame({"module": modules[told], "type": types[told].astype(object), "step": steps[told]})
    a_step = rows.groupby(["module", "type", "step"]).size().groupby(["module", "type"]).max().rename("a_step")
    rows = rows.join(a_step, on=["module", "type"])
    inner = _inner_modules(rows["module"])
    with_parameters = rows["type"].map(lambda name: _WITH_PARAMETERS.match(str(name)) is not None).astype(bool)
    is_loss = rows["module"].str.split(".").str[0] == _LOSS
    trusted = (rows["a_step"] == 1) | (with_parameters & ~rows["module"].isin(inner)) | is_loss
    found = pd.Series(None, index=scopes.index, dtype=object)
    kept = rows.loc[trusted & (rows["module"] != ""), "module"]
    found[kept.index] = kept
    return found


def _inner_modules(modules: pd.Series[Any]) -> set[str]:
    """Give the modules that hold others."""
    inner: set[str] = set()
    for module in modules.unique():
        parent = str(module)
        while parent:
            parent = parent.rpartition(".")[0]
            inner.add(parent)
    return inner
