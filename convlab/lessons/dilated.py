"""The pictures of lesson 02: kernels with gaps, stacks of them, and what one output then sees."""

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any

from torch import Tensor, as_tensor, nn, ones, randn
from torch.nn.functional import conv2d, conv_transpose1d, conv_transpose2d

from convlab.arithmetic import ConvSpec, per_axis, receptive_field, tap_offsets
from convlab.checks import check_whole, check_wholes
from convlab.images import Photo, as_photo, photo
from convlab.kernels import name_of, named_kernel
from convlab.measure.reach import measure_receptive_field
from convlab.pictures import charts, draw, page, palette, words


def show_dilation(
    image: Photo,
    *,
    dilation: int = 1,
    kernel_size: int = 3,
    padding: str = "valid",
    kernel: str | Tensor = "Sobel x",
    row: int | None = None,
    column: int | None = None,
) -> page.Picture:
    """Photo with the kernel's footprint, the kernel with its gaps, and the output.

    Parameters
    ----------
    image : photo
        Larger than the effective kernel; taken in grey.
    dilation, kernel_size, padding
        As in :class:`~convlab.arithmetic.ConvSpec`.
    kernel : str or Tensor
        One of ``convlab.kernels.KERNELS``, or numbers of one's own, brought to `kernel_size`.
    row, column : int, optional
        Where on the photo the footprint's middle should be, else in the photo's. It stands at the
        nearest place that an output has.

    Raises
    ------
    ValueError
        For what is no photo or too small a one, an unknown kernel, or a value that no convolution has.
    """
    image = as_photo(image, channels=1)
    spec = ConvSpec(1, 1, kernel_size, padding=padding, dilation=dilation, bias=False)
    weights = named_kernel(kernel, kernel_size)
    size = per_axis(int, image.shape[-2:])
    made = spec.output_size(size)
    output = conv2d(image, weights[None, None], padding=spec.padding, dilation=spec.dilation)
    start = _first_middle(spec)
    wanted = {"row": row, "column": column}
    places = [
        n // 2 if place is None else check_whole(name, place, 0, n - 1)
        for n, (name, place) in zip(size, wanted.items(), strict=True)
    ]
    at = [min(max(place - edge, 0), n - 1) for place, edge, n in zip(places, start, made, strict=True)]
    ratio = size[1] / size[0]
    block = page.side_by_side({"photo": ratio, "kernel": 1, "output": ratio})
    sheet = page.blank(block)
    draw.footprint(draw.photo(sheet["photo"], image), spec, at)
    draw.kernel(sheet["kernel"], weights, dilation)
    draw.feature_map(sheet["output"], output, within=size)
    first = [(room - part) / 2 for room, part in zip(size, made, strict=True)]
    mark = {"color": palette.OUTPUT, "markersize": 8, "markeredgecolor": "white"}
    sheet["output"].plot(first[1] + at[1], first[0] + at[0], "s", **mark)
    sheet.touch("photo", x="column", y="row")
    sheet.touch("output", x="column", y="row", origin=(first[0] - start[0], first[1] - start[1]))
    return sheet.says(
        f"{name_of(kernel)}, {words.size(spec.kernel_size)} with dilation {dilation}: "
        f"{spec.num_weights} weights span {words.size(spec.effective_kernel_size)} pixels; with padding "
        f"{padding!r}, {words.size(size)} becomes {words.size(made)} at {spec.num_weights} multiply-adds "
        "per output pixel."
    )


