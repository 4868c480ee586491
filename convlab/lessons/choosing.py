"""The pictures of lesson 05: five convolutions side by side, and networks that learned with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec
from convlab.checks import check_whole
from convlab.images import check_photo
from convlab.kernels import KERNELS
from convlab.kernels import kernel as named_kernel
from convlab.measure.costs import Cost, cost
from convlab.measure.reach import measure_receptive_field
from convlab.measure.timing import Timing
from convlab.pictures import palette
from convlab.pictures.drawings import draw_map, draw_photo, times
from convlab.pictures.page import Picture, blank, frame, side_by_side, thin_sides
from convlab.training import Patches, alternatives, small_network

FIVE = ("ordinary", "pointwise", "dilated", "grouped", "separable")


def filter_bank(image: Tensor, channels: int) -> Tensor:
    """Feature maps (1, channels, H, W) of a grey photo: the named kernels at sizes 3, 5, 7 …

    Each map is scaled to a standard deviation of 1, so that no channel drowns the others; one that is
    the same all over stays as it is.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo.
    channels : int
        A multiple of 8, the number of named kernels.

    Raises
    ------
    ValueError
        For another image or number of channels.
    """
    check_photo(image, 1)
    if check_whole("channels", channels, 1) % len(KERNELS):
        raise ValueError(f"channels={channels!r} must be a multiple of {len(KERNELS)}, the named kernels")
    maps = []
    for size in range(3, 3 + 2 * channels // len(KERNELS), 2):
        kernels = torch.stack([named_kernel(name, size) for name in KERNELS])
        maps.append(F.conv2d(image, kernels[:, None], padding="same"))
    bank = torch.cat(maps, dim=1)
    spread = bank.std(dim=(2, 3), keepdim=True)
    return bank / spread.where(spread > 1e-4, 1)


def _first_map(specs: Sequence[ConvSpec], bank: Tensor, weights: Tensor) -> Tensor:
    """The first output channel, when each filter means: this kernel on each channel, then their mean."""
    maps = bank
    for spec in specs:
        inputs = spec.in_channels // spec.groups
        last = spec is specs[-1]
        maps = maps[:, : inputs if last else None]  # the first output looks at the first group alone
        kernel = weights if spec.kernel_size != (1, 1) else torch.ones(1, 1)
        filters = (kernel / inputs).expand(1 if last else spec.out_channels, inputs, *spec.kernel_size)
        maps = F.conv2d(
            maps, filters, padding="same", dilation=spec.dilation, groups=1 if last else spec.groups
        )
    return maps


@cache
def _reach(specs: tuple[ConvSpec, ...]) -> int:
    with torch.random.fork_rng(devices=[]):  # what is seen does not depend on the weights
        layers = nn.Sequential(*(spec.module() for spec in specs))
    return measure_receptive_field(layers, (specs[0].in_channels, 33, 33)).size[0]


def show_five(
    image: Tensor,
    *,
    channels: int = 16,
    kernel_size: int = 3,
    kernel: str = "Sobel x",
    timings: Mapping[tuple[int, int], Mapping[str, Timing]] | None = None,
    figure: Figure | None = None,
) -> Picture:
    """Five convolutions on the same channels made of a photo: output, shape, weights, reach and cost.

    Parameters
    ----------
    image : Tensor, (1, 1, H, W)
        A grey photo; the input is its :func:`filter_bank`.
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
        For another image, an unknown kernel, or a number that no layer or kernel can have.
    """
    layers = {name: alternatives(channels, channels, kernel_size)[name] for name in FIVE}
    bank, weights = filter_bank(image, channels), named_kernel(kernel, kernel_size)
    size = tuple(image.shape[-2:])
    macs = {name: sum(spec.macs(size) for spec in specs) for name, specs in layers.items()}
    counts = {name: sum(spec.num_weights for spec in specs) for name, specs in layers.items()}
    reach = {name: _reach(specs) for name, specs in layers.items()}
    measured = (timings or {}).get((channels, kernel_size))

    left, gap, head, text, low = 0.15, 0.15, 0.42, 1.15, 1.75
    wide = (11 - 2 * left - gap * (len(FIVE) - 1)) / len(FIVE)
    tall = wide * size[0] / size[1]
    boxes = {name: (left + i * (wide + gap), low + text, wide, tall) for i, name in enumerate(FIVE)}
    boxes["bars"] = (left, 0.42, 11 - 2 * left, low - 0.55)
    figure, axes = blank(figure, (11, low + text + tall + head), boxes)
    for name, specs in layers.items():
        draw_map(axes[name], _first_map(specs, bank, weights), name, colour=palette.CONVOLUTIONS[name])
        lines = (
            f"{channels}×{times(size)}\n{counts[name]:,} weights\n{macs[name] / 1e6:.1f} M multiply-adds\n"
            f"reach {reach[name]}×{reach[name]}"
        )
        place = {
            "xy": (0.5, 0),
            "xycoords": "axes fraction",
            "xytext": (0, -5),
            "textcoords": "offset points",
        }
        axes[name].annotate(
            lines, **place, ha="center", va="top", fontsize=palette.LABEL, color=palette.INK, linespacing=1.25
        )
    centres = [boxes[name][0] + wide / 2 - left for name in FIVE]
    _draw_shares(axes["bars"], centres, macs, measured)
    each = "; ".join(
        f"{name} {counts[name]:,} weights, {macs[name]:,} multiply-adds, reach {reach[name]}×{reach[name]}"
        for name in FIVE
    )
    return Picture(
        figure,
        f"{channels} to {channels} channels on {times(size)}, {kernel}, {kernel_size}×{kernel_size}: {each}.",
    )


def _draw_shares(
    ax: Axes, centres: Sequence[float], macs: Mapping[str, int], measured: Mapping[str, Timing] | None
) -> Axes:
    """Pairs of bars under the maps: multiply-adds (solid) and time (hatched), in % of the first."""
    rows = {"multiply-adds": [100 * value / macs[FIVE[0]] for value in macs.values()]}
    if measured:
        rows["time"] = [100 * measured[name].median / measured[FIVE[0]].median for name in FIVE]
    most = max(max(values) for values in rows.values())
    threads = measured[FIVE[0]].threads if measured else 0
    for number, values in enumerate(rows.values()):
        for centre, name, value in zip(centres, FIVE, values, strict=True):
            middle = centre + (number - (len(rows) - 1) / 2) * 0.8
            colour = palette.CONVOLUTIONS[name]
            style = {"facecolor": colour} if number == 0 else {"facecolor": "white", "hatch": "///"}
            ax.bar(middle, value, width=0.62, edgecolor=colour, linewidth=2, **style)
            ax.text(
                middle,
                value + 0.03 * most,
                f"{value:.0f} %",
                ha="center",
                fontsize=palette.LABEL,
                color=palette.INK,
            )
    ax.set(xlim=(0, ax.convlab_box[2]), ylim=(0, 1.22 * most))
    frame(ax, "")
    thin_sides(ax, "bottom")
    label = "solid: multiply-adds"
    label += f"; hatched: time, {threads} thread{'s' * (threads > 1)}; in % of ordinary" if measured else ""
    ax.set_xlabel(label, fontsize=palette.LABEL, color=palette.INK, labelpad=4)
    return ax


def show_patches(patches: Patches, names: Sequence[str], *, figure: Figure | None = None) -> Picture:
    """The first nine patches of each of the photos `names`, zero in mid-grey."""
    figure, axes = side_by_side(figure, dict.fromkeys(names, 1))
    for label, name in enumerate(names):
        of_photo = patches.images[patches.labels == label, 0]
        _draw_tiles(axes[name], of_photo[:9], 3, name, palette.INPUT, cmap="gray", vmin=-2.5, vmax=2.5)
    size = times(patches.images.shape[-2:])
    return Picture(
        figure, f"9 of {len(patches) // len(names)} patches of {size} from each of {', '.join(names)}."
    )


def show_training(
    accuracies: Mapping[str, Sequence[float]],
    costs: Mapping[str, Cost],
    step_seconds: Mapping[str, float],
    *,
    chance: float,
    figure: Figure | None = None,
) -> Picture:
    """Held-out accuracy of each seed, beside multiply-adds, parameters and time of a training step.

    Parameters
    ----------
    accuracies : mapping of str to sequence of float
        For each network, the share of held-out patches that each of its seeds gets right.
    costs : mapping of str to Cost
        Of each network, for one patch.
    step_seconds : mapping of str to float
        Of one training step. Drawn, but not part of the sentence.
    chance : float
        The accuracy of a guess.

    Raises
    ------
    ValueError
        If the three are not about the same networks.
    """
    if not accuracies or set(accuracies) != set(costs) or set(accuracies) != set(step_seconds):
        raise ValueError(f"accuracies of {list(accuracies)} need costs and step_seconds of the same networks")
    names = sorted(accuracies, key=lambda name: (-costs[name].macs, -costs[name].parameters))
    height = 0.62 * len(names)
    boxes = {"accuracy": (1.35, 0.4, 4.1, height)}
    for number, label in enumerate(("multiply-adds", "parameters", "time a step")):
        boxes[label] = (5.75 + 1.75 * number, 0.4, 1.6, height)
    figure, axes = blank(figure, (11, height + 0.85), boxes)
    _draw_accuracies(axes["accuracy"], {name: accuracies[name] for name in names}, chance)
    columns = {
        "multiply-adds": {name: costs[name].macs / 1e6 for name in names},
        "parameters": {name: costs[name].parameters for name in names},
        "time a step": {name: 1000 * step_seconds[name] for name in names},
    }
    forms = {"multiply-adds": "{:.2f} M", "parameters": "{:,}", "time a step": "{:.0f} ms"}
    for label, values in columns.items():
        _draw_column(axes[label], label, values, forms[label])
    seeds = min(map(len, accuracies.values()))
    worst = min(np.mean(values) for values in accuracies.values())
    times_chance = int(min(worst / chance, 2))
    each = "; ".join(f"{name} {costs[name].macs:,} and {costs[name].parameters:,}" for name in names)
    verdict = f"all above {times_chance}× chance ({chance:.0%})" if worst > chance else "not all above chance"
    return Picture(
        figure,
        f"Held-out accuracy of {len(names)} networks, {seeds} seeds each, {verdict}. "
        f"Multiply-adds and parameters: {each}.",
    )


def _draw_accuracies(ax: Axes, accuracies: Mapping[str, Sequence[float]], chance: float) -> Axes:
    """A row for each network: a dot for each seed, a bar at their mean."""
    for row, (name, values) in enumerate(accuracies.items()):
        percent, colour = 100 * np.asarray(values), palette.CONVOLUTIONS[name]
        ax.plot([percent.min(), percent.max()], [row, row], color=colour, linewidth=2, alpha=0.5)
        ax.scatter(percent, [row] * len(percent), s=70, color=colour, edgecolors="white", zorder=3)
        ax.plot([percent.mean()] * 2, [row - 0.24, row + 0.24], color=colour, linewidth=4)
        ax.text(
            percent.mean(),
            row - 0.26,
            f"{percent.mean():.0f} %",
            ha="center",
            va="bottom",
            fontsize=palette.SMALL,
        )
    ax.axvline(100 * chance, color=palette.MUTED, linestyle="--", linewidth=1.5)
    ax.text(
        100 * chance + 1,
        len(accuracies) - 0.55,
        "chance",
        fontsize=palette.SMALL,
        color=palette.MUTED,
        va="bottom",
    )
    ax.set(xlim=(0, 100), ylim=(len(accuracies) - 0.45, -0.75))
    frame(ax, "held-out accuracy, %")
    ax.set_xticks(range(0, 101, 20), map(str, range(0, 101, 20)), fontsize=palette.LABEL)
    ax.set_yticks(range(len(accuracies)), list(accuracies), fontsize=palette.LABEL)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.tick_params(length=0)
    return thin_sides(ax, "bottom")


def _draw_column(ax: Axes, title: str, values: Mapping[str, float], form: str) -> Axes:
    """Horizontal bars in the rows of :func:`_draw_accuracies`, each with its number above the end."""
    for row, (name, value) in enumerate(values.items()):
        ax.barh(row, value, height=0.3, color=palette.CONVOLUTIONS[name])
        ax.annotate(
            form.format(value),
            (0, row - 0.2),
            (4, 0),
            "data",
            "offset points",
            fontsize=palette.SMALL,
            color=palette.INK,
        )
    ax.set(xlim=(0, 1.05 * max(values.values())), ylim=(len(values) - 0.45, -0.75))
    frame(ax, title)
    return thin_sides(ax, "left")


def _largest(maps: Tensor) -> Tensor:
    """The largest size of a value in each of the maps (N, h, w), as (N, 1, 1)."""
    return maps.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)


def _tiles(maps: Tensor, columns: int) -> np.ndarray:
    """Maps (N, h, w) in a grid with a NaN line between them."""
    count, height, width = maps.shape
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for number, values in enumerate(maps):
        top, left = (number // columns) * (height + 1), (number % columns) * (width + 1)
        grid[top : top + height, left : left + width] = values
    return grid


def _draw_tiles(ax: Axes, maps: Tensor, columns: int, title: str, colour: str, **shades: object) -> Axes:
    grid = _tiles(maps, columns)
    ax.set_facecolor(palette.EMPTY)
    ax.imshow(grid, interpolation="nearest", aspect="auto", **shades)
    ax.set(xlim=(-0.5, grid.shape[1] - 0.5), ylim=(grid.shape[0] - 0.5, -0.5))
    return frame(ax, title, colour)


def show_learned_kernels(before: Tensor, after: Tensor, *, figure: Figure | None = None) -> Picture:
    """The kernels (N, k, k) of a layer before and after training, and the change.

    Each kernel keeps one scale in all three: the largest weight that it has before or after.

    Raises
    ------
    ValueError
        For tensors of other shapes, or of two.
    """
    if before.shape != after.shape or before.dim() != 3:
        raise ValueError(
            f"before={tuple(before.shape)} and after={tuple(after.shape)} must be alike: (N, k, k)"
        )
    count, height, width = after.shape
    columns = math.ceil(math.sqrt(count))
    ratio = (columns * (width + 1) - 1) / (math.ceil(count / columns) * (height + 1) - 1)
    parts = {"before training": before, "after training": after, "the change": after - before}
    limit = torch.maximum(_largest(before), _largest(after))
    figure, axes = side_by_side(figure, dict.fromkeys(parts, ratio))
    for title, kernels in parts.items():
        _draw_tiles(
            axes[title],
            kernels / limit,
            columns,
            title,
            palette.KERNEL,
            cmap=palette.DIVERGING,
            vmin=-1,
            vmax=1,
        )
    changed = int((after != before).flatten(1).any(dim=1).sum())
    return Picture(
        figure,
        f"{count} kernels of {height}×{width} before and after training; {changed} of them have changed.",
    )


def show_features(
    networks: Mapping[str, nn.Module],
    pieces: Mapping[str, Tensor],
    *,
    piece: str = "gravel",
    layer: int = 3,
    figure: Figure | None = None,
) -> Picture:
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
        For an unknown piece, one that is no grey photo, or a number of layers that can't be.
    """
    check_whole("layer", layer, 0)
    if piece not in pieces:
        raise ValueError(f"piece={piece!r} must be one of {', '.join(pieces)}")
    image = check_photo(pieces[piece], 1)
    figure, axes = side_by_side(
        figure, {"photo": image.shape[-1] / image.shape[-2]} | dict.fromkeys(networks, 1)
    )
    draw_photo(axes["photo"], image, f"held-out {piece}")
    with torch.no_grad():
        maps = {
            name: net[: 1 + layer]((image - image.mean()) / image.std().clamp(min=1e-3))[0]
            for name, net in networks.items()
        }
    for name, values in maps.items():
        shown = values[:16] / _largest(values[:16])
        _draw_tiles(
            axes[name],
            shown,
            4,
            name,
            palette.CONVOLUTIONS.get(name, palette.OUTPUT),
            cmap="gray",
            vmin=0,
            vmax=1,
        )
    after = f"after {layer} layer{'s' * (layer != 1)}" if layer else "after the stem"
    each = "; ".join(f"{name}, {times(values.shape)}" for name, values in maps.items())
    return Picture(
        figure, f"Held-out {piece}, {times(image.shape[-2:])} pixels; feature maps {after}: {each}."
    )


