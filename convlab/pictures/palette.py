"""The course's colours and sizes of letters, in one place."""

# One hue each, told apart with every common colour blindness (Okabe and Ito, 2008).
INPUT = "#0072B2"
KERNEL = "#D55E00"
OUTPUT = "#009E73"
INK = "#222222"
MUTED = "#767676"
EMPTY = "#E9E9E9"
DIVERGING = "PuOr_r"  # negative purple, positive orange: safe for every common colour blindness

TITLE, LABEL, SMALL = 15, 13, 11  # points; a figure is about 11 inches wide
CONVOLUTIONS = {
    "ordinary": "#4D4D4D",
    "pointwise": "#E69F00",
    "dilated": "#56B4E9",
    "grouped": "#CC79A7",
    "depthwise": "#5D3A9B",
    "separable": "#5D3A9B",  # depthwise, then pointwise
    "bottleneck": "#7A7A00",
}
