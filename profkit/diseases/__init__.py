"""What makes a run slow besides single modules: each disease is a small function that names it and what it costs."""

from profkit.diseases.table import DISEASES, disease_findings

__all__ = ["DISEASES", "disease_findings"]
