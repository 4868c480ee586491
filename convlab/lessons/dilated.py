"""The pictures of lesson 02: kernels with gaps, stacks of them, and what one output then sees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from convlab.arithmetic import ConvSpec, hdc_distances, receptive_field
from convlab.checks import check_whole
from convlab.images import check_photo
from convlab.kernels import kernel as named_kernel
from convlab.measure.reach import MeasuredField, measure_receptive_field
from convlab.pictures import palette
from convlab.pictures.drawings import (
    draw_footprint,
    draw_growth,
    draw_heat,
    draw_kernel,
    draw_map,
    draw_outline,
    draw_paths,
    draw_photo,
    draw_support,
    times,
)
from convlab.pictures.page import Picture, photo_and_curve, side_by_side


def show_dilation(
    image: Tensor,
    *,
    dilation: int = 1,
    kernel_size: int = 3,
    padding: str = "valid",
    kernel: str = "Sobel x",
    figure: Figure | None = None,
) -> Picture:
    """Photo with the kernel's footprint, the kernel with its gaps, and the output.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo, larger than the effective kernel.
    dilation, kernel_size, padding
        As in :class:`~convlab.arithmetic.ConvSpec`.
    kernel : str
        One of ``convlab.kernels.KERNELS``.

    Raises
    ------
    ValueError
        For another or too small an image, an unknown kernel, or a value that no convolution has.
    """
    check_photo(image, 1)
    spec = ConvSpec(1, 1, kernel_size, padding=padding, dilation=dilation, bias=False)
    weights = named_kernel(kernel, kernel_size)
    size = tuple(image.shape[-2:])
    middle = tuple(n // 2 for n in spec.output_size(size))
    output = torch.nn.functional.conv2d(
        image, weights[None, None], padding=spec.padding, dilation=spec.dilation
    )
    ratio = size[1] / size[0]
    figure, axes = side_by_side(figure, {"photo": ratio, "kernel": 1, "output": ratio})
    draw_footprint(draw_photo(axes["photo"], image), spec, middle)
    draw_kernel(axes["kernel"], weights, dilation)
    draw_map(axes["output"], output, within=size)
    place = [(whole - part) / 2 + at for whole, part, at in zip(size, output.shape[-2:], middle, strict=True)]
    axes["output"].plot(*place[::-1], "s", color=palette.OUTPUT, markersize=8, markeredgecolor="white")
    return Picture(
        figure,
        f"{kernel}, {times(spec.kernel_size)} with dilation {dilation}: {spec.num_weights} weights "
        f"span {times(spec.effective_kernel_size)} pixels; with padding {padding!r}, "
        f"{times(size)} becomes {times(output.shape[-2:])} at {spec.num_weights} multiply-adds "
        "per output pixel.",
    )


def _stack(rates: Sequence[int], kernel_size: int) -> list[ConvSpec]:
    return [ConvSpec(1, 1, kernel_size, padding="same", dilation=rate, bias=False) for rate in rates]


def _averaging(specs: Sequence[ConvSpec]) -> nn.Sequential:
    """The stack with every weight alike, whose gradient counts paths from pixel to output."""
    layers = nn.Sequential(*(spec.module() for spec in specs)).requires_grad_(False)
    for layer in layers:
        layer.weight.fill_(1 / layer.weight[0].numel())
    return layers


def show_rates(
    image: Tensor,
    *,
    rates: Sequence[int] = (1, 2, 5),
    kernel_size: int = 3,
    judge: bool = True,
    figure: Figure | None = None,
) -> Picture:
    """A stack of dilated layers: its paths, the pixels that one output sees, and how often.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        A photo.
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
    specs = _stack(rates, kernel_size)
    field = measure_receptive_field(_averaging(specs), (1, *image.shape[-2:]))
    figure, axes = side_by_side(figure, {"paths": 1.15, "support": 1, "heat": 1})
    draw_paths(axes["paths"], rates, kernel_size)
    draw_support(axes["support"], image, field)
    draw_heat(axes["heat"], field, "paths to each pixel")
    sentence = _sentence(field, rates, kernel_size)
    if judge:
        sentence += f" {_verdict(field, rates, kernel_size)}"
    return Picture(figure, sentence)


