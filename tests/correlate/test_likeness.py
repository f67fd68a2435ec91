"""An alignment of two networks that have nothing to do with each other says so, instead of accusing operators."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from profkit.correlate import ONE_NETWORK, align, shares_of_like_work
from profkit.correlate.identity import identify
from profkit.progress import silent
from profkit.run import Run, load
from profkit.triage import Inputs, triage

NETWORKS = ("vit", "resnet", "lstm_text")


@pytest.fixture(scope="module")
def runs(shared: Path) -> dict[tuple[str, str], Run]:
    return {
        (network, variant): identify(load(shared / "bench" / "alignment" / network / variant, progress=silent))
        for network in NETWORKS
        for variant in ("pt_shapes", "ms_pynative", "ms_slow1")
    }


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("pair", [("pt_shapes", "ms_pynative"), ("pt_shapes", "ms_slow1"), ("ms_pynative", "ms_slow1")])
def test_two_recordings_of_one_network_are_alike(
    runs: dict[tuple[str, str], Run], network: str, pair: tuple[str, str]
) -> None:
    shares = shares_of_like_work(align(*(runs[network, variant] for variant in pair)))
    assert len(shares) == 2
    assert min(shares.values()) >= ONE_NETWORK


@pytest.mark.parametrize("pair", permutations(NETWORKS, 2))
@pytest.mark.parametrize("sides", [("pt_shapes", "ms_pynative"), ("pt_shapes", "pt_shapes"), ("ms_pynative",) * 2])
def test_two_networks_are_not(runs: dict[tuple[str, str], Run], pair: tuple[str, str], sides: tuple[str, str]) -> None:
    one, other = (runs[network, variant] for network, variant in zip(pair, sides, strict=True))
    assert min(shares_of_like_work(align(one, other)).values()) < ONE_NETWORK


def test_triage_of_two_networks_flags_nothing_and_says_why(shared: Path) -> None:
    bench = shared / "bench" / "alignment"
    session = triage(Inputs(ref=bench / "vit" / "pt_shapes", run=bench / "resnet" / "ms_pynative"))
    assert session.findings.empty
    assert (session.operators["flag"] != "slow").all()
    assert "not of one network" in " ".join(session.not_judged)


def test_what_two_networks_on_two_devices_have_alike_makes_no_finding(shared: Path) -> None:
    torch = shared / "samples" / "torch"
    bert = torch / "tracelens" / "traces" / "h100" / "gaunernst_bert-small-uncased__1016001.json.gz"
    ascend = next((shared / "samples" / "mindspore_profiler").rglob("text/level1/rank0_ascend_pt"))
    session = triage(Inputs(ref=bert, run=ascend))
    assert (session.alignment["group"] >= 0).mean() < 0.2
    assert session.findings.empty
    assert "not of one network" in " ".join(session.not_judged)


def test_of_traces_that_are_not_alike_no_operator_is_flagged_slow(shared: Path) -> None:
    folder = shared / "samples" / "torch" / "hta" / "trace_diff"
    control, test = folder / "control" / "control.json.gz", folder / "test" / "test.json.gz"
    session = triage(Inputs(ref=control, run=test))
    assert "not of one network" in " ".join(session.not_judged)
    assert (session.operators["flag"] != "slow").all()
