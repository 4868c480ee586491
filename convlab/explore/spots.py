"""Where a picture can be touched and read, in fractions of it: what the front end knows of a figure."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.image import AxesImage

from convlab.explore.choices import Choices
from convlab.pictures import words
from convlab.pictures.page import Picture, Touch

SMALLEST = 1.5  # dots of a pixel that can be pointed at
NOTHING = 65535  # stands for what is no number


def spots(picture: Picture, choices: Choices) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Each panel that can be touched or read, and the numbers that it shows, one block of bytes each.

    Parameters
    ----------
    picture : Picture
        Drawn: only then does a figure know where things are.
    choices : Choices
        Controls that touches may name. Those of which it has none are left out.
    """
    found: list[dict[str, Any]] = []
    blocks: list[bytes] = []
    for ax in picture.figure.axes:
        spot: dict[str, Any] = {"name": ax.get_title() or str(ax.get_label())}
        for touch in picture.touches:
            if touch.axes is ax:
                spot |= _touched(touch, choices)
        images = [image for image in ax.images if image.mouseover and _is_large(image)]
        if images and "texts" not in spot:
            spot["grid"], block = _numbers(images[0])
            spot["grid"]["block"] = len(blocks)
            blocks.append(block)
        if groups := [group for group in ax.containers if isinstance(group, BarContainer)]:
            spot["bars"] = [bar for group in groups for bar in _bars(ax, group)]
        if len(spot) > 1:
            found.append(spot | {"box": _box(ax, (*ax.get_xlim(), *ax.get_ylim()))})
    return found, blocks


def _fractions(ax: Axes, places: np.ndarray) -> np.ndarray:
    """Places (N, 2) in the data of the axes, as fractions of the picture from its top left corner."""
    dots = ax.transData.transform(places) / ax.get_figure().bbox.size
    return np.round([0, 1] + [1, -1] * dots, 5)


def _box(ax: Axes, extent: tuple[float, float, float, float]) -> list[float]:
    """Left, top, width and height of (x, x, y, y) in the data of the axes."""
    ends = _fractions(ax, np.array([extent[::2], extent[1::2]]))
    return [*ends.min(axis=0).tolist(), *np.ptp(ends, axis=0).round(5).tolist()]


def _touched(touch: Touch, choices: Choices) -> dict[str, Any]:
    names = list(choices.options)
    spot: dict[str, Any] = {"texts": touch.texts} if touch.texts else {}
    for axis, (name, origin, step) in touch.moves.items():
        if name in names:
            values = np.array(list(choices.options[name].values()), float)
            places = np.full((len(values), 2), (touch.axes.get_xlim()[0], touch.axes.get_ylim()[0]), float)
            column = "xy".index(axis)
            places[:, column] = origin + step * values
            at = _fractions(touch.axes, places)[:, column].tolist()
            spot[axis] = {"control": names.index(name), "at": at}
    if touch.sets and all(choices.offers(name, value) for name, value in touch.sets.items()):
        spot["sets"] = [[names.index(name), choices.check(name, value)] for name, value in touch.sets.items()]
    return spot


def _is_large(image: AxesImage) -> bool:
    """Whether its pixels are large enough, and numbers rather than tints."""
    array, box = image.get_array(), image.get_window_extent()
    pixels = box.width / array.shape[1], box.height / array.shape[0]
    return min(pixels) >= SMALLEST and (array.ndim == 2 or array.dtype == np.uint8)


def _numbers(image: AxesImage) -> tuple[dict[str, Any], bytes]:
    """What an image shows: rows, columns and channels, and how to read the bytes as numbers."""
    array = np.ma.filled(image.get_array().astype(float), np.nan)
    grid: dict[str, Any] = {"box": _box(image.axes, image.get_extent())}
    if image.get_array().dtype == np.uint8:
        block = array.astype(np.uint8).tobytes()
        return grid | {"shape": (*array.shape, 1)[:3], "low": 0, "step": 1 / 255}, block
    low, high = (np.nanmin(array), np.nanmax(array)) if np.isfinite(array).any() else (0, 0)
    step = float(high - low) / (NOTHING - 1) or 1.0
    levels = np.nan_to_num(np.round((array - low) / step), nan=NOTHING).astype("<u2")
    return grid | {"shape": (*array.shape, 1), "low": float(low), "step": step}, levels.tobytes()


def _bars(ax: Axes, bars: BarContainer) -> list[list[Any]]:
    """Where each bar is, and what it says: its label, or its tick's, and its number."""
    across = bars.orientation == "vertical"
    axis = ax.xaxis if across else ax.yaxis
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
    names = {round(place): label.get_text() for place, label in ticks}
    said = []
    for bar, value in zip(bars.patches, bars.datavalues, strict=True):
        middle = bar.get_x() + bar.get_width() / 2 if across else bar.get_y() + bar.get_height() / 2
        own = [label for label in (str(bar.get_label()), str(bars.get_label())) if label and label[0] != "_"]
        name = [*own, names.get(round(middle), "")][0]
        extent = bar.get_x(), bar.get_x() + bar.get_width(), bar.get_y(), bar.get_y() + bar.get_height()
        said.append([*_box(ax, extent), f"{name}: {words.exact(value)}" if name else words.exact(value)])
    return said
