"""The tables of this room: tab-separated text with one header line, read once."""

from __future__ import annotations

from importlib.resources import files


def read_table(name: str) -> list[dict[str, str]]:
    """Read a table of this package.

    Args:
        name: File name (`op_classes.tsv`).

    Returns:
        One dictionary a row, by the names of the header line; an empty cell is "".
    """
    lines = files("profkit.vocabulary").joinpath(name).read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    return [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:] if line]
