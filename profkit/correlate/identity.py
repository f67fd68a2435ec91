"""Which operator, module, phase and step every row of a run belongs to."""

from __future__ import annotations

from profkit.correlate.execution_trace import fill_output_shapes
from profkit.correlate.mindspore_identity import identify_mindspore
from profkit.correlate.torch_identity import identify_torch
from profkit.run import Run


def identify(run: Run) -> Run:
    """Give the run with the identity of its operators worked out.

    Filled are op_class, phase, module, step, parent, self_ns, launcher, forward_op and carry_over of `ops`, and
    output_shapes where an execution trace was recorded with it. What
    cannot be known stays NA or -1. A run that was identified before comes out the same.
    """
    if run.framework == "pytorch":
        return identify_torch(fill_output_shapes(run))
    if run.framework == "mindspore":
        return identify_mindspore(run)
    return run
