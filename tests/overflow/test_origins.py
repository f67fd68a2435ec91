"""The hunt on small synthetic dumps, computed here operator by operator, so that the true origin is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.errors import CancelledError
from profkit.overflow import hunt, offending_input
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.saved_tensors import SavedTensors
from profkit.progress import silent
from profkit.schema import TENSORS

F16, F32 = np.float16, np.float32
NET = "Default_network-WithLoss_net-Net_"
LOSS = "Default_network-WithLoss_loss-MSELoss_"


def values(*shape: int, dtype: Any = F32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape).astype(dtype)


def roles(found: pd.DataFrame) -> list[tuple[str, str]]:
    return [(op.rsplit("_", 1)[-1], role) for op, role in zip(found["op"], found["role"], strict=True)]


def primary(found: pd.DataFrame) -> pd.Series:
    (row,) = [row for _, row in found.iterrows() if row["primary"]]
    return row


def log_of(array: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.log(array)


def divided(a: Any, b: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.divide(a, b)


def test_an_empty_frame_and_a_clean_dump_give_nothing(dump: Any) -> None:
    assert hunt(TENSORS.empty()).empty
    x = dump.op(f"{NET}ReLU-op0", [values(8)], values(8))
    dump.op(f"{LOSS}ReduceMean-op0", [x], x.mean())
    assert dump.hunt().empty


def test_origin_carriers_and_a_masking_operator(dump: Any) -> None:
    x = values(8) - 1
    bad = dump.op(f"{NET}act-Act_Log-op0", [x], log_of(x))
    doubled = dump.op(f"{NET}Mul-op0", [bad, F32(2)], bad * 2)
    dump.op(f"{NET}ReLU-op0", [doubled], np.nan_to_num(doubled))
    dump.op(f"{LOSS}ReduceMean-op0", [doubled], doubled.mean())
    found = dump.hunt()
    assert roles(found) == [
        ("Log-op0", "origin"),
        ("Mul-op0", "carrier"),
        ("ReLU-op0", "masked"),
        ("ReduceMean-op0", "carrier"),
    ]
    origin = primary(found)
    assert origin["op"].endswith("Log-op0")
    assert (origin["module"], origin["order"], origin["iteration"]) == ("act", 0, 0)
    assert origin["nan"] == np.isnan(bad).sum()
    assert origin["max_abs_input"] == pytest.approx(np.abs(x).max())
    assert f"{np.isnan(bad).sum()} NaN of 8 elements" in origin["reason"]
    assert "written by Log-op0 of act" in found.iloc[1]["reason"]


def test_the_first_nan_made_of_inf_is_told_apart_from_the_origin_of_inf(dump: Any) -> None:
    x = np.array([1, 200], dtype=F32)
    with np.errstate(over="ignore"):
        grown = dump.op(f"{NET}Exp-op0", [x], np.exp(x))
    total = dump.op(f"{NET}ReduceSum-op0", [grown], grown.sum())
    dump.op(f"{NET}Div-op0", [grown, total], divided(grown, total))
    found = dump.hunt()
    assert roles(found) == [("Exp-op0", "origin"), ("ReduceSum-op0", "carrier"), ("Div-op0", "carrier")]
    assert found.iloc[2]["reason"].startswith("makes NaN of Inf")
    assert not found.iloc[1]["reason"].startswith("makes NaN of Inf")


def test_an_absorbed_origin_does_not_hide_the_live_one(dump: Any) -> None:
    """log(0), then relu, then 0/0: the usual false alarm."""
    zeros = np.zeros(8, dtype=F32)
    low = dump.op(f"{NET}Log-op0", [zeros], log_of(zeros))
    again = dump.op(f"{NET}ReLU-op0", [low], np.maximum(low, 0))
    bad = dump.op(f"{NET}Div-op0", [again, again], divided(again, again))
    dump.op(f"{LOSS}ReduceMean-op0", [bad], bad.mean())
    found = dump.hunt()
    assert primary(found)["op"].endswith("Div-op0")
    log = found.iloc[0]
    assert (log["role"], log["primary"]) == ("origin", False)
    assert "neither the loss nor a weight" in log["reason"]


def test_a_gradient_that_is_swallowed_is_still_named(dump: Any) -> None:
    x = values(8)
    dump.op(f"{LOSS}ReduceMean-op0", [x], x.mean())
    bad = dump.op(f"Gradients_{NET}Grad_Sqrt_SqrtGrad-op0", [np.zeros(8, F32), x], divided(x, np.zeros(8, F32)))
    grad = dump.op(f"Gradients_{NET}Grad_ReLU_ReluGrad-op0", [bad, x], x)
    dump.op("Default_optimizer-Momentum_ApplyMomentum-op0", [x, x, F32(0.1), grad], x)
    assert primary(dump.hunt())["op"].endswith("SqrtGrad-op0")


def test_masks_by_intent_are_no_finding(dump: Any) -> None:
    scores = values(4, 4)
    hidden = np.triu(np.ones((4, 4), dtype=bool), 1)
    filled = dump.op(f"{NET}MaskedFill-op0", [scores, hidden, F32(-np.inf)], np.where(hidden, F32(-np.inf), scores))
    dump.op(f"{NET}Softmax-op0", [filled], scores)
    mask = np.where(hidden, F32(-np.inf), F32(0))
    dump.parameter("inputs1", mask)
    added = dump.op(f"{NET}Add-op0", [scores, mask], scores + mask)
    dump.op(f"{NET}Softmax-op1", [added], scores)
    soft = np.where(hidden, F32(0), values(4, 4))
    logged = dump.op(f"{NET}Log-op0", [soft], log_of(soft))
    dump.op(f"{NET}Softmax-op2", [logged], scores)
    halved = dump.op(f"{NET}Cast-op0", [np.where(hidden, F32(-1e9), F32(0))], np.where(hidden, F16(-np.inf), F16(0)))
    dump.op(f"{NET}Softmax-op3", [halved], scores)
    lowest = np.finfo(F32).min
    dump.op(f"{NET}MaskedFill-op1", [scores, hidden, F32(lowest)], np.where(hidden, lowest, scores))
    assert dump.hunt().empty


def test_a_row_masked_away_altogether_makes_the_softmax_an_origin(dump: Any) -> None:
    scores = values(2, 4)
    filled = np.full((2, 4), -np.inf, dtype=F32)
    dump.op(f"{NET}MaskedFill-op0", [scores, np.ones((2, 4), dtype=bool), F32(-np.inf)], filled)
    dump.op(f"{NET}Softmax-op0", [filled], np.full((2, 4), np.nan, dtype=F32))
    found = dump.hunt()
    assert roles(found) == [("Softmax-op0", "origin")]
    assert "mask" in primary(found)["reason"]


def test_an_overflow_to_minus_inf_is_no_mask_even_before_a_softmax(dump: Any) -> None:
    x = np.array([300, -300, 2, 1], dtype=F16)
    y = np.array([-300, 300, 2, 1], dtype=F16)
    with np.errstate(over="ignore"):
        product = dump.op(f"{NET}Mul-op0", [x, y], x * y)
    dump.op(f"{NET}Softmax-op0", [product], values(4, dtype=F16))
    assert roles(dump.hunt()) == [("Mul-op0", "origin"), ("Softmax-op0", "masked")]


def test_a_bad_network_input_is_named_and_its_cause_lies_before(dump: Any) -> None:
    x = values(4, 4)
    x[1, 2] = np.nan
    weight = values(4, 4, seed=1)
    dump.op(f"{NET}fc-Dense_MatMul-op0", [x, weight], x @ weight)
    dump.op(f"{LOSS}ReduceMean-op0", [x @ weight], (x @ weight).mean())
    dump.op(f"Gradients_{NET}fc-Dense_Grad_MatMul_MatMul-op1", [x, values(4, 4)], x @ values(4, 4))
    dump.parameter("inputs0", x)
    found = dump.hunt()
    cause = primary(found)
    assert cause["op"].endswith("MatMul-op0")
    assert cause["role"] == "unknown"
    assert "equal to inputs0" in cause["reason"]
    assert found.iloc[2]["role"] == "carrier"
    assert not (found["role"] == "origin").any()


def test_a_mask_before_a_bad_input_is_not_taken_for_its_source(dump: Any) -> None:
    soft = np.where(np.triu(np.ones((4, 4), dtype=bool), 1), F32(0), values(4, 4))
    logged = dump.op(f"{NET}Log-op0", [soft], log_of(soft))
    dump.op(f"{NET}Softmax-op0", [logged], soft)
    x = values(4, 4) - 5
    dump.op(f"{NET}Mul-op0", [log_of(x), x], log_of(x))
    dump.op(f"{LOSS}ReduceMean-op0", [log_of(x)], log_of(x).mean())
    found = dump.hunt()
    assert roles(found) == [("Mul-op0", "unknown"), ("ReduceMean-op0", "carrier")]
    assert primary(found)["op"].endswith("Mul-op0")


def test_weights_spoilt_by_the_step_before_are_no_new_origin(dump: Any) -> None:
    x, weight = values(4), values(4)
    bad = dump.op(f"{NET}Log-op0", [x - 5], log_of(x - 5))
    update = "Default_optimizer-Momentum_ApplyMomentum-op0"
    dump.op(f"{LOSS}ReduceMean-op0", [bad], bad.mean())
    spoilt = bad * 2
    dump.op(update, [spoilt, spoilt, F32(0.1), bad], spoilt)
    dump.parameter("net_weight", spoilt)
    dump.op(f"{NET}Mul-op0", [x, spoilt], x * spoilt, iteration=1)
    dump.op(update, [spoilt * 3, spoilt, F32(0.1), weight * 0], spoilt * 3, iteration=1)
    found = dump.hunt()
    assert primary(found)["op"].endswith("Log-op0")
    later = found[found["iteration"] == 1]
    assert later["role"].tolist() == ["unknown", "carrier"]
    assert "equal to net_weight as dumped in iteration 0" in later.iloc[0]["reason"]


def test_outputs_that_a_kernel_left_unwritten_are_no_origin(dump: Any) -> None:
    """What Adam wrote in place is what it made; its outputs, and two of BatchNorm's, are what lay in memory before."""
    x, weight = values(4, 6), values(6)
    rest = np.array([np.nan, 1, 2, 3, 4, 5], dtype=F32)
    dump.op(f"{NET}BatchNorm-op0", [x, weight, weight, weight, weight], x, rest, rest, weight, weight)
    dump.op("Default_optimizer-Adam_Adam-op0", [weight, weight, weight, F32(0.9), weight], rest, rest, rest)
    assert dump.hunt().empty
    bad = dump.op(f"{NET}Log-op0", [weight - 5], log_of(weight - 5))
    dump.op("Default_optimizer-Adam_Adam-op1", [bad, bad, bad, F32(0.9), bad], weight, weight, weight)
    found = dump.hunt()
    assert roles(found) == [("Log-op0", "origin"), ("Adam-op1", "carrier")]
    assert "neither the loss nor a weight" not in primary(found)["reason"]


