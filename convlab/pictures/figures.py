"""Whole pictures for the lessons: each ``show_…`` returns a figure with the sentence that it shows.

The values that a reader may play with are keyword arguments, so that the same function makes the
still picture and, under an :class:`~convlab.explore.explorers.Explorer`, the moving one. A `figure` handed
in is drawn over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from convlab.arithmetic import ConvSpec
from convlab.measure.costs import Cost
from convlab.measure.reach import MeasuredField
from convlab.measure.timing import Timing
from convlab.pictures import palette
from convlab.pictures.charts import colour_of, draw_cloud, draw_layers, draw_shares
from convlab.pictures.drawings import (
    draw_bars,
    draw_growth,
    draw_heat,
    draw_kernel,
    draw_map,
    draw_nested,
    draw_photo,
    draw_support,
    times,
)
from convlab.pictures.page import Picture, blank, photo_and_curve, side_by_side


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


ZOOM = 41  # pixels across, in which single ones can be told apart


def show_field(image: Tensor, field: MeasuredField, *, figure: Figure | None = None) -> Picture:
    """The pixels that one output of any module sees, over a photo, and its gradient as heat.

    A field with holes that is wider than 41 pixels has its middle enlarged beside it.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        Of the size that the field was measured at.
    field : MeasuredField
    """
    if tuple(image.shape[-2:]) != field.support.shape:
        raise ValueError(
            f"image={tuple(image.shape)} must have the {times(field.support.shape)} pixels of field"
        )
    height, width = field.size
    zoomed = max(height, width) > ZOOM and max(field.largest_gap) > 1
    figure, axes = side_by_side(figure, {"support": 1, **({"zoom": 1} if zoomed else {}), "heat": 1})
    draw_support(axes["support"], image, field)
    if zoomed:
        draw_support(axes["zoom"], image, field, f"its middle, {ZOOM}×{ZOOM}")
        row, column = field.center
        axes["zoom"].set(xlim=(column - ZOOM / 2, column + ZOOM / 2), ylim=(row + ZOOM / 2, row - ZOOM / 2))
    draw_heat(axes["heat"], field, "size of the gradient")
    return Picture(
        figure,
        f"One output reaches across {height}×{width} pixels and sees {field.support.sum():,} of "
        f"{height * width:,} ({field.coverage:.1%}).",
    )


def show_growth(
    image: Tensor, fields: Mapping[int, MeasuredField], *, figure: Figure | None = None
) -> Picture:
    """How the field of one output grows layer by layer: nested on the photo, and as a curve.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
        Of the size that the fields were measured at.
    fields : mapping of int to MeasuredField
        After how many layers which field, from few to many.

    Raises
    ------
    ValueError
        If there is no field.
    """
    if not fields:
        raise ValueError(f"fields={fields!r} must hold at least one field")
    figure, axes = photo_and_curve(figure, image.shape[-1] / image.shape[-2])
    *_, last = fields
    draw_nested(axes["photo"], image, list(fields.values()), f"fields after {min(fields)} to {last} layers")
    sizes = [field.size[0] for field in fields.values()]
    draw_growth(axes["growth"], {f"after {last} layers": sizes}, len(sizes), [palette.KERNEL], list(fields))
    each = ", ".join(f"{size} after {layers}" for layers, size in zip(fields, sizes, strict=True))
    return Picture(
        figure,
        f"Receptive field, in pixels along one axis, by layers: {each}; neighbouring outputs of the last "
        f"are {fields[last].stride[0]} apart.",
    )


def show_cost(cost: Cost, *, figure: Figure | None = None) -> Picture:
    """Where a network's multiply-adds, weights and bytes go: by layer and by kind.

    Raises
    ------
    ValueError
        For a cost without multiply-adds.
    """
    if not cost.macs:
        raise ValueError("this cost has no multiply-adds to show")
    boxes = {"layers": (0.6, 0.65, 5.0, 3.2), "shares": (7.2, 0.1, 3.6, 3.75)}
    figure, axes = blank(figure, (11, 4.35), boxes)
    draw_layers(axes["layers"], cost)
    kinds = cost.kinds
    rest = cost.bytes - sum(part.bytes for part in kinds.values())
    rows = {
        "multiply-adds": {kind: part.macs for kind, part in kinds.items()},
        "weights": {kind: part.weights for kind, part in kinds.items() if cost.weights},
        "bytes moved": {kind: part.bytes for kind, part in kinds.items()}
        | ({"others": rest} if rest else {}),
    }
    draw_shares(axes["shares"], rows, "shares by kind")
    shares = ", ".join(f"{kind} {part.macs / cost.macs:.1%}" for kind, part in kinds.items())
    return Picture(
        figure,
        f"{cost.macs:,} multiply-adds ({shares}), {cost.weights:,} weights, {cost.bytes:,} bytes moved.",
    )


def show_times(timings: Mapping[str, Timing], *, figure: Figure | None = None) -> Picture:
    """Time against multiply-adds, and the speed reached against arithmetic intensity.

    Left: each module's share of the first one's time against its share of the first one's
    multiply-adds; on the diagonal, saving multiply-adds saves as much time. Right: the roofline
    (Williams et al., 2009) of the two yardsticks that were measured along: multiply-adds a second
    for which bytes come in (slope), and that the machine can do (flat).

    Raises
    ------
    ValueError
        For fewer than two modules, or one without multiply-adds.
    """
    if len(timings) < 2:
        raise ValueError(f"timings={list(timings)!r} must hold at least two modules to compare")
    for name, timing in timings.items():
        if not timing.cost.macs:
            raise ValueError(f"{name!r} has no multiply-adds: a logarithmic axis has no place for it")
    boxes = {"shares": (0.95, 0.75, 4.45, 3.75), "roofline": (6.35, 0.75, 4.45, 3.75)}
    figure, axes = blank(figure, (11, 5), boxes)
    first = next(iter(timings.values()))
    kinds = [
        name if name in palette.CONVOLUTIONS else _leading(timing.cost) for name, timing in timings.items()
    ]
    colours = [colour_of(kind) for kind in kinds]
    shares, speeds = {}, {}
    for name, timing in timings.items():
        label = f"{name}  {1000 * timing.median:.3g} ms"
        shares[label] = (100 * timing.cost.macs / first.cost.macs, 100 * timing.median / first.median)
        speeds[name] = (timing.cost.intensity, timing.cost.macs / timing.median / 1e9)
    threads = f"{first.threads} thread{'s' * (first.threads > 1)}"
    ax = draw_cloud(axes["shares"], shares, colours, "% of the multiply-adds", f"% of the time, {threads}")
    for (x, _), timing, colour in zip(shares.values(), timings.values(), colours, strict=True):
        ax.plot([x, x], [100 * end / first.median for end in timing.spread], color=colour, linewidth=2)
    ends = [min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])]
    ax.plot(ends, ends, "--", color=palette.MUTED, linewidth=1.5)
    ax.set_title("on the dashed line: as promised", fontsize=palette.TITLE, color=palette.INK)
    ridge = first.peak / first.bandwidth
    ax = draw_cloud(
        axes["roofline"],
        speeds,
        colours,
        "multiply-adds per byte moved",
        "billion multiply-adds a second",
        in_view=[(ridge / 2, first.peak / 1e9)],
    )
    x = np.geomspace(*ax.get_xlim(), 100)
    roof = np.minimum(first.peak, first.bandwidth * x) / 1e9
    ax.plot(x, roof, color=palette.MUTED, linewidth=1.5)
    ax.fill_between(x, roof, ax.get_ylim()[1], color=palette.EMPTY)
    ax.set_title("roofline, from two yardsticks", fontsize=palette.TITLE, color=palette.INK)
    each = "; ".join(
        f"{name} {share:.3g} % and {timings[name].cost.intensity:.2g}"
        for name, (share, _) in zip(timings, shares.values(), strict=True)
    )
    return Picture(
        figure,
        f"Measured time beside counted multiply-adds, as shares of {next(iter(timings))!r} "
        f"({first.cost.macs:,}). Share of the multiply-adds, and multiply-adds per byte: {each}.",
    )


def _leading(cost: Cost) -> str:
    """The kind that a module is known by: depthwise where it has any, else the most laborious."""
    kinds = cost.kinds
    return "depthwise" if "depthwise" in kinds else max(kinds, key=lambda kind: kinds[kind].macs, default="")


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
    colours = [palette.CONVOLUTIONS[spec.kind] for spec in specs.values()]
    draw_bars(axes["weights"], weights, "weights", colours=colours)
    draw_bars(axes["multiply-adds"], macs, f"multiply-adds on {times(input_size)}", colours=colours)
    axes["multiply-adds"].set_yticks([])
    each = "; ".join(f"{name}: {weights[name]:,} weights, {macs[name]:,} multiply-adds" for name in specs)
    return Picture(figure, f"On {times(input_size)} pixels: {each}.")
