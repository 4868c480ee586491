"""The pictures of lesson 02: kernels with gaps, stacks of them, and what one output then sees."""

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any

from torch import Tensor, as_tensor, nn, ones, randn
from torch.nn.functional import conv2d, conv_transpose1d, conv_transpose2d

from convlab.arithmetic import ConvSpec, per_axis, receptive_field, tap_offsets
from convlab.checks import check_whole, check_wholes
from convlab.images import Photo, as_photo, photo
from convlab.kernels import name_of, named_kernel
from convlab.measure.reach import measure_receptive_field
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
    # The pixel of the photo in the middle of the first output's footprint.
    start = per_axis(lambda k, pads: (k - 1) // 2 - pads[0], spec.effective_kernel_size, spec.padding_amounts)

    def nearest(name: str, place: int | None, room: int, edge: int, most: int) -> int:
        wanted = room // 2 if place is None else check_whole(name, place, 0, room - 1)
        return min(max(wanted - edge, 0), most - 1)

    at = per_axis(nearest, ("row", "column"), (row, column), size, start, made)
    ratio = size[1] / size[0]
    sheet = page.blank(page.side_by_side({"photo": ratio, "kernel": 1, "output": ratio}))
    draw.footprint(draw.photo(sheet["photo"], image), spec, at)
    draw.kernel(sheet["kernel"], weights, dilation)
    draw.feature_map(sheet["output"], output, within=size)
    first = draw.middle(size, made)
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


def _stack(rates: Sequence[int], kernel_size: int) -> list[ConvSpec]:
    return [ConvSpec(1, 1, kernel_size, padding="same", dilation=rate, bias=False) for rate in rates]


def show_rates(image: Photo, *, rates: Sequence[int] = (1, 2, 5), kernel_size: int = 3) -> page.Picture:
    """A stack of dilated layers: its paths, the pixels that one output sees, and how often.

    Parameters
    ----------
    image : photo
    rates : sequence of int
        The dilation of each layer.
    kernel_size : int
        Of every layer.

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
    layers = [spec.module().requires_grad_(False) for spec in specs]
    for layer in layers:  # with every weight alike, the gradient counts paths from pixel to output
        layer.weight.fill_(1 / kernel_size**2)
    field = measure_receptive_field(nn.Sequential(*layers), (1, *image.shape[-2:]))
    sheet = page.blank(page.side_by_side({"paths": 1.15, "support": 1, "heat": 1}))
    draw.paths(sheet["paths"], rates, kernel_size)
    draw.support(sheet["support"], image, field)
    draw.heat(sheet["heat"], field, "paths to each pixel", half=False)
    what = words.seen(field.size, field.support.sum())
    gap = field.largest_gap[0]
    seen_all = "no holes" if gap == 1 else f"holes, touched rows up to {gap} apart"
    return sheet.says(f"Rates {tuple(rates)}, {kernel_size}×{kernel_size}: one output {what}: {seen_all}.")


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
    stacks = {name: receptive_field(_stack(rates, kernel_size)) for name, rates in families.items()}
    sizes = {name: [field.size[0] for field in fields] for name, fields in stacks.items()}
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
    return sheet.says(
        f"After {words.count(depth, 'layer')} of {kernel_size}×{kernel_size}, one output reaches across: "
        f"{reached} pixels; {depth * kernel_size**2} weights a channel in each stack."
    )


# What the questions of this lesson, in dilated.toml, ask for: computed from what each gives.


def answer_span(kernel_size: int, dilation: int) -> dict[str, Any]:
    """The pixels that a kernel with gaps spans."""
    span = ConvSpec(1, 1, kernel_size, dilation=dilation).effective_kernel_size[0]
    wrong = {"wide": kernel_size + (kernel_size - 1) * dilation, "times": kernel_size * dilation}
    return wrong | {"answer": span, "gaps": kernel_size - 1, "skipped": dilation - 1}


def answer_which_has_holes(kernel_size: int, stacks: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The one stack that leaves pixels out."""
    touched = {tuple(rates): tap_offsets(rates, kernel_size) for rates in stacks}
    dense = [str(rates) for rates, offsets in touched.items() if len(offsets) == offsets[-1] + 1]
    (holes,) = (rates for rates in touched if str(rates) not in dense)
    covered = len(tap_offsets(holes[:-1], kernel_size))
    return {"answer": str(holes), "dense": dense, "rate": holes[-1], "covered": covered}


def answer_third_rate(kernel_size: int, rates: Sequence[int]) -> dict[str, Any]:
    """The largest rate that may follow these, which leave no hole, without one: what they cover."""
    wrong = {"doubled": 2 * rates[-1], "total": sum(rates), "paths": kernel_size ** len(rates)}
    return wrong | {"answer": len(tap_offsets(rates, kernel_size))}


def answer_price_of_gaps(kernel_size: int, dilation: int) -> dict[str, Any]:
    """Whether gaps make a layer that keeps the size dearer."""
    ordinary, dilated = (_stack([rate], kernel_size)[0].macs(64) for rate in (1, dilation))
    return {"answer": "same" if ordinary == dilated else "other", "taps": kernel_size**2}


def answer_rate_for_a_stride(stride: int, kernel_size: int) -> dict[str, Any]:
    """The rate with which a layer gives the same numbers behind a layer that lost its stride."""
    image, (first, second) = photo("cat", 32, channels=1), randn(2, 1, 1, kernel_size, kernel_size)
    wanted, full = conv2d(conv2d(image, first, stride=stride), second), conv2d(image, first)
    made = {n: conv2d(full, second, dilation=n)[..., ::stride, ::stride] for n in range(1, 2 * stride + 1)}
    alike = (n for n, maps in made.items() if maps.shape == wanted.shape)
    rate = next(n for n in alike if made[n].allclose(wanted, atol=1e-4))
    return {"answer": str(rate), "twice": 2 * stride}


# What readers write in this lesson, held against torch: the target, and what comes of their lines.


def task_zeros(
    answer: Callable[..., Any], kernel_size: int, dilation: int, photographed: bool = False
) -> tuple[Any, Any]:
    """The kernel with zeros in its gaps; or what it makes of a photo."""
    weights, image = randn(kernel_size, kernel_size), photo("cat", (72, 96), channels=1)
    spread = answer(weights.clone(), dilation)
    if photographed:
        wanted = conv2d(image, weights[None, None], dilation=dilation)
        return wanted, conv2d(image, as_tensor(spread, dtype=image.dtype)[None, None])
    # One pixel through a transposed convolution leaves the kernel's own print.
    return conv_transpose2d(ones(1, 1, 1, 1), weights[None, None], dilation=dilation)[0, 0], spread


FURTHEST = 60  # the largest rate that a reader's stack may have


def task_no_holes(answer: Sequence[int], judge: str, least: int) -> tuple[Any, Any]:
    """Rates that see far enough without a hole: how many, how far, what divides them all, pixels seen."""
    rates, touched = [check_whole("rate", rate, 1, FURTHEST) for rate in answer], ones(1, 1, 1)
    for rate in rates:  # from the output down
        touched = conv_transpose1d(touched, ones(1, 1, 3), dilation=rate)
    seen = touched.numel()
    judged = {"layers": (3, len(rates)), "view": (least, min(seen, least))}
    judged |= {"common factor": (1, gcd(*rates)), "holes": (seen, int((touched > 0).sum()))}
    return judged[judge]


def task_padding(answer: Callable[..., Any], kernel_size: int, dilation: int) -> tuple[Any, Any]:
    """The size of a photo behind a layer with the reader's padding."""
    image, weights = photo("cat", (72, 96), channels=1), ones(1, 1, kernel_size, kernel_size)
    padding = check_whole("padding", answer(kernel_size, dilation), 0)
    made = conv2d(image, weights, padding=padding, dilation=dilation)
    return list(image.shape[2:]), list(made.shape[2:])
