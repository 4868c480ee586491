"""The pictures of lesson 01: channels mixed at one pixel, what stacking adds, and what a bottleneck saves."""

from __future__ import annotations

from math import sqrt

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import conv2d

from convlab.arithmetic import ConvSpec
from convlab.checks import check_pair, check_whole
from convlab.images import COLOURS, check_photo
from convlab.kernels import COLOUR_KERNELS
from convlab.measure.costs import cost as cost_of
from convlab.measure.reach import measure_receptive_field
from convlab.networks import resnet50
from convlab.pictures import palette
from convlab.pictures.drawings import draw_kernel, draw_map, draw_photo, plain, times
from convlab.pictures.page import Picture, blank

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


def mix_matrix(name: str, image: Tensor) -> Tensor:
    """The named mix of red, green and blue as a matrix of shape (out_channels, 3).

    Parameters
    ----------
    name : str
        One of ``MIXES``, which also names the output channels. Luma: ITU-R BT.601. Sepia: W3C,
        Filter Effects Module. Opponent colours: Hurvich and Jameson, 1957. Principal components:
        eigenvectors of the covariance of the photo's own colours.
    image : Tensor, (1, 3, H, W)
        The photo; only the principal components depend on it.

    Raises
    ------
    ValueError
        For an unknown name, or an image that is no colour photo.
    """
    check_photo(image, 3)
    if name not in MIXES:
        raise ValueError(f"name={name!r} must be one of: {', '.join(MIXES)}")
    if name == "principal components":
        return _principal_components(image)
    luma, red_green, blue_yellow, _ = torch.tensor(list(COLOUR_KERNELS.values())).split(1)
    rows = {
        "luma": luma,
        "sepia": torch.tensor(_SEPIA),
        "red minus green": red_green,
        "opponent colours": torch.cat([luma, red_green, -blue_yellow]),
    }
    return rows[name]


def show_mix(image: Tensor, *, mix: str = "opponent colours", figure: Figure | None = None) -> Picture:
    """A photo, a 1×1 kernel as the matrix that it is, and the maps (or the photo) that come out.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo with values in [0, 1].
    mix : str
        One of ``MIXES``.

    Raises
    ------
    ValueError
        For another image, or an unknown mix.
    """
    weights = mix_matrix(mix, image)
    outputs = conv2d(image, weights[:, :, None, None])
    names = MIXES[mix]
    size = times(image.shape[-2:])
    side, big, left, pitch = 2.4, 5.35, 0.72, 2.6
    low, high = 0.35, 3.3
    boxes = {"photo": (left, high, side, side), "matrix": (left, low, side, side)}
    columns = [left + pitch * column for column in (1, 2, 3)]
    in_colour = names == RGB
    if in_colour or len(names) == 1:
        boxes["output"] = (left + pitch + 1.2, low, big, big)
    else:
        boxes |= {colour: (x, high, side, side) for colour, x in zip(COLOURS, columns, strict=True)}
        boxes |= {f"out {name}": (x, low, side, side) for name, x in zip(names, columns, strict=True)}
    figure, axes = blank(figure, (11, 6.15), boxes)
    draw_photo(axes["photo"], image)
    draw_kernel(axes["matrix"], weights, title=f"1×1 kernel, 3→{len(names)}")
    axes["matrix"].set_xticks(range(3), RGB, fontsize=palette.LABEL)
    axes["matrix"].set_yticks(range(len(names)), names, fontsize=palette.LABEL)
    axes["matrix"].tick_params(length=0)
    if in_colour:
        draw_photo(axes["output"], outputs, f"output {size}", colour=palette.OUTPUT)
    elif len(names) == 1:
        draw_map(axes["output"], outputs, f"{names[0]}, {size}")
    else:
        for channel, colour in enumerate(COLOURS):
            draw_map(axes[colour], image[:, channel], colour, colour=palette.INPUT)
        for channel, name in enumerate(names):
            draw_map(axes[f"out {name}"], outputs[:, channel], name)
    spread = ", ".join(
        f"{name} {plain(values.std().item())}" for name, values in zip(names, outputs[0], strict=True)
    )
    return Picture(
        figure,
        f"{mix.capitalize()}: a 1×1 kernel of {len(names)}×3 = {weights.numel()} weights makes "
        f"{len(names)} channel{'s' * (len(names) > 1)} of 3, and {size} stays {size}. "
        f"Standard deviation of what comes out: {spread}.",
    )


