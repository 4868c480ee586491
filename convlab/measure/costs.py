"""What any torch module costs: parameters, multiply-adds and the bytes that it moves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from convlab.arithmetic import ConvSpec
from convlab.checks import check_wholes
from convlab.measure.running import Watcher, empty_image, run_watched, stand_ins, tensors_in

MOST_ROWS = 12
NUMBERS = ("parameters", "weights", "macs", "bytes")  # of a layer, and of all


@dataclass(frozen=True)
class LayerCost:
    """What one operation costs.

    Attributes
    ----------
    name : str
        Of the innermost module that runs it, as in ``named_modules()``; "" for the module itself.
    kind : str
        ``ConvSpec.kind`` of a 2-D convolution; else "transposed", "linear", "recurrent" or torch's name.
    output_shape : (int, ...)
        With the leading 1 of the image.
    parameters, weights : int
        Counted where they are first used. Weights are the numbers that multiply and come from parameters or
        buffers alone, computed or not, without biases: of a kernel that is computed, as many as it has.
    macs : int
        Multiply-adds for one image, biases not counted.
    bytes : int
        Inputs, parameters and outputs, each once: what must at least pass through memory.
    uncounted : bool
        Whether it may multiply, but how often is not known: `macs` is 0 then.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    weights: int
    macs: int
    bytes: int
    uncounted: bool = False


@dataclass(frozen=True, repr=False)
class Cost:
    """What a module costs for one image, operation by operation and in all.

    In a notebook it displays as a table: a row for each layer that multiplies, or, where there are
    many, for each kind of them, and one for each kind that is uncounted.

    Attributes
    ----------
    layers : (LayerCost, ...)
        In the order in which they run; what does not depend on the image is none of them.
    parameters, weights, macs, bytes : int
        As of one layer, summed up; parameters that are never used are counted, and bytes as if no layer
        found its input still in a cache.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    weights: int
    macs: int
    bytes: int

    @property
    def intensity(self) -> float:
        """Multiply-adds for each byte moved (Williams et al., "Roofline", 2009)."""
        return self.macs / self.bytes if self.bytes else 0.0

    @property
    def kinds(self) -> dict[str, Cost]:
        """The part of each kind, in order of first appearance; what has no multiply-adds is left out."""
        kinds = dict.fromkeys(layer.kind for layer in self.layers if layer.macs)
        return {kind: _sum(layer for layer in self.layers if layer.kind == kind) for kind in kinds}

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Each kind that may multiply, but is not in `macs`: then `macs` is a lower bound."""
        return tuple(dict.fromkeys(layer.kind for layer in self.layers if layer.uncounted))

    def _rows(self) -> list[tuple[str, ...]]:
        counted = [layer for layer in self.layers if layer.macs]
        rest = _sum(layer for layer in self.layers if not (layer.macs or layer.uncounted))
        parts: list[tuple[str, str, str, Cost | LayerCost]]
        if len(counted) > MOST_ROWS:
            parts = [(f"{len(part.layers)} layers", kind, "", part) for kind, part in self.kinds.items()]
        else:
            parts = [(one.name, one.kind, "×".join(map(str, one.output_shape[1:])), one) for one in counted]
        for kind in self.uncounted:
            these = _sum(layer for layer in self.layers if layer.uncounted and layer.kind == kind)
            parts.append((f"{len(these.layers)} uncounted", kind, "", these))
        parts += [(f"{len(rest.layers)} others", "", "", rest)] if rest.layers else []
        rows: list[tuple[str, ...]] = [("layer", "kind", "output", *NUMBERS)]
        for *texts, part in (*parts, ("in all", "", "", self)):
            rows.append((*texts, *(f"{getattr(part, number):,}" for number in NUMBERS)))
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        columns = [f"{{:{side}{width}}}" for side, width in zip("<<>>>>>", widths, strict=True)]
        return "\n".join("  ".join(columns).format(*row) for row in rows)

    def _repr_html_(self) -> str:
        head, *body = ([escape(cell) for cell in row] for row in self._rows())
        body[-1] = [f"<b>{cell}</b>" for cell in body[-1]]
        names, cells = "</th><th>".join(head), ["</td><td>".join(row) for row in body]
        top, rows = f"<tr><th>{names}</th></tr>", "".join(f"<tr><td>{row}</td></tr>" for row in cells)
        return f'<table style="font-size: 16px"><thead>{top}</thead><tbody>{rows}</tbody></table>'


def _sum(layers: Iterable[LayerCost]) -> Cost:
    layers = tuple(layers)
    return Cost(layers, *(sum(getattr(layer, number) for layer in layers) for number in NUMBERS))


