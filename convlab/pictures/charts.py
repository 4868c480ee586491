"""What networks cost and how long they take, drawn on axes.

Every ``draw_…`` takes the axes first and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator

from convlab.measure.costs import Cost
from convlab.pictures import palette
from convlab.pictures.page import frame, thin_sides


def colour_of(kind: str) -> str:
    """The colour of a kind of convolution, or of what is none."""
    return palette.CONVOLUTIONS.get(kind, palette.EMPTY if kind == "others" else palette.MUTED)


def draw_layers(ax: Axes, cost: Cost, title: str = "") -> Axes:
    """Multiply-adds of each layer that has some, from input to output, coloured by kind."""
    layers = [layer for layer in cost.layers if layer.macs]
    shares = [100 * layer.macs / cost.macs for layer in layers]
    ax.bar(range(1, len(layers) + 1), shares, color=[colour_of(layer.kind) for layer in layers], width=0.86)
    ax.set(xlim=(0.3, len(layers) + 0.7), ylim=(0, 1.1 * max(shares)))
    frame(ax, title or "% of the multiply-adds, layer by layer")
    return _plain(ax, "layers, from input to output")


def _plain(ax: Axes, xlabel: str = "", ylabel: str = "") -> Axes:
    """Axes with numbers on the left and below, and no box."""
    for axis in (ax.xaxis, ax.yaxis):
        logarithmic = axis.get_scale() == "log"
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if logarithmic else AutoLocator())
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    ax.tick_params(labelsize=palette.SMALL, length=3, color=palette.MUTED)
    ax.set_xlabel(xlabel, fontsize=palette.LABEL)
    ax.set_ylabel(ylabel, fontsize=palette.LABEL)
    return thin_sides(ax, "left", "bottom")


def draw_shares(ax: Axes, rows: Mapping[str, Mapping[str, float]], title: str = "") -> Axes:
    """For each row a whole bar, cut into the shares of its parts; the parts are named under all of them."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    for place, parts in enumerate(rows.values()):
        left, whole = 0.0, sum(parts.values())
        for name, value in parts.items():
            share = value / whole
            ax.barh(place, share, left=left, color=colour_of(name), edgecolor="white", height=0.7)
            if share > 0.09:
                light = np.mean(to_rgb(colour_of(name))) > 0.45
                label = {
                    "ha": "center",
                    "va": "center",
                    "fontsize": palette.LABEL,
                    "color": palette.INK if light else "white",
                }
                ax.text(left + share / 2, place, f"{share:.0%}", **label)
            left += share
    ax.set(xlim=(0, 1), ylim=(len(rows) + 0.25, -0.5))
    frame(ax, title)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=palette.LABEL)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    columns = 3
    for number, name in enumerate(names):
        x, y = number % columns / columns, len(rows) - 0.25 + 0.42 * (number // columns)
        ax.plot(
            x + 0.015,
            y,
            "s",
            color=colour_of(name),
            markersize=11,
            markeredgecolor=palette.MUTED,
            clip_on=False,
        )
        ax.text(x + 0.045, y, name, va="center", fontsize=palette.LABEL, color=palette.INK)
    return ax


def draw_cloud(
    ax: Axes,
    points: Mapping[str, tuple[float, float]],
    colours: Sequence[str],
    xlabel: str,
    ylabel: str,
    *,
    in_view: Sequence[tuple[float, float]] = (),
) -> Axes:
    """Named points on two logarithmic axes, which also reach to the places `in_view`."""
    ax.set(xscale="log", yscale="log")
    xs, ys = np.array(list(points.values())).T
    for axis, values in zip("xy", np.array([*points.values(), *in_view]).T, strict=True):
        margin = (values.max() / values.min()) ** 0.12 * 1.25
        getattr(ax, f"set_{axis}lim")(values.min() / margin, values.max() * margin)
    frame(ax, "")
    _plain(ax, xlabel, ylabel)
    ax.scatter(xs, ys, s=110, c=colours, edgecolors="white", linewidths=1, zorder=3)
    dots = ax.transAxes.inverted().transform(ax.transData.transform(np.column_stack([xs, ys])))
    placed: list[tuple[float, ...]] = []
    for name, dot in zip(points, dots, strict=True):
        left, bottom, width, _ = _free_box(name, dot, dots, placed)
        to_the_left = left < dot[0]
        ax.annotate(
            name,
            dot,
            xycoords="axes fraction",
            xytext=(left + width if to_the_left else left, bottom + LINE / 2),
            textcoords="axes fraction",
            ha="right" if to_the_left else "left",
            va="center",
            fontsize=palette.LABEL,
            color=palette.INK,
            zorder=2.5,  # over lines, under dots
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            arrowprops={
                "arrowstyle": "-",
                "color": palette.MUTED,
                "linewidth": 0.8,
                "shrinkA": 0,
                "shrinkB": 5,
            },
        )
    return ax


LINE, LETTER = 0.065, 0.025  # height of a label and width of its letters, in fractions of the axes


def _free_box(
    name: str, dot: np.ndarray, dots: np.ndarray, placed: list[tuple[float, ...]]
) -> tuple[float, ...]:
    """(left, bottom, width, height) near a dot for its name, clear of other dots and names if it can be."""
    width = LETTER * len(name)
    best, least = None, np.inf
    for up in (0, 1, -1, 2, -2, 3, -3):
        for left in (dot[0] + 0.03, dot[0] - 0.03 - width):
            box = (left, dot[1] + up * LINE - LINE / 2, width, LINE)
            hidden = sum(_overlap(box, (*(other - 0.02), 0.04, 0.04)) for other in dots)
            crossed = sum(_overlap(box, other) for other in placed)
            outside = left < 0 or left + width > 1 or not 0 < box[1] < 1 - LINE
            cost = 10 * (hidden + crossed) + 20 * outside + abs(up)
            if cost < least:
                best, least = box, cost
    placed.append(best)
    return best


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    sides = zip(one[:2], one[2:], other[:2], other[2:], strict=True)
    return all(a < b + wide_b and b < a + wide_a for a, wide_a, b, wide_b in sides)
