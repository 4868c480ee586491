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
from convlab.checks import check_one_of, check_pair, check_whole
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
_YELLOW_BLUE = tuple(-weight for weight in COLOUR_KERNELS["blue − yellow"])
MIXES: dict[str, dict[str, tuple[float, ...]]] = {
    "luma": {"luma": COLOUR_KERNELS["luma"]},
    "sepia": dict(zip(RGB, _SEPIA, strict=True)),
    "opponent colours": {
        "luma": COLOUR_KERNELS["luma"],
        "R − G": COLOUR_KERNELS["red − green"],
        "Y − B": _YELLOW_BLUE,
    },
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
    weights = torch.tensor(rows)
    outputs = _mixed(image, weights)
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
    spans = ", ".join(
        f"{n} {words.number(v.min().item())} to {words.number(v.max().item())}" for n, v in each
    )
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
    """The channels in the middle with which a bottleneck costs what the direct convolution costs.

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
    mark = {"color": "white", "markeredgecolor": palette.INK, "markeredgewidth": 2}
    ax.plot(even, 100, "D", markersize=9, **mark)
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
    grey = _mixed(image, torch.tensor([COLOUR_KERNELS["luma"]]))
    return grey + amount * (image - grey), conv2d(image, kernel.float())


def task_bottleneck(
    answer: Callable[[int, int], nn.Module], channels: int, middle: int, of: str
) -> tuple[Any, Any]:
    """What a bottleneck is made of ("kernels", "weights", "biases"), the "shape" or the "maps" it makes."""
    module, shape = answer(channels, middle), (1, channels, 20, 28)
    layers = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    if of == "shape":
        return shape, tuple(module(torch.zeros(shape)).shape)
    if of == "maps":  # of the reader's own weights, and without what is not linear
        maps, (down, inside, up) = torch.rand(shape), (each.weight.detach() for each in layers)
        return conv2d(conv2d(conv2d(maps, down), inside, padding=1), up), nn.Sequential(*layers)(maps)
    weights = sum(spec.num_weights for spec in bottleneck(channels, middle, 3))
    targets = {"kernels": [(1, 1), (3, 3), (1, 1)], "weights": weights, "biases": 0}
    sizes = {dim: sum(p.numel() for p in module.parameters() if p.dim() == dim) for dim in (1, 4)}
    found = {"kernels": [each.kernel_size for each in layers], "weights": sizes[4], "biases": sizes[1]}
    return targets[of], found[of]


def task_pointwise(
    answer: Callable[[Tensor, Tensor], Tensor], size: tuple[int, int], rows: int, channels: int = 3
) -> tuple[Tensor, Any]:
    """A photo, or two on top of each other, behind a 1×1 convolution with random weights."""
    photos = [photo(name, check_pair("size", size, 1)) for name in ("coffee", "cat")]
    image = torch.cat(photos, dim=1)[:, :channels]
    weight = torch.rand(rows, channels) / channels
    return _mixed(image, weight), answer(image.clone(), weight.clone())


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
    """The part of ResNet-50's multiply-adds that is pointwise, in per cent, and that of its bottleneck."""
    with torch.device("meta"):  # shapes without memory
        whole = cost_of(resnet50(), (3, size, size))
    down, middle, up = bottleneck(256, 64, 3)
    ends, area, pointwise = down.num_weights + up.num_weights, 3**2, whole.kinds["pointwise"]
    layers = len(pointwise.layers) / sum(len(kind.layers) for kind in whole.kinds.values())
    wrong = {"ninth": 100 / area, "alike": 100 * 2 / (2 + area), "layers": 100 * layers}
    shown = {"middle": middle, "ends": ends, "all": ends + middle.num_weights}
    return shown | wrong | {"answer": 100 * pointwise.macs / whole.macs}


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


def answer_skipped(size: int, stride: int) -> dict[str, Any]:
    """How many pixels of a square map a 1×1 with this stride looks at."""
    across = ConvSpec(1, 1, 1, stride=stride).output_size(size)[0]
    pixels = size**2
    wrong = {"pixels": pixels, "across": across, "half": pixels // stride}
    return wrong | {"answer": across**2, "usual": 3, "padding": 1}


def answer_narrow(channels: int, middle: int, kernel_size: int) -> dict[str, Any]:
    """The weights of a bottleneck, and of parts of it."""
    down, inside, up = (layer.num_weights for layer in bottleneck(channels, middle, kernel_size))
    direct = ConvSpec(channels, channels, kernel_size).num_weights
    parts = {"down": down, "inside": inside, "up": up, "without_up": down + inside, "ends": down + up}
    return parts | {"answer": down + inside + up, "direct": direct, "area": kernel_size**2}
