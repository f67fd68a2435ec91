"""The table of operator cases and its inputs, as both recorders read it."""

import csv
from pathlib import Path

import numpy as np

CASES = Path(__file__).with_name("operator_cases.tsv")


def cases() -> list[dict[str, str]]:
    """Give the rows of operator_cases.tsv, by the names of its header line."""
    with CASES.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def arrays(inputs: str) -> list[np.ndarray]:
    """Make the inputs of a case, the same numbers for both frameworks.

    Args:
        inputs: `f:4,8 i10:6`: letter and shape of each. f normal float32, p above 0.5, q in [0, 1], u in (-0.9, 0.9),
            s symmetric positive definite, r ascending, b bool, iN int32 in [0, N).
    """
    random = np.random.default_rng(0)
    made = []
    for token in inputs.split():
        letter, _, axes = token.partition(":")
        shape = tuple(map(int, axes.split(",")))
        if letter[0] == "i":
            made.append(random.integers(0, int(letter[1:]), shape).astype(np.int32))
            continue
        normal = random.standard_normal(shape).astype(np.float32)
        uniform = random.random(shape).astype(np.float32)
        made.append(
            {
                "f": lambda normal=normal, uniform=uniform: normal,
                "p": lambda normal=normal, uniform=uniform: uniform + np.float32(0.6),
                "q": lambda normal=normal, uniform=uniform: uniform,
                "u": lambda normal=normal, uniform=uniform: (uniform - np.float32(0.5)) * np.float32(1.8),
                "s": lambda normal=normal, uniform=uniform: normal @ normal.T + 4 * np.eye(len(normal), dtype="f4"),
                "r": lambda normal=normal, uniform=uniform: np.sort(normal, axis=-1),
                "b": lambda normal=normal, uniform=uniform: normal > 0,
            }[letter]()
        )
    return made