def cost(module: nn.Module, input_shape: tuple[int, ...]) -> Cost:
    """Parameters, weights, multiply-adds and bytes moved of any module, for one image.

    The module runs once and is left as it was. One that has no memory, built under ``with
    torch.device("meta")``, runs with zeros in place of its parameters. Multiply-adds are those of
    torch's own ``flop_counter``, halved: convolutions, matrix products and attention, however they
    are called, and recurrent layers too. What is computed from parameters and buffers alone (a kernel
    under ``weight_norm``, say) is the same for every image and costs nothing. What may multiply in a way
    that is not known here is listed as ``uncounted``: quantised layers, ``nn.Bilinear``, Fourier
    transforms, linear algebra, operations that are not torch's own. ``bytes`` also counts what has no
    multiply-adds: norms, activations, sums, interpolation.

    Parameters
    ----------
    module : nn.Module
        Takes (1, C, H, W), or (1, *input_shape).
    input_shape : (C, H, W) or (1, C, H, W)
        Or, of what is no image, (C,), (C, L) or (C, D, H, W). Four numbers of which the first is 1 are an
        image, or, if the module does not take that, a volume of one channel.

    Raises
    ------
    ValueError
        If `input_shape` is no such shape, or not one that the module takes; with what to do, if the module
        waits for its first image, is wrapped or scripted, takes more than one tensor or complex numbers.
    """
    shape = tuple(check_wholes("input_shape", input_shape, 1))
    if len(shape) > 4:
        raise ValueError(f"input_shape={input_shape!r} must be (C, H, W), (C,), (C, L) or (C, D, H, W)")
    if len(shape) == 4 and shape[0] == 1:
        try:
            return _cost(module, input_shape, shape)
        except ValueError:
            with suppress(ValueError):
                return _cost(module, input_shape, (1, *shape))
            raise
    return _cost(module, input_shape, (1, *shape))


