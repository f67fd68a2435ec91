"""Pictures of a comparison: error against depth, differences of one pair, value ranges along the network.

matplotlib is imported when a picture is made, draws without a display, and gives the same bytes for the same input.
Colours are those of Okabe and Ito, told apart by colour-blind readers; shapes repeat what colours say.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.safe_text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = {".png": "png", ".svg": "svg"}
_BLUE, _ORANGE, _GREEN, _RED, _PURPLE, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#666666"
# Status -> (colour, marker).
_MARKS = {
    "match": (_BLUE, "o"),
    "mismatch": (_RED, "X"),
    "undecidable": (_ORANGE, "D"),
    "dtype": (_PURPLE, "s"),
    "shape": (_PURPLE, "^"),
}
# What lies beyond is drawn at the edge: an axis of 600 decades shows nothing.
_DRAWN_ERRORS = 1e-20, 1e6
_DRAWN_VALUES = 1e-40, 1e40
_NAMED_AT_MOST = 24
_LONGEST_NAME = 34
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "profkit",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def figure_format(path: Path) -> str:
    """Give the format that a picture's suffix asks for.

    Raises:
        ProfkitError: The suffix is of no format.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        known = " or ".join(_FORMATS)
        raise ProfkitError(f"{path}: the suffix {path.suffix!r} names no picture", f"use {known}") from None


def error_against_depth(parity: pd.DataFrame, form: str) -> bytes:
    """Draw the relative L2 difference of each pair in forward order, the first divergence marked.

    Args:
        parity: A parity frame.
        form: "png" or "svg".
    """
    rows = _along_the_network(parity)
    error = rows["rel_l2"].to_numpy(dtype=np.float64)
    error = np.where(error > 0, error.clip(*_DRAWN_ERRORS), error)
    positive = error[np.isfinite(error) & (error > 0)]
    bottom = _decade_below(positive.min() if len(positive) else 1e-8)
    top = _decade_below(positive.max() if len(positive) else 1e-7) * 100
    with _figure(form, _width(len(rows))) as (figure, content):
        axes = figure.add_subplot()
        status = rows["status"].astype(str).to_numpy()
        drawn = np.where(error > 0, np.minimum(error, top / 2), bottom)
        measured = ~np.isnan(error)
        axes.plot(np.flatnonzero(measured), drawn[measured], color=_GREY, linewidth=0.8, zorder=1)
        for word, (colour, marker) in _MARKS.items():
            chosen = np.flatnonzero(measured & (status == word))
            if len(chosen):
                axes.scatter(chosen, drawn[chosen], s=26, color=colour, marker=marker, label=word, zorder=3)
        absent = np.flatnonzero(~measured)
        if len(absent):
            axes.scatter(
                absent, np.full(len(absent), bottom), s=20, color=_GREY, marker="|", label="not compared", zorder=2
            )
        _mark(axes, rows, "first divergence", rows["first_divergence"].to_numpy(dtype=bool), _RED)
        axes.set_yscale("log")
        axes.set_ylim(bottom / 2, top)
        axes.set_ylabel("relative L2 difference |a-b| / |a|")
        if (error == 0).any():
            axes.text(1.004, bottom, "0: equal", transform=axes.get_yaxis_transform(), va="center", color=_GREY)
        _name_depth(axes, rows)
        axes.set_title("Error against depth", loc="left")
        _legend(axes)
    return content.getvalue()


def value_ranges(parity: pd.DataFrame, form: str) -> bytes:
    """Draw largest magnitude and root mean square of both sides in forward order, with the first NaN or Inf marked.

    Args:
        parity: A parity frame.
        form: "png" or "svg".
    """
    rows = _along_the_network(parity)
    with _figure(form, _width(len(rows))) as (figure, content):
        axes = figure.add_subplot()
        places = np.arange(len(rows))
        for side, colour, marker, width in (("a", _BLUE, "o", 2.6), ("b", _ORANGE, "x", 1.0)):
            for figure_name, style, words in (("peak", "-", "largest"), ("rms", ":", "root mean square")):
                values = rows[f"{figure_name}_{side}"].to_numpy(dtype=np.float64)
                values = np.where(values > 0, values.clip(*_DRAWN_VALUES), np.nan)
                label = f"{words}, {side.upper()}"
                axes.plot(
                    places,
                    values,
                    style,
                    color=colour,
                    marker=marker,
                    markersize=5,
                    fillstyle="none",
                    linewidth=width,
                    label=label,
                )
        counts = rows[["nan_a", "nan_b", "inf_a", "inf_b"]].astype("Float64").fillna(0).to_numpy(dtype=np.float64)
        bad = counts.sum(axis=1) > 0
        first = np.zeros(len(rows), dtype=bool)
        if bad.any():
            first[int(bad.argmax())] = True
            axes.scatter(
                places[bad], np.full(int(bad.sum()), 0.985), s=26, color=_RED, marker="v", label="holds NaN or Inf",
                transform=axes.get_xaxis_transform(), zorder=3,
            )  # fmt: skip
        _mark(axes, rows, "first NaN or Inf", first, _RED)
        _mark(axes, rows, "first divergence", rows["first_divergence"].to_numpy(dtype=bool) & ~first, _GREY)
        axes.set_yscale("log")
        axes.margins(y=0.1)
        axes.set_ylim(top=axes.get_ylim()[1] * 4)
        axes.set_ylabel("magnitude of the finite values")
        _name_depth(axes, rows)
        axes.set_title("Value ranges along the network", loc="left")
        _legend(axes)
    return content.getvalue()


