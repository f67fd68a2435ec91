"""Every layout of directories, named at every level: the tensor is found once, with its rank, graph and iteration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent
from profkit.run import load

TIME = "20250101123045"
TENSOR = "Mul.Default_Mul-op3.12.7.1700000000000000.output.0.ND.npy"


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("rank_3/Net/2/5", (3, 2, 5)),
        ("rank_3/Net/2/constants", (3, 2, -1)),
        (f"rank_3/{TIME}/step_4", (3, -1, 4)),
        ("Net/device_3/iteration_4", (3, -1, 4)),
        ("3/Net_graph_2/2/4", (3, 2, 4)),
        (f"{TIME}/3/model/2/4", (3, 2, 4)),
        (f"{TIME}/3/2/4", (3, 2, 4)),
        (f"7/{TIME}/3/model/2/0", (3, 2, 7)),
    ],
)
def test_levels(place: str, wanted: tuple[int, int, int], tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    folder = dump / place
    folder.mkdir(parents=True)
    np.save(folder / TENSOR, np.ones(2, np.float32))
    levels = [dump, *(dump / Path(*Path(place).parts[:depth]) for depth in range(1, len(Path(place).parts) + 1))]
    for level in levels:
        assert MindSporeDump().sniff(level) is not None, level
        frame = MindSporeDump().read(level, silent).frames["tensors"]
        row = frame.iloc[0]
        assert len(frame) == 1, level
        found = (row["rank"], row["graph"], row["iteration"])
        assert found == wanted, level


@pytest.mark.parametrize(
    "places", [("Net/device_0/iteration_1", "Net/device_1/iteration_1"), (f"{TIME}/0/2/4", f"{TIME}/1/2/4")]
)
def test_several_devices_are_several_recordings(places: tuple[str, ...], tmp_path: Path) -> None:
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        np.save(tmp_path / place / TENSOR, np.ones(2, np.float32))
    assert MindSporeDump().sniff(tmp_path) is None
    run = load(tmp_path)
    assert sorted(run.tensors["rank"]) == [0, 1]
    assert [source.rank for source in run.sources] == [0, 1]


def test_links_to_directories_are_told_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    np.save(outside / TENSOR, np.ones(2, np.float32))
    graph = tmp_path / "dump" / "rank_0" / "Net" / "0"
    (graph / "0").mkdir(parents=True)
    np.save(graph / "0" / TENSOR, np.ones(2, np.float32))
    (graph / "1").symlink_to(outside)
    parsed = MindSporeDump().read(tmp_path / "dump", silent)
    assert parsed.frames["tensors"]["iteration"].tolist() == [0]
    assert [issue.source for issue in parsed.issues] == [str(graph / "1")]


def test_directories_of_other_things_are_not_claimed(tmp_path: Path) -> None:
    for name in ("1/2", "20250101123045/0", "src/device_0", "step_1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "notes.txt").touch()
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert MindSporeDump().sniff(path) is None, path
