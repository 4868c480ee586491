"""Photos, kernels, maps and fields drawn on axes.

Every ``draw_…`` takes the axes first and returns them. A pixel (row, column) is a unit square round
the place x = column, y = row.
"""

import reprlib
from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from convlab.arithmetic import ConvSpec
from convlab.checks import Pair
from convlab.measure.reach import MeasuredField
from convlab.pictures import palette, words
from convlab.pictures.page import frame, inches, thin_sides, write

Plane = Tensor | np.ndarray
Limits = tuple[float, float]  # what is black and what is white, or both ends of the colours


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


def as_plane(name: str, values: Plane) -> np.ndarray:
    """A map or a kernel (H, W), (1, H, W) or (1, 1, H, W), as an array (H, W) of floats.

    Raises
    ------
    ValueError
        With `name` and the shape, for any other shape, and for NaN or infinity.
    """
    try:
        tensor = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values, np.float32))
    except (TypeError, ValueError):
        raise ValueError(f"{name}={reprlib.repr(values)} must be a tensor or an array of numbers") from None
    shape = tuple(tensor.shape)
    if tensor.dim() < 2 or not tensor.numel() or set(shape[:-2]) - {1}:
        raise ValueError(f"{name} of shape {shape} must be one map or kernel: (H, W) or (1, 1, H, W)")
    array = tensor.detach().cpu().float().numpy().reshape(shape[-2:])
    if not np.isfinite(array).all():
        raise ValueError(f"{name} of shape {shape} holds NaN or infinity, for which there is no colour")
    return array


def _colour(image: Tensor) -> np.ndarray:
    """A photo (1, C, H, W), (C, H, W) or (H, W) in bytes: (H, W) if it is grey, else (H, W, 3)."""
    planes = image.reshape(-1, *image.shape[-2:]).clamp(0, 1).mul(255).round().to(torch.uint8)
    return planes[0].numpy() if len(planes) == 1 else planes.permute(1, 2, 0).numpy()


def _paint(
    ax: Axes,
    plane: np.ndarray,
    title: str,
    colour: str,
    *,
    within: Sequence[int] | None = None,
    limits: Limits | None = None,
    cmap: str = "gray",
    aspect: str = "equal",
) -> Axes:
    """Pixels in their squares, row 0 on top; in the middle of an empty field of `within` pixels."""
    height, width = plane.shape[:2]
    rows, columns = within or (height, width)
    top, left = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    place = {"extent": (left, left + width, top + height, top), "aspect": "auto"}
    ax.imshow(plane, cmap=cmap, clim=limits, interpolation="nearest", **place)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=aspect, facecolor=palette.EMPTY)
    return frame(ax, title, colour)


def photo(ax: Axes, image: Tensor, title: str = "", *, colour: str = palette.INPUT) -> Axes:
    """A photo with values in [0, 1]."""
    plane = _colour(image)
    return _paint(ax, plane, title or f"photo {words.size(plane.shape[:2])}", colour, limits=(0, 255))


def feature_map(
    ax: Axes,
    values: Plane,
    title: str = "",
    *,
    within: Sequence[int] | None = None,
    limits: Limits | None = None,
    colour: str = palette.OUTPUT,
) -> Axes:
    """A feature map in greys between `limits`; :func:`grey_limits` unless given.

    With `within` = (height, width), the map keeps the scale of an image of that size, centred.
    """
    plane = as_plane("map", values)
    title = title or f"output {words.size(plane.shape)}"
    return _paint(ax, plane, title, colour, within=within, limits=limits or grey_limits(plane))


def tiles(
    ax: Axes,
    maps: Tensor,
    columns: int,
    title: str,
    colour: str,
    *,
    limits: Limits = (-1, 1),
    cmap: str = "gray",
) -> Axes:
    """Maps (N, H, W) in a grid with white seams; tile n is the unit square at n % columns, n // columns."""
    count, height, width = maps.shape
    rows = ceil(count / columns)
    grid = np.full((rows * columns, height, width), np.nan, np.float32)
    grid[:count] = maps.detach().numpy()
    rows_of_pixels = grid.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, -1)
    place = {"extent": (0, columns, rows, 0), "aspect": "auto"}
    ax.imshow(rows_of_pixels, cmap=cmap, clim=limits, interpolation="nearest", **place)
    ax.set_facecolor(palette.EMPTY)
    pixel_grid(ax, rows, columns, 0.5, 0.5, colors="white", linewidths=3, zorder=2)
    return frame(ax, title, colour)


