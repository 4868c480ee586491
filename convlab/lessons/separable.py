"""The pictures of lesson 04: space and channels filtered one after the other, and what that costs."""

from collections.abc import Mapping, Sequence
from math import cos, floor, pi, sin
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec
from convlab.checks import check_one_of, check_whole
from convlab.images import COLOURS, Photo, as_photo, photo
from convlab.kernels import kernel, named_kernel
from convlab.measure.costs import cost
from convlab.pictures import charts, draw, page, palette, words

POINTWISE_INK = "#9A6700"  # the same orange, dark enough for words
MIXES = ((0.3, 0.6, 0.1), (1.0, -1.0, 0.0), (-0.5, -0.5, 1.0), (1.0, 0.0, 0.0))  # 4 kernels of 1×1×3
OUTPUTS = tuple(f"output {place}" for place in range(len(MIXES)))


def show_two_steps(
    image: Photo,
    *,
    red: str = "Sobel x",
    green: str = "Sobel y",
    blue: str = "Laplacian",
    stride: int = 1,
    output: int = 0,
) -> page.Picture:
    """A photo through a depthwise and a pointwise convolution, and through the ordinary one that they equal.

    Parameters
    ----------
    image : photo
        Taken in colour.
    red, green, blue : str
        For each channel the depthwise kernel, one of ``convlab.kernels.KERNELS``.
    stride : int
        Of the depthwise step, in pixels.
    output : int
        Which of the four output maps, from 0 to 3, is made once more by the ordinary convolution.

    Raises
    ------
    ValueError
        For what is no photo, an unknown kernel, another output, or a stride that no convolution has.
    """
    image, output = as_photo(image, channels=3), check_whole("output", output, 0, 3)
    given = zip(COLOURS, (red, green, blue), strict=True)
    taps = torch.stack([named_kernel(name, name=colour) for colour, name in given])
    ordinary = torch.tensor(MIXES)[:, :, None, None] * taps  # channel by channel the outer product of the two
    steps = ConvSpec(3, 3, 3, stride=stride, padding=1, groups=3, bias=False).stride
    maps = F.conv2d(image, taps[:, None], stride=steps, padding=1, groups=3)
    outputs = F.conv2d(maps, torch.tensor(MIXES)[:, :, None, None])
    again = F.conv2d(image, ordinary, stride=steps, padding=1)
    apart = (again - outputs).abs().max().item()

    equal = "the same four maps" if apart < 1e-5 else f"maps up to {apart:.2g} apart"
    size, limits = words.size(maps.shape[-2:]), draw.symmetric(ordinary[output])
    block, headings = _two_steps(output)
    sheet = page.blank(block)
    draw.photo(sheet["photo"], image)
    for place, (colour, share) in enumerate(zip(COLOURS, MIXES[output], strict=True)):
        draw.kernel(sheet[f"{colour} kernel"], taps[place], title=colour)
        hue, title = palette.of_kind("depthwise"), f"{words.short(share)} × {colour}"
        _draw_map(sheet[f"{colour} map"], maps[0, place], f"{colour} {size}", hue)
        draw.kernel(sheet[f"{colour} slice"], ordinary[output, place], title=title, limits=limits)
    draw.kernel(sheet["pointwise"], torch.tensor(MIXES), title="red   green   blue", aspect="auto")
    page.name_ticks(sheet["pointwise"].yaxis, OUTPUTS)
    draw.outline(sheet["pointwise"], output, 0, (1, 3), palette.INK, rim=0)
    for place, name in enumerate(OUTPUTS):
        _draw_map(sheet[name], outputs[0, place], name, palette.OUTPUT, strong=place == output)
        sheet.touch(name, output=place)
    _draw_map(sheet["again"], again[0, output], OUTPUTS[output], palette.OUTPUT, strong=True)
    for name, text, gap in (("photo", "∗", 0.3), ("blue kernel", "=", 0.3), ("blue slice", "→", 0.4)):
        page.sign(sheet[name], text, gap)
    for name, colour, text in headings:
        y = sheet[name].get_position(original=True).y1 + 0.52 / sheet.figure.get_figheight()
        style = {"fontsize": palette.TITLE, "weight": "bold", "transform": sheet.figure.transFigure}
        page.write(sheet[name], 0.02, y, text, color=colour, **style)
    whole, thick, thin = ordinary.numel(), taps.numel(), len(OUTPUTS) * len(COLOURS)
    note = f"{equal}\nordinary: {whole} weights\nseparable: {thick} + {thin} = {thick + thin} weights"
    x = 1 + 0.5 / page.inches(sheet["again"])[0]
    page.write(sheet["again"], x, 0.5, note, fontsize=palette.TITLE, transform=sheet["again"].transAxes)
    return sheet.says(
        f"Depthwise kernels {red}, {green} and {blue} at stride {stride} turn {words.size(image.shape[-2:])} "
        f"pixels in 3 channels into 3 maps of {size}; 4 pointwise kernels turn these into 4. An ordinary "
        f"convolution gives {equal} with {whole} weights instead of {thick + thin}; its filter "
        f"for output {output} is {', '.join(map(words.short, MIXES[output]))} times the kernel of red, "
        "green, blue."
    )


