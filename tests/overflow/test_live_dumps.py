"""The hunt on dumps that MindSpore writes during the test: networks with a planted fault, and clean ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.overflow import hunt
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

pytestmark = pytest.mark.frameworks

# Case -> operator type that was planted, kind of value that it makes first, what is said of its inputs.
PLANTED = {
    "log_of_negative": ("Log", "nan", "are negative, smallest"),
    "zero_over_zero": ("Div", "nan", "of input 1 are 0"),
    "exp_overflow": ("Exp", "pos_inf", "too large for exp in float32"),
    "sqrt_gradient": ("SqrtGrad", "pos_inf", "of input 0 are 0"),
    "pow_of_negative": ("Pow", "nan", "are negative"),
    "rsqrt_of_zero": ("Rsqrt", "pos_inf", "are 0"),
    "softmax_of_inf": ("Exp", "pos_inf", "too large for exp in float32"),
    "float16_exp_overflow": ("Exp", "pos_inf", "too large for exp in float16"),
    "float16_mul_overflow": ("Mul", "pos_inf", "where input 0 is"),
    "conv_log": ("Log", "nan", "are negative"),
}
CLEAN = ("masked_attention", "float16_clean", "bfloat16_clean", "conv_clean")
OTHER = ("large_learning_rate", "nan_input", "nan_weight", "loss_scale")


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], pd.DataFrame]:
    """Train all networks in one process and give the tensors of one."""
    pytest.importorskip("mindspore")
    folder = tmp_path_factory.mktemp("live")
    script = Path(__file__).with_name("live_network.py")
    command = [sys.executable, str(script), str(folder), *PLANTED, *CLEAN, *OTHER]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    graphs = json.loads((folder / "graphs.json").read_text())
    tensors = MindSporeDump().read(folder / "dump", silent).frames["tensors"]

    def of_case(case: str) -> pd.DataFrame:
        found = tensors[tensors["graph"].isin(graphs[case])].reset_index(drop=True)
        assert len(found) > 50
        return found

    return of_case


@pytest.mark.parametrize("case", CLEAN)
def test_clean_networks_give_nothing(case: str, dumped: Callable[[str], pd.DataFrame]) -> None:
    assert hunt(dumped(case)).empty


@pytest.mark.parametrize("case", PLANTED)
def test_the_planted_operator_is_the_origin(case: str, dumped: Callable[[str], pd.DataFrame]) -> None:
    op_type, kind, said = PLANTED[case]
    found = hunt(dumped(case))
    (origin,) = found[found["primary"]].to_dict("records")
    assert (origin["op_type"], origin["role"]) == (op_type, "origin")
    assert found[found["role"] == "origin"].iloc[0]["primary"]
    assert origin[kind] > 0
    assert said in origin["offending_input"]
    if case != "sqrt_gradient":
        chain = found[found["chain"].notna()].sort_values("chain")
        assert chain["chain"].tolist() == list(range(len(chain)))
        assert chain.iloc[0]["primary"]
        assert chain.iloc[-1]["module"] == "loss"


@pytest.mark.parametrize("case", PLANTED)
def test_outputs_alone_name_it_too(case: str, dumped: Callable[[str], pd.DataFrame]) -> None:
    tensors = dumped(case)
    found = hunt(tensors[tensors["io"] != "input"].reset_index(drop=True))
    (origin,) = found[found["primary"]].to_dict("records")
    assert origin["op_type"] == PLANTED[case][0]
    assert "inputs were not dumped" in origin["reason"]


def _statistics(tensors: pd.DataFrame, *, excluding: bool) -> pd.DataFrame:
    """Give what MindSpore records in place of values: up to 2.3 without NaN and Inf, since 2.4 with them."""
    rows = []
    for row in tensors.to_dict("records"):
        if row["path"] is not None and str(row["dtype"]).startswith("float"):
            array = np.load(row["path"]).astype(np.float64).ravel()
            bad = ~np.isfinite(array)
            row["nonfinite"] = bool(bad.any())
            kept = array[~bad] if excluding else array
            with np.errstate(all="ignore"):
                figures = (kept.max(), kept.min(), kept.mean()) if kept.size else (np.nan,) * 3
            row |= {n: v if np.isfinite(v) else np.nan for n, v in zip(("max", "min", "mean"), figures, strict=True)}
            if excluding:
                row["nan_count"] = int(np.isnan(array).sum())
                row["pos_inf_count"], row["neg_inf_count"] = int((array == np.inf).sum()), int((array == -np.inf).sum())
        row["path"] = None
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.astype({name: tensors[name].dtype for name in tensors.columns if name != "path"})


@pytest.mark.parametrize("excluding", [True, False])
@pytest.mark.parametrize(
    "case", ["log_of_negative", "zero_over_zero", "exp_overflow", "sqrt_gradient", "rsqrt_of_zero"]
)
def test_statistics_alone_name_it_too(case: str, excluding: bool, dumped: Callable[[str], pd.DataFrame]) -> None:
    found = hunt(_statistics(dumped(case), excluding=excluding))
    (origin,) = found[found["primary"]].to_dict("records")
    assert (origin["op_type"], origin["role"]) == (PLANTED[case][0], "origin")
    assert pd.isna(origin["nan"]) != excluding


@pytest.mark.parametrize("case", ["masked_attention", "conv_clean"])
def test_statistics_of_clean_networks_give_no_origin(case: str, dumped: Callable[[str], pd.DataFrame]) -> None:
    for excluding in (True, False):
        found = hunt(_statistics(dumped(case), excluding=excluding))
        assert not found["primary"].any()
        assert not (found["role"] == "origin").any()


@pytest.mark.parametrize(("case", "what"), [("nan_input", "inputs0"), ("nan_weight", "net_first_weight")])
def test_what_was_bad_before_is_named(case: str, what: str, dumped: Callable[[str], pd.DataFrame]) -> None:
    found = hunt(dumped(case))
    (cause,) = found[found["primary"]].to_dict("records")
    assert (cause["module"], cause["role"]) == ("first", "unknown")
    assert f"equal to {what}" in cause["reason"]
    assert cause["offending_input"].startswith("first NaN of input")
    assert not (found["role"] == "origin").any()


def test_the_step_after_too_large_an_update_overflows(dumped: Callable[[str], pd.DataFrame]) -> None:
    found = hunt(dumped("large_learning_rate"))
    (origin,) = found[found["primary"]].to_dict("records")
    assert origin["role"] == "origin"
    assert origin["max_abs_input"] > 1e25


def test_overflows_of_a_dynamic_loss_scale_are_expected(dumped: Callable[[str], pd.DataFrame]) -> None:
    tensors = dumped("loss_scale")
    found = hunt(tensors)
    assert not found["primary"].any()
    assert set(found["role"]) <= {"expected", "carrier", "masked"}
    expected = found[found["role"] == "expected"]
    assert len(expected) > 0
    assert expected["reason"].str.contains("the scale falls|finite again").all()
    # Without the steps that follow and without the scale's parameter nobody can tell it from a fault.
    first = tensors[tensors["iteration"] == expected["iteration"].min()]
    alone = hunt(first[~first["op"].astype(str).str.contains("loss_scale")].reset_index(drop=True))
    assert alone["primary"].sum() == 1
