"""What any torch module sees: its receptive field, measured pixel by pixel.

The structural field answers "which input pixels can change this output at all?". The module runs
once while its operations are noted down; then the chosen output is traced back
through them, each operation answering only which of its inputs it looked at. No weight, dead ReLU
or cancellation can hide a pixel that way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._pytree import tree_leaves, tree_map

from convlab.running import Watcher, empty_image, image_shape, run_watched, stand_ins

Place = tuple[int, int]
Step = tuple[int | Fraction, int | Fraction]


@dataclass(frozen=True, eq=False)
class MeasuredField:
    """Which input pixels reach one output of a module.

    Attributes
    ----------
    at : (int, int)
        The output position (row, column) that was traced back.
    support : ndarray of bool, (H, W)
        True where an input pixel, in any channel, can change the output.
    stride : (int or Fraction, int or Fraction)
        Step in the input between neighbouring outputs.
    clipped : bool
        Whether part of the field lies outside the input, in the padding.
    """

    at: Place
    support: np.ndarray
    stride: Step
    clipped: bool
    _gradient: Callable[[], np.ndarray] = field(repr=False)

    @cached_property
    def effective(self) -> np.ndarray:
        """Size of the output's gradient at each pixel, summed over channels: float, (H, W).

        Taken on seeded noise with the module as it stands when this is first asked for.
        """
        return self._gradient()

    @property
    def deviation(self) -> tuple[float, float]:
        """Standard deviation (rows, columns) of the effective field about its middle, in pixels."""
        profiles = (self.effective.sum(axis=axis) for axis in (1, 0))
        places = ((profile, np.arange(len(profile))) for profile in profiles)
        return tuple(float(np.sqrt(np.cov(place, aweights=profile, ddof=0))) for profile, place in places)

    def _touched(self) -> tuple[np.ndarray, np.ndarray]:
        return np.flatnonzero(self.support.any(axis=1)), np.flatnonzero(self.support.any(axis=0))

    @property
    def size(self) -> Place:
        """(height, width) of the bounding box of the support, in pixels."""
        return tuple(int(lines[-1] - lines[0]) + 1 for lines in self._touched())

    @property
    def start(self) -> Step:
        """First row and column of the support, counted from the output's place in the input."""
        sides = zip(self._touched(), self.at, self.stride, strict=True)
        return tuple(_whole_if_can(lines[0].item() - at * step) for lines, at, step in sides)

    @property
    def center(self) -> tuple[float, float]:
        """Row and column of the middle of the bounding box, in input pixels."""
        return tuple((lines[0] + lines[-1]).item() / 2 for lines in self._touched())

    @property
    def largest_gap(self) -> Place:
        """Largest distance between neighbouring touched rows and columns; 1 means no holes."""
        return tuple(int(np.diff(lines).max(initial=1)) for lines in self._touched())

    @property
    def coverage(self) -> float:
        """Share of the bounding box that is touched, from 0 to 1."""
        height, width = self.size
        return int(self.support.sum()) / (height * width)


