"""Which of its inputs each operation of torch looked at, from a chosen output back to the image.

A module runs once while its operations are noted down. Then the chosen output is traced back
through them, each answering only which elements it looked at: no weight, dead ReLU or cancellation
can hide a pixel that way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import prod
from operator import mul
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from convlab.arithmetic import per_axis
from convlab.measure.running import UntraceableError, Watcher, tensors_in

Place = tuple[int, int]
Step = tuple[int | Fraction, int | Fraction]


def _pair(values: Sequence[int]) -> Place:
    return values[0], values[-1]


_PADS = "constant_pad_nd reflection_pad2d replication_pad2d".split()
_ADAPTIVE = "_adaptive_avg_pool2d adaptive_max_pool2d".split()
_RESIZES = "pixel_shuffle pixel_unshuffle upsample_bilinear2d upsample_nearest2d".split()
_RESIZES += ["_upsample_nearest_exact2d", *_ADAPTIVE]
# Operations that only move values about, or mix them with weights that are never negative: torch's
# own gradient of them, where it is not zero, says what they looked at. So does that of any view.
_MOVES = "_unsafe_view cat channel_shuffle cumsum flip gather index index_select repeat roll stack".split()
_MOVES += _PADS + _RESIZES
# Acts on each element alone, though torch does not tag it so.
_POINTWISE = "_prelu_kernel _to_copy clone copy detach hardsigmoid hardswish native_dropout".split()
_POOLS = "avg_pool2d max_pool2d_with_indices".split()
_OVERWRITES = "copy_ fill_ zero_".split()
_MATRIX_PRODUCTS = "addmm baddbmm bmm mm".split()
# Hand numbers on where no watcher of operations sees what becomes of them.
_EXITS = {Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__dlpack__, torch.tensor, torch.as_tensor}


@dataclass
class _Operation:
    name: str
    function: torch._ops.OpOverload
    arguments: dict[str, Any]
    sources: list[Tensor]
    outputs: list[Tensor]

    @property
    def moves(self) -> bool:
        return self.function.is_view or self.name in _MOVES

    @property
    def pointwise(self) -> bool:
        return torch.Tag.pointwise in self.function.tags or self.name in _POINTWISE

    def refusal(self) -> UntraceableError:
        return UntraceableError(f"{self.name} cannot be traced: it is not known what it looks at")

    def factors(self, sizes: Place) -> Step | None:
        """What it multiplies the step by, if it resizes a map or slides a window over it."""
        name, given = self.name, self.arguments
        if name in _RESIZES:
            scales = given.get("scales_h"), given.get("scales_w")
            resized = partial(_resized, given.get("align_corners"))
            return per_axis(resized, sizes, self.outputs[0].shape[2:], scales)
        if name == "convolution" or name in _POOLS:
            stride = self.geometry()[1]
            return per_axis(partial(Fraction, 1), stride) if given.get("transposed") else stride
        return None

    def lines(self) -> list[int]:
        """Axes of its first source that it reduces or normalises along, as its arguments name them."""
        given, source = self.arguments, self.sources[0]
        dims = range(-len(given["normalized_shape"]), 0) if "normalized_shape" in given else given.get("dim")
        if dims is None or dims == []:
            # To name none means all of them, if the result shows that it could have.
            dims = range(source.dim()) if "dim" in given or self.outputs[0].dim() == 0 else ()
        return [dim % max(source.dim(), 1) for dim in ([dims] if isinstance(dims, int) else dims)]

    def geometry(self) -> tuple[Place, Place, Place, Place]:
        """Kernel size, stride, padding and dilation of a convolution or pooling."""
        given = self.arguments
        kernel = given["weight"].shape[2:] if "weight" in given else _pair(given["kernel_size"])
        stride = _pair(given["stride"] or kernel)
        return kernel, stride, _pair(given["padding"]), _pair(given.get("dilation", [1]))


@dataclass(frozen=True)
class _Grid:
    """Where a tensor's positions are: their step in the image, their axes and how many there are.

    A step is 0 where all positions see the same, and a sentence where it isn't known.
    """

    step: Step | str
    axes: Place | None
    sizes: Place


class Tape(Watcher):
    """Notes the operations that lead from the input to the output, and traces them back."""

    def __init__(self, pixels: Tensor, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.pixels, self.kept = pixels, {id(value) for value in state.values()}
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
        if not outputs:
            self.refuse_exit("item" if name == "_local_scalar_dense" else name, sources)
        if not sources or not outputs or name.endswith("_like") or name.startswith("new_"):
            return output
        into_part = func._schema.is_mutable and id(args[0]) in self.views
        if into_part and (name in _OVERWRITES or any(source is not args[0] for source in sources)):
            raise UntraceableError(f"{name} writes into a part of a tensor: it cannot be traced")
        defaults = {argument.name: argument.default_value for argument in func._schema.arguments}
        arguments = defaults | dict(zip(defaults, args, strict=False)) | kwargs
        operation = _Operation(name.rstrip("_"), func, arguments, sources, outputs)
        self.grids |= dict.fromkeys(map(id, outputs), self._grid(operation))
        self.operations.append(operation)
        return output

    def refuse_exit(self, name: str, given: object) -> None:
        """Refuse what hands on numbers where nobody sees what becomes of them, if they are of the image."""
        if any(id(tensor) in self.grids for tensor in tensors_in(given)):
            raise UntraceableError(f"{name} takes numbers out of torch, where they cannot be traced")

    def _grid(self, operation: _Operation) -> _Grid:
        grids = [self.grids[id(source)] for source in operation.sources]
        output, name = operation.outputs[0], operation.name
        grid = grids[0] if all(other == grids[0] for other in grids) else _join(name, grids)
        axes, factors = _change(operation, grid)
        if output.dim() != 4:
            axes = grid.axes
            sizes = per_axis(lambda size, factor: size if factor else 1, grid.sizes, factors)
        else:
            if grid.axes and not axes:
                places: list[Place] = [grid.axes, (2, 3), (1, 2)]  # rows and columns may come back elsewhere
                axes = next((p for p in places if tuple(map(output.size, p)) == grid.sizes), None)
            sizes = per_axis(output.size, axes or (2, 3))
            if not axes and max(sizes) == 1:
                return _Grid((0, 0), (2, 3), sizes)
        step = grid.step
        if not isinstance(step, str):
            step = per_axis(mul, step, factors) if factors != (1, 1) else step
            if not axes or output.dim() > 5:
                step = f"{name} rearranges positions: its stride cannot be told"
        return _Grid(step, axes, sizes)

    def stride(self, output: Tensor) -> Step | str:
        """Step in the image between neighbouring positions of a map (1, C, H, W), or why there is none."""
        grid = self.grids[id(output)]
        known = isinstance(grid.step, str) or grid.axes == (2, 3)
        return grid.step if known else "rows and columns of the output are not those of the image"

    def trace(self, output: Tensor, chosen: tuple) -> tuple[np.ndarray, bool, int]:
        """Pixels that reach the chosen outputs, (H, W), whether any of them is padding, and along how
        many axes of the image, 0 to 2, one operation on the way looked at all positions.
        """
        self.clipped, self.mixed = False, 0
        seed = torch.zeros(output.shape, dtype=torch.bool)
        seed[chosen] = True
        reached = {id(output): seed}
        for operation in reversed(self.operations):
            found = [reached.pop(id(t), None) for t in operation.outputs]
            if any(mark is not None for mark in found):
                try:
                    seen = list(self._look_back(operation, found))
                except (RuntimeError, IndexError, TypeError) as error:
                    raise operation.refusal() from error
                for source, mark in seen:
                    if id(source) in self.grids:
                        mark = mark if mark.dtype == torch.bool else mark != 0
                        reached[id(source)] = _either(mark, reached.get(id(source), mark))
        support = reached.get(id(self.pixels), torch.zeros(self.pixels.shape))
        return support.amax((0, 1)).bool().numpy(), self.clipped, self.mixed

    def _look_back(self, operation: _Operation, marks: list) -> Iterator[tuple[Tensor, Tensor]]:
        """For inputs of an operation, the elements that the marked outputs looked at."""
        name, sources, given = operation.name, operation.sources, operation.arguments
        mark = marks[0]
        if mark is None and not operation.moves:
            raise UntraceableError(f"{name}: its second output cannot be traced")
        self._note_borders(operation, mark)
        if name == "convolution" and any(source is not given["input"] for source in sources):
            raise UntraceableError("a kernel that depends on the input cannot be traced")
        if name == "convolution" or name in _POOLS:
            yield sources[0], self._window(operation, mark, given.get("groups", mark.shape[1]))
        elif operation.pointwise:
            for source in [given["src"]] if name == "copy" else sources:
                yield source, mark.sum_to_size(source.shape)
        elif operation.moves:
            yield from _by_gradient(operation, marks)
        elif name in _MATRIX_PRODUCTS:
            yield from self._product(operation, mark)
        elif len(sources) > 1:
            raise operation.refusal()
        elif name == "native_group_norm" or "batch_norm" in name:
            yield sources[0], self._normalised(operation, mark)
        else:
            yield sources[0], self._along(operation, marks)

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

    def _product(self, operation: _Operation, mark: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        given = operation.arguments
        *added, left, right = (v for n, v in given.items() if isinstance(v, Tensor) and n != "out")
        if id(left) in self.grids and id(right) in self.grids:  # weights have no positions to mix
            self._note_mixing(left, [left.dim() - 1])
        yield left, mark.amax(-1, keepdim=True).expand(left.shape)
        yield right, mark.amax(-2, keepdim=True).expand(right.shape)
        yield from ((term, mark.sum_to_size(term.shape)) for term in added)

    def _normalised(self, operation: _Operation, mark: Tensor) -> Tensor:
        """Look back through normalisation with statistics of the image itself, or with kept ones.

        Batch statistics in training stand for those that the module keeps.
        """
        source, given = operation.sources[0], operation.arguments
        mean, groups = given.get("running_mean"), given.get("group", source.shape[1])
        if mean is not None and (id(mean) in self.kept or not given.get("training", True)):
            return mark
        self._note_mixing(source, range(2, source.dim()))
        parts = mark.reshape(len(mark), groups, -1)
        return parts.any(2, keepdim=True).expand(parts.shape).reshape(source.shape)

    def _along(self, operation: _Operation, marks: list) -> Tensor:
        """Look back through an operation that mixes all that stands along some of its axes."""
        source, dims = operation.sources[0], operation.lines()
        if not dims or not _mixes(operation, dims):
            raise operation.refusal()
        self._note_mixing(source, dims)
        kept = [1 if axis in dims else size for axis, size in enumerate(source.shape)]
        lines = [
            mark.reshape(kept if mark.shape != source.shape else mark.shape).amax(dims, keepdim=True)
            for mark in marks
            if mark is not None
        ]
        return torch.stack(lines).any(0).expand(source.shape)

    def _note_mixing(self, source: Tensor, dims: Sequence[int]) -> None:
        grid = self.grids[id(source)]
        if grid.axes and source.dim() == 4:
            met = [axis in dims or not size > 1 for axis, size in zip(grid.axes, grid.sizes, strict=True)]
            self.mixed = max(self.mixed, sum(met) if any(axis in dims for axis in grid.axes) else 0)
        elif grid.axes and prod(source.shape[dim] for dim in dims) == prod(grid.sizes):
            self.mixed = 2  # positions all in a row

    def _note_borders(self, operation: _Operation, mark: Tensor) -> None:
        """Note what falls into the padding, and what one position that is spread over all of them tells."""
        name, given = operation.name, operation.arguments
        if name in _PADS:
            amounts = given["pad" if "pad" in given else "padding"][:4]  # what follows pads channels
            self._note_clipping(mark, F.pad(mark, [-amount for amount in amounts]))
        elif name in _ADAPTIVE:
            self._note_mixing(
                operation.sources[0], [axis for axis in (2, 3) if operation.outputs[0].size(axis) == 1]
            )
        elif operation.pointwise or name == "expand":
            # One position that is put beside many stands for all, at any size: else they would not fit.
            many = self.grids[id(operation.outputs[0])].sizes
            for few in (self.grids[id(source)].sizes for source in operation.sources):
                self.mixed = max(self.mixed, sum(per_axis(lambda old, new: old == 1 < new, few, many)))

    def _note_clipping(self, whole: Tensor, inside: Tensor) -> None:
        self.clipped |= bool(whole.count_nonzero() > inside.count_nonzero())


class Exits(TorchFunctionMode):
    """Refuses to let numbers of the image out of torch's sight, and wraps maps round in sight."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.pad and "circular" in (*args[2:3], kwargs.get("mode")) and min(args[1]) >= 0:
            return _wrap(*args[:2])  # torch writes into parts of a new map
        output = func(*args, **kwargs)
        if func in _EXITS and id(output) not in self.tape.grids:
            self.tape.refuse_exit(func.__name__, (args, kwargs))
        return output


