"""The arithmetic of a convolution, in integers: sizes, weights, multiply-adds and reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any, TypeVar

from convlab.checks import Pair, check_one_of, check_pair, check_sequence, check_whole, check_wholes
from convlab.kinds import KINDS

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")


def per_axis(compute: Callable[..., T], *pairs: Iterable[Any]) -> tuple[T, T]:
    """What is computed of the numbers of each axis: (along the height, along the width)."""
    height, width = map(compute, *pairs)
    return height, width


@dataclass(frozen=True)
class ConvSpec:
    """A two-dimensional convolution, described by PyTorch's own parameters.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output (one filter for each output channel).
    kernel_size, stride, dilation : int or (int, int)
        One value for both axes or (height, width), in pixels. Stored as a pair.
    padding : int, (int, int), "same" or "valid"
        Zeros added on each side. ``"same"`` keeps height and width and asks for stride 1;
        where the total is odd, the extra zero goes to the bottom and right. ``"valid"`` adds none.
    groups : int
        Number of independent groups of channels; divides both channel counts.
    bias : bool
        Whether each filter adds a learned constant.

    Raises
    ------
    ValueError
        For a value that no convolution can have; the message carries its name and value.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    in_channels: int
    out_channels: int
    kernel_size: Pair
    stride: Pair
    padding: Pair | str
    dilation: Pair
    groups: int
    bias: bool

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        if isinstance(padding, str):
            padding = check_one_of("padding", padding, ("same", "valid"))
        else:
            padding = check_pair("padding", padding, 0)
        vars(self).update(  # since a frozen instance lets nothing be assigned
            in_channels=check_whole("in_channels", in_channels, 1),
            out_channels=check_whole("out_channels", out_channels, 1),
            kernel_size=check_pair("kernel_size", kernel_size, 1),
            stride=check_pair("stride", stride, 1),
            padding=padding,
            dilation=check_pair("dilation", dilation, 1),
            groups=check_whole("groups", groups, 1),
            bias=check_one_of("bias", bias, (True, False)),
        )
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f'padding="same" needs stride=1, not stride={self.stride}')
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"groups={self.groups} must divide {name}={getattr(self, name)}")

    @property
    def kind(self) -> str:
        """The first of ``convlab.kinds.KINDS`` that fits, "ordinary" or "dilated", say."""
        return next(name for name, kind in KINDS.items() if kind.fits(self))

    @property
    def effective_kernel_size(self) -> Pair:
        """Pixels from the first tap to the last, gaps included: k + (k - 1)(d - 1) per axis."""
        return per_axis(lambda k, d: k + (k - 1) * (d - 1), self.kernel_size, self.dilation)

    @property
    def padding_amounts(self) -> tuple[Pair, Pair]:
        """Zeros added as ((top, bottom), (left, right))."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        if self.padding == "same":
            return per_axis(lambda size: ((size - 1) // 2, size // 2), self.effective_kernel_size)
        return per_axis(lambda amount: (amount, amount), self.padding)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out_channels, in_channels / groups, kernel height, kernel width)."""
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    @property
    def num_weights(self) -> int:
        """Weights, without biases."""
        return prod(self.weight_shape)

    @property
    def num_parameters(self) -> int:
        """Weights and biases."""
        return self.num_weights + self.bias * self.out_channels

    def output_size(self, input_size: int | Pair) -> Pair:
        """(height, width) of the output for an input of (height, width) pixels.

        Raises
        ------
        ValueError
            If the padded input is smaller than the effective kernel.
        """
        input_size = check_pair("input_size", input_size, 1)
        padded = [n + sum(p) for n, p in zip(input_size, self.padding_amounts, strict=True)]
        reach = self.effective_kernel_size
        if padded[0] < reach[0] or padded[1] < reach[1]:
            raw, wide, span = (f"{h}×{w}" for h, w in (input_size, padded, reach))
            raise ValueError(f"input {raw} ({wide} with padding) is smaller than the effective kernel {span}")
        return per_axis(lambda n, k, s: (n - k) // s + 1, padded, reach, self.stride)

    def macs(self, input_size: int | Pair) -> int:
        """Multiply-adds for one image of (height, width) pixels; biases are not counted."""
        return self.num_weights * prod(self.output_size(input_size))

    def module(self) -> nn.Conv2d:
        """The layer itself, with PyTorch's random initial weights."""
        from torch import nn

        return nn.Conv2d(**asdict(self))  # which has the same names


@dataclass(frozen=True)
class ReceptiveField:
    """What one output of a stack sees of its input; each value is (height, width), in pixels.

    ``size`` is the bounding box of the field, ``stride`` the step in the input between neighbouring outputs.
    """

    size: Pair
    stride: Pair


def receptive_field(specs: Iterable[ConvSpec]) -> tuple[ReceptiveField, ...]:
    """Receptive field after each layer of a stack; the last entry is that of the whole stack.

    References
    ----------
    Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks",
    Distill, 2019.
    """
    size = stride = (1, 1)
    fields = []
    for spec in check_sequence("specs", specs, ConvSpec):
        size = per_axis(lambda n, k, step: n + (k - 1) * step, size, spec.effective_kernel_size, stride)
        stride = per_axis(mul, stride, spec.stride)
        fields.append(ReceptiveField(size, stride))
    return tuple(fields)


def tap_offsets(rates: Iterable[int], kernel_size: int = 3) -> tuple[int, ...]:
    """Input pixels along one axis that reach one output of a stack of dilated layers.

    Offsets, in order, from the first pixel touched; a skipped number is a pixel never looked at.
    """
    taps = range(check_whole("kernel_size", kernel_size, 1))
    reached = {0}
    for rate in check_wholes("rates", rates, 1):
        reached = {offset + tap * rate for offset in reached for tap in taps}
    return tuple(sorted(reached))


def hdc_distances(rates: Iterable[int]) -> tuple[int, ...]:
    """M_1 … M_n of hybrid dilated convolution: the largest distance between taps, layer by layer.

    M_n = r_n and M_i = max(M_{i+1} - 2 r_i, 2 r_i - M_{i+1}, r_i). The paper asks for M_2 <= k.

    References
    ----------
    Wang et al., "Understanding convolution for semantic segmentation", 2018, equation 2.
    """
    *others, last = check_wholes("rates", rates, 1)
    distances = [last]
    for rate in reversed(others):
        after = distances[0]
        distances.insert(0, max(after - 2 * rate, 2 * rate - after, rate))
    return tuple(distances)
