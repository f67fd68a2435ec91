"""A comparison as one HTML page: the first divergence, pictures, and the table."""

from __future__ import annotations

import html
from base64 import b64encode

import pandas as pd

from profkit.report.figures import difference_bars, error_against_depth, value_ranges
from profkit.report.formats import html_page, render
from profkit.safe_text import printable


def html_report(parity: pd.DataFrame, shown: pd.DataFrame, histogram: tuple[str, pd.DataFrame] | None = None) -> str:
    """Give the page; it needs nothing from elsewhere.

    Args:
        parity: The whole comparison, which the pictures show.
        shown: The rows of the table.
        histogram: Name of the pair to look at first, and its profkit.compare.difference_histogram.
    """
    counts = parity["status"].astype(object).value_counts()
    parts = [
        "<h1>Numerical parity</h1>",
        f"<p>{', '.join(f'{count:,} {status}' for status, count in counts.items())}</p>",
    ]
    first = parity[parity["first_divergence"]].itertuples(index=False)
    parts += [f"<p><b>{_escaped(row.name_a)}</b>: {_escaped(row.reason)}</p>" for row in first]
    if len(parity) > 1:
        parts.append(_picture(error_against_depth(parity, "png"), "Error against depth"))
        parts.append(_picture(value_ranges(parity, "png"), "Value ranges along the network"))
    if histogram is not None:
        name, table = histogram
        parts.append(_picture(difference_bars(table, name, "png"), f"Differences of {name}"))
    page = render(shown, "html").decode()
    parts.append(page[page.index("<table>") : page.index("</table>")] + "</table>")
    return html_page("Numerical parity", "\n".join(parts) + "\n")


def _picture(png: bytes, words: str) -> str:
    return f'<p><img alt="{_escaped(words)}" src="data:image/png;base64,{b64encode(png).decode()}"></p>'


def _escaped(text: object) -> str:
    return html.escape(printable(str(text)))
