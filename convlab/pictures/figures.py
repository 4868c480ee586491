"""Whole pictures for the lessons: each ``show_…`` returns a figure with the sentence that it shows.

The values that a reader may play with are keyword arguments, so that the same function makes the
still picture and, under an :class:`~convlab.explore.explorers.Explorer`, the moving one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from convlab.arithmetic import ConvSpec
from convlab.checks import check_mapping, check_pair, check_sequence, check_type, check_whole
from convlab.images import Photo, as_photo
from convlab.kinds import KINDS
from convlab.measure.costs import Cost
from convlab.measure.reach import MeasuredField
from convlab.measure.timing import Timing
from convlab.pictures import charts, draw, page, palette, words
from convlab.pictures.page import Picture

AGREE = 0.01  # difference up to which two pictures are told to be the same


def show_maps(maps: Mapping[str, Tensor]) -> Picture:
    """Feature maps (1, 1, H, W), and photos (1, 3, H, W), in a row, under their titles.

    Raises
    ------
    ValueError
        For no map, or one of another shape or without finite values.
    """
    planes: dict[str, Tensor | np.ndarray] = {}
    for title, values in check_mapping("maps", maps).items():
        in_colour = tuple(getattr(values, "shape", ()))[-3:-2] == (3,)
        planes[title] = as_photo(values) if in_colour else draw.as_plane(f"maps[{title!r}]", values)
    sheet = _row(planes)
    sizes = {title: words.size(plane.shape[-2:]) for title, plane in planes.items()}
    for title, plane in planes.items():
        paint: Any = draw.photo if isinstance(plane, Tensor) else draw.feature_map
        paint(sheet[title], plane, f"{title}: {sizes[title]}", colour=palette.OUTPUT)
    return sheet.says(f"Feature maps: {'; '.join(map(', '.join, sizes.items()))}.")


def _row(maps: Mapping[str, Tensor | np.ndarray]) -> page.Sheet:
    """A page with a panel for each map, all of one height."""
    return page.blank(page.side_by_side({title: m.shape[-1] / m.shape[-2] for title, m in maps.items()}))


def show_beside(target: Tensor, yours: Tensor, limits: draw.Limits | None = None) -> Picture:
    """What is wanted beside what came out, and where both are of one size, how far they are apart.

    Of several maps those are shown that are furthest apart; three of them in [0, 1] are a photo in colour.
    Black and white are at `limits`; what suits the target, unless given.

    Raises
    ------
    ValueError
        For what is no tensor or array of maps (…, H, W), or without finite values.
    """
    wanted, came = draw.as_maps("target", target), draw.as_maps("yours", yours)
    maps = {"target": wanted, "yours": came}
    in_colour = all(len(m) == 3 and m.min() >= 0 and m.max() <= 1 for m in maps.values())
    worst, limits = 0, limits or draw.grey_limits(wanted)
    if alike := wanted.shape == came.shape:
        apart = abs(came - wanted)
        worst = int(apart.max(axis=(1, 2)).argmax())
        maps["how far apart"] = apart.max(axis=0) if in_colour else apart[worst]
    sheet = _row(maps)
    for title, planes in maps.items():
        heading = f"{title}: {words.size(planes.shape[-2:])}"
        if title == "how far apart":
            most = 0.5 if in_colour else (limits[1] - limits[0]) / 2  # the same, whatever came out
            draw.feature_map(sheet[title], planes, title, limits=(0, most), colour=palette.MUTED)
        elif in_colour:
            draw.photo(sheet[title], torch.from_numpy(planes), heading, colour=palette.OUTPUT)
        else:
            draw.feature_map(sheet[title], planes[worst], heading, limits=limits)
    if not alike:
        sizes = words.size(np.shape(target)), words.size(np.shape(yours))
        return sheet.says(f"The target is {sizes[0]}, yours {sizes[1]}.")
    if (most := float(apart.max())) <= AGREE:
        return sheet.says(f"Solved: target and yours agree, to {AGREE:g}.")
    return sheet.says(f"Target and yours are {apart.mean():.2g} apart on average, {most:.2g} at most.")


def show_kernels(kernel: Tensor, dilations: Sequence[int] = (1,)) -> Picture:
    """One kernel (height, width) at several dilations.

    Raises
    ------
    ValueError
        For a tensor of another shape, a layer's whole weight say, or for no dilation.
    """
    plane = draw.as_plane("kernel", kernel)
    pairs = [check_pair("dilations", pair, 1) for pair in check_sequence("dilations", dilations)]
    names = [f"dilation {high if high == wide else (high, wide)}" for high, wide in pairs]
    specs = {n: ConvSpec(1, 1, plane.shape, dilation=d) for n, d in zip(names, pairs, strict=True)}
    sheet = page.blank(page.side_by_side(dict.fromkeys(specs, 1)))
    spans = {name: words.size(spec.effective_kernel_size) for name, spec in specs.items()}
    for name, spec in specs.items():
        draw.kernel(sheet[name], plane, spec.dilation, f"{name}: spans {spans[name]}")
    sizes = ", ".join(f"{span} at {name}" for name, span in spans.items())
    weights = words.count(plane.size, "weight")
    return sheet.says(f"A {words.size(plane.shape)} kernel, {weights}, spans {sizes}.")


ZOOM = 41  # pixels across, in which single ones can be told apart


def show_field(image: Photo, field: MeasuredField) -> Picture:
    """The pixels that one output of any module sees, over a photo, and its gradient as heat.

    A field with holes that is wider than 41 pixels has its middle enlarged beside it.

    Parameters
    ----------
    image : photo
        Brought to the size that the field was measured at.
    field : MeasuredField

    Raises
    ------
    ValueError
        For anything else.
    """
    image = as_photo(image, check_type("field", field, MeasuredField).support.shape)
    height, width = field.size
    zoomed = max(height, width) > ZOOM and max(field.largest_gap) > 1
    shown = ("support", "zoom", "heat") if zoomed else ("support", "heat")
    sheet = page.blank(page.side_by_side(dict.fromkeys(shown, 1)))
    draw.support(sheet["support"], image, field)
    if zoomed:
        draw.support(sheet["zoom"], image, field, f"its middle, {ZOOM}×{ZOOM}")
        row, column = field.center
        sheet["zoom"].set(xlim=(column - ZOOM / 2, column + ZOOM / 2), ylim=(row + ZOOM / 2, row - ZOOM / 2))
    draw.heat(sheet["heat"], field, "size of the gradient")
    mixed = ": all positions are mixed, and so it would at any size" if field.everywhere else ""
    return sheet.says(f"One output {words.seen(field.size, field.support.sum())}{mixed}.")


def show_cost(cost: Cost, *, layer: int | None = None) -> Picture:
    """Where a network's multiply-adds, weights and bytes go: by layer and by kind.

    The sentence names what may multiply but is not counted.

    Parameters
    ----------
    cost : Cost
    layer : int, optional
        One of the layers that multiply, counted from 1, to be named in full.

    Raises
    ------
    ValueError
        For what is no cost, or one without multiply-adds, or a layer that it does not have.
    """
    missing = f"not counted: {', '.join(cost.uncounted)}" if check_type("cost", cost, Cost).uncounted else ""
    if not cost.macs:
        raise ValueError(f"cost has no multiply-adds to show{'; ' * bool(missing)}{missing}")
    multiplying = [each for each in cost.layers if each.macs]
    chosen = None if layer is None else check_whole("layer", layer, 1, len(multiplying))
    left = page.panel("layers", 5, 3.2, left=0.5, below=0.55)
    sheet = page.blank(page.across(left, page.panel("shares", 3.6, 3.75, left=1.35)))
    charts.layers(sheet["layers"], cost, chosen)
    sheet.touch("layers", x="layer")
    kinds, counts = cost.kinds, {"multiply-adds": "macs", "weights": "weights", "bytes moved": "bytes"}
    rows = {row: {kind: getattr(part, n) for kind, part in kinds.items()} for row, n in counts.items()}
    rows["bytes moved"]["others"] = cost.bytes - sum(rows["bytes moved"].values())
    charts.shares(sheet["shares"], rows, "shares by kind")
    shares = ", ".join(f"{kind} {part.macs / cost.macs:.1%}" for kind, part in kinds.items())
    whole = f"{cost.macs:,} multiply-adds ({shares}), {cost.weights:,} weights, {cost.bytes:,} bytes moved"
    whole += f"; {missing}." if missing else "."
    if chosen is None:
        return sheet.says(whole)
    one = multiplying[chosen - 1]
    made = words.size(one.output_shape[1:])
    return sheet.says(
        f"Layer {chosen} of {len(multiplying)}, {one.name} ({one.kind}), makes {made} with {one.weights:,} "
        f"weights and {one.macs:,} multiply-adds, {one.macs / cost.macs:.1%} of {whole}"
    )


def show_times(timings: Mapping[str, Timing], *, roofline: bool = True) -> Picture:
    """Time against multiply-adds and, with the roofline, the speed reached against arithmetic intensity.

    Left: each module's share of the first one's time against its share of the first one's
    multiply-adds; on the diagonal, saving multiply-adds saves as much time. Right: the roofline
    (Williams et al., 2009) of the two yardsticks that were measured along: multiply-adds a second
    for which bytes come in (slope), and that the machine can do (flat).

    Raises
    ------
    ValueError
        For fewer than two modules, or one without multiply-adds.
    """
    timings = check_mapping("timings", timings, Timing, least=2)
    for name, timing in timings.items():
        if not timing.cost.macs:
            raise ValueError(f"timings[{name!r}] has no multiply-adds, so no place on a logarithmic axis")
    panels = ("shares", "roofline") if roofline else ("shares",)
    sheet = page.blank(page.panels(panels, 9 / len(panels), 3.75, left=0.75, below=0.65))
    first = next(iter(timings.values()))
    colours = [palette.of_kind(n if n in KINDS else _leading(t.cost)) for n, t in timings.items()]
    shares, each = {}, []
    for name, timing in timings.items():
        label, share = f"{name}  {1000 * timing.median:.3g} ms", 100 * timing.cost.macs / first.cost.macs
        shares[label] = (share, 100 * timing.median / first.median)
        each.append(f"{name} {share:.3g} %" + roofline * f" and {timing.cost.intensity:.2g}")
    labels = "% of the multiply-adds", f"% of the time, {words.count(first.threads, 'thread')}"
    ax = charts.cloud(sheet["shares"], shares, colours, labels)
    for (x, _), timing, colour in zip(shares.values(), timings.values(), colours, strict=True):
        ax.plot([x, x], [100 * end / first.median for end in timing.spread], color=colour, linewidth=2)
    ends = [min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])]
    ax.plot(ends, ends, "--", color=palette.MUTED, linewidth=1.5)
    ax.set_title("on the dashed line: as promised", fontsize=palette.TITLE)
    if roofline:
        _draw_roofline(sheet["roofline"], timings, colours)
    return sheet.says(
        f"Measured time beside counted multiply-adds, as shares of {next(iter(timings))!r} "
        f"({first.cost.macs:,}). Share of the multiply-adds{roofline * ', and multiply-adds per byte'}: "
        f"{'; '.join(each)}."
    )


def _draw_roofline(ax: Axes, timings: Mapping[str, Timing], colours: Sequence[str]) -> None:
    """How fast each is for its multiply-adds per byte, under what two yardsticks reached."""
    first = next(iter(timings.values()))
    speeds = {n: (t.cost.intensity, t.cost.macs / t.median / 1e9) for n, t in timings.items()}
    ridge = first.peak / first.bandwidth / 2, first.peak / 1e9
    labels = "multiply-adds per byte moved", "billion multiply-adds a second"
    charts.cloud(ax, speeds, colours, labels, ridge)
    places = np.geomspace(ax.get_xlim()[0], ax.get_xlim()[1], 100)
    roof = np.minimum(first.peak, first.bandwidth * places) / 1e9
    ax.plot(places, roof, color=palette.MUTED, linewidth=1.5)
    ax.fill_between(places, roof, ax.get_ylim()[1], color=palette.EMPTY)
    ax.set_title("roofline, from two yardsticks", fontsize=palette.TITLE)


def _leading(cost: Cost) -> str:
    """The kind that a module is known by: depthwise where it has any, else the most laborious."""
    kinds = cost.kinds
    return "depthwise" if "depthwise" in kinds else max(kinds, key=lambda kind: kinds[kind].macs, default="")


def show_costs(specs: Mapping[str, ConvSpec], input_size: tuple[int, int]) -> Picture:
    """Weights and multiply-adds of several convolutions on the same input, as bars.

    Raises
    ------
    ValueError
        For no convolution, or an input that is too small for one.
    """
    specs = check_mapping("specs", specs, ConvSpec)
    size = check_pair("input_size", input_size, 1)
    height = 0.5 * len(specs) + 0.3
    left, right = page.panel("weights", 4.2, height, left=1.9), page.panel("multiply-adds", 4.2, height)
    sheet = page.blank(page.across(left, right, gap=0.5))
    each = charts.costs(sheet["weights"], sheet["multiply-adds"], specs, size)
    return sheet.says(f"On {words.size(size)} pixels: {each}.")
