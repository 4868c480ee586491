"""Photos, kernels, maps and fields drawn on axes.

Every ``draw_…`` takes the axes first and returns them. A pixel (row, column) is a unit square round
the place x = column, y = row.
"""

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec
from convlab.checks import Pair
from convlab.measure.reach import MeasuredField
from convlab.pictures import palette, words
from convlab.pictures.page import frame, inches, thin_sides, write

Plane = Tensor | np.ndarray
Size = Sequence[float]  # (height, width)
Limits = tuple[float, float]  # what is black and what is white, or both ends of the colours
Scale = Limits | None  # unless given, what suits the values


def symmetric(values: Plane, share: float = 1.0) -> Limits:
    """Limits with zero in the middle, which this share of the values keep to."""
    sizes = abs(values.numpy() if isinstance(values, Tensor) else values)
    limit = max(float(np.quantile(sizes, share)), 1e-9)
    return -limit, limit


def grey_limits(values: np.ndarray, white: float = 1.0) -> Limits:
    """Zero is mid-grey where there are negative values, else black.

    Without negative values, white is at least `white`.
    """
    low, high = symmetric(values, 0.99)
    return (low, high) if values.min() < -1e-6 else (0, max(white, high))


def as_maps(name: str, values: Plane) -> np.ndarray:
    """The maps of a tensor or an array (…, H, W), one behind the other: floats (N, H, W).

    Raises
    ------
    ValueError
        With `name` and the shape, for any other shape, and for NaN or infinity, which have no colour.
    """
    try:
        numbers = values.detach().cpu().float() if isinstance(values, Tensor) else values
        array = np.asarray(numbers, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={reprlib.repr(values)} must be a tensor or an array of numbers") from None
    if array.ndim < 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} of shape {array.shape} must be maps (…, H, W) of finite numbers")
    return array.reshape(-1, *array.shape[-2:])


def as_plane(name: str, values: Plane) -> np.ndarray:
    """A map or a kernel (H, W), (1, H, W) or (1, 1, H, W), as an array (H, W) of floats; raises as above."""
    if len(maps := as_maps(name, values)) > 1:
        raise ValueError(f"{name} of shape {tuple(np.shape(values))} must be one: (H, W) or (1, 1, H, W)")
    return maps[0]


def _colour(image: Tensor) -> np.ndarray:
    """A photo (1, C, H, W), (C, H, W) or (H, W) in bytes: (H, W) if it is grey, else (H, W, 3)."""
    planes = image.reshape(-1, *image.shape[-2:]).clamp(0, 1).mul(255).round().to(torch.uint8)
    return planes[0].numpy() if len(planes) == 1 else planes.permute(1, 2, 0).numpy()


def _paint(
    ax: Axes, plane: Plane, title: str, colour: str, within: Size = (), aspect: str = "equal", **style: Any
) -> Axes:
    """Pixels in their squares, row 0 on top; in the middle of an empty field of `within` pixels."""
    height, width = plane.shape[:2]
    rows, columns = within or (height, width)
    top, left = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    _show(ax, plane, (left, left + width, top + height, top), **style)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=aspect, facecolor=palette.EMPTY)
    return frame(ax, title, colour)


def _show(ax: Axes, plane: Plane, extent: tuple[float, float, float, float], **style: Any) -> None:
    ax.imshow(plane, **{"cmap": "gray", "interpolation": "nearest"} | style, extent=extent, aspect="auto")


def photo(ax: Axes, image: Tensor, title: str = "", *, colour: str = palette.INPUT) -> Axes:
    """A photo with values in [0, 1]."""
    plane = _colour(image)
    return _paint(ax, plane, title or f"photo {words.size(plane.shape[:2])}", colour, clim=(0, 255))


def feature_map(ax: Axes, values: Plane, title: str = "", limits: Scale = None, **style: Any) -> Axes:
    """A feature map in greys between `limits`; :func:`grey_limits` unless given.

    The style may hold the frame's ``colour``, and ``within`` = (height, width): then the map keeps the scale
    of an image of that size, centred.
    """
    plane = as_plane("map", values)
    title = title or f"output {words.size(plane.shape)}"
    style = {"colour": palette.OUTPUT, "clim": limits or grey_limits(plane)} | style
    return _paint(ax, plane, title, **style)


