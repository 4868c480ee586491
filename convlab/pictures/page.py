"""A figure that says what it shows, and the page it is drawn on: blocks of panels, measured in inches."""

import base64
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from PIL import Image

from convlab.checks import check_one_of
from convlab.pictures import palette

DPI = 100
WIDTH = 11.0  # of a page, in inches
HEAD = 0.42  # room for a title above a panel, in inches
GAP = 0.25  # between panels
FALLBACKS = (
    "Noto Sans CJK SC,Noto Sans SC,Source Han Sans SC,WenQuanYi Micro Hei,PingFang SC,Microsoft YaHei,SimHei"
)

At = tuple[float, float]  # a place or a distance: (vertical, horizontal)


@dataclass(frozen=True)
class Touch:
    """What a hand can do on one panel of a picture, beside reading the numbers of its pixels and bars.

    ``moves`` names a control for "x" and "y", with `origin` and `step`: its value v lies at
    origin + step·v on that axis. ``sets`` are values that a press anywhere in the panel chooses.
    ``texts`` say what stands in each of the panel's rows and columns, in place of numbers.
    """

    axes: Axes
    moves: Mapping[str, tuple[str, float, float]]
    sets: Mapping[str, object]
    texts: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure and the sentence that says what it shows, numbers included.

    In a notebook it displays as an image with the sentence as its alternative text, which a screen
    reader reads, and as plain text, which a test compares. `touches` are for an explorer.
    """

    figure: Figure
    alt: str
    touches: Sequence[Touch] = ()

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.encode("png")).decode()
        return f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{source}">'

    def encode(self, file_format: str = "png") -> bytes:
        """The drawn figure as a file: "png" (256 colours, small) or "jpeg" (quick to make)."""
        check_one_of("file_format", file_format, ("png", "jpeg"))
        stale = self.figure.stale
        renderer = RendererAgg(*self.figure.canvas.get_width_height(physical=True), self.figure.dpi)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            _settle_texts(self.figure)
            self.figure.draw(renderer)
        self.figure.stale = stale
        image = Image.fromarray(np.asarray(renderer.buffer_rgba())).convert("RGB")
        file = io.BytesIO()
        if file_format == "png":
            _with_few_colours(image).save(file, "png", optimize=True)
        else:
            image.save(file, "jpeg", quality=92, subsampling=0)
        return file.getvalue()


def _with_few_colours(image: Image.Image) -> Image.Image:
    """The image in 256 colours: those of some area stay as they are, greys grey, photos share the rest."""
    counted: list[Any] = sorted(image.getcolors(image.width * image.height) or [], reverse=True)
    large = [colour for pixels, colour in counted if pixels >= 200]
    own = [colour for colour in large if _is_colour(colour) or min(colour) > 240][:64]
    greys = [(round(step * 255 / 63),) * 3 for step in range(64)]
    few: Any = image.quantize(192 - len(own), dither=Image.Dither.NONE).convert("RGB").getcolors()
    shared = [colour if _is_colour(colour) else (colour[1],) * 3 for _, colour in few]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in [*own, *greys, *shared] for value in colour])
    nearly = image.quantize(palette=palette, dither=Image.Dither.NONE)
    packed = np.asarray(image, np.uint32) @ (65_536, 256, 1)
    for place, (red, green, blue) in enumerate(own):
        nearly.paste(place, mask=Image.fromarray(packed == red * 65_536 + green * 256 + blue))
    return nearly


def _is_colour(colour: tuple[int, int, int]) -> bool:
    return max(colour) - min(colour) > 8


@cache
def _fallback_fonts() -> list[str]:
    installed = set(fontManager.get_font_names())
    return [name for name in FALLBACKS.split(",") if name in installed]


def _settle_texts(figure: Figure) -> None:
    """Letters that matplotlib's own font lacks, Chinese ones say, come from another that is installed.

    On the course's own pages, names are drawn as they are: a dollar sign begins no mathematics.
    """
    for text in figure.findobj(Text):
        if figure in _block_of:
            text.set_parse_math(False)
        if max(text.get_text(), default="") > "\u2e80":
            own = [name for name in text.get_fontfamily() if name not in _fallback_fonts()]
            text.set_fontfamily([*own, *_fallback_fonts()])


@dataclass(frozen=True)
class Block:
    """Panels and how they stand together; a label gives each its axes.

    ``boxes`` holds (left, top, width, height) of each panel in inches, from the block's top left corner.
    """

    width: float
    height: float
    boxes: Mapping[str, tuple[float, float, float, float]]


def panel(
    label: str,
    width: float,
    height: float,
    *,
    left: float = 0,
    right: float = 0,
    above: float = HEAD,
    below: float = 0,
) -> Block:
    """One panel of this size in inches, with room round it for what is written there."""
    return Block(left + width + right, above + height + below, {label: (left, above, width, height)})


def across(*blocks: Block, gap: float = GAP) -> Block:
    """Blocks side by side; lower ones are centred."""
    height = max(block.height for block in blocks)
    boxes: dict[str, tuple[float, float, float, float]] = {}
    left = 0.0
    for block in blocks:
        lower = (height - block.height) / 2
        boxes |= {name: (x + left, y + lower, w, h) for name, (x, y, w, h) in block.boxes.items()}
        left += block.width + gap
    return Block(left - gap, height, boxes)


def down(*blocks: Block, gap: float = 0.1) -> Block:
    """Blocks one below the other; narrower ones are centred."""
    return _turned(across(*map(_turned, blocks), gap=gap))


def _turned(block: Block) -> Block:
    boxes = {name: (y, x, height, width) for name, (x, y, width, height) in block.boxes.items()}
    return Block(block.height, block.width, boxes)


def panels(labels: Iterable[str], width: float, height: float, *, gap: float = GAP, **room: float) -> Block:
    """A row of panels of one size."""
    return across(*(panel(label, width, height, **room) for label in labels), gap=gap)


def side_by_side(ratios: Mapping[str, float], *, height: float = 3.5) -> Block:
    """A row of panels as high as they can be; `ratios` gives each its width to height."""
    if not ratios:
        raise ValueError("there is nothing to show side by side")
    height = min(height, (WIDTH - GAP * (len(ratios) + 1)) / sum(ratios.values()))
    return across(*(panel(label, ratio * height, height) for label, ratio in ratios.items()))


def beside_a_chart(label: str, ratio: float, chart: str) -> Block:
    """A panel `ratio` times as wide as high, and a chart with room for its ticks."""
    height = min(4.2, 5.2 / ratio)
    photo = panel(label, ratio * height, height, below=0.55)
    return across(photo, panel(chart, WIDTH - 1.4 - ratio * height, 4.2, left=0.55, below=0.55))


class Sheet(dict[str, Axes]):
    """The axes of a page by their labels, and how they can be touched."""

    def __init__(self, figure: Figure) -> None:
        super().__init__({str(axes.get_label()): axes for axes in figure.axes})
        self.figure = figure
        self.touches: list[Touch] = []

    def touch(
        self, label: str, *, x: str = "", y: str = "", origin: At = (0, 0), step: At = (1, 1), **sets: object
    ) -> None:
        """A panel whose axes stand for controls of these names, or which chooses values when pressed.

        The value v of a control lies at origin + step·v; `origin` and `step` are (vertical, horizontal).
        """
        moves = {"y": (y, origin[0], step[0]), "x": (x, origin[1], step[1])}
        self.touches.append(Touch(self[label], moves, sets))

    def reads(self, label: str, texts: Sequence[Sequence[str]]) -> None:
        """What is said where a panel's rows and columns are pointed at, in place of their numbers."""
        self.touches.append(Touch(self[label], {}, {}, texts))

    def says(self, sentence: str) -> Picture:
        """What was drawn, with the sentence that it shows."""
        self.figure.stale = False  # until somebody else draws on it
        return Picture(self.figure, sentence, tuple(self.touches))


