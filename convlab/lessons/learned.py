"""The pictures of lesson 05 on trained networks: what each reaches at which cost, and what it has learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from convlab.arithmetic import whole
from convlab.costs import Cost
from convlab.drawing import DIVERGING, draw_photo, times
from convlab.images import check_photo
from convlab.picture import (
    CONVOLUTIONS,
    EMPTY,
    INK,
    INPUT,
    KERNEL,
    LABEL,
    MUTED,
    OUTPUT,
    SMALL,
    Picture,
    blank,
    frame,
    side_by_side,
    thin_sides,
)
from convlab.training import Patches


def show_patches(patches: Patches, names: Sequence[str], *, figure: Figure | None = None) -> Picture:
    """The first nine patches of each of the photos `names`, zero in mid-grey."""
    figure, axes = side_by_side(figure, dict.fromkeys(names, 1))
    for label, name in enumerate(names):
        of_photo = patches.images[patches.labels == label, 0]
        _draw_tiles(axes[name], of_photo[:9], 3, name, INPUT, cmap="gray", vmin=-2.5, vmax=2.5)
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
        percent, colour = 100 * np.asarray(values), CONVOLUTIONS[name]
        ax.plot([percent.min(), percent.max()], [row, row], color=colour, linewidth=2, alpha=0.5)
        ax.scatter(percent, [row] * len(percent), s=70, color=colour, edgecolors="white", zorder=3)
        ax.plot([percent.mean()] * 2, [row - 0.24, row + 0.24], color=colour, linewidth=4)
        ax.text(
            percent.mean(), row - 0.26, f"{percent.mean():.0f} %", ha="center", va="bottom", fontsize=SMALL
        )
    ax.axvline(100 * chance, color=MUTED, linestyle="--", linewidth=1.5)
    ax.text(100 * chance + 1, len(accuracies) - 0.55, "chance", fontsize=SMALL, color=MUTED, va="bottom")
    ax.set(xlim=(0, 100), ylim=(len(accuracies) - 0.45, -0.75))
    frame(ax, "held-out accuracy, %")
    ax.set_xticks(range(0, 101, 20), map(str, range(0, 101, 20)), fontsize=LABEL)
    ax.set_yticks(range(len(accuracies)), list(accuracies), fontsize=LABEL)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.tick_params(length=0)
    return thin_sides(ax, "bottom")


def _draw_column(ax: Axes, title: str, values: Mapping[str, float], form: str) -> Axes:
    """Horizontal bars in the rows of :func:`_draw_accuracies`, each with its number above the end."""
    for row, (name, value) in enumerate(values.items()):
        ax.barh(row, value, height=0.3, color=CONVOLUTIONS[name])
        ax.annotate(
            form.format(value), (0, row - 0.2), (4, 0), "data", "offset points", fontsize=SMALL, color=INK
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
    ax.set_facecolor(EMPTY)
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
        _draw_tiles(axes[title], kernels / limit, columns, title, KERNEL, cmap=DIVERGING, vmin=-1, vmax=1)
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
    whole("layer", layer, 0)
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
        _draw_tiles(axes[name], shown, 4, name, CONVOLUTIONS.get(name, OUTPUT), cmap="gray", vmin=0, vmax=1)
    after = f"after {layer} layer{'s' * (layer != 1)}" if layer else "after the stem"
    each = "; ".join(f"{name}, {times(values.shape)}" for name, values in maps.items())
    return Picture(
        figure, f"Held-out {piece}, {times(image.shape[-2:])} pixels; feature maps {after}: {each}."
    )