def tiles(
    ax: Axes, maps: Tensor, columns: int, title: str, colour: str, *, limits: Limits = (-1, 1), **style: Any
) -> Axes:
    """Maps (N, H, W) in a grid with white seams; tile n is the unit square at n % columns, n // columns."""
    filled = F.pad(maps.detach(), (0, 0, 0, 0, 0, -len(maps) % columns), value=torch.nan)
    rows = len(filled) // columns
    pixels = filled.unflatten(0, (rows, columns)).transpose(1, 2).flatten(2).flatten(0, 1)
    _show(ax, pixels.numpy(), (0, columns, rows, 0), clim=limits, **style)
    ax.set_facecolor(palette.EMPTY)
    pixel_grid(ax, rows, columns, 0.5, 0.5, colors="white", linewidths=3, zorder=2)
    return frame(ax, title, colour)


def middle(room: Sequence[float], size: Sequence[float]) -> tuple[float, float]:
    """The first pixel of a block of this size in the middle of a field with room for more."""
    return (room[0] - size[0]) / 2, (room[1] - size[1]) / 2


def outline(
    ax: Axes, top: float, left: float, size: Size, colour: str, width: float = 3, rim: float = 2, **style: Any
) -> Axes:
    """A frame around a block of pixels, with a white rim that shows on any photo."""
    for edge, line in (("white", width + rim), (colour, width)):
        look = {"fill": False, "edgecolor": edge, "linewidth": line, "zorder": 4} | style
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), size[1], size[0], **look))
    return ax


def pixel_grid(ax: Axes, height: int, width: int, top: float = 0, left: float = 0, **style: object) -> Axes:
    """Lines round the pixels of a block whose first pixel is at (top, left)."""
    lines = [[(left - 0.5, top + y - 0.5), (left + width - 0.5, top + y - 0.5)] for y in range(height + 1)]
    lines += [[(left + x - 0.5, top - 0.5), (left + x - 0.5, top + height - 0.5)] for x in range(width + 1)]
    style = {"colors": "#8C8C8C", "linewidths": 0.6, "zorder": 3} | style
    ax.add_collection(LineCollection(lines, **style), autolim=False)
    return ax


def kernel(
    ax: Axes, kernel: Plane, dilation: int | Pair = 1, title: str = "", limits: Scale = None, **style: Any
) -> Axes:
    """A kernel (height, width) with its gaps: taps coloured by weight between `limits`, gaps grey.

    The style may hold the frame's ``colour``, a ``cmap`` and an ``aspect``.
    """
    weights = as_plane("kernel", kernel)
    spec = ConvSpec(1, 1, weights.shape, dilation=dilation)
    reach = spec.effective_kernel_size
    spread = np.full(reach, np.nan)
    spread[:: spec.dilation[0], :: spec.dilation[1]] = weights
    spans = f", spans {words.size(reach)}" * (reach != weights.shape)
    title = title or f"kernel {words.size(weights.shape)}{spans}"
    style = {"colour": palette.KERNEL, "cmap": palette.DIVERGING} | style
    _paint(ax, spread, title, clim=limits or symmetric(weights), **style)
    if max(reach) <= 25:
        pixel_grid(ax, *reach, colors="white", linewidths=1, zorder=2)
    if max(reach) <= 9:
        _write_weights(ax, spread)
    return ax


def _write_weights(ax: Axes, spread: np.ndarray) -> None:
    """Each weight in its square, as large as all of them fit, the zero before a point left out if it must."""
    texts = {place: words.short(weight) for place, weight in np.ndenumerate(spread) if weight == weight}
    wide, tall = (72 * side / count for side, count in zip(inches(ax), spread.shape[::-1], strict=True))
    longest = max(map(len, texts.values()))
    if 0.65 * longest * palette.SMALL > wide:
        texts = {place: text.replace("0.", ".") for place, text in texts.items()}
    fitting = (n for n in (palette.TITLE, palette.LABEL) if 0.65 * longest * n < wide and 1.7 * n < tall)
    size = next(fitting, palette.SMALL)
    for (row, column), text in texts.items():
        dark = np.mean(ax.images[0].to_rgba(spread[row, column])[:3]) < 0.55
        write(ax, column, row, text, ha="center", fontsize=size, color="white" if dark else palette.INK)


