"""Numbers and tensors drawn on axes.

Every ``draw_…`` takes the axes first and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Rectangle
from torch import Tensor

from convlab.arithmetic import ConvSpec
from convlab.measure.reach import MeasuredField
from convlab.pictures import palette
from convlab.pictures.page import frame, thin_sides


def times(size: Sequence[int]) -> str:
    """(3, 5) as "3×5"."""
    return "×".join(map(str, size))


def plain(value: float) -> str:
    """Two decimals with a true minus sign, and never a negative zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def grey_limits(values: np.ndarray, white: float = 1.0) -> tuple[float, float]:
    """What is black and what white in a map: zero is mid-grey where there are negative values, else black.

    Without negative values, white is at least `white`.
    """
    limit = max(float(np.quantile(np.abs(values), 0.99)), 1e-9)
    return (-limit, limit) if values.min() < -1e-6 else (0, max(white, limit))


def _plane(image: Tensor | np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, 3) from a tensor (1, C, H, W), (C, H, W) or (H, W)."""
    array = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim != 2 and array.shape[2:] != (3,):
        raise ValueError(f"an image has 1 or 3 channels and one item, not shape {tuple(image.shape)}")
    return array


def _colour(image: Tensor) -> np.ndarray:
    """(H, W, 3) in bytes: a quarter of the memory of floats, and quicker to draw."""
    plane = (_plane(image).clip(0, 1) * 255).round().astype(np.uint8)
    return np.repeat(plane[..., None], 3, axis=2) if plane.ndim == 2 else plane


def _grid(ax: Axes, height: int, width: int) -> None:
    """Limits with row 0 on top, as images have them, so that pixel (row, column) is a unit square."""
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")


def draw_photo(ax: Axes, image: Tensor, title: str = "", *, colour: str = palette.INPUT) -> Axes:
    """A photo with values in [0, 1]."""
    plane = _colour(image)
    ax.imshow(plane, interpolation="nearest", aspect="auto")
    _grid(ax, *plane.shape[:2])
    return frame(ax, title or f"photo {times(plane.shape[:2])}", colour)


def draw_outline(
    ax: Axes,
    top: float,
    left: float,
    size: Sequence[int],
    colour: str,
    width: float = 3,
    *,
    rim: float = 2,
    zorder: float = 4,
) -> Axes:
    """A frame around a block of pixels, with a white rim that shows on any photo."""
    for edge, line in (("white", width + rim), (colour, width)):
        style = {"fill": False, "edgecolor": edge, "linewidth": line, "zorder": zorder}
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), size[1], size[0], **style))
    return ax


def draw_pixel_grid(
    ax: Axes, height: int, width: int, top: float = 0, left: float = 0, **style: object
) -> Axes:
    """Lines round the pixels of a block whose first pixel is at (top, left)."""
    lines = [[(left - 0.5, top + y - 0.5), (left + width - 0.5, top + y - 0.5)] for y in range(height + 1)]
    lines += [[(left + x - 0.5, top - 0.5), (left + x - 0.5, top + height - 0.5)] for x in range(width + 1)]
    style = {"colors": "#8C8C8C", "linewidths": 0.6, "zorder": 3} | style
    ax.add_collection(LineCollection(lines, **style), autolim=False)
    return ax


def draw_kernel(
    ax: Axes, kernel: Tensor, dilation: int = 1, title: str = "", *, colour: str = palette.KERNEL
) -> Axes:
    """A kernel (height, width) with its gaps: taps coloured by weight, gaps grey."""
    weights = _plane(kernel)
    spec = ConvSpec(1, 1, weights.shape, dilation=dilation)
    reach = spec.effective_kernel_size
    spread = np.full(reach, np.nan)
    spread[:: spec.dilation[0], :: spec.dilation[1]] = weights
    limit = max(np.abs(weights).max(), 1e-9)
    ax.set_facecolor(palette.EMPTY)
    norm = TwoSlopeNorm(0, -limit, limit)
    shades = ax.imshow(spread, cmap=palette.DIVERGING, norm=norm, interpolation="nearest", aspect="auto")
    _grid(ax, *reach)
    if max(reach) <= 25:
        draw_pixel_grid(ax, *reach, colors="white", linewidths=1, zorder=2)
    if max(reach) <= 9:
        for (row, column), weight in np.ndenumerate(spread):
            if not np.isnan(weight):
                dark = np.mean(shades.to_rgba(weight)[:3]) < 0.55
                text = f"{weight:.2f}".rstrip("0").rstrip(".") if weight % 1 else f"{weight:.0f}"
                ax.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    fontsize=palette.TITLE if max(reach) <= 5 else palette.SMALL,
                    color="white" if dark else palette.INK,
                )
    default = f"kernel {times(weights.shape)}"
    if reach != weights.shape:
        default += f", spans {times(reach)}"
    return frame(ax, title or default, colour)


def draw_map(
    ax: Axes,
    values: Tensor,
    title: str = "",
    *,
    within: Sequence[int] | None = None,
    colour: str = palette.OUTPUT,
) -> Axes:
    """A feature map in greys, as :func:`grey_limits` has them.

    With `within` = (height, width), the map keeps the scale of an image of that size, centred.
    """
    plane = _plane(values)
    low, high = grey_limits(plane)
    height, width = within or plane.shape[:2]
    top, left = (height - plane.shape[0]) / 2 - 0.5, (width - plane.shape[1]) / 2 - 0.5
    extent = (left, left + plane.shape[1], top + plane.shape[0], top)
    ax.set_facecolor(palette.EMPTY)
    ax.imshow(plane, cmap="gray", vmin=low, vmax=high, interpolation="nearest", extent=extent, aspect="auto")
    _grid(ax, height, width)
    return frame(ax, title or f"output {times(plane.shape)}", colour)


def draw_footprint(ax: Axes, spec: ConvSpec, at: Sequence[int]) -> Axes:
    """Where the taps of a kernel fall on a photo for the output at (row, column)."""
    corners = zip(at, spec.stride, spec.padding_amounts, strict=True)
    top, left = (place * stride - before for place, stride, (before, _) in corners)
    draw_outline(ax, top, left, spec.effective_kernel_size, palette.KERNEL, 2, zorder=1)
    rows = top + np.arange(spec.kernel_size[0]) * spec.dilation[0]
    columns = left + np.arange(spec.kernel_size[1]) * spec.dilation[1]
    x, y = np.meshgrid(columns, rows)
    # As large as can be seen from afar, as long as the gaps between taps show.
    pixel = 72 * ax.get_position().width * ax.figure.get_figwidth() / (ax.get_xlim()[1] - ax.get_xlim()[0])
    side = max(pixel, min(6, 0.6 * pixel * min(spec.dilation)))
    ax.scatter(
        x, y, s=side**2, marker="s", color=palette.KERNEL, edgecolors="white", linewidths=0.4, zorder=3
    )
    return ax


def draw_windows(ax: Axes, pixels: Tensor, starts: Sequence[int], length: int) -> Axes:
    """One row of pixels, and below it one bar for each place of the window; the rest is hatched."""
    wide, end = len(pixels), starts[-1] + length
    strip = (-0.5, wide - 0.5, 2.5, 1.5)
    ax.imshow(pixels[None].numpy(), cmap="gray", vmin=0, vmax=1, extent=strip, aspect="auto")
    draw_pixel_grid(ax, 1, wide, 2)
    step = min(2, 17.5 / len(starts))
    bars = [Rectangle((start - 0.5, 3.4 + step * n), length, 0.7 * step) for n, start in enumerate(starts)]
    ax.add_collection(PatchCollection(bars, color=palette.KERNEL), autolim=False)
    if end < wide:
        ax.add_patch(
            Rectangle(
                (end - 0.5, 1.5), wide - end, 1, facecolor=palette.EMPTY, edgecolor=palette.INK, hatch="////"
            )
        )
    return frame(ax, f"{len(starts)} windows along a row", palette.KERNEL)


def draw_support(ax: Axes, image: Tensor, field: MeasuredField, title: str = "") -> Axes:
    """Input pixels that reach one output, over the photo: touched in full colour, holes dark."""
    plane = _colour(image) / 255
    tint = np.array([1.0, 0.62, 0.25])
    shown = 0.45 * plane + 0.5
    (top, height), (left, width) = _box(field)
    inside = np.zeros(field.support.shape, bool)
    inside[top : top + height, left : left + width] = True
    shown[inside] = 0.25 * plane[inside]
    shown[field.support] = 0.45 * plane[field.support] + 0.55 * tint
    ax.imshow(shown, interpolation="nearest", aspect="auto")
    _grid(ax, *plane.shape[:2])
    ax.add_patch(
        Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=palette.KERNEL, linewidth=2)
    )
    return frame(ax, title or f"{field.support.sum():,} of {height * width:,} pixels touched", palette.INPUT)


def _box(field: MeasuredField) -> list[tuple[int, int]]:
    centres = zip(field.center, field.size, strict=True)
    return [(round(middle - (size - 1) / 2), size) for middle, size in centres]


def draw_heat(ax: Axes, field: MeasuredField, title: str = "") -> Axes:
    """How strongly each pixel of a field counts, from not at all (white) to most (dark).

    Where most of the pixels count, a line goes round the ones that make up half of the whole.
    """
    (top, height), (left, width) = _box(field)
    plane = field.effective[top : top + height, left : left + width]
    felt = plane[plane > 0]
    shades = {"cmap": "YlOrBr", "vmin": 0, "vmax": np.quantile(felt, 0.995) if felt.size else 1}
    ax.imshow(np.where(plane > 0, plane, np.nan), interpolation="nearest", aspect="auto", **shades)
    if felt.size and field.coverage > 0.5 and min(height, width) > 8:
        # Random weights give a grainy field: its line is drawn round the local mean.
        window = max(1, min(height, width) // 16) * 2 + 1
        padded = np.pad(plane, window // 2)
        smooth = np.lib.stride_tricks.sliding_window_view(padded, (window, window)).mean((2, 3))
        order = np.argsort(-smooth, axis=None)
        half = smooth.flat[order[np.searchsorted(np.cumsum(plane.flat[order]), plane.sum() / 2)]]
        ax.contour(smooth, levels=[half], colors=palette.INPUT, linewidths=2.5)
    _grid(ax, height, width)
    return frame(ax, title, palette.INPUT)


def draw_nested(ax: Axes, image: Tensor, fields: Sequence[MeasuredField], title: str) -> Axes:
    """Bounding boxes of several fields on the photo they were measured at."""
    draw_photo(ax, image, title)
    for number, field in enumerate(fields, start=1):
        (top, height), (left, width) = _box(field)
        line = 1 + 2 * number / len(fields)
        draw_outline(ax, top, left, (height, width), palette.KERNEL, line, rim=1.5, zorder=1)
    return ax


def draw_paths(ax: Axes, rates: Sequence[int], kernel_size: int = 3, title: str = "") -> Axes:
    """A stack along one axis: every path from one output (top) to the input pixels (bottom)."""
    reached, lines, dots = {0}, [], [(0, len(rates))]
    taps = np.arange(kernel_size) - (kernel_size - 1) // 2
    for level, rate in zip(range(len(rates), 0, -1), reversed(rates), strict=True):
        steps = {(here, int(here + tap * rate)) for here in reached for tap in taps}
        lines += [[(here, level), (there, level - 1)] for here, there in steps]
        reached = {there for _, there in steps}
        dots += [(there, level - 1) for there in reached]
    first, last = min(reached), max(reached)
    size = float(np.clip(300 / (last - first + 1), 2.5, 11))
    holes = sorted(set(range(first, last + 1)) - reached)
    ax.add_collection(LineCollection(lines, colors=palette.MUTED, linewidths=0.8, alpha=0.6), autolim=False)
    ax.plot(*zip(*dots, strict=True), "o", color=palette.KERNEL, markersize=size)
    ax.plot(holes, [0] * len(holes), "o", color="white", markeredgecolor=palette.INK, markersize=size)
    ax.plot(0, len(rates), "s", color=palette.OUTPUT, markersize=size + 3)
    margin = 0.06 * (last - first + 1) + 0.5
    room = 0.3 * (last - first + 1)  # for the labels on the left
    ax.set(xlim=(first - room, last + margin), ylim=(-0.35, len(rates) + 0.35))
    frame(ax, title or f"{len(reached)} of {last - first + 1} along one axis")
    for spine in ax.spines.values():
        spine.set_visible(False)
    for level, rate in enumerate(rates, start=1):
        ax.text(first - room, level - 0.55, f"rate {rate}", fontsize=palette.LABEL, color=palette.INK)
    return ax


def draw_bars(
    ax: Axes, values: Mapping[str, float], title: str = "", *, colours: str | Sequence[str] = palette.KERNEL
) -> Axes:
    """Horizontal bars, the first on top, each with its number."""
    names = list(values)
    places = range(len(names))
    ax.barh(places, list(values.values()), color=colours, height=0.62)
    for place, value in zip(places, values.values(), strict=True):
        ax.text(value, place, f" {value:,}", va="center", fontsize=palette.LABEL, color=palette.INK)
    ax.set(xlim=(0, 1.5 * max(values.values())), ylim=(len(names) - 0.4, -0.6))
    frame(ax, title)
    ax.set_yticks(list(places), names, fontsize=palette.LABEL)
    ax.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def draw_growth(
    ax: Axes,
    sizes: Mapping[str, Sequence[int]],
    depth: int,
    colours: Sequence[str],
    layers: Sequence[int] | None = None,
) -> Axes:
    """Receptive field (pixels along one axis) after each layer, for several stacks.

    `layers` numbers them; 1, 2, 3 … unless given.
    """
    longest = max(map(len, sizes.values()))
    places = list(layers or range(1, longest + 1))
    for row, ((name, values), colour) in enumerate(zip(sizes.items(), colours, strict=True)):
        ax.plot(places[: len(values)], values, "o-", color=colour, linewidth=2, markersize=5, alpha=0.35)
        ax.plot(places[:depth], values[:depth], "o-", color=colour, linewidth=3, markersize=7)
        place = {"xy": (0.03, 0.94 - 0.08 * (len(sizes) - 1 - row)), "xycoords": "axes fraction"}
        label = f"{name}: {values[depth - 1]:,}"
        ax.annotate(label, **place, va="top", fontsize=palette.TITLE, color=colour, weight="bold")
    most = max(max(values) for values in sizes.values())
    frame(ax, "receptive field, pixels along one axis")
    ax.set(xlim=(places[0] - 0.4, places[-1] + 0.4), ylim=(2.2, 4 * most), yscale="log")
    ax.set_xticks(places, map(str, places), fontsize=palette.LABEL)
    powers = [2**power for power in range(2, 12) if 2**power < 4 * most]
    ax.set_yticks(powers, map(str, powers), fontsize=palette.LABEL)
    ax.minorticks_off()
    ax.set_xlabel("layers", fontsize=palette.LABEL, labelpad=2)
    return thin_sides(ax)
