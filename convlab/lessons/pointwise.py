"""The pictures of lesson 01: channels mixed at one pixel, what stacking adds, and what a bottleneck saves."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn.functional import conv2d

from convlab.arithmetic import ConvSpec
from convlab.checks import check_one_of, check_pair, check_whole
from convlab.images import COLOURS, Photo, as_photo
from convlab.kernels import COLOUR_KERNELS
from convlab.measure.costs import cost as cost_of
from convlab.measure.reach import measure_receptive_field
from convlab.networks import resnet50
from convlab.pictures import charts, draw, page, palette, words

RGB = ("R", "G", "B")

# What each mix makes of red, green and blue, one name for each output channel.
MIXES = {
    "luma": ("luma",),
    "sepia": RGB,
    "red minus green": ("R − G",),
    "opponent colours": ("luma", "R − G", "Y − B"),
    "principal components": ("PC 1", "PC 2", "PC 3"),
}

# W3C, Filter Effects Module Level 1: sepia at 100 %.
_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


def _principal_components(image: Tensor) -> Tensor:
    """Directions in which the photo's colours spread most, most first; each with red positive."""
    colours = image[0].flatten(1).double()
    _, directions = torch.linalg.eigh(torch.cov(colours))  # columns, least first
    rows = directions.T.flip(0)
    return torch.where(rows[:, :1] < 0, -rows, rows).float()


def mix_matrix(name: str, image: Photo) -> Tensor:
    """The named mix of red, green and blue as a matrix of shape (out_channels, 3).

    Parameters
    ----------
    name : str
        One of ``MIXES``, which also names the output channels. Luma: ITU-R BT.601. Sepia: W3C,
        Filter Effects Module. Opponent colours: Hurvich and Jameson, 1957. Principal components:
        eigenvectors of the covariance of the photo's own colours.
    image : photo
        Only the principal components depend on it.

    Raises
    ------
    ValueError
        For an unknown name, or what is no photo.
    """
    image = as_photo(image, channels=3)
    if check_one_of("name", name, MIXES) == "principal components":
        return _principal_components(image)
    luma, red_green, blue_yellow, _ = torch.tensor(list(COLOUR_KERNELS.values())).split(1)
    rows = {
        "luma": luma,
        "sepia": torch.tensor(_SEPIA),
        "red minus green": red_green,
        "opponent colours": torch.cat([luma, red_green, -blue_yellow]),
    }
    return rows[name]


def show_mix(image: Photo, *, mix: str = "opponent colours") -> page.Picture:
    """A photo, a 1×1 kernel as the matrix that it is, and the maps (or the photo) that come out.

    Parameters
    ----------
    image : photo
        Taken in colour.
    mix : str
        One of ``MIXES``.

    Raises
    ------
    ValueError
        For what is no photo, or an unknown mix.
    """
    image = as_photo(image, channels=3)
    weights = mix_matrix(check_one_of("mix", mix, MIXES), image)
    outputs = conv2d(image, weights[:, :, None, None])
    names = MIXES[mix]
    size = words.size(image.shape[-2:])
    alone = names == RGB or len(names) == 1  # one large picture comes out
    made = ("output",) if alone else tuple(f"out {name}" for name in names)
    matrix = page.panel("matrix", 2.4, 2.4, left=0.5, below=0.25)
    if alone:
        left = page.down(page.panel("photo", 2.4, 2.4, left=0.5), matrix)
        block = page.across(left, page.panel("output", 5.35, 5.35), gap=1.2)
    else:
        above = page.panels(("photo", *COLOURS), 2.4, 2.4, gap=0.2)
        maps = page.panels(made, 2.4, 2.4, gap=0.2, below=0.25)
        block = page.down(above, page.across(matrix, maps, gap=0.2))
    sheet = page.blank(block)
    draw.photo(sheet["photo"], image)
    draw.kernel(sheet["matrix"], weights, title=f"1×1 kernel, 3→{len(names)}")
    page.name_ticks(sheet["matrix"].xaxis, RGB)
    page.name_ticks(sheet["matrix"].yaxis, names)
    if names == RGB:
        draw.photo(sheet["output"], outputs, f"output {size}", colour=palette.OUTPUT)
    else:
        for label, name, values in zip(made, names, outputs[0], strict=True):
            draw.feature_map(sheet[label], values, f"{name}, {size}" if alone else name)
    for colour, values in zip(() if alone else COLOURS, image[0], strict=False):
        draw.feature_map(sheet[colour], values, colour, colour=palette.INPUT)
    each = zip(names, outputs[0], strict=True)
    spread = ", ".join(f"{name} {words.number(values.std().item())}" for name, values in each)
    return sheet.says(
        f"{mix.capitalize()}: a 1×1 kernel of {len(names)}×3 = {weights.numel()} weights makes "
        f"{words.count(len(names), 'channel')} of 3, and {size} stays {size}. "
        f"Standard deviation of what comes out: {spread}."
    )


