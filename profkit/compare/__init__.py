"""The shared compare core: how far two sets of tensors are from each other, and what that means.

`compare_tensors` and `compare_arrays` give a parity frame; `measure` gives the figures of one pair of arrays, `pair`
the pairs of two tensors frames, `judge` the verdicts of measured pairs.
"""

from profkit.compare.metrics import Metrics, measure
from profkit.compare.pairing import pair
from profkit.compare.parity import compare_arrays, compare_tensors
from profkit.compare.verdict import Verdict, judge

__all__ = ["Metrics", "Verdict", "compare_arrays", "compare_tensors", "judge", "measure", "pair"]
