"""Which operator, module, phase and step every row of a run belongs to."""

from __future__ import annotations

from profkit.correlate.mindspore_identity import identify_mindspore
from profkit.correlate.torch_identity import identify_torch
from profkit.run import Run


def identify(run: Run) -> Run:
    """Give the run with the identity of its operators worked out.

    Filled are op_class, phase, module, step, parent, self_ns, launcher, forward_op and carry_over of `ops`. What
    cannot be known stays NA or -1. A run that was identified before comes out the same.
    """
    if run.framework == "pytorch":
        return identify_torch(run)
    if run.framework == "mindspore":
        return identify_mindspore(run)
    return run
