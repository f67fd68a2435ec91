"""Output shapes of a profiler trace, from an execution trace of the same run.

A profiler trace records what an operator was given, never what it made. The execution trace records both, and both
carry torch's number of each recorded function. The number is only joined where the names agree as well: an execution
trace of another run has the same small numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from profkit.run import Run


def fill_output_shapes(run: Run) -> Run:
    """Give the run with output_shapes filled where a node of its execution trace tells them; others stay as they are.

    A node of unknown rank belongs to the run's only rank; where there are several, it belongs to none of them.
    """
    nodes, ops = run.nodes, run.ops
    if nodes.empty or ops["record_function"].isna().all():
        return run
    nodes = _placed(nodes, ops)
    keys = ["rank", "record_function"]
    nodes = nodes[nodes["record_function"].notna()]
    nodes = nodes[~nodes.duplicated(keys, keep=False).to_numpy()]
    asked = ops.loc[ops["record_function"].notna() & ops["output_shapes"].isna(), [*keys, "name"]]
    told = nodes[[*keys, "name", "output_shapes"]]
    plain = {"name": object, "output_shapes": object}
    joined = asked.astype({"name": object}).merge(told.astype(plain), on=[*keys, "name"], how="left")
    shapes = ops["output_shapes"].astype(object).to_numpy(copy=True)
    places = np.flatnonzero(ops.index.isin(asked.index))
    shapes[places] = joined["output_shapes"].where(joined["output_shapes"].notna(), None).to_numpy()
    return replace(run, ops=ops.assign(output_shapes=pd.Series(pd.Categorical(shapes), index=ops.index)))


def _placed(nodes: pd.DataFrame, ops: pd.DataFrame) -> pd.DataFrame:
    ranks = ops["rank"].unique()
    if len(ranks) != 1:
        return nodes[nodes["rank"] >= 0]
    return nodes.assign(rank=nodes["rank"].where(nodes["rank"] >= 0, ranks[0]))
