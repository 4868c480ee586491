"""The kinds of convolution that the course tells apart, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """Its colour, told apart with every common colour blindness, and what makes a ConvSpec one of it."""

    colour: str
    fits: Callable[[Any], bool] = lambda spec: False  # what is made of several layers fits none


# A layer is of the first kind that fits: of two names, the one that says more about its cost.
KINDS = {
    "depthwise": Kind("#5D3A9B", lambda spec: 1 < spec.groups == spec.in_channels),
    "grouped": Kind("#CC79A7", lambda spec: spec.groups > 1),
    "pointwise": Kind("#E69F00", lambda spec: spec.effective_kernel_size == (1, 1)),
    "dilated": Kind("#56B4E9", lambda spec: spec.effective_kernel_size != spec.kernel_size),
    "ordinary": Kind("#4D4D4D", lambda spec: True),
    "separable": Kind("#5D3A9B"),  # depthwise, then pointwise
    "bottleneck": Kind("#7A7A00"),
}