def _two_steps(output: int) -> tuple[page.Block, list[tuple[str, str, str]]]:
    """Three rows of panels, and for each the first of them, the colour of its heading and the heading."""
    room = {"width": 1.4, "height": 1.4, "above": 0.72}
    names = ([f"{colour} {part}" for colour in COLOURS] for part in ("kernel", "map", "slice"))
    kernels, maps, slices = (page.panels(three, **room, gap=0.1) for three in names)
    first = page.across(page.panel("photo", **room), kernels, maps, gap=0.3)
    table = page.panel("pointwise", **room | {"width": 1.9}, left=1.4, right=0.4)
    second = page.across(table, page.panels(OUTPUTS, **room))
    third = page.across(slices, page.panel("again", **room, right=4.2), gap=0.4)
    hue, grey = palette.of_kind("depthwise"), palette.of_kind("ordinary")
    headings = [
        ("photo", hue, "1  depthwise: one kernel and one map for each channel"),
        ("pointwise", POINTWISE_INK, "2  pointwise: 4 kernels of 1×1×3 across the maps"),
        ("red slice", grey, f"or at once: an ordinary filter of 3×3×3 for output {output}"),
    ]
    return page.down(first, second, third, gap=0), headings


def _draw_map(ax: Axes, values: Tensor, title: str, colour: str, *, strong: bool = False) -> None:
    """A feature map, the brightest white, in the small frame of one of many."""
    draw.feature_map(ax, values, " ", limits=draw.grey_limits(values.numpy(), white=0), colour=colour)
    weight = "bold" if strong else "normal"
    page.frame(ax, title, colour, size=palette.LABEL, linewidth=4 if strong else 1.5).title.set_weight(weight)


OUT_CHANNELS = tuple(2**power for power in range(11))


def show_cost_ratio(*, kernel_size: int = 3, out_channels: int = 128, in_channels: int = 64) -> page.Picture:
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
    kernel_size = check_whole("kernel_size", kernel_size, 1, 7)
    out_channels = check_whole("out_channels", out_channels, 1, OUT_CHANNELS[-1])
    with torch.device("meta"):  # shapes without memory
        modules = {n: s.module() for n, s in _layers(in_channels, out_channels, kernel_size).items()}
    counted = {name: module.weight.numel() for name, module in modules.items()}
    whole, thick, thin = counted.values()
    separable, ratio = thick + thin, (thick + thin) / whole

    curves = page.panel("curves", 5.9, 3.7, left=0.55, below=0.6)
    sheet = page.blank(page.across(curves, page.panel("weights", 2.85, 2.2, left=1.05)))
    _draw_ratios(sheet["curves"], kernel_size, out_channels, ratio)
    sheet.touch("curves", x="out_channels")
    colours = [palette.of_kind(name) for name in counted]
    charts.bars(sheet["weights"], counted, f"separable: {separable:,} weights", colours=colours)
    return sheet.says(
        f"{kernel_size}×{kernel_size} from {in_channels} to {out_channels} channels: {whole:,} "
        f"weights, separable {thick:,} + {thin:,} = {separable:,}, a share of "
        f"{ratio:.3f} (1/{out_channels} + 1/{kernel_size**2}); no number of output channels brings it below "
        f"1/{kernel_size**2} = {1 / kernel_size**2:.3f}."
    )


def _layers(in_channels: int, out_channels: int, kernel_size: int) -> dict[str, ConvSpec]:
    """The ordinary convolution, and the two that stand in for it."""
    return {
        "ordinary": ConvSpec(in_channels, out_channels, kernel_size, bias=False),
        "depthwise": ConvSpec(in_channels, in_channels, kernel_size, groups=in_channels, bias=False),
        "pointwise": ConvSpec(in_channels, out_channels, 1, bias=False),
    }


