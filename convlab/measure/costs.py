"""What any torch module costs: parameters, multiply-adds and the bytes that it moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from convlab.arithmetic import ConvSpec
from convlab.measure.running import Watcher, empty_image, image_shape, run_watched, stand_ins, tensors_in

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
        ``ConvSpec.kind`` of a convolution; else "transposed", "linear" or torch's name.
    output_shape : (int, ...)
        With the leading 1 of the image.
    parameters, weights : int
        Counted where they are first used; weights are those that multiply, without biases.
    macs : int
        Multiply-adds for one image, biases not counted.
    bytes : int
        Inputs, parameters and outputs, each once: what must at least pass through memory.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    weights: int
    macs: int
    bytes: int


@dataclass(frozen=True, repr=False)
class Cost:
    """What a module costs for one image, operation by operation and in all.

    In a notebook it displays as a table: a row for each layer that multiplies, or, where there are
    many, for each kind of them.

    Attributes
    ----------
    layers : (LayerCost, ...)
        In the order in which they run.
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

    def _rows(self) -> list[tuple[str, ...]]:
        counted = [layer for layer in self.layers if layer.macs]
        rest = _sum(layer for layer in self.layers if not layer.macs)
        parts: list[tuple[str, str, str, Cost | LayerCost]]
        if len(counted) > MOST_ROWS:
            parts = [(f"{len(part.layers)} layers", kind, "", part) for kind, part in self.kinds.items()]
        else:
            parts = [(one.name, one.kind, "×".join(map(str, one.output_shape[1:])), one) for one in counted]
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
    are called; what torch does in one piece with none of these (an LSTM, ``nn.Bilinear``) counts
    none. ``bytes`` also counts what multiplies nothing: norms, activations, sums.

    Parameters
    ----------
    module : nn.Module
        Takes (1, C, H, W).
    input_shape : (C, H, W) or (1, C, H, W)

    Raises
    ------
    ValueError
        If `input_shape` is no such shape, or not one that the module takes.
    """
    shape = image_shape(input_shape)
    state = {name: _real(value) for name, value in stand_ins(module).items()}
    parameters = [state[name] for name, _ in module.named_parameters()]
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would do a whole layer as one unknown operation
    try:
        with ModuleTracker() as tracker:
            meter = _Meter(tracker, parameters)
            run_watched(module, state, input_shape, meter, empty_image(state, shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
    return replace(_sum(meter.layers), parameters=sum(parameter.numel() for parameter in parameters))


def _real(value: Tensor) -> Tensor:
    """One number in memory, in the shape of a tensor that has none.

    To run on the meta device itself would load torch's compiler and sympy, 80 MB.
    """
    if not value.is_meta:
        return value
    one = torch.zeros((), dtype=value.dtype)
    return one.expand(value.shape) if value.dim() > 1 else one.repeat(value.shape)


_aten = torch.ops.aten
# Of an operation's shapes; twice the multiply-adds. The two that torch's own table lacks are added.
_attention = flop_registry[_aten._scaled_dot_product_flash_attention]
_FLOPS = flop_registry | {
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten.mv: lambda matrix, *_, **__: 2 * matrix.numel(),
}
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


class _Meter(Watcher):
    """Notes what each operation costs."""

    def __init__(self, tracker: ModuleTracker, parameters: list[Tensor]) -> None:
        super().__init__()
        self.layers: list[LayerCost] = []
        self._tracker = tracker
        # By identity. What is made of one parameter alone (a view, a cast) stands for it.
        self._parameter_of = {id(parameter): parameter for parameter in parameters}
        self._kept: list[Tensor] = []  # so that no other tensor gets the identity of one of these
        self._counted: set[int] = set()
        self._weighed: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = _without_arithmetic(func, args, kwargs)
        inputs, outputs = tensors_in((args, kwargs)), tensors_in(output)
        parameters = [self._parameter_of.get(id(tensor)) for tensor in inputs]
        first = parameters[0] if parameters else None
        if first is not None and all(parameter is first for parameter in parameters):
            self._parameter_of |= dict.fromkeys(map(id, outputs), first)
            self._kept += outputs
        if not func.is_view and outputs and any(tensor.dim() for tensor in inputs):
            flops = _FLOPS.get(func.overloadpacket, lambda *_, **__: 0)
            macs = flops(*args, **kwargs, out_val=output) // 2
            innermost = max(self._tracker.parents - {"Global"}, key=len)
            used = {id(parameter): parameter for parameter in parameters if parameter is not None}
            weighing = {key: p for key, p in used.items() if macs and p.dim() > 1}
            size, weights = _size_of_new(used, self._counted), _size_of_new(weighing, self._weighed)
            moved = sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
            name, kind = innermost.partition(".")[2], _kind(func.overloadpacket.__name__, args)
            self.layers.append(LayerCost(name, kind, tuple(outputs[0].shape), size, weights, macs, moved))
        return output


def _size_of_new(parameters: dict[int, Tensor], seen: set[int]) -> int:
    size = sum(parameter.numel() for key, parameter in parameters.items() if key not in seen)
    seen.update(parameters)
    return size


def _kind(name: str, args: tuple) -> str:
    if name == "convolution":
        image, weight, _, _, _, dilation, transposed, _, groups = args
        if transposed:
            return "transposed"
        if weight.dim() == 4:
            spec = ConvSpec(image.shape[1], len(weight), weight.shape[2:], dilation=dilation, groups=groups)
            return spec.kind
    if name in ("addmm", "mm"):
        return "linear"
    return name.strip("_").removeprefix("native_").removesuffix("_with_indices").replace("_", " ")
