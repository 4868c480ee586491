"""The pictures of lesson 03: channels in groups, who is wired to whom, and what a poke then moves."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convlab.arithmetic import ConvSpec, per_axis
from convlab.checks import check_mapping, check_one_of, check_whole
from convlab.images import Photo, as_photo, photo
from convlab.kernels import COLOUR_KERNELS, named_kernel
from convlab.pictures import charts, draw, page, palette, words

# The channels that a photo is lifted to, four of a kind.
KINDS = ("colour", "edges", "details")
CHANNELS = 12
BETWEEN = ("nothing", "channel shuffle", "1×1 convolution")

LEFT, WIDTH = 1.45, 9.45  # inches: where a row of channels begins, and how wide it is
TILE = WIDTH / CHANNELS


def _lifting_weights() -> Tensor:
    """Filters (12, 3, 5, 5) of a photo in red, green and blue, made by hand."""
    colours, centre = torch.tensor(list(COLOUR_KERNELS.values())), named_kernel("identity", 5)
    across, down = named_kernel("Sobel x"), named_kernel("Sobel y")
    shapes = [across, across + down, down, (across + down).flip(1)]  # slopes across and down make a slant
    shapes += [named_kernel("Laplacian"), named_kernel("Laplacian", 5)]
    shapes += [named_kernel("emboss") - named_kernel("identity"), named_kernel("Gaussian blur", 5) - centre]
    on_luma = torch.stack([named_kernel(shape, 5) for shape in shapes])[:, None]
    return torch.cat([colours[:, :, None, None] * centre, colours[0, :, None, None] * on_luma])


def lift(image: Photo) -> Tensor:
    """A photo (1, 3, H, W) as twelve channels (1, 12, H, W) made by a fixed convolution.

    Channels 0–3 are colours, 4–7 edges of four directions, 8–11 fine and coarse details. Each is
    brought to mean 0 and standard deviation 1, unless it is the same all over.

    Raises
    ------
    ValueError
        For another image.
    """
    channels = F.conv2d(F.pad(as_photo(image, channels=3), (2,) * 4, mode="replicate"), _lifting_weights())
    centred = channels - channels.mean((2, 3), keepdim=True)
    return centred / centred.std((2, 3), keepdim=True).clamp(min=1e-4)


def _kernels(seed: int) -> Tensor:
    """A fixed ordinary kernel (12, 12, 3, 3): blurs whose strengths are never near zero."""
    random = torch.rand(2, CHANNELS, CHANNELS, generator=torch.Generator().manual_seed(seed))
    strength = (0.4 + 0.6 * random[0]) * torch.where(random[1] < 0.5, -1, 1)
    strength.fill_diagonal_(1)
    return strength[:, :, None, None] * named_kernel("Gaussian blur")


def _layer(groups: int, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """3×3, 12 to 12 channels: what is left of one fixed ordinary kernel when groups cut it."""
    weight = _kernels(seed)[torch.from_numpy(_wired(groups))].unflatten(0, (CHANNELS, -1))
    return partial(F.conv2d, weight=weight, padding="same", groups=groups)


def _spec(groups: int) -> ConvSpec:
    return ConvSpec(CHANNELS, CHANNELS, 3, padding="same", groups=groups, bias=False)


def _wired(groups: int) -> np.ndarray:
    """(12, 12) of bool: which output channel (row) reads which input channel (column)."""
    group = np.arange(CHANNELS) // _spec(groups).weight_shape[1]
    return group[:, None] == group[None, :]


def _draw_channels(ax: Axes, maps: Tensor, colour: str, moved: np.ndarray | None = None) -> None:
    """Channels (1, 12, H, W) in a row, each to its own scale; those that did not move stay empty."""
    shades = maps[0] / maps[0].flatten(1).abs().quantile(0.98, dim=1).clamp(min=1e-9)[:, None, None]
    # 24 greys are as good to the eye as 256 and halve the stored picture.
    shades = shades.clamp(-1, 1).mul(12).round() / 12
    if moved is not None:
        shades[~torch.from_numpy(moved)] = torch.nan
    draw.tiles(ax, shades, CHANNELS, "", colour).images[0].mouseover = False  # scaled: no numbers to read


def _draw_wires(ax: Axes, stages: Sequence[np.ndarray], moved: Sequence[np.ndarray] | None = None) -> Axes:
    """Rows of channels from the input (top) to the output (bottom) and the wires between them.

    Each stage is a matrix (12, 12) of bool, outputs by inputs. With `moved`, one array of 12 bool
    for each row of channels, what moved is filled and its wires are strong.
    """
    levels = len(stages)
    active = moved or [np.zeros(CHANNELS, bool)] * (levels + 1)
    faint, strong = (palette.MUTED, 1, 0.55), (palette.KERNEL, 2.2, 0.9)
    for moves, (colour, width, alpha) in enumerate((faint, strong)):
        wires = [
            [(source + 0.5, levels - stage), (output + 0.5, levels - stage - 1)]
            for stage, (wired, sources) in enumerate(zip(stages, active, strict=False))
            for output, source in np.argwhere(wired & (sources == moves))
        ]
        ax.add_collection(LineCollection(wires, colors=colour, linewidths=width, alpha=alpha), autolim=False)
    for level, on in zip(range(levels, -1, -1), active, strict=True):
        edge = {levels: palette.INPUT, 0: palette.OUTPUT}.get(level, palette.MUTED)
        face, x = np.where(on, palette.KERNEL, "white"), np.arange(CHANNELS) + 0.5
        ax.scatter(x, [level] * CHANNELS, s=19**2, c=face, edgecolors=edge, linewidths=2, zorder=3)
        for channel, here in enumerate(on):
            style = {"color": "white", "weight": "bold"} if here else {}
            place = {"ha": "center", "va": "center_baseline", "fontsize": palette.SMALL, "zorder": 4}
            page.write(ax, channel + 0.5, level, str(channel), **place, **style)
    ax.set(xlim=(0, CHANNELS), ylim=(-0.35, levels + 0.35))
    ax.set_axis_off()
    return ax


def _label(ax: Axes, text: str, y: float = 0.5, colour: str = palette.INK) -> None:
    """A label to the left of a row, at height `y` of the axes' data."""
    page.write(ax, -0.12, y, text, ha="right", color=colour, linespacing=1.25)