# What the questions of this lesson, in choosing.toml, ask for: computed from what each gives.


def answer_separable_weights(in_channels: int, out_channels: int, kernel_size: int) -> dict[str, object]:
    """The weights of depthwise and pointwise together."""
    specs = alternatives(in_channels, out_channels, kernel_size)["separable"]
    halves = {spec.kind: spec.num_weights for spec in specs}
    return halves | {"answer": sum(halves.values())}


def answer_larger_half(kernel_size: int, **channels: int) -> dict[str, object]:
    """The half that has more weights."""
    halves = answer_separable_weights(kernel_size=kernel_size, **channels)
    larger = max("depthwise", "pointwise", key=halves.get)
    return halves | {"answer": halves[larger], "larger": larger, "area": kernel_size**2}


def answer_fewest_weights(reach: int, **layer: int) -> dict[str, object]:
    """Of the five that reach further than `reach`, the one with the fewest weights."""
    five = {name: alternatives(**layer)[name] for name in FIVE}
    reaches = {name: _reach(specs) for name, specs in five.items()}
    weights = {name: sum(spec.num_weights for spec in specs) for name, specs in five.items()}
    fewest = min((name for name in five if reaches[name] > reach), key=weights.get)
    return answer_separable_weights(**layer) | {"answer": fewest, "weights": weights, "reaches": reaches}