def show_weighted_sum(
    image: Photo, *, red_percent: int = 100, green_percent: int = -100, blue_percent: int = 0
) -> page.Picture:
    """Red, green and blue of a photo, each times its weight, and their sum: one 1×1 filter.

    Parameters
    ----------
    image : photo
        Taken in colour.
    red_percent, green_percent, blue_percent : int
        The three weights, in hundredths, from −1,000 to 1,000.

    Raises
    ------
    ValueError
        For what is no photo, or another weight.
    """
    given = {"red_percent": red_percent, "green_percent": green_percent, "blue_percent": blue_percent}
    weights = [check_whole(name, percent, -1000, 1000) / 100 for name, percent in given.items()]
    image = as_photo(image, channels=3)
    output = conv2d(image, torch.tensor(weights)[None, :, None, None])
    sheet = page.blank(page.panels((*COLOURS, "output"), 2.4, 2.4, gap=0.36))
    terms = [f"{words.short(weight)} × {name}" for weight, name in zip(weights, COLOURS, strict=True)]
    for colour, values, term, sign in zip(COLOURS, image[0], terms, "++=", strict=True):
        draw.feature_map(sheet[colour], values, term, colour=palette.INPUT)
        page.sign(sheet[colour], sign, 0.36)
        height = values.shape[0]  # its weight is −1 at the foot and 1 at the top
        sheet.touch(colour, y=f"{colour}_percent", origin=(height / 2, 0), step=(-height / 220, 0))
    draw.feature_map(sheet["output"], output, "output")
    low, mean, high = (words.number(value.item()) for value in (output.min(), output.mean(), output.max()))
    return sheet.says(
        f"The sum of {', '.join(terms)}: the output lies between {low} and {high}, with mean {mean}."
    )


def best_single_layer(inputs: Tensor, target: Tensor) -> Tensor:
    """What the one 1×1 layer (weights and biases) that comes nearest to `target` makes of `inputs`.

    Parameters
    ----------
    inputs : Tensor, (1, C, H, W)
    target : Tensor, (1, D, H, W)

    Returns
    -------
    Tensor, (1, D, H, W)
        The least-squares fit over all pixels.
    """
    pixels = inputs[0].flatten(1).T.double()
    pixels = torch.cat([pixels, torch.ones(len(pixels), 1, dtype=torch.float64)], dim=1)
    wanted = target[0].flatten(1).T.double()
    # The normal equations: as many unknowns as channels, however many the pixels.
    weights = torch.linalg.lstsq(pixels.T @ pixels, pixels.T @ wanted).solution
    return (pixels @ weights).T.reshape(target.shape).to(target.dtype)


def show_collapse(image: Photo, *, between: str = "ReLU", middle: int = 8) -> page.Picture:
    """Two stacked 1×1 layers, 3 → middle → 1, beside the best that one 1×1 layer can do instead.

    Parameters
    ----------
    image : photo
        Taken in colour.
    between : str
        "nothing" or "ReLU": what stands between the two layers.
    middle : int
        Channels between them, from 1 to 64.

    Raises
    ------
    ValueError
        For another image, or a value that is not offered.

    Notes
    -----
    The weights are random, the same in each call. The biases of the first layer put the zero of each
    middle channel at the photo's mean colour, so that a ReLU has something to cut off; that of the
    second makes the mean of the target zero. The relative error is the residual's norm over the
    target's.
    """
    check_one_of("between", between, ("nothing", "ReLU"))
    middle = check_whole("middle", middle, 1, 64)
    image = as_photo(image, channels=3)
    random = torch.Generator().manual_seed(27)
    first = torch.randn(64, 3, generator=random)[:middle, :, None, None]
    second = torch.randn(1, 64, generator=random)[:, :middle, None, None] / sqrt(middle)
    hidden = conv2d(image - image.mean((2, 3), keepdim=True), first)
    target = conv2d(hidden.relu() if between == "ReLU" else hidden, second)
    target = target - target.mean()
    fit = best_single_layer(image, target)
    residual = target - fit
    error = (residual.norm() / target.norm().clamp(min=1e-3)).item()  # 0 for a photo of one colour
    sheet = page.blank(page.panels(("photo", "target", "fit", "residual"), 2.5, 2.5, gap=0.17))
    draw.photo(sheet["photo"], image)
    limits = draw.symmetric(target, 0.98)  # one scale, or rounding errors would look as large as the photo
    maps = {"target": ("two layers", target), "fit": ("best one layer", fit)}
    for label, (title, values) in (maps | {"residual": ("what it misses", residual)}).items():
        draw.feature_map(sheet[label], values, title, limits=limits)
    relative = "below 0.0001, which is rounding" if error < 1e-4 else f"{error:.2f}"
    return sheet.says(
        f"Two 1×1 layers, 3→{middle}→1, with {between} between, and the best single 1×1 layer in their "
        f"place: relative error {relative}."
    )


