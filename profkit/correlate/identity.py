"""Which operator, module, phase and step every row of a run belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from profkit.correlate.execution_trace import fill_output_shapes
from profkit.correlate.mindspore_identity import identify_mindspore
from profkit.correlate.torch_identity import identify_torch
from profkit.run import Run


def identify(run: Run, hinted: Mapping[str, str] | None = None) -> Run:
    """Give the run with the identity of its operators worked out.

    Filled are op_class, class_source, phase, module, step, parent, self_ns, launcher, forward_op and carry_over of
    `ops`, and output_shapes where an execution trace was recorded with it. What cannot be known stays NA or -1. A run
    that was identified before comes out the same.

    Args:
        run: The run as loaded.
        hinted: Classes that the user says, by operator type with shell wildcards; they count more than every fact.
    """
    if run.framework == "pytorch":
        return identify_torch(fill_output_shapes(run), hinted)
    if run.framework == "mindspore":
        return identify_mindspore(run, hinted)
    return run
