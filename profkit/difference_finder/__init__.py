"""Where two networks that should compute the same begin to differ, found by running both.

`NetSide` holds one network in this process, `ProcessSide` one in a process of its own, `find_differences` runs two of
them on the same weights and inputs and judges what their modules took and gave. Everything goes through files, so that
no process needs both frameworks.
"""

from __future__ import annotations

from profkit.difference_finder.differences import Differences
from profkit.difference_finder.finder import find_differences
from profkit.difference_finder.net_side import NetSide
from profkit.difference_finder.process_side import ProcessSide

__all__ = ["Differences", "NetSide", "ProcessSide", "find_differences"]