def difference_bars(histogram: pd.DataFrame, title: str, form: str) -> bytes:
    """Draw how the differences of one pair are spread.

    Args:
        histogram: Columns low, high and count, as profkit.compare.difference_histogram gives them.
        title: Name of the pair.
        form: "png" or "svg".
    """
    with _figure(form, 7.0) as (figure, content):
        axes = figure.add_subplot()
        unequal = histogram.iloc[1:]
        total = int(histogram["count"].sum())
        equal = int(histogram["count"].iloc[0])
        if len(unequal):
            low, high = (unequal[name].to_numpy(dtype=np.float64) for name in ("low", "high"))
            axes.bar(
                low, unequal["count"], width=high - low, align="edge", color=_BLUE, edgecolor="white", linewidth=0.5
            )
            axes.set_xscale("log")
        share = 100 * equal / total if total else 0.0
        words = f"{equal:,} of {total:,} elements are equal ({share:.3g} %)"
        axes.text(0.99, 1.01, words, transform=axes.transAxes, ha="right", va="bottom", color=_GREY)
        axes.set_xlabel("|a-b| of an element")
        axes.set_ylabel("elements")
        axes.set_title(_shortened(title), loc="left")
    return content.getvalue()


def loss_lines(curves: pd.DataFrame, labels: tuple[str, str], title: str, form: str) -> bytes:
    """Draw two loss curves.

    Args:
        curves: Columns step, left and right, as profkit.loss_curves.compared_losses gives them.
        labels: What to call the two.
        title: What to write above.
        form: "png" or "svg".
    """
    with _figure(form, 7.0) as (figure, content):
        axes = figure.add_subplot()
        for name, label, colour, style in zip(("left", "right"), labels, (_BLUE, _ORANGE), ("-", "--"), strict=True):
            axes.plot(curves["step"], curves[name], style, color=colour, label=_shortened(label), linewidth=1.4)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.set_title(_shortened(title), loc="left")
        axes.legend()
    return content.getvalue()


def loss_error_line(curves: pd.DataFrame, form: str) -> bytes:
    """Draw how far two loss curves are apart.

    Args:
        curves: Columns step and abs_error, as profkit.loss_curves.compared_losses gives them.
        form: "png" or "svg".
    """
    with _figure(form, 7.0) as (figure, content):
        axes = figure.add_subplot()
        axes.plot(curves["step"], curves["abs_error"], color=_RED, linewidth=1.2)
        if (curves["abs_error"] > 0).any():
            axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("|left-right|")
        axes.set_title("Loss error", loc="left")
    return content.getvalue()


def _along_the_network(parity: pd.DataFrame) -> pd.DataFrame:
    """Give the rows to draw: what flows forward, or whatever there is if nothing does."""
    forward = parity[parity["io"].astype(object).isin(("output", "input"))]
    return (forward if len(forward) else parity).reset_index(drop=True)


@contextmanager
def _figure(form: str, width: float) -> Iterator[tuple[Figure, io.BytesIO]]:
    import matplotlib as mpl  # noqa: PLC0415 - a heavy import that only pictures need
    from matplotlib.figure import Figure as MatplotlibFigure  # noqa: PLC0415

    content = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure = MatplotlibFigure(figsize=(width, 4.2), dpi=120, layout="constrained")
        yield figure, content
        # A date or version in the file would make every picture another one.
        figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})


def _width(rows: int) -> float:
    return float(np.clip(4 + 0.16 * rows, 7.0, 16.0))


def _decade_below(value: float) -> float:
    return float(10.0 ** np.floor(np.log10(value)))


def _mark(axes: Axes, rows: pd.DataFrame, words: str, chosen: NDArray[np.bool_], colour: str) -> None:
    if not chosen.any():
        return
    place = int(chosen.argmax())
    axes.axvline(place, color=colour, linewidth=1.0, linestyle="--", zorder=2)
    to_the_right = place < 0.6 * len(rows)
    axes.annotate(
        f"{words}\n{_name(rows, place)}",
        (place, 0.97),
        xycoords=("data", "axes fraction"),
        xytext=(6 if to_the_right else -6, 0),
        textcoords="offset points",
        ha="left" if to_the_right else "right",
        va="top",
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )


def _name_depth(axes: Axes, rows: pd.DataFrame) -> None:
    step = max(1, -(-len(rows) // _NAMED_AT_MOST))
    places = list(range(0, len(rows), step))
    axes.set_xticks(places, [_name(rows, place) for place in places], rotation=60, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    every = "" if step == 1 else f", one in {step} named"
    axes.set_xlabel(f"tensors in forward order{every}")


def _name(rows: pd.DataFrame, place: int) -> str:
    name = rows["name_a"].iloc[place]
    return _shortened(str(rows["name_b"].iloc[place] if pd.isna(name) else name))


def _shortened(name: str) -> str:
    """Shorten a name in its middle, and keep matplotlib from reading formulas into it."""
    text = printable(name)
    if len(text) > _LONGEST_NAME:
        half = _LONGEST_NAME // 2 - 1
        text = f"{text[:half]}...{text[-half:]}"
    return text.replace("$", r"\$")


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, fontsize=8, borderaxespad=0.2)
