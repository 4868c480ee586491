"""What every picture of the course must be, whatever it shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from convlab import Picture
from convlab.picture import SMALL


def axes_of(picture: Picture) -> dict[str, Axes]:
    return {axes.get_label(): axes for axes in picture.figure.axes}


def assert_well_made(draw: Callable[..., Picture], over: Callable[..., Picture]) -> None:
    """An image with its sentence, the same on a figure that was used for another, and readable."""
    fresh = draw()
    assert isinstance(fresh, Picture)
    assert repr(fresh) == fresh.alt
    assert fresh.alt.endswith(".")
    assert any(letter.isdigit() for letter in fresh.alt)
    assert_readable(fresh.figure)
    encoded = fresh.encode("jpeg")
    image = Image.open(io.BytesIO(encoded))
    assert image.size[0] <= 1100
    assert len(np.unique(np.asarray(image))) > 8

    used = draw(figure=over().figure)
    assert used.alt == fresh.alt
    assert used.encode("jpeg") == encoded
    again = draw(figure=fresh.figure)
    assert again.figure is fresh.figure
    assert again.encode("jpeg") == encoded


def assert_readable(figure: Figure) -> None:
    """No text is small, cut off at the edge of the figure, or on top of other text."""
    figure.canvas.draw()
    page, boxes = figure.bbox, []
    for text in _texts(figure):
        said, box = text.get_text(), Text.get_window_extent(text)  # without the arrow of an annotation
        assert text.get_fontsize() >= SMALL, said
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