def _wrap(x: Tensor, amounts: Sequence[int]) -> Tensor:
    for back, (before, after) in enumerate(zip(amounts[::2], amounts[1::2], strict=True), 1):
        size = x.size(-back)
        x = torch.cat([x.narrow(-back, size - before, before), x, x.narrow(-back, 0, after)], -back)
    return x


def _resized(align: bool | None, old: int, new: int, scale: float | None) -> Fraction:
    """Step of a resized axis in positions of the old one."""
    if 1 in (old, new):
        return Fraction(0)  # all that there is sees the same
    if align:
        return Fraction(old - 1, new - 1)
    return 1 / Fraction(scale).limit_denominator() if scale else Fraction(old, new)


def _change(operation: _Operation, grid: _Grid) -> tuple[Place | None, Step]:
    """Where an operation on a map leaves rows and columns, if its kind tells, and factors of their step."""
    name, given, output, axes = operation.name, operation.arguments, operation.outputs[0], grid.axes
    if axes is None or operation.sources[0].dim() != 4:
        return None, (1, 1)
    if factors := operation.factors(grid.sizes):
        return (axes, factors) if axes == (2, 3) else (None, (1, 1))
    if name in _PADS or name == "cat":  # other positions, but their step stays
        return axes, (1, 1)
    if name == "slice":
        return axes, per_axis(lambda axis: given["step"] if given["dim"] % 4 == axis else 1, axes)
    if name in ("permute", "transpose"):
        turned = operation.function(**given | {"self": torch.empty(0, 1, 2, 3)})  # lengths name the axes
        return per_axis(list(turned.shape).index, axes), (1, 1)
    if name == "expand" and output.dim() == 4:
        return axes, per_axis(lambda axis, old: int(output.size(axis) == old), axes, grid.sizes)
    if not operation.moves and output.numel() < operation.sources[0].numel():
        dims = operation.lines()
        return axes, per_axis(lambda axis: int(axis not in dims), axes)
    return None, (1, 1)