def _cost(module: nn.Module, input_shape: tuple[int, ...], shape: tuple[int, ...]) -> Cost:
    state = {name: _real(value) for name, value in stand_ins(module).items()}
    unused = {id(state[name]): value.numel() for name, value in module.named_parameters()}
    image, parameters = empty_image(state, shape), sum(unused.values())
    fast_attention, check = torch.backends.mha.get_fastpath_enabled(), vars(F).get("_verify_batch_size")
    torch.backends.mha.set_fastpath_enabled(False)  # it would do a whole layer as one unknown operation
    # In training mode torch refuses to normalise one value per channel: that always gives zero, but costs the
    # same. Eval mode would not refuse, but other layers may do something else in it.
    vars(F)["_verify_batch_size"] = lambda size: None
    try:
        with ModuleTracker() as tracker:
            meter = _Meter(tracker, image, state, unused)
            run_watched(module, state, input_shape, meter, image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        vars(F)["_verify_batch_size"] = check
    return replace(_sum(meter.layers), parameters=parameters)


def _real(value: Tensor) -> Tensor:
    """One number in memory, in the shape of a tensor that has none.

    To run on the meta device itself would load torch's compiler and sympy, 80 MB.
    """
    if not value.is_meta:
        return value
    one = torch.zeros((), dtype=value.dtype)
    return one.expand(value.shape) if value.dim() > 1 else one.repeat(value.shape)


# By name, of an operation's arguments; twice the multiply-adds. What torch's own table lacks is added.
_FLOPS = {packet.__name__: formula for packet, formula in flop_registry.items()}
_FLOPS |= {
    "_scaled_dot_product_flash_attention_for_cpu": _FLOPS["_scaled_dot_product_flash_attention"],
    "_addmm_activation": _FLOPS["addmm"],
    "_int_mm": _FLOPS["mm"],
    "addbmm": _FLOPS["baddbmm"],
    "mv": lambda matrix, *_, **__: 2 * matrix.numel(),
    "addmv": lambda _, matrix, *__, **___: 2 * matrix.numel(),
    "addr": lambda _, column, row, **__: 2 * column.numel() * row.numel(),
    **dict.fromkeys(("dot", "vdot"), lambda left, *_, **__: 2 * left.numel()),
    # Each step goes through every matrix; cuDNN has them in one list.
    **dict.fromkeys(
        ("mkldnn_rnn_layer", "_cudnn_rnn"),
        lambda steps, *own, **_: 2 * prod(steps.shape[:-1]) * sum(map(Tensor.numel, _matrices(own[:2]))),
    ),
}
# Torch does not tell which other operations multiply: all but its own may, and, of these, what is called like
# a product, a convolution, a recurrent layer, attention, a transform or linear algebra.
_may_multiply = cache(
    re.compile(
        r"(?!aten\.)|(?!.*upsample).*(mm(?![ai])|mv(?!l)|dot|matmul|conv(?!ert)|linear|attention|former"
        r"|(?<!fused_)(lstm|gru|rnn)|fft|linalg(?!_vector|_check)|(?<!re)solve|chol|cdist|pdist|euclid)"
    ).match
)
# What takes long, and where its input stands among the arguments.
_LABORIOUS = {"convolution": 0, "mm": 0, "addmm": 1}


def _without_arithmetic(func, args: tuple, kwargs: dict) -> object:
    """The output of an operation, or, of a laborious one, zeros in its shape."""
    place = _LABORIOUS.get(func.overloadpacket.__name__)
    if place is None or kwargs or (place and args[0].dim() > 1):
        return func(*args, **kwargs)
    rows = len(args[place])
    none = func(*args[:place], args[place][:0], *args[place + 1 :], **kwargs)
    return none.new_zeros(rows, *none.shape[1:])


def _matrices(arguments: object) -> list[Tensor]:
    return [tensor for tensor in tensors_in(arguments) if tensor.dim() > 1]


def _memory(tensor: Tensor) -> int:
    """The identity of what a tensor shares with its views: what is written into one is in the others."""
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


class _Meter(Watcher):
    """Notes what each operation costs that depends on the image."""

    def __init__(self, tracker: ModuleTracker, image: Tensor, state: dict, unused: dict[int, int]) -> None:
        super().__init__()
        self.layers: list[LayerCost] = []
        self._tracker, self._unused = tracker, unused
        self._image, self._of_image = image, {_memory(image)}
        # By identity, of what is not of the image: the parameters and buffers that it is made from, and how
        # many numbers it holds. All that is made is noted anew, since identities come back.
        self._made_from = {id(value): (frozenset({id(value)}), value.numel()) for value in state.values()}
        self._weighed: set[frozenset] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        if name == "unsqueeze" and args[0] is self._image and args[1] == 0 and self._image.dim() < 4:
            # So does a layer for images, when it takes (1, H, W) for one channel, and no batch.
            shape = tuple(self._image.shape[1:])
            raise ValueError(f"it takes images, so input_shape={shape} must be (C, H, W) or (1, C, H, W)")
        output = _without_arithmetic(func, args, kwargs)
        inputs, outputs = tensors_in((args, kwargs)), tensors_in(output)
        fixed = [tensor for tensor in inputs if _memory(tensor) not in self._of_image]
        of_image = len(fixed) < len(inputs)
        if of_image:
            self._of_image.update(map(_memory, outputs))
        else:
            self._of_image.difference_update(map(_memory, outputs))
            self._note_origins(func.is_view, inputs, outputs)
        if func.is_view or not outputs or not any(tensor.dim() for tensor in inputs):
            return output
        flops = _FLOPS.get(name.removesuffix("_"))
        uncounted = of_image and not flops and bool(_may_multiply(str(func.overloadpacket)))
        # What multiplies: not what is added to a product, a mask, or (since it is no matrix) a bias.
        factors = _matrices(args["add" in name : 3]) if flops or uncounted else []
        # A constant stands for the image: a recurrent layer starts from zeros.
        if of_image or not all(map(self._origins, factors)):
            macs = flops(*args, **kwargs, out_val=output) // 2 if flops else 0
            weights = sum(map(self._weigh, factors))
            used = frozenset().union(*map(self._origins, fixed))
            size = sum(self._unused.pop(key, 0) for key in used)
            moved = sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
            inside = max(self._tracker.parents - {"Global"}, key=len).partition(".")[2]
            shape, kind = tuple(outputs[0].shape), _kind(func, args)
            self.layers.append(LayerCost(inside, kind, shape, size, weights, macs, moved, uncounted))
        return output

    def _origins(self, tensor: Tensor) -> frozenset:
        return self._made_from.get(id(tensor), (frozenset(), 0))[0]

    def _note_origins(self, is_view: bool, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        origins = frozenset().union(*map(self._origins, inputs))
        for output in outputs:
            made_from, size = origins, output.numel()
            if len(inputs) == 1:  # a copy or an expanded view holds no more numbers than what it is made of
                size = min(size, self._made_from.get(id(inputs[0]), (origins, size))[1])
            if is_view and origins and output.storage_offset() != inputs[0].storage_offset():
                made_from |= {("from", output.storage_offset())}  # one slice of a parameter is not another
            self._made_from[id(output)] = made_from, size

    def _weigh(self, factor: Tensor) -> int:
        """How many weights a factor has that were not counted yet."""
        origins, size = self._made_from.get(id(factor), (frozenset(), 0))
        if not origins or origins in self._weighed or _memory(factor) in self._of_image:
            return 0
        self._weighed.add(origins)
        return size


def _kind(func, args: tuple) -> str:
    name = func.overloadpacket.__name__
    if name == "convolution":
        image, weight, _, _, _, dilation, transposed, _, groups = args
        if transposed:
            return "transposed"
        if weight.dim() == 4:
            spec = ConvSpec(image.shape[1], len(weight), weight.shape[2:], dilation=dilation, groups=groups)
            return spec.kind
    if name in ("addmm", "mm"):
        return "linear"
    if "_rnn" in name:
        return "recurrent"
    name = name.strip("_").removeprefix("native_").removesuffix("_with_indices").replace("_", " ")
    return name if func.namespace == "aten" else f"{func.namespace} {name}"