def _draw_ratios(ax: Axes, kernel_size: int, out_channels: int, ratio: float) -> None:
    """The curves of several kernel sizes, the chosen one strong, with its limit and one point on it."""
    hue, grey = palette.of_kind("depthwise"), palette.of_kind("ordinary")
    places = np.geomspace(1, OUT_CHANNELS[-1], 60)
    for size in sorted({1, 3, 5, 7} | {kernel_size}):
        strong = size == kernel_size
        colour = hue if strong else palette.MUTED
        ax.plot(places, 1 / places + 1 / size**2, color=colour, linewidth=4 if strong else 1.5)
        style = {"ha": "right", "va": "bottom", "color": colour, "weight": "bold" if strong else "normal"}
        page.write(ax, 1800, 1.04 * (1 / places[-1] + 1 / size**2), f"{size}×{size}", **style)
    ax.axhline(1, color=grey, linewidth=2)
    page.write(ax, 400, 0.94, "ordinary = 1", ha="right", va="top", color=grey)
    left, area = 1 if kernel_size > 1 else 2.5, kernel_size**2  # where no other curve passes
    limit = {"va": "top", "color": hue, "weight": "bold"}
    page.write(ax, left, 0.94 / area, f"limit 1/{area} = {1 / area:.3g}", **limit)
    ax.axhline(1 / area, color=hue, linewidth=1.5, linestyle=(0, (4, 3)))
    mark = {"color": palette.OUTPUT, "markersize": 14, "markeredgecolor": "white", "markeredgewidth": 2}
    ax.plot(out_channels, ratio, "o", **mark)
    page.frame(ax, f"share of the ordinary cost: {ratio:.3f}")
    ax.set(xscale="log", yscale="log", xlim=(0.85, 2000), ylim=(0.011, 2.9))
    charts.box(ax, OUT_CHANNELS[::2], (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2), "output channels")


def _filters() -> dict[str, Tensor]:
    """Ordinary kernels (4, 3, 3, 3) from separable to not at all: four filters on three channels."""
    across, down, blur = (named_kernel(name) for name in ("Sobel x", "Sobel y", "Gaussian blur"))
    mixes = torch.tensor(MIXES)[:, :, None, None]
    turned = torch.stack([cos(pi * a / 180) * across + sin(pi * a / 180) * down for a in (0, 30, 60, 90)])
    detail = named_kernel("identity") - blur
    sharper = torch.stack([blur + strength * detail for strength in (1.0, 1.5, 2.0, 3.0)])
    slope = named_kernel("emboss") - named_kernel("identity")
    jobs = mixes[[0, 0, 1, 2]] * torch.stack([across, down, named_kernel("Laplacian"), slope])[:, None]
    grey = torch.full((1, 3, 1, 1), 1 / 3)
    return {
        "one edge, four colours": mixes * across,
        "sharpen, four strengths": grey * sharper[:, None],
        "edge at four angles": grey * turned[:, None],
        "four different jobs": jobs / jobs.flatten(1).norm(dim=1)[:, None, None, None],
        "random": torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)),
    }


def _nearest(weights: Tensor, multiplier: int) -> Tensor:
    """The kernel of the separable convolution, with this depth multiplier, that is nearest to `weights`.

    For each input channel, the m largest parts of the singular value decomposition of its filters,
    written as a matrix (C_out, k·k): nearest in the sum of squares (Eckart and Young, 1936). The
    right halves are the depthwise kernels, the left ones the 1×1.
    """
    left, sizes, right = torch.linalg.svd(weights.transpose(0, 1).flatten(2), full_matrices=False)
    largest = left[..., :multiplier] * sizes[:, None, :multiplier] @ right[:, :multiplier]
    return largest.unflatten(2, weights.shape[2:]).transpose(0, 1)


