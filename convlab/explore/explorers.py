"""Controls that redraw a picture: live beside a kernel, and rendered ahead to live without one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import product
from math import prod

import ipywidgets as widgets

from convlab.pictures.page import Picture

WIDTH = "1100px"
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
        ``draw(**values) -> Picture``. Pure: the same values give the same picture. One that also
        takes ``figure`` is handed the last figure to be drawn over, which is quicker. The defaults
        of its arguments are where controls start.
    **choices : range, list, tuple or mapping
        For each control the values that it offers: a range becomes a slider, up to four values
        become buttons, more become a slider if they are rising numbers and a menu if not. A
        mapping gives each value a label.

    Notes
    -----
    A stored notebook keeps the picture and its sentence, never the state of a widget. What is used
    here works alike in ipywidgets 7.7.1 and 8, but for :meth:`kernel_free`, which needs 8.
    """

    def __init__(self, draw: Callable[..., Picture], **choices: Iterable | Mapping[str, object]) -> None:
        parameters = inspect.signature(draw).parameters
        self._draw_over = draw if "figure" in parameters else lambda figure=None, **values: draw(**values)
        self.choices = {name: _labelled(name, values) for name, values in choices.items()}
        self._sliders = {name for name, values in choices.items() if _is_scale(values)}
        self._starts = {}
        for name, offered in self.choices.items():
            values = list(offered.values())
            start = parameters[name].default if name in parameters else None
            self._starts[name] = start if start in values else values[0]
        self._controls = self._new_controls()
        self._picture = self._draw_over(**self.values)
        self._image = widgets.Image(format="jpeg", layout=_picture_layout())
        self._caption = widgets.HTML()
        self._show()
        for control in self._controls.values():
            control.observe(self._redraw, "value")
        self.widget = widgets.VBox([_row(self._controls.values()), self._image, self._caption])

    @property
    def values(self) -> dict[str, object]:
        """Where the controls stand."""
        return {name: control.value for name, control in self._controls.items()}

    @property
    def picture(self) -> Picture:
        """What is shown now, on a figure of its own."""
        return self._draw_over(**self.values)

    @property
    def sentence(self) -> str:
        """What the picture shows now, in words."""
        return self._picture.alt

    def set(self, **values: object) -> Explorer:
        """Move controls, as a reader would.

        Raises
        ------
        ValueError
            For a control or value that is not offered; no control has moved then.
        """
        for name, value in values.items():
            if name not in self.choices:
                raise ValueError(f"{name!r} is not a control: there are {', '.join(self.choices)}")
            if value not in self.choices[name].values():
                offered = ", ".join(self.choices[name])
                raise ValueError(f"{name}={value!r} is not offered: choose from {offered}")
        for name, value in values.items():
            self._controls[name].value = value
        return self

    def reset(self) -> None:
        """Move every control back to where it started."""
        self.set(**self._starts)

    def kernel_free(self, **choices: Iterable) -> widgets.VBox:
        """The same explorer with every picture drawn ahead, which works without a kernel.

        Parameters
        ----------
        **choices
            Values to keep of a control; all of them unless given.

        Raises
        ------
        ValueError
            If the controls have more than ``MOST_FRAMES`` states together.
        """
        kept = dict(self.choices)
        for name, values in choices.items():
            if name not in kept:
                raise ValueError(f"{name!r} is not a control: there are {', '.join(kept)}")
            wanted = list(values)
            kept[name] = {label: value for label, value in kept[name].items() if value in wanted}
            if len(kept[name]) != len(wanted) or not wanted:
                raise ValueError(f"{name}={values!r} must be some of: {', '.join(self.choices[name])}")
        frames = prod(len(offered) for offered in kept.values())
        if frames > MOST_FRAMES:
            raise ValueError(
                f"{frames} pictures are more than {MOST_FRAMES}: keep fewer values of "
                + ", ".join(f"{name} ({len(offered)})" for name, offered in kept.items())
            )
        controls = self._new_controls(kept)
        figure = None
        leaves = []
        for values in product(*(offered.values() for offered in kept.values())):
            picture = self._draw_over(**dict(zip(kept, values, strict=True)), figure=figure)
            figure = picture.figure
            image = widgets.Image(value=picture.encode("jpeg"), format="jpeg", layout=_picture_layout())
            leaves.append(widgets.VBox([image, widgets.HTML(as_html(picture.alt))]))
        # From the last control inwards to the first: one level of stacks for each control.
        for name in reversed(kept):
            count = len(kept[name])
            groups = [leaves[i : i + count] for i in range(0, len(leaves), count)]
            leaves = [widgets.Stack(group, selected_index=controls[name].index) for group in groups]
            for stack in leaves:
                widgets.jslink((controls[name], "index"), (stack, "selected_index"))
        return widgets.VBox([_row(controls.values()), *leaves])

    def _new_controls(self, choices: Mapping | None = None) -> dict[str, widgets.Widget]:
        controls = {}
        for name, offered in (choices or self.choices).items():
            options = list(offered.items())
            start = self._starts[name]
            kind, width = widgets.Dropdown, "300px"
            if name in self._sliders:
                kind, width = widgets.SelectionSlider, "340px"
            elif len(options) <= 4:
                kind, width = widgets.ToggleButtons, "max-content"
            controls[name] = kind(
                options=options,
                value=start if start in offered.values() else options[0][1],
                description=name.replace("_", " "),
                style={"description_width": "initial"},
                layout=widgets.Layout(width=width, margin="4px 28px 4px 0"),
            )
            if kind is widgets.ToggleButtons:
                controls[name].style.button_width = "auto"
        return controls

    def _redraw(self, _change: object) -> None:
        self._picture = self._draw_over(**self.values, figure=self._picture.figure)
        self._show()

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


def _labelled(name: str, values: Iterable | Mapping[str, object]) -> dict[str, object]:
    labelled = dict(values) if isinstance(values, Mapping) else {str(value): value for value in values}
    if not labelled:
        raise ValueError(f"{name}={values!r} offers nothing to choose from")
    return labelled


def _is_scale(values: Iterable | Mapping[str, object]) -> bool:
    """Whether a slider suits the values: a range, or more than four rising whole numbers."""
    if isinstance(values, (range, Mapping)):
        return isinstance(values, range)
    values = list(values)
    return len(values) > 4 and all(isinstance(value, int) for value in values) and values == sorted(values)


def _picture_layout() -> widgets.Layout:
    return widgets.Layout(width="100%", max_width=WIDTH)


def _row(controls: Iterable[widgets.Widget]) -> widgets.HBox:
    row = widgets.HBox(list(controls), layout=widgets.Layout(flex_flow="row wrap", max_width=WIDTH))
    return row.add_class("convlab")


def as_html(sentence: str, *, weight: str = "normal", colour: str = "inherit") -> str:
    """A sentence as large as it can be read from afar, for ``widgets.HTML``."""
    style = f"font: {weight} 16px/1.45 sans-serif; color: {colour}; max-width: {WIDTH}; white-space: normal"
    return f'{STYLE}<div class="convlab-sentence" style="{style}">{escape(sentence)}</div>'