_block_of: WeakKeyDictionary[Figure, tuple[Block, float]] = WeakKeyDictionary()
_used: ContextVar[Figure | None] = ContextVar("used", default=None)


@contextmanager
def over(figure: Figure | None) -> Iterator[None]:
    """The next page is drawn over this figure, if it has the same panels and nobody else drew on it.

    Making axes takes longest.
    """
    token = _used.set(figure)
    try:
        yield
    finally:
        _used.reset(token)


def blank(block: Block, *, below: float = 0.1) -> Sheet:
    """A page with empty axes where the block has panels, centred, ready to be drawn on.

    Parameters
    ----------
    block : Block
    below : float
        Room at the page's foot, in inches.
    """
    figure = _used.get()
    _used.set(None)
    if figure is None or figure.stale or _block_of.get(figure) != (block, below):
        figure = Figure(dpi=DPI)
        FigureCanvasAgg(figure)
        height, margin = block.height + below, (WIDTH - block.width) / 2
        figure.set_size_inches(WIDTH, height)
        for label, (left, top, wide, tall) in block.boxes.items():
            place = (left + margin) / WIDTH, 1 - (top + tall) / height, wide / WIDTH, tall / height
            figure.add_axes(place, label=label)
        _block_of[figure] = block, below
    for axes in figure.axes:
        _wipe(axes)
    return Sheet(figure)


