"""The mistakes that the reasons against wrong numbers name, made anew from what is given alone.

MISTAKES holds for each reason that stands at a number what leads to that number; CHANGED for some questions
other numbers that may be given, with which the reasons must hold as well. SLIPS are those of questions that
ask for a figure of a layer, of a stack, of a separable layer or of a larger map.
"""

from __future__ import annotations

from math import ceil, gcd, prod
from types import SimpleNamespace

UNSIGNED = 8  # what the weights of Sobel x add up to without their signs; half of it is negative
RESNET_50 = SimpleNamespace(blocks=16, stages=4)


def divisors(number):
    return sum(number % divisor == 0 for divisor in range(1, number + 1))


def moved(g, maps):
    """The numbers that a separable layer moves, if its maps were moved so many times."""
    return maps * g.channels * g.size**2 + g.channels * (9 + g.channels)


def moved_by_ordinary(g):
    return 2 * g.channels * g.size**2 + 9 * g.channels**2


def layer(g):
    """What is given of a layer, with what is meant where nothing is said."""
    plain = dict.fromkeys(("kernel_size", "stride", "dilation", "groups", "size"), 1)
    plain |= {"padding": 0, "millions": False}
    return SimpleNamespace(**plain | vars(g))


def width(g, **changed):
    g = SimpleNamespace(**vars(layer(g)) | changed)
    return (g.size + 2 * g.padding - (g.kernel_size - 1) * g.dilation - 1) // g.stride + 1


def weights(g, **changed):
    g = SimpleNamespace(**vars(layer(g)) | changed)
    return g.kernel_size**2 * g.in_channels * g.out_channels // g.groups


def macs(g, places):
    return weights(g) * places / (1e6 if layer(g).millions else 1)


def span(g):
    return (g.kernel_size - 1) * layer(g).dilation + 1


LAYER = {
    "width": width,
    "pixels": lambda g: g.size**2,
    "half": lambda g: g.size**2 / g.stride,
    "lost": lambda g: layer(g).dilation * (g.kernel_size - 1),
    "gapless_padding": lambda g: (g.kernel_size - 1) / 2,
    "multiplied": lambda g: g.in_channels * g.groups,
    "swapped": lambda g: g.kernel_size**2 * g.out_channels * g.groups,
    "inputs": lambda g: g.in_channels * g.size * g.size,
    "outputs": lambda g: g.out_channels * width(g) * width(g),
    "at_one_place": lambda g: macs(g, 1),
    "per_map": lambda g: macs(g, width(g) ** 2) / g.out_channels,
    "flat": lambda g: 3 * 3,
    "deep": lambda g: 3 * 3 * g.in_channels,
    "as_usual": lambda g: macs(SimpleNamespace(**vars(g) | {"kernel_size": 3}), width(g) ** 2),
    "effective": lambda g: (g.kernel_size - 1) * layer(g).dilation + 1,
    "weights": weights,
    "parameters": lambda g: weights(g) + g.out_channels,
    "macs": lambda g: macs(g, width(g) ** 2),
    "steps": lambda g: width(g) - 1,
    "unpadded": lambda g: width(g, padding=0),
    "unstrided": lambda g: width(g, stride=1),
    "undilated": lambda g: width(g, dilation=1),
    "gapless": lambda g: g.kernel_size * layer(g).dilation,
    "taps": lambda g: layer(g).kernel_size ** 2,
    "one_filter": lambda g: weights(g) / g.out_channels,
    "one_channel": lambda g: layer(g).kernel_size ** 2 * g.out_channels,
    "pairs": lambda g: g.in_channels * g.out_channels,
    "ungrouped": lambda g: weights(g, groups=1),
    "one_group": lambda g: weights(g) / layer(g).groups,
    "at_input": lambda g: macs(g, g.size**2),
    "exact": lambda g: weights(g) * width(g) ** 2,
    "kernel_size": lambda g: g.kernel_size,
    "one_side": lambda g: width(g, size=g.size - layer(g).padding),
    "rounded_up": lambda g: ceil((g.size + 2 * g.padding - span(g)) / g.stride) + 1,
    "one_gap": lambda g: g.kernel_size + g.dilation - 1,
    "long_gaps": lambda g: g.kernel_size + (g.kernel_size - 1) * g.dilation,
    "unsquared": lambda g: weights(g) / g.kernel_size,
    "filled": lambda g: weights(g, kernel_size=span(g)),
    "one_bias": lambda g: weights(g) + 1,
    "input_biases": lambda g: weights(g) + g.in_channels,
    "ungrouped_parameters": lambda g: weights(g, groups=1) + g.out_channels,
    "unsquared_parameters": lambda g: weights(g) / g.kernel_size + g.out_channels,
    "one_row": lambda g: weights(g) * width(g),
    "one_map": lambda g: weights(g) / g.out_channels * width(g) ** 2,
    "biased": lambda g: (weights(g) + g.out_channels) * width(g) ** 2,
    "ungrouped_macs": lambda g: weights(g, groups=1) * width(g) ** 2,
}


