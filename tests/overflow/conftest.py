"""A dump that a test writes operator by operator, so that the true origin is known. Synthetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.overflow import hunt
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent
from profkit.schema import OVERFLOW


class SyntheticDump:
    """Writes tensors as MindSpore 2.10 on CPU names them; time moves on with every tensor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time = 1_795_415_775_000_000
        self.outputs_only = False

    def op(self, name: str, inputs: list[Any], *outputs: Any, iteration: int = 0) -> Any:
        """Write one execution of an operator named scope_Type-opN; give its first output."""
        op_type = name.rsplit("_", 1)[-1].split("-", maxsplit=1)[0]
        tensors = [("output", slot, value) for slot, value in enumerate(outputs)]
        if not self.outputs_only:
            tensors = [("input", slot, value) for slot, value in enumerate(inputs)] + tensors
        for io, slot, value in tensors:
            self._save(f"{op_type}.{name}", io, slot, value, iteration)
        return outputs[0] if outputs else None

    def parameter(self, name: str, value: Any, iteration: int = 0) -> None:
        self._save(f"Parameter.{name}", "output", 0, value, iteration)

    def _save(self, name: str, io: str, slot: int, value: Any, iteration: int) -> None:
        folder = self.root / "rank_0" / "Net" / "0" / str(iteration)
        folder.mkdir(parents=True, exist_ok=True)
        self.time += 10
        np.save(folder / f"{name}.0.0.{self.time}.{io}.{slot}.DefaultFormat.npy", np.asarray(value))

    def hunt(self) -> pd.DataFrame:
        found = hunt(self.tensors())
        OVERFLOW.validate(found)
        assert found["primary"].sum() <= 1
        return found

    def tensors(self) -> pd.DataFrame:
        return MindSporeDump().read(self.root, silent).frames["tensors"]


@pytest.fixture
def dump(tmp_path: Path) -> SyntheticDump:
    return SyntheticDump(tmp_path)