def show_separable_fit(
    image: Photo, *, kernels: str = "edge at four angles", depth_multiplier: int = 1, output: int = 0
) -> page.Picture:
    """Four ordinary filters, the separable convolution that comes nearest, and what it gets wrong.

    Parameters
    ----------
    image : photo
        Taken in colour.
    kernels : str
        Which four filters: one of those of lesson 04.
    depth_multiplier : int
        Depthwise kernels for each channel, from 1 to 4.
    output : int
        Which of the four output maps to show, from 0 to 3.

    Raises
    ------
    ValueError
        For what is no photo, or a value that is not offered.
    """
    sets = _filters()
    wanted = sets[check_one_of("kernels", kernels, sets)]
    chosen = check_whole("depth_multiplier", depth_multiplier, 1, 4) - 1
    output, image = check_whole("output", output, 0, 3), as_photo(image, channels=3)
    if min(image.shape[-2:]) < 3:
        raise ValueError(f"image of {words.size(image.shape[-2:])} pixels has no room for a 3×3 kernel")
    fits = [_nearest(wanted, multiplier) for multiplier in (1, 2, 3, 4)]
    costs = [n * (wanted[0].numel() + wanted[..., 0, 0].numel()) for n in (1, 2, 3, 4)]  # a kernel, a 1×1
    errors = [((fit - wanted).norm() / wanted.norm()).item() for fit in fits]
    nearest, error, cost = fits[chosen], errors[chosen], costs[chosen]
    outputs = F.conv2d(image, torch.stack([wanted[output], nearest[output]]))[0]
    missed = outputs[0] - outputs[1]
    map_error = (missed.norm() / outputs[0].norm().clamp(min=1e-2)).item()

    shown = {"ordinary kernels": wanted, "nearest separable": nearest, "difference": wanted - nearest}
    tables = page.panels(shown, 1.8, 2.4, gap=0.1, left=0.3, below=0.25)
    bars = page.panel("errors", 2.4, 2.4, left=1.6, below=0.25)
    maps = page.panels(("photo", "wanted map", "nearest map", "missed"), 2.4, 2.4)
    sheet = page.blank(page.down(page.across(tables, bars), maps, gap=0))
    for title, weights in shown.items():
        _draw_filters(sheet[title], weights, title, wanted, output)
        sheet.touch(title, y="output", origin=(0.5, 0))
    prices = (f"×{multiplier}: {price} weights" for multiplier, price in enumerate(costs, start=1))
    values = dict(zip(prices, errors, strict=True))
    strong, weak = palette.of_kind("depthwise"), "#C9BEDD"
    colours = [strong if place == chosen else weak for place in range(4)]
    title = f"error (ordinary: {wanted.numel()} weights)"
    charts.bars(sheet["errors"], values, title, colours=colours, form="{:.0%}".format, size=palette.LABEL)
    sheet["errors"].set_xlim(0, 1.2)
    sheet.touch("errors", y="depth_multiplier", origin=(-1, 0))
    draw.photo(sheet["photo"], image)
    limits = draw.symmetric(outputs[0], 0.99)
    draw.feature_map(sheet["wanted map"], outputs[0], f"output {output}, ordinary", limits=limits)
    draw.feature_map(sheet["nearest map"], outputs[1], "separable", limits=limits)
    draw.feature_map(sheet["missed"], missed, f"difference: {map_error:.0%}", limits=limits)
    return sheet.says(
        f"Four filters, “{kernels}”: {wanted.numel()} weights. The nearest separable convolution with depth "
        f"multiplier {depth_multiplier} has {cost} and misses their kernels by {error:.0%}, output {output} "
        f"on this photo by {map_error:.0%}."
    )


def _draw_filters(ax: Axes, weights: Tensor, title: str, scale: Tensor, chosen: int) -> None:
    """Filters (rows) on the red, green and blue channel (columns), the chosen one in a frame."""
    maps, limits = weights.flatten(0, 1), draw.symmetric(scale)
    draw.tiles(ax, maps, len(COLOURS), title, palette.KERNEL, limits=limits, cmap=palette.DIVERGING)
    page.frame(ax, title, palette.KERNEL, size=palette.LABEL, linewidth=1.5)
    page.name_ticks(ax.yaxis, range(4), np.arange(4) + 0.5)
    page.name_ticks(ax.xaxis, COLOURS, np.arange(3) + 0.5, labelsize=palette.SMALL)
    draw.outline(ax, chosen + 0.5, 0.5, (1, len(COLOURS)), palette.INK, rim=0)


def answer_blue(channel: str) -> dict[str, Any]:
    """The outputs of the two steps that a channel's kernel reaches."""
    reached = [name for name, shares in zip(OUTPUTS, MIXES, strict=True) if shares[COLOURS.index(channel)]]
    return {"answer": len(reached), "outputs": len(OUTPUTS), "reached": " and ".join(reached)}


def answer_maps(channels: int, kernel_size: int, multiplier: int = 1) -> dict[str, Any]:
    """The maps that a depthwise layer makes."""
    spec = ConvSpec(channels, channels * multiplier, kernel_size, groups=channels)
    return {"answer": spec.weight_shape[0], "taps": kernel_size**2, "weights": spec.num_weights}