def seen(kernel_size, strides, dilations):
    """From the last layer back to the photo, one output growing wider."""
    pixels = 1
    for stride, dilation in reversed(list(zip(strides, dilations, strict=True))):
        pixels = (pixels - 1) * stride + (kernel_size - 1) * dilation + 1
    return pixels


STACK = {
    "undilated": lambda g: seen(g.kernel_size, g.strides, [1] * len(g.strides)),
    "unstrided": lambda g: seen(g.kernel_size, [1] * len(g.strides), g.dilations),
    "last": lambda g: 1 + (g.kernel_size - 1) * g.dilations[-1],
    "grown": lambda g: seen(g.kernel_size, g.strides, g.dilations) - 1,
    "after_first": lambda g: (
        seen(g.kernel_size, g.strides, g.dilations) - (g.kernel_size - 1) * g.dilations[0] - 1
    ),
    "apart": lambda g: len(g.strides) * g.kernel_size,
    "depth": lambda g: len(g.strides),
    "seen": lambda g: seen(g.kernel_size, g.strides, g.dilations),
    "total": lambda g: sum(g.dilations),
    "once": lambda g: 1 + sum(g.dilations),
    "spans": lambda g: sum(1 + (g.kernel_size - 1) * dilation for dilation in g.dilations),
    "paths": lambda g: g.kernel_size ** len(g.strides),
    "early": lambda g: (
        1
        + sum(
            (g.kernel_size - 1) * dilation * prod(g.strides[: n + 1])
            for n, dilation in enumerate(g.dilations)
        )
    ),
}

# What drills ask besides.

SETTING = {
    "unpadded": lambda g: {"padding": 0},
    "unstrided": lambda g: {"stride": 1},
    "undilated": lambda g: {"dilation": 1},
    "overpadded": lambda g: {"padding": 2 * g.padding},
    "overstrided": lambda g: {"stride": 2 * g.stride},
}


def divided(g, number):
    """Which of its channel counts a number divides."""
    return g.in_channels % number == 0, g.out_channels % number == 0


GROUPS = {  # the mistake leads to the number
    "in_only": lambda g, number: divided(g, number) == (True, False),
    "out_only": lambda g, number: divided(g, number) == (False, True),
    "neither": lambda g, number: divided(g, number) == (False, False),
    "smaller": lambda g, number: number == min(g.in_channels, g.out_channels) and not all(divided(g, number)),
    "first": lambda g, number: number > 1 and all(divided(g, number)),
    "half": lambda g, number: all(divided(g, 2 * number)),
    "count": lambda g, number: number == divisors(gcd(g.in_channels, g.out_channels)),
    "multiple": lambda g, number: number % g.in_channels == number % g.out_channels == 0,
    "apart": lambda g, number: number == abs(g.in_channels - g.out_channels) and not all(divided(g, number)),
}


def separable(g, depthwise, pointwise=1, places=None):
    """The sum of so many depthwise weights and the pointwise ones, at each place."""
    both = depthwise + pointwise * g.in_channels * g.out_channels
    return both * (getattr(g, "size", 1) ** 2 if places is None else places)


