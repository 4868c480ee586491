"""What is asked most, of a layer, of two or of a stack, and what comes out after the usual slips."""

from collections.abc import Sequence
from dataclasses import replace
from math import gcd, lcm, prod
from typing import Any

from convlab.arithmetic import ConvSpec, receptive_field, tap_offsets
from convlab.checks import check_one_of

USUAL = 3  # pixels along the side of most kernels
DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def _written(in_channels: int, out_channels: int, **others: Any) -> str:
    """A layer as it stands in code, without what PyTorch takes by itself."""
    named = (f", {name}={value!r}" for name, value in others.items() if value != DEFAULTS.get(name))
    return f"Conv2d({in_channels}, {out_channels}{''.join(named)})"


def answer_layer(of: str, size: int | None = None, millions: bool = False, **layer: Any) -> dict[str, Any]:
    """A figure of one layer.

    Parameters
    ----------
    of : str
        Which of the figures is the answer: "width", "places", "same" (the padding that keeps the size),
        "effective", "seen" (channels, by one filter), "weights", "parameters" or "macs".
    size : int
        Of the square input, in pixels; as many as the kernel spans unless given.
    millions : bool
        Whether multiply-adds are counted in millions.
    **layer
        As in :class:`~convlab.arithmetic.ConvSpec`.

    Raises
    ------
    ValueError
        For another figure, or what no convolution has.
    """
    spec, unit = ConvSpec(**layer), 1e6 if millions else 1
    k, inputs, filters, weights = spec.kernel_size[0], spec.in_channels, spec.out_channels, spec.num_weights
    spans = spec.effective_kernel_size[0]
    across = max(spec.effective_kernel_size) if size is None else size

    def width(**changed: Any) -> int:
        return replace(spec, **changed).output_size(across)[1]

    taps, places, pixels = prod(spec.kernel_size), width() ** 2, across**2
    exact, at_input = spec.macs(across), weights * pixels
    macs = exact / unit if millions else exact
    same = replace(spec, stride=(1, 1), padding="same").padding_amounts[0][0]
    sizes: dict[str, Any] = {"width": width(), "places": places, "same": same, "effective": spans}
    counts = {"weights": weights, "parameters": spec.num_parameters, "seen": spec.weight_shape[1]}
    figures = sizes | counts | {"macs": macs}
    slips: dict[str, Any] = {"unpadded": width(padding=0), "unstrided": width(stride=1)}
    slips |= {"undilated": width(dilation=1)}
    slips |= {"steps": width() - 1, "lost": spans - 1, "gapless_padding": (k - 1) // 2}
    slips |= {"gapless": k * spec.dilation[0], "zeros": sum(spec.padding_amounts[0])}
    slips |= {"taps": taps, "one_filter": weights // filters, "one_channel": taps * filters}
    slips |= {"one_group": weights // spec.groups, "ungrouped": weights * spec.groups}
    slips |= {"swapped": taps * filters * spec.groups, "multiplied": inputs * spec.groups}
    slips |= {"pairs": inputs * filters, "pixels": pixels, "half": pixels // spec.stride[0]}
    slips |= {
        "inputs": inputs * pixels,
        "outputs": filters * places,
        "exact": exact,
        "at_input": at_input / unit if millions else at_input,
    }
    slips |= {"at_one_place": weights / unit, "per_map": macs / filters, "as_usual": USUAL**2 * macs / taps}
    slips |= {"usual": USUAL, "flat": USUAL**2, "deep": USUAL**2 * spec.weight_shape[1]}
    padded, ungrouped = across + sum(spec.padding_amounts[0]), replace(spec, groups=1)
    slips |= {
        "one_side": (padded - spec.padding_amounts[0][1] - spans) // spec.stride[0] + 1,
        "rounded_up": -(-(padded - spans) // spec.stride[0]) + 1,
        "one_gap": k + spec.dilation[0] - 1,
        "long_gaps": spans + k - 1,
        "unsquared": weights // k,
        "filled": weights // taps * spans**2,
        "one_bias": weights + 1,
        "input_biases": weights + inputs,
        "ungrouped_parameters": ungrouped.num_parameters,
        "unsquared_parameters": weights // k + filters,
        "one_row": weights * width(),
        "one_map": exact // filters,
        "biased": spec.num_parameters * places,
        "ungrouped_macs": ungrouped.macs(across),
    }
    working = {"padded": padded, "room": padded - spans, "gaps": k - 1, "layer": _written(**layer)}
    shown = DEFAULTS | layer | {"size": across} | figures | slips | working
    return shown | {"answer": figures[check_one_of("of", of, figures)]}


def answer_separable(
    of: str, in_channels: int, out_channels: int, kernel_size: int, bias: bool = False
) -> dict[str, Any]:
    """The parameters of a depthwise and a pointwise layer, which stand in for an ordinary one.

    Of "both" together, or of the half that has "most"; or how many times "cheaper" both are.
    """
    area, shape = kernel_size**2, (in_channels, out_channels)
    ordinary, pointwise = (ConvSpec(*shape, size, bias=bias) for size in (kernel_size, 1))
    depthwise = ConvSpec(in_channels, in_channels, kernel_size, groups=in_channels, bias=bias)
    halves = {"depthwise": depthwise.num_parameters, "pointwise": pointwise.num_parameters}
    smaller, larger = sorted(halves, key=lambda half: halves[half])
    whole, both = ordinary.num_parameters, sum(halves.values())
    figures = {"both": both, "most": halves[larger], "cheaper": round(whole / both)}
    thick, thin, late = depthwise.num_weights, pointwise.num_weights, area * out_channels
    wrong = {"thin": thin, "unbiased": thick + thin, "product": thick * thin, "late": late + thin}
    wrong |= {"shallow": thick + out_channels, "late_half": late, "square": in_channels**2}
    shown = {"ordinary": whole, "smaller": smaller, "larger": larger, "least": halves[smaller]}
    shown |= {"area": area, "saved": area - 1}
    return halves | shown | wrong | {"answer": figures[check_one_of("of", of, figures)]}


def answer_larger(times: int, rounds: int = 1, size: int = 8) -> dict[str, Any]:
    """How many times the multiply-adds a layer needs on a map that grew, or several rounds of it."""
    layer, grown = ConvSpec(1, 1, 3, padding=1), size * times**rounds
    once, answer = times**2, layer.macs(grown) // layer.macs(size)
    slips = {"once": once, "added": once * rounds, "more": answer - 1, "volume": times**3}
    return slips | {"answer": answer, "area": answer, "grown": grown}


def answer_stack(
    kernel_size: int, strides: Sequence[int], dilations: Sequence[int], of: str = "seen"
) -> dict[str, Any]:
    """The pixels across that one output of a stack of layers has "seen", or without strides "touched"."""

    def seen(strides: Sequence[int], dilations: Sequence[int]) -> int:
        pairs = zip(strides, dilations, strict=True)
        stack = [ConvSpec(1, 1, kernel_size, stride=stride, dilation=dilation) for stride, dilation in pairs]
        return receptive_field(stack)[-1].size[0]

    depth, total, added, ones = len(strides), sum(dilations), kernel_size - 1, [1] * len(strides)
    whole, first = seen(strides, dilations), seen(strides[:1], dilations[:1])
    figures = {"seen": whole, "touched": len(tap_offsets(dilations, kernel_size))}
    wrong = {"undilated": seen(strides, ones), "unstrided": seen(ones, dilations), "grown": whole - 1}
    wrong |= {"last": seen([1], dilations[-1:]), "after_first": whole - first, "once": 1 + total}
    wrong |= {"apart": depth * kernel_size, "spans": depth + added * total, "paths": kernel_size**depth}
    shown: dict[str, Any] = {"depth": depth, "total": total, "added": added}
    field, early, jump, steps = 1, 1, 1, []
    for stride, dilation in zip(strides, dilations, strict=True):
        grown = field + added * dilation * jump
        steps.append(f"{field} + {added}·{dilation}·{jump} = {grown}")
        field, jump = grown, jump * stride
        early += added * dilation * jump
    shown |= {"early": early, "worked": "; ".join(steps)}
    shown |= {"strided": ", ".join(map(str, strides)), "dilated": ", ".join(map(str, dilations))}
    return figures | wrong | shown | {"answer": figures[check_one_of("of", of, figures)]}


def answer_setting(size: int, **layer: Any) -> dict[str, Any]:
    """Which kernel size, stride, padding and dilation give a map of this width, and which do not.

    A change that gives the right width as well is no slip: it comes out as the answer.
    """

    def made(changed: dict[str, Any]) -> tuple[str, int]:
        setting = layer | changed
        shown = [
            f"{name}={value}" for name, value in setting.items() if name != "dilation" or layer[name] > 1
        ]
        return ", ".join(shown), ConvSpec(1, 1, **setting).output_size(size)[1]

    answer, target = made({})
    changes = {
        "unpadded": {"padding": 0},
        "unstrided": {"stride": 1},
        "undilated": {"dilation": 1},
        "overpadded": {"padding": 2 * layer["padding"]},
        "overstrided": {"stride": 2 * layer["stride"]},
    }
    slips: dict[str, Any] = {}
    for name, changed in changes.items():
        setting, width = made(changed)
        slips |= {name: setting if width != target else answer, f"{name}_width": width}
    spec = ConvSpec(1, 1, **layer)
    working = {"effective": spec.effective_kernel_size[0], "padded": size + 2 * layer["padding"]}
    working["room"] = working["padded"] - working["effective"]
    return slips | working | {"target": target, "answer": answer}


def answer_groups(of: str, in_channels: int, out_channels: int) -> dict[str, Any]:
    """A number of groups that a layer can have ("legal"), or the largest one ("most")."""
    most, least = gcd(in_channels, out_channels), min(in_channels, out_channels)
    numbers = range(2, least + 1)
    ends = [(in_channels % number == 0, out_channels % number == 0) for number in numbers]
    legal, in_only, out_only, neither = (
        [number for number, end in zip(numbers, ends, strict=True) if end == wanted]
        for wanted in ((True, True), (True, False), (False, True), (False, False))
    )
    if not legal:
        raise ValueError(
            f"in_channels={in_channels} and out_channels={out_channels} share no divisor above 1"
        )
    figures = {"legal": legal[len(legal) // 2], "most": most}
    slips = {
        "in_only": max(in_only, default=0),
        "out_only": max(out_only, default=0),
        "neither": neither[len(neither) // 2] if neither else 0,
        "smaller": least,
        "first": legal[0],
        "half": most // 2 if most % 2 == 0 else 0,
        "count": 1 + len(legal),
        "multiple": lcm(in_channels, out_channels),
        "apart": abs(in_channels - out_channels),
    }
    parts = {"in_part": in_channels // most, "out_part": out_channels // most}
    legal_parts = {"in_group": in_channels // figures["legal"], "out_group": out_channels // figures["legal"]}
    return slips | parts | legal_parts | {"answer": figures[check_one_of("of", of, figures)]}


def answer_halves(in_channels: int, out_channels: int, kernel_size: int, size: int = 1) -> dict[str, Any]:
    """The weights of a depthwise layer and the 1×1 after it, or their multiply-adds on a map of some size."""
    taps, places = kernel_size**2, size**2
    depthwise, pointwise = taps * in_channels, in_channels * out_channels
    return {
        "answer": (depthwise + pointwise) * places,
        "weights": depthwise + pointwise,
        "taps": taps,
        "depthwise": depthwise,
        "pointwise": pointwise,
        "depthwise_alone": depthwise * places,
        "pointwise_alone": pointwise * places,
        "ordinary": taps * pointwise * places,
        "at_outputs": (taps * out_channels + pointwise) * places,
        "multiplied": depthwise * pointwise * places,
        "unsquared": (kernel_size * in_channels + pointwise) * places,
        "one_row": (depthwise + pointwise) * size,
        "filtered_once": (taps + pointwise) * places,
    }