def answer_chance(photos: int, patches: int) -> dict[str, object]:
    """How many patches a guess gets right."""
    return {"answer": round(patches / photos)}


def answer_deeper(depth: int, deeper: int) -> dict[str, object]:
    """The pixels across that a network sees behind the stem, `depth` pointwise layers, and `deeper`."""
    network = small_network(alternatives(8, 8)["pointwise"], 1, depth=deeper)
    views = [measure_receptive_field(network[: 1 + n], (1, 65, 65)).size[0] for n in (0, depth, deeper)]
    return {"answer": views[2], "views": views}


def answer_bytes(channels: int, size: int) -> dict[str, object]:
    """How many times the bytes of the ordinary layer the separable one moves."""
    halves, ordinary = (alternatives(channels, channels)[name] for name in ("separable", "ordinary"))
    moved = [cost(spec.module(), (channels, size, size)).bytes for spec in (*halves, *ordinary)]
    return {"answer": sum(moved[:-1]) / moved[-1], "halves": halves}


def answer_output(size: int, padding: int, **layer: int) -> dict[str, object]:
    """The side of the output."""
    return {"answer": ConvSpec(padding=padding, **layer).output_size(size)[0], "zeros": 2 * padding}


def answer_pointwise_cost(in_channels: int, out_channels: int, size: int) -> dict[str, object]:
    """The millions of multiply-adds of a 1×1 layer."""
    spec = ConvSpec(in_channels, out_channels, 1)
    shown = {"weights": spec.num_weights, "places": size**2, "thousands": spec.num_weights / 1e3}
    return shown | {"answer": spec.macs(size) / 1e6, "about": round(size**2, -2)}


def answer_reach(kernel_size: int, dilations: Sequence[int]) -> dict[str, object]:
    """The reach of a stack of dilated layers, measured."""
    layers = [ConvSpec(1, 1, kernel_size, padding="same", dilation=rate) for rate in dilations]
    return {"answer": _reach(tuple(layers)), "added": kernel_size - 1}


def answer_groups(channels: int, kernel_size: int, groups: int) -> dict[str, object]:
    """The weights of a layer in groups."""
    spec = ConvSpec(channels, channels, kernel_size, groups=groups)
    return {"answer": spec.num_weights, "each": spec.num_weights // channels}
