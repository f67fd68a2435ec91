"""What makes a run slow besides single modules: each disease is a small function that names it and what it costs."""

from profkit.diseases.claimed_units import claimed_units
from profkit.diseases.recorded_split import lost_rows
from profkit.diseases.step_lengths import unjudged_step_lengths
from profkit.diseases.table import DISEASES, disease_findings

__all__ = ["DISEASES", "claimed_units", "disease_findings", "lost_rows", "unjudged_step_lengths"]