def outline(
    ax: Axes,
    top: float,
    left: float,
    size: Sequence[float],
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


def pixel_grid(ax: Axes, height: int, width: int, top: float = 0, left: float = 0, **style: object) -> Axes:
    """Lines round the pixels of a block whose first pixel is at (top, left)."""
    lines = [[(left - 0.5, top + y - 0.5), (left + width - 0.5, top + y - 0.5)] for y in range(height + 1)]
    lines += [[(left + x - 0.5, top - 0.5), (left + x - 0.5, top + height - 0.5)] for x in range(width + 1)]
    style = {"colors": "#8C8C8C", "linewidths": 0.6, "zorder": 3} | style
    ax.add_collection(LineCollection(lines, **style), autolim=False)
    return ax


def kernel(
    ax: Axes,
    kernel: Plane,
    dilation: int | Pair = 1,
    title: str = "",
    *,
    limits: Limits | None = None,
    cmap: str = palette.DIVERGING,
    numbers: bool = True,
    colour: str = palette.KERNEL,
    aspect: str = "equal",
) -> Axes:
    """A kernel (height, width) with its gaps: taps coloured by weight between `limits`, gaps grey."""
    weights = as_plane("kernel", kernel)
    spec = ConvSpec(1, 1, weights.shape, dilation=dilation)
    reach = spec.effective_kernel_size
    spread = np.full(reach, np.nan)
    spread[:: spec.dilation[0], :: spec.dilation[1]] = weights
    default = f"kernel {words.size(weights.shape)}"
    if reach != weights.shape:
        default += f", spans {words.size(reach)}"
    limits = limits or symmetric(weights)
    _paint(ax, spread, title or default, colour, limits=limits, cmap=cmap, aspect=aspect)
    if max(reach) <= 25:
        pixel_grid(ax, *reach, colors="white", linewidths=1, zorder=2)
    if numbers and max(reach) <= 9:
        _write_weights(ax, spread)
    return ax


def _write_weights(ax: Axes, spread: np.ndarray) -> None:
    """Each weight in its square, as large as all of them fit, the zero before a point left out if it must."""
    texts = {place: words.short(weight) for place, weight in np.ndenumerate(spread) if weight == weight}
    wide, tall = (72 * side / count for side, count in zip(inches(ax), spread.shape[::-1], strict=True))
    longest = max(map(len, texts.values()))
    if 0.65 * longest * palette.SMALL > wide:
        texts = {place: text.replace("0.", ".") for place, text in texts.items()}
    sizes = (palette.TITLE, palette.LABEL)
    size = next((n for n in sizes if 0.65 * longest * n < wide and 1.7 * n < tall), palette.SMALL)
    for (row, column), text in texts.items():
        dark = np.mean(ax.images[0].to_rgba(spread[row, column])[:3]) < 0.55
        ink = "white" if dark else palette.INK
        write(ax, column, row, text, ha="center", fontsize=size, color=ink)


def footprint(ax: Axes, spec: ConvSpec, at: Sequence[int]) -> Axes:
    """Where the taps of a kernel fall on a photo for the output at (row, column)."""
    corners = zip(at, spec.stride, spec.padding_amounts, strict=True)
    top, left = (place * stride - before for place, stride, (before, _) in corners)
    outline(ax, top, left, spec.effective_kernel_size, palette.KERNEL, 2, zorder=1)
    rows = top + np.arange(spec.kernel_size[0]) * spec.dilation[0]
    columns = left + np.arange(spec.kernel_size[1]) * spec.dilation[1]
    x, y = np.meshgrid(columns, rows)
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
    tint = np.array([1.0, 0.62, 0.25])
    shown = 0.45 * plane + 0.5
    (top, height), (left, width) = _box(field)
    inside = np.zeros(field.support.shape, bool)
    inside[top : top + height, left : left + width] = True
    shown[inside] = 0.25 * plane[inside]
    shown[field.support] = 0.45 * plane[field.support] + 0.55 * tint
    touched = f"{field.support.sum():,} of {height * width:,} pixels touched"
    _paint(ax, shown, title or touched, palette.INPUT)
    return outline(ax, top, left, (height, width), palette.KERNEL, 2, rim=0, zorder=1)


def _box(field: MeasuredField) -> list[tuple[int, int]]:
    centres = zip(field.center, field.size, strict=True)
    return [(round(middle - (size - 1) / 2), size) for middle, size in centres]


def heat(ax: Axes, field: MeasuredField, title: str = "", *, half: bool = True) -> Axes:
    """How strongly each pixel of a field counts, from not at all (white) to most (dark).

    With `half`, where most of the pixels count, a line goes round the ones that make up half of the whole.
    """
    (top, height), (left, width) = _box(field)
    plane = field.effective[top : top + height, left : left + width]
    felt = plane[plane > 0]
    most = np.quantile(felt, 0.995) if felt.size else 1
    _paint(ax, np.where(plane > 0, plane, np.nan), title, palette.INPUT, limits=(0, most), cmap="YlOrBr")
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
    margin = 0.06 * (last - first + 1) + 0.5
    room = 0.3 * (last - first + 1)  # for the names on the left
    ax.set(xlim=(first - room, last + margin), ylim=(-0.35, len(rates) + 0.35))
    for level, name in enumerate(names or [f"rate {rate}" for rate in rates], start=1):
        write(ax, first - room, level - 0.55, name, va="baseline")
    frame(ax, title or f"{len(reached)} of {last - first + 1} along one axis")
    return thin_sides(ax)
