"""The parity frame of whole recordings: contract, unmatched and unreadable rows, cancelling, consistency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.compare import compare_arrays, compare_tensors
from profkit.errors import CancelledError, ProfkitError
from profkit.schema import PARITY, TENSORS

Recording = Callable[..., pd.DataFrame]


def test_nothing_against_nothing_is_an_empty_frame() -> None:
    parity = compare_tensors(TENSORS.empty(), TENSORS.empty())
    PARITY.validate(parity)
    assert parity.empty


def test_an_unmatched_row_is_never_a_pass(recording: Recording) -> None:
    x = np.ones(3, np.float32)
    parity = compare_tensors(recording({"a": x, "b": x}), recording({"b": x, "c": x}))
    PARITY.validate(parity)
    assert parity["status"].tolist() == ["missing_b", "match", "missing_a"]
    assert parity.loc[0, "name_b"] is pd.NA
    assert parity.loc[2, "name_a"] is pd.NA
    assert parity["max_abs"].isna().tolist() == [True, False, True]
    assert parity["nan_a"].isna().tolist() == [True, False, True]
    assert parity["shape_a"].fillna("?").tolist() == ["3", "3", "?"]


def test_a_file_that_cannot_be_read_is_a_row_that_says_so(recording: Recording) -> None:
    a, b = (recording({"fc": np.ones(3, np.float32), "act": np.ones(3, np.float32)}) for _ in "ab")
    Path(b["path"][0]).write_bytes(b"not an array")
    Path(a["path"][1]).unlink()
    parity = compare_tensors(a, b)
    assert parity["status"].tolist() == ["unreadable", "unreadable"]
    assert b["path"][0] in parity["reason"][0]
    assert not parity["first_divergence"].any()


def test_statistics_alone_are_no_values(recording: Recording, tensors: Recording) -> None:
    parity = compare_tensors(recording({"fc": np.ones(3)}), tensors(["fc"]))
    assert parity["status"].tolist() == ["undecidable"]
    assert "B has no values" in parity["reason"][0]


def test_modules_of_outputs_gradients_and_graph_operators(recording: Recording) -> None:
    names = ["blocks.0.norm", "Default_network-Loss_net-Net_fc-Dense_MatMul-op0", "blocks.0.norm.gamma"]
    frame = recording([(name, np.ones(2)) for name in names], io=["output", "output", "gradient"])
    assert compare_tensors(frame, frame)["module"].tolist() == ["blocks.0.norm", "fc", "blocks.0.norm"]


def test_the_slot_is_no_part_of_the_module(recording: Recording) -> None:
    frame = recording([("Default_net-Net_fc-Dense_MatMul-op0", np.ones(2))], slot=[1], io="input")
    assert compare_tensors(frame, frame)["module"].tolist() == ["net.fc"]


def test_slots_are_told_apart_by_name(recording: Recording) -> None:
    frame = recording([("lstm", np.ones(2)), ("lstm", np.zeros(2))], slot=[0, 1])
    assert compare_tensors(frame, frame)["name_a"].tolist() == ["lstm", "lstm:1"]


def test_progress_is_told_and_may_cancel(recording: Recording) -> None:
    frame = recording({f"m{n}": np.ones(2) for n in range(4)})
    heard: list[tuple[str, float | None]] = []
    compare_tensors(frame, frame, progress=lambda _, subject, done: heard.append((subject, done)))
    assert [told for told in heard if told[1] is not None] == [("m0", 0.25), ("m1", 0.5), ("m2", 0.75), ("m3", 1.0)]

    def stop(verb: str, subject: str, fraction: float | None) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        compare_tensors(frame, frame, progress=stop)


@pytest.mark.parametrize("tolerance", [-1e-3, float("nan"), float("inf")])
def test_an_impossible_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(ProfkitError, match="no tolerance"):
        compare_arrays(np.ones(1), np.ones(1), "a", "b", rtol=tolerance)


ARRAYS = st.lists(
    st.sampled_from(
        [
            np.ones(4, np.float32),
            np.ones(4, np.float32) * np.float32(1.01),
            np.array([1, np.nan, 1, 1], np.float32),
            np.ones((2, 2), np.float32),
            np.ones(4, np.float16),
            np.ones(4, np.int64),
            np.zeros(4, np.float32),
            np.empty(0, np.float32),
        ]
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRAYS, ARRAYS, st.sampled_from([None, 0.1]), st.sampled_from(["output", "gradient", "parameter"]))
def test_verdicts_and_first_divergence_never_contradict_each_other(
    recording: Recording, a: list[np.ndarray], b: list[np.ndarray], rtol: float | None, io: str
) -> None:
    sides = [recording([(f"m{n}", array) for n, array in enumerate(side)], io=io) for side in (a, b)]
    parity = compare_tensors(*sides, rtol=rtol)
    PARITY.validate(parity)
    wrong = parity["status"].isin(["mismatch"]) | parity["reason"].str.contains("nothing is broadcast")
    assert parity["first_divergence"].sum() == int(wrong.any())
    assert wrong[parity["first_divergence"]].all()
    non_finite = parity[["nan_a", "nan_b", "inf_a", "inf_b"]].fillna(0).sum(axis=1) > 0
    assert not (non_finite & (parity["status"] == "match")).any()
    assert len(parity) == max(len(a), len(b))
    matches = parity["status"] == "match"
    assert parity.loc[matches, ["name_a", "name_b", "max_abs", "close_ratio"]].notna().all(axis=None)


def test_comparing_with_itself_is_a_match_everywhere(recording: Recording) -> None:
    frame = recording({f"m{n}": np.random.default_rng(n).standard_normal(50) for n in range(5)})
    parity = compare_tensors(frame, frame)
    assert set(parity["status"]) == {"match"}
    assert not parity["first_divergence"].any()
