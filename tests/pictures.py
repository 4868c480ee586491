"""What every picture of the course must be, whatever it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from convlab import Picture
from convlab.pictures import page, palette


def axes_of(picture: Picture) -> dict[str, Axes]:
    return {axes.get_label(): axes for axes in picture.figure.axes}


def sentences(draw: Callable[..., Picture], choices: Mapping[str, Iterable]) -> list[str]:
    """Of every state of an explorer, drawn one over the other as it does."""
    figure, found = None, []
    for values in product(*choices.values()):
        with page.over(figure):
            picture = draw(**dict(zip(choices, values, strict=True)))
        figure = picture.figure
        found.append(picture.alt)
    return found


def assert_well_made(draw: Callable[..., Picture], over: Callable[..., Picture]) -> None:
    """Drawn, with its sentence, readable, and the same over another picture and over itself."""
    fresh = draw()
    assert isinstance(fresh, Picture)
    assert repr(fresh) == fresh.alt
    assert fresh.alt.endswith(".")
    assert any(letter.isdigit() for letter in fresh.alt)
    assert fresh.figure.bbox.width <= 1100
    assert_readable(fresh.figure)
    for label, axes in axes_of(fresh).items():
        drawn = (*axes.images, *axes.lines, *axes.patches, *axes.collections, *axes.texts)
        assert drawn or not axes.get_visible(), f"nothing in {label!r}"

    with page.over(over().figure):
        used = draw()
    with page.over(used.figure):
        again = draw()
    assert again.figure is used.figure
    assert used.alt == again.alt == fresh.alt
    again.figure.canvas.draw()
    assert np.array_equal(again.figure.canvas.buffer_rgba(), fresh.figure.canvas.buffer_rgba())


def assert_readable(figure: Figure) -> None:
    """No text is small, cut off at the edge of the figure, or on top of other text."""
    figure.canvas.draw()
    page, boxes = figure.bbox, []
    for text in _texts(figure):
        said, box = text.get_text(), Text.get_window_extent(text)  # without the arrow of an annotation
        assert text.get_fontsize() >= palette.SMALL, said
        assert page.x0 <= box.x0, said
        assert box.x1 <= page.x1, said
        assert page.y0 <= box.y0, said
        assert box.y1 <= page.y1, said
        assert not [other for other, other_box in boxes if box.overlaps(other_box)], said
        boxes.append((said, box))


def _texts(figure: Figure) -> Iterator[Text]:
    for axes in figure.axes:
        texts = [axes.title, *axes.texts]
        if axes.axison:
            texts += [axes.xaxis.label, axes.yaxis.label, *_ticks(axes.xaxis, 0), *_ticks(axes.yaxis, 1)]
        yield from (text for text in texts if text.get_text().strip() and text.get_visible())


def _ticks(axis: Axis, coordinate: int) -> list[Text]:
    """The labels that are drawn: matplotlib keeps some beyond the ends of the axis."""
    low, high = sorted(axis.get_view_interval())
    return [text for text in axis.get_ticklabels() if low <= text.get_position()[coordinate] <= high]