def test_outputs_that_equal_what_was_written_in_place_were_written(dump: Any) -> None:
    updated = np.array([1, np.inf], dtype=F32)
    dump.op("Default_optimizer-Adam_Adam-op0", [updated, updated, updated, F32(3e38), values(2)], updated)
    found = dump.hunt()
    assert roles(found) == [("Adam-op0", "origin")]
    assert found.iloc[0]["pos_inf"] == 1


def test_an_in_place_operator_may_be_the_origin_although_its_dumped_input_is_bad(dump: Any) -> None:
    updated = np.array([1, np.inf], dtype=F32)
    dump.op("Default_optimizer-Momentum_ApplyMomentum-op0", [updated, updated, F32(3e38), values(2)], updated)
    assert roles(dump.hunt()) == [("ApplyMomentum-op0", "origin")]


def float32_half(array: np.ndarray) -> np.ndarray:
    """What MindSpore 2.10 on CPU dumps of a float16 result that a float32 kernel made."""
    return array.astype(F32).view(F16).ravel()[: array.size].reshape(array.shape)


def test_unreadable_float16_halves_are_no_origin(dump: Any) -> None:
    x = values(16, 16) - 1
    garbage = float32_half(x)
    garbage[0, 0] = np.nan
    dump.op(f"{NET}MatMul-op0", [x, x], garbage)
    more = float32_half(x[::-1].copy())
    more[0, 0] = np.nan
    dump.op(f"{NET}BiasAdd-op0", [garbage, values(16)], more)
    dump.op(f"{NET}Cast-op0", [more], x.astype(F16))
    assert dump.hunt().empty


