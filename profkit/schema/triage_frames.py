"""Frames of a triage and its session: findings, operators, modules, the bridge, sources, and what changed."""

from __future__ import annotations

from profkit.frame_spec import Column, FrameSpec
from profkit.schema.comparison_frames import OVERFLOW_ROLES, PARITY_STATUS
from profkit.schema.profile_frames import STEPS
from profkit.schema.shared_columns import PHASES, RANK, STEP

QUESTIONS = ("time", "reference", "counters", "parity", "overflow")
"""What a session may leave unanswered: what a step's time went to, what both runs together tell, what hardware counters
tell, where tensors differ, where overflow comes from."""

FINDINGS = FrameSpec(
    "findings",
    (
        Column("rank", "int64", "Place in the list, from 1: what to look at first"),
        Column("kind", "category", "slow | overflow | parity | ..."),
        Column("module", "string", "Module path", nullable=True),
        Column("op", "string", "Operator", nullable=True),
        Column("impact_ns", "Int64", "Time a step would win, ns", nullable=True),
        Column("ratio", "float64", "Time of the run over time of the reference", nullable=True),
        Column("confidence", "float64", "0 to 1"),
        Column("groups", "object", "Alignment groups it rests on: a list of int"),
        Column("evidence", "string", "Which rows and numbers it rests on"),
        Column("advice", "string", "What to try next"),
    ),
)