def bottleneck(channels: int, middle: int, kernel_size: int) -> tuple[ConvSpec, ConvSpec, ConvSpec]:
    """1×1 down to `middle` channels, kernel_size there, 1×1 back up: height and width are kept.

    Raises
    ------
    ValueError
        For a number that no convolution has.
    """
    channels, middle = check_whole("channels", channels, 1), check_whole("middle", middle, 1)
    check_whole("kernel_size", kernel_size, 1)
    return (
        ConvSpec(channels, middle, 1, bias=False),
        ConvSpec(middle, middle, kernel_size, padding="same", bias=False),
        ConvSpec(middle, channels, 1, bias=False),
    )


def break_even(channels: int, kernel_size: int) -> float:
    """The middle width at which a bottleneck costs what the direct convolution costs.

    The positive root of k² m² + 2 C m = k² C², for C channels and a k×k kernel.
    """
    area = kernel_size**2
    return channels * (sqrt(1 + area**2) - 1) / area


def _millions(macs: int) -> str:
    return f"{macs / 1e6:,.0f} M multiply-adds"


def show_bottleneck(
    *, middle: int = 64, kernel_size: int = 3, channels: int = 256, input_size: int | tuple[int, int] = 56
) -> page.Picture:
    """A bottleneck against the direct convolution: weights and multiply-adds, and where they break even.

    Parameters
    ----------
    middle, channels : int
        Channels inside the bottleneck, and outside it.
    kernel_size : int
        Of the convolution in the middle, and of the direct one.
    input_size : int or (int, int)
        Height and width in pixels, which both keep.

    Raises
    ------
    ValueError
        For a number that no convolution has.
    """
    size = check_pair("input_size", input_size, 1)
    layers = bottleneck(channels, middle, kernel_size)
    direct = ConvSpec(channels, channels, kernel_size, padding="same", bias=False)
    weights = [layer.num_weights for layer in layers]
    macs = sum(layer.macs(size) for layer in layers)
    even = break_even(channels, kernel_size)
    curve = page.panel("curve", 3.7, 3.1, left=0.5, below=0.55)
    sheet = page.blank(page.across(page.panel("bars", 6, 3.6), curve, gap=0.4))
    k = words.size(direct.kernel_size)
    rows = {
        f"direct {k}, {channels}→{channels}": ([direct], direct.macs(size)),
        f"bottleneck, {channels}→{middle}→{middle}→{channels}": (layers, macs),
    }
    _draw_two_bars(sheet["bars"], rows, f"weights, and multiply-adds on {words.size(size)}")
    _draw_break_even(sheet["curve"], middle, kernel_size, channels)
    sheet.touch("curve", x="middle")
    share = sum(weights) / direct.num_weights
    return sheet.says(
        f"Bottleneck {channels}→{middle}→{middle}→{channels}, {k} in the middle: {sum(weights):,} weights "
        f"and {_millions(macs)} on {words.size(size)}, {share:.0%} of the direct {k} with "
        f"{direct.num_weights:,} and {_millions(direct.macs(size))}. "
        f"Break-even is at {even:.1f} channels in the middle."
    )


def _draw_two_bars(ax: Axes, rows: Mapping[str, tuple[Sequence[ConvSpec], int]], title: str) -> None:
    """For each row (specs, multiply-adds) a bar of its weights in pieces, under its name and over its sum."""
    most = 0
    for place, (name, (specs, macs)) in enumerate(rows.items()):
        left = 0
        for spec in specs:
            style = {"color": palette.of_kind(spec.kind), "edgecolor": "white", "linewidth": 1}
            label = f"{words.size(spec.kernel_size)}, {spec.in_channels}→{spec.out_channels}, weights"
            ax.barh(place, spec.num_weights, 0.34, left, label=label, **style)
            left += spec.num_weights
        parts = " + ".join(f"{words.size(spec.kernel_size)}: {spec.num_weights:,}" for spec in specs)
        page.write(ax, 0, place - 0.22, name, fontsize=palette.TITLE, va="bottom")
        below = f"{left:,} weights · {_millions(macs)}" + f"\n= {parts}" * (len(specs) > 1)
        page.write(ax, 0, place + 0.22, below, va="top", linespacing=1.4)
        most = max(most, left)
    page.frame(ax, title).set(xlim=(0, 1.02 * most), ylim=(1.65, -0.5))
    page.thin_sides(ax)