def test_an_overflow_seen_at_the_cast_is_charged_to_the_unreadable_operator(dump: Any) -> None:
    x = values(16, 16) * 300
    garbage = float32_half(x @ x)
    with np.errstate(over="ignore"):
        right = (x @ x).astype(F16)
    dump.op("Expand__MatMulExt_MatMul-op0", [x, x], garbage)
    dump.op(f"{NET}Cast-op0", [garbage], right)
    dump.op(f"{LOSS}ReduceMean-op0", [right], right.mean())
    found = dump.hunt()
    assert roles(found) == [("MatMul-op0", "origin"), ("Cast-op0", "carrier"), ("ReduceMean-op0", "carrier")]
    origin = primary(found)
    assert origin["pos_inf"] == np.isinf(right).sum()
    assert "float32 buffer" in origin["reason"]


def test_outputs_only_names_the_first_bad_output_and_judges_no_other(dump: Any) -> None:
    dump.outputs_only = True
    x = values(16, 16) - 1
    garbage = float32_half(x)
    garbage[0, ::2] = np.nan
    dump.op(f"{NET}MatMul-op0", [], garbage)
    dump.op(f"{NET}Log-op0", [], log_of(x))
    dump.op(f"{NET}Mul-op0", [], log_of(x))
    found = dump.hunt()
    assert roles(found) == [("Log-op0", "origin"), ("Mul-op0", "unknown")]
    assert "inputs were not dumped" in primary(found)["reason"]


