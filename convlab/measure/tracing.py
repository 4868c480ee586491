"""Which of its inputs each operation of torch looked at, from a chosen output back to the image.

A module runs once while its operations are noted down. Then the chosen output is traced back
through them, each answering only which elements it looked at: no weight, dead ReLU or cancellation
can hide a pixel that way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils._pytree import tree_map

from convlab.arithmetic import per_axis
from convlab.measure.running import UntraceableError, Watcher, tensors_in

Place = tuple[int, int]
Step = tuple[int | Fraction, int | Fraction]


def _pair(values: Sequence[int]) -> Place:
    return values[0], values[-1]


_PADS = "constant_pad_nd reflection_pad2d replication_pad2d".split()
_RESIZES = "_adaptive_avg_pool2d pixel_shuffle pixel_unshuffle upsample_bilinear2d upsample_nearest2d".split()
# Operations that only move values about, or mix them with weights that are never negative: torch's
# own gradient of them, where it is not zero, says what they looked at. So does that of any view.
_MOVES = "_unsafe_view cat channel_shuffle cumsum flip gather index index_select repeat roll stack".split()
_MOVES += _PADS + _RESIZES
# Acts on each element alone, though torch does not tag it so.
_POINTWISE = "_prelu_kernel _to_copy clone copy hardsigmoid hardswish native_dropout".split()
_POOLS = "avg_pool2d max_pool2d_with_indices".split()
_MATRIX_PRODUCTS = "addmm baddbmm bmm mm".split()


@dataclass
class _Operation:
    function: torch._ops.OpOverload
    arguments: dict[str, Any]
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


@dataclass(frozen=True)
class _Grid:
    """Where a tensor's positions are: their step in the image, their axes and how many there are."""

    step: Step
    axes: Place
    sizes: Place


