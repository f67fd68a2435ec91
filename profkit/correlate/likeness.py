"""Whether two runs are of one network: an alignment can be made of any two, but only then does it mean something."""

from __future__ import annotations

import pandas as pd

from profkit.correlate.neighbours import HEAVY_CLASSES

ONE_NETWORK = 0.9
"""From this share on, of both sides, two runs are taken for one network.

Recordings of one network, clean or with a slowed-down module, reach 0.95 and more; a transformer against a recurrent
network, which share nothing but products and norms, at most 0.83 on the side that has more.
"""

TWO_NETWORKS = 0.5
"""Below this share, of either side, times are not compared: most of the work has no counterpart of its kind."""


def shares_of_like_work(alignment: pd.DataFrame) -> dict[str, float]:
    """Give, for each side, the share of its heavy executions that stand in a group with one of their class.

    Heavy are the classes that define a network (conv, matmul, norm, ...). Forward only: the backward pass follows from
    it.

    Args:
        alignment: Frame of schema.ALIGNMENT.

    Returns:
        Share, 0 to 1, by word of the side; a side without heavy executions is left out.
    """
    heavy = alignment[
        alignment["op_class"].isin(sorted(HEAVY_CLASSES)) & (alignment["phase"].astype(object) != "backward")
    ]
    work = heavy[["side", "group", "op_class"]].astype({"side": object, "op_class": object})
    matched = work[work["group"] >= 0].drop_duplicates()
    like = matched.groupby(["group", "op_class"])["side"].nunique().rename("sides")
    sides = work.join(like, on=["group", "op_class"])["sides"].fillna(0)
    shares = (sides > 1).groupby(work["side"]).mean()
    return {str(side): float(share) for side, share in shares.items()}
