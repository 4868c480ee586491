"""What networks cost and how long they take, drawn on axes.

Every ``draw_…`` takes the axes first and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator

from convlab.costs import Cost
from convlab.picture import CONVOLUTIONS, EMPTY, INK, LABEL, MUTED, SMALL, frame

OTHERS = {"linear": MUTED, "others": EMPTY}


def colour_of(kind: str) -> str:
    """The colour of a kind of convolution, or of what is none."""
    return CONVOLUTIONS.get(kind, OTHERS.get(kind, MUTED))


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
    ax.tick_params(labelsize=SMALL, length=3, color=MUTED)
    ax.set_xlabel(xlabel, fontsize=LABEL)
    ax.set_ylabel(ylabel, fontsize=LABEL)
    for side, spine in ax.spines.items():
        spine.set(edgecolor=MUTED, linewidth=1, visible=side in ("left", "bottom"))
    return ax


def draw_shares(ax: Axes, rows: Mapping[str, Mapping[str, float]], title: str = "") -> Axes:
    """For each row a whole bar, cut into the shares of its parts; the parts are named under it."""
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
                    "fontsize": LABEL,
                    "color": INK if light else "white",
                }
                ax.text(left + share / 2, place, f"{share:.0%}", **label)
            left += share
    ax.set(xlim=(0, 1), ylim=(len(rows) + 0.25, -0.5))
    frame(ax, title)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=LABEL)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    columns = 3
    for number, name in enumerate(names):
        x, y = number % columns / columns, len(rows) - 0.25 + 0.42 * (number // columns)
        ax.plot(x + 0.015, y, "s", color=colour_of(name), markersize=11, markeredgecolor=MUTED, clip_on=False)
        ax.text(x + 0.045, y, name, va="center", fontsize=LABEL, color=INK)
    return ax


def draw_cloud(
    ax: Axes, points: Mapping[str, tuple[float, float]], colours: Sequence[str], xlabel: str, ylabel: str
) -> Axes:
    """Named points on two logarithmic axes."""
    ax.set(xscale="log", yscale="log")
    xs, ys = np.array(list(points.values())).T
    for axis, values in (("x", xs), ("y", ys)):
        margin = (values.max() / values.min()) ** 0.12 * 1.25
        getattr(ax, f"set_{axis}lim")(values.min() / margin, values.max() * margin)
    frame(ax, "")
    _plain(ax, xlabel, ylabel)
    ax.scatter(xs, ys, s=110, c=colours, edgecolors="white", linewidths=1, zorder=3)
    low, high = np.log(ax.get_ylim())
    heights = _apart((np.log(ys) - low) / (high - low), 0.065)
    middle = np.sqrt(np.prod(ax.get_xlim()))
    for name, x, y, height in zip(points, xs, ys, heights, strict=True):
        side = 1 if x < middle else -1
        ax.annotate(
            name,
            (x, y),
            xytext=(x * (np.divide(*ax.get_xlim()[::-1]) ** (0.03 * side)), height),
            textcoords=("data", "axes fraction"),
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=LABEL,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 5},
        )
    return ax


def _apart(heights: np.ndarray, least: float) -> np.ndarray:
    """The same heights, moved as little as keeps neighbours `least` apart."""
    order = np.argsort(heights)
    moved = heights[order].copy()
    for _ in range(200):
        gaps = least - np.diff(moved)
        close = gaps > 1e-6
        if not close.any():
            break
        moved[:-1] -= np.where(close, gaps / 2, 0)
        moved[1:] += np.where(close, gaps / 2, 0)
    result = np.empty_like(moved)
    result[order] = np.clip(moved, 0.03, 0.97)
    return result