HALVES = {
    "ordinary": lambda g: separable(g, 0, g.kernel_size**2),
    "depthwise": lambda g: g.kernel_size**2 * g.in_channels,
    "pointwise": lambda g: g.in_channels * g.out_channels,
    "depthwise_alone": lambda g: separable(g, g.kernel_size**2 * g.in_channels, 0),
    "pointwise_alone": lambda g: separable(g, 0),
    "at_outputs": lambda g: separable(g, g.kernel_size**2 * g.out_channels),
    "filtered_once": lambda g: separable(g, g.kernel_size**2),
    "unsquared": lambda g: separable(g, g.kernel_size * g.in_channels),
    "multiplied": lambda g: separable(g, 0, g.kernel_size**2 * g.in_channels),
    "weights": lambda g: separable(g, g.kernel_size**2 * g.in_channels, places=1),
    "one_row": lambda g: separable(g, g.kernel_size**2 * g.in_channels, places=g.size),
}


def thick(g):
    return g.kernel_size**2 * g.in_channels


def thin(g):
    return g.in_channels * g.out_channels


def biases(g, count):
    return count * getattr(g, "bias", False)


SEPARATE = {
    "ordinary": lambda g: thick(g) * g.out_channels + biases(g, g.out_channels),
    "depthwise": thick,
    "pointwise": thin,
    "thin": thin,
    "unbiased": lambda g: g.in_channels * (g.kernel_size**2 + g.out_channels),
    "product": lambda g: (g.kernel_size * g.in_channels) ** 2 * g.out_channels,
    "shallow": lambda g: thick(g) + g.out_channels,
    "late": lambda g: (g.kernel_size**2 + g.in_channels) * g.out_channels,
}
LARGER = {
    "times": lambda g: g.times,
    "once": lambda g: g.times * g.times,
    "added": lambda g: g.rounds * g.times * g.times,
    "more": lambda g: (g.times - 1) * (g.times + 1),
    "volume": lambda g: g.times**3,
}
SLIPS = {"layer": LAYER, "stack": STACK, "separable": SEPARATE, "larger": LARGER}

# 00