def _wipe(ax: Axes) -> None:
    """As new, but ten times as fast as ``ax.clear()``."""
    ax.containers.clear()
    for drawn in (*ax.collections, *ax.images, *ax.lines, *ax.patches, *ax.texts):
        drawn.remove()
    ax.set(xlabel="", ylabel="", facecolor="white", aspect="auto")
    for side in ("left", "center", "right"):
        ax.set_title("", loc=side)
    ax.set_axis_on()
    ax.reset_position()
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() != "linear":
            axis.axes.set(**{f"{axis.axis_name}scale": "linear"})
    ax.spines[:].set(visible=True)


def frame(
    ax: Axes, title: str, colour: str = palette.INK, *, size: float = palette.TITLE, linewidth: float = 2
) -> Axes:
    """A title and a frame in the colour of what the axes show; no ticks."""
    # A place of its own spares matplotlib the search for one, a tenth of the time that a picture takes.
    ax.set_title(title, fontsize=size, color=colour, pad=7, y=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(edgecolor=colour, linewidth=linewidth)
    return ax


def name_ticks(axis: Axis, names: Iterable, places: Iterable[float] | None = None, **style: object) -> None:
    """Labels without ticks, at 0, 1, 2 … unless places are given."""
    labels = [str(name) for name in names]
    axis.set_ticks(list(range(len(labels)) if places is None else places), labels)
    axis.set_tick_params(length=0, pad=6, **{"labelsize": palette.LABEL, "labelcolor": palette.INK} | style)


def thin_sides(ax: Axes, *sides: str) -> Axes:
    """A chart's frame: thin and grey on these sides ("left", "bottom" …); no others."""
    for side, spine in ax.spines.items():
        spine.set(edgecolor=palette.MUTED, linewidth=1, visible=side in sides)
    return ax


def write(ax: Axes, x: float, y: float, text: str, **style: object) -> Text:
    """Letters at a place in the axes' data, or with ``transform=ax.transAxes`` in fractions of the axes."""
    return ax.text(x, y, text, **{"fontsize": palette.LABEL, "color": palette.INK, "va": "center"} | style)


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes' panel on the page."""
    place = ax.get_position(original=True)
    width, height = ax.figure.get_size_inches()
    return place.width * width, place.height * height


def sign(ax: Axes, text: str, gap: float) -> None:
    """An operator, or a word, in the middle of the gap (in inches) to the right of the axes."""
    size = 24 if len(text) == 1 else palette.TITLE
    x = 1 + gap / 2 / inches(ax)[0]
    write(ax, x, 0.5, text, ha="center", fontsize=size, transform=ax.transAxes)
