"""The hunt as text: what is shown first, how wide, and what is not shown; rows are synthetic."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len

from profkit.report.overflow_report import overflow_text
from profkit.schema import OVERFLOW

SCOPE = "Default_network-WithLoss_net-Net_blocks-SequentialCell_1-Block_norm-LayerNorm_"


def row(order: int, name: str, role: str, **more: Any) -> dict[str, Any]:
    base = {
        "iteration": 0, "rank": 0, "order": order, "op": SCOPE + name, "op_type": name.partition("-")[0], "role": role,
        "nan": 1_234, "pos_inf": 0, "neg_inf": 0, "saturated": 0, "reason": "a sentence of many words " * 9,
        "module": "blocks.1.norm", "primary": False, "first_nan": False,
    }  # fmt: skip
    return {**base, **more}


@pytest.fixture
def overflow() -> pd.DataFrame:
    carriers = [row(n, f"Mul-op{n}", "carrier", chain=n - 3) for n in range(4, 40)]
    origin = row(
        3, "Log-op0", "origin", primary=True, chain=0, offending_input="2 of 4 elements of input 0 are negative",
        code="net.py:12  x = log(x)",
    )  # fmt: skip
    return OVERFLOW.from_rows([origin, *carriers, row(50, "ReLU-op0", "masked")])


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(overflow: pd.DataFrame, width: int) -> None:
    lines = overflow_text(overflow, width=width, whole_chain=True).splitlines()
    assert max(cell_len(line) for line in lines) <= width


def test_the_origin_comes_first_with_its_evidence(overflow: pd.DataFrame) -> None:
    text = overflow_text(overflow, width=100)
    assert text.startswith("ORIGIN  Log-op0 of blocks.1.norm\n")
    assert "2 of 4 elements of input 0 are negative" in text
    assert "net.py:12  x = log(x)" in text
    assert "Log-op0 of blocks.1.norm > Mul-op4 of blocks.1.norm" in " ".join(text.split())
    assert "25 more" in text


def test_what_is_left_out_is_counted(overflow: pd.DataFrame) -> None:
    short = overflow_text(overflow, width=100)
    assert "not shown: 36 carrier, 1 masked; --all shows every row" in short
    assert "Mul-op20" not in short
    everything = overflow_text(overflow, width=100, every_row=True)
    assert all(f"Mul-op{n} " in everything for n in range(4, 40))
    assert "not shown" not in everything


def test_names_from_the_dump_cannot_move_the_cursor() -> None:
    hostile = row(0, "Log", "origin", primary=True, op="\x1b[2Jboo", reason="\x1b]0;x\x07", offending_input="\r\n\x9b")
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(overflow_text(OVERFLOW.from_rows([hostile]), width=90))


def test_a_clean_dump_says_so() -> None:
    assert overflow_text(OVERFLOW.empty(), width=80) == "no NaN, Inf or saturated value"
