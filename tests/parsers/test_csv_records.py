"""Headers of tables: whatever the first line holds, it is cells or no header, and no error."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.discovery import discover
from profkit.errors import UnknownFormatError
from profkit.parsers.csv_records import header_of

NAMES = ["aicpu_intermediate_1.csv", "npu_mem_20250109074804.csv", "op_summary_1.csv", "kernel_details.csv"]


@given(text=st.text(st.sampled_from('ab ,"\r\n\0é'), max_size=30))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_header_is_the_first_record_of_the_csv_module(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    found = header_of(path)
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline()
    assert found == ([] if "\0" in first else next(csv.reader([first]), []))


@pytest.mark.parametrize("name", NAMES)
def test_a_carriage_return_in_the_first_line_is_no_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"Name,Duration\rTime,Task ID\n1,2,3\n")
    with pytest.raises(UnknownFormatError):
        discover(path)
