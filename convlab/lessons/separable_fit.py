"""More pictures of lesson 04: the separable convolution that comes nearest to an ordinary one."""

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

from convlab.arithmetic import whole
from convlab.drawing import DIVERGING, draw_photo
from convlab.images import COLOURS, check_photo
from convlab.kernels import COLOUR_KERNELS
from convlab.kernels import kernel as named_kernel
from convlab.picture import CONVOLUTIONS, INK, KERNEL, LABEL, MUTED, OUTPUT, SMALL, Picture, blank, frame

SMALLER = {"size": LABEL, "pad": 5, "linewidth": 1.5}  # the frames of many panels
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
    whole("depth_multiplier", depth_multiplier, 1, 4)
    whole("output", output, 1, 4)
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
        frame(axes[name], title, OUTPUT, **SMALLER)
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
    ax.set_facecolor(MUTED)
    shades = {"cmap": DIVERGING, "norm": TwoSlopeNorm(0, -limit, limit)}
    ax.imshow(plane, interpolation="nearest", aspect="auto", **shades)
    height, width = plane.shape
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    frame(ax, title, KERNEL, **SMALLER)
    step = (height + 1) / len(weights)
    ax.set_yticks([step * (place + 0.5) - 1 for place in range(4)], range(1, 5), fontsize=LABEL)
    ax.set_xticks([step * (place + 0.5) - 1 for place in range(3)], COLOURS, fontsize=SMALL)
    ax.tick_params(length=0, pad=5)
    style = {"fill": False, "edgecolor": INK, "linewidth": 3, "clip_on": False}
    ax.add_patch(Rectangle((-1, step * (chosen - 1) - 1), width + 1, step, **style))


def _draw_errors(ax: Axes, errors: Sequence[float], costs: Sequence[int], chosen: int, ordinary: int) -> None:
    """The error left at each depth multiplier, and what it costs, as bars."""
    colours = [
        CONVOLUTIONS["depthwise"] if multiplier == chosen else "#C9BEDD"
        for multiplier in range(1, len(errors) + 1)
    ]
    ax.barh(range(len(errors)), errors, color=colours, height=0.6)
    for place, error in enumerate(errors):
        ax.text(error + 0.02, place, f"{error:.0%}", va="center", fontsize=LABEL, color=INK)
    ax.set(xlim=(0, 1.1), ylim=(len(errors) - 0.5, -0.5))
    names = [f"×{multiplier}: {cost} weights" for multiplier, cost in enumerate(costs, start=1)]
    frame(ax, f"error (ordinary: {ordinary} weights)", **SMALLER)
    ax.set_yticks(range(len(names)), names, fontsize=SMALL)
    ax.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