def answer_low_share(kernel_size: int, percent: float) -> dict[str, Any]:
    """The fewest output channels with which the share of the ordinary cost is below so many percent."""
    area, least = kernel_size**2, 100 / kernel_size**2
    equal = 100 / (percent - least)
    shown = {"area": area, "equal": equal, "alone": 100 / percent, "floor": least, "rest": percent - least}
    return shown | {"answer": floor(equal + 1e-6) + 1}


def answer_four_angles(kernels: str) -> dict[str, Any]:
    """The rank of the filters of one channel: as many depthwise kernels make them exactly."""
    on_red = _filters()[kernels][:, 0].flatten(1)
    return {"answer": torch.linalg.matrix_rank(on_red).item(), "angles": len(on_red)}


def answer_exact(multiplier: int) -> dict[str, Any]:
    """The first of the lesson's filters that so many depthwise kernels for each channel make exactly."""
    (first, *_) = (name for name in _filters() if answer_four_angles(name)["answer"] == multiplier)
    return {"answer": first}


def answer_dearer(layers: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Which of these layers has more weights when it is separable."""
    counts = {name: [spec.num_weights for spec in _layers(*layer).values()] for name, layer in layers.items()}
    (dearer,) = (name for name, (ordinary, *halves) in counts.items() if sum(halves) > ordinary)
    return {"answer": dearer}


def answer_first_bias(in_channels: int, out_channels: int) -> dict[str, Any]:
    """Which bias the other can stand in for: behind the 1×1, both add one number to each output."""
    reached = torch.linalg.matrix_rank(torch.randn(out_channels, in_channels)).item()
    return {"answer": "depthwise" if reached < out_channels else "either"}


def answer_activation(channels: int, size: int) -> dict[str, Any]:
    """The numbers that a ReLU reads and writes."""
    moved = cost(nn.Sequential(nn.ReLU()), (channels, size, size)).bytes // 4
    return {"answer": moved, "once": moved // 2, "map": moved // channels}


def _coffee(height: int, width: int, channels: int) -> Tensor:
    """A photo whose colours are repeated until there are so many channels."""
    return photo("coffee", (height, width))[:, torch.arange(channels) % 3]


def task_layer(
    answer: Any, of: str, in_channels: int, out_channels: int, size: list[int], **changed: int
) -> tuple[Any, Any]:
    """Of a reader's layer the shape of a half's weight, a count, or the shape or maps that it makes."""
    own: dict[str, Any] = {"kernel_size": 3, "stride": 1, "padding": 1} | changed
    image, layer = _coffee(size[0], size[1], in_channels), answer(in_channels, out_channels, *own.values())
    if (yours := layer(image)) is None:
        return image, None
    halves = nn.Sequential()
    halves.depthwise = nn.Conv2d(in_channels, in_channels, **own, groups=in_channels)
    halves.pointwise = nn.Conv2d(in_channels, out_channels, 1)
    if of == "maps":
        for half, mine in zip(halves, (layer.depthwise, layer.pointwise), strict=True):
            half.load_state_dict(mine.state_dict())
        return halves(image).detach(), yours

    def figure(module: nn.Module) -> Any:
        if of in ("depthwise", "pointwise"):
            return list(getattr(module, of).weight.shape)
        return list(module(image).shape) if of == "shape" else getattr(cost(module, image.shape), of)

    return figure(halves), figure(layer)


SPATIAL = ("Sobel x", "sharpen", "emboss", "Sobel y", "box blur", "Laplacian")


def task_merge(
    answer: Any, in_channels: int, out_channels: int, kernel_size: list[int], multiplier: int = 0
) -> tuple[Any, Any]:
    """A photo through two steps, and through the one kernel that a reader makes of them."""
    image, maps = _coffee(40, 56, in_channels), in_channels * (multiplier or 1)
    height, width = kernel_size
    taps = [kernel(name, max(kernel_size))[:height, :width] for name in SPATIAL[:maps]]
    depthwise, pointwise = torch.stack(taps)[:, None], torch.randn(out_channels, maps, 1, 1)
    yours = answer(depthwise, pointwise, *([in_channels] if multiplier else []))
    shape = (out_channels, in_channels, height, width)
    if getattr(yours, "shape", shape) != shape:
        return list(shape), list(yours.shape)
    target = F.conv2d(F.conv2d(image, depthwise, groups=in_channels), pointwise)
    return target, F.conv2d(image, yours)


task_merge_many = task_merge