def _first_middle(spec: ConvSpec) -> tuple[int, int]:
    """The pixel of the photo in the middle of the first output's footprint."""
    return per_axis(lambda k, pads: (k - 1) // 2 - pads[0], spec.effective_kernel_size, spec.padding_amounts)


def _stack(rates: Sequence[int], kernel_size: int) -> list[ConvSpec]:
    return [ConvSpec(1, 1, kernel_size, padding="same", dilation=rate, bias=False) for rate in rates]


def _averaging(specs: Sequence[ConvSpec]) -> nn.Sequential:
    """The stack with every weight alike, whose gradient counts paths from pixel to output."""
    layers = [spec.module().requires_grad_(False) for spec in specs]
    for layer in layers:
        layer.weight.fill_(1 / layer.weight[0].numel())
    return nn.Sequential(*layers)


def show_rates(image: Photo, *, rates: Sequence[int] = (1, 2, 5), kernel_size: int = 3) -> page.Picture:
    """A stack of dilated layers: its paths, the pixels that one output sees, and how often.

    Parameters
    ----------
    image : photo
    rates : sequence of int
        The dilation of each layer.
    kernel_size : int
        Of every layer.

    Raises
    ------
    ValueError
        For no rate, or a value that no convolution has.
    """
    image = as_photo(image)
    rates = check_wholes("rates", rates, 1)
    kernel_size = check_whole("kernel_size", kernel_size, 1)
    specs = _stack(rates, kernel_size)
    if (seen := receptive_field(specs)[-1].size[0]) > min(image.shape[-2:]):
        raise ValueError(f"rates={rates} see {seen} pixels, more than the image's {min(image.shape[-2:])}")
    field = measure_receptive_field(_averaging(specs), (1, *image.shape[-2:]))
    sheet = page.blank(page.side_by_side({"paths": 1.15, "support": 1, "heat": 1}))
    draw.paths(sheet["paths"], rates, kernel_size)
    draw.support(sheet["support"], image, field)
    draw.heat(sheet["heat"], field, "paths to each pixel", half=False)
    what = words.seen(field.size, field.support.sum())
    gap = field.largest_gap[0]
    seen_all = "no holes" if gap == 1 else f"holes, touched rows up to {gap} apart"
    return sheet.says(f"Rates {tuple(rates)}, {kernel_size}×{kernel_size}: one output {what}: {seen_all}.")


DEPTHS = 8


def show_depth(image: Photo, *, depth: int = 4, kernel_size: int = 3) -> page.Picture:
    """How far one output sees after `depth` layers, for a constant and for a doubling rate.

    Parameters
    ----------
    image : photo
    depth : int
        From 1 to ``DEPTHS``.
    kernel_size : int
        Of every layer.

    Raises
    ------
    ValueError
        For another depth, or a size that no kernel has.
    """
    image = as_photo(image)
    depth, kernel_size = check_whole("depth", depth, 1, DEPTHS), check_whole("kernel_size", kernel_size, 1)
    families = {"rate 1": [1] * DEPTHS, "rate 2": [2] * DEPTHS}
    families["rates 1, 2, 4 …"] = [2**layer for layer in range(DEPTHS)]
    colours = palette.of_kind("ordinary"), palette.of_kind("dilated"), "#1F6FA3"
    fields = {name: receptive_field(_stack(rates, kernel_size)) for name, rates in families.items()}
    sizes = {name: [field.size[0] for field in each] for name, each in fields.items()}
    height, width = image.shape[-2:]
    sheet = page.blank(page.beside_a_chart("photo", width / height, "growth"))
    title = f"depth {depth}, kernel {kernel_size}×{kernel_size}"
    photo = draw.photo(sheet["photo"], image, title, colour=palette.INK)
    for values, colour in zip(sizes.values(), colours, strict=True):
        side = values[depth - 1]
        draw.outline(photo, (height - side) / 2, (width - side) / 2, (side, side), colour, zorder=1)
    charts.growth(sheet["growth"], sizes, depth, colours)
    sheet.touch("growth", x="depth")
    reached = "; ".join(f"{name}: {values[depth - 1]}×{values[depth - 1]}" for name, values in sizes.items())
    weights = sum(spec.num_weights for spec in _stack([1] * depth, kernel_size))
    layers = f"{words.count(depth, 'layer')} of {kernel_size}×{kernel_size}"
    return sheet.says(
        f"After {layers}, one output reaches across: {reached} pixels; "
        f"{weights} weights a channel in each stack."
    )


# What the questions of this lesson, in dilated.toml, ask for: computed from what each gives.


def answer_span(kernel_size: int, dilation: int) -> dict[str, Any]:
    """The pixels that a kernel with gaps spans."""
    span = ConvSpec(1, 1, kernel_size, dilation=dilation).effective_kernel_size[0]
    wrong = {"wide": kernel_size + (kernel_size - 1) * dilation, "times": kernel_size * dilation}
    return wrong | {"answer": span, "gaps": kernel_size - 1, "skipped": dilation - 1}


def answer_strides_taken_out(stride: int, strides: int) -> dict[str, Any]:
    """How much dearer a later layer gets."""
    before, after = (ConvSpec(1, 1, 3, padding="same").macs(64 * by) for by in (1, stride**strides))
    one = stride**2
    return {"answer": after // before, "one": one, "added": one * strides}


def answer_which_has_holes(kernel_size: int, stacks: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The one stack that leaves pixels out."""
    dense = [rates for rates in stacks if not _holes(rates, kernel_size)]
    (holes,) = (rates for rates in stacks if rates not in dense)
    covered = len(tap_offsets(holes[:-1], kernel_size))
    shown = {"dense": [str(tuple(rates)) for rates in dense], "rate": holes[-1], "covered": covered}
    return shown | {"answer": str(tuple(holes))}


def _holes(rates: Sequence[int], kernel_size: int) -> int:
    """Pixels along one axis that one output spans and doesn't look at."""
    touched = tap_offsets(rates, kernel_size)
    return touched[-1] + 1 - len(touched)


def answer_third_rate(kernel_size: int, rates: Sequence[int]) -> dict[str, Any]:
    """The largest rate that may follow these without a hole."""
    further = range(1, kernel_size ** (len(rates) + 1))
    largest = max(rate for rate in further if not _holes([*rates, rate], kernel_size))
    wrong = {"doubled": 2 * rates[-1], "total": sum(rates), "paths": kernel_size ** len(rates)}
    return wrong | {"answer": largest}


def answer_same_size(kernel_size: int, dilation: int) -> dict[str, Any]:
    """The padding on each side that keeps the size."""
    span = ConvSpec(1, 1, kernel_size, dilation=dilation).effective_kernel_size[0]
    wrong = {"both": span - 1, "undilated": (kernel_size - 1) // 2, "span": span}
    return wrong | {
        "answer": ConvSpec(1, 1, kernel_size, padding="same", dilation=dilation).padding_amounts[0][0]
    }


def answer_price_of_gaps(kernel_size: int, dilation: int) -> dict[str, Any]:
    """Whether gaps make a layer that keeps the size dearer."""
    ordinary, dilated = (
        ConvSpec(1, 1, kernel_size, padding="same", dilation=d).macs(64) for d in (1, dilation)
    )
    return {"answer": "same" if ordinary == dilated else "other", "taps": kernel_size**2}


def answer_doubling_rates(depth: int, kernel_size: int) -> dict[str, Any]:
    """The view of a stack whose rates are 1, 2, 4 …"""
    rates = [2**layer for layer in range(depth)]
    view, undilated = (receptive_field(_stack(d, kernel_size))[-1].size[0] for d in (rates, [1] * depth))
    shown = {"rates": rates, "last": rates[-1], "total": sum(rates), "added": kernel_size - 1}
    return shown | {"answer": view, "undilated": undilated, "once": 1 + sum(rates)}


def answer_row_with_holes(kernel_size: int, rates: Sequence[int]) -> dict[str, Any]:
    """The pixels of one row that one output looks at."""
    touched, depth = tap_offsets(rates, kernel_size), len(rates)
    wrong = {"span": touched[-1] + 1, "paths": kernel_size**depth, "apart": kernel_size * depth}
    return wrong | {"answer": len(touched), "depth": depth}


def answer_rate_for_a_stride(stride: int, kernel_size: int) -> dict[str, Any]:
    """The rate with which a layer gives the same numbers behind a layer that lost its stride."""
    image, (first, second) = photo("cat", 32, channels=1), randn(2, 1, 1, kernel_size, kernel_size)
    wanted = conv2d(conv2d(image, first, stride=stride), second)
    size = wanted.shape[-1]
    for rate in range(1, 2 * stride + 1):
        made = conv2d(conv2d(image, first), second, dilation=rate)[..., ::stride, ::stride]
        if made.shape[-1] == size and made.allclose(wanted, atol=1e-4):
            break
    return {"answer": str(rate), "twice": 2 * stride}


# What readers write in this lesson, held against torch: the target, and what comes of their lines.


def task_zeros(
    answer: Callable[..., Any], kernel_size: int, dilation: int, photographed: bool = False
) -> tuple[Any, Any]:
    """The kernel with zeros in its gaps; or what it makes of a photo."""
    weights = randn(kernel_size, kernel_size)
    spread = answer(weights.clone(), dilation)
    if not photographed:
        # One pixel through a transposed convolution leaves the kernel's own print.
        return conv_transpose2d(ones(1, 1, 1, 1), weights[None, None], dilation=dilation)[0, 0], spread
    image = photo("cat", (72, 96), channels=1)
    wanted = conv2d(image, weights[None, None], dilation=dilation)
    return wanted, conv2d(image, as_tensor(spread, dtype=image.dtype)[None, None])


FURTHEST = 60  # the largest rate that a reader's stack may have


def task_no_holes(answer: Sequence[int], judge: str, least: int) -> tuple[Any, Any]:
    """Rates that see far enough without a hole: how many, how far, what divides them all, pixels seen."""
    rates = [check_whole("rate", rate, 1, FURTHEST) for rate in answer]
    if judge == "layers":
        return 3, len(rates)
    touched = ones(1, 1, 1)
    for rate in rates:  # from the output down
        touched = conv_transpose1d(touched, ones(1, 1, 3), dilation=rate)
    line = touched[0, 0] > 0
    if judge == "view":
        return least, min(len(line), least)
    if judge == "common factor":
        return 1, gcd(*rates)
    return len(line), int(line.sum())


def task_padding(answer: Callable[..., Any], kernel_size: int, dilation: int) -> tuple[Any, Any]:
    """The size of a photo behind a layer with the reader's padding."""
    image, weights = photo("cat", (72, 96), channels=1), ones(1, 1, kernel_size, kernel_size)
    made = conv2d(
        image, weights, padding=check_whole("padding", answer(kernel_size, dilation), 0), dilation=dilation
    )
    return list(image.shape[2:]), list(made.shape[2:])
