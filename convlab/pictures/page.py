"""A figure that says what it shows, and the blank page it is drawn on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from convlab.pictures import palette

DPI = 100


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure and the sentence that says what it shows, numbers included.

    In a notebook it displays as the figure, with the sentence as its plain text: what a screen
    reader reads, and what a test can compare.
    """

    figure: Figure
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def _repr_png_(self) -> bytes:
        return self.encode("png")

    def encode(self, file_format: str = "png") -> bytes:
        """The drawn figure as a file: "png" (256 colours, small) or "jpeg" (quick to make)."""
        canvas = self.figure.canvas
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        file = io.BytesIO()
        if file_format == "png":
            image = image.quantize(256, dither=Image.Dither.NONE)
            image.save(file, "png", optimize=True)
            # A notebook keeps every picture that it has shown; the 2 MB page under each it need not.
            FigureCanvasAgg(self.figure)
        elif file_format == "jpeg":
            image.save(file, "jpeg", quality=92, subsampling=0)
        else:
            raise ValueError(f'file_format={file_format!r} must be "png" or "jpeg"')
        return file.getvalue()


def blank(
    figure: Figure | None, size: tuple[float, float], boxes: Mapping[str, tuple[float, ...]]
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with empty axes at the given places, ready to be drawn on.

    Making axes takes longer than drawing on them, so a figure that already has just these axes is
    wiped and used again.

    Parameters
    ----------
    figure : Figure or None
        One that may be drawn over, or None for a new one.
    size : (float, float)
        Width and height in inches.
    boxes : mapping
        For each axes its label and (left, bottom, width, height) in inches.
    """
    if figure is None:
        figure = Figure(dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
    if {axes.get_label(): axes.convlab_box for axes in figure.axes} != dict(boxes):
        figure.clear()
        for label, (left, bottom, width, height) in boxes.items():
            place = (left / size[0], bottom / size[1], width / size[0], height / size[1])
            figure.add_axes(place, label=label).convlab_box = boxes[label]
    figure.set_size_inches(size)
    for axes in figure.axes:
        for drawn in (*axes.collections, *axes.images, *axes.lines, *axes.patches, *axes.texts):
            drawn.remove()
        axes.set_prop_cycle(None)
        axes.set_title("")
    return figure, {axes.get_label(): axes for axes in figure.axes}


def side_by_side(
    figure: Figure | None, ratios: Mapping[str, float], *, height: float = 3.5, width: float = 11
) -> tuple[Figure, dict[str, Axes]]:
    """A row of axes, each with room for a title above; `ratios` gives each its width to height."""
    if not ratios:
        raise ValueError("there is nothing to show side by side")
    gap, head, foot = 0.25, 0.42, 0.1
    room = width - gap * (len(ratios) + 1)
    height = min(height, room / sum(ratios.values()))
    spare = room - height * sum(ratios.values())
    boxes, left = {}, gap + spare / 2
    for label, ratio in ratios.items():
        boxes[label] = (left, foot, ratio * height, height)
        left += ratio * height + gap
    return blank(figure, (width, head + height + foot), boxes)


def photo_and_curve(figure: Figure | None, ratio: float) -> tuple[Figure, dict[str, Axes]]:
    """Axes "photo", `ratio` times as wide as high, and "growth", a chart with room for its ticks."""
    tall = 4.2
    left = tall * ratio + 1.0
    boxes = {"photo": (0.2, 0.65, tall * ratio, tall), "growth": (left, 0.65, 10.8 - left, tall)}
    return blank(figure, (11, tall + 1.15), boxes)


def frame(
    ax: Axes,
    title: str,
    colour: str = palette.INK,
    *,
    size: float = palette.TITLE,
    pad: float = 7,
    linewidth: float = 2,
) -> Axes:
    """A title and a frame in the colour of what the axes show; no ticks."""
    ax.set_title(title, fontsize=size, color=colour, pad=pad)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(edgecolor=colour, linewidth=linewidth)
    return ax


def thin_sides(ax: Axes, *sides: str) -> Axes:
    """A chart's frame: thin and grey on these sides ("left", "bottom" …), or on all; no others."""
    for side, spine in ax.spines.items():
        spine.set(edgecolor=palette.MUTED, linewidth=1, visible=not sides or side in sides)
    return ax