def _draw_break_even(ax: Axes, middle: int, kernel_size: int, channels: int) -> None:
    """Weights of a bottleneck, in per cent of the direct convolution's, against its middle width."""
    area = kernel_size**2

    def share(m: float) -> float:
        return 100 * (2 * channels * m + area * m**2) / (area * channels**2)

    widths = [channels * step / 40 for step in range(41)]
    even = break_even(channels, kernel_size)
    top = max(1.1 * share(max(channels, middle)), 145)  # room for the labels above the line at 100 %
    orange = palette.of_kind("pointwise")
    ax.axhline(100, color=palette.of_kind("ordinary"), linewidth=2, linestyle="--")
    ax.plot([even, even], [0, 100], color=palette.MUTED, linewidth=1.5, linestyle=":")
    ax.plot(widths, [share(m) for m in widths], color=orange, linewidth=3)
    ax.plot(middle, share(middle), "o", color=orange, markersize=12, markeredgecolor=palette.INK)
    mark = {"color": "white", "markeredgecolor": palette.INK, "markeredgewidth": 2}
    ax.plot(even, 100, "D", markersize=9, **mark)
    page.write(ax, 0.03, 0.93, f"break-even ◇ at {even:.1f}", transform=ax.transAxes)
    page.write(ax, 0.03, 0.83, f"here ● {share(middle):.0f} %", transform=ax.transAxes)
    page.frame(ax, "% of the direct convolution")
    ax.set(xlim=(0, 1.04 * max(channels, middle)), ylim=(0, top))
    quarters = [channels * step // 4 for step in range(5)]
    charts.box(ax, quarters, (0, 50, 100), "channels in the middle", pad=4)


def answer_one_filter(channels: int) -> dict[str, Any]:
    """The weights of one 1×1 filter, and of the usual 3×3 on one channel and on all."""
    shapes = {"answer": (channels, 1), "flat": (1, 3), "deep": (channels, 3)}
    return {name: ConvSpec(each, 1, k).num_weights for name, (each, k) in shapes.items()} | {"usual": 3}


def answer_shuffled_pixels(kernel_size: int) -> dict[str, Any]:
    """Whether pixels may be shuffled, and put back behind a layer: where it sees one of them alone."""
    seen = measure_receptive_field(ConvSpec(3, 1, kernel_size).module(), (3, 33, 33)).support.sum()
    return {"answer": "same" if seen == 1 else "noise"}  # as long as one pixel is all that it needs


def answer_many_maps(size: int, in_channels: int, out_channels: int) -> dict[str, Any]:
    """The weights of a 1×1 layer, and the places where they are used."""
    spec, positions = ConvSpec(in_channels, out_channels, 1, bias=True), size**2
    wrong = {"biased": spec.num_parameters, "macs": spec.macs(size)}
    wrong |= {"inputs": in_channels * positions, "outputs": out_channels * positions}
    return wrong | {"answer": spec.num_weights, "positions": positions}


def answer_two_in_a_row(in_channels: int, middle: int, out_channels: int) -> dict[str, Any]:
    """The weights of the one matrix that two make."""
    first, second = torch.ones(middle, in_channels), torch.ones(out_channels, middle)
    both = {"first": first.numel(), "second": second.numel(), "both": first.numel() + second.numel()}
    return both | {"answer": (second @ first).numel()}


def answer_bottleneck(channels: int, middle: int, kernel_size: int) -> dict[str, Any]:
    """The weights of a bottleneck, in per cent of those of the direct convolution."""
    each = [layer.num_weights for layer in bottleneck(channels, middle, kernel_size)]
    direct = ConvSpec(channels, channels, kernel_size).num_weights
    shown = {"each": each, "all": sum(each), "direct": direct, "area": kernel_size**2}
    share, inside = 100 * sum(each) / direct, 100 * each[1] / direct
    wrong = {"saved": 100 - share, "inside": inside, "narrower": 100 * middle / channels}
    return shown | wrong | {"answer": share}


def answer_share(size: int) -> dict[str, Any]:
    """The part of ResNet-50's multiply-adds that is pointwise, in per cent."""
    with torch.device("meta"):  # shapes without memory
        network = resnet50()
    whole, middle = cost_of(network, (3, size, size)), network.get_submodule("features.2.body.1.0")
    pointwise, area = whole.kinds["pointwise"], next(middle.parameters())[0, 0].numel()
    counted = sum(len(kind.layers) for kind in whole.kinds.values())
    layers, share = (100 * part for part in (len(pointwise.layers) / counted, pointwise.macs / whole.macs))
    wrong = {"ninth": 100 / area, "alike": 100 * 2 / (2 + area), "layers": layers}
    return wrong | {"answer": share, "whole": whole, "middle": middle}