def _sentence(field: MeasuredField, rates: Sequence[int], kernel_size: int) -> str:
    height, width = field.size
    return (
        f"Rates {tuple(rates)}, {kernel_size}×{kernel_size}: one output reaches across {height}×{width} "
        f"pixels and sees {field.support.sum():,} of {height * width:,} ({field.coverage:.0%})."
    )


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


def show_depth(
    image: Tensor, *, depth: int = 4, kernel_size: int = 3, figure: Figure | None = None
) -> Picture:
    """How far one output sees after `depth` layers, for a constant and for a doubling rate.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        A photo.
    depth : int
        From 1 to ``DEPTHS``.
    kernel_size : int
        Of every layer.

    Raises
    ------
    ValueError
        For another depth, or a size that no kernel has.
    """
    check_whole("depth", depth, 1, DEPTHS)
    families = {
        "rate 1": [1] * DEPTHS,
        "rate 2": [2] * DEPTHS,
        "rates 1, 2, 4 …": [2**layer for layer in range(DEPTHS)],
    }
    colours = (palette.CONVOLUTIONS["ordinary"], palette.CONVOLUTIONS["dilated"], "#1F6FA3")
    sizes = {
        name: [layer.size[0] for layer in receptive_field(_stack(rates, kernel_size))]
        for name, rates in families.items()
    }
    height, width = image.shape[-2:]
    figure, axes = photo_and_curve(figure, width / height)
    photo = draw_photo(
        axes["photo"], image, f"depth {depth}, kernel {kernel_size}×{kernel_size}", colour=palette.INK
    )
    for values, colour in zip(sizes.values(), colours, strict=True):
        side = values[depth - 1]
        draw_outline(photo, (height - side) / 2, (width - side) / 2, (side, side), colour, zorder=1)
    draw_growth(axes["growth"], sizes, depth, colours)
    reached = "; ".join(f"{name}: {values[depth - 1]}×{values[depth - 1]}" for name, values in sizes.items())
    weights = sum(spec.num_weights for spec in _stack([1] * depth, kernel_size))
    layers = f"{depth} layer{'s' * (depth > 1)} of {kernel_size}×{kernel_size}"
    return Picture(
        figure,
        f"After {layers}, one output reaches across: {reached} pixels; "
        f"{weights} weights a channel in each stack.",
    )


# What the questions of this lesson, in dilated.toml, ask for: computed from what each gives.


def answer_span(kernel_size: int, dilation: int) -> dict[str, object]:
    """The pixels that a kernel with gaps spans."""
    span = ConvSpec(1, 1, kernel_size, dilation=dilation).effective_kernel_size[0]
    return {"answer": span, "gaps": kernel_size - 1, "skipped": dilation - 1}


def answer_small_input(size: int, kernel_size: int, dilation: int) -> dict[str, object]:
    """The side of the output, without padding."""
    spec = ConvSpec(1, 1, kernel_size, dilation=dilation)
    return {"answer": spec.output_size(size)[0], "span": spec.effective_kernel_size[0]}


def answer_largest_distance(kernel_size: int, rates: Sequence[int]) -> dict[str, object]:
    """M₂ of hybrid dilated convolution, and the largest that its rule allows."""
    return {"answer": hdc_distances(rates)[1], "twice": 2 * rates[1], "allowed": kernel_size}


def answer_doubling_rates(depth: int, kernel_size: int) -> dict[str, object]:
    """The view of a stack whose rates are 1, 2, 4 …"""
    rates = [2**layer for layer in range(depth)]
    view = receptive_field(_stack(rates, kernel_size))[-1].size[0]
    return {"answer": view, "rates": rates, "last": rates[-1], "total": sum(rates), "added": kernel_size - 1}


def answer_with_stride(kernel_size: int, strides: Sequence[int]) -> dict[str, object]:
    """The view of a stack with strides."""
    view = receptive_field(ConvSpec(1, 1, kernel_size, stride=stride) for stride in strides)[-1].size[0]
    return {"answer": view, "added": kernel_size - 1}
