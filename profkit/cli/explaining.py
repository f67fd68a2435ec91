"""`--explain`: what the commands that align share."""

from __future__ import annotations

import click
import pandas as pd

from profkit.cli.invocation import Invocation
from profkit.correlate import explain
from profkit.report.explanation_report import explanation_text
from profkit.report.formats import format_of

EXPLAIN = click.option(
    "--explain",
    "explained",
    metavar="GROUP",
    help="Tell why this group was matched and what else was considered; SIDE:ROW names one execution.",
)


def give_explanation(alignment: pd.DataFrame, which: str, invocation: Invocation) -> None:
    """Explain a group, or one execution, of an alignment.

    Raises:
        ProfkitError: There is no such group or execution.
    """
    explanation = explain(alignment, which)
    form = invocation.form if invocation.out is None else format_of(invocation.out)
    if form == "text":
        invocation.give_text(explanation_text(explanation), f"explanation of {which}")
    else:
        invocation.give(explanation)