def _label_kinds(ax: Axes) -> None:
    for first, kind in zip(range(0, CHANNELS, 4), KINDS, strict=True):
        text = f"{kind}: {first}–{first + 3}"
        page.write(ax, first + 2, -0.1, text, ha="center", va="bottom", color=palette.INPUT)


def _draw_matrix(ax: Axes, wired: np.ndarray, title: str) -> Axes:
    """Outputs (rows) by inputs (columns): filled where a wire is."""
    shades = ListedColormap([palette.EMPTY, palette.KERNEL])
    ax.imshow(wired, cmap=shades, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    draw.pixel_grid(ax, *wired.shape, colors="white", linewidths=16 / wired.shape[1])
    page.thin_sides(page.frame(ax, title))
    ax.set_xlabel("input channel →", fontsize=palette.LABEL, color=palette.INPUT)
    ax.set_ylabel("← output channel", fontsize=palette.LABEL, color=palette.OUTPUT)
    return ax


def _in_groups(groups: int) -> str:
    return f"{words.count(groups, 'group')} of {CHANNELS // groups}"


def _row(label: str, height: float) -> page.Block:
    return page.panel(label, WIDTH, height, left=LEFT, above=0.32 if label == "inputs" else 0)


def show_groups(image: Photo, *, groups: int = 3) -> page.Picture:
    """Twelve channels of a photo through a 3×3 convolution in groups: maps, wires and cost.

    Parameters
    ----------
    image : photo
        64×64 is enough; taken in colour.
    groups : int
        Divides 12: 1 is the ordinary convolution, 12 the depthwise one.

    Raises
    ------
    ValueError
        For what is no photo, or a number that doesn't divide 12.
    """
    groups = check_whole("groups", groups, 1)
    spec, plain, channels = _spec(groups), _spec(1), lift(image)
    size, wired = per_axis(int, channels.shape[-2:]), _wired(groups)
    rows = page.down(_row("inputs", TILE), _row("wires", 1.5), _row("outputs", TILE), gap=0.02)
    below = {"above": 0.5, "below": 0.35}
    matrices = {f"groups={g}": g for g in _divisors(CHANNELS)}
    thirds = (page.panels(list(matrices)[n : n + 3], 0.95, 0.95, gap=0.2, above=0.33) for n in (0, 3))
    left = page.down(*thirds, gap=0)
    middle = page.panel("weights", 2.5, 2.35, left=1.25, **below)
    right = page.panel("multiply-adds", 3, 2.35, **below)
    sheet = page.blank(page.down(rows, page.across(left, middle, right, gap=0.45), gap=0))
    _draw_channels(sheet["inputs"], channels, palette.INPUT)
    _draw_channels(sheet["outputs"], _layer(groups)(channels), palette.OUTPUT)
    wires = _draw_wires(sheet["wires"], [wired]).collections[0]
    wires.set(color=palette.of_kind(spec.kind), linewidth=1 + groups / 4, alpha=0.9)
    _label_kinds(sheet["inputs"])
    _label(sheet["inputs"], "input\nchannels", colour=palette.INPUT)
    _label(sheet["wires"], f"{_in_groups(groups)},\n{spec.kind}")
    _label(sheet["outputs"], "output\nchannels", colour=palette.OUTPUT)
    for label, g in matrices.items():
        _draw_matrix(sheet[label], _wired(g), "").set(xlabel="", ylabel="")
        edge = (palette.KERNEL, 4) if g == groups else (palette.MUTED, 1)
        page.frame(sheet[label], label, edge[0], size=palette.SMALL, linewidth=edge[1])
        sheet[label].spines[:].set(visible=True)
        sheet.touch(label, groups=g)
    both, part = {plain.kind: plain, f"groups={groups}": spec}, "all" if groups == 1 else f"1/{groups}"
    charts.costs(sheet["weights"], sheet["multiply-adds"], both, size)
    return sheet.says(
        f"{CHANNELS} channels in {_in_groups(groups)} ({spec.kind}): {wired.sum()} of {wired.size} wires, "
        f"{spec.num_weights:,} weights and {spec.macs(size):,} multiply-adds on {words.size(size)} pixels, "
        f"{part} of the ordinary {plain.num_weights:,} and {plain.macs(size):,}."
    )


def show_connectivity(matrices: Mapping[str, Tensor]) -> page.Picture:
    """Which output channel reads which input channel, for several layers side by side.

    Parameters
    ----------
    matrices : mapping
        For each title a tensor (C_out, C_in) or an ordinary kernel (C_out, C_in, k, k): filled
        where anything is not zero.

    Raises
    ------
    ValueError
        For no tensor, or one of another shape.
    """
    wired = {}
    for title, values in check_mapping("matrices", matrices, Tensor).items():
        if values.dim() not in (2, 4):
            shape = tuple(values.shape)
            raise ValueError(f"{title!r} has shape {shape}, not (C_out, C_in) or (C_out, C_in, k, k)")
        wired[title] = (values.detach() != 0).reshape(*values.shape[:2], -1).any(2).numpy()
    each = min(2.9, 10.5 / len(wired) - 0.55)
    sheet = page.blank(page.panels(wired, each, each, left=0.3, below=0.3))
    counts = {title: f"{matrix.sum():,} of {matrix.size:,}" for title, matrix in wired.items()}
    for title, matrix in wired.items():
        _draw_matrix(sheet[title], matrix, f"{title}: {counts[title]}")
    each_count = "; ".join(map(", ".join, counts.items()))
    return sheet.says(f"Connections from input to output channels: {each_count}.")


def _stack(groups: int, between: str) -> list[tuple[str, Callable[[Tensor], Tensor], np.ndarray]]:
    """Two layers in groups and what stands between them: name, function and wires of each."""
    check_one_of("between", between, BETWEEN)
    name = f"3×3,\ngroups={groups}"
    layers = [(name, _layer(groups), _wired(groups)), (name, _layer(groups, seed=1), _wired(groups))]
    if between == "channel shuffle":
        shuffle = partial(F.channel_shuffle, groups=groups)
        goes = shuffle(torch.arange(CHANNELS).reshape(1, CHANNELS, 1, 1)).flatten()
        layers.insert(1, ("channel\nshuffle", shuffle, F.one_hot(goes, CHANNELS).bool().numpy()))
    elif between == "1×1 convolution":
        mix = partial(F.conv2d, weight=_kernels(seed=2).sum((2, 3), keepdim=True))
        layers.insert(1, ("1×1,\ngroups=1", mix, _wired(1)))
    return layers


def show_poke(image: Photo, *, channel: int = 5, groups: int = 3, between: str = "nothing") -> page.Picture:
    """One of twelve channels is turned into its negative: which channels move, layer by layer?

    Measured: two layers in groups run once on the photo's channels and once on the poked ones.

    Parameters
    ----------
    image : photo
        64×64 is enough; taken in colour.
    channel : int
        The input channel to change, from 0 to 11.
    groups : int
        Of both layers; divides 12.
    between : str
        What stands between the two layers: one of ``convlab.lessons.grouped.BETWEEN``.

    Raises
    ------
    ValueError
        For what is no photo, or a value that is not offered.
    """
    groups = check_whole("groups", groups, 1)
    stack = _stack(groups, between)
    states = _poke(image, channel, stack)
    moved, change = [_moved(state) for state in states], states[-1][1:] - states[-1][:1]
    # As high for two layers as for three: nothing jumps.
    rows = _row("inputs", TILE), _row("wires", 3.7), _row("outputs", TILE)
    sheet = page.blank(page.down(*rows, gap=0), below=0.3)
    _draw_channels(sheet["inputs"], states[0][1:], palette.INPUT)
    _draw_channels(sheet["outputs"], change, palette.OUTPUT, moved[-1])
    wires = _draw_wires(sheet["wires"], [wired for _, _, wired in stack], moved)
    _label_kinds(sheet["inputs"])
    for label in ("inputs", "wires"):
        sheet.touch(label, x="channel", origin=(0, 0.5))
    _label(sheet["inputs"], f"input {channel}\nnegated", colour=palette.INPUT)
    for number, (name, _, _) in enumerate(stack):
        _label(wires, name, len(stack) - number - 0.5)
    _label(sheet["outputs"], "change of\noutputs", colour=palette.OUTPUT)
    draw.outline(sheet["inputs"], 0.5, channel + 0.5, (1, 1), palette.KERNEL, 5, rim=0)
    reached = ", ".join(map(str, np.flatnonzero(moved[-1])))
    return sheet.says(
        f"Two 3×3 layers in {_in_groups(groups)}, {between} between them: negating input channel {channel} "
        f"moves {moved[1].sum()} of {CHANNELS} channels after the first layer and {moved[-1].sum()} of "
        f"{CHANNELS} outputs at the end ({reached})."
    )


def _poke(image: Photo, channel: int, stack: Sequence[tuple]) -> list[Tensor]:
    """The channels of a photo, as they are and with one negated (2, 12, H, W), and behind each layer."""
    states = [lift(image).repeat(2, 1, 1, 1)]
    states[0][1, check_whole("channel", channel, 0, CHANNELS - 1)] *= -1
    for _, run, _ in stack:
        states.append(run(states[-1]))
    return states


def _moved(state: Tensor) -> np.ndarray:
    """Which channels differ by more than rounding, at any pixel."""
    return ((state[1] - state[0]).abs().amax((1, 2)) > 1e-4).numpy()


def answer_poke(groups: int, channel: int, between: str) -> dict[str, Any]:
    """How many outputs move when one input channel is negated, measured on the picture's own two layers."""
    states = _poke(photo("astronaut", 16), channel, _stack(groups, between))
    first, last = (np.flatnonzero(_moved(states[layer])) for layer in (1, -1))
    shown = {"own": ", ".join(map(str, first[:-1])), "last": first[-1], "moved": len(first)}
    return shown | {"answer": len(last), "channels": CHANNELS}


def answer_same_money(channels: int, width: int, groups: int, kernel_size: int) -> dict[str, Any]:
    """The channels of a 3×3 in groups at which a block has nearly the weights of one without groups."""

    def weights(inner: int, groups: int) -> int:
        return 2 * channels * inner + (kernel_size * inner) ** 2 // groups

    budget, offered = weights(width, 1), range(groups, channels + 1, groups)
    inner = min(offered, key=lambda inner: abs(weights(inner, groups) - budget))
    wrong = {"one_sided": budget / channels, "alone": width * sqrt(groups), "times": width * groups}
    shown = {"budget": budget, "each": inner // groups, "weights": weights(inner, groups)}
    shown |= {"now": weights(width, groups), "most": channels, "at_most": weights(channels, groups)}
    return wrong | shown | {"answer": inner}


def _divisors(*numbers: int) -> list[int]:
    """All numbers that divide each of these."""
    return [g for g in range(1, min(numbers) + 1) if not any(number % g for number in numbers)]


def _reached(channels: int, groups: int, layers: int) -> int:
    """Channels that one of them reaches through layers in groups, a shuffle between any two."""
    maps = F.one_hot(torch.zeros(1, dtype=torch.long), channels)[:, :, None, None].float()
    for layer in range(layers):
        maps = F.channel_shuffle(maps, groups) if layer else maps
        maps = F.conv2d(maps, torch.ones(channels, channels // groups, 1, 1), groups=groups)
    return int((maps > 0).sum())


def answer_from_shapes(in_channels: int, weight: Sequence[int]) -> dict[str, Any]:
    """The groups of a layer whose weight has this shape."""
    filters, each = weight[:2]
    more, answer = filters // in_channels, in_channels // each
    return {"each": each, "by_filters": filters // each, "more": more, "answer": answer}


def answer_legal(in_channels: int, out_channels: int) -> dict[str, Any]:
    """How many numbers of groups are legal."""
    legal = _divisors(in_channels, out_channels)
    wrong = {"of_input": len(_divisors(in_channels)), "of_output": len(_divisors(out_channels))}
    return wrong | {"most": legal[-1], "listed": ", ".join(map(str, legal)), "answer": len(legal)}


def answer_second(channels: int, groups: int) -> dict[str, Any]:
    """The channel that stands second after a shuffle; its neighbours."""
    order = F.channel_shuffle(torch.arange(channels).reshape(1, channels, 1, 1), groups).flatten().tolist()
    return {"first": order[0], "answer": order[1], "third": order[2]}


def answer_zeros(channels: int, groups: int) -> dict[str, Any]:
    """How many per cent of a block-diagonal kernel are zeros."""
    filled, block = 100 / groups, 100 * (channels // groups) ** 2 / channels**2
    return {"filled": filled, "block": block, "outside": 100 - block, "answer": 100 - filled}


def answer_most_groups(channels: int) -> dict[str, Any]:
    """The most groups with which two layers and a shuffle between them carry each channel to all."""
    answer = max(g for g in _divisors(channels) if _reached(channels, g, 2) == channels)
    wrong = {"half": channels // 2, "quarter": channels // 4, "fewer": answer // 2}
    shown = {f"by_{name}": _reached(channels, wrong[name], 2) for name in ("half", "quarter")}
    return wrong | shown | {"answer": answer, "each": channels // answer}


def answer_three_layers(channels: int, groups: int, layers: int) -> dict[str, Any]:
    """The channels that one reaches through several layers with shuffles between them."""
    each, two = channels // groups, _reached(channels, groups, 2)
    return {"each": each, "two": two, "added": layers * each, "answer": _reached(channels, groups, layers)}


def answer_classifier(groups: int, classes: int) -> dict[str, Any]:
    """How many class scores, weighted sums of all channels, move when one input channel is negated."""
    maps = _poke(photo("astronaut", 16), 0, _stack(groups, "nothing"))[-1]
    before, after = F.linear(maps.amax((2, 3)), _kernels(seed=2).sum((2, 3))[:classes])
    return {"answer": int(((after - before).abs() > 1e-4).sum()), "part": classes // groups}


def answer_unchanged(channels: int, kernel_size: int, groups: int, size: int) -> dict[str, Any]:
    """What of a layer stays as it was when it gets groups."""
    layers = [ConvSpec(channels, channels, kernel_size, padding="same", groups=g) for g in (1, groups)]
    one, many = ((s.output_size(size), s.num_weights, s.macs(size), s.weight_shape[1]) for s in layers)
    names = zip(("shape", "weights", "macs", "seen"), one, many, strict=True)
    (answer,) = (name for name, before, after in names if before == after)
    return {"answer": answer, "seen": many[3]}


def task_split(
    answer: Callable,
    groups: int,
    channels: int = CHANNELS,
    out_channels: int = CHANNELS,
    names: Sequence[str] = ("cat",),
    learns: str = "",
) -> tuple[Any, Any]:
    """Channels of photos through a convolution in groups: the outputs, or gradients of what `learns`."""
    weight = torch.randn(out_channels, channels // groups, 3, 3, requires_grad=bool(learns))
    x = _channels_of(names, channels).requires_grad_(bool(learns))
    both = F.conv2d(x, weight, groups=groups), answer(x, weight, groups)
    if not learns:
        return both
    of = {"weight": weight, "x": x}[learns]
    first, second = (torch.autograd.grad(m.square().sum(), of, materialize_grads=True)[0] for m in both)
    return first, second


def task_shuffle(answer: Callable, channels: int, groups: int, names: Sequence[str]) -> tuple[Any, Any]:
    """The first channels of these photos, shuffled."""
    maps = _channels_of(names, channels)
    return F.channel_shuffle(maps, groups), answer(maps, groups)


def _channels_of(names: Sequence[str], channels: int) -> Tensor:
    return torch.cat([lift(photo(name, (40, 56))) for name in names])[:, :channels]


@torch.no_grad()
def task_mend(answer: Callable, groups: int | Sequence[int]) -> tuple[Any, Any]:
    """Which outputs (rows) each input (columns) of a stack moves; for several groups, what it is made of."""
    if not isinstance(groups, int):
        only = "only conv(groups=groups) and nn.ChannelShuffle(groups)"
        foreign = [part for g in groups for part in _foreign(answer(g), g)]
        return only, f"also {foreign[0]}" if foreign else only
    stack = answer(groups)
    ends = [_poke(photo("cat", 16), channel, [("", stack, None)])[-1] for channel in range(CHANNELS)]
    moved = torch.tensor(np.stack(list(map(_moved, ends)), axis=1))
    return torch.ones(CHANNELS, CHANNELS), moved.float()


def _foreign(stack: Any, groups: int) -> list[str]:
    """The parts that are neither a convolution nor a shuffle in so many groups."""
    allowed = [(nn.Sequential, None), (nn.Conv2d, groups), (nn.ChannelShuffle, groups)]
    parts = stack.modules() if isinstance(stack, nn.Module) else [stack]
    kinds = [(type(part), getattr(part, "groups", None)) for part in parts]
    foreign = [each for each in kinds if each not in allowed]
    return [kind.__name__ + f" with groups={many}" * bool(many) for kind, many in foreign]
