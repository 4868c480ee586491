"""The pictures of lesson 04: space and channels filtered one after the other, and what that costs."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec, whole
from convlab.drawing import DIVERGING, draw_bars, grey_limits, times
from convlab.images import COLOURS, check_photo
from convlab.kernels import COLOUR_KERNELS
from convlab.kernels import kernel as named_kernel
from convlab.picture import CONVOLUTIONS as HUE
from convlab.picture import INK, INPUT, KERNEL, LABEL, MUTED, OUTPUT, SMALL, TITLE, Picture, blank, thin_sides

POINTWISE_INK = "#9A6700"  # the same orange, dark enough for words
Box = tuple[float, float, float, float]


# Many small panels on one pair of axes, which is a page measured in inches: it draws three times as
# fast as a pair of axes for each.


def _row(count: int, left: float, bottom: float, width: float, height: float) -> list[Box]:
    return [(left + place * (width + 0.1), bottom, width, height) for place in range(count)]


def _write(page: Axes, x: float, y: float, text: str, *, size: int = TITLE, **style: object) -> None:
    page.text(x, y, text, fontsize=size, **{"ha": "center", "va": "center", "color": INK} | style)


def _panel(
    page: Axes, box: Box, values: Tensor, title: str, colour: str, *, strong: bool = False, **shades: object
) -> None:
    left, bottom, width, height = box
    extent = (left, left + width, bottom, bottom + height)
    page.imshow(values.numpy(), extent=extent, interpolation="nearest", aspect="auto", **shades)
    frame = {"fill": False, "edgecolor": colour, "linewidth": 4 if strong else 1.5}
    page.add_patch(Rectangle((left, bottom), width, height, **frame))
    style = {"size": LABEL, "color": colour, "weight": "bold" if strong else "normal"}
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
    _panel(page, box, weights, title, KERNEL, cmap=DIVERGING, norm=TwoSlopeNorm(0, -limit, limit))
    rows, columns = weights.shape
    left, bottom, width, height = box
    for (row, column), weight in np.ndenumerate(weights.numpy() if numbers else np.empty((0, 0))):
        text = f"{weight:.2f}".rstrip("0").rstrip(".").replace("-", "−").replace("0.", ".")
        place = left + (column + 0.5) * width / columns, bottom + height - (row + 0.5) * height / rows
        # Both ends of the scale are dark, the purple one sooner.
        dark = weight > 0.7 * limit or weight < -0.55 * limit
        _write(page, *place, "0" if text == "−0" else text, size=SMALL, color="white" if dark else INK)


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
        (high, HUE["depthwise"], "1  depthwise: one kernel and one map for each channel"),
        (middle, POINTWISE_INK, "2  pointwise: 4 kernels of 1×1×3 across the maps"),
        (low, HUE["ordinary"], f"or at once: an ordinary 3×3×3 kernel for “{output}”"),
    )
    for bottom, colour, text in headings:
        _write(page, 0.2, bottom + side + 0.47, text, color=colour, ha="left", weight="bold")

    photo = image[0].clamp(0, 1).permute(1, 2, 0)
    _panel(page, (0.2, high, side, side), photo, f"photo {times(photo.shape[:2])}", INPUT)
    size = times(maps.shape[-2:])
    kernel_row, map_row = _row(3, 2.0, high, 1.2, side), _row(3, 6.15, high, side, side)
    for place, colour in enumerate(COLOURS):
        _weights_panel(page, kernel_row[place], depthwise[place, 0], colour)
        _map_panel(page, map_row[place], maps[0, place], f"{colour} {size}", HUE["depthwise"])
    _write(page, 1.85, high + side / 2, "∗")
    _write(page, 5.98, high + side / 2, "=")

    _weights_panel(page, (1.6, middle, 1.9, side), pointwise[:, :, 0, 0], "red   green   blue")
    frame = {"fill": False, "edgecolor": INK, "linewidth": 3}
    page.add_patch(Rectangle((1.6, middle + side * (3 - chosen) / 4), 1.9, side / 4, **frame))
    for place, (name, values) in enumerate(zip(COLOUR_KERNELS, outputs[0], strict=True)):
        _write(page, 1.5, middle + side * (3.5 - place) / 4, name, size=LABEL, ha="right")
        box = (4.3 + place * (side + 0.14), middle, side, side)
        _map_panel(page, box, values, name, OUTPUT, strong=place == chosen)

    limit = ordinary[chosen].abs().max().item()
    slices = zip(COLOURS, ordinary[chosen], shares, _row(3, 0.2, low, 1.2, side), strict=True)
    for colour, weights, share, box in slices:
        title = f"{share:.2g} × {colour}".replace("-", "−")
        _weights_panel(page, box, weights, title, limit=limit, numbers=False)
    _write(page, 4.15, low + side / 2, "→")
    _map_panel(page, (4.3, low, side, side), again[0, chosen], output, OUTPUT, strong=True)
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
    whole("kernel_size", kernel_size, 1, 7)
    whole("out_channels", out_channels, 1, OUT_CHANNELS[-1])
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
    draw_bars(axes["weights"], counted, title, colours=[HUE[name] for name in counted])
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
        style = {"color": HUE["depthwise"], "linewidth": 4} if chosen else {"color": MUTED, "linewidth": 1.5}
        ax.plot(places, 1 / places + 1 / size**2, **style)
        label = {"color": HUE["depthwise"], "weight": "bold"} if chosen else {"color": MUTED}
        place = (1800, 1.04 * (1 / places[-1] + 1 / size**2))
        ax.text(*place, f"{size}×{size}", fontsize=LABEL, ha="right", va="bottom", **label)
    ax.axhline(1, color=HUE["ordinary"], linewidth=2)
    ax.text(400, 0.94, "ordinary = 1", fontsize=LABEL, ha="right", va="top", color=HUE["ordinary"])
    left = 1 if kernel_size > 1 else 2.5  # where no other curve passes
    style = {"fontsize": LABEL, "color": HUE["depthwise"], "weight": "bold"}
    limit = f"limit 1/{kernel_size**2} = {1 / kernel_size**2:.3g}"
    ax.text(left, 0.94 / kernel_size**2, limit, va="top", **style)
    ax.axhline(1 / kernel_size**2, color=HUE["depthwise"], linewidth=1.5, linestyle=(0, (4, 3)))
    ax.plot(out_channels, ratio, "o", color=OUTPUT, markersize=14, markeredgecolor="white", markeredgewidth=2)
    ax.set(xscale="log", yscale="log", xlim=(0.85, 2000), ylim=(0.011, 2.9))
    ax.set_title(f"share of the ordinary cost: {ratio:.3f}", fontsize=TITLE, color=INK)
    ax.set_xticks(OUT_CHANNELS[::2], map(str, OUT_CHANNELS[::2]), fontsize=LABEL)
    shares = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
    ax.set_yticks(shares, map(str, shares), fontsize=LABEL)
    ax.minorticks_off()
    ax.set_xlabel("output channels", fontsize=LABEL, labelpad=2)
    thin_sides(ax)
