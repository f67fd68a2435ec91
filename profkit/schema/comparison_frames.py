"""Frames of comparisons: which operators, tensors, weights and modules belong together, and how they differ."""

from __future__ import annotations

from profkit.frame_spec import Column, FrameSpec
from profkit.schema.shared_columns import CLASS_SOURCE, PHASES, RANK, SIDES, STEP
from profkit.schema.tensor_frames import TENSOR_IO

ALIGNMENT = FrameSpec(
    "alignment",
    (
        Column("group", "int64", "Smallest set of executions of both sides doing the same work; -1 unmatched"),
        Column("side", "category", "pt | ms across frameworks, ref | run within one", values=SIDES),
        RANK,
        STEP,
        Column("start_ns", "int64", "Start of the execution, ns"),
        Column("dur_ns", "int64", "Duration of the execution, ns"),
        Column("name", "category", "Name as recorded"),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path; where a side has none, its group's", nullable=True),
        Column("confidence", "float64", "0 to 1; NaN for unmatched", nullable=True),
        Column("reason", "category", "Why these belong together, or why the row is unmatched"),
        Column("row", "int64", "Row of the execution in its run's ops frame"),
        Column(
            "unit",
            "int64",
            "Number of the work, equal for the groups of it in all steps; -1 unmatched. Where nothing was aligned, of "
            "the operators of one name, class, module and phase",
        ),
        Column("lane", "category", "Stream of a device row, thread of a host row, as recorded", nullable=True),
        CLASS_SOURCE,
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("candidates", "int64", "Undecided set: rows of both sides in it may do the same work; -1 none"),
    ),
)

EXPLANATION = FrameSpec(
    "explanation",
    (
        Column(
            "role",
            "category",
            "fact: why; member: of the group; anchor: sure work beside it; candidate: what else was considered",
            values=("fact", "member", "anchor", "candidate"),
        ),
        Column("note", "string", "The fact, which anchor, or why the candidate lost"),
        Column("side", "category", "As alignment.side; NA for facts", nullable=True, values=SIDES),
        Column("group", "Int64", "As alignment.group", nullable=True),
        Column("row", "Int64", "As alignment.row", nullable=True),
        Column("place", "Int64", "Number in order of start on its side of the step, from 0", nullable=True),
        Column("name", "category", "Name as recorded", nullable=True),
        Column("op_class", "category", "Class of work", nullable=True),
        CLASS_SOURCE,
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path", nullable=True),
        Column("input_shapes", "category", "As ops.input_shapes", nullable=True),
        Column("confidence", "float64", "Of its group, 0 to 1; NaN for facts and unmatched", nullable=True),
    ),
)

TIMELINE = FrameSpec(
    "timeline",
    (
        Column("side", "category", "Whose execution it is", values=("ref", "run")),
        RANK,
        STEP,
        Column("pair", "int64", "Number of the pair of steps it belongs to, from 0; -1 outside every pair"),
        Column("lane", "category", "Stream of a device row, thread of a host row, as recorded", nullable=True),
        Column("offset_ns", "int64", "Start since the start of its step on its side, ns"),
        Column("dur_ns", "int64", "Duration, ns"),
        Column("name", "category", "Name as recorded"),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("module", "category", "Module path", nullable=True),
        Column("group", "int64", "Group of the alignment; -1 unmatched"),
        Column("unit", "int64", "Unit of the alignment; -1 unmatched"),
        Column("confidence", "float64", "Of the alignment", nullable=True),
        Column("reason", "category", "Why it belongs to its group, or why it is unmatched"),
    ),
)

PARITY_STATUS = ("match", "mismatch", "shape", "dtype", "missing_a", "missing_b", "unreadable", "undecidable")

PARITY = FrameSpec(
    "parity",
    (
        Column("name_a", "string", "Name on side A; NA if missing there", nullable=True),
        Column("name_b", "string", "Name on side B; NA if missing there", nullable=True),
        Column("status", "category", "Verdict", values=PARITY_STATUS),
        Column("shape_a", "string", "Dims split by ','", nullable=True),
        Column("shape_b", "string", "Dims split by ','", nullable=True),
        Column("dtype_a", "category", "numpy's name", nullable=True),
        Column("dtype_b", "category", "numpy's name", nullable=True),
        Column("max_abs", "float64", "Largest |a-b| over elements finite on both sides", nullable=True),
        Column("mean_abs", "float64", "Mean |a-b| over elements finite on both sides", nullable=True),
        Column("max_rel", "float64", "Largest |a-b|/|a| where a is not 0", nullable=True),
        Column("rmse", "float64", "Root of the mean squared difference", nullable=True),
        Column("cosine", "float64", "Cosine of the finite parts; NaN if one is all zero", nullable=True),
        Column("close_ratio", "float64", "Share of elements within tolerance, 0 to 1", nullable=True),
        Column("nan_a", "Int64", "NaN elements", nullable=True),
        Column("nan_b", "Int64", "NaN elements", nullable=True),
        Column("inf_a", "Int64", "Inf elements of either sign", nullable=True),
        Column("inf_b", "Int64", "Inf elements of either sign", nullable=True),
        Column("first_divergence", "bool", "True for at most one row: the first in forward order that is no rounding"),
        Column("paired_by", "category", "How the two were paired", nullable=True),
        Column("reason", "string", "Why the verdict is so"),
        Column("rel_l2", "float64", "|a-b|2 / |a|2 over elements finite on both sides", nullable=True),
        Column("jump", "float64", "rel_l2 against the largest upstream rel_l2 and the dtype's floor", nullable=True),
        Column("io", "category", "What the tensor is to its operator", nullable=True, values=TENSOR_IO),
        Column("module", "category", "Module path the pair belongs to", nullable=True),
        Column("path_a", "string", "File of side A", nullable=True),
        Column("path_b", "string", "File of side B", nullable=True),
        Column("member_a", "string", "Part of the file of side A; NA where it is one tensor", nullable=True),
        Column("member_b", "string", "Part of the file of side B; NA where it is one tensor", nullable=True),
        Column("mean_rel", "float64", "Mean |a-b|/|a| where a is not 0", nullable=True),
        Column("l2_ratio", "float64", "|b|2 / |a|2 over elements finite on both sides", nullable=True),
        Column("ulp_p50", "float64", "Median distance in units in the last place of the narrower dtype", nullable=True),
        Column("ulp_p99", "float64", "99th percentile of the distance in units in the last place", nullable=True),
        Column("ulp_max", "float64", "Largest distance in units in the last place", nullable=True),
        Column("peak_a", "float64", "Largest finite |a|", nullable=True),
        Column("peak_b", "float64", "Largest finite |b|", nullable=True),
        Column("rms_a", "float64", "Root mean square of a", nullable=True),
        Column("rms_b", "float64", "Root mean square of b", nullable=True),
        Column("first_index", "Int64", "Flat number of the first element outside the tolerance", nullable=True),
        Column("worst_index", "Int64", "Flat number of the element farthest apart", nullable=True),
        Column("layout", "category", "In which layout B holds the values of A; NA if in the same", nullable=True),
    ),
)

