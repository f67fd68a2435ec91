"""Which neighbour operators of one side join, told by hand: a letter is an operator, upper case a matched one."""

from __future__ import annotations

import numpy as np
import pytest

from profkit.correlate.neighbours import Neighbourhood

CLASSES = {
    "p": "matmul",
    "c": "conv",
    "n": "norm",
    "r": "relu",
    "k": "copy",
    "t": "copy",
    "s": "copy",
    "a": "elementwise",
}


def adopted(operators: str, *, backward: bool = False) -> str:
    """Give the place of the operator whose unit each one has: upper case is matched, lower case is not."""
    unit = np.array([at if letter.isupper() else -1 for at, letter in enumerate(operators)], dtype=np.int64)
    types = operators.lower()
    converts = np.array([letter in "kt" for letter in types])
    around = Neighbourhood(list(types), [CLASSES[one] for one in types], backward=backward, converts=converts)
    around.adopt(unit, [""] * len(unit))
    return "".join("-" if number < 0 else str(number) for number in unit)


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ("RkkPA", "03334"),  # conversions before a product, behind light work
        ("NkkPA", "03334"),  # behind heavy work just the same: what computes in another type has its input converted
        ("PkkR", "0003"),  # before light work: of what made the tensor
        ("RkPkN", "02224"),  # there and back
        ("NkkCkkN", "0333336"),
        ("RkRkA", "02224"),  # around light work as well
        ("KkP", "002"),  # a conversion that both sides have is repeated, whatever follows
        ("RssP", "0003"),  # a slice or a concatenation is no conversion
        ("RaaP", "0003"),  # elementwise work stays with what it changes
    ],
)
def test_conversions_in_forward(operators: str, expected: str) -> None:
    assert adopted(operators) == expected


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ("APkkR", "01114"),  # the gradients of conversions before a product come after its own
        ("RkkP", "0333"),
        ("NkCCkR", "022335"),  # there and back around the two gradients of a convolution
    ],
)
def test_their_gradients_mirror_them(operators: str, expected: str) -> None:
    assert adopted(operators, backward=True) == expected


def test_three_runs_in_a_row_prepare_what_follows() -> None:
    """Which two of them go together is not known."""
    assert adopted("RkPkPkP") == "0224466"
