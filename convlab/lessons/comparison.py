"""The picture of lesson 05 that holds five convolutions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec, whole
from convlab.drawing import draw_map, times
from convlab.images import check_photo
from convlab.kernels import KERNELS
from convlab.kernels import kernel as named_kernel
from convlab.picture import CONVOLUTIONS, INK, LABEL, Picture, blank, frame, thin_sides
from convlab.reach import measure_receptive_field
from convlab.timing import Timing
from convlab.training import alternatives

FIVE = ("ordinary", "pointwise", "dilated", "grouped", "separable")


def filter_bank(image: Tensor, channels: int) -> Tensor:
    """Feature maps (1, channels, H, W) of a grey photo: the named kernels at sizes 3, 5, 7 …

    Each map is scaled to a standard deviation of 1, so that no channel drowns the others; one that is
    the same all over stays as it is.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo.
    channels : int
        A multiple of 8, the number of named kernels.

    Raises
    ------
    ValueError
        For another image or number of channels.
    """
    check_photo(image, 1)
    if whole("channels", channels, 1) % len(KERNELS):
        raise ValueError(f"channels={channels!r} must be a multiple of {len(KERNELS)}, the named kernels")
    maps = []
    for size in range(3, 3 + 2 * channels // len(KERNELS), 2):
        kernels = torch.stack([named_kernel(name, size) for name in KERNELS])
        maps.append(F.conv2d(image, kernels[:, None], padding="same"))
    bank = torch.cat(maps, dim=1)
    spread = bank.std(dim=(2, 3), keepdim=True)
    return bank / spread.where(spread > 1e-4, 1)


def _first_map(specs: Sequence[ConvSpec], bank: Tensor, weights: Tensor) -> Tensor:
    """The first output channel, when each filter means: this kernel on each channel, then their mean."""
    maps = bank
    for spec in specs:
        inputs = spec.in_channels // spec.groups
        last = spec is specs[-1]
        maps = maps[:, : inputs if last else None]  # the first output looks at the first group alone
        kernel = weights if spec.kernel_size != (1, 1) else torch.ones(1, 1)
        filters = (kernel / inputs).expand(1 if last else spec.out_channels, inputs, *spec.kernel_size)
        maps = F.conv2d(
            maps, filters, padding="same", dilation=spec.dilation, groups=1 if last else spec.groups
        )
    return maps


@cache
def _reach(specs: tuple[ConvSpec, ...]) -> int:
    with torch.random.fork_rng(devices=[]):  # what is seen does not depend on the weights
        layers = nn.Sequential(*(spec.module() for spec in specs))
    return measure_receptive_field(layers, (specs[0].in_channels, 33, 33)).size[0]


def show_five(
    image: Tensor,
    *,
    channels: int = 16,
    kernel_size: int = 3,
    kernel: str = "Sobel x",
    timings: Mapping[tuple[int, int], Mapping[str, Timing]] | None = None,
    figure: Figure | None = None,
) -> Picture:
    """Five convolutions on the same channels made of a photo: output, shape, weights, reach and cost.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo; the input is its :func:`filter_bank`.
    channels : int
        Of input and output: a multiple of 8.
    kernel_size, kernel
        Every filter is this named kernel on each channel that it sees, and the mean of the results.
    timings : mapping, optional
        For (channels, kernel_size) what ``measure_time`` gave for the five by name. Drawn, but not
        part of the sentence.

    Raises
    ------
    ValueError
        For another image, an unknown kernel, or a number that no layer or kernel can have.
    """
    layers = {name: alternatives(channels, channels, kernel_size)[name] for name in FIVE}
    bank, weights = filter_bank(image, channels), named_kernel(kernel, kernel_size)
    size = tuple(image.shape[-2:])
    macs = {name: sum(spec.macs(size) for spec in specs) for name, specs in layers.items()}
    counts = {name: sum(spec.num_weights for spec in specs) for name, specs in layers.items()}
    reach = {name: _reach(specs) for name, specs in layers.items()}
    measured = (timings or {}).get((channels, kernel_size))

    left, gap, head, text, low = 0.15, 0.15, 0.42, 1.15, 1.75
    wide = (11 - 2 * left - gap * (len(FIVE) - 1)) / len(FIVE)
    tall = wide * size[0] / size[1]
    boxes = {name: (left + i * (wide + gap), low + text, wide, tall) for i, name in enumerate(FIVE)}
    boxes["bars"] = (left, 0.42, 11 - 2 * left, low - 0.55)
    figure, axes = blank(figure, (11, low + text + tall + head), boxes)
    for name, specs in layers.items():
        draw_map(axes[name], _first_map(specs, bank, weights), name, colour=CONVOLUTIONS[name])
        lines = (
            f"{channels}×{times(size)}\n{counts[name]:,} weights\n{macs[name] / 1e6:.1f} M multiply-adds\n"
            f"reach {reach[name]}×{reach[name]}"
        )
        place = {
            "xy": (0.5, 0),
            "xycoords": "axes fraction",
            "xytext": (0, -5),
            "textcoords": "offset points",
        }
        axes[name].annotate(
            lines, **place, ha="center", va="top", fontsize=LABEL, color=INK, linespacing=1.25
        )
    centres = [boxes[name][0] + wide / 2 - left for name in FIVE]
    _draw_shares(axes["bars"], centres, macs, measured)
    each = "; ".join(
        f"{name} {counts[name]:,} weights, {macs[name]:,} multiply-adds, reach {reach[name]}×{reach[name]}"
        for name in FIVE
    )
    return Picture(
        figure,
        f"{channels} to {channels} channels on {times(size)}, {kernel}, {kernel_size}×{kernel_size}: {each}.",
    )


def _draw_shares(
    ax: Axes, centres: Sequence[float], macs: Mapping[str, int], measured: Mapping[str, Timing] | None
) -> Axes:
    """Pairs of bars under the maps: multiply-adds (solid) and time (hatched), in % of the first."""
    rows = {"multiply-adds": [100 * value / macs[FIVE[0]] for value in macs.values()]}
    if measured:
        rows["time"] = [100 * measured[name].median / measured[FIVE[0]].median for name in FIVE]
    most = max(max(values) for values in rows.values())
    threads = measured[FIVE[0]].threads if measured else 0
    for number, values in enumerate(rows.values()):
        for centre, name, value in zip(centres, FIVE, values, strict=True):
            middle = centre + (number - (len(rows) - 1) / 2) * 0.8
            colour = CONVOLUTIONS[name]
            style = {"facecolor": colour} if number == 0 else {"facecolor": "white", "hatch": "///"}
            ax.bar(middle, value, width=0.62, edgecolor=colour, linewidth=2, **style)
            ax.text(middle, value + 0.03 * most, f"{value:.0f} %", ha="center", fontsize=LABEL, color=INK)
    ax.set(xlim=(0, ax.convlab_box[2]), ylim=(0, 1.22 * most))
    frame(ax, "")
    thin_sides(ax, "bottom")
    label = "solid: multiply-adds"
    label += f"; hatched: time, {threads} thread{'s' * (threads > 1)}; in % of ordinary" if measured else ""
    ax.set_xlabel(label, fontsize=LABEL, color=INK, labelpad=4)
    return ax