def test_time_decides_not_the_name(dump: Any) -> None:
    x = values(4) - 5
    dump.op(f"{NET}Log-op9", [x], log_of(x))
    dump.op(f"{NET}Log-op1", [log_of(x)], log_of(x))
    assert roles(dump.hunt()) == [("Log-op9", "origin"), ("Log-op1", "carrier")]


def test_a_loop_runs_an_operator_again_under_its_name(dump: Any) -> None:
    good, bad = values(4), values(4) - 5
    dump.op(f"{NET}Log-op0", [good], log_of(good))
    dump.op(f"{NET}Log-op0", [bad], log_of(bad))
    found = dump.hunt()
    assert found["order"].tolist() == [1]


def test_operators_that_were_not_dumped_do_not_move_the_origin(dump: Any) -> None:
    x = values(4, 8) - 5
    bad = dump.op(f"{NET}Log-op0", [x], log_of(x))
    bad[0, 0] = 1
    turned = np.ascontiguousarray(bad.T)
    dump.op(f"{NET}Mul-op0", [turned], turned * 2)
    dump.op(f"{LOSS}ReduceMean-op0", [turned * 2], (turned * 2).mean())
    found = dump.hunt()
    assert primary(found)["op"].endswith("Log-op0")
    assert found.iloc[1]["role"] == "carrier"
    assert "not dumped" in found.iloc[1]["reason"]


def test_saturation_is_told_where_it_begins(dump: Any) -> None:
    x = np.array([100, 200, 3], dtype=F16)
    clamped = np.array([65504, 65504, 9], dtype=F16)
    dump.op(f"{NET}Mul-op0", [x, x], clamped)
    dump.op(f"{NET}Neg-op0", [clamped], -clamped)
    found = dump.hunt()
    assert roles(found) == [("Mul-op0", "saturated")]
    assert primary(found)["saturated"] == 2
    assert "2 of 3 elements" in primary(found)["reason"]