class Tape(Watcher):
    """Notes the operations that lead from the input to the output, and traces them back."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self.pixels = pixels
        self.operations: list[_Operation] = []
        self.grids = {id(pixels): _Grid((Fraction(1), Fraction(1)), (2, 3), per_axis(int, pixels.shape[2:]))}
        self.views: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        tensors, outputs = tensors_in((args, kwargs)), tensors_in(output)
        if func.is_view:
            self.views |= {id(t): t for t in (*tensors, *outputs)}
        sources = [t for t in tensors if id(t) in self.grids]
        name = func.overloadpacket.__name__
        if not sources or not outputs or name.endswith("_like") or name.startswith("new_"):
            return output
        if func._schema.is_mutable and id(args[0]) in self.views and any(s is not args[0] for s in sources):
            raise UntraceableError(f"{name} writes into a part of a tensor: it cannot be traced")
        defaults = {argument.name: argument.default_value for argument in func._schema.arguments}
        arguments = defaults | dict(zip(defaults, args, strict=False)) | kwargs
        operation = _Operation(func, arguments, sources, outputs)
        self.grids |= dict.fromkeys(map(id, outputs), self._grid(operation))
        self.operations.append(operation)
        return output

    def _grid(self, operation: _Operation) -> _Grid:
        grids = [self.grids[id(source)] for source in operation.sources]
        if len({grid.step for grid in grids}) > 1:
            raise UntraceableError(f"{operation.name} joins branches of different strides")
        grid, given, name = grids[0], operation.arguments, operation.name
        source, output = operation.sources[0], operation.outputs[0]
        axes: Place | None = grid.axes
        factors: Step = (1, 1)
        sizes = per_axis(max, zip(*(each.sizes for each in grids), strict=True))
        # Of the number of positions, but not of their step.
        changes = name in _PADS or (name in ("mean", "sum") and source.dim() == 4)
        if name in _RESIZES:
            changes, factors = axes == (2, 3), per_axis(Fraction, sizes, output.shape[2:])
        elif name == "convolution" or name in _POOLS:
            changes, steps = axes == (2, 3), operation.geometry()[1]
            factors = per_axis(lambda s: Fraction(1, s), steps) if given.get("transposed") else steps
        elif name == "slice" and source.dim() == 4:
            changes = True
            factors = per_axis(lambda axis: given["step"] if given["dim"] % 4 == axis else 1, grid.axes)
        elif name in ("permute", "transpose") and source.dim() == 4:
            turned = operation.function(**given | {"self": torch.empty(0, 1, 2, 3)})  # lengths name the axes
            axes = per_axis(list(turned.shape).index, grid.axes)
        if output.dim() == 4:
            if not changes:
                places = (axes or (2, 3), (2, 3), (1, 2))  # rows and columns may come back elsewhere
                axes = next((p for p in places if per_axis(output.size, p) == sizes), None)
            sizes = per_axis(output.size, axes) if axes else sizes
        if axes is None or output.dim() > 5:
            raise UntraceableError(f"{name} rearranges positions: its stride cannot be told")
        return _Grid(per_axis(mul, grid.step, factors), axes, sizes)

    def stride(self, output: Tensor) -> Step:
        """Step in the image between neighbouring positions of a map (1, C, H, W)."""
        grid = self.grids[id(output)]
        if grid.axes != (2, 3):
            raise UntraceableError("rows and columns of the output are not those of the image")
        return grid.step

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
                    if id(source) in self.grids:
                        mark = mark if mark.dtype == torch.bool else mark != 0
                        reached[id(source)] = _either(mark, reached.get(id(source), mark))
        support = reached.get(id(self.pixels), torch.zeros(self.pixels.shape))
        return support.amax((0, 1)).bool().numpy(), self.clipped

    def _look_back(self, operation: _Operation, marks: list) -> Iterator[tuple[Tensor, Tensor]]:
        """For inputs of an operation, the elements that the marked outputs looked at."""
        name, sources, given = operation.name, operation.sources, operation.arguments
        mark, moves = marks[0], operation.function.is_view or operation.name in _MOVES
        if mark is None and not moves:
            raise UntraceableError(f"{name}: its second output cannot be traced")
        if name == "convolution" and any(source is not given["input"] for source in sources):
            raise UntraceableError("a kernel that depends on the input cannot be traced")
        if name == "convolution" or name in _POOLS:
            yield sources[0], self._window(operation, mark, given.get("groups", mark.shape[1]))
        elif torch.Tag.pointwise in operation.function.tags or name in _POINTWISE:
            for source in sources:
                yield source, mark.sum_to_size(source.shape)
        elif moves:
            if name in _PADS:
                amounts = given["pad" if "pad" in given else "padding"][:4]  # what follows pads channels
                self._note_clipping(mark, F.pad(mark, [-amount for amount in amounts]))
            yield from _by_gradient(operation, marks)
        else:
            yield from _look_along(operation, mark)

    def _window(self, operation: _Operation, mark: Tensor, groups: int) -> Tensor:
        """Look back through a convolution or pooling: all channels of a group see the same."""
        source = operation.sources[0]
        if source.dim() != 4 or len(source) != 1:
            shape = tuple(source.shape)
            raise UntraceableError(f"{operation.name} on {shape} cannot be traced: only on (1, C, H, W)")
        seen = _once(mark)
        if seen.shape == mark.shape:
            seen = mark.reshape(groups, 1, -1, *mark.shape[2:]).any(2)
        kernel, stride, padding, dilation = operation.geometry()
        (top, left), (height, width) = padding, source.shape[2:]
        seen, taps = seen.float(), torch.ones(1, 1, *kernel)
        if operation.arguments.get("transposed"):
            inside = F.conv2d(seen, taps, None, stride, padding, dilation)[..., :height, :width]
        else:
            canvas = F.conv_transpose2d(seen, taps, None, stride, dilation=dilation)
            canvas = F.pad(canvas, (0, left + width, 0, top + height))
            inside = canvas[..., top : top + height, left : left + width]
            self._note_clipping(canvas, inside)
        seen = inside > 0.5
        return seen.expand(len(seen), source.shape[1] // len(seen), -1, -1).reshape(source.shape)

    def _note_clipping(self, whole: Tensor, inside: Tensor) -> None:
        self.clipped |= bool(whole.count_nonzero() > inside.count_nonzero())


def _look_along(operation: _Operation, mark: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The same for an operation that mixes all that stands along some of its axes."""
    name, source, given = operation.name, operation.sources[0], operation.arguments
    dims: Any = given.get("dim")
    if name in _MATRIX_PRODUCTS:
        *added, left, right = (v for n, v in given.items() if isinstance(v, Tensor) and n != "out")
        yield left, mark.amax(-1, keepdim=True).expand(left.shape)
        yield right, mark.amax(-2, keepdim=True).expand(right.shape)
        yield from ((term, mark.sum_to_size(term.shape)) for term in added)
    elif name in ("_softmax", "native_layer_norm"):
        dims = dims if name == "_softmax" else tuple(range(-len(given["normalized_shape"]), 0))
        yield source, mark.amax(dims, keepdim=True).expand(source.shape)
    elif "batch_norm" in name and given.get("running_mean") is not None:
        yield source, mark
    elif name in ("mean", "sum") and dims and not {2, 3} <= {dim % source.dim() for dim in dims}:
        yield from _by_gradient(operation, [mark])
    elif name in ("mean", "sum", "native_group_norm") or "batch_norm" in name:
        raise UntraceableError(f"{name} mixes all positions: every output sees the whole input")
    else:
        raise UntraceableError(f"{name} cannot be traced: it is not known what it looks at")


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
        outputs = tensors_in(operation.function(**arguments))
        # A scalar, since torch loads sympy (30 MB) when it is handed the gradient to start from.
        total = sum((out * mark).sum() for out, mark in zip(outputs, marks, strict=True) if mark is not None)
    gradients = torch.autograd.grad(total, list(stand_ins.values()), allow_unused=True)
    for source, gradient in zip(sources.values(), gradients, strict=True):
        if gradient is not None:
            yield source, gradient
