"""The pictures of lesson 05: five convolutions side by side, and networks that learned with them."""

from collections.abc import Mapping, Sequence
from itertools import count
from math import ceil, sqrt
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec, per_axis, receptive_field
from convlab.checks import check_mapping, check_one_of, check_sequence, check_type, check_whole
from convlab.images import Photo, as_photo
from convlab.kernels import KERNELS, named_kernel
from convlab.measure.costs import Cost, cost
from convlab.measure.reach import measure_receptive_field
from convlab.measure.timing import Timing
from convlab.pictures import charts, draw, page, palette, words
from convlab.training import Patches, alternatives, small_network

FIVE = ("ordinary", "pointwise", "dilated", "grouped", "separable")


def filter_bank(image: Photo, channels: int) -> Tensor:
    """Feature maps (1, channels, H, W) of a grey photo: the named kernels at sizes 3, 5, 7 …

    Each map is scaled to a standard deviation of 1, so that no channel drowns the others; one that is
    the same all over stays as it is.

    Parameters
    ----------
    image : photo
        Taken in grey.
    channels : int
        A multiple of 8, the number of named kernels.

    Raises
    ------
    ValueError
        For what is no photo or number of channels.
    """
    image = as_photo(image, channels=1)
    if check_whole("channels", channels, 1) % len(KERNELS):
        raise ValueError(f"channels={channels!r} must be a multiple of {len(KERNELS)}, the named kernels")
    sizes = range(3, 3 + 2 * channels // len(KERNELS), 2)
    banks = [torch.stack([named_kernel(name, size) for name in KERNELS])[:, None] for size in sizes]
    bank = torch.cat([F.conv2d(image, kernels, padding="same") for kernels in banks], dim=1)
    spread = bank.std(dim=(2, 3), keepdim=True)
    return bank / spread.where(spread > 1e-4, 1)


def _first_map(specs: Sequence[ConvSpec], bank: Tensor, weights: Tensor) -> Tensor:
    """The first output channel, when each filter means: this kernel on each channel, then their mean."""
    maps = bank
    for spec in specs:
        inputs, last = spec.in_channels // spec.groups, spec is specs[-1]
        maps = maps[:, : inputs if last else None]  # the first output looks at the first group alone
        kernel = weights if spec.kernel_size != (1, 1) else torch.ones(1, 1)
        filters = (kernel / inputs).expand(1 if last else spec.out_channels, inputs, *spec.kernel_size)
        groups = 1 if last else spec.groups
        maps = F.conv2d(maps, filters, padding="same", dilation=spec.dilation, groups=groups)
    return maps


def _five(in_channels: int, out_channels: int, kernel_size: int, groups: int = 4) -> tuple[dict, ...]:
    """The convolutions of the five by name, the weights of each, and the pixels across that it sees."""
    ways = alternatives(in_channels, out_channels, kernel_size, groups=groups)
    layers = {name: ways[name] for name in FIVE}
    weights = {name: sum(spec.num_weights for spec in specs) for name, specs in layers.items()}
    return layers, weights, {name: receptive_field(specs)[-1].size[0] for name, specs in layers.items()}


def show_five(
    image: Photo,
    *,
    channels: int = 16,
    kernel_size: int = 3,
    kernel: str = "Sobel x",
    timings: Mapping[tuple[int, int], Mapping[str, Timing]] | None = None,
) -> page.Picture:
    """Five convolutions on the same channels made of a photo: output, shape, weights, reach and cost.

    Parameters
    ----------
    image : photo
        Taken in grey; the input is its :func:`filter_bank`.
    channels : int
        Of input and output: a multiple of 8.
    kernel_size, kernel
        Every filter is this named kernel on each channel that it sees, and the mean of the results.
    timings : mapping, optional
        For (channels, kernel_size) what ``measure_time`` gave for the five by name. Drawn, but not
        part of the sentence.

    Raises
    ------
    ValueError
        For what is no photo, an unknown kernel, or a number that no layer or kernel can have.
    """
    image = as_photo(image, channels=1)
    kernel_size = check_whole("kernel_size", kernel_size, 3, odd=True)
    layers, counts, reach = _five(channels, channels, kernel_size)
    bank, weights = filter_bank(image, channels), named_kernel(kernel, kernel_size)
    size = per_axis(int, image.shape[-2:])
    macs = {name: sum(spec.macs(size) for spec in specs) for name, specs in layers.items()}

    maps = page.panels(FIVE, 2.02, min(2.02 * size[0] / size[1], 4), gap=0.15, below=1.2)
    bars = page.panel("bars", maps.width, 1.2, above=0, below=0.3)
    sheet = page.blank(page.down(maps, bars, gap=0))
    for name, specs in layers.items():
        draw.feature_map(sheet[name], _first_map(specs, bank, weights), name, colour=palette.of_kind(name))
        lines = (
            f"{channels}×{words.size(size)}\n{counts[name]:,} weights\n"
            f"{macs[name] / 1e6:.1f} M multiply-adds\nsees {reach[name]}×{reach[name]} pixels"
        )
        below = {"va": "top", "ha": "center", "linespacing": 1.25, "transform": sheet[name].transAxes}
        page.write(sheet[name], 0.5, -0.03, lines, **below)
    _draw_shares(sheet["bars"], macs, (timings or {}).get((channels, kernel_size)))
    each = "; ".join(
        f"{name} {counts[name]:,} weights, {macs[name]:,} multiply-adds, sees {reach[name]}×{reach[name]}"
        for name in FIVE
    )
    return sheet.says(
        f"{channels} to {channels} channels on {words.size(size)}, {kernel}, "
        f"{kernel_size}×{kernel_size}: {each}."
    )


def _draw_shares(ax: Axes, macs: Mapping[str, int], measured: Mapping[str, Timing] | None) -> None:
    """Pairs of bars under the maps: multiply-adds (solid) and time (hatched), in % of the first."""
    first, label = FIVE[0], "solid: multiply-adds"
    rows = {"multiply-adds": [100 * macs[name] / macs[first] for name in FIVE]}
    if measured:
        rows["time"] = [100 * measured[name].median / measured[first].median for name in FIVE]
        label += f"; hatched: time, {words.count(measured[first].threads, 'thread')}; in % of ordinary"
    most = max(map(max, rows.values()))
    for number, (row, values) in enumerate(rows.items()):
        for place, (name, value) in enumerate(zip(FIVE, values, strict=True)):
            middle = place + 0.5 + (number - (len(rows) - 1) / 2) * 0.38
            colour, what = palette.of_kind(name), f"{name}, {row} in % of {first}"
            style = {"facecolor": "white", "hatch": "///"} if number else {"facecolor": colour}
            ax.bar(middle, value, width=0.29, edgecolor=colour, linewidth=2, label=what, **style)
            page.write(ax, middle, value + 0.03 * most, f"{value:.0f} %", ha="center", va="bottom")
    page.frame(ax, "").set(xlim=(0, len(FIVE)), ylim=(0, 1.22 * most))
    page.thin_sides(ax, "bottom")
    ax.set_xlabel(label, fontsize=palette.LABEL, color=palette.INK, labelpad=4)


def show_patches(patches: Patches, names: Sequence[str]) -> page.Picture:
    """The first nine patches of each of the photos `names`, zero in mid-grey.

    Raises
    ------
    ValueError
        For what are no patches, or no names.
    """
    names = check_sequence("names", names, str)
    labels = check_type("patches", patches, Patches).labels
    if len(names) != len(labels.unique()):
        raise ValueError(f"names={names} must name the {len(labels.unique())} photos of the patches")
    sheet = page.blank(page.side_by_side(dict.fromkeys(names, 1)))
    for label, name in enumerate(names):
        shown = patches.images[labels == label, 0][:9]
        draw.tiles(sheet[name], shown, 3, name, palette.INPUT, limits=(-2.5, 2.5))
    size = words.size(patches.images.shape[-2:])
    return sheet.says(f"9 of {len(patches) // len(names)} patches of {size} from each of {', '.join(names)}.")


def show_training(
    accuracies: Mapping[str, Sequence[float]], costs: Mapping[str, Cost], *, chance: float
) -> page.Picture:
    """Held-out accuracy of each seed, how far ahead of the first network it is, and the price.

    Parameters
    ----------
    accuracies : mapping of str to sequence of float
        For each network, "separable 40" say, the share of held-out patches that each of its seeds
        gets right; the first word of a name is its kind.
    costs : mapping of str to Cost
        Of each network, for one patch.
    chance : float
        The accuracy of a guess.

    Raises
    ------
    ValueError
        If the two are not about the same networks, or for fewer than two seeds or not as many of each.
    """
    check_mapping("costs", costs, Cost)
    counts = set(map(len, accuracies.values()))
    if set(accuracies) != set(costs) or len(counts) != 1 or max(counts) < 2:
        raise ValueError(
            f"accuracies of {list(accuracies)} need costs of the same networks, and at least "
            "two seeds, as many of each"
        )
    percent = {name: 100 * np.asarray(values) for name, values in accuracies.items()}
    first = next(iter(percent))
    room: dict[str, float] = {"height": 0.62 * len(percent), "below": 0.5}
    dots, ahead = page.panel("accuracy", 3.2, **room, left=1.2), page.panel("ahead", 2.6, **room)
    prices = page.panels(("multiply-adds", "parameters"), 1.45, **room, gap=0.15)
    sheet = page.blank(page.across(dots, ahead, prices))
    _draw_accuracies(sheet["accuracy"], percent, 100 * chance)
    _draw_leads(sheet["ahead"], {name: values - percent[first] for name, values in percent.items()})
    style: dict[str, Any] = {"colours": list(map(_colour_of, percent)), "named": False, "room": 1.9}
    macs = {name: costs[name].macs / 1e6 for name in percent}
    charts.bars(sheet["multiply-adds"], macs, "multiply-adds", form="{:.2f} M".format, **style)
    parameters = {name: costs[name].parameters for name in percent}
    charts.bars(sheet["parameters"], parameters, "parameters", **style)
    worst = min(float(np.mean(values)) for values in accuracies.values())
    verdict = f"above {int(min(worst / chance, 2))}× chance" if worst > chance else "not all above chance"
    each = "; ".join(f"{name} {costs[name].macs:,} and {costs[name].parameters:,}" for name in percent)
    return sheet.says(
        f"Held-out accuracy of {len(percent)} networks, {max(counts)} seeds each, {verdict} ({chance:.0%}), "
        f"and their lead over {first}, ± 3 standard errors. Multiply-adds and parameters: {each}."
    )


def _colour_of(name: str) -> str:
    return palette.of_kind(name.split()[0])


def _draw_accuracies(ax: Axes, percent: Mapping[str, np.ndarray], chance: float) -> Axes:
    """A row for each network: a dot for each seed, a bar at their mean."""
    for row, (name, values) in enumerate(percent.items()):
        colour, mean = _colour_of(name), values.mean()
        ax.scatter(values, [row] * len(values), s=40, color=colour, edgecolors="white", alpha=0.6)
        ax.plot([mean] * 2, [row - 0.24, row + 0.24], color=colour, linewidth=4)
        page.write(ax, mean, row - 0.26, f"{mean:.0f} %", ha="center", va="bottom", fontsize=palette.SMALL)
    ax.axvline(chance, color=palette.MUTED, linestyle="--", linewidth=1.5)
    style = {"fontsize": palette.SMALL, "color": palette.MUTED, "va": "bottom"}
    page.write(ax, chance + 1, len(percent) - 0.5, "chance", **style)
    page.frame(ax, "held-out accuracy, %").set(xlim=(0, 100))
    page.name_ticks(ax.xaxis, range(0, 101, 20), range(0, 101, 20))
    return _rows(ax, percent)


def _draw_leads(ax: Axes, leads: Mapping[str, np.ndarray]) -> Axes:
    """A row for each network: how far it is ahead of the first, ± 3 standard errors of this mean."""
    widest = 5.0
    for row, (name, values) in enumerate(leads.items()):
        mean, error = values.mean(), values.std(ddof=1) / sqrt(len(values))
        ends = mean - 3 * error, mean + 3 * error
        ax.plot(ends, [row, row], color=_colour_of(name), linewidth=3)
        ax.scatter([mean], [row], s=60, color=_colour_of(name), edgecolors="white", zorder=3)
        widest = max(widest, *map(abs, ends))
    ax.axvline(0, color=palette.MUTED, linestyle="--", linewidth=1.5)
    page.frame(ax, "lead, points")
    step = next(step for step in (5, 10, 20, 50, 100, 200) if 2 * step >= widest)
    page.name_ticks(ax.xaxis, (-step, 0, step), (-step, 0, step))
    ax.set_xlim(-1.15 * max(widest, step), 1.15 * max(widest, step))
    ax.set_xlabel(f"over {next(iter(leads))}, ± 3 standard errors", fontsize=palette.LABEL, color=palette.INK)
    return _rows(ax, [""] * len(leads))


def _rows(ax: Axes, names: Sequence[str] | Mapping[str, object]) -> Axes:
    ax.set_ylim(len(names) - 0.4, -0.6)
    page.name_ticks(ax.yaxis, names)
    return page.thin_sides(ax, "bottom")


def _draw_scaled(ax: Axes, maps: Tensor, *arguments: Any, **style: Any) -> Axes:
    """Maps (N, h, w) in tiles, each to its own scale."""
    largest = maps.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)
    return draw.tiles(ax, maps / largest, *arguments, **style)