def test_scratch_memory_is_no_result(dump: Any) -> None:
    x, garbage = values(4), np.array([np.nan, 3, np.inf], dtype=F32)
    dump.op(f"{NET}lstm-LSTM_LSTM-op0", [x], x, x, x, garbage)
    dump.op(f"Gradients_{NET}lstm-LSTM_Grad_LSTM_LSTMGrad-op0", [x, garbage], x)
    assert dump.hunt().empty


def test_a_file_that_cannot_be_read_leaves_the_part_unknown(dump: Any) -> None:
    x = values(4) - 5
    dump.op(f"{NET}Log-op0", [x], log_of(x))
    (path,) = dump.root.rglob("*input.0*")
    path.write_bytes(path.read_bytes()[:-1])
    found = dump.hunt()
    assert roles(found) == [("Log-op0", "unknown")]
    assert primary(found)["op"].endswith("Log-op0")
    assert "cannot be read" in found.iloc[0]["reason"]


def test_a_bad_parameter_that_no_operator_shows_is_told(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}ReLU-op0", [x], x)
    dump.parameter("net_weight", np.array([1, np.nan], dtype=F32))
    assert roles(dump.hunt()) == [("weight", "unknown")]


def test_recorded_statistics_name_an_origin(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    header = "Op Type,Op Name,Task ID,Stream ID,Timestamp,IO,Slot,Data Size,Data Type,Shape,Max Value,Min Value\n"
    rows = [
        'Log,Default_Log-op0,0,0,17954157750001,input,0,16,float32,"(4)",1,-2,',
        'Log,Default_Log-op0,0,0,17954157750002,output,0,16,float32,"(4)",nan,nan,',
        'Mul,Default_Mul-op0,0,0,17954157750003,input,0,16,float32,"(4)",nan,nan,',
        'Mul,Default_Mul-op0,0,0,17954157750004,output,0,16,float32,"(4)",nan,nan,',
    ]
    (folder / "statistic.csv").write_text(header + "\n".join(rows))
    found = hunt(MindSporeDump().read(tmp_path, silent).frames["tensors"])
    assert found.iloc[0][["role", "primary"]].tolist() == ["origin", True]
    assert found["nan"].isna().all()
    assert "statistics" in found.iloc[0]["reason"]


def test_saved_outputs_without_times_go_by_their_numbers(tmp_path: Path) -> None:
    for number, name in enumerate(["stem", "blocks.1", "blocks.0"]):
        array = values(4)
        if number:
            array[0] = np.inf
        np.save(tmp_path / f"{number}_{name}.npy", array)
    found = hunt(SavedTensors().read(tmp_path, silent).frames["tensors"])
    assert primary(found)["op"] == "blocks.1"


def test_each_rank_is_judged_and_one_origin_is_primary(dump: Any) -> None:
    x = values(4) - 5
    dump.op(f"{NET}Log-op0", [x], log_of(x))
    tensors = dump.tensors()
    both = TENSORS.build(pd.concat([tensors, tensors.assign(rank=np.int32(1))], ignore_index=True))
    found = hunt(both)
    assert found["role"].tolist() == ["origin", "origin"]
    assert sorted(found["rank"]) == [0, 1]
    assert found["primary"].sum() == 1


def test_the_offending_input_is_the_bad_or_the_largest(dump: Any) -> None:
    small, large = values(4), values(4) * -1000
    bad = dump.op(f"{NET}Pow-op0", [small, large], log_of(large))
    dump.op(f"{NET}Add-op0", [large, bad], bad + large)
    found, tensors = dump.hunt(), dump.tensors()
    first, second = (offending_input(tensors, row) for _, row in found.iterrows())
    assert first is not None
    assert second is not None
    assert (first["slot"], second["slot"]) == (1, 1)
    assert offending_input(tensors, found.iloc[0].replace({found.iloc[0]["op"]: "absent"})) is None


def test_the_listener_may_stop_the_hunt(dump: Any) -> None:
    dump.op(f"{NET}ReLU-op0", [values(4)], values(4))

    def stop(verb: str, subject: str, fraction: float | None) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        hunt(dump.tensors(), progress=stop)
