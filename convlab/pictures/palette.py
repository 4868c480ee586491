"""The course's colours and sizes of letters."""

from convlab.kinds import KINDS

# One hue each, told apart with every common colour blindness (Okabe and Ito, 2008).
INPUT = "#0072B2"
KERNEL = "#D55E00"
OUTPUT = "#009E73"
INK = "#222222"
MUTED = "#767676"
EMPTY = "#E9E9E9"
DIVERGING = "PuOr_r"  # negative purple, positive orange: safe for every common colour blindness

TITLE, LABEL, SMALL = 15, 13, 11  # points; a figure is about 11 inches wide


def of_kind(name: str) -> str:
    """The colour of a kind of convolution, or of what is none."""
    return KINDS[name].colour if name in KINDS else EMPTY if name == "others" else MUTED