def show_learned_kernels(before: Tensor, after: Tensor) -> page.Picture:
    """The kernels (N, k, k) of a layer before and after training, each to its own scale.

    Raises
    ------
    ValueError
        For tensors of other shapes, or of two.
    """
    shapes = {check_type(name, each, Tensor).shape for name, each in (("before", before), ("after", after))}
    if len(shapes) > 1 or before.dim() != 3:
        raise ValueError(
            f"before={tuple(before.shape)} and after={tuple(after.shape)} must be alike: (N, k, k)"
        )
    count, height, width = after.shape
    columns = ceil(sqrt(count))
    ratio = columns * width / (ceil(count / columns) * height)
    parts = {"before training": before, "after training": after}
    sheet = page.blank(page.side_by_side(dict.fromkeys(parts, ratio), height=4))
    for title, kernels in parts.items():
        _draw_scaled(sheet[title], kernels, columns, title, palette.KERNEL, cmap=palette.DIVERGING)
    changed = int((after != before).flatten(1).any(dim=1).sum())
    return sheet.says(
        f"{count} kernels of {height}×{width} before and after training; {changed} of them have changed."
    )


def show_features(
    networks: Mapping[str, nn.Module], pieces: Mapping[str, Tensor], *, piece: str = "gravel", layer: int = 3
) -> page.Picture:
    """A piece of a photo and the first 16 maps that each network makes of it, each map to its own scale.

    Parameters
    ----------
    networks : mapping of str to nn.Module
        As :func:`~convlab.training.small_network` makes them.
    pieces : mapping of str to Tensor, (1, 1, H, W)
        Grey, with values in [0, 1].
    piece : str
        Which of the pieces.
    layer : int
        Layers after the stem; 0 shows the stem's own maps.

    Raises
    ------
    ValueError
        For an unknown piece, one that is no photo, or a number of layers that can't be.
    """
    layer = check_whole("layer", layer, 0)
    given = check_mapping("networks", networks, nn.Sequential)
    image = as_photo(pieces[check_one_of("piece", piece, pieces)], channels=1)
    shown = {"photo": image.shape[-1] / image.shape[-2]} | dict.fromkeys(networks, 1)
    sheet = page.blank(page.side_by_side(shown))
    draw.photo(sheet["photo"], image, f"held-out {piece}")
    patch = (image - image.mean()) / image.std().clamp(min=1e-3)
    with torch.no_grad():
        maps = {name: net[: 1 + layer](patch)[0] for name, net in given.items()}
    for name, values in maps.items():
        shown_maps = _draw_scaled(sheet[name], values[:16], 4, name, _colour_of(name), limits=(0, 1))
        shown_maps.images[0].mouseover = False  # each to its own scale: no numbers to read
    after = f"after {words.count(layer, 'layer')}" if layer else "after the stem"
    each = "; ".join(f"{name}, {words.size(values.shape)}" for name, values in maps.items())
    size = words.size(image.shape[-2:])
    return sheet.says(f"Held-out {piece}, {size} pixels; feature maps {after}: {each}.")


