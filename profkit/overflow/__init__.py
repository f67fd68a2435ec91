"""Which operator made the first NaN or Inf, and how it spread."""

from profkit.overflow.evidence import offending_input
from profkit.overflow.executions import short_operator_name
from profkit.overflow.origins import BesideTensors, hunt, hunt_run

__all__ = ["BesideTensors", "hunt", "hunt_run", "offending_input", "short_operator_name"]