WEIGHT_MAP_STATUS = (
    "mapped", "assumed", "tied", "not_needed", "ambiguous", "shape", "source_only", "target_only",
)  # fmt: skip

WEIGHT_MAP = FrameSpec(
    "weight_map",
    (
        Column(
            "source",
            "string",
            "Name in the source, several joined by ' + '; NA if only the target has it",
            nullable=True,
        ),
        Column("target", "string", "Name in the target; NA if only the source has it", nullable=True),
        Column("status", "category", "What became of it", values=WEIGHT_MAP_STATUS),
        Column("operations", "string", "What is done to the values, in order; NA if nothing", nullable=True),
        Column("source_shape", "string", "Dims split by ',', of the first source; NA if not known", nullable=True),
        Column("target_shape", "string", "Dims split by ','; NA if not known", nullable=True),
        Column("source_dtype", "category", "numpy's name", nullable=True),
        Column("target_dtype", "category", "numpy's name", nullable=True),
        Column("reason", "string", "Why it is so"),
    ),
)

STRUCTURE_STATUS = ("same", "natural", "different", "order", "missing_a", "missing_b", "undecidable")

STRUCTURE = FrameSpec(
    "structure",
    (
        Column("module_a", "string", "Path of the module in A; NA if only B has it", nullable=True),
        Column("module_b", "string", "Path of the module in B; NA if only A has it", nullable=True),
        Column("layer_a", "category", "Class in A; NA if it is not known", nullable=True),
        Column("layer_b", "category", "Class in B; NA if it is not known", nullable=True),
        Column("status", "category", "What the modules are to each other", values=STRUCTURE_STATUS),
        Column(
            "differences", "string", "Settings and parameters that differ, split by '; '; NA if none", nullable=True
        ),
        Column(
            "natural", "string", "What is called or written otherwise and is the same, split by '; '", nullable=True
        ),
        Column("not_told", "string", "What one side alone tells, split by '; '; NA if nothing", nullable=True),
        Column("paired_by", "category", "How the partner was found; NA for one alone", nullable=True),
        Column("reason", "string", "Why it is so"),
    ),
)

OVERFLOW_ROLES = ("origin", "carrier", "masked", "saturated", "unknown", "norm_jump", "expected")

PARITY_FROM_WORST = ("mismatch", "shape", "dtype", "unreadable", "missing_a", "missing_b", "undecidable", "match")

OVERFLOW_FROM_WORST = ("origin", "carrier", "saturated", "norm_jump", "unknown", "expected", "masked")
"""Verdicts in the order in which one stands for several."""

OVERFLOW = FrameSpec(
    "overflow",
    (
        Column("iteration", "int32", "Iteration of the dump; -1 unknown"),
        Column("order", "int64", "Place in execution order within the iteration, from 0; -1 unknown"),
        Column("op", "string", "Operator as the dump names it"),
        Column("op_type", "category", "Operator type", nullable=True),
        Column("role", "category", "Part it plays in the spreading of the bad value", values=OVERFLOW_ROLES),
        Column("nan", "Int64", "NaN elements of its outputs", nullable=True),
        Column("pos_inf", "Int64", "+Inf elements of its outputs", nullable=True),
        Column("neg_inf", "Int64", "-Inf elements of its outputs", nullable=True),
        Column("saturated", "Int64", "Elements at the largest finite value of the dtype", nullable=True),
        Column("max_abs_input", "float64", "Largest finite |x| of its inputs", nullable=True),
        Column("reason", "string", "Why it has that role"),
        Column("module", "category", "Module path read from the operator's scope", nullable=True),
        Column("rank", "int32", "Process number; -1 unknown"),
        Column("primary", "bool", "True for the one origin to look at first"),
        Column("first_nan", "boolean", "True for the first result of an iteration that holds NaN", nullable=True),
        Column("chain", "Int64", "Place on the way from the primary origin (0) to the loss", nullable=True),
        Column("offending_input", "string", "Which input values make it: how many, how extreme, where", nullable=True),
        Column("norm_ratio", "float64", "L2 norm of its output over the largest one of an input", nullable=True),
        Column("code", "string", "Line of the user's code that made the operator", nullable=True),
    ),
)