def _join(name: str, grids: list[_Grid]) -> _Grid:
    """The grid of what is made of several: one that is spread along an axis has no step of its own there."""
    sizes = per_axis(max, zip(*(grid.sizes for grid in grids), strict=True))
    wide = [grid for grid in grids if grid.sizes != (1, 1)] or grids[:1]
    axes = wide[0].axes if len({grid.axes for grid in wide}) == 1 else None
    for grid in grids:
        if isinstance(grid.step, str):
            return _Grid(grid.step, axes, sizes)
    steps = per_axis(lambda i: {g.step[i] for g in wide if g.sizes[i] > 1 or sizes[i] == 1} - {0}, (0, 1))
    if axes and max(map(len, steps)) < 2:
        return _Grid(per_axis(lambda step: next(iter(step), 0), steps), axes, sizes)
    return _Grid(f"{name} joins branches of different strides", axes, sizes)


def _mixes(operation: _Operation, dims: list[int]) -> bool:
    """Whether one NaN in its source shows all along its line and nowhere else, as it then must."""
    source = operation.sources[0]
    probe = torch.ones(source.shape, dtype=source.dtype) * 1.0  # what counts has no NaN
    probe[tuple(size // 2 for size in source.shape)] = torch.nan
    line, whole = probe.isnan().amax(dims), probe.isnan().amax(dims, keepdim=True).expand(source.shape)
    outputs = tensors_in(operation.function(**_arguments(operation, {id(source): probe})))
    felt = [out.isnan() for out in outputs if out.is_floating_point() or out.is_complex()]
    return bool(felt) and all(out.equal(whole) or out.flatten().equal(line.flatten()) for out in felt)


def _once(mark: Tensor) -> Tensor:
    """One channel in place of many that are, in memory, the same one: most marks are."""
    return mark[:, :1] if mark.dim() == 4 and mark.stride(1) == 0 else mark


def _either(mark: Tensor, other: Tensor) -> Tensor:
    return mark if mark is other else (_once(mark) | _once(other)).expand(mark.shape)


def _by_gradient(operation: _Operation, marks: list) -> Iterator[tuple[Tensor, Tensor]]:
    """Trace an operation with weights that are never negative by torch's own gradient of it."""
    sources = {id(source): source for source in operation.sources}
    stand_ins = {key: torch.zeros(source.shape, requires_grad=True) for key, source in sources.items()}
    with torch.enable_grad():
        function: Any = operation.function
        if operation.name in _ADAPTIVE:  # the windows of the largest value are those of the mean
            function = torch.ops.aten._adaptive_avg_pool2d
        outputs = tensors_in(function(**_arguments(operation, stand_ins)))
        # A scalar, since torch loads sympy (30 MB) when it is handed the gradient to start from.
        total = sum((out * mark).sum() for out, mark in zip(outputs, marks, strict=False) if mark is not None)
    gradients = torch.autograd.grad(total, list(stand_ins.values()), allow_unused=True)
    for source, gradient in zip(sources.values(), gradients, strict=True):
        if gradient is not None:
            yield source, gradient


def _arguments(operation: _Operation, stand_ins: dict[int, Tensor]) -> dict[str, Any]:
    """An operation's arguments with other tensors in place of its sources, all with memory."""

    def real(value: object) -> object:
        if not isinstance(value, Tensor) or id(value) in stand_ins:
            return stand_ins.get(id(value), value)
        return torch.ones_like(value, device="cpu") if value.is_meta else value.cpu()

    arguments = {name: tree_map(real, value) for name, value in operation.arguments.items()}
    arguments.pop("device", None)
    return arguments