def footprint(ax: Axes, spec: ConvSpec, at: Sequence[int]) -> Axes:
    """Where the taps of a kernel fall on a photo for the output at (row, column)."""
    corners = zip(at, spec.stride, spec.padding_amounts, strict=True)
    top, left = (place * stride - before for place, stride, (before, _) in corners)
    outline(ax, top, left, spec.effective_kernel_size, palette.KERNEL, 2, zorder=1)
    rows, columns = np.indices(spec.kernel_size)
    x, y = left + spec.dilation[1] * columns, top + spec.dilation[0] * rows
    # As large as can be seen from afar, as long as the gaps between taps show.
    pixel = 72 * inches(ax)[0] / np.ptp(ax.get_xlim())
    side = max(pixel, min(6, 0.6 * pixel * min(spec.dilation)))
    ax.scatter(x, y, s=side**2, marker="s", color=palette.KERNEL, edgecolors="w", linewidths=0.4, zorder=3)
    return ax


def windows(ax: Axes, pixels: Tensor, starts: Sequence[int], length: int) -> Axes:
    """One row of pixels, and below it one bar for each place of the window; the rest is hatched."""
    wide, end = len(pixels), starts[-1] + length
    strip = (-0.5, wide - 0.5, 2.5, 1.5)
    ax.imshow(pixels[None].numpy(), cmap="gray", vmin=0, vmax=1, extent=strip, aspect="auto")
    pixel_grid(ax, 1, wide, 2)
    step = min(2, 17.5 / len(starts))
    bars = [Rectangle((start - 0.5, 3.4 + step * n), length, 0.7 * step) for n, start in enumerate(starts)]
    ax.add_collection(PatchCollection(bars, color=palette.KERNEL), autolim=False)
    if end < wide:
        unseen = {"facecolor": palette.EMPTY, "edgecolor": palette.INK, "hatch": "////"}
        ax.add_patch(Rectangle((end - 0.5, 1.5), wide - end, 1, **unseen))
    return frame(ax, f"{len(starts)} windows along a row", palette.KERNEL)


def support(ax: Axes, image: Tensor, field: MeasuredField, title: str = "") -> Axes:
    """Input pixels that reach one output, over the photo: touched in full colour, holes dark."""
    plane = np.atleast_3d(_colour(image)) * np.ones(3) / 255
    shown = 0.45 * plane + 0.5
    (top, left), (height, width) = np.argwhere(field.support).min(axis=0), field.size
    box = slice(top, top + height), slice(left, left + width)
    shown[box] = 0.25 * plane[box]
    shown[field.support] = 0.45 * plane[field.support] + 0.55 * np.array([1.0, 0.62, 0.25])
    touched = f"{field.support.sum():,} of {height * width:,} pixels touched"
    _paint(ax, shown, title or touched, palette.INPUT)
    return outline(ax, top, left, (height, width), palette.KERNEL, 2, rim=0, zorder=1)


def heat(ax: Axes, field: MeasuredField, title: str = "", *, half: bool = True) -> Axes:
    """How strongly each pixel of a field counts, from not at all (white) to most (dark).

    With `half`, where most of the pixels count, a line goes round the ones that make up half of the whole.
    """
    (top, left), (height, width) = np.argwhere(field.support).min(axis=0), field.size
    plane = field.effective[top : top + height, left : left + width]
    felt = plane[plane > 0]
    most = np.quantile(felt, 0.995) if felt.size else 1
    _paint(ax, np.where(plane > 0, plane, np.nan), title, palette.INPUT, clim=(0, most), cmap="YlOrBr")
    ax.set_facecolor("white")
    if half and felt.size and field.coverage > 0.5 and min(height, width) > 8:
        # Random weights give a grainy field: its line is drawn round the local mean.
        window = max(1, min(height, width) // 16) * 2 + 1
        padded = np.pad(plane, window // 2)
        smooth = np.lib.stride_tricks.sliding_window_view(padded, (window, window)).mean((2, 3))
        order = np.argsort(-smooth, axis=None)
        level = smooth.flat[order[np.searchsorted(np.cumsum(plane.flat[order]), plane.sum() / 2)]]
        ax.contour(smooth, levels=[level], colors=palette.INPUT, linewidths=2.5)
    return ax


def paths(
    ax: Axes, rates: Sequence[int], kernel_size: int, title: str = "", *, names: Sequence[str] = ()
) -> Axes:
    """A stack along one axis: every path from one output (top) to the input pixels (bottom).

    `names` stand beside the layers, first one first; their rates unless given.
    """
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
    room = 0.3 * (last - first + 1)  # for the names on the left
    ax.set(xlim=(first - room, last + 0.2 * room + 0.5), ylim=(-0.35, len(rates) + 0.35))
    for level, name in enumerate(names or [f"rate {rate}" for rate in rates], start=1):
        write(ax, first - room, level - 0.55, name, va="baseline")
    return thin_sides(frame(ax, title or f"{len(reached)} of {last - first + 1} along one axis"))
