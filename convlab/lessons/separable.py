"""The pictures of lesson 04: space and channels filtered one after the other, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec
from convlab.checks import check_whole
from convlab.images import COLOURS, check_photo
from convlab.kernels import COLOUR_KERNELS
from convlab.kernels import kernel as named_kernel
from convlab.pictures import palette
from convlab.pictures.drawings import draw_bars, draw_photo, grey_limits, times
from convlab.pictures.page import Picture, blank, frame, thin_sides

POINTWISE_INK = "#9A6700"  # the same orange, dark enough for words
Box = tuple[float, float, float, float]


# Many small panels on one pair of axes, which is a page measured in inches: it draws three times as
# fast as a pair of axes for each.


def _row(count: int, left: float, bottom: float, width: float, height: float) -> list[Box]:
    return [(left + place * (width + 0.1), bottom, width, height) for place in range(count)]


def _write(page: Axes, x: float, y: float, text: str, *, size: int = palette.TITLE, **style: object) -> None:
    page.text(x, y, text, fontsize=size, **{"ha": "center", "va": "center", "color": palette.INK} | style)


def _panel(
    page: Axes, box: Box, values: Tensor, title: str, colour: str, *, strong: bool = False, **shades: object
) -> None:
    left, bottom, width, height = box
    extent = (left, left + width, bottom, bottom + height)
    page.imshow(values.numpy(), extent=extent, interpolation="nearest", aspect="auto", **shades)
    frame = {"fill": False, "edgecolor": colour, "linewidth": 4 if strong else 1.5}
    page.add_patch(Rectangle((left, bottom), width, height, **frame))
    style = {"size": palette.LABEL, "color": colour, "weight": "bold" if strong else "normal"}
    _write(page, left + width / 2, bottom + height + 0.17, title, **style)


def _map_panel(
    page: Axes, box: Box, values: Tensor, title: str, colour: str, *, strong: bool = False
) -> None:
    """A feature map in greys, the brightest white."""
    low, high = grey_limits(values.numpy(), white=0)
    _panel(page, box, values, title, colour, strong=strong, cmap="gray", vmin=low, vmax=high)


def _weights_panel(
    page: Axes, box: Box, weights: Tensor, title: str, *, limit: float | None = None, numbers: bool = True
) -> None:
    """Weights (rows, columns) as colours around a white zero."""
    limit = limit or max(weights.abs().max().item(), 1e-9)
    _panel(
        page, box, weights, title, palette.KERNEL, cmap=palette.DIVERGING, norm=TwoSlopeNorm(0, -limit, limit)
    )
    rows, columns = weights.shape
    left, bottom, width, height = box
    for (row, column), weight in np.ndenumerate(weights.numpy() if numbers else np.empty((0, 0))):
        text = f"{weight:.2f}".rstrip("0").rstrip(".").replace("-", "−").replace("0.", ".")
        place = left + (column + 0.5) * width / columns, bottom + height - (row + 0.5) * height / rows
        # Both ends of the scale are dark, the purple one sooner.
        dark = weight > 0.7 * limit or weight < -0.55 * limit
        _write(
            page,
            *place,
            "0" if text == "−0" else text,
            size=palette.SMALL,
            color="white" if dark else palette.INK,
        )


def show_two_steps(
    image: Tensor,
    *,
    red: str = "Sobel x",
    green: str = "Sobel y",
    blue: str = "Laplacian",
    stride: int = 1,
    output: str = "luma",
    figure: Figure | None = None,
) -> Picture:
    """A photo through a depthwise and a pointwise convolution, and through the ordinary one that they equal.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo.
    red, green, blue : str
        For each channel the depthwise kernel, one of ``convlab.kernels.KERNELS``.
    stride : int
        Of the depthwise step, in pixels.
    output : str
        Which of the four output maps is made once more by the ordinary convolution: one of
        ``convlab.kernels.COLOUR_KERNELS``.

    Raises
    ------
    ValueError
        For another image, an unknown kernel or output, or a stride that no convolution has.
    """
    check_photo(image, 3)
    if output not in COLOUR_KERNELS:
        raise ValueError(f"output={output!r} must be one of: {', '.join(COLOUR_KERNELS)}")
    chosen, shares = list(COLOUR_KERNELS).index(output), COLOUR_KERNELS[output]
    depthwise = torch.stack([named_kernel(name) for name in (red, green, blue)])[:, None]
    pointwise = torch.tensor(list(COLOUR_KERNELS.values()))[:, :, None, None]
    ordinary = pointwise * depthwise[:, 0]  # channel by channel the outer product of the two
    spec = ConvSpec(3, 3, 3, stride=stride, padding=1, groups=3, bias=False)
    maps = F.conv2d(image, depthwise, stride=spec.stride, padding=spec.padding, groups=3)
    outputs = F.conv2d(maps, pointwise)
    again = F.conv2d(image, ordinary, stride=spec.stride, padding=spec.padding)
    apart = (again - outputs).abs().max().item()

    side, high, middle, low = 1.5, 4.4, 2.25, 0.12
    figure, axes = blank(figure, (11, 6.6), {"page": (0, 0, 11, 6.6)})
    page = axes["page"]
    page.set_axis_off()
    headings = (
        (high, palette.CONVOLUTIONS["depthwise"], "1  depthwise: one kernel and one map for each channel"),
        (middle, POINTWISE_INK, "2  pointwise: 4 kernels of 1×1×3 across the maps"),
        (low, palette.CONVOLUTIONS["ordinary"], f"or at once: an ordinary 3×3×3 kernel for “{output}”"),
    )
    for bottom, colour, text in headings:
        _write(page, 0.2, bottom + side + 0.47, text, color=colour, ha="left", weight="bold")

    photo = image[0].clamp(0, 1).permute(1, 2, 0)
    _panel(page, (0.2, high, side, side), photo, f"photo {times(photo.shape[:2])}", palette.INPUT)
    size = times(maps.shape[-2:])
    kernel_row, map_row = _row(3, 2.0, high, 1.2, side), _row(3, 6.15, high, side, side)
    for place, colour in enumerate(COLOURS):
        _weights_panel(page, kernel_row[place], depthwise[place, 0], colour)
        _map_panel(
            page, map_row[place], maps[0, place], f"{colour} {size}", palette.CONVOLUTIONS["depthwise"]
        )
    _write(page, 1.85, high + side / 2, "∗")
    _write(page, 5.98, high + side / 2, "=")

    _weights_panel(page, (1.6, middle, 1.9, side), pointwise[:, :, 0, 0], "red   green   blue")
    frame = {"fill": False, "edgecolor": palette.INK, "linewidth": 3}
    page.add_patch(Rectangle((1.6, middle + side * (3 - chosen) / 4), 1.9, side / 4, **frame))
    for place, (name, values) in enumerate(zip(COLOUR_KERNELS, outputs[0], strict=True)):
        _write(page, 1.5, middle + side * (3.5 - place) / 4, name, size=palette.LABEL, ha="right")
        box = (4.3 + place * (side + 0.14), middle, side, side)
        _map_panel(page, box, values, name, palette.OUTPUT, strong=place == chosen)

    limit = ordinary[chosen].abs().max().item()
    slices = zip(COLOURS, ordinary[chosen], shares, _row(3, 0.2, low, 1.2, side), strict=True)
    for colour, weights, share, box in slices:
        title = f"{share:.2g} × {colour}".replace("-", "−")
        _weights_panel(page, box, weights, title, limit=limit, numbers=False)
    _write(page, 4.15, low + side / 2, "→")
    _map_panel(page, (4.3, low, side, side), again[0, chosen], output, palette.OUTPUT, strong=True)
    counts = depthwise.numel(), pointwise.numel(), ordinary.numel()
    equal = "the same four maps" if apart < 1e-5 else f"maps up to {apart:.2g} apart"
    cost = f"ordinary: {counts[2]} weights\nseparable: {counts[0]} + {counts[1]} = {sum(counts[:2])} weights"
    _write(page, 6.2, low + side / 2, f"{equal}\n{cost}", ha="left", linespacing=1.6)
    page.set(xlim=(0, 11), ylim=(0, 6.6))
    return Picture(
        figure,
        f"Depthwise kernels {red}, {green} and {blue} at stride {stride} turn {times(image.shape[-2:])} "
        f"pixels in 3 channels into 3 maps of {size}; 4 pointwise kernels turn these into 4. An ordinary "
        f"convolution gives {equal} with {counts[2]} weights instead of {sum(counts[:2])}; its filter "
        f"“{output}” is {', '.join(f'{share:g}' for share in shares)} times the kernel of red, "
        "green, blue.",
    )


OUT_CHANNELS = tuple(2**power for power in range(11))


def show_cost_ratio(
    *, kernel_size: int = 3, out_channels: int = 128, in_channels: int = 64, figure: Figure | None = None
) -> Picture:
    """What a separable convolution costs as a share of the ordinary one, over the output channels.

    The point is counted from real layers; the curve behind it is 1 / out_channels + 1 / kernel_size².

    Parameters
    ----------
    kernel_size, out_channels, in_channels : int
        As in :class:`~convlab.arithmetic.ConvSpec`; a size of at most 7, and 1 to 1,024 output channels.

    Raises
    ------
    ValueError
        For another size or number of channels.
    """
    check_whole("kernel_size", kernel_size, 1, 7)
    check_whole("out_channels", out_channels, 1, OUT_CHANNELS[-1])
    layers = {
        "ordinary": ConvSpec(in_channels, out_channels, kernel_size, bias=False),
        "depthwise": ConvSpec(in_channels, in_channels, kernel_size, groups=in_channels, bias=False),
        "pointwise": ConvSpec(in_channels, out_channels, 1, bias=False),
    }
    with torch.device("meta"):  # shapes without memory
        counted = {name: spec.module().weight.numel() for name, spec in layers.items()}
    separable = counted["depthwise"] + counted["pointwise"]
    ratio = separable / counted["ordinary"]

    boxes = {"curves": (0.75, 0.7, 5.9, 3.7), "weights": (7.95, 1.4, 2.85, 2.2)}
    figure, axes = blank(figure, (11, 4.85), boxes)
    _draw_ratios(axes["curves"], kernel_size, out_channels, ratio)
    title = f"separable: {separable:,} weights"
    draw_bars(axes["weights"], counted, title, colours=[palette.CONVOLUTIONS[name] for name in counted])
    return Picture(
        figure,
        f"{kernel_size}×{kernel_size} from {in_channels} to {out_channels} channels: {counted['ordinary']:,} "
        f"weights, separable {counted['depthwise']:,} + {counted['pointwise']:,} = {separable:,}, a share of "
        f"{ratio:.3f} (1/{out_channels} + 1/{kernel_size**2}); no number of output channels brings it below "
        f"1/{kernel_size**2} = {1 / kernel_size**2:.3f}.",
    )


def _draw_ratios(ax: Axes, kernel_size: int, out_channels: int, ratio: float) -> None:
    """The curves of several kernel sizes, the chosen one strong, with its limit and one point on it."""
    places = np.geomspace(1, OUT_CHANNELS[-1], 60)
    for size in sorted({1, 3, 5, 7} | {kernel_size}):
        chosen = size == kernel_size
        style = (
            {"color": palette.CONVOLUTIONS["depthwise"], "linewidth": 4}
            if chosen
            else {"color": palette.MUTED, "linewidth": 1.5}
        )
        ax.plot(places, 1 / places + 1 / size**2, **style)
        label = (
            {"color": palette.CONVOLUTIONS["depthwise"], "weight": "bold"}
            if chosen
            else {"color": palette.MUTED}
        )
        place = (1800, 1.04 * (1 / places[-1] + 1 / size**2))
        ax.text(*place, f"{size}×{size}", fontsize=palette.LABEL, ha="right", va="bottom", **label)
    ax.axhline(1, color=palette.CONVOLUTIONS["ordinary"], linewidth=2)
    ax.text(
        400,
        0.94,
        "ordinary = 1",
        fontsize=palette.LABEL,
        ha="right",
        va="top",
        color=palette.CONVOLUTIONS["ordinary"],
    )
    left = 1 if kernel_size > 1 else 2.5  # where no other curve passes
    style = {"fontsize": palette.LABEL, "color": palette.CONVOLUTIONS["depthwise"], "weight": "bold"}
    limit = f"limit 1/{kernel_size**2} = {1 / kernel_size**2:.3g}"
    ax.text(left, 0.94 / kernel_size**2, limit, va="top", **style)
    ax.axhline(
        1 / kernel_size**2, color=palette.CONVOLUTIONS["depthwise"], linewidth=1.5, linestyle=(0, (4, 3))
    )
    ax.plot(
        out_channels,
        ratio,
        "o",
        color=palette.OUTPUT,
        markersize=14,
        markeredgecolor="white",
        markeredgewidth=2,
    )
    ax.set(xscale="log", yscale="log", xlim=(0.85, 2000), ylim=(0.011, 2.9))
    ax.set_title(f"share of the ordinary cost: {ratio:.3f}", fontsize=palette.TITLE, color=palette.INK)
    ax.set_xticks(OUT_CHANNELS[::2], map(str, OUT_CHANNELS[::2]), fontsize=palette.LABEL)
    shares = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
    ax.set_yticks(shares, map(str, shares), fontsize=palette.LABEL)
    ax.minorticks_off()
    ax.set_xlabel("output channels", fontsize=palette.LABEL, labelpad=2)
    thin_sides(ax)


SMALLER = {"size": palette.LABEL, "pad": 5, "linewidth": 1.5}  # the frames of many panels
FILTERS = (
    "one edge, four colours",
    "sharpen, four strengths",
    "edge at four angles",
    "four different jobs",
    "random",
)


def _filters() -> dict[str, Tensor]:
    """Ordinary kernels (4, 3, 3, 3) from separable to not at all: four filters on three channels."""
    across, down, blur = (named_kernel(name) for name in ("Sobel x", "Sobel y", "Gaussian blur"))
    mixes = torch.tensor(list(COLOUR_KERNELS.values()))[:, :, None, None]
    turned = torch.stack([cos(pi * a / 180) * across + sin(pi * a / 180) * down for a in (0, 30, 60, 90)])
    detail = named_kernel("identity") - blur
    sharper = torch.stack([blur + strength * detail for strength in (1.0, 1.5, 2.0, 3.0)])
    slope = named_kernel("emboss") - named_kernel("identity")
    jobs = mixes[[0, 0, 1, 2]] * torch.stack([across, down, named_kernel("Laplacian"), slope])[:, None]
    grey = torch.full((1, 3, 1, 1), 1 / 3)
    kernels = (
        mixes * across,
        grey * sharper[:, None],
        grey * turned[:, None],
        jobs / jobs.flatten(1).norm(dim=1)[:, None, None, None],
        torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)),
    )
    return dict(zip(FILTERS, kernels, strict=True))


def _best_fit(weights: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """Depthwise (C·m, 1, k, k) and pointwise (C_out, C·m, 1, 1) whose merged kernel is nearest to `weights`.

    For each input channel, the m largest parts of the singular value decomposition of its filters,
    written as a matrix (C_out, k·k): nearest in the sum of squares (Eckart and Young, 1936).
    """
    filters, channels, k, _ = weights.shape
    left, sizes, right = torch.linalg.svd(weights.transpose(0, 1).reshape(channels, filters, k * k))
    depthwise = right[:, :multiplier].reshape(channels * multiplier, 1, k, k)
    pointwise = left[:, :, :multiplier] * sizes[:, None, :multiplier]
    return depthwise, pointwise.transpose(0, 1).reshape(filters, channels * multiplier, 1, 1)


def _merge(depthwise: Tensor, pointwise: Tensor) -> Tensor:
    """The ordinary kernel (C_out, 3, k, k) of depthwise (3·m, 1, k, k), then pointwise (C_out, 3·m, 1, 1).

    Channel by channel the outer product of the 1×1 and the depthwise kernels, summed over the m of it.
    """
    filters, maps = pointwise.shape[:2]
    channels = len(COLOURS)
    weights = pointwise.reshape(filters, channels, maps // channels)
    kernels = depthwise.reshape(channels, maps // channels, *depthwise.shape[2:])
    return torch.einsum("ocm,cmij->ocij", weights, kernels)


def show_separable_fit(
    image: Tensor,
    *,
    kernels: str = "edge at four angles",
    depth_multiplier: int = 1,
    output: int = 1,
    figure: Figure | None = None,
) -> Picture:
    """Four ordinary filters, the separable convolution that comes nearest, and what it gets wrong.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo.
    kernels : str
        Which four filters: one of ``FILTERS``.
    depth_multiplier : int
        Depthwise kernels for each channel, from 1 to 4.
    output : int
        Which of the four output maps to show, from 1 to 4.

    Raises
    ------
    ValueError
        For another image, or a value that is not offered.
    """
    if kernels not in FILTERS:
        raise ValueError(f"kernels={kernels!r} must be one of: {', '.join(FILTERS)}")
    check_whole("depth_multiplier", depth_multiplier, 1, 4)
    check_whole("output", output, 1, 4)
    check_photo(image, 3)
    wanted = _filters()[kernels]
    parts = [_best_fit(wanted, multiplier) for multiplier in (1, 2, 3, 4)]
    costs = [depthwise.numel() + pointwise.numel() for depthwise, pointwise in parts]
    fits = [_merge(*pair) for pair in parts]
    errors = [((fit - wanted).norm() / wanted.norm()).item() for fit in fits]
    nearest, error, cost = (each[depth_multiplier - 1] for each in (fits, errors, costs))
    outputs = F.conv2d(image, torch.stack([wanted[output - 1], nearest[output - 1]]))[0]
    missed = outputs[0] - outputs[1]
    map_error = (missed.norm() / outputs[0].norm().clamp(min=1e-2)).item()

    kernel_side, map_side = 2.4, 2.45
    bottom = 0.1 + map_side + 0.62
    names, shown = ("wanted", "nearest", "difference"), ("photo", "wanted map", "nearest map", "missed")
    boxes = {name: (0.5 + 2.2 * place, bottom, 1.8, kernel_side) for place, name in enumerate(names)}
    boxes["errors"] = (8.3, bottom, 2.5, kernel_side)
    boxes |= {
        name: (0.4 + place * (map_side + 0.1), 0.1, map_side, map_side) for place, name in enumerate(shown)
    }
    figure, axes = blank(figure, (11, bottom + kernel_side + 0.4), boxes)

    titles = ("ordinary kernels", "nearest separable", "difference")
    for name, title, weights in zip(names, titles, (wanted, nearest, wanted - nearest), strict=True):
        _draw_filters(axes[name], weights, title, wanted.abs().max().item(), output)
    _draw_errors(axes["errors"], errors, costs, depth_multiplier, wanted.numel())

    draw_photo(axes["photo"], image)
    bound = max(float(np.quantile(outputs[0].abs().numpy(), 0.99)), 1e-9)
    greys = {"cmap": "gray", "vmin": -bound, "vmax": bound, "interpolation": "nearest", "aspect": "auto"}
    titles = (f"output {output}, ordinary", "separable", f"difference: {map_error:.0%}")
    for name, title, values in zip(shown[1:], titles, (*outputs, missed), strict=True):
        axes[name].imshow(values.numpy(), **greys)
        frame(axes[name], title, palette.OUTPUT, **SMALLER)
    return Picture(
        figure,
        f"Four filters, “{kernels}”: {wanted.numel()} weights. The nearest separable convolution with depth "
        f"multiplier {depth_multiplier} has {cost} and misses their kernels by {error:.0%}, output {output} "
        f"on this photo by {map_error:.0%}.",
    )


def _draw_filters(ax: Axes, weights: Tensor, title: str, limit: float, chosen: int) -> None:
    """Filters (rows) on the red, green and blue channel (columns), the chosen one in a frame."""
    large = weights.repeat_interleave(5, 2).repeat_interleave(5, 3)
    with_seams = F.pad(large, (0, 1, 0, 1), value=torch.nan)
    plane = with_seams.transpose(1, 2).flatten(0, 1).flatten(1)[:-1, :-1].numpy()
    ax.set_facecolor(palette.MUTED)
    shades = {"cmap": palette.DIVERGING, "norm": TwoSlopeNorm(0, -limit, limit)}
    ax.imshow(plane, interpolation="nearest", aspect="auto", **shades)
    height, width = plane.shape
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    frame(ax, title, palette.KERNEL, **SMALLER)
    step = (height + 1) / len(weights)
    ax.set_yticks([step * (place + 0.5) - 1 for place in range(4)], range(1, 5), fontsize=palette.LABEL)
    ax.set_xticks([step * (place + 0.5) - 1 for place in range(3)], COLOURS, fontsize=palette.SMALL)
    ax.tick_params(length=0, pad=5)
    style = {"fill": False, "edgecolor": palette.INK, "linewidth": 3, "clip_on": False}
    ax.add_patch(Rectangle((-1, step * (chosen - 1) - 1), width + 1, step, **style))


def _draw_errors(ax: Axes, errors: Sequence[float], costs: Sequence[int], chosen: int, ordinary: int) -> None:
    """The error left at each depth multiplier, and what it costs, as bars."""
    colours = [
        palette.CONVOLUTIONS["depthwise"] if multiplier == chosen else "#C9BEDD"
        for multiplier in range(1, len(errors) + 1)
    ]
    ax.barh(range(len(errors)), errors, color=colours, height=0.6)
    for place, error in enumerate(errors):
        ax.text(error + 0.02, place, f"{error:.0%}", va="center", fontsize=palette.LABEL, color=palette.INK)
    ax.set(xlim=(0, 1.1), ylim=(len(errors) - 0.5, -0.5))
    names = [f"×{multiplier}: {cost} weights" for multiplier, cost in enumerate(costs, start=1)]
    frame(ax, f"error (ordinary: {ordinary} weights)", **SMALLER)
    ax.set_yticks(range(len(names)), names, fontsize=palette.SMALL)
    ax.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)


# What the questions of this lesson, in separable.toml, ask for: computed from what each gives.


def answer_maps(channels: int, kernel_size: int) -> dict[str, object]:
    """The maps that a depthwise layer makes."""
    return {"answer": ConvSpec(channels, channels, kernel_size, groups=channels).weight_shape[0]}


def answer_parameters(in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> dict[str, object]:
    """The parameters of depthwise and pointwise together, and of the ordinary layer."""
    depthwise = ConvSpec(in_channels, in_channels, kernel_size, groups=in_channels, bias=bias).num_parameters
    pointwise = ConvSpec(in_channels, out_channels, 1, bias=bias).num_parameters
    ordinary = ConvSpec(in_channels, out_channels, kernel_size, bias=bias).num_parameters
    shown = {"depthwise": depthwise, "pointwise": pointwise, "ordinary": ordinary, "area": kernel_size**2}
    return shown | {"answer": depthwise + pointwise}


answer_weights = answer_parameters  # without biases


def answer_limit(kernel_size: int) -> dict[str, object]:
    """How many times cheaper than ordinary separable is at a great many output channels."""
    many = answer_parameters(1, 10**9, kernel_size, bias=False)
    return {"answer": round(many["ordinary"] / many["answer"])}


def answer_four_angles(kernels: str) -> dict[str, object]:
    """The rank of the filters of one channel: as many depthwise kernels make them exactly."""
    on_red = _filters()[kernels][:, 0].flatten(1)
    return {"answer": torch.linalg.matrix_rank(on_red).item(), "angles": len(on_red)}