def answer_fewest_weights(reach: int, groups: int = 4, **layer: int) -> dict[str, Any]:
    """Of the five that reach further than `reach`, the one with the fewest weights."""
    layers, weights, reaches = _five(**layer, groups=groups)
    fewest = min((name for name in FIVE if reaches[name] > reach), key=lambda name: weights[name])
    return {"answer": fewest, "halves": layers["separable"], "weights": weights, "reaches": reaches}


def answer_as_heavy(channels: int, kernel_size: int, other: Mapping[str, int]) -> dict[str, Any]:
    """The channels at which a layer of another kind has the weights of an ordinary one."""

    def weights(width: int, **layer: Any) -> int:
        return ConvSpec(width, width, **layer).num_weights

    wanted, step = weights(channels, kernel_size=kernel_size), other.get("groups", 1)
    answer = next(n for n in count(step, step) if weights(n, **other) >= wanted)
    cheaper = weights(step, kernel_size=kernel_size) // weights(step, **other)
    times = {"cheaper": cheaper, "times": cheaper * channels, "wider": answer // channels}
    return times | {"answer": answer, "weights": wanted}


def answer_chance(photos: int, patches: int) -> dict[str, Any]:
    """How many patches a guess gets right."""
    right = round(patches / photos)
    return {"answer": right, "wrong": patches - right, "half": patches / 2, "others": photos - 1}


def answer_deeper(depth: int, deeper: int) -> dict[str, Any]:
    """The pixels across that a network sees behind the stem, `depth` pointwise layers, and `deeper`."""

    def seen(name: str, layers: int) -> int:
        network = small_network(alternatives(8, 8)[name], 1, depth=deeper)[: 1 + layers]
        return measure_receptive_field(network, (1, 65, 65)).size[0]

    views = [seen("pointwise", layers) for layers in (0, depth, deeper)]
    return {"answer": views[2], "views": views, "ordinary": seen("ordinary", deeper)}


def answer_bytes(channels: int, size: int) -> dict[str, Any]:
    """How many times the bytes of the ordinary layer the separable one moves."""
    ways, shape = alternatives(channels, channels), (channels, size, size)
    layers = [nn.Sequential(*(s.module() for s in ways[name])) for name in ("separable", "ordinary")]
    two, one = (cost(layer, shape) for layer in layers)
    each = 4 * channels * size**2  # a map of all channels, as the one between the halves
    wrong = {"unsplit": (two.bytes - 2 * each) / one.bytes, "unread": (two.bytes - each) / one.bytes}
    return wrong | {"answer": two.bytes / one.bytes, "weights": two.weights / one.weights}


def answer_margin(lead: float, error: float, margin: int) -> dict[str, Any]:
    """What may be said of a mean difference, with a margin of some standard errors."""
    room = margin * error
    answer = "no answer" if abs(lead) <= room else "ahead" if lead > 0 else "behind"
    least = f"{lead - room:.1f}".replace("-", "−")
    return {"answer": answer, "room": room, "least": least, "most": lead + room}


def answer_seeds(seeds: int, narrower: int) -> dict[str, Any]:
    """How many times as many seeds make the standard error so many times smaller."""
    answer = narrower**2
    return {"answer": answer, "all": answer * seeds, "root": sqrt(narrower), "double": 2 * narrower}


def task_width(answer: Any, channels: int, kernel_size: int) -> tuple[Any, Any]:
    """The widest separable layer, in steps of 8 channels, with no more weights than the ordinary one has."""
    limit = ConvSpec(channels, channels, kernel_size).num_weights
    widths, yours = range(8, kernel_size * channels + 1, 8), answer(channels, kernel_size)
    layers = {width: alternatives(width, width, kernel_size)["separable"] for width in widths}
    widest = max(w for w, specs in layers.items() if sum(spec.num_weights for spec in specs) <= limit)
    return widest, repr(yours) if isinstance(yours, str) else yours


def task_budget(answer: Any, need: str, channels: int, size: int, limit: int = 0) -> tuple[Any, Any]:
    """What is wanted of a body of layers, and what the reader's comes to; the same where it does."""
    specs = check_sequence("body", answer, ConvSpec)
    body = nn.Sequential(*(spec.module() for spec in specs)).eval().requires_grad_(False)
    seen = min(receptive_field(specs)[-1].size)
    narrowest = min(min(spec.in_channels, spec.out_channels) for spec in specs)
    if need == "shape":
        return (channels, size, size), tuple(body(torch.zeros(1, channels, size, size)).shape[1:])
    if need == "channels":
        lit = torch.eye(channels)[:, :, None, None].expand(-1, -1, 9, 9)  # in each image another channel
        moved = (body(lit) - body(torch.zeros_like(lit))).abs().amax(dim=(2, 3)) > 0
        return channels**2, int(moved.sum())
    if need == "holes":
        field = measure_receptive_field(body, (channels, 2 * seen + 1, 2 * seen + 1))
        return 1.0, round(field.coverage, 2)
    macs = cost(body, (channels, size, size)).macs if need == "price" else 0
    target, kept, found = {
        "width": (f"at least {limit} channels", narrowest >= limit, f"a layer with {narrowest}"),
        "view": (f"at least {limit} pixels across", seen >= limit, f"{seen}, {limit - seen} too few"),
        "price": (f"at most {limit:,} multiply-adds", macs <= limit, f"{macs:,}, {macs - limit:,} too many"),
    }[need]
    return target, target if kept else found
