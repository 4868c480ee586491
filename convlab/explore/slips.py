"""What is asked most, of a layer and of a stack, and beside it what comes out after the usual slips."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from convlab.arithmetic import ConvSpec, receptive_field
from convlab.checks import check_one_of


def answer_layer(of: str, size: int | None = None, millions: bool = False, **layer: Any) -> dict[str, Any]:
    """A figure of one layer.

    Parameters
    ----------
    of : str
        Which of the figures is the answer: "width", "effective", "weights", "parameters" or "macs".
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
    size = max(spec.effective_kernel_size) if size is None else size
    taps, width = prod(spec.kernel_size), spec.output_size(size)[1]
    figures = {
        "width": width,
        "effective": spec.effective_kernel_size[0],
        "weights": spec.num_weights,
        "parameters": spec.num_parameters,
        "macs": spec.macs(size) / unit if millions else spec.macs(size),
    }
    slips = {
        "steps": width - 1,
        "unpadded": replace(spec, padding=(0, 0)).output_size(size)[1],
        "unstrided": replace(spec, stride=(1, 1)).output_size(size)[1],
        "undilated": replace(spec, dilation=(1, 1)).output_size(size)[1],
        "gapless": spec.kernel_size[0] * spec.dilation[0],
        "taps": taps,
        "one_filter": spec.num_weights // spec.out_channels,
        "one_channel": taps * spec.out_channels,
        "pairs": spec.in_channels * spec.out_channels,
        "ungrouped": replace(spec, groups=1).num_weights,
        "one_group": spec.num_weights // spec.groups,
        "at_input": spec.num_weights * size**2 / unit if millions else spec.num_weights * size**2,
        "exact": spec.macs(size),
    }
    return figures | slips | {"answer": figures[check_one_of("of", of, figures)]}


def answer_stack(kernel_size: int, strides: Sequence[int], dilations: Sequence[int]) -> dict[str, Any]:
    """The pixels across that one output of a stack of layers sees."""

    def seen(strides: Sequence[int], dilations: Sequence[int]) -> int:
        pairs = zip(strides, dilations, strict=True)
        stack = [ConvSpec(1, 1, kernel_size, stride=stride, dilation=dilation) for stride, dilation in pairs]
        return receptive_field(stack)[-1].size[0]

    depth, answer = len(strides), seen(strides, dilations)
    return {
        "answer": answer,
        "depth": depth,
        "grown": answer - 1,
        "after_first": answer - seen(strides[:1], dilations[:1]),
        "apart": depth * kernel_size,
        "last": seen([1], dilations[-1:]),
        "undilated": seen(strides, [1] * depth),
        "unstrided": seen([1] * depth, dilations),
    }
