"""Where an operator must not be accused, or not alone: other ranks, lost inputs, updates in place. Synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from profkit.overflow import hunt
from profkit.schema import TENSORS

F32 = np.float32
NET, LOSS = "Default_net-Net_", "Default_network-WithLoss_loss-MSELoss_"


def roles(found: pd.DataFrame) -> list[tuple[str, str, bool]]:
    names = [op.rsplit("_", 1)[-1] for op in found["op"]]
    return list(zip(names, found["role"], found["primary"], strict=True))


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 2.0, shape).astype(F32)


def test_a_collective_may_bring_what_another_rank_made(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}AllReduce-op0", [x], np.full(4, np.inf, F32))
    found = dump.hunt()
    assert roles(found) == [("AllReduce-op0", "unknown", True)]
    assert "another rank sent it" in found.iloc[0]["reason"]


def test_the_rank_that_made_it_is_looked_at_first(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}AllReduce-op0", [x], np.full(4, np.nan, F32))
    clean_rank = dump.tensors()
    with np.errstate(invalid="ignore"):
        dump.op(f"{NET}Log-op0", [x - 5], np.log(x - 5))
    other = dump.tensors()
    guilty = other[other["op"].astype(str).str.contains("Log")].assign(rank=np.int32(1))
    both = TENSORS.build(pd.concat([clean_rank, guilty], ignore_index=True))
    found = hunt(both)
    assert found[found["primary"]]["rank"].tolist() == [1]
    assert found[found["primary"]]["role"].tolist() == ["origin"]


def test_an_operator_that_lacks_an_input_is_not_accused(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}Div-op0", [x], np.full(4, np.nan, F32))
    found = dump.hunt()
    assert roles(found) == [("Div-op0", "unknown", True)]
    assert "an input of it was not dumped" in found.iloc[0]["reason"]


def test_an_input_that_other_iterations_have_is_missed(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}Custom-op0", [x], np.full(4, np.nan, F32), iteration=0)
    dump.op(f"{NET}Custom-op0", [x, x], x, iteration=1)
    assert dump.hunt()["role"].tolist() == ["unknown"]


def test_an_update_of_a_weight_that_was_bad_before_is_no_origin(dump: Any) -> None:
    x, weight = values(4), np.array([np.nan, 1, 2, 3], dtype=F32)
    product = dump.op(f"{NET}Mul-op0", [x, weight], x * weight)
    dump.op(f"{NET}ReLU-op0", [product], np.nan_to_num(product))
    dump.op("Default_optimizer-Momentum_ApplyMomentum-op0", [weight * 2, x, F32(0.1), x], weight * 2)
    found = dump.hunt()
    assert roles(found) == [
        ("Mul-op0", "unknown", True),
        ("ReLU-op0", "masked", False),
        ("ApplyMomentum-op0", "carrier", False),
    ]


def test_a_scalar_inf_that_is_multiplied_is_no_bound(dump: Any) -> None:
    x = values(4)
    dump.op(f"{NET}Minimum-op0", [x, F32(np.inf)], x)
    assert dump.hunt().empty
    dump.op(f"{NET}Mul-op0", [x, F32(np.inf)], x * F32(np.inf))
    assert roles(dump.hunt()) == [("Mul-op0", "unknown", True)]


def test_inf_that_was_given_as_a_number_is_meant(dump: Any) -> None:
    scores = values(4, 4)
    masked = np.where(np.triu(np.ones((4, 4), dtype=bool), 1), F32(-np.inf), scores)
    dump.op(f"{NET}MaskedFill-op0", [scores, np.triu(np.ones((4, 4), dtype=bool), 1)], masked)
    dump.op(f"{NET}Softmax-op0", [masked], scores)
    dump.op(f"{NET}FillV2-op0", [np.array([2], dtype=np.int64)], np.full(2, np.finfo(F32).min, F32))
    assert dump.hunt().empty


def test_memory_that_nobody_wrote_and_masks_of_dropout_are_no_results(dump: Any) -> None:
    x, garbage = values(4), np.array([np.nan, np.inf, 1, 2], dtype=F32)
    dump.op(f"{NET}Empty-op0", [np.array([4], dtype=np.int64)], garbage)
    dump.op(f"{NET}Dropout-op0", [x], x, garbage)
    assert dump.hunt().empty


def test_a_value_that_is_masked_where_it_is_first_seen_is_not_clean(dump: Any) -> None:
    bad = values(4) * F32(np.nan)
    dump.op(f"{NET}ReLU-op0", [bad], np.zeros(4, F32))
    found = dump.hunt()
    assert roles(found) == [("ReLU-op0", "unknown", True)]
    assert "its outputs are finite" in found.iloc[0]["reason"]


def test_of_inputs_alone_the_first_that_reads_a_bad_value_is_named(dump: Any) -> None:
    x, bad = values(4), np.array([np.nan, 1, 2, 3], dtype=F32)
    dump.op(f"{NET}ReLU-op0", [x])
    dump.op(f"{NET}MatMul-op0", [bad, x])
    dump.op(f"{NET}BiasAdd-op0", [bad * 2, x])
    dump.op("Default_optimizer-Momentum_ApplyMomentum-op0", [bad * 3, bad * 3, F32(0.1), bad])
    found = dump.hunt()
    assert roles(found)[:1] == [("MatMul-op0", "unknown", True)]
    assert "none of its outputs was dumped" in found.iloc[0]["reason"]
    assert not found["first_nan"].any()
