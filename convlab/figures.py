"""Whole pictures for the lessons: each ``show_…`` returns a figure with the sentence that it shows.

The values that a reader may play with are keyword arguments, so that the same function makes the
still picture and, under an :class:`~convlab.explorers.Explorer`, the moving one. A `figure` handed
in is drawn over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from convlab.arithmetic import ConvSpec
from convlab.drawing import (
    draw_bars,
    draw_heat,
    draw_kernel,
    draw_map,
    draw_photo,
    draw_support,
    times,
)
from convlab.picture import CONVOLUTIONS, Picture, blank, side_by_side
from convlab.reach import MeasuredField


def show_photo(image: Tensor, title: str = "", *, figure: Figure | None = None) -> Picture:
    """One photo (1, C, H, W) with values in [0, 1]."""
    height, width = image.shape[-2:]
    figure, axes = side_by_side(figure, {"photo": width / height}, width=5)
    draw_photo(axes["photo"], image, title)
    return Picture(figure, f"A photo of {height}×{width} pixels.")


def show_maps(maps: Mapping[str, Tensor], *, figure: Figure | None = None) -> Picture:
    """Feature maps (1, 1, H, W) in a row, under their titles."""
    figure, axes = side_by_side(figure, {t: m.shape[-1] / m.shape[-2] for t, m in maps.items()})
    for title, values in maps.items():
        draw_map(axes[title], values, f"{title}: {times(values.shape[-2:])}")
    sizes = "; ".join(f"{title}, {times(values.shape[-2:])}" for title, values in maps.items())
    return Picture(figure, f"Feature maps: {sizes}.")


def show_kernels(kernel: Tensor, dilations: Sequence[int] = (1,), *, figure: Figure | None = None) -> Picture:
    """One kernel (height, width) at several dilations."""
    figure, axes = side_by_side(figure, {f"dilation {d}": 1 for d in dilations})
    spans = []
    for dilation in dilations:
        spec = ConvSpec(1, 1, tuple(kernel.shape), dilation=dilation)
        spans.append(times(spec.effective_kernel_size))
        title = f"dilation {dilation}: spans {spans[-1]}"
        draw_kernel(axes[f"dilation {dilation}"], kernel, dilation, title)
    sizes = ", ".join(f"{span} at dilation {d}" for span, d in zip(spans, dilations, strict=True))
    return Picture(figure, f"A {times(kernel.shape)} kernel, {kernel.numel()} weights, spans {sizes}.")


def show_field(image: Tensor, field: MeasuredField, *, figure: Figure | None = None) -> Picture:
    """The pixels that one output of any module sees, over a photo, and its gradient as heat."""
    height, width = field.size
    figure, axes = side_by_side(figure, {"support": 1, "heat": 1})
    draw_support(axes["support"], image, field)
    draw_heat(axes["heat"], field, "size of the gradient")
    return Picture(
        figure,
        f"One output reaches across {height}×{width} pixels and sees {field.support.sum():,} of "
        f"{height * width:,} ({field.coverage:.1%}).",
    )


def show_costs(
    specs: Mapping[str, ConvSpec], input_size: tuple[int, int], *, figure: Figure | None = None
) -> Picture:
    """Weights and multiply-adds of several convolutions on the same input, as bars."""
    width, height, left, gap = 11, 0.5 * len(specs) + 0.3, 1.9, 0.5
    each = (width - left - gap - 0.2) / 2
    boxes = {
        "weights": (left, 0.1, each, height),
        "multiply-adds": (left + each + gap, 0.1, each, height),
    }
    figure, axes = blank(figure, (width, height + 0.55), boxes)
    weights = {name: spec.num_weights for name, spec in specs.items()}
    macs = {name: spec.macs(input_size) for name, spec in specs.items()}
    colours = [CONVOLUTIONS[spec.kind] for spec in specs.values()]
    draw_bars(axes["weights"], weights, "weights", colours=colours)
    draw_bars(axes["multiply-adds"], macs, f"multiply-adds on {times(input_size)}", colours=colours)
    axes["multiply-adds"].set_yticks([])
    each = "; ".join(f"{name}: {weights[name]:,} weights, {macs[name]:,} multiply-adds" for name in specs)
    return Picture(figure, f"On {times(input_size)} pixels: {each}.")