def show_weighted_sum(
    image: Tensor,
    *,
    red_percent: int = 100,
    green_percent: int = -100,
    blue_percent: int = 0,
    figure: Figure | None = None,
) -> Picture:
    """Red, green and blue of a photo, each times its weight, and their sum: one 1×1 filter.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo with values in [0, 1].
    red_percent, green_percent, blue_percent : int
        The three weights, in hundredths.

    Raises
    ------
    ValueError
        For another image.
    """
    weights = [percent / 100 for percent in (red_percent, green_percent, blue_percent)]
    output = conv2d(check_photo(image, 3), torch.tensor(weights)[None, :, None, None])
    side, left, gap = 2.42, 0.1, 0.36
    places = [left + (side + gap) * column for column in range(4)]
    boxes = {name: (x, 0.1, side, side) for name, x in zip((*COLOURS, "output"), places, strict=True)}
    figure, axes = blank(figure, (places[-1] + side + 0.1, side + 0.6), boxes)
    factors = [f"{weight:g}".replace("-", "−") for weight in weights]
    terms = [f"{factor} × {colour}" for factor, colour in zip(factors, COLOURS, strict=True)]
    for channel, (colour, term, sign) in enumerate(zip(COLOURS, terms, "++=", strict=True)):
        ax = draw_map(axes[colour], image[:, channel], term, colour=palette.INPUT)
        at = {"x": 1 + gap / 2 / side, "y": 0.5, "transform": ax.transAxes}
        ax.text(**at, s=sign, fontsize=22, ha="center", va="center")
    draw_map(axes["output"], output, "output")
    return Picture(
        figure,
        f"The sum of {', '.join(terms)}: the output lies between {plain(output.min().item())} and "
        f"{plain(output.max().item())}, with mean {plain(output.mean().item())}.",
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


def show_collapse(
    image: Tensor, *, between: str = "ReLU", middle: int = 8, figure: Figure | None = None
) -> Picture:
    """Two stacked 1×1 layers, 3 → middle → 1, beside the best that one 1×1 layer can do instead.

    Parameters
    ----------
    image : Tensor, (1, 3, H, W)
        A colour photo with values in [0, 1].
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
    if between not in ("nothing", "ReLU"):
        raise ValueError(f'between={between!r} must be "nothing" or "ReLU"')
    check_whole("middle", middle, 1, 64)
    check_photo(image, 3)
    random = torch.Generator().manual_seed(27)
    first = torch.randn(64, 3, generator=random)[:middle, :, None, None]
    second = torch.randn(1, 64, generator=random)[:, :middle, None, None] / sqrt(middle)
    hidden = conv2d(image - image.mean((2, 3), keepdim=True), first)
    target = conv2d(hidden.relu() if between == "ReLU" else hidden, second)
    target = target - target.mean()
    fit = best_single_layer(image, target)
    residual = target - fit
    error = (residual.norm() / target.norm().clamp(min=1e-3)).item()  # 0 for a photo of one colour
    side, pitch = 2.55, 2.72
    names = ("photo", "target", "fit", "residual")
    boxes = {name: (0.12 + pitch * column, 0.1, side, side) for column, name in enumerate(names)}
    figure, axes = blank(figure, (0.24 + pitch * 3 + side, side + 0.6), boxes)
    draw_photo(axes["photo"], image)
    draw_map(axes["target"], target, "two layers")
    draw_map(axes["fit"], fit, "best one layer")
    draw_map(axes["residual"], residual, "what it misses")
    # The three maps share one scale, or rounding errors would look as large as the photo.
    limit = max(target.abs().quantile(0.98).item(), 1e-9)
    for name in names[1:]:
        axes[name].images[0].set_clim(-limit, limit)
    relative = "below 0.0001, which is rounding" if error < 1e-4 else f"{error:.2f}"
    return Picture(
        figure,
        f"Two 1×1 layers, 3→{middle}→1, with {between} between, and the best single 1×1 layer in their "
        f"place: relative error {relative}.",
    )


def bottleneck(channels: int, middle: int, kernel_size: int) -> tuple[ConvSpec, ConvSpec, ConvSpec]:
    """1×1 down to `middle` channels, kernel_size there, 1×1 back up: height and width are kept.

    Raises
    ------
    ValueError
        For a number that no convolution has.
    """
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
    *,
    middle: int = 64,
    kernel_size: int = 3,
    channels: int = 256,
    input_size: int | tuple[int, int] = 56,
    figure: Figure | None = None,
) -> Picture:
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
    direct = ConvSpec(channels, channels, kernel_size, padding="same", bias=False)
    layers = bottleneck(channels, middle, kernel_size)
    weights = [layer.num_weights for layer in layers]
    macs = sum(layer.macs(size) for layer in layers)
    even = break_even(channels, kernel_size)
    figure, axes = blank(figure, (11, 4.3), {"bars": (0.15, 0.3, 6.0, 3.55), "curve": (7.1, 0.75, 3.7, 3.1)})
    k = times(direct.kernel_size)
    _draw_two_bars(
        axes["bars"],
        (
            (f"direct {k}, {channels}→{channels}", [direct]),
            (f"bottleneck, {channels}→{middle}→{middle}→{channels}", layers),
        ),
        (_millions(direct.macs(size)), _millions(macs)),
        f"weights, and multiply-adds on {times(size)}",
    )
    _draw_break_even(axes["curve"], middle, kernel_size, channels)
    share = sum(weights) / direct.num_weights
    return Picture(
        figure,
        f"Bottleneck {channels}→{middle}→{middle}→{channels}, {k} in the middle: {sum(weights):,} weights "
        f"and {_millions(macs)} on {times(size)}, {share:.0%} of the direct {k} with "
        f"{direct.num_weights:,} and {_millions(direct.macs(size))}. "
        f"Break-even is at {even:.1f} channels in the middle.",
    )


def _draw_two_bars(ax: Axes, rows: tuple, costs: tuple[str, str], title: str) -> Axes:
    """For each row (name, specs) a bar of its weights in pieces, under its name and over its sum."""
    most = max(sum(spec.num_weights for spec in specs) for _, specs in rows)
    for place, ((name, specs), cost) in enumerate(zip(rows, costs, strict=True)):
        left = 0
        for spec in specs:
            kind = "pointwise" if spec.kernel_size == (1, 1) else "ordinary"
            ax.barh(
                place,
                spec.num_weights,
                0.34,
                left,
                color=palette.CONVOLUTIONS[kind],
                edgecolor="white",
                linewidth=1,
            )
            left += spec.num_weights
        parts = " + ".join(f"{times(spec.kernel_size)}: {spec.num_weights:,}" for spec in specs)
        ax.text(0, place - 0.22, name, fontsize=palette.TITLE, color=palette.INK, va="bottom")
        below = f"{left:,} weights · {cost}" + f"\n= {parts}" * (len(specs) > 1)
        ax.text(0, place + 0.22, below, fontsize=palette.LABEL, color=palette.INK, va="top", linespacing=1.4)
    ax.set(xlim=(0, 1.02 * most), ylim=(1.65, -0.5), xticks=[], yticks=[])
    ax.set_title(title, fontsize=palette.TITLE, color=palette.INK, pad=7, loc="center")
    ax.set_axis_off()
    return ax


def _draw_break_even(ax: Axes, middle: int, kernel_size: int, channels: int) -> Axes:
    """Weights of a bottleneck, in per cent of the direct convolution's, against its middle width."""
    area = kernel_size**2

    def share(m: float) -> float:
        return 100 * (2 * channels * m + area * m**2) / (area * channels**2)

    widths = [channels * step / 40 for step in range(41)]
    even = break_even(channels, kernel_size)
    top = max(1.1 * share(max(channels, middle)), 145)  # room for the labels above the line at 100 %
    ax.axhline(100, color=palette.CONVOLUTIONS["ordinary"], linewidth=2, linestyle="--")
    ax.plot([even, even], [0, 100], color=palette.MUTED, linewidth=1.5, linestyle=":")
    ax.plot(widths, [share(m) for m in widths], color=palette.CONVOLUTIONS["pointwise"], linewidth=3)
    ax.plot(
        middle,
        share(middle),
        "o",
        color=palette.CONVOLUTIONS["pointwise"],
        markersize=12,
        markeredgecolor=palette.INK,
    )
    ax.plot(even, 100, "D", color="white", markersize=9, markeredgecolor=palette.INK, markeredgewidth=2)
    ax.text(
        0.03, 0.96, f"break-even ◇ at {even:.1f}", fontsize=palette.LABEL, va="top", transform=ax.transAxes
    )
    ax.text(
        0.03, 0.86, f"here ● {share(middle):.0f} %", fontsize=palette.LABEL, va="top", transform=ax.transAxes
    )
    ax.set(xlim=(0, 1.04 * max(channels, middle)), ylim=(0, top))
    ax.set_title("% of the direct convolution", fontsize=palette.TITLE, color=palette.INK, pad=7)
    ticks = [channels * step // 4 for step in range(5)]
    ax.set_xticks(ticks, map(str, ticks), fontsize=palette.LABEL)
    ax.set_yticks([0, 50, 100], ["0", "50", "100"], fontsize=palette.LABEL)
    ax.set_xlabel("channels in the middle", fontsize=palette.LABEL)
    return ax


# What the questions of this lesson, in pointwise.toml, ask for: computed from what each gives.


def answer_one_filter(channels: int) -> dict[str, object]:
    """The weights of one 1×1 filter."""
    return {"answer": ConvSpec(channels, 1, 1).num_weights}


def answer_shuffled_pixels(kernel_size: int) -> dict[str, object]:
    """Whether pixels may be shuffled, and put back behind a layer: where it sees one of them alone."""
    seen = measure_receptive_field(ConvSpec(3, 1, kernel_size).module(), (3, 33, 33)).support.sum()
    return {"answer": "same" if seen == 1 else "noise"}  # as long as one pixel is all that it needs


def answer_many_maps(size: int, in_channels: int, out_channels: int) -> dict[str, object]:
    """The weights of a 1×1 layer, and the places where they are used."""
    return {"answer": ConvSpec(in_channels, out_channels, 1).num_weights, "positions": size**2}


def answer_two_in_a_row(in_channels: int, middle: int, out_channels: int) -> dict[str, object]:
    """The weights of the one matrix that two make."""
    return {"answer": (torch.ones(out_channels, middle) @ torch.ones(middle, in_channels)).numel()}


def answer_bottleneck(channels: int, middle: int, kernel_size: int) -> dict[str, object]:
    """The weights of a bottleneck, in per cent of those of the direct convolution."""
    each = [layer.num_weights for layer in bottleneck(channels, middle, kernel_size)]
    direct = ConvSpec(channels, channels, kernel_size).num_weights
    shown = {"each": each, "all": sum(each), "direct": direct, "area": kernel_size**2}
    return shown | {"answer": 100 * sum(each) / direct}


def answer_share(size: int) -> dict[str, object]:
    """The part of ResNet-50's multiply-adds that is pointwise, in per cent."""
    with torch.device("meta"):  # shapes without memory
        network = resnet50()
    whole, middle = cost_of(network, (3, size, size)), network.features[2].body[1][0]
    share = whole.kinds["pointwise"].macs / whole.macs
    return {"answer": 100 * share, "whole": whole, "middle": middle}
