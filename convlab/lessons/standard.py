"""The pictures of lesson 00: one output pixel, one map, one size, and what one output sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from convlab.arithmetic import ConvSpec, per_axis, receptive_field
from convlab.checks import Pair, check_mapping, check_one_of, check_sequence, check_whole
from convlab.images import COLOURS, Photo, as_photo, photo
from convlab.kernels import identity, laplacian, name_of, named_kernel
from convlab.pictures import draw, page, palette, words
from convlab.pictures.figures import show_beside

# What a reader is asked to make of a photo, by nine numbers between −4 and 4.
TARGETS = {
    "shift": pad(torch.ones(1, 1), (1, 1, 0, 2)),  # each output takes the pixel above it
    "edge": pad(torch.tensor([[-1.0, 0, 1]]), (0, 0, 1, 1)),
    "sharpening": identity(3) - laplacian(3) / 2,
}


def _brightness(weights: Tensor) -> draw.Limits | None:
    """Weights that add up to 1, or more, make a photo again: it is drawn like one."""
    return (0, 1) if weights.sum() > 0.95 else None


def _with_room(image: Tensor, kernel_size: Sequence[int] = (3, 3)) -> Tensor:
    """The photo, unless a kernel does not fit into it."""
    if any(room < side for room, side in zip(image.shape[-2:], kernel_size, strict=True)):
        sizes = words.size(image.shape[-2:]), words.size(kernel_size)
        raise ValueError(f"image of {sizes[0]} pixels has no room for a {sizes[1]} kernel")
    return image


def _in_hundredths(image: Tensor) -> Tensor:
    """A photo whose numbers are as they are written, so that what is written adds up."""
    return image.mul(100).round() / 100


def show_window(
    image: Photo, *, row: int = 2, column: int = 3, kernel: str | Tensor = "Sobel x", stride: int = 1
) -> page.Picture:
    """One output pixel being made: patch times kernel, added up; the map as far as it has come.

    Parameters
    ----------
    image : photo
        So small that its pixels can be told apart; taken in grey, rounded to two decimals.
    row, column : int
        Where the window's top left pixel should be, in the photo. With a stride above 1 the window
        stands at the last place before it.
    kernel : str or Tensor, (3, 3)
        One of ``convlab.kernels.KERNELS``, or numbers of one's own.
    stride : int
        Step of the window in pixels.

    Raises
    ------
    ValueError
        For what is no photo or too small a one, an unknown kernel, or a place where the window would not fit.
    """
    image = _in_hundredths(_with_room(as_photo(image, channels=1)))
    stride, weights, size = check_whole("stride", stride, 1), named_kernel(kernel), image.shape[-2:]
    place = check_whole("row", row, 0, size[0] - 3), check_whole("column", column, 0, size[1] - 3)
    output = conv2d(image, weights[None, None], stride=stride)
    count = per_axis(int, output.shape[-2:])
    at = per_axis(lambda n, most: min(n // stride, most - 1), place, count)
    top, left = (n * stride for n in at)
    patch = image[0, 0, top : top + 3, left : left + 3]
    total = float(output[0, 0, at[0], at[1]])

    tall = min(3.0, 5.2 * size[0] / size[1])
    steps = page.panels(("patch", "kernel", "products", "sum"), 2, 2, gap=0.6)
    large = page.panels(("photo", "output"), tall * size[1] / size[0], tall)
    sheet = page.blank(page.down(large, steps))
    draw.outline(draw.photo(sheet["photo"], image), top, left, (3, 3), palette.KERNEL, 4)
    draw.pixel_grid(sheet["photo"], *size)

    shown = draw.feature_map(sheet["output"], output, within=size, limits=_brightness(weights))
    first = draw.middle(size, count)
    draw.pixel_grid(shown, *count, *first)
    y, x = first[0] + at[0], first[1] + at[1]
    still = {"facecolor": "white", "edgecolor": palette.MUTED, "hatch": "////", "linewidth": 0, "zorder": 2}
    shown.add_patch(Rectangle((x + 0.5, y - 0.5), first[1] + count[1] - x - 1, 1, **still))
    shown.add_patch(Rectangle((first[1] - 0.5, y + 0.5), count[1], first[0] + count[0] - y - 1, **still))
    draw.outline(shown, y, x, (1, 1), palette.OUTPUT)

    grey: dict[str, Any] = {"limits": (0, 1), "cmap": "gray", "colour": palette.INPUT}
    draw.kernel(sheet["patch"], patch, title="patch of the photo", **grey)
    draw.kernel(sheet["kernel"], weights, title=f"kernel: {name_of(kernel)}")
    products = patch * weights
    rounded = products.round(decimals=2) + 0.0
    draw.kernel(sheet["products"], rounded, title="nine products", colour=palette.INK)
    shade = sheet["output"].images[0].to_rgba(total)
    result = page.frame(sheet["sum"], "their sum", palette.OUTPUT)
    result.set(facecolor=shade, xlim=(-1, 1), ylim=(-1, 1))
    ink = palette.INK if shade[0] > 0.5 else "white"
    page.write(result, 0, 0, words.number(total), ha="center", fontsize=26, weight="bold", color=ink)
    for label, text in (("patch", "×"), ("kernel", "="), ("products", "add\nup")):
        page.sign(sheet[label], text, 0.6)
    sheet.touch("photo", x="column", y="row", origin=(1, 1))
    sheet.touch("output", x="column", y="row", origin=first, step=(1 / stride,) * 2)
    terms = zip(*(each.flatten().tolist() for each in (patch, weights, products)), strict=True)
    said = [f"{words.number(p)} × {words.short(w)} = {words.number(product)}" for p, w, product in terms]
    sheet.reads("products", [said[n : n + 3] for n in (0, 3, 6)])
    numbers = [words.number(product) for product in products.flatten().tolist()]
    equal = "≈" if abs(float(rounded.double().sum()) - total) > 0.005 else "="
    sheet.reads("sum", [[f"{' + '.join(numbers).replace('+ −', '− ')} {equal} {words.number(total)}"]])

    number = at[0] * count[1] + at[1] + 1
    return sheet.says(
        f"{name_of(kernel)}, stride {stride}: the window with its top left corner at row {top}, column "
        f"{left} gives nine products, which add up to {words.number(total)}. The map now has {number} of its "
        f"{count[0] * count[1]} pixels; {words.size(size)} becomes {words.size(count)}."
    )


def show_gallery(image: Photo, kernels: Sequence[str]) -> page.Picture:
    """Named 3×3 kernels in a row, and under each the map that it makes of a photo.

    Parameters
    ----------
    image : photo
        Taken in grey.
    kernels : sequence of str
        Of ``convlab.kernels.KERNELS``.

    Raises
    ------
    ValueError
        For what is no photo or too small a one, no kernel, or an unknown one.
    """
    image = _with_room(as_photo(image, channels=1))
    weights = {n: named_kernel(n, name="kernels") for n in check_sequence("kernels", kernels)}
    side = min(10.5 / len(kernels) - 0.25, 2.6)
    tall = min(side * image.shape[-2] / image.shape[-1], 4)
    maps = page.panels([f"{name} map" for name in kernels], side, tall, above=0)
    sheet = page.blank(page.down(page.panels(kernels, side, side), maps, gap=0.25))
    for name, taps in weights.items():
        draw.kernel(sheet[name], taps, title=name)
        output = conv2d(image, taps[None, None])
        draw.feature_map(sheet[f"{name} map"], output, " ", limits=_brightness(taps))
    sums = ", ".join(f"{name} {round(float(taps.sum()))}" for name, taps in weights.items())
    return sheet.says(
        f"{len(kernels)} kernels of 3×3, and under each its map of a photo of "
        f"{words.size(image.shape[-2:])}. Their weights add up to: {sums}."
    )


def show_target(image: Photo, *, target: str = "shift", kernel: str | Tensor = "identity") -> page.Picture:
    """A map that is to be made of a photo, what a kernel makes of it, and how far they are apart.

    Parameters
    ----------
    image : photo
        Taken in grey.
    target : str
        "shift", "edge" or "sharpening".
    kernel : str or Tensor, (3, 3)
        One of ``convlab.kernels.KERNELS``, or numbers of one's own.

    Raises
    ------
    ValueError
        For what is no photo or too small a one, or an unknown target or kernel.
    """
    image = _with_room(as_photo(image, channels=1))
    wanted = TARGETS[check_one_of("target", target, TARGETS)]
    made, came = (conv2d(image, each[None, None]) for each in (wanted, named_kernel(kernel)))
    picture = show_beside(made, came, _brightness(wanted))
    return replace(picture, alt=f"{target}, by {name_of(kernel)}: {picture.alt}")


def show_channel_sum(
    image: Photo, filters: Mapping[str, Tensor], *, filter: str | None = None, without: str = "nothing"
) -> page.Picture:
    """How three channels make one map, and several filters several maps.

    Parameters
    ----------
    image : photo
        Taken in colour, rounded to two decimals.
    filters : mapping
        For one to four filters the name and the weights (3, k, k): one slice for each channel.
    filter : str, optional
        The filter that is shown in full; the first unless given.
    without : str
        A channel of the photo, "red", "green" or "blue", that is set to zero; or "nothing".

    Raises
    ------
    ValueError
        For what is no photo or too small a one, no filter or more than four, filters of several sizes, or
        an unknown name.
    """
    shapes = {tuple(weights.shape) for weights in check_mapping("filters", filters, Tensor).values()}
    if len(filters) > 4 or len(shapes) > 1 or [(len(s), s[:1]) for s in shapes] != [(3, (3,))]:
        raise ValueError(f"filters of shapes {sorted(shapes)} must be one to four, all alike: (3, k, k)")
    filter = check_one_of("filter", next(iter(filters)) if filter is None else filter, filters)
    image = _in_hundredths(_with_room(as_photo(image, channels=3), filters[filter].shape[1:]))
    if check_one_of("without", without, ("nothing", *COLOURS)) != "nothing":
        image[:, COLOURS.index(without)] = 0
    weights = filters[filter]
    slices = torch.stack(list(filters.values()), dim=1)  # (3, filters, k, k)
    each = conv2d(image, slices.flatten(0, 1)[:, None], groups=3).unflatten(1, (3, -1))[0]
    maps, parts = each.sum(0), each[:, list(filters).index(filter)]
    at = per_axis(lambda length: length // 2, maps.shape[-2:])  # the pixel whose numbers are given
    here = parts[:, at[0], at[1]]
    *values, total = map(words.number, [*here.tolist(), here.sum().item()])

    rows = (page.panels((name, f"{name} weights", f"{name} part"), 1.6, 1.6, gap=0.45) for name in COLOURS)
    names = [f"map {name}" for name in filters]
    results = (page.panels(names[n : n + 2], 2, 2, gap=0.2) for n in range(0, len(names), 2))
    sheet = page.blank(page.across(page.down(*rows, gap=0), page.down(*results, gap=0), gap=0.8))
    _draw_parts(sheet, image, weights, parts, values, at)
    for name, plane in zip(filters, maps, strict=True):
        shown, chosen = sheet[f"map {name}"], name == filter
        draw.feature_map(shown, plane, name, colour=palette.OUTPUT if chosen else palette.MUTED)
        shown.spines[:].set_linewidth(6 if chosen else 1)
        if chosen:
            draw.outline(shown, *at, (1, 1), palette.OUTPUT)
        sheet.touch(f"map {name}", filter=name)
    missing = "" if without == "nothing" else f" Without the {without} channel."
    return sheet.says(
        f"Filter {filter!r}: 3 slices of {words.size(weights.shape[1:])}, {weights.numel()} "
        f"weights.{missing} At row {at[0]}, column {at[1]} its parts are {', '.join(values[:2])} and "
        f"{values[2]}, and the map holds their sum, {total}. Maps that come out: {len(filters)}."
    )


def _draw_parts(
    sheet: page.Sheet, image: Tensor, weights: Tensor, parts: Tensor, values: Sequence[str], at: Pair
) -> None:
    """For each colour its channel, its slice of the filter and the part that they make, each on one scale."""
    size = weights.shape[1:]
    for number, colour in enumerate(COLOURS):
        plane = draw.photo(sheet[colour], image[:, number], f"{colour} channel")
        taps = sheet[f"{colour} weights"]
        draw.kernel(taps, weights[number], title="its weights", limits=draw.symmetric(weights))
        part = sheet[f"{colour} part"]
        title = f"its part: {values[number]}"
        limits = draw.grey_limits(parts.numpy())
        draw.feature_map(part, parts[number], title, limits=limits, colour=palette.INK)
        draw.outline(plane, *at, size, palette.KERNEL)
        draw.outline(part, *at, (1, 1), palette.OUTPUT)
        page.sign(plane, "∗", 0.45)
        page.sign(taps, "=", 0.45)
    page.sign(sheet["green part"], "add\nup", 0.8)


def show_steps(image: Photo, *, kernel_size: int = 3, stride: int = 1, padding: int = 0) -> page.Picture:
    """Where the window stands on a padded photo, and the size that comes out (a mean, in greys).

    Parameters
    ----------
    image : photo
        Of few pixels, at least as many as the kernel along each side; taken in grey.
    kernel_size, stride, padding
        As in :class:`~convlab.arithmetic.ConvSpec`; one number for both axes.

    Raises
    ------
    ValueError
        For what is no photo, a number that no convolution has, or a kernel larger than the padded photo.
    """
    image = as_photo(image, channels=1)
    k, s = check_whole("kernel_size", kernel_size, 1), check_whole("stride", stride, 1)
    p, size = check_whole("padding", padding, 0), per_axis(int, image.shape[-2:])
    rows, columns = ConvSpec(1, 1, k, stride=s, padding=p).output_size(size)
    padded = pad(image, (p,) * 4)
    output = conv2d(padded, torch.full((1, 1, k, k), 1 / k**2), stride=s)
    room = max(size) + 2 * max(3, p)  # so that the photo stays where it is as the padding grows
    sheet = page.blank(page.side_by_side({"photo": 1, "windows": 1, "output": 1}))

    high, wide = padded.shape[-2:]
    margins = draw.middle((room, room), (high, wide))
    across = (-0.5 - margins[1], wide - 0.5 + margins[1])
    padding_text = f"padded to {words.size((high, wide))}" if p else "no padding"
    shown = draw.photo(sheet["photo"], padded, f"photo {words.size(size)}, {padding_text}")
    shown.set(xlim=across, ylim=(high - 0.5 + margins[0], -0.5 - margins[0]), facecolor="white")
    draw.pixel_grid(shown, high, wide)
    draw.outline(shown, p, p, size, palette.INPUT, 2)
    half = (k - 1) / 2
    spots = [(half + s * x, half + s * y) for y in range(rows) for x in range(columns)]
    dots = {"s": 16, "color": palette.KERNEL, "edgecolors": "white", "linewidths": 0.5, "zorder": 5}
    shown.scatter(*zip(*spots, strict=True), **dots)
    draw.outline(shown, 0, 0, (k, k), palette.KERNEL)

    draw.windows(sheet["windows"], padded[0, 0, high // 2], [s * n for n in range(columns)], k)
    sheet["windows"].set(xlim=across, ylim=(room, 0))
    title = f"output {words.size((rows, columns))}, a mean"
    grid = draw.feature_map(sheet["output"], output, title, within=(room, room))
    corner = draw.middle((room, room), (rows, columns))
    draw.pixel_grid(grid, rows, columns, *corner)
    draw.outline(grid, *corner, (1, 1), palette.OUTPUT)

    unused = wide - (s * (columns - 1) + k)
    rest = f" At the right, columns that no window sees: {unused}." if unused else ""
    return sheet.says(
        f"Kernel {k}×{k}, stride {s}, padding {p}: across, ⌊({size[1]} + 2·{p} − {k}) / {s}⌋ + 1 = {columns} "
        f"windows, so {words.size(size)} becomes {words.size((rows, columns))}.{rest}"
    )


def show_reach(image: Photo, *, depth: int = 1, kernel_size: int = 3) -> page.Picture:
    """What one output of a stack of ordinary layers sees, layer by layer.

    Parameters
    ----------
    image : photo
    depth : int
        How many layers.
    kernel_size : int
        Of every layer; odd.

    Raises
    ------
    ValueError
        If `kernel_size` is even, or one output would see more than the photo.
    """
    image = as_photo(image)
    depth, kernel_size = check_whole("depth", depth, 1), check_whole("kernel_size", kernel_size, 1, odd=True)
    layers = [ConvSpec(1, 1, kernel_size, padding="same", bias=False)] * depth
    sizes = [field.size for field in receptive_field(layers)]
    height, width = image.shape[-2:]
    if (seen := sizes[-1][0]) > min(height, width):
        raise ValueError(f"depth={depth} sees {seen} pixels, more than the image's {min(height, width)}")
    sheet = page.blank(page.side_by_side({"paths": 1.5, "photo": width / height}, height=4))
    names = [f"layer {level}" for level in range(1, depth + 1)]
    draw.paths(sheet["paths"], [1] * depth, kernel_size, "one output, and all that leads to it", names=names)
    photo = draw.photo(sheet["photo"], image, f"{words.size(sizes[-1])} pixels seen")
    draw.pixel_grid(photo, height, width)
    middle = height // 2, width // 2
    for side, _ in reversed(sizes):
        corner = per_axis(lambda at, side=side: at - side // 2, middle)
        draw.outline(photo, *corner, (side, side), palette.KERNEL, 2)
    draw.outline(photo, *middle, (1, 1), palette.OUTPUT, 2)
    step = (kernel_size - 1) / 2  # by which every layer moves the edge out
    sheet.touch("photo", x="depth", origin=middle, step=(step, step))
    return sheet.says(
        f"{words.count(depth, 'layer')} of {kernel_size}×{kernel_size}: one output sees "
        f"{' → '.join(map(words.size, sizes))} pixels. That takes {depth * kernel_size**2} weights for "
        f"1 channel in and 1 out; a single kernel of {words.size(sizes[-1])} has {seen**2}."
    )


# What the questions of this lesson, in standard.toml, ask for: computed from what each gives.


def answer_flat_patch(kernel: str, brightness: float) -> dict[str, Any]:
    """What a kernel makes of a patch that is the same all over."""
    weights = named_kernel(kernel)
    rows = ", ".join(" ".join(map(words.short, row)) for row in weights.tolist())
    products = weights * brightness
    sums = {"answer": products, "unsigned": abs(products), "negative": -products.clamp(max=0)}
    shown = {"weights": rows, "pixels": weights.numel()}
    return shown | {name: each.sum().item() for name, each in sums.items()}


def answer_brighter_photo(brighter: float, kernels: Sequence[str]) -> dict[str, Any]:
    """Which kernels give the same map of a photo when all of it gets brighter."""
    weights = {name: named_kernel(name) for name in kernels}
    still = [name for name in kernels if abs((weights[name] * brighter).sum()) < 1e-6]
    return {"answer": ", ".join(still), "weights": weights, "sum": sum(weights[name].sum() for name in still)}


def answer_letter(letter: Sequence[Sequence[int]]) -> dict[str, Any]:
    """How a kernel in the shape of a letter comes out of torch when it slides over one white pixel."""
    weights = torch.tensor(letter)
    dot = pad(torch.ones_like(weights[:1, :1]), (len(letter) - 1,) * 4)
    response = conv2d(dot[None, None], weights[None, None])[0, 0]
    shapes = {"upright": weights, "turned": weights.rot90(2), "mirrored": weights.flip(1)}
    return {"answer": next((name for name, shape in shapes.items() if response.equal(shape)), "blot")}


def answer_pooled(square: Sequence[Sequence[int]]) -> dict[str, Any]:
    """What ReLU and then max pooling make of a square of numbers."""
    values = torch.tensor(square)
    numbers = ", ".join(map(words.short, values.flatten().tolist()))
    wrong = {"loudest": int(values.abs().max()), "sum": int(relu(values).sum())}
    pooled = max_pool2d(relu(values.float())[None, None], len(square))
    return wrong | {"answer": int(pooled), "numbers": numbers, "size": len(square)}


def answer_corner(kernel_size: int) -> dict[str, Any]:
    """Of the pixels under a kernel in the corner, how many lie in the photo."""
    taps = kernel_size**2
    inside = conv2d(torch.ones(1, 1, 9, 9), torch.ones(1, 1, kernel_size, kernel_size), padding="same")[0, 0]
    corner, edge = (int(inside[place]) for place in ((0, 0), (0, 4)))
    return {"answer": corner, "edge": edge, "lost": taps - corner, "taps": taps}


def answer_far(kernel_size: int, seen: int) -> dict[str, Any]:
    """How many layers it takes to see so many pixels across."""
    layer = ConvSpec(1, 1, kernel_size)
    depth = next(n for n in count(1) if receptive_field([layer] * n)[-1].size[0] >= seen)
    return {"answer": depth, "apart": seen // kernel_size, "one_side": seen - 1, "first": depth + 1}


# What a reader writes in this lesson, beside what torch makes.


def task_loop(
    answer: Callable, channels: int, filters: int, kernel_size: int, stride: int, size: Pair
) -> tuple[Any, Any]:
    """A whole convolution, of a piece of a photo."""
    image = photo("coffee", (24, 36))[0, :channels, -size[0] :, -size[1] :]
    weight = torch.randn(filters, channels, kernel_size, kernel_size)
    return conv2d(image[None], weight, stride=stride)[0], answer(image.clone(), weight.clone(), stride)


def task_cost(answer: Callable, only_weights: bool = False, **given: int) -> tuple[Any, Any]:
    """Weights and multiply-adds of a layer on a square photo; of a pair perhaps the weights alone."""
    found = answer(*given.values())  # by position: a reader may give the arguments other names
    size = given.pop("size")
    layer = ConvSpec(**given, bias=False).module()
    weights, output = layer.weight.numel(), layer(torch.zeros(1, given["in_channels"], size, size))
    target = weights, weights * output[0, 0].numel()
    pair = isinstance(found, (list, tuple)) and len(found) == 2
    return (target[0], found[0]) if only_weights and pair else (target, found)


def task_shift(answer: Callable, rows: int, columns: int) -> tuple[Any, Any]:
    """A photo moved by a kernel of 5×5."""
    image = photo("cat", (40, 48), channels=1)
    weights = torch.as_tensor(answer(rows, columns), dtype=torch.float32)
    high, wide = image.shape[-2:]
    moved = pad(image, (2,) * 4)[..., 2 - rows :, 2 - columns :][..., :high, :wide]
    return moved, conv2d(image, weights[None, None], padding=2)