STANDARD = {
    "00/flat patch": {
        "−{negative:g}": lambda g: -g.brightness * UNSIGNED / 2,
        "{brightness}": lambda g: g.brightness,
        "{unsigned:g}": lambda g: g.brightness * UNSIGNED,
    },
    "00/alexnet": {"56": lambda g: g.size // g.stride},
    "00/far": {
        "{apart}": lambda g: g.seen // g.kernel_size,
        "{one_side}": lambda g: g.seen - 1,
        "{first}": lambda g: g.seen // (g.kernel_size - 1) + 1,
    },
    "00/pooled": {
        "0": lambda g: 0,
        "{sum}": lambda g: sum(number for row in g.square for number in row if number > 0),
        "{loudest}": lambda g: max(abs(number) for row in g.square for number in row),
    },
    "00/keep size": {
        "1": lambda g: 1,
        "{kernel_size}": lambda g: g.kernel_size,
    },
    "00/corner": {"1": lambda g: 1},
}
STANDARD_CHANGED = {
    "00/flat patch": {"brightness": 0.25},
    "00/colour weights": {"in_channels": 4, "out_channels": 10, "kernel_size": 5},
    "00/multiply-adds": {"in_channels": 4, "out_channels": 6, "kernel_size": 5, "padding": 2, "size": 20},
    "00/far": {"kernel_size": 5, "seen": 41},
    "00/pooled": {"square": [[4, -9], [-1, 2]]},
    "00/first layer": {"size": 97, "kernel_size": 5, "stride": 3, "padding": 1},
    "00/keep size": {"kernel_size": 9},
    "00/reach with stride": {"kernel_size": 3, "strides": [3, 1]},
}

# 01


def dearer(g, ends):
    """The fewest channels in the middle at which a bottleneck with so many 1×1 costs more than one layer."""
    area, middle = g.kernel_size**2, 1
    while ends * g.channels * middle + area * middle**2 <= area * g.channels**2:
        middle += 1
    return middle


def as_dear(g):
    """Where, between two whole numbers of channels, it costs the same: the line between them cuts zero."""
    below, above = (
        2 * g.channels * m + (g.kernel_size * m) ** 2 - (g.kernel_size * g.channels) ** 2
        for m in (dearer(g, 2) - 1, dearer(g, 2))
    )
    return dearer(g, 2) - above / (above - below)


POINTWISE = {
    "01/one filter": {"1": lambda g: 1},
    "01/many maps": {
        "{out_channels}": lambda g: g.out_channels,
        "{in_channels}": lambda g: g.in_channels,
    },
    "01/two in a row": {
        "{first}": lambda g: g.in_channels * g.middle,
        "{second}": lambda g: g.middle * g.out_channels,
        "{both}": lambda g: g.in_channels * g.middle + g.middle * g.out_channels,
    },
    "01/bottleneck": {
        "{narrower:.0f} %": lambda g: 100 * g.middle / g.channels,
        "{alone:.0f} %": lambda g: 100 * g.middle**2 / g.channels**2,
        "{saved:.0f} %": lambda g: (
            100
            - 100
            * (2 * g.channels * g.middle + (g.kernel_size * g.middle) ** 2)
            / (g.kernel_size * g.channels) ** 2
        ),
    },
    "01/share": {
        "{ninth:.0f} %": lambda g: 100 / 9,
        "{alike:.0f} %": lambda g: 100 * 2 / (2 + 9),
        "{layers:.0f} %": lambda g: (  # a stem and a classifier; three layers to a block, and its shortcut
            100 * (2 * RESNET_50.blocks + RESNET_50.stages) / (3 * RESNET_50.blocks + RESNET_50.stages + 2)
        ),
    },
    "01/even": {
        "{channels}": lambda g: g.channels,
        "{even:.1f}": as_dear,
        "{above}": lambda g: dearer(g, 2),
        "{once}": lambda g: dearer(g, 1) - 1,
        "{quarter}": lambda g: g.channels / 4,
    },
    "01/narrow": {
        "{inside}": lambda g: (g.kernel_size * g.middle) ** 2,
        "{without_up:,}": lambda g: g.channels * g.middle + (g.kernel_size * g.middle) ** 2,
        "{ends}": lambda g: 2 * g.channels * g.middle,
        "{direct:,}": lambda g: (g.kernel_size * g.channels) ** 2,
    },
    "01/bent": {
        "−{before:g}": lambda g: g.red - g.green,
        "{before:g}": lambda g: g.green - g.red,
        "{added:g}": lambda g: g.red + g.green,
    },
    "01/grey pixel": {
        "{brightness:g}": lambda g: g.brightness,
        "{unsigned:g}": lambda g: sum(map(abs, g.weights)) * g.brightness,
        "−{negative:g}": lambda g: g.weights[2] * g.brightness,
    },
}
POINTWISE_CHANGED = {
    "01/one filter": {"in_channels": 5},
    "01/many maps": {"size": 7, "in_channels": 6, "out_channels": 5},
    "01/two in a row": {"in_channels": 5, "middle": 9, "out_channels": 7},
    "01/bottleneck": {"channels": 96, "middle": 32, "kernel_size": 5},
    "01/even": {"channels": 96, "kernel_size": 5},
    "01/skipped": {"size": 9, "stride": 3},
    "01/narrow": {"channels": 48, "middle": 12, "kernel_size": 5},
    "01/bent": {"red": 0.125, "green": 0.5},
    "01/grey pixel": {"weights": [0.25, 0.5, -0.75], "brightness": 0.5},
}

# 02

DILATED = {
    "02/span": {
        "{kernel_size}": lambda g: g.kernel_size,
        "{wide}": lambda g: g.kernel_size + (g.kernel_size - 1) * g.dilation,
        "{times}": lambda g: g.kernel_size * g.dilation,
    },
    "02/small input": {"{size}": lambda g: g.size},
    "02/third rate": {
        "{doubled}": lambda g: 2 * g.rates[1],
        "{total}": lambda g: g.rates[0] + g.rates[1],
        "{paths}": lambda g: g.kernel_size * g.kernel_size,
    },
    "02/wide kernel": {"{kernel_size}": lambda g: g.kernel_size},
}
DILATED_CHANGED = {
    "02/span": {"kernel_size": 5, "dilation": 3},
    "02/small input": {"size": 19, "kernel_size": 5, "dilation": 3},
    "02/strides taken out": {"times": 3},
    "02/third rate": {"rates": [1, 3], "kernel_size": 5},
    "02/wide kernel": {"kernel_size": 7, "dilation": 2},
    "02/same size": {"kernel_size": 3, "dilation": 6},
    "02/doubling rates": {"kernel_size": 5},
    "02/constant rate": {"dilations": [2, 2, 2, 2], "kernel_size": 5},
    "02/with stride": {"kernel_size": 5, "strides": [3, 1, 1]},
    "02/row with holes": {"dilations": [3, 3, 3]},
}

# 03

GROUPED = {
    "03/one filter": {
        "{groups}": lambda g: g.groups,
        "{in_channels}": lambda g: g.in_channels,
    },
    "03/poke": {"1": lambda g: 1, "{groups}": lambda g: g.groups, "{channels}": lambda g: 12},
    "03/shuffle": {"1": lambda g: 1, "{groups}": lambda g: g.groups, "{moved}": lambda g: 12 // g.groups},
    "03/same money": {
        "{width}": lambda g: g.width,
        "{each}": lambda g: 2 * g.width // g.groups,  # twice the channels, as it happens
        "{one_sided:.0f}": lambda g: (2 * g.channels + 9 * g.width) * g.width / g.channels,
        "{alone:.0f}": lambda g: (g.groups * g.width**2) ** 0.5,
        "{times:,}": lambda g: g.groups * g.width,
    },
    "03/most groups": {
        "{channels}": lambda g: g.channels,
        "{half}": lambda g: g.channels / 2,
        "{quarter}": lambda g: g.channels / 4,
        "{fewer}": lambda g: g.channels**0.5 / 2,
    },
    "03/classifier": {"0": lambda g: 0, "1": lambda g: 1, "{part}": lambda g: g.classes / g.groups},
    "03/from shapes": {
        "{each}": lambda g: g.weight[1],
        "{by_filters}": lambda g: g.weight[0] / g.weight[1],
        "{more}": lambda g: g.weight[0] / g.in_channels,
    },
    "03/legal": {
        "{of_input}": lambda g: divisors(g.in_channels),
        "{of_output}": lambda g: divisors(g.out_channels),
        "{most}": lambda g: gcd(g.in_channels, g.out_channels),
    },
    "03/zeros": {
        "{filled:.0f} %": lambda g: 100 / g.groups,
        "{block:.0f} %": lambda g: 100 / g.groups**2,
        "{outside:.0f} %": lambda g: 100 - 100 / g.groups**2,
    },
    "03/second": {
        "1": lambda g: 1,
        "{groups}": lambda g: g.groups,
        "{third}": lambda g: 2 * g.channels / g.groups,
    },
    "03/three layers": {
        "{each}": lambda g: g.channels / g.groups,
        "{two}": lambda g: (g.channels / g.groups) ** 2,
        "{added}": lambda g: g.layers * g.channels / g.groups,
        "{channels}": lambda g: g.channels,
    },
    "03/mixed": {"1": lambda g: 1, "{moved}": lambda g: 12 / g.groups, "{groups}": lambda g: g.groups},
}
GROUPED_CHANGED = {
    "03/one filter": {"in_channels": 96, "out_channels": 96, "groups": 6},
    "03/poke": {"groups": 6},
    "03/shuffle": {"groups": 4},
    "03/most groups": {"channels": 144},
    "03/from shapes": {"in_channels": 20, "weight": [60, 5, 3, 3]},
    "03/legal": {"in_channels": 36, "out_channels": 30},
    "03/weights": {"in_channels": 24, "out_channels": 36, "groups": 6},
    "03/zeros": {"groups": 3},
    "03/second": {"channels": 20, "groups": 5},
    "03/three layers": {"channels": 30, "groups": 10},
    "03/mixed": {"groups": 3},
}

# 04

SEPARABLE = {
    "04/blue": {"1": lambda g: 1, "3": lambda g: 3, "{outputs}": lambda g: 4},
    "04/limit": {"0": lambda g: 0},
    "04/four angles": {"1": lambda g: 1, "3": lambda g: 3, "{angles}": lambda g: 4},
    "04/low share": {
        "{equal:.0f}": lambda g: 1 / (g.percent / 100 - 1 / g.kernel_size**2),
        "{alone:.0f}": lambda g: 1 / (g.percent / 100),
        "{area}": lambda g: g.kernel_size**2,
    },
    "04/maps": {
        "1": lambda g: 1,
        "{taps}": lambda g: g.kernel_size**2,
        "{weights}": lambda g: g.kernel_size**2 * g.channels,
    },
    "04/multiplier": {
        "{channels}": lambda g: g.channels,
        "{multiplier}": lambda g: g.multiplier,
        "{weights}": lambda g: g.kernel_size**2 * g.channels * g.multiplier,
    },
    "04/late stride": {"1": lambda g: 1},
    "04/activation": {
        "0": lambda g: 0,
        "{once:,}": lambda g: g.channels * g.size**2,
        "{map}": lambda g: 2 * g.size**2,
    },
}
SEPARABLE_CHANGED = {
    "04/maps": {"channels": 4, "kernel_size": 5},
    "04/weights": {"in_channels": 5, "out_channels": 7, "kernel_size": 5},
    "04/parameters": {"in_channels": 32, "out_channels": 48, "kernel_size": 5},
    "04/low share": {"kernel_size": 5, "percent": 5},
    "04/multiplier": {"channels": 5, "multiplier": 3},
    "04/late stride": {"times": 3},
    "04/activation": {"channels": 7, "size": 9},
}

# 05

CHOOSING = {
    "05/chance": {
        "{photos}": lambda g: g.photos,
        "{half:.0f}": lambda g: g.patches / 2,
        "{wrong}": lambda g: round(g.patches * (g.photos - 1) / g.photos),
    },
    "05/deeper": {
        "1": lambda g: 1,
        "{deeper}": lambda g: g.deeper,
        "{ordinary}": lambda g: 3 + g.deeper * 2 * 2,  # the stem has stride 2
    },
    "05/bytes": {
        "{weights:.1f}": lambda g: 1 / g.channels + 1 / 9,
        "{unsplit:.1f}": lambda g: moved(g, 2) / moved_by_ordinary(g),
        "{unread:.1f}": lambda g: moved(g, 3) / moved_by_ordinary(g),
    },
    "05/wide grouped": {
        "{channels}": lambda g: g.channels,
        "{times}": lambda g: g.channels * g.other["groups"],
        "{weights:,}": lambda g: (g.kernel_size * g.channels) ** 2,
    },
    "05/larger patches": {"1": lambda g: 1},
    "05/wide pointwise": {
        "{channels}": lambda g: g.channels,
        "{times}": lambda g: g.kernel_size**2 * g.channels,
        "{weights:,}": lambda g: (g.kernel_size * g.channels) ** 2,
    },
    "05/seeds": {
        "{narrower}": lambda g: g.narrower,
        "{double}": lambda g: 2 * g.narrower,
        "{all}": lambda g: g.seeds * g.narrower**2,
        "{root:.1f}": lambda g: g.narrower**0.5,
    },
}
CHOOSING_CHANGED = {
    "05/wide grouped": {"channels": 12, "kernel_size": 5, "other": {"kernel_size": 5, "groups": 9}},
    "05/larger patches": {"size": 16, "times": 3},
    "05/wide pointwise": {"channels": 20, "kernel_size": 5},
    "05/seeds": {"seeds": 8, "narrower": 4},
    "05/separable weights": {"in_channels": 32, "out_channels": 48, "kernel_size": 5},
    "05/chance": {"photos": 8, "patches": 200},
    "05/deeper": {"depth": 3, "deeper": 4},
    "05/bytes": {"channels": 32, "size": 20},
    "05/pointwise cost": {"in_channels": 256, "out_channels": 8, "size": 28},
    "05/reach": {"kernel_size": 5, "dilations": [1, 2, 3]},
    "05/groups": {"in_channels": 64, "out_channels": 64, "kernel_size": 5, "groups": 16},
}

MISTAKES = STANDARD | POINTWISE | DILATED | GROUPED | SEPARABLE | CHOOSING
CHANGED = STANDARD_CHANGED | POINTWISE_CHANGED | DILATED_CHANGED
CHANGED |= GROUPED_CHANGED | SEPARABLE_CHANGED | CHOOSING_CHANGED