def measure_receptive_field(
    module: nn.Module,
    input_shape: tuple[int, ...],
    at: Place | None = None,
    channel: int | None = None,
) -> MeasuredField:
    """Exactly which input pixels can reach one output of a module.

    Parameters
    ----------
    module : nn.Module
        Maps (1, C, H, W) to (1, C', H', W'). It is left as it was: weights, mode, buffers, hooks,
        gradients and the random state.
    input_shape : (C, H, W) or (1, C, H, W)
        Large enough to hold the whole field of the output, unless `at` is given.
    at : (int, int), optional
        Output position (row, column); the middle one unless given. Near a border the field is what
        is left of it inside the input.
    channel : int, optional
        One output channel; the union over all of them unless given.

    Raises
    ------
    ValueError
        With the reason, if the field does not fit in the input, or if the module does something
        that has no field (mixing all positions) or that cannot be traced.

    References
    ----------
    Luo et al., "Understanding the effective receptive field in deep convolutional neural
    networks", 2016 (for ``effective``).
    """
    shape = image_shape(input_shape)
    state = stand_ins(module)
    tape = _Tape(empty_image(state, shape))
    output = run_watched(module, state, input_shape, tape, tape.pixels)
    if not isinstance(output, Tensor) or output.dim() != 4:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"the module gives {found}, not a map (1, C', H', W') with positions")
    _, channels, rows, columns = output.shape
    place = (rows // 2, columns // 2) if at is None else at
    if not (
        isinstance(place, (tuple, list))
        and len(place) == 2
        and all(isinstance(n, int) and 0 <= n < most for n, most in zip(place, (rows, columns), strict=True))
    ):
        raise ValueError(f"at={at!r} is not a position of the {rows}×{columns} output")
    if channel is not None and (type(channel) is not int or not 0 <= channel < channels):
        raise ValueError(f"channel={channel!r} is not one of the {channels} output channels")
    place = tuple(place)
    chosen = (0, slice(None) if channel is None else channel, *place)

    support, clipped = tape.trace(output, chosen)
    if not support.any():
        raise ValueError("no input pixel reaches this output")
    everything = (rows, columns) != (1, 1) and support.all()
    if at is None and (clipped or everything):
        raise ValueError(
            f"the field of the middle output does not fit in the {shape[2]}×{shape[3]} input: "
            "give a larger input_shape, or a position with at=(row, column)"
        )
    stride = tuple(map(_whole_if_can, tape.steps[id(output)]))
    return MeasuredField(place, support, stride, clipped, lambda: _gradient(module, shape, chosen))


def _gradient(module: nn.Module, shape: tuple[int, ...], chosen: tuple) -> np.ndarray:
    like = next(module.parameters(), torch.empty(0))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(like)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        noise.requires_grad_()
        output = torch.func.functional_call(module, stand_ins(module), (noise,))
        (gradient,) = torch.autograd.grad(output[chosen].sum(), noise)
    return gradient.abs().sum((0, 1)).double().cpu().numpy()


def _whole_if_can(number: int | Fraction) -> int | Fraction:
    return int(number) if number == int(number) else number


def _pair(values: list[int]) -> Place:
    return values[0], values[-1]


# Operations that only move values about, or mix them with weights that are never negative: torch's
# own gradient of them, where it is not zero, says what they looked at. So does that of any view.
_MOVES = frozenset(
    "_adaptive_avg_pool2d _to_copy _unsafe_view cat channel_shuffle clone constant_pad_nd cumsum flip gather "
    "index index_select pixel_shuffle pixel_unshuffle reflection_pad2d repeat replication_pad2d "
    "roll stack upsample_bilinear2d upsample_nearest2d".split()
)
# Acts on each element alone, though torch does not tag it so.
_POINTWISE = frozenset("_prelu_kernel copy hardsigmoid hardswish".split())
_PADS = frozenset("constant_pad_nd reflection_pad2d replication_pad2d".split())
_RESIZES = frozenset("pixel_shuffle pixel_unshuffle upsample_bilinear2d upsample_nearest2d".split())
_POOLS = frozenset("avg_pool2d max_pool2d_with_indices".split())
# The names of the two factors.
_MATRIX_PRODUCTS = {
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "bmm": ("self", "mat2"),
    "mm": ("self", "mat2"),
}


@dataclass
class _Operation:
    function: torch._ops.OpOverload
    arguments: dict[str, object]
    sources: list[Tensor]
    outputs: list[Tensor]

    @property
    def name(self) -> str:
        return self.function.overloadpacket.__name__.rstrip("_")

    def geometry(self) -> tuple[Place, Place, Place, Place]:
        """Kernel size, stride, padding and dilation of a convolution or pooling."""
        given = self.arguments
        kernel = given["weight"].shape[2:] if "weight" in given else _pair(given["kernel_size"])
        stride = _pair(given["stride"] or kernel)
        return kernel, stride, _pair(given["padding"]), _pair(given.get("dilation", [1]))


class _Tape(Watcher):
    """Notes the operations that lead from the input to the output, and traces them back."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self.pixels = pixels
        self.operations: list[_Operation] = []
        self.steps: dict[int, Step] = {id(pixels): (Fraction(1), Fraction(1))}
        self.views: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        outputs = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        if func.is_view:
            self.views |= {id(t): t for t in (*tensors, *outputs)}
        sources = [t for t in tensors if id(t) in self.steps]
        name = func.overloadpacket.__name__
        if not sources or not outputs or name.endswith("_like") or name.startswith("new_"):
            return output
        if func._schema.is_mutable and id(args[0]) in self.views and any(s is not args[0] for s in sources):
            raise ValueError(f"{name} writes into a part of a tensor: it cannot be traced")
        names = [argument.name for argument in func._schema.arguments]
        defaults = {a.name: a.default_value for a in func._schema.arguments}
        arguments = defaults | dict(zip(names, args, strict=False)) | kwargs
        operation = _Operation(func, arguments, sources, outputs)
        step = self._step(operation)
        self.steps |= {id(t): step for t in outputs}
        self.operations.append(operation)
        return output

    def _step(self, operation: _Operation) -> Step:
        before = {self.steps[id(source)] for source in operation.sources}
        if len(before) > 1:
            raise ValueError(f"{operation.name} joins branches of different strides")
        given, name, (source, *_) = operation.arguments, operation.name, operation.sources
        factors = (1, 1)
        if name == "convolution" or name in _POOLS:
            _, stride, _, _ = operation.geometry()
            transposed = given.get("transposed", False)
            factors = [Fraction(1, s) if transposed else s for s in stride]
        elif name in _RESIZES:
            sizes = zip(source.shape[-2:], operation.outputs[0].shape[-2:], strict=True)
            factors = [Fraction(old, new) for old, new in sizes]
        elif name == "slice" and source.dim() == 4:
            factors = [given["step"] if given["dim"] % 4 == axis else 1 for axis in (2, 3)]
        elif operation.outputs[0].dim() > 5:
            raise ValueError(f"{name} rearranges positions: its stride cannot be told")
        return tuple(step * factor for step, factor in zip(before.pop(), factors, strict=True))

    def trace(self, output: Tensor, chosen: tuple) -> tuple[np.ndarray, bool]:
        """Pixels that reach the chosen outputs, (H, W), and whether any of them is padding."""
        self.clipped = False
        seed = torch.zeros(output.shape, dtype=torch.bool)
        seed[chosen] = True
        reached = {id(output): seed}
        for operation in reversed(self.operations):
            found = [reached.pop(id(t), None) for t in operation.outputs]
            if any(mark is not None for mark in found):
                for source, mark in self._look_back(operation, found):
                    if id(source) in self.steps:
                        mark = mark if mark.dtype == torch.bool else mark != 0
                        reached[id(source)] = _either(mark, reached.get(id(source), mark))
        support = reached.get(id(self.pixels), torch.zeros(self.pixels.shape))
        return support.amax((0, 1)).bool().numpy(), self.clipped

    def _look_back(self, operation: _Operation, marks: list) -> Iterator[tuple[Tensor, Tensor]]:
        """For inputs of an operation, the elements that the marked outputs looked at."""
        name, sources, given = operation.name, operation.sources, operation.arguments
        mark = marks[0]
        if name == "convolution":
            if any(s is not given["input"] for s in sources):
                raise ValueError("a kernel that depends on the input cannot be traced")
            yield given["input"], self._window(operation, mark, given["groups"])
        elif name in _POOLS:
            yield sources[0], self._window(operation, mark, mark.shape[1])
        elif "batch_norm" in name or name == "native_dropout":
            yield sources[0], mark
        elif torch.Tag.pointwise in operation.function.tags or name in _POINTWISE:
            for source in sources:
                yield source, mark.sum_to_size(source.shape)
        elif operation.function.is_view or name in _MOVES:
            if name in _PADS:
                self._note_clipping(mark, given["pad" if "pad" in given else "padding"])
            yield from _by_gradient(operation, marks)
        elif name in ("mean", "sum"):
            dims = {d % sources[0].dim() for d in given.get("dim") or range(sources[0].dim())}
            if {2, 3} <= dims or given.get("dim") is None:
                raise ValueError(f"{name} mixes all positions: every output sees the whole input")
            yield from _by_gradient(operation, marks)
        elif name == "native_layer_norm":
            dims = [-1 - i for i in range(len(given["normalized_shape"]))]
            yield sources[0], mark.amax(dims, keepdim=True).expand(sources[0].shape)
        elif name == "_softmax":
            yield sources[0], mark.amax(given["dim"], keepdim=True).expand(sources[0].shape)
        elif name in _MATRIX_PRODUCTS:
            for factor, along in zip(_MATRIX_PRODUCTS[name], (-1, -2), strict=True):
                yield given[factor], mark.amax(along, keepdim=True).expand(given[factor].shape)
            if name in ("addmm", "baddbmm"):
                yield given["self"], mark.sum_to_size(given["self"].shape)
        else:
            raise ValueError(f"{name} cannot be traced: it is not known what it looks at")

    def _window(self, operation: _Operation, mark: Tensor, groups: int) -> Tensor:
        """Look back through a convolution or pooling: all channels of a group see the same."""
        source = operation.sources[0]
        seen = _once(mark)
        if seen.shape == mark.shape:
            seen = mark.reshape(groups, 1, -1, *mark.shape[2:]).any(2)
        axes = zip((2, 3), source.shape[2:], *operation.geometry(), strict=True)
        for axis, size, kernel, stride, padding, dilation in axes:
            seen = seen.movedim(axis, -1)
            if operation.arguments.get("transposed", False):
                reach = (size - 1) * stride + (kernel - 1) * dilation + 1
                canvas = F.pad(seen, (padding, reach - padding - seen.shape[-1]))
                taps = [canvas[..., tap * dilation :: stride][..., :size] for tap in range(kernel)]
                seen = torch.stack(taps).any(0)
            else:
                reach = (seen.shape[-1] - 1) * stride + 1
                canvas = seen.new_zeros(
                    *seen.shape[:-1], max(reach + (kernel - 1) * dilation, padding + size)
                )
                for tap in range(kernel):
                    canvas[..., tap * dilation : tap * dilation + reach : stride] |= seen
                seen = canvas[..., padding : padding + size]
                self.clipped |= bool(canvas[..., :padding].any() or canvas[..., padding + size :].any())
            seen = seen.movedim(-1, axis)
        return seen.expand(len(seen), source.shape[1] // len(seen), -1, -1).reshape(source.shape)

    def _note_clipping(self, mark: Tensor, amounts: list[int]) -> None:
        inside = F.pad(mark, [-amount for amount in amounts])
        self.clipped |= bool(mark.count_nonzero() > inside.count_nonzero())


def _once(mark: Tensor) -> Tensor:
    """One channel in place of many that are, in memory, the same one: most marks are."""
    return mark[:, :1] if mark.dim() == 4 and mark.stride(1) == 0 else mark


def _either(mark: Tensor, other: Tensor) -> Tensor:
    return mark if mark is other else (_once(mark) | _once(other)).expand(mark.shape)


def _by_gradient(operation: _Operation, marks: list) -> Iterator[tuple[Tensor, Tensor]]:
    """Trace an operation with weights that are never negative by torch's own gradient of it."""
    sources = {id(source): source for source in operation.sources}
    stand_ins = {key: torch.zeros(source.shape, requires_grad=True) for key, source in sources.items()}

    def real(value: object) -> object:
        return stand_ins.get(id(value), value.cpu()) if isinstance(value, Tensor) else value

    arguments = {name: tree_map(real, value) for name, value in operation.arguments.items()}
    arguments.pop("device", None)
    with torch.enable_grad():
        outputs = [leaf for leaf in tree_leaves(operation.function(**arguments)) if isinstance(leaf, Tensor)]
        # A scalar, since torch loads sympy (30 MB) when it is handed the gradient to start from.
        total = sum((out * mark).sum() for out, mark in zip(outputs, marks, strict=True) if mark is not None)
    gradients = torch.autograd.grad(total, list(stand_ins.values()), allow_unused=True)
    for source, gradient in zip(sources.values(), gradients, strict=True):
        if gradient is not None:
            yield source, gradient
