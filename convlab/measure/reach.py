"""What any torch module sees: its receptive field, measured pixel by pixel.

The structural field answers "which input pixels can change this output at all?", whatever the
weights are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from convlab.arithmetic import per_axis
from convlab.checks import check_whole, check_wholes
from convlab.measure.running import empty_image, image_shape, one_output, run_watched, stand_ins, undisturbed
from convlab.measure.tracing import Exits, Place, Step, Tape


@dataclass(frozen=True, eq=False)
class MeasuredField:
    """Which input pixels reach one output of a module.

    Attributes
    ----------
    at : (int, int)
        The output position (row, column) that was traced back.
    support : ndarray of bool, (H, W)
        True where an input pixel, in any channel, can change the output.
    clipped : bool
        Whether part of the field lies outside the input, in the padding.
    everywhere : bool
        Whether every output sees the whole image, however large, because an operation mixes all
        positions: a global mean that is multiplied back, GroupNorm, attention.
    """

    at: Place
    support: np.ndarray
    clipped: bool
    everywhere: bool
    _stride: Step | str = field(repr=False)
    _gradient: Callable[[], np.ndarray] = field(repr=False)

    @property
    def stride(self) -> Step:
        """Step in the input between neighbouring outputs, (int or Fraction,) * 2; 0 if they see the same.

        Raises
        ------
        ValueError
            With the reason, if it is not known.
        """
        if isinstance(self._stride, str):
            raise ValueError(self._stride)
        return per_axis(_whole_if_can, self._stride)

    @cached_property
    def effective(self) -> np.ndarray:
        """Size of the output's gradient at each pixel, summed over channels: float, (H, W).

        Taken on seeded noise with the module as it stands when this is first asked for.
        """
        return self._gradient()

    @property
    def deviation(self) -> tuple[float, float]:
        """Standard deviation (rows, columns) of the effective field about its middle, in pixels.

        Raises
        ------
        ValueError
            If the gradient is zero at every pixel.
        """
        if not self.effective.any():
            raise ValueError("the gradient is zero at every pixel: it has no spread")
        profiles = self.effective.sum(axis=1), self.effective.sum(axis=0)
        return per_axis(lambda p: float(np.sqrt(np.cov(np.arange(len(p)), aweights=p, ddof=0))), profiles)

    def _touched(self) -> tuple[np.ndarray, np.ndarray]:
        return np.flatnonzero(self.support.any(axis=1)), np.flatnonzero(self.support.any(axis=0))

    @property
    def size(self) -> Place:
        """(height, width) of the bounding box of the support, in pixels."""
        return per_axis(lambda lines: int(lines[-1] - lines[0]) + 1, self._touched())

    @property
    def start(self) -> Step:
        """First row and column of the support, counted from the output's place in the input.

        Raises
        ------
        ValueError
            With the reason, if the stride is not known.
        """
        sides = self._touched(), self.at, self.stride
        return per_axis(lambda lines, at, step: _whole_if_can(lines[0].item() - at * step), *sides)

    @property
    def center(self) -> tuple[float, float]:
        """Row and column of the middle of the bounding box, in input pixels."""
        return per_axis(lambda lines: (lines[0] + lines[-1]).item() / 2, self._touched())

    @property
    def largest_gap(self) -> Place:
        """Largest distance between neighbouring touched rows and columns; 1 means no holes."""
        return per_axis(lambda lines: int(np.diff(lines).max(initial=1)), self._touched())

    @property
    def coverage(self) -> float:
        """Share of the bounding box that is touched, from 0 to 1."""
        return int(self.support.sum()) / prod(self.size)


def measure_receptive_field(
    module: nn.Module,
    input_shape: tuple[int, ...],
    at: Place | None = None,
    channel: int | None = None,
    output: str | int | None = None,
) -> MeasuredField:
    """Exactly which input pixels can reach one output of a module.

    Parameters
    ----------
    module : nn.Module
        Maps (1, C, H, W) to (1, C', H', W'), or to several such in a dict, list or tuple. It is
        left as it was: weights, mode, buffers, hooks, gradients and the random state. Batch norm is
        taken with the statistics that it keeps, in training too.
    input_shape : (C, H, W) or (1, C, H, W)
        Large enough to hold the whole field of the output, unless `at` is given.
    at : (int, int), optional
        Output position (row, column); the middle one unless given. Near a border the field is what
        is left of it inside the input.
    channel : int, optional
        One output channel; the union over all of them unless given.
    output : str or int, optional
        Which of several outputs: a key or a place, joined by dots where they are nested ("maps.0").

    Raises
    ------
    ValueError
        With the reason, if the field does not fit in the input (one that is the whole image because
        all positions are mixed does), if the module does something that cannot be traced, or if it
        has several outputs and none of them is chosen.

    References
    ----------
    Luo et al., "Understanding the effective receptive field in deep convolutional neural
    networks", 2016 (for ``effective``).
    """
    shape = image_shape(input_shape)
    state = stand_ins(module)
    tape = Tape(empty_image(state, shape), state)
    with Exits(tape):
        result = run_watched(module, state, input_shape, tape, tape.pixels)
    maps = one_output(result, output)
    if maps.dim() != 4:
        raise ValueError(f"the module gives {tuple(maps.shape)}, not a map (1, C', H', W') with positions")
    _, channels, rows, columns = maps.shape
    place = tuple(check_wholes("at", (rows // 2, columns // 2) if at is None else at, 0))
    if len(place) != 2 or place[0] >= rows or place[1] >= columns:
        raise ValueError(f"at={at!r} is not a position of the {rows}×{columns} output")
    which = slice(None) if channel is None else check_whole("channel", channel, 0, channels - 1)
    chosen = (0, which, *place)

    support, clipped, mixed = tape.trace(maps, chosen)
    if not support.any():
        raise ValueError("no input pixel reaches this output")
    filled = bool(support.all())
    if at is None and not mixed and (clipped or ((rows, columns) != (1, 1) and filled)):
        raise ValueError(
            f"the field of the middle output does not fit in the {shape[2]}×{shape[3]} input: "
            "give a larger input_shape, or a position with at=(row, column)"
        )
    gradient = partial(_gradient, module, shape, output, chosen)
    return MeasuredField(place, support, clipped, filled and mixed == 2, tape.stride(maps), gradient)


def _gradient(
    module: nn.Module, shape: tuple[int, ...], output: str | int | None, chosen: tuple
) -> np.ndarray:
    state = stand_ins(module, real=True)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(empty_image(state, ()))
    # A module may write over what it is given, or what it has computed with: copies stay.
    copies = torch.autograd.graph.saved_tensors_hooks(Tensor.clone, lambda saved: saved)
    with torch.enable_grad(), undisturbed(), copies:
        noise.requires_grad_()
        result = torch.func.functional_call(module, state, (noise.clone(),))
        (gradient,) = torch.autograd.grad(one_output(result, output)[chosen].sum(), noise)
    return gradient.abs().sum((0, 1)).double().cpu().numpy()


def _whole_if_can(number: int | Fraction) -> int | Fraction:
    return int(number) if number == int(number) else number
