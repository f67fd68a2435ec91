"""Wait time of device tasks where the recording has none.

The text exporter of CANN gives each kernel the gap to the end of the task that started before it on the same device,
whatever its stream, and 0 where the two overlap: so in every row of the recorded kernel_details.csv of torch_npu.
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def wait_times(start_ns: pd.Series[Any], dur_ns: pd.Series[Any], device: pd.Series[Any]) -> pd.Series[Any]:
    """Give the gap before each task.

    Args:
        start_ns: int64 (n,), ascending.
        dur_ns: int64 (n,).
        device: The device of each task.

    Returns:
        Int64 (n,), NA for the first task of a device.
    """
    before = (start_ns + dur_ns).astype("Int64").groupby(device, dropna=False).shift()
    return (start_ns - before).clip(lower=0)