OPERATORS = FrameSpec(
    "operators",
    (
        Column("unit", "int64", "Unit of the alignment; -1 for rows that have no timing partner"),
        Column("operator", "string", "What the row is called: its reference operator, or its only side's"),
        Column("module", "category", "Module path", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("ref_ops", "string", "Operators of the reference side, in order", nullable=True),
        Column("run_ops", "string", "Operators of the run side, in order", nullable=True),
        Column(
            "shapes",
            "category",
            "As ops.input_shapes, of its longest execution: the reference's, or the run's where that has none",
            nullable=True,
        ),
        Column("ref_ns", "Int64", "Median over steps, reference side, ns", nullable=True),
        Column("run_ns", "Int64", "Median over steps, run side, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("impact_ns", "Int64", "run_ns - ref_ns, ns", nullable=True),
        Column("flag", "category", "slow | missing_op | extra_op", nullable=True),
        Column("parity", "category", "Worst parity status of its module's output", nullable=True, values=PARITY_STATUS),
        Column("max_abs", "float64", "Largest |a-b| of its module's output", nullable=True),
        Column("overflow", "category", "Overflow role of its module", nullable=True, values=OVERFLOW_ROLES),
        Column("confidence", "float64", "Of the alignment", nullable=True),
        Column("steps", "int64", "Steps the medians rest on; 0 for the time in a whole recording without steps"),
        Column("reason", "string", "Why these operators belong together, or why the row is unmatched"),
    ),
)

BRIDGE_PARTS = (
    "slower",
    "faster",
    "run_only",
    "ref_only",
    "not_aligned",
    "layout_and_cast",
    "host_gap",
    "communication",
    "data_waiting",
    "optimizer",
)

BRIDGE = FrameSpec(
    "bridge",
    (
        Column("part", "category", "Which part of the difference", values=BRIDGE_PARTS),
        Column("op_class", "category", "Class of work", nullable=True),
        Column("module", "category", "Module path", nullable=True),
        Column("phase", "category", "Part of the training step", nullable=True, values=PHASES),
        Column("operator", "string", "Operator, or what the time was spent on"),
        Column("unit", "int64", "Unit of the alignment; -1 for what is not aligned work"),
        Column("ref_ns", "int64", "Wall time of the reference's median step that belongs to it, ns"),
        Column("run_ns", "int64", "Wall time of the run's median step that belongs to it, ns"),
        Column("delta_ns", "int64", "run_ns - ref_ns, ns; adds up to the difference of the two steps"),
        Column("percent", "float64", "delta_ns in per cent of the reference's step"),
        Column("ref_rows", "int64", "Executions of the reference it rests on"),
        Column("run_rows", "int64", "Executions of the run it rests on"),
        Column("reason", "string", "Why the time belongs to this part"),
    ),
)

BRIDGE_ROWS = FrameSpec(
    "bridge_rows",
    (
        Column("bridge", "int64", "Row of the bridge frame"),
        Column("side", "category", "Which run", values=("ref", "run")),
        RANK,
        STEP,
        Column("row", "int64", "Row of the execution in its run's ops frame; -1 none"),
        Column("ns", "int64", "Wall time of the step that it owns, ns; adds up to the step's length"),
    ),
)

MODULES = FrameSpec(
    "modules",
    (
        Column("module", "string", "Module path, dots between levels; empty is the whole network"),
        Column("name", "string", "Last part of the path"),
        Column("depth", "int64", "Levels above it, from 0"),
        Column("operators", "int64", "Operators of it and of the modules below it"),
        Column("ref_ns", "Int64", "Inclusive time of a step, reference side, sum of medians, ns", nullable=True),
        Column("run_ns", "Int64", "Inclusive time of a step, run side, sum of medians, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("impact_ns", "Int64", "run_ns - ref_ns, ns; NA where either is unknown", nullable=True),
        Column("slow", "int64", "Operators of it and below that are flagged slow"),
        Column("parity", "category", "Worst parity status of it and below", nullable=True, values=PARITY_STATUS),
        Column("max_abs", "float64", "Largest |a-b| of it and below", nullable=True),
        Column("overflow", "category", "Worst overflow role of it and below", nullable=True, values=OVERFLOW_ROLES),
    ),
)

SOURCES = FrameSpec(
    "sources",
    (
        Column("side", "category", "Which input of the command", values=("ref", "run", "a", "b", "input")),
        Column("path", "string", "File or directory"),
        Column("format", "category", "Parser that read it"),
        Column("version", "string", "Version of the writer as far as the file tells it", nullable=True),
        Column("framework", "category", "Who wrote it", values=("pytorch", "mindspore", "unknown")),
        RANK,
        Column("steps", "int64", "Steps found"),
        Column("rows", "int64", "Rows read over all frames"),
        Column("issues", "int64", "Import issues"),
        Column("reason", "string", "Why it was taken for this format"),
    ),
)

ISSUES = FrameSpec(
    "issues",
    (
        Column("severity", "category", "What it costs", values=("info", "data_loss", "error")),
        Column("source", "string", "File"),
        Column("where", "string", "Line, byte, event or column; empty for the whole file"),
        Column("text", "string", "One sentence"),
    ),
)

SESSION_STEPS = FrameSpec("steps", (Column("side", "category", "ref or run", values=("ref", "run")), *STEPS.columns))

SESSION_BREAKDOWN = FrameSpec(
    "breakdown",
    (
        Column("side", "category", "ref or run", values=("ref", "run")),
        RANK,
        Column("span", "category", "One step, or the whole run", values=("step", "run")),
        STEP,
        Column("level", "category", "Whose rows are counted", values=("host", "device")),
        Column("dur_ns", "Int64", "Length as recorded; of the run from its first start to its last end", nullable=True),
        Column("busy_ns", "Int64", "Union of all rows", nullable=True),
        Column("computing_ns", "Int64", "Union of computing device rows", nullable=True),
        Column("communication_ns", "Int64", "Union of communicating device rows", nullable=True),
        Column("overlapped_ns", "Int64", "Communication hidden behind computation", nullable=True),
        Column("free_ns", "Int64", "Device idle between its first start and last end", nullable=True),
    ),
)
"""Where the time of each step goes; computing + communication - overlapped + free is the device's extent."""

OVERVIEW_SECTIONS = ("findings", "step_time", "breakdown", "runs", "not_judged")

OVERVIEW = FrameSpec(
    "overview",
    (
        Column("depth", "int64", "0 for the head of a section, 1 for what stands in it"),
        Column("section", "category", "What the row is about", values=OVERVIEW_SECTIONS),
        Column("item", "string", "What it is called"),
        Column("ref_ns", "Int64", "Time on the reference side, ns", nullable=True),
        Column("run_ns", "Int64", "Time on the run side, ns", nullable=True),
        Column("delta_ns", "Int64", "run_ns - ref_ns; of a finding what a step would win, ns", nullable=True),
        Column("ratio", "float64", "run_ns / ref_ns", nullable=True),
        Column("from_ns", "Int64", "Where its bar begins, on an axis of the section, ns", nullable=True),
        Column("to_ns", "Int64", "Where its bar ends; before from_ns where time was won, ns", nullable=True),
        Column("finding", "int64", "Row of the finding; -1 none"),
        Column("part", "category", "Part of the bridge", nullable=True, values=BRIDGE_PARTS),
        Column("operator", "int64", "Row of the operator it tells most of; -1 none"),
        Column("note", "string", "What else is to be said", nullable=True),
    ),
)

SESSION_CHANGE = ("gone", "new", "still", "not_judged")

SESSION_CHANGES = FrameSpec(
    "session_changes",
    (
        Column("section", "category", "What is compared", values=("step", "finding", "module")),
        Column(
            "change",
            "category",
            "What became of it, NA for a time known of both; not_judged: one session says nothing of it",
            nullable=True,
            values=SESSION_CHANGE,
        ),
        Column("item", "string", "Step or part of its time; kind of finding; module path, empty for the whole network"),
        Column("module", "string", "Module path", nullable=True),
        Column("op", "string", "Operator", nullable=True),
        Column("before_ns", "Int64", "Time of the run in a step, of a finding its cost; before, ns", nullable=True),
        Column("after_ns", "Int64", "The same, after", nullable=True),
        Column("delta_ns", "Int64", "after_ns - before_ns, ns; NA where either is unknown", nullable=True),
        Column("before_rank", "Int64", "Rank of the finding before", nullable=True),
        Column("after_rank", "Int64", "Rank of the finding after", nullable=True),
        Column("note", "string", "Evidence, or why nothing can be said", nullable=True),
    ),
)
