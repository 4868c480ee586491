"""The pictures of lesson 02: kernels with gaps, stacks of them, and what one output then sees."""

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import conv2d

from convlab.arithmetic import ConvSpec, hdc_distances, per_axis, receptive_field
from convlab.checks import check_whole, check_wholes
from convlab.images import Photo, as_photo
from convlab.kernels import name_of, named_kernel
from convlab.measure.reach import MeasuredField, measure_receptive_field
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


def show_rates(
    image: Photo, *, rates: Sequence[int] = (1, 2, 5), kernel_size: int = 3, judge: bool = True
) -> page.Picture:
    """A stack of dilated layers: its paths, the pixels that one output sees, and how often.

    Parameters
    ----------
    image : photo
    rates : sequence of int
        The dilation of each layer.
    kernel_size : int
        Of every layer.
    judge : bool
        Whether the sentence holds the rule of hybrid dilated convolution (Wang et al., 2018)
        against what was measured.

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
    draw.heat(sheet["heat"], field, "paths to each pixel")
    what = words.seen(field.size, field.support.sum())
    sentence = f"Rates {tuple(rates)}, {kernel_size}×{kernel_size}: one output {what}."
    return sheet.says(f"{sentence} {_verdict(field, rates, kernel_size)}" if judge else sentence)


def _verdict(field: MeasuredField, rates: Sequence[int], kernel_size: int) -> str:
    distances = hdc_distances(rates)
    dense = field.coverage == 1
    seen = "no holes" if dense else f"holes, touched rows up to {field.largest_gap[0]} apart"
    if len(rates) == 1:
        return f"Measured: {seen}."
    passes = distances[1] <= kernel_size
    rule = f"M₂ = {distances[1]} {'≤' if passes else '>'} {kernel_size}, so the paper's rule "
    rule += "promises no holes" if passes else "warns of holes"
    verdict = "They agree." if passes == dense else "Rule and measurement disagree."
    return f"{rule} (M₁ = {distances[0]}). Measured: {seen}. {verdict}"


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


def answer_small_input(size: int, kernel_size: int, dilation: int) -> dict[str, Any]:
    """The side of the output, without padding."""
    spec = ConvSpec(1, 1, kernel_size, dilation=dilation)
    wide, undilated = (each.output_size(size)[0] for each in (spec, ConvSpec(1, 1, kernel_size)))
    span = spec.effective_kernel_size[0]
    return {"answer": wide, "span": span, "undilated": undilated, "steps": wide - 1}


def answer_largest_distance(kernel_size: int, rates: Sequence[int]) -> dict[str, Any]:
    """M₂ of hybrid dilated convolution, and the largest that its rule allows."""
    distances = hdc_distances(rates)
    return {"answer": distances[1], "distances": distances, "twice": 2 * rates[1], "allowed": kernel_size}


def answer_doubling_rates(depth: int, kernel_size: int) -> dict[str, Any]:
    """The view of a stack whose rates are 1, 2, 4 …"""
    rates = [2**layer for layer in range(depth)]
    view, undilated = (receptive_field(_stack(d, kernel_size))[-1].size[0] for d in (rates, [1] * depth))
    shown = {"rates": rates, "last": rates[-1], "total": sum(rates), "added": kernel_size - 1}
    return shown | {"answer": view, "undilated": undilated, "once": 1 + sum(rates)}


def answer_with_stride(kernel_size: int, strides: Sequence[int]) -> dict[str, Any]:
    """The view of a stack with strides."""
    view = receptive_field(ConvSpec(1, 1, kernel_size, stride=stride) for stride in strides)[-1].size[0]
    apart = {  # what a reader may take for the distances of the pixels that each layer looks at
        "unstrided": [1] * len(strides),
        "own": strides,
        "late": accumulate(strides, mul),
        "always": [strides[0] ** before for before in range(len(strides))],
    }
    added = kernel_size - 1
    return {name: 1 + added * sum(each) for name, each in apart.items()} | {"answer": view, "added": added}
