"""The pictures of lesson 00: one output pixel, one map, one size, and what one output sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import conv2d, pad

from convlab.arithmetic import ConvSpec, receptive_field
from convlab.checks import check_whole
from convlab.images import COLOURS, check_photo
from convlab.kernels import kernel as named_kernel
from convlab.pictures import palette
from convlab.pictures.drawings import (
    draw_kernel,
    draw_map,
    draw_outline,
    draw_paths,
    draw_photo,
    draw_pixel_grid,
    draw_windows,
    plain,
    times,
)
from convlab.pictures.page import Picture, blank, side_by_side


def _beside(ax: Axes, text: str, gap: float) -> None:
    """A sign in the middle of the gap, in inches, to the right of the axes."""
    width = ax.get_position().width * ax.figure.get_figwidth()
    place = {"transform": ax.transAxes, "ha": "center", "va": "center", "color": palette.INK}
    ax.text(1 + gap / 2 / width, 0.5, text, fontsize=24 if len(text) == 1 else palette.TITLE, **place)


def _draw_response(ax: Axes, output: Tensor, weights: Tensor, title: str = "", **within: object) -> Axes:
    """A map: weights that add up to 1 keep brightness, so it is a photo again; else zero is mid-grey."""
    draw_map(ax, output, title, **within)
    if weights.sum() > 0.5:
        ax.images[0].set_clim(0, 1)
    return ax


def show_window(
    image: Tensor,
    *,
    row: int = 2,
    column: int = 3,
    kernel: str = "Sobel x",
    stride: int = 1,
    figure: Figure | None = None,
) -> Picture:
    """One output pixel being made: patch times kernel, added up; the map as far as it has come.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo, so small that its pixels can be told apart.
    row, column : int
        Where the window's top left pixel should be, in the photo. With a stride above 1 the window
        stands at the last place before it.
    kernel : str
        One of ``convlab.kernels.KERNELS``; 3×3.
    stride : int
        Step of the window in pixels.

    Raises
    ------
    ValueError
        For another image, an unknown kernel, or a place where the window would not fit.
    """
    check_photo(image, 1)
    spec = ConvSpec(1, 1, 3, stride=stride, bias=False)
    size = tuple(image.shape[-2:])
    for name, value, length in (("row", row, size[0]), ("column", column, size[1])):
        check_whole(name, value, 0, length - 3)
    weights = named_kernel(kernel)
    output = conv2d(image, weights[None, None], stride=spec.stride)
    count = tuple(output.shape[-2:])
    at = row // stride, column // stride
    top, left = at[0] * stride, at[1] * stride
    patch = image[0, 0, top : top + 3, left : left + 3]
    total = float(output[0, 0, at[0], at[1]])

    tall, small, gap = min(3.0, 5.2 * size[0] / size[1]), 2.0, 0.45
    wide = tall * size[1] / size[0]
    margin = (11 - 2 * wide) / 3
    boxes = {"photo": (margin, small + 0.65, wide, tall)}
    boxes["output"] = (2 * margin + wide, small + 0.65, wide, tall)
    start = (11 - 4 * small - 3 * gap - 0.3) / 2
    for number, name in enumerate(("patch", "kernel", "products", "sum")):
        boxes[name] = (start + number * (small + gap) + 0.3 * (name == "sum"), 0.1, small, small)
    figure, axes = blank(figure, (11, tall + small + 1.1), boxes)

    photo = draw_photo(axes["photo"], image)
    draw_pixel_grid(photo, *size)
    draw_outline(photo, top, left, (3, 3), palette.KERNEL, 4)

    shown = _draw_response(axes["output"], output, weights, within=size)
    first = [(room - part) / 2 for room, part in zip(size, count, strict=True)]
    draw_pixel_grid(shown, *count, *first)
    y, x = first[0] + at[0], first[1] + at[1]
    right, bottom = first[1] + count[1] - 0.5, first[0] + count[0] - 0.5
    still = {"facecolor": palette.EMPTY, "edgecolor": "none", "zorder": 2}
    shown.add_patch(Rectangle((x + 0.5, y - 0.5), right - x - 0.5, 1, **still))
    shown.add_patch(Rectangle((first[1] - 0.5, y + 0.5), count[1], bottom - y - 0.5, **still))
    draw_outline(shown, y, x, (1, 1), palette.OUTPUT)

    shades = draw_photo(axes["patch"], patch, "patch of the photo", colour=palette.INPUT)
    for i, j in product(range(3), repeat=2):
        ink = palette.INK if patch[i, j] > 0.5 else "white"
        shades.text(
            j, i, plain(float(patch[i, j])), fontsize=palette.TITLE, color=ink, ha="center", va="center"
        )
    draw_kernel(axes["kernel"], weights, title=f"kernel: {kernel}")
    products = (patch * weights).round(decimals=2) + 0.0
    draw_kernel(axes["products"], products, title="nine products", colour=palette.INK)
    result = _draw_response(axes["sum"], output, weights, "their sum")
    result.images[0].set_data([[total]])
    result.set_aspect("auto")
    red = result.images[0].to_rgba(total)[0]
    centre = {"ha": "center", "va": "center", "transform": result.transAxes}
    ink = palette.INK if red > 0.5 else "white"
    result.text(0.5, 0.5, plain(total), fontsize=26, weight="bold", color=ink, **centre)
    for name, sign, room in (("patch", "×", gap), ("kernel", "=", gap), ("products", "add\nup", gap + 0.3)):
        _beside(axes[name], sign, room)

    number = at[0] * count[1] + at[1] + 1
    return Picture(
        figure,
        f"{kernel}, stride {stride}: the window with its top left corner at row {top}, column {left} gives "
        f"nine products, which add up to {plain(total)}. That is output pixel {number} of "
        f"{count[0] * count[1]}; {times(size)} becomes {times(count)}.",
    )


def show_gallery(image: Tensor, kernels: Sequence[str], *, figure: Figure | None = None) -> Picture:
    """Named 3×3 kernels in a row, and under each the map that it makes of a photo.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo.
    kernels : sequence of str
        Of ``convlab.kernels.KERNELS``.

    Raises
    ------
    ValueError
        For another image, no kernel, or an unknown one.
    """
    check_photo(image, 1)
    if not kernels:
        raise ValueError("kernels is empty: name at least one")
    gap = 0.25
    side = min((11 - gap * (len(kernels) + 1)) / len(kernels), 2.6)
    height = side * image.shape[-2] / image.shape[-1]
    left = (11 - len(kernels) * (side + gap) + gap) / 2
    boxes = {}
    for number, name in enumerate(kernels):
        at = left + number * (side + gap)
        boxes |= {name: (at, height + 0.3, side, side), f"{name} map": (at, 0.1, side, height)}
    figure, axes = blank(figure, (11, height + side + 0.75), boxes)
    sums = []
    for name in kernels:
        weights = named_kernel(name)
        draw_kernel(axes[name], weights, title=name)
        output = conv2d(image, weights[None, None], padding="same")
        _draw_response(axes[f"{name} map"], output, weights, " ")
        sums.append(f"{name} {round(float(weights.sum()))}")
    return Picture(
        figure,
        f"{len(kernels)} kernels of 3×3, and under each its map of a photo of {times(image.shape[-2:])}. "
        f"Their weights add up to: {', '.join(sums)}.",
    )


def show_channel_sum(
    image: Tensor,
    filters: Mapping[str, Tensor],
    *,
    filter: str | None = None,
    without: str = "nothing",
    figure: Figure | None = None,
) -> Picture:
    """How three channels make one map, and several filters several maps.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo.
    filters : mapping
        For one to four filters the name and the weights (3, k, k): one slice for each channel.
    filter : str, optional
        The filter that is shown in full; the first unless given.
    without : str
        A channel of the photo, "red", "green" or "blue", that is set to zero; or "nothing".

    Raises
    ------
    ValueError
        For another image, no filter or more than four, or a name that is not among them.
    """
    check_photo(image, 3)
    if not 1 <= len(filters) <= 4:
        raise ValueError(f"filters={list(filters)!r} must be one to four")
    filter = next(iter(filters)) if filter is None else filter
    if filter not in filters:
        raise ValueError(f"filter={filter!r} must be one of: {', '.join(filters)}")
    if without not in ("nothing", *COLOURS):
        raise ValueError(f"without={without!r} must be one of: nothing, {', '.join(COLOURS)}")
    if without != "nothing":
        image = image.clone()
        image[:, COLOURS.index(without)] = 0
    row, column = (length // 2 for length in image.shape[-2:])  # the pixel whose numbers are given
    weights = filters[filter]
    slices = torch.stack(list(filters.values()), dim=1)  # (3, filters, k, k)
    each = conv2d(image, slices.flatten(0, 1)[:, None], padding="same", groups=3).unflatten(1, (3, -1))[0]
    maps, parts = each.sum(0), each[:, list(filters).index(filter)]
    values = [plain(float(part)) for part in parts[:, row, column]]
    size, most = tuple(weights.shape[-2:]), max(float(weights.abs().max()), 1e-9)

    side, gap, head = 1.6, 0.45, 0.42
    boxes = {}
    for number, colour in enumerate(COLOURS):
        bottom = 0.1 + (2 - number) * (side + head)
        for place, name in enumerate((colour, f"{colour} weights", f"{colour} part")):
            boxes[name] = (0.15 + place * (side + gap), bottom, side, side)
    height = 3 * (side + head) + 0.1
    big, left = 2.0, 0.15 + 3 * side + 2 * gap + 0.8
    lift = (height - 2 * (big + head)) / 2
    for number, name in enumerate(filters):
        down, across = divmod(number, 2)
        boxes[f"map {name}"] = (left + across * (big + 0.2), lift + (1 - down) * (big + head), big, big)
    figure, axes = blank(figure, (11, height), boxes)

    limit = max(float(parts.abs().quantile(0.99)), 1e-9)
    for number, colour in enumerate(COLOURS):
        plane = draw_photo(axes[colour], image[:, number], f"{colour} channel")
        taps = draw_kernel(axes[f"{colour} weights"], weights[number] + 0.0, title="its weights")
        taps.images[0].set_clim(-most, most)  # one scale for the three slices of a filter
        title = f"its part: {values[number]}"
        part = draw_map(axes[f"{colour} part"], parts[number], title, colour=palette.INK)
        part.images[0].set_clim(-limit, limit)
        _beside(plane, "∗", gap)
        _beside(taps, "=", gap)
        draw_outline(plane, row - size[0] // 2, column - size[1] // 2, size, palette.KERNEL)
        draw_outline(part, row, column, (1, 1), palette.OUTPUT)
    _beside(axes["green part"], "add\nup", 0.8)
    for number, name in enumerate(filters):
        colour = palette.OUTPUT if name == filter else palette.MUTED
        shown = draw_map(axes[f"map {name}"], maps[number], name, colour=colour)
        if name == filter:
            draw_outline(shown, row, column, (1, 1), palette.OUTPUT)
        for spine in shown.spines.values():
            spine.set_linewidth(6 if name == filter else 1)
    total = plain(float(parts[:, row, column].sum()))
    missing = "" if without == "nothing" else f" Without the {without} channel."
    return Picture(
        figure,
        f"Filter {filter!r}: 3 slices of {times(size)}, {weights.numel()} weights.{missing} At row {row}, "
        f"column {column} its parts are {', '.join(values[:2])} and {values[2]}, and the map holds their "
        f"sum, {total}. Maps that come out: {len(filters)}.",
    )


def show_steps(
    image: Tensor,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 0,
    figure: Figure | None = None,
) -> Picture:
    """Where the window stands on a padded photo, and the size that comes out (a mean, in greys).

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo with few pixels, at least as many as the kernel along each side.
    kernel_size, stride, padding
        As in :class:`~convlab.arithmetic.ConvSpec`; one number for both axes.

    Raises
    ------
    ValueError
        For another image, a number that no convolution has, or a kernel larger than the padded photo.
    """
    check_photo(image, 1)
    given = (("kernel_size", kernel_size, 1), ("stride", stride, 1), ("padding", padding, 0))
    k, s, p = (check_whole(*one) for one in given)
    size = tuple(image.shape[-2:])
    rows, columns = ConvSpec(1, 1, k, stride=s, padding=p).output_size(size)
    padded = pad(image, (p,) * 4)
    output = conv2d(padded, torch.full((1, 1, k, k), 1 / k**2), stride=s)
    room = max(size) + 2 * max(3, p)  # so that the photo stays where it is as the padding grows
    figure, axes = side_by_side(figure, {"photo": 1, "windows": 1, "output": 1})

    high, wide = padded.shape[-2:]
    margins = (room - high) / 2, (room - wide) / 2
    across = (-0.5 - margins[1], wide - 0.5 + margins[1])
    title = f"photo {times(size)}, " + (f"padded to {times((high, wide))}" if p else "no padding")
    shown = draw_photo(axes["photo"], padded, title)
    shown.set(xlim=across, ylim=(high - 0.5 + margins[0], -0.5 - margins[0]))
    draw_pixel_grid(shown, high, wide)
    draw_outline(shown, p, p, size, palette.INPUT, 2)
    half = (k - 1) / 2
    spots = [(half + s * x, half + s * y) for y in range(rows) for x in range(columns)]
    shown.scatter(
        *zip(*spots, strict=True), s=16, color=palette.KERNEL, edgecolors="white", linewidths=0.5, zorder=5
    )
    draw_outline(shown, 0, 0, (k, k), palette.KERNEL)

    draw_windows(axes["windows"], padded[0, 0, high // 2], [s * n for n in range(columns)], k)
    axes["windows"].set(xlim=across, ylim=(room, 0))
    grid = draw_map(axes["output"], output, f"output {times((rows, columns))}", within=(room, room))
    corner = (room - rows) / 2, (room - columns) / 2
    draw_pixel_grid(grid, rows, columns, *corner)
    draw_outline(grid, *corner, (1, 1), palette.OUTPUT)

    unused = wide - (s * (columns - 1) + k)
    rest = f" At the right, columns that no window sees: {unused}." if unused else ""
    return Picture(
        figure,
        f"Kernel {k}×{k}, stride {s}, padding {p}: across, ⌊({size[1]} + 2·{p} − {k}) / {s}⌋ + 1 = {columns} "
        f"windows, so {times(size)} becomes {times((rows, columns))}.{rest}",
    )


def show_reach(
    image: Tensor, *, depth: int = 3, kernel_size: int = 3, figure: Figure | None = None
) -> Picture:
    """What one output of a stack of ordinary layers sees, layer by layer.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        A photo.
    depth : int
        How many layers.
    kernel_size : int
        Of every layer; odd.

    Raises
    ------
    ValueError
        If `kernel_size` is even, or one output would see more than the photo.
    """
    if check_whole("kernel_size", kernel_size, 1) % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size} must be odd")
    layers = [ConvSpec(1, 1, kernel_size, padding="same", bias=False)] * check_whole("depth", depth, 1)
    sizes = [field.size[0] for field in receptive_field(layers)]
    height, width = image.shape[-2:]
    if sizes[-1] > min(height, width):
        raise ValueError(f"depth={depth} sees {sizes[-1]} pixels, more than the photo's {min(height, width)}")
    figure, axes = side_by_side(figure, {"paths": 1.5, "photo": width / height}, height=4)
    paths = draw_paths(axes["paths"], [1] * depth, kernel_size, "one output, and all that leads to it")
    for level, text in enumerate(paths.texts, start=1):
        text.set_text(f"layer {level}")
    photo = draw_photo(axes["photo"], image, f"{times((sizes[-1],) * 2)} pixels seen")
    draw_pixel_grid(photo, height, width)
    for side in reversed(sizes):
        draw_outline(photo, height // 2 - side // 2, width // 2 - side // 2, (side, side), palette.KERNEL, 2)
    draw_outline(photo, height // 2, width // 2, (1, 1), palette.OUTPUT, 2)
    grown = " → ".join(times((side, side)) for side in sizes)
    return Picture(
        figure,
        f"{depth} layer{'s' * (depth > 1)} of {kernel_size}×{kernel_size}: one output sees {grown} pixels. "
        f"That takes {depth * kernel_size**2} weights for each pair of channels; a single kernel of "
        f"{times((sizes[-1],) * 2)} has {sizes[-1] ** 2}.",
    )


# What the questions of this lesson, in standard.toml, ask for: computed from what each gives.


def answer_flat_patch(kernel: str, brightness: float) -> dict[str, object]:
    """What a kernel makes of a patch that is the same all over."""
    weights = named_kernel(kernel)
    rows = ", ".join(" ".join(f"{weight:g}" for weight in row) for row in weights.tolist()).replace("-", "−")
    return {"answer": float((weights * brightness).sum()), "weights": rows, "pixels": weights.numel()}


def answer_brighter_photo(brighter: float, kernels: Sequence[str]) -> dict[str, object]:
    """Which kernels give the same map of a photo when all of it gets brighter."""
    weights = {name: named_kernel(name) for name in kernels}
    still = [name for name in kernels if abs((weights[name] * brighter).sum()) < 1e-6]
    return {"answer": ", ".join(still), "weights": weights, "sum": sum(weights[name].sum() for name in still)}


def answer_letter(letter: Sequence[Sequence[int]]) -> dict[str, object]:
    """How a kernel in the shape of a letter comes out of torch when it slides over one white pixel."""
    weights = torch.tensor(letter)
    dot = pad(torch.ones_like(weights[:1, :1]), (len(letter) - 1,) * 4)
    response = conv2d(dot[None, None], weights[None, None])[0, 0]
    shapes = {"upright": weights, "turned": weights.rot90(2), "mirrored": weights.flip(1)}
    return {"answer": next((name for name, shape in shapes.items() if response.equal(shape)), "blot")}


def answer_first_layer(size: int, kernel_size: int, stride: int, padding: int) -> dict[str, object]:
    """The width of an output, and the steps that the window takes to get there."""
    wide = ConvSpec(1, 1, kernel_size, stride=stride, padding=padding).output_size(size)[1]
    return {"answer": wide, "zeros": 2 * padding, "room": size + 2 * padding - kernel_size, "steps": wide - 1}


def answer_three_layers(depth: int, kernel_size: int) -> dict[str, object]:
    """The pixels across that one output of a stack sees."""
    return {"answer": receptive_field([ConvSpec(1, 1, kernel_size)] * depth)[-1].size[0]}
