"""Costs, times and sizes drawn as bars, shares, clouds and curves.

Every ``draw_…`` takes the axes first and returns them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator

from convlab.arithmetic import ConvSpec
from convlab.measure.costs import Cost
from convlab.pictures import palette, words
from convlab.pictures.page import frame, inches, name_ticks, thin_sides, write

Point = tuple[float, float]


def bars(
    ax: Axes,
    values: Mapping[str, float],
    title: str = "",
    *,
    colours: Sequence[str],
    form: Callable[[float], str] = "{:,}".format,
    named: bool = True,
    room: float = 1.5,
    **style: Any,
) -> Axes:
    """Horizontal bars, the first on top, each with its number, on an axis `room` times the longest."""
    ax.barh(range(len(values)), list(values.values()), color=colours, height=0.62)
    for place, value in enumerate(values.values()):
        write(ax, value, place, f" {form(value)}")
    ax.set(xlim=(0, room * max(values.values())), ylim=(len(values) - 0.4, -0.6))
    frame(ax, title, **style)
    if named:
        name_ticks(ax.yaxis, values)
    return thin_sides(ax, "left")


def costs(weights: Axes, macs: Axes, specs: Mapping[str, ConvSpec], size: tuple[int, int]) -> str:
    """Bars of the weights and multiply-adds of each convolution, coloured by kind; gives them in words."""
    colours = [palette.of_kind(spec.kind) for spec in specs.values()]
    counts = {name: spec.num_weights for name, spec in specs.items()}
    works = {name: spec.macs(size) for name, spec in specs.items()}
    bars(weights, counts, "weights", colours=colours)
    bars(macs, works, f"multiply-adds on {words.size(size)}", colours=colours, named=False)
    return "; ".join(f"{name}: {n:,} weights, {works[name]:,} multiply-adds" for name, n in counts.items())


def growth(ax: Axes, sizes: Mapping[str, Sequence[int]], depth: int, colours: Sequence[str]) -> Axes:
    """Receptive field (pixels along one axis) after each layer, for several stacks."""
    places = range(1, max(map(len, sizes.values())) + 1)
    for row, ((name, values), colour) in enumerate(zip(sizes.items(), colours, strict=True)):
        ax.plot(places[: len(values)], values, "o-", color=colour, linewidth=2, markersize=5, alpha=0.35)
        ax.plot(places[:depth], values[:depth], "o-", color=colour, linewidth=3, markersize=7)
        style = {"fontsize": palette.TITLE, "color": colour, "weight": "bold", "va": "top"}
        height = 0.94 - 0.08 * (len(sizes) - 1 - row)
        write(ax, 0.03, height, f"{name}: {values[depth - 1]:,}", transform=ax.transAxes, **style)
    most = max(max(values) for values in sizes.values())
    frame(ax, "receptive field, pixels along one axis")
    ax.set(xlim=(places[0] - 0.4, places[-1] + 0.4), ylim=(2.2, 4 * most), yscale="log")
    powers = [2**power for power in range(2, 12) if 2**power < 4 * most]
    return box(ax, places, powers, "layers")


def box(ax: Axes, xs: Sequence[float], ys: Sequence[float], xlabel: str, *, pad: float = 2) -> Axes:
    """Axes with these numbers below and on the left, in a thin box; `pad` is points above the label."""
    name_ticks(ax.xaxis, xs, xs)
    name_ticks(ax.yaxis, ys, ys)
    ax.minorticks_off()
    ax.set_xlabel(xlabel, fontsize=palette.LABEL, labelpad=pad)
    return thin_sides(ax, *ax.spines)


def layers(ax: Axes, cost: Cost, chosen: int | None = None) -> Axes:
    """Multiply-adds of each layer that has some, from input to output, coloured by kind; one in a frame."""
    layers = [layer for layer in cost.layers if layer.macs]
    shares = [100 * layer.macs / cost.macs for layer in layers]
    colours = [palette.of_kind(layer.kind) for layer in layers]
    names = [f"{layer.name}, {layer.kind}, % of the multiply-adds" for layer in layers]
    bars = ax.bar(range(1, len(layers) + 1), shares, color=colours, width=0.86, label=names)
    if chosen is not None:
        bars[chosen - 1].set(edgecolor=palette.INK, linewidth=2)
    ax.set(xlim=(0.3, len(layers) + 0.7), ylim=(0, 1.1 * max(shares)))
    frame(ax, "% of the multiply-adds, layer by layer")
    return _number_axes(ax, "layers, from input to output")


def _number_axes(ax: Axes, xlabel: str = "", ylabel: str = "") -> Axes:
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


def shares(ax: Axes, rows: Mapping[str, Mapping[str, float]], title: str = "") -> Axes:
    """For each row a whole bar, cut into the shares of its parts; the parts are named under all of them."""
    rows = {row: {name: value for name, value in parts.items() if value} for row, parts in rows.items()}
    for place, parts in enumerate(rows.values()):
        left, whole = 0.0, sum(parts.values())
        for name, value in parts.items():
            share, colour = value / whole, palette.of_kind(name)
            style = {"color": colour, "edgecolor": "white", "height": 0.7, "label": f"{name}, share"}
            ax.barh(place, share, left=left, **style)
            if share > 0.09:
                ink = palette.INK if np.mean(to_rgb(colour)) > 0.45 else "white"
                write(ax, left + share / 2, place, f"{share:.0%}", ha="center", color=ink)
            left += share
    ax.set(xlim=(0, 1), ylim=(len(rows) + 0.25, -0.5))
    frame(ax, title)
    name_ticks(ax.yaxis, rows)
    for number, name in enumerate(dict.fromkeys(name for parts in rows.values() for name in parts)):
        x, y = number % 3 / 3, len(rows) - 0.25 + 0.42 * (number // 3)
        mark = {"color": palette.of_kind(name), "markeredgecolor": palette.MUTED, "clip_on": False}
        ax.plot(x + 0.015, y, "s", markersize=11, **mark)
        write(ax, x + 0.045, y, name)
    return thin_sides(ax)


def cloud(
    ax: Axes, points: Mapping[str, Point], colours: Sequence[str], labels: Sequence[str], *in_view: Point
) -> Axes:
    """Named points on two logarithmic axes, which also reach to the places `in_view`."""
    ax.set(xscale="log", yscale="log")
    xs, ys = np.array(list(points.values())).T
    for axis, values in zip("xy", np.array([*points.values(), *in_view]).T, strict=True):
        margin = (values.max() / values.min()) ** 0.12 * 1.25
        getattr(ax, f"set_{axis}lim")(values.min() / margin, values.max() * margin)
    frame(ax, "")
    _number_axes(ax, *labels)
    ax.scatter(xs, ys, s=110, c=colours, edgecolors="white", linewidths=1, zorder=3)
    dots = ax.transAxes.inverted().transform(ax.transData.transform(np.column_stack([xs, ys])))
    names: list[Span] = []
    for number in np.argsort(dots[:, 1]):
        name, (x, y) = list(points)[number], dots[number]
        others, wide = np.delete(dots, number, axis=0), 0.11 * len(name) / inches(ax)[0]
        names.append(_beside(x, y, wide, others, names))
        left, right, height = names[-1]
        end, side = (left, "left") if left > x else (right, "right")
        ax.plot([x, end], [y, height], color=palette.MUTED, linewidth=0.8, zorder=2.4, transform=ax.transAxes)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}  # over lines, under dots
        write(ax, end, height, name, bbox=box, ha=side, zorder=2.5, transform=ax.transAxes)
    return ax


Span = tuple[float, float, float]  # from where to where a name reaches, and at which height


def _beside(x: float, y: float, wide: float, dots: np.ndarray, names: Sequence[Span]) -> Span:
    """The place nearest to a dot for its name that is clear of other dots and names."""
    sides = (x + 0.03, x + 0.03 + wide), (x - 0.03 - wide, x - 0.03)
    crowded = (abs(dots[:, 0] - x) < 0.05) & (dots[:, 1] - y >= 0) & (dots[:, 1] - y < LINE)  # from above
    away = (-1, 1) if crowded.any() else (1, -1)
    for step in (sign * n * LINE / 2 for n in range(20) for sign in away):
        height = y + step
        for left, right in sides if x < 0.6 else sides[::-1]:
            inside = left > 0 and right < 1.02 and LINE / 2 < height < 1 - LINE / 2
            beside = (left - 0.02 < dots[:, 0]) & (dots[:, 0] < right + 0.02)
            hits = beside & (abs(dots[:, 1] - height) < 0.7 * LINE)
            over = [a < right and left < b and abs(at - height) < LINE for a, b, at in names]
            if inside and not hits.any() and not any(over):
                return left, right, height
    return *sides[0], y


LINE = 0.075  # height of a name, in fractions of the axes
