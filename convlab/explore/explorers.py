"""Controls that redraw a picture: live beside a kernel, and rendered ahead to live without one."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import product
from math import prod

import ipywidgets as widgets
from matplotlib.figure import Figure
from traitlets import Bunch

from convlab.explore.choices import Choices
from convlab.pictures import page
from convlab.pictures.page import Picture

WIDTH = "1100px"
LAYOUT = {"width": "100%", "max_width": WIDTH}
# Controls as large as sentences, to be read from the back row; each name beside its buttons.
STYLE = """<style>
.convlab .widget-label, .convlab .widget-readout, .convlab .widget-toggle-button,
.convlab .widget-dropdown > select { font-size: 16px }
.convlab .widget-toggle-buttons { display: flex; gap: 8px }
</style>"""
MOST_FRAMES = 200


class Explorer:
    """A picture under controls, each of which offers only values that are legal.

    Parameters
    ----------
    draw : callable
        ``draw(**values)``, which returns a :class:`Picture`, or any figure of matplotlib, whose
        sentence is then made of the values. Pure: the same values give the same picture. The
        defaults of its arguments are where controls start.
    labels : mapping of str to str, optional
        What controls are called on screen, where that is not their name.
    **choices : range, list, tuple or mapping
        For each control the values that it offers: a range becomes a slider, up to four values
        become buttons, more become a slider if they are rising numbers and a menu if not. A
        mapping gives each value a label.

    Raises
    ------
    ValueError
        For a control that `draw` does not take, for what can't be chosen from, or if `draw` returns
        anything else.

    Notes
    -----
    A stored notebook keeps the picture and its sentence, never the state of a widget. What is used
    here works alike in ipywidgets 7.7.1 and 8, but for :meth:`kernel_free`, which needs 8.
    """

    def __init__(
        self,
        draw: Callable[..., Picture | Figure],
        *,
        labels: Mapping[str, str] | None = None,
        **choices: Iterable | Mapping[str, object],
    ) -> None:
        self.choices = Choices(draw, choices, labels or {})
        self._draw = draw
        self._start = self.values
        self._controls = self._new_controls()
        self._picture = self.picture
        self._image = widgets.Image(format="jpeg", layout=LAYOUT)
        self._caption = widgets.HTML()
        self._show()
        for control in self._controls.values():
            control.observe(self._follow, "index")
        self.widget = widgets.VBox([_row(self._controls.values()), self._image, self._caption])

    @property
    def values(self) -> dict[str, object]:
        """Where the controls stand."""
        return self.choices.values

    @property
    def picture(self) -> Picture:
        """What is shown now, on a figure of its own."""
        return self._drawn()

    @property
    def sentence(self) -> str:
        """What the picture shows now, in words."""
        return self._picture.alt

    def set(self, **values: object) -> Explorer:
        """Move controls, as a reader would, and draw once.

        Raises
        ------
        ValueError
            For a control or value that is not offered. Then, and if the drawing raises, nothing has moved.
        """
        before = self.choices.at
        self.choices.set(**values)
        try:
            self._picture = self._drawn(self._picture.figure)
        except Exception:
            self.choices.at = before
            self._picture = self._drawn()  # the old figure may be half drawn over
            raise
        finally:
            for name, place in self.choices.at.items():
                self._controls[name].index = place
        self._show()
        return self

    def reset(self) -> None:
        """Move every control back to where it started."""
        self.set(**self._start)

    def kernel_free(self, **choices: Iterable) -> widgets.VBox:
        """The same explorer with every picture drawn ahead, which works without a kernel.

        Parameters
        ----------
        **choices
            Values for a control; all that it offers unless given.

        Raises
        ------
        ValueError
            If the controls have more than ``MOST_FRAMES`` states together.
        """
        ahead = Explorer(self._draw, labels=self.choices.labels, **(self.choices.offered | choices))
        options = ahead.choices.options
        frames = prod(map(len, options.values()))
        if frames > MOST_FRAMES:
            counts = ", ".join(f"{name} ({len(offered)})" for name, offered in options.items())
            raise ValueError(f"{frames} pictures are more than {MOST_FRAMES}: keep fewer values of {counts}")
        leaves = []
        for values in product(*(offered.values() for offered in options.values())):
            ahead.set(**dict(zip(options, values, strict=True)))
            image = widgets.Image(value=ahead._image.value, format="jpeg", layout=LAYOUT)
            leaves.append(widgets.VBox([image, widgets.HTML(ahead._caption.value)]))
        ahead.reset()
        controls = ahead._new_controls()
        # From the last control inwards to the first: one level of stacks for each control.
        for name in reversed(options):
            count = len(options[name])
            groups = [leaves[i : i + count] for i in range(0, len(leaves), count)]
            leaves = [widgets.Stack(group, selected_index=controls[name].index) for group in groups]
            for stack in leaves:
                widgets.jslink((controls[name], "index"), (stack, "selected_index"))
        return widgets.VBox([_row(controls.values()), *leaves])

    def _new_controls(self) -> dict[str, widgets.Widget]:
        controls = {}
        for name, offered in self.choices.options.items():
            kind, width = widgets.Dropdown, "300px"
            if name in self.choices.scales:
                kind, width = widgets.SelectionSlider, "340px"
            elif len(offered) <= 4:
                kind, width = widgets.ToggleButtons, "max-content"
            layout = widgets.Layout(width=width, margin="4px 28px 4px 0")
            control = kind(options=list(offered), index=self.choices.at[name], layout=layout)
            control.description, control.style.description_width = self.choices.labels[name], "initial"
            if kind is widgets.ToggleButtons:
                control.style.button_width = "auto"
            controls[name] = control
        return controls

    def _drawn(self, over: Figure | None = None) -> Picture:
        with page.over(over):
            drawn = self._draw(**self.values)
        picture = Picture(drawn, self.choices.sentence) if isinstance(drawn, Figure) else drawn
        if not isinstance(picture, Picture):
            raise ValueError(f"draw returned {reprlib.repr(drawn)}: it must return a Picture or a Figure")
        if "matplotlib.pyplot" in sys.modules:  # which would show the figure once more
            sys.modules["matplotlib.pyplot"].close(picture.figure)
        return picture

    def _follow(self, change: Bunch) -> None:
        """What happens when a reader has moved a control."""
        name = next(name for name, control in self._controls.items() if control is change.owner)
        if change.new != self.choices.at[name]:
            self.set(**{name: list(self.choices.options[name].values())[change.new]})

    def _show(self) -> None:
        self._image.value = self._picture.encode("jpeg")
        self._caption.value = as_html(self._picture.alt)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return as_mimebundle(self.widget, self.sentence) | {"image/png": self._picture.encode("png")}


def as_mimebundle(widget: widgets.Widget, text: str) -> dict[str, object]:
    """What IPython shows for an object that is no widget itself: the live view, or else the text."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view, "text/plain": text}


def _row(controls: Iterable[widgets.Widget]) -> widgets.HBox:
    row = widgets.HBox(list(controls), layout=widgets.Layout(flex_flow="row wrap", max_width=WIDTH))
    return row.add_class("convlab")


def as_html(sentence: str, *, weight: str = "normal", colour: str = "inherit") -> str:
    """A sentence as large as it can be read from afar, for ``widgets.HTML``."""
    style = f"font: {weight} 16px/1.45 sans-serif; color: {colour}; max-width: {WIDTH}; white-space: normal"
    return f'{STYLE}<div class="convlab-sentence" style="{style}">{escape(sentence)}</div>'
