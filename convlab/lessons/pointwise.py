"""The pictures of lesson 01: channels mixed at one pixel, what stacking adds, and what a bottleneck saves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import floor, sqrt
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn.functional import conv2d

from convlab.arithmetic import ConvSpec
from convlab.checks import Pair, check_one_of, check_pair, check_whole
from convlab.images import COLOURS, Photo, as_photo, photo
from convlab.kernels import COLOUR_KERNELS
from convlab.measure.costs import cost as cost_of
from convlab.measure.reach import measure_receptive_field
from convlab.networks import resnet50
from convlab.pictures import charts, draw, page, palette, words
from convlab.pictures.figures import show_beside

RGB = ("R", "G", "B")

# 1×1 kernels that people know: for each channel that comes out, the weights of red, green and blue.
# Sepia at 100 %: W3C, Filter Effects Module Level 1.
_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
_LUMA, _RED_GREEN, _BLUE_YELLOW = (COLOUR_KERNELS[n] for n in ("luma", "red − green", "blue − yellow"))
MIXES: dict[str, dict[str, tuple[float, ...]]] = {
    "luma": {"luma": _LUMA},
    "sepia": dict(zip(RGB, _SEPIA, strict=True)),
    "opponent colours": {"luma": _LUMA, "R − G": _RED_GREEN, "Y − B": tuple(-w for w in _BLUE_YELLOW)},
}

# What a reader starts from, and is to find, in numbers that the hand can reach.
MATRICES = {"as it is": torch.eye(3), "nothing": torch.zeros(3, 3)}
TARGETS = {
    "red and blue swapped": torch.eye(3).flip(0),
    "grey from ¼, ½, ¼": torch.tensor([[0.25, 0.5, 0.25]]).expand(3, 3),
    "a brown, not sepia": torch.tensor([[0.5, 0.5, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.25]]),
    "stronger colours": 1.75 * torch.eye(3) - 0.25,
}


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
    names, rows = zip(*MIXES[check_one_of("mix", mix, MIXES)].items(), strict=True)
    weights, size = torch.tensor(rows), words.size(image.shape[-2:])
    outputs = _mixed(image, weights)
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
    ends = [map(words.number, torch.stack(values.aminmax()).tolist()) for values in outputs[0]]
    spans = ", ".join(f"{name} {' to '.join(pair)}" for name, pair in zip(names, ends, strict=True))
    return sheet.says(
        f"{mix.capitalize()}: a 1×1 kernel of {len(names)}×3 = {weights.numel()} weights makes "
        f"{words.count(len(names), 'channel')} of 3, and {size} stays {size}. What comes out: {spans}."
    )


def _mixed(image: Tensor, matrix: Tensor) -> Tensor:
    """The photo behind the 1×1 convolution with this matrix."""
    return conv2d(image, matrix[:, :, None, None].float())


def show_colour_target(
    image: Photo, *, target: str = "red and blue swapped", matrix: str | Tensor = "as it is"
) -> page.Picture:
    """A photo behind a colour matrix that is to be found, beside it behind one's own, and how far apart.

    Parameters
    ----------
    image : photo
        Taken in colour.
    target : str
        One of ``TARGETS``.
    matrix : str or Tensor (3, 3)
        One of ``MATRICES``, or numbers of one's own: a row for each channel that comes out.

    Raises
    ------
    ValueError
        For what is no photo, no target or no such matrix.
    """
    image = as_photo(image, channels=3)
    wanted = TARGETS[check_one_of("target", target, TARGETS)]
    if not isinstance(matrix, Tensor):
        matrix = MATRICES[check_one_of("matrix", matrix, MATRICES)]
    if matrix.shape != (3, 3) or not matrix.isfinite().all():
        raise ValueError(f"matrix of shape {tuple(matrix.shape)} must be 3×3 finite numbers")
    made, came = (_mixed(image, each).clamp(0, 1) for each in (wanted, matrix))
    beside = show_beside(made, came)
    return replace(beside, alt=f"To make: {target}. {beside.alt}")


def show_weighted_sum(
    image: Photo, *, red_percent: int = 100, green_percent: int = 0, blue_percent: int = 0
) -> page.Picture:
    """A photo, its red, green and blue, each times its weight, and their sum: one 1×1 filter.

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
    parts = image[0] * torch.tensor(weights)[:, None, None]
    output = parts.sum(0)
    # One scale for all four: the weights say how far the sum can go.
    white = max(1, sum(w for w in weights if w > 0), -sum(w for w in weights if w < 0))
    black = -white if min(weights) < 0 else 0
    scale = f"black {words.short(black)}, {'mid-grey 0, ' * (black < 0)}white {words.short(white)}"
    sheet = page.blank(page.panels(("photo", *COLOURS, "output"), 1.87, 1.87, gap=0.36, below=0.3))
    draw.photo(sheet["photo"], image)
    terms = [f"{words.short(weight)} × {name}" for weight, name in zip(weights, COLOURS, strict=True)]
    for colour, values, term, sign in zip(COLOURS, parts, terms, "++=", strict=True):
        draw.feature_map(sheet[colour], values, term, limits=(black, white), colour=palette.INPUT)
        page.sign(sheet[colour], sign, 0.36)
        height = values.shape[0]  # its weight is −1 at the foot and 1 at the top
        sheet.touch(colour, y=f"{colour}_percent", origin=(height / 2, 0), step=(-height / 220, 0))
    draw.feature_map(sheet["output"], output, "output", limits=(black, white))
    below = {"ha": "center", "va": "top", "transform": sheet["green"].transAxes}
    page.write(sheet["green"], 0.5, -0.05, f"in all four maps: {scale}", **below)
    low, mean, high = (words.number(value.item()) for value in (output.min(), output.mean(), output.max()))
    return sheet.says(
        f"The sum of {', '.join(terms)}: the output lies between {low} and {high}, with mean {mean}. "
        f"Drawn with {scale}."
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
    draw.feature_map(sheet["target"], target, "two layers", limits=limits)
    draw.feature_map(sheet["fit"], fit, "best one layer", limits=limits)
    draw.feature_map(sheet["residual"], residual, "what it misses", limits=limits)
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
    for name, number in (("channels", channels), ("middle", middle), ("kernel_size", kernel_size)):
        check_whole(name, number, 1)
    return (
        ConvSpec(channels, middle, 1, bias=False),
        ConvSpec(middle, middle, kernel_size, padding="same", bias=False),
        ConvSpec(middle, channels, 1, bias=False),
    )


def break_even(channels: int, kernel_size: int) -> float:
    """The channels in the middle with which a bottleneck costs what the direct convolution costs.

    The positive root of k² m² + 2 C m = k² C², for C channels and a k×k kernel.
    """
    area = kernel_size**2
    return channels * (sqrt(1 + area**2) - 1) / area


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
    weights, macs = _price(layers, size)
    all_weights, all_macs = _price([direct], size)
    curve = page.panel("curve", 3.7, 3.1, left=0.5, below=0.55)
    sheet = page.blank(page.across(page.panel("bars", 6, 3.6), curve, gap=0.4))
    k, path = words.size(direct.kernel_size), f"{channels}→{middle}→{middle}→{channels}"
    rows = {f"direct {k}, {channels}→{channels}": (direct,), f"bottleneck, {path}": layers}
    _draw_bars(sheet["bars"], rows, size)
    _draw_break_even(sheet["curve"], middle, kernel_size, channels)
    sheet.touch("curve", x="middle")
    return sheet.says(
        f"Bottleneck {path}, {k} in the middle: {weights:,} weights and {macs} on {words.size(size)}, "
        f"{weights / all_weights:.0%} of the direct {k} with {all_weights:,} and {all_macs}. "
        f"Break-even is at {break_even(channels, kernel_size):.1f} channels in the middle."
    )


def _price(specs: Sequence[ConvSpec], size: Pair) -> tuple[int, str]:
    """Weights, and multiply-adds in words."""
    macs = sum(spec.macs(size) for spec in specs) / 1e6
    return sum(spec.num_weights for spec in specs), f"{macs:,.0f} M multiply-adds"


def _draw_bars(ax: Axes, rows: Mapping[str, Sequence[ConvSpec]], size: Pair) -> None:
    """For each row a bar of the weights of its layers in pieces, under its name and over its price."""
    for place, (name, specs) in enumerate(rows.items()):
        left, parts = 0, []
        for spec in specs:
            k, weights = words.size(spec.kernel_size), spec.num_weights
            style = {"color": palette.of_kind(spec.kind), "edgecolor": "white", "linewidth": 1}
            label = f"{k}, {spec.in_channels}→{spec.out_channels}, weights"
            ax.barh(place, weights, 0.34, left, label=label, **style)
            left += weights
            parts.append(f"{k}: {weights:,}")
        page.write(ax, 0, place - 0.22, name, fontsize=palette.TITLE, va="bottom")
        sums = f"{left:,} weights · {_price(specs, size)[1]}"
        below = f"{sums}\n= {' + '.join(parts)}" if len(specs) > 1 else sums
        page.write(ax, 0, place + 0.22, below, va="top", linespacing=1.4)
    most = max(_price(specs, size)[0] for specs in rows.values())
    page.frame(ax, f"weights, and multiply-adds on {words.size(size)}")
    page.thin_sides(ax).set(xlim=(0, 1.02 * most), ylim=(1.65, -0.5))


def _draw_break_even(ax: Axes, middle: int, kernel_size: int, channels: int) -> None:
    """Weights of a bottleneck, in % of the direct convolution's, against the channels in its middle."""
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
    ax.plot(even, 100, "D", color="white", markersize=9, markeredgecolor=palette.INK, markeredgewidth=2)
    page.write(ax, 0.03, 0.93, f"break-even ◇ at {even:.1f}", transform=ax.transAxes)
    page.write(ax, 0.03, 0.83, f"here ● {share(middle):.0f} %", transform=ax.transAxes)
    page.frame(ax, "% of the direct convolution")
    ax.set(xlim=(0, 1.04 * max(channels, middle)), ylim=(0, top))
    quarters = [channels * step // 4 for step in range(5)]
    charts.box(ax, quarters, (0, 50, 100), "channels in the middle", pad=4)


def task_colour_matrix(answer: Callable[[float], Tensor], amount: float) -> tuple[Tensor, Any]:
    """A photo whose colours are this much stronger, and the same by the kernel that `answer` makes."""
    image, kernel = photo("coffee", (80, 120)), answer(amount)
    if getattr(kernel, "shape", None) != (3, 3, 1, 1):
        return torch.zeros(3, 3, 1, 1), kernel
    grey = _mixed(image, torch.tensor([_LUMA]))
    return grey + amount * (image - grey), conv2d(image, kernel.float())


def task_bottleneck(answer: Callable, channels: int, middle: int, of: str) -> tuple[Any, Any]:
    """What a bottleneck is made of ("kernels", "weights", "biases"), the "shape" or the "maps" it makes."""
    module, shape = answer(channels, middle), (1, channels, 20, 28)
    layers = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    if of == "shape":
        return shape, tuple(module(torch.zeros(shape)).shape)
    if of == "maps":  # of the reader's own weights, and without what is not linear
        maps, (down, inside, up) = torch.rand(shape), (each.weight.detach() for each in layers)
        return conv2d(conv2d(conv2d(maps, down), inside, padding=1), up), nn.Sequential(*layers)(maps)
    weights = sum(spec.num_weights for spec in bottleneck(channels, middle, 3))
    sizes = {dim: sum(p.numel() for p in module.parameters() if p.dim() == dim) for dim in (1, 4)}
    kernels = [(1, 1), (3, 3), (1, 1)], [each.kernel_size for each in layers]
    return {"kernels": kernels, "weights": (weights, sizes[4]), "biases": (0, sizes[1])}[of]


def task_pointwise(answer: Callable, size: Pair, rows: int, channels: int = 3) -> tuple[Tensor, Any]:
    """A photo, or two on top of each other, behind a 1×1 convolution with random weights."""
    image = torch.cat([photo(name, (size[0], size[1])) for name in ("coffee", "cat")], dim=1)[:, :channels]
    weight = torch.rand(rows, channels) / channels
    return _mixed(image, weight), answer(image.clone(), weight.clone())


def answer_shuffled_pixels(kernel_size: int) -> dict[str, Any]:
    """Whether pixels may be shuffled, and put back behind a layer: where it sees one of them alone."""
    seen = measure_receptive_field(ConvSpec(3, 1, kernel_size).module(), (3, 33, 33)).support.sum()
    return {"answer": "same" if seen == 1 else "noise"}  # as long as one pixel is all that it needs


def answer_even(channels: int, kernel_size: int) -> dict[str, Any]:
    """The most channels in the middle with which a bottleneck is cheaper than the direct convolution."""
    even, area = break_even(channels, kernel_size), kernel_size**2
    once = channels * (sqrt(1 + 4 * area**2) - 1) / (2 * area)  # with one of the two 1×1 forgotten
    wrong = {"above": floor(even) + 1, "once": floor(once), "quarter": channels // 4, "even": even}
    return wrong | {"answer": floor(even)}


def answer_sepia_colours() -> dict[str, Any]:
    """What the matrix of sepia leaves of the colours: where one strength is nearly all, one colour."""
    first, second, _ = torch.linalg.svdvals(torch.tensor(_SEPIA))
    return {"answer": "one" if second < 0.01 * first else "many", "rows": len(_SEPIA)}


def answer_grey_pixel(weights: Sequence[float], brightness: float) -> dict[str, Any]:
    """What comes out of a pixel in which all channels are alike, so bright each."""
    total, sizes = sum(weights), sum(map(abs, weights))
    wrong = {"unsigned": sizes * brightness, "negative": -min(weights) * brightness}
    return wrong | {"answer": total * brightness, "shown": ", ".join(map(words.short, weights))}


def answer_bent(red: float, green: float) -> dict[str, Any]:
    """Red minus green at one pixel, with a ReLU behind it."""
    mixed = red - green
    return {"answer": max(mixed, 0.0), "before": -mixed, "added": red + green}


def answer_two_in_a_row(in_channels: int, middle: int, out_channels: int) -> dict[str, Any]:
    """The weights of the one matrix that two make."""
    first, second = in_channels * middle, middle * out_channels
    return {"first": first, "second": second, "both": first + second, "answer": in_channels * out_channels}


def answer_bottleneck(of: str, channels: int, middle: int, kernel_size: int) -> dict[str, Any]:
    """The "weights" of a bottleneck, or their "share" of the direct convolution's, in per cent."""
    down, inside, up = (layer.num_weights for layer in bottleneck(channels, middle, kernel_size))
    direct, whole = ConvSpec(channels, channels, kernel_size).num_weights, down + inside + up
    parts = {"down": down, "inside": inside, "up": up, "without_up": down + inside, "ends": down + up}
    figures = {"weights": whole, "share": 100 * whole / direct}
    shares = {"alone": 100 * inside / direct, "narrower": 100 * middle / channels}
    rest = {"direct": direct, "area": kernel_size**2, "saved": 100 - figures["share"]}
    return parts | figures | shares | rest | {"answer": figures[check_one_of("of", of, figures)]}


def answer_share(size: int, channels: int, middle: int, kernel_size: int) -> dict[str, Any]:
    """The part of ResNet-50's multiply-adds that is pointwise, in per cent, and that of its bottleneck."""
    with torch.device("meta"):  # shapes without memory
        whole = cost_of(resnet50(), (3, size, size))
    area, pointwise = kernel_size**2, whole.kinds["pointwise"]
    layers = len(pointwise.layers) / sum(len(kind.layers) for kind in whole.kinds.values())
    wrong = {"ninth": 100 / area, "alike": 100 * 2 / (2 + area), "layers": 100 * layers}
    block = answer_bottleneck("weights", channels, middle, kernel_size)
    return block | wrong | {"answer": 100 * pointwise.macs / whole.macs}
